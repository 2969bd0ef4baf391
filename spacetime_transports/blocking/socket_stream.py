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

__all__ = ["SocketStream", "Wakeup"]

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
    """A connected TCP or TLS socket that never blocks but in `wait`."""

    def __init__(self, connected: socket.socket, wakeup: Wakeup) -> None:
        connected.setblocking(False)
        self._socket = connected
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
        """Send `data`, and what is left of earlier data, as much as goes out without waiting."""
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
        """Return what broke the sending side, once; bytes may still come."""
        error, self._write_error = self._write_error, None
        return error

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
