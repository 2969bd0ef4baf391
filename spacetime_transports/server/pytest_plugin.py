"""Fixtures for testing programs and modules against the embedded server.

pytest finds this by itself once the package is installed::

    from chat import module

    def test_names(spacetimedb_server):
        server = spacetimedb_server(module, database="chat")
        with blocking.connect(server.url, "chat") as client: ...

Importing it costs nothing: the server is loaded when a test asks for one.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spacetime_proto.server import Module

    from .serving import ThreadServer


class ServerFactory(Protocol):
    """Starts servers that end with the test."""

    def __call__(self, module: Module, *, database: str = "module", **options: Any) -> ThreadServer:
        """Serve `module` from a thread on a free port; further options are those of `serve`."""
        ...


@pytest.fixture
def spacetimedb_server() -> Iterator[ServerFactory]:
    """Return a function that starts an embedded server; every one ends with the test."""
    with ExitStack() as stack:

        def start(module: Module, *, database: str = "module", **options: Any) -> ThreadServer:
            from .serving import serve_in_thread

            return stack.enter_context(serve_in_thread(module, database=database, **options))

        yield start
