"""The background of an async client: attempts, the reader with the pump, and the writer.

It never raises into the user's tasks. `AsyncDriver.run` is the one background task of a client; per
connection it has a second one that writes. See `aio` for the surface and the rules.
"""

from __future__ import annotations

import contextlib
import os
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import anyio.lowlevel

from spacetime_proto.client.dispatch import Callbacks
from spacetime_proto.client.pump import Invoke, Read, Received, pump
from spacetime_proto.client.session import ClientSession
from spacetime_proto.client.state import SessionState
from spacetime_proto.errors import ConnectError, Disconnected, HttpError, LocalProtocolError

from .driving import (
    CALLBACKS_PER_CHECKPOINT,
    LAST_WORDS,
    READ_SIZE,
    FailureOnce,
    adapt_error_handler,
    make_target,
    register_lifecycle,
    settle_quietly,
    stored_token,
)
from .net.aio import open_stream
from .options import ConnectOptions, TokenFile
from .retry import Backoff, worth_retrying

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from anyio.abc import ByteStream

    from spacetime_proto.bindings import Module
    from spacetime_proto.client.handles import ChangeStream, TableHandle
    from spacetime_proto.client.pump import Want
    from spacetime_proto.types import Identity

    from .aio_handles import AsyncChangeStream
    from .http import AsyncHttpClient
    from .net.address import Address

    Pump = Generator[Want, Received | None, None]

__all__ = ["AsyncDriver"]

DbT = TypeVar("DbT")

#: Everything that can be wrong with a byte stream.
_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


class _Dispatch:
    """Marks a callback that is running; what it starts sees it through the context variable."""

    __slots__ = ("driver", "is_running", "outer")

    def __init__(self, driver: AsyncDriver[Any], outer: _Dispatch | None) -> None:
        self.driver = driver
        self.outer = outer
        self.is_running = True


_dispatch: ContextVar[_Dispatch | None] = ContextVar("spacetime_dispatch", default=None)


class AsyncDriver(Generic[DbT]):
    """Runs a session on anyio streams.

    Attributes:
        session: the session; None until there are bindings.
        callbacks: the callbacks of the whole client.
        lock: held while the pump steps, that is while a message is applied.
        failure: what ended the client.
        token: the token of the current attempt, as the options gave it.
        ready: set when the server has greeted for the first time, or never will.
        done: set when everything is over and settled.
        is_up: whether `ready` means success.
        streams: the change streams that have not ended.
        waiting: set when everything is over: those who wait for an answer then look again.
        wrap_pump: may put a generator of its own around the pump of a connection.
    """

    def __init__(
        self,
        address: Address,
        database: str,
        module: Module[DbT] | None,
        options: ConnectOptions,
        *,
        callbacks: Callbacks | None = None,
    ) -> None:
        self.options = options
        self.callbacks = Callbacks() if callbacks is None else callbacks
        self.wrap_pump: Callable[[Pump], Pump] = _as_it_is
        # First, so that the client knows who it is when the user's on_connect runs.
        self.callbacks.add("connect", self._on_connected)
        register_lifecycle(self.callbacks, options)
        self.lock = threading.RLock()
        self.failure = FailureOnce()
        self.token: str | None = None
        self.ready: anyio.Event | None = None
        self.done: anyio.Event | None = None
        self.is_up = False
        self.streams: set[AsyncChangeStream[Any]] = set()
        self.waiting: set[anyio.Event] = set()
        self.session: ClientSession[DbT] | None = None
        self._address = address
        self._database = database
        self._is_greeted = False
        self._callbacks_run = 0
        self._wake_writer: Callable[[], None] = _nothing
        self._read_scope: anyio.CancelScope | None = None
        self._pause_scope: anyio.CancelScope | None = None
        self._write_error: BaseException | None = None
        self._write_failed_at = 0.0
        self.change_stream: Callable[[TableHandle[Any], int], ChangeStream[Any]] | None = None
        if module is not None:
            self._make_session(module)

    def _make_session(self, module: Module[DbT]) -> ClientSession[DbT]:
        session: ClientSession[DbT] = ClientSession(self.options.client, module, entropy=os.urandom)
        session.set_driver(check_callback=_nothing, change_stream=self._change_stream)
        self.session = session
        return session

    def _change_stream(self, table: TableHandle[Any], max_buffered: int) -> ChangeStream[Any]:
        assert self.change_stream is not None
        return self.change_stream(table, max_buffered)

    # --- for the client -----------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """Whether everything is over."""
        return self.done is not None and self.done.is_set()

    def close(self) -> None:
        """Ask for the end; `done` tells when it has come."""
        if self.session is not None:
            self.session.tick(now=anyio.current_time())  # its closing deadline counts from now
            self.session.close()
        elif self._pause_scope is not None:
            self._pause_scope.cancel()  # still fetching the schema
        self.wake()

    def wake(self) -> None:
        """Make the background look at the session again: its deadlines may have changed."""
        self._wake_writer()
        if self._read_scope is not None:
            self._read_scope.cancel()
        session = self.session
        closing = (SessionState.CLOSED, SessionState.CLOSING)
        if self._pause_scope is not None and session is not None and session.state in closing:
            self._pause_scope.cancel()

    def flush(self) -> None:
        """Make the writer send what was queued."""
        self._wake_writer()

    @property
    def in_callback(self) -> bool:
        """Whether this is a callback of this client, or a task that a running one has started."""
        dispatch = _dispatch.get()
        while dispatch is not None:
            if dispatch.is_running and dispatch.driver is self:
                return True
            dispatch = dispatch.outer
        return False

    # --- the background task ------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, again and again if that was asked for, until the end.

        Raises only if it is cancelled; then everything is settled without running callbacks.
        """
        assert self.ready is not None and self.done is not None
        try:
            await self._connect_and_stay()
        except Exception as error:
            # A session tells its own end. This came before there was one (the schema, a token
            # callable) or is a mistake of this file; either way somebody has to hear of it.
            self.failure.error = error
        finally:
            session = self.session
            if session is not None:
                if session.state is not SessionState.CLOSED:
                    cause = self.failure.error or Disconnected("the client was cancelled")
                    settle_quietly(session, cause)
                if self.failure.error is None:
                    self.failure.error = session.close_error
            for stream in list(self.streams):
                stream.end(self.failure.error)
            for event in self.waiting:
                # A callback that raised cuts its message short, the news of a reply included.
                event.set()
            self.done.set()
            self.ready.set()

    async def _connect_and_stay(self) -> None:
        session = self.session
        if session is None:
            session = await self._fetch_session()
            if session is None:
                return
        policy = self.options.reconnect
        backoff: Backoff | None = None
        while True:
            self._is_greeted = False
            try:
                error = await self._one_connection(session)
            except (ConnectError, OSError) as cause:
                # The token could not be had. Nothing was started, so the session knows nothing.
                if not self.is_up:
                    raise
                error = cause
            if _is_closed(session):
                return
            assert policy is not None
            if backoff is None or self._is_greeted:
                backoff = Backoff(policy)
            delay = None
            if worth_retrying(error, fresh_token=self.options.has_fresh_tokens):
                delay = backoff.next_delay()
            if delay is None:
                session.give_up(error)
                # The attempt itself was reported: only what still waits has to be settled.
                await self._drive(pump(session, Callbacks()), None, float("inf"))
                self.failure.error = error
                return
            await self._pause(delay)
            if _is_closed(session):  # meanwhile
                await self._drive(pump(session, self.callbacks), None, float("inf"))
                return

    async def _pause(self, delay: float) -> None:
        """Sleep for `delay` seconds or until the client is closed."""
        with anyio.move_on_after(delay) as self._pause_scope:
            await anyio.sleep_forever()
        self._pause_scope = None

    async def _fetch_session(self) -> ClientSession[DbT] | None:
        """Make bindings from the server's schema; None if the client was closed meanwhile."""
        from spacetime_proto.bindings import dynamic_module

        definition = None
        with anyio.CancelScope() as self._pause_scope:
            async with self._http(await self._resolve_token()) as http:
                try:
                    definition = await http.schema(self._database)
                except HttpError as error:
                    if error.status != 400:
                        raise
                    # A server from before version 10 of the schema.
                    definition = await http.schema(self._database, version=9)
        self._pause_scope = None
        return None if definition is None else self._make_session(dynamic_module(definition))

    async def _resolve_token(self) -> str | None:
        source = self.options.token
        if callable(source):
            found = source()
            return found if found is None or isinstance(found, str) else await found
        token = stored_token(self.options)
        if token is None and self.session is not None:
            return self.session.token  # after a first anonymous connection: stay who we are
        return token

    def _http(self, token: str | None) -> AsyncHttpClient:
        from .http import AsyncHttpClient

        return AsyncHttpClient(
            self._address.url,
            token=token,
            headers=self.options.headers,
            ssl_context=self.options.ssl_context,
            proxy=self.options.proxy,
            timeout=self.options.connect_timeout,
        )

    async def _one_connection(self, session: ClientSession[DbT]) -> BaseException:
        """Make one attempt and stay until its end; return why it ended."""
        timeout = self.options.connect_timeout
        deadline = float("inf") if timeout is None else anyio.current_time() + timeout
        self.token = await self._resolve_token()
        query_token = None
        if self.options.token_via == "websocket-token" and self.token is not None:
            async with self._http(self.token) as http:
                query_token = await http.websocket_token()
        session.start(
            anyio.current_time(),
            make_target(
                self._address,
                self._database,
                self.options,
                token=self.token,
                query_token=query_token,
            ),
        )
        stream = await self._open(session, deadline)
        generator = self.wrap_pump(
            pump(
                session,
                self.callbacks,
                on_callback_error=adapt_error_handler(self.options.on_callback_error),
            )
        )
        if stream is None:
            await self._drive(generator, None, deadline)
        else:
            try:
                await self._drive_and_write(session, generator, stream, deadline)
            finally:
                await anyio.aclose_forcefully(stream)
        return session.close_error or Disconnected("the client was closed")

    async def _open(self, session: ClientSession[DbT], deadline: float) -> ByteStream | None:
        """Return a stream to the server; None, with the session told, if there is none."""
        stream: ByteStream | None = None
        try:
            with anyio.CancelScope(deadline=deadline) as self._pause_scope:
                stream = await open_stream(
                    self._address,
                    ssl_context=self.options.ssl_context,
                    proxy=self.options.proxy,
                )
            if stream is None:
                raise self._too_late()
        except ConnectError as error:
            session.connection_lost(error, now=anyio.current_time())
        finally:
            self._pause_scope = None
        return stream

    def _too_late(self) -> ConnectError:
        timeout = self.options.connect_timeout
        return ConnectError(
            f"{self._address.url} did not accept the connection within {timeout or 0:g} s "
            "(option connect_timeout)"
        )

    def _on_connected(self, ctx: object, identity: Identity, token: str) -> None:
        assert self.session is not None
        self._is_greeted = True
        self.session.will_reconnect = self.options.reconnect is not None
        if isinstance(self.options.token, TokenFile):
            self.options.token.save(self.token or token)

    # --- the two tasks that own a stream ------------------------------------------------------

    async def _drive_and_write(
        self, session: ClientSession[DbT], generator: Pump, stream: ByteStream, deadline: float
    ) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._write, session, stream)
            try:
                await self._drive(generator, stream, deadline)
            finally:
                tasks.cancel_scope.cancel()
        last_words = session.data_to_send()
        if last_words and self._write_error is None:
            with anyio.move_on_after(LAST_WORDS), contextlib.suppress(*_BROKEN):
                await stream.send(last_words)

    async def _write(self, session: ClientSession[DbT], stream: ByteStream) -> None:
        """Send what the session has, whenever it has something."""
        wake = anyio.Event()
        self._write_error = None
        self._wake_writer = lambda: wake.set()
        try:
            while True:
                while data := session.data_to_send():
                    await stream.send(data)
                await wake.wait()
                wake = anyio.Event()
        except _BROKEN as error:
            # The reader goes on for a moment: the server may have said why before it hung up.
            self._write_error = error
            self._write_failed_at = anyio.current_time()
            if self._read_scope is not None:
                self._read_scope.cancel()
        finally:
            self._wake_writer = _nothing

    async def _drive(self, generator: Pump, stream: ByteStream | None, deadline: float) -> None:
        """Do what the pump wants until it is through.

        Args:
            generator: the pump.
            stream: None if there is no connection and the pump only has an end to report.
            deadline: when the server must have greeted, infinite for no limit.
        """
        lock = self.lock
        received: Received | None = None
        error: Exception | None = None
        while True:
            try:
                with lock:
                    want = generator.send(received) if error is None else generator.throw(error)
            except StopIteration:
                return
            received = error = None
            if type(want) is Invoke:
                # `finally` would do, but this is the hot path of every row callback.
                outer = _dispatch.get()
                dispatch = _Dispatch(self, outer)
                _dispatch.set(dispatch)
                try:
                    result = want.function(*want.args)
                    # Asked of the result, not of the function: lambdas, partials and callable
                    # objects that lead to a coroutine are found as well.
                    if result is not None and hasattr(result, "__await__"):
                        await result
                except Exception as raised:
                    error = raised
                finally:
                    dispatch.is_running = False
                    _dispatch.set(outer)
                self._callbacks_run += 1
                if self._callbacks_run % CALLBACKS_PER_CHECKPOINT == 0:
                    await anyio.lowlevel.checkpoint()
            elif type(want) is Read:
                if stream is None:
                    raise LocalProtocolError("the pump wants to read, but there is no stream")
                self._wake_writer()
                received = await self._receive(stream, want.deadline, deadline)
            else:
                self._message_done()

    def _message_done(self) -> None:
        """Let `__aenter__` return after the greeting, once on_connect callbacks have run."""
        session = self.session
        if self._is_greeted and not self.is_up and session is not None and not session.has_failed:
            assert self.ready is not None
            self.is_up = True
            self.ready.set()

    async def _receive(
        self, stream: ByteStream, deadline: float | None, greeting_deadline: float
    ) -> Received:
        """Wait for bytes, the end of the stream, a deadline, or a wake-up."""
        end = float("inf") if deadline is None else deadline
        if not self._is_greeted:
            end = min(end, greeting_deadline)
        if self._write_error is not None:
            end = min(end, self._write_failed_at + LAST_WORDS)
        data = b""
        eof = False
        error: BaseException | None = None
        try:
            with anyio.CancelScope(deadline=end) as self._read_scope:
                data = await stream.receive(READ_SIZE)
        except anyio.EndOfStream:
            eof = True
        except _BROKEN as cause:
            error = _lost(cause)
        finally:
            self._read_scope = None
        now = anyio.current_time()
        if not data and not eof and error is None:
            if not self._is_greeted and now >= greeting_deadline:
                error = self._too_late()
            elif self._write_error is not None and now >= self._write_failed_at + LAST_WORDS:
                error = _lost(self._write_error)
        return Received(now, data, eof, error)


def _nothing(*_: object) -> None:
    """Do nothing."""


def _as_it_is(generator: Pump) -> Pump:
    return generator


def _is_closed(session: ClientSession[Any]) -> bool:
    return session.state is SessionState.CLOSED


def _lost(cause: BaseException) -> Disconnected:
    reason = str(cause.__cause__ or cause) or type(cause).__name__
    error = Disconnected(f"the connection was lost: {reason}")
    error.__cause__ = cause
    return error
