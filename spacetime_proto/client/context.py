"""`Context`: the first argument of every callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias

from typing_extensions import TypeVar

from ..errors import LocalProtocolError, SpacetimeError
from ..unknown_names import add_advice
from .stats import Counters

if TYPE_CHECKING:
    from ..types import ConnectionId, Identity
    from .causes import Why
    from .pending_call import Call
    from .subscriptions import Subscription

# With a default, callbacks may be annotated with a bare `Context` in strictly checked code.
DbT = TypeVar("DbT", default=Any)


class ContextOwner(Protocol):
    """The part of a session that its contexts and its connection use."""

    counters: Counters
    wants_everything: bool
    """Whether row differences are built for tables without callbacks too."""
    wants_outcomes: bool
    """Whether callbacks get the outcomes of all calls, besides the callers that wait."""

    @property
    def db(self) -> Any: ...

    @property
    def identity(self) -> Identity | None: ...

    @property
    def connection_id(self) -> ConnectionId | None: ...

    def submit(self, call: Call[Any]) -> None: ...

    def subscribe(self, *queries: Any, **callbacks: Any) -> Subscription: ...


_ADVICE = {
    "call": "a callback cannot wait; write ctx.submit(reducers.NAME(...))",
    "reducers": "write ctx.submit(reducers.NAME(...)) with the reducers of the bindings",
    "procedures": "write ctx.submit(procedures.NAME(...)) with the procedures of the bindings",
    "query": "a callback cannot wait for a query; ask in a task or thread of your own",
    "sender": "who caused the change is ctx.event.caller_identity, where the event has it",
    "timestamp": "when the change was made is ctx.event.timestamp, where the event has it",
    **dict.fromkeys(
        ("subscription_builder", "subscriptionBuilder"), "write ctx.subscribe(queries)"
    ),
}


class NoOwner:
    """Stands for the session while there is none: before the first schema was fetched."""

    wants_everything = wants_outcomes = False
    identity: Identity | None = None
    connection_id: ConnectionId | None = None

    def __init__(self) -> None:
        self.counters = Counters()

    @property
    def db(self) -> Any:
        """Nothing yet: raises LocalProtocolError, as the methods do."""
        raise self._too_early()

    def submit(self, call: Call[Any]) -> None:
        raise self._too_early()

    def subscribe(self, *queries: Any, **callbacks: Any) -> Subscription:
        raise self._too_early()

    @staticmethod
    def _too_early() -> LocalProtocolError:
        return LocalProtocolError("there are no tables yet: the schema could not be fetched")


class Context(Generic[DbT]):
    """Why a callback runs (`event`), the cache, and the requests that a callback may make.

    Requests are queued and nothing here waits, so a callback cannot deadlock.
    """

    __slots__ = ("_owner", "event")

    def __init__(self, owner: ContextOwner, event: Why | None) -> None:
        self._owner = owner
        self.event = event
        """The cause, such as a `ReducerEvent`; None in `on_connect`."""

    @property
    def db(self) -> DbT:
        """The client cache, as it is after the message that is being dispatched."""
        return self._owner.db  # type: ignore[no-any-return]  # generated class, known to the caller

    @property
    def identity(self) -> Identity:
        """This client's identity.

        Raises:
            LocalProtocolError: it is not known yet: in `on_connect_error`, before the first
                connection.
        """
        identity = self._owner.identity
        if identity is None:
            raise LocalProtocolError("the identity is not known before the first connection")
        return identity

    @property
    def connection_id(self) -> ConnectionId | None:
        """This client's connection id."""
        return self._owner.connection_id

    def submit(self, call: Call[Any]) -> None:
        """Queue a call without waiting for its outcome; it leaves when the callback is done.

        Raises:
            LocalProtocolError: the session is closed, or the call does not fit the schema.
        """
        self._owner.submit(call)

    def subscribe(
        self,
        *queries: object,
        on_applied: OnApplied[DbT] | None = None,
        on_error: OnError[DbT] | None = None,
        on_end: OnEnd[DbT] | None = None,
    ) -> Subscription:
        """Queue a subscription and return its pending handle without waiting.

        Args:
            queries: SQL texts or queries of the builder.
            on_applied: ``on_applied(ctx)``, before the row callbacks of its first rows.
            on_error: ``on_error(ctx, error)``, if it is refused or fails later.
            on_end: ``on_end(ctx)``, after an unsubscribe.

        Raises:
            LocalProtocolError: the session is closed, or a value is not a query.
        """
        return self._owner.subscribe(
            *queries, on_applied=on_applied, on_error=on_error, on_end=on_end
        )

    def __repr__(self) -> str:
        return f"<Context {self.event!r}>"


#: ``(ctx)``
OnApplied: TypeAlias = Callable[[Context[DbT]], object]
#: ``(ctx, error)``
OnError: TypeAlias = Callable[[Context[DbT], SpacetimeError], object]
#: ``(ctx)``
OnEnd: TypeAlias = Callable[[Context[DbT]], object]


add_advice(Context, "a callback's context", _ADVICE)
