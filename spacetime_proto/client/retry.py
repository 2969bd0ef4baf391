"""When to connect again after a connection was lost, and how long to wait first.

Nothing here sleeps or makes random numbers: `Backoff` makes the next delay from random bytes that
it is given. The delay is uniform between zero and a ceiling that doubles ("full jitter"), so that a
thousand clients of a restarted server do not all return at the same moment.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ..errors import AuthError, ConnectError, Disconnected, LocalProtocolError, SpacetimeError

if TYPE_CHECKING:
    from collections.abc import Callable

_BOUNDS = (
    ("first_delay", 0, "a number of seconds"),
    ("max_delay", 0, "a number of seconds"),
    ("factor", 1, "at least 1"),
    ("max_attempts", 1, "at least 1 or None"),
)
"""For each number of a policy: its name, its minimum, and how an error describes what is allowed."""


class ReconnectPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How a client that lost its connection tries to get it back.

    The defaults are those planned for the official SDKs: 1 s doubling to 30 s, for ever.

    Raises:
        LocalProtocolError: on construction, for a number that is out of range.

    first_delay: float = 1.0
        Ceiling of the first delay, seconds.
    max_delay: float = 30.0
        Ceiling of every delay, seconds.
    factor: float = 2.0
        The ceiling is multiplied by this from attempt to attempt.
    max_attempts: int | None = None
        Attempts after one loss before giving up; None never gives up.
    """

    first_delay: float = 1.0
    max_delay: float = 30.0
    factor: float = 2.0
    max_attempts: int | None = None

    def __post_init__(self) -> None:
        for name, least, said in _BOUNDS:
            value = getattr(self, name)
            if name == "max_attempts" and value is None:
                continue
            kind = int if name == "max_attempts" else (int, float)
            if (
                isinstance(value, bool)
                or not isinstance(value, kind)
                or not least <= value < math.inf
            ):
                raise LocalProtocolError(f"{name} must be {said}, not {value!r}")

    def ceiling(self, attempt: int) -> float:
        """Return the longest delay, in seconds, before attempt number `attempt` (from 1)."""
        # The exponent is bounded: 2.0 ** 1100 would overflow on a client that retries for days.
        growth = self.factor ** min(attempt - 1, 64)
        return min(self.max_delay, self.first_delay * growth)


class Decision(NamedTuple):
    """What becomes of a client whose connection, or attempt to connect, has ended with an error."""

    error: BaseException
    """Why, as users are told."""
    retry_in: float | None = None
    """Seconds until the next attempt; None: there is none, and the client is over."""


class Backoff:
    """The delays after a lost connection; call `reset` once a connection worked.

    Args:
        policy: how long the delays are, and how many.
        entropy: a function that returns as many random bytes as it is asked for.
    """

    def __init__(self, policy: ReconnectPolicy, *, entropy: Callable[[int], bytes]) -> None:
        self.policy = policy
        self.attempt = 0
        """How many delays have been given out since the last reset."""
        self._entropy = entropy

    def next_delay(self) -> float | None:
        """Return the seconds to wait before the next attempt, or None after the last one."""
        limit = self.policy.max_attempts
        if limit is not None and self.attempt >= limit:
            return None
        self.attempt += 1
        # Seven bytes are 56 bits; the mantissa of a float has 53.
        part = int.from_bytes(self._entropy(7), "big") / (2**56 - 1)
        return part * self.policy.ceiling(self.attempt)

    def reset(self) -> None:
        """Begin again with short delays."""
        self.attempt = 0


def worth_retrying(error: BaseException | None, *, fresh_token: bool) -> bool:
    """Return whether connecting again may help after `error`.

    It may after a lost connection or a refused port, or while a database is republished. A refused
    token is refused again, unless `fresh_token` says that the next attempt uses another one. Data
    that does not decode, wrong use of the library, or a callback that raised would fail again.
    """
    if isinstance(error, AuthError):
        return fresh_token
    if isinstance(error, (ConnectError, Disconnected)):
        return True
    # A plain OSError, which no driver turned into an error of this library, is one of the network.
    return isinstance(error, OSError) and not isinstance(error, SpacetimeError)
