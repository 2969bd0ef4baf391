"""The life of a client, as one generator: attempts to connect, connections, reconnecting, the end.

It yields a want, the driver does it and sends back the result with the time; there is no clock,
socket, thread or randomness in here. The wants of `pump`, which runs each connection, are passed on.
The others are

* `Bindings`, first, if there is no session yet: fetch the schema and set `LifeStatus.session`;
* `Token`, then `Dial`, for each attempt: find the credentials, open a byte stream;
* `HangUp`, after each attempt: write what is left, such as a close frame, and close the stream;
* `Sleep`: wait before the next attempt.

The result of each of these is an `Answered`. If the session is closed meanwhile, the driver answers
all of them except `HangUp` at once, without a value. If the generator is closed, or raises, every
pending request gets its error, and no callback of the user runs.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

import msgspec

from ..errors import ConnectError, Disconnected
from .callbacks import Callbacks
from .pump import Received, Want, pump
from .retry import Backoff, ReconnectPolicy, worth_retrying
from .session_options import Target
from .states import ClientState, SessionState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..types import Identity
    from .session import ClientSession

__all__ = [
    "LAST_WORDS",
    "Answered",
    "Bindings",
    "Credentials",
    "Dial",
    "HangUp",
    "Life",
    "LifeRules",
    "LifeStatus",
    "Sleep",
    "Token",
    "life",
]

DbT = TypeVar("DbT")

#: Seconds for what is sent last: by the server after writing to it has failed (it may say why it
#: closed the connection), and by this side before the stream is closed.
LAST_WORDS: Final = 1.0


class Bindings(msgspec.Struct, frozen=True):
    """Fetch the schema, make the session of it and set `LifeStatus.session`."""

    deadline: float | None = None
    """On the driver's clock, in seconds; None: no limit. The first attempt shares it."""


class Token(msgspec.Struct, frozen=True):
    """Find the token to connect with; the value of the answer is `Credentials`."""

    issued: str | None
    """The token that the server gave earlier, to use if the options have none."""
    deadline: float | None
    """On the driver's clock, in seconds; None: no limit."""


class Dial(msgspec.Struct, frozen=True):
    """Open a byte stream to the server; the value of the answer is anything but None."""

    deadline: float | None


class HangUp(msgspec.Struct, frozen=True):
    """Write what ``session.data_to_send()`` still has, then close the stream, if there is one."""

    seconds: float
    """How long writing may take; 0 if writing has failed before."""


class Sleep(msgspec.Struct, frozen=True):
    """Wait until a point in time on the driver's clock, in seconds."""

    until: float


class Answered(msgspec.Struct, frozen=True):
    """The result of a `Bindings`, `Token`, `Dial`, `HangUp` or `Sleep`."""

    now: float
    """The driver's monotonic clock, in seconds."""
    value: Any = None
    """None if there was an error, time ran out, or the session was closed meanwhile."""
    error: Exception | None = None


class Credentials(msgspec.Struct, frozen=True):
    """The token for one attempt. The repr does not show it."""

    token: str | None
    query_token: str | None = None
    """A short-lived token for the URL, for which `token` was exchanged."""

    def __repr__(self) -> str:
        return "Credentials(...)"


Life: TypeAlias = Generator[
    Want | Bindings | Token | Dial | HangUp | Sleep, Received | Answered | None, None
]


class LifeRules(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a client's life."""

    target: Target
    """Where every attempt leads; each attempt adds its tokens."""
    url: str
    """The server, for texts of errors."""
    connect_timeout: float | None = None
    """Seconds that connecting may take, from the token to the server's greeting; the first time,
    from asking for the schema."""
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
        is_up: whether the server has greeted once, and the callbacks for that have run.
        retry_at: when the next attempt is due, on the driver's clock, while the client waits for it.
        error: what ended the client; None while it lives, and if the client was closed.
    """

    def __init__(
        self, rules: LifeRules, callbacks: Callbacks, *, entropy: Callable[[int], bytes]
    ) -> None:
        self.rules = rules
        self.callbacks = callbacks
        self.entropy = entropy
        self.session: ClientSession[DbT] | None = None
        self.token: str | None = None
        self.has_begun = False
        self.was_closed = False
        self.is_over = False
        self.is_up = False
        self.retry_at: float | None = None
        self.error: BaseException | None = None
        self._attempt: Attempt | None = None
        callbacks.add("connect", self._greeted)

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
        return self.was_closed if session is None else _is_closed(session)

    def close(self, now: float) -> None:
        """Begin to close the client, in whatever state it is."""
        self.was_closed = True
        if self.session is not None:
            # The session has the time of its last input; its closing deadline counts from there.
            self.session.tick(now=now)
            self.session.close()

    def begin(self, attempt: Attempt) -> None:
        """Note the start of an attempt (called by `life`)."""
        self.token = None
        self._attempt = attempt

    def _greeted(self, ctx: object, identity: Identity, token: str) -> None:
        assert self.session is not None and self._attempt is not None
        self._attempt.is_greeted = True
        self.session.will_reconnect = self.rules.reconnect is not None
        if self.rules.save_token is not None:
            self.rules.save_token(self.token or token)

    def message_done(self) -> bool:
        """Return whether the client is up; drivers ask at each `MESSAGE_DONE` until it is."""
        session, attempt = self.session, self._attempt
        if session is not None and attempt is not None and attempt.is_greeted:
            self.is_up = not session.has_failed
        return self.is_up

    def settle(self) -> None:
        """End the session, if it has not ended, and give every pending request its error, without
        running callbacks of the user: for when the client is cancelled."""
        self.is_over = True
        session = self.session
        if session is None or _is_closed(session):
            return
        session.give_up(self.error or Disconnected("the client was cancelled"))
        while (message := session.message_events()) is not None:
            for event in message:
                for function, args in self.callbacks.waiters(event):
                    function(*args)


class Attempt:
    """One attempt, and the limits that it sets to reading from its connection."""

    def __init__(self, now: float, rules: LifeRules) -> None:
        self.now = now
        """The time of the last answer."""
        self.is_greeted = False
        self.write_error: BaseException | None = None
        """Why sending failed. Reading goes on for `LAST_WORDS` seconds: the server may have said why
        it closed the connection."""
        self._rules = rules
        limit = rules.connect_timeout
        self.deadline = None if limit is None else now + limit
        """When the server must have greeted."""
        self._grace = 0.0

    def read_until(self, deadline: float | None) -> float | None:
        """Return when to stop waiting for bytes, given the session's own deadline."""
        if self.deadline is not None and not self.is_greeted:
            deadline = self.deadline if deadline is None else min(deadline, self.deadline)
        if self.write_error is not None:
            deadline = self._grace if deadline is None else min(deadline, self._grace)
        return deadline

    def verdict(self, received: Received) -> BaseException | None:
        """Return why the connection is lost, or None if it goes on after what was read."""
        was_overdue = self._is_overdue
        now = self.now = received.now
        if received.write_error is not None:
            self.write_error = received.write_error
            self._grace = now + LAST_WORDS
        if received.error is not None:
            return _lost(received.error)
        # What came with the first late read counts, as it may have lain there in time. After that
        # the limit holds, although bytes may go on arriving for ever.
        if self._is_overdue and (was_overdue or not (received.data or received.eof)):
            if self.write_error is None or (not self.is_greeted and self.is_late):
                return self.refusal(None)
            return _lost(self.write_error)
        return None

    @property
    def _is_overdue(self) -> bool:
        """Whether time is up: for the greeting, or for the server's last words."""
        if self.write_error is not None and self.now >= self._grace:
            return True
        return not self.is_greeted and self.is_late

    @property
    def is_late(self) -> bool:
        """Whether the server should have greeted by now."""
        return self.deadline is not None and self.now >= self.deadline

    def refusal(self, error: BaseException | None) -> BaseException:
        """Return why there is no connection: time ran out, or `error`."""
        if error is not None and not self.is_late:
            return error
        late = ConnectError(
            f"{self._rules.url} did not accept the connection within"
            f" {self._rules.connect_timeout or 0:g} s (option connect_timeout)"
        )
        late.__cause__ = error
        return late


def _lost(cause: BaseException) -> Disconnected:
    """Return the typed error for a stream that broke."""
    reason = str(cause.__cause__ or cause) or type(cause).__name__
    error = Disconnected(f"the connection was lost: {reason}")
    error.__cause__ = cause
    return error


def life(status: LifeStatus[Any], *, now: float) -> Life:
    """Run a client from its first attempt to connect to its end.

    Raises no exception of its own: what went wrong is in `LifeStatus.error`. When this returns, every
    pending request has its outcome.

    Args:
        status: the client.
        now: the driver's monotonic clock, in seconds.
    """
    # All in one function, without a generator between it and the pump: a `send` passes through each
    # generator on the way, which costs 1 % of a row callback.
    rules = status.rules
    status.has_begun = True
    with _settled_at_the_end(status):
        if status.session is None and not status.was_closed:
            limit = rules.connect_timeout
            # One limit holds for the schema and the first attempt together: `now` stays.
            _checked((yield Bindings(None if limit is None else now + limit)))
        session = status.session
        if session is None:
            return  # closed before the schema was there
        policy = rules.reconnect or ReconnectPolicy()
        backoff = Backoff(policy, entropy=status.entropy)
        while not _is_closed(session):
            attempt = Attempt(now, rules)
            status.begin(attempt)
            yield from _connect(status, session, attempt)
            yield from _talk(status, status.callbacks, attempt)
            answer = yield HangUp(LAST_WORDS if attempt.write_error is None else 0.0)
            now = _checked(answer).now
            if _is_closed(session):
                break  # without a policy the session always closes
            error = session.close_error or Disconnected("the connection ended")
            if attempt.is_greeted:
                backoff.reset()
            delay = None
            if worth_retrying(error, fresh_token=rules.has_fresh_tokens):
                delay = backoff.next_delay()
            if delay is None:
                session.give_up(error)
                # The callbacks know of the failed attempt. This is only for requests that wait.
                yield from _talk(status, Callbacks())
                status.error = error
                return
            status.retry_at = now + delay
            answer = yield Sleep(status.retry_at)
            now = _checked(answer).now
            status.retry_at = None
        if not session.is_over:  # closed without a connection, or after its end was told
            yield from _talk(status, status.callbacks)


@contextmanager
def _settled_at_the_end(status: LifeStatus[Any]) -> Iterator[None]:
    try:
        yield
    except GeneratorExit:  # the driver was cancelled
        raise
    except Exception as error:
        # Errors of the connection do not come here: the session keeps them. This one came from
        # fetching the schema, from a token callable, or from a tap.
        status.error = error
    except BaseException as error:  # Ctrl-C in the middle of a message
        status.error = error
        raise
    finally:
        status.settle()
        if status.error is None and status.session is not None:
            status.error = status.session.close_error


def _connect(status: LifeStatus[Any], session: ClientSession[Any], attempt: Attempt) -> Life:
    """Make an attempt and start the session with its result, if it was not closed meanwhile.

    Raises:
        Exception: what a token callable raised, unless it means that the network failed.
    """
    answer = yield Token(session.token, attempt.deadline)
    assert isinstance(answer, Answered)
    found: Credentials | None = answer.value
    if found is not None:
        status.token = found.token
        answer = yield Dial(attempt.deadline)
        assert isinstance(answer, Answered)
    attempt.now = answer.now
    if session.state is not SessionState.IDLE:
        return
    error = answer.error
    # An OSError comes from a token callable. On a reconnect it counts as a failed attempt.
    if not isinstance(error, ConnectError) and not (status.is_up and isinstance(error, OSError)):
        _checked(answer)
    token, query_token = (None, None) if found is None else (found.token, found.query_token)
    if query_token is not None:
        token = None
    target = msgspec.structs.replace(status.rules.target, token=token, query_token=query_token)
    session.start(attempt.now, target)
    if answer.value is None:
        session.connection_lost(attempt.refusal(error), now=attempt.now)


def _talk(
    status: LifeStatus[Any], callbacks: Callbacks, attempt: Attempt | None = None
) -> Generator[Want, Any, None]:
    """Run the session until its connection is over and its pending requests have their outcome."""
    assert status.session is not None
    return pump(
        status.session,
        callbacks,
        on_callback_error=status.rules.on_callback_error,
        in_batches=True,
        attempt=attempt,
    )


def _is_closed(session: ClientSession[Any]) -> bool:
    return session.state is SessionState.CLOSED


def _checked(answer: Received | Answered | None) -> Answered:
    """Return `answer`, or raise the error in it."""
    assert isinstance(answer, Answered)
    if answer.error is not None:
        raise answer.error
    return answer
