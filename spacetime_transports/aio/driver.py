"""The background of an async client: attempts, the reader with the pump, and the writer.

It never raises into the user's tasks. `AsyncDriver.run` is the one background task of a client; per
connection it has a second one that writes. See `aio` for the surface and the rules.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import anyio.lowlevel

from spacetime_proto.client.callbacks import Callbacks
from spacetime_proto.client.pump import Invoke, InvokeEach, Read, Received, pump
from spacetime_proto.client.session import ClientSession
from spacetime_proto.client.states import SessionState
from spacetime_proto.errors import (
    ConnectError,
    Disconnected,
    LocalProtocolError,
    SchemaMismatch,
    SpacetimeError,
)

from ..driving import (
    CALLBACKS_PER_CHECKPOINT,
    EXPLAIN_TIME,
    LAST_WORDS,
    READ_SIZE,
    Comeback,
    FailureOnce,
    Pump,
    adapt_error_handler,
    as_it_is,
    attach_recorder,
    lost,
    make_target,
    may_be_stale,
    register_lifecycle,
    settle_quietly,
    start_session,
    too_late,
)
from ..options import ConnectOptions, TokenFile
from .dial import AsyncDialer, Dialed
from .marks import Dispatch, current_dispatch, is_inside
from .waiting import Waiter, waiter_factory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anyio.abc import ByteStream

    from spacetime_proto.bindings.client_module import Module
    from spacetime_proto.client.table_handles import ChangeStream, TableHandle
    from spacetime_proto.types import Identity

    from ..net.address import Address
    from .handles import AsyncChangeStream
__all__ = ["AsyncDriver"]

DbT = TypeVar("DbT")

#: Everything that can be wrong with a byte stream.
_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


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
        new_waiter: makes what a task waits for an answer with.
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
        self.wrap_pump: Callable[[Pump], Pump] = as_it_is
        # First, so that the client knows who it is when the user's on_connect runs.
        self.callbacks.add("connect", self._on_connected)
        register_lifecycle(self.callbacks, options)
        self.lock = threading.RLock()
        self.failure = FailureOnce()
        self.token: str | None = None
        self.ready: anyio.Event | None = None
        self.done: anyio.Event | None = None
        self.is_up = False
        self.new_waiter: Callable[[], Waiter] = _not_running
        self.streams: set[AsyncChangeStream[Any]] = set()
        self.waiting: set[Waiter] = set()
        self.session: ClientSession[DbT] | None = None
        self._address = address
        self._database = database
        self._dialer = AsyncDialer(address, options)
        self._is_greeted = False
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
        attach_recorder(session, self.options)
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
        return is_inside(self)

    async def explain(self, error: BaseException | None) -> SchemaMismatch | None:
        """Ask the server, if `error` looks like it, why the bindings no longer fit."""
        session = self.session
        if session is None or not may_be_stale(error):
            return None
        with anyio.move_on_after(EXPLAIN_TIME), contextlib.suppress(SpacetimeError):
            try:
                await self._dialer.check_module(self._database, session.module)
            except SchemaMismatch as mismatch:
                return mismatch
        return None

    # --- the background task ------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, again and again if that was asked for, until the end.

        Raises only if it is cancelled; then everything is settled without running callbacks.
        """
        assert self.ready is not None and self.done is not None
        self.new_waiter = waiter_factory()
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
            for waiter in self.waiting:
                # A callback that raised cuts its message short, the news of a reply included.
                waiter.set()
            self.done.set()
            self.ready.set()

    async def _connect_and_stay(self) -> None:
        session = self.session
        if session is None:
            module = None
            with anyio.CancelScope() as self._pause_scope:
                module = await self._dialer.fetch_module(self._database)
            self._pause_scope = None
            if module is None:
                return  # closed meanwhile
            session = self._make_session(module)
        comeback = Comeback(self.options)
        while True:
            self._is_greeted = False
            error = await self._one_connection(session)
            if await self._is_closed(session):
                return
            delay = comeback.delay_after(error, was_greeted=self._is_greeted)
            if delay is None:
                session.give_up(error)
                # The attempt itself was reported: only what still waits has to be settled.
                await self._drive(pump(session, Callbacks()), None, float("inf"))
                self.failure.error = error
                return
            with anyio.move_on_after(delay) as self._pause_scope:
                await anyio.sleep_forever()
            self._pause_scope = None
            if await self._is_closed(session):
                return

    async def _is_closed(self, session: ClientSession[DbT]) -> bool:
        """Tell whether there is to be no other connection; settles what waited for one."""
        if session.state is not SessionState.CLOSED:
            return False
        if not session.is_over:  # closed while there was no connection, or after its end was told
            await self._drive(self._new_pump(session), None, float("inf"))
        return True

    def _new_pump(self, session: ClientSession[DbT]) -> Pump:
        handler = adapt_error_handler(self.options.on_callback_error)
        return self.wrap_pump(
            pump(session, self.callbacks, on_callback_error=handler, in_batches=True)
        )

    async def _one_connection(self, session: ClientSession[DbT]) -> BaseException:
        """Make one attempt and stay until its end; return why it ended."""
        timeout = self.options.connect_timeout
        deadline = float("inf") if timeout is None else anyio.current_time() + timeout
        dialed, refusal = await self._dial(session, deadline)
        try:
            if session.state is SessionState.IDLE:  # and not closed meanwhile
                self._start(session, dialed, refusal)
            generator = self._new_pump(session)
            if dialed is None:
                await self._drive(generator, None, deadline)
            else:
                await self._drive_and_write(session, generator, dialed.stream, deadline)
        finally:
            if dialed is not None:
                await anyio.aclose_forcefully(dialed.stream)
        return session.close_error or Disconnected("the client was closed")

    async def _dial(
        self, session: ClientSession[DbT], deadline: float
    ) -> tuple[Dialed | None, BaseException]:
        """Return a stream, or None and the reason."""
        dialed: Dialed | None = None
        refusal: BaseException = self._too_late()
        try:
            with anyio.CancelScope(deadline=deadline) as self._pause_scope:
                dialed = await self._dialer.dial(session.token)
        except ConnectError as error:
            refusal = error
        except OSError as error:
            # Out of a token callable. Coming back, that may be better in a moment.
            if not self.is_up:
                raise
            refusal = error
        finally:
            self._pause_scope = None
        return dialed, refusal

    def _start(
        self, session: ClientSession[DbT], dialed: Dialed | None, refusal: BaseException
    ) -> None:
        now = anyio.current_time()
        self.token = None if dialed is None else dialed.token
        query_token = None if dialed is None else dialed.query_token
        target = make_target(
            self._address, self._database, self.options, token=self.token, query_token=query_token
        )
        start_session(session, now, target)
        if dialed is None:
            session.connection_lost(refusal, now=now)

    def _too_late(self) -> ConnectError:
        return too_late(self._address, self.options)

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
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._write, session, stream)
            try:
                await self._drive(generator, stream, deadline)
            except Exception as error:
                failure = error  # kept out of the group, which would wrap it
            finally:
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        last_words = session.data_to_send()
        if last_words and self._write_error is None:
            with anyio.move_on_after(LAST_WORDS), contextlib.suppress(*_BROKEN):
                await stream.send(last_words)

    async def _write(self, session: ClientSession[DbT], stream: ByteStream) -> None:
        """Send what the session has, whenever it has something."""
        self._write_error = None
        wake = self.new_waiter()
        self._wake_writer = wake.set
        try:
            while True:
                while data := session.data_to_send():
                    await stream.send(data)
                await wake.wait()
                wake = self.new_waiter()
                self._wake_writer = wake.set
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
        lock, send, mark = self.lock, generator.send, current_dispatch.set
        outer = current_dispatch.get()
        received: Received | None = None
        error: Exception | None = None
        until_checkpoint = CALLBACKS_PER_CHECKPOINT
        try:
            while True:
                try:
                    with lock:
                        want = send(received) if error is None else generator.throw(error)
                except StopIteration:
                    return
                received = error = None
                calls: Iterable[tuple[Callable[..., Any], tuple[Any, ...]]]
                if type(want) is Invoke:
                    calls = ((want.function, want.args),)
                elif type(want) is InvokeEach:
                    calls = want.calls
                elif type(want) is Read:
                    if stream is None:
                        raise LocalProtocolError("the pump wants to read, but there is no stream")
                    self._wake_writer()
                    received = await self._receive(stream, want.deadline, deadline)
                    continue
                else:
                    if not self.is_up:
                        self._message_done()
                    continue
                for function, args in calls:
                    # The hot path of every row callback. The variable keeps the mark of the last
                    # one, which is not running any more: taking it back each time costs as much
                    # as setting it.
                    dispatch = Dispatch(self, outer)
                    mark(dispatch)
                    try:
                        result = function(*args)
                        # Asked of the result, not of the function: lambdas, partials and callable
                        # objects that lead to a coroutine are found as well.
                        if result is not None and hasattr(result, "__await__"):
                            await result
                    except Exception as raised:
                        error = raised
                        break
                    finally:
                        dispatch.is_running = False
                    until_checkpoint -= 1
                    if not until_checkpoint:
                        until_checkpoint = CALLBACKS_PER_CHECKPOINT
                        await anyio.lowlevel.checkpoint()
        finally:
            mark(outer)

    def _message_done(self) -> None:
        """Let `__aenter__` return after the greeting, once on_connect callbacks have run."""
        session = self.session
        if self._is_greeted and session is not None and not session.has_failed:
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
            error = lost(cause)
        finally:
            self._read_scope = None
        now = anyio.current_time()
        if not data and not eof and error is None:
            if not self._is_greeted and now >= greeting_deadline:
                error = self._too_late()
            elif self._write_error is not None and now >= self._write_failed_at + LAST_WORDS:
                error = lost(self._write_error)
        return Received(now, data, eof, error)


def _not_running() -> Waiter:
    """Stand in for what only `AsyncDriver.run` can know."""
    raise LocalProtocolError("this client was not entered")


def _nothing(*_: object) -> None:
    """Do nothing."""
