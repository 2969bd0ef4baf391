"""Calls as values, and their outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec

from ..errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
CallKind = Literal["reducer", "procedure"]


class Call(msgspec.Struct, Generic[R_co], frozen=True):
    """One call of a reducer or procedure, ready to be sent; `R_co` is what it returns.

    Generated functions build these; `args` are checked against the schema when they are encoded.
    """

    kind: CallKind
    name: str
    """Canonical name, as on the wire."""
    args: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.args))})"


class Departure(msgspec.Struct, eq=False, gc=False):
    """One write to the stream, shared by all requests in it."""

    at: float | None = None
    """When they were handed out for sending, on the driver's clock; None: not yet."""


class PendingCall(msgspec.Struct, Generic[R], eq=False):
    """A request that was accepted for sending, and its outcome once that is known.

    Nothing here waits. Drivers pass `on_done`, which the pump runs as part of the
    dispatch of the answering message, after its row callbacks.
    """

    name: str
    """The function's name, or the SQL text of a query."""
    call: Call[R] | None
    """The call; None for a one-off query."""
    on_done: Callable[[PendingCall[R]], object] | None = None
    request_id: int = -1
    """Id on the current connection; -1 while it waits to be sent."""
    departure: Departure | None = None
    """The write that it is part of; None while it waits for a connection."""
    is_done: bool = False
    value: R | None = None
    error: BaseException | None = None

    @property
    def sent(self) -> bool:
        """Whether its bytes were handed out for sending."""
        return self.departure is not None and self.departure.at is not None

    def result(self) -> R:
        """Return the value, or raise the typed error of the outcome.

        Raises:
            LocalProtocolError: there is no outcome yet.
            ReducerError: the reducer returned an error.
            InternalError: the module panicked or the host could not run the function.
            QueryError: the server refused the query.
            Disconnected: the connection ended first.
        """
        if not self.is_done:
            raise LocalProtocolError(f"{self.name!r} has no outcome yet")
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # None is R's own None here

    def settle(self, value: R | None = None, error: BaseException | None = None) -> None:
        """Record the outcome; the first one stays."""
        if not self.is_done:
            self.is_done = True
            self.value = value
            self.error = error
