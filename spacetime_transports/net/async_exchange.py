"""One HTTP exchange over a stream of its own, for asyncio and trio."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import anyio

from spacetime_proto.errors import CallTimeout, Disconnected
from spacetime_proto.wire.http_exchange import HttpExchange

from .async_stream import open_stream
from .failures import timeout_failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyio.abc import ByteStream

    from spacetime_proto.wire.http_exchange import HttpRequest, HttpResponse

    from .route import Route

__all__ = ["exchange", "exchange_stream"]

_READ_SIZE = 256 * 1024


async def exchange(route: Route, request: HttpRequest) -> HttpResponse:
    """Send `request` and return the whole response; arguments and errors as in `http_blocking`."""
    running = _Exchange(HttpExchange(), route, request)
    try:
        await running.start()
        while not running.machine.done:
            await running.receive()
    finally:
        await running.close()
    assert running.machine.response is not None
    return running.machine.response


async def exchange_stream(
    route: Route, request: HttpRequest
) -> AsyncGenerator[HttpResponse | bytes, None]:
    """Send `request`; yield the response once its headers are there, then its body as it comes.

    As `http_blocking.exchange_stream`. Close the generator (``contextlib.aclosing``) when leaving
    it early.
    """
    # No cancel scope is open while this yields: scopes belong to tasks, generators do not.
    running = _Exchange(HttpExchange(stream=True), route, request)
    machine = running.machine
    try:
        await running.start()
        while machine.response is None:
            await running.receive()
        yield machine.response
        running.deadline = float("inf")
        while True:
            for piece in machine.body_pieces():
                yield piece
            if machine.done:
                return
            await running.receive()
    finally:
        await running.close()


class _Exchange:
    """A machine on a stream."""

    def __init__(self, machine: HttpExchange, route: Route, request: HttpRequest) -> None:
        timeout = route.timeout
        self.machine = machine
        self.deadline = float("inf") if timeout is None else anyio.current_time() + timeout
        self._what = f"{request.method} {request.path} of {route.address.authority}"
        self._route = route
        self._timeout = timeout or 0.0
        self._stream: ByteStream | None = None
        machine.start(request, host_header=route.address.host_header)

    async def start(self) -> None:
        """Connect, and send the request."""
        route = self._route
        with anyio.CancelScope(deadline=self.deadline):
            self._stream = await open_stream(
                route.address, ssl_context=route.ssl_context, proxy=route.proxy
            )
        if self._stream is None:
            raise timeout_failure(route.address, self._timeout)
        # A server may answer and hang up before it has read all (413 for one): what it said
        # matters more than that the rest could not be sent.
        with contextlib.suppress(anyio.BrokenResourceError, ConnectionError):
            with anyio.CancelScope(deadline=self.deadline) as scope:
                await self._stream.send(self.machine.data_to_send())
            if scope.cancelled_caught:
                raise self._too_late()

    async def receive(self) -> None:
        """Read once; raises the machine's failure."""
        assert self._stream is not None
        data = None
        try:
            with anyio.CancelScope(deadline=self.deadline):
                data = await self._stream.receive(_READ_SIZE)
        except anyio.EndOfStream:
            self.machine.receive_eof()
        except (anyio.BrokenResourceError, OSError) as error:
            text = f"{self._what}: the connection broke ({error.__cause__ or error})"
            raise Disconnected(text) from error
        else:
            if data is None:
                raise self._too_late()
            self.machine.receive_data(data)
        if self.machine.failure is not None:
            raise self.machine.failure

    async def close(self) -> None:
        if self._stream is not None:
            await anyio.aclose_forcefully(self._stream)

    def _too_late(self) -> CallTimeout:
        return CallTimeout(f"{self._what}: no answer within {self._timeout:g} s")
