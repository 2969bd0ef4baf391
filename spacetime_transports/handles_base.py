"""Subscriptions and change streams, without the waiting that the async and blocking client add."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from spacetime_proto.client.table_handles import (
    Delete,
    EventTableHandle,
    Insert,
    KeyedTableHandle,
    Update,
)
from spacetime_proto.errors import Disconnected, LimitExceeded, LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spacetime_proto.client.callback_types import OnEnd
    from spacetime_proto.client.states import SubscriptionState
    from spacetime_proto.client.subscriptions import Subscription
    from spacetime_proto.client.table_handles import CallbackHandle, TableHandle
    from spacetime_proto.errors import SpacetimeError

    from .driver_base import DriverBase

Row = TypeVar("Row")
Change: TypeAlias = Insert[Row] | Update[Row] | Delete[Row]


class SubscriptionBase:
    """One query set of a client."""

    def __init__(self, subscription: Subscription, driver: DriverBase[Any]) -> None:
        self._subscription = subscription
        self._owner = driver

    @property
    def queries(self) -> tuple[str, ...]:
        """The SQL texts."""
        return self._subscription.queries

    @property
    def left_out(self) -> Mapping[str, str]:
        """What a subscription to all tables leaves out, and why, by canonical name.

        Those are private and system tables, views with parameters and, on protocol v1, event tables.
        Empty until the subscription was sent.
        """
        return self._subscription.left_out

    @property
    def state(self) -> SubscriptionState:
        """Where it stands: pending, sent, applied, ending, ended or failed."""
        return self._subscription.state

    @property
    def is_active(self) -> bool:
        """Whether its rows are in the cache and kept up to date."""
        return self._subscription.is_active

    @property
    def is_ended(self) -> bool:
        """Whether it is over: ended by this client, failed, or lost with the connection."""
        return self._subscription.is_ended

    @property
    def error(self) -> SpacetimeError | None:
        """Why it failed, if it did."""
        return self._subscription.error

    def unsubscribe_soon(self, on_end: OnEnd | None = None) -> None:
        """Begin to end it, without waiting; ``on_end(ctx)`` runs when its rows are gone.

        One that was not sent yet is cancelled: it is never applied. If it is over nothing happens,
        and `on_end` does not run.
        """
        self._owner.check_process()
        subscription = self._subscription
        with self._owner.lock:
            subscription.unsubscribe(on_end)
        self._owner.wake()
        if subscription.on_change is not None:
            # Without a connection its end may be told much later; who waits for it need not.
            subscription.on_change(subscription)

    def _was_answered(self) -> bool:
        """Whether waiting for it to be applied is over."""
        return self._subscription.was_applied or self.is_ended

    @property
    def _name(self) -> str:
        """It in the text of an error."""
        queries = self.queries
        more = f" and {len(queries) - 1} more" if len(queries) > 1 else ""
        return f"the subscription to {queries[0] if queries else 'nothing'!r}{more}"

    def _check_applied(self) -> None:
        self._check_alive()
        if not self._was_answered():
            self._owner.raise_over("subscribe")
        if not self._subscription.was_applied:
            raise LocalProtocolError("the subscription was ended before it was applied")

    def _check_alive(self) -> None:
        error = self.error
        if error is not None:
            if isinstance(error, Disconnected):
                self._owner.was_told = True
            raise error

    def __repr__(self) -> str:
        return repr(self._subscription)


class ChangeStreamBase(Generic[Row]):
    """The changes of one table; made by ``table.changes()``.

    Row callbacks collect them until the reader takes them. After a reconnect the differences come as
    changes. Iteration stops when the client is closed; an error that ends the client is raised to the
    reader. A context manager that closes it at the end of the block.

    Args:
        table: whose changes.
        max_buffered: how many changes may wait; one more ends the stream with `LimitExceeded`.
        driver: the driver of the client.
    """

    def __init__(self, table: TableHandle[Row], max_buffered: int, driver: DriverBase[Any]) -> None:
        if isinstance(max_buffered, bool) or not isinstance(max_buffered, int) or max_buffered < 1:
            raise LocalProtocolError(f"max_buffered must be at least 1, not {max_buffered!r}")
        self._owner = driver
        self._table_name = table.table_name
        self._max = max_buffered
        self._changes: deque[Change[Row]] = deque()
        self._error: BaseException | None = None
        self._is_ended = False
        # These callbacks never wait, so a slow reader does not slow the client down.
        self._handles: list[CallbackHandle] = [
            table.on_insert(lambda ctx, row: self._add(Insert(row)))
        ]
        if not isinstance(table, EventTableHandle):
            self._handles.append(table.on_delete(lambda ctx, row: self._add(Delete(row))))
        if isinstance(table, KeyedTableHandle):
            self._handles.append(table.on_update(lambda ctx, old, new: self._add(Update(old, new))))
        driver.streams.add(self)

    if TYPE_CHECKING:

        def _wake(self) -> None:
            """Wake the reader, if it waits."""

    def _add(self, change: Change[Row]) -> None:
        if self._is_ended:
            return
        if len(self._changes) < self._max:
            self._changes.append(change)
            self._wake()
        else:
            self.end(
                LimitExceeded(
                    f"the reader of {self._table_name!r} changes is too slow: more than "
                    f"{self._max} wait",
                    limit="max_buffered",
                    maximum=self._max,
                )
            )

    def end(self, error: BaseException | None) -> None:
        """End it after what is buffered, normally or with `error` (called by the driver)."""
        self._owner.streams.discard(self)
        if self._is_ended:
            return
        self._is_ended = True
        self._error = error
        for handle in self._handles:
            handle.cancel()
        self._wake()

    def close(self) -> None:
        """Stop listening; iteration ends after what is buffered."""
        self.end(None)

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aexit__(self, *error: object) -> None:
        self.close()

    def _has_news(self) -> bool:
        """Whether `_take` has something to return or raise, or nothing more will come."""
        return bool(self._changes) or self._is_ended

    @property
    def _is_over(self) -> bool:
        """Whether nothing more will come, and all that came was taken."""
        return self._is_ended and not self._changes and self._error is None

    def _take(self) -> Change[Row] | None:
        """Return the next change, or None when there is none now (or none ever: `_is_over`).

        Raises:
            LimitExceeded: the reader was too slow; raised once.
            Disconnected: the connection was lost; raised once.
        """
        if self._changes:
            return self._changes.popleft()
        error, self._error = self._error, None
        if error is None:
            return None
        if isinstance(error, Disconnected):
            self._owner.was_told = True
        raise error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'over' if self._is_over else 'open'}>"
