"""The module of the recorded sessions `view_calls`, written in Python."""

from __future__ import annotations

from spacetime_proto.server import (
    U32,
    U64,
    Context,
    Module,
    ProcedureContext,
    ViewContext,
    column,
)
from spacetime_proto.types import ConnectionId, Identity, ScheduleAt


def make_module() -> Module:
    module = Module()

    @module.table(public=True)
    class Player:
        id: U64 = column(primary_key=True)
        level: U32 = column(index=True)
        team: str

    @module.table
    class Hidden:
        id: U64 = column(primary_key=True)
        owner: Identity = column(index=True)

    @module.table(name="timer_row", public=True, scheduled="tick")
    class TimerRow:
        id: U64 = column(primary_key=True, auto_increment=True)
        scheduled_at: ScheduleAt

    @module.table(public=True)
    class Life:
        n: U64 = column(primary_key=True, auto_increment=True)
        what: str
        connection: ConnectionId

    @module.reducer(name="add_player")
    def addPlayer(ctx: Context, playerId: U64, startLevel: U32, team: str) -> None:
        ctx.db.player.insert(Player(id=playerId, level=startLevel, team=team))

    @module.reducer
    def set_level(ctx: Context, id: U64, level: U32) -> None:
        old = ctx.db.player.id.find(id)
        ctx.db.player.id.update(Player(id=id, level=level, team=old.team))

    @module.reducer
    def hide(ctx: Context, id: U64) -> None:
        ctx.db.hidden.insert(Hidden(id=id, owner=ctx.sender))

    @module.reducer
    def read_env(ctx: Context, key: str) -> None: ...

    @module.reducer
    def tick(ctx: Context, row: TimerRow) -> None: ...

    @module.client_connected
    def on_connect(ctx: Context) -> None:
        ctx.db.life.insert(Life(n=0, what="connected", connection=ctx.connection_id))

    @module.client_disconnected
    def on_disconnect(ctx: Context) -> None:
        ctx.db.life.insert(Life(n=0, what="disconnected", connection=ctx.connection_id))

    @module.view(name="players_at_level", anonymous=True)
    def playersAtLevel(ctx: ViewContext, minLevel: U32, teamName: str) -> list[Player]:
        return [p for p in ctx.db.player if p.level >= minLevel and p.team == teamName]

    @module.view
    def mine(ctx: ViewContext, from_: U64) -> list[Hidden]:
        return [row for row in ctx.db.hidden.owner.filter(ctx.sender) if row.id >= from_]

    @module.view(anonymous=True)
    def everyone(ctx: ViewContext) -> list[Player]:
        return list(ctx.db.player)

    @module.procedure
    def in_tx(ctx: ProcedureContext, levelDelta: U32) -> U64:
        with ctx.transaction() as tx:
            players = list(tx.db.player)
            for one in players:
                level = one.level + levelDelta
                tx.db.player.id.update(Player(id=one.id, level=level, team=one.team))
        return len(players)

    return module
