"""`close_soon`: any thread, any time; and what a callback raises that is no Exception."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from spacetime_proto.errors import (
    Disconnected,
    LocalProtocolError,
)
from spacetime_transports import connect
from tests.scenarios.kit import run_async
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from spacetime_transports import AsyncClient
    from tests.scenarios.kit import Kit


ON_ASYNCIO = pytest.mark.only("asyncio", "uvloop")


def begin(kit: Kit, **options: Any) -> AsyncClient[Any]:
    return connect(kit.server.url, "world", frames=kit.frames, **options)


@pytest.mark.only("async")
async def test_close_soon_in_another_thread(kit: Kit) -> None:
    async with kit.connect() as client:
        thread = threading.Thread(target=client.raw.close_soon)
        thread.start()
        await client.raw.wait_closed(PATIENCE)
        thread.join()
        client.raw.close_soon()  # over already
    client.raw.close_soon()


def test_close_soon_of_a_blocking_client(kit: Kit) -> None:
    if not kit.is_blocking:
        return

    async def scenario() -> None:
        async with kit.connect() as client:
            thread = threading.Thread(target=client.raw.close_soon)
            thread.start()
            client.raw.run()
            thread.join()
            client.raw.close_soon()
        client.raw.close_soon()

    kit.run(scenario)


@pytest.mark.only("async")
@pytest.mark.parametrize("with_bindings", [True, False])
async def test_close_soon_before_it_is_entered(kit: Kit, *, with_bindings: bool) -> None:
    async with kit.connect() as other:
        module = other.raw.module if with_bindings else None
    client = connect(kit.server.url, "world", module)
    client.close_soon()
    with pytest.raises(Disconnected, match="this client is closed"):
        await client.wait_connected()
    with pytest.raises(Disconnected, match="closed before it was connected"):
        async with client:
            pytest.fail("connected")
    runs = connect(kit.server.url, "world", module)
    runs.close_soon()
    await runs.run()


@pytest.mark.only("async")
async def test_close_soon_while_connecting(kit: Kit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = connect(f"http://127.0.0.1:{silent.getsockname()[1]}", "world")
        threading.Timer(0.02, client.close_soon).start()
        with pytest.raises(Disconnected, match="closed before it was connected"):
            async with client:
                pytest.fail("connected")


@pytest.mark.only("asyncio")
def test_close_soon_in_a_signal_handler_and_after_the_loop_has_ended(kit: Kit) -> None:
    clients: list[AsyncClient[Any]] = []

    async def main() -> None:
        async with begin(kit) as client:
            clients.append(client)
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            await client.wait_closed(PATIENCE)

    before = signal.signal(signal.SIGUSR1, lambda *_: clients[0].close_soon())
    try:
        asyncio.run(main())
    finally:
        signal.signal(signal.SIGUSR1, before)
    clients[0].close_soon()

    async def other_loop() -> None:
        clients[0].close_soon()

    asyncio.run(other_loop())


@ON_ASYNCIO
async def test_close_soon_in_the_loops_own_thread_needs_no_wake_up(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kit.connect() as client:
        loop = client.raw._driver.loop
        monkeypatch.setattr(loop, "call_soon", lambda function: pytest.fail("woken"))
        client.raw.close_soon()
        await client.raw.wait_closed(PATIENCE)


# --- what a callback raises that is no Exception ------------------------------------------------


class Fatal(BaseException):
    """Like KeyboardInterrupt, without asyncio's special treatment."""


@pytest.mark.only("async")
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, Fatal])
def test_it_surfaces_as_it_is(kit: Kit, kind: type[BaseException]) -> None:
    """asyncio lets the first two through to whoever runs the loop; of others a client says only that
    it is over. Under trio all of them come out of the block."""
    seen: list[BaseException] = []

    async def explode(ctx: Any, row: Any) -> None:
        await anyio.lowlevel.checkpoint()
        raise kind("mine")

    async def main() -> None:
        async with begin(kit) as client:
            client.db.item.on_insert(explode)
            await client.subscribe("SELECT * FROM item")
            client.submit(client.module.reducers.add_item(name="x", amount=1))
            try:
                await client.wait_closed()
            except BaseException as error:
                seen.append(error)
                raise

    with pytest.raises(kind, match="mine"):
        run_async(kit.driver, main)


@ON_ASYNCIO
async def test_a_callback_whose_work_was_cancelled_is_no_cancellation(kit: Kit) -> None:
    async def explode(ctx: Any, row: Any) -> None:
        work = asyncio.create_task(asyncio.sleep(3600))
        work.cancel()
        await work

    with pytest.raises(LocalProtocolError, match=r"explode raised CancelledError") as caught:
        async with begin(kit) as client:
            client.db.item.on_insert(explode)
            await client.subscribe("SELECT * FROM item")
            client.submit(client.module.reducers.add_item(name="x", amount=1))
            await client.wait_closed()
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)
