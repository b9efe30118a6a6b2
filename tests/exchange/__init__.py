"""Tests of the exchange shell."""
