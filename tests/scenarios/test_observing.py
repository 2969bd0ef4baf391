"""What one can see of a client: its numbers, and the log."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from spacetime_proto.errors import CallTimeout, ConnectError, ReducerError
from spacetime_transports import ReconnectPolicy, Stats, blocking, connect

if TYPE_CHECKING:
    from tests.scenarios.kit import Kit

FAST = ReconnectPolicy(first_delay=0.001, max_delay=0.01)
ITEMS = "SELECT * FROM item"


def lines(caplog: pytest.LogCaptureFixture, area: str = "client") -> list[tuple[str, str]]:
    """Return (level, text) of an area's records."""
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == f"spacetimedb.{area}"
    ]


# --- numbers ------------------------------------------------------------------------------------


def test_a_client_that_never_connected_has_counted_nothing(kit: Kit) -> None:
    if not kit.is_blocking:
        assert connect(kit.server.url, "world").stats == Stats()


async def test_numbers_of_a_busy_client(kit: Kit) -> None:
    seen: list[object] = []
    async with kit.connect(compression="none") as client:
        client.db.item.on_insert(lambda ctx, row: seen.append(row))
        await client.subscribe(ITEMS)
        await client.call(client.reducers.add_item(name="a", amount=1))
        (row,) = list(client.db.item)
        await client.call(client.reducers.set_amount(id=row.id, amount=2))
        await client.call(client.reducers.remove_item(id=row.id))
        await client.call(client.reducers.add_items(count=100))
        with pytest.raises(ReducerError):
            await client.call(client.reducers.add_item(name="", amount=1))
        await client.query(ITEMS)
        stats: Stats = client.raw.stats
        assert (stats.rows_inserted, stats.rows_updated, stats.rows_deleted) == (101, 1, 1)
        assert stats.cached_rows == 100
        assert stats.cached_bytes > 100 * 40
        assert stats.callbacks_run == len(seen) == 101
        assert 0 < stats.callback_seconds < stats.connected_seconds
        assert (stats.calls_ok, stats.calls_failed, stats.calls_pending) == (5, 1, 0)
        assert stats.round_trips == 6
        assert stats.round_trip_min_seconds is not None
        assert stats.round_trip_mean_seconds is not None
        assert stats.round_trip_max_seconds is not None
        assert (
            0  # the clock of uvloop counts milliseconds
            <= stats.round_trip_min_seconds
            <= stats.round_trip_mean_seconds
            <= stats.round_trip_max_seconds
        )
        assert stats.messages_sent == 7
        assert stats.messages_received == 8  # the greeting, too
        assert stats.bytes_sent > 7
        assert stats.bytes_received > stats.cached_bytes
    over = client.raw.stats
    assert over.calls_ok == 5
    assert over.connected_seconds >= stats.connected_seconds
    assert msgspec.to_builtins(over)["attempts"] == 1


async def test_numbers_go_on_across_reconnects(kit: Kit) -> None:
    async with kit.connect(reconnect=FAST) as client:
        await client.subscribe(ITEMS)
        await client.call(client.reducers.add_items(count=3))
        before = client.raw.stats
        kit.server.drop_connections()
        await client.until(lambda: client.raw.stats.connections == 2)
        await client.until(lambda: client.raw.is_connected)
        after = client.raw.stats
        assert after.reconnects == 1
        assert after.attempts >= 2
        assert after.calls_ok == before.calls_ok == 1
        assert (after.rows_inserted, after.cached_rows) == (3, 3)


async def test_calls_that_nobody_waits_for_any_more(kit: Kit, waiting: threading.Event) -> None:
    async with kit.connect() as client:
        with pytest.raises(CallTimeout):
            await client.call(client.procedures.wait(micros=60_000_000), timeout=0.05)
        stats = client.raw.stats
        assert (stats.calls_abandoned, stats.calls_pending) == (1, 1)
    assert client.raw.stats.calls_lost == 1


async def test_numbers_are_read_in_any_thread(kit: Kit) -> None:
    async with kit.connect() as client:
        await client.subscribe(ITEMS)
        found: list[Stats] = []
        stop = threading.Event()

        def look() -> None:
            while not stop.is_set():
                found.append(client.raw.stats)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            for _ in range(5):
                await client.call(client.reducers.add_items(count=20))
            await client.until(lambda: len(found) > 2)
        finally:
            stop.set()
            thread.join()
        # Between two messages, rows in the cache are the rows that came.
        assert all(stats.cached_rows == stats.rows_inserted for stats in found)
        assert all(stats.cached_rows % 20 == 0 for stats in found)


# --- the log ------------------------------------------------------------------------------------


async def test_a_life_in_the_log(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "spacetimedb")
    async with kit.connect(reconnect=FAST) as client:
        where = f"world at {kit.server.url}"
        who = str(client.raw.identity)[:8]
        assert lines(caplog) == [
            ("INFO", f"connected to {where} as {who}..., v3.bsatn.spacetimedb")
        ]
        kit.server.drop_connections()
        await client.until(lambda: client.raw.stats.connections == 2)
        await client.until(lambda: client.raw.is_connected)
        level, lost = lines(caplog)[1]
        assert level == "WARNING"
        assert lost.startswith(f"lost the connection to {where}: Disconnected: ")
        assert lost.endswith(" s")
        assert "; next attempt in 0.0" in lost
        assert lines(caplog)[-1][1].startswith(f"connected again to {where} as {who}")
    assert lines(caplog)[-1] == ("INFO", f"closed the client of {where}")
    assert client.raw.token not in caplog.text


async def test_an_end_that_is_final_is_an_error(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "spacetimedb.client")
    with pytest.raises(Exception, match="connection"):
        async with kit.connect() as client:
            kit.server.drop_connections()
            await client.until(lambda: client.raw._driver.is_done)
    level, text = lines(caplog)[1]
    assert level == "ERROR"
    assert text.startswith("lost the connection to world at ")
    assert text.endswith("; no further attempt")
    assert len(lines(caplog)) == 2


async def test_a_first_connection_that_fails_is_raised_and_a_warning(
    kit: Kit, caplog: pytest.LogCaptureFixture
) -> None:
    bindings = _bindings(kit)
    caplog.set_level(logging.INFO, "spacetimedb.client")
    with pytest.raises(ConnectError):
        async with kit.connect(bindings, database="no_such\x1b[0m"):
            pass
    found = lines(caplog)
    assert [level for level, _ in found] == ["WARNING"]
    assert found[0][1].startswith("cannot connect to no_such\\x1b[0m at ")
    assert "\x1b" not in caplog.text


def _bindings(kit: Kit) -> Any:
    """Return bindings, so that nothing is fetched over HTTP first."""
    with blocking.connect(kit.server.url, "world") as client:
        return client.module


async def test_slow_callbacks(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "spacetimedb.client")

    def dawdle(ctx: object, *rows: object) -> None:
        time.sleep(0.02)

    async with kit.connect(slow_callback=0.01) as client:
        client.db.item.on_insert(dawdle)
        client.db.item.on_update(dawdle)
        await client.subscribe(ITEMS)
        await client.call(client.reducers.add_item(name="a", amount=1))
        (row,) = list(client.db.item)
        await client.call(client.reducers.set_amount(id=row.id, amount=2))
        await client.call(client.reducers.add_items(count=2))
    found = [text for _, text in lines(caplog) if "dawdle" in text]
    name = "test_slow_callbacks.<locals>.dawdle"
    where = f"slow callback of world at {kit.server.url}: {name}"
    assert [text.partition(" took")[0] for text in found] == [where, where, f"{where} (2 calls)"]
    caplog.clear()
    async with kit.connect(slow_callback=None) as client:
        client.db.item.on_insert(dawdle)
        await client.subscribe(ITEMS)
    assert lines(caplog) == []


async def test_messages_in_the_log(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "spacetimedb.client")
    async with kit.connect(reconnect=FAST) as client:
        await client.call(client.reducers.add_item(name="a secret", amount=1))
        token = client.raw.token
        told = [text for level, text in lines(caplog) if level == "DEBUG"]
        assert any(text.startswith("sent ") and text.endswith(": CallReducer") for text in told)
        assert any(text.endswith(": ReducerResult") for text in told)
        caplog.clear()
        kit.server.drop_connections()
        await client.until(lambda: client.raw.stats.connections == 2)
        assert any(text.endswith(": InitialConnection") for _, text in lines(caplog))
        assert "a secret" not in caplog.text
        assert token not in caplog.text


async def test_the_server_too(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "spacetimedb.server")
    async with kit.connect() as client:
        with pytest.raises(Exception, match=r"fatal|panic|bug"):
            await client.call(client.reducers.panic())
    kit.server.drop_connections()
    told = lines(caplog, "server")
    assert ("ERROR", "module code raised RuntimeError: a bug in the module") in told
    assert any(text.endswith(" connected") for _, text in told)
    assert any(" gone" in text for _, text in told)
