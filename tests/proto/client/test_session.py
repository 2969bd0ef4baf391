"""ClientSession: life of a connection, requests, settlement, reconnecting."""

from __future__ import annotations

import types

import pytest

from spacetime_proto.client import events as ev
from spacetime_proto.client.pending_call import Call
from spacetime_proto.client.session import ClientSession
from spacetime_proto.client.session_options import ClientOptions, Target
from spacetime_proto.client.states import SessionState, SubscriptionState
from spacetime_proto.client.tap import Tap
from spacetime_proto.errors import (
    AuthError,
    ConnectError,
    DecodeError,
    Disconnected,
    EncodeError,
    LocalProtocolError,
    ProtocolError,
    ReducerError,
)
from spacetime_proto.limits import Limits
from spacetime_proto.messages import v2
from spacetime_proto.types import Identity
from tests.support.script import CONNECTION_ID, IDENTITY, NOW, OTHER, TOKEN, Script, message, user

OK = v2.ReducerOk()


def kinds(events: list[ev.Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_connecting() -> None:
    script = Script()
    session = script.session
    assert session.state is SessionState.IDLE
    assert session.protocol is None
    assert session.deadline is None
    assert session.data_to_send() == b""
    script.start()
    assert session.state is SessionState.CONNECTING
    assert session.deadline == 10.0
    script.accept()
    assert session.state is SessionState.CONNECTING
    assert script.events() == []
    script.greet()
    (connected,) = script.events()
    assert isinstance(connected, ev.Connected)
    assert connected.identity == session.identity == IDENTITY
    assert connected.connection_id == session.connection_id == CONNECTION_ID
    assert connected.token == session.token == TOKEN
    assert session.protocol == "v3.bsatn.spacetimedb"
    assert session.state is SessionState.OPEN


def test_a_module_is_the_MODULE_of_bindings() -> None:
    package = types.ModuleType("module_bindings")
    package.MODULE = Script().module  # type: ignore[attr-defined]
    for wrong, said in ((package, "MODULE of the bindings, not the package"), ("chat", "not str")):
        with pytest.raises(LocalProtocolError, match=said):
            ClientSession(ClientOptions(), wrong, entropy=bytes)  # type: ignore[arg-type]


def test_a_call_is_what_the_bindings_build() -> None:
    script = Script()
    script.open()
    for wrong in ("send_message", None, script.session.call):
        with pytest.raises(LocalProtocolError, match=r"write call\(reducers"):
            script.session.call(wrong)  # type: ignore[arg-type]
        with pytest.raises(LocalProtocolError, match=r"write call\(reducers"):
            script.session.submit(wrong)  # type: ignore[arg-type]


def test_no_repr_has_the_token() -> None:
    script = Script()
    (connected,) = script.open()
    target = Target(host="h", database="d", token=TOKEN, headers=(("Cookie", TOKEN),))
    for shown in (connected, script.session, target):
        assert TOKEN not in repr(shown)


def test_the_request_names_what_was_asked_for() -> None:
    script = Script(confirmed=False, light=True, compression="gzip")
    script.start(token=TOKEN, path_prefix="/base", headers=(("X-Extra", "1"),))
    assert script.server is not None
    request = script.server.request
    assert request is not None
    assert request.target == (
        "/base/v1/database/chat/subscribe?compression=Gzip&confirmed=false&light=true"
        f"&session_id={script.session.session_id}"
    )
    headers = dict(request.headers)
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["x-extra"] == "1"


def test_a_short_lived_token_goes_into_the_url() -> None:
    script = Script()
    script.start(query_token="abc")
    assert script.server is not None and script.server.request is not None
    assert script.server.request.target.endswith("&token=abc")


def test_a_refused_handshake_is_a_failed_attempt() -> None:
    script = Script()
    script.start()
    assert script.server is not None
    script.server.reject(401, "Invalid token: expired")
    script.deliver()
    script.session.receive_eof(now=0.0)
    (failed,) = script.events()
    assert isinstance(failed, ev.ConnectFailed)
    assert isinstance(failed.error, AuthError)
    assert failed.error.status == 401
    assert script.session.state is SessionState.CLOSED
    assert script.session.is_over
    assert script.session.close_error is failed.error


@pytest.mark.parametrize(
    ("sent", "status", "adds"),
    [
        ({"token": "t"}, 401, True),
        ({"query_token": "t"}, 401, True),
        ({"token": "t"}, 403, False),
        ({}, 401, False),
    ],
)
def test_what_a_refused_token_adds_to_the_error(
    sent: dict[str, str], status: int, adds: bool
) -> None:
    script = Script()
    script.start(token_hint="it was saved in FILE", **sent)
    assert script.server is not None
    script.server.reject(status, "no")
    script.deliver()
    script.session.receive_eof(now=0.0)
    (failed,) = script.events()
    assert isinstance(failed, ev.ConnectFailed)
    assert isinstance(failed.error, AuthError)
    assert failed.error.status == status
    assert str(failed.error).endswith("; it was saved in FILE") is adds


def test_a_handshake_that_takes_too_long_fails() -> None:
    script = Script()
    script.start()
    script.session.tick(now=10.0)
    (failed,) = script.events()
    assert isinstance(failed, ev.ConnectFailed)
    assert isinstance(failed.error, ConnectError)


def test_a_stream_that_cannot_be_made_is_reported() -> None:
    script = Script()
    script.session.connection_lost(ConnectError("refused"), now=0.0)
    (failed,) = script.events()
    assert isinstance(failed, ev.ConnectFailed)
    assert str(failed.error) == "refused"
    assert script.session.state is SessionState.CLOSED


def test_a_request_after_an_error_names_it() -> None:
    script = Script()
    script.open()
    error = ZeroDivisionError("mine")
    script.session.fail(error)  # its end was not told yet
    with pytest.raises(Disconnected, match="not back yet: ZeroDivisionError: mine") as caught:
        script.session.query("SELECT * FROM user")
    assert caught.value.is_final
    script.events()
    with pytest.raises(Disconnected, match="closed: ZeroDivisionError: mine") as caught:
        script.session.query("SELECT * FROM user")
    assert caught.value.__cause__ is error and caught.value.is_final
    script = Script()
    script.session.set_driver(
        check_callback=lambda callback: None,
        change_stream=lambda table, limit: pytest.fail("none"),
        retry_in=lambda: 2.5,
    )
    with pytest.raises(LocalProtocolError, match=r"not open \(waiting, next attempt in 2.5 s\)"):
        script.session.query("SELECT * FROM user")


def test_the_first_loss_is_the_cause() -> None:
    script = Script()
    script.open()
    script.session.connection_lost(OSError("first"), now=0.0)
    script.session.connection_lost(OSError("second"), now=0.0)
    (ended,) = script.events()
    assert isinstance(ended, ev.Ended)
    assert str(ended.error) == "first"


def test_an_end_before_the_greeting_points_at_client_connected() -> None:
    script = Script()
    script.start()
    script.accept()
    (failed,) = script.lose()
    assert isinstance(failed, ev.ConnectFailed)
    assert isinstance(failed.error, ConnectError)
    assert "client_connected" in str(failed.error)


@pytest.mark.parametrize("cause", [Disconnected("reset by peer"), OSError("reset by peer")])
def test_a_loss_during_the_handshake_is_a_connect_error(cause: BaseException) -> None:
    script = Script()
    script.start()
    script.session.connection_lost(cause, now=0.0)
    (failed,) = script.events()
    assert isinstance(failed, ev.ConnectFailed)
    assert isinstance(failed.error, ConnectError)
    assert "reset by peer" in str(failed.error)
    assert failed.error.__cause__ is cause


def test_a_lost_connection_ends_with_the_cause() -> None:
    script = Script()
    assert not script.session.has_connection
    script.open()
    assert script.session.has_connection
    (ended,) = script.lose()
    assert not script.session.has_connection
    assert isinstance(ended, ev.Ended)
    assert isinstance(ended.error, Disconnected)
    assert isinstance(ended.ctx.event, ev.DisconnectedEvent)
    assert ended.ctx.event.error is ended.error


def test_closing_sends_what_was_queued_and_ends_without_error() -> None:
    script = Script()
    script.open()
    pending = script.session.call(script.module.reducers.set_name("x"))
    script.session.close()
    script.session.close()
    assert script.session.state is SessionState.CLOSING
    (sent,) = script.received()
    assert sent.reducer == "set_name"
    script.deliver()
    done, ended = script.events()
    assert isinstance(done, ev.CallDone)
    assert isinstance(ended, ev.Ended)
    assert ended.error is None
    assert script.session.state is SessionState.CLOSED
    script.session.close()
    with pytest.raises(Disconnected) as caught:
        pending.result()
    assert caught.value.outcome_unknown


def test_closing_an_idle_session_closes_it() -> None:
    script = Script()
    script.session.close()
    assert script.events() == []
    assert script.session.state is SessionState.CLOSED
    with pytest.raises(Disconnected, match="closed"):
        script.session.call(Call("reducer", "set_name", ("x",)))
    with pytest.raises(Disconnected, match="closed"):
        script.session.subscribe("SELECT * FROM user")
    with pytest.raises(LocalProtocolError, match="start"):
        script.start()
    script.session.give_up(OSError("late"))
    assert script.events() == []


def test_closing_while_connecting_is_no_failure() -> None:
    script = Script()
    script.start()
    script.session.close()
    assert script.events() == []
    assert script.session.state is SessionState.CLOSED


def test_how_it_ended_is_no_news_to_who_ended_it() -> None:
    script = Script()
    script.open()
    script.session.close()
    script.session.connection_lost(OSError("reset"), now=0.0)
    (ended,) = script.events()
    assert isinstance(ended, ev.Ended)
    assert ended.error is None


def test_a_peer_that_closes_tells_why() -> None:
    script = Script()
    script.open()
    assert script.server is not None
    script.server.close(1001, "module exited", now=0.0)
    script.deliver()
    (ended,) = script.events()
    assert isinstance(ended, ev.Ended)
    assert isinstance(ended.error, Disconnected)
    assert (ended.error.code, ended.error.reason) == (1001, "module exited")


# --- messages ---------------------------------------------------------------------------------


def test_messages_of_one_payload_are_applied_one_by_one() -> None:
    script = Script()
    script.open()
    subscription = script.session.subscribe("SELECT * FROM user")
    script.received()
    script.send(
        v2.SubscribeAppliedMessage(1, 1, (script.single("user", user(1)),)),
        script.update(1, "user", inserts=(user(2),)),
    )
    first = script.session.message_events()
    assert first is not None
    assert kinds(list(first)) == ["SetApplied", "TableChanged"]
    assert len(script.session.db.user) == 1
    second = script.session.message_events()
    assert second is not None
    assert kinds(list(second)) == ["TableChanged", "TransactionApplied"]
    assert len(script.session.db.user) == 2
    assert subscription.is_active
    assert script.session.message_events() is None


def test_events_can_be_left_and_taken_up_again() -> None:
    script = Script()
    script.open()
    script.session.subscribe("SELECT * FROM user")
    script.received()
    script.send(v2.SubscribeAppliedMessage(1, 1, (script.single("user", user(1)),)))
    for event in script.session.events():
        assert isinstance(event, ev.SetApplied)
        break
    assert kinds(script.events()) == ["TableChanged"]


@pytest.mark.parametrize(
    "payload", [b"", b"\x00", b"\x00\xff", b"\x07rest", "text", b"\x00\x04\x01\x00\x00\x00"]
)
def test_a_payload_that_does_not_decode_ends_the_connection(payload: bytes | str) -> None:
    script = Script()
    script.open()
    pending = script.session.call(script.module.reducers.set_name("x"))
    script.send_raw(payload)
    done, ended = script.events()
    assert isinstance(done, ev.CallDone)
    assert isinstance(ended, ev.Ended)
    assert isinstance(ended.error, ProtocolError)
    assert script.session.has_failed
    assert isinstance(pending.error, Disconnected)
    assert not pending.error.outcome_unknown  # it never left


def test_nothing_of_a_damaged_message_is_applied() -> None:
    script = Script()
    script.open()
    script.session.subscribe("SELECT * FROM user")
    script.received()
    good = v2.encode_server(v2.SubscribeAppliedMessage(1, 1, (script.single("user", user(1)),)))
    bad = v2.encode_server(script.update(1, "user", inserts=(user(2),)))
    script.send_raw(b"\x00" + good + bad[:-3])
    events = script.events()
    assert kinds(events) == ["SetApplied", "TableChanged", "Ended"]
    assert [row.identity for row in script.session.db.user] == [user(1)[0]]


def test_a_damaged_row_that_is_read_ends_the_connection() -> None:
    """Rows are lazy: the damage shows when somebody looks, and then the cache is not trusted."""
    script = Script()
    script.open()
    script.session.subscribe("SELECT * FROM message")
    script.received()
    script.send(v2.SubscribeAppliedMessage(1, 1, (script.single("message", message("hello")),)))
    script.events()
    rows = script.rows("message", message("abcde"))
    damaged = rows.data.replace(b"abcde", b"ab\xffde")
    update = v2.encode_server(script.update(1, "message", inserts=(message("abcde"),)))
    script.send_raw(b"\x00" + update.replace(rows.data, damaged))
    script.events()
    for _ in range(2):
        with pytest.raises(DecodeError):
            list(script.session.db.message)
    (ended,) = script.events()
    assert isinstance(ended, ev.Ended)
    assert isinstance(ended.error, DecodeError)
    assert script.session.state is SessionState.CLOSED


def test_a_second_greeting_is_a_protocol_error() -> None:
    script = Script()
    script.open()
    script.greet()
    (ended,) = script.events()
    assert isinstance(ended, ev.Ended)
    assert "second time" in str(ended.error)


# --- requests -----------------------------------------------------------------------------------


def test_a_call_and_its_answer() -> None:
    script = Script()
    script.open()
    seen: list[object] = []
    pending = script.session.call(script.module.reducers.set_name("x"), on_done=seen.append)
    with pytest.raises(LocalProtocolError, match="no outcome yet"):
        pending.result()
    assert not pending.sent
    (sent,) = script.received()
    assert pending.sent
    assert (sent.reducer, sent.args) == ("set_name", b"\x01\x00\x00\x00x")
    script.send(v2.ReducerResult(sent.request_id, NOW, OK))
    completed, done = script.events()
    assert isinstance(completed, ev.ReducerCompleted)
    assert isinstance(completed.ctx.event, ev.ReducerEvent)
    assert completed.ctx.event.is_own
    assert completed.ctx.event.args == ("x",)
    assert isinstance(done, ev.CallDone)
    assert done.pending is pending
    assert pending.result() is None


def test_calls_before_the_connection_is_open() -> None:
    script = Script()
    call = script.module.reducers.set_name("x")
    with pytest.raises(LocalProtocolError, match="idle, not open"):
        script.session.call(call)
    with pytest.raises(LocalProtocolError, match="idle, not open"):
        script.session.query("SELECT * FROM user")


def test_calls_can_wait_for_the_connection() -> None:
    script = Script(offline="wait")
    call = script.module.reducers.set_name("x")
    script.session.submit(call)
    query = script.session.query("SELECT * FROM user")
    misfit = script.session.call(Call("reducer", "set_name", (5,)))
    subscription = script.session.subscribe("SELECT * FROM user")
    connected, done = script.open()
    assert isinstance(connected, ev.Connected)
    assert isinstance(done, ev.CallDone)
    assert isinstance(misfit.error, EncodeError)
    assert [type(sent).__name__ for sent in script.received()] == [
        "Subscribe",
        "CallReducer",
        "OneOffQuery",
    ]
    assert subscription.state is SubscriptionState.SENT
    assert not query.is_done


def test_a_call_that_waits_is_settled_when_the_client_gives_up() -> None:
    script = Script(offline="wait")
    pending = script.session.call(script.module.reducers.set_name("x"))
    subscription = script.session.subscribe("SELECT * FROM user")
    script.session.give_up(ConnectError("nobody there"))
    events = script.events()
    assert kinds(events) == ["CallDone", "SetFailed", "ConnectFailed"]
    assert isinstance(pending.error, Disconnected)
    assert "was not sent: nobody there" in str(pending.error)
    assert subscription.state is SubscriptionState.FAILED
    assert isinstance(subscription.error, Disconnected)


def test_closing_settles_what_waits_too() -> None:
    script = Script(offline="wait")
    pending = script.session.call(script.module.reducers.set_name("x"))
    subscription = script.session.subscribe("SELECT * FROM user")
    script.session.close()
    assert kinds(script.events()) == ["CallDone", "SetFailed"]
    assert "this client was closed" in str(pending.error)
    assert "this client closed" in str(subscription.error)


def test_queries_may_come_in_lists_and_from_the_builder() -> None:
    script = Script()
    script.open()
    script.session.subscribe(["SELECT * FROM user"], script.module.tables.message)
    (sent,) = script.received()
    assert sent.query_strings == ("SELECT * FROM user", 'SELECT * FROM "message"')
    with pytest.raises(LocalProtocolError, match="int"):
        script.session.subscribe(5)


def test_too_many_requests_are_refused_here() -> None:
    script = Script(limits=Limits(in_flight=2))
    script.open()
    call = script.module.reducers.set_name("x")
    script.session.call(call)
    script.session.call(call)
    with pytest.raises(LocalProtocolError, match="in_flight = 2"):
        script.session.call(call)
    sent = script.received()
    script.send(v2.ReducerResult(sent[0].request_id, NOW, OK))
    script.events()
    script.session.call(call)


def test_a_request_that_is_too_large_is_refused_here() -> None:
    script = Script(limits=Limits(outgoing_size=100))
    script.open()
    with pytest.raises(LocalProtocolError, match="outgoing_size = 100"):
        script.session.call(script.module.reducers.set_name("x" * 100))
    script.session.call(script.module.reducers.set_name("x"))
    assert len(script.received()) == 1


def test_a_function_that_the_schema_lacks_is_refused_here() -> None:
    script = Script()
    script.open()
    with pytest.raises(LocalProtocolError, match="no procedure 'set_name'"):
        script.session.call(Call("procedure", "set_name", ("x",)))


def test_cancelling_a_subscription_before_it_is_sent() -> None:
    script = Script()
    ended: list[object] = []
    subscription = script.session.subscribe("SELECT * FROM user", on_end=ended.append)
    subscription.unsubscribe()
    (event,) = script.events()
    assert isinstance(event, ev.SetEnded)
    script.open()
    assert script.received() == []
    subscription.unsubscribe()
    assert script.received() == []
    assert ended == []  # the event above was taken, not dispatched


# --- losing and coming back ---------------------------------------------------------------------


UNKNOWN_BATCH = "unknown tag 0x5 for sum type ClientMessage"


def connected_with_rows(*rows: int, **options: object) -> Script:
    script = Script(will_reconnect=True, **options)  # type: ignore[arg-type]
    script.open()
    script.session.subscribe("SELECT * FROM user")
    script.received()
    script.send(
        v2.SubscribeAppliedMessage(1, 1, (script.single("user", *[user(n) for n in rows]),))
    )
    script.events()
    return script


def without_batches(script: Script) -> None:
    """Let the client know that its server is one of before 2.11."""
    unasked = [script.session.subscribe("SELECT * FROM message") for _ in range(2)]
    script.received()
    script.lose()
    script.open()
    script.received()
    assert script.server is not None
    script.server.close(1011, UNKNOWN_BATCH, now=script.now)
    script.deliver()
    script.events()
    for subscription in unasked:
        subscription.unsubscribe()
    script.open()
    (again,) = script.received()
    rows = script.single("user", user(1))
    script.send(v2.SubscribeAppliedMessage(again.request_id, again.query_set_id, (rows,)))
    script.events()
    assert script.session.state is SessionState.OPEN


def test_a_reconnect_reports_only_what_changed() -> None:
    script = connected_with_rows(1, 2, 3)
    session = script.session
    kept = session.db.user.identity.find(user(1)[0])
    (ended,) = script.lose()
    assert isinstance(ended, ev.Ended)
    assert session.state is SessionState.IDLE
    assert len(session.db.user) == 3
    (connected,) = script.open()
    assert isinstance(connected, ev.Connected)
    assert session.state is SessionState.REPLAYING
    (again,) = script.received()
    assert again.query_strings == ("SELECT * FROM user",)
    assert len(session.db.user) == 3
    rows = script.single("user", user(1), user(2, "new"), user(4))
    script.send(v2.SubscribeAppliedMessage(again.request_id, again.query_set_id, (rows,)))
    (changed,) = script.events()
    assert isinstance(changed, ev.TableChanged)
    assert isinstance(changed.ctx.event, ev.Reconnected)
    assert [row.identity for row in changed.inserted] == [user(4)[0]]
    assert [row.identity for row in changed.deleted] == [user(3)[0]]
    assert [(old.name, new.name) for old, new in changed.updated] == [(None, "new")]
    assert session.state is SessionState.OPEN
    assert session.db.user.identity.find(user(1)[0]) is kept


def test_what_on_connect_asks_for_while_replaying_follows_the_replay() -> None:
    script = connected_with_rows(1)
    session = script.session
    script.lose()
    script.open()
    assert session.state is SessionState.REPLAYING
    pending = session.call(script.module.reducers.set_name("again"))
    query = session.query("SELECT * FROM user")
    (again,) = script.received()
    assert isinstance(again, v2.Subscribe)
    script.send(v2.SubscribeAppliedMessage(again.request_id, again.query_set_id, ()))
    script.events()
    call, one_off = script.received()
    assert isinstance(call, v2.CallReducer)
    assert isinstance(one_off, v2.OneOffQuery)
    script.send(v2.ReducerResult(call.request_id, NOW, OK))
    script.events()
    assert pending.is_done
    assert not query.is_done


def test_what_waited_for_a_replay_that_was_lost_was_not_sent() -> None:
    script = connected_with_rows(1)
    script.lose()
    script.open()
    pending = script.session.call(script.module.reducers.set_name("again"))
    done, _ended = script.lose()
    assert isinstance(done, ev.CallDone)
    assert isinstance(pending.error, Disconnected)
    assert "was not sent" in str(pending.error)
    assert not pending.error.outcome_unknown
    with pytest.raises(Disconnected, match="not back yet"):
        script.session.call(script.module.reducers.set_name("again"))


def test_a_reconnect_without_subscriptions_is_open_at_once() -> None:
    script = Script(will_reconnect=True)
    script.open()
    script.lose()
    script.open()
    assert script.session.state is SessionState.OPEN


def test_calls_in_flight_end_with_the_outcome_unknown() -> None:
    script = connected_with_rows(1)
    sent = script.session.call(script.module.reducers.set_name("x"))
    query = script.session.query("SELECT * FROM user")
    script.received()
    unsent = script.session.call(script.module.reducers.set_name("y"))
    script.lose()
    assert isinstance(sent.error, Disconnected) and sent.error.outcome_unknown
    assert isinstance(unsent.error, Disconnected) and not unsent.error.outcome_unknown
    assert isinstance(query.error, Disconnected) and not query.error.outcome_unknown


def test_calls_while_offline_fail_or_wait() -> None:
    script = connected_with_rows(1)
    (ended,) = script.lose()
    assert isinstance(ended, ev.Ended)
    with pytest.raises(Disconnected, match="lost") as caught:
        script.session.call(script.module.reducers.set_name("x"))
    assert caught.value.__cause__ is ended.error and not caught.value.is_final
    script.start()
    with pytest.raises(Disconnected, match=r"not back yet \(connecting\): .* without a close"):
        script.session.call(script.module.reducers.set_name("x"))
    script = connected_with_rows(1, offline="wait")
    script.lose()
    script.session.call(script.module.reducers.set_name("x"))
    script.open()
    (replayed,) = script.received()
    rows = script.single("user", user(1))
    script.send(v2.SubscribeAppliedMessage(replayed.request_id, replayed.query_set_id, (rows,)))
    script.events()
    (call,) = script.received()
    assert call.reducer == "set_name"


def test_a_loss_while_connecting_drops_calls_that_do_not_wait() -> None:
    script = connected_with_rows(1)
    script.lose()
    script.start()
    assert kinds(script.lose()) == ["ConnectFailed"]
    assert script.session.state is SessionState.IDLE


def test_another_identity_after_reconnecting_ends_it() -> None:
    script = connected_with_rows(1)
    script.lose()
    script.start()
    script.accept()
    script.greet(identity=OTHER)
    events = script.events()
    assert isinstance(events[-1], ev.Ended)
    assert OTHER.to_hex() in str(events[-1].error)
    assert script.session.state is SessionState.CLOSED
    assert script.session.identity == IDENTITY


def test_the_first_token_is_kept() -> None:
    script = connected_with_rows(1)
    script.lose()
    script.start()
    script.accept()
    script.greet(token="eyJshort.lived.one")
    script.events()
    assert script.session.token == TOKEN


def test_a_set_that_is_refused_when_replayed_loses_its_rows() -> None:
    script = connected_with_rows(1, 2)
    script.lose()
    script.open()
    (again,) = script.received()
    script.send(v2.SubscriptionErrorMessage(again.request_id, again.query_set_id, "gone"))
    changed, failed = script.events()
    assert isinstance(changed, ev.TableChanged)
    assert len(changed.deleted) == 2
    assert isinstance(failed, ev.SetFailed)
    assert script.session.state is SessionState.OPEN


def test_updates_while_replaying_are_not_told_twice() -> None:
    """A server that knows no batches answers set by set."""
    script = connected_with_rows(1)
    without_batches(script)
    other = script.session.subscribe("SELECT * FROM message")
    (sent,) = script.received()
    script.send(v2.SubscribeAppliedMessage(sent.request_id, sent.query_set_id, ()))
    script.events()
    script.lose()
    script.open()
    first, second = script.received()
    script.send(
        v2.SubscribeAppliedMessage(
            first.request_id, first.query_set_id, (script.single("user", user(1)),)
        ),
        script.update(first.query_set_id, "user", inserts=(user(2),)),
    )
    assert script.events() == []
    assert len(script.session.db.user) == 1
    script.send(v2.SubscribeAppliedMessage(second.request_id, second.query_set_id, ()))
    (changed,) = script.events()
    assert isinstance(changed, ev.TableChanged)
    assert [row.identity for row in changed.inserted] == [user(2)[0]]
    assert other.is_active


def test_a_loss_while_replaying_keeps_the_old_cache() -> None:
    script = connected_with_rows(1, 2)
    script.lose()
    script.open()
    script.received()
    script.lose()
    assert len(script.session.db.user) == 2
    script.open()
    (again,) = script.received()
    rows = script.single("user", user(1), user(2))
    script.send(v2.SubscribeAppliedMessage(again.request_id, again.query_set_id, (rows,)))
    assert script.events() == []
    assert script.session.state is SessionState.OPEN


def test_a_subscription_that_was_ending_ends_with_the_connection() -> None:
    script = connected_with_rows(1)
    subscription = script.session.subscribe("SELECT * FROM message")
    script.received()
    subscription.unsubscribe()
    events = script.lose()
    assert kinds(events) == ["SetEnded", "Ended"]
    assert subscription.state is SubscriptionState.ENDED


def test_a_final_loss_ends_applied_and_fails_pending_subscriptions() -> None:
    script = Script()
    script.open()
    applied = script.session.subscribe("SELECT * FROM user")
    script.received()
    script.send(v2.SubscribeAppliedMessage(1, 1, ()))
    script.events()
    pending = script.session.subscribe("SELECT * FROM message")
    ending = script.session.subscribe("SELECT * FROM message")
    script.received()
    ending.unsubscribe()
    events = script.lose()
    assert sorted(kinds(events)) == ["Ended", "SetEnded", "SetFailed"]
    assert applied.state is SubscriptionState.ENDED
    assert pending.state is SubscriptionState.FAILED
    assert ending.state is SubscriptionState.ENDED
    applied.unsubscribe()
    assert script.events() == []


def test_unsubscribing_while_the_end_is_told_ends_quietly() -> None:
    script = Script()
    script.open()
    applied = script.session.subscribe("SELECT * FROM user")
    script.received()
    script.send(v2.SubscribeAppliedMessage(1, 1, ()))
    script.events()
    script.session.subscribe("SELECT * FROM message")
    told: list[str] = []
    script.session.receive_eof(now=script.now)
    for event in script.session.events():
        told.append(type(event).__name__)
        if isinstance(event, ev.SetFailed):
            applied.unsubscribe()
    assert told == ["SetFailed", "SetEnded", "Ended"]
    assert applied.state is SubscriptionState.ENDED


@pytest.mark.parametrize("for_good", [True, False])
def test_a_set_that_was_refused_while_coming_back_is_told_so_when_that_fails(
    *, for_good: bool
) -> None:
    script = connected_with_rows(1)
    without_batches(script)
    session = script.session
    (first,) = session._connection.sets.subscriptions  # type: ignore[union-attr]
    session.subscribe("SELECT * FROM message")
    (sent,) = script.received()
    script.send(v2.SubscribeAppliedMessage(sent.request_id, sent.query_set_id, ()))
    script.events()
    script.lose()
    script.open()
    again = script.received()
    assert len(again) == 2
    script.send(v2.SubscriptionErrorMessage(again[0].request_id, again[0].query_set_id, "no"))
    assert script.events() == []  # kept until the other one is settled
    if for_good:
        session.decide = None
    events = script.lose()
    assert kinds(events)[0] == "SetFailed"
    assert events[0].subscription is first  # type: ignore[union-attr]
    assert str(first.error) == "no"
    assert kinds(events).count("SetFailed") == (2 if for_good else 1)


def test_unsubscribing_while_offline_is_refused() -> None:
    script = connected_with_rows(1)
    subscription = script.session.subscribe("SELECT * FROM message")
    script.lose()
    subscription.unsubscribe()  # pending again: cancelled
    assert subscription.state is SubscriptionState.ENDED


# --- the driver's hooks -------------------------------------------------------------------------


def test_without_a_driver_there_are_no_streams() -> None:
    script = Script()
    with pytest.raises(LocalProtocolError, match="transport"):
        script.session.db.user.changes()


def test_a_driver_checks_callbacks_and_makes_streams() -> None:
    script = Script()
    checked: list[object] = []
    made: list[object] = []

    def make(table: object, size: int) -> object:
        made.append((table, size))
        return "stream"

    script.session.set_driver(check_callback=checked.append, change_stream=make)  # type: ignore[arg-type]

    def on_applied(ctx: object) -> None: ...

    script.session.subscribe("SELECT * FROM user", on_applied=on_applied)
    assert checked == [on_applied]
    assert script.session.db.user.changes(max_buffered=3) == "stream"
    assert made == [(script.session.db.user, 3)]


def test_keep_alive_pings_and_gives_up() -> None:
    script = Script(keepalive=(30.0, 10.0))
    script.open()
    session = script.session
    assert session.deadline == 30.0
    session.tick(now=30.0)
    assert session.data_to_send() != b""
    assert session.deadline == 40.0
    session.tick(now=40.0)
    (ended,) = script.events()
    assert isinstance(ended, ev.Ended)
    assert isinstance(ended.error, Disconnected)


def test_a_failure_on_this_side_closes_with_the_right_code() -> None:
    script = Script()
    script.open()
    error = RuntimeError("callback")
    script.session.fail(error)
    script.session.fail(RuntimeError("second"))
    (ended,) = script.events()
    assert isinstance(ended, ev.Ended)
    assert ended.error is error
    assert script.received() == []
    assert script.server is not None
    assert script.server.close_code == 1000


def test_news_for_a_session_without_a_connection_are_ignored() -> None:
    script = Script()
    script.session.receive_data(b"x", now=0.0)
    script.session.receive_eof(now=0.0)
    script.session.tick(now=0.0)
    assert script.events() == []
    script.session.fail(ValueError("x"))
    assert kinds(script.events()) == ["ConnectFailed"]


def test_who_looks_on_is_told_of_every_payload_and_of_the_end() -> None:
    class Log(Tap):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def started(self, protocol: str, headers: object) -> None:
            self.seen.append(protocol)

        def message(self, direction: str, payload: bytes | str) -> None:
            self.seen.append(direction)

        def closed(self, direction: str, code: int | None, reason: str) -> None:
            self.seen.append(f"closed by {direction}")

    for is_user, by in ((True, "client"), (False, "server")):
        script = Script()
        log = script.session.tap = Log()
        script.open()
        assert [table.count() for table in script.session.db] == [0, 0]
        assert all(len(store.rows) == 0 for store in script.session.cache.tables.values())
        script.session.call(script.module.reducers.set_name("x"))
        script.received()
        if is_user:
            script.session.close()
        script.lose()
        assert log.seen == ["v3.bsatn.spacetimedb", "server", "client", f"closed by {by}"]


def test_identity_as_error_context() -> None:
    """The context gives what a callback may ask for."""
    script = connected_with_rows(1)
    script.session.call(script.module.reducers.set_name(""))
    (sent,) = script.received()
    text = b"\x17\x00\x00\x00Names must not be empty"
    script.send(v2.ReducerResult(sent.request_id, NOW, v2.ReducerErr(text)))
    completed, done = script.events()
    ctx = completed.ctx
    assert ctx.db is script.session.db
    assert ctx.identity == IDENTITY
    assert ctx.connection_id == CONNECTION_ID
    assert isinstance(ctx.event, ev.ReducerEvent)
    assert ctx.event.status == "failed"
    assert ctx.event.message == "Names must not be empty"
    assert "failed" in repr(ctx)
    ctx.submit(script.module.reducers.set_name("x"))
    pending = ctx.subscribe("SELECT * FROM message")
    assert pending.state is SubscriptionState.SENT
    assert len(script.received()) == 2
    assert isinstance(done, ev.CallDone)
    assert isinstance(done.pending.error, ReducerError)
    assert done.pending.error.value == "Names must not be empty"
    assert isinstance(ctx.identity, Identity)
