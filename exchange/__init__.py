"""Runs the market: the one writer, its journal, recovery, snapshots, clock and read models."""
