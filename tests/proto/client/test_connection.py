"""Connection: request ids, batching, and misuse."""

from __future__ import annotations

from collections import deque

import pytest

from spacetime_proto.client import events as ev
from spacetime_proto.client.subscriptions import Subscription
from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.messages import v2
from tests.support.script import IDENTITY, Script, user


def test_payloads_can_be_received_without_a_websocket() -> None:
    script = Script()
    script.open()
    connection = script.session._connection
    assert connection is not None
    assert connection.greeting is not None
    assert connection.greeting.identity == IDENTITY
    connection.sets.subscribe(Subscription(["SELECT * FROM user"]))
    body = v2.encode_server(v2.SubscribeAppliedMessage(1, 1, (script.single("user", user(1)),)))
    inbox: deque[bytes | str] = deque([b"\x00" + body])
    kinds = [type(event) for event in connection.receive(inbox) or ()]
    assert kinds == [ev.SetApplied, ev.TableChanged]
    assert connection.receive(inbox) is None


def test_v3_batches_what_waits_and_v2_does_not() -> None:
    for protocol, payloads in (("v3.bsatn.spacetimedb", 1), ("v2.bsatn.spacetimedb", 3)):
        script = Script(protocol)
        script.open()
        connection = script.session._connection
        assert connection is not None
        for _ in range(3):
            script.session.call(script.module.reducers.set_name("x"))
        assert len(connection.payloads_to_send(0.0)) == payloads
        assert connection.payloads_to_send(0.0) == []


def test_request_ids_wrap_before_they_leave_the_wire() -> None:
    script = Script()
    script.open()
    connection = script.session._connection
    assert connection is not None
    connection._outbox._next_id = 0xFFFF_FFFF
    first = script.session.call(script.module.reducers.set_name("x"))
    second = script.session.call(script.module.reducers.set_name("x"))
    assert (first.request_id, second.request_id) == (0xFFFF_FFFF, 1)


def test_a_set_that_was_not_sent_here_cannot_be_ended_here() -> None:
    script = Script()
    script.open()
    connection = script.session._connection
    assert connection is not None
    with pytest.raises(LocalProtocolError, match="not sent"):
        connection.sets.unsubscribe(Subscription(["q"]))


def test_a_subscription_that_ended_before_the_greeting_is_not_replayed() -> None:
    script = Script(will_reconnect=True)
    script.open()
    kept, left = (script.session.subscribe(f"SELECT * FROM {name}") for name in ("user", "message"))
    first, second = script.received()
    for sent in (first, second):
        script.send(v2.SubscribeAppliedMessage(sent.request_id, sent.query_set_id, ()))
    script.events()
    script.lose()
    script.start()
    script.accept()
    assert script.events() == []
    left.unsubscribe()
    script.greet()
    script.events()
    (again,) = script.received()
    assert again.query_strings == ("SELECT * FROM user",)
    script.send(v2.SubscribeAppliedMessage(again.request_id, again.query_set_id, ()))
    script.events()
    assert kept.is_active
    assert left.is_ended
