"""SpacetimeDB without I/O: protocol, cache, bindings, both roles."""
