"""What both drivers do the same way, without a colour: targets, tokens, re-entrancy, the end.

`aio` and `blocking` never import each other; this is where they meet.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from spacetime_proto.client import events as ev
from spacetime_proto.client.callbacks import Callbacks
from spacetime_proto.client.pump import Received, Want
from spacetime_proto.client.session_options import Target
from spacetime_proto.errors import (
    CallTimeout,
    ConnectError,
    Disconnected,
    HttpError,
    InternalError,
    LimitExceeded,
    LocalProtocolError,
    ProtocolError,
    QueryError,
    SubscriptionError,
)

from .options import ConnectOptions, TokenFile, checked_token, warn_if_exposed
from .retry import Backoff, worth_retrying

if TYPE_CHECKING:
    from collections.abc import Callable

    from spacetime_proto.client.calls import PendingCall
    from spacetime_proto.client.session import ClientSession
    from spacetime_proto.client.subscriptions import Subscription

    from .net.address import Address

__all__ = [
    "Comeback",
    "FailureOnce",
    "Pump",
    "adapt_error_handler",
    "all_table_queries",
    "as_connect_error",
    "as_it_is",
    "attach_recorder",
    "callback_name",
    "check_database",
    "lost",
    "make_target",
    "may_be_stale",
    "register_lifecycle",
    "settle_quietly",
    "start_session",
    "stored_token",
    "too_late",
]

R = TypeVar("R")

#: What `spacetime_proto.client.pump.pump` returns.
Pump: TypeAlias = Generator[Want, Received | None, None]

#: Callbacks between two checkpoints of the event loop (async), so that a large message with cheap
#: callbacks does not starve other tasks.
CALLBACKS_PER_CHECKPOINT = 256
#: Bytes asked for in one read.
READ_SIZE = 256 * 1024
#: Seconds that a client which is leaving gives the server to tell its schema, to explain a failure.
EXPLAIN_TIME = 3.0
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
        return checked_token(token.load())
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


def may_be_stale(error: BaseException | None) -> bool:
    """Whether bindings that no longer fit the database could be behind an error.

    Rows that do not decode, and functions, tables or columns that the server does not know.
    """
    while error is not None:
        if isinstance(error, (InternalError, QueryError, SubscriptionError, ProtocolError)):
            return not isinstance(error, LimitExceeded)
        error = error.__cause__
    return False


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


def attach_recorder(session: ClientSession[Any], options: ConnectOptions) -> None:
    """Let the option ``recorder`` look on.

    Raises:
        LocalProtocolError: it is neither a recorder nor a path.
    """
    if options.recorder is not None:
        from .recorder import RecordingTap

        session.tap = RecordingTap(options.recorder)


def start_session(session: ClientSession[Any], now: float, target: Target) -> None:
    """Start an attempt, and tell a recorder what it asks for."""
    aim = getattr(session.tap, "aim", None)
    if aim is not None:
        aim(target, session.options)
    session.start(now, target)


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


class Comeback:
    """Decides, after each attempt, whether and when to make another."""

    def __init__(self, options: ConnectOptions) -> None:
        self._options = options
        self._backoff: Backoff | None = None

    def delay_after(self, error: BaseException, *, was_greeted: bool) -> float | None:
        """Return the seconds to wait before the next attempt, or None to give up.

        Args:
            error: why the last one ended.
            was_greeted: whether it had been a working connection: delays begin anew then.
        """
        policy = self._options.reconnect
        if policy is None:
            return None
        if self._backoff is None or was_greeted:
            self._backoff = Backoff(policy)
        if not worth_retrying(error, fresh_token=self._options.has_fresh_tokens):
            return None
        return self._backoff.next_delay()


def too_late(address: Address, options: ConnectOptions) -> ConnectError:
    """Return the error for a server that took longer than ``connect_timeout``."""
    return ConnectError(
        f"{address.url} did not accept the connection within {options.connect_timeout or 0:g} s "
        "(option connect_timeout)"
    )


@contextlib.contextmanager
def as_connect_error() -> Iterator[None]:
    """What goes wrong with HTTP on the way to a connection is a ConnectError like the rest."""
    try:
        yield
    except (CallTimeout, Disconnected, HttpError) as error:
        raise ConnectError(str(error)) from error


def lost(cause: BaseException) -> Disconnected:
    """Return the typed error for a stream that broke."""
    reason = str(cause.__cause__ or cause) or type(cause).__name__
    error = Disconnected(f"the connection was lost: {reason}")
    error.__cause__ = cause
    return error


def as_it_is(generator: Pump) -> Pump:
    """Return the pump without anything around it."""
    return generator


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
