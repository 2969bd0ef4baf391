"""Servers in threads on loopback, and one `dial` for the three ways to reach them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trustme

from spacetime_transports.net.address import Address
from spacetime_transports.net.async_stream import open_stream
from spacetime_transports.net.blocking_stream import open_socket
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Dial = Callable[..., bytes]
    Serve = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that runs a handler for each connection and gives the port."""
    with contextlib.ExitStack() as stack:

        def start(handler: Callable[[socket.socket], None]) -> int:
            listener = socket.create_server(("127.0.0.1", 0))
            stopping = False

            def handle(connection: socket.socket) -> None:
                connection.settimeout(10)
                with connection, contextlib.suppress(OSError):
                    handler(connection)

            def loop() -> None:
                while True:
                    connection, _ = listener.accept()
                    if stopping:
                        connection.close()
                        break
                    worker = threading.Thread(target=handle, args=(connection,))
                    worker.start()
                    workers.append(worker)

            def stop() -> None:
                nonlocal stopping
                stopping = True
                socket.create_connection(listener.getsockname()).close()
                thread.join(10)
                for worker in workers:
                    worker.join(10)
                listener.close()

            workers: list[threading.Thread] = []
            thread = threading.Thread(target=loop)
            thread.start()
            stack.callback(stop)
            port: int = listener.getsockname()[1]
            return port

        yield start


def echo(connection: socket.socket) -> None:
    """Send back what comes."""
    while data := connection.recv(65536):
        connection.sendall(data)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def serve_tls(serve: Serve, authority: trustme.CA) -> Callable[..., int]:
    """Like `serve` for an echo over TLS, with a certificate of `name`."""

    def start(name: str = "localhost", **certificate: Any) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name, **certificate).configure_cert(context)

        def handler(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as wrapped:
                echo(wrapped)

        return serve(handler)

    return start


@pytest.fixture(params=["blocking", "asyncio", "trio"])
def dial(request: pytest.FixtureRequest) -> Dial:
    """Connect, say ``hello``, return the answer (b"" if the peer hung up)."""
    if request.param == "blocking":
        return _dial_blocking

    def dial_async(address: Address, **options: Any) -> bytes:
        return anyio.run(_dial_async, address, options, backend=request.param)

    return dial_async


def _dial_blocking(address: Address, *, timeout: float = PATIENCE, **options: Any) -> bytes:
    with open_socket(address, timeout=timeout, **options) as opened:
        opened.sendall(b"hello")
        return opened.recv(100)


async def _dial_async(address: Address, options: dict[str, Any]) -> bytes:
    timeout = options.pop("timeout", PATIENCE)
    with anyio.fail_after(timeout):
        stream = await open_stream(address, **options)
        async with stream:
            await stream.send(b"hello")
            try:
                return await stream.receive(100)
            except anyio.EndOfStream:
                return b""
