"""Client messages of v2 and v3, as the server reads them."""

from __future__ import annotations

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.messages import v2
from spacetime_proto.messages.payloads import decode_client_payload
from spacetime_proto.protocols import V3_BSATN


def check(data: bytes) -> None:
    """Each message encodes to the bytes that it came from."""
    try:
        messages = list(decode_client_payload(V3_BSATN, data))
    except (DecodeError, LimitExceeded):
        return
    assert b"".join(map(v2.encode_client, messages)) == data
