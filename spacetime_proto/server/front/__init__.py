"""What faces the clients of the embedded server: HTTP, tokens, connections, subscriptions."""
