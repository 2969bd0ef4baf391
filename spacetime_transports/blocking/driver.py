"""The engine of a blocking client: a thread that waits for something does what `life` wants.

What waits can be interrupted by Ctrl-C; what cannot, such as looking up a name, is an `Errand` in a
thread of its own.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from spacetime_proto.client.life import (
    LAST_WORDS,
    Answered,
    Bindings,
    Dial,
    HangUp,
    Sleep,
    Token,
    life,
)
from spacetime_proto.client.pump import MESSAGE_DONE, Invoke, InvokeEach, Read, Received
from spacetime_proto.errors import Disconnected, LocalProtocolError

from ..driver_base import READ_SIZE
from .attempts import Attempts
from .handles import BlockingChangeStream
from .keeper import Keeper
from .ownership import OwnedDriver
from .socket_stream import seconds_until
from .telling import refuse_async_result

if TYPE_CHECKING:
    from collections.abc import Callable

    from spacetime_proto.client.life import Life
    from spacetime_proto.client.table_handles import ChangeStream, TableHandle

    from .socket_stream import SocketStream

DbT = TypeVar("DbT")


class BlockingDriver(OwnedDriver[DbT]):
    """Runs a client on plain sockets.

    Attributes:
        messages: how many messages were handled so far; one that was left in the middle counts twice.
        stream: the connection; None while there is none.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.messages = 0
        self.stream: SocketStream | None = None
        self._keeper: Keeper | None = None
        self._attempts = Attempts(self._dialer, self._wakeup, self.database, self._begin)
        self._living: Life = life(self.status, now=time.monotonic())
        self._want: Any = None
        """The want that was begun and not finished, for the next thread that runs the client: the last
        one left because of Ctrl-C, or because it had what it waited for."""
        self._is_drained = False
        """Whether the last read before this one found nothing and did not wait."""
        self._spent: float | None = None
        """Seconds that callbacks took whose time `life` was not told yet."""
        self._must_close = False
        """Whether `close_soon` came at a moment when it could not close."""
        self._is_torn = False
        """Whether bytes were taken from the socket and the session does not have them yet."""

    def _change_stream(self, table: TableHandle[Any], max_buffered: int) -> ChangeStream[Any]:
        return BlockingChangeStream(table, max_buffered, self)

    def _descriptors(self) -> list[int]:
        stream = [] if self.stream is None else [self.stream.fileno()]
        return [*stream, *self._wakeup.descriptors()]

    # --- for the client -----------------------------------------------------------------------

    def connect(self) -> None:
        """Make the first connection; returns once the server has greeted.

        Raises:
            ConnectError: it failed; the client cannot be used then.
        """
        self.is_entered = True
        try:
            self.pump_until(lambda: self.stream is not None, None)
            if self.options.keep_alive_thread and not self.is_done:
                self._keeper = Keeper(self)
                self._keeper.start()  # it takes a while: the server answers meanwhile
            self.pump_until(lambda: self.status.is_up, None)
        except BaseException:
            self.abort()
            raise
        if self.is_done:
            self.raise_not_up()

    def close(self) -> None:
        if self.is_forked:
            return
        with self.lock:
            self.status.close(self.now())
        self._wakeup.wake()

    def close_soon(self) -> None:
        if self.lock._is_owned():  # type: ignore[attr-defined]  # which `threading.Condition` calls too
            # A signal handler, while this very thread is changing the session.
            self._must_close = True
            self._wakeup.wake()
        else:
            self.close()

    def shut(self) -> None:
        """Close, and wait for the end as long as the close timeout allows, unless in a callback."""
        if self.is_forked:
            return
        self.close()
        if self.in_callback:
            return
        try:
            # The session itself gives up the close handshake in time. This longer limit is for a
            # callback in another thread that does not return.
            margin = self.options.client.close_timeout + LAST_WORDS
            self.pump_until(lambda: self.is_done, time.monotonic() + margin)
        finally:
            self.abort()

    def flush(self) -> None:
        """Send what was queued: now, or by waking the owner, or in the owner after its callback."""
        if self.is_forked:
            return
        with self._condition:
            if self._owner is None:
                self.send()
            elif self._owner != threading.get_ident():
                self._wakeup.wake()

    wake = flush

    def send(self) -> None:
        """Send what needs no waiting; for the owner, or with the lock while there is none."""
        session = self.status.session
        if self.stream is not None and session is not None:
            with self.lock:
                data = session.data_to_send(now=time.monotonic())
            self.stream.send(data)

    def move(self, deadline: float | None = None) -> None:
        """Take what has arrived, finish an end, begin or end an attempt: all that needs no waiting.

        Raises:
            Exception: what a callback raised.
        """
        self.pump_until(_never, deadline, may_wait=False)
        self.surface()

    def serve(self) -> None:
        """Run the client to its end, without raising what a callback raised."""
        self.pump_until(_never, None)

    def pump_until(
        self, is_met: Callable[[], bool], deadline: float | None, *, may_wait: bool = True
    ) -> bool:
        """Run the client, or wait while another thread runs it, until a condition is met.

        What a callback raised is not raised here: see `surface`.

        Args:
            is_met: the condition; called between messages and after every wait.
            deadline: on `time.monotonic`, or None. It holds between two callbacks, too.
            may_wait: whether to wait for bytes, or only to handle those that are there at first.

        Returns:
            Whether the condition is met; False when the deadline passed or the client is over.

        Raises:
            LocalProtocolError: this is a callback, or a forked child process.
        """
        self.check_process()
        me = threading.get_ident()
        is_inside = self._owner == me
        while True:
            try:
                with self._condition:
                    if is_met():
                        return True
                    if self.is_done:
                        return False
                    if is_inside:
                        raise LocalProtocolError(
                            "cannot run the client inside one of its callbacks"
                        )
                    if self._owner is not None:
                        if not may_wait:
                            return False  # its owner handles what has arrived
                        left = None if deadline is None else deadline - time.monotonic()
                        if left is not None and left <= 0:
                            return False
                        self._wait_for_owner(left)
                        continue
                    self._owner = me
                    self.runs += 1
                self._run(is_met, deadline, may_wait)
                self.send()  # what callbacks queued: the next tick may be a long time away
            except BaseException:
                if self._is_torn and self.stream is not None:
                    self.stream.keep_end(OSError("reading was interrupted"))
                raise
            finally:
                if self._owner == me and not is_inside:
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

        If another thread owns the client, because it is inside a callback, this does nothing.
        """
        if self.is_forked:
            return
        with self._condition:
            if self._owner is not None or self.is_done:
                return
            self._owner = threading.get_ident()
        try:
            self.status.error = self.status.error or Disconnected("the client was closed")
            with self.lock:
                self._living.close()
                self.status.settle()
            self._end()
        finally:
            self._leave()

    # --- doing what is wanted, for the thread that owns the client ------------------------------

    def _run(self, is_met: Callable[[], bool], deadline: float | None, may_wait: bool) -> None:
        """Do what `life` yields until the condition, the deadline, or (not `may_wait`) a wait.

        Wants are told apart by `type(...) is`, the frequent ones first, and callbacks are called
        right here: one more function call would be paid for every row callback.
        """
        # Left in the middle of callbacks, it goes on with the time that they have taken.
        answer: Received | Answered | float | None = self._spent
        self._spent = None
        error: Exception | None = None
        lock, status, clock = self.lock, self.status, time.monotonic
        living: Any = self._living
        send, throw = living.send, living.throw
        has_read, left = False, 1 << 62
        is_fresh = False  # whether `answer` is bytes that the session does not have yet
        while not self.is_done:
            if self._must_close:
                self._must_close = False
                self.close()
            want = self._want
            if want is None:
                try:
                    with lock:
                        want = send(answer) if error is None else throw(error)
                except BaseException as over:
                    self._end()
                    if isinstance(over, StopIteration):
                        return
                    raise  # Ctrl-C in the middle of a message
                answer = None
                if is_fresh:
                    is_fresh = self._is_torn = False
                if error is not None:
                    if self._ends_client(error, want):
                        is_met, deadline = _never, None  # the end comes at once, and is waited for
                    error = None
            if type(want) is Invoke:
                if not want.is_users:
                    try:
                        want.function(*want.args)
                    except Exception as raised:
                        error = raised
                    continue
                started = clock()
                try:
                    result = want.function(*want.args)
                    if result is not None:
                        refuse_async_result(result, want.function)
                except Exception as raised:
                    error = raised
                else:
                    now = clock()
                    answer = now - started
                    if deadline is not None and now >= deadline:
                        self._spent = answer
                        self.messages += 1
                        return
            elif want is MESSAGE_DONE:
                self.messages += 1
                if not status.is_up:
                    status.message_done()
                if self._waiters:
                    self._tell_state()
                if is_met is not _never:
                    with lock:
                        if is_met():
                            return
                if deadline is not None and clock() >= deadline:
                    return
            elif type(want) is InvokeEach:
                self._want = want  # after Ctrl-C between two callbacks the others still run
                started = clock() - (answer if type(answer) is float else 0.0)
                answer = None
                try:
                    for function, args in want.calls:
                        result = function(*args)
                        if result is not None:
                            refuse_async_result(result, function)
                        if deadline is not None and (now := clock()) >= deadline:
                            self._spent = now - started
                            self.messages += 1
                            return
                except Exception as raised:
                    error = raised
                else:
                    answer = clock() - started
                self._want = None
            else:
                self._want = want
                if type(want) is Read:
                    if has_read and deadline is not None and clock() >= deadline:
                        return
                    if left <= 0:
                        return
                    answer = self._read(want, is_met, deadline, may_wait)
                    has_read = is_fresh = True
                    if not may_wait and answer is not None and self.stream is not None:
                        left = self.stream.left_to_read(left, READ_SIZE, len(answer.data))
                else:
                    answer = self._answer(want, is_met, deadline, may_wait)
                    if answer is not None and self._waiters:
                        self._tell_state()
                if answer is None:
                    return
                self._want = None

    def _read(
        self,
        want: Read,
        is_met: Callable[[], bool],
        deadline: float | None,
        may_wait: bool,
    ) -> Received | None:
        """Wait for bytes, the end of the stream, a deadline or a wake-up; None as `_must_go` says."""
        stream = self.stream
        assert stream is not None
        while True:
            self.check_process()  # a callback may have forked
            if may_wait:
                self.send()
            is_drained, self._is_drained = self._is_drained, False
            # A moment ago nothing was there? Then waiting finds what has come since.
            if not (is_drained and may_wait):
                self._is_torn = True
                try:
                    data = stream.receive(READ_SIZE)
                except OSError as cause:
                    return Received(time.monotonic(), error=cause)
                if data is not None:
                    stream.ahead = 0
                    return Received(time.monotonic(), data, eof=not data)
                self._is_torn = False
            now = time.monotonic()
            if stream.ahead:  # the session has bytes that the pump does not know of
                stream.ahead = 0
                return Received(now)
            broken = stream.take_write_error()
            if broken is not None or (want.deadline is not None and now >= want.deadline):
                return Received(now, write_error=broken)
            if self._must_go(is_met, deadline, may_wait, now):
                self._is_drained = True
                return None
            stream.wait(seconds_until(want.deadline, deadline, now))
            if self._wakeup.clear():
                return Received(time.monotonic())

    def _answer(
        self,
        want: Bindings | Token | Dial | HangUp | Sleep,
        is_met: Callable[[], bool],
        deadline: float | None,
        may_wait: bool,
    ) -> Answered | None:
        """Do what is wanted while there is no open connection; None as `_must_go` says."""
        if isinstance(want, HangUp):
            self.send()  # the last words go out if that needs no waiting
            self._close_stream()
            return Answered(time.monotonic())
        attempts = self._attempts
        if isinstance(want, Sleep):
            until: float | None = want.until
        else:
            until = want.deadline
            attempts.begin(want, is_first=not self.status.is_up)
        while True:
            self.check_process()  # a callback may have forked
            self._wakeup.clear()
            now = time.monotonic()
            if self._is_closing:
                attempts.abandon()
                return Answered(now)
            answer = attempts.answer(want, now)
            if answer is not None:
                if type(want) is Dial:
                    self.stream = answer.value
                return answer
            if until is not None and now >= until:
                return attempts.give_up(want, now)
            if self._must_go(is_met, deadline, may_wait, now):
                return None
            self._wakeup.sleep(seconds_until(until, deadline, now))

    def _must_go(
        self, is_met: Callable[[], bool], deadline: float | None, may_wait: bool, now: float
    ) -> bool:
        """Whether the thread leaves: its condition is met, or it may not wait any longer."""
        with self.lock:
            if is_met():
                return True
        return not may_wait or (deadline is not None and now >= deadline)

    def _close_stream(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.close()

    def _end(self) -> None:
        self._want = None
        self.send()
        self._close_stream()
        self._attempts.abandon()
        if self._keeper is not None:
            self._keeper.stop()
        super()._end()
        self._wakeup.close()
        self.notify()


def _never() -> bool:
    return False
