"""The types of the callbacks that belong to a client or a subscription, not to a table.

Each may be a function or a coroutine function; what it returns (or the coroutine) is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import SpacetimeError
from ..types import Identity
from .context import Context
from .events import TableChanged

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # With a default, `OnApplied` without brackets takes callbacks of any bindings.
    DbT = TypeVar("DbT", default=Any)
else:
    from typing import TypeVar

    DbT = TypeVar("DbT")

__all__ = [
    "OnApplied",
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
#: ``(ctx)``
OnApplied: TypeAlias = Callable[[Context[DbT]], object]
#: ``(ctx, error)``
OnError: TypeAlias = Callable[[Context[DbT], SpacetimeError], object]
#: ``(ctx)``
OnEnd: TypeAlias = Callable[[Context[DbT]], object]
