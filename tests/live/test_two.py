"""What only a 2.x server has: event tables, procedures, views. Left out where the module has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.bindings import Call
from spacetime_proto.client.events import Transaction
from spacetime_proto.errors import (
    InternalError,
    LocalProtocolError,
    ReducerError,
    SubscriptionError,
)
from spacetime_proto.types import Err, Ok
from tests.conformance.kit import BATCHED, protocols
from tests.live.kit import Log

if TYPE_CHECKING:
    from tests.live.kit import LiveKit
    from tests.live.target import Target


def procedure(name: str, *args: Any) -> Call[Any]:
    return Call("procedure", name, args)


# --- event tables -------------------------------------------------------------------------------


@pytest.mark.needs("shout")
@protocols(*BATCHED)
@pytest.mark.row("test_event_table", "event-table")
async def test_events_come_once(kit: LiveKit) -> None:
    async with kit.connect() as client:
        log = Log(client, "shout")
        await client.subscribe("SELECT * FROM shout")
        await client.call(client.reducers.insert_shout("hey", 3))
        assert [(what, row.text, row.volume) for what, _, row in log] == [("insert", "hey", 3)]
        assert client.db.shout.count() == 0
        with pytest.raises(LocalProtocolError):
            client.db.shout.on_delete(print)


@pytest.mark.needs("shout")
@protocols(*BATCHED)
@pytest.mark.row("test_event_table", "multiple-events")
async def test_several_events_of_one_transaction(kit: LiveKit) -> None:
    async with kit.connect() as client, kit.connect() as other:
        logs = [Log(one, "shout", "attempt") for one in (client, other)]
        for one in (client, other):
            await one.subscribe("SELECT * FROM shout", "SELECT * FROM attempt")
        await client.call(client.reducers.insert_shouts("hey", 5))
        await client.call(client.reducers.insert_shout_and_attempt("both"))
        with pytest.raises(ReducerError):
            await client.call(client.reducers.fail_after_shout("unheard"))
        await other.call(other.reducers.no_op())
        for log in logs:
            shouts = [row for _, table, row in log if table == "shout"]
            assert [row.text for row in shouts] == ["hey"] * 5 + ["both"]
            assert sorted(row.volume for row in shouts[:5]) == [0, 1, 2, 3, 4]
            assert [row.text for _, table, row in log if table == "attempt"] == ["both"]
        await client.call(client.reducers.no_op())
        assert len(logs[0]) == 7


@pytest.mark.needs("shout")
@protocols("v1.bsatn", "v1.json")
async def test_v1_has_no_event_tables(kit: LiveKit) -> None:
    """A set that names one is refused as a whole; the transaction's other rows arrive."""
    async with kit.connect() as client:
        for queries in (["SELECT * FROM shout"], ["SELECT * FROM attempt", "SELECT * FROM shout"]):
            with pytest.raises(SubscriptionError, match="event tables requires WebSocket v2"):
                await client.subscribe(*queries)
        log = Log(client, "shout", "attempt")
        await client.subscribe("SELECT * FROM attempt")
        await client.call(client.reducers.insert_shout_and_attempt("both"))
        assert [(what, table) for what, table, _ in log] == [("insert", "attempt")]


# --- procedures ---------------------------------------------------------------------------------


@pytest.mark.needs("add", "divide", "return_nothing", "who_am_i")
@pytest.mark.row("test_procedures", "procedure-return-values")
async def test_what_procedures_return(kit: LiveKit, target: Target) -> None:
    async with kit.connect() as client:
        assert await client.call(procedure("add", 2, 3)) == 5
        assert await client.call(procedure("divide", 7, 2)) == Ok(3)
        assert await client.call(procedure("divide", 7, 0)) == Err("division by zero")
        assert await client.call(procedure("return_nothing")) is None
        me = await client.call(procedure("who_am_i"))
        assert (me.identity, me.connection_id) == (client.raw.identity, client.raw.connection_id)
        kinds = target.module.types.EnumWithPayload
        for value in (kinds.u8(7), kinds.nothing(), kinds.strings(["a", ""])):
            assert await client.call(procedure("echo_enum", value)) == value
    assert target.http.call(target.database, "add", (2, 3), module=target.module.bound) == 5


@pytest.mark.needs("panic_procedure")
@pytest.mark.row("test_procedures", "procedure-observe-panic")
async def test_a_procedure_that_panics(kit: LiveKit) -> None:
    async with kit.connect() as client:
        with pytest.raises(InternalError):
            await client.call(procedure("panic_procedure", "broken"))
        assert await client.call(procedure("add", 1, 1)) == 2


@pytest.mark.needs("insert_with_commit", "insert_with_rollback")
@pytest.mark.row("test_procedures", "procedure-insert-with-tx-commit")
async def test_transactions_of_procedures(kit: LiveKit) -> None:
    async with kit.connect() as client:
        log = Log(client, "attempt")
        await client.subscribe("SELECT * FROM attempt")
        await client.call(procedure("insert_with_rollback", "never"))
        await client.call(procedure("insert_with_commit", "there"))
        await client.until(lambda: len(log) == 1)
        assert [row.text for _, _, row in log] == ["there"]


@pytest.mark.needs("set_alarm")
@pytest.mark.row("test_procedures", "schedule-procedure")
async def test_a_scheduled_procedure(kit: LiveKit) -> None:
    async with kit.connect() as client:
        log = Log(client, "attempt")
        await client.subscribe("SELECT * FROM attempt")
        await client.call(client.reducers.set_alarm("rang", 50))
        await client.until(lambda: len(log) == 1)
        assert log[0][2].text == "rang"


@pytest.mark.needs("answer_attempt", "add")
async def test_procedures_run_side_by_side(kit: LiveKit) -> None:
    """One that waits holds up neither reducers nor other procedures of its client."""
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM attempt")
        client.raw.submit(procedure("answer_attempt", "this"))
        assert await client.call(procedure("add", 2, 2)) == 4
        await client.call(client.reducers.insert_attempt("this"))
        await client.until(lambda: client.db.attempt.count() == 2)
        assert sorted(row.text for row in client.db.attempt) == ["this", "this is answered"]


@pytest.mark.needs("insert_sleep_insert")
async def test_a_procedure_of_two_transactions(kit: LiveKit) -> None:
    async with kit.connect() as client:
        log = Log(client, "attempt")
        await client.subscribe("SELECT * FROM attempt")
        await client.call(procedure("insert_sleep_insert", "I", 20))
        await client.until(lambda: len(log) == 2)
        assert [row.text for _, _, row in log] == ["I before", "I after"]
        assert log.events == [Transaction(), Transaction()]


@pytest.mark.needs("insert_sorted_uuids", "insert_random_uuid")
async def test_uuids_that_the_server_makes(kit: LiveKit) -> None:
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM pk_uuid", "SELECT * FROM one_uuid")
        await client.call(client.reducers.insert_sorted_uuids(50))
        await client.call(client.reducers.insert_random_uuid())
        rows = sorted(client.db.pk_uuid, key=lambda row: row.data)
        assert [row.key for row in rows] == sorted(row.key for row in rows)
        assert {row.key.to_uuid().version for row in rows} == {7}
        assert [row.value.to_uuid().version for row in client.db.one_uuid] == [4]
        first = rows[0].key
        assert client.db.pk_uuid.key.find(first) == rows[0]
        (found,) = await client.query(f"SELECT * FROM pk_uuid WHERE key = '{first.to_uuid()}'")
        assert found == rows[0]


@pytest.mark.needs("hashed")
async def test_a_hash_index(kit: LiveKit, target: Target) -> None:
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM hashed")
        for id, value in enumerate((1, 2, 2, 3)):
            await client.call(client.reducers.insert_hashed(id, value))
        found = client.db.hashed.value.filter(2)
        assert sorted(row.id for row in found) == [1, 2]
        wanted = target.sql("SELECT * FROM hashed WHERE value = 2", "hashed")
        assert target.encoded("hashed", found) == target.encoded("hashed", wanted)


# --- views --------------------------------------------------------------------------------------


@pytest.mark.needs("my_user", "first_region", "second_region", "kept_r")
async def test_views(kit: LiveKit, target: Target) -> None:
    kinds = target.module.types.SimpleEnum
    async with kit.connect() as client:
        await client.subscribe(
            *(f"SELECT * FROM {n}" for n in ("my_user", "first_region", "second_region", "kept_r"))
        )
        assert [row.identity for row in client.db.my_user] == [client.raw.identity]
        await client.call(client.reducers.set_name("Ada"))
        assert [row.name for row in client.db.my_user] == ["Ada"]
        log = Log(client, "second_region", "kept_r")
        await client.call(client.reducers.insert_indexed(1, 1, 0, "a", kinds.one, 0))
        await client.call(client.reducers.insert_indexed(2, 2, 0, "b", kinds.one, 0))
        assert [row.id for row in client.db.first_region] == [1]
        await client.call(client.reducers.set_region_level(2, 7))
        assert [what for what, *_ in log.take()] == ["insert", "update"]
        await client.call(client.reducers.put_r_and_s(1, 5, "x", True))
        await client.call(client.reducers.update_r(1, 5, "y"))
        assert [what for what, *_ in log.take()] == ["insert", "update"]


@pytest.mark.needs("my_connections", "my_user")
async def test_views_of_the_caller(kit: LiveKit) -> None:
    """Each sees its own, of a type that no table has, and others' changes touch nobody else's."""
    queries = "SELECT * FROM my_connections", "SELECT * FROM my_user"
    async with kit.connect() as ada, kit.connect() as bob:
        for client in (ada, bob):
            await client.subscribe(*queries)
            assert [row.count for row in client.db.my_connections] == [1]
        log = Log(bob, "my_connections", "my_user")
        async with kit.connect(token=ada.raw.token):
            await ada.until(lambda: [row.count for row in ada.db.my_connections] == [2])
        await ada.until(lambda: [row.count for row in ada.db.my_connections] == [1])
        await ada.call(ada.reducers.set_name("Ada"))
        await bob.call(bob.reducers.no_op())
        assert log == []
        assert [row.name for row in ada.db.my_user] == ["Ada"]
        assert [row.name for row in await ada.query("SELECT * FROM my_user")] == ["Ada"]
        assert [row.name for row in await bob.query("SELECT * FROM my_user")] == [None]


@pytest.mark.needs("shout", "literals", "my_user")
async def test_all_tables_of_a_module_of_today(
    kit: LiveKit, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    """Views are among them, those with parameters are not, event tables are where there are any."""
    with caplog.at_level("INFO"):
        async with kit.connect() as client:
            log = Log(client, "shout", "attempt")
            await client._do(client.raw.subscribe_to_all_tables())
            assert [row.identity for row in client.db.my_user] == [client.raw.identity]
            await client.call(client.reducers.insert_shout_and_attempt("both"))
            wanted = {"attempt"} if kit.is_v1 else {"attempt", "shout"}
            assert {table for _, table, _ in log} == wanted
            assert client.db.literals.count() == 0
    for name in ("literals", *(["shout"] if kit.is_v1 else [])):
        assert any(name in record.getMessage() for record in caplog.records), name
