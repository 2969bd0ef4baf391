"""Runs every scenario under every driver."""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_transports.driver_base import SERVERS_WITHOUT_BATCH
from spacetime_transports.server import ThreadServer, serve_in_thread
from tests.scenarios.kit import ASYNC_DRIVERS, DRIVERS, Kit
from tests.scenarios.world import make_module
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `driver` its values; a test marked ``only("async")`` or the like takes fewer.

    Everything runs on both frame codecs, on wsproto with the slow tests, and there under the first
    driver of each colour only: a codec sees bytes, and not the loop that they came through.
    """
    if "driver" not in metafunc.fixturenames:
        return
    drivers = DRIVERS
    for marker in metafunc.definition.iter_markers("only"):
        drivers = ASYNC_DRIVERS if marker.args == ("async",) else marker.args
    if "frames" not in metafunc.fixturenames:
        metafunc.parametrize("driver", drivers)
        return
    colours = {driver == "blocking": driver for driver in reversed(drivers)}
    metafunc.parametrize(
        ("driver", "frames"),
        [(driver, "fast") for driver in drivers]
        + [
            pytest.param(driver, "wsproto", marks=pytest.mark.slow)
            for driver in drivers
            if driver in colours.values()
        ],
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "only(*drivers): run under these drivers, or 'async'")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a scenario in the event loop of its driver."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    fixtures = {name: pyfuncitem.funcargs[name] for name in names}
    kit: Any = pyfuncitem.funcargs["kit"]
    kit.run(pyfuncitem.obj, **fixtures)
    return True


@pytest.fixture
def waiting() -> threading.Event:
    """Return what is set when the server runs the procedure ``wait``."""
    return threading.Event()


@pytest.fixture
def server(waiting: threading.Event) -> Iterator[ThreadServer]:
    """Return a fresh server of the scenarios' module."""
    with serve_in_thread(make_module(waiting), database="world") as server:
        yield server


@pytest.fixture
def kit(driver: str, frames: str, server: ThreadServer) -> Iterator[Kit]:
    """Return the driver's kit; afterwards no thread of a client may be left."""
    yield Kit(driver, server, frames)
    SERVERS_WITHOUT_BATCH.clear()  # another server may get the same port
    for thread in threading.enumerate():
        if thread.name.startswith("spacetime"):
            thread.join(PATIENCE)  # it may be about to end
            assert not thread.is_alive(), thread.name
