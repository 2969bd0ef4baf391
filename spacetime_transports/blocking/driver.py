"""The engine of a blocking client: whoever needs something runs the pump until it has come.

There is no thread unless the user asks for one. At any moment at most one thread owns the pump, and
it alone touches the socket; others queue their requests, wake the owner, and wait, or take over when
it leaves. ``lock`` is held while a message is applied and while a request is queued, never while a
callback runs and never while anybody waits.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

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
    EXPLAIN_TIME,
    Comeback,
    FailureOnce,
    Pump,
    adapt_error_handler,
    as_it_is,
    attach_recorder,
    callback_name,
    make_target,
    may_be_stale,
    register_lifecycle,
    settle_quietly,
    start_session,
    too_late,
)
from ..options import ConnectOptions, TokenFile, is_async_callable
from .dial import Attempt, Dialer
from .line import Line, Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable

    from spacetime_proto.bindings.client_module import Module
    from spacetime_proto.client.pump import Want
    from spacetime_proto.client.table_handles import ChangeStream, TableHandle
    from spacetime_proto.types import Identity

    from ..net.address import Address
    from .handles import BlockingChangeStream
__all__ = ["BlockingDriver"]

DbT = TypeVar("DbT")


class BlockingDriver(Generic[DbT]):
    """Runs a session on plain sockets.

    Attributes:
        session: the session.
        callbacks: the callbacks of the whole client.
        lock: see above; users take it to read the cache from a thread that does not pump.
        failure: what ended the client.
        token: the token of the current attempt, as the options gave it.
        is_done: whether everything is over and settled.
        messages: how many messages were handled so far.
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
        for callback in (options.on_connect, options.on_connect_error, options.on_disconnect):
            if callback is not None:
                check_callback(callback)
        register_lifecycle(self.callbacks, options)
        self.lock = threading.RLock()
        self.failure = FailureOnce()
        self.token: str | None = None
        self.is_done = False
        self.messages = 0
        self.streams: set[BlockingChangeStream[Any]] = set()
        self.change_stream: Callable[[TableHandle[Any], int], ChangeStream[Any]] | None = None
        self._address = address
        self._database = database
        self._dialer = Dialer(address, options)
        self._condition = threading.Condition(self.lock)
        self._owner: int | None = None
        self._wakeup = Wakeup()
        self._line: Line | None = None
        self._generator: Pump | None = None
        self._want: Want | None = None
        self._is_greeted = False
        self._was_greeted = False
        self._comeback = Comeback(options)
        self._retry_at: float | None = None
        self._attempt: Attempt | None = None
        try:
            self.session: ClientSession[DbT] = ClientSession(
                options.client, module or self._dialer.fetch_module(database), entropy=os.urandom
            )
            attach_recorder(self.session, options)
        except BaseException:
            self._wakeup.close()
            raise
        self.session.set_driver(check_callback=check_callback, change_stream=self._change_stream)

    def _change_stream(self, table: TableHandle[Any], max_buffered: int) -> ChangeStream[Any]:
        assert self.change_stream is not None
        return self.change_stream(table, max_buffered)

    # --- for the client -----------------------------------------------------------------------

    @property
    def in_callback(self) -> bool:
        """Whether this is the pumping thread, which runs no code of the user but callbacks."""
        return self._owner == threading.get_ident()

    def explain(self, error: BaseException | None) -> SchemaMismatch | None:
        """Ask the server, if `error` looks like it, why the bindings no longer fit."""
        if not may_be_stale(error):
            return None
        try:
            self._dialer.check_module(self._database, self.session.module, timeout=EXPLAIN_TIME)
        except SchemaMismatch as mismatch:
            return mismatch
        except SpacetimeError:
            pass  # nobody to ask: the error stands as it is
        return None

    def connect(self) -> None:
        """Make the first connection; returns once the server has greeted.

        Raises:
            ConnectError: there is none to be had; the client is over then.
        """
        try:
            attempt = Attempt()
            self._dialer.make(attempt, None)
            self._begin(attempt)
            self.pump_until(lambda: self._was_greeted, None)
        except BaseException:
            self.abort()
            raise
        if self.is_done:
            error = self.failure.untold()
            raise error or Disconnected("the client was closed before it was connected")

    def close(self) -> None:
        """Ask for the end without waiting."""
        with self.lock:
            self.session.tick(now=time.monotonic())  # its closing deadline counts from now
            self.session.close()
        self._wakeup.wake()

    def notify(self, *_: object) -> None:
        """Wake the threads that wait for something another thread's pumping may have brought."""
        with self._condition:
            self._condition.notify_all()

    def flush(self) -> None:
        """See that what was queued goes out: now, or by the thread that owns the pump."""
        me = threading.get_ident()
        with self._condition:
            if self._owner is not None:
                if self._owner != me:
                    self._wakeup.wake()
                return
            self._owner = me
        try:
            if self._line is not None:
                self._line.flush()
        finally:
            self._leave()

    def pump_until(
        self, is_met: Callable[[], bool], deadline: float | None, *, may_wait: bool = True
    ) -> bool:
        """Run the pump, or wait while another thread does, until something is so.

        Args:
            is_met: asked between messages, and after every wait.
            deadline: on `time.monotonic`, or None.
            may_wait: whether to wait for bytes, or only to handle those that are there.

        Returns:
            Whether it is so now; False when the deadline passed or the client is over.

        Raises:
            LocalProtocolError: this is a callback.
        """
        me = threading.get_ident()
        while True:
            with self._condition:
                if is_met():
                    return True
                if self.is_done:
                    return False
                if self._owner == me:
                    raise LocalProtocolError("cannot run the client inside one of its callbacks")
                if self._owner is None:
                    self._owner = me
                elif not may_wait:
                    return False  # its owner handles what has arrived
                else:
                    self._wakeup.wake()
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        return False
                    self._condition.wait(left)
                    continue
            try:
                self._run(is_met, deadline, may_wait)
                if self._line is not None:
                    self._line.flush()  # what callbacks submitted: it may be long until the next tick
            finally:
                self._leave()
            with self.lock:
                if is_met():
                    return True
            if self.is_done or not may_wait:
                return False
            if deadline is not None and time.monotonic() >= deadline:
                return False

    def abort(self) -> None:
        """End everything now, without waiting and without running callbacks.

        If another thread is inside a callback, its socket is left to it.
        """
        with self._condition:
            if self._owner is not None:
                return
            self._owner = threading.get_ident()
        try:
            self._die(Disconnected("the client was closed"))
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._condition:
            self._owner = None
            self._condition.notify_all()

    # --- the pump, for the thread that owns it ------------------------------------------------

    def _run(self, is_met: Callable[[], bool], deadline: float | None, may_wait: bool) -> None:
        """Do what the pump wants until `is_met`, the deadline, or (not `may_wait`) it would wait."""
        received: Received | None = None
        error: Exception | None = None
        while not self.is_done:
            if self._generator is None:
                if not self._between_connections(deadline, may_wait):
                    return
                continue
            want = self._want
            if want is None:
                want = self._step(self._generator, received, error)
                received = error = None
                if want is None:
                    continue
            if type(want) is Invoke:
                try:
                    result = want.function(*want.args)
                    if result is not None:
                        _refuse_awaitable(result, want.function)
                except Exception as raised:
                    error = raised
            elif type(want) is InvokeEach:
                self._want = want  # Ctrl-C may come between two of them; the others still run
                try:
                    for function, args in want.calls:
                        result = function(*args)
                        if result is not None:
                            _refuse_awaitable(result, function)
                except Exception as raised:
                    error = raised
                self._want = None
            elif type(want) is Read:
                # Kept until there is something to answer it with: Ctrl-C may interrupt the wait.
                self._want = want
                if self._line is None:
                    raise LocalProtocolError("the pump wants to read, but there is no connection")
                received = self._line.read(want.deadline, is_met, deadline, may_wait=may_wait)
                if received is None:
                    return
                self._want = None
            else:
                self.messages += 1
                if not self._was_greeted and self._is_greeted and not self.session.has_failed:
                    self._was_greeted = True
                with self.lock:
                    if is_met():
                        return

    def _step(
        self,
        generator: Pump,
        received: Received | None,
        error: Exception | None,
    ) -> Want | None:
        """Let the pump go on to its next want; None when the connection is over."""
        try:
            with self.lock:
                return generator.throw(error) if error is not None else generator.send(received)
        except StopIteration:
            self._generator = None
            self._connection_over()
            return None
        except BaseException as broken:
            # Ctrl-C in the middle of a message: what was half applied cannot be trusted.
            self._die(broken)
            raise

    # --- one connection after the other -------------------------------------------------------

    def _begin(self, attempt: Attempt) -> None:
        """Start the session on what an attempt came to."""
        session = self.session
        now = time.monotonic()
        error = attempt.error
        # An OSError comes out of a token callable. Coming back, that may be better in a moment.
        may_repeat = isinstance(error, ConnectError) or (
            self._was_greeted and isinstance(error, OSError)
        )
        if error is not None and not may_repeat:
            self._die(error)
            return
        refusal = too_late(self._address, self.options)
        self.token = attempt.token
        self._is_greeted = False
        target = make_target(
            self._address,
            self._database,
            self.options,
            token=attempt.token,
            query_token=attempt.query_token,
        )
        with self.lock:
            if session.state is SessionState.CLOSED:  # meanwhile, by another thread
                attempt.abandon()
            else:
                start_session(session, now, target)
                if attempt.socket is None:
                    session.connection_lost(error or refusal, now=now)
        if attempt.socket is not None and session.state is not SessionState.CLOSED:
            timeout = self.options.connect_timeout
            self._line = Line(
                attempt.socket,
                session,
                self.lock,
                self._wakeup,
                greeting_deadline=float("inf") if timeout is None else now + timeout,
                too_late=refusal,
            )
        self._start_pump(self.callbacks)

    def _start_pump(self, callbacks: Callbacks) -> None:
        handler = adapt_error_handler(self.options.on_callback_error)
        self._generator = self.wrap_pump(
            pump(self.session, callbacks, on_callback_error=handler, in_batches=True)
        )
        self._want = None

    def _connection_over(self) -> None:
        """The pump is through: close the socket, and decide whether there will be another."""
        session = self.session
        self._close_line()
        if session.state is SessionState.CLOSED:
            if session.is_over:
                self._finish(session.close_error)
            else:  # another thread closed it after the loss was told
                self._start_pump(self.callbacks)
            return
        error = session.close_error or Disconnected("the connection ended")
        delay = self._comeback.delay_after(error, was_greeted=self._is_greeted)
        if delay is None:
            session.give_up(error)
            self.failure.error = error
            # The attempt itself was reported: only what still waits has to be settled.
            self._start_pump(Callbacks())
        else:
            self._retry_at = time.monotonic() + delay

    def _close_line(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _between_connections(self, deadline: float | None, may_wait: bool) -> bool:
        """Wait for the next attempt, or for one under way; False when the caller has to go."""
        self._wakeup.clear()
        if self.session.state is SessionState.CLOSED:  # closed while there was no connection
            self._abandon_attempt()
            self._start_pump(self.callbacks)
            return True
        now = time.monotonic()
        attempt = self._attempt
        if attempt is None:
            assert self._retry_at is not None
            if now >= self._retry_at:
                self._attempt = attempt = Attempt()
                self._dialer.make_in_thread(attempt, self._issued_token(), self._wakeup.wake)
        if attempt is not None and attempt.is_done:
            self._attempt = None
            self._begin(attempt)
            return True
        if not may_wait or (deadline is not None and now >= deadline):
            return False
        ends = [end for end in (deadline, None if attempt else self._retry_at) if end is not None]
        self._wakeup.sleep(max(0.0, min(ends) - now) if ends else None)
        return True

    def _issued_token(self) -> str | None:
        # After a first anonymous connection: stay who we are.
        return self.session.token if self._was_greeted else None

    def _abandon_attempt(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.abandon()

    def _on_connected(self, ctx: object, identity: Identity, token: str) -> None:
        self._is_greeted = True
        if self._line is not None:
            self._line.greeted()
        self.session.will_reconnect = self.options.reconnect is not None
        if isinstance(self.options.token, TokenFile):
            self.options.token.save(self.token or token)

    # --- the end ------------------------------------------------------------------------------

    def _die(self, cause: BaseException) -> None:
        """End at once: settle everything without callbacks, close the socket."""
        self._generator = None
        self._want = None
        with self.lock:
            if self.session.state is not SessionState.CLOSED:
                settle_quietly(self.session, cause)
        self._close_line()
        self._finish(cause)

    def _finish(self, cause: BaseException | None) -> None:
        if self.failure.error is None:
            self.failure.error = cause
        self._abandon_attempt()
        self.is_done = True
        for stream in list(self.streams):
            stream.end(self.failure.error)
        self._wakeup.close()
        self.notify()


def _refuse_awaitable(result: Any, function: Callable[..., Any]) -> None:
    """Raise TypeError if what a callback returned would have to be awaited."""
    if hasattr(result, "__await__"):
        if hasattr(result, "close"):
            result.close()  # or Python warns that it was never awaited
        raise TypeError(
            f"the callback {callback_name(function)} returned an awaitable; a blocking "
            "client runs plain functions only"
        )


def check_callback(callback: Callable[..., object]) -> None:
    """Refuse what a blocking client cannot run, where the mistake was made.

    Raises:
        TypeError: a coroutine function.
    """
    if is_async_callable(callback):
        raise TypeError(
            f"{callback_name(callback)} is an async function; a blocking client takes plain "
            "functions only"
        )
