"""The demo market and the demo trading day: driven through the public API only."""
