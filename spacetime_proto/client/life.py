"""The life of a client, as one generator: attempts to connect, connections, reconnecting, the end.

It yields a want, the driver does it and sends back the result with the time; there is no clock,
socket, thread or randomness in here. The wants of `pump`, which runs each connection, are passed on.
The others are

* `Bindings`, first, until there is a session: fetch the schema and set `LifeStatus.session`;
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
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from ..errors import ConnectError, Disconnected
from .context import Context, NoOwner
from .events import ConnectFailed, DisconnectedEvent
from .life_status import LifeRules, LifeStatus
from .pump import Invoke, Received, Want, pump
from .states import SessionState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .retry import Decision
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
    Want | Bindings | Token | Dial | HangUp | Sleep, Received | Answered | float | None, None
]


class Attempt:
    """One attempt, and the limits that it sets to reading from its connection."""

    def __init__(self, now: float, status: LifeStatus[Any]) -> None:
        self.now = now
        """The time of the last answer."""
        self.write_error: BaseException | None = None
        """Why sending failed. Reading goes on for `LAST_WORDS` seconds: the server may have said why
        it closed the connection."""
        self._status = status
        self._rules = status.rules
        limit = status.rules.connect_timeout
        self.deadline = None if limit is None else now + limit
        """When the server must have greeted."""
        self._grace = 0.0

    def read_until(self, deadline: float | None) -> float | None:
        """Return when to stop waiting for bytes, given the session's own deadline."""
        if self.deadline is not None and not self._status.is_greeted:
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
            if self.write_error is None or (not self._status.is_greeted and self.is_late):
                return self.refusal(None)
            return _lost(self.write_error)
        return None

    @property
    def _is_overdue(self) -> bool:
        """Whether time is up: for the greeting, or for the server's last words."""
        if self.write_error is not None and self.now >= self._grace:
            return True
        return not self._status.is_greeted and self.is_late

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
            f" {self._rules.connect_timeout or 0:g} s (option connect_timeout)",
            is_transient=True,
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
    status.start(now)
    with _settled_at_the_end(status):
        if status.session is None:
            now = yield from _fetch_bindings(status, now)
        session = status.session
        if session is None:
            return  # closed before the schema was there
        session.decide = status.decide
        while not status.is_closing:
            attempt = Attempt(now, status)
            status.begin()
            yield from _connect(status, session, attempt)
            yield from _talk(status, attempt)
            answer = yield HangUp(LAST_WORDS if attempt.write_error is None else 0.0)
            now = _checked(answer).now
            if status.retry_at is None or status.is_closing:
                break
            answer = yield Sleep(status.retry_at)
            now = _checked(answer).now
            status.retry_at = None
        if not session.is_over:  # closed without a connection, or after its end was told
            yield from _talk(status)


def _fetch_bindings(
    status: LifeStatus[Any], now: float
) -> Generator[Bindings | Sleep | Invoke, Any, float]:
    """Ask for the bindings until there is a session, or the client is closed.

    Returns:
        When the first attempt to connect began: one limit holds for the schema and it together.

    Raises:
        Exception: the schema could not be fetched.
    """
    while not status.was_closed:
        attempt = Attempt(now, status)
        answer: Answered = yield Bindings(attempt.deadline)
        attempt.now = answer.now
        error: BaseException | None = answer.error
        if error is None and status.session is None and not status.is_closing and attempt.is_late:
            error = attempt.refusal(None)
        if not isinstance(error, ConnectError):
            _checked(answer)
            break
        decision = status.decide(error, answer.now)
        yield from _tell_failure(status, decision)
        if status.is_closing:
            break
        if status.retry_at is None:
            raise decision.error
        answer = yield Sleep(status.retry_at)
        now = answer.now
        status.retry_at = None
    return now


def _tell_failure(status: LifeStatus[Any], decision: Decision) -> Generator[Invoke, Any, None]:
    """Run on_connect_error for an attempt that failed before there was a session."""
    error, retry_in = decision
    ctx: Context[Any] = Context(NoOwner(), DisconnectedEvent(error, retry_in is not None, retry_in))
    handler = status.rules.on_callback_error
    for function, args in status.callbacks.calls(ConnectFailed(ctx, error)):
        try:
            yield Invoke(function, args)
        except Exception as raised:
            if handler is None:
                raise
            yield Invoke(handler, (raised, function))


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
        session = status.session
        if status.error is None and session is not None and status.is_closing:
            status.error = session.close_error
        status.settle()


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
    if not status.is_up and not isinstance(error, ConnectError):
        _checked(answer)  # a token callable raised it
    token, query_token = (None, None) if found is None else (found.token, found.query_token)
    if query_token is not None:
        token = None
    target = msgspec.structs.replace(status.rules.target, token=token, query_token=query_token)
    session.start(attempt.now, target)
    if error is not None and not isinstance(error, (ConnectError, OSError)):
        session.fail(error)  # a token callable raised it; an OSError counts as a failed attempt
    elif answer.value is None:
        session.connection_lost(attempt.refusal(error), now=attempt.now)


def _talk(status: LifeStatus[Any], attempt: Attempt | None = None) -> Generator[Want, Any, None]:
    """Run the session until its connection is over and its pending requests have their outcome."""
    assert status.session is not None
    return pump(
        status.session,
        status.callbacks,
        on_callback_error=status.rules.on_callback_error,
        in_batches=True,
        attempt=attempt,
    )


def _checked(answer: Received | Answered | float | None) -> Answered:
    """Return `answer`, or raise the error in it."""
    assert isinstance(answer, Answered)
    if answer.error is not None:
        raise answer.error
    return answer
