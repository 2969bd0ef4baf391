"""The embedded module that the scenarios talk to: every kind of table and function, small."""

from __future__ import annotations

import threading
from dataclasses import replace

from spacetime_proto import Identity, Timestamp
from spacetime_proto.server import U32, U64, Context, Module, ProcedureContext, column

__all__ = ["make_module"]


def make_module(waiting: threading.Event | None = None) -> Module:
    """Return a new module with tables of its own.

    Args:
        waiting: set when somebody has called the procedure ``wait``.
    """
    module = Module()

    @module.table(public=True)
    class Item:
        id: U64 = column(primary_key=True, auto_increment=True)
        name: str
        holder: Identity = column(index="btree")
        amount: U32 = column(default=0)

    @module.table(public=True)
    class Note:
        """No key: equal rows are one row."""

        text: str

    @module.table(public=True)
    class Online:
        identity: Identity = column(primary_key=True)
        connections: U32

    @module.table(public=True, event=True)
    class Ping:
        text: str

    @module.table
    class Secret:
        text: str

    @module.client_connected
    def arrive(ctx: Context) -> None:
        row = ctx.db.online.identity.find(ctx.sender)
        if row is None:
            ctx.db.online.insert(Online(identity=ctx.sender, connections=1))
        else:
            ctx.db.online.identity.update(replace(row, connections=row.connections + 1))

    @module.client_disconnected
    def leave(ctx: Context) -> None:
        row = ctx.db.online.identity.find(ctx.sender)
        if row is not None:
            ctx.db.online.identity.update(replace(row, connections=row.connections - 1))

    @module.reducer
    def add_item(ctx: Context, name: str, amount: U32) -> None:
        if not name:
            raise ValueError("an item needs a name")
        ctx.db.item.insert(Item(id=0, name=name, holder=ctx.sender, amount=amount))

    @module.reducer
    def add_items(ctx: Context, count: U32) -> None:
        for number in range(count):
            ctx.db.item.insert(Item(id=0, name=f"item {number}", holder=ctx.sender, amount=number))

    @module.reducer
    def set_amount(ctx: Context, id: U64, amount: U32) -> None:
        row = ctx.db.item.id.find(id)
        if row is None:
            raise ValueError(f"no item {id}")
        ctx.db.item.id.update(replace(row, amount=amount))

    @module.reducer
    def remove_item(ctx: Context, id: U64) -> None:
        ctx.db.item.id.delete(id)

    @module.reducer
    def write_note(ctx: Context, text: str) -> None:
        ctx.db.note.insert(Note(text=text))

    @module.reducer
    def ping(ctx: Context, text: str) -> None:
        ctx.db.ping.insert(Ping(text=text))

    @module.reducer
    def nothing(ctx: Context) -> None:
        pass

    @module.reducer
    def panic(ctx: Context) -> None:
        raise RuntimeError("a bug in the module")

    @module.procedure
    def add(ctx: ProcedureContext, lhs: U32, rhs: U32) -> U32:
        return lhs + rhs

    @module.procedure
    async def wait(ctx: ProcedureContext, micros: U64) -> Timestamp:
        if waiting is not None:
            waiting.set()
        await ctx.sleep(micros / 1_000_000)
        return ctx.timestamp

    return module
