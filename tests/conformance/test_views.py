"""Rust view-client, view-pk-client and procedural-view-pk-client.

| row | where |
|---|---|
| view-anonymous-subscribe | embedded |
| view-anonymous-subscribe-with-query-builder | embedded |
| view-non-anonymous-subscribe | embedded |
| view-non-table-return | embedded |
| view-non-table-query-builder-return | embedded |
| view-subscription-update | embedded |
| view-disconnect-does-not-break-sender-view | embedded |
| view-pk-on-update | embedded |
| view-pk-join-query-builder | embedded |
| view-pk-semijoin-two-sender-views-query-builder | embedded |
| procedural-view-pk-on-update | embedded |
| procedural-view-pk-left-semijoin | embedded |
| procedural-view-pk-right-semijoin | embedded |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spacetime_proto import Identity

if TYPE_CHECKING:
    from tests.conformance.kit import Client, World

ALICE, BOB = Identity.from_int(0xA11CE), Identity.from_int(0xB0B)


def kinds(client: Client) -> list[tuple[str, str]]:
    """Take the log as (kind, table)."""
    log, client.log = client.log, []
    return [(change.kind, change.table) for change in log]


# --- view-client --------------------------------------------------------------------------------


async def check_players_at_level_0(client: Client, table: str) -> None:
    """Players of level 0 come and go; others are not seen."""
    await client.call("insert_player", ALICE, 1)
    await client.call("insert_player", BOB, 0)
    [change] = client.log
    assert (change.kind, change.table, change.values[1]) == ("insert", table, BOB)
    await client.call("delete_player", ALICE)
    await client.call("delete_player", BOB)
    assert kinds(client) == [("insert", table), ("delete", table)]
    assert client.table(table).count() == 0


async def test_view_anonymous_subscribe(view: World) -> None:
    async with view.connected_to("players_at_level_0") as client:
        await check_players_at_level_0(client, "players_at_level_0")


async def test_view_anonymous_subscribe_with_query_builder(view: World) -> None:
    """The same players without the view: a right semijoin."""
    async with view.connect() as client:
        client.watch("player")
        tables: Any = client.raw.module.tables
        query = tables.player_level.where(lambda level: level.level == 0).right_semijoin(
            tables.player, lambda level, player: level.entity_id == player.entity_id
        )
        await client.subscribe(query)
        await check_players_at_level_0(client, "player")


async def test_view_non_anonymous_subscribe(view: World) -> None:
    """Each client sees its own player."""
    async with view.connected_to("my_player") as one, view.connected_to("my_player") as two:
        me, you = one.raw.identity, two.raw.identity
        await one.call("insert_player", BOB, 1)
        await one.call("insert_player", me, 0)
        await one.call("insert_player", you, 0)
        await two.until(lambda: two.log)
        for client, who in ((one, me), (two, you)):
            [change] = client.log
            assert (change.kind, change.values[1]) == ("insert", who)
        await one.call("delete_player", me)
        assert kinds(one) == [("insert", "my_player"), ("delete", "my_player")]
        await two.settle()
        assert kinds(two) == [("insert", "my_player")]


async def check_my_player_and_level(client: Client) -> None:
    me = client.raw.identity
    await client.call("insert_player", BOB, 2)
    await client.call("insert_player", me, 1)
    [change] = client.log
    assert (change.kind, change.table) == ("insert", "my_player_and_level")
    assert change.values[1:] == (me, 1)
    await client.call("delete_player", me)
    assert [one.kind for one in client.log] == ["insert", "delete"]


async def test_view_non_table_return(view: World) -> None:
    async with view.connected_to("my_player_and_level") as client:
        await check_my_player_and_level(client)


async def test_view_non_table_query_builder_return(view: World) -> None:
    async with view.connect() as client:
        client.watch("my_player_and_level")
        tables: Any = client.raw.module.tables
        await client.subscribe(tables.my_player_and_level.where(lambda row: row.level == 1))
        await check_my_player_and_level(client)


async def test_view_subscription_update(view: World) -> None:
    """Two players walk into and out of each other's sight."""
    async with (
        view.connected_to("nearby_players") as one,
        view.connected_to("nearby_players") as two,
    ):
        await one.call("move_player", 0, 0)
        await two.call("move_player", 4, 4)
        await one.until(lambda: one.log)
        assert [change.values[2:] for change in one.log] == [(4, 4)]
        assert [change.values[2:] for change in two.log] == [(0, 0)]
        await two.call("move_player", -1, 0)  # still near, and seen at another place
        await one.until(lambda: len(one.log) == 3)
        assert {(change.kind, change.values[2:]) for change in one.log[1:]} == {
            ("insert", (3, 4)),
            ("delete", (4, 4)),
        }
        await two.call("move_player", 10, 10)
        await one.until(lambda: len(one.log) == 4)
        assert (one.table("nearby_players").count(), two.table("nearby_players").count()) == (0, 0)


async def test_view_disconnect_does_not_break_sender_view(view: World) -> None:
    async with view.connected_to("my_player") as stays:
        async with view.connected_to("my_player") as leaves:
            await leaves.call("insert_player", leaves.raw.identity, 0)
            await stays.call("insert_player", stays.raw.identity, 0)
            assert [change.kind for change in stays.log] == ["insert"]
        await stays.call("delete_player", stays.raw.identity)
        assert [change.kind for change in stays.log] == ["insert", "delete"]
        await stays.call("insert_player", stays.raw.identity, 3)
        assert [change.kind for change in stays.log] == ["insert", "delete", "insert"]


# --- view-pk-client -----------------------------------------------------------------------------


async def test_view_pk_on_update(view_pk: World) -> None:
    async with view_pk.connected_to("all_view_pk_players") as client:
        await client.call("insert_view_pk_player", 1, "before")
        await client.call("update_view_pk_player", 1, "after")
        assert client.take() == [
            ("insert", "all_view_pk_players", (1, "before")),
            ("update", "all_view_pk_players", (1, "before"), (1, "after")),
        ]
        assert client.rows("all_view_pk_players") == [(1, "after")]


async def test_view_pk_join_query_builder(view_pk: World) -> None:
    """A table joined with a view that has a key."""
    async with view_pk.connect() as client:
        client.watch("all_view_pk_players")
        tables: Any = client.raw.module.tables
        await client.subscribe(
            tables.view_pk_membership.right_semijoin(
                tables.all_view_pk_players, lambda member, player: member.player_id == player.id
            )
        )
        await client.call("insert_view_pk_player", 1, "before")
        assert client.take() == []
        await client.call("insert_view_pk_membership", 1, 1)
        await client.call("update_view_pk_player", 1, "after")
        assert client.take() == [
            ("insert", "all_view_pk_players", (1, "before")),
            ("update", "all_view_pk_players", (1, "before"), (1, "after")),
        ]


async def test_view_pk_semijoin_two_sender_views_query_builder(view_pk: World) -> None:
    async with view_pk.connect() as client:
        client.watch("sender_view_pk_players_b")
        tables: Any = client.raw.module.tables
        await client.subscribe(
            tables.sender_view_pk_players_a.right_semijoin(
                tables.sender_view_pk_players_b, lambda one, other: one.id == other.id
            )
        )
        await client.call("insert_view_pk_player", 1, "before")
        await client.call("insert_view_pk_membership", 1, 1)
        assert client.take() == []
        await client.call("insert_view_pk_membership_secondary", 1, 1)
        await client.call("update_view_pk_player", 1, "after")
        assert client.take() == [
            ("insert", "sender_view_pk_players_b", (1, "before")),
            ("update", "sender_view_pk_players_b", (1, "before"), (1, "after")),
        ]


# --- procedural-view-pk-client ------------------------------------------------------------------


async def test_procedural_view_pk_on_update(procedural_view_pk: World) -> None:
    world, table = procedural_view_pk, "sender_left_view"
    async with world.connected_to(table) as client, world.connected_to(table) as other:
        me = client.raw.identity
        await client.call("insert_left", 1, 10)
        await client.call("update_left", 1, 20)
        await other.call("insert_left", 2, 30)
        await client.settle()
        assert client.take() == [
            ("insert", table, (1, me, 10)),
            ("update", table, (1, me, 10), (1, me, 20)),
        ]
        assert other.rows(table) == [(2, other.raw.identity, 30)]


async def check_procedural_semijoin(client: Client, query: Any, left: list[Any]) -> None:
    """The join shows rows of the left view once they have a partner in the right one."""
    client.watch("sender_left_view")
    await client.subscribe(query)
    await client.call("insert_left", 1, 10)
    await client.call("insert_left", 2, 10)
    assert client.take() == []
    await client.call("insert_right", 1, 10)
    await client.call("update_left", 1, 20)
    await client.call("update_left", 2, 20)
    assert client.take() == left


async def test_procedural_view_pk_left_semijoin(procedural_view_pk: World) -> None:
    async with procedural_view_pk.connect() as client:
        tables: Any = client.raw.module.tables
        query = tables.sender_left_view.left_semijoin(
            tables.sender_right_view, lambda left, right: left.id == right.id
        )
        me, table = client.raw.identity, "sender_left_view"
        await check_procedural_semijoin(
            client,
            query,
            [("insert", table, (1, me, 10)), ("update", table, (1, me, 10), (1, me, 20))],
        )


async def test_procedural_view_pk_right_semijoin(procedural_view_pk: World) -> None:
    async with procedural_view_pk.connect() as client:
        tables: Any = client.raw.module.tables
        query = tables.sender_right_view.right_semijoin(
            tables.sender_left_view, lambda right, left: right.id == left.id
        )
        me, table = client.raw.identity, "sender_left_view"
        await check_procedural_semijoin(
            client,
            query,
            [("insert", table, (1, me, 10)), ("update", table, (1, me, 10), (1, me, 20))],
        )
