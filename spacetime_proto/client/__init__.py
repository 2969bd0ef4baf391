"""The client role: requests, answers, subscriptions, callbacks, and a client's whole life."""
