"""The client role: connection state, subscriptions, calls, dispatch, pump."""
