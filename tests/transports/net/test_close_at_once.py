"""`close_at_once` closes a stream at once, whatever is on its way."""

from __future__ import annotations

import gc
import socket

import anyio
import pytest

from spacetime_transports.net.async_stream import close_at_once
from tests.scenarios.kit import run_async


@pytest.mark.parametrize("driver", ["asyncio", "uvloop", "trio"])
@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_peer_that_reads_nothing(driver: str, is_cancelled: bool) -> None:
    """Nothing is left for the garbage collector to warn of, which would fail this test."""

    async def main() -> None:
        stream = await anyio.connect_tcp(*listener.getsockname())
        with anyio.move_on_after(0.1):
            while True:
                await stream.send(bytes(1_000_000))
        with anyio.CancelScope() as scope:
            if is_cancelled:
                scope.cancel()
            await close_at_once(stream)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        run_async(driver, main)
        peer, _ = listener.accept()
        peer.close()
    gc.collect()
