"""The edge: REST, WebSocket, composition root and command line."""
