"""One non-blocking socket, a session on it, and a way to wake up whoever waits there.

Only the thread that runs the pump touches the socket; `Wakeup.wake` may be called by any thread and
from a signal handler.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from spacetime_proto.client.pump import Received

from ..driving import LAST_WORDS, READ_SIZE, lost

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from spacetime_proto.client.session import ClientSession

__all__ = ["Line", "SocketStream", "Wakeup"]

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
# poll has no limit on descriptor numbers and needs none of its own; Windows has select only.
_Selector: type[selectors.BaseSelector] = getattr(
    selectors, "PollSelector", selectors.SelectSelector
)


class Wakeup:
    """A socket pair: `wake` makes a waiting `SocketStream.wait` (or `sleep`) return."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)

    @property
    def receiver(self) -> socket.socket:
        """The end to wait on."""
        return self._receiver

    def wake(self) -> None:
        """Wake the waiter; it stays awake if nobody waits just now."""
        # A full buffer means that a wake-up is on its way already; a closed one that nobody waits.
        with contextlib.suppress(OSError):
            self._sender.send(b"\0")

    def clear(self) -> bool:
        """Forget wake-ups; say whether there were any."""
        found = False
        with contextlib.suppress(OSError):
            while self._receiver.recv(4096):
                found = True
        return found

    def sleep(self, seconds: float | None) -> None:
        """Wait for a wake-up, at most `seconds` (None: for ever)."""
        with _Selector() as selector:
            selector.register(self._receiver, _READ)
            selector.select(seconds)

    def close(self) -> None:
        """Close both ends."""
        self._receiver.close()
        self._sender.close()


class SocketStream:
    """A connected TCP or TLS socket that never blocks but in `wait`.

    Attributes:
        write_error: what broke the sending side, or None.
    """

    def __init__(self, connected: socket.socket, wakeup: Wakeup) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._outgoing: deque[memoryview] = deque()
        self._send_wants_read = False
        self._receive_wants_write = False
        self.write_error: OSError | None = None
        self._selector = _Selector()
        self._selector.register(wakeup.receiver, _READ)
        self._selector.register(connected, _READ)
        self._events = _READ

    def queue(self, data: bytes) -> None:
        """Take bytes to be sent."""
        if data:
            self._outgoing.append(memoryview(data))

    def send(self) -> None:
        """Send as much as goes out without waiting; errors are kept in `write_error`."""
        outgoing = self._outgoing
        self._send_wants_read = False
        if self.write_error is not None:
            outgoing.clear()
        while outgoing:
            try:
                sent = self._socket.send(outgoing[0])
            except (BlockingIOError, ssl.SSLWantWriteError):
                return
            except ssl.SSLWantReadError:
                self._send_wants_read = True
                return
            except OSError as error:
                # The reader goes on for a moment: the peer may have said why before it hung up.
                self.write_error = error
                outgoing.clear()
                return
            if sent == len(outgoing[0]):
                outgoing.popleft()
            else:
                outgoing[0] = outgoing[0][sent:]

    def receive(self, size: int) -> bytes | None:
        """Return what has arrived, b"" at the end of the stream, None if there is nothing now.

        Raises:
            OSError: the stream broke.
        """
        self._receive_wants_write = False
        try:
            return self._socket.recv(size)
        except (BlockingIOError, ssl.SSLWantReadError):
            # SSLWantReadError is an OSError: taking it for a dead socket is a classic mistake.
            return None
        except ssl.SSLWantWriteError:
            self._receive_wants_write = True
            return None
        except ssl.SSLZeroReturnError:
            return b""

    def wait(self, seconds: float | None) -> None:
        """Wait until receiving or sending may get on, for a wake-up, or for that long.

        Call `receive` first: TLS may hold decrypted bytes that no selector knows of.
        """
        wants_write = (self._outgoing and not self._send_wants_read) or self._receive_wants_write
        events = _READ | _WRITE if wants_write else _READ
        if events != self._events:
            self._selector.modify(self._socket, events)
            self._events = events
        self._selector.select(seconds)

    def close(self) -> None:
        """Close the socket."""
        self._selector.close()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Line:
    """One connection of a session: what it sends and what it waits for.

    Args:
        connected: the socket.
        session: the session, which was started.
        lock: held while the session is touched.
        wakeup: what others wake the reader with.
        greeting_deadline: when the server must have greeted, on `time.monotonic`.
        too_late: the error if it has not.
    """

    def __init__(
        self,
        connected: socket.socket,
        session: ClientSession[Any],
        lock: AbstractContextManager[Any],
        wakeup: Wakeup,
        *,
        greeting_deadline: float,
        too_late: BaseException,
    ) -> None:
        self._stream = SocketStream(connected, wakeup)
        self._session = session
        self._lock = lock
        self._wakeup = wakeup
        self._greeting_deadline = greeting_deadline
        self._too_late = too_late
        self._write_failed_at: float | None = None

    def greeted(self) -> None:
        """The server has greeted: its deadline is void."""
        self._greeting_deadline = float("inf")

    def flush(self) -> None:
        """Send what the session has, as far as it goes out without waiting."""
        with self._lock:
            self._stream.queue(self._session.data_to_send())
        self._stream.send()

    def read(
        self,
        deadline: float | None,
        is_met: Callable[[], bool],
        user_deadline: float | None,
        *,
        may_wait: bool,
    ) -> Received | None:
        """Send, then wait for bytes, the end of the stream, a deadline or a wake-up.

        Args:
            deadline: the session's, or None.
            is_met: whether what the caller waits for has come by itself.
            user_deadline: when the caller wants to be back, or None.
            may_wait: whether to wait at all.

        Returns:
            What came; None if the caller has to go first.
        """
        stream = self._stream
        while True:
            self.flush()
            try:
                data = stream.receive(READ_SIZE)
            except OSError as cause:
                return Received(time.monotonic(), error=lost(cause))
            now = time.monotonic()
            if data is not None:
                return Received(now, data, eof=not data)
            end, reason = self._next_deadline(deadline)
            if now >= end:
                return Received(now, error=reason)
            with self._lock:
                if is_met():
                    return None
            if not may_wait or (user_deadline is not None and now >= user_deadline):
                return None
            if user_deadline is not None:
                end = min(end, user_deadline)
            stream.wait(None if end == float("inf") else max(0.0, end - now))
            if self._wakeup.clear():
                return Received(time.monotonic())

    def _next_deadline(self, deadline: float | None) -> tuple[float, BaseException | None]:
        """Return when something is due, and the error that it is, if it is one."""
        end = float("inf") if deadline is None else deadline
        reason: BaseException | None = None
        if self._greeting_deadline < end:
            end, reason = self._greeting_deadline, self._too_late
        broken = self._stream.write_error
        if broken is not None:
            if self._write_failed_at is None:
                self._write_failed_at = time.monotonic()
            if self._write_failed_at + LAST_WORDS < end:
                end, reason = self._write_failed_at + LAST_WORDS, lost(broken)
        return end, reason

    def close(self) -> None:
        """Send the session's last words if they go out at once, and close."""
        self.flush()
        self._stream.close()
