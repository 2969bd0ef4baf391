"""Recorded connections: the file format, and what a client makes of one."""
