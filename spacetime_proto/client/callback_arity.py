"""Whether a callback takes what it will be called with: asked when it is registered.

Otherwise a callback with a wrong number of parameters would end the connection, later and elsewhere.
"""

from __future__ import annotations

import functools
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: The arguments of each callback, by the name with which it is registered; several ways to call one
#: stand in order of preference.
CALLED_WITH: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "on_insert": (("ctx", "row"),),
    "on_delete": (("ctx", "row"),),
    "on_before_delete": (("ctx", "row"),),
    "on_update": (("ctx", "old", "new"),),
    "on_connect": (("ctx", "identity", "token"),),
    "on_connect_error": (("ctx", "error"),),
    "on_disconnect": (("ctx", "error"),),
    "on_transaction": (("ctx", "changes"),),
    "on_reducer": (("ctx",),),
    "on_subscription_applied": (("ctx",),),
    "on_applied": (("ctx",),),
    "on_error": (("ctx", "error"),),
    "on_end": (("ctx",),),
    "on_callback_error": (("error", "callback"), ("error",)),
    "token": ((),),
}

_COROUTINE: Final = 0x80
_ASYNC_GENERATOR: Final = 0x200
_GENERATOR: Final = 0x20
_VARARGS: Final = 0x04


def check_callback(name: str, callback: Callable[..., Any], *ways: tuple[str, ...]) -> int:
    """Check that a callback is callable, takes its arguments, and runs when it is called.

    Args:
        name: with which it is registered, such as ``on_insert``.
        callback: what was given.
        ways: the names of the arguments, in one or several ways; by default those of `CALLED_WITH`.

    Returns:
        Which of the ways it takes, from 0; the first that fits.

    Raises:
        TypeError: it is not callable, takes other arguments, or is a generator function, whose body
            would never run.
    """
    ways = ways or CALLED_WITH[name]
    function: Any = callback
    bound = 0
    while type(function) is functools.partial and not function.keywords:
        function, bound = function.func, bound + len(function.args)
    if type(function) is MethodType:
        function, bound = function.__func__, bound + 1
    if type(function) is FunctionType:
        code = function.__code__
        if code.co_flags & (_GENERATOR | _ASYNC_GENERATOR):
            raise TypeError(
                f"{name}: {callback_name(callback)} is a generator function (it has a yield), whose"
                " body would never run"
            )
        # `inspect.signature` takes 30 times as long, and is asked only for what is not plain.
        if not (code.co_flags & _VARARGS or code.co_kwonlyargcount):
            most = code.co_argcount - bound
            least = most - len(function.__defaults__ or ())
            for at, way in enumerate(ways):
                if least <= len(way) <= most:
                    return at
    elif not callable(callback):
        raise TypeError(f"{name} takes a callable, not {type(callback).__name__}")
    return _by_signature(name, callback, ways)


def _by_signature(
    name: str, callback: Callable[..., Any], ways: tuple[tuple[str, ...], ...]
) -> int:
    import inspect

    try:
        # A decorated function is called through its wrapper, so the wrapper's parameters count.
        signature = inspect.signature(callback, follow_wrapped=False)
    except (TypeError, ValueError):
        return 0  # a built-in that does not say what it takes
    for at, way in enumerate(ways):
        try:
            signature.bind(*way)
        except TypeError:
            continue
        return at
    called = " or ".join(f"({', '.join(way)})" for way in ways)
    names = [parameter.name for parameter in signature.parameters.values()]
    shown = ", ".join(names) if len(names) <= 8 else f"{len(names)} parameters"
    raise TypeError(
        f"{name} is called with {called}, but {callback_name(callback)} takes ({shown})"
    )


def refuse_coroutine(name: str, callback: Callable[..., Any]) -> None:
    """Refuse an ``async def`` where only a plain function can be (TypeError)."""
    function = getattr(callback, "__func__", callback)
    code = getattr(function, "__code__", None)
    if getattr(code, "co_flags", 0) & _COROUTINE:
        raise TypeError(f"{name} takes a plain function; {callback_name(callback)} is an async one")


def callback_name(function: object) -> str:
    """Return the name that a callback has in the source, for errors."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__qualname__", None) or repr(function)
