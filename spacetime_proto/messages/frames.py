"""Payloads: the compression tag, and the batches of protocol v3 (docs/protocol.md section 3.6).

A payload from a server starts with a tag (0 none, 1 brotli, 2 gzip) and the rest is one v1 or v2
message, or on v3 one or more v2 messages back to back. A payload from a client has no tag.

Reading is lazy: `split_server` and `split_client` decode the next message only when asked, so that
what the first one causes is over before the second is looked at, as a server does it too. All
messages of a payload share one budget of rows, which follows from the payload's size on the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ..errors import DecodeError, LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from . import reading, v2
from .compression import BROTLI, GZIP, brotli_is_available, deflate, inflate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "CLIENT_BATCH_SIZE",
    "COMPRESS_ABOVE",
    "MAX_BATCH_MESSAGES",
    "SERVER_BATCH_SIZE",
    "Compression",
    "best_compression",
    "brotli_is_available",
    "compress",
    "decompress",
    "join",
    "read_server",
    "split_client",
    "split_server",
]

Compression: TypeAlias = Literal["none", "brotli", "gzip"]

#: A server compresses bodies larger than this many bytes.
COMPRESS_ABOVE: Final = 1024
#: Uncompressed bytes that a v3 server, and a v3 client, put into one payload at most.
SERVER_BATCH_SIZE: Final = 512 * 1024
CLIENT_BATCH_SIZE: Final = 256 * 1024
#: Messages that one v3 payload holds at most.
MAX_BATCH_MESSAGES: Final = 4096

_TAGS: Final = {"brotli": BROTLI, "gzip": GZIP}


def best_compression() -> Compression:
    """Return what to ask a server for: brotli if it is installed, else gzip."""
    return "brotli" if brotli_is_available() else "gzip"


def decompress(payload: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[bytes, int]:
    """Open a server payload.

    Returns:
        the bytes that hold the body, and where it starts in them. An uncompressed payload is
        returned itself: no copy.

    Raises:
        DecodeError: no tag, an unknown one, or a damaged stream (see `compression`).
        LimitExceeded: the body would be larger than `limits` allow.
    """
    tag, start = reading.u8(payload, 0)
    if tag == 0:
        return payload, start
    if tag not in (BROTLI, GZIP):
        reading.unknown_tag(tag, "compression", 0)
    return inflate(payload[1:], tag, limits), 0


def compress(body: bytes, algorithm: Compression = "none") -> bytes:
    """Make a server payload: the tag and `body`, compressed if that is asked for and it is large.

    Raises:
        LocalProtocolError: brotli was asked for and is not installed.
    """
    if algorithm == "none" or len(body) <= COMPRESS_ABOVE:
        return b"\x00" + body
    tag = _TAGS[algorithm]
    return bytes((tag,)) + deflate(body, tag)


def split_server(
    payload: bytes, limits: Limits = DEFAULT_LIMITS, *, batched: bool
) -> Iterator[v2.ServerMessage]:
    """Yield the messages of a v2 or v3 server payload, each decoded when it is asked for.

    Args:
        payload: as it came, with the compression tag.
        limits: of this connection.
        batched: True on v3, where any number of messages may follow each other.

    Raises:
        DecodeError: a damaged message, none at all, or on v2 bytes after the message.
        LimitExceeded: more bytes or rows than allowed.
    """
    data, pos = decompress(payload, limits)
    max_rows = left = limits.rows_for(len(payload))
    end = len(data)
    while True:
        message, pos, left = read_server(data, pos, left, max_rows, batched=batched)
        yield message
        if pos == end:
            return


def read_server(
    data: bytes, pos: int, left: int, max_rows: int, *, batched: bool
) -> tuple[v2.ServerMessage, int, int]:
    """Read one message of an open v2 or v3 server payload.

    Args:
        data: the payload, decompressed.
        pos: where the message starts.
        left: what is left of the payload's budget of rows.
        max_rows: the whole budget.
        batched: whether others may follow.

    Returns:
        the message, the position after it, and what is left of the budget then.

    Raises:
        DecodeError, LimitExceeded: as `split_server`.
    """
    try:
        message, pos, left = v2.read_server(data, pos, left)
    except reading.RowBudgetSpent:
        raise reading.over_budget("a server payload", max_rows) from None
    if pos != len(data) and not batched:
        name = type(message).__name__
        raise DecodeError(f"{len(data) - pos} bytes after the message", what=name, offset=pos)
    # An empty message costs no rows; without this a small payload could hold millions of them.
    if not left:
        raise reading.over_budget("a server payload", max_rows)
    return message, pos, left - 1


def split_client(
    payload: bytes, limits: Limits = DEFAULT_LIMITS, *, batched: bool
) -> Iterator[v2.ClientMessage]:
    """Yield the messages of a v2 or v3 client payload, each decoded when it is asked for.

    Bytes after the message of a v2 payload are ignored, as a SpacetimeDB server does
    (docs/protocol.md section 4.7).

    Raises:
        DecodeError: a damaged message, or none at all; its `detail` is the server's close reason.
        LimitExceeded: more queries than allowed.
    """
    if batched and not payload:
        raise DecodeError("v3 websocket binary payload must contain at least one v2 client message")
    max_rows = limits.rows_for(len(payload))
    message, pos = v2.decode_client(payload, 0, max_rows)
    yield message
    while batched and pos < len(payload):
        message, pos = v2.decode_client(payload, pos, max_rows)
        yield message


def join(
    messages: Iterable[bytes],
    max_size: int = CLIENT_BATCH_SIZE,
    max_messages: int = MAX_BATCH_MESSAGES,
) -> Iterator[bytes]:
    """Yield v3 bodies, in order, each the concatenation of as many messages as fit.

    A message larger than `max_size` bytes goes alone. The server role puts each body through
    `compress`; the client role sends it as it is.

    Raises:
        LocalProtocolError: an empty message, which would vanish in a batch.
    """
    batch: list[bytes] = []
    size = 0
    for message in messages:
        if not message:
            raise LocalProtocolError("an empty message cannot be put into a v3 payload")
        if batch and (size + len(message) > max_size or len(batch) >= max_messages):
            yield batch[0] if len(batch) == 1 else b"".join(batch)
            batch = []
            size = 0
        batch.append(message)
        size += len(message)
    if batch:
        yield batch[0] if len(batch) == 1 else b"".join(batch)
