"""Schemas of every format, resolved into one module description."""
