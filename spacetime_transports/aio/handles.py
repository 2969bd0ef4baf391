"""What an async client hands out: subscriptions that can be waited for, and change streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from ..handles_base import ChangeStreamBase, SubscriptionBase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spacetime_proto.client.subscriptions import Subscription

    from ..driver_base import DriverBase
    from ..handles_base import Change

Row = TypeVar("Row")


class AsyncSubscription(SubscriptionBase):
    """One query set of an async client."""

    def __init__(self, subscription: Subscription, driver: DriverBase[Any]) -> None:
        super().__init__(subscription, driver)
        self._changed = anyio.Event()
        subscription.on_change = self._on_change

    def _on_change(self, subscription: Subscription) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def wait_applied(self) -> None:
        """Wait until its rows are in the cache.

        Raises:
            SubscriptionError: the server refused it.
            Disconnected: the connection ended first.
            LocalProtocolError: this is a callback, or it was unsubscribed before.
        """
        self._owner.refuse_in_callback("subscribe")
        while not self._was_answered():
            await self._changed.wait()
        self._check_applied()

    async def wait_ended(self) -> None:
        """Wait until it is over.

        Raises:
            SubscriptionError: the server gave it up.
            LocalProtocolError: this is a callback.
        """
        self._owner.refuse_in_callback("wait for the end of a subscription")
        while not self.is_ended and not self._owner.is_done:
            await self._changed.wait()
        self._check_alive()

    async def unsubscribe(self) -> None:
        """End it; returns when its rows have left the cache.

        Raises:
            LocalProtocolError: it is over, or this was called before, or this is a callback.
        """
        self._owner.refuse_in_callback("unsubscribe")
        self.unsubscribe_soon()
        await self.wait_ended()


class AsyncChangeStream(ChangeStreamBase[Row]):
    """The changes of one table, for ``async for``."""

    _news: anyio.Event | None = None

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("on an async client, changes() is read with async for")

    def __aiter__(self) -> AsyncChangeStream[Row]:
        return self

    async def __anext__(self) -> Change[Row]:
        while True:
            change = self._take()
            if change is not None:
                return change
            if self._is_over:
                raise StopAsyncIteration
            self._owner.refuse_in_callback("read a change stream")
            self._news = anyio.Event()
            await self._news.wait()
