"""The module of the benchmarks: the tables and the one reducer that `replay` plays.

``python_peer`` gets its bindings from this file, and `clients` serves it with the embedded server.
"""

# mypy: disable-error-code="call-arg"

from __future__ import annotations

from spacetime_proto.server import F32, I32, U32, U64, Context, Module, column

module = Module()


@module.table(public=True)
class Player:
    """43 bytes a row, with names of 14 letters."""

    id: U64 = column(primary_key=True)
    name: str
    x: F32
    y: F32
    z: F32
    level: U32
    online: bool


@module.table(public=True)
class Location:
    """28 bytes a row; 100 rows share a chunk."""

    id: U64 = column(primary_key=True)
    chunk: U64 = column(index="btree")
    x: I32
    z: I32
    dimension: U32


@module.reducer
def no_op(ctx: Context) -> None:
    """Do nothing."""


@module.reducer
def add_player(ctx: Context, id: U64, name: str) -> None:
    """Insert a row, for everybody to see."""
    row = Player(id=id, name=name, x=1.0, y=2.0, z=3.0, level=0, online=True)
    ctx.db.player.insert(row)
