"""TCP bytes to WebSocket payloads and HTTP messages, on wsproto and h11."""
