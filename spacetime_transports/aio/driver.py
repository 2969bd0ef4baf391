"""The background of an async client: a loop that fulfils what `life` wants, and a writer.

`AsyncDriver.run` is the background task of a client; for each connection it starts a second one that
writes. See `aio.client` for the rules that users rely on.
"""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.lowlevel
from anyio.abc import SocketAttribute

from spacetime_proto.client.life import LAST_WORDS, Answered, Bindings, Dial, HangUp, Token, life
from spacetime_proto.client.pump import MESSAGE_DONE, Invoke, InvokeEach, Read, Received
from spacetime_proto.client.states import SessionState
from spacetime_proto.errors import LocalProtocolError, SpacetimeError

from ..driver_base import EXPLAIN_TIME, READ_SIZE, DriverBase, may_be_stale
from ..net.async_stream import close_at_once
from .dial import AsyncDialer
from .dispatch import Dispatch, cancelled_callback, current_dispatch, finish_marked, is_inside
from .event_loop import EventLoop
from .handles import AsyncChangeStream
from .waiting import Waiter, clock, waiter_factory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anyio.abc import ByteStream, TaskGroup

    from spacetime_proto.client.life import Life, Sleep
    from spacetime_proto.client.session import ClientSession
    from spacetime_proto.client.table_handles import ChangeStream, TableHandle

DbT = TypeVar("DbT")

#: Callbacks between two checkpoints of the event loop, so that a large message with cheap callbacks
#: does not starve other tasks.
CALLBACKS_PER_CHECKPOINT = 256
#: What a byte stream that broke raises.
_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


def _nothing(*_: object) -> None:
    """Do nothing."""


class AsyncDriver(DriverBase[DbT]):
    """Runs a client on anyio streams.

    Attributes:
        ready: set when the server has greeted for the first time, or never will. Like the next two
            it exists once `enter` was called.
        done: set when everything is over and settled.
        loop: the event loop that runs this client.
        new_waiter: makes a `Waiter`, with which one task waits for one answer.
        waiting: the waiters in use. All are set when the client is over, so that no task hangs.
        connecting: those of them that wait for a connection.
        when_up: called when the server has greeted for the first time.
    """

    ready: anyio.Event
    done: anyio.Event
    loop: EventLoop
    _scope: anyio.CancelScope

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.waiting: set[Waiter] = set()
        self.connecting: set[Waiter] = set()
        self.new_waiter: Callable[[], Waiter] = lambda: waiter_factory()()
        self.when_up: Callable[[], object] = _nothing
        self._clock: Callable[[], float] = time.monotonic
        self._dialer = AsyncDialer(self.address, self.options)
        self._stream: ByteStream | None = None
        self._tasks: TaskGroup | None = None
        self._writer: anyio.CancelScope | None = None
        self._wake_writer: Callable[[], None] = _nothing
        self._write_error: BaseException | None = None
        self._read_scope: anyio.CancelScope | None = None
        self._pause_scope: anyio.CancelScope | None = None

    def _change_stream(self, table: TableHandle[Any], max_buffered: int) -> ChangeStream[Any]:
        return AsyncChangeStream(table, max_buffered, self)

    def _descriptors(self) -> list[int]:
        stream = self._stream
        return [] if stream is None else [stream.extra(SocketAttribute.raw_socket).fileno()]

    # --- for the client -----------------------------------------------------------------------

    def enter(self) -> None:
        """Get ready to run, inside an event loop.

        Raises:
            LocalProtocolError: the client was used before.
        """
        if self.is_entered:
            raise LocalProtocolError("a client can be entered once; call connect again")
        self.is_entered = True
        self.ready = anyio.Event()
        self.done = anyio.Event()
        self.new_waiter = waiter_factory()
        self._clock = clock()
        self._scope = anyio.CancelScope()
        self.loop = EventLoop()
        if self.status.was_closed:  # by `close_soon`, perhaps of another thread a moment ago
            self.close()

    def close(self) -> None:
        if not self.is_forked:
            self.status.close(self.now())
            self.wake()

    def close_soon(self) -> None:
        if self.is_forked:
            return
        self.status.was_closed = True
        loop = getattr(self, "loop", None)
        if loop is not None:
            loop.interrupt(self._close_now)

    def _close_now(self) -> None:
        if not self.is_done:
            self.close()

    def abort(self) -> None:
        """End `run` now, whatever it is doing."""
        self._scope.cancel()

    def now(self) -> float:
        return self._clock()

    async def shut(self) -> None:
        """Close, and wait for the end as long as the close timeout allows."""
        if not self.is_done and not self.is_forked:
            self.close()
            # The session itself gives up the close handshake in time. This longer limit is for a
            # callback that does not return.
            with anyio.move_on_after(self.options.client.close_timeout + LAST_WORDS):
                await self.done.wait()

    def wake(self) -> None:
        self._wake_writer()
        if self._read_scope is not None:
            self._read_scope.cancel()
        if self._pause_scope is not None and self._is_closing:
            self._pause_scope.cancel()

    def flush(self) -> None:
        self._wake_writer()

    @property
    def is_up(self) -> bool:
        """Whether requests can be made now, and the callbacks of the first greeting have run."""
        session, status = self.status.session, self.status
        return session is not None and session.state is SessionState.OPEN and status.is_up

    @property
    def in_callback(self) -> bool:
        """Whether this is a callback of this client, or a task that a running one has started."""
        return is_inside(self)

    async def raise_last(self, raised: BaseException | None) -> None:
        """Raise what ended the client, if nothing was `raised` and it was not told before.

        If bindings that no longer fit explain either error, SchemaMismatch takes its place.
        """
        error = self.take_error() if raised is None else raised
        if may_be_stale(error):
            found = None
            with contextlib.suppress(SpacetimeError):
                found = await self._dialer.describe(self.database, timeout=EXPLAIN_TIME)
            self._explain(error, found)
        if raised is None and error is not None:
            raise error

    # --- the background task ------------------------------------------------------------------

    async def until(
        self,
        is_met: Callable[[], bool],
        wakers: set[Waiter],
        timeout: float | None,  # noqa: ASYNC109  # None waits for ever
    ) -> bool:
        """Wait until a condition is met or the client is over; return False when time is up.

        Args:
            is_met: the condition.
            wakers: where whoever changes the condition finds what wakes this task.
            timeout: in seconds.

        Raises:
            LocalProtocolError: this is a forked child process.
        """
        self.check_process()
        with anyio.move_on_after(timeout):
            while not (is_met() or self.is_done):
                waiter = self.new_waiter()
                self.waiting.add(waiter)
                wakers.add(waiter)
                try:
                    await waiter.wait()
                finally:
                    self.waiting.discard(waiter)
                    wakers.discard(waiter)
        return is_met() or self.is_done

    async def run(self) -> None:
        """Run the client from its first attempt to connect to its end.

        If it is cancelled, pending requests get their error, but no callback runs.

        Raises:
            BaseException: its own cancellation, and what a callback raised that is not an Exception:
                KeyboardInterrupt, SystemExit. It is raised as it is, after everything was settled.
        """
        living = life(self.status, now=anyio.current_time())
        fatal: BaseException | None = None
        try:
            with self._scope:
                async with anyio.create_task_group() as self._tasks:
                    try:
                        await self._fulfil(living)
                    except Exception as error:  # a bug in this file: let the client raise it
                        self.status.error = error
                    except BaseException as error:
                        if self.loop.is_cancelled(error):
                            raise
                        # A task group would wrap it; and what waits shall learn of it.
                        fatal = error
                        with self.lock, contextlib.suppress(BaseException):
                            living.throw(error)
                    finally:
                        self._tasks.cancel_scope.cancel()
        finally:
            try:
                living.close()
                self.finish()
                if self._stream is not None:  # this was cancelled
                    await close_at_once(self._stream)
            finally:
                # Nothing is awaited after this, so whoever waits for it finds no task any more.
                self.done.set()
                self.ready.set()
        if fatal is not None:
            raise fatal

    def finish(self) -> None:
        """Note that the client is over, and wake everything that waits for it. Idempotent."""
        if self.is_done:
            return
        with self.lock:
            self.status.settle()
        self._end()
        # A callback that raised ends the dispatch of its message; `on_done` of a call in it may not
        # have run.
        for waiter in list(self.waiting):
            waiter.set()

    async def _fulfil(self, living: Life) -> None:
        """Do what `life` yields until it returns.

        Wants are told apart by `type(...) is`, the frequent ones first, and callbacks are called
        right here: one more function call would be paid for every row callback.
        """
        lock, send, mark, status = self.lock, living.send, current_dispatch.set, self.status
        outer = current_dispatch.get()
        answer: Received | Answered | float | None = None
        error: Exception | None = None
        clock = time.perf_counter
        until_checkpoint = CALLBACKS_PER_CHECKPOINT
        is_up = False
        try:
            while True:
                if until_checkpoint <= 0:
                    until_checkpoint = CALLBACKS_PER_CHECKPOINT
                    await anyio.lowlevel.checkpoint()
                try:
                    with lock:
                        want = send(answer) if error is None else living.throw(error)
                except StopIteration:
                    return
                answer = error = None
                calls: Iterable[tuple[Callable[..., Any], tuple[Any, ...]]]
                if type(want) is Invoke:
                    if not want.is_users:  # it wakes a task: nothing to mark or to time
                        try:
                            result = want.function(*want.args)
                            if result is not None:
                                await finish_marked(self, outer, result)
                        except Exception as raised:
                            error = raised
                        except BaseException as raised:
                            error = cancelled_callback(self.loop, raised, want.function)
                        until_checkpoint -= 1
                        continue
                    calls = ((want.function, want.args),)
                elif want is MESSAGE_DONE:
                    if not is_up:
                        is_up = status.message_done()
                        if is_up:
                            self.when_up()
                            self.ready.set()
                    continue
                elif type(want) is InvokeEach:
                    calls = want.calls
                elif type(want) is Read:
                    answer = await self._read(want.deadline)
                    continue
                else:
                    answer = await self._answer(want)  # type: ignore[arg-type]  # what is left
                    continue
                started = clock()
                for function, args in calls:
                    # The hot path of every row callback. The context variable is not reset after
                    # each call, which costs as much as setting it: the old mark stays there, and
                    # counts for nothing because `is_running` is False. The end of this method
                    # resets it once.
                    dispatch = Dispatch(self, outer)
                    mark(dispatch)
                    try:
                        result = function(*args)
                        # The result is checked, not the function: so lambdas, partials and callable
                        # objects that return a coroutine work as well.
                        if result is not None and hasattr(result, "__await__"):
                            await result
                    except Exception as raised:
                        error = raised
                        break
                    except BaseException as raised:
                        error = cancelled_callback(self.loop, raised, function)
                        break
                    finally:
                        dispatch.is_running = False
                    until_checkpoint -= 1
                else:
                    answer = clock() - started
        finally:
            mark(outer)

    async def _answer(self, want: Bindings | Token | Dial | HangUp | Sleep) -> Answered:
        """Do what is wanted while there is no open connection, and answer with its result."""
        value: Any = None
        error: Exception | None = None
        if isinstance(want, HangUp):
            await self._hang_up(want.seconds)
            return Answered(anyio.current_time())
        if self.status.was_closed and not self._is_closing:
            self.close()  # `close_soon` was called, and what it asked the loop for comes later
        if not self._is_closing:
            try:
                # `wake` cancels this when the client is closed.
                with anyio.CancelScope() as self._pause_scope:
                    value = await self._fetch(want, self._pause_scope)
            except Exception as raised:
                error = raised
            finally:
                self._pause_scope = None
        return Answered(anyio.current_time(), value, error)

    async def _fetch(self, want: Bindings | Token | Dial | Sleep, scope: anyio.CancelScope) -> Any:
        """Return the value that answers `want`."""
        if isinstance(want, Bindings):
            self._begin(await self._dialer.fetch_module(self.database))
            return None
        deadline = want.deadline if isinstance(want, Token | Dial) else want.until
        scope.deadline = math.inf if deadline is None else deadline
        if isinstance(want, Token):
            return await self._dialer.credentials(want.issued)
        if isinstance(want, Dial):
            self._stream = await self._dialer.dial()
            self._write_error = None
            self._writer = anyio.CancelScope()
            self._writer_done = anyio.Event()
            session = self.status.session
            assert self._tasks is not None and session is not None
            name = f"spacetime-{self.database}-write"
            self._tasks.start_soon(self._write, self._stream, session, name=name)
            return self._stream
        return await anyio.sleep_forever()

    # --- the two tasks that own a stream ------------------------------------------------------

    async def _write(self, stream: ByteStream, session: ClientSession[Any]) -> None:
        """Send what the session has queued, whenever there is something, until cancelled."""
        try:
            now = self._clock
            with self._writer or anyio.CancelScope():
                while True:
                    while data := session.data_to_send(now=now()):
                        await stream.send(data)
                    # There is no await since `data_to_send` was empty, so nothing was queued in
                    # between: `flush` after the next request finds this new waiter and wakes it.
                    wake = self.new_waiter()
                    self._wake_writer = wake.set
                    await wake.wait()
        except Exception as error:
            self._write_error = error
            if self._read_scope is not None:
                self._read_scope.cancel()
        finally:
            self._wake_writer = _nothing
            self._writer_done.set()

    async def _read(self, deadline: float | None) -> Received:
        """Wait for bytes, the end of the stream, a deadline, or a wake-up."""
        self.check_process()  # a callback may have forked
        self._wake_writer()
        if self.connecting and self.is_up:
            for waiter in self.connecting:
                waiter.set()
        assert self._stream is not None
        data = b""
        eof = False
        error: BaseException | None = None
        write_error, self._write_error = self._write_error, None
        if write_error is None:
            end = math.inf if deadline is None else deadline
            try:
                with anyio.CancelScope(deadline=end) as self._read_scope:
                    data = await self._stream.receive(READ_SIZE)
            except anyio.EndOfStream:
                eof = True
            except _BROKEN as cause:
                error = cause
            finally:
                self._read_scope = None
        return Received(anyio.current_time(), data, eof, error, write_error)

    async def _hang_up(self, seconds: float) -> None:
        """Send what the session still has, the close frame above all, and close the stream."""
        stream, session = self._stream, self.status.session
        if stream is None or session is None:
            return
        assert self._writer is not None
        self._writer.cancel()
        await self._writer_done.wait()
        last_words = session.data_to_send()
        if last_words and seconds and self._write_error is None:
            with anyio.move_on_after(seconds), contextlib.suppress(*_BROKEN):
                await stream.send(last_words)
        self._stream = None
        await close_at_once(stream)
