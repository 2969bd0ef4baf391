"""The official ``sdk-test-procedural-view-pk`` module: views in code, with a key of their own."""

from __future__ import annotations

from spacetime_proto import Identity
from spacetime_proto.server import U64, Context, Module, ViewContext, column

__all__ = ["make_module"]


def make_module() -> Module:
    """Return a new module with tables of its own."""
    module = Module()

    @module.table(public=True)
    class LeftSource:
        id: U64 = column(primary_key=True)
        sender: Identity = column(index="btree")
        filter: U64

    @module.table(public=True)
    class RightSource:
        id: U64 = column(primary_key=True)
        sender: Identity = column(index="btree")
        filter: U64

    @module.reducer
    def insert_left(ctx: Context, id: U64, filter: U64) -> None:
        ctx.db.left_source.insert(LeftSource(id=id, sender=ctx.sender, filter=filter))

    @module.reducer
    def update_left(ctx: Context, id: U64, filter: U64) -> None:
        ctx.db.left_source.id.update(LeftSource(id=id, sender=ctx.sender, filter=filter))

    @module.reducer
    def insert_right(ctx: Context, id: U64, filter: U64) -> None:
        ctx.db.right_source.insert(RightSource(id=id, sender=ctx.sender, filter=filter))

    @module.view(primary_key="id")
    def sender_left_view(ctx: ViewContext) -> list[LeftSource]:
        found: list[LeftSource] = ctx.db.left_source.sender.filter(ctx.sender)
        return found

    @module.view(primary_key="id")
    def sender_right_view(ctx: ViewContext) -> list[RightSource]:
        found: list[RightSource] = ctx.db.right_source.sender.filter(ctx.sender)
        return found

    return module
