"""The types of the callbacks that belong to a client or a subscription, not to a table.

Each may be a function or a coroutine function; what it returns (or the coroutine) is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ..types import Identity
from .context import Context, DbT, OnApplied, OnEnd, OnError
from .events import TableChanged

__all__ = [
    "OnApplied",
    "OnCallbackError",
    "OnConnect",
    "OnConnectError",
    "OnDisconnect",
    "OnEnd",
    "OnError",
    "OnReducer",
    "OnTransaction",
]

#: ``(ctx, identity, token)``
OnConnect: TypeAlias = Callable[[Context[DbT], Identity, str], object]
#: ``(ctx, error)``
OnConnectError: TypeAlias = Callable[[Context[DbT], BaseException], object]
#: ``(ctx, error)``; the error is None when this side closed the connection.
OnDisconnect: TypeAlias = Callable[[Context[DbT], BaseException | None], object]
#: ``(ctx, changes)``
OnTransaction: TypeAlias = Callable[[Context[DbT], Sequence[TableChanged]], object]
#: ``(ctx)``; ``ctx.event`` is a `ReducerEvent`.
OnReducer: TypeAlias = Callable[[Context[DbT]], object]
#: ``(error)`` or ``(error, callback)``: what a callback raised, and that callback.
OnCallbackError: TypeAlias = (
    Callable[[Exception], object] | Callable[[Exception, Callable[..., Any]], object]
)
