"""Server payloads as a SpacetimeDB server makes them."""

from __future__ import annotations

from spacetime_proto.messages.compression import BROTLI, GZIP, deflate
from spacetime_proto.messages.payloads import COMPRESS_ABOVE

TAGS = {"brotli": BROTLI, "gzip": GZIP}


def compress(body: bytes, algorithm: str = "none") -> bytes:
    """Return the tag and `body`, compressed if that is asked for and it is large."""
    if algorithm == "none" or len(body) <= COMPRESS_ABOVE:
        return b"\0" + body
    tag = TAGS[algorithm]
    return bytes((tag,)) + deflate(body, tag)
