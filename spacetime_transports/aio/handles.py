"""What an async client hands out: subscriptions that can be waited for, and change streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

from spacetime_proto.errors import Disconnected, LocalProtocolError

from ..change_buffer import ChangeBuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spacetime_proto.client.states import SubscriptionState
    from spacetime_proto.client.subscriptions import Subscription
    from spacetime_proto.client.table_handles import Delete, Insert, TableHandle, Update
    from spacetime_proto.errors import SpacetimeError

    from .driver import AsyncDriver

__all__ = ["AsyncChangeStream", "AsyncSubscription", "refuse_in_callback"]

Row = TypeVar("Row")


def refuse_in_callback(driver: AsyncDriver[Any], what: str) -> None:
    """Refuse to wait inside one of the client's own callbacks: it would wait for itself.

    Raises:
        LocalProtocolError: this is a callback, or a task that a running callback has started.
    """
    if driver.in_callback:
        raise LocalProtocolError(
            f"cannot {what} and wait for it inside a callback of the same client, which would wait"
            " for itself; use ctx.submit or ctx.subscribe, or a task of your own"
        )


class AsyncSubscription:
    """One query set of an async client."""

    def __init__(self, subscription: Subscription, driver: AsyncDriver[Any]) -> None:
        self._subscription = subscription
        self._driver = driver
        self._changed = anyio.Event()
        subscription.on_change = self._on_change

    def _on_change(self, subscription: Subscription) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

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

    async def wait_applied(self) -> None:
        """Wait until its rows are in the cache.

        Raises:
            SubscriptionError: the server refused it.
            Disconnected: the connection ended first.
            LocalProtocolError: this is a callback, or it was unsubscribed before.
        """
        refuse_in_callback(self._driver, "subscribe")
        while not self._subscription.was_applied and not self.is_ended:
            await self._changed.wait()
        self._raise_error()
        if not self._subscription.was_applied:
            raise LocalProtocolError("the subscription was ended before it was applied")

    async def wait_ended(self) -> None:
        """Wait until it is over.

        Raises:
            SubscriptionError: the server gave it up.
            LocalProtocolError: this is a callback.
        """
        refuse_in_callback(self._driver, "wait for the end of a subscription")
        while not self.is_ended and not self._driver.is_done:
            await self._changed.wait()
        self._raise_error()

    def _raise_error(self) -> None:
        error = self._subscription.error
        if error is not None:
            if isinstance(error, Disconnected):
                self._driver.failure.was_told = True
            raise error

    async def unsubscribe(self) -> None:
        """End it; returns when its rows have left the cache.

        Raises:
            LocalProtocolError: it is over or was ended before, or this is a callback.
        """
        refuse_in_callback(self._driver, "unsubscribe")
        self.unsubscribe_soon()
        await self.wait_ended()

    def unsubscribe_soon(self, on_end: Callable[..., Any] | None = None) -> None:
        """Ask for the end without waiting; ``on_end(ctx)`` runs when its rows are gone.

        One that was not sent yet is cancelled: it is never applied.

        Raises:
            LocalProtocolError: it is over or was ended before.
        """
        self._subscription.unsubscribe(on_end)
        self._driver.wake()

    def __repr__(self) -> str:
        return repr(self._subscription)


class AsyncChangeStream(Generic[Row]):
    """The changes of one table, for ``async for``; made by ``table.changes()``.

    It ends normally when the client is closed, and raises what ended the client otherwise.
    """

    def __init__(
        self, table: TableHandle[Row], max_buffered: int, driver: AsyncDriver[Any]
    ) -> None:
        self._driver = driver
        self._wake = anyio.Event()
        self._buffer = ChangeBuffer(table, max_buffered, lambda: self._wake.set())
        driver.streams.add(self)

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("on an async client, changes() is read with async for")

    def __aiter__(self) -> AsyncChangeStream[Row]:
        return self

    async def __anext__(self) -> Insert[Row] | Update[Row] | Delete[Row]:
        while True:
            try:
                change = self._buffer.take()
            except Disconnected:
                self._driver.failure.was_told = True
                raise
            if change is not None:
                return change
            if self._buffer.is_over:
                raise StopAsyncIteration
            refuse_in_callback(self._driver, "read a change stream")
            self._wake = anyio.Event()
            await self._wake.wait()

    def end(self, error: BaseException | None) -> None:
        """Let it end after what is buffered (called by the driver)."""
        self._driver.streams.discard(self)
        self._buffer.end(error)

    def close(self) -> None:
        """Stop listening; iteration ends after what is buffered."""
        self.end(None)

    def __repr__(self) -> str:
        return f"<AsyncChangeStream {'over' if self._buffer.is_over else 'open'}>"
