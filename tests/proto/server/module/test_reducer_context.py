"""`context`: what functions are given."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

from spacetime_proto.server import Context, Module, ProcedureContext
from spacetime_proto.server.module.reducer_context import ProcedureSleep
from spacetime_proto.types import TimeDuration, Timestamp
from tests.proto.server.support import NOW, identity, make_database


def context() -> tuple[Any, Context]:
    module = Module()

    @module.table
    class Note:
        text: str

    database = make_database(module)
    return database, Context(database, database.caller(identity(5)), NOW)


def test_a_context_says_who_called_and_when() -> None:
    database, ctx = context()
    assert (ctx.sender, ctx.connection_id, ctx.timestamp) == (identity(5), None, NOW)
    assert ctx.identity == database.identity
    assert ctx.db is database.tables
    assert len(ctx.random_bytes(5)) == 5


def test_log_lines_reach_the_database() -> None:
    database, ctx = context()
    ctx.log("hello")
    ctx.log("oh", level="Warn")
    assert [(line.level, line.message, line.timestamp) for line in database.logs] == [
        ("Info", "hello", NOW),
        ("Warn", "oh", NOW),
    ]


def test_random_uuids_are_version_4() -> None:
    _, ctx = context()
    made = {ctx.new_uuid_v4().to_uuid() for _ in range(20)}
    assert len(made) == 20
    assert {(u.version, u.variant) for u in made} == {(4, uuid.RFC_4122)}


def test_time_ordered_uuids_sort_in_the_order_they_were_made() -> None:
    database, ctx = context()
    made = [ctx.new_uuid_v7() for _ in range(500)]
    made += [Context(database, database.caller(identity(5)), Timestamp(0)).new_uuid_v7()]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    first = made[0].to_uuid()
    assert (first.version, first.variant) == (7, uuid.RFC_4122)
    assert first.int >> 80 == NOW.micros_since_unix_epoch // 1000


def test_sleeping_hands_the_time_to_the_engine_and_takes_the_new_one() -> None:
    database, _ = context()
    ctx = ProcedureContext(database, database.caller(identity(5)), NOW)
    later = NOW + TimeDuration.from_seconds(2)
    for sleep in (ctx.sleep(2), ctx.sleep(TimeDuration(2_000_000)), ctx.sleep_until(later)):
        ctx.timestamp = NOW
        assert sleep.send(None) == ProcedureSleep(later)
        with contextlib.suppress(StopIteration):
            sleep.send(later)
        assert ctx.timestamp == later


def test_procedures_open_transactions() -> None:
    database, _ = context()
    note = database.stores["note"].row_class
    ctx = ProcedureContext(database, database.caller(identity(5)), NOW)
    with ctx.transaction() as tx:
        assert (tx.sender, tx.timestamp) == (identity(5), NOW)
        tx.db.note.insert(note(text="one"))
    assert ctx.with_tx(lambda tx: tx.db.note.insert(note(text="two"))).text == "two"
    assert [row.text for row in database.tables.note] == ["one", "two"]
