"""The API of the 0.7 SDK (docs/legacy.md), on asyncio, trio and without an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import os
import socket
import sys
import threading
import time
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from spacetime_proto.client.life_status import LifeStatus
from spacetime_proto.errors import (
    AuthError,
    ConnectError,
    DatabaseNotFound,
    EncodeError,
    HandshakeError,
    LocalProtocolError,
)
from spacetime_transports import SpacetimeDBAsyncClient, SpacetimeDBClient, SpacetimeDBException
from spacetime_transports.bindings_writer import generate_package, write_package
from spacetime_transports.legacy.sync_client import offers_no_protocol, server_address
from spacetime_transports.server import ThreadServer, serve_in_thread
from spacetime_transports.server.chat_module import module
from tests.support.forking import in_child
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RUNNERS = ("asyncio", "trio")
QUERIES = ["SELECT * FROM User", "SELECT * FROM Message"]


@pytest.fixture(scope="module")
def package_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("legacy")
    files = generate_package(module.build().definition, source="chat")
    write_package(files, folder / "legacy_bindings")
    return folder


@pytest.fixture
def mb(package_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a fresh import of the generated package, with all of its modules as attributes."""
    monkeypatch.syspath_prepend(str(package_folder))
    package = importlib.import_module("legacy_bindings")
    for name in ("user", "message", "set_name_reducer", "send_message_reducer"):
        importlib.import_module(f"legacy_bindings.{name}")
    yield package
    for name in [name for name in sys.modules if name.split(".")[0] == "legacy_bindings"]:
        del sys.modules[name]


@pytest.fixture
def server() -> Iterator[ThreadServer]:
    with serve_in_thread(module, database="chat") as server:
        yield server


def run(runner: str, function: Callable[..., Any], *args: Any) -> None:
    """Run ``client.run`` as programs do: ``asyncio.run(client.run(...))``, ``trio.run``."""
    if runner == "asyncio":
        asyncio.run(function(*args))
    else:
        import trio

        trio.run(function, *args)


# --- run ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_whole_program(mb: Any, server: ThreadServer, runner: str) -> None:
    log: list[Any] = []
    User, Message = mb.user.User, mb.message.Message
    client = SpacetimeDBAsyncClient(mb)
    assert (client.identity, client.address, client.is_connected) == (None, None, False)
    assert list(User.iter()) == []

    def on_connect(token: str, identity: Any) -> None:
        log.append(("connect", identity == client.identity, bool(token), client.is_connected))

    def on_user(op: str, old: Any, new: Any, event: Any) -> None:
        log.append(("user", op, old and old.name, new and new.name, event and event.reducer_name))

    def on_message(op: str, old: Any, new: Any, event: Any) -> None:
        author = User.filter_by_identity(new.sender)
        log.append(("message", op, author.name, new.text, event.status))

    def on_set_name(identity: Any, connection: Any, status: str, message: str, name: str) -> None:
        log.append(("set_name", connection == client.address, status, message, name))
        mb.send_message_reducer.send_message("")

    def on_send(sender: Any, status: str, message: str, text: str) -> None:
        log.append(("send_message", sender == client.identity, status, message, text))
        if status == "failed":
            mb.send_message_reducer.send_message("hi")
        else:
            client.force_close()

    def applied() -> None:
        log.append(("applied", [user.name for user in User.iter()]))
        mb.set_name_reducer.set_name("Ada")

    User.register_row_update(on_user)
    Message.register_row_update(on_message)
    mb.set_name_reducer.register_on_set_name(on_set_name)
    mb.send_message_reducer.register_on_send_message(on_send)
    client.register_on_subscription_applied(applied)
    client.register_on_event(
        lambda m: log.append(("event", m.reducer_event.status, list(m.events)))
    )
    run(runner, client.run, None, server.url, "chat", False, on_connect, QUERIES)
    assert log == [
        ("connect", True, True, False),
        ("user", "insert", None, None, None),
        ("applied", [None]),
        ("user", "update", None, "Ada", "set_name"),
        ("event", "committed", ["user"]),
        ("set_name", True, "committed", "", "Ada"),
        ("event", "failed", []),
        ("send_message", True, "failed", "Messages must not be empty", ""),
        ("message", "insert", "Ada", "hi", "committed"),
        ("event", "committed", ["message"]),
        ("send_message", True, "committed", "", "hi"),
    ]
    # The cache of the last run stays readable.
    assert [message.text for message in Message.iter()] == ["hi"]
    assert User.filter_by_name("Ada")[0].identity == client.identity
    assert not client.is_connected


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_readme_s_form_with_five_arguments(mb: Any, server: ThreadServer, runner: str) -> None:
    client = SpacetimeDBAsyncClient(mb)
    client.register_on_subscription_applied(client.force_close)
    seen: list[Any] = []
    run(runner, client.run, None, server.url, "chat", lambda *facts: seen.append(facts), QUERIES)
    run(runner, client.run, None, server.url, "chat", None, QUERIES)
    assert len(seen) == 1


def test_a_client_runs_again_and_keeps_its_identity_by_token(mb: Any, server: ThreadServer) -> None:
    client = SpacetimeDBAsyncClient(mb)
    client.register_on_subscription_applied(client.force_close)
    tokens: list[Any] = []
    for _ in range(3):
        token = tokens[-1][0] if tokens else None
        run("asyncio", client.run, token, server.url, "chat", False,
            lambda *facts: tokens.append(facts), QUERIES)  # fmt: skip
    assert len({identity for _, identity in tokens}) == 1
    assert len({token for token, _ in tokens}) == 1


def test_two_clients_in_one_process(mb: Any, server: ThreadServer) -> None:
    one, two = SpacetimeDBAsyncClient(mb), SpacetimeDBAsyncClient(mb)
    rows: list[Any] = []
    mb.message.Message.register_row_update(
        lambda op, old, new, event: rows.append((new.text, event))
    )
    heard: list[Any] = []

    def on_send(sender: Any, status: str, message: str, text: str) -> None:
        heard.append((sender, status, text))

    mb.send_message_reducer.register_on_send_message(on_send)
    applied: list[Any] = []
    for client in (one, two):
        client.register_on_subscription_applied(lambda: applied.append(None))

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.run, None, server.url, "chat", False, None, QUERIES)
            tasks.start_soon(two.run, None, server.url, "chat", False, None, QUERIES)
            await until(lambda: len(applied) == 2)
            # Outside of callbacks the client made last is meant.
            mb.send_message_reducer.send_message("hi")
            await until(lambda: len(rows) == 2)
            one.force_close()
            two.force_close()

    anyio.run(main)
    assert [text for text, _ in rows] == ["hi", "hi"]
    # A 2.x server tells only the caller who called what; the other knows of a transaction.
    assert heard == [(two.identity, "committed", "hi")]
    assert {event.caller_identity for _, event in rows} == {two.identity, None}
    assert {event.status for _, event in rows} == {"committed"}


async def until(is_so: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE):
        while not is_so():  # noqa: ASYNC110  # there is no event to wait for
            await anyio.sleep(0.01)


@pytest.mark.parametrize("runner", RUNNERS)
def test_what_a_callback_raises_ends_run(mb: Any, server: ThreadServer, runner: str) -> None:
    def explode(*args: Any) -> None:
        raise ZeroDivisionError("mine")

    client = SpacetimeDBAsyncClient(mb)
    mb.user.User.register_row_update(explode)
    with pytest.raises(ZeroDivisionError, match="mine"):
        run(runner, client.run, None, server.url, "chat", False, None, QUERIES)
    mb.user.User.unregister_row_update(explode)
    client.register_on_subscription_applied(explode)
    with pytest.raises(ZeroDivisionError, match="mine"):
        run(runner, client.run, None, server.url, "chat", False, None, QUERIES)
    client.unregister_on_subscription_applied(explode)
    client.schedule_event(0.05, explode)
    with pytest.raises(ZeroDivisionError, match="mine"):
        run(runner, client.run, None, server.url, "chat", False, None, QUERIES)
    with pytest.raises(ZeroDivisionError, match="mine"):
        run(runner, client.run, None, server.url, "chat", False, explode, QUERIES)


@pytest.mark.parametrize("runner", RUNNERS)
def test_callbacks_may_be_coroutine_functions(mb: Any, server: ThreadServer, runner: str) -> None:
    seen: list[str] = []
    client = SpacetimeDBAsyncClient(mb)

    def step(name: str) -> Callable[..., Any]:
        async def callback(*args: Any) -> None:
            await anyio.lowlevel.checkpoint()
            seen.append(name)
            if name == "applied":
                mb.set_name_reducer.set_name("Ada")
            if name == "reducer":
                client.force_close()

        return callback

    mb.user.User.register_row_update(step("row"))
    mb.set_name_reducer.register_on_set_name(step("reducer"))
    client.register_on_subscription_applied(step("applied"))
    client.schedule_event(0.0, step("scheduled"))
    run(runner, client.run, None, server.url, "chat", False, step("connect"), QUERIES)
    seen.remove("scheduled")
    assert seen == ["connect", "row", "applied", "row", "reducer"]


@pytest.mark.parametrize(
    ("kind", "cause"),
    [("refused", ConnectError), ("database", DatabaseNotFound), ("token", AuthError)],
)
def test_a_connection_that_cannot_be_made(
    mb: Any, server: ThreadServer, kind: str, cause: type[Exception]
) -> None:
    client = SpacetimeDBAsyncClient(mb)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    host = f"127.0.0.1:{port}" if kind == "refused" else server.url
    database = "nowhere" if kind == "database" else "chat"
    token = "eyJhbGciOiJFUzI1NiJ9.e30.AAAA" if kind == "token" else None
    with pytest.raises(SpacetimeDBException) as caught:
        asyncio.run(client.run(token, host, database, False, None, QUERIES))
    assert isinstance(caught.value.__cause__, cause)


def test_a_lost_connection_and_a_refused_query(mb: Any, server: ThreadServer) -> None:
    client = SpacetimeDBAsyncClient(mb)
    client.register_on_subscription_applied(
        lambda: threading.Thread(target=server.drop_connections).start()
    )
    with pytest.raises(SpacetimeDBException, match="connection"):
        asyncio.run(client.run(None, server.url, "chat", False, None, QUERIES))
    with pytest.raises(SpacetimeDBException, match="no_table"):
        asyncio.run(client.run(None, server.url, "chat", False, None, ["SELECT * FROM no_table"]))


# --- force_close ------------------------------------------------------------------------------------


def test_force_close_before_run(mb: Any, server: ThreadServer) -> None:
    client = SpacetimeDBAsyncClient(mb)
    client.force_close()
    asyncio.run(client.run(None, server.url, "chat", False, None, QUERIES))
    assert client.identity is None
    client.register_on_subscription_applied(client.force_close)
    asyncio.run(client.run(None, server.url, "chat", False, None, QUERIES))
    assert client.identity is not None
    client.force_close()  # of no run: it does not concern the next one
    seen: list[Any] = []
    asyncio.run(client.run(None, server.url, "chat", False, lambda *a: seen.append(a), QUERIES))
    assert seen


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("delay", [0.0, 0.005, 0.02, 0.1, 0.3])
def test_force_close_from_another_thread_at_any_time(
    mb: Any, server: ThreadServer, runner: str, delay: float
) -> None:
    """Whatever it is doing then; an event that is due much later is not waited for."""
    client = SpacetimeDBAsyncClient(mb)
    client.schedule_event(1_000_000, print, "never")
    timer = threading.Timer(delay, client.force_close)
    timer.start()
    run(runner, client.run, None, server.url, "chat", False, None, QUERIES)
    timer.join()


@pytest.mark.parametrize("runner", RUNNERS)
def test_force_close_from_another_thread_while_run_begins(
    mb: Any, server: ThreadServer, runner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first thing that `run` makes, which is the slow one: anyio looks for its event loop."""
    client = SpacetimeDBAsyncClient(mb)
    make_event, closing = anyio.Event, threading.Thread(target=client.force_close)
    here = threading.get_ident()

    def close_meanwhile() -> anyio.Event:
        if closing.ident is None and threading.get_ident() == here:
            closing.start()
            closing.join()
        return make_event()

    monkeypatch.setattr(anyio, "Event", close_meanwhile)
    run(runner, client.run, None, server.url, "chat", False, None, QUERIES)
    assert closing.ident is not None


def test_force_close_while_nobody_answers(mb: Any) -> None:
    """There is nobody but the system's queue of connections, which accepts."""
    client = SpacetimeDBAsyncClient(mb)
    client.schedule_event(0.0, lambda: closing.start())
    closing = threading.Thread(target=client.force_close)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(
            client.run(None, f"127.0.0.1:{listener.getsockname()[1]}", "chat", False, None, [])
        )
        closing.join()


def test_a_cancelled_run_leaves_nothing_behind(mb: Any, server: ThreadServer) -> None:
    client = SpacetimeDBAsyncClient(mb)

    async def main() -> None:
        with anyio.CancelScope() as scope:
            client.register_on_subscription_applied(scope.cancel)
            await client.run(None, server.url, "chat", False, None, QUERIES)
        assert scope.cancelled_caught
        assert not client.is_connected
        client.unregister_on_subscription_applied(scope.cancel)

    anyio.run(main)
    anyio.run(main, backend="trio")


# --- schedule_event, subscribe, calls from threads ----------------------------------------------------


@pytest.mark.parametrize("runner", RUNNERS)
def test_scheduled_events(mb: Any, server: ThreadServer, runner: str) -> None:
    client = SpacetimeDBAsyncClient(mb)
    fired: list[tuple[str, int]] = []

    def repeat(count: int) -> None:
        fired.append(("repeat", count))
        if count == 3:
            client.force_close()
        else:
            client.schedule_event(0.01, repeat, count + 1)

    def first() -> None:
        fired.append(("first", 0))
        client.schedule_event(0.05, repeat, 1)

    client.schedule_event(1_000_000.0, lambda: fired.append(("never", 0)))
    client.schedule_event(0.0, first)
    run(runner, client.run, None, server.url, "chat", False, None, QUERIES)
    assert fired == [("first", 0), ("repeat", 1), ("repeat", 2), ("repeat", 3)]


def test_requests_from_another_thread(mb: Any, server: ThreadServer) -> None:
    client = SpacetimeDBAsyncClient(mb)
    errors: list[Exception] = []
    heard: list[str] = []
    steps: list[str] = []
    subscribed = threading.Event()

    def step(name: str) -> None:
        steps.append(name)
        subscribed.set()
        if sorted(steps) == ["applied", "applied", "scheduled"]:
            client.force_close()

    def work() -> None:
        assert subscribed.wait(PATIENCE)
        try:
            mb.send_message_reducer.send_message(5)
        except EncodeError as error:
            errors.append(error)
        mb.send_message_reducer.send_message("from a thread")
        client.subscribe(["SELECT * FROM message"])
        client.schedule_event(0.01, step, "scheduled")

    mb.send_message_reducer.register_on_send_message(lambda *args: heard.append(args[-1]))
    client.register_on_subscription_applied(lambda: step("applied"))
    thread = threading.Thread(target=work)
    thread.start()
    asyncio.run(client.run(None, server.url, "chat", False, None, QUERIES))
    thread.join()
    assert len(errors) == 1
    assert heard == ["from a thread"]
    assert list(mb.user.User.iter()) == []


def test_a_later_subscribe_replaces_as_one_difference(mb: Any, server: ThreadServer) -> None:
    client = SpacetimeDBAsyncClient(mb)
    log: list[Any] = []
    mb.user.User.register_row_update(lambda op, old, new, event: log.append(("user", op, event)))
    mb.message.Message.register_row_update(lambda op, old, new, event: log.append(("message", op)))
    steps = iter([["SELECT * FROM User", "SELECT * FROM Message"], ["SELECT * FROM Message"]])

    def applied() -> None:
        log.append("applied")
        queries = next(steps, None)
        if queries is None:
            client.force_close()
        else:
            client.subscribe(queries)

    client.register_on_subscription_applied(applied)
    asyncio.run(client.run(None, server.url, "chat", False, None, ["SELECT * FROM User"]))
    assert log == [
        ("user", "insert", None), "applied", "applied", ("user", "delete", None), "applied",
    ]  # fmt: skip


def test_without_a_connection_requests_are_refused(mb: Any) -> None:
    client = SpacetimeDBAsyncClient(mb)
    with pytest.raises(LocalProtocolError, match="not connected"):
        client.subscribe(QUERIES)
    with pytest.raises(LocalProtocolError, match="not connected"):
        mb.send_message_reducer.send_message("x")
    with pytest.raises(ValueError, match="not in list"):
        client.unregister_on_event(print)
    with pytest.raises(LocalProtocolError, match="no bindings"):
        SpacetimeDBAsyncClient(ModuleType("other"))


# --- connect, call_reducer, close -----------------------------------------------------------------------


@pytest.mark.parametrize("runner", RUNNERS)
def test_one_by_one(mb: Any, server: ThreadServer, runner: str) -> None:
    client = SpacetimeDBAsyncClient(mb)

    async def main() -> None:
        with pytest.raises(LocalProtocolError, match="connect first"):
            await client.call_reducer("set_name", "x")
        token, identity = await client.connect(None, server.url, "chat", False, QUERIES)
        assert identity == client.identity and token
        with pytest.raises(LocalProtocolError, match="running already"):
            await client.run(None, server.url, "chat", False, None, [])
        message = await client.call_reducer("set_name", "Ada")
        assert message.reducer_event.status == "committed"
        assert message.reducer_event.args == ["Ada"]
        assert message.transaction_type == "TransactionUpdate"
        (event,) = message.events["user"]
        assert (event.row_op, event.table_name, event.row_pk) == ("update", "user", identity)
        assert (event.old_value.name, event.decoded_value.name) == (None, "Ada")
        assert repr(event) == f"<DbEvent update user {identity!r}>"
        assert repr(message).startswith("<TransactionUpdateMessage ")
        failed = await client.call_reducer("set_name", "")
        assert failed.reducer_event.status == "failed"
        assert failed.reducer_event.message == "Names must not be empty"
        with pytest.raises(LocalProtocolError, match="no reducer"):
            await client.call_reducer("no_such", 1)
        await client.close()
        assert not client.is_connected
        await client.close()

    run(runner, main)


def test_call_reducer_after_a_loss_and_timeout(mb: Any, server: ThreadServer) -> None:
    client = SpacetimeDBAsyncClient(mb)

    async def main() -> None:
        await client.connect(None, server.url, "chat", False, QUERIES)
        client.request_timeout = 0.0
        with pytest.raises(SpacetimeDBException, match="timed out"):
            await client.call_reducer("set_name", "x")
        client.request_timeout = 5
        await anyio.to_thread.run_sync(server.drop_connections)
        # Whether the call goes out before the loss is noticed, or is made after that.
        for _ in range(2):
            with pytest.raises(SpacetimeDBException, match="connection"):
                await client.call_reducer("set_name", "x")
        await client.close()

    asyncio.run(main())


def test_connecting_without_success(mb: Any, server: ThreadServer) -> None:
    async def main() -> None:
        client = SpacetimeDBAsyncClient(mb)
        with pytest.raises(SpacetimeDBException, match="nowhere"):
            await client.connect(None, server.url, "nowhere", False)
        client = SpacetimeDBAsyncClient(mb)
        client.force_close()
        with pytest.raises(SpacetimeDBException, match="closed before"):
            await client.connect(None, server.url, "chat", False)

    asyncio.run(main())


# --- protocols ------------------------------------------------------------------------------------------


@pytest.fixture
def modern_server(server: ThreadServer) -> Iterator[str]:
    """Return the URL of a server that does not speak v1: a relay that refuses to."""
    stopping = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    port = int(server.url.rsplit(":", 1)[1])

    def copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def relay(connection: socket.socket) -> None:
        with connection, socket.create_connection(("127.0.0.1", port)) as upstream:
            request = connection.recv(65536)
            if b"v1." in request:
                body = b"no valid protocol selected"
                connection.sendall(
                    b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
                )
                return
            upstream.sendall(request)
            back = threading.Thread(target=copy, args=(upstream, connection))
            back.start()
            copy(connection, upstream)
            back.join()

    def accept() -> None:
        threads = []
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                break
            threads.append(threading.Thread(target=relay, args=(connection,)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    stopping.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    acceptor.join()


def test_a_server_without_v1_is_asked_again(mb: Any, modern_server: str) -> None:
    client = SpacetimeDBAsyncClient(mb)
    client.register_on_subscription_applied(lambda: mb.set_name_reducer.set_name("Ada"))
    seen: list[Any] = []

    def on_set_name(sender: Any, status: str, message: str, name: str) -> None:
        seen.append((sender == client.identity, status, name))
        client.force_close()

    mb.set_name_reducer.register_on_set_name(on_set_name)
    asyncio.run(client.run(None, modern_server, "chat", False, None, QUERIES))
    assert seen == [(True, "committed", "Ada")]
    SpacetimeDBClient.init(None, modern_server, "chat", False, mb)
    assert SpacetimeDBClient.instance is not None
    SpacetimeDBClient.instance.close()


def test_which_refusal_means_that_no_protocol_fits() -> None:
    assert offers_no_protocol(HandshakeError("x", status=400, body="no valid protocol selected\n"))
    assert not offers_no_protocol(HandshakeError("x", status=400, body="Invalid token"))
    assert not offers_no_protocol(ConnectError("x"))


@pytest.mark.parametrize(
    ("host", "ssl_enabled", "url"),
    [
        ("localhost:3000", False, "http://localhost:3000"),
        ("localhost:3000", True, "https://localhost:3000"),
        ("http://localhost:3000", True, "https://localhost:3000"),
        ("ws://localhost:3000", True, "https://localhost:3000"),
        ("https://example.com", False, "https://example.com"),
        ("wss://example.com", True, "https://example.com"),
        ("example.com", True, "https://example.com"),
    ],
)
def test_where_tls_is_meant(host: str, ssl_enabled: bool, url: str) -> None:
    assert server_address(host, ssl_enabled).url == url


def test_all_tables(mb: Any, server: ThreadServer) -> None:
    client = SpacetimeDBAsyncClient(mb)
    client.register_on_subscription_applied(client.force_close)
    run("asyncio", client.run, None, server.url, "chat", False, None, ["select * from *;"])
    assert client.client._subscription is not None
    assert sorted(client.client._subscription.queries) == [
        'SELECT * FROM "message"',
        'SELECT * FROM "user"',
    ]


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_call_tells_its_outcome(mb: Any, server: ThreadServer, runner: str) -> None:
    client = SpacetimeDBAsyncClient(mb)
    log: list[Any] = []

    async def second(event: Any) -> None:
        await anyio.lowlevel.checkpoint()
        log.append((event.reducer_name, event.status, event.message, event.args))
        mb.set_name_reducer.set_name("Bo", then=third)
        client.force_close()

    def first(event: Any) -> None:
        log.append((event.reducer_name, event.status, event.message, event.args))
        assert event.caller_identity == client.identity
        assert event.caller_address == client.address
        mb.send_message_reducer.send_message("", then=second)

    def third(event: Any) -> None:
        log.append((event.status, "set_name" in event.message))

    client.register_on_subscription_applied(lambda: mb.set_name_reducer.set_name("Ada", then=first))
    run(runner, client.run, None, server.url, "chat", False, None, QUERIES)
    assert log[:2] == [
        ("set_name", "committed", "", ["Ada"]),
        ("send_message", "failed", "Messages must not be empty", [""]),
    ]
    # The last one was sent before the end, so it was answered or its outcome is unknown.
    assert log[2:] in ([("committed", False)], [("failed", True)])


def test_a_call_in_another_thread_tells_its_outcome(mb: Any, server: ThreadServer) -> None:
    client = SpacetimeDBAsyncClient(mb)
    log: list[Any] = []

    def then(event: Any) -> None:
        log.append((event.status, threading.get_ident() == here))
        client.force_close()

    def call() -> None:
        mb.set_name_reducer.set_name("Ada", then=then)

    here = threading.get_ident()
    client.register_on_subscription_applied(lambda: threading.Thread(target=call).start())
    run("asyncio", client.run, None, server.url, "chat", False, None, QUERIES)
    assert log == [("committed", True)]


def test_a_call_tells_its_outcome_without_an_event_loop(mb: Any, server: ThreadServer) -> None:
    SpacetimeDBClient.init(None, server.url, "chat", False, mb)
    client = SpacetimeDBClient.instance
    assert client is not None
    log: list[Any] = []
    for name in ("Ada", ""):
        client._reducer_call("SetName", name, then=lambda event: log.append(event.status))
    update_until(client, lambda: len(log) == 2)
    client.close()
    assert log == ["committed", "failed"]


def test_what_then_raises_ends_run(mb: Any, server: ThreadServer) -> None:
    def explode(event: Any) -> None:
        raise ZeroDivisionError("mine")

    client = SpacetimeDBAsyncClient(mb)
    client.register_on_subscription_applied(
        lambda: mb.set_name_reducer.set_name("Ada", then=explode)
    )
    with pytest.raises(ZeroDivisionError, match="mine"):
        run("asyncio", client.run, None, server.url, "chat", False, None, QUERIES)


def test_then_whose_work_was_cancelled_is_no_cancellation(mb: Any, server: ThreadServer) -> None:
    async def explode(event: Any) -> None:
        work = asyncio.create_task(asyncio.sleep(3600))
        work.cancel()
        await work

    client = SpacetimeDBAsyncClient(mb)
    client.register_on_subscription_applied(
        lambda: mb.set_name_reducer.set_name("Ada", then=explode)
    )
    with pytest.raises(SpacetimeDBException, match="raised CancelledError"):
        run("asyncio", client.run, None, server.url, "chat", False, None, QUERIES)


# --- SpacetimeDBClient ------------------------------------------------------------------------------------


def test_the_client_without_an_event_loop(mb: Any, server: ThreadServer) -> None:
    log: list[Any] = []
    result = SpacetimeDBClient.init(
        None, server.url, "chat", False, mb,
        on_connect=lambda: log.append("connect"),
        on_disconnect=lambda message: log.append(("disconnect", message)),
        on_identity=lambda token, identity, address: log.append(("identity", bool(token))),
        on_error=lambda message: log.append(("error", message)),
    )  # fmt: skip
    assert result is None
    client = SpacetimeDBClient.instance
    assert client is not None
    assert log == ["connect"]
    client.register_on_subscription_applied(lambda: log.append("applied"))
    client.register_on_event(lambda message: log.append("event"))
    client._register_row_update("User", lambda op, *rest: log.append(("row", op)))
    client._register_reducer("set_name", lambda *args: log.append(("reducer", *args[2:])))
    client.subscribe(QUERIES)
    update_until(client, lambda: "applied" in log)
    assert [user.identity for user in client._get_table_cache("User").iter()] == [client.identity]
    client._reducer_call("set_name", "Ada")
    update_until(client, lambda: "event" in log)
    client.close()
    client.close()
    assert log == [
        "connect", ("identity", True), ("row", "insert"), "applied",
        ("row", "update"), "event", ("reducer", "committed", "", "Ada"), ("disconnect", ""),
    ]  # fmt: skip
    client.update()


def update_until(client: SpacetimeDBClient, is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        client.update()
        time.sleep(0.002)


@pytest.mark.parametrize("runner", ["sync", *RUNNERS])
def test_a_server_that_is_started_later(
    mb: Any, runner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"

    async def main() -> None:
        client = SpacetimeDBAsyncClient(mb)
        client.wait_for_server = PATIENCE
        await client.connect(None, url, "chat")
        assert client.is_connected
        await client.close()

    with contextlib.ExitStack() as ends:
        really_decide = LifeStatus.decide

        def decide(status: Any, error: BaseException, now: float) -> Any:
            if "refused" in str(error):
                ends.enter_context(serve_in_thread(module, database="chat", port=port))
            return really_decide(status, error, now)

        monkeypatch.setattr(LifeStatus, "decide", decide)
        if runner == "sync":
            monkeypatch.setattr(SpacetimeDBClient, "wait_for_server", PATIENCE)
            SpacetimeDBClient.init(None, url, "chat", False, mb)
            assert SpacetimeDBClient.instance is not None
            SpacetimeDBClient.instance.close()
        else:
            run(runner, main)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_process_leaves_the_connection_to_its_parent(mb: Any, server: ThreadServer) -> None:
    told: list[str] = []
    client = SpacetimeDBClient(mb)
    client.connect(None, server.url, "chat", False, on_disconnect=told.append)
    client.subscribe(QUERIES)
    update_until(client, lambda: bool(list(mb.user.User.iter())))
    found = in_child(
        {
            "update": client.update,
            "call": lambda: client._reducer_call("set_name", "Eve"),
            "subscribe": lambda: client.subscribe(QUERIES),
            "close": client.close,
            "told": lambda: told,
        }
    )
    for what in ("update", "call", "subscribe"):
        assert found[what].startswith("LocalProtocolError: the client of 'chat' belongs to")
    assert (found["close"], found["told"]) == ("returned None", "returned []")
    client._reducer_call("set_name", "Ada")
    update_until(client, lambda: [user.name for user in mb.user.User.iter()] == ["Ada"])
    client.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("runner", RUNNERS)
def test_a_child_process_of_an_async_program(mb: Any, server: ThreadServer, runner: str) -> None:
    async def main() -> None:
        client = SpacetimeDBAsyncClient(mb)
        await client.connect(None, server.url, "chat", False, QUERIES)
        found = in_child(
            {
                "call": lambda: client.call_reducer("set_name", "Eve"),
                "set_name": lambda: mb.set_name_reducer.set_name("Eve"),
                "is_connected": lambda: client.is_connected,
                "close": client.close,
            }
        )
        assert found.pop("call").startswith("LocalProtocolError: the client of 'chat' belongs to")
        assert found.pop("set_name").startswith("LocalProtocolError: the client of 'chat'")
        assert found == {"is_connected": "returned False", "close": "returned None"}
        assert await client.call_reducer("set_name", "Ada") is not None
        await client.close()

    run(runner, main)


def test_a_callback_that_raises_comes_out_of_update(mb: Any, server: ThreadServer) -> None:
    def explode(*args: Any) -> None:
        raise ZeroDivisionError("mine")

    client = SpacetimeDBClient(mb)
    client.connect(None, server.url, "chat", False)
    client.register_on_subscription_applied(explode)
    client.subscribe(QUERIES)
    with pytest.raises(ZeroDivisionError, match="mine"):
        update_until(client, lambda: False)
    client.unregister_on_subscription_applied(explode)
    with pytest.raises(ValueError, match="not in list"):
        client.unregister_on_event(explode)


def test_a_loss_is_told_once(mb: Any, server: ThreadServer) -> None:
    log: list[str] = []
    client = SpacetimeDBClient(mb)
    client.connect(
        None, server.url, "chat", False,
        on_disconnect=lambda message: log.append("disconnect"),
        on_error=lambda message: log.append("error"),
    )  # fmt: skip
    server.drop_connections()
    update_until(client, lambda: bool(log))
    client.update()
    client.close()
    assert log == ["error", "disconnect"]
    with pytest.raises(LocalProtocolError, match="not connected"):
        client.subscribe(QUERIES)


def test_no_connection(mb: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = SpacetimeDBClient(mb)
    with pytest.raises(LocalProtocolError, match="call connect first"):
        client.update()
    with pytest.raises(SpacetimeDBException, match="refused"):
        client.connect(None, f"127.0.0.1:{port}", "chat", False)
    errors: list[str] = []
    client.connect(None, f"127.0.0.1:{port}", "chat", False, on_error=errors.append)
    assert len(errors) == 1


def test_a_client_that_an_event_loop_moves_has_no_update(mb: Any, server: ThreadServer) -> None:
    client = SpacetimeDBAsyncClient(mb)
    caught: list[str] = []

    def try_update() -> None:
        try:
            client.client.update()
        except LocalProtocolError as error:
            caught.append(str(error))
        client.force_close()

    client.register_on_subscription_applied(try_update)
    asyncio.run(client.run(None, server.url, "chat", False, None, QUERIES))
    assert "event loop" in caught[0]


def test_closing_in_a_callback(mb: Any, server: ThreadServer) -> None:
    client = SpacetimeDBClient(mb)
    client.connect(None, server.url, "chat", False)
    client.register_on_subscription_applied(client.close)
    client.subscribe(QUERIES)
    update_until(client, lambda: client._driver is not None and client._driver.is_done)


def test_reducers_are_registered_and_unregistered_by_name(mb: Any) -> None:
    client = SpacetimeDBClient(mb)

    def callback(identity: Any, connection: Any, status: str, message: str, name: str) -> None: ...

    client._register_reducer("set_name", callback)
    client._unregister_reducer("set_name", callback)
    with pytest.raises(ValueError, match="not in list"):
        client._unregister_reducer("set_name", callback)
    with pytest.raises(LocalProtocolError, match="no reducer"):
        client._register_reducer("other", callback)

    def on_row(op: str, old: Any, new: Any, event: Any) -> None: ...

    client._register_row_update("user", on_row)
    client._unregister_row_update("user", on_row)
    with pytest.raises(ValueError, match="not in list"):
        client._unregister_row_update("user", on_row)


def test_the_signatures_of_0_7() -> None:
    def names(function: Callable[..., Any]) -> list[str]:
        return list(inspect.signature(function).parameters)[1:]

    assert names(SpacetimeDBAsyncClient.run) == [
        "auth_token", "host", "address_or_name", "ssl_enabled", "on_connect",
        "subscription_queries",
    ]  # fmt: skip
    assert names(SpacetimeDBAsyncClient.connect) == [
        "auth_token", "host", "address_or_name", "ssl_enabled", "subscription_queries",
    ]  # fmt: skip
    assert names(SpacetimeDBAsyncClient.schedule_event) == ["delay_secs", "callback", "args"]
    assert names(SpacetimeDBClient.connect) == [
        "auth_token", "host", "address_or_name", "ssl_enabled", "on_connect", "on_disconnect",
        "on_identity", "on_error",
    ]  # fmt: skip
    assert SimpleNamespace(**vars(SpacetimeDBAsyncClient)).request_timeout == 5


def test_callbacks_take_what_they_are_called_with(mb: Any) -> None:
    def wrong(
        one: Any, two: Any, three: Any, four: Any, five: Any, six: Any, seven: Any
    ) -> None: ...

    client = SpacetimeDBAsyncClient(mb)
    plain = SpacetimeDBClient(mb)
    places: list[tuple[Callable[[], object], str]] = [
        (
            lambda: mb.user.User.register_row_update(wrong),
            r"row callback is called with \(row_op",
        ),
        (lambda: client.register_on_event(wrong), r"on_event is called with \(message\)"),
        (lambda: client.register_on_subscription_applied(wrong), r"is called with \(\), but"),
        (
            lambda: asyncio.run(client.run(None, "localhost:1", "chat", False, wrong, [])),
            r"on_connect is called with \(auth_token, identity\)",
        ),
        *(
            (
                lambda name=name: plain.connect(
                    None, "localhost:1", "chat", False, **{name: wrong}
                ),  # type: ignore[misc]
                rf"{name} is called with \(",
            )
            for name in ("on_connect", "on_disconnect", "on_identity", "on_error")
        ),
    ]
    for register, words in places:
        with pytest.raises(TypeError, match=words):
            register()


@pytest.mark.parametrize("runner", RUNNERS)
def test_its_numbers(mb: Any, server: ThreadServer, runner: str) -> None:
    client = SpacetimeDBAsyncClient(mb)
    assert client.stats.callbacks_run == 0
    mb.user.User.register_row_update(lambda op, old, new, event: client.force_close())
    run(runner, client.run, None, server.url, "chat", False, None, QUERIES)
    stats = client.stats
    assert (stats.connections, stats.rows_inserted) == (1, 1)
    assert stats.callbacks_run >= 1
    assert 0 < stats.callback_seconds < stats.connected_seconds
