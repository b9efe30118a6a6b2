"""Rows of the reliability table: replay, crash, corruption."""
