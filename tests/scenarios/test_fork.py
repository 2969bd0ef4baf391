"""Clients and forked child processes: the connection stays the parent's, whatever the child does."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import LocalProtocolError
from spacetime_transports import blocking, connect
from tests.support.forking import in_child

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scenarios.kit import Client, Kit

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

REFUSED = "LocalProtocolError: the client of 'world' belongs to the parent process"


async def fork_and_go_on(
    kit: Kit, client: Client, attempts: dict[str, Callable[[], Any]]
) -> dict[str, str]:
    """Do things in a child; afterwards the client here is still on the same connection."""
    me = client.raw.connection_id
    subscription = await client.subscribe("SELECT * FROM item")
    found = in_child(attempts)
    await client.call(client.reducers.add_items(count=2))
    assert client.db.item.count() == 2 and subscription.is_active
    assert client.raw.connection_id == me and client.raw.is_connected
    return found


async def test_requests_in_a_child_are_refused(kit: Kit) -> None:
    async with kit.connect() as client:
        raw, reducers = client.raw, client.reducers
        stream = client.db.note.changes()
        subscription = await client.subscribe("SELECT * FROM note")
        read = stream.__next__ if kit.is_blocking else stream.__anext__
        attempts: dict[str, Callable[[], Any]] = {
            "call": lambda: raw.call(reducers.nothing()),
            "query": lambda: raw.query("SELECT * FROM item"),
            "subscribe": lambda: raw.subscribe("SELECT * FROM item"),
            "subscribe_soon": lambda: raw.subscribe_soon("SELECT * FROM item"),
            "submit": lambda: raw.submit(reducers.nothing()),
            "unsubscribe": subscription.unsubscribe,
            "unsubscribe_soon": subscription.unsubscribe_soon,
            "wait_ended": subscription.wait_ended,
            "changes": read,
            "wait_connected": raw.wait_connected,
            "wait_closed": raw.wait_closed,
        }
        if kit.is_blocking:
            attempts["run"] = raw.run
            attempts["frame_tick"] = raw.frame_tick
            attempts["advance_one_message"] = raw.advance_one_message
        found = await fork_and_go_on(kit, client, attempts)
        for what, came in found.items():
            assert came.startswith(REFUSED), what
            assert "call connect again" in came
        stream.close()


async def test_leaving_and_closing_in_a_child_are_harmless(kit: Kit) -> None:
    async with kit.connect() as client:
        raw = client.raw
        leave = raw.__exit__ if kit.is_blocking else raw.__aexit__
        error = LocalProtocolError("x")
        found = await fork_and_go_on(
            kit,
            client,
            {
                "state": lambda: (raw.state.value, raw.is_connected, raw.retry_in),
                "cache": lambda: raw.db.item.count(),
                "leave": lambda: leave(None, None, None),
                "leave with an error": lambda: leave(type(error), error, None),
                "close": raw.close,
                "close_soon": raw.close_soon,
                "collect": gc.collect,
            },
        )
        assert found.pop("collect").startswith("returned")
        assert found == {
            "state": "returned ('closed', False, None)",
            "cache": "returned 0",
            "leave": "returned None",
            "leave with an error": "returned None",
            "close": "returned None",
            "close_soon": "returned None",
        }


async def test_a_child_has_clients_of_its_own(kit: Kit) -> None:
    def blocking_client() -> Any:
        with blocking.connect(kit.server.url, "world") as own:
            return own.call(own.module.procedures.add(lhs=1, rhs=2))

    async def main() -> Any:
        async with connect(kit.server.url, "world") as own:
            return await own.call(own.module.procedures.add(lhs=2, rhs=2))

    attempts: dict[str, Callable[[], Any]] = {"blocking": blocking_client}
    if kit.driver in ("asyncio", "blocking"):
        attempts["asyncio"] = lambda: asyncio.run(main())
    async with kit.connect() as client:
        found = await fork_and_go_on(kit, client, attempts)
    assert found.pop("blocking") == "returned 3"
    assert found in ({}, {"asyncio": "returned 4"})


async def test_a_lock_that_another_thread_held_does_not_stop_a_child(kit: Kit) -> None:
    async with kit.connect() as client:
        held, go = threading.Event(), threading.Event()

        def hold() -> None:
            with client.raw.lock:
                held.set()
                go.wait()

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()

        def use() -> int:
            with client.raw.lock:
                return client.db.item.count()

        try:
            found = in_child({"lock": use, "close": client.raw.close})
        finally:
            go.set()
            holder.join()
        assert found == {"lock": "returned 0", "close": "returned None"}
        await client.call(client.reducers.nothing())


async def test_a_callback_that_forks(kit: Kit) -> None:
    found: list[dict[str, str]] = []
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM item")
        client.db.item.on_insert(
            lambda ctx, row: found.append(
                in_child({"call": lambda: client.raw.call(client.reducers.nothing())})
            )
        )
        await client.call(client.reducers.add_items(count=1))
        await client.call(client.reducers.nothing())
    assert found[0]["call"].startswith(REFUSED)


@pytest.mark.only("blocking")
async def test_a_callback_that_forks_and_returns_in_the_child(kit: Kit) -> None:
    """The child is then inside the request that ran the callback, about to read."""
    reader, writer = os.pipe()
    children: list[int] = []

    def fork(ctx: Any, row: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # beside threads, since 3.12
            children.append(os.fork())

    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM item")
        client.db.item.on_insert(fork)
        try:
            client.raw.submit(client.reducers.add_items(count=1))
            await client.call(client.procedures.wait(micros=50_000))
        except BaseException as error:
            if children == [0]:
                os.write(writer, str(error).encode())
            raise
        finally:
            if children == [0]:
                os._exit(0)
        os.close(writer)
        said = os.read(reader, 65536).decode()
        os.waitpid(children[0], 0)  # noqa: ASYNC222  # there is no event loop here
        os.close(reader)
        await client.call(client.reducers.nothing())
    assert "belongs to the parent process" in said


@pytest.mark.only("blocking")
async def test_a_client_that_a_thread_moves(kit: Kit) -> None:
    async with kit.connect() as client:
        raw = client.raw
        raw.run_threaded()
        found = await fork_and_go_on(
            kit,
            client,
            {
                "call": lambda: raw.call(client.reducers.nothing()),
                "close": raw.close,
                "run_threaded": lambda: raw.run_threaded().join(),
            },
        )
        assert found["call"].startswith(REFUSED)
        assert found["close"] == "returned None"


@pytest.mark.only("asyncio", "trio", "uvloop")
async def test_a_client_that_was_not_entered_belongs_to_whoever_enters_it(kit: Kit) -> None:
    client = connect(kit.server.url, "world")

    async def main() -> Any:
        async with client:
            return await client.call(client.module.procedures.add(lhs=2, rhs=2))

    if kit.driver == "asyncio":
        assert in_child({"use": lambda: asyncio.run(main())}) == {"use": "returned 4"}
    assert await main() == 4


async def test_what_reaches_the_sockets_of_a_child_reaches_nobody(kit: Kit) -> None:
    """Below the client, as a C library might: the descriptors lead nowhere in the child."""
    async with kit.connect() as client:
        descriptors = client.raw._driver._descriptors()
        assert descriptors
        found = await fork_and_go_on(
            kit,
            client,
            {
                "read": lambda: [os.read(fd, 100) for fd in descriptors],
                "write": lambda: [os.write(fd, b"x" * 100) for fd in descriptors],
            },
        )
        assert found == {
            "read": f"returned {[b''] * len(descriptors)}",
            "write": f"returned {[100] * len(descriptors)}",
        }
