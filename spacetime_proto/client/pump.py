"""The pump: one generator that runs a connection, the same for every driver.

It yields a want, the driver does it and sends back the result. These are the wants:

* `Read(deadline)`: write ``session.data_to_send()``, then wait for bytes, the end of the stream, the
  deadline, or a wake-up because a request was queued; send back a `Received`.
* `Invoke(function, args)`: call it (an async driver awaits an awaitable result); send back how many
  seconds it took, or None if nobody measures, or throw the exception that it raised into the generator.
* `InvokeEach(calls)`, only with ``in_batches=True``: the same for each of several calls. If one of
  them raises, throw the exception at once; another `InvokeEach` brings the remaining calls.

After each message it yields `MESSAGE_DONE`, so that a driver can stop there. It returns when the
connection is over and each pending request has its outcome. A driver is a loop of a few lines
around this, and tests drive it with a list (docs/embedding.md).
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import islice
from operator import length_hint
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from ..errors import ProtocolError
from . import events as ev

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .callbacks import Callbacks, Calls, SlowCallback
    from .life import Attempt
    from .session import ClientSession

__all__ = [
    "MESSAGE_DONE",
    "Invoke",
    "InvokeEach",
    "MessageDone",
    "Read",
    "Received",
    "Want",
    "pump",
]

#: Row callbacks in one `InvokeEach`. Limited because each entry keeps its rows in memory.
BATCH: Final = 64


class Read(msgspec.Struct, frozen=True, gc=False):
    """Flush, then wait until `deadline` (seconds on the driver's clock; None: no limit)."""

    deadline: float | None


class Invoke(msgspec.Struct, gc=False):
    """Call a user's function.

    There is one of these for each callback. It is not frozen and not tracked by the garbage
    collector because that makes it cheaper to create.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    is_users: bool = True
    """Whether its time counts: it is none of the client's own, such as those that wake a waiter."""


class InvokeEach(msgspec.Struct, gc=False):
    """Call several of the user's functions, one after the other, until one raises."""

    calls: Iterator[tuple[Callable[..., Any], tuple[Any, ...]]]
    """(function, arguments) of the calls that have not run yet. After an exception the driver leaves
    it where it is, so the pump knows from it which callback raised."""


class MessageDone(msgspec.Struct, frozen=True):
    """A whole message was applied and its callbacks have run."""


class Received(msgspec.Struct, frozen=True, gc=False):
    """What a `Read` brought."""

    now: float
    """The driver's monotonic clock, in seconds."""
    data: bytes = b""
    """Bytes; none if a deadline passed or a request was queued."""
    eof: bool = False
    error: BaseException | None = None
    """Why the stream broke, if it did."""
    write_error: BaseException | None = None
    """Why sending failed, given once; bytes may still arrive."""


Want: TypeAlias = Read | Invoke | InvokeEach | MessageDone
MESSAGE_DONE: Final = MessageDone()


def pump(
    session: ClientSession[Any],
    callbacks: Callbacks,
    *,
    on_callback_error: Callable[..., Any] | None = None,
    in_batches: bool = False,
    attempt: Attempt | None = None,
) -> Generator[Want, Received | float | None, None]:
    """Run one connection of `session`, which was just started, to its end.

    Args:
        session: the session; requests may be queued on it at any time.
        callbacks: the callbacks that belong to no table.
        on_callback_error: ``on_callback_error(error, function)``. Given: it is called for every
            exception that a callback raises, and the connection goes on. Not given: such an
            exception ends the connection, and is the error that everything then reports.
        in_batches: hand the row callbacks of a message over as `InvokeEach`: 10 to 17 % less CPU for
            transactions of a hundred rows (benchmarks/TRIED.md).
        attempt: further limits to how long a read waits (see `life`).
    """
    counters = session.counters
    add_seconds = counters.seconds.append
    slow = callbacks.slow
    limit = float("inf") if slow is None else slow.seconds
    known: tuple[bool, bool] | None = None
    while True:
        while True:
            # Asked again for each message: callbacks may have been added or removed.
            interests = callbacks.interests
            if interests is not known:
                known = session.wants_everything, session.wants_outcomes = interests
            message = session.message_events()
            if message is None:
                break
            try:
                only = callbacks.only_call(message) if type(message) is list else None
            except ProtocolError as damage:  # the row for a callback does not decode
                session.fail(damage)
            else:
                # Most messages run one callback. It is yielded here, because the generators in
                # `_dispatch` would cost more than the rest of such a message.
                if only is None:
                    yield from _dispatch(session, callbacks, message, on_callback_error, in_batches)
                else:
                    function, args, is_users = only
                    try:
                        seconds: Any = yield Invoke(function, args, is_users)
                    except Exception as raised:
                        counters.callbacks_run += is_users
                        yield from _raised(session, on_callback_error, raised, function)
                    else:
                        if is_users:
                            if seconds is not None and seconds < limit:
                                add_seconds(seconds)
                            else:
                                counters.callbacks_run += 1
                                yield from _took(session, slow, [(function, args)], seconds)
            yield MESSAGE_DONE
        if session.is_over:
            return
        deadline = session.deadline
        received = yield Read(deadline if attempt is None else attempt.read_until(deadline))
        assert type(received) is Received
        error = received.error if attempt is None else attempt.verdict(received)
        if error is not None:
            session.connection_lost(error, now=received.now)
        elif received.data:
            session.receive_data(received.data, now=received.now)
        elif received.eof:
            session.receive_eof(now=received.now)
        session.tick(now=received.now)


def _dispatch(
    session: ClientSession[Any],
    callbacks: Callbacks,
    message: Iterable[ev.Event],
    on_callback_error: Callable[..., Any] | None,
    in_batches: bool,
) -> Generator[Want, Received | float | None, None]:
    """Run the callbacks of one message.

    If one of them ends the connection, the user's callbacks do not see the rest of the message, but
    tasks and threads that wait for something in it are still woken.
    """
    # If it has failed before, these are the events of the end, and all of them are shown.
    was_failing = session.has_failed
    slow = callbacks.slow
    try:
        for event in message:
            is_cut = session.has_failed and not was_failing
            if type(event) is ev.TableChanged and (is_cut or not event.listeners.wants_rows):
                continue
            calls = callbacks.waiters(event) if is_cut else callbacks.calls(event)
            if in_batches and type(event) is ev.TableChanged:
                yield from _each(session, calls, on_callback_error, slow)
                continue
            for function, args in calls:
                is_users = callbacks.is_users(function, args)
                session.counters.callbacks_run += is_users
                try:
                    seconds = yield Invoke(function, args, is_users)
                except Exception as error:
                    handler = None if type(event) is ev.BeforeDelete else on_callback_error
                    yield from _raised(session, handler, error, function)
                    if handler is None:
                        break
                else:
                    if is_users:
                        yield from _took(session, slow, [(function, args)], seconds)
            if type(event) is ev.BeforeDelete and session.has_failed:
                return  # the rows are still in the cache: the message is not applied
        if not session.has_failed:
            for function, args in callbacks.afterwards():
                session.counters.callbacks_run += 1
                try:
                    seconds = yield Invoke(function, args)
                except Exception as error:
                    yield from _raised(session, on_callback_error, error, function)
                else:
                    yield from _took(session, slow, [(function, args)], seconds)
    except ProtocolError as error:  # a row for a callback does not decode
        session.fail(error)
    finally:
        if isinstance(message, Generator):
            message.close()


def _each(
    session: ClientSession[Any],
    calls: Calls,
    on_callback_error: Callable[..., Any] | None,
    slow: SlowCallback | None,
) -> Generator[Want, Received | float | None, None]:
    """Run `calls` in batches.

    Raises:
        DecodeError: a row is damaged; the callbacks before it have run.
    """
    damage: ProtocolError | None = None
    while damage is None:
        batch: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        try:
            batch.extend(islice(calls, BATCH))  # keeps what came before a damaged row
        except ProtocolError as error:
            damage = error
        # `length_hint` of a list iterator is the number of entries that are left. So it tells whether
        # the batch is finished, and after an exception which callback was the last one taken.
        rest = iter(batch)
        left = len(batch)
        while left:
            begun = left
            try:
                seconds = yield InvokeEach(rest)
            except Exception as error:
                left = length_hint(rest)
                session.counters.callbacks_run += begun - left
                yield from _raised(session, on_callback_error, error, batch[-1 - left][0])
                if on_callback_error is None:
                    return
            else:
                left = length_hint(rest)
                session.counters.callbacks_run += begun - left
                yield from _took(session, slow, batch[-begun : len(batch) - left], seconds)
        if len(batch) < BATCH and damage is None:
            return
    raise damage


def _raised(
    session: ClientSession[Any],
    handler: Callable[..., Any] | None,
    error: Exception,
    function: Callable[..., Any],
) -> Generator[Want, Received | float | None, None]:
    """Call `handler` with what a callback raised; without a handler, end the connection."""
    if handler is None:
        session.fail(error)
        return
    try:
        yield Invoke(handler, (error, function))
    except Exception as worse:
        session.fail(worse)


def _took(
    session: ClientSession[Any],
    slow: SlowCallback | None,
    calls: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]],
    seconds: object,
) -> Generator[Want, Received | float | None, None]:
    """Count the time that callbacks took, if it was measured, and tell of it if it was long."""
    if type(seconds) is not float:
        return
    session.counters.callback_seconds += seconds
    if slow is not None and seconds >= slow.seconds:
        try:
            yield Invoke(slow.tell, (calls, seconds))
        except Exception as error:
            session.fail(error)
