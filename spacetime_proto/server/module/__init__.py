"""How a module for the embedded server is written: tables, functions, and what they are given."""
