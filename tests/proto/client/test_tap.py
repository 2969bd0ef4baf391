"""Whoever looks on sees each payload of a session once, as it is on the wire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import pytest

from spacetime_proto.client import events as ev
from spacetime_proto.client.states import SessionState
from spacetime_proto.client.tap import Tap
from spacetime_proto.messages import v2
from tests.support.payloads import compress
from tests.support.script import CONNECTION_ID, IDENTITY, TOKEN, Script


class Seen(Tap):
    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []

    def started(self, protocol: str, headers: Iterable[tuple[str, str]]) -> None:
        self.log.append(("started", protocol, dict(headers).keys() >= {"upgrade"}))

    def message(self, direction: Literal["client", "server"], payload: bytes | str) -> None:
        self.log.append((direction, payload))

    def closed(self, direction: Literal["client", "server"], code: int | None, reason: str) -> None:
        self.log.append(("closed", direction, code, reason))


def test_a_tap_sees_a_connection_from_its_start_to_its_end() -> None:
    script = Script("v2.bsatn.spacetimedb")
    seen = Seen()
    script.session.tap = seen
    script.open()
    script.session.call(script.module.reducers.set_name("Ada"))
    (call,) = script.received()
    script.lose()
    started, greeting, sent, closed = seen.log
    assert started[:2] == ("started", "v2.bsatn.spacetimedb")
    hello = v2.encode_server(v2.InitialConnection(IDENTITY, CONNECTION_ID, TOKEN))
    assert greeting == ("server", compress(hello))
    assert sent == ("client", v2.encode_client(call))
    assert closed[0] == "closed"


class Full(Seen):
    """Raises at one of its methods."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.error = OSError("disk full")

    def started(self, protocol: str, headers: Iterable[tuple[str, str]]) -> None:
        self._at("started")

    def message(self, direction: Literal["client", "server"], payload: bytes | str) -> None:
        self._at(direction)

    def closed(self, direction: Literal["client", "server"], code: int | None, reason: str) -> None:
        self._at("closed")

    def _at(self, where: str) -> None:
        self.log.append((where,))
        if where == self.where:
            raise self.error


@pytest.mark.parametrize("where", ["started", "server", "client", "closed"])
def test_a_tap_that_raises_ends_the_client(where: str) -> None:
    script = Script(will_reconnect=True)
    full = script.session.tap = Full(where)
    events = script.open()
    pending = None
    if where in ("client", "closed"):
        pending = script.session.call(script.module.reducers.set_name("Ada"))
    if where == "client":
        assert script.received() == []  # what could not be recorded is not sent
    if where == "closed":
        script.session.close()
        script.received()
        script.session.receive_eof(now=0.0)
    events += script.events()
    assert script.session.close_error is full.error
    assert script.session.state is SessionState.CLOSED
    last = events[-1]
    assert isinstance(last, ev.ConnectFailed if where == "started" else ev.Ended)
    assert last.error is full.error and not last.ctx.event.will_retry  # type: ignore[union-attr]
    if pending is not None:
        assert pending.error is not None and "OSError: disk full" in str(pending.error)


def test_a_tap_that_raises_after_a_loss_adds_to_it() -> None:
    script = Script(will_reconnect=True)
    full = script.session.tap = Full("closed")
    script.open()
    (ended,) = script.lose()
    assert isinstance(ended, ev.Ended)
    assert script.session.close_error is full.error
    assert "without a close frame" in str(ended.error)
