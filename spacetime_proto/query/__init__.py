"""Queries: built from typed columns, written as SQL, or answered from the client cache."""
