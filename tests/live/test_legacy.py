"""The quickstart program for the 0.7 SDK, on a real server."""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_transports import SpacetimeDBAsyncClient, SpacetimeDBException
from spacetime_transports.bindings_writer import generate_package, write_package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.live.target import Target

QUERIES = ["SELECT * FROM User", "SELECT * FROM Message"]


@pytest.fixture(scope="session")
def package_folder(tmp_path_factory: pytest.TempPathFactory, whole_target: Target) -> Path:
    folder = tmp_path_factory.mktemp("legacy")
    files = generate_package(whole_target.module.definition, source="live")
    write_package(files, folder / "live_legacy")
    return folder


@pytest.fixture
def mb(package_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a fresh import of the generated package."""
    monkeypatch.syspath_prepend(str(package_folder))
    package = importlib.import_module("live_legacy")
    for name in ("user", "message", "attempt", "set_name_reducer", "send_message_reducer"):
        importlib.import_module(f"live_legacy.{name}")
    yield package
    for name in [name for name in sys.modules if name.split(".")[0] == "live_legacy"]:
        del sys.modules[name]


def run(runner: str, function: Callable[..., Any], *args: Any) -> None:
    if runner == "asyncio":
        asyncio.run(function(*args))
    else:
        import trio

        trio.run(function, *args)


@pytest.mark.parametrize("runner", ["asyncio", "trio"])
def test_the_quickstart(mb: Any, target: Target, runner: str) -> None:
    log: list[Any] = []
    User, Message = mb.user.User, mb.message.Message
    client = SpacetimeDBAsyncClient(mb)

    def is_own(row: Any) -> bool:
        return row is not None and row.identity == client.identity

    def on_user(op: str, old: Any, new: Any, event: Any) -> None:
        if op == "update" and is_own(new) and old.name != new.name:
            log.append(("user", old.name, new.name, event.reducer_name, event.status))

    def on_message(op: str, old: Any, new: Any, event: Any) -> None:
        author = User.filter_by_identity(new.sender)
        log.append(("message", op, author.name, new.text, event.reducer_name, event.args))

    def on_set_name(identity: Any, connection: Any, status: str, message: str, name: str) -> None:
        log.append(("set_name", connection == client.address, status, message, name))
        mb.send_message_reducer.send_message("")

    def on_send(sender: Any, address: Any, status: str, message: str, text: str) -> None:
        log.append(("send_message", sender == client.identity, status, message, text))
        if status == "failed":
            mb.send_message_reducer.send_message("hi")
        else:
            client.force_close()

    def applied() -> None:
        log.append(("applied", User.filter_by_identity(client.identity).online))
        mb.set_name_reducer.set_name("Ada")

    User.register_row_update(on_user)
    Message.register_row_update(on_message)
    mb.set_name_reducer.register_on_set_name(on_set_name)
    mb.send_message_reducer.register_on_send_message(on_send)
    client.register_on_subscription_applied(applied)
    run(
        runner,
        client.run,
        None,
        target.url,
        target.database,
        False,
        lambda token, identity: log.append(("connect", identity == client.identity)),
        QUERIES,
    )
    assert log == [
        ("connect", True),
        ("applied", True),
        ("user", None, "Ada", "set_name", "committed"),
        ("set_name", True, "committed", "", "Ada"),
        ("send_message", True, "failed", "Messages must not be empty", ""),
        ("message", "insert", "Ada", "hi", "send_message", ["hi"]),
        ("send_message", True, "committed", "", "hi"),
    ]
    assert [row.text for row in Message.iter()] == ["hi"]


def test_a_later_subscribe_replaces_the_first(mb: Any, target: Target) -> None:
    target.call("send_message", "there before")
    target.call("insert_attempt", "tried before")
    client = SpacetimeDBAsyncClient(mb)
    seen: list[tuple[str, int, int]] = []

    def applied() -> None:
        counts = len(list(mb.message.Message.iter())), len(list(mb.attempt.Attempt.iter()))
        if not seen:
            client.subscribe(["SELECT * FROM Attempt"])
        else:
            client.force_close()
        seen.append(("applied", *counts))

    client.register_on_subscription_applied(applied)
    asyncio.run(client.run(None, target.url, target.database, False, None, QUERIES))
    assert seen == [("applied", 1, 0), ("applied", 0, 1)]


def test_connect_call_close(mb: Any, target: Target) -> None:
    async def main() -> None:
        client = SpacetimeDBAsyncClient(mb)
        token, identity = await client.connect(None, target.url, target.database)
        assert token
        assert identity == client.identity
        done = await client.call_reducer("set_name", "Ada")
        assert done is not None
        assert done.reducer_event.status == "committed"
        failed = await client.call_reducer("send_message", "")
        assert failed is not None
        assert (failed.reducer_event.status, failed.reducer_event.message) == (
            "failed",
            "Messages must not be empty",
        )
        await client.close()

    asyncio.run(main())


def test_a_refused_query_ends_the_run(mb: Any, target: Target) -> None:
    client = SpacetimeDBAsyncClient(mb)
    with pytest.raises(SpacetimeDBException, match="secret"):
        asyncio.run(
            client.run(None, target.url, target.database, False, None, ["SELECT * FROM secret"])
        )
