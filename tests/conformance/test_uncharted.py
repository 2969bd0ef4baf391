"""Cases that no official suite tests.

| row | where |
|---|---|
| absent-row delete | scripted |
| query set dying after apply | scripted |
| pending calls at disconnect | scripted |
| unknown reducer name in a message | scripted |
| unknown procedure name | embedded |
| unknown table name in a message | scripted |
| several TableUpdates per table | scripted |
| empty v3 frame | scripted |
| split batches | scripted |
| handshake 401 | scripted |
| handshake 403 | scripted |
| handshake 404 | scripted |
| reconnect replay and reconcile | scripted |
| snapshot of more than 64 MiB | scripted |
| NaN keys | scripted |
| .not() | embedded |
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto import Range, Reconnected
from spacetime_proto.bindings import dynamic_module
from spacetime_proto.client import events as ev
from spacetime_proto.errors import (
    AuthError,
    DatabaseNotFound,
    Disconnected,
    HandshakeError,
    InternalError,
    ProtocolError,
    SchemaMismatch,
    SubscriptionError,
)
from spacetime_proto.messages import v1, v2
from spacetime_proto.schema.load import load_schema
from spacetime_proto.types import TimeDuration
from tests.conformance.kit import columns, protocols
from tests.conformance.scripted import ScriptedClient
from tests.support.golden import golden_module, schema_text
from tests.support.payloads import compress
from tests.support.script import CONNECTION_ID, NOW, OTHER, message, user

if TYPE_CHECKING:
    from tests.conformance.kit import World

BSATN = ("v3", "v2", "v1.bsatn")


def opened(protocol: str, **options: Any) -> ScriptedClient:
    client = ScriptedClient(protocol, **options)
    client.open()
    return client


def transaction(
    client: ScriptedClient, *updates: tuple[str, tuple[Any, ...], tuple[Any, ...]]
) -> Any:
    """Return a transaction with a TableUpdate for each (table, inserts, deletes), in order."""
    if client.is_v1:
        tables = [client.v1_table(*update) for update in updates]
        return v1.TransactionUpdateLight(0, v1.DatabaseUpdate(tuple(tables)))
    parts = [client.update(1, *update).query_sets[0].tables[0] for update in updates]
    return v2.TransactionUpdate((v2.QuerySetUpdate(1, tuple(parts)),))


# --- rows ---------------------------------------------------------------------------------------


def test_absent_row_delete(protocol: str) -> None:
    """It is counted and told to the hook; it is no event, and not fatal unless asked for."""
    client = opened(protocol)
    client.subscribe(rows={"user": [user(1)]})
    client.watch("user")
    told: list[Any] = []
    client.session.cache.on_absent_delete = lambda table, row: told.append((table, row))
    client.send(transaction(client, ("user", (), (user(2),))))
    assert client.take() == []
    assert client.rows_of("user") == [user(1)]
    assert client.session.cache.absent_deletes == 1
    [(table, data)] = told
    assert table == "user"
    assert data == client.rows("user", user(2)).slices()[0]

    strict = opened(protocol, strict_deletes=True)
    strict.subscribe(rows={"user": [user(1)]})
    strict.send(transaction(strict, ("user", (), (user(2),))))
    strict.session.receive_eof(now=0.0)
    strict.events()
    assert isinstance(strict.session.close_error, ProtocolError)


def test_query_set_dying_after_apply(protocol: str) -> None:
    """It takes exactly its rows along and says so; on v1, where no set can be told, all of them."""
    client = opened(protocol)
    errors: list[Any] = []

    def failed(name: str) -> Any:
        return lambda ctx, error: errors.append((name, type(error)))

    first = client.session.subscribe("SELECT * FROM user", on_error=failed("first"))
    client.apply(client.request(), {"user": [user(1)]})
    second = client.session.subscribe("SELECT * FROM message", on_error=failed("second"))
    client.apply(client.request(), {"message": [message("x")]})
    client.watch("user", "message")
    if client.is_v1:
        client.send(v1.SubscriptionErrorMessage(0, None, None, None, "evaluation failed"))
        assert sorted(errors) == [("first", SubscriptionError), ("second", SubscriptionError)]
        assert sorted(entry[:2] for entry in client.take()) == [
            ("delete", "message"),
            ("delete", "user"),
        ]
        assert (first.is_ended, second.is_ended) == (True, True)
    else:
        client.send(v2.SubscriptionErrorMessage(None, second.set_id, "evaluation failed"))
        assert errors == [("second", SubscriptionError)]
        assert client.take() == [("delete", "message", message("x"))]
        assert (first.is_active, second.is_ended) == (True, True)
    # What is subscribed to later works.
    client.subscribe("SELECT * FROM message", rows={"message": [message("y")]})
    assert client.take() == [("insert", "message", message("y"))]


def test_several_tableupdates_per_table(protocol: str) -> None:
    """They are one change: a row that goes in one and comes in another has not changed."""
    client = opened(protocol)
    client.subscribe(rows={"user": [user(1, "a"), user(2)]})
    client.watch("user")
    changed, gone = ("user", (user(1, "b"),), ()), ("user", (), (user(1, "a"),))
    client.send(transaction(client, gone, ("user", (user(3),), ()), changed))
    assert client.take() == [
        ("insert", "user", user(3)),
        ("update", "user", user(1, "a"), user(1, "b")),
    ]
    client.send(transaction(client, ("user", (), (user(2),)), ("user", (user(2),), ())))
    assert client.take() == []
    assert client.rows_of("user") == [user(1, "b"), user(2), user(3)]


@protocols(*BSATN)
def test_nan_keys(protocol: str) -> None:
    """NaN in an index is found, sorts last, and its row can be deleted again."""
    client = opened(protocol, module=golden_module("sdk-test"))
    table = "indexed_table_2"
    nan, rows = math.nan, [(1, math.nan), (1, math.inf), (1, -1.0), (2, math.nan)]
    client.subscribe(f"SELECT * FROM {table}", rows={table: rows})
    index = client.db[table].player_id_snazz_index
    snazzes = [columns(row)[1] for row in index.filter((1,))]
    assert snazzes[:2] == [-1.0, math.inf]
    assert math.isnan(snazzes[2])
    assert len(index.filter((1, nan))) == 1
    assert len(index.filter((1, Range(math.inf, None)))) == 2
    assert len(index.filter((1, Range(None, math.inf)))) == 2
    client.send(transaction(client, (table, (), ((1, nan),))))
    assert index.filter((1, nan)) == []
    assert client.db[table].count() == 3


@pytest.mark.slow
@protocols(*BSATN)
def test_snapshot_of_more_than_64_mib(protocol: str) -> None:
    """The size at which the C# client gives up."""
    client = opened(protocol)
    text = "x" * 65_536
    rows = [message(f"{number:5}{text}") for number in range(1_040)]
    client.subscribe("SELECT * FROM message", rows={"message": rows})
    assert client.db.message.count() == 1_040
    assert sum(len(row.text) for row in client.db.message.iter()) > 64 << 20


# --- the end of a connection --------------------------------------------------------------------


def test_pending_calls_at_disconnect(protocol: str) -> None:
    """Everything that waits is told once; what was sent has an unknown outcome."""
    client = opened(protocol, module=golden_module("sdk-test-procedure"))
    settled: list[str] = []
    pending = {
        "reducer": client.call("schedule_proc"),
        "procedure": client.run("return_primitive", 1, 2),
        "query": client.session.query("SELECT * FROM my_table"),
    }
    for name, call in pending.items():
        call.on_done = lambda call, name=name: settled.append(name)
    client.received()
    handle = client.session.subscribe(
        "SELECT * FROM my_table", on_error=lambda ctx, error: settled.append("subscription")
    )
    client.session.receive_eof(now=0.0)
    client.events()
    assert sorted(settled) == ["procedure", "query", "reducer", "subscription"]
    for name, call in pending.items():
        with pytest.raises(Disconnected) as caught:
            call.result()
        if name != "query":  # which changes nothing, whether it was run or not
            assert caught.value.outcome_unknown
    assert handle.is_ended
    assert isinstance(handle.error, Disconnected)


def test_reconnect_replay_and_reconcile(protocol: str) -> None:
    """Callbacks tell what differs between before and after, and nothing else."""
    client = opened(protocol, will_reconnect=True)
    rows = [user(1, "same"), user(2, "before"), user(3, "gone")]
    applied: list[Any] = []
    handle = client.session.subscribe(
        "SELECT * FROM user", on_applied=lambda ctx: applied.append(ctx)
    )
    client.apply(client.request(), {"user": rows})
    client.watch("user")
    events: list[Any] = []
    client.db.user.on_insert(lambda ctx, row: events.append(ctx.event))
    client.session.receive_eof(now=0.0)
    client.events()
    assert client.rows_of("user") == rows  # readable while the connection is lost
    client.open()
    request = client.request()
    assert client.rows_of("user") == rows  # and until the new rows are there
    client.apply(request, {"user": [user(1, "same"), user(2, "after"), user(4, "new")]})
    assert client.take() == [
        ("insert", "user", user(4, "new")),
        ("delete", "user", user(3, "gone")),
        ("update", "user", user(2, "before"), user(2, "after")),
    ]
    assert [type(event) for event in events] == [Reconnected]
    assert len(applied) == 1
    assert handle.is_active
    # Updates go on from there.
    client.send(transaction(client, ("user", (user(5),), ())))
    assert client.take() == [("insert", "user", user(5))]


def refused(protocol: str, status: int, text: str) -> Any:
    """Return the error of a connection whose handshake is answered with this."""
    client = ScriptedClient(protocol)
    failures: list[Any] = []
    client.callbacks.add("connect_error", lambda ctx, error: failures.append(error))
    client.start()
    assert client.server is not None
    client.server.reject(status, text)
    client.deliver()
    client.session.receive_eof(now=0.0)
    client.events()
    [error] = failures
    assert error.status == status
    assert error.body == text
    assert text in str(error)
    return error


def test_handshake_401(protocol: str) -> None:
    assert type(refused(protocol, 401, "Invalid token: expired")) is AuthError


def test_handshake_403(protocol: str) -> None:
    assert type(refused(protocol, 403, "Forbidden here")) is AuthError


def test_handshake_404(protocol: str) -> None:
    error = refused(protocol, 404, "`chat` not found")
    assert type(error) is DatabaseNotFound
    assert isinstance(error, HandshakeError)


# --- names --------------------------------------------------------------------------------------


@protocols("v1.bsatn", "v1.json")
def test_unknown_reducer_name_in_a_message(protocol: str) -> None:
    """Only v1 tells who called which reducer, and the server's own transactions have made-up ones.

    A name that the bindings lack is no error: the rows count, the arguments are not known.
    """
    client = opened(protocol)
    client.subscribe(rows={})
    seen: list[Any] = []
    client.db.user.on_insert(lambda ctx, row: seen.append(ctx.event))
    args: Any = "[1, 2]" if protocol == "v1.json" else b"\1\2\3"
    info = v1.ReducerCallInfo("a_reducer_of_tomorrow", 99, args, 0)
    update = v1.DatabaseUpdate((client.v1_table("user", (user(1),)),))
    client.send(
        v1.TransactionUpdate(
            v1.Committed(update), NOW, OTHER, CONNECTION_ID, info, 5, TimeDuration(7)
        )
    )
    [event] = seen
    assert isinstance(event, ev.ReducerEvent)
    assert (event.name, event.args, event.is_own) == ("a_reducer_of_tomorrow", None, False)
    assert event.caller_identity == OTHER
    assert client.rows_of("user") == [user(1)]


async def test_unknown_procedure_name(procedure: World) -> None:
    """Bindings may know what the server does not: its word is an InternalError of that call."""
    text = schema_text("sdk-test-procedure").replace("return_primitive", "return_tomorrow")
    bindings = dynamic_module(load_schema(text))
    from spacetime_transports import connect

    async with connect(
        procedure.url, procedure.database, bindings, protocols={procedure.protocol}
    ) as client:
        with pytest.raises(InternalError, match=r"(?i)no such procedure") as caught:
            await client.call(bindings.procedures.return_tomorrow(1, 2), timeout=5)
        assert caught.value.name == "return_tomorrow"
        made = await client.call(bindings.procedures.return_struct(1, "x"), timeout=5)
        assert columns(made) == (1, "x")


@protocols(*BSATN)
def test_unknown_table_name_in_a_message(protocol: str) -> None:
    """A table that the bindings lack would be a hole in the cache: the connection ends."""
    client = opened(protocol)
    client.subscribe(rows={"user": [user(1)]})
    rows = client.rows("user", user(2))
    if client.is_v1:
        update = v1.TableUpdate(1, "tomorrow", 1, (v1.QueryUpdate(client.rows("user"), rows),))
        client.send(v1.TransactionUpdateLight(0, v1.DatabaseUpdate((update,))))
    else:
        part = v2.TableUpdate("tomorrow", (v2.PersistentRows(rows, client.rows("user")),))
        client.send(v2.TransactionUpdate((v2.QuerySetUpdate(1, (part,)),)))
    client.session.receive_eof(now=0.0)
    client.events()
    error = client.session.close_error
    assert isinstance(error, SchemaMismatch | ProtocolError)
    assert "tomorrow" in str(error)
    assert client.rows_of("user") == [user(1)]


# --- frames -------------------------------------------------------------------------------------


@protocols("v3")
def test_empty_v3_frame(protocol: str) -> None:
    """A payload must have a message in it; one that has none is the server's fault."""
    for payload in (b"", b"\0"):
        client = opened(protocol)
        client.send_raw(payload)
        client.session.receive_eof(now=0.0)
        client.events()
        assert isinstance(client.session.close_error, ProtocolError)


@protocols("v3")
def test_split_batches(protocol: str) -> None:
    """Messages of one transaction's traffic in one payload, in several, or compressed: the same."""
    stories = []
    for pattern in ((5,), (1, 4), (2, 2, 1), (1, 1, 1, 1, 1)):
        for compression in ("none", "gzip", "brotli"):
            client = opened(protocol)
            client.watch("user")
            client.session.subscribe("SELECT * FROM user")
            request = client.request()
            first = (client.single("user", user(1)),)
            messages: list[Any] = [
                v2.SubscribeAppliedMessage(request.request_id, request.query_set_id, first),
                client.update(1, "user", (user(2),)),
                client.update(1, "user", (user(2, "b"),), (user(2),)),
                v2.TransactionUpdate(),
                client.update(1, "user", (), (user(1),)),
            ]
            bodies = iter(v2.encode_server(message) for message in messages)
            for count in pattern:
                body = b"".join(next(bodies) for _ in range(count))
                client.send_raw(compress(body, compression))
            stories.append(client.take())
    assert len({repr(story) for story in stories}) == 1
    assert [entry[0] for entry in stories[0]] == ["insert", "insert", "update", "delete"]


# --- queries ------------------------------------------------------------------------------------


async def test_not(sdk_test: World) -> None:
    """The negation is pushed down, so that a real server accepts it: it has no NOT."""
    async with sdk_test.connect() as client:
        client.watch("pk_u_32")
        tables: Any = client.raw.module.tables
        key, data = (client.column_name("pk_u_32", at) for at in (0, 1))
        table = getattr(tables, client.table("pk_u_32").table.definition.accessor)
        query = table.where(lambda row: ~((getattr(row, key) < 2) | (getattr(row, data) == 30)))
        assert "NOT" not in query.sql.upper()
        await client.subscribe(query)
        for number in range(1, 5):
            await client.call("insert_pk_u_32", number, number * 10)
        assert [change.values for change in client.log] == [(2, 20), (4, 40)]
        rows = await client.raw.query(query)
        assert sorted(columns(row) for row in rows) == [(2, 20), (4, 40)]  # in no order of theirs
