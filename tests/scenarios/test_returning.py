"""Servers that are not there yet, or go and return: late, behind a gateway, with other keys."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import AuthError, ConnectError, Disconnected, HandshakeError
from spacetime_transports import ReconnectPolicy, TokenFile
from spacetime_transports.server.authority import Es256Authority
from tests.scenarios.gateway import Gateway
from tests.scenarios.world import make_module
from tests.support.patience import PATIENCE
from tests.support.restarting import free_port, restarting

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scenarios.kit import Client, Kit

FAST = ReconnectPolicy(first_delay=0.01, max_delay=0.05)
#: What a gateway says while the server behind it is not there yet, or has too much to do.
NOT_YET = (502, 503, 504, 429)


async def works(client: Client) -> None:
    await client.call(client.reducers.write_note(text="it works"))


# --- the first connection ---------------------------------------------------------------------------


async def test_the_client_is_started_before_the_server(kit: Kit) -> None:
    """As containers that are started together are."""
    with restarting(make_module(), "world") as server:
        refused = threading.Event()
        thread = threading.Thread(target=lambda: refused.wait(PATIENCE) and server.start())
        thread.start()
        async with kit.connect(
            url=server.url,
            reconnect=FAST,
            wait_for_server=PATIENCE,
            on_connect_error=lambda ctx, error: refused.set(),
        ) as client:
            await works(client)
        thread.join()


async def test_a_server_that_never_comes(kit: Kit) -> None:
    said = pytest.raises(ConnectError, match="refused")
    with said as caught:
        async with kit.connect(
            url=f"http://127.0.0.1:{free_port()}", reconnect=FAST, wait_for_server=0.2
        ):
            pass
    assert isinstance(root(caught.value), ConnectionRefusedError)


async def test_a_gateway_without_its_server(kit: Kit) -> None:
    with Gateway(kit.server.url, *NOT_YET, *NOT_YET) as gateway:
        async with kit.connect(url=gateway.url, reconnect=FAST, wait_for_server=PATIENCE) as client:
            await works(client)
        assert gateway.refused == 8


async def test_a_gateway_without_its_server_and_generated_bindings(kit: Kit) -> None:
    """No schema is fetched: the gateway refuses the WebSocket."""
    async with kit.connect() as client:
        module = client.raw.module
    with Gateway(kit.server.url, *NOT_YET) as gateway:
        async with kit.connect(
            module, url=gateway.url, reconnect=FAST, wait_for_server=PATIENCE
        ) as client:
            await works(client)
        assert gateway.refused == 4


async def test_without_waiting_it_fails_at_once(kit: Kit) -> None:
    async with kit.connect() as client:
        module = client.raw.module
    with Gateway(kit.server.url, 503) as gateway:
        with pytest.raises(HandshakeError, match="503") as caught:
            async with kit.connect(module, url=gateway.url):
                pass
        assert caught.value.status == 503
        assert gateway.refused == 1


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_what_is_wrong_for_good_is_not_waited_for(kit: Kit, status: int) -> None:
    async with kit.connect() as client:
        module = client.raw.module
    with Gateway(kit.server.url, status, status) as gateway:
        with pytest.raises(ConnectError, match=str(status)):
            async with kit.connect(
                module, url=gateway.url, reconnect=FAST, wait_for_server=PATIENCE
            ):
                pass
        assert gateway.refused == 1


# --- coming back ------------------------------------------------------------------------------------


async def test_a_gateway_while_the_server_restarts(kit: Kit) -> None:
    errors: list[Any] = []
    with Gateway(kit.server.url) as gateway:
        async with kit.connect(
            url=gateway.url,
            reconnect=FAST,
            on_connect_error=lambda ctx, error: errors.append(error),
        ) as client:
            await client.subscribe("SELECT * FROM note")
            gateway.statuses += NOT_YET
            kit.server.drop_connections()
            await client.until(lambda: len(errors) == 4 and client.raw.is_connected)
            await works(client)
    assert [error.status for error in errors] == [*NOT_YET]


async def test_a_server_that_restarts_with_its_keys(kit: Kit) -> None:
    pem = Es256Authority().private_pem()
    states: list[str] = []
    with restarting(make_module(), "world") as server:
        server.start(pem)
        async with kit.connect(
            url=server.url,
            reconnect=FAST,
            on_disconnect=lambda ctx, error: error and states.append(client.raw.state),
        ) as client:
            await client.subscribe("SELECT * FROM note")
            me = client.raw.identity
            server.stop()
            await client.until(lambda: client.raw.state in ("waiting", "connecting"))
            assert not client.raw.is_connected
            server.start(pem)
            await client.until(lambda: client.raw.state == "connected")
            assert client.raw.identity == me
            await works(client)
            assert client.db.note.count() == 1
    assert states == ["waiting"]


async def test_a_server_that_restarts_with_other_keys(kit: Kit) -> None:
    """It knows the token no more: trying again with it is no use, and the error says what is."""
    with restarting(make_module(), "world") as server:
        server.start()
        with pytest.raises(AuthError, match="token") as caught:
            async with kit.connect(url=server.url, reconnect=FAST) as client:
                token = client.raw.token
                server.stop()
                server.start()
                await client.until(lambda: client.raw.state == "closed")
        assert token not in str(caught.value)
        assert caught.value.status == 401


async def test_a_token_file_of_a_server_that_was_reset(kit: Kit, tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token")
    with restarting(make_module(), "world") as server:
        server.start()
        async with kit.connect(url=server.url, token=file) as client:
            before = client.raw.identity
        server.stop()
        server.start()
        with pytest.raises(AuthError) as caught:
            async with kit.connect(url=server.url, token=file):
                pass
        assert file.path in str(caught.value)
        assert "clear()" in str(caught.value)
        file.clear()
        async with kit.connect(url=server.url, token=file) as client:
            assert client.raw.identity != before
            await works(client)


async def test_a_loss_without_reconnecting_says_why_wherever_it_surfaces(kit: Kit) -> None:
    with restarting(make_module(), "world") as server:
        server.start()
        async with kit.connect(url=server.url) as client:
            server.stop()
            await client.until(lambda: client.raw.state == "closed")
            with pytest.raises(Disconnected) as caught:
                await client.query("SELECT * FROM note")
            assert caught.value.is_final
            assert caught.value.__cause__ is not None or "server" in str(caught.value)


def root(error: BaseException) -> BaseException:
    """Return what an error came from in the first place."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
