"""`connection_v2`: query sets, calls and one-off queries on v2 and v3."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.messages import v2
from spacetime_proto.server import (
    U8,
    Context,
    Database,
    Faults,
    Module,
    ProcedureContext,
    ViewContext,
    column,
)
from spacetime_proto.types import TimeDuration
from tests.proto.server.support import Client, identity, make_database, rows_of

ALL = "SELECT * FROM item"
BIG = "SELECT * FROM item WHERE size > 4"


def make(**options: Any) -> Database:
    module = Module()

    @module.table(public=True)
    class Item:
        id: U8 = column(primary_key=True)
        size: U8

    @module.table(public=True)
    class Other:
        id: U8 = column(primary_key=True)

    @module.reducer
    def put(ctx: Context, id: U8, size: U8) -> None:
        ctx.db.item.id.delete(id)
        ctx.db.item.insert(Item(id=id, size=size))

    @module.reducer
    def put_other(ctx: Context, id: U8) -> None:
        ctx.db.other.insert(Other(id=id))

    @module.reducer
    def both(ctx: Context, id: U8) -> None:
        ctx.db.item.insert(Item(id=id, size=9))
        ctx.db.other.insert(Other(id=id))

    @module.reducer
    def fail(ctx: Context) -> None:
        raise ValueError("no")

    @module.reducer
    def panic(ctx: Context) -> None:
        raise ZeroDivisionError

    @module.procedure
    def quick(ctx: ProcedureContext) -> U8:
        return 7

    @module.view
    def fragile(ctx: ViewContext) -> list[Item]:
        rows = list(ctx.db.item)
        if len(rows) > 1:
            raise ValueError("too many")
        return rows

    @module.procedure
    def bad(ctx: ProcedureContext) -> None:
        raise ValueError("no")

    return make_database(module, **options)


def call(client: Client, name: str, *args: int) -> Any:
    return client.one(v2.CallReducer(9, name, bytes(args)))


def shape(update: v2.TransactionUpdate) -> list[Any]:
    """Return [(set id, [(table, [(inserts, deletes)])])]."""
    return [
        (
            query_set.query_set_id,
            [
                (
                    table.table_name,
                    [(rows_of(r.inserts), rows_of(r.deletes)) for r in table.rows],  # type: ignore[union-attr]
                )
                for table in query_set.tables
            ],
        )
        for query_set in update.query_sets
    ]


def test_the_first_message_says_who_one_is() -> None:
    client = Client(make())
    assert client.first == [
        v2.InitialConnection(identity(1), client.connection.caller.connection_id, "a.b.c")  # type: ignore[arg-type]
    ]


def test_subscribe_gives_the_rows_of_every_query_over_a_table_that_has_some() -> None:
    client = Client(make())
    call(client, "put", 1, 1)
    answer = client.one(v2.Subscribe(5, 1, (ALL, BIG, ALL, "SELECT * FROM other")))
    assert (answer.request_id, answer.query_set_id) == (5, 1)
    assert [(r.table, rows_of(r.rows)) for r in answer.rows] == [("item", [b"\1\1"]), ("item", [])]
    assert client.one(v2.Subscribe(6, 2, ())).rows == ()


def test_a_set_that_is_refused_leaves_nothing_behind() -> None:
    database = make()
    client = Client(database)
    answer = client.one(v2.Subscribe(5, 1, (ALL, "SELECT * FROM nope")))
    assert answer.request_id == 5
    assert answer.error.endswith("marked private., executing: `SELECT * FROM nope`")
    assert database.live.queries == {}
    assert isinstance(client.one(v2.Subscribe(6, 1, (ALL,))), v2.SubscribeAppliedMessage)


def test_an_id_that_is_live_is_refused_and_stays_alive() -> None:
    client = Client(make())
    client.send(v2.Subscribe(5, 1, (ALL,)))
    answer = client.one(v2.Subscribe(6, 1, (BIG,)))
    assert (answer.request_id, answer.query_set_id) == (6, 1)
    assert len(shape(call(client, "put", 1, 1).result.transaction_update)) == 1


@pytest.mark.parametrize("protocol", ["v2.bsatn.spacetimedb", "v3.bsatn.spacetimedb"])
def test_a_batch_has_one_answer_with_a_result_per_set(protocol: Any) -> None:
    client = Client(make(), protocol)
    call(client, "put", 1, 5)
    client.send(v2.Subscribe(2, 1, (ALL,)))
    answer = client.one(
        v2.SubscribeBatch(
            7,
            (
                v2.SubscribeSet(1, (BIG,)),
                v2.SubscribeSet(2, (BIG, ALL)),
                v2.SubscribeSet(3, (ALL, "SELECT * FROM nope")),
                v2.SubscribeSet(2, (ALL,)),
                v2.SubscribeSet(4, ()),
            ),
        )
    )
    assert answer.request_id == 7
    outcomes = [one.outcome for one in answer.results]
    assert [one.query_set_id for one in answer.results] == [1, 2, 3, 2, 4]
    who = f"(Identity({client.identity}), ConnectionId({client.first[0].connection_id}))"
    live = "Subscription with id QuerySetId {{ id: {} }} already exists for client: {}"
    assert outcomes[0] == live.format(1, who)
    assert [rows_of(table.rows) for table in outcomes[1]] == [[b"\1\5"]] * 2
    assert outcomes[2].endswith(", executing: `SELECT * FROM nope`")
    assert outcomes[3] == live.format(2, who)
    assert outcomes[4] == ()
    # The live set stays; the id of a refused one is free; a new set is like one of Subscribe.
    update = call(client, "put", 2, 6).result.transaction_update
    assert [one.query_set_id for one in update.query_sets] == [1, 2]
    again = client.one(v2.SubscribeBatch(8, (v2.SubscribeSet(3, (ALL,)),)))
    assert [type(one.outcome) for one in again.results] == [tuple]
    assert client.one(v2.Unsubscribe(9, 4)) == v2.UnsubscribeAppliedMessage(9, 4)
    assert client.one(v2.SubscribeBatch(10, ())) == v2.SubscribeBatchApplied(10, ())


@pytest.mark.parametrize("protocol", ["v2.bsatn.spacetimedb", "v3.bsatn.spacetimedb"])
def test_a_server_before_2_11_knows_no_batch(protocol: Any) -> None:
    client = Client(make(faults=Faults(before_2_11=True)), protocol)
    assert client.send(v2.SubscribeBatch(1, ())) == []
    assert client.connection.close_request == (1011, "unknown tag 0x5 for sum type ClientMessage")


def test_updates_have_sets_by_id_tables_by_name_and_an_entry_per_query() -> None:
    client = Client(make())
    client.send(v2.Subscribe(1, 2, ("SELECT * FROM other", ALL, BIG)))
    client.send(v2.Subscribe(2, 1, (ALL,)))
    result = call(client, "both", 7)
    assert result.result.ret_value == b""
    added = ([b"\7\t"], [])
    assert shape(result.result.transaction_update) == [
        (1, [("item", [added])]),
        (2, [("item", [added, added]), ("other", [([b"\7"], [])])]),
    ]


def test_a_row_update_is_a_delete_and_an_insert() -> None:
    client = Client(make())
    client.send(v2.Subscribe(1, 1, (ALL, BIG)))
    call(client, "put", 1, 5)
    result = call(client, "put", 1, 3)
    assert shape(result.result.transaction_update) == [
        (1, [("item", [([b"\1\3"], [b"\1\5"]), ([], [b"\1\5"])])])
    ]


def test_others_hear_of_it_only_if_it_touches_them() -> None:
    database = make()
    one, two, three = (Client(database, number=number) for number in (1, 2, 3))
    two.send(v2.Subscribe(1, 1, (ALL,)))
    three.send(v2.Subscribe(1, 1, ("SELECT * FROM other",)))
    call(one, "put", 1, 1)
    [update] = two.take()
    assert shape(update) == [(1, [("item", [([b"\1\1"], [])])])]
    assert three.take() == []


def test_the_same_update_is_encoded_once_for_everybody() -> None:
    database = make()
    clients = [Client(database, number=number) for number in range(2, 6)]
    for client in clients:
        client.send(v2.Subscribe(1, 1, (ALL,)))
    call(Client(database), "put", 1, 1)
    assert len({id(client.connection._outbox[0]) for client in clients}) == 1


def test_reducers_that_fail_say_why() -> None:
    client = Client(make())
    assert call(client, "fail").result == v2.ReducerErr(b"\2\0\0\0no")
    text = "The instance encountered a fatal error."
    assert call(client, "panic").result == v2.ReducerInternalError(text)
    assert call(client, "nope").result == v2.ReducerInternalError("no such reducer")


def test_unsubscribe_gives_the_rows_back_if_asked() -> None:
    database = make()
    client = Client(database)
    call(client, "put", 1, 1)
    for set_id in (1, 2):
        client.send(v2.Subscribe(1, set_id, (ALL,)))
    silent = client.one(v2.Unsubscribe(7, 1))
    assert silent == v2.UnsubscribeAppliedMessage(7, 1, None)
    answer = client.one(v2.Unsubscribe(8, 2, v2.SEND_DROPPED_ROWS))
    assert [rows_of(r.rows) for r in answer.rows] == [[b"\1\1"]]
    assert database.live.queries == {}
    assert shape(call(client, "put", 1, 2).result.transaction_update) == []


def test_unsubscribing_from_nothing_is_an_error() -> None:
    answer = Client(make()).one(v2.Unsubscribe(7, 99))
    assert answer.request_id == 7
    assert answer.error == (
        f"Subscription not found: ((Identity({identity(1)}),"
        f" ConnectionId({'0' * 31}1)), QuerySetId {{ id: 99 }})"
    )


def test_one_off_queries() -> None:
    client = Client(make())
    answer = client.one(v2.OneOffQuery(3, ALL))
    assert [(r.table, len(r.rows)) for r in answer.result] == [("item", 0)]
    call(client, "put", 1, 9)
    assert rows_of(client.one(v2.OneOffQuery(3, BIG)).result[0].rows) == [b"\1\t"]
    assert client.one(v2.OneOffQuery(4, "SELECT id FROM item")).result.startswith("Column proj")
    assert client.one(v2.OneOffQuery(5, "SELECT * FROM *")).result.startswith("Unsupported FROM")


def test_procedures() -> None:
    client = Client(make())
    answer = client.one(v2.CallProcedure(4, "bad", b""))
    assert "ValueError: no" in answer.status.message
    assert (answer.request_id, answer.total_host_execution_duration) == (4, TimeDuration(0))
    answer = client.one(v2.CallProcedure(5, "quick", b""))
    assert answer.status == v2.ProcedureReturned(b"\7")


def test_a_set_that_cannot_be_evaluated_ends() -> None:
    database = make()
    client = Client(database)
    client.send(v2.Subscribe(1, 3, ("SELECT * FROM fragile", ALL)))
    call(client, "put", 1, 1)
    error, result = client.send(v2.CallReducer(9, "put", b"\2\1"))
    assert error == v2.SubscriptionErrorMessage(None, 3, "view fragile failed: too many")
    assert result.result == v2.ReducerOk(b"", v2.TransactionUpdate())
    assert database.live.queries == {}


def test_one_payload_of_v3_holds_many_messages_both_ways() -> None:
    client = Client(make(), "v3.bsatn.spacetimedb")
    batch = b"".join(
        v2.encode_client(message)
        for message in (
            v2.Subscribe(1, 1, (ALL,)),
            v2.CallReducer(2, "put", b"\1\1"),
            v2.CallReducer(3, "put", b"\1\1"),
        )
    )
    client.connection.receive(batch, client.now)
    [payload] = client.connection.payloads_to_send()
    kinds = [type(message).__name__ for message in client.decode(payload)]
    assert kinds == ["SubscribeAppliedMessage", "ReducerResult", "ReducerResult"]


def test_v3_runs_what_comes_before_the_damage() -> None:
    database = make()
    client = Client(database, "v3.bsatn.spacetimedb")
    client.send(v2.encode_client(v2.CallReducer(2, "put", b"\1\1")) + b"\xff")
    assert database.tables.item.count() == 1
    assert client.connection.close_request == (1011, "unknown tag 0xff for sum type ClientMessage")


@pytest.mark.parametrize(
    ("protocol", "payload", "reason"),
    [
        ("v2.bsatn.spacetimedb", "{}", "v2 websocket does not support text messages"),
        ("v3.bsatn.spacetimedb", "{}", "v3 websocket does not support text messages"),
        ("v2.bsatn.spacetimedb", b"", "data too short for u8: Expected 1, given 0"),
        (
            "v3.bsatn.spacetimedb",
            b"",
            "v3 websocket binary payload must contain at least one v2 client message",
        ),
        ("v2.bsatn.spacetimedb", b"\3\0\0\0\0\1", "invalid call reducer flag 1"),
    ],
)
def test_undecodable_payloads_end_the_connection(protocol: Any, payload: Any, reason: str) -> None:
    client = Client(make(), protocol)
    assert client.send(payload) == []
    assert client.connection.close_request == (1011, reason)
    assert client.send(v2.OneOffQuery(1, ALL)) == []


def test_ok_empty() -> None:
    client = Client(make(faults=Faults(ok_empty=True)))
    assert call(client, "put", 1, 1).result == v2.ReducerOkEmpty()
    client.send(v2.Subscribe(1, 1, (ALL,)))
    assert isinstance(call(client, "put", 1, 2).result, v2.ReducerOk)


def test_rows_twice_within_a_set() -> None:
    client = Client(make(faults=Faults(duplicate_query_rows=True)))
    call(client, "put", 1, 1)
    answer = client.one(v2.Subscribe(1, 1, (ALL,)))
    assert [rows_of(r.rows) for r in answer.rows] == [[b"\1\1"]] * 2


def test_a_row_inserted_and_deleted_by_one_message() -> None:
    client = Client(make(faults=Faults(insert_and_delete=True)))
    client.send(v2.Subscribe(1, 1, (ALL,)))
    update = call(client, "put", 1, 1).result.transaction_update
    assert shape(update) == [(1, [("item", [([b"\1\1"] * 2, [b"\1\1"])])])]


def test_row_lists_with_offsets() -> None:
    client = Client(make(faults=Faults(always_offsets=True)))
    client.send(v2.Subscribe(1, 1, (ALL,)))
    update = call(client, "put", 1, 1).result.transaction_update
    rows = update.query_sets[0].tables[0].rows[0].inserts
    assert (rows.row_size, rows.offsets, rows_of(rows)) == (0, (0,), [b"\1\1"])


def test_procedure_results_out_of_order() -> None:
    client = Client(make(faults=Faults(reverse_procedures=True)))
    assert client.send(v2.CallProcedure(1, "bad", b"")) == []
    answers = client.send(v2.CallProcedure(2, "bad", b""))
    assert [answer.request_id for answer in answers] == [2, 1]
