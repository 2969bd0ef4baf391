"""Which code runs inside a callback of an async client: marks in a context variable."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from .driver import AsyncDriver

__all__ = ["Dispatch", "current_dispatch", "is_inside"]


class Dispatch(msgspec.Struct, eq=False):
    """Marks a callback that is running; what it starts sees it through the context variable."""

    driver: AsyncDriver[Any]
    outer: Dispatch | None
    is_running: bool = True


current_dispatch: ContextVar[Dispatch | None] = ContextVar("spacetime_dispatch", default=None)


def is_inside(driver: AsyncDriver[Any]) -> bool:
    """Whether this is a callback of this client, or a task that a running one has started."""
    dispatch = current_dispatch.get()
    while dispatch is not None:
        if dispatch.is_running and dispatch.driver is driver:
            return True
        dispatch = dispatch.outer
    return False
