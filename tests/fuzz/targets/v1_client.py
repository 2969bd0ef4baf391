"""Client messages of v1.bsatn, as the server reads them."""

from __future__ import annotations

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.messages import v1


def check(data: bytes) -> None:
    """A message encodes to the bytes that it came from."""
    try:
        message, end = v1.decode_client(data)
    except (DecodeError, LimitExceeded):
        return
    assert v1.encode_client(message) == data[:end]
