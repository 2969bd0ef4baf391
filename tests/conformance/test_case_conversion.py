"""Rust and TypeScript case-conversion-client: names with digits and mixed case.

| row | where |
|---|---|
| insert-player | embedded |
| insert-person | embedded |
| ban-player | embedded |
| query-builder-filter | embedded |
| query-builder-join | embedded |
| view | embedded |

On the wire and in SQL the canonical names stand (``Player1Canonical``, ``player_1_id``), in code the
accessors (``client.db.player1``, ``reducers.CreatePlayer1``): these tests use bindings by attribute,
as programs do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spacetime_proto import ReducerEvent

if TYPE_CHECKING:
    from tests.conformance.kit import Client, World


async def create(client: Client, name: str, level: int) -> Any:
    """Create a player and return its row."""
    reducers: Any = client.raw.module.reducers
    await client.raw.call(reducers.CreatePlayer1(name, level))
    return next(row for row in client.raw.db.player1 if row.player_name == name)


async def add(client: Client, name: str, player: Any) -> None:
    reducers: Any = client.raw.module.reducers
    await client.raw.call(
        # first_3_name, player_ref, age_value, score_total; or the names in the source, before 2.14
        reducers.AddPerson2(name, player.player_1_id, 25, 1000)
    )


async def test_insert_player(case_conversion: World) -> None:
    seen: list[Any] = []
    async with case_conversion.connect() as client:
        db = client.raw.db
        db.player1.on_insert(lambda ctx, row: seen.append((ctx.event, row)))
        await client.subscribe("SELECT * FROM Player1Canonical")
        player = await create(client, "Alice", 5)
        [(event, row)] = seen
        assert isinstance(event, ReducerEvent)
        assert event.name == "create_player_1"
        assert row == player == db.player1.player_1_id.find(player.player_1_id)
        status = client.type("Player2Status")
        assert (row.player_name, row.current_level_2) == ("Alice", 5)
        assert isinstance(row.status_3_field, status.active1)


async def test_insert_person(case_conversion: World) -> None:
    async with case_conversion.connect() as client:
        db = client.raw.db
        await client.subscribe("SELECT * FROM Player1Canonical", "SELECT * FROM person_2")
        player = await create(client, "Alice", 5)
        await add(client, "Bob", player)
        [person] = db.person2.playerRef.filter(player.player_1_id)
        assert (person.first_name, person.player_ref) == ("Bob", player.player_1_id)
        assert (person.person_info.age_value_1, person.person_info.score_total) == (25, 1000)
        assert db.person2.person_2_id.find(person.person_2_id) == person


async def test_ban_player(case_conversion: World) -> None:
    seen: list[Any] = []
    async with case_conversion.connect() as client:
        reducers: Any = client.raw.module.reducers
        client.raw.db.player1.on_update(lambda ctx, old, new: seen.append((old, new)))
        await client.subscribe("SELECT * FROM Player1Canonical")
        player = await create(client, "Bad", 1)
        await client.raw.call(reducers.BanPlayer1(player.player_1_id, 9999))
        [(old, new)] = seen
        status = client.type("Player2Status")
        assert isinstance(old.status_3_field, status.active1)
        assert new.status_3_field == status.bannedUntil(9999)


async def test_query_builder_filter(case_conversion: World) -> None:
    async with case_conversion.connect() as client:
        tables: Any = client.raw.module.tables
        query = tables.player1.where(lambda row: row.current_level_2 == 5)
        assert '"Player1Canonical"."current_level_2" = 5' in query.sql
        client.watch("Player1Canonical")
        await client.subscribe(query)
        reducers: Any = client.raw.module.reducers
        for name, level in (("low", 1), ("five", 5), ("high", 9)):
            await client.raw.call(reducers.CreatePlayer1(name, level))
        assert [change.values[1] for change in client.log] == ["five"]


async def test_query_builder_join(case_conversion: World) -> None:
    async with case_conversion.connect() as client:
        tables: Any = client.raw.module.tables
        query = tables.player1.right_semijoin(
            tables.person2, lambda player, person: player.player_1_id == person.player_ref
        )
        client.watch("person_2")
        await client.subscribe(query, "SELECT * FROM Player1Canonical")
        player = await create(client, "Alice", 5)
        await add(client, "Bob", player)
        assert [(change.kind, change.values[1]) for change in client.log] == [("insert", "Bob")]
        rows = await client.raw.query(query)
        assert [row.first_name for row in rows] == ["Bob"]


async def test_view(case_conversion: World) -> None:
    async with case_conversion.connect() as client:
        db = client.raw.db
        client.watch("Level2Person")
        await client.subscribe("SELECT * FROM Level2Person", "SELECT * FROM Player1Canonical")
        for name, level in (("one", 1), ("two", 2)):
            await add(client, f"of {name}", await create(client, name, level))
        assert [change.values[1] for change in client.log] == ["of two"]
        assert [row.first_name for row in db.person_at_level_2] == ["of two"]
