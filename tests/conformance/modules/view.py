"""The official ``sdk-test-view`` module: players, where they are, and who is near whom."""

from __future__ import annotations

from dataclasses import replace

from spacetime_proto import Identity
from spacetime_proto.server import I32, U64, Context, Module, ViewContext, column

__all__ = ["make_module"]


def make_module() -> Module:
    """Return a new module with tables of its own."""
    module = Module()

    @module.table(public=True)
    class Player:
        entity_id: U64 = column(primary_key=True, auto_increment=True)
        identity: Identity = column(unique=True)

    @module.table(public=True)
    class PlayerLevel:
        entity_id: U64 = column(unique=True)
        level: U64 = column(index="btree")

    @module.table
    class PlayerLocation:
        entity_id: U64 = column(unique=True)
        active: bool = column(index="btree")
        x: I32
        y: I32

    @module.type
    class PlayerAndLevel:
        entity_id: U64
        identity: Identity
        level: U64

    @module.reducer
    def insert_player(ctx: Context, identity: Identity, level: U64) -> None:
        player = ctx.db.player.insert(Player(entity_id=0, identity=identity))
        ctx.db.player_level.insert(PlayerLevel(entity_id=player.entity_id, level=level))

    @module.reducer
    def delete_player(ctx: Context, identity: Identity) -> None:
        player = ctx.db.player.identity.find(identity)
        if player is not None:
            ctx.db.player.entity_id.delete(player.entity_id)
            ctx.db.player_level.entity_id.delete(player.entity_id)

    @module.reducer
    def move_player(ctx: Context, dx: I32, dy: I32) -> None:
        player = ctx.db.player.identity.find(ctx.sender)
        if player is None:
            player = ctx.db.player.insert(Player(entity_id=0, identity=ctx.sender))
        place = ctx.db.player_location.entity_id.find(player.entity_id)
        if place is None:
            ctx.db.player_location.insert(
                PlayerLocation(entity_id=player.entity_id, active=True, x=dx, y=dy)
            )
        else:
            ctx.db.player_location.entity_id.update(
                replace(place, x=place.x + dx, y=place.y + dy, active=True)
            )

    @module.view
    def my_player(ctx: ViewContext) -> Player | None:
        found: Player | None = ctx.db.player.identity.find(ctx.sender)
        return found

    @module.view
    def my_player_and_level(ctx: ViewContext) -> PlayerAndLevel | None:
        player = ctx.db.player.identity.find(ctx.sender)
        if player is None:
            return None
        level = ctx.db.player_level.entity_id.find(player.entity_id)
        if level is None:
            return None
        return PlayerAndLevel(
            entity_id=player.entity_id, identity=player.identity, level=level.level
        )

    @module.view(anonymous=True)
    def players_at_level_0(ctx: ViewContext) -> list[Player]:
        levels = ctx.db.player_level.level.filter(0)
        found = [ctx.db.player.entity_id.find(level.entity_id) for level in levels]
        return [player for player in found if player is not None]

    @module.view
    def nearby_players(ctx: ViewContext) -> list[PlayerLocation]:
        player = ctx.db.player.identity.find(ctx.sender)
        mine = player and ctx.db.player_location.entity_id.find(player.entity_id)
        if mine is None:
            return []
        return [
            place
            for place in ctx.db.player_location.active.filter(True)
            if place.entity_id != mine.entity_id
            and abs(place.x - mine.x) < 5
            and abs(place.y - mine.y) < 5
        ]

    return module
