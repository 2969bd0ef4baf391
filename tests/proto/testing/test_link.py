from __future__ import annotations

import pytest
from hypothesis import given

from spacetime_proto.testing import Link
from spacetime_proto.testing import strategies as sts
from spacetime_proto.wire.websocket import ClientWebSocket, ServerWebSocket


class Talker:
    """Sends lines, answers each ``ask`` with ``answer``, and ticks as often as it is told."""

    def __init__(self, *lines: bytes, deadlines: tuple[float, ...] = ()) -> None:
        self.outbox = bytearray(b"".join(lines))
        self.received = bytearray()
        self.pieces: list[int] = []
        self.log: list[tuple[str, float]] = []
        self.deadlines = list(deadlines)

    @property
    def deadline(self) -> float | None:
        return self.deadlines[0] if self.deadlines else None

    def receive_data(self, data: bytes, *, now: float) -> None:
        assert data
        self.received += data
        self.pieces.append(len(data))
        for _ in range(data.count(b"?")):
            self.outbox += b"!"

    def receive_eof(self, *, now: float) -> None:
        self.log.append(("eof", now))

    def data_to_send(self) -> bytes:
        data = bytes(self.outbox)
        self.outbox.clear()
        return data

    def tick(self, *, now: float) -> None:
        self.log.append(("tick", now))
        self.deadlines.pop(0)


class Timed(Talker):
    """Wants to know when it sends, as the server's session does."""

    def data_to_send(self, now: float) -> bytes:  # type: ignore[override]
        self.log.append(("send", now))
        return super().data_to_send()


def test_run_delivers_everything_both_ways_and_answers_too() -> None:
    client, server = Talker(b"a?b?"), Talker(b"hello")
    calls: list[int] = []
    link = Link(client, server, after=lambda: calls.append(link.client_received))
    link.run()
    assert bytes(server.received) == b"a?b?"
    assert bytes(client.received) == b"hello!!"
    assert (link.client_received, link.server_received) == (7, 4)
    assert calls[-1] == 7
    assert link.step() is False


@given(sts.byte_cuts())
def test_cuts_change_the_pieces_and_nothing_else(cuts: list[int]) -> None:
    client, server = Talker(b"a?" * 50), Talker(b"hello" * 30)
    Link(client, server, cuts=cuts).run()
    assert bytes(server.received) == b"a?" * 50
    assert bytes(client.received).count(b"!") == 50
    assert bytes(client.received).replace(b"!", b"") == b"hello" * 30


def test_directions_take_turns() -> None:
    client, server = Talker(b"abc"), Talker(b"xyz")
    link = Link(client, server, cuts=[1, 2, 1, 1])
    link.step()
    assert bytes(client.received) == b"x"
    link.step()
    assert bytes(server.received) == b"ab"
    link.run()
    assert client.pieces == [1, 1, 1]
    assert server.pieces == [2, 1]


def test_a_piece_has_at_least_one_byte() -> None:
    client, server = Talker(b"abc"), Talker()
    Link(client, server, cuts=[0, 0]).run()
    assert server.pieces == [1, 1, 1]


def test_a_machine_that_wants_the_time_gets_it() -> None:
    server = Timed()
    Link(Talker(b"x"), server, now=5.0).run()
    assert ("send", 5.0) in server.log


def test_machines_that_never_stop_talking() -> None:
    class Echo(Talker):
        def receive_data(self, data: bytes, *, now: float) -> None:
            self.outbox += data

    with pytest.raises(RuntimeError, match="still talk after 10 deliveries"):
        Link(Echo(b"x"), Echo()).run(10)


# --- stopping at a byte -----------------------------------------------------------------------


@pytest.mark.parametrize("size", range(8))
def test_an_end_can_be_stopped_at_any_byte(size: int) -> None:
    client, server = Talker(b"a?b?"), Talker(b"hello")
    link = Link(client, server, cuts=[3])
    assert link.run_until_received(size, by="client")
    assert bytes(client.received) == b"hello!!"[:size]
    link.run()
    assert bytes(client.received) == b"hello!!"
    assert bytes(server.received) == b"a?b?"


def test_bytes_that_never_come() -> None:
    client, server = Talker(b"abc"), Talker()
    link = Link(client, server)
    assert not link.run_until_received(4, by="server")
    assert not link.run_until_received(2, by="server")
    assert link.run_until_received(3, by="server")


# --- time -------------------------------------------------------------------------------------


def test_deadlines_fire_in_order_when_they_are_due() -> None:
    client, server = Talker(deadlines=(1.0, 9.0)), Talker(deadlines=(0.5, 2.0))
    ticks: list[float] = []
    link = Link(client, server, after=lambda: ticks.append(link.now))
    link.wait(3.0)
    assert client.log == [("tick", 1.0)]
    assert server.log == [("tick", 0.5), ("tick", 2.0)]
    assert ticks == [0.5, 1.0, 2.0]
    assert link.now == 3.0
    link.wait(7.0)
    assert client.log[1:] == [("tick", 9.0)]
    assert link.now == 10.0


def test_a_deadline_in_the_past_fires_now() -> None:
    client = Talker(deadlines=(1.0,))
    link = Link(client, Talker(), now=5.0)
    link.wait(0.0)
    assert client.log == [("tick", 5.0)]


def test_a_machine_that_keeps_its_deadline() -> None:
    client = Talker(deadlines=(1.0, 1.0))
    with pytest.raises(RuntimeError, match="Talker did not move its deadline"):
        Link(client, Talker()).wait(2.0)


# --- the end ----------------------------------------------------------------------------------


def test_a_cut_loses_what_is_in_flight() -> None:
    client, server = Talker(b"abc"), Talker(b"xyz")
    link = Link(client, server, cuts=[1])
    link.step()
    link.cut()
    link.run()
    assert not link.is_open
    assert bytes(client.received) == b"x"
    assert bytes(server.received) == b""
    assert client.log == server.log == [("eof", 0.0)]
    client.outbox += b"more"
    link.run()
    link.cut()
    assert client.log == [("eof", 0.0)]


def test_a_cut_can_deliver_first() -> None:
    client, server = Talker(b"abc"), Talker(b"xyz")
    Link(client, server).cut(deliver=True)
    assert bytes(client.received) == b"xyz"
    assert bytes(server.received) == b"abc"


# --- real machines ----------------------------------------------------------------------------


@given(sts.byte_cuts())
def test_two_websockets_shake_hands_and_talk(cuts: list[int]) -> None:
    client = ClientWebSocket(entropy=bytes)
    server = ServerWebSocket(entropy=bytes)
    got: list[bytes | str] = []

    def after() -> None:
        if server.request is not None and server.accepted is None:
            server.accept(link.now, subprotocol="p")
        got.extend(server.messages())

    link = Link(client, server, cuts=cuts, after=after)
    server.start(0.0)
    client.start(0.0, host_header="h", target="/", subprotocols=("p",))
    link.run()
    client.send(b"x" * 5000)
    link.run()
    assert got == [b"x" * 5000]
    link.wait(120.0)
    assert client.failure is None
    link.cut()
    assert client.failure is not None
