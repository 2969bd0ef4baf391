"""The engine of a blocking client: a thread that waits for something does what `life` wants.

There is no thread unless the user asks for one. At any moment at most one thread, the owner, runs
the client, and only the owner touches the socket. Other threads queue their requests, wake the owner
and wait; when it leaves, one of them becomes the owner. ``lock`` is held while a message is applied
and while a request is queued, never while a callback runs and never while a thread waits.
"""

from __future__ import annotations

import contextlib
import threading
import time
from functools import partial
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
from spacetime_proto.errors import Disconnected, LocalProtocolError, SpacetimeError

from ..driver_base import EXPLAIN_TIME, READ_SIZE, DriverBase, may_be_stale
from ..options import callback_name, is_async_callable
from .dial import Dialer, Errand
from .handles import BlockingChangeStream
from .socket_stream import SocketStream, Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable

    from spacetime_proto.client.life import Life
    from spacetime_proto.client.table_handles import ChangeStream, TableHandle

DbT = TypeVar("DbT")


class BlockingDriver(DriverBase[DbT]):
    """Runs a client on plain sockets.

    Attributes:
        messages: how many messages were handled so far.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.messages = 0
        self._dialer = Dialer(self.address, self.options)
        self._condition = threading.Condition(self.lock)
        self._owner: int | None = None
        self._wakeup = Wakeup()
        self._stream: SocketStream | None = None
        self._errand: Errand | None = None
        self._living: Life = life(self.status, now=time.monotonic())
        self._want: Any = None
        """The want that was begun and not finished, for the next thread that runs the client: the last
        one left because of Ctrl-C, or because it had what it waited for."""

    def _change_stream(self, table: TableHandle[Any], max_buffered: int) -> ChangeStream[Any]:
        return BlockingChangeStream(table, max_buffered, self)

    # --- for the client -----------------------------------------------------------------------

    @property
    def in_callback(self) -> bool:
        """Whether this thread owns the client: callbacks are the only user code that runs then."""
        return self._owner == threading.get_ident()

    def check_callback(self, callback: Callable[..., object]) -> None:
        if is_async_callable(callback):
            raise TypeError(
                f"{callback_name(callback)} is an async function; a blocking client takes plain "
                "functions only"
            )

    def raise_last(self, raised: BaseException | None) -> None:
        """Raise what ended the client, if nothing was `raised` and it was not told before.

        If bindings that no longer fit explain either error, SchemaMismatch takes its place.
        """
        error = self.take_error() if raised is None else raised
        if may_be_stale(error):
            found = None
            with contextlib.suppress(SpacetimeError):
                found = self._dialer.describe(self.database, timeout=EXPLAIN_TIME)
            self._explain(error, found)
        if raised is None and error is not None:
            raise error

    def connect(self) -> None:
        """Make the first connection; returns once the server has greeted.

        Raises:
            ConnectError: it failed; the client cannot be used then.
        """
        self.is_entered = True
        try:
            self.pump_until(lambda: self.status.is_up, None)
        except BaseException:
            self.abort()
            raise
        if self.is_done:
            self.raise_not_up()

    def close(self) -> None:
        with self.lock:
            self.status.close(self.now())
        self._wakeup.wake()

    def shut(self) -> None:
        """Close, and wait for the end as long as the close timeout allows, unless in a callback."""
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

    def notify(self, *_: object) -> None:
        """Wake the waiting threads: the owner may have received what they wait for."""
        with self._condition:
            self._condition.notify_all()

    def flush(self) -> None:
        """Send what was queued: now, or by waking the owner, or in the owner after its callback."""
        with self._condition:
            if self._owner is None:
                self._send()
            elif self._owner != threading.get_ident():
                self._wakeup.wake()

    wake = flush

    def _send(self) -> None:
        session = self.status.session
        if self._stream is not None and session is not None:
            with self.lock:
                data = session.data_to_send()
            self._stream.send(data)

    def pump_until(
        self, is_met: Callable[[], bool], deadline: float | None, *, may_wait: bool = True
    ) -> bool:
        """Run the client, or wait while another thread runs it, until a condition is met.

        Args:
            is_met: the condition; called between messages and after every wait.
            deadline: on `time.monotonic`, or None.
            may_wait: whether to wait for bytes, or only to handle those that are there.

        Returns:
            Whether the condition is met; False when the deadline passed or the client is over.

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
                self._send()  # what callbacks queued: the next tick may be a long time away
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

        If another thread owns the client, because it is inside a callback, this does nothing.
        """
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

    def _leave(self) -> None:
        with self._condition:
            self._owner = None
            self._condition.notify_all()

    # --- doing what is wanted, for the thread that owns the client ------------------------------

    def _run(self, is_met: Callable[[], bool], deadline: float | None, may_wait: bool) -> None:
        """Do what `life` yields until the condition, the deadline, or (not `may_wait`) a wait.

        Wants are told apart by `type(...) is`, the frequent ones first, and callbacks are called
        right here: one more function call would be paid for every row callback.
        """
        answer: Received | Answered | None = None
        error: Exception | None = None
        lock, status = self.lock, self.status
        living: Any = self._living
        send, throw = living.send, living.throw
        while not self.is_done:
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
                answer = error = None
            if type(want) is Invoke:
                try:
                    result = want.function(*want.args)
                    if result is not None:
                        _refuse_awaitable(result, want.function)
                except Exception as raised:
                    error = raised
            elif want is MESSAGE_DONE:
                self.messages += 1
                if not status.is_up:
                    status.message_done()
                with lock:
                    if is_met():
                        return
            elif type(want) is InvokeEach:
                self._want = want  # after Ctrl-C between two callbacks the others still run
                try:
                    for function, args in want.calls:
                        result = function(*args)
                        if result is not None:
                            _refuse_awaitable(result, function)
                except Exception as raised:
                    error = raised
                self._want = None
            else:
                self._want = want
                if type(want) is Read:
                    answer = self._read(want, is_met, deadline, may_wait)
                else:
                    answer = self._answer(want, is_met, deadline, may_wait)
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
        stream = self._stream
        assert stream is not None
        while True:
            if may_wait:
                self._send()
            try:
                data = stream.receive(READ_SIZE)
            except OSError as cause:
                return Received(time.monotonic(), error=cause)
            now = time.monotonic()
            if data is not None:
                return Received(now, data, eof=not data)
            broken = stream.take_write_error()
            if broken is not None or (want.deadline is not None and now >= want.deadline):
                return Received(now, write_error=broken)
            if self._must_go(is_met, deadline, may_wait, now):
                return None
            stream.wait(_seconds_until(want.deadline, deadline, now))
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
        if type(want) is HangUp:
            self._send()  # the last words go out if that needs no waiting
            self._close_stream()
            return Answered(time.monotonic())
        until = want.until if type(want) is Sleep else None
        if until is None and self._errand is None:
            self._errand = self._errand_for(want)
        while True:
            self._wakeup.clear()
            now = time.monotonic()
            errand = self._errand
            if self._is_closing:
                self._abandon()
                return Answered(now)
            if errand is not None and errand.is_done:
                self._errand = None
                if errand.error is None and type(want) is Dial:
                    self._stream = SocketStream(errand.value, self._wakeup)
                return Answered(now, errand.value, errand.error)
            if until is not None and now >= until:
                return Answered(now)
            if self._must_go(is_met, deadline, may_wait, now):
                return None
            self._wakeup.sleep(_seconds_until(until, deadline, now))

    def _errand_for(self, want: Any) -> Errand:
        """Start to fetch the value that answers `want`."""
        dialer = self._dialer
        fetch: Callable[[], Any]
        if type(want) is Bindings:
            fetch = self._fetch_bindings
        elif type(want) is Token:
            fetch = partial(dialer.credentials, want.issued, want.deadline)
        else:
            fetch = partial(dialer.dial, want.deadline)
        errand = Errand(fetch, self._wakeup.wake)
        if self.status.is_up:
            errand.start()
        else:
            errand.run()  # in this thread: `connect` has nothing else to do
        return errand

    def _fetch_bindings(self) -> None:
        self._begin(self._dialer.fetch_module(self.database))

    def _must_go(
        self, is_met: Callable[[], bool], deadline: float | None, may_wait: bool, now: float
    ) -> bool:
        """Whether the thread leaves: its condition is met, or it may not wait any longer."""
        with self.lock:
            if is_met():
                return True
        return not may_wait or (deadline is not None and now >= deadline)

    def _abandon(self) -> None:
        errand, self._errand = self._errand, None
        if errand is not None:
            errand.abandon()

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _end(self) -> None:
        self._want = None
        self._send()
        self._close_stream()
        self._abandon()
        super()._end()
        self._wakeup.close()
        self.notify()


def _seconds_until(first: float | None, second: float | None, now: float) -> float | None:
    """Return how long to wait for the earlier of two points in time; None stands for never."""
    ends = [end for end in (first, second) if end is not None]
    return max(0.0, min(ends) - now) if ends else None


def _refuse_awaitable(result: Any, function: Callable[..., Any]) -> None:
    """Raise TypeError if what a callback returned would have to be awaited."""
    if hasattr(result, "__await__"):
        if hasattr(result, "close"):
            result.close()  # or Python warns that it was never awaited
        raise TypeError(
            f"the callback {callback_name(function)} returned an awaitable; a blocking "
            "client runs plain functions only"
        )
