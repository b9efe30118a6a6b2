"""Random markets: whatever is sent, the invariants hold."""
