"""The routes, by audience; each handler validates, sends one command or reads, and replies."""
