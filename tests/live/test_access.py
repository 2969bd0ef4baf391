"""What a client may see, and what the server does by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.client.events import Transaction
from spacetime_proto.errors import InternalError, QueryError, ReducerError, SubscriptionError
from spacetime_proto.types import ScheduleAt, TimeDuration
from spacetime_transports import HttpClient
from tests.live.kit import Log

if TYPE_CHECKING:
    from tests.live.kit import LiveKit
    from tests.live.target import Target


async def test_private_tables(kit: LiveKit, target: Target) -> None:
    async with kit.connect() as client:
        await client.call(client.reducers.insert_secret(1, "psst"))
        with pytest.raises(SubscriptionError, match="secret"):
            await client.subscribe("SELECT * FROM secret")
        with pytest.raises(QueryError, match="secret"):
            await client.query("SELECT * FROM secret")
        with HttpClient(target.url) as anyone, pytest.raises(QueryError, match="secret"):
            anyone.sql(target.database, "SELECT * FROM secret")
        if target.is_owner:
            assert [row.text for row in target.sql("SELECT * FROM secret", "secret")] == ["psst"]
    if target.is_owner:
        async with kit.connect(token=target.token) as owner:
            await owner.subscribe("SELECT * FROM secret")
            assert [row.text for row in owner.db.secret] == ["psst"]


@pytest.mark.row("test_sdk_subscriptions", "test-rls-subscription")
async def test_row_level_security(kit: LiveKit, target: Target) -> None:
    async with kit.connect() as ada, kit.connect() as bob:
        logs = {}
        for client in (ada, bob):
            logs[client.raw.identity] = Log(client, "note")
            await client.subscribe("SELECT * FROM note")
        await ada.call(ada.reducers.insert_note("ada's"))
        await bob.call(bob.reducers.insert_note("bob's"))
        await ada.call(ada.reducers.no_op())
        for client, text in ((ada, "ada's"), (bob, "bob's")):
            me = client.raw.identity
            assert [(row.owner, row.text) for row in client.db.note] == [(me, text)]
            assert [(what, row.text) for what, _, row in logs[me]] == [("insert", text)]
            assert [row.text for row in client.db.note.owner.filter(me)] == [text]
            assert [row.text for row in await client.query("SELECT * FROM note")] == [text]
            with HttpClient(target.url, token=client.raw.token) as http:
                rows = http.sql(target.database, "SELECT * FROM note").rows
            assert [row.text for row in rows] == [text]


async def test_a_schedule_once(kit: LiveKit) -> None:
    async with kit.connect() as client:
        log = Log(client, "timer", "tick")
        await client.subscribe("SELECT * FROM timer", "SELECT * FROM tick")
        await client.call(client.reducers.start_timer_once("once", 50))
        ((what, table, timer),) = log.take()
        assert (what, table, timer.label) == ("insert", "timer", "once")
        assert isinstance(timer.scheduled_at, ScheduleAt.Time)
        await client.until(lambda: client.db.tick.count() == 1 and client.db.timer.count() == 0)
        changes = sorted((what, table) for what, table, *_ in log)
        assert changes == [("delete", "timer"), ("insert", "tick")]
        (tick,) = client.db.tick
        assert tick.label == "once"
        assert tick.at >= timer.scheduled_at.value


async def test_a_schedule_that_repeats(kit: LiveKit) -> None:
    async with kit.connect() as client:
        log = Log(client, "tick")
        await client.subscribe("SELECT * FROM timer", "SELECT * FROM tick")
        await client.call(client.reducers.start_timer("again", 20))
        (timer,) = client.db.timer
        assert timer.scheduled_at == ScheduleAt.Interval(TimeDuration(20_000))
        await client.until(lambda: len(log) >= 3)
        await client.call(client.reducers.stop_timers())
        assert client.db.timer.count() == 0
        ticks = [row for _, _, row in log]
        assert [row.id for row in ticks] == sorted(row.id for row in ticks)
        assert {row.label for row in ticks} == {"again"}
        for event in log.events:
            if kit.tells_of_others:
                assert (event.name, event.is_own) == ("on_timer", False)
            else:
                assert event == Transaction()


async def test_scheduled_reducers_are_not_for_clients(kit: LiveKit, target: Target) -> None:
    from spacetime_proto.bindings import Call

    timer: Any = target.module.bound.tables["timer"].row_class
    row = timer(0, ScheduleAt.Interval(TimeDuration(1)), "forged")
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM tick")
        with pytest.raises((ReducerError, InternalError)):
            await client.call(Call("reducer", "on_timer", (row,)))
        assert client.db.tick.count() == 0
