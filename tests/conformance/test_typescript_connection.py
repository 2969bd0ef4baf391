"""TypeScript db_connection.

| row | where |
|---|---|
| snake_case aliases | unit |
| on_connect_error when the socket cannot open | embedded |
| inactive before onDisconnect | embedded |
| inactive before onConnectError | embedded |
| isDisconnectRequested | embedded |
| onConnect only after identity | scripted |
| v3 batches same-tick calls | scripted |
| v2 fallback without batching | scripted |
| SubscriptionError without request id | scripted |
| SubscriptionError with request id calls on_error | scripted |
| builder queries produce the sent SQL | scripted |
| row callbacks with a ReducerResult | scripted |
| user error rejects without row callbacks | scripted |
| InternalError type | scripted |
| onInsert for the snapshot and then for a transaction | scripted |
| tables updated before the reducer callback | scripted |
| reducer callback after row callbacks | scripted |
| onUpdate with Identity PK | scripted |
| onUpdate for a PK procedural view | scripted |
| filter works | scripted |

Where the TypeScript client disconnects at a SubscriptionError without a request id, this one takes
the rows of exactly that query set away and calls on_error, as the protocol asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spacetime_proto import ReducerEvent
from spacetime_proto.bindings import dynamic_module
from spacetime_proto.errors import (
    ConnectError,
    Disconnected,
    InternalError,
    ReducerError,
    SubscriptionError,
)
from spacetime_proto.messages import v2
from spacetime_transports import connect
from tests.conformance.kit import BATCHED, protocols
from tests.conformance.modules.case_conversion import make_module
from tests.conformance.scripted import ScriptedClient, full_name
from tests.support.golden import golden_module
from tests.support.patience import PATIENCE
from tests.support.script import CONNECTION_ID, IDENTITY, NOW, TOKEN, message, user

if TYPE_CHECKING:
    from tests.conformance.kit import World

NOBODY = "http://127.0.0.1:1"


def opened(protocol: str, **options: Any) -> ScriptedClient:
    """Return a connected client of the chat."""
    client = ScriptedClient(protocol, **options)
    client.open()
    return client


def error_text(text: str) -> bytes:
    """Return the BSATN of a string."""
    data = text.encode()
    return len(data).to_bytes(4, "little") + data


# --- names, and the life of a connection --------------------------------------------------------


def test_snake_case_aliases() -> None:
    """Tables, rows and calls are reached in snake_case, whatever case the module has."""
    module = dynamic_module(make_module().build().definition)
    row_class = module.bound.tables["Player1Canonical"].row_class
    assert row_class.__struct_fields__ == (
        "player_1_id",
        "player_name",
        "current_level_2",
        "status_3_field",
    )
    assert set(dir(module.tables)) == {"person2", "person_at_level_2", "player1"}
    chat = golden_module("quickstart-chat")
    assert set(dir(chat.reducers)) == {"send_message", "set_name"}


@protocols("v3")
async def test_on_connect_error_when_the_socket_cannot_open(protocol: str) -> None:
    told: list[Any] = []
    client = connect(
        NOBODY,
        "nothing",
        golden_module("quickstart-chat"),
        on_connect=lambda *args: told.append("connected"),
        on_connect_error=lambda ctx, error: told.append(error),
        on_disconnect=lambda *args: told.append("disconnected"),
    )
    with pytest.raises(ConnectError) as caught:
        async with client:
            pytest.fail("there is nobody there")
    assert told == [caught.value]
    assert not client.is_connected


async def test_inactive_before_ondisconnect(connect_disconnect: World) -> None:
    told: list[Any] = []
    async with connect_disconnect.connect() as client:
        client.raw.on_disconnect(lambda ctx, error: told.append((client.raw.is_connected, error)))
        assert client.raw.is_connected
    assert told == [(False, None)]


async def test_inactive_before_onconnecterror(connect_disconnect: World) -> None:
    told: list[Any] = []
    client = connect(
        connect_disconnect.url,
        "no-such-database",
        connect_disconnect.bindings,
        on_connect_error=lambda ctx, error: told.append(client.is_connected),
    )
    with pytest.raises(ConnectError):
        async with client:
            pytest.fail("there is no such database")
    assert told == [False]


async def test_isdisconnectrequested(connect_disconnect: World) -> None:
    """A disconnect that was asked for has no error, one that was not has a `Disconnected`."""
    told: list[Any] = []
    async with connect_disconnect.connect() as client:
        client.raw.on_disconnect(lambda ctx, error: told.append(error))
        await client.raw.close()
    world: Any = connect_disconnect
    with pytest.raises(Disconnected) as caught:
        async with connect_disconnect.connect() as client:
            client.raw.on_disconnect(lambda ctx, error: told.append(error))
            await world.server.drop_connections()
            with anyio.fail_after(PATIENCE):
                await client.raw.wait_closed()
    assert told == [None, caught.value]


def test_onconnect_only_after_identity(protocol: str) -> None:
    client = ScriptedClient(protocol)
    client.callbacks.add("connect", lambda ctx, *facts: client.log.append(facts))
    client.start()
    client.accept()
    assert client.take() == []
    assert client.session.identity is None
    client.greet()
    assert client.take() == [(IDENTITY, TOKEN)]
    assert client.session.connection_id == CONNECTION_ID


# --- what is sent -------------------------------------------------------------------------------


def payloads_of_three_calls(protocol: str) -> list[Any]:
    """Make three calls in one go; return the payloads that they went in."""
    client = opened(protocol)
    for text in ("a", "b", "c"):
        client.call("send_message", text)
    assert client.server is not None
    client.server.receive_data(client.session.data_to_send(), 0.0)
    return list(client.server.messages())


@protocols("v3")
def test_v3_batches_same_tick_calls(protocol: str) -> None:
    [payload] = payloads_of_three_calls(protocol)
    calls = [v2.CallReducer(n, "send_message", error_text(text)) for n, text in enumerate("abc", 1)]
    assert payload == b"".join(v2.encode_client(call) for call in calls)


@protocols("v2", "v1.bsatn", "v1.json")
def test_v2_fallback_without_batching(protocol: str) -> None:
    assert len(payloads_of_three_calls(protocol)) == 3
    # The server chose the older protocol although all were offered.
    client = ScriptedClient(protocol, protocols={full_name("v3"), full_name(protocol)})
    client.open()
    assert client.session.protocol == full_name(protocol)


@protocols(*BATCHED)
def test_builder_queries_produce_the_sent_sql(protocol: str) -> None:
    client = opened(protocol)
    tables: Any = client.module.tables
    client.session.subscribe(
        tables.user.where(lambda row: row.online),
        tables.message.where(lambda row: row.text == "it's"),
    )
    assert client.request().query_strings == (
        'SELECT * FROM "user" WHERE "user"."online" = TRUE',
        """SELECT * FROM "message" WHERE "message"."text" = 'it''s'""",
    )


# --- errors -------------------------------------------------------------------------------------


@protocols(*BATCHED)
def test_subscriptionerror_without_request_id(protocol: str) -> None:
    client = opened(protocol)
    kept = client.subscribe("SELECT * FROM user", rows={"user": [user(1)]})
    errors: list[Any] = []
    dies = client.session.subscribe(
        "SELECT * FROM user WHERE online", on_error=lambda ctx, error: errors.append(error)
    )
    client.apply(client.request(), {"user": [user(1), user(2)]})
    client.watch("user")
    client.send(v2.SubscriptionErrorMessage(None, dies.set_id, "out of memory"))
    [error] = errors
    assert isinstance(error, SubscriptionError)
    assert "out of memory" in str(error)
    assert (dies.is_ended, kept.is_active) == (True, True)
    assert client.take() == [("delete", "user", user(2))]
    assert client.rows_of("user") == [user(1)]
    assert client.session.state.value == "open"


def test_subscriptionerror_with_request_id_calls_on_error(protocol: str) -> None:
    client = opened(protocol)
    errors: list[Any] = []
    handle = client.session.subscribe(
        "SELECT * FROM nothing",
        on_applied=client.note("applied"),
        on_error=lambda ctx, error: errors.append(error),
    )
    request = client.request()
    if client.is_v1:
        from spacetime_proto.messages import v1

        answer = v1.SubscriptionErrorMessage(
            0, request.request_id, request.query_id, None, "no such table"
        )
        client.send(answer)
    else:
        client.send(
            v2.SubscriptionErrorMessage(request.request_id, request.query_set_id, "no such table")
        )
    [error] = errors
    assert "no such table" in str(error)
    assert error.queries == ("SELECT * FROM nothing",)
    assert handle.is_ended
    assert client.take() == []
    assert client.session.state.value == "open"


@protocols(*BATCHED)
def test_user_error_rejects_without_row_callbacks(protocol: str) -> None:
    client = opened(protocol)
    client.subscribe(rows={"user": [user(1)]})
    client.watch("user")
    pending = client.call("set_name", "")
    client.result(client.request(), v2.ReducerErr(error_text("Names must not be empty")))
    with pytest.raises(ReducerError, match="Names must not be empty") as caught:
        pending.result()
    assert caught.value.value == "Names must not be empty"
    assert client.take() == []


@protocols(*BATCHED)
def test_internalerror_type(protocol: str) -> None:
    client = opened(protocol)
    pending = client.call("set_name", "x")
    client.result(client.request(), v2.ReducerInternalError("the module panicked"))
    with pytest.raises(InternalError, match="the module panicked") as caught:
        pending.result()
    assert not isinstance(caught.value, ReducerError)


# --- rows ---------------------------------------------------------------------------------------


@protocols(*BATCHED)
def test_row_callbacks_with_a_reducerresult(protocol: str) -> None:
    client = opened(protocol)
    client.subscribe("SELECT * FROM message")
    events: list[Any] = []
    client.watch("message")
    client.db.message.on_insert(lambda ctx, row: events.append(ctx.event))
    pending = client.call("send_message", "hi")
    update = client.change("message", [message("hi")])
    client.result(client.request(), v2.ReducerOk(b"", update))
    assert client.take() == [("insert", "message", message("hi"))]
    assert pending.result() is None
    [event] = events
    assert isinstance(event, ReducerEvent)
    assert (event.name, event.args, event.status) == ("send_message", ("hi",), "committed")
    assert event.timestamp == NOW


@protocols(*BATCHED)
def test_oninsert_for_the_snapshot_and_then_for_a_transaction(protocol: str) -> None:
    client = opened(protocol)
    client.watch("user")
    client.subscribe(rows={"user": [user(1)]})
    assert client.take() == [("insert", "user", user(1))]
    client.send(client.change("user", [user(2)]))
    assert client.take() == [("insert", "user", user(2))]
    assert client.rows_of("user") == [user(1), user(2)]


def call_with_callbacks(protocol: str) -> list[Any]:
    """Call a reducer that changes two tables; return what ran, with what the tables held then."""
    client = opened(protocol)
    client.subscribe("SELECT * FROM user", "SELECT * FROM message")
    db, log = client.db, client.log
    db.user.on_insert(lambda ctx, row: log.append(("row", ctx.db.message.count())))
    db.message.on_insert(lambda ctx, row: log.append(("row", ctx.db.user.count())))
    counts = lambda: (db.user.count(), db.message.count())  # noqa: E731
    client.callbacks.add("reducer", lambda ctx: log.append(("reducer", counts())))
    pending = client.call("send_message", "hi")
    pending.on_done = lambda pending: log.append(("reply", counts()))
    parts = (
        client.change("user", [user(1)]).query_sets[0].tables
        + client.change("message", [message("hi")]).query_sets[0].tables
    )
    update = v2.TransactionUpdate((v2.QuerySetUpdate(1, parts),))
    client.result(client.request(), v2.ReducerOk(b"", update))
    return client.take()


@protocols(*BATCHED)
def test_tables_updated_before_the_reducer_callback(protocol: str) -> None:
    log = call_with_callbacks(protocol)
    assert ("reducer", (1, 1)) in log
    assert ("reply", (1, 1)) in log


@protocols(*BATCHED)
def test_reducer_callback_after_row_callbacks(protocol: str) -> None:
    log = call_with_callbacks(protocol)
    # Each row callback saw the other table changed already.
    assert log == [("row", 1), ("row", 1), ("reducer", (1, 1)), ("reply", (1, 1))]


@protocols(*BATCHED)
def test_onupdate_with_identity_pk(protocol: str) -> None:
    client = opened(protocol)
    client.subscribe(rows={"user": [user(1, "before"), user(2)]})
    client.watch("user")
    client.send(client.change("user", [user(1, "after")], [user(1, "before")]))
    assert client.take() == [("update", "user", user(1, "before"), user(1, "after"))]


@protocols(*BATCHED)
def test_onupdate_for_a_pk_procedural_view(protocol: str) -> None:
    module = golden_module("sdk-test-procedural-view-pk")
    client = opened(protocol, module=module)
    client.subscribe(
        "SELECT * FROM sender_left_view", rows={"sender_left_view": [(1, IDENTITY, 5)]}
    )
    client.watch("sender_left_view")
    client.send(client.change("sender_left_view", [(1, IDENTITY, 6)], [(1, IDENTITY, 5)]))
    assert client.take() == [("update", "sender_left_view", (1, IDENTITY, 5), (1, IDENTITY, 6))]


@protocols(*BATCHED)
def test_filter_works(protocol: str) -> None:
    client = opened(protocol)
    client.subscribe(rows={"user": [user(1, "ann"), user(2, "bob", online=False)]})
    tables: Any = client.module.tables
    found = client.db.user.where(lambda row: row.online)
    assert [row.name for row in found] == ["ann"]
    assert [row.name for row in tables.user.where(lambda row: ~row.online).local(client.db)] == [
        "bob"
    ]
    assert client.db.user.identity.find(user(2)[0]).name == "bob"
