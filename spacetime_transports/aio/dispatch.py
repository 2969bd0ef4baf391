"""Which callback of an async client runs in this task, or has started it."""

from __future__ import annotations

from contextvars import ContextVar

import msgspec


class Dispatch(msgspec.Struct, eq=False):
    """Marks a callback that is running.

    The callback finds its mark in a context variable. Tasks that it starts inherit the variable, so
    they too are refused to wait for the client while the callback runs.
    """

    driver: object
    """Of the client whose callback it is."""
    outer: Dispatch | None
    is_running: bool = True


current_dispatch: ContextVar[Dispatch | None] = ContextVar("spacetime_dispatch", default=None)


def is_inside(driver: object) -> bool:
    """Whether this is a callback of a driver's client, or a task that a running one has started."""
    dispatch = current_dispatch.get()
    while dispatch is not None:
        if dispatch.is_running and dispatch.driver is driver:
            return True
        dispatch = dispatch.outer
    return False
