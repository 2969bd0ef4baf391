"""Runs the live tests on every protocol that the server accepts, under every driver.

Environment:
    SPACETIMEDB_URL: the server; without it one is started from the cache of `.ci/live`.
    SPACETIMEDB_TOKEN: who publishes; default somebody new.
    SPACETIMEDB_DATABASE: a database where the module has been published already.
    SPACETIMEDB_MODULE: the wasm file to publish; default what `.ci/live/build-module` built.
    SPACETIMEDB_LIVE_BUILD: 1 lets server and module be built if they are not in the cache.
    CI: true makes it a failure if there is no server, and every skip one but those of the markers
        `since` and `before`, which compare with the version that the server itself gives.
"""

from __future__ import annotations

import importlib
import inspect
import os
import threading
import warnings
from itertools import chain
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
    numbers,
    publish,
    start_own_server,
)
from tests.scenarios.kit import run_async

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


_HERE = Path(__file__).parent
DRIVERS = ("asyncio", "trio", "blocking")
#: What CI runs this suite on.
SERVERS = ("1.3.0", "2.14.0")
_FOUND = pytest.StashKey[tuple[Target | None, OwnServer | None, str]]()
#: Why the server's version forbids a test; only `pytest_runtest_setup` may say so.
_FORBIDDEN = pytest.StashKey[str]()


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
    config.addinivalue_line("markers", "needs(*names): only the module for 2.x has these")
    config.addinivalue_line("markers", "since(version, why): older servers cannot do this")
    config.addinivalue_line("markers", "before(version, why): servers since then do not do this")
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
    """Leave out tests of what the module for 1.x does not have: there is nothing to skip.

    Raises:
        UsageError: there is no server, and this is CI; or a marker of a test is wrong.
    """
    ours: list[Any] = [item for item in items if _HERE in item.path.parents]
    if not ours:
        return
    target, reason = _found(config)
    if target is None:
        if os.environ.get("CI") == "true":
            raise pytest.UsageError(reason)
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=reason))
        return
    without = {item: _missing(item, target) for item in ours}
    own = [item for item in ours if item.function.__module__.startswith("tests.live.")]
    if target.is_two and any(without[item] for item in own):
        raise pytest.UsageError(f"misspelt: {sorted({*chain(*(without[i] for i in own))})}")
    _check_version_markers(ours)
    left_out = [
        item
        for item in ours
        if without[item]
        or (item.get_closest_marker("owner") and not target.is_owner)
        or (item.get_closest_marker("wasm") and target.wasm is None)
        or not isinstance(_parameters(item).get("protocol", ""), str)  # of no protocol there is
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _missing(item: pytest.Item, target: Target) -> list[str]:
    names = [name for marker in item.iter_markers("needs") for name in marker.args]
    return [name for name in names if not target.has(name)]


def _check_version_markers(items: list[pytest.Item]) -> None:
    """See to it that each test runs on one of the servers that CI has.

    Raises:
        UsageError: a marker leaves out all of them, or says no reason.
    """
    for item in items:
        found = [*item.iter_markers("since"), *item.iter_markers("before")]
        if any(len(marker.args) != 2 or not marker.args[1].strip() for marker in found):
            raise pytest.UsageError(f"{item.nodeid}: since and before take a version and a reason")
        if all(any(_forbidden(item, numbers(version))) for version in SERVERS):
            raise pytest.UsageError(f"{item.nodeid} runs on none of {', '.join(SERVERS)}")


def _forbidden(item: pytest.Item, version: tuple[int, ...]) -> Iterator[str]:
    """Yield why a server of this version is not for a test: at most one reason for each marker."""
    text = ".".join(map(str, version))
    for marker in item.iter_markers("since"):
        wanted, why = marker.args
        if version < numbers(wanted):
            yield f"the server is {text}, older than {wanted}: {why}"
    for marker in item.iter_markers("before"):
        wanted, why = marker.args
        if version >= numbers(wanted):
            yield f"the server is {text}, not older than {wanted}: {why}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note for docs/conformance.md which row a test stands for, and where it ran."""
    target, _ = _found(item.config)
    if target is None or _HERE not in item.path.parents:
        return
    for reason in _forbidden(item, target.version):
        item.stash[_FORBIDDEN] = reason
        pytest.skip(reason)
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
    """Let no test of this folder be skipped in CI for another reason than the server's version."""
    outcome = yield
    is_ours = _HERE in item.path.parents and _FORBIDDEN not in item.stash
    if outcome.skipped and os.environ.get("CI") == "true" and is_ours:
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
