"""A reconnect with several query sets: one request for all of them, one step for callbacks."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.client import events as ev
from spacetime_proto.client.batch_support import BatchSupport
from spacetime_proto.client.dialects import dialect_for
from spacetime_proto.client.session import ClientSession
from spacetime_proto.client.session_options import ClientOptions
from spacetime_proto.client.states import SessionState
from spacetime_proto.client.subscriptions import Subscription
from spacetime_proto.errors import Disconnected, ProtocolError
from spacetime_proto.limits import Limits
from spacetime_proto.messages import v1, v2
from spacetime_proto.recording.playback import Replay
from tests.support.pair import counting_entropy
from tests.support.script import CONNECTION_ID, IDENTITY, NOW, TOKEN, Script, message, user

UNKNOWN = "unknown tag 0x5 for sum type ClientMessage"
SQL = ("SELECT * FROM user", "SELECT * FROM message")


def lost(protocol: str = "v3.bsatn.spacetimedb", **options: Any) -> tuple[Script, Any, Any]:
    """Return a client with rows in two sets that has lost its connection, and the sets."""
    script = Script(protocol, will_reconnect=True, **options)
    script.open()
    sets = [script.session.subscribe(sql) for sql in SQL]
    tables = script.single("user", user(1), user(2)), script.single("message", message("a"))
    for sent, rows in zip(script.received(), tables, strict=True):
        script.send(v2.SubscribeAppliedMessage(sent.request_id, sent.query_set_id, (rows,)))
    script.events()
    script.lose()
    first, second = sets
    return script, first, second


def close(script: Script, code: int, reason: str = "") -> list[ev.Event]:
    assert script.server is not None
    script.server.close(code, reason, now=script.now)
    script.deliver()
    return script.events()


@pytest.mark.parametrize("protocol", ["v2.bsatn.spacetimedb", "v3.bsatn.spacetimedb"])
def test_all_sets_are_asked_for_at_once_and_shown_as_one_step(protocol: str) -> None:
    script, first, second = lost(protocol)
    session = script.session
    script.open()
    assert session.state is SessionState.REPLAYING
    (batch,) = script.received()
    assert batch == v2.SubscribeBatch(
        1, (v2.SubscribeSet(1, (SQL[0],)), v2.SubscribeSet(2, (SQL[1],)))
    )
    call = session.call(script.module.reducers.set_name("x"))
    assert script.received() == []  # sent when the answer is there
    users = script.single("user", user(2), user(3))
    rows = script.single("message", message("a"), message("b"))
    script.send(
        v2.SubscribeBatchApplied(
            1, (v2.SubscribeSetResult(1, (users,)), v2.SubscribeSetResult(2, (rows,)))
        ),
        script.update(1, "user", inserts=(user(4),)),
    )
    events = session.events()
    change: Any = next(events)
    # Whatever callback runs first sees the whole of it.
    assert sorted(row.identity.data[0] for row in session.db.user) == [2, 3]
    assert len(session.db.message) == 2
    assert isinstance(change.ctx.event, ev.Reconnected)
    changes: list[Any] = [change, *(one for one in events if isinstance(one, ev.TableChanged))]
    told = [(one.table.table_name, len(one.inserted), len(one.deleted)) for one in changes]
    assert sorted(told[:2]) == [("message", 1, 0), ("user", 1, 1)]
    assert told[2:] == [("user", 1, 0)]
    assert first.is_active and second.is_active
    (sent,) = script.received()
    assert sent.reducer == "set_name" and not call.is_done
    first.unsubscribe()
    assert script.received() == [v2.Unsubscribe(3, 1)]


def test_a_set_that_is_refused_ends_alone() -> None:
    script, first, second = lost()
    script.open()
    (batch,) = script.received()
    rows = script.single("message", message("a"))
    script.send(
        v2.SubscribeBatchApplied(
            batch.request_id,
            (v2.SubscribeSetResult(1, "no such table"), v2.SubscribeSetResult(2, (rows,))),
        )
    )
    changed, failed = script.events()
    assert isinstance(changed, ev.TableChanged) and len(changed.deleted) == 2
    assert isinstance(failed, ev.SetFailed) and failed.subscription is first
    assert str(first.error) == "no such table"
    assert second.is_active
    assert script.session.state is SessionState.OPEN


def test_a_set_whose_end_was_asked_for_before_the_answer() -> None:
    script, first, second = lost()
    script.open()
    script.received()
    first.unsubscribe()
    assert script.received() == [v2.Unsubscribe(2, 1)]
    script.send(
        v2.SubscribeBatchApplied(1, (v2.SubscribeSetResult(1, ()), v2.SubscribeSetResult(2, ()))),
        v2.UnsubscribeAppliedMessage(2, 1),
    )
    assert [type(event) for event in script.events()][-1] is ev.SetEnded
    assert first.is_ended and second.is_active


def test_one_set_needs_no_batch() -> None:
    script, first, _ = lost()
    first.unsubscribe()
    script.events()
    script.open()
    assert script.received() == [v2.Subscribe(1, 1, (SQL[1],))]


def test_v1_asks_set_by_set() -> None:
    script = Script("v1.bsatn.spacetimedb", will_reconnect=True)
    script.open()
    for sql in SQL:
        script.session.subscribe(sql)
    script.lose()
    script.open()
    assert [type(one) for one in script.received()] == [v1.SubscribeMulti] * 2
    dialect = dialect_for("v1.bsatn.spacetimedb", script.module.bound, Limits())
    with pytest.raises(NotImplementedError):
        dialect.subscribe_batch(1, ())


def test_a_batch_that_is_too_large_is_sent_in_parts() -> None:
    script, *_ = lost("v2.bsatn.spacetimedb", limits=Limits(outgoing_size=50))
    script.open()
    assert [type(one) for one in script.received()] == [v2.Subscribe] * 2


@pytest.mark.parametrize(
    "results",
    [(), (v2.SubscribeSetResult(2, ()), v2.SubscribeSetResult(1, ()))],
    ids=["too few", "another order"],
)
def test_an_answer_with_other_sets_is_refused(results: Any) -> None:
    script, *_ = lost()
    script.open()
    script.received()
    script.send(v2.SubscribeBatchApplied(1, results))
    ended: Any = script.events()[-1]
    assert isinstance(ended.error, ProtocolError)
    assert "names other query sets than request 1" in str(ended.error)


def test_an_answer_that_nobody_asked_for_is_refused() -> None:
    script = Script()
    script.open()
    script.send(v2.SubscribeBatchApplied(9, ()))
    ended: Any = script.events()[-1]
    assert "answers request 9, which is unknown" in str(ended.error)


# --- servers before 2.11 ------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [UNKNOWN, "proxy: Unknown tag 0x05 ...", "unknown tag 5"])
def test_a_server_that_knows_no_batch_costs_one_connection(reason: str) -> None:
    script, first, second = lost()
    session = script.session
    script.open()
    script.received()
    call = session.call(script.module.reducers.set_name("x"))
    (ended,) = close(script, 1011, reason)  # the call was not sent, and waits on
    assert isinstance(ended, ev.Ended) and isinstance(ended.error, Disconnected)
    assert ended.error.retry_soon and not ended.error.is_final
    assert len(session.db.user) == 2
    for _ in range(2):
        script.open()
        one, two = script.received()
        rows = script.single("user", user(1), user(2))
        script.send(
            v2.SubscribeAppliedMessage(one.request_id, 1, (rows,)),
            script.update(1, "user", inserts=(user(3),)),
        )
        assert script.events() == []
        script.send(v2.SubscribeAppliedMessage(two.request_id, 2, ()))
        script.events()
        assert first.is_active and second.is_active
        if not call.is_done:
            (sent,) = script.received()
            script.send(
                v2.ReducerResult(sent.request_id, NOW, v2.ReducerOk()),
            )
            script.events()
            assert call.error is None
        script.lose()


def test_a_batch_that_nobody_answers_is_not_sent_for_ever() -> None:
    script, *_ = lost()
    kinds = []
    for _ in range(3):
        script.open()
        kinds.append(type(script.received()[0]).__name__)
        script.lose()
    assert kinds == ["SubscribeBatch", "SubscribeBatch", "Subscribe"]


def test_a_batch_that_was_answered_counts_anew() -> None:
    script, *_ = lost()
    for _ in range(2):
        script.open()
        script.received()
        script.lose()
        script.open()
        (batch,) = script.received()
        script.send(
            v2.SubscribeBatchApplied(
                batch.request_id, (v2.SubscribeSetResult(1, ()), v2.SubscribeSetResult(2, ()))
            )
        )
        script.events()
        script.lose()


# --- sessions -----------------------------------------------------------------------------------


def test_the_session_id_is_the_clients_own_and_stays() -> None:
    script = Script(will_reconnect=True)
    targets = set()
    for _ in range(2):
        script.start()
        assert script.server is not None and script.server.request is not None
        targets.add(script.server.request.target)
        script.lose()
    (target,) = targets
    assert target.endswith(f"&session_id={script.session.session_id}")
    assert len(bytes.fromhex(script.session.session_id)) == 16
    other: ClientSession[Any] = ClientSession(
        ClientOptions(), script.module, entropy=counting_entropy("another")
    )
    assert other.session_id != script.session.session_id


def test_a_held_session_is_told_as_an_attempt_to_repeat_soon() -> None:
    script = Script(will_reconnect=True)
    script.start()
    script.accept()
    (failed,) = close(script, 4000, "busy")
    assert isinstance(failed, ev.ConnectFailed)
    error: Any = failed.error
    assert error.is_transient and error.retry_soon
    assert str(error).startswith("the server still has an earlier connection of this client")
    assert error.__cause__.reason == "busy"


def test_a_close_4000_of_a_working_connection_is_a_loss_like_others() -> None:
    script = Script(will_reconnect=True)
    script.open()
    (ended,) = close(script, 4000)
    assert isinstance(ended, ev.Ended) and isinstance(ended.error, Disconnected)
    assert not ended.error.retry_soon


def test_batches_of_a_recording() -> None:
    script = Script()
    script.open()
    connection = script.session._connection
    assert connection is not None
    sets = [Subscription([sql]) for sql in (SQL[0], SQL[0], SQL[1])]
    connection.sets.batch_sent(7, list(zip((1, 1, 2), sets, strict=True)))
    script.send(
        v2.SubscribeBatchApplied(
            7,
            (
                v2.SubscribeSetResult(1, (script.single("user", user(1)),)),
                v2.SubscribeSetResult(1, "already exists"),
                v2.SubscribeSetResult(2, ()),
            ),
        )
    )
    assert [type(event).__name__ for event in script.events()] == [
        "SetApplied", "TableChanged", "SetFailed", "SetApplied",
    ]  # fmt: skip


def test_a_recorded_batch_is_played_back() -> None:
    module = Script().module
    replay = Replay("v3.bsatn.spacetimedb", module, Limits())
    script = Script()
    batch = v2.SubscribeBatch(7, (v2.SubscribeSet(1, (SQL[0],)), v2.SubscribeSet(2, ("no",))))
    answer = v2.SubscribeBatchApplied(
        7,
        (
            v2.SubscribeSetResult(1, (script.single("user", user(1)),)),
            v2.SubscribeSetResult(2, "no such table"),
        ),
    )
    greeting = v2.InitialConnection(IDENTITY, CONNECTION_ID, TOKEN)
    replay.received(b"\0" + v2.encode_server(greeting))
    replay.sent(v2.encode_client(batch))
    replay.received(b"\0" + v2.encode_server(answer))
    assert replay.counts["user"]["insert"] == 1


def test_clients_may_share_what_they_know_of_servers() -> None:
    old: set[str] = set()
    script, _, _ = lost()
    script.session.batches = BatchSupport(old, "http://a.test")
    script.open()
    assert type(script.received()[0]) is v2.SubscribeBatch
    close(script, 1011, UNKNOWN)
    assert old == {"http://a.test"}
    assert not BatchSupport(old, "http://a.test").is_likely
    assert BatchSupport(old, "http://b.test").is_likely
