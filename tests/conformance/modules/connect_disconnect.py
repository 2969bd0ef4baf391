"""The official ``sdk-test-connect-disconnect`` module: who came and who went."""

from __future__ import annotations

from spacetime_proto import Identity
from spacetime_proto.server import Context, Module

__all__ = ["make_module"]


def make_module() -> Module:
    """Return a new module with tables of its own."""
    module = Module()

    @module.table(public=True)
    class Connected:
        identity: Identity

    @module.table(public=True)
    class Disconnected:
        identity: Identity

    @module.client_connected
    def identity_connected(ctx: Context) -> None:
        ctx.db.connected.insert(Connected(identity=ctx.sender))

    @module.client_disconnected
    def identity_disconnected(ctx: Context) -> None:
        ctx.db.disconnected.insert(Disconnected(identity=ctx.sender))

    return module
