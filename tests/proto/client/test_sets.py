"""Answers about query sets, on v2 and on v1: what they do to rows, handles and callbacks."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.client import events as ev
from spacetime_proto.client.states import SubscriptionState
from spacetime_proto.client.subscriptions import Subscription
from spacetime_proto.errors import (
    Disconnected,
    LocalProtocolError,
    ProtocolError,
    SubscriptionError,
)
from spacetime_proto.messages import v1, v2
from tests.support.script import CONNECTION_ID, IDENTITY, NO_TIME, NOW, Script, message, user


def kinds(events: list[ev.Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def users(script: Script) -> set[Any]:
    return {row.identity.data[0] for row in script.session.db.user}


def subscribed(script: Script, *rows: Any, query: str = "SELECT * FROM user") -> Subscription:
    """Subscribe and let the server apply it with these users."""
    subscription = script.session.subscribe(query)
    (sent,) = script.received()
    tables = (script.single("user", *rows),) if rows else ()
    script.send(v2.SubscribeAppliedMessage(sent.request_id, sent.query_set_id, tables))
    script.events()
    return subscription


def refused(script: Script) -> ProtocolError:
    """Return the protocol error that ended the connection."""
    event = script.events()[-1]
    assert isinstance(event, ev.Ended)
    assert isinstance(event.error, ProtocolError)
    return event.error


# --- v2 and v3 ----------------------------------------------------------------------------------


def test_applied_comes_before_its_rows() -> None:
    script = Script()
    script.open()
    subscription = script.session.subscribe("SELECT * FROM user")
    script.received()
    script.send(v2.SubscribeAppliedMessage(1, 1, (script.single("user", user(1)),)))
    applied, changed = script.events()
    assert isinstance(applied, ev.SetApplied)
    assert applied.subscription is subscription
    assert isinstance(applied.ctx.event, ev.SubscribeApplied)
    assert isinstance(changed, ev.TableChanged)
    assert len(changed.inserted) == 1
    assert repr(subscription) == "<Subscription applied ['SELECT * FROM user']>"


def test_an_unsubscribed_set_takes_exactly_its_rows() -> None:
    script = Script()
    script.open()
    first = subscribed(script, user(1), user(2))
    second = subscribed(script, user(2), user(3))
    assert users(script) == {1, 2, 3}
    ended: list[object] = []
    first.unsubscribe(ended.append)
    assert first.state is SubscriptionState.ENDING
    (sent,) = script.received()
    assert (sent.query_set_id, sent.flags) == (1, 0)
    script.send(v2.UnsubscribeAppliedMessage(sent.request_id, sent.query_set_id))
    over, changed = script.events()
    assert isinstance(over, ev.SetEnded)
    assert isinstance(over.ctx.event, ev.UnsubscribeApplied)
    assert isinstance(changed, ev.TableChanged)
    assert [row.identity.data[0] for row in changed.deleted] == [1]
    assert users(script) == {2, 3}
    assert second.is_active
    assert first.is_ended
    first.unsubscribe()
    assert script.received() == []


def test_unsubscribing_twice_asks_once() -> None:
    script = Script()
    script.open()
    first = subscribed(script, user(1))
    first.unsubscribe()
    first.unsubscribe()
    assert len(script.received()) == 1


def test_a_subscribe_that_is_answered_with_the_end_of_it_is_settled() -> None:
    script = Script()
    script.open()
    asked = script.session.subscribe("SELECT * FROM user")
    (sent,) = script.received()
    script.send(v2.UnsubscribeAppliedMessage(sent.request_id, sent.query_set_id))
    failed, ended = script.events()
    assert isinstance(failed, ev.SetFailed)
    assert isinstance(ended, ev.Ended)
    assert isinstance(ended.error, ProtocolError)
    assert str(ended.error) == (
        "UnsubscribeApplied answers request 1, which was the Subscribe of ['SELECT * FROM user']"
    )
    assert isinstance(asked.error, Disconnected)
    assert asked.error.__cause__ is ended.error


def test_an_unsubscribe_that_is_answered_with_rows_is_settled() -> None:
    script = Script()
    script.open()
    first = subscribed(script, user(1))
    first.unsubscribe()
    (sent,) = script.received()
    script.send(v2.SubscribeAppliedMessage(sent.request_id, sent.query_set_id, ()))
    over, ended = script.events()
    assert isinstance(over, ev.SetEnded)
    assert first.is_ended
    assert isinstance(ended, ev.Ended)
    assert "which was the Unsubscribe of" in str(ended.error)


def test_a_set_whose_death_cannot_be_shown_is_settled_by_the_end() -> None:
    script = Script()
    script.open()
    first = subscribed(script, user(1))
    script.session.db.user.on_before_delete(lambda ctx, row: None)
    script.send(v2.SubscriptionErrorMessage(None, first.set_id, "evaluation failed"))
    events = script.session.message_events()
    assert events is not None
    looking = iter(events)
    assert isinstance(next(looking), ev.BeforeDelete)
    script.session.fail(ZeroDivisionError())  # as the pump does when the callback raises
    looking.close()  # type: ignore[attr-defined]
    script.events()
    assert first.is_ended


def test_a_set_that_dies_takes_exactly_its_rows_with_it() -> None:
    script = Script()
    script.open()
    first = subscribed(script, user(1), user(2))
    subscribed(script, user(2), user(3))
    script.send(v2.SubscriptionErrorMessage(None, 1, "evaluation failed"))
    changed, failed = script.events()
    assert isinstance(changed, ev.TableChanged)
    assert isinstance(changed.ctx.event, ev.SubscriptionFailed)
    assert isinstance(failed, ev.SetFailed)
    assert str(failed.error) == "evaluation failed"
    assert users(script) == {2, 3}
    assert isinstance(first.error, SubscriptionError)
    assert first.error.queries == ("SELECT * FROM user",)
    script.send(script.update(1, "user", inserts=(user(9),)))
    assert script.events() == []  # late words about it
    script.send(v2.SubscriptionErrorMessage(None, 1, "again"))
    assert script.events() == []


def test_a_set_that_dies_while_its_end_is_under_way_just_ends() -> None:
    script = Script()
    script.open()
    first = subscribed(script, user(1))
    first.unsubscribe()
    (sent,) = script.received()
    script.send(
        v2.SubscriptionErrorMessage(None, 1, "evaluation failed"),
        v2.SubscriptionErrorMessage(sent.request_id, 1, "no such set"),
    )
    assert kinds(script.events()) == ["TableChanged", "SetEnded", "SetEnded"]
    assert first.state is SubscriptionState.ENDED


def test_a_refused_subscription_changes_nothing() -> None:
    script = Script()
    script.open()
    subscribed(script, user(1))
    bad = script.session.subscribe("SELECT * FROM nowhere")
    (sent,) = script.received()
    script.send(v2.SubscriptionErrorMessage(sent.request_id, sent.query_set_id, "no such table"))
    (failed,) = script.events()
    assert isinstance(failed, ev.SetFailed)
    assert bad.state is SubscriptionState.FAILED
    assert users(script) == {1}


def test_a_refused_id_leaves_the_set_that_has_it() -> None:
    """docs/protocol.md section 4.3: a duplicate id is refused, and the existing set stays alive."""
    script = Script()
    script.open()
    first = subscribed(script, user(1))
    connection = script.session._connection
    assert connection is not None
    connection.sets.subscribe_sent(99, 1, Subscription(["again"]))
    script.send(v2.SubscriptionErrorMessage(99, 1, "duplicate"))
    script.events()
    assert first.is_active
    assert users(script) == {1}


def test_an_end_that_the_server_knows_nothing_of_drops_the_rows_too() -> None:
    script = Script()
    script.open()
    first = subscribed(script, user(1))
    first.unsubscribe()
    (sent,) = script.received()
    script.send(v2.SubscriptionErrorMessage(sent.request_id, 1, "no such set"))
    assert kinds(script.events()) == ["SetEnded", "TableChanged"]
    assert users(script) == set()
    assert first.state is SubscriptionState.ENDED


def test_a_set_ended_before_its_answer_never_applies() -> None:
    script = Script()
    script.open()
    first = script.session.subscribe("SELECT * FROM user")
    first.unsubscribe()
    subscribe, unsubscribe = script.received()
    script.send(
        v2.SubscribeAppliedMessage(subscribe.request_id, 1, (script.single("user", user(1)),)),
        v2.UnsubscribeAppliedMessage(unsubscribe.request_id, 1),
    )
    assert kinds(script.events()) == ["TableChanged", "SetEnded", "TableChanged"]
    assert not first.was_applied
    assert users(script) == set()


def test_one_set_in_place_of_another_is_one_difference() -> None:
    script = Script()
    script.open()
    first = subscribed(script, user(1), user(2))
    second = script.session.subscribe("SELECT * FROM user", replaces=first)
    (sent,) = script.received()
    rows = script.single("user", user(2), user(3))
    script.send(v2.SubscribeAppliedMessage(sent.request_id, sent.query_set_id, (rows,)))
    applied, changed = script.events()
    assert isinstance(applied, ev.SetApplied)
    assert isinstance(changed, ev.TableChanged)
    assert [row.identity.data[0] for row in changed.inserted] == [3]
    assert [row.identity.data[0] for row in changed.deleted] == [1]
    assert second.is_active
    (end,) = script.received()
    assert end.query_set_id == 1
    script.send(script.update(1, "user", inserts=(user(8),)))
    script.send(v2.UnsubscribeAppliedMessage(end.request_id, 1))
    assert kinds(script.events()) == ["SetEnded"]
    assert users(script) == {2, 3}


def test_a_replacement_that_is_refused_leaves_the_old_set() -> None:
    script = Script()
    script.open()
    first = subscribed(script, user(1))
    script.session.subscribe("nonsense", replaces=first)
    (sent,) = script.received()
    script.send(v2.SubscriptionErrorMessage(sent.request_id, sent.query_set_id, "nonsense"))
    script.events()
    assert first.is_active
    assert users(script) == {1}


def test_replacing_what_is_over_is_just_subscribing() -> None:
    script = Script()
    script.open()
    first = subscribed(script, user(1))
    first.unsubscribe()
    (sent,) = script.received()
    script.send(v2.UnsubscribeAppliedMessage(sent.request_id, 1))
    script.events()
    second = script.session.subscribe("SELECT * FROM user", replaces=first)
    (sent,) = script.received()
    script.send(v2.SubscribeAppliedMessage(sent.request_id, 2, (script.single("user", user(2)),)))
    script.events()
    assert second.is_active
    assert script.received() == []


def test_replacing_what_is_about_to_end_leaves_its_end_to_the_server() -> None:
    script = Script()
    script.open()
    first = subscribed(script, user(1), user(2))
    second = script.session.subscribe("SELECT * FROM user", replaces=first)
    (sent,) = script.received()
    first.unsubscribe()
    (end,) = script.received()
    rows = script.single("user", user(2), user(3))
    script.send(v2.SubscribeAppliedMessage(sent.request_id, sent.query_set_id, (rows,)))
    assert kinds(script.events()) == ["SetApplied", "TableChanged"]
    assert first.state is SubscriptionState.ENDING
    assert script.received() == []  # its end was asked for already
    script.send(v2.UnsubscribeAppliedMessage(end.request_id, end.query_set_id))
    assert kinds(script.events()) == ["SetEnded"]
    assert first.is_ended
    assert second.is_active
    assert users(script) == {2, 3}


@pytest.mark.parametrize(
    "wrong",
    [
        v2.SubscribeAppliedMessage(77, 1, ()),
        v2.UnsubscribeAppliedMessage(77, 1),
        v2.SubscriptionErrorMessage(77, 1, "x"),
        v2.SubscriptionErrorMessage(None, 77, "x"),
    ],
)
def test_ids_that_were_never_given_out_are_errors(wrong: Any) -> None:
    script = Script()
    script.open()
    script.send(wrong)
    assert "77" in str(refused(script))


def test_an_update_of_a_set_that_was_never_asked_for_is_an_error() -> None:
    script = Script()
    script.open()
    subscribed(script, user(1))
    script.send(script.update(5, "user", inserts=(user(2),)))
    assert "query set 5" in str(refused(script))


def test_before_delete_sees_the_old_cache() -> None:
    script = Script()
    script.open()
    first = subscribed(script, user(1))
    script.session.db.user.on_before_delete(lambda ctx, row: None)
    first.unsubscribe()
    (sent,) = script.received()
    script.send(v2.UnsubscribeAppliedMessage(sent.request_id, 1))
    seen = [(type(event).__name__, users(script)) for event in script.session.events()]
    assert seen == [("BeforeDelete", {1}), ("SetEnded", set()), ("TableChanged", set())]


def test_a_message_that_is_left_before_it_is_applied_is_not_applied() -> None:
    script = Script()
    script.open()
    first = subscribed(script, user(1))
    script.session.db.user.on_before_delete(lambda ctx, row: None)
    first.unsubscribe()
    (sent,) = script.received()
    script.send(v2.UnsubscribeAppliedMessage(sent.request_id, 1))
    (event,) = [next(iter(script.session.message_events() or ()))]
    assert isinstance(event, ev.BeforeDelete)
    script.session.fail(RuntimeError("refused"))
    events = script.events()
    assert kinds(events) == ["SetEnded", "Ended"]
    assert users(script) == {1}


# --- v1 -----------------------------------------------------------------------------------------


def v1_subscribed(script: Script, *rows: Any, query: str = "SELECT * FROM user") -> Subscription:
    subscription = script.session.subscribe(query)
    (sent,) = script.received()
    assert isinstance(sent, v1.SubscribeMulti)
    tables = (script.v1_table("user", rows),) if rows else ()
    script.send(v1.SubscribeMultiApplied(sent.request_id, 5, sent.query_id, tables))
    script.events()
    return subscription


@pytest.fixture(params=["v1.bsatn.spacetimedb", "v1.json.spacetimedb"])
def old(request: pytest.FixtureRequest) -> Script:
    script = Script(request.param)
    script.open()
    return script


def test_v1_sets_share_their_rows(old: Script) -> None:
    """The server leaves out what another set holds, and sends the deletes when the last one goes."""
    first = v1_subscribed(old, user(1), user(2))
    second = v1_subscribed(old)  # the same rows: nothing is sent again
    first.unsubscribe()
    (sent,) = old.received()
    assert isinstance(sent, v1.UnsubscribeMulti)
    old.send(v1.UnsubscribeMultiApplied(sent.request_id, 5, sent.query_id, ()))
    assert kinds(old.events()) == ["SetEnded"]
    assert users(old) == {1, 2}
    second.unsubscribe()
    (sent,) = old.received()
    gone = (old.v1_table("user", (), (user(1), user(2))),)
    old.send(v1.UnsubscribeMultiApplied(sent.request_id, 5, sent.query_id, gone))
    assert kinds(old.events()) == ["SetEnded", "TableChanged"]
    assert users(old) == set()


def test_v1_error_without_ids_empties_the_cache(old: Script) -> None:
    first = v1_subscribed(old, user(1))
    second = v1_subscribed(old)
    second.unsubscribe()
    old.send(v1.SubscriptionErrorMessage(5, None, None, None, "evaluation failed"))
    events = old.events()
    assert kinds(events) == ["TableChanged", "SetFailed", "SetEnded"]
    assert isinstance(events[0].ctx.event, ev.SubscriptionFailed)
    assert events[0].ctx.event.subscription is None
    assert users(old) == set()
    assert first.state is SubscriptionState.FAILED
    assert second.state is SubscriptionState.ENDED


def test_v1_refusal_of_a_request(old: Script) -> None:
    bad = old.session.subscribe("nonsense")
    (sent,) = old.received()
    old.send(v1.SubscriptionErrorMessage(5, sent.request_id, sent.query_id, None, "nonsense"))
    assert kinds(old.events()) == ["SetFailed"]
    assert bad.is_ended


def test_v1_end_that_the_server_knows_nothing_of(old: Script) -> None:
    first = v1_subscribed(old, user(1))
    first.unsubscribe()
    (sent,) = old.received()
    old.send(v1.SubscriptionErrorMessage(5, sent.request_id, sent.query_id, None, "unknown"))
    assert kinds(old.events()) == ["SetEnded"]
    assert users(old) == {1}  # whose these rows are, v1 does not tell


def legacy(script: Script, query: str, *tables: v1.TableUpdate) -> Subscription:
    subscription = script.session.subscribe(query, legacy=True)
    (sent,) = script.received()
    assert isinstance(sent, v1.Subscribe)
    script.send(v1.InitialSubscription(tables, sent.request_id, NO_TIME))
    return subscription


def test_the_legacy_set_is_replaced_with_all_that_it_gained(old: Script) -> None:
    first = legacy(old, "SELECT * FROM user", old.v1_table("user", (user(1),)))
    assert kinds(old.events()) == ["SetApplied", "TableChanged"]
    old.send(v1.TransactionUpdateLight(0, (old.v1_table("user", (user(2),)),)))
    old.events()
    assert users(old) == {1, 2}
    second = legacy(old, "SELECT * FROM user", old.v1_table("user", (user(2), user(3))))
    applied, changed = old.events()
    assert isinstance(applied, ev.SetApplied)
    assert isinstance(changed, ev.TableChanged)
    assert [row.identity.data[0] for row in changed.inserted] == [3]
    assert [row.identity.data[0] for row in changed.deleted] == [1]
    assert first.is_ended
    assert second.is_active
    with pytest.raises(LocalProtocolError, match="only replaced"):
        second.unsubscribe()


def test_a_1x_server_refuses_a_legacy_subscription_as_a_failed_transaction(old: Script) -> None:
    """Seen on SpacetimeDB 1.3.0: reducer ``<none>``, no ids; the old set stays."""
    first = legacy(old, "SELECT * FROM user", old.v1_table("user", (user(1),)))
    old.events()
    bad = old.session.subscribe("nonsense", legacy=True)
    old.received()
    is_json = old.protocol == "v1.json.spacetimedb"
    info = v1.ReducerCallInfo("<none>", 0xFFFF_FFFF, "[]" if is_json else b"", 0)
    refusal = v1.TransactionUpdate(
        v1.Failed("`nonsense` is not a query"), NOW, IDENTITY, CONNECTION_ID, info, 0, NO_TIME
    )
    old.send(refusal)
    assert kinds(old.events()) == ["SetFailed"]
    assert bad.is_ended
    assert "nonsense" in str(bad.error)
    assert first.is_active
    old.send(refusal)  # with nothing that waits, it is just told
    assert kinds(old.events()) == ["ReducerCompleted"]


def test_a_1x_server_refuses_the_legacy_subscription_not_what_was_asked_for_before(
    old: Script,
) -> None:
    other = old.session.subscribe("SELECT * FROM user")
    bad = old.session.subscribe("nonsense", legacy=True)
    old.received()
    is_json = old.protocol == "v1.json.spacetimedb"
    info = v1.ReducerCallInfo("<none>", 0xFFFF_FFFF, "[]" if is_json else b"", 0)
    old.send(
        v1.TransactionUpdate(
            v1.Failed("`nonsense` is not a query"), NOW, IDENTITY, CONNECTION_ID, info, 0, NO_TIME
        )
    )
    assert kinds(old.events()) == ["SetFailed"]
    assert bad.is_ended
    assert other.state is SubscriptionState.SENT


def test_v1_changes_beside_a_legacy_set_go_to_the_set_that_names_the_table(old: Script) -> None:
    legacy(old, "SELECT * FROM message", old.v1_table("message", (message("a"),)))
    v1_subscribed(old, user(1))
    old.send(
        v1.TransactionUpdateLight(
            0, (old.v1_table("user", (user(2),)), old.v1_table("message", (message("b"),)))
        )
    )
    old.events()
    legacy(old, "SELECT * FROM message", old.v1_table("message", (message("b"),)))
    changed = old.events()[-1]
    assert isinstance(changed, ev.TableChanged)
    assert [row.text for row in changed.deleted] == ["a"]
    assert users(old) == {1, 2}


def test_single_subscriptions_of_a_recording() -> None:
    script = Script("v1.bsatn.spacetimedb")
    script.open()
    connection = script.session._connection
    assert connection is not None
    subscription = Subscription(["SELECT * FROM user"])
    connection.sets.subscribe_sent(7, 3, subscription)
    rows = v1.SubscribeRows(4096, "user", script.v1_table("user", (user(1),)))
    script.send(v1.SubscribeAppliedMessage(7, 5, 3, rows))
    assert kinds(script.events()) == ["SetApplied", "TableChanged"]
    connection.sets.unsubscribe_sent(8, 3)
    gone = v1.SubscribeRows(4096, "user", script.v1_table("user", (), (user(1),)))
    script.send(v1.UnsubscribeAppliedMessage(8, 5, 3, gone))
    assert kinds(script.events()) == ["SetEnded", "TableChanged"]
    assert subscription.is_ended


def test_all_is_lost_while_replaying() -> None:
    """v1's error without ids, between the answers of a replay: what is settled stays settled."""
    script = Script("v1.bsatn.spacetimedb", will_reconnect=True)
    script.open()
    first = v1_subscribed(script, user(1))
    second = v1_subscribed(script)
    script.lose()
    script.open()
    one, two = script.received()
    script.send(
        v1.SubscribeMultiApplied(
            one.request_id, 5, one.query_id, (script.v1_table("user", (user(1),)),)
        ),
        v1.SubscriptionErrorMessage(5, None, None, None, "evaluation failed"),
    )
    assert script.events() == []
    script.send(v1.SubscribeMultiApplied(two.request_id, 5, two.query_id, ()))
    assert kinds(script.events()) == ["TableChanged", "SetFailed"]
    assert first.is_ended
    assert second.is_active
    assert users(script) == set()


def test_lost_sets_have_no_say_in_whose_rows_come_later(old: Script) -> None:
    """After v1's error without ids, rows belong to the legacy set that is asked for next."""
    lost = v1_subscribed(old, user(1))
    old.send(v1.SubscriptionErrorMessage(5, None, None, None, "evaluation failed"))
    assert kinds(old.events()) == ["TableChanged", "SetFailed"]
    assert lost.state is SubscriptionState.FAILED
    legacy(old, "SELECT * FROM user", old.v1_table("user", (user(2),)))
    old.events()
    old.send(v1.TransactionUpdateLight(0, (old.v1_table("user", (), (user(2),)),)))
    (changed, _) = old.events()
    assert isinstance(changed, ev.TableChanged)
    assert [row.identity.data[0] for row in changed.deleted] == [2]
    assert users(old) == set()
    assert old.session.cache.absent_deletes == 0


def test_nothing_is_left_of_a_set_that_ended() -> None:
    script = Script()
    script.open()
    first = subscribed(script, user(1))
    first.unsubscribe()
    (sent,) = script.received()
    script.send(v2.UnsubscribeAppliedMessage(sent.request_id, sent.query_set_id))
    script.events()
    script.send(script.update(1, "user", inserts=(user(9),)))  # late words about it
    assert script.events() == []
    assert users(script) == set()
    script.send(v2.UnsubscribeAppliedMessage(sent.request_id, sent.query_set_id))
    assert "request 2, which is unknown" in str(refused(script))


def test_a_lost_legacy_set_has_no_say_either(old: Script) -> None:
    lost = legacy(old, "SELECT * FROM user", old.v1_table("user", (user(1),)))
    old.events()
    old.send(v1.SubscriptionErrorMessage(5, None, None, None, "evaluation failed"))
    old.events()
    assert lost.state is SubscriptionState.FAILED
    v1_subscribed(old, user(2), query="SELECT * FROM all_of_them")
    old.send(v1.TransactionUpdateLight(0, (old.v1_table("user", (), (user(2),)),)))
    old.events()
    assert users(old) == set()
