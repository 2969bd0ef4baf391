"""Unreal: the rows that no other suite has.

| row | where |
|---|---|
| blueprint-query-builder-basic-flow | embedded |

Its other 45 tests, and those of views and procedures, have the names of the Rust ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conformance.kit import World


async def test_blueprint_query_builder_basic_flow(sdk_test: World) -> None:
    """Subscribe by a built query, see only what it selects, and let go of it again."""
    async with sdk_test.connect() as client:
        client.watch("pk_u_32", "one_u_8")
        tables: Any = client.raw.module.tables
        column = client.column_name("pk_u_32", 0)
        built = getattr(tables, client.table("pk_u_32").table.definition.accessor).where(
            lambda row: getattr(row, column) < 100
        )
        handle = await client.subscribe(built)
        assert handle.queries == (built.sql,)
        await client.call("insert_pk_u_32", 24, 1)
        await client.call("insert_pk_u_32", 142, 1)
        await client.call("update_pk_u_32", 24, 2)
        await handle.unsubscribe()
        assert client.take() == [
            ("insert", "pk_u_32", (24, 1)),
            ("update", "pk_u_32", (24, 1), (24, 2)),
            ("delete", "pk_u_32", (24, 2)),
        ]
