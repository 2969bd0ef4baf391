"""What a blocking client hands out: subscriptions that can be waited for, and change streams."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from spacetime_proto.errors import CallTimeout

from ..handles_base import ChangeStreamBase, SubscriptionBase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import NoReturn, Self

    from spacetime_proto.client.subscriptions import Subscription

    from ..handles_base import Change
    from .driver import BlockingDriver

Row = TypeVar("Row")


def end_of(timeout: float | None) -> float | None:
    """Return the point on `time.monotonic` that is `timeout` seconds away."""
    return None if timeout is None else time.monotonic() + timeout


class BlockingSubscription(SubscriptionBase):
    """One query set of a blocking client."""

    _owner: BlockingDriver[Any]

    def __init__(self, subscription: Subscription, driver: BlockingDriver[Any]) -> None:
        super().__init__(subscription, driver)
        subscription.on_change = driver.notify

    def wait_applied(self, timeout: float | None = None) -> None:
        """Wait until its rows are in the cache.

        Raises:
            SubscriptionError: the server refused it.
            Disconnected: the connection ended first.
            CallTimeout: not within `timeout` seconds.
            LocalProtocolError: this is a callback, or it was unsubscribed before.
        """
        owner = self._owner
        owner.refuse_in_callback("subscribe")
        was_answered = owner.pump_until(self._was_answered, end_of(timeout))
        owner.surface()
        if not was_answered:
            if owner.is_done:
                owner.raise_over("subscribe")
            raise CallTimeout.after(f"{self._name} was not applied", timeout)
        self._check_applied()

    def wait_ended(self, timeout: float | None = None) -> None:
        """Wait until it is over.

        Raises:
            SubscriptionError: the server gave it up.
            CallTimeout: not within `timeout` seconds.
            LocalProtocolError: this is a callback.
        """
        self._wait_ended("wait for the end of a subscription", timeout)
        self._check_alive()

    def unsubscribe(self, timeout: float | None = None) -> None:
        """End it; returns when its rows have left the cache. Idempotent.

        Raises:
            CallTimeout: not within `timeout` seconds.
            LocalProtocolError: this is a callback.
        """
        self._owner.refuse_in_callback("unsubscribe")
        self.unsubscribe_soon()
        self._wait_ended("unsubscribe", timeout)

    def _wait_ended(self, what: str, timeout: float | None) -> None:
        driver = self._owner
        driver.refuse_in_callback(what)
        is_over = driver.pump_until(lambda: self.is_ended, end_of(timeout))
        driver.surface()
        if not is_over and not driver.is_done:
            raise CallTimeout.after(f"{self._name} did not end", timeout)


class BlockingChangeStream(ChangeStreamBase[Row]):
    """The changes of one table, for a plain ``for``. Reading it runs the client.

    ``with`` closes it at the end.
    """

    _owner: BlockingDriver[Any]

    def _wake(self) -> None:
        self._owner.notify()

    def __aiter__(self) -> AsyncIterator[Any]:
        raise TypeError("on a blocking client, changes() is read with a plain for")

    async def __aenter__(self) -> NoReturn:
        raise TypeError("on a blocking client, changes() is used with a plain with")

    def __enter__(self) -> Self:
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Change[Row]:
        change = self.get()
        if change is None:
            raise StopIteration
        return change

    def get(self, timeout: float | None = None) -> Change[Row] | None:
        """Return the next change; None if there is none within `timeout` seconds or the stream ended.

        Raises:
            LimitExceeded: the reader was too slow.
            Disconnected: the connection was lost.
            LocalProtocolError: this is a callback.
        """
        end = end_of(timeout)
        while True:
            change = self._take()
            if change is not None or self._is_over:
                return change
            self._owner.refuse_in_callback("read a change stream")
            has_news = self._owner.pump_until(self._has_news, end)
            self._owner.surface()
            if not has_news:
                return None
