"""`connection_v1`: v1.bsatn and v1.json, counted queries, the legacy set, light updates."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.messages import v1
from spacetime_proto.server import U8, Context, Database, Module, ProcedureContext, ViewContext
from tests.proto.server.support import Client, identity, make_database, rows_of

PROTOCOLS = ("v1.bsatn.spacetimedb", "v1.json.spacetimedb")
ALL = "SELECT * FROM item"
BIG = "SELECT * FROM item WHERE size > 4"


def make() -> Database:
    module = Module()

    @module.table(public=True)
    class Item:
        size: U8

    @module.table(public=True, event=True)
    class Noise:
        loud: U8

    @module.view
    def fragile(ctx: ViewContext) -> list[Item]:
        rows = list(ctx.db.item)
        if len(rows) > 2:
            raise ValueError("too many")
        return rows

    @module.reducer
    def put(ctx: Context, size: U8) -> None:
        ctx.db.item.insert(Item(size=size))

    @module.reducer
    def shout(ctx: Context) -> None:
        ctx.db.noise.insert(Noise(loud=7))

    @module.reducer
    def fail(ctx: Context) -> None:
        raise ValueError("no")

    @module.reducer
    def panic(ctx: Context) -> None:
        raise ZeroDivisionError

    @module.procedure
    def double(ctx: ProcedureContext, a: U8) -> U8:
        return 2 * a

    return make_database(module)


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> Any:
    return request.param


def args(client: Client, *values: int) -> bytes | str:
    json = client.connection.protocol == "v1.json.spacetimedb"
    return str(list(values)) if json else bytes(values)


def call(client: Client, name: str, *values: int, flags: int = 0) -> list[Any]:
    return client.send(v1.CallReducer(name, args(client, *values), 9, flags))


def content(update: v1.DatabaseUpdate) -> list[Any]:
    return [
        (
            table.table_name,
            table.num_rows,
            [(rows_of(u.inserts), rows_of(u.deletes)) for u in table.updates],
        )
        for table in update
    ]


def test_the_first_message_says_who_one_is(protocol: Any) -> None:
    client = Client(make(), protocol)
    [first] = client.first
    assert (first.identity, first.token) == (identity(1), "a.b.c")
    assert first.connection_id == client.connection.caller.connection_id


def test_the_legacy_set_is_replaced(protocol: Any) -> None:
    database = make()
    client = Client(database, protocol)
    [answer] = client.send(v1.Subscribe((ALL,), 1))
    assert isinstance(answer, v1.InitialSubscription)
    assert (answer.request_id, answer.database_update) == (1, ())
    call(client, "put", 5)
    [answer] = client.send(v1.Subscribe((ALL, BIG), 2))
    rows = ([b"\5"], [])
    assert content(answer.database_update) == [("item", 2, [rows, rows])]
    [answer] = client.send(v1.Subscribe((BIG,), 3))
    assert content(answer.database_update) == [("item", 1, [rows])]
    assert [query.key[0] for query in database.live.queries.values()] == [BIG]


def test_a_legacy_set_that_is_refused_leaves_the_old_one(protocol: Any) -> None:
    database = make()
    client = Client(database, protocol)
    client.send(v1.Subscribe((ALL,), 1))
    [answer] = client.send(v1.Subscribe((ALL, BIG, "SELEC"), 2))
    assert (answer.request_id, answer.query_id, answer.table_id) == (2, None, None)
    assert answer.error.endswith(", executing: `SELEC`")
    assert [query.key[0] for query in database.live.queries.values()] == [ALL]


def test_multi_leaves_out_what_is_held_already_single_does_not(protocol: Any) -> None:
    database = make()
    client = Client(database, protocol)
    call(client, "put", 5)
    rows = ([b"\5"], [])
    [answer] = client.send(v1.SubscribeMulti((ALL,), 1, 1))
    assert isinstance(answer, v1.SubscribeMultiApplied)
    assert (answer.request_id, answer.query_id) == (1, 1)
    assert content(answer.update) == [("item", 1, [rows])]
    [answer] = client.send(v1.SubscribeMulti((ALL, BIG), 2, 2))
    assert content(answer.update) == [("item", 1, [rows])]
    [answer] = client.send(v1.SubscribeSingle(ALL, 3, 3))
    assert isinstance(answer, v1.SubscribeAppliedMessage)
    assert answer.rows.table_id == 4096
    assert content((answer.rows.table_rows,)) == [("item", 1, [rows])]
    # Each distinct query once, however many ids hold it; the caller gets the full form.
    [update] = call(client, "put", 9)
    assert isinstance(update, v1.TransactionUpdate)
    assert isinstance(update.status, v1.Committed)
    added = ([b"\t"], [])
    assert content(update.status.update) == [("item", 2, [added, added])]


def test_rows_go_when_the_last_id_goes(protocol: Any) -> None:
    database = make()
    client = Client(database, protocol)
    call(client, "put", 5)
    client.send(v1.SubscribeMulti((ALL,), 1, 1), v1.SubscribeMulti((ALL,), 2, 2))
    [answer] = client.send(v1.UnsubscribeMulti(3, 1))
    assert content(answer.update) == []
    [answer] = client.send(v1.UnsubscribeMulti(4, 2))
    assert isinstance(answer, v1.UnsubscribeMultiApplied)
    assert content(answer.update) == [("item", 1, [([], [b"\5"])])]
    assert database.live.queries == {}


def test_single_unsubscribe(protocol: Any) -> None:
    client = Client(make(), protocol)
    call(client, "put", 5)
    client.send(v1.SubscribeSingle(ALL, 1, 1), v1.SubscribeMulti((ALL,), 2, 2))
    [answer] = client.send(v1.Unsubscribe(3, 1))
    assert (answer.error, answer.query_id) == ("Internal error", 1)
    [answer] = client.send(v1.Unsubscribe(4, 2))
    assert isinstance(answer, v1.UnsubscribeAppliedMessage)
    assert content((answer.rows.table_rows,)) == [("item", 1, [([], [b"\5"])])]


def test_ids_are_checked(protocol: Any) -> None:
    client = Client(make(), protocol)
    client.send(v1.SubscribeMulti((ALL,), 1, 1))
    for message in (v1.SubscribeMulti((BIG,), 2, 1), v1.SubscribeSingle(BIG, 2, 1)):
        [answer] = client.send(message)
        assert (answer.request_id, answer.query_id) == (2, 1)
        assert "already exists" in answer.error
    [answer] = client.send(v1.UnsubscribeMulti(3, 9))
    assert "Subscription not found" in answer.error
    [answer] = client.send(v1.SubscribeMulti((ALL, BIG, "SELEC"), 4, 4))
    assert answer.error.endswith(", executing: `SELEC`")
    [update] = call(client, "put", 9)
    assert len(update.status.update[0].updates) == 1


def test_everything_at_once_is_a_multi(protocol: Any) -> None:
    client = Client(make(), protocol)
    call(client, "put", 1)
    [answer] = client.send(v1.SubscribeSingle("SELECT * FROM *", 1, 1))
    assert isinstance(answer, v1.SubscribeMultiApplied)
    assert [table.table_name for table in answer.update] == ["item", "fragile"]


def test_event_tables_need_v2_but_the_legacy_set_takes_them(protocol: Any) -> None:
    client = Client(make(), protocol)
    for message in (
        v1.SubscribeSingle("SELECT * FROM noise", 1, 1),
        v1.SubscribeMulti((ALL, "SELECT * FROM noise"), 1, 1),
    ):
        [answer] = client.send(message)
        assert answer.error.startswith("Subscribing to event tables requires WebSocket v2.")
    client.send(v1.Subscribe(("SELECT * FROM noise",), 2))
    [update] = call(client, "shout")
    assert content(update.status.update) == [("noise", 1, [([b"\7"], [])])]


def test_the_caller_is_told_everything_others_only_the_rows(protocol: Any) -> None:
    database = make()
    one, two = Client(database, protocol), Client(database, protocol, number=2)
    two.send(v1.SubscribeMulti((ALL,), 1, 1))
    [update] = call(one, "put", 5)
    assert update.status == v1.Committed(())
    assert (update.caller_identity, update.energy_quanta_used) == (identity(1), 0)
    assert update.reducer_call == v1.ReducerCallInfo("put", 2, args(one, 5), 9)
    [light] = two.take()
    assert isinstance(light, v1.TransactionUpdateLight)
    assert light.request_id == 9
    assert content(light.update) == [("item", 1, [([b"\5"], [])])]


def test_a_silent_call_is_like_anybody_elses(protocol: Any) -> None:
    client = Client(make(), protocol)
    assert call(client, "put", 1, flags=v1.NO_SUCCESS_NOTIFY) == []
    assert call(client, "fail", flags=v1.NO_SUCCESS_NOTIFY) == []
    client.send(v1.SubscribeMulti((ALL,), 1, 1))
    [light] = call(client, "put", 2, flags=v1.NO_SUCCESS_NOTIFY)
    assert isinstance(light, v1.TransactionUpdateLight)


def test_failures(protocol: Any) -> None:
    client = Client(make(), protocol)
    [update] = call(client, "fail")
    assert update.status == v1.Failed("no")
    assert update.reducer_call.request_id == 9
    [update] = call(client, "panic")
    assert update.status == v1.Failed("The instance encountered a fatal error.")
    [update] = call(client, "nope", 1)
    assert update.status == v1.Failed("no such reducer")
    nothing = "[]" if protocol == "v1.json.spacetimedb" else b""
    assert update.reducer_call == v1.ReducerCallInfo("nope", 0xFFFFFFFF, nothing, 0)
    [update] = call(client, "put")
    assert update.status.message.startswith("invalid arguments for reducer put: ")
    assert "invalid arguments for function put" in update.status.message


def test_one_off_queries(protocol: Any) -> None:
    client = Client(make(), protocol)
    call(client, "put", 5)
    [answer] = client.send(v1.OneOffQuery(b"\1\2", ALL))
    assert (answer.message_id, answer.error) == (b"\1\2", None)
    assert [(t.table_name, rows_of(t.rows)) for t in answer.tables] == [("item", [b"\5"])]
    [answer] = client.send(v1.OneOffQuery(b"", "SELEC"))
    assert (answer.tables, answer.error[:10]) == ((), "sql parser")


def test_procedures(protocol: Any) -> None:
    client = Client(make(), protocol)
    [answer] = client.send(v1.CallProcedure("double", args(client, 4), 3))
    value: bytes | str = "8" if protocol == "v1.json.spacetimedb" else b"\x08"
    assert (answer.request_id, answer.status) == (3, v1.ProcedureReturned(value))
    [answer] = client.send(v1.CallProcedure("nope", args(client), 4))
    assert answer.status == v1.ProcedureInternalError("No such procedure")
    [answer] = client.send(v1.CallProcedure("double", args(client), 5))
    assert answer.status.message.startswith("invalid arguments for procedure double: ")


def test_a_failed_evaluation_takes_everything(protocol: Any) -> None:
    database = make()
    client = Client(database, protocol)
    client.send(v1.SubscribeMulti((ALL,), 1, 1), v1.Subscribe(("SELECT * FROM fragile",), 2))
    call(client, "put", 1)
    call(client, "put", 2)
    error, update = call(client, "put", 3)
    assert error == v1.SubscriptionErrorMessage(
        0, None, None, None, "view fragile failed: too many"
    )
    assert update.status == v1.Committed(())
    assert database.live.queries == {}
    assert isinstance(client.send(v1.SubscribeMulti((ALL,), 1, 1))[0], v1.SubscribeMultiApplied)


def test_frames_of_the_other_kind_are_understood() -> None:
    """The kind of frame decides how it is read, the protocol how it is answered."""
    database = make()
    json, bsatn = (Client(database, name) for name in reversed(PROTOCOLS))
    [update] = json.send(v1.encode_client(v1.CallReducer("put", b"\5", 1)))
    assert update.reducer_call.args == "[5]"
    [update] = bsatn.send(v1.CLIENT.to_json(v1.CallReducer("put", "[6]", 1)))
    assert update.reducer_call.args == b"\6"


@pytest.mark.parametrize("text", ["hello", '{"Nope":1}', '{"a":', "[" * 100_000])
def test_text_that_is_no_message_ends_the_connection(text: str) -> None:
    client = Client(make(), "v1.json.spacetimedb")
    client.send(text)
    assert client.connection.close_request is not None
    assert client.connection.close_request[0] == 1011
