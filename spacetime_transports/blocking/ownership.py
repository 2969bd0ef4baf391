"""Which thread runs a blocking client, and how the others wait for it.

At any moment at most one thread, the owner, runs the client, and only the owner touches the socket.
Other threads queue their requests, wake the owner and wait; when it leaves, one of them becomes the
owner. While there is none, whoever holds ``lock`` may use the socket without waiting: a request that
is sent at once, and the keeper. ``lock`` is held while a message is applied and while a request is
queued, never while a callback runs and never while a thread waits.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from .socket_stream import Wakeup
from .telling import TellingDriver

if TYPE_CHECKING:
    from spacetime_proto.client.states import SessionState

DbT = TypeVar("DbT")


class OwnedDriver(TellingDriver[DbT]):
    """The part of `BlockingDriver` that knows the owner.

    Attributes:
        runs: how often a thread became the owner.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.runs = 0
        self._condition = threading.Condition(self.lock)
        self._owner: int | None = None
        self._wakeup = Wakeup()
        self._waiters = 0
        """How many threads wait for the owner."""
        self._seen_state: SessionState | None = None
        """The state of which the waiting threads were told."""

    @property
    def in_callback(self) -> bool:
        """Whether this thread owns the client: callbacks are the only user code that runs then."""
        return self._owner == threading.get_ident()

    @property
    def is_owned(self) -> bool:
        """Whether a thread runs the client."""
        return self._owner is not None

    def notify(self, *_: object) -> None:
        """Wake the waiting threads: the owner may have received what they wait for."""
        with self._condition:
            if self._waiters:
                self._condition.notify_all()

    def _wait_for_owner(self, seconds: float | None) -> None:
        """Let the owner look at what was queued, and wait until it leaves or has news."""
        self._wakeup.wake()
        self._seen_state = None
        self._waiters += 1
        try:
            self._condition.wait(seconds)
        finally:
            self._waiters -= 1

    def _leave(self) -> None:
        with self._condition:
            self._owner = None
            if self._waiters:
                self._condition.notify_all()

    def _tell_state(self) -> None:
        """Let the waiting threads look, if the state of the session is another one now."""
        session = self.status.session
        state = None if session is None else session.state
        if state is not self._seen_state:
            self._seen_state = state
            self.notify()

    def _renew_lock(self) -> None:
        super()._renew_lock()
        self._condition = threading.Condition(self.lock)
        self._owner = None
