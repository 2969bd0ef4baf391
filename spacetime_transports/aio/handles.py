"""What an async client hands out: subscriptions that can be waited for, and change streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from spacetime_proto.errors import CallTimeout

from ..handles_base import ChangeStreamBase, SubscriptionBase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn, Self

    from spacetime_proto.client.subscriptions import Subscription
    from spacetime_proto.client.table_handles import TableHandle

    from ..handles_base import Change
    from .driver import AsyncDriver
    from .waiting import Waiter

Row = TypeVar("Row")


class AsyncSubscription(SubscriptionBase):
    """One query set of an async client."""

    _owner: AsyncDriver[Any]

    def __init__(self, subscription: Subscription, driver: AsyncDriver[Any]) -> None:
        super().__init__(subscription, driver)
        self._wakers: set[Waiter] = set()
        subscription.on_change = self._on_change

    def _on_change(self, subscription: Subscription) -> None:
        for waiter in self._wakers:
            waiter.set()

    async def wait_applied(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # raises CallTimeout
        """Wait until its rows are in the cache.

        Args:
            timeout: seconds to wait; None waits for ever.

        Raises:
            SubscriptionError: the server refused it.
            CallTimeout: it was not applied in time.
            Disconnected: the connection ended first.
            LocalProtocolError: this is a callback, or it was unsubscribed before.
        """
        driver = self._owner
        driver.refuse_in_callback("subscribe")
        if not await driver.until(self._was_answered, self._wakers, timeout):
            raise CallTimeout.after(f"{self._name} was not applied", timeout)
        self._check_applied()

    async def wait_ended(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # raises CallTimeout
        """Wait until it is over.

        Args:
            timeout: seconds to wait; None waits for ever.

        Raises:
            SubscriptionError: the server gave it up.
            CallTimeout: it did not end in time.
            LocalProtocolError: this is a callback.
        """
        await self._wait_ended("wait for the end of a subscription", timeout)
        self._check_alive()

    async def unsubscribe(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # raises CallTimeout
        """End it; returns when its rows have left the cache. Idempotent.

        Args:
            timeout: seconds to wait; None waits for ever.

        Raises:
            CallTimeout: it did not end in time.
            LocalProtocolError: this is a callback.
        """
        self._owner.refuse_in_callback("unsubscribe")
        self.unsubscribe_soon()
        await self._wait_ended("unsubscribe", timeout)

    async def _wait_ended(self, what: str, timeout: float | None) -> None:  # noqa: ASYNC109
        driver = self._owner
        driver.refuse_in_callback(what)
        if not await driver.until(lambda: self.is_ended, self._wakers, timeout):
            raise CallTimeout.after(f"{self._name} did not end", timeout)


class AsyncChangeStream(ChangeStreamBase[Row]):
    """The changes of one table, for ``async for``; ``async with`` closes it at the end."""

    _owner: AsyncDriver[Any]

    def __init__(
        self, table: TableHandle[Row], max_buffered: int, driver: AsyncDriver[Any]
    ) -> None:
        self._wakers: set[Waiter] = set()
        super().__init__(table, max_buffered, driver)

    def _wake(self) -> None:
        for waiter in self._wakers:
            waiter.set()

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("on an async client, changes() is read with async for")

    def __enter__(self) -> NoReturn:
        raise TypeError("on an async client, changes() is used with async with")

    async def __aenter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change[Row]:
        driver = self._owner
        while True:
            change = self._take()
            if change is not None:
                return change
            if self._is_over:
                raise StopAsyncIteration
            driver.refuse_in_callback("read a change stream")
            await driver.until(self._has_news, self._wakers, None)
