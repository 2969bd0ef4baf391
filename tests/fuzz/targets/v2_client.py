"""Client messages of v2 and v3, as the server reads them."""

from __future__ import annotations

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.messages import v2
from spacetime_proto.messages.frames import split_client


def check(data: bytes) -> None:
    """Each message encodes to the bytes that it came from."""
    try:
        messages = list(split_client(data, batched=True))
    except (DecodeError, LimitExceeded):
        return
    assert b"".join(map(v2.encode_client, messages)) == data
