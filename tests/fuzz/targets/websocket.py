"""WebSocket machines: a byte for the role and one for the sizes of the pieces, then the stream.

After each piece the machine is driven as a program would, with a clock that moves.
"""

from __future__ import annotations

import random

from spacetime_proto.errors import SpacetimeError
from spacetime_proto.wire.frames_wsproto import WsprotoCodec
from spacetime_proto.wire.websocket import ClientWebSocket, ServerWebSocket, State

_PROTOCOL = "v3.bsatn.spacetimedb"
_MESSAGE_SIZE = 1 << 16
_REQUEST = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: v3.bsatn.spacetimedb\r\n\r\n"
)
#: What answers the request of a client whose nonce is `_NONCE`.
_NONCE = b"the sample nonce"
_RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    b"Sec-WebSocket-Protocol: v3.bsatn.spacetimedb\r\n\r\n"
)


def check(data: bytes) -> None:
    """Nothing escapes but what `failure` holds, and no message passes the size."""
    if len(data) < 2:
        return
    flags, size, stream = data[0], data[1] or 1, data[2:]
    options = {"codec": WsprotoCodec} if flags & 4 else {}
    machine: ClientWebSocket | ServerWebSocket
    if flags & 1:
        machine = ClientWebSocket(
            entropy=lambda size: _NONCE[:size], message_size=_MESSAGE_SIZE, **options
        )
        machine.start(0.0, host_header="a", target="/", subprotocols=[_PROTOCOL])
        opening = _RESPONSE
    else:
        machine = ServerWebSocket(
            entropy=random.Random(1).randbytes, message_size=_MESSAGE_SIZE, **options
        )
        machine.start(0.0)
        opening = _REQUEST
    if flags & 2:
        _feed(machine, opening, 0.0)
        assert machine.state is State.OPEN
    now = 0.0
    for start in range(0, len(stream), size):
        now += 0.1
        _feed(machine, stream[start : start + size], now)
    machine.receive_eof(now)
    _drive(machine, now)
    assert machine.failure is None or isinstance(machine.failure, SpacetimeError)
    assert machine.state in (State.CLOSED, State.CONNECTING)


def _feed(machine: ClientWebSocket | ServerWebSocket, data: bytes, now: float) -> None:
    machine.receive_data(data, now)
    if isinstance(machine, ServerWebSocket) and machine.request is not None:
        if machine.state is State.CONNECTING and machine.problem is not None:
            machine.reject(*machine.problem)
        elif machine.state is State.CONNECTING:
            offered = machine.subprotocols
            machine.accept(now, subprotocol=_PROTOCOL if _PROTOCOL in offered else None)
    _drive(machine, now)


def _drive(machine: ClientWebSocket | ServerWebSocket, now: float) -> None:
    for payload in machine.messages():
        assert len(payload) <= _MESSAGE_SIZE
    machine.tick(now)
    machine.data_to_send()
