"""Tests that the documentation is complete and true."""
