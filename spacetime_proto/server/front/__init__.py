"""The client side of the embedded server: HTTP, tokens, connections, subscriptions."""
