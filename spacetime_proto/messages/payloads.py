"""Which decoder reads a WebSocket payload: by protocol, role and frame type (docs/protocol.md 3.6).

On v1 a server decides by the frame type, whatever the protocol: text is JSON, binary is BSATN. On v2
and v3 text is refused. A client knows what it negotiated and accepts only that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from ..errors import DecodeError
from ..limits import DEFAULT_LIMITS, Limits
from . import frames, v1, v1_json, v2
from .json_rows import NO_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "PROTOCOLS",
    "V1_BSATN",
    "V1_JSON",
    "V2_BSATN",
    "V3_BSATN",
    "ClientMessage",
    "ServerMessage",
    "decode_client_payload",
    "decode_server_payload",
]

V1_JSON: Final = "v1.json.spacetimedb"
V1_BSATN: Final = "v1.bsatn.spacetimedb"
V2_BSATN: Final = "v2.bsatn.spacetimedb"
V3_BSATN: Final = "v3.bsatn.spacetimedb"

#: The subprotocols, in the order in which a server prefers them.
PROTOCOLS: Final = (V3_BSATN, V2_BSATN, V1_BSATN, V1_JSON)

ClientMessage: TypeAlias = v1.ClientMessage | v2.ClientMessage
ServerMessage: TypeAlias = v1.ServerMessage | v2.ServerMessage


def decode_client_payload(
    protocol: str, payload: bytes | str, limits: Limits = DEFAULT_LIMITS
) -> Iterator[ClientMessage]:
    """Yield the messages of a payload from a client, as the server role reads them.

    Raises:
        DecodeError: its `detail` is the reason that a SpacetimeDB server closes with, as far as
            that does not come from its JSON parser.
        LimitExceeded: more queries than a payload of this size may hold.
    """
    if protocol in (V2_BSATN, V3_BSATN):
        if isinstance(payload, str):
            raise DecodeError(f"{protocol[:2]} websocket does not support text messages")
        yield from frames.split_client(payload, limits, batched=protocol == V3_BSATN)
    elif isinstance(payload, str):
        yield v1_json.decode_client(payload, limits)
    else:
        yield v1.decode_client(payload, 0, limits)[0]


def decode_server_payload(
    protocol: str,
    payload: bytes | str,
    limits: Limits = DEFAULT_LIMITS,
    *,
    codec: v1_json.JsonCodec | None = None,
) -> Iterator[ServerMessage]:
    """Yield the messages of a payload from a server, as the client role reads them.

    Args:
        protocol: the negotiated subprotocol.
        payload: as it came.
        limits: of this connection.
        codec: reads the rows of v1.json; without one, messages of that protocol with rows fail.

    Raises:
        DecodeError: not a payload of that protocol.
        LimitExceeded: more bytes or rows than allowed.
    """
    if isinstance(payload, str):
        if protocol != V1_JSON:
            raise DecodeError("a text message on a binary protocol", what=f"{protocol} payload")
        yield v1_json.decode_server(payload, codec or NO_ROWS, limits)
    elif protocol == V1_JSON:
        raise DecodeError("a binary message on a text protocol", what=f"{protocol} payload")
    elif protocol == V1_BSATN:
        data, pos = frames.decompress(payload, limits)
        message, end = v1.decode_server(data, pos, limits, wire_size=len(payload))
        if end != len(data):
            name = type(message).__name__
            raise DecodeError(f"{len(data) - end} bytes after the message", what=name, offset=end)
        yield message
    else:
        yield from frames.split_server(payload, limits, batched=protocol == V3_BSATN)
