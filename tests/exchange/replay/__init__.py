"""Replays of recorded order flow, against recordings of a naive book."""
