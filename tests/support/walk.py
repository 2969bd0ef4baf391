"""A call and a frame, traced: which files of the two packages they go through.

An asyncio client, made by `spacetime_transports.connect`, on a byte stream in memory. At its other end is
the embedded server, which works while nothing is traced. A file is entered when a function in it is
called, or a coroutine or generator of it goes on, and what called it is in another file (or outside of
both packages: the event loop, generated codecs). Everything was done before the traced time, so what is
made at the first use does not count.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, NamedTuple

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute

from spacetime_proto.bindings import dynamic_module
from spacetime_proto.server.front.host import Host
from spacetime_proto.server.front.server_session import ServerSession
from spacetime_proto.server.front.tokens import SecretAuthority
from spacetime_proto.types import Identity
from spacetime_transports import connect
from spacetime_transports.server.chat_module import module
from tests.support.imports import ROOT
from tests.support.pair import counting_entropy

__all__ = ["CALL", "CALL_AND_ANSWER", "FRAME", "Move", "Walk", "entries", "table", "take_walks"]

PACKAGES = tuple(f"{ROOT / name}/" for name in ("spacetime_proto", "spacetime_transports"))

# The walks that are taken.
CALL = "A call out: from the user's `await client.call(...)` until the bytes are at the stream"
CALL_AND_ANSWER = "A call and its answer: until the `await` returns; the call inserts a row"
FRAME = "A frame in: from the bytes of somebody else's insert until the row's callback runs"

#: How often each way is gone: the last time counts, when everything has been made.
TIMES = 3


class Move(NamedTuple):
    """A call from one file into another.

    Attributes:
        depth: how many of the walk's moves have not returned yet.
        target: the file that is entered.
        function: what is called there.
    """

    depth: int
    target: str
    function: str


#: The moves of one way, in the order in which they happened.
Walk = list[Move]


def entries(walk: Walk) -> dict[str, int]:
    """Return how often each file was entered, in the order in which they first were."""
    return dict(Counter(move.target for move in walk))


def table(walks: Mapping[str, Walk]) -> str:
    """Return all walks as text: the files and how often each was entered."""
    parts = []
    for name, walk in walks.items():
        counts = entries(walk)
        lines = [f"{count:3}  {file}" for file, count in counts.items()]
        parts.append("\n".join([name, f"{len(counts)} files, {len(walk)} moves", *lines]))
    return "\n\n".join(parts) + "\n"


class Tracer:
    """Notes the moves of this thread between `start` and `stop`."""

    def __init__(self) -> None:
        self.walk: Walk = []
        self._inside: list[FrameType] = []

    def start(self) -> None:
        """Begin a walk."""
        self.walk = []
        self.go_on()

    def go_on(self) -> None:
        """Go on with a walk that was stopped."""
        self._inside = []
        sys.setprofile(self._note)

    def stop(self) -> None:
        """Stop noting."""
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if event == "return" and self._inside and self._inside[-1] is frame:
            self._inside.pop()
        if event != "call":
            return
        target = _file_of(frame)
        if target is not None and target != _file_of(frame.f_back):
            self.walk.append(Move(len(self._inside), target, frame.f_code.co_qualname))
            self._inside.append(frame)


def _file_of(frame: FrameType | None) -> str | None:
    """Return the file of one of the packages in which a frame runs, or None."""
    name = "" if frame is None else frame.f_code.co_filename
    return name[len(str(ROOT)) + 1 :] if name.startswith(PACKAGES) else None


class _NoSocket:
    """Takes the socket options that a transport sets."""

    def setsockopt(self, *_: object) -> None:
        """Do nothing."""


class ServedStream(ByteStream):
    """The client's end of a connection to a server in the same thread.

    `before_send` is called when the client hands bytes over, `after_receive` when it gets some.
    """

    def __init__(self, host: Host) -> None:
        self.before_send: Callable[[], None] = _nothing
        self.after_receive: Callable[[], None] = _nothing
        self._server = ServerSession(host, keepalive=None, fragment_size=None)
        self._server.wake = self._take_output
        self._has_data = anyio.Event()
        self._to_client = b""

    def _take_output(self) -> None:
        self._to_client += self._server.data_to_send(0.0)
        if self._to_client or self._server.is_closed:
            self._has_data.set()

    async def send(self, item: bytes) -> None:
        self.before_send()
        self._server.receive_data(bytes(item), 0.0)
        self._take_output()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await self._has_data.wait()
        data, self._to_client = self._to_client[:max_bytes], self._to_client[max_bytes:]
        if not data:
            raise anyio.EndOfStream
        if not self._to_client and not self._server.is_closed:
            self._has_data = anyio.Event()
        self.after_receive()
        return data

    async def send_eof(self) -> None:
        self._server.receive_eof(0.0)

    async def aclose(self) -> None:
        self._server.connection_lost(0.0)

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return {SocketAttribute.raw_socket: _NoSocket}


def _nothing() -> None:
    """Do nothing."""


def take_walks() -> dict[str, Walk]:
    """Go all ways and return them by name."""
    tracer = Tracer()
    walks: dict[str, Walk] = {}
    streams: list[ServedStream] = []
    host = Host(authority=SecretAuthority(b"secret"), entropy=counting_entropy("server"))
    database = host.add(module, "chat", now=0.0)
    somebody = database.caller(Identity(bytes([1]) * 32))

    async def connect_tcp(*_: object, **__: object) -> ByteStream:
        streams.append(ServedStream(host))
        return streams[-1]

    async def main() -> None:
        async with connect("http://test", "chat", dynamic_module(database.definition)) as client:
            (stream,) = streams
            await client.subscribe("SELECT * FROM message")
            reducers = client.module.reducers
            for name, after_receive in ((CALL, _nothing), (CALL_AND_ANSWER, tracer.go_on)):
                stream.before_send, stream.after_receive = tracer.stop, after_receive
                for _ in range(TIMES):
                    tracer.start()
                    await client.call(reducers.send_message("from here"))
                    tracer.stop()
                walks[name] = tracer.walk
            stream.before_send, stream.after_receive = _nothing, tracer.start
            for _ in range(TIMES):
                arrived = anyio.Event()

                def on_insert(ctx: object, row: object, arrived: anyio.Event = arrived) -> None:
                    tracer.stop()
                    arrived.set()

                client.db.message.on_insert(on_insert)
                now = host.time(0.0)
                database.call_reducer(somebody, "send_message", '["from there"]', now=now)
                await arrived.wait()
                client.db.message.remove_on_insert(on_insert)
            stream.after_receive = _nothing
            walks[FRAME] = tracer.walk

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anyio, "connect_tcp", connect_tcp)
        gc.collect()
        gc.disable()  # what it would finalize is no part of a walk
        try:
            anyio.run(main)
        finally:
            tracer.stop()
            gc.enable()
    return walks
