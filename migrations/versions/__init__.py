"""Revisions in order: 0001 journal, 0002 identity, 0003 settlement, 0004 registry."""
