"""The official ``sdk-test-view-pk`` module: views made by queries, which have the table's key."""

from __future__ import annotations

from spacetime_proto.server import U64, Context, Module, Query, ViewContext, column

__all__ = ["make_module"]


def make_module() -> Module:
    """Return a new module with tables of its own."""
    module = Module()

    @module.table(public=True)
    class ViewPkPlayer:
        id: U64 = column(primary_key=True)
        name: str

    @module.table(public=True)
    class ViewPkMembership:
        id: U64 = column(primary_key=True)
        player_id: U64 = column(index="btree")

    @module.table(public=True)
    class ViewPkMembershipSecondary:
        id: U64 = column(primary_key=True)
        player_id: U64 = column(index="btree")

    @module.reducer
    def insert_view_pk_player(ctx: Context, id: U64, name: str) -> None:
        ctx.db.view_pk_player.insert(ViewPkPlayer(id=id, name=name))

    @module.reducer
    def update_view_pk_player(ctx: Context, id: U64, name: str) -> None:
        ctx.db.view_pk_player.id.update(ViewPkPlayer(id=id, name=name))

    @module.reducer
    def insert_view_pk_membership(ctx: Context, id: U64, player_id: U64) -> None:
        ctx.db.view_pk_membership.insert(ViewPkMembership(id=id, player_id=player_id))

    @module.reducer
    def insert_view_pk_membership_secondary(ctx: Context, id: U64, player_id: U64) -> None:
        ctx.db.view_pk_membership_secondary.insert(
            ViewPkMembershipSecondary(id=id, player_id=player_id)
        )

    @module.view
    def all_view_pk_players(ctx: ViewContext) -> Query[ViewPkPlayer]:
        return Query("SELECT * FROM view_pk_player")

    @module.view
    def sender_view_pk_players_a(ctx: ViewContext) -> Query[ViewPkPlayer]:
        return Query(
            "SELECT p.* FROM view_pk_membership m JOIN view_pk_player p ON m.player_id = p.id"
        )

    @module.view
    def sender_view_pk_players_b(ctx: ViewContext) -> Query[ViewPkPlayer]:
        return Query(
            "SELECT p.* FROM view_pk_membership_secondary m"
            " JOIN view_pk_player p ON m.player_id = p.id"
        )

    return module
