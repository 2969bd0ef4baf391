"""Payloads: the compression tag, and bodies of brotli and gzip under tight limits."""

from __future__ import annotations

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.limits import Limits
from spacetime_proto.messages.frames import compress, decompress

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
    for algorithm in ("none", "gzip", "brotli"):
        again, start = decompress(compress(body, algorithm))
        assert again[start:] == body
