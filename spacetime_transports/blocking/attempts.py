"""What a blocking client needs in order to connect: the schema, credentials, and a socket.

`life` wants one after the other; `Attempts` gets each in a thread of its own, so that neither a time
limit nor Ctrl-C nor `frame_tick` has to wait for what cannot be interrupted. What can be is done at
once where the caller has nothing else to do: a thread costs about 1 % of what it takes to connect.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from spacetime_proto.client.life import Answered, Bindings, Dial, Sleep, Token
from spacetime_proto.errors import CallTimeout, SpacetimeError

from .dial import Errand
from .socket_stream import SocketStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from spacetime_proto.bindings.client_module import Module

    from .dial import Dialer
    from .socket_stream import Wakeup


class Attempts:
    """Gets one thing at a time for one client.

    Args:
        dialer: knows how.
        wakeup: woken when something is there.
        database: name or identity.
        use_module: called with bindings that were fetched.
    """

    def __init__(
        self,
        dialer: Dialer,
        wakeup: Wakeup,
        database: str,
        use_module: Callable[[Module[Any]], None],
    ) -> None:
        self._dialer = dialer
        self._wakeup = wakeup
        self._database = database
        self._use_module = use_module
        self._errand: Errand | None = None

    def begin(self, want: Bindings | Token | Dial, *, is_first: bool) -> None:
        """Begin to get what is wanted, unless that was begun before.

        Args:
            want: what it is.
            is_first: whether the caller waits for the first connection.
        """
        if self._errand is not None:
            return
        dialer = self._dialer
        fetch: Callable[[], Any]
        if type(want) is Bindings:
            fetch = partial(dialer.fetch_module, self._database, want.deadline)
        elif type(want) is Token:
            fetch = partial(dialer.credentials, want.issued, want.deadline)
        else:
            fetch = partial(dialer.dial, want.deadline)
        self._errand = errand = Errand(fetch, self._wakeup.wake)
        is_free = type(want) is Token and dialer.knows_token
        if is_free or (is_first and type(want) is Dial and dialer.looks_up_no_name):
            errand.run()
        else:
            errand.start()

    def answer(self, want: Bindings | Token | Dial | Sleep, now: float) -> Answered | None:
        """Return what was got, at the time `now`; None if it is not there yet.

        The value is a `SocketStream` for a `Dial`.
        """
        errand = self._errand
        if errand is None or not errand.is_done:
            return None
        errand.join()
        value, error = errand.value, errand.error
        deadline = None if isinstance(want, Sleep) else want.deadline
        if deadline is not None and error and (now >= deadline or _ran_out_of_time(error)):
            # It may give up a moment before its caller: they have one limit, which has one name.
            return self.give_up(want, max(now, deadline))
        if error is None and type(want) is Dial:
            value = SocketStream(value, self._wakeup)
        elif error is None and type(want) is Bindings:
            try:
                self._use_module(value)
            except SpacetimeError as refusal:  # an option makes no sense
                error = refusal
        self._errand = None
        return Answered(now, value, error)

    def give_up(self, want: object, now: float) -> Answered:
        """Return the answer when time is up."""
        self.abandon()
        if type(want) is not Bindings:
            return Answered(now)  # `life` says what that means
        return Answered(now, error=self._dialer.schema_is_late(self._database))

    def abandon(self) -> None:
        """Stop getting anything; what comes later is closed."""
        errand, self._errand = self._errand, None
        if errand is not None:
            errand.abandon()


def _ran_out_of_time(error: Exception) -> bool:
    # A TimeoutError with a number is the kernel's: the other side is gone.
    cause = error.__cause__
    return isinstance(cause, CallTimeout) or (
        isinstance(cause, TimeoutError) and cause.errno is None
    )
