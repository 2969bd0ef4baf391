"""Fixtures for the wire tests: deterministic entropy, and two machines on a link of byte strings."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from spacetime_proto.wire.frames_fast import FastCodec
from spacetime_proto.wire.frames_wsproto import WsprotoCodec
from spacetime_proto.wire.websocket import ClientWebSocket, ServerWebSocket, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from spacetime_proto.wire.frames import CodecFactory


@pytest.fixture
def entropy() -> Callable[[int], bytes]:
    return random.Random(7).randbytes


@pytest.fixture(params=[WsprotoCodec, FastCodec], ids=lambda codec: codec.__name__)
def codec(request: pytest.FixtureRequest) -> CodecFactory:
    return request.param


class Pair:
    """A client and a server that have opened a WebSocket at time 0."""

    PROTOCOL = "v3.bsatn.spacetimedb"

    def __init__(self, codec: CodecFactory, **options: object) -> None:
        entropy = random.Random(7).randbytes
        server_options = {
            k.removeprefix("server_"): v for k, v in options.items() if k.startswith("server_")
        }
        client_options = {k: v for k, v in options.items() if not k.startswith("server_")}
        self.client = ClientWebSocket(entropy=entropy, codec=codec, **client_options)
        self.server = ServerWebSocket(entropy=entropy, codec=codec, **server_options)
        self.client.start(
            0.0, host_header="localhost:3000", target="/", subprotocols=[self.PROTOCOL]
        )
        self.server.start(0.0)
        self.flush()
        self.server.accept(0.0, subprotocol=self.PROTOCOL)
        self.flush()
        assert self.client.state is self.server.state is State.OPEN

    def flush(self, now: float = 0.0, *, step: int | None = None) -> None:
        """Carry bytes both ways until none are left, in pieces of `step` bytes."""
        busy = True
        while busy:
            busy = False
            for sender, receiver in ((self.client, self.server), (self.server, self.client)):
                data = sender.data_to_send()
                busy = busy or bool(data)
                size = step or max(len(data), 1)
                for at in range(0, len(data), size):
                    receiver.receive_data(data[at : at + size], now)


@pytest.fixture
def pair(codec: CodecFactory) -> Callable[..., Pair]:
    """Make an opened pair; options of the server are prefixed with ``server_``."""
    return lambda **options: Pair(codec, **options)
