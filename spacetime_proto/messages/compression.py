"""Gzip and brotli with a bound on what they may produce.

Rules, the same for both (the server's own messages keep all of them):

* a compressed body is exactly one stream: for gzip one member, checksum and length included. A
  second member, bytes after the end, and a stream that is cut short are `DecodeError`;
* output is produced step by step and counted, so a body that would become larger than allowed is
  refused before it has been expanded;
* brotli is an optional dependency: without it `brotli_is_available` is False and a brotli body is a
  `DecodeError` that says what to install.
"""

from __future__ import annotations

import io
import zlib
from typing import Any, Final

from ..errors import DecodeError, LimitExceeded, LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits

try:
    import brotli as _optional  # type: ignore[import-untyped, unused-ignore]  # it has no stubs
except ImportError:
    _optional = None

#: Compression tags of the wire (docs/protocol.md section 3.6); 0 is no compression.
BROTLI: Final = 1
GZIP: Final = 2

_brotli: Any = _optional

_GZIP_WINDOW: Final = 31
"""zlib's way of saying: the largest window, gzip header and trailer."""
_STEP: Final = 1 << 20
"""Bytes of output asked for at a time."""
_INPUT_STEP: Final = 1 << 16
"""Bytes of input given to zlib at a time: it copies what it could not use yet."""
_GZIP_LEVEL: Final = 1
_BROTLI_QUALITY: Final = 1
"""The server's own choices: the fastest of each."""


def brotli_is_available() -> bool:
    """Say whether brotli 1.2 or later is installed; earlier ones cannot bound their output."""
    return hasattr(getattr(_brotli, "Decompressor", None), "can_accept_more_data")


def inflate(body: bytes, algorithm: int, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Decompress `body`, which is one whole stream.

    Args:
        body: the compressed bytes, without the tag.
        algorithm: `BROTLI` or `GZIP`.
        limits: gives the largest result allowed for the size of `body`.

    Raises:
        DecodeError: the stream is damaged, cut short or followed by other bytes; or it is brotli
            and the package is not installed.
        LimitExceeded: the result would be larger than `limits` allow.
    """
    return _unbrotli(body, limits) if algorithm == BROTLI else _gunzip(body, limits)


def deflate(data: bytes, algorithm: int) -> bytes:
    """Compress `data` into one stream, as fast as the algorithm can (what the server does).

    Raises:
        LocalProtocolError: `BROTLI` was asked for and is not installed.
    """
    if algorithm == GZIP:
        packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        return packer.compress(data) + packer.flush()
    if not brotli_is_available():
        raise LocalProtocolError("brotli compression needs the package brotli>=1.2")
    packed: bytes = _brotli.compress(data, quality=_BROTLI_QUALITY)
    return packed


class _Output:
    """Collects decompressed pieces; LimitExceeded when they are larger than the limits allow."""

    def __init__(self, body: bytes, limits: Limits) -> None:
        self._allowed = limits.decompressed_for(len(body))
        self._limits = limits
        self._size = 0
        # BytesIO grows in place and hands its buffer over without a copy: a list of pieces would
        # need twice the memory for a moment.
        self._buffer = io.BytesIO()

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._allowed:
            by_size = self._allowed == self._limits.decompressed_size
            limit = "decompressed_size" if by_size else "decompression_ratio"
            raise LimitExceeded(
                f"a compressed payload becomes more than {self._allowed:,} bytes",
                limit=limit,
                maximum=getattr(self._limits, limit),
            )
        self._buffer.write(piece)

    def value(self) -> bytes:
        return self._buffer.getvalue()


def _gunzip(body: bytes, limits: Limits) -> bytes:
    output = _Output(body, limits)
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        for at in range(0, len(body), _INPUT_STEP):
            if unpacker.eof:
                raise DecodeError("bytes after the end of the stream", what="gzip payload")
            pending = body[at : at + _INPUT_STEP]
            piece = b""
            # After a piece of full size there may be more output, even if all input was taken.
            while not unpacker.eof and (pending or len(piece) == _STEP):
                piece = unpacker.decompress(pending, _STEP)
                output.add(piece)
                pending = unpacker.unconsumed_tail
    except zlib.error as error:
        raise DecodeError(f"damaged: {error}", what="gzip payload") from error
    if not unpacker.eof:
        raise DecodeError("the stream is cut short", what="gzip payload")
    if unpacker.unused_data:
        raise DecodeError("bytes after the end of the stream", what="gzip payload")
    return output.value()


def _unbrotli(body: bytes, limits: Limits) -> bytes:
    if not brotli_is_available():
        raise DecodeError("the package brotli>=1.2 is not installed", what="brotli payload")
    output = _Output(body, limits)
    unpacker = _brotli.Decompressor()
    try:
        # All input goes in with the first call; later calls only fetch more output. Bytes after the
        # end of the stream are an error of the decompressor.
        pending = body
        while not unpacker.is_finished():
            piece = unpacker.process(pending, output_buffer_limit=_STEP)
            if not piece and unpacker.can_accept_more_data() and not unpacker.is_finished():
                raise DecodeError("the stream is cut short", what="brotli payload")
            output.add(piece)
            pending = b""
    except _brotli.error as error:
        raise DecodeError("damaged, or bytes after its end", what="brotli payload") from error
    return output.value()
