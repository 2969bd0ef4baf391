"""What both drivers do the same way, without a colour: targets, tokens, re-entrancy, the end.

`aio` and `blocking` never import each other; this is where they meet.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from spacetime_proto.client import events as ev
from spacetime_proto.client.dispatch import Callbacks
from spacetime_proto.client.options import Target
from spacetime_proto.errors import Disconnected, LocalProtocolError

from .options import ConnectOptions, TokenFile, warn_if_exposed

if TYPE_CHECKING:
    from collections.abc import Callable

    from spacetime_proto.client.calls import PendingCall
    from spacetime_proto.client.session import ClientSession
    from spacetime_proto.client.subscriptions import Subscription

    from .net.address import Address

__all__ = [
    "FailureOnce",
    "all_table_queries",
    "callback_name",
    "check_database",
    "make_target",
    "register_lifecycle",
    "settle_quietly",
    "stored_token",
]

R = TypeVar("R")

#: Callbacks between two checkpoints of the event loop (async), so that a large message with cheap
#: callbacks does not starve other tasks.
CALLBACKS_PER_CHECKPOINT = 256
#: Bytes asked for in one read.
READ_SIZE = 256 * 1024
#: Seconds that a reader still waits for the peer's last words after a write failed.
LAST_WORDS = 1.0


def check_database(database: str) -> str:
    """Return `database` if it can be the name or identity of one.

    Raises:
        LocalProtocolError: it is empty or no text.
    """
    if not isinstance(database, str) or not database:
        raise LocalProtocolError(f"database must be a name or an identity, not {database!r}")
    return database


def make_target(
    address: Address,
    database: str,
    options: ConnectOptions,
    *,
    token: str | None,
    query_token: str | None = None,
) -> Target:
    """Return where one attempt goes; warns if the token would travel in the clear."""
    warn_if_exposed(address.host, secure=address.secure, token=token, stacklevel=4)
    return Target(
        host=address.host_header,
        database=database,
        path_prefix=address.path_prefix,
        token=token if query_token is None else None,
        query_token=query_token,
        headers=options.headers,
    )


def stored_token(options: ConnectOptions) -> str | None:
    """Return the token of the options where that needs no call: text or a file."""
    token = options.token
    if isinstance(token, TokenFile):
        return token.load()
    return token if isinstance(token, str) else None


def register_lifecycle(callbacks: Callbacks, options: ConnectOptions) -> None:
    """Register the callbacks that came as options of `connect`."""
    for kind, callback in (
        ("connect", options.on_connect),
        ("connect_error", options.on_connect_error),
        ("disconnect", options.on_disconnect),
    ):
        if callback is not None:
            callbacks.add(kind, callback)


def callback_name(function: object) -> str:
    """Return the name by which its author knows a callback."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__qualname__", None) or repr(function)


def adapt_error_handler(
    handler: Callable[..., Any] | None,
) -> Callable[..., Any] | None:
    """Return `on_callback_error` as the pump calls it, with ``(error, function)``.

    The option takes the error alone, or the error and the callback that raised it: decided once, by
    how many positional arguments the handler accepts.
    """
    if handler is None:
        return None
    try:
        inspect.signature(handler).bind(None, None)
    except TypeError:
        one_argument = handler
        return lambda error, function: one_argument(error)
    except ValueError:  # no signature to look at, as for some built-in functions
        pass
    return handler


def all_table_queries(session: ClientSession[Any]) -> list[str]:
    """Return one query for each public table and view that the bindings know."""
    return [
        f'SELECT * FROM "{table.definition.name}"'
        for table in session.module.bound.tables.values()
        if table.definition.is_public and not table.definition.is_system
    ]


def settle_quietly(session: ClientSession[Any], cause: BaseException) -> None:
    """End `session` at once and wake everybody who waits on it, without running user callbacks.

    For a driver that was cancelled and so may neither wait nor run foreign code.
    """
    session.give_up(cause)
    while (message := session.message_events()) is not None:
        for event in message:
            if isinstance(event, ev.CallDone):
                _notify(event.pending)
            elif isinstance(event, (ev.SetApplied, ev.SetEnded, ev.SetFailed)):
                _notify_subscription(event.subscription)


def _notify(pending: PendingCall[Any]) -> None:
    if pending.on_done is not None:
        pending.on_done(pending)


def _notify_subscription(subscription: Subscription) -> None:
    if subscription.on_change is not None:
        subscription.on_change(subscription)


class FailureOnce:
    """The error that ended a client, and whether anybody has been told.

    Whoever waits for something when the connection fails gets the failure; if nobody did, leaving
    the client's ``with`` block raises it, once.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.was_told = False

    def untold(self) -> BaseException | None:
        """Return the error if nobody has been told yet, and count it as told."""
        if self.was_told:
            return None
        self.was_told = True
        return self.error

    def outcome(self, pending: PendingCall[R]) -> R:
        """Return the value of a settled call, or raise its error."""
        if isinstance(pending.error, Disconnected):
            self.was_told = True
        return pending.result()

    def raise_closed(self, what: str) -> None:
        """Raise the error for a request on a client that is over.

        Raises:
            Disconnected: always.
        """
        self.was_told = True
        if self.error is None:
            raise Disconnected(f"cannot {what}: this client is closed")
        raise Disconnected(
            f"cannot {what}: the connection is over: {self.error}",
            code=getattr(self.error, "code", None),
            reason=getattr(self.error, "reason", ""),
        ) from self.error
