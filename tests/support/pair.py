"""A client session and a server in one process, over a link that cuts bytes anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from spacetime_proto.bindings import Module, dynamic_module
from spacetime_proto.client import events as ev
from spacetime_proto.client.session import ClientSession
from spacetime_proto.client.session_options import ClientOptions, Target
from spacetime_proto.server import Module as ServerModule
from spacetime_proto.server.front.faults import Faults
from spacetime_proto.server.front.host import Host
from spacetime_proto.server.front.server_session import ServerSession
from spacetime_proto.server.front.tokens import SecretAuthority
from spacetime_proto.testing.link import Link


def counting_entropy(seed: str = "") -> Callable[[int], bytes]:
    """Return a source of bytes that are different on each call and the same on each run."""
    state = hashlib.sha256(seed.encode())

    def entropy(size: int) -> bytes:
        out = b""
        while len(out) < size:
            state.update(b"more")
            out += state.digest()
        return out[:size]

    return entropy


class Pair:
    """One client of one database, with everything that the client's `events` gave."""

    def __init__(
        self,
        module: ServerModule,
        options: ClientOptions | None = None,
        *,
        cuts: Iterable[int] = (),
        bindings: Module[Any] | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.faults = faults or Faults()
        self.host = Host(
            authority=SecretAuthority(b"secret"),
            entropy=counting_entropy("server"),
        )
        self.database = self.host.add(module, "test", now=0.0, faults=self.faults)
        self.options = options or ClientOptions()
        self.bindings = bindings or dynamic_module(self.database.definition)
        self.session: ClientSession[Any] = ClientSession(
            self.options, self.bindings, entropy=counting_entropy("client")
        )
        self.events: list[ev.Event] = []
        self.cuts = iter(cuts)
        self.link: Link | None = None
        self.now = 0.0

    def start(self, **target: Any) -> None:
        """Connect, also again after a loss, on a fresh link; delivers until nothing moves."""
        self.session.start(self.now, Target(host="test", database="test", **target))
        self.server = ServerSession(self.host)
        self.link = Link(
            self.session, self.server, now=self.now, cuts=self.cuts, after=self.take_events
        )
        self.run()

    def take_events(self) -> None:
        """Take what the client has to tell."""
        self.events.extend(self.session.events())

    def run(self) -> None:
        """Deliver in both directions until nothing is in flight."""
        assert self.link is not None
        self.link.run()
        self.now = self.link.now
        self.take_events()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        assert self.link is not None
        self.link.wait(seconds)
        self.now = self.link.now
        self.take_events()

    def cut(self) -> None:
        """Lose the connection, with what is in flight."""
        assert self.link is not None
        self.link.cut()
        self.server.connection_lost(self.now)
        self.take_events()

    def drain(self) -> list[ev.Event]:
        """Return the events since the last call."""
        events, self.events = self.events, []
        return events
