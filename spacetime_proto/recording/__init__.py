"""Recorded connections: the file format, and playback through a client."""
