"""`procedures`: results, transactions, sleeps."""

from __future__ import annotations

import contextlib
import types
from typing import Any

import pytest

from spacetime_proto.messages import v2
from spacetime_proto.server import U8, U32, Context, Database, Module, ProcedureContext
from spacetime_proto.server.engine.outcomes import ProcedureOutcome
from spacetime_proto.types import TimeDuration, Timestamp
from tests.proto.server.support import NOW, Client, identity, make_database

OWNER = identity(77)


@types.coroutine
def foreign() -> Any:
    """Await something that only an event loop could provide."""
    yield "a future"


@types.coroutine
def stubborn() -> Any:
    """Go on awaiting, whatever is thrown in."""
    while True:
        with contextlib.suppress(RuntimeError):
            yield "a future"


def make() -> tuple[Database, list[str]]:
    module = Module()

    @module.table(public=True)
    class Note:
        text: str

    @module.reducer
    def write(ctx: Context, text: str) -> None:
        ctx.db.note.insert(Note(text=text))

    @module.procedure
    def add(ctx: ProcedureContext, a: U32, b: U32) -> U32:
        return a + b

    @module.procedure
    def commit(ctx: ProcedureContext) -> None:
        ctx.with_tx(lambda tx: tx.db.note.insert(Note(text="committed")))

    @module.procedure
    def rollback(ctx: ProcedureContext) -> None:
        with ctx.transaction() as tx:
            tx.db.note.insert(Note(text="undone"))
            raise ValueError("changed my mind")

    @module.procedure
    def with_row(ctx: ProcedureContext, row: str) -> None:
        if row == "fail":
            raise ValueError("no")

    @module.procedure
    def too_big(ctx: ProcedureContext) -> U8:
        return 300

    @module.procedure
    async def slow(ctx: ProcedureContext, seconds: U32) -> U32:
        await ctx.sleep(seconds)
        with ctx.transaction() as tx:
            tx.db.note.insert(Note(text=f"slept {seconds}"))
        return seconds

    @module.procedure
    async def slow_panic(ctx: ProcedureContext) -> None:
        await ctx.sleep(1)
        raise ZeroDivisionError

    @module.procedure
    async def sleepy_transaction(ctx: ProcedureContext) -> None:
        with ctx.transaction() as tx:
            tx.db.note.insert(Note(text="undone"))
            await ctx.sleep(1)

    @module.procedure
    async def awaits_foreign(ctx: ProcedureContext) -> None:
        await foreign()

    @module.procedure
    async def forgives_foreign(ctx: ProcedureContext) -> None:
        with contextlib.suppress(RuntimeError):
            await foreign()

    @module.procedure
    async def awaits_stubborn(ctx: ProcedureContext) -> None:
        await stubborn()

    @module.procedure(private=True)
    def hidden(ctx: ProcedureContext) -> None: ...

    panics: list[str] = []
    return make_database(module, owner=OWNER, on_panic=panics.append), panics


def call(database: Database, name: str, args: bytes | str = b"", who: int = 1) -> Any:
    results: list[ProcedureOutcome] = []
    caller = database.caller(identity(who))
    database.procedures.call(caller, name, args, now=NOW, done=results.append)
    return results


def test_a_result_comes_at_once() -> None:
    database, _ = make()
    [outcome] = call(database, "add", b"\3\0\0\0\4\0\0\0")
    assert (outcome.value, outcome.timestamp) == (b"\7\0\0\0", NOW)
    [outcome] = call(database, "add", "[3, 4]")
    assert outcome.value == b"\7\0\0\0"


@pytest.mark.parametrize(
    ("name", "args", "text"),
    [
        ("nope", b"", "No such procedure"),
        ("hidden", b"", "No such procedure"),
        (
            "add",
            b"\1",
            "invalid arguments for procedure add: data too short for u32: Expected 4, given 1",
        ),
    ],
)
def test_what_is_not_run_has_no_time(name: str, args: bytes, text: str) -> None:
    database, _ = make()
    [outcome] = call(database, name, args)
    assert (outcome.value, outcome.text, outcome.timestamp) == (None, text, Timestamp(0))


def test_the_owner_may_call_private_procedures() -> None:
    database, _ = make()
    [outcome] = call(database, "hidden", who=77)
    assert outcome.value == b""


def test_transactions_reach_the_caller_before_the_result() -> None:
    database, _ = make()
    client = Client(database)
    client.send(v2.Subscribe(1, 1, ("SELECT * FROM note",)))
    update, result = client.send(v2.CallProcedure(2, "commit", b""))
    assert isinstance(update, v2.TransactionUpdate)
    assert result.status == v2.ProcedureReturned(b"")
    assert result.request_id == 2


def test_a_raising_transaction_is_undone() -> None:
    database, panics = make()
    [outcome] = call(database, "rollback")
    assert outcome.value is None
    assert outcome.text == (
        "The module instance encountered a fatal error: ValueError: changed my mind"
    )
    assert database.tables.note.count() == 0
    assert "changed my mind" in panics[0]


def test_a_result_that_does_not_fit_is_an_error() -> None:
    database, _ = make()
    [outcome] = call(database, "too_big")
    assert "result of too_big" in outcome.text


def test_others_run_while_a_procedure_sleeps() -> None:
    database, _ = make()
    client = Client(database)
    client.send(v2.Subscribe(1, 1, ("SELECT * FROM note",)))
    assert client.send(v2.CallProcedure(2, "slow", b"\5\0\0\0")) == []
    assert client.send(v2.CallProcedure(3, "slow", b"\2\0\0\0")) == []
    [answer] = client.send(v2.CallReducer(4, "write", b"\1\0\0\0x"))
    assert isinstance(answer, v2.ReducerResult)
    database.tick(client.now + TimeDuration.from_seconds(1.5))
    _, result = client.take()
    assert (result.request_id, result.status) == (3, v2.ProcedureReturned(b"\2\0\0\0"))
    database.tick(client.now + TimeDuration.from_seconds(60))
    _, result = client.take()
    assert result.request_id == 2
    assert [note.text for note in database.tables.note] == ["x", "slept 2", "slept 5"]


def test_a_result_for_a_client_that_has_gone_is_dropped() -> None:
    database, _ = make()
    client = Client(database)
    client.send(v2.CallProcedure(2, "slow", b"\1\0\0\0"))
    client.leave()
    database.tick(client.now + TimeDuration.from_seconds(5))
    assert client.take() == []
    assert database.tables.note.count() == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("slow_panic", "ZeroDivisionError"),
        ("sleepy_transaction", "a procedure cannot sleep inside a transaction"),
        ("awaits_foreign", "a procedure can await nothing but ctx.sleep"),
        ("awaits_stubborn", "goes on awaiting what it must not"),
    ],
)
def test_misuse_of_await_ends_the_procedure(name: str, text: str) -> None:
    database, _ = make()
    results = call(database, name)
    database.tick(NOW + TimeDuration.from_seconds(2))
    [outcome] = results
    assert text in outcome.text
    assert database.tables.note.count() == 0
    assert not database.in_transaction


def test_a_procedure_may_recover_from_its_misuse() -> None:
    database, _ = make()
    [outcome] = call(database, "forgives_foreign")
    assert outcome.value == b""


def test_scheduled_procedures_are_run_by_the_database_and_their_failure_is_logged() -> None:
    database, _ = make()
    caller = database.caller(database.identity)
    database.procedures.run_scheduled("with_row", "fine", caller, NOW)
    database.procedures.run_scheduled("with_row", "fail", caller, NOW)
    assert [line.message for line in database.logs] == [
        "scheduled procedure with_row: The module instance encountered a fatal error:"
        " ValueError: no"
    ]
    assert database.procedures.get("with_row") is not None
    assert database.procedures.get("nope") is None
