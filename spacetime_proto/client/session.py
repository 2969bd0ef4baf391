"""The client without I/O: bytes in, bytes and events out, across reconnects.

A session consists of two state machines, the WebSocket (`wire`) and `Connection`, and of what
outlives a connection: table handles with their callbacks, subscriptions, the token, and requests
made while offline. A driver (docs/embedding.md) calls `start`, passes bytes to `receive_data`, takes `events`,
writes `data_to_send`, calls `tick` at `deadline`, and reports the end of the stream with
`receive_eof` or `connection_lost`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Literal, TypeVar, cast

from ..cache.cache import Cache
from ..errors import AuthError, ConnectError, Disconnected, ProtocolError
from ..wire.websocket import ClientWebSocket, State
from . import events as ev
from .batch_support import BatchSupport
from .connection import Connection, before_greeting
from .context import Context
from .db import make_db
from .dialects import dialect_for
from .requests import Requests
from .states import SessionInput, SessionState, next_session_state
from .tap import CarefulTap

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from ..bindings.client_module import Module
    from ..wire.websocket import Accepted
    from .db import Db
    from .events import Event
    from .meaning import Greeting
    from .retry import Decision
    from .session_options import ClientOptions, Target
    from .stats import Stats
    from .tap import Tap

DbT = TypeVar("DbT")


class ClientSession(Requests, Generic[DbT]):
    """One client, with any number of connections, one after the other.

    Args:
        options: how to talk to the server.
        module: the bindings, generated or made at run time.
        entropy: a function that returns that many random bytes; used for the WebSocket key and
            frame masks. The core draws no randomness of its own.
    """

    def __init__(
        self,
        options: ClientOptions,
        module: Module[DbT],
        *,
        entropy: Callable[[int], bytes],
    ) -> None:
        super().__init__(options)
        self.module = module
        self.db: DbT = make_db(module, self)
        """The tables of the client cache."""
        self.cache = self._new_cache()
        """The cache that `db` shows."""
        self.token: str | None = None
        """The token in the server's first greeting: a new one, or the one that was sent."""
        self.decide: Callable[[BaseException, float], Decision] | None = None
        """Set by the driver: called as ``decide(error, now)`` when a connection or an attempt has
        ended with `error`, it says whether and when another `start` follows. Subscriptions are kept
        then. Without it, every end is final."""
        self.has_failed = False
        """Whether an error is about to end the current connection."""
        self.tap: Tap | None = None
        """Is shown every message of the connections that begin after it was set; see `Tap`."""
        self._tap: Tap | None = None
        self.session_id = entropy(16).hex()
        """Names this client to the server across its connections; the same on every attempt."""
        self._entropy = entropy
        self._tables = cast("Db", self.db)
        self._tables.attach(self.cache)
        self._wire: ClientWebSocket | None = None
        self._closing_by_user = False
        self._is_told = False
        """Whether an event has told of the end of the last attempt."""
        self._last_words = b""
        self._token_hint = ""
        self.batches = BatchSupport()
        """Whether the server knows SubscribeBatch; a driver may let clients share what they learn."""
        self._now = 0.0
        self._current: Iterator[Event] | None = None
        """The events of the current message that `events` has not yielded yet."""

    def _new_cache(self) -> Cache:
        cache = Cache(
            self.module.bound.within(self.options.limits),
            strict_deletes=self.options.strict_deletes,
            verify_rows=self.options.limits.verify_rows,
        )
        cache.on_damage = self._on_damage
        return cache

    @property
    def is_greeted(self) -> bool:
        """Whether there is a connection on which the server has greeted."""
        connection = self._connection
        return connection is not None and connection.greeting is not None

    @property
    def protocol(self) -> str | None:
        """The subprotocol that the server picked, e.g. ``v3.bsatn.spacetimedb``."""
        return self._connection.dialect.protocol if self._connection else None

    def __repr__(self) -> str:
        return f"<ClientSession {self.state.value} identity={self.identity}>"

    @property
    def stats(self) -> Stats:
        """The numbers of this session's whole life, as of its last input."""
        return self.stats_at(self._now)

    def stats_at(self, now: float) -> Stats:
        """Return `stats`, given the time on the clock of the session's inputs."""
        connection = self._connection
        pending = len(self._waiting.calls)
        if connection is not None:
            pending += connection.calls.pending_count
        rows, size = self.cache.count_rows()
        return self.counters.at(now, pending=pending, rows=rows, size=size)

    # --- bytes and time -----------------------------------------------------------------------

    def start(self, now: float, target: Target) -> None:
        """Begin an attempt on a fresh byte stream: queue the upgrade request.

        Args:
            now: seconds on any monotonic clock, the same one in every call.
            target: where the stream leads.

        Raises:
            LocalProtocolError: an attempt is under way, or the session is closed.
        """
        self._move(SessionInput.START)
        self._now = now
        self.counters.attempts += 1
        self._failure, self.has_failed, self._is_damaged = None, False, False
        self._end_pending = self._is_told = False
        self._last_words = b""
        self._token_hint = target.token_hint if target.token or target.query_token else ""
        self._connection = None
        options, limits = self.options, self.options.limits
        self._wire = ClientWebSocket(
            entropy=self._entropy,
            keepalive=options.keepalive,
            message_size=limits.message_size,
            outgoing_size=limits.outgoing_size,
            header_size=limits.header_size,
            handshake_time=limits.handshake_time,
            close_timeout=options.close_timeout,
            codec=options.frame_codec(),
        )
        self._wire.start(
            now,
            host_header=target.host,
            target=target.request_target(options, self.session_id),
            subprotocols=options.offered(),
            headers=target.request_headers(),
        )

    def receive_data(self, data: bytes, *, now: float) -> None:
        """Take bytes from the stream. Errors of the server are not raised; they end in `events`."""
        self._now = now
        if self._wire is not None:
            self.counters.read(data, now)
            self._wire.receive_data(data, now)

    def receive_eof(self, *, now: float) -> None:
        """Note that the stream has ended."""
        self._now = now
        if self._wire is not None:
            self._wire.receive_eof(now)

    def connection_lost(self, cause: BaseException, *, now: float) -> None:
        """Note that the stream broke, or could not be opened, because of `cause`."""
        self._now = now
        self._is_told = False
        self._fail_with(cause)

    def tick(self, *, now: float) -> None:
        """Note the time: it sends keep-alive pings and ends what has passed its deadline."""
        self._now = now
        if self._wire is not None:
            self._wire.tick(now)

    @property
    def deadline(self) -> float | None:
        """When to call `tick` at the latest; None for never."""
        return None if self._wire is None else self._wire.deadline

    def data_to_send(self, *, now: float | None = None) -> bytes:
        """Return the bytes to write, in one piece, and forget them; empty if there are none.

        Args:
            now: the time, from which `stats` counts how long a reply takes; by default, that of
                the last input.
        """
        if now is not None:
            self._now = now
        wire = self._wire
        if wire is None:
            data, self._last_words = self._last_words, b""
        else:
            self._flush(wire)
            data = wire.data_to_send()
        self.counters.bytes_sent += len(data)
        return data

    def _flush(self, wire: ClientWebSocket) -> None:
        """Pass the queued messages of the connection to the WebSocket."""
        if self._connection is not None and wire.state is State.OPEN:
            payloads = self._connection.payloads_to_send(self._now)
            if self.has_failed:
                return  # the tap could not take one
            for payload in payloads:
                wire.send(payload)

    # --- the end ------------------------------------------------------------------------------

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin to close: queue a close frame. The end comes as an event.

        Closing again, or closing a session that is over, does nothing.
        """
        if self.state is SessionState.CLOSED:
            return
        self._closing_by_user = True
        self._move(SessionInput.CLOSE)
        if self._wire is None or self._end_pending:
            self._end_pending = True
        else:
            # Requests queued before this are sent before the close frame.
            self._flush(self._wire)
            self._wire.close(code, reason, now=self._now)

    def fail(self, error: BaseException) -> None:
        """End the client because of an error on this side, such as a raising callback."""
        if self._is_told and error.__context__ is None:  # raised by a callback that heard of an end
            error.__context__ = self.close_error
        self._current = None
        self._break_off(error)

    def _break_off(self, error: BaseException) -> None:
        self._on_damage(error)
        if self._wire is not None and self._wire.state is State.OPEN:
            self._wire.close(1002 if isinstance(error, ProtocolError) else 1000, now=self._now)

    def _on_damage(self, error: BaseException) -> None:
        """End the client: a row that was read does not decode, so the cache cannot be trusted."""
        self._fail_with(error)
        self._is_damaged = True

    def _fail_with(self, error: BaseException) -> None:
        """Let an error end the connection; the first one counts."""
        if self._failure is None:
            self._failure = error
        self.has_failed = self._end_pending = True

    @property
    def is_over(self) -> bool:
        """Whether there is no connection, and the events of the last one's end were taken."""
        return self._wire is None and not self._end_pending and not self._extra

    def _move(self, event: SessionInput) -> None:
        self.state = next_session_state(self.state, event)

    # --- events -------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        """Yield what has happened, in the order in which callbacks run.

        A message is applied when its first event is taken, and the next message only after the last
        event of this one. Stopping in between is allowed: the next call goes on there. The last event
        of a connection is `Ended` or `ConnectFailed`.
        """
        while True:
            if self._current is None:
                message = self.message_events()
                if message is None:
                    return
                self._current = iter(message)
            event = next(self._current, None)
            if event is None:
                self._current = None
            else:
                yield event

    def message_events(self) -> Iterable[Event] | None:
        """Return the events of the next message (or of the end), or None if nothing has happened.

        For callers that want to stop between messages. Take all the events before the next call,
        unless `fail` was called.
        """
        if self._extra:
            extra, self._extra = self._extra, []
            return extra
        wire = self._wire
        if wire is None:
            return self._finish() if self._end_pending else None
        if not self.has_failed:
            try:
                connection = self._connection
                if connection is None and wire.accepted is not None:
                    connection = self._accept(wire.accepted)
                if connection is not None and not self.has_failed:
                    events = connection.receive(wire.inbox)
                    if type(events) is list:
                        return events
                    if events is not None:
                        return self._guarded(connection, events)
            except ProtocolError as error:
                self.fail(error)
        if wire.state is State.CLOSED or self._end_pending:
            return self._finish()
        return None

    def _guarded(
        self, connection: Connection, events: Iterable[Event]
    ) -> Generator[Event, None, None]:
        """Yield events that are made while they are taken; handle errors and the end of a replay."""
        try:
            yield from events
        except (ProtocolError, Disconnected) as error:
            self.fail(error)
            return
        if self.state is SessionState.REPLAYING and connection.updates.is_shown:
            self.cache = connection.updates.cache
            self._move(SessionInput.REPLAYED)
            self._send_waiting(connection)

    def _accept(self, accepted: Accepted) -> Connection:
        """After the upgrade, make the `Connection` for the protocol that the server picked."""
        protocol = accepted.subprotocol
        assert protocol is not None  # the wire refuses an answer without one that was offered
        again, limits = self._was_open, self.options.limits
        bound = self.module.bound.within(limits)
        tap = self._tap = None if self.tap is None else CarefulTap(self.tap, self._break_off)
        self._connection = connection = Connection(
            bound,
            limits,
            dialect_for(protocol, bound, limits),
            cache=self._new_cache() if again else self.cache,
            db=self._tables,
            owner=self,
            on_greeting=self._on_greeting,
            tap=tap,
            previous=self.cache if again else None,
            replayed=self._waiting.take_sets() if again else (),
            may_batch=self.batches.is_likely,
        )
        if tap is not None:
            tap.started(protocol, accepted.headers)
        return connection

    def _on_greeting(self, greeting: Greeting) -> None:
        """Keep identity, connection id and token of the greeting.

        Raises:
            Disconnected: the identity is another one than on the last connection.
        """
        if self.identity is not None and self.identity != greeting.identity:
            raise Disconnected(
                f"after reconnecting the server calls this client {greeting.identity}, "
                f"before it was {self.identity}"
            )
        self.counters.greeted(self._now)
        self.close_error = None
        self.identity = greeting.identity
        self.connection_id = greeting.connection_id
        if self.token is None:
            self.token = greeting.token
        if self._was_open:
            self._move(SessionInput.GREETED_AGAIN)
        else:
            self._move(SessionInput.GREETED)
            self._was_open = True
            assert self._connection is not None  # it was greeted
            self._send_waiting(self._connection)

    def _send_waiting(self, connection: Connection) -> None:
        self._extra += self._waiting.send(connection, Context(self, None))

    def _finish(self) -> Generator[Event, None, None]:
        """End the current connection: give pending requests their outcome, then tell of the end."""
        self.counters.ended(self._now)
        wire, self._wire = self._wire, None
        connection, self._connection = self._connection, None
        self._end_pending = False
        is_told, self._is_told = self._is_told, True
        self._last_words = b"" if wire is None else wire.data_to_send()
        # A callback that is about to hear of this end may raise, and so end the client by itself.
        cause, self._failure = self._failure, None
        if cause is None and wire is not None:
            cause = wire.failure
        if self._tap is not None and wire is not None and connection is not None:
            side: Literal["client", "server"] = "client" if self._closing_by_user else "server"
            self._tap.closed(side, wire.close_code, wire.close_reason)
            if cause is None:
                cause, self._failure, self._end_pending = self._failure, None, False
        is_theirs = isinstance(cause, (ConnectError, Disconnected, OSError))
        if self._closing_by_user and is_theirs and not self._is_damaged:
            cause = None  # the user asked for this end; how the stream ended does not matter
        greeted = connection is not None and connection.greeting is not None
        # If it is None now, the user closed the connection: any other end left a failure in the wire.
        if not greeted and cause is not None and not self._is_damaged:
            cause = before_greeting(cause, accepted=connection is not None)
        if isinstance(cause, AuthError):
            cause = cause.with_hint(self._token_hint)
        if connection is not None and greeted:
            self.batches.connection_ended(connection.sets, cause)
        retry_in: float | None = None
        may_retry = not (self._is_damaged or self._closing_by_user)
        if cause is not None and may_retry and self.decide is not None:
            cause, retry_in = self.decide(cause, self._now)
        for_good = retry_in is None
        self.close_error = cause
        _mark(cause, is_final=for_good)
        if self.state is not SessionState.CLOSED:
            self._move(SessionInput.FINISHED if for_good else SessionInput.LOST)
        ctx = Context(self, ev.DisconnectedEvent(cause, not for_good, retry_in))
        if connection is not None:
            kept = [] if for_good else connection.sets.subscriptions
            yield from connection.end(cause, for_good=for_good)
            self._waiting.take_over(kept)
        if for_good:
            yield from self._waiting.drop(cause, ctx)
        elif self.options.offline == "fail" and not getattr(cause, "retry_soon", False):
            yield from self._waiting.drop_calls(cause, ctx, for_good=False)
        if greeted:
            yield ev.Ended(ctx, cause)
        elif cause is not None and not is_told:
            yield ev.ConnectFailed(ctx, cause)

    def give_up(self, cause: BaseException) -> None:
        """Close the session because of `cause`, since no further attempt will be made."""
        if self.state is SessionState.CLOSED:
            return
        self._failure = None  # so that `cause` replaces what ended the last connection
        self._is_told = False
        self._on_damage(cause)


def _mark(error: BaseException | None, *, is_final: bool) -> None:
    """Let an error, and those that caused it, say whether the client is over."""
    while error is not None:
        if isinstance(error, Disconnected):
            error.is_final = is_final
        error = error.__cause__
