"""The established half, tested on a client and a server that talk over a link of byte strings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import Disconnected, LimitExceeded, LocalProtocolError, ProtocolError
from spacetime_proto.wire.websocket import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Pair

    Pairs = Callable[..., Pair]


@pytest.mark.parametrize("step", [None, 1, 3, 4097])
def test_messages_arrive_whole_and_in_order(pair: Pairs, step: int | None) -> None:
    link = pair()
    sent: list[bytes | str] = [b"", "", b"x" * 125, "\u20ac" * 42, b"y" * 126, b"z" * 5000]
    if step is None or step > 100:
        sent.append(b"z" * 70_000)
    for payload in sent:
        link.client.send(payload)
        link.server.send(payload)
    link.flush(step=step)
    assert list(link.server.messages()) == sent
    assert list(link.client.messages()) == sent


def test_the_iteration_of_messages_can_be_left_and_taken_up(pair: Pairs) -> None:
    link = pair()
    for payload in (b"a", b"b", b"c"):
        link.server.send(payload)
    link.flush()
    assert next(link.client.messages()) == b"a"
    link.server.send(b"d")
    link.flush()
    assert list(link.client.messages()) == [b"b", b"c", b"d"]


def test_nothing_to_send_is_an_empty_string(pair: Pairs) -> None:
    link = pair()
    assert link.client.data_to_send() == b""
    link.client.send(b"a")
    link.client.send(b"b")
    assert len(link.client.data_to_send()) == 2 * (2 + 4 + 1)


def test_pings_are_answered_and_only_the_latest_of_many(pair: Pairs) -> None:
    link = pair()
    link.client.ping(b"one")
    link.client.ping(b"two")
    link.server.receive_data(link.client.data_to_send(), 1.0)
    pong = link.server.data_to_send()
    assert pong == b"\x8a\x03two"
    link.client.receive_data(pong, 1.0)
    assert link.client.state is State.OPEN
    with pytest.raises(LocalProtocolError, match="125"):
        link.client.ping(bytes(126))


# --- closing ----------------------------------------------------------------------------------


def test_a_close_that_the_client_begins(pair: Pairs) -> None:
    link = pair()
    link.server.send(b"last words")
    link.client.close(1000, "bye", now=0.0)
    link.client.close(1000, "again", now=0.0)
    assert link.client.state is State.CLOSING
    link.flush()
    assert link.client.state is link.server.state is State.CLOSED
    assert list(link.client.messages()) == [b"last words"]
    assert link.client.failure is None
    assert link.client.close_code == 1000
    failure = link.server.failure
    assert isinstance(failure, Disconnected)
    assert (failure.code, failure.reason) == (1000, "bye")
    assert str(failure) == "the client closed the connection with code 1000, saying: bye"


def test_a_close_that_the_server_begins(pair: Pairs) -> None:
    link = pair()
    link.server.close(1001, "module exited", now=0.0)
    link.flush()
    failure = link.client.failure
    assert isinstance(failure, Disconnected)
    assert (failure.code, failure.reason) == (1001, "module exited")
    assert link.client.deadline is None
    assert link.server.failure is None
    assert link.server.close_code == 1001


def test_both_close_at_once(pair: Pairs) -> None:
    link = pair()
    link.client.close(now=0.0)
    link.server.close(1001, now=0.0)
    link.flush()
    assert link.client.failure is link.server.failure is None
    assert (link.client.close_code, link.server.close_code) == (1001, 1000)


def test_a_close_without_code(pair: Pairs) -> None:
    link = pair()
    link.server.close(None, now=0.0)
    link.flush()
    failure = link.client.failure
    assert isinstance(failure, Disconnected)
    assert failure.code is None
    assert str(failure) == "the server closed the connection"


def test_a_long_reason_is_cut(pair: Pairs) -> None:
    link = pair()
    link.server.close(1011, "\u20ac" * 100, now=0.0)
    link.flush()
    assert link.client.close_reason == "\u20ac" * 41


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_codes_that_must_not_be_sent(pair: Pairs, code: int) -> None:
    with pytest.raises(LocalProtocolError, match="close code"):
        pair().client.close(code, now=0.0)


def test_a_peer_that_does_not_answer_the_close(pair: Pairs) -> None:
    link = pair(close_timeout=5.0)
    link.client.close(now=10.0)
    assert link.client.deadline == 15.0
    link.client.tick(14.9)
    assert link.client.state is State.CLOSING
    link.client.tick(15.0)
    assert link.client.state is State.CLOSED
    assert link.client.failure is None


def test_a_peer_that_hangs_up_instead_of_answering_the_close(pair: Pairs) -> None:
    link = pair()
    link.client.close(now=0.0)
    link.client.receive_eof(1.0)
    assert link.client.state is State.CLOSED
    assert link.client.failure is None


def test_end_of_file_without_a_close_frame(pair: Pairs) -> None:
    link = pair()
    link.server.send(b"last")
    link.flush()
    link.client.receive_eof(1.0)
    failure = link.client.failure
    assert isinstance(failure, Disconnected)
    assert failure.code is None
    assert "without a close frame" in str(failure)
    assert list(link.client.messages()) == [b"last"]
    link.client.receive_eof(1.0)
    link.client.receive_data(b"\x82\x00", 1.0)
    assert list(link.client.messages()) == []


def test_messages_still_arrive_while_closing(pair: Pairs) -> None:
    link = pair()
    link.client.close(now=0.0)
    link.server.send(b"reply")
    link.server.ping()
    link.client.receive_data(link.server.data_to_send(), 0.0)
    assert list(link.client.messages()) == [b"reply"]
    assert link.client.state is State.CLOSING


def test_nothing_can_be_sent_unless_open(pair: Pairs) -> None:
    link = pair()
    link.client.close(now=0.0)
    with pytest.raises(LocalProtocolError, match="closing, not open"):
        link.client.send(b"x")
    with pytest.raises(LocalProtocolError, match="closing, not open"):
        link.client.ping()


# --- what the peer does wrong -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x83\x00", 1002),  # unknown opcode
        (b"\xc2\x00", 1002),  # reserved bit
        (b"\x82\x80abcd", 1002),  # a server must not mask
        (b"\x80\x00", 1002),  # continuation of nothing
        (b"\x02\x01a\x82\x00", 1002),  # a new message inside another
        (b"\x09\x00", 1002),  # fragmented ping
        (b"\x81\x01\xff", 1007),  # not UTF-8
        (b"\x88\x01x", 1002),  # half a close code
        (b"\x88\x02\x03\xed", 1002),  # 1005 on the wire
    ],
)
def test_a_protocol_error_ends_the_connection(pair: Pairs, data: bytes, code: int) -> None:
    link = pair()
    link.client.receive_data(b"\x82\x01a" + data + b"\x82\x01b", 0.0)
    assert link.client.state is State.CLOSED
    assert type(link.client.failure) is ProtocolError
    assert "the server broke the WebSocket protocol" in str(link.client.failure)
    assert list(link.client.messages()) == [b"a"]
    link.server.receive_data(link.client.data_to_send(), 0.0)
    assert link.server.close_code == code


def test_a_protocol_error_while_closing_sends_nothing(pair: Pairs) -> None:
    link = pair()
    link.client.close(now=0.0)
    link.client.data_to_send()
    link.client.receive_data(b"\x83\x00", 0.0)
    assert type(link.client.failure) is ProtocolError
    assert link.client.data_to_send() == b""


def test_a_message_beyond_the_limit(pair: Pairs) -> None:
    link = pair(message_size=10_000)
    link.server.send(bytes(10_000))
    link.flush()
    assert len(next(link.client.messages())) == 10_000
    link.server.send(bytes(10_001))
    link.flush()
    failure = link.client.failure
    assert isinstance(failure, LimitExceeded)
    assert (failure.limit, failure.maximum) == ("message_size", 10_000)
    server_saw = link.server.failure
    assert isinstance(server_saw, Disconnected)
    assert server_saw.code == 1009


def test_outgoing_messages_have_a_limit(pair: Pairs) -> None:
    link = pair(outgoing_size=10)
    link.client.send(bytes(10))
    link.client.send("\u20ac" * 3)
    for payload in (bytes(11), "\u20ac" * 4, "a" * 11):
        with pytest.raises(LocalProtocolError, match="outgoing_size = 10"):
            link.client.send(payload)


# --- time -------------------------------------------------------------------------------------


def test_silence_is_pinged_and_then_ends_the_connection(pair: Pairs) -> None:
    link = pair(keepalive=(30.0, 10.0))
    assert link.client.deadline == 30.0
    link.client.tick(29.0)
    assert link.client.data_to_send() == b""
    link.client.tick(30.0)
    assert link.client.data_to_send()[:2] == b"\x89\x80"
    assert link.client.deadline == 40.0
    link.client.tick(40.0)
    failure = link.client.failure
    assert isinstance(failure, Disconnected)
    assert str(failure) == "the server sent nothing for 40 s and did not answer a ping"
    assert link.client.state is State.CLOSED
    link.client.tick(50.0)


def test_an_answered_ping_keeps_the_connection(pair: Pairs) -> None:
    link = pair(keepalive=(30.0, 10.0))
    link.client.tick(30.0)
    link.flush(31.0)
    link.client.tick(40.0)
    assert link.client.state is State.OPEN
    assert link.client.deadline == 61.0


def test_without_keepalive_there_is_no_deadline(pair: Pairs) -> None:
    link = pair(keepalive=None, server_keepalive=None)
    assert link.client.deadline is None
    assert link.server.deadline is None
    link.client.tick(1e9)
    assert link.client.state is State.OPEN


@given(
    payloads=st.lists(st.binary(max_size=300) | st.text(max_size=100), max_size=5),
    cuts=st.lists(st.integers(1, 200), min_size=1, max_size=8),
)
def test_any_cut_of_the_stream_gives_the_same_messages(
    payloads: list[bytes | str], cuts: list[int]
) -> None:
    from spacetime_proto.wire.frames_wsproto import WsprotoCodec

    from .conftest import Pair

    link = Pair(WsprotoCodec, server_fragment_size=16)
    for payload in payloads:
        link.server.send(payload)
        link.server.ping()
    data, at, turn = link.server.data_to_send(), 0, 0
    while at < len(data):
        step = cuts[turn % len(cuts)]
        link.client.receive_data(data[at : at + step], 0.0)
        at, turn = at + step, turn + 1
    assert list(link.client.messages()) == payloads
