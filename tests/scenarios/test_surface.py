"""What clients and their handles tell of themselves, and how they refuse what makes no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import ConnectError, Disconnected, LocalProtocolError
from spacetime_proto.wire.http_exchange import HttpRequest, HttpResponse
from spacetime_transports import ReconnectPolicy, blocking, connect
from tests.support.golden import schema_text
from tests.support.mock_http import mock_server

if TYPE_CHECKING:
    from tests.scenarios.kit import Kit

FAST = ReconnectPolicy(first_delay=0.001, max_delay=0.01)
ITEMS = "SELECT * FROM item"
REGISTRARS = (
    "on_connect", "on_connect_error", "on_disconnect", "on_transaction",
    "on_subscription_applied", "on_reducer",
)  # fmt: skip


async def test_callbacks_of_the_client_are_registered_while_it_runs(kit: Kit) -> None:
    told: list[str] = []
    async with kit.connect(reconnect=FAST) as client:
        handles = [
            getattr(client.raw, name)(lambda ctx, *facts, name=name: told.append(name))
            for name in REGISTRARS
        ]
        await client.subscribe(ITEMS)
        assert told == ["on_subscription_applied"]
        told.clear()
        await client.call(client.reducers.add_item(name="x", amount=1))
        await client.until(lambda: len(told) == 2)
        assert sorted(told) == ["on_reducer", "on_transaction"]
        told.clear()
        kit.server.faults.drop_before_first_message = True
        kit.server.drop_connections()
        await client.until(lambda: "on_connect_error" in told)
        kit.server.faults.drop_before_first_message = False
        await client.until(lambda: "on_connect" in told)
        assert told[:2] == ["on_disconnect", "on_connect_error"]
        for handle in handles:
            handle.cancel()
        told.clear()
        await client.call(client.reducers.add_item(name="y", amount=1))
    assert told == []


async def test_an_error_handler_takes_the_error_alone_or_the_callback_too(kit: Kit) -> None:
    told: list[Any] = []

    def explode(ctx: object, row: object) -> None:
        raise ZeroDivisionError

    for handler in (told.append, lambda error, function: told.append((error, function))):
        async with kit.connect(on_callback_error=handler) as client:
            await client.subscribe(ITEMS)
            client.db.item.on_insert(explode)
            await client.call(client.reducers.add_item(name="x", amount=1))
    alone, (error, function) = told
    assert type(alone) is type(error) is ZeroDivisionError
    assert function is explode


async def test_a_token_callable_that_cannot_read_its_file(kit: Kit) -> None:
    """The first time that is the end; when coming back, it may be better in a moment."""
    answers: list[OSError | None] = [None, OSError("no disk"), None]
    told: list[str] = []

    def token() -> str:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return issued

    async with kit.connect() as client:
        module, issued = client.raw.module, client.raw.token
    async with kit.connect(
        module,
        token=token,
        reconnect=FAST,
        on_connect=lambda *facts: told.append("connect"),
        on_connect_error=lambda ctx, error: told.append(str(error)),
    ) as client:
        kit.server.drop_connections()
        await client.until(lambda: told.count("connect") == 2)
    assert [told[0], told[2]] == ["connect", "connect"]
    assert "no disk" in told[1]
    answers = [OSError("no disk")]
    with pytest.raises(OSError, match="no disk"):
        async with kit.connect(module, token=token):
            pass


async def test_a_subscription_tells_of_itself(kit: Kit) -> None:
    async with kit.connect() as client:
        subscription = await client.subscribe(ITEMS, "SELECT * FROM note")
        assert subscription.queries == (ITEMS, "SELECT * FROM note")
        assert subscription.is_active and not subscription.is_ended
        assert subscription.state.value == "applied"
        assert "applied" in repr(subscription)
        await client.unsubscribe(subscription)
        assert subscription.is_ended and subscription.error is None
        given_up = client.raw.subscribe_soon(ITEMS)
        given_up.unsubscribe_soon()
        with pytest.raises(LocalProtocolError, match="before it was applied"):
            await client._do(given_up.wait_applied())


async def test_a_change_stream_tells_whether_it_is_open(kit: Kit) -> None:
    async with kit.connect() as client:
        stream = client.db.item.changes()
        assert "open" in repr(stream)
        stream.close()
        assert "over" in repr(stream)
        if not kit.is_blocking:
            with pytest.raises(TypeError, match="async for"):
                iter(stream)


async def test_changes_of_tables_without_a_key(kit: Kit) -> None:
    """Rows of an event table only come; equal rows of a table without a key are one."""
    async with kit.connect() as client:
        notes, pings = client.db.note.changes(), client.db.ping.changes()
        await client.subscribe("SELECT * FROM note", "SELECT * FROM ping")
        await client.call(client.reducers.write_note(text="a"))
        await client.call(client.reducers.ping(text="b"))
        for stream, text in ((notes, "a"), (pings, "b")):
            change = await first_of(kit, stream)
            assert (type(change).__name__, change.row.text) == ("Insert", text)


async def test_a_change_stream_raises_the_loss(kit: Kit) -> None:
    async with kit.connect() as client:
        stream = client.db.item.changes()
        kit.server.drop_connections()
        with pytest.raises(Disconnected):
            await first_of(kit, stream)


async def first_of(kit: Kit, stream: Any) -> Any:
    """Return the next change of a stream."""
    if kit.is_blocking:
        return next(iter(stream))
    async for change in stream:
        return change
    raise AssertionError("it is over")


async def test_a_closed_client_refuses(kit: Kit) -> None:
    async with kit.connect() as client:
        await client.close()
        with pytest.raises(Disconnected, match="cannot subscribe: this client is closed"):
            client.raw.subscribe_soon(ITEMS)
        with pytest.raises(Disconnected, match="closed"):
            await client.call(client.reducers.nothing())


@pytest.mark.only("async")
async def test_waiting_for_the_end(kit: Kit) -> None:
    async with kit.connect() as client:
        await client.close()
        await client.raw.wait_closed()
    with pytest.raises(Disconnected) as caught:
        async with kit.connect() as client:
            kit.server.drop_connections()
            await client.raw.wait_closed()
    assert not caught.value.code


@pytest.mark.only("async")
async def test_before_it_is_entered_a_client_has_nothing(kit: Kit) -> None:
    client = connect(kit.server.url, "world")
    assert client.protocol is None
    assert not client.is_connected
    for name in ("identity", "connection_id", "token"):
        with pytest.raises(LocalProtocolError, match=f"no {name} yet: it was never connected"):
            getattr(client, name)
    for name in ("db", "module"):
        with pytest.raises(LocalProtocolError, match="schema"):
            getattr(client, name)
    with pytest.raises(LocalProtocolError, match="first"):
        await client.wait_closed()
    assert "new" in repr(client)


async def test_a_server_without_the_schema_s_version_10_is_asked_for_9(kit: Kit) -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        if "/schema" not in request.target:
            return HttpResponse(404, body=b"no such database")
        if request.target.endswith("version=9"):
            return HttpResponse(200, body=schema_text("quickstart-chat", 9).encode())
        return HttpResponse(400, body=b"unknown variant `10`, expected `9`")

    with mock_server(answer) as mock:
        with pytest.raises(ConnectError):
            async with kit.connect(url=mock.url):
                pass
        asked = [request.target for request in mock.requests if "/schema" in request.target]
    assert [target.rpartition("=")[2] for target in asked][-1] == "9"
    assert any("/subscribe" in request.target for request in mock.requests)


@pytest.mark.only("blocking")
async def test_an_async_token_callable_is_for_the_other_client(kit: Kit) -> None:
    async def token() -> Any:
        return None

    with pytest.raises(LocalProtocolError, match="awaitable"):
        blocking.connect(kit.server.url, "world", token=token)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "reducers",
            r"reducers are functions of the bindings: call\(module_bindings.reducers.NAME",
        ),
        ("procedures", r"call\(client.module.procedures.NAME\(...\)\)"),
        ("tables", r"the rows are in client.db"),
        ("onInsert", r"client.db.TABLE.on_insert\(callback\)"),
        ("on_update", r"client.db.TABLE.on_update\(callback\)"),
        ("onConnect", r"a client has no attribute 'onConnect': write client.on_connect"),
        ("subscription_builder", r"write client.subscribe\(queries\)"),
        ("disconnect", r"write client.close\(\)"),
        ("xyzzy", r"no attribute 'xyzzy'$"),
    ],
)
async def test_what_a_client_has_not_says_what_to_write(kit: Kit, name: str, words: str) -> None:
    async with kit.connect() as client:
        with pytest.raises(AttributeError, match=words):
            getattr(client.raw, name)
        assert not hasattr(client.raw, name)
        assert name not in dir(client.raw)
        assert not hasattr(client.raw, "_repr_html_")
        with pytest.raises(LocalProtocolError, match=r"call\(reducers.add_item\(...\)\)"):
            await client.call("add_itme")
