"""Subscriptions: one handle per query set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import LocalProtocolError, SpacetimeError
from .all_tables import choose
from .callback_arity import check_callback
from .states import SubscriptionInput, SubscriptionState, next_subscription_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..schema.bound import BoundModule


def query_text(query: object) -> str:
    """Return the SQL of a query: text as it is, a query of the builder through its ``sql``.

    Raises:
        LocalProtocolError: neither of the two.
    """
    if isinstance(query, str):
        return query
    sql = getattr(query, "sql", None)
    if callable(sql):
        sql = sql()
    if isinstance(sql, str):
        return sql
    hint = ": call it with its arguments" if callable(query) else ""
    raise LocalProtocolError(
        f"a query is SQL text or a query of the builder, not {type(query).__name__}{hint}"
    )


def query_texts(queries: Iterable[object]) -> list[str]:
    """Return the SQL of queries, lists of them taken apart; errors as `query_text`."""
    texts: list[str] = []
    for query in queries:
        many = query if isinstance(query, list | tuple) else (query,)
        texts.extend(map(query_text, many))
    return texts


class Subscription:
    """One query set: its queries, its state, its callbacks.

    `unsubscribe` does not wait for the answer; the handles of drivers do. Callbacks:
    ``on_applied(ctx)``, ``on_error(ctx, error)``, ``on_end(ctx)``.
    """

    def __init__(
        self,
        queries: Iterable[str],
        *,
        on_applied: Callable[..., Any] | None = None,
        on_error: Callable[..., Any] | None = None,
        on_end: Callable[..., Any] | None = None,
        legacy: bool = False,
    ) -> None:
        self.queries = tuple(queries)
        self.left_out: dict[str, str] = {}
        """What a subscription to all tables leaves out, and why, by canonical name."""
        self.on_applied = on_applied
        self.on_error = on_error
        self.on_end = on_end
        self.legacy = legacy
        """Whether it is the one replaceable set of the 0.7 API."""
        self.replaces: Subscription | None = None
        """The set that this one takes the place of, as one difference."""
        self.error: SpacetimeError | None = None
        self.all_tables = False
        """Whether it is also for all tables; its queries are complete once it was sent."""
        self.set_id = -1
        """Id on the current connection; -1 while it waits to be sent."""
        self.was_applied = False
        """Whether `on_applied` has run once; a replay does not run it again."""
        self.on_change: Callable[[Subscription], object] | None = None
        """Set by a driver that waits for this subscription; runs in plan order."""
        self._given = self.queries
        self._state = SubscriptionState.PENDING
        self._unsubscribe: Callable[[Subscription], None] | None = None
        self._driver_check: Callable[[Callable[..., Any]], object] | None = None

    @property
    def state(self) -> SubscriptionState:
        """Its state: pending, sent, applied, ending, ended or failed."""
        return self._state

    @property
    def is_active(self) -> bool:
        """Whether its rows are in the cache and kept up to date."""
        return self._state is SubscriptionState.APPLIED

    @property
    def is_ended(self) -> bool:
        """Whether it is over, in whichever way."""
        return self._state in (SubscriptionState.ENDED, SubscriptionState.FAILED)

    def choose(self, module: BoundModule, protocol: str) -> None:
        """Complete the queries, now that the protocol is known (called by the connection)."""
        if self.all_tables:
            chosen, self.left_out = choose(module, protocol)
            self.queries = (*self._given, *chosen)

    def bind(
        self,
        unsubscribe: Callable[[Subscription], None],
        driver_check: Callable[[Callable[..., Any]], object] | None = None,
    ) -> None:
        """Set what the session does for it (called by the session).

        Args:
            unsubscribe: asks the session for the end.
            driver_check: refuses callbacks that the driver cannot run.
        """
        self._unsubscribe = unsubscribe
        self._driver_check = driver_check

    def move(self, event: SubscriptionInput) -> None:
        """Go to the next state (called by the connection).

        Raises:
            ProtocolError: the server's message does not fit the state.
            LocalProtocolError: the caller's request does not fit the state.
        """
        self._state = next_subscription_state(self._state, event)

    def unsubscribe(self, on_end: Callable[..., Any] | None = None) -> None:
        """Ask for the end; ``on_end(ctx)`` runs when its rows are gone.

        Before the request for it was sent, it is cancelled silently: `on_applied` never runs. If it
        is over, or its end was asked for before, nothing is sent; in the first case `on_end` does
        not run either.

        Raises:
            TypeError: `on_end` does not take ``(ctx)``.
            LocalProtocolError: it is v1's legacy set, which can only be replaced.
        """
        if self._unsubscribe is None:
            raise LocalProtocolError("this subscription belongs to no session")
        if on_end is not None:
            check_callback("on_end", on_end)
            if self._driver_check is not None:
                self._driver_check(on_end)
            self.on_end = on_end
        self._unsubscribe(self)

    def __repr__(self) -> str:
        return f"<Subscription {self._state.value} {list(self.queries)!r}>"
