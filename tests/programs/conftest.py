"""A server of the scenarios' module for programs that bring their own event loops and processes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from spacetime_transports.server import ThreadServer, serve_in_thread
from tests.scenarios.world import make_module

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def waiting() -> threading.Event:
    """Return what is set when the server runs the procedure ``wait``."""
    return threading.Event()


@pytest.fixture
def server(waiting: threading.Event) -> Iterator[ThreadServer]:
    """Return a fresh server of the scenarios' module."""
    with serve_in_thread(make_module(waiting), database="world") as server:
        yield server
