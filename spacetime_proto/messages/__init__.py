"""The messages of each protocol version, in both roles, and their framing."""
