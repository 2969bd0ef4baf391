"""The messages between client and server, and the payloads that hold them.

`v1` and `v2` declare the messages; `declare` makes functions of the declarations, by way of `fields`
(what a field is on the wire) and `message_source` (the code that is generated for it). `payloads`
opens what a WebSocket message holds.
"""
