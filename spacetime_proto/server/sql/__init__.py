"""The SQL of SpacetimeDB: what subscriptions, one-off queries and the HTTP route accept."""
