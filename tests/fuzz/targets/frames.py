"""Payloads: the compression tag, and bodies of brotli and gzip under tight limits."""

from __future__ import annotations

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.limits import Limits
from spacetime_proto.messages.compression import BROTLI, GZIP, deflate
from spacetime_proto.messages.payloads import decompress

_SIZE = 1 << 20
_LIMITS = Limits(decompressed_size=_SIZE, decompression_ratio=100, decompression_floor=1 << 16)


def check(data: bytes) -> None:
    """What was opened is within the limits and can be closed and opened again."""
    try:
        body, start = decompress(data, _LIMITS)
    except (DecodeError, LimitExceeded):
        return
    body = body[start:]
    assert len(body) <= max(_SIZE, len(data))
    assert decompress(b"\0" + body) == (b"\0" + body, 1)
    for tag in (BROTLI, GZIP):
        assert decompress(bytes((tag,)) + deflate(body, tag)) == (body, 0)
