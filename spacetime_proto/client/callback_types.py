"""The types of the functions that a client calls back; those of row callbacks are in `table_handles`.

Each takes a `Context` first, and returns nothing; on an asyncio or trio client it may be an ``async
def``. A package of generated bindings exports a `Context` that knows what ``ctx.db`` is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ..types import Identity
from .context import Context, ContextCallback, DbT, Returned, SubscriptionErrorCallback
from .events import TableChanged

__all__ = [
    "CallbackErrorHandler",
    "ConnectCallback",
    "ConnectErrorCallback",
    "ContextCallback",
    "DisconnectCallback",
    "Returned",
    "SubscriptionErrorCallback",
    "TransactionCallback",
]

ConnectCallback: TypeAlias = Callable[[Context[DbT], Identity, str], Returned]
"""``on_connect(ctx, identity, token)``."""

ConnectErrorCallback: TypeAlias = Callable[[Context[DbT], BaseException], Returned]
"""``on_connect_error(ctx, error)``."""

DisconnectCallback: TypeAlias = Callable[[Context[DbT], BaseException | None], Returned]
"""``on_disconnect(ctx, error)``; the error is None if this side closed the connection."""

TransactionCallback: TypeAlias = Callable[[Context[DbT], tuple[TableChanged, ...]], Returned]
"""``on_transaction(ctx, changes)``."""

CallbackErrorHandler: TypeAlias = (
    Callable[[Exception], Returned] | Callable[[Exception, Callable[..., Any]], Returned]
)
"""``on_callback_error(error)`` or ``on_callback_error(error, callback)``."""
