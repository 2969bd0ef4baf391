"""Payloads: what one WebSocket message holds, by protocol and role (docs/protocol.md section 3.6).

A binary payload from a server starts with a compression tag (0 none, 1 brotli, 2 gzip); the rest is
one message, or on v3 one or more of v2 back to back. A payload from a client has no tag.

On v1 a server decides by the frame type, whatever the protocol: text is JSON, binary is BSATN. On v2
and v3 text is refused. A client knows what it negotiated and accepts only that.

Reading is lazy: a message is decoded only when it is asked for, after the effects of the one before
it. A server does the same. All messages of a payload share one budget of rows, which follows from
the payload's size on the wire.

`v1` is imported where it is needed, because most processes never use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import DecodeError, LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..protocols import V1_BSATN, V1_JSON, V2_BSATN, V3_BSATN
from . import v2
from .compression import BROTLI, GZIP, inflate
from .declare import wire_name
from .json_rows import NO_ROWS
from .reading import RowBudgetSpent, over_budget, unknown_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    from . import v1
    from .json_rows import JsonCodec

ClientMessage: TypeAlias = "v1.ClientMessage | v2.ClientMessage"
ServerMessage: TypeAlias = "v1.ServerMessage | v2.ServerMessage"

#: A server compresses bodies larger than this many bytes.
COMPRESS_ABOVE: Final = 1024
#: Uncompressed bytes that a v3 server, and a v3 client, put into one payload at most.
SERVER_BATCH_SIZE: Final = 512 * 1024
CLIENT_BATCH_SIZE: Final = 256 * 1024
#: Messages that one v3 payload holds at most.
MAX_BATCH_MESSAGES: Final = 4096


# --- from a server ----------------------------------------------------------------------------


def decode_server_payload(
    protocol: str,
    payload: bytes | str,
    limits: Limits = DEFAULT_LIMITS,
    *,
    codec: JsonCodec | None = None,
) -> Iterator[Any]:
    """Yield the messages (`ServerMessage`) of a payload from a server, as the client role reads them.

    Args:
        protocol: the negotiated subprotocol.
        payload: the payload as received.
        limits: of this connection.
        codec: reads the rows of v1.json; without one, messages of that protocol with rows fail.

    Raises:
        DecodeError: text instead of binary or the reverse, a damaged message, no message, or
            (except on v3) bytes after it.
        LimitExceeded: more bytes or rows than allowed.
    """
    if isinstance(payload, str) is not (protocol == V1_JSON):
        kind = "text" if isinstance(payload, str) else "binary"
        raise DecodeError(f"the server sent a {kind} message on {protocol}")
    if isinstance(payload, str):
        from . import v1

        yield v1.SERVER.from_json(payload, codec or NO_ROWS, limits)
        return
    data, pos = decompress(payload, limits)
    if protocol == V1_BSATN:
        from . import v1

        message, end = v1.decode_server(data, pos, limits, wire_size=len(payload))
        _check_end(message, data, end)
        yield message
        return
    max_rows = left = limits.rows_for(len(payload))
    batched = protocol == V3_BSATN
    while True:
        news, pos, left = read_server(data, pos, left, max_rows, batched=batched)
        yield news
        if pos == len(data):
            return


def decompress(payload: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[bytes, int]:
    """Open a server payload.

    Returns:
        the bytes that hold the body, and where it starts in them. An uncompressed payload is
        returned itself: no copy.

    Raises:
        DecodeError: no tag, an unknown one, or a damaged stream (see `compression`).
        LimitExceeded: the body would be larger than `limits` allow.
    """
    tag = payload[:1]
    if tag == b"\0":
        return payload, 1
    if not tag:
        raise DecodeError("data too short for u8: Expected 1, given 0", offset=0)
    if tag[0] not in (BROTLI, GZIP):
        unknown_tag(tag[0], "compression", 0)
    return inflate(payload[1:], tag[0], limits), 0


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
        DecodeError: a damaged message, none at all, or on v2 bytes after the message.
        LimitExceeded: more rows than allowed.
    """
    try:
        message, pos, left = v2.SERVER.read(data, pos, left)
    except RowBudgetSpent:
        raise over_budget("a server payload", max_rows) from None
    if not batched:
        _check_end(message, data, pos)
    # Each message costs one more: without that, a small compressed payload could hold millions of
    # messages that have no rows.
    if not left:
        raise over_budget("a server payload", max_rows)
    return message, pos, left - 1


def _check_end(message: ServerMessage, data: bytes, end: int) -> None:
    if end != len(data):
        name = wire_name(type(message))
        raise DecodeError(f"{len(data) - end} bytes after the message", what=name, offset=end)


# --- from a client ----------------------------------------------------------------------------


def decode_client_payload(
    protocol: str, payload: bytes | str, limits: Limits = DEFAULT_LIMITS
) -> Iterator[Any]:
    """Yield the messages (`ClientMessage`) of a payload from a client, as the server role reads them.

    Bytes after the message are ignored (except on v3), as a SpacetimeDB server does
    (docs/protocol.md section 4.7).

    Raises:
        DecodeError: its `detail` is the close reason of a SpacetimeDB server, except for errors of
            its JSON parser.
        LimitExceeded: more queries than a payload of this size may hold.
    """
    if protocol not in (V2_BSATN, V3_BSATN):
        from . import v1

        if isinstance(payload, str):
            yield v1.CLIENT.from_json(payload, limits=limits)
        else:
            yield v1.decode_client(payload, 0, limits)[0]
        return
    if isinstance(payload, str):
        raise DecodeError(f"{protocol[:2]} websocket does not support text messages")
    if protocol == V3_BSATN and not payload:
        raise DecodeError("v3 websocket binary payload must contain at least one v2 client message")
    message, pos = v2.decode_client(payload, 0, limits)
    yield message
    while protocol == V3_BSATN and pos < len(payload):
        message, pos = v2.decode_client(payload, pos, limits)
        yield message


# --- to either --------------------------------------------------------------------------------


def join(
    messages: Iterable[bytes],
    max_size: int = CLIENT_BATCH_SIZE,
    max_messages: int = MAX_BATCH_MESSAGES,
) -> Iterator[bytes]:
    """Yield v3 bodies, in order, each the concatenation of as many messages as fit.

    A message larger than `max_size` bytes goes alone. The server role may compress each body; the
    client role sends it as it is.

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
