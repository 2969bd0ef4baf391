"""An embedded server that ends and starts again where it was."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from spacetime_proto.server import Module
from spacetime_transports.server import ThreadServer, serve_in_thread
from spacetime_transports.server.authority import Es256Authority

__all__ = ["Restarting", "free_port", "restarting"]


def free_port() -> int:
    """Return a TCP port of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Restarting:
    """A server with a port of its own, not started yet.

    Attributes:
        url: where it listens when it runs.
        server: the one that ran last.
    """

    server: ThreadServer

    def __init__(self, module: Module, database: str) -> None:
        self._module = module
        self._database = database
        self._stack = ExitStack()
        self._has_run = False
        self._is_running = False
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self, pem: str | None = None) -> None:
        """Start with the rows it had, and with this private key or a new one."""
        self.server = self._stack.enter_context(
            serve_in_thread(
                self.server.server.database if self._has_run else self._module,
                database=self._database,
                port=self._port,
                authority=None if pem is None else Es256Authority.from_pem(pem),
            )
        )
        self._has_run = self._is_running = True

    def stop(self) -> None:
        """End without farewell; nothing happens if it does not run."""
        if self._is_running:
            self._is_running = False
            self.server.drop_connections()
            self._stack.close()


@contextmanager
def restarting(module: Module, database: str) -> Iterator[Restarting]:
    """Return a server that ends with the block at the latest."""
    server = Restarting(module, database)
    try:
        yield server
    finally:
        server.stop()
