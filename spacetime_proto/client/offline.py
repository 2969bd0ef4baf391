"""Requests that were made while there was no open connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Disconnected, SpacetimeError
from .events import CallDone
from .sets import end_subscriptions

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from .connection import Connection
    from .context import Context
    from .events import Event
    from .pending_call import PendingCall
    from .stats import Counters
    from .subscriptions import Subscription


class Waiting:
    """Calls and subscriptions that have no connection yet, in the order in which they came."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self.calls: list[PendingCall[Any]] = []
        self.sets: list[Subscription] = []

    def forget(self, subscription: Subscription) -> None:
        """Take a subscription out again: it was cancelled."""
        self.sets = [one for one in self.sets if one is not subscription]

    def take_over(self, kept: Iterable[Subscription]) -> None:
        """Put the subscriptions of a lost connection before those that were never sent."""
        self.sets = [*(one for one in kept if not one.is_ended), *self.sets]

    def take_sets(self) -> list[Subscription]:
        """Take all subscriptions."""
        sets, self.sets = self.sets, []
        return sets

    def send(self, connection: Connection, ctx: Context[Any]) -> list[Event]:
        """Hand everything to an open connection.

        Returns:
            An event for each call that could not be sent: it does not fit the schema or a limit.
        """
        calls, self.calls = self.calls, []
        for subscription in self.take_sets():
            connection.sets.subscribe(subscription)
        events: list[Event] = []
        for pending in calls:
            try:
                connection.calls.send(pending)
            except SpacetimeError as error:
                pending.settle(error=error)
                self._counters.unanswered(pending)
                events.append(CallDone(ctx, pending))
        return events

    def drop_calls(
        self, cause: BaseException | None, ctx: Context[Any], *, for_good: bool
    ) -> Generator[Event, None, None]:
        """Settle the calls: they were never sent, so their outcome is known."""
        calls, self.calls = self.calls, []
        for pending in calls:
            error = Disconnected.because(
                f"{pending.name} was not sent", cause, "this client was closed", is_final=for_good
            )
            pending.settle(error=error)
            self._counters.unanswered(pending)
            yield CallDone(ctx, pending)

    def drop(self, cause: BaseException | None, ctx: Context[Any]) -> Generator[Event, None, None]:
        """Settle everything: there will be no other connection."""
        yield from self.drop_calls(cause, ctx, for_good=True)
        yield from end_subscriptions(self.take_sets(), cause, ctx, for_good=True)
