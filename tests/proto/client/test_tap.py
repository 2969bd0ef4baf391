"""Whoever looks on sees each payload of a session once, as it is on the wire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

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
