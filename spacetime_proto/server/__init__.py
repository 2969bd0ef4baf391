"""The server role: a development engine for modules written in Python."""
