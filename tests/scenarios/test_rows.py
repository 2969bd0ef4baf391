"""Row callbacks: which, in which order, with which event; streams of changes."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto import (
    Delete,
    Insert,
    ReducerEvent,
    SubscribeApplied,
    Transaction,
    UnsubscribeApplied,
    Update,
    json_default,
)
from spacetime_proto.errors import LimitExceeded, LocalProtocolError

if TYPE_CHECKING:
    from tests.scenarios.kit import Kit


def listen(db: Any, log: list[Any]) -> None:
    """Write every change of the table `item` down."""
    db.item.on_insert(lambda ctx, row: log.append(("insert", row.name, type(ctx.event))))
    db.item.on_delete(lambda ctx, row: log.append(("delete", row.name, type(ctx.event))))
    db.item.on_update(
        lambda ctx, old, new: log.append(("update", old.amount, new.amount, type(ctx.event)))
    )


async def test_the_life_of_a_row(kit: Kit) -> None:
    log: list[Any] = []
    async with kit.connect() as client:
        listen(client.db, log)
        await client.subscribe("SELECT * FROM item")
        await client.call(client.reducers.add_item(name="x", amount=1))
        await client.call(client.reducers.set_amount(id=1, amount=2))
        await client.call(client.reducers.remove_item(id=1))
    assert log == [
        ("insert", "x", ReducerEvent),
        ("update", 1, 2, ReducerEvent),
        ("delete", "x", ReducerEvent),
    ]


async def test_rows_are_plain_values(kit: Kit) -> None:
    """Those of two clients are equal; they become dictionaries and JSON, and pickle."""
    async with kit.connect() as alice, kit.connect() as bob:
        await alice.call(alice.reducers.add_item(name="x", amount=1))
        await alice.subscribe("SELECT * FROM item")
        await bob.subscribe("SELECT * FROM item")
        (row,), (same,) = alice.db.item.rows(), bob.db.item.rows()
        assert row == same
        assert len({row, same, pickle.loads(pickle.dumps(row))}) == 1
        assert type(row).from_dict(row.to_dict()) == row
        (queried,) = json.loads(
            json.dumps(await bob.query("SELECT * FROM item"), default=json_default)
        )
        assert queried == row.to_dict()


async def test_another_client_s_transaction_has_no_reducer_event(kit: Kit) -> None:
    log: list[Any] = []
    async with kit.connect() as alice, kit.connect() as bob:
        await alice.subscribe("SELECT * FROM item")
        listen(alice.db, log)
        await bob.call(bob.reducers.add_item(name="x", amount=1))
        await alice.until(lambda: bool(log))
    assert log == [("insert", "x", Transaction)]


async def test_first_rows_and_last_rows_of_a_subscription(kit: Kit) -> None:
    log: list[Any] = []
    async with kit.connect() as client:
        await client.call(client.reducers.add_item(name="x", amount=1))
        listen(client.db, log)
        subscription = await client.subscribe(
            "SELECT * FROM item",
            on_applied=lambda ctx: log.append(("applied", ctx.db.item.count())),
            on_end=lambda ctx: log.append(("end", ctx.db.item.count())),
        )
        assert subscription.is_active
        await client.unsubscribe(subscription)
        assert subscription.is_ended
    assert log == [
        ("applied", 1),
        ("insert", "x", SubscribeApplied),
        ("end", 0),
        ("delete", "x", UnsubscribeApplied),
    ]


async def test_callbacks_of_both_colours_run_in_order_one_at_a_time(kit: Kit) -> None:
    log: list[Any] = []
    async with kit.connect() as client:
        for number in range(3):
            for callback in kit.both_colours(lambda ctx, row, n=number: log.append((n, row.name))):
                client.db.item.on_insert(callback)
        per_row = len(log)
        await client.subscribe("SELECT * FROM item")
        await client.call(client.reducers.add_items(count=10))
        per_row = len(log) // 10
        names = [name for _, name in log]
        assert all(len(set(names[i : i + per_row])) == 1 for i in range(0, len(names), per_row))
        assert [n for n, _ in log[:per_row]] == sorted(n for n, _ in log[:per_row])


async def test_callbacks_see_the_whole_transaction_and_none_later(kit: Kit) -> None:
    counts: list[int] = []
    async with kit.connect() as client:
        client.db.item.on_insert(lambda ctx, row: counts.append(ctx.db.item.count()))
        await client.subscribe("SELECT * FROM item")
        for _ in range(3):
            client.raw.submit(client.reducers.add_items(count=4))
        await client.call(client.reducers.nothing())
    assert counts == [4] * 4 + [8] * 4 + [12] * 4


async def test_before_delete_sees_the_old_cache(kit: Kit) -> None:
    seen: list[int] = []
    async with kit.connect() as client:
        client.db.item.on_before_delete(lambda ctx, row: seen.append(ctx.db.item.count()))
        client.db.item.on_delete(lambda ctx, row: seen.append(ctx.db.item.count()))
        await client.subscribe("SELECT * FROM item")
        await client.call(client.reducers.add_item(name="x", amount=1))
        await client.call(client.reducers.remove_item(id=1))
    assert seen == [1, 0]


async def test_events_come_and_are_not_stored(kit: Kit) -> None:
    seen: list[Any] = []
    async with kit.connect() as client:
        client.db.ping.on_insert(lambda ctx, row: seen.append((row.text, ctx.db.ping.count())))
        await client.subscribe("SELECT * FROM ping")
        await client.call(client.reducers.ping(text="a"))
        await client.call(client.reducers.nothing())
        assert client.db.ping.count() == 0
        with pytest.raises(LocalProtocolError, match="event table"):
            client.db.ping.on_delete(lambda ctx, row: None)
    assert seen == [("a", 0)]


async def test_a_transaction_callback_runs_once_for_all_tables(kit: Kit) -> None:
    seen: list[Any] = []
    async with kit.connect() as client:
        client.raw.on_transaction(
            lambda ctx, changes: seen.append(
                [(c.table.table_name, len(c.inserted)) for c in changes]
            )
        )
        await client.subscribe("SELECT * FROM item", "SELECT * FROM note")
        await client.call(client.reducers.add_items(count=3))
        await client.call(client.reducers.write_note(text="x"))
        await client.call(client.reducers.nothing())
    assert seen == [[("item", 3)], [("note", 1)]]


async def test_callbacks_can_be_taken_away(kit: Kit) -> None:
    seen: list[str] = []
    async with kit.connect() as client:

        def callback(ctx: Any, row: Any) -> None:
            seen.append(row.name)

        handle = client.db.item.on_insert(callback)
        client.db.item.on_insert(lambda ctx, row: handle.cancel())
        await client.subscribe("SELECT * FROM item")
        await client.call(client.reducers.add_items(count=2))  # still gets both: same message
        await client.call(client.reducers.add_items(count=1))
        with pytest.raises(LocalProtocolError, match="not registered"):
            client.db.item.remove_on_insert(callback)
    assert seen == ["item 0", "item 1"]


async def test_a_raising_callback_ends_the_connection_with_its_exception(kit: Kit) -> None:
    def explode(ctx: Any, row: Any) -> None:
        raise ZeroDivisionError("in a callback")

    with pytest.raises(ZeroDivisionError, match="in a callback"):
        async with kit.connect() as client:
            client.db.item.on_insert(explode)
            await client.subscribe("SELECT * FROM item")
            client.raw.submit(client.reducers.add_item(name="x", amount=1))
            await client.until(lambda: not client.raw.is_connected)


async def test_the_call_whose_own_rows_make_a_callback_raise_has_happened(kit: Kit) -> None:
    def explode(ctx: Any, row: Any) -> None:
        raise ZeroDivisionError("in a callback")

    with pytest.raises(ZeroDivisionError, match="in a callback"):
        async with kit.connect() as client:
            client.db.item.on_insert(explode)
            await client.subscribe("SELECT * FROM item")
            await client.call(client.reducers.add_item(name="x", amount=1))
    async with kit.connect() as client:
        assert len(await client.query("SELECT * FROM item")) == 1


async def test_a_handler_for_callback_errors_keeps_the_connection(kit: Kit) -> None:
    errors: list[str] = []

    def explode(ctx: Any, row: Any) -> None:
        raise ZeroDivisionError(row.name)

    async with kit.connect(on_callback_error=lambda error: errors.append(str(error))) as client:
        client.db.item.on_insert(explode)
        await client.subscribe("SELECT * FROM item")
        await client.call(client.reducers.add_items(count=2))
        await client.call(client.reducers.nothing())
    assert errors == ["item 0", "item 1"]


@pytest.mark.only("blocking")
async def test_async_callbacks_are_refused_where_they_are_registered(kit: Kit) -> None:
    async def coloured(*args: Any) -> None: ...

    with pytest.raises(TypeError, match="returned an awaitable"):
        await _register_async_callbacks(kit, coloured)


async def _register_async_callbacks(kit: Kit, coloured: Any) -> None:
    async with kit.connect() as client:
        for register in (
            client.db.item.on_insert,
            client.db.item.on_update,
            client.raw.on_transaction,
            client.raw.on_disconnect,
        ):
            with pytest.raises(TypeError, match=r"coloured is an async function"):
                register(coloured)
        with pytest.raises(TypeError, match="async function"):
            await client.subscribe("SELECT * FROM item", on_applied=coloured)
        # A lambda hides it until it runs; then it ends the connection like any other mistake.
        client.db.item.on_insert(lambda ctx, row: coloured())
        await client.subscribe("SELECT * FROM item")
        client.raw.submit(client.reducers.add_item(name="x", amount=1))
        await client.until(lambda: not client.raw.is_connected)


async def test_a_stream_of_changes(kit: Kit) -> None:
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM item")
        stream = client.db.item.changes()
        client.raw.submit(client.reducers.add_item(name="x", amount=1))
        client.raw.submit(client.reducers.set_amount(id=1, amount=2))
        client.raw.submit(client.reducers.remove_item(id=1))
        seen = [await next_change(kit, stream) for _ in range(3)]
        match seen:
            case [Insert(a), Update(b, c), Delete(d)]:
                assert (a.amount, b.amount, c.amount, d.amount) == (1, 1, 2, 2)
            case _:
                pytest.fail(f"unexpected: {seen}")
        stream.close()
        assert await next_change(kit, stream) is None


async def test_a_stream_ends_with_the_client(kit: Kit) -> None:
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM item")
        stream = client.db.item.changes()
        await client.call(client.reducers.add_item(name="x", amount=1))
    assert isinstance(await next_change(kit, stream), Insert)
    assert await next_change(kit, stream) is None


async def test_a_slow_reader_of_a_stream_is_told_and_memory_stays_bounded(kit: Kit) -> None:
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM item")
        stream = client.db.item.changes(max_buffered=5)
        await client.call(client.reducers.add_items(count=100))
        for _ in range(5):
            assert isinstance(await next_change(kit, stream), Insert)
        with pytest.raises(LimitExceeded, match="max_buffered = 5"):
            await next_change(kit, stream)
        assert await next_change(kit, stream) is None
        for wrong in (0, -1, float("nan"), True, None):
            with pytest.raises(LocalProtocolError, match=f"max_buffered must .*, not {wrong!r}"):
                client.db.item.changes(max_buffered=wrong)


async def next_change(kit: Kit, stream: Any) -> Any:
    """Return the next change of a stream of either colour; None at its end."""
    if kit.is_blocking:
        return next(stream, None)
    return await anext(stream, None)
