"""The client for asyncio and trio.

Two background tasks own the byte stream: one reads and runs all callbacks, one at a time; the other
writes. Your tasks only queue requests and wait for their own answers, so cancelling one of them
never cuts a frame in two. While a callback runs nothing is read, and TCP slows the server down. (A
server drops a client that is silent for 30 seconds, so do long work in a task of your own.)

The background tasks never raise into yours. The error that ends the connection is raised by the
calls that wait at that moment; if there are none, leaving the ``async with`` block raises it, once
(`aio.lifetime` has the other ways to begin and end a client).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import anyio
from typing_extensions import TypeVar

from spacetime_proto.errors import CallTimeout, SpacetimeError

from ..client_base import DbT
from ..options import names_options, resolve
from .handles import AsyncChangeStream, AsyncSubscription
from .lifetime import Lifetime

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from spacetime_proto.bindings.client_module import Module
    from spacetime_proto.client.pending_call import Call, PendingCall
    from spacetime_proto.dataframes.query_rows import Rows
    from spacetime_proto.query.builder import Query

    from ..client_base import SubscribeCallbacks
    from ..options import Options
    from .waiting import Waiter

__all__ = ["AsyncChangeStream", "AsyncClient", "AsyncSubscription", "connect"]

R = TypeVar("R")
T = TypeVar("T", default=Any)  # the rows of a query that is text


@names_options
def connect(
    host: str, database: str, module: Module[DbT] | None = None, **options: Unpack[Options]
) -> AsyncClient[DbT]:
    """Return a client of `database` on the server at `host`, which one of these connects::

        async with connect(...) as client:
        client = await connect(...)  # asyncio only; `AsyncClient.close` ends it
        client = await nursery.start(connect(...).run)  # trio, or a task group of anyio

    Args:
        host: ``http://host:port``, ``https://…`` or ``host:port``, with a path prefix if need be.
        database: name or 64-digit identity.
        module: generated bindings (``module_bindings.MODULE``); without them the schema is fetched
            from the server first.
        options: see `Options`.

    Raises:
        LocalProtocolError: an argument or option makes no sense. Everything that can go wrong on
            the network is raised when it connects: ConnectError and its kin.
    """
    return AsyncClient(host, database, module, resolve(**options))


class AsyncClient(Lifetime[DbT]):
    """A client under asyncio or trio, made by `connect`.

    All methods but `close_soon` belong to the event loop's thread. Other threads may read the cache
    under ``lock``.
    """

    # --- requests -----------------------------------------------------------------------------

    async def call(self, call: Call[R], *, timeout: float | None = None) -> R:  # noqa: ASYNC109  # on expiry the call goes on; see CallTimeout
        """Call a reducer or procedure and return its value, once its changes are in the cache.

        Cancelling the wait, or a timeout, does not take the call back.

        Args:
            call: what ``module_bindings.reducers.f(...)`` or ``procedures.f(...)`` returned.
            timeout: seconds to wait for the outcome; None waits for ever.

        Raises:
            ReducerError: the reducer returned an error.
            InternalError: it panicked, or the host could not run it.
            CallTimeout: no outcome in time.
            Disconnected: the connection ended first; `outcome_unknown` says whether it was sent.
            LocalProtocolError: the call does not fit the schema, or this is a callback (use
                `submit` there).
        """
        session = self._ready("call", call, waits=True)
        waiter = self._driver.new_waiter()
        pending = session.call(call, on_done=waiter.set)
        return await self._outcome(pending, waiter, timeout)

    async def query(self, query: Query[T] | str, *, timeout: float | None = None) -> Rows[T]:  # noqa: ASYNC109  # as call
        """Run a query once and return its rows, a list that makes dicts and data frames too.

        Nothing enters the cache.

        Raises:
            QueryError: the server refused it.
            CallTimeout, Disconnected, LocalProtocolError: as `call`.
        """
        session = self._ready("run a query", waits=True)
        waiter = self._driver.new_waiter()
        pending = session.query(query, on_done=waiter.set)
        return await self._outcome(pending, waiter, timeout)

    async def _outcome(self, pending: PendingCall[R], waiter: Waiter, timeout: float | None) -> R:  # noqa: ASYNC109
        """Wait for the outcome of a request."""
        driver = self._driver
        driver.flush()
        driver.waiting.add(waiter)
        try:
            if timeout is None:
                await waiter.wait()
            else:
                with anyio.move_on_after(timeout):
                    await waiter.wait()
                if not pending.is_done:
                    raise CallTimeout.after(f"{pending.name} was not answered", timeout)
        finally:
            driver.waiting.discard(waiter)
            if not pending.is_done:
                driver.abandon()
        return driver.outcome(pending)

    async def subscribe(
        self,
        *queries: Query[Any] | str,
        timeout: float | None = None,  # noqa: ASYNC109  # raises CallTimeout
        **callbacks: Unpack[SubscribeCallbacks[DbT]],
    ) -> AsyncSubscription:
        """Subscribe to a set of queries; returns when its rows are in the cache.

        Cancelling the wait ends the subscription, and so does a timeout, because nobody has its
        handle then.

        Args:
            queries: SQL texts or queries of the builder.
            timeout: seconds to wait for it; None waits for ever.
            callbacks: see `SubscribeCallbacks`.

        Raises:
            SubscriptionError: the server refused it.
            CallTimeout: it was not applied in time.
            Disconnected: the connection ended first.
            LocalProtocolError: this is a callback (use ``ctx.subscribe`` there).
        """
        self._ready("subscribe", waits=True)
        handle = self.subscribe_soon(*queries, **callbacks)
        try:
            await handle.wait_applied(timeout)
        except BaseException:
            with contextlib.suppress(SpacetimeError):
                handle.unsubscribe_soon()
            raise
        return handle

    async def subscribe_to_all_tables(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # as subscribe
        **callbacks: Unpack[SubscribeCallbacks[DbT]],
    ) -> AsyncSubscription:
        """Subscribe to every table and view that clients can subscribe to; as `subscribe`.

        What is left out, and why, is in `AsyncSubscription.left_out`, and logged (level INFO).
        """
        return self._say_left_out(
            await self.subscribe(self._all_tables(), timeout=timeout, **callbacks)
        )
