"""Tests of what nobody may be able to do."""
