"""`sql.run`: the statements of the HTTP route."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.errors import QueryError
from spacetime_proto.messages import v2
from spacetime_proto.server import U8, U64, Context, Database, Module, ViewContext, column
from spacetime_proto.server.sql.run import StatementResult, run_sql
from spacetime_proto.types import Identity, ScheduleAt
from tests.proto.server.support import NOW, Client, identity, make_database

OWNER = identity(77)


def database() -> Database:
    module = Module()

    @module.table(public=True)
    class Player:
        id: U8 = column(primary_key=True, auto_increment=True)
        name: str = column(name="nick")
        maybe: str | None = None

    @module.table(public=True)
    class Owned:
        owner: Identity

    @module.table(public=True, scheduled="ring")
    class Alarm:
        id: U64 = column(primary_key=True, auto_increment=True)
        at: ScheduleAt

    @module.reducer
    def ring(ctx: Context, alarm: Alarm) -> None: ...

    @module.view
    def mine(ctx: ViewContext) -> list[Owned]:
        return [Owned(owner=ctx.sender)]

    @module.view
    def broken(ctx: ViewContext) -> list[Owned]:
        raise ZeroDivisionError("no")

    made = make_database(module, owner=OWNER)
    run(made, "INSERT INTO player (id, nick, maybe) VALUES (0, 'a', 'x')", refused=True)
    with made.transactions.run():
        for name in "abc":
            made.tables.player.insert(Player(id=0, name=name))
    return made


def run(database: Database, sql: str, who: Identity = OWNER, *, refused: bool = False) -> Any:
    if not refused:
        return run_sql(database, sql, database.caller(who), NOW)
    with pytest.raises(QueryError) as caught:
        run_sql(database, sql, database.caller(who), NOW)
    return str(caught.value)


def names(result: StatementResult) -> list[str | None]:
    return [element.name for element in result.schema.elements]


def test_queries() -> None:
    made = database()
    result = run(made, "SELECT * FROM player WHERE id > 1", identity(1))
    assert names(result) == ["id", "nick", "maybe"]
    assert result.rows == ((2, "b", None), (3, "c", None))
    result = run(made, "SELECT name AS n, id FROM player LIMIT 2", identity(1))
    assert (names(result), result.rows) == (["n", "id"], (("a", 1), ("b", 2)))
    assert run(made, "SELECT * FROM player LIMIT 0").rows == ()
    result = run(made, "SELECT COUNT(*) AS n FROM player p JOIN player q", identity(1))
    assert (names(result), result.rows) == (["n"], ((9,),))
    assert run(made, "SELECT COUNT(*) AS n FROM player LIMIT 0").rows == ()
    result = run(made, "SELECT q.* FROM player p JOIN player q ON p.id = q.id WHERE p.id = 2")
    assert result.rows == ((2, "b", None),)
    result = run(made, "SELECT p.nick, q.nick AS other FROM player p JOIN player q LIMIT 1")
    assert result.rows == (("a", "a"),)


def test_views_are_worked_out_for_the_caller() -> None:
    made = database()
    assert run(made, "SELECT * FROM mine", identity(4)).rows == ((identity(4),),)
    assert run(made, "SELECT * FROM broken", refused=True) == "view broken failed: no"


def test_writing_is_for_the_owner_and_reaches_subscribers() -> None:
    made = database()
    refusal = run(made, "DELETE FROM player", identity(1), refused=True)
    assert refusal == f"Caller {identity(1)} is not authorized to run SQL DML statements"
    client = Client(made)
    client.send(v2.Subscribe(1, 1, ("SELECT * FROM owned",)))
    # Names are ignored, values are positional (docs/protocol.md section 10.5).
    result = run(made, "INSERT INTO owned (whatever) VALUES (:sender), (0x" + "c2" * 32 + ")")
    assert (result.inserted, result.rows, result.schema.elements) == (2, (), ())
    [update] = client.take()
    assert isinstance(update, v2.TransactionUpdate)
    again = run(made, "INSERT INTO owned (owner) VALUES (:sender)")
    assert again.inserted == 0
    assert client.take() == []


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO alarm (id, at) VALUES (1, 2)",
        "UPDATE alarm SET id = 2",
        "DELETE FROM alarm",
        "DELETE FROM alarm WHERE id = 3",
    ],
)
def test_nobody_writes_to_scheduled_tables(sql: str) -> None:
    assert run(database(), sql, refused=True) == "SQL writes to scheduled tables are not supported"


def test_update_and_delete() -> None:
    made = database()
    assert run(made, "UPDATE player SET name = 'z' WHERE id < 3").updated == 2
    assert run(made, "UPDATE player SET nick = 'y' WHERE id = 1").updated == 1
    assert [row[1] for row in run(made, "SELECT * FROM player WHERE id < 3").rows] == ["z", "y"]
    assert run(made, "DELETE FROM player WHERE nick = 'z'").deleted == 1
    assert run(made, "DELETE FROM player").deleted == 2
    assert made.stores["player"].rows == {}


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("INSERT INTO nope (a) VALUES (1)", "no such table: `nope`"),
        ("INSERT INTO player (id) VALUES (1)", "The number of fields (1) in the INSERT does not"),
        ("INSERT INTO owned (a) VALUES (:sender, 1)", "Inserting a row with 2 values into `owned`"),
        ("INSERT INTO owned (a) VALUES (5)", "The literal expression `5` cannot be parsed"),
        ("INSERT INTO player (a, b, c) VALUES (1, 'x', 'y')", "The literal expression `y`"),
        ("INSERT INTO mine (a) VALUES (:sender)", "`mine` is a view; views cannot be written to"),
        ("DELETE FROM mine", "`mine` is a view"),
        ("UPDATE player SET nope = 1", "`nope` is not in scope"),
        ("UPDATE player SET id = 1", "Unique constraint violation 'player_id_key'"),
        ("UPDATE player SET id = 'x'", "The literal expression `x` cannot be parsed as type `U8`"),
        ("SELECT * FROM player WHERE", "sql parser error"),
    ],
)
def test_mistakes_change_nothing(sql: str, problem: str) -> None:
    made = database()
    before = dict(made.stores["player"].rows)
    assert run(made, sql, refused=True).startswith(problem)
    assert made.stores["player"].rows == before
