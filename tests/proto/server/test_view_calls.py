"""Views with parameters, as the embedded server answers calls of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spacetime_proto.errors import QueryError
from spacetime_proto.messages import v2
from spacetime_proto.server import U32, Database, Module, ViewContext
from spacetime_proto.server.sql.run import run_sql
from spacetime_proto.types import ConnectionId, Identity, Timestamp
from tests.proto.server.support import Client, Entropy, identity, make_database
from tests.proto.server.test_golden import Recording, comparable, rows_in, times_of_answers
from tests.proto.server.view_calls_module import make_module

WIRE = Path(__file__).parents[2] / "golden" / "v2.14" / "wire"
OTHER = Identity.from_hex("c200129de605e41faae500b7a42bfe64ea64814fd8b1c18ecd1b9d2305984404")


def unordered(message: Any) -> Any:
    """Return a message without order: that of calls of one view is the server's own."""

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return sorted(map(walk, value), key=repr)
        if isinstance(value, dict):
            return {name: walk(item) for name, item in value.items()}
        return tuple(map(walk, value)) if isinstance(value, tuple) else value

    return walk(comparable(message))


def other_acts(database: Database, expected: Any) -> None:
    """Do what the other client did when the recorded one got this message."""
    rows = [row for _, row in rows_in(expected)]
    caller = database.caller(
        OTHER, ConnectionId(rows[0][:-17:-1]) if b"connected" in rows[0] else None
    )
    if b"disconnected" in rows[0]:
        database.disconnect(caller, Timestamp(0))
    elif b"connected" in rows[0]:
        assert database.connect(caller, Timestamp(0)) is None
    else:
        database.call_reducer(caller, "hide", "[7]", now=Timestamp(0), request_id=1)


@pytest.mark.parametrize("name", sorted(path.name for path in WIRE.glob("view_calls*.jsonl")))
def test_a_recorded_session_is_answered_as_the_real_server_did(name: str) -> None:
    steps = Recording(
        WIRE / name, Database(make_module(), name="a", identity=identity(0), entropy=Entropy())
    ).steps
    owner = steps[0][1].identity
    database = Database(
        make_module(), name="a", identity=identity(0), entropy=Entropy(), owner=owner
    )
    recording = Recording(WIRE / name, database)
    connection = recording.connect(database)
    connection.start(Timestamp(0))
    times = times_of_answers(steps)
    received: list[Any] = []
    for direction, message in steps:
        if direction == "client":
            connection.receive(message, next(times))
            continue
        received += (m for p in connection.payloads_to_send() for m in recording.decode(p))
        if not received:
            other_acts(database, message)
            received += (m for p in connection.payloads_to_send() for m in recording.decode(p))
        assert received, message
        assert unordered(received.pop(0)) == unordered(message)
    assert received == []


# --- one materialisation per view, caller and arguments -----------------------------------------


def owned() -> Database:
    return make_database(make_module(), owner=identity(1))


def subscribe(client: Client, *queries: str, set_id: int = 1) -> Any:
    return client.one(v2.Subscribe(1, set_id, queries))


def kept(database: Database) -> list[Any]:
    return [key[1:] for key in database.live.materialised]


def test_calls_share_rows_exactly_if_view_arguments_and_caller_are_the_same() -> None:
    database = owned()
    one, two = Client(database), Client(database, number=2)
    subscribe(one, "SELECT * FROM players_at_level(5,'x')", "SELECT * FROM playersAtLevel(05, 'x')")
    subscribe(two, "SELECT p.* FROM \"players_at_level\"('5', X'') AS p", set_id=2)
    subscribe(two, "SELECT * FROM players_at_level(5.0, 'x')", set_id=3)
    assert kept(database) == [
        ("players_at_level", None, 5, "x"),
        ("players_at_level", None, 5, ""),
    ]
    subscribe(one, "SELECT * FROM mine(0)", set_id=2)
    subscribe(two, "SELECT * FROM mine(0)", set_id=4)
    assert kept(database)[2:] == [("mine", identity(1), 0), ("mine", identity(2), 0)]
    two.leave()
    assert kept(database) == [("players_at_level", None, 5, "x"), ("mine", identity(1), 0)]
    one.leave()
    assert kept(database) == []


def test_a_string_parameter_takes_a_number_as_its_text() -> None:
    database = owned()
    subscribe(Client(database), "SELECT * FROM players_at_level(5, 7)")
    assert kept(database) == [("players_at_level", None, 5, "7")]


def test_empty_parentheses_are_no_call() -> None:
    client = Client(owned())
    answer = subscribe(
        client,
        "SELECT * FROM everyone() WHERE id > 1",
        "SELECT * FROM player()",
        "SELECT p.* FROM player() p JOIN everyone() e ON p.id = e.id",
    )
    assert isinstance(answer, v2.SubscribeAppliedMessage), answer


def test_sql_over_http_computes_a_view() -> None:
    database = owned()
    caller = database.caller(identity(1))
    database.call_reducer(caller, "add_player", '[1, 9, "x"]', now=Timestamp(0), request_id=1)
    for level, count in ((5, 1), (10, 0)):
        sql = f"SELECT * FROM players_at_level({level}, 'x')"
        assert len(run_sql(database, sql, caller, Timestamp(0)).rows) == count
    assert kept(database) == []


CALL = "players_at_level(5, 'x')"
BARE = (
    "View `players_at_level` takes arguments, so it can only be queried as"
    " `SELECT * FROM players_at_level(...)`"
)


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT * FROM playersAtLevel()", "View `players_at_level` takes 2 argument(s), but 0 were given"),
        ("SELECT * FROM everyone(1)", "View `everyone` takes 0 argument(s), but 1 were given"),
        (f"SELECT id FROM {CALL}", BARE),
        (f"SELECT COUNT(*) AS n FROM {CALL}", BARE),
        (f"SELECT * FROM {CALL} LIMIT 1", BARE),
        ("SELECT * FROM players_at_level(id, 'x')", "Unsupported view argument: id. View arguments must be literals"),
        ("SELECT * FROM players_at_level((5), 'x')", "Unsupported view argument: (5). View arguments must be literals"),
        ("SELECT * FROM i8_v(f ( 5 ))", "Unsupported view argument: f(5). View arguments must be literals"),
        ("SELECT * FROM i8_v(a . b+(2))", "Unsupported view argument: a.b + (2). View arguments must be literals"),
        ("SELECT * FROM players_at_level(min_level => 5, 'x')", "Unsupported view argument: min_level => 5. View arguments must be positional literals"),
        ("SELECT * FROM players_at_level(*)", "Unsupported view argument: *. View arguments must be positional literals"),
        ("SELECT * FROM players_at_level(NULL, 'x')", "Unsupported literal expression: NULL"),
        ("SELECT * FROM players_at_level(5, :sender)", "Unsupported literal expression: :sender"),
        ("SELECT * FROM players_at_level(5, true)", "Unexpected type: (expected) Bool != String (inferred)"),
        ("SELECT * FROM players_at_level(5,, 'x')", "sql parser error: Expected an expression, found: , at Line: 1, Column 34"),
        ("SELECT * FROM players_at_level(5", "sql parser error: Expected ), found: EOF"),
        (f"DELETE FROM {CALL}", f"Unsupported table expression in DELETE: {CALL}"),
        ("DELETE FROM v(0x01, true)", "Unsupported table expression in DELETE: v(X'01', true)"),
    ],
)  # fmt: skip
def test_what_is_no_call_is_refused_in_the_words_of_the_real_server(sql: str, text: str) -> None:
    database = owned()
    with pytest.raises(QueryError) as caught:
        run_sql(database, sql, database.caller(identity(1)), Timestamp(0))
    assert str(caught.value) == text


def test_a_type_that_cannot_be_written_is_refused() -> None:
    module = Module()

    @module.table(public=True)
    class Thing:
        id: U32

    @module.view
    def array_v(ctx: ViewContext, x: list[U32]) -> list[Thing]:
        raise AssertionError

    client = Client(make_database(module))
    answer = subscribe(client, "SELECT * FROM array_v(1)")
    assert answer.error == (
        "Parameter `x` of view `array_v` has type Array<U32>, which cannot be passed from SQL,"
        " executing: `SELECT * FROM array_v(1)`"
    )
