"""Server messages of v2 and v3, with the compression tag, as the client reads them."""

from __future__ import annotations

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.messages import v2
from spacetime_proto.messages.payloads import decode_server_payload
from spacetime_proto.protocols import V3_BSATN
from spacetime_proto.testing.comparing import comparable


def check(data: bytes) -> None:
    """Each message can be written and says the same again.

    Not always in the same bytes: an empty list of rows of no size is written as one with offsets.
    """
    try:
        messages = list(decode_server_payload(V3_BSATN, data))
    except (DecodeError, LimitExceeded):
        return
    for message in messages:
        encoded = v2.encode_server(message)
        again, end = v2.decode_server(encoded)
        assert end == len(encoded)
        assert comparable(again) == comparable(message)
        assert v2.encode_server(again) == encoded
