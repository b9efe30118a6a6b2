"""Tests of the independent journal verifier."""
