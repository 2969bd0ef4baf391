"""Tables and reducers made in loops: the official test modules make most of theirs with macros."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spacetime_proto.server import Module

__all__ = ["add_reducer", "row_class"]


def row_class(
    owner: str, name: str, annotations: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> type:
    """Return a class to be made a table of.

    Args:
        owner: ``__name__`` of the module that it belongs to.
        name: of the class.
        annotations: of the columns, in order.
        options: what `column(...)` gave for some of them.
    """
    return type(
        name,
        (),
        {"__module__": owner, "__annotations__": dict(annotations), **(options or {})},
    )


def add_reducer(
    module: Module,
    name: str,
    accessor: str,
    params: Mapping[str, Any],
    body: Callable[..., None],
) -> None:
    """Declare ``accessor(ctx, *params)``, called `name` on the wire, which runs ``body(ctx, ...)``."""

    def reducer(ctx: Any, *args: Any) -> None:
        body(ctx, *args)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    made: Any = reducer
    made.__name__ = accessor
    made.__annotations__ = dict(params)
    made.__signature__ = inspect.Signature(
        [inspect.Parameter(text, kind) for text in ("ctx", *params)]
    )
    module.reducer(name=name)(made)
