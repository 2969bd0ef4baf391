"""Rust procedure-client and procedure-concurrency-client.

| row | where |
|---|---|
| procedure-return-values | embedded |
| procedure-observe-panic | embedded |
| procedure-insert-with-tx-commit | embedded |
| procedure-insert-with-tx-rollback | embedded |
| procedure-http-ok | embedded |
| procedure-http-err | embedded |
| schedule-procedure | embedded |
| procedure-sorted-uuids-insert | embedded |
| procedure-reducer-interleaved | embedded |
| procedure-reducer-same-client-interleaved | embedded |
| procedure-schedule-reducer-interleaved | embedded |
| scheduled-procedure-and-reducer-not-interleaved | embedded |
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spacetime_proto import Transaction
from spacetime_proto.errors import InternalError
from spacetime_proto.schema.load import load_schema
from tests.conformance.kit import columns

if TYPE_CHECKING:
    from tests.conformance.kit import Client, World


# --- procedure-client ---------------------------------------------------------------------------


async def test_procedure_return_values(procedure: World) -> None:
    async with procedure.connect() as client:
        assert await client.run("return_primitive", 1, 2) == 3
        made = await client.run("return_struct", 1234, "foo")
        assert isinstance(made, client.type("ReturnStruct"))
        assert columns(made) == (1234, "foo")
        first = await client.run("return_enum_a", 1234)
        assert first == client.type("ReturnEnum").a(1234)
        second = await client.run("return_enum_b", "foo")
        assert second == client.type("ReturnEnum").b("foo")


async def test_procedure_observe_panic(procedure: World, capfd: Any) -> None:
    async with procedure.connect() as client:
        with pytest.raises(InternalError) as caught:
            await client.run("will_panic")
        assert caught.value.name == client.world.name("will_panic")
        assert await client.run("return_primitive", 1, 2) == 3


async def test_procedure_insert_with_tx_commit(procedure: World) -> None:
    async with procedure.connected_to("my_table") as client:
        await client.run("insert_with_tx_commit")
        await client.until(lambda: client.log)
        [change] = client.log
        assert columns(change.values[0]) == (42, "magic")
        assert isinstance(change.event, Transaction)
        assert client.table("my_table").count() == 1


async def test_procedure_insert_with_tx_rollback(procedure: World) -> None:
    async with procedure.connected_to("my_table") as client:
        await client.run("insert_with_tx_rollback")
        await client.settle()
        assert client.take() == []
        assert client.table("my_table").count() == 0


async def test_procedure_http_ok(procedure: World) -> None:
    """A procedure fetches the schema of its own module over HTTP."""
    async with procedure.connect() as client:
        if not procedure.may_fetch_from_itself:
            # A real server keeps procedures from all that is reached by loopback or a private network.
            with pytest.raises(InternalError):
                await client.run("read_my_schema", procedure.url)
            return
        text = await client.run("read_my_schema", procedure.url)
        schema = load_schema(text)
        assert "my_table" in {table.name for table in schema.tables}
        assert "typespace" in json.loads(text)


async def test_procedure_http_err(procedure: World) -> None:
    async with procedure.connect() as client:
        text = await client.run("invalid_request")
        assert "error" in text
        assert "http://foo.invalid/" in text


async def test_schedule_procedure(procedure: World) -> None:
    async with procedure.connected_to("proc_inserts_into") as client:
        await client.call("schedule_proc")
        assert client.log == []
        await client.until(lambda: client.log)
        reducer_time, procedure_time, *rest = client.log[0].values
        assert rest == [42, 24]
        assert 1_000_000 <= (procedure_time - reducer_time).micros < 2_000_000
        assert isinstance(client.log[0].event, Transaction)


async def test_procedure_sorted_uuids_insert(procedure: World) -> None:
    async with procedure.connected_to("pk_uuid") as client:
        await client.run("sorted_uuids_insert")
        await client.until(lambda: client.log)
        uuids = [change.values[0] for change in client.log]
        assert len(uuids) == 1000
        assert uuids == sorted(uuids)


# --- procedure-concurrency-client ---------------------------------------------------------------


def contexts(client: Client) -> list[str]:
    """Return who wrote the rows, in the order of their numbers."""
    return [context for _, context in client.rows("procedure_concurrency_row")]


async def check_interleaving(procedure_client: Client, reducer_client: Client) -> None:
    """A reducer that is called while a procedure waits runs between the procedure's writes."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(procedure_client.run, "procedure_sleep_between_inserts")
        await reducer_client.until(lambda: contexts(reducer_client) == ["procedure_before"])
        await reducer_client.call("insert_reducer_row")
        assert contexts(reducer_client) == ["procedure_before", "reducer"]
    for client in (procedure_client, reducer_client):
        await client.until(lambda client=client: len(contexts(client)) == 3)
        assert contexts(client) == ["procedure_before", "reducer", "procedure_after"]


async def test_procedure_reducer_interleaved(procedure_concurrency: World) -> None:
    table = "procedure_concurrency_row"
    async with (
        procedure_concurrency.connected_to(table) as one,
        procedure_concurrency.connected_to(table) as two,
    ):
        await check_interleaving(one, two)


async def test_procedure_reducer_same_client_interleaved(procedure_concurrency: World) -> None:
    async with procedure_concurrency.connected_to("procedure_concurrency_row") as client:
        await check_interleaving(client, client)


async def test_procedure_schedule_reducer_interleaved(procedure_concurrency: World) -> None:
    async with procedure_concurrency.connected_to("procedure_concurrency_row") as client:
        await client.run("procedure_schedule_reducer_between_inserts")
        await client.until(lambda: len(contexts(client)) == 3)
        assert contexts(client) == ["procedure_before", "scheduled_reducer", "procedure_after"]


async def test_scheduled_procedure_and_reducer_not_interleaved(
    procedure_concurrency: World,
) -> None:
    async with procedure_concurrency.connected_to("procedure_concurrency_row") as client:
        await client.call("schedule_procedure_then_reducer")
        await client.until(lambda: len(contexts(client)) == 3)
        before, after = "scheduled_procedure_before", "scheduled_procedure_after"
        allowed = [[before, after, "scheduled_reducer"], ["scheduled_reducer", before, after]]
        if procedure_concurrency.schedules_side_by_side:
            allowed.append([before, "scheduled_reducer", after])
        assert contexts(client) in allowed
