"""What a blocking client hands out: subscriptions that can be waited for, and change streams."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from spacetime_proto.errors import CallTimeout, Disconnected, LocalProtocolError

from ..change_buffer import ChangeBuffer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from spacetime_proto.client.states import SubscriptionState
    from spacetime_proto.client.subscriptions import Subscription
    from spacetime_proto.client.table_handles import Delete, Insert, TableHandle, Update
    from spacetime_proto.errors import SpacetimeError

    from .driver import BlockingDriver

__all__ = ["BlockingChangeStream", "BlockingSubscription", "end_of", "refuse_in_callback"]

Row = TypeVar("Row")


def refuse_in_callback(driver: BlockingDriver[Any], what: str) -> None:
    """Refuse to wait inside one of the client's own callbacks: it would wait for itself.

    Raises:
        LocalProtocolError: this is a callback.
    """
    if driver.in_callback:
        raise LocalProtocolError(
            f"cannot {what} and wait for it inside a callback of the same client, which would wait"
            " for itself; use ctx.submit or ctx.subscribe, or a thread of your own"
        )


def end_of(timeout: float | None) -> float | None:
    """Return the point on `time.monotonic` that is `timeout` seconds away."""
    return None if timeout is None else time.monotonic() + timeout


class BlockingSubscription:
    """One query set of a blocking client."""

    def __init__(self, subscription: Subscription, driver: BlockingDriver[Any]) -> None:
        self._subscription = subscription
        self._driver = driver
        subscription.on_change = driver.notify

    @property
    def queries(self) -> tuple[str, ...]:
        """The SQL texts."""
        return self._subscription.queries

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
        """Whether it is over, in whichever way."""
        return self._subscription.is_ended

    @property
    def error(self) -> SpacetimeError | None:
        """Why it failed, if it did."""
        return self._subscription.error

    def wait_applied(self, timeout: float | None = None) -> None:
        """Wait until its rows are in the cache.

        Raises:
            SubscriptionError: the server refused it.
            Disconnected: the connection ended first.
            CallTimeout: not within `timeout` seconds.
            LocalProtocolError: this is a callback, or it was unsubscribed before.
        """
        refuse_in_callback(self._driver, "subscribe")
        subscription = self._subscription
        if not self._driver.pump_until(
            lambda: subscription.was_applied or subscription.is_ended, end_of(timeout)
        ):
            raise CallTimeout(f"the subscription was not applied within {timeout or 0:g} s")
        self._raise_error()
        if not subscription.was_applied:
            raise LocalProtocolError("the subscription was ended before it was applied")

    def wait_ended(self, timeout: float | None = None) -> None:
        """Wait until it is over.

        Raises:
            SubscriptionError: the server gave it up.
            CallTimeout: not within `timeout` seconds.
            LocalProtocolError: this is a callback.
        """
        refuse_in_callback(self._driver, "wait for the end of a subscription")
        ended = self._driver.pump_until(lambda: self.is_ended, end_of(timeout))
        if not ended and not self._driver.is_done:
            raise CallTimeout(f"the subscription did not end within {timeout or 0:g} s")
        self._raise_error()

    def _raise_error(self) -> None:
        error = self._subscription.error
        if error is not None:
            if isinstance(error, Disconnected):
                self._driver.failure.was_told = True
            raise error

    def unsubscribe(self, timeout: float | None = None) -> None:
        """End it; returns when its rows have left the cache.

        Raises:
            LocalProtocolError: it is over or was ended before, or this is a callback.
            CallTimeout: not within `timeout` seconds.
        """
        refuse_in_callback(self._driver, "unsubscribe")
        self.unsubscribe_soon()
        self.wait_ended(timeout)

    def unsubscribe_soon(self, on_end: Callable[..., Any] | None = None) -> None:
        """Ask for the end without waiting; ``on_end(ctx)`` runs when its rows are gone.

        One that was not sent yet is cancelled: it is never applied.

        Raises:
            LocalProtocolError: it is over or was ended before.
        """
        with self._driver.lock:
            self._subscription.unsubscribe(on_end)
        self._driver.flush()

    def __repr__(self) -> str:
        return repr(self._subscription)


class BlockingChangeStream(Generic[Row]):
    """The changes of one table, for ``for``; made by ``table.changes()``.

    Reading it runs the client. It ends normally when the client is closed, and raises what ended
    the client otherwise.
    """

    def __init__(
        self, table: TableHandle[Row], max_buffered: int, driver: BlockingDriver[Any]
    ) -> None:
        self._driver = driver
        self._has_news = False
        self._buffer = ChangeBuffer(table, max_buffered, self._wake)
        driver.streams.add(self)

    def _wake(self) -> None:
        self._has_news = True
        self._driver.notify()

    def __aiter__(self) -> AsyncIterator[Any]:
        raise TypeError("on a blocking client, changes() is read with a plain for")

    def __iter__(self) -> BlockingChangeStream[Row]:
        return self

    def __next__(self) -> Insert[Row] | Update[Row] | Delete[Row]:
        change = self.get()
        if change is None:
            raise StopIteration
        return change

    def get(self, timeout: float | None = None) -> Insert[Row] | Update[Row] | Delete[Row] | None:
        """Return the next change; None when none came within `timeout` seconds, or the stream ended.

        Raises:
            LimitExceeded: the reader was too slow.
            Disconnected: the connection was lost.
            LocalProtocolError: this is a callback.
        """
        end = end_of(timeout)
        while True:
            self._has_news = False
            try:
                change = self._buffer.take()
            except Disconnected:
                self._driver.failure.was_told = True
                raise
            if change is not None or self._buffer.is_over:
                return change
            refuse_in_callback(self._driver, "read a change stream")
            if not self._driver.pump_until(lambda: self._has_news, end) and not self._has_news:
                return None

    def end(self, error: BaseException | None) -> None:
        """Let it end after what is buffered (called by the driver)."""
        self._driver.streams.discard(self)
        self._buffer.end(error)

    def close(self) -> None:
        """Stop listening; iteration ends after what is buffered."""
        self.end(None)

    def __repr__(self) -> str:
        return f"<BlockingChangeStream {'over' if self._buffer.is_over else 'open'}>"
