"""The rows of the official suites that a real server can judge.

The tests are those of `tests.conformance`, in a world that is the live module on the real server.
What the module has not, or has in another shape, is tested here (or elsewhere in this folder) by
tests marked ``row``. ``--conformance-json FILE`` writes the results for docs/conformance.md.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.bindings import Call
from tests.conformance.kit import World
from tests.conformance.test_connect_disconnect import test_disconnect  # noqa: F401
from tests.conformance.test_sdk_connections import *  # noqa: F403
from tests.conformance.test_sdk_keys import *  # noqa: F403
from tests.conformance.test_sdk_subscriptions import *  # noqa: F403
from tests.conformance.test_sdk_values import *  # noqa: F403
from tests.live.kit import Log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.live.kit import LiveKit
    from tests.live.target import Target


ALIASES = {
    "no_op_succeeds": "no_op",
    "insert_into_indexed_simple_enum": "insert_indexed_simple_enum",
    **{
        f"{verb}{kind}_{name}_struct": f"{verb}{kind}_{name}"
        for verb in ("", "insert_")
        for kind in ("one", "vec", "option")
        for name in ("every_primitive", "every_vec")
    },
}
# Rows whose tables or reducers look different in the live module: tests marked ``row`` stand in.
del (
    test_insert_delete_large_table,  # noqa: F821
    test_intra_query_bag_semantics_for_join,  # noqa: F821
    test_rls_subscription,  # noqa: F821
    test_row_deduplication_join_r_and_s,  # noqa: F821
    test_row_deduplication_r_join_s_and_r_joint,  # noqa: F821
)

# Rows of types that 1.x does not have, and of reducers that the live module does not.
for test, name in (
    (test_insert_uuid, "one_uuid"),  # noqa: F405
    (test_delete_uuid, "unique_uuid"),  # noqa: F405
    (test_update_uuid, "pk_uuid"),  # noqa: F405
    (test_insert_call_uuid_v4, "insert_call_uuid_v_4"),  # noqa: F405
    (test_insert_call_uuid_v7, "insert_call_uuid_v_7"),  # noqa: F405
    (test_sorted_uuids_insert, "sorted_uuids_insert"),  # noqa: F405
    (test_insert_result_okay, "result_i_32_string"),  # noqa: F405
):
    pytest.mark.needs(name)(test)
del test


class LiveWorld(World):
    """The live module on the server under test."""

    aliases: Mapping[str, str] = ALIASES

    def __init__(self, target: Target, protocol: str) -> None:
        self.where = target.where  # type: ignore[misc]
        self.protocol = protocol
        self._target = target

    @property
    def url(self) -> str:
        return self._target.url

    @property
    def database(self) -> str:
        return self._target.database

    @property
    def bindings(self) -> Any:
        return self._target.module

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield


@pytest.fixture
def sdk_test(target: Target, protocol: str) -> LiveWorld:
    return LiveWorld(target, protocol)


connect_disconnect = sdk_test


@pytest.mark.row("test_connect_disconnect", "connect")
async def test_my_own_connection(kit: LiveKit) -> None:
    async with kit.connect() as client:
        await client.subscribe("SELECT * FROM connected")
        mine = client.db.connected.connection_id.find(client.raw.connection_id)
        assert mine.identity == client.raw.identity


@pytest.mark.row("test_sdk_subscriptions", "row-deduplication-join-r-and-s")
async def test_a_table_and_a_join_with_it(kit: LiveKit) -> None:
    async with kit.connect() as client:
        log = Log(client, "r", "s")
        await client.subscribe("SELECT * FROM s", "SELECT r.* FROM r JOIN s ON r.x = s.x")
        await client.call(client.reducers.insert_s(1, 42, False))
        assert [(what, table) for what, table, *_ in log.take()] == [("insert", "s")]
        await client.call(client.reducers.put_r_and_s(1, 42, "r", True))
        assert [(what, table) for what, table, *_ in log.take()] == [
            ("insert", "r"),
            ("update", "s"),
        ]
        assert (client.db.r.count(), client.db.s.count()) == (1, 1)


@pytest.mark.row("test_sdk_subscriptions", "row-deduplication-r-join-s-and-r-joint")
async def test_two_joins_that_give_the_same_row(kit: LiveKit) -> None:
    async with kit.connect() as client:
        log = Log(client, "r")
        await client.subscribe(
            "SELECT r.* FROM r JOIN s ON r.x = s.x", "SELECT r.* FROM r JOIN t ON r.x = t.x"
        )
        for name, *args in (
            ("insert_s", 1, 42, True),
            ("insert_r", 1, 42, "r"),
            ("insert_t", 42, 0),
            ("delete_s", 1),
        ):
            await client.call(Call("reducer", name, tuple(args)))
        assert [what for what, *_ in log.take()] == ["insert"]
        await client.call(client.reducers.delete_t(42, 0))
        assert [what for what, *_ in log.take()] == ["delete"]


@pytest.mark.row("test_sdk_subscriptions", "test-intra-query-bag-semantics-for-join")
async def test_a_row_with_several_partners(kit: LiveKit) -> None:
    async with kit.connect() as client:
        log = Log(client, "r")
        await client.subscribe("SELECT r.* FROM r JOIN t ON r.x = t.x")
        await client.call(client.reducers.insert_r(0, 0, "r"))
        await client.call(client.reducers.insert_t(0, 0))
        await client.call(client.reducers.insert_t(0, 1))
        assert [what for what, *_ in log.take()] == ["insert"]
        await client.call(client.reducers.delete_t(0, 0))
        assert log.take() == []
        assert client.db.r.count() == 1
        await client.call(client.reducers.delete_t(0, 1))
        assert [what for what, *_ in log.take()] == ["delete"]
