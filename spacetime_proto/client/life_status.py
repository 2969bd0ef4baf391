"""A client's life as others see it: its settings, its state, and whether another attempt follows.

`life` moves it on, drivers and clients read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from ..errors import ConnectError, Disconnected, said
from .retry import Backoff, Decision, ReconnectPolicy, worth_retrying
from .states import ClientState, SessionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..types import Identity
    from .callbacks import Callbacks
    from .session import ClientSession
    from .session_options import Target

DbT = TypeVar("DbT")

#: Ceiling in seconds of the delays while the first connection is waited for: whoever starts a program
#: together with its server wants to be connected soon after the server is there.
FIRST_MAX_DELAY: Final = 5.0

#: Seconds between attempts that the server asks for; the first is enough on a machine of its own.
SOON_FIRST_DELAY: Final = 0.05
SOON_MAX_DELAY: Final = 0.5
#: Seconds until such attempts count as failed ones, unless the option connect_timeout says another
#: number.
SOON_TIME: Final = 10.0


class LifeRules(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a client's life."""

    target: Target
    """Where every attempt leads; each attempt adds its tokens."""
    url: str
    """The server, for texts of errors."""
    connect_timeout: float | None = None
    """Seconds that connecting may take, from the token to the server's greeting; the first time,
    from asking for the schema."""
    wait_for_server: float | None = None
    """Seconds during which the first attempt is repeated while the server is not there."""
    reconnect: ReconnectPolicy | None = None
    """How to connect again; None: a lost connection is the end of the client."""
    has_fresh_tokens: bool = False
    """Whether each attempt asks for another token."""
    on_callback_error: Callable[..., Any] | None = None
    """As `pump` takes it."""
    save_token: Callable[[str], object] | None = None
    """Called with the token at each greeting, before the callbacks of the user."""


class LifeStatus(Generic[DbT]):
    """The state of a client's life, shared by `life` and its driver.

    Args:
        rules: the settings.
        callbacks: the callbacks that belong to no table. This object registers the first one, so that
            it knows of a greeting before the user's on_connect runs.
        entropy: a function that returns that many random bytes.

    Attributes:
        session: None until there are bindings.
        token: the token of the current attempt; None if it has none.
        has_begun: whether the client began to connect.
        was_closed: whether the user asked for the end.
        is_over: whether the client's life has ended, and every pending request has its outcome.
        is_greeted: whether the server has greeted in the current attempt.
        is_up: whether the server has greeted once, and the callbacks for that have run.
        retry_at: when the next attempt is due, on the driver's clock, from the end of the last one
            until then.
        error: what ended the client; None while it lives, and if the client was closed.
    """

    def __init__(
        self, rules: LifeRules, callbacks: Callbacks, *, entropy: Callable[[int], bytes]
    ) -> None:
        self.rules = rules
        self.callbacks = callbacks
        self.session: ClientSession[DbT] | None = None
        self.token: str | None = None
        self.has_begun = False
        self.was_closed = False
        self.is_over = False
        self.is_greeted = False
        self.is_up = False
        self.retry_at: float | None = None
        self.error: BaseException | None = None
        self._was_greeted = False
        policy = rules.reconnect or ReconnectPolicy()
        self._backoff = Backoff(policy, entropy=entropy)
        patient = msgspec.structs.replace(
            policy, max_attempts=None, max_delay=min(policy.max_delay, FIRST_MAX_DELAY)
        )
        self._first_backoff = Backoff(patient, entropy=entropy)
        self._patience_ends: float | None = None
        self._soon: tuple[float, float] | None = None
        """When the first of the attempts in a row that ended with `retry_soon` did so, and how long
        to wait after the next one."""
        callbacks.add_own("connect", self._greeted)

    @property
    def own_token(self) -> str | None:
        """The token with which to connect again as the same identity; None if there is none yet."""
        return self.token or (None if self.session is None else self.session.token)

    @property
    def state(self) -> ClientState:
        """Where the client stands, across its connections."""
        session = self.session
        if self.is_over or self.is_closing:
            return ClientState.CLOSED
        if not self.has_begun:
            return ClientState.NEW
        if self.retry_at is not None:
            return ClientState.WAITING
        if session is not None and session.is_greeted:
            return ClientState.CONNECTED
        return ClientState.CONNECTING

    @property
    def is_closing(self) -> bool:
        """Whether there is no connection, and no use any more in making one."""
        session = self.session
        return self.was_closed if session is None else session.state is SessionState.CLOSED

    def close(self, now: float) -> None:
        """Begin to close the client, in whatever state it is."""
        self.was_closed = True
        self.retry_at = None
        if self.session is not None:
            # The session has the time of its last input; its closing deadline counts from there.
            self.session.tick(now=now)
            self.session.close()

    def begin(self) -> None:
        """Note the start of an attempt (called by `life`)."""
        self.token = None
        self.is_greeted = False

    def _greeted(self, ctx: object, identity: Identity, token: str) -> None:
        self.is_greeted = self._was_greeted = True
        self._backoff.reset()
        self._soon = None
        if self.rules.save_token is not None:
            self.rules.save_token(self.token or token)

    def message_done(self) -> bool:
        """Return whether the client is up; drivers ask at each `MESSAGE_DONE` until it is."""
        session = self.session
        if session is not None and session.is_greeted:
            self.is_up = not session.has_failed
        return self.is_up

    def start(self, now: float) -> None:
        """Note that the client begins to connect (called by `life`)."""
        self.has_begun = True
        if self.rules.wait_for_server is not None:
            self._patience_ends = now + self.rules.wait_for_server

    def decide(self, error: BaseException, now: float) -> Decision:
        """Decide whether another attempt follows after `error`, and note when."""
        decision = self._decide_soon(error, now)
        if decision is None:
            decision = (
                self._decide_again(error) if self._was_greeted else self._decide_first(error, now)
            )
        self.retry_at = None if decision.retry_in is None else now + decision.retry_in
        return decision

    def _decide_soon(self, error: BaseException, now: float) -> Decision | None:
        """Decide after an end that asks for another attempt in a moment, which is no failed one.

        Returns:
            None if it is a usual end, or for too long now.
        """
        rules = self.rules
        if not getattr(error, "retry_soon", False):
            self._soon = None
            return None
        if self._was_greeted and rules.reconnect is None:
            return None
        began, delay = self._soon or (now, SOON_FIRST_DELAY)
        self._soon = began, min(delay * 1.5, SOON_MAX_DELAY)
        limit = SOON_TIME if rules.connect_timeout is None else rules.connect_timeout
        return None if now - began >= limit else Decision(error, delay)

    def _decide_again(self, error: BaseException) -> Decision:
        """Decide after a connection was lost, or an attempt to come back has failed."""
        backoff, rules = self._backoff, self.rules
        if rules.reconnect is None or not worth_retrying(error, fresh_token=rules.has_fresh_tokens):
            return Decision(error)
        delay = backoff.next_delay()
        if delay is not None:
            return Decision(error, max(delay, _asked_for(error, rules.reconnect)))
        return Decision(_gave_up(f"gave up after {_attempts(backoff.attempt)}", error))

    def _decide_first(self, error: BaseException, now: float) -> Decision:
        """Decide after an attempt to make the first connection has failed."""
        backoff, end = self._first_backoff, self._patience_ends
        if end is None or not isinstance(error, ConnectError) or not error.is_transient:
            return Decision(error)
        delay = backoff.next_delay()
        assert delay is not None  # their number is not limited
        if now < end:
            # One more attempt is made at the very end.
            return Decision(error, min(max(delay, _asked_for(error, backoff.policy)), end - now))
        waited = f"waited {self.rules.wait_for_server:g} s for {self.rules.url}"
        what = f"{waited} (option wait_for_server, {_attempts(backoff.attempt)})"
        return Decision(_gave_up(what, error))

    def settle(self) -> None:
        """End the session, if it has not ended, and give every pending request its error, without
        running callbacks of the user: for when the client is cancelled."""
        self.is_over = True
        self.retry_at = None
        session = self.session
        if session is None or session.state is SessionState.CLOSED:
            return
        what = "closed" if self.was_closed else "cancelled"
        cause = self.error or Disconnected(f"the client was {what}")
        session.give_up(cause)
        while (message := session.message_events()) is not None:
            for event in message:
                for function, args in self.callbacks.waiters(event):
                    function(*args)
        if self.error is None and not self.was_closed:
            self.error = cause


def _attempts(count: int) -> str:
    return "1 attempt" if count == 1 else f"{count} attempts"


def _gave_up(what: str, cause: BaseException) -> ConnectError:
    error = ConnectError(f"{what}: {said(cause)}")
    error.__cause__ = cause
    return error


def _asked_for(error: BaseException, policy: ReconnectPolicy) -> float:
    """Return how many seconds a server asks to wait, as far as the policy allows."""
    asked = error.retry_after if isinstance(error, ConnectError) else None
    return min(asked or 0.0, policy.max_delay)
