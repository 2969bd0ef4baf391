"""Keep-alive as arithmetic on times that are passed in: when to ping, when to give up.

A SpacetimeDB server pings every 15 s and forgets a client that sends nothing for 30 s, leaving the
TCP connection open (docs/protocol.md section 3.4). So each side has to find out by itself that the other
is gone.
"""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """The result of `KeepAlive.tick`: what its caller has to do."""

    NOTHING = "nothing"
    PING = "ping"
    DEAD = "dead"


class KeepAlive:
    """Pings after a silence (client) or at a steady rate (server), and gives up without an answer.

    The peer is dead when nothing at all was received for `every + grace` seconds and for `grace`
    seconds after the last ping.

    Attributes:
        heard: time of the last bytes received; the owner sets it.
    """

    __slots__ = ("_pinged", "every", "grace", "heard", "steady")

    def __init__(self, *, every: float, grace: float, steady: bool, now: float) -> None:
        """Start at `now`.

        Args:
            every: seconds of silence, or between pings when `steady`, before a ping.
            grace: seconds to wait for any sign of life after a ping.
            steady: ping at a fixed rate even while the peer talks, unless a ping is unanswered.
            now: the present time.
        """
        self.every = every
        self.grace = grace
        self.steady = steady
        self.heard = now
        self._pinged = now

    @property
    def waiting(self) -> bool:
        """True while nothing was heard since the last ping."""
        return self._pinged > self.heard

    @property
    def deadline(self) -> float:
        """The time from which `tick` returns something other than NOTHING."""
        if self.waiting:
            return max(self.heard + self.every, self._pinged) + self.grace
        return (max(self._pinged, self.heard) if not self.steady else self._pinged) + self.every

    def tick(self, now: float) -> Verdict:
        """Say what to do at `now`.

        A tick that comes later than its deadline by more than the grace shows that this side was
        not reading (a callback ran for minutes, a laptop slept), not that the peer is dead: the
        answer is then one more PING.
        """
        deadline = self.deadline
        if now < deadline:
            return Verdict.NOTHING
        if self.waiting and now < deadline + self.grace:
            return Verdict.DEAD
        self._pinged = now
        return Verdict.PING
