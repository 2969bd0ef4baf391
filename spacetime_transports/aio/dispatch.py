"""Which callback of an async client runs in this task, or has started it, and how one is cancelled."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from spacetime_proto.errors import LocalProtocolError

from ..options import callback_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from .event_loop import EventLoop


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


async def finish_marked(driver: object, outer: Dispatch | None, result: Any) -> None:
    """Wait for what a function for the outcome of a call returned: ``then=`` of the 0.7 API."""
    if hasattr(result, "__await__"):
        dispatch = Dispatch(driver, outer)
        current_dispatch.set(dispatch)
        try:
            await result
        finally:
            dispatch.is_running = False


def cancelled_callback(
    loop: EventLoop, raised: BaseException, function: Callable[..., Any]
) -> LocalProtocolError:
    """Return the error for a callback that raised CancelledError though nobody cancelled it.

    Raises:
        BaseException: `raised`, if it is anything else.
    """
    is_cancellation = isinstance(raised, anyio.get_cancelled_exc_class())
    if not is_cancellation or loop.is_cancelled(raised):
        raise raised
    # As it is it would look like the cancellation of the task that is told of it.
    error = LocalProtocolError(
        f"the callback {callback_name(function)} raised {type(raised).__name__}: something"
        " that it awaited was cancelled"
    )
    error.__cause__ = raised
    return error
