"""Server messages of v1.bsatn, compressed updates included, as the client reads them."""

from __future__ import annotations

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.messages import v1
from spacetime_proto.messages.payloads import decode_server_payload
from spacetime_proto.protocols import V1_BSATN
from spacetime_proto.testing.comparing import comparable


def check(data: bytes) -> None:
    """A message that was read can be written and says the same again."""
    try:
        messages = list(decode_server_payload(V1_BSATN, data))
    except (DecodeError, LimitExceeded):
        return
    for message in messages:
        encoded = v1.encode_server(message)  # type: ignore[arg-type]
        again, end = v1.decode_server(encoded)
        assert end == len(encoded)
        assert comparable(again) == comparable(message)
