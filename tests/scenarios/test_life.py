"""How connections begin, end and come back."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spacetime_proto.bindings import Call
from spacetime_proto.errors import (
    AuthError,
    ConnectError,
    DatabaseNotFound,
    Disconnected,
    HandshakeError,
    LocalProtocolError,
    SubscriptionError,
)
from spacetime_proto.testing import Recorder
from spacetime_proto.wire.frames_wsproto import WsprotoCodec
from spacetime_proto.wire.websocket import ServerWebSocket
from spacetime_transports import ReconnectPolicy, TokenFile
from spacetime_transports.aio import driver
from spacetime_transports.server import serve_in_thread
from tests.scenarios.world import make_module
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from tests.scenarios.kit import Kit

FAST = ReconnectPolicy(first_delay=0.01, max_delay=0.05)


# --- beginning ----------------------------------------------------------------------------------


async def test_the_client_knows_who_it_is(kit: Kit) -> None:
    told: list[Any] = []
    async with kit.connect(on_connect=lambda ctx, *facts: told.append(facts)) as client:
        raw = client.raw
        assert raw.is_connected
        assert raw.protocol == "v3.bsatn.spacetimedb"
        assert raw.connection_id is not None
        assert told == [(raw.identity, raw.token)]
        assert raw.token not in repr(raw)


async def test_the_option_frames_chooses_the_codec(
    kit: Kit, frames: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed: list[int] = []
    feed = WsprotoCodec.feed

    def counting(codec: WsprotoCodec, data: bytes) -> None:
        fed.append(len(data))
        feed(codec, data)

    monkeypatch.setattr(WsprotoCodec, "feed", counting)
    async with kit.connect() as client:
        await client.call(client.reducers.nothing())
    assert bool(fed) == (frames == "wsproto")


@pytest.mark.parametrize("protocol", ["v1.json", "v1.bsatn", "v2", "v3"])
async def test_the_same_program_on_every_protocol(kit: Kit, protocol: str) -> None:
    async with kit.connect(protocols=protocol) as client:
        assert client.raw.protocol.startswith(protocol)
        subscription = await client.subscribe("SELECT * FROM item")
        await client.call(client.reducers.add_items(count=3))
        assert client.db.item.count() == 3
        assert len(await client.query("SELECT * FROM item")) == 3
        await client.unsubscribe(subscription)
        assert client.db.item.count() == 0


@pytest.mark.parametrize("compression", ["none", "gzip", "brotli"])
async def test_every_compression(kit: Kit, compression: Any) -> None:
    async with kit.connect(compression=compression) as client:
        await client.call(client.reducers.add_items(count=500))
        await client.subscribe("SELECT * FROM item")
        assert client.db.item.count() == 500


async def test_nobody_listens(kit: Kit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectError, match="refused"):
        async with kit.connect(url=f"http://127.0.0.1:{port}"):
            pass


async def test_the_database_does_not_exist(kit: Kit) -> None:
    with pytest.raises(DatabaseNotFound) as caught:
        async with kit.connect(make_dynamic(kit), database="nowhere"):
            pass
    assert caught.value.status == 404


async def test_a_token_that_is_refused(kit: Kit) -> None:
    token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA"
    with pytest.raises(AuthError) as caught:
        async with kit.connect(make_dynamic(kit), token=token):
            pass
    assert token not in str(caught.value)


async def test_the_server_ends_the_connection_before_it_greets(kit: Kit) -> None:
    module = make_dynamic(kit)
    kit.server.faults.drop_before_first_message = True
    errors: list[BaseException] = []
    with pytest.raises(ConnectError, match="client_connected") as caught:
        async with kit.connect(module, on_connect_error=lambda ctx, error: errors.append(error)):
            pass
    assert errors == [caught.value]


async def test_a_server_that_says_nothing(kit: Kit) -> None:
    module = make_dynamic(kit)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ConnectError, match=r"within 0\.2 s"):
            async with kit.connect(module, url=url, connect_timeout=0.2):
                pass


class Dribble:
    """A server that goes on sending until it is told to stop, whatever was asked."""

    def __init__(self, first: Callable[[bytes], bytes], piece: bytes) -> None:
        self._first, self._piece = first, piece
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _serve(self) -> None:
        with self._listener, self._listener.accept()[0] as client:
            client.sendall(self._first(client.recv(65536)))
            with suppress(OSError):
                while not self._stop.wait(0.01):
                    client.sendall(self._piece)


def accept(request: bytes) -> bytes:
    """Return the answer to an upgrade request."""
    server = ServerWebSocket(entropy=os.urandom)
    server.start(0.0)
    server.receive_data(request, 0.0)
    server.accept(0.0, subprotocol=server.subprotocols[0])
    return server.data_to_send()


async def test_a_server_that_greets_nobody_and_never_stops_sending(kit: Kit) -> None:
    module = make_dynamic(kit)
    with (
        Dribble(accept, b"\x89\x00") as dribble,
        pytest.raises(ConnectError, match=r"within 0\.2 s \(option connect_timeout\)"),
    ):
        async with kit.connect(module, url=dribble.url, connect_timeout=0.2):
            pytest.fail("greeted")


async def test_a_schema_that_never_ends(kit: Kit) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{"
    with (
        Dribble(lambda request: head, b" ") as dribble,
        pytest.raises(ConnectError, match=r"within 0\.2 s"),
    ):
        async with kit.connect(url=dribble.url, connect_timeout=0.2):
            pytest.fail("got a schema")


async def test_something_that_is_no_websocket_server(kit: Kit) -> None:
    module = make_dynamic(kit)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(HandshakeError) as caught:
            async with kit.connect(module, url=f"http://127.0.0.1:{listener.getsockname()[1]}"):
                pass
        thread.join()
    assert caught.value.status == 200


async def test_an_issued_token_is_kept_in_its_file(kit: Kit, tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token")
    async with kit.connect(token=file) as client:
        first = client.raw.identity
    async with kit.connect(token=file) as client:
        assert client.raw.identity == first


async def test_a_token_callable_and_the_websocket_token(kit: Kit) -> None:
    async with kit.connect() as client:
        token, identity = client.raw.token, client.raw.identity
    async with kit.connect(token=lambda: token, token_via="websocket-token") as client:
        assert client.raw.identity == identity
        assert client.raw.token == token  # not the one that lasts 60 seconds


@pytest.mark.parametrize("wrong", [5, b"bytes", "two\r\nlines: secret"])
async def test_a_token_callable_that_gives_no_token(kit: Kit, wrong: Any) -> None:
    with pytest.raises(LocalProtocolError, match="token") as caught:
        async with kit.connect(token=lambda: wrong):
            pytest.fail("never connected")
    assert "secret" not in str(caught.value)


async def test_an_on_connect_that_raises_is_what_connecting_raises(kit: Kit) -> None:
    def explode(ctx: Any, identity: Any, token: Any) -> None:
        raise ZeroDivisionError("in on_connect")

    with pytest.raises(ZeroDivisionError, match="in on_connect"):
        async with kit.connect(on_connect=explode):
            pytest.fail("never connected")


@pytest.mark.only("async")
async def test_a_client_is_entered_once(kit: Kit) -> None:
    async with kit.connect() as client:
        with pytest.raises(LocalProtocolError, match="entered once"):
            await client.raw.__aenter__()
    with pytest.raises(LocalProtocolError, match="entered once"):
        await client.raw.__aenter__()


@pytest.mark.only("blocking")
async def test_ctrl_c_in_on_connect_leaves_nothing_behind(kit: Kit) -> None:
    def interrupt(*facts: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        async with kit.connect(on_connect=interrupt):
            pytest.fail("never connected")


@pytest.mark.only("blocking")
async def test_ctrl_c_in_the_middle_of_a_message_ends_the_client(kit: Kit) -> None:
    interrupts: list[bool] = []

    def write(line: str) -> None:
        if interrupts:
            interrupts.clear()
            raise KeyboardInterrupt

    async with kit.connect(recorder=Recorder(write)) as client:
        pending = client.raw.subscribe_soon("SELECT * FROM item")
        interrupts.append(True)
        with pytest.raises(KeyboardInterrupt):
            pending.wait_applied()
        assert pending.is_ended  # what was half applied cannot be trusted
        with pytest.raises(Disconnected, match="is over"):
            await client.call(client.reducers.nothing())


@pytest.mark.only("blocking")
async def test_a_blocking_client_takes_no_async_token_callable(kit: Kit) -> None:
    async def token() -> str:
        return "never"

    with pytest.raises(LocalProtocolError, match="plain function"):
        async with kit.connect(token=token):
            pytest.fail("never connected")


async def test_a_token_callable_that_takes_its_time_does_not_hold_up_the_end(kit: Kit) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        if client_is_up:
            asked.set()
            go_on.wait(10)
            returned.append(True)

    async def token() -> None:
        await anyio.to_thread.run_sync(wait, abandon_on_cancel=True)

    client_is_up: list[bool] = []
    returned: list[bool] = []
    callable_token: Any = wait if kit.is_blocking else token
    try:
        async with kit.connect(reconnect=FAST, token=callable_token) as client:
            client_is_up.append(True)
            kit.server.drop_connections()
            await client.until(asked.is_set)
        assert not returned
    finally:
        go_on.set()
    for thread in threading.enumerate():
        if thread.name == "spacetime-dial":
            thread.join(10)


# --- the end --------------------------------------------------------------------------------------


async def test_a_clean_end_tells_so(kit: Kit) -> None:
    told: list[Any] = []
    async with kit.connect(on_disconnect=lambda ctx, error: told.append(error)) as client:
        await client.call(client.reducers.nothing())
    assert told == [None]
    assert not client.raw.is_connected


async def test_what_was_submitted_before_the_end_is_still_sent(kit: Kit) -> None:
    async with kit.connect() as client:
        for number in range(20):
            client.raw.submit(client.reducers.write_note(text=str(number)))
    async with kit.connect() as client:
        assert len(await client.query("SELECT * FROM note")) == 20


async def test_a_waiting_call_gets_the_loss_and_says_that_its_outcome_is_unknown(
    kit: Kit, waiting: threading.Event
) -> None:
    def drop() -> None:
        if waiting.wait(PATIENCE):
            kit.server.drop_connections()

    told: list[Any] = []
    async with kit.connect(on_disconnect=lambda ctx, error: told.append(error)) as client:
        thread = threading.Thread(target=drop)
        thread.start()
        with pytest.raises(Disconnected) as caught:
            await client.call(client.procedures.wait(micros=1_000_000_000))
        thread.join()
        assert caught.value.outcome_unknown
        with pytest.raises(Disconnected) as again:
            await client.call(client.reducers.nothing())
        assert not again.value.outcome_unknown
    assert len(told) == 1 and isinstance(told[0], Disconnected)


async def test_a_loss_that_nobody_waited_for_is_raised_once_on_leaving(kit: Kit) -> None:
    with pytest.raises(Disconnected, match="connection"):
        async with kit.connect() as client:
            kit.server.drop_connections()
            await client.until(lambda: not client.raw.is_connected)
    await client.close()


async def test_an_exception_of_the_block_is_not_replaced(kit: Kit) -> None:
    with pytest.raises(ZeroDivisionError, match="mine"):
        async with kit.connect() as client:
            kit.server.drop_connections()
            await client.until(lambda: not client.raw.is_connected)
            raise ZeroDivisionError("mine")


async def test_closing_in_a_callback(kit: Kit) -> None:
    async with kit.connect() as client:
        client.db.item.on_insert(lambda ctx, row: client.raw.close_soon())
        await client.subscribe("SELECT * FROM item")
        client.raw.submit(client.reducers.add_item(name="x", amount=1))
        await client.until(lambda: not client.raw.is_connected)


@pytest.mark.only("async")
async def test_a_cancelled_block_ends_at_once(kit: Kit) -> None:
    with anyio.CancelScope() as scope:
        async with kit.connect() as client:
            scope.deadline = anyio.current_time() + 0.1
            await client.call(client.procedures.wait(micros=60_000_000))
    assert scope.cancelled_caught
    assert not client.raw.is_connected
    with anyio.move_on_after(0.0) as scope:
        async with kit.connect():
            pytest.fail("connected in no time")
    assert scope.cancelled_caught


@pytest.mark.only("async")
async def test_a_callback_that_never_returns_does_not_stop_the_end(kit: Kit) -> None:
    entered = anyio.Event()

    async def forever(ctx: Any, row: Any) -> None:
        entered.set()
        await anyio.sleep_forever()

    async with kit.connect(close_timeout=0.1) as client:
        client.db.item.on_insert(forever)
        await client.subscribe("SELECT * FROM item")
        client.raw.submit(client.reducers.add_item(name="x", amount=1))
        await entered.wait()


@pytest.mark.only("async")
async def test_the_block_is_not_cancelled_by_a_failure(kit: Kit) -> None:
    finished = False
    with pytest.raises(Disconnected):
        async with kit.connect() as client:
            kit.server.drop_connections()
            await client.until(lambda: not client.raw.is_connected)
            await anyio.sleep(0.05)
            finished = True
    assert finished


# --- subscriptions ----------------------------------------------------------------------------------


async def test_a_refused_subscription(kit: Kit) -> None:
    told: list[Any] = []
    async with kit.connect() as client:
        with pytest.raises(SubscriptionError, match="no_such_table") as caught:
            await client.subscribe(
                "SELECT * FROM item",
                "SELECT * FROM no_such_table",
                on_error=lambda ctx, error: told.append(error),
            )
        assert "SELECT * FROM item" in caught.value.queries
        await client.call(client.reducers.nothing())
    assert told == [caught.value]


async def test_overlapping_sets_count_their_rows(kit: Kit) -> None:
    log: list[str] = []
    async with kit.connect() as client:
        client.db.item.on_insert(lambda ctx, row: log.append("insert"))
        client.db.item.on_delete(lambda ctx, row: log.append("delete"))
        await client.call(client.reducers.add_item(name="x", amount=1))
        first = await client.subscribe("SELECT * FROM item")
        second = await client.subscribe("SELECT * FROM item WHERE amount = 1")
        await client.unsubscribe(first)
        assert client.db.item.count() == 1
        await client.unsubscribe(second)
        assert client.db.item.count() == 0
        await client.unsubscribe(second)  # over already
    assert log == ["insert", "delete"]


async def test_all_tables(kit: Kit) -> None:
    async with kit.connect() as client:
        result = client.raw.subscribe_to_all_tables()
        subscription = result if kit.is_blocking else await result
        assert subscription.is_active
        await client.call(client.reducers.add_item(name="x", amount=1))
        await client.call(client.reducers.write_note(text="x"))
        assert (client.db.item.count(), client.db.note.count()) == (1, 1)
        assert client.db.online.identity.find(client.raw.identity).connections == 1


@pytest.mark.parametrize("protocol", ["v1", "v1.json", "v2", "v3"])
async def test_all_tables_but_those_that_cannot_be_subscribed_to(
    kit: Kit, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "spacetimedb.client")
    async with kit.connect(protocols=protocol) as client:
        result = client.raw.subscribe_to_all_tables()
        subscription = result if kit.is_blocking else await result
        assert subscription.is_active
        left_out = dict(subscription.left_out)
        if protocol.startswith("v1"):
            assert "which needs v2 or v3" in left_out.pop("ping")
        assert left_out == {"secret": "it is private"}
        assert not any("secret" in query for query in subscription.queries)
        (line,) = [record for record in caplog.records if "leaves out" in record.message]
        assert "secret: it is private" in line.message


async def test_a_subscription_that_nobody_waits_for(kit: Kit) -> None:
    async with kit.connect() as client:
        handle = client.raw.subscribe_soon("SELECT * FROM item")
        await client.until(lambda: handle.is_active)
        handle.unsubscribe_soon()
        await client.until(lambda: handle.is_ended)


# --- coming back --------------------------------------------------------------------------------------


async def test_the_cache_survives_and_only_differences_are_told(kit: Kit) -> None:
    log: list[Any] = []
    connects: list[Any] = []
    async with kit.connect(
        reconnect=FAST, on_connect=lambda ctx, *facts: connects.append(facts)
    ) as client:
        client.db.item.on_insert(lambda ctx, row: log.append(("insert", row.name, type(ctx.event))))
        client.db.item.on_update(
            lambda ctx, old, new: log.append(("update", new.amount, type(ctx.event)))
        )
        client.db.item.on_delete(lambda ctx, row: log.append(("delete", row.name, type(ctx.event))))
        applied: list[int] = []
        await client.subscribe("SELECT * FROM item", on_applied=lambda ctx: applied.append(1))
        await client.call(client.reducers.add_items(count=3))
        identity, first_connection = client.raw.identity, client.raw.connection_id
        log.clear()
        # The other connection is dropped as well, so it changes things through a new one.
        handle = client.db.item
        kit.server.drop_connections()
        async with kit.connect() as third:
            await third.call(third.reducers.set_amount(id=1, amount=77))
            await third.call(third.reducers.remove_item(id=2))
            await third.call(third.reducers.add_item(name="new", amount=0))
        await client.until(
            lambda: client.raw.is_connected and client.db.item.count() == 3 and bool(log)
        )
        await client.until(lambda: len(log) == 3)
        assert client.db.item is handle
        assert client.raw.identity == identity
        assert client.raw.connection_id != first_connection
        assert applied == [1]
        assert len(connects) == 2
        # Depending on when it was back, a change was part of the difference or came live.
        assert sorted(entry[:2] for entry in log) == [
            ("delete", "item 1"), ("insert", "new"), ("update", 77),
        ]  # fmt: skip
        await client.call(client.reducers.nothing())


async def test_on_connect_may_call_on_every_connection(kit: Kit) -> None:
    def greet(ctx: Any, *facts: object) -> None:
        ctx.submit(Call("reducer", "add_items", (1,)))

    async with kit.connect(reconnect=FAST, on_connect=greet) as client:
        await client.subscribe("SELECT * FROM item")
        await client.until(lambda: client.db.item.count() == 1)
        kit.server.drop_connections()
        await client.until(lambda: client.db.item.count() == 2)


async def test_coming_back_to_the_same_rows_tells_nothing(kit: Kit) -> None:
    log: list[Any] = []
    async with kit.connect(reconnect=FAST) as client:
        await client.subscribe("SELECT * FROM item")
        await client.call(client.reducers.add_items(count=5))
        for table in (client.db.item,):
            table.on_insert(lambda ctx, row: log.append(row))
            table.on_delete(lambda ctx, row: log.append(row))
        before = client.raw.connection_id
        kit.server.drop_connections()
        await client.until(lambda: client.raw.is_connected and client.raw.connection_id != before)
        assert client.db.item.count() == 5
    assert log == []


async def test_calls_while_offline_fail(kit: Kit) -> None:
    slow = ReconnectPolicy(first_delay=30)
    async with kit.connect(reconnect=slow, offline="fail") as client:
        kit.server.drop_connections()
        await client.until(lambda: not client.raw.is_connected)
        with pytest.raises(Disconnected, match="not back yet"):
            await client.call(client.reducers.nothing())


async def test_calls_while_offline_wait(kit: Kit) -> None:
    lost: list[Any] = []
    async with kit.connect(
        reconnect=FAST, offline="wait", on_disconnect=lambda ctx, error: lost.append(error)
    ) as client:
        kit.server.drop_connections()
        await client.until(lambda: bool(lost))
        assert await client.call(client.procedures.add(lhs=1, rhs=2)) == 3


async def test_a_client_that_waits_to_come_back_can_be_closed(kit: Kit) -> None:
    """Without it, the block would not end."""
    never = ReconnectPolicy(first_delay=1_000_000, max_delay=1_000_000)
    async with kit.connect(reconnect=never) as client:
        kit.server.drop_connections()
        await client.until(lambda: not client.raw.is_connected)


async def test_closing_at_the_moment_of_a_loss_is_no_failure(kit: Kit) -> None:
    """The loss was told to on_disconnect; it is not raised once more by a block that closed."""
    told: list[BaseException | None] = []

    def on_disconnect(ctx: Any, error: BaseException | None) -> None:
        told.append(error)
        clients[0].close_soon()

    clients: list[Any] = []
    async with kit.connect(
        reconnect=ReconnectPolicy(first_delay=60),
        on_disconnect=on_disconnect,
        prepare=clients.append,
    ) as client:
        kit.server.drop_connections()
        await client.until(lambda: client.raw._driver.is_done)
    assert [type(error) for error in told] == [Disconnected]


@pytest.mark.only("async")
async def test_closing_while_the_lost_stream_is_cleaned_up_is_no_failure(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_close = driver.close_at_once

    async def close_at_once(stream: Any) -> None:
        await really_close(stream)
        client.raw.close_soon()

    async with kit.connect(reconnect=ReconnectPolicy(first_delay=60)) as client:
        monkeypatch.setattr(driver, "close_at_once", close_at_once)
        kit.server.drop_connections()
        await client.until(lambda: client.raw._driver.is_done)


@pytest.mark.only("async")
async def test_closing_between_two_connections_dials_no_more(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kit.connect(reconnect=ReconnectPolicy(first_delay=60)) as client:
        kit.server.drop_connections()
        await client.until(lambda: not client.raw.is_connected)

        async def dial(issued_token: str | None) -> None:
            pytest.fail("another attempt")

        monkeypatch.setattr(client.raw._driver._dialer, "dial", dial)


async def test_giving_up_after_so_many_attempts(kit: Kit) -> None:
    policy = ReconnectPolicy(first_delay=0.01, max_attempts=3)
    errors: list[BaseException] = []
    with pytest.raises(ConnectError):  # the last attempt's, which nobody waited for
        async with kit.connect(
            reconnect=policy, on_connect_error=lambda ctx, error: errors.append(error)
        ) as client:
            kit.server.faults.drop_before_first_message = True
            kit.server.drop_connections()
            await client.until(lambda: client.raw._driver.is_done)
    assert len(errors) == 3
    assert all(isinstance(error, ConnectError) for error in errors)


async def test_a_server_that_was_restarted(kit: Kit) -> None:
    log: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with ExitStack() as first:
        server = first.enter_context(serve_in_thread(make_module(), database="world", port=port))
        # Other keys sign the tokens of the new server, so this client has to ask for a new one;
        # a callable says that it can.
        async with kit.connect(url=server.url, reconnect=FAST, token=lambda: None) as client:
            client.db.note.on_delete(lambda ctx, row: log.append(row.text))
            await client.subscribe("SELECT * FROM note")
            await client.call(client.reducers.write_note(text="x"))
            first.close()
            with serve_in_thread(make_module(), database="world", port=port):
                await client.until(lambda: client.raw._driver.is_done)
            with pytest.raises(Disconnected, match="calls this client"):
                await client.call(client.reducers.nothing())
    assert log == []  # the identity is another one, so nothing is taken for granted


def make_dynamic(kit: Kit) -> Any:
    """Return bindings, so that connecting asks for no schema first."""
    from spacetime_proto.bindings import dynamic_module
    from spacetime_transports import HttpClient

    return dynamic_module(HttpClient(kit.server.url).schema("world"))


@pytest.mark.only("blocking")
async def test_a_signal_handler_that_closes_while_the_session_is_changed(kit: Kit) -> None:
    """Holding the lock in the same thread stands for a signal that comes at such a moment."""
    async with kit.connect() as client:
        with client.raw.lock:
            client.raw.close_soon()
            assert client.raw.is_connected
        client.raw.run()
        assert client.raw.state == "closed"
