"""What a client says of itself: `state` and `retry_in`, wherever it is in its life."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import (
    ConnectError,
    DatabaseNotFound,
    Disconnected,
    HandshakeError,
)
from spacetime_proto.wire.http_exchange import HttpResponse
from spacetime_transports import ClientState, ReconnectPolicy, blocking, connect
from spacetime_transports.options import resolve
from spacetime_transports.server import serve_in_thread
from tests.scenarios.world import make_module
from tests.support.mock_http import MockServer
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from tests.scenarios.kit import Kit

SLOW = ReconnectPolicy(first_delay=3600.0, max_delay=3600.0)


async def test_a_client_that_is_connected_and_closed(kit: Kit) -> None:
    told: list[str] = []
    async with kit.connect(on_connect=lambda ctx, *facts: told.append("greeted")) as client:
        raw = client.raw
        assert raw.state is ClientState.CONNECTED and raw.retry_in is None
        raw.on_disconnect(lambda ctx, error: told.append(raw.state))
    assert raw.state == "closed" and raw.retry_in is None
    assert "closed" in repr(raw)
    assert told == ["greeted", "closed"]


async def test_a_client_that_waits_for_its_next_attempt(kit: Kit) -> None:
    async with kit.connect(reconnect=SLOW) as client:
        raw = client.raw
        kit.server.drop_connections()
        await client.until(lambda: raw.state is ClientState.WAITING)
        retry_in = raw.retry_in
        assert 0.0 <= retry_in <= 3600.0
        assert "waiting, next attempt in " in repr(raw)
        assert not raw.is_connected
    assert raw.state is ClientState.CLOSED and raw.retry_in is None


# --- losses --------------------------------------------------------------------------------------


async def test_a_loss_tells_what_will_come(kit: Kit) -> None:
    told: list[Any] = []
    async with kit.connect(
        reconnect=SLOW, on_disconnect=lambda ctx, error: told.append((ctx.event, error))
    ) as client:
        kit.server.drop_connections()
        await client.until(lambda: bool(told))
        ((event, error),) = told
        assert event.will_retry and 0.0 <= event.retry_in <= 3600.0
        assert event.error is error and isinstance(error, Disconnected) and not error.is_final
        with pytest.raises(
            Disconnected, match=r"not back yet \(waiting, next attempt in \d"
        ) as caught:
            client.raw.submit(client.reducers.nothing())
        assert str(error) in str(caught.value)
        assert not caught.value.is_final and caught.value.__cause__ is error


async def test_waiting_requests_say_why_they_cannot_be_sent(kit: Kit) -> None:
    told: list[Any] = []
    async with kit.connect(
        reconnect=SLOW, offline="fail", on_disconnect=lambda ctx, error: told.append(error)
    ) as client:
        kit.server.drop_connections()
        await client.until(lambda: bool(told))
        requests = [
            lambda: client.call(client.reducers.nothing()),
            lambda: client.query("SELECT * FROM item"),
        ]
        if kit.is_blocking:  # in the other colours subscriptions wait for the connection
            requests.append(lambda: client.subscribe("SELECT * FROM item"))
        for request in requests:
            with pytest.raises(Disconnected, match=r"waiting, next attempt in \d") as caught:
                await request()
            assert not caught.value.is_final and caught.value.__cause__ is told[0]


async def test_an_end_is_final(kit: Kit) -> None:
    told: list[Any] = []
    async with kit.connect(on_disconnect=lambda ctx, error: told.append(ctx.event)) as client:
        kit.server.drop_connections()
        await client.until(lambda: bool(told))
        assert not told[0].will_retry and told[0].retry_in is None
        for _ in range(2):
            with pytest.raises(Disconnected) as caught:
                client.raw.submit(client.reducers.nothing())
            assert str(told[0].error) in str(caught.value)
            assert caught.value.is_final and caught.value.__cause__ is told[0].error
            assert told[0].error.is_final


async def test_giving_up_is_final_and_says_so(kit: Kit) -> None:
    told: list[Any] = []
    policy = ReconnectPolicy(first_delay=0.001, max_attempts=2)
    options: Any = {"on_connect_error": lambda ctx, error: told.append(ctx.event)}
    with pytest.raises(ConnectError, match=r"gave up after 2 attempts: .* client_connected"):
        async with kit.connect(reconnect=policy, **options) as client:
            kit.server.faults.drop_before_first_message = True
            kit.server.drop_connections()
            await client.until(lambda: client.raw.state == "closed")
    assert [event.will_retry for event in told] == [True, False]
    assert told[1].error.__cause__ is not None


# --- a server that is not there yet ----------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]  # type: ignore[no-any-return]


class Late:
    """Starts a server when so many attempts have failed."""

    def __init__(self, port: int, after: int = 1) -> None:
        self.port = port
        self.after = after
        self.told: list[Any] = []
        self.ends = ExitStack()

    def __call__(self, ctx: Any, error: BaseException) -> None:
        self.told.append((ctx.event, error))
        if len(self.told) == self.after:
            self.ends.close()  # what was at this port before
            server = serve_in_thread(make_module(), database="world", port=self.port)
            self.ends.enter_context(server)


@pytest.mark.parametrize("has_bindings", [True, False])
async def test_a_server_that_is_started_later(kit: Kit, has_bindings: bool) -> None:
    late = Late(free_port(), after=2)
    async with kit.connect() as other:
        module = other.raw.module if has_bindings else None
    with late.ends:
        async with kit.connect(
            module,
            url=f"http://127.0.0.1:{late.port}",
            wait_for_server=PATIENCE,
            reconnect=ReconnectPolicy(first_delay=0.01),
            on_connect_error=late,
        ) as client:
            await client.call(client.reducers.nothing())
    assert len(late.told) == 2
    for event, error in late.told:
        assert event.will_retry and event.retry_in is not None
        assert isinstance(error, ConnectError) and "refused" in str(error)


@pytest.mark.parametrize("has_bindings", [True, False])
@pytest.mark.parametrize("status", [502, 503, 504, 429])
async def test_a_gateway_whose_server_is_started_later(
    kit: Kit, status: int, has_bindings: bool
) -> None:
    async with kit.connect() as other:
        module = other.raw.module if has_bindings else None
    gateway = MockServer()
    gateway.handler = lambda request: HttpResponse(status, body=b"starting")
    late = Late(int(gateway.url.rpartition(":")[2]))
    late.ends.callback(gateway.close)
    with late.ends:
        async with kit.connect(
            module,
            url=gateway.url,
            wait_for_server=PATIENCE,
            reconnect=ReconnectPolicy(first_delay=0.01),
            on_connect_error=late,
        ) as client:
            await client.call(client.reducers.nothing())
    ((event, error),) = late.told
    assert event.will_retry and isinstance(error, HandshakeError) and error.status == status


@pytest.mark.parametrize("has_bindings", [True, False])
async def test_a_server_that_never_comes(kit: Kit, has_bindings: bool) -> None:
    async with kit.connect() as other:
        module = other.raw.module if has_bindings else None
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(
        ConnectError, match=r"waited 0\.05 s for .*\d attempts?\): .*refused"
    ) as caught:
        async with kit.connect(
            module,
            url=url,
            wait_for_server=0.05,
            reconnect=ReconnectPolicy(first_delay=0.01, max_delay=0.02),
        ):
            pytest.fail("it connected")
    assert "refused" in str(caught.value.__cause__)


@pytest.mark.only("asyncio", "trio", "blocking")  # uvloop asks the system by itself
async def test_a_name_that_does_not_resolve_yet(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    async with kit.connect() as other:
        module = other.raw.module
    really_resolve = socket.getaddrinfo
    told: list[BaseException] = []

    def resolve(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if host in ("late.test", b"late.test"):
            if not told:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = "127.0.0.1"
        return really_resolve(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with kit.connect(
        module,
        url=f"http://late.test:{kit.server.url.rpartition(':')[2]}",
        wait_for_server=PATIENCE,
        reconnect=ReconnectPolicy(first_delay=0.01),
        on_connect_error=lambda ctx, error: told.append(error),
    ) as client:
        await client.call(client.reducers.nothing())
    assert "cannot be resolved" in str(told[0])


async def test_a_database_that_does_not_exist_is_not_waited_for(kit: Kit) -> None:
    with pytest.raises(DatabaseNotFound):
        async with kit.connect(database="nowhere", wait_for_server=3600.0):
            pytest.fail("it connected")


# --- closing early ----------------------------------------------------------------------------------


@pytest.mark.parametrize("has_bindings", [True, False])
@pytest.mark.only("async")
async def test_an_async_client_that_is_closed_before_it_is_entered(
    kit: Kit, has_bindings: bool
) -> None:
    async with kit.connect() as other:
        module: Any = other.raw.module if has_bindings else None
    client = connect(kit.server.url, "world", module)
    assert client.state is ClientState.NEW and client.retry_in is None
    await client.close()
    assert client.state is ClientState.CLOSED
    with pytest.raises(Disconnected, match="closed before it was connected"):
        async with client:
            pytest.fail("it connected")


@pytest.mark.only("blocking")
async def test_a_blocking_client_that_is_closed_before_it_connects(kit: Kit) -> None:
    async with kit.connect() as other:
        module = other.raw.module
    client = blocking.BlockingClient(kit.server.url, "world", module, resolve())
    assert client.state is ClientState.NEW
    client.close()
    assert client.state is ClientState.CLOSED
