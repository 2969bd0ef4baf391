"""One non-blocking socket, and a way to wake up whoever waits there.

Only the thread that runs the pump touches the socket; `Wakeup.wake` may be called by any thread and
from a signal handler.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
from collections import deque

from spacetime_proto.errors import ConnectError

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
# poll has no limit on descriptor numbers and needs none of its own; Windows has select only.
_Selector: type[selectors.BaseSelector] = getattr(
    selectors, "PollSelector", selectors.SelectSelector
)


class Wakeup:
    """A socket pair: `wake` makes a waiting `SocketStream.wait` (or `sleep`) return."""

    def __init__(self) -> None:
        """Make one.

        Raises:
            ConnectError: the system has no descriptors left.
        """
        try:
            self.receiver, self._sender = socket.socketpair()
            """The end to wait on."""
        except OSError as error:
            raise ConnectError(f"no socket can be opened: {error.strerror}") from error
        self.receiver.setblocking(False)
        self._sender.setblocking(False)

    def wake(self) -> None:
        """Wake the waiter; if there is none now, the next wait returns at once."""
        # If the buffer is full, a wake-up is on its way already; if it is closed, nobody waits.
        with contextlib.suppress(OSError):
            self._sender.send(b"\0")

    def clear(self) -> bool:
        """Remove the wake-ups that have arrived; return whether there were any."""
        found = False
        with contextlib.suppress(OSError):
            while self.receiver.recv(4096):
                found = True
        return found

    def sleep(self, seconds: float | None) -> None:
        """Wait for a wake-up, at most `seconds` (None: for ever)."""
        with _Selector() as selector:
            selector.register(self.receiver, _READ)
            selector.select(seconds)

    def descriptors(self) -> tuple[int, int]:
        """Return those of both ends, -1 when they are closed."""
        return self.receiver.fileno(), self._sender.fileno()

    def close(self) -> None:
        """Close both ends."""
        self.receiver.close()
        self._sender.close()


class SocketStream:
    """A connected TCP or TLS socket; `wait` is the only method that blocks.

    Attributes:
        ahead: how many bytes were received for the session while nobody ran the client.
    """

    def __init__(self, connected: socket.socket, wakeup: Wakeup) -> None:
        connected.setblocking(False)
        self.ahead = 0
        self._socket = connected
        self._end: OSError | bytes | None = None
        self._outgoing: deque[memoryview] = deque()
        self._send_wants_read = False
        self._receive_wants_write = False
        self._is_broken = False
        self._write_error: OSError | None = None
        self._selector = _Selector()
        self._selector.register(wakeup.receiver, _READ)
        self._selector.register(connected, _READ)
        self._events = _READ

    def send(self, data: bytes = b"") -> None:
        """Send as much of `data`, and of what is left of earlier data, as needs no waiting."""
        outgoing = self._outgoing
        self._send_wants_read = False
        if self._is_broken:
            return
        if data:
            outgoing.append(memoryview(data))
        while outgoing:
            try:
                sent = self._socket.send(outgoing[0])
            except (BlockingIOError, ssl.SSLWantWriteError):
                return
            except ssl.SSLWantReadError:
                self._send_wants_read = True
                return
            except OSError as error:
                self._is_broken = True
                self._write_error = error
                outgoing.clear()
                return
            if sent == len(outgoing[0]):
                outgoing.popleft()
            else:
                outgoing[0] = outgoing[0][sent:]

    def take_write_error(self) -> OSError | None:
        """Return the error that broke the sending side, only once; bytes may still arrive."""
        error, self._write_error = self._write_error, None
        return error

    def receive(self, size: int) -> bytes | None:
        """Return what has arrived, b"" at the end of the stream, None if there is nothing now.

        Raises:
            OSError: the stream broke.
        """
        self._receive_wants_write = False
        if self._end is not None:
            if isinstance(self._end, OSError):
                raise self._end
            return self._end
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

    def keep_end(self, error: OSError | None) -> None:
        """Let `receive` tell from now on that the stream has ended, or broke because of `error`."""
        self._end = b"" if error is None else error

    def left_to_read(self, left: int, size: int, read: int) -> int:
        """Return how many bytes a reader may still take that only wants what had arrived at first.

        What arrives meanwhile must not keep it for ever. A plain socket that gave less than it was
        asked for had no more then; only the end may be behind that. Otherwise no more had arrived
        than the system's buffer holds.

        Args:
            left: the same before the last read.
            size: how many bytes that one asked for.
            read: how many it got.
        """
        if read < size and not isinstance(self._socket, ssl.SSLSocket):
            return 1 if left > 1 else 0
        return min(left, self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)) - read

    def wait(self, seconds: float | None) -> None:
        """Wait until the socket can receive or send, for a wake-up, or for `seconds` at most.

        Call `receive` first: TLS may hold decrypted bytes that no selector knows of.
        """
        wants_write = (self._outgoing and not self._send_wants_read) or self._receive_wants_write
        events = _READ | _WRITE if wants_write else _READ
        if events != self._events:
            self._selector.modify(self._socket, events)
            self._events = events
        self._selector.select(seconds)

    def fileno(self) -> int:
        """Return the descriptor of the socket, -1 when it is closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._selector.close()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def seconds_until(first: float | None, second: float | None, now: float) -> float | None:
    """Return how long to wait for the earlier of two points in time; None stands for never."""
    ends = [end for end in (first, second) if end is not None]
    return max(0.0, min(ends) - now) if ends else None
