"""Bindings from a schema: names, model, rendered source."""
