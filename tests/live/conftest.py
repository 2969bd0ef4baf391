"""Runs the live tests on every protocol that the server accepts, under every driver.

Environment:
    SPACETIMEDB_URL: the server; without it one is started from the cache of `.ci/live`.
    SPACETIMEDB_TOKEN: who publishes; default somebody new.
    SPACETIMEDB_DATABASE: a database where the module has been published already.
    SPACETIMEDB_MODULE: the wasm file to publish; default what `.ci/live/build-module` built.
    SPACETIMEDB_LIVE_BUILD: 1 lets server and module be built if they are not in the cache.
    CI: true makes it a failure if there is no server, and every skip one.
"""

from __future__ import annotations

import importlib
import inspect
import os
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance import report
from tests.conformance.kit import World
from tests.live.kit import LiveKit, short_name
from tests.live.target import (
    NoServerError,
    OwnServer,
    Target,
    find_target,
    publish,
    start_own_server,
)
from tests.scenarios.kit import run_async

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


_HERE = Path(__file__).parent
DRIVERS = ("asyncio", "trio", "blocking")
_FOUND = pytest.StashKey[tuple[Target | None, OwnServer | None, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    report.pytest_addoption(parser)
    parser.addoption(
        "--record",
        metavar="DIR",
        type=Path,
        help="write golden sessions and the schema of the live module into this folder",
    )


def pytest_configure(config: pytest.Config) -> None:
    report.pytest_configure(config)
    config.addinivalue_line("markers", "row(file, name): stands for a row of tests/conformance")
    config.addinivalue_line("markers", "only(*drivers): run under these drivers")
    config.addinivalue_line("markers", "once: run with one driver and the best protocol")
    config.addinivalue_line("markers", "needs(*names): the module has these tables or functions")
    config.addinivalue_line("markers", "owner: the suite's token is that of the database's owner")
    config.addinivalue_line("markers", "wasm: the module's file is there, not only the database")


def _found(config: pytest.Config) -> tuple[Target | None, str]:
    """Find the server once, when the first test is collected: its protocols are parameters."""
    if _FOUND not in config.stash:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                target, own = find_target()
                assert target.protocols, "the server accepts no protocol that we know"
                config.stash[_FOUND] = (target, own, "")
            except NoServerError as error:
                config.stash[_FOUND] = (None, None, str(error))
    target, _, reason = config.stash[_FOUND]
    return target, reason


def pytest_unconfigure(config: pytest.Config) -> None:
    _, own, _ = config.stash.get(_FOUND, (None, None, ""))
    if own is not None:
        own.close()


def pytest_report_header(config: pytest.Config) -> str:
    return f"live tests on {os.environ.get('SPACETIMEDB_URL') or 'a server of their own'}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `driver` and `protocol` their values."""
    target, _ = _found(metafunc.config)
    protocols = ("none",) if target is None else tuple(map(short_name, target.protocols))
    drivers = DRIVERS
    for marker in metafunc.definition.iter_markers("only"):
        drivers = marker.args
    if metafunc.definition.get_closest_marker("once"):
        protocols, drivers = protocols[:1], drivers[-1:]
    wanted = getattr(metafunc.function, "protocols", protocols)
    if "protocol" in metafunc.fixturenames:
        metafunc.parametrize("protocol", [name for name in protocols if name in wanted])
    if "driver" in metafunc.fixturenames:
        metafunc.parametrize("driver", drivers)


def _parameters(item: pytest.Item) -> dict[str, Any]:
    callspec: Any = getattr(item, "callspec", None)
    return {} if callspec is None else callspec.params


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests of what the module on this server does not have: there is nothing to skip.

    Raises:
        UsageError: there is no server, and this is CI.
    """
    ours = [item for item in items if _HERE in item.path.parents]
    if not ours:
        return
    target, reason = _found(config)
    if target is None:
        if os.environ.get("CI") == "true":
            raise pytest.UsageError(reason)
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=reason))
        return
    left_out = [
        item
        for item in ours
        if any(not target.has(*marker.args) for marker in item.iter_markers("needs"))
        or (item.get_closest_marker("owner") and not target.is_owner)
        or (item.get_closest_marker("wasm") and target.wasm is None)
        or not isinstance(_parameters(item).get("protocol", ""), str)  # of no protocol there is
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note for docs/conformance.md which row a test stands for, and where it ran."""
    target, _ = _found(item.config)
    if target is None:
        return
    item.user_properties.append(("where", target.where))
    report.pytest_runtest_setup(item)
    for marker in item.iter_markers("row"):
        protocol = _parameters(item)["protocol"]
        file, name = marker.args
        for row in report.rows_of(importlib.import_module(f"tests.conformance.{file}").__name__):
            if row.name == name:
                facts = [file, row.section, row.order, row.name, row.where, protocol]
                item.user_properties.append(("conformance", facts))
                break
        else:
            raise pytest.UsageError(f"tests/conformance/{file}.py has no row {name!r}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let no test of this folder be skipped in CI, whatever it is that skips it."""
    outcome = yield
    if outcome.skipped and os.environ.get("CI") == "true" and _HERE in item.path.parents:
        outcome.outcome = "failed"
        outcome.longrepr = f"skipped, which is a failure in CI: {outcome.longrepr}"
    return outcome


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what tests measured, even though they passed."""
    measured = [
        text
        for report in terminalreporter.stats.get("passed", ())
        for name, text in report.user_properties
        if name == "measured"
    ]
    if measured:
        terminalreporter.section("measured")
        for text in measured:
            terminalreporter.line(text)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a scenario in the event loop of its driver."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    fixtures = {name: pyfuncitem.funcargs[name] for name in names}
    if any(isinstance(value, World) for value in fixtures.values()):
        run_async("asyncio", lambda: pyfuncitem.obj(**fixtures))
    else:
        kit: Any = pyfuncitem.funcargs["kit"]
        kit.run(pyfuncitem.obj, **fixtures)
    return True


@pytest.fixture(scope="session")
def whole_target(pytestconfig: pytest.Config) -> Target:
    """Return the database, as the last test left it."""
    target, reason = _found(pytestconfig)
    assert target is not None, reason
    return target


@pytest.fixture
def target(whole_target: Target) -> Target:
    """Return the database, with nothing in it but who is connected."""
    whole_target.call("clear_all")
    return whole_target


@pytest.fixture
def kit(driver: str, protocol: str, target: Target) -> Iterator[LiveKit]:
    """Return the kit of a driver and a protocol; afterwards no thread of a client may be left."""
    yield LiveKit(driver, protocol, target)
    left = [t.name for t in threading.enumerate() if t.name.startswith("spacetime")]
    assert not left


@pytest.fixture(scope="session")
def own_server() -> Iterator[OwnServer]:
    """Return a server that may be killed, whatever the other tests run on."""
    try:
        server = start_own_server()
    except NoServerError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def own_target(own_server: OwnServer) -> Target:
    """Return the module's database on that server."""
    return publish(own_server.url, wasm=own_server.wasm)
