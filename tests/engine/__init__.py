"""Tests of the engine, run on the pure market in memory."""
