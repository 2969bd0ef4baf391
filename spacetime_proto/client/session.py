"""The client without I/O: bytes in, bytes and events out, across reconnects.

A session stacks two machines, the WebSocket one (`wire`) and `Connection`, and keeps what outlives
a connection: the handles, the callbacks' subscriptions, the token, and requests made while offline.
It is driven in six steps (docs/embedding.md): `start`, then feed `receive_data`, take `events`,
write `data_to_send`, wake up at `deadline` for `tick`, and report the end with `receive_eof` or
`connection_lost`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from ..cache.cache import Cache
from ..errors import ConnectError, Disconnected, LocalProtocolError, ProtocolError
from ..wire.websocket import ClientWebSocket, State
from . import events as ev
from .calls import Call, PendingCall
from .connection import HANDLERS, Connection
from .context import Context
from .dialects import dialect_for
from .offline import Waiting
from .states import (
    SessionInput,
    SessionState,
    SubscriptionInput,
    SubscriptionState,
    next_session_state,
)
from .subscriptions import Subscription, query_text

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from ..bindings.client_module import Module
    from ..types import ConnectionId, Identity
    from ..wire.websocket import Accepted
    from .events import Event
    from .incoming import Incoming
    from .session_options import ClientOptions, Target
    from .table_handles import ChangeStream, TableHandle
    from .tap import Tap

__all__ = ["ClientSession"]

DbT = TypeVar("DbT")


class ClientSession(Generic[DbT]):
    """One client, any number of connections after each other.

    Args:
        options: how to talk.
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
        self.options = options
        self.module = module
        self.will_reconnect = False
        """Set by the driver: whether another `start` follows a loss, so that subscriptions stay."""
        self.close_error: BaseException | None = None
        """Why the last connection ended; None if it has not, or if this client closed it."""
        self.tap: Tap | None = None
        """Looks on at every payload; see `Tap`."""
        self._entropy = entropy
        self._state = SessionState.IDLE
        self._db = _checked_module(module).create_db(self)
        self._cache = self._new_cache()
        self._db.attach(self._cache)  # type: ignore[attr-defined]  # every DbT is a client.db.Db
        self._wire: ClientWebSocket | None = None
        self._connection: Connection | None = None
        self._identity: Identity | None = None
        self._connection_id: ConnectionId | None = None
        self._token: str | None = None
        self._failure: BaseException | None = None
        self._was_open = False
        self._waiting = Waiting()
        self._current: Iterator[Event] | None = None
        self._messages: Iterator[Incoming] = iter(())
        """What is left of the payload that was opened last."""
        self._end_pending = False
        self._closing_by_user = False
        self._last_words = b""
        self._extra: list[Event] = []
        self._now = 0.0
        self._callback_check: Callable[[Callable[..., object]], None] | None = None
        self._stream_factory: Callable[[TableHandle[Any], int], ChangeStream[Any]] | None = None
        self.wants_everything = True
        """Whether row differences are built for tables without callbacks too. The pump, which runs
        callbacks and nothing else, turns it off."""
        self.wants_outcomes = True
        """Whether there is an event for each call besides `CallDone`; likewise."""

    def _new_cache(self) -> Cache:
        cache = Cache(
            self.module.bound.within(self.options.limits),
            strict_deletes=self.options.strict_deletes,
            verify_rows=self.options.limits.verify_rows,
        )
        cache.on_damage = self._on_damage
        return cache

    # --- what can be looked at ----------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        return self._state

    @property
    def db(self) -> DbT:
        """The tables of the client cache."""
        return self._db

    @property
    def identity(self) -> Identity | None:
        """This client's identity, once the server greeted; kept after the end."""
        return self._identity

    @property
    def connection_id(self) -> ConnectionId | None:
        """The id of the current (or last) connection."""
        return self._connection_id

    @property
    def token(self) -> str | None:
        """The token that the server gave or echoed in its first greeting."""
        return self._token

    @property
    def protocol(self) -> str | None:
        """The subprotocol that the server picked, e.g. ``v3.bsatn.spacetimedb``."""
        return self._connection.dialect.protocol if self._connection else None

    @property
    def cache(self) -> Cache:
        """The cache that `db` shows."""
        return self._cache

    def __repr__(self) -> str:
        return f"<ClientSession {self._state.value} identity={self._identity}>"

    # --- HandleOwner: what handles ask --------------------------------------------------------

    def set_driver(
        self,
        *,
        check_callback: Callable[[Callable[..., object]], None],
        change_stream: Callable[[TableHandle[Any], int], ChangeStream[Any]],
    ) -> None:
        """Let a driver say which callbacks it can run and how its streams wait."""
        self._callback_check = check_callback
        self._stream_factory = change_stream

    def check_callback(self, callback: Callable[..., object]) -> None:
        """Refuse a callback that the driver cannot run (TypeError)."""
        if self._callback_check is not None:
            self._callback_check(callback)

    def change_stream(self, table: TableHandle[Any], max_buffered: int) -> ChangeStream[Any]:
        """Make the stream behind `TableHandle.changes`."""
        if self._stream_factory is None:
            raise LocalProtocolError("changes() needs a client that is driven by a transport")
        return self._stream_factory(table, max_buffered)

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
        self._failure = None
        self._end_pending = False
        self._last_words = b""
        self._connection = None
        limits = self.options.limits
        self._wire = ClientWebSocket(
            entropy=self._entropy,
            keepalive=self.options.keepalive,
            message_size=limits.message_size,
            outgoing_size=limits.outgoing_size,
            header_size=limits.header_size,
            handshake_time=limits.handshake_time,
            close_timeout=self.options.close_timeout,
            codec=self.options.frame_codec(),
        )
        headers = list(target.headers)
        if target.token is not None:
            headers.append(("Authorization", f"Bearer {target.token}"))
        self._wire.start(
            now,
            host_header=target.host,
            target=target.request_target(self.options),
            subprotocols=self.options.offered(),
            headers=headers,
        )

    def receive_data(self, data: bytes, *, now: float) -> None:
        """Take bytes from the stream. Never raises for the server's mistakes: see `events`."""
        self._now = now
        if self._wire is not None:
            self._wire.receive_data(data, now)

    def receive_eof(self, *, now: float) -> None:
        """Take the end of the stream."""
        self._now = now
        if self._wire is not None:
            self._wire.receive_eof(now)

    def connection_lost(self, cause: BaseException, *, now: float) -> None:
        """Take the news that the stream broke, or that it could not be made at all."""
        self._now = now
        if self._failure is None:
            self._failure = cause
        self._end_pending = True

    def tick(self, *, now: float) -> None:
        """Take the time: keep-alive pings, handshake and close deadlines."""
        self._now = now
        if self._wire is not None:
            self._wire.tick(now)

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called at the latest; None for never."""
        return None if self._wire is None else self._wire.deadline

    def data_to_send(self) -> bytes:
        """Take the bytes to be written, all of them in one piece; empty if there are none."""
        wire = self._wire
        if wire is None:
            last_words, self._last_words = self._last_words, b""
            return last_words
        if self._connection is not None and wire.state is State.OPEN:
            self._send(wire, self._connection)
        return wire.data_to_send()

    def _send(self, wire: ClientWebSocket, connection: Connection) -> None:
        """Hand what the connection has queued to the WebSocket."""
        for payload in connection.payloads_to_send():
            if self.tap is not None:
                self.tap.message("client", payload)
            wire.send(payload)

    @property
    def wants_close(self) -> bool:
        """Whether the byte stream should be closed now, after writing what is left to send."""
        return self._wire is None or self._wire.state is State.CLOSED or self._end_pending

    # --- requests -----------------------------------------------------------------------------

    def call(
        self,
        call: Call[Any],
        *,
        on_done: Callable[[PendingCall[Any]], object] | None = None,
    ) -> PendingCall[Any]:
        """Queue a call of a reducer or procedure.

        Args:
            call: what to call.
            on_done: run with the returned object when its outcome is known, in plan order.

        Raises:
            LocalProtocolError: the session is not open and calls do not wait, or the call does not
                fit the schema (EncodeError), or too many are in flight, or it is no call.
            Disconnected: the connection is lost and ``offline="fail"``.
        """
        if not isinstance(call, Call):
            raise LocalProtocolError(
                f"a call is what a function of reducers or procedures returns, not {call!r}; write"
                " call(reducers.NAME(...))"
            )
        pending = PendingCall(call.name, call, on_done)
        if self._ready("call", call.name):
            assert self._connection is not None
            self._connection.call(pending)
        else:
            self._waiting.calls.append(pending)
        return pending

    def submit(self, call: Call[Any]) -> None:
        """Queue a call whose outcome nobody waits for."""
        self.call(call)

    def query(
        self,
        query: object,
        *,
        on_done: Callable[[PendingCall[Any]], object] | None = None,
    ) -> PendingCall[Any]:
        """Queue a one-off query; its value will be a list of rows. Errors as `call`."""
        pending: PendingCall[Any] = PendingCall(query_text(query), None, on_done)
        if self._ready("run a query"):
            assert self._connection is not None
            self._connection.query(pending)
        else:
            self._waiting.calls.append(pending)
        return pending

    def subscribe(
        self,
        *queries: object,
        on_applied: Callable[..., Any] | None = None,
        on_error: Callable[..., Any] | None = None,
        on_end: Callable[..., Any] | None = None,
        legacy: bool = False,
        replaces: Subscription | None = None,
    ) -> Subscription:
        """Queue a subscription to one query set and return its pending handle.

        Args:
            queries: SQL texts or queries of the builder; lists of them are taken apart.
            on_applied: ``on_applied(ctx)`` when its first rows are in the cache.
            on_error: ``on_error(ctx, error)`` when it was refused or has died.
            on_end: ``on_end(ctx)`` when it ended because this client asked.
            legacy: use v1's replaceable set where the protocol has it.
            replaces: the subscription whose place it takes, as one difference, once applied.

        Raises:
            Disconnected: the connection is closed; its ``__cause__`` is why, if it was lost.
        """
        texts: list[str] = []
        for query in queries:
            if isinstance(query, list | tuple):
                texts.extend(map(query_text, query))
            else:
                texts.append(query_text(query))
        for callback in (on_applied, on_error, on_end):
            if callback is not None:
                self.check_callback(callback)
        subscription = Subscription(
            texts, on_applied=on_applied, on_error=on_error, on_end=on_end, legacy=legacy
        )
        subscription.replaces = replaces
        subscription.bind(self._unsubscribe)
        if self._state is SessionState.CLOSED or self._state is SessionState.CLOSING:
            # Not a mistake of the caller's: the loss may have been noticed a moment ago.
            raise Disconnected("cannot subscribe: the connection is closed") from self.close_error
        if self._state is SessionState.OPEN:
            assert self._connection is not None
            self._connection.subscribe(subscription)
        else:
            self._waiting.sets.append(subscription)
        return subscription

    def _unsubscribe(self, subscription: Subscription) -> None:
        if subscription.state is SubscriptionState.PENDING:
            subscription.move(SubscriptionInput.UNSUBSCRIBE)
            self._waiting.forget(subscription)
            self._extra.append(ev.SetEnded(Context(self, None), subscription))
            return
        if self._connection is None:
            subscription.move(SubscriptionInput.UNSUBSCRIBE)  # it is over, and this says so
        else:
            self._connection.unsubscribe(subscription)

    def _ready(self, what: str, name: str | None = None) -> bool:
        """Say whether a request can go out now; True, False for "wait", or an error.

        Raises:
            LocalProtocolError, Disconnected: neither now nor later.
        """
        state = self._state
        if state is SessionState.OPEN and not self._end_pending:
            return True
        if name is not None:
            what = f"{what} {name!r}"
        if state is SessionState.CLOSED or state is SessionState.CLOSING:
            raise Disconnected(f"cannot {what}: the connection is closed") from self.close_error
        if self.options.offline == "wait":
            return False
        if state is SessionState.REPLAYING and not self._end_pending:
            # The connection is there, and `on_connect` runs now. What it asks for follows the
            # replayed subscriptions, so that its rows come after the difference was told.
            return False
        if self._was_open:
            raise Disconnected(f"cannot {what}: the connection is lost and not back yet")
        raise LocalProtocolError(f"cannot {what}: the session is {state.value}, not open")

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin the end: queue a close frame. The end itself comes as an event.

        Closing again, or closing a session that is over, does nothing.
        """
        if self._state is SessionState.CLOSED:
            return
        self._closing_by_user = True
        self.will_reconnect = False
        self._move(SessionInput.CLOSE)
        if self._wire is None or self._end_pending:
            self._end_pending = True
        else:
            # What was queued before the close still goes out before it.
            if self._connection is not None and self._wire.state is State.OPEN:
                self._send(self._wire, self._connection)
            self._wire.close(code, reason, now=self._now)

    def fail(self, error: BaseException) -> None:
        """End the connection because of an error on this side, such as a raising callback."""
        if self._failure is None:
            self._failure = error
        self._current = None
        self._messages = iter(())
        self._end_pending = True
        self.will_reconnect = False
        if self._wire is not None and self._wire.state is State.OPEN:
            self._wire.close(1002 if isinstance(error, ProtocolError) else 1000, now=self._now)

    def _on_damage(self, error: BaseException) -> None:
        """A row that a reader looked at does not decode: the cache cannot be trusted."""
        if self._failure is None:
            self._failure = error
        self._end_pending = True
        self.will_reconnect = False

    @property
    def has_failed(self) -> bool:
        """Whether an error on this side is about to end the current connection."""
        return self._failure is not None

    @property
    def is_over(self) -> bool:
        """Whether there is no connection, nor news about the last one's end to be taken."""
        return self._wire is None and not self._end_pending and not self._extra

    def _move(self, event: SessionInput) -> None:
        self._state = next_session_state(self._state, event)

    # --- events -------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        """Yield what has happened, in the order in which callbacks run.

        A message is applied when its first event is taken, the next one only after its last was.
        Stopping half-way is allowed: the next call goes on where this one stopped. The end of a
        connection comes as `Ended` or `ConnectFailed`; nothing comes after it.
        """
        while True:
            event = self._next_event()
            if event is None:
                return
            yield event

    def message_events(self) -> Iterable[Event] | None:
        """Return the events of the next message (or of the end), or None if nothing has happened.

        For callers that want to stop between messages: all of them have to be taken, unless `fail`
        was called, before this is called again.
        """
        if self._extra:
            extra, self._extra = self._extra, []
            return extra
        wire = self._wire
        if wire is None:
            return self._finish() if self._end_pending else None
        if self._failure is None:
            try:
                message = next(self._messages, None) or self._next_payload(wire)
                if message is not None:
                    connection = self._connection
                    assert connection is not None  # it read the message
                    events = HANDLERS[type(message)](connection, message)
                    if type(events) is list:
                        return events
                    return self._guarded(connection, events)
            except ProtocolError as error:
                self.fail(error)
        if wire.state is State.CLOSED or self._end_pending:
            return self._finish()
        return None

    def _next_payload(self, wire: ClientWebSocket) -> Incoming | None:
        """Open the next payload that has come; return its first message."""
        connection = self._connection
        if connection is None:
            if wire.accepted is None:
                return None
            connection = self._connection = self._new_connection(wire.accepted)
            if self.tap is not None:
                self.tap.started(connection.dialect.protocol, wire.accepted.headers)
        if not wire.inbox:
            return None
        payload = wire.inbox.popleft()
        if self.tap is not None:
            self.tap.message("server", payload)
        message = connection.dialect.short(payload)
        if message is None:
            self._messages = connection.dialect.decode(payload)
            message = next(self._messages)  # no payload is without a message
        return message

    def _next_event(self) -> Event | None:
        while True:
            if self._current is None:
                events = self.message_events()
                if events is None:
                    return None
                self._current = iter(events)
            event = next(self._current, None)
            if event is not None:
                return event
            self._current = None

    def _guarded(
        self, connection: Connection, events: Iterable[Event]
    ) -> Generator[Event, None, None]:
        """Yield events that are made while they are taken, and follow what they say of the state."""
        try:
            for event in events:
                if type(event) is ev.Connected:
                    refusal = self._greet(connection, event)
                    if refusal is not None:
                        self.fail(refusal)
                        return
                yield event
            if self._state is SessionState.REPLAYING and not connection.is_replaying:
                self._replayed(connection)
        except ProtocolError as error:
            self.fail(error)

    def _new_connection(self, accepted: Accepted) -> Connection:
        protocol = accepted.subprotocol
        assert protocol is not None  # the wire refuses an answer without one that was offered
        again = self._was_open
        replayed = self._waiting.take_sets() if again else []
        bound = self.module.bound.within(self.options.limits)
        connection = Connection(
            bound,
            self.options,
            dialect_for(protocol, bound, self.options.limits),
            cache=self._new_cache() if again else self._cache,
            db=self._db,  # type: ignore[arg-type]  # every DbT is a client.db.Db
            owner=self,
            previous=self._cache if again else None,
            replayed=replayed,
        )
        return connection

    def _greet(self, connection: Connection, event: ev.Connected) -> BaseException | None:
        """Take over what the greeting says; return an error if it is not acceptable."""
        if self._identity is not None and self._identity != event.identity:
            return Disconnected(
                f"after reconnecting the server calls this client {event.identity}, "
                f"before it was {self._identity}"
            )
        self._identity = event.identity
        self._connection_id = event.connection_id
        if self._token is None:
            self._token = event.token
        if connection.is_replaying:
            self._move(SessionInput.GREETED_AGAIN)
        else:
            self._move(SessionInput.GREETED)
            self._was_open = True
            self._extra += self._waiting.send(connection, Context(self, None))
        return None

    def _replayed(self, connection: Connection) -> None:
        self._cache = connection.cache
        self._move(SessionInput.REPLAYED)
        self._extra += self._waiting.send(connection, Context(self, None))

    def _finish(self) -> Generator[Event, None, None]:
        """End the current connection: settle what waits, then say so."""
        wire, self._wire = self._wire, None
        connection, self._connection = self._connection, None
        self._end_pending = False
        self._last_words = b"" if wire is None else wire.data_to_send()
        cause = self._failure
        if cause is None and wire is not None:
            cause = wire.failure
        if self._closing_by_user and isinstance(cause, (ConnectError, Disconnected, OSError)):
            cause = None  # how exactly it ended is no news to who ended it
        greeted = connection is not None and connection.is_greeted
        if self.tap is not None and wire is not None and connection is not None:
            side: Literal["client", "server"] = "client" if self._closing_by_user else "server"
            self.tap.closed(side, wire.close_code, wire.close_reason)
        # None from here on means that the user closed it: the wire has a failure for any other end.
        if not greeted and cause is not None:
            cause = _before_greeting(cause, accepted=connection is not None)
        self.close_error = cause
        for_good = not self.will_reconnect or self._closing_by_user
        if self._state is not SessionState.CLOSED:
            self._move(SessionInput.FINISHED if for_good else SessionInput.LOST)
        ctx = Context(self, ev.DisconnectedEvent(cause))
        if connection is not None:
            kept = [] if for_good else connection.subscriptions
            yield from connection.end(cause, for_good=for_good)
            self._waiting.take_over(kept)
        if for_good:
            yield from self._waiting.drop(cause, ctx)
        elif self.options.offline == "fail":
            yield from self._waiting.drop_calls(cause, ctx)
        if greeted:
            yield ev.Ended(ctx, cause)
        elif cause is not None:
            yield ev.ConnectFailed(ctx, cause)

    def give_up(self, cause: BaseException) -> None:
        """Say that no further attempt will be made: the session closes with `cause`."""
        if self._state is SessionState.CLOSED:
            return
        self.will_reconnect = False
        self._failure = cause
        self._end_pending = True


def _before_greeting(cause: BaseException, *, accepted: bool) -> BaseException:
    """Explain an end that came between the handshake and the first message.

    The server drops the connection without a close frame when the module's client_connected
    reducer refuses the client (docs/protocol.md section 3.3), so that is the likely reason.
    """
    if not isinstance(cause, Disconnected | OSError):
        return cause
    if accepted:
        text = (
            "the server accepted the connection and ended it before its first message; most likely "
            f"the module's client_connected reducer refused this client ({cause})"
        )
    else:
        text = f"the connection was lost during the handshake: {cause}"
    error = ConnectError(text)
    error.__cause__ = cause
    return error


def _checked_module(module: Module[DbT]) -> Module[DbT]:
    """Return `module` if it is one.

    Raises:
        LocalProtocolError: it is something else; the package of the bindings is the likely mistake,
            because that is what the 0.7 API takes.
    """
    if hasattr(module, "create_db"):
        return module
    if hasattr(module, "MODULE"):
        raise LocalProtocolError("this takes the MODULE of the bindings, not the package")
    raise LocalProtocolError(
        f"the module must be the MODULE of bindings, not {type(module).__name__}"
    )
