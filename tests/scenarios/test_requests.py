"""Calls, queries and what can go wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spacetime_proto import Rows
from spacetime_proto.errors import (
    CallTimeout,
    Disconnected,
    EncodeError,
    InternalError,
    LocalProtocolError,
    QueryError,
    ReducerError,
)
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from tests.scenarios.kit import Kit


async def test_a_call_returns_when_its_changes_are_in_the_cache(kit: Kit) -> None:
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM item")
        for number in range(20):
            await client.call(client.reducers.add_item(name=f"n{number}", amount=number))
            assert client.db.item.count() == number + 1
        assert client.db.item.id.find(1).name == "n0"
        assert len(client.db.item.holder.filter(client.raw.identity)) == 20


async def test_a_procedure_returns_its_value(kit: Kit) -> None:
    async with kit.connect() as client:
        assert await client.call(client.procedures.add(lhs=20, rhs=22)) == 42
        assert await client.call(client.reducers.nothing()) is None


async def test_the_module_says_no(kit: Kit) -> None:
    async with kit.connect() as client:
        with pytest.raises(ReducerError, match="an item needs a name") as caught:
            await client.call(client.reducers.add_item(name="", amount=0))
        assert caught.value.name == "add_item"
        await client.call(client.reducers.nothing())


async def test_the_module_panics(kit: Kit, capfd: pytest.CaptureFixture[str]) -> None:
    async with kit.connect() as client:
        with pytest.raises(InternalError):
            await client.call(client.reducers.panic())


async def test_arguments_that_do_not_fit_are_refused_here(kit: Kit) -> None:
    async with kit.connect() as client:
        with pytest.raises(EncodeError, match="amount"):
            await client.call(client.reducers.add_item(name="x", amount=-1))
        await client.call(client.reducers.nothing())


async def test_a_query_returns_rows_and_leaves_the_cache_alone(kit: Kit) -> None:
    async with kit.connect() as client:
        await client.call(client.reducers.add_item(name="x", amount=3))
        rows = await client.query("SELECT * FROM item")
        assert [(row.name, row.amount) for row in rows] == [("x", 3)]
        assert isinstance(rows, Rows)
        assert "<caption>item: 1 row</caption>" in rows._repr_html_()
        assert (await client.query("SELECT * FROM item WHERE amount = 9")) == []
        assert client.db.item.count() == 0


async def test_a_query_becomes_a_frame_even_without_rows(kit: Kit) -> None:
    pytest.importorskip("pyarrow")
    async with kit.connect() as client:
        await client.call(client.reducers.add_item(name="x", amount=3))
        rows = await client.query("SELECT * FROM item")
        assert rows.to_arrow().column("amount").to_pylist() == [3]
        none = await client.query("SELECT * FROM item WHERE amount = 9")
        assert none.to_arrow().column_names == rows.to_arrow().column_names


async def test_callbacks_are_checked_when_they_are_registered(kit: Kit) -> None:
    def wrong() -> None: ...

    async with kit.connect() as client:
        for register in (
            client.raw.on_connect,
            client.raw.on_transaction,
            client.db.item.on_insert,
            client.db.item.on_update,
            lambda callback: client.raw.subscribe_soon("SELECT * FROM item", on_error=callback),
            lambda callback: client.raw.subscribe_soon("SELECT * FROM item").unsubscribe_soon(
                callback
            ),
        ):
            with pytest.raises(TypeError, match=r"is called with \(ctx"):
                register(wrong)
        with pytest.raises(TypeError, match=r"on_applied is called with \(ctx\)"):
            await client.subscribe("SELECT * FROM item", on_applied=wrong)
        await client.call(client.reducers.nothing())


async def test_the_server_refuses_a_query(kit: Kit) -> None:
    async with kit.connect() as client:
        with pytest.raises(QueryError, match="no_such_table"):
            await client.query("SELECT * FROM no_such_table")
        await client.call(client.reducers.nothing())


async def test_a_timeout_is_a_timeout_error_and_the_client_goes_on(kit: Kit) -> None:
    async with kit.connect() as client:
        with pytest.raises(CallTimeout, match=r"wait was not answered within 0\.05 s") as caught:
            await client.call(client.procedures.wait(micros=900_000), timeout=0.05)
        assert isinstance(caught.value, TimeoutError)
        assert await client.call(client.procedures.add(lhs=1, rhs=2), timeout=PATIENCE) == 3
        # The late answer comes before that of a call made later, and finds nobody.
        await client.call(client.procedures.wait(micros=900_000), timeout=PATIENCE)


async def test_submit_is_sent_in_order_and_answered_to_nobody(kit: Kit) -> None:
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM note")
        for number in range(50):
            client.raw.submit(client.reducers.write_note(text=str(number)))
        client.raw.submit(client.reducers.add_item(name="", amount=0))  # fails in silence
        await client.call(client.reducers.nothing())
        assert sorted(int(note.text) for note in client.db.note) == list(range(50))


async def test_what_a_callback_submits_goes_out_without_another_tick(kit: Kit) -> None:
    async with kit.connect() as client, kit.connect() as other:
        await client.subscribe("SELECT * FROM item")
        await other.subscribe("SELECT * FROM note")
        client.db.item.on_insert(
            lambda ctx, row: ctx.submit(client.reducers.write_note(text=row.name))
        )
        await client.call(client.reducers.add_item(name="seen", amount=1))
        await other.until(lambda: other.db.note.count() == 1)  # nobody moves the first client


async def test_a_closed_client_refuses_everything(kit: Kit) -> None:
    async with kit.connect() as client:
        call = client.reducers.nothing()
        await client.call(call)
    for request in (
        lambda: client.call(call),
        lambda: client.query("SELECT * FROM item"),
        lambda: client.subscribe("SELECT * FROM item"),
    ):
        with pytest.raises(Disconnected, match="closed"):
            await request()
    with pytest.raises(Disconnected, match="closed"):
        client.raw.submit(call)
    await client.close()


async def test_waiting_in_a_callback_is_refused_at_once(kit: Kit) -> None:
    async with kit.connect() as client:
        caught: list[str] = []

        def on_insert(ctx: Any, row: Any) -> None:
            for request in (
                lambda: client.raw.call(client.reducers.nothing()),
                lambda: client.raw.query("SELECT * FROM item"),
                lambda: client.raw.subscribe("SELECT * FROM note"),
            ):
                try:
                    pending = request()
                    if not kit.is_blocking:
                        pending.send(None)
                except LocalProtocolError as error:
                    caught.append(str(error))
            ctx.submit(client.reducers.write_note(text=row.name))

        client.db.item.on_insert(on_insert)
        await client.subscribe("SELECT * FROM item", "SELECT * FROM note")
        await client.call(client.reducers.add_item(name="x", amount=1))
        assert len(caught) == 3
        assert all("inside a callback" in text for text in caught)
        await client.until(lambda: client.db.note.count() == 1)


@pytest.mark.only("async")
async def test_a_task_started_by_a_callback_may_wait_when_the_callback_is_over(kit: Kit) -> None:
    async with anyio.create_task_group() as tasks, kit.connect() as client:
        outcomes: list[Any] = []

        async def later() -> None:
            try:
                await client.call(client.reducers.nothing())
            except LocalProtocolError as error:
                outcomes.append(error)
            gone_on.set()
            await returned.wait()
            outcomes.append(await client.call(client.procedures.add(lhs=1, rhs=1)))
            done.set()

        async def on_insert(ctx: Any, row: Any) -> None:
            tasks.start_soon(later)
            await gone_on.wait()

        gone_on, returned, done = anyio.Event(), anyio.Event(), anyio.Event()
        client.db.item.on_insert(on_insert)
        await client.subscribe("SELECT * FROM item")
        await client.call(client.reducers.add_item(name="x", amount=1))
        returned.set()
        await done.wait()
        assert isinstance(outcomes[0], LocalProtocolError)
        assert outcomes[1] == 2


@pytest.mark.only("async")
async def test_hundreds_of_calls_at_once(kit: Kit) -> None:
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM item")
        done: list[int] = []

        async def work(number: int) -> None:
            done.append(await client.call(client.procedures.add(lhs=number, rhs=1)) - 1)

        async with anyio.create_task_group() as tasks:
            for number in range(300):
                tasks.start_soon(work, number)
        assert sorted(done) == list(range(300))


@pytest.mark.only("async")
async def test_cancelled_waits_harm_nobody(kit: Kit) -> None:
    async with kit.connect() as client:
        for number in range(100):
            with anyio.move_on_after(0.0005 * (number % 4)):
                await client.call(client.reducers.add_item(name="x", amount=number))
            with anyio.move_on_after(0.0005 * (number % 3)):
                await client.query("SELECT * FROM item")
            with anyio.move_on_after(0.0005 * (number % 3)):
                await client.subscribe("SELECT * FROM item")
        assert await client.call(client.procedures.add(lhs=2, rhs=3)) == 5
        # A subscription whose wait was cancelled does not stay behind.
        await client.until(
            lambda: all(s.is_ended or s.is_active for s in _live_subscriptions(client))
        )


def _live_subscriptions(client: Any) -> list[Any]:
    session = client.raw._driver.session
    return session._connection.sets.subscriptions if session._connection is not None else []
