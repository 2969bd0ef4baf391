"""Modules for the embedded server: tables, functions, and the contexts of functions."""
