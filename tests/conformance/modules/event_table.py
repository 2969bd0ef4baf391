"""The official ``sdk-test-event-table`` module: rows that are announced and not stored."""

from __future__ import annotations

from spacetime_proto.server import U64, Context, Module

__all__ = ["make_module"]


def make_module() -> Module:
    """Return a new module with tables of its own."""
    module = Module()

    @module.table(public=True, event=True)
    class TestEvent:
        name: str
        value: U64

    @module.reducer
    def emit_test_event(ctx: Context, name: str, value: U64) -> None:
        ctx.db.test_event.insert(TestEvent(name=name, value=value))

    @module.reducer
    def emit_multiple_test_events(ctx: Context) -> None:
        for value, name in enumerate("abc", 1):
            ctx.db.test_event.insert(TestEvent(name=name, value=value))

    @module.reducer
    def noop(ctx: Context) -> None:
        pass

    return module
