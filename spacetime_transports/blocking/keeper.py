"""What keeps the connection of an idle blocking client alive.

A blocking client runs while a thread of the program waits for something. While none does, a program
that computes, or a person at a prompt, would leave the server's pings without an answer, and the
server drops such a client. The keeper is a thread of the library that looks now and then whether
anybody has run the client since it looked last. Only if nobody has, it answers pings, pings the
server itself when that is due, sends what is queued and takes what has arrived.

It takes bytes only as far as whole messages, which wait for the program: the cache does not change
and no callback runs. An end of the connection that it meets is told by the next request.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..driver_base import READ_SIZE

if TYPE_CHECKING:
    from spacetime_proto.client.session import ClientSession

    from .socket_stream import SocketStream

#: Seconds between two looks. A server pings every 15 s and waits 15 s (docs/protocol.md section 3.4),
#: and the first look after somebody ran the client does nothing.
INTERVAL: Final = 5.0
#: Bytes that the keeper takes in advance. Then TCP makes the server wait; since its pings are behind
#: what it has sent, a client that is never run is dropped by a server that goes on sending.
READ_AHEAD: Final = 4 * 1024 * 1024


class Kept(Protocol):
    """What the keeper needs of a driver."""

    lock: threading.RLock
    runs: int
    """How often a thread became the owner."""
    stream: SocketStream | None

    @property
    def session(self) -> ClientSession[Any] | None:
        """The session."""

    @property
    def is_owned(self) -> bool:
        """Whether a thread runs the client."""
        raise NotImplementedError  # a protocol

    def send(self) -> None:
        """Send what was queued, without waiting."""


class Keeper:
    """Keeps one client alive. It does not keep the object alive: a client that is dropped ends it."""

    def __init__(self, driver: Kept) -> None:
        self._stopped = threading.Event()
        self._driver = weakref.ref(driver, self._forget)
        self._process = os.getpid()
        self._runs = 0
        self._thread = threading.Thread(target=self._keep, name="spacetime-keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; the thread has ended when this returns."""
        # After a fork there is no thread here, and its locks may be held for ever.
        if self._process == os.getpid():
            self._stopped.set()
            if self._thread is not threading.current_thread():
                self._thread.join()

    def _forget(self, _: object) -> None:
        if self._process == os.getpid():
            self._stopped.set()

    def _keep(self) -> None:
        while not self._stopped.wait(INTERVAL):
            driver = self._driver()
            if driver is None:
                return
            self.look(driver, time.monotonic())
            del driver  # or the client would live until the next look

    def look(self, driver: Kept, now: float) -> None:
        """Do what is due, if nobody ran the client since the last look; never waits."""
        if not driver.lock.acquire(blocking=False):
            return  # somebody is at it
        try:
            if driver.runs == self._runs and not driver.is_owned:
                _tend(driver, now)
            self._runs = driver.runs
        finally:
            driver.lock.release()


def _tend(driver: Kept, now: float) -> None:
    """Do what a connection needs; with the lock, while nobody runs the client."""
    stream, session = driver.stream, driver.session
    if stream is None or session is None or not session.has_connection:
        return
    while stream.ahead < READ_AHEAD:
        try:
            data = stream.receive(READ_SIZE)
        except OSError as error:
            stream.keep_end(error)
            return
        if data is None:
            # With bytes left behind it, silence would prove nothing.
            session.tick(now=now)
            break
        if not data:
            stream.keep_end(None)
            return
        stream.ahead += len(data)
        session.receive_data(data, now=now)
    driver.send()
