"""Payloads to meaning: the client's side of one WebSocket connection, without the WebSocket.

A connection owns the request ids, what waits for an answer, the live query sets, and the cache that
its messages fill. It lives as long as one socket; `ClientSession` makes a new one to reconnect.

`receive` is a generator, and that is the point of it: it decodes and plans a whole message, applies
it, and then yields the events of that message one by one. The next message is not touched before
the consumer has taken them all, so no callback ever sees a later transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Disconnected, LocalProtocolError, ProtocolError
from ..limits import sent_size
from . import query_sets, replies
from .context import Context
from .events import BeforeDelete, CallDone, Connected, Reconnected, TableChanged, Transaction
from .incoming import (
    Applied,
    CallCommitted,
    Changed,
    Greeting,
    ProcedureReply,
    QueryReply,
    ReducerReply,
    Refused,
    RowChanged,
    Unapplied,
)
from .query_sets import LEGACY_SET, SHARED_SET
from .states import SubscriptionInput, SubscriptionState
from .subscriptions import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..cache.cache import Cache, Plan
    from ..cache.changes import TableDiff
    from ..schema.bound import BoundModule
    from ..types import ConnectionId, Identity
    from .calls import PendingCall
    from .context import ContextOwner
    from .db import Db
    from .dialects import Dialect
    from .events import Event, Why
    from .incoming import Incoming
    from .session_options import ClientOptions

__all__ = ["HANDLERS", "LEGACY_SET", "SHARED_SET", "Connection"]


class Connection:
    """One connection's requests, answers, query sets and cache.

    Args:
        module: the schema and classes.
        options: limits and habits.
        dialect: the negotiated protocol.
        cache: the cache to fill.
        db: handles, asked who listens.
        owner: what contexts belong to.
        previous: after a reconnect, the cache that `db` shows until all `replayed` are settled.
        replayed: the subscriptions taken over from the connection before.
    """

    def __init__(
        self,
        module: BoundModule,
        options: ClientOptions,
        dialect: Dialect,
        *,
        cache: Cache,
        db: Db,
        owner: ContextOwner,
        previous: Cache | None = None,
        replayed: Iterable[Subscription] = (),
    ) -> None:
        self.module = module
        self.options = options
        self.dialect = dialect
        self.cache = cache
        self.identity: Identity | None = None
        self.connection_id: ConnectionId | None = None
        self.token: str | None = None
        self.on_error_hook: Callable[[BaseException], None] | None = None
        self.db = db
        self.handles = {handle.table_name: handle for handle in db}
        """The handles of `db` by canonical table name."""
        self.transaction_context: Context[Any] = Context(owner, Transaction())
        """For all transactions of which the wire tells no more than that they happened."""
        self.owner = owner
        self.previous = previous
        """The cache that is shown until all sets of the connection before are settled, or None."""
        self._replayed = list(replayed)
        self._replaying: set[Subscription] = set()
        self._replay_events: list[Event] = []
        self._outbox: list[bytes | str] = []
        self._unsent: list[PendingCall[Any]] = []
        self.calls: dict[int | bytes, PendingCall[Any]] = {}
        """What waits, by request id; one-off queries of v1 by their message id."""
        self.set_requests: dict[int, tuple[Subscription, bool]] = {}
        self.sets: dict[int, Subscription] = {}
        self.legacy: Subscription | None = None
        self._max_in_flight = options.limits.in_flight
        self._max_size = options.limits.outgoing_size
        self._next_request = 1
        self._next_set = 1
        self.highest_set = 0

    # --- requests -----------------------------------------------------------------------------

    @property
    def is_greeted(self) -> bool:
        """Whether the server's first message has come."""
        return self.identity is not None

    @property
    def is_replaying(self) -> bool:
        """Whether the old cache is still the one that is shown."""
        return self.previous is not None

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answers."""
        return len(self.calls) + len(self.set_requests)

    def _request_id(self) -> int:
        if len(self.calls) + len(self.set_requests) >= self._max_in_flight:
            raise LocalProtocolError(
                f"{self.in_flight} requests already wait for their answers "
                f"(limit in_flight = {self._max_in_flight})"
            )
        request_id = self._next_request
        # Ids are u32 on the wire; by the time they wrap, the low ones are long answered.
        self._next_request = request_id + 1 if request_id < 0xFFFF_FFFF else 1
        return request_id

    def _send(self, payload: bytes | str) -> None:
        if (size := sent_size(payload)) > self._max_size:
            raise LocalProtocolError(
                f"a request of {size} bytes is too large to send "
                f"(limit outgoing_size = {self._max_size})"
            )
        self._outbox.append(payload)

    def call(self, pending: PendingCall[Any]) -> None:
        """Queue a reducer or procedure call.

        Raises:
            LocalProtocolError: the schema lacks the function or the arguments do not fit
                (EncodeError), or too many requests are in flight, or it is too large.
        """
        call = pending.call
        assert call is not None
        functions = self.module.reducers if call.kind == "reducer" else self.module.procedures
        function = functions.get(call.name)
        if function is None:
            raise LocalProtocolError(f"the module has no {call.kind} {call.name!r}")
        request_id = self._request_id()
        self._send(self.dialect.call(request_id, call.kind, function, call.args))
        self._register(request_id, pending)

    def query(self, pending: PendingCall[Any]) -> None:
        """Queue a one-off query; `pending.name` is its SQL."""
        request_id = self._request_id()
        self._send(self.dialect.query(request_id, pending.name))
        self._register(request_id, pending, key=self.dialect.query_key(request_id))

    def _register(
        self, request_id: int, pending: PendingCall[Any], *, key: int | bytes | None = None
    ) -> None:
        pending.request_id = request_id
        self.calls[request_id if key is None else key] = pending
        self._unsent.append(pending)

    def subscribe(self, subscription: Subscription) -> None:
        """Queue a Subscribe for a pending subscription."""
        request_id = self._request_id()
        set_id = self._next_set
        if subscription.legacy and self.dialect.has_legacy_set:
            self._send(self.dialect.subscribe_legacy(request_id, subscription.queries))
            set_id = LEGACY_SET
        else:
            self._send(self.dialect.subscribe(request_id, set_id, subscription.queries))
            self._next_set += 1
        self.register_subscribe(request_id, set_id, subscription)

    def register_subscribe(
        self, request_id: int, set_id: int | None, subscription: Subscription
    ) -> None:
        """Note that a Subscribe with these ids is on its way; None is v1's legacy set."""
        subscription.move(SubscriptionInput.SEND)
        if set_id is None:
            set_id = LEGACY_SET
        subscription.set_id = set_id
        if set_id != LEGACY_SET:
            self.highest_set = max(self.highest_set, set_id)
        self.set_requests[request_id] = (subscription, True)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ask for the end of a subscription that was sent.

        Raises:
            LocalProtocolError: it is over, or the end was asked for before, or it is the legacy
                set of v1, which can only be replaced.
        """
        if subscription.set_id == LEGACY_SET:
            raise LocalProtocolError(
                "the legacy subscription of protocol v1 cannot be ended, only replaced"
            )
        if subscription.state is SubscriptionState.PENDING:
            raise LocalProtocolError("the subscription was not sent on this connection")
        subscription.move(SubscriptionInput.UNSUBSCRIBE)
        request_id = self._request_id()
        self._send(self.dialect.unsubscribe(request_id, subscription.set_id))
        self.set_requests[request_id] = (subscription, False)

    def register_unsubscribe(self, request_id: int, set_id: int) -> None:
        """Note that an Unsubscribe with these ids is on its way (used by replay)."""
        subscription = self.sets.get(set_id) or Subscription(())
        if subscription.state in (SubscriptionState.SENT, SubscriptionState.APPLIED):
            subscription.move(SubscriptionInput.UNSUBSCRIBE)
        self.set_requests[request_id] = (subscription, False)

    def register_call(self, key: int | bytes, pending: PendingCall[Any]) -> None:
        """Note that a call or query with this id is on its way (used by replay)."""
        pending.sent = True
        self.calls[key] = pending

    def payloads_to_send(self) -> list[bytes | str]:
        """Take what is queued, batched as the protocol allows."""
        if not self._outbox:
            return []
        outbox, self._outbox = self._outbox, []
        for pending in self._unsent:
            pending.sent = True
        self._unsent.clear()
        return self.dialect.batch(outbox) if len(outbox) > 1 else outbox

    # --- answers ------------------------------------------------------------------------------

    def receive(self, payload: bytes | str) -> Iterator[Event]:
        """Handle one WebSocket payload: yield the events of each of its messages, in order.

        Raises:
            ProtocolError: the payload cannot be decoded, or says what cannot be true. Nothing of
                the message at fault was applied.
        """
        for message in self.dialect.decode(payload):
            yield from self.handle(message)

    def handle(self, message: Incoming) -> Iterable[Event]:
        """Handle one message; its events have to be taken before the next is handled.

        Most messages are applied when this returns. One whose deletes somebody wants to see before
        is applied once those events were taken.
        """
        return HANDLERS[type(message)](self, message)

    def context(self, why: Why | None) -> Context[Any]:
        return Context(self.owner, why)

    @property
    def wants_everything(self) -> bool:
        """Whether somebody wants to see all changes of a transaction together."""
        return self.previous is None and self.owner.wants_everything

    def _wants(self, table: str) -> bool:
        if self.previous is not None:
            return False
        return self.owner.wants_everything or self.db[table].listeners.wants_rows

    def needs_look(self, plan: Plan) -> bool:
        """Whether somebody wants to see what the plan will delete before it is applied."""
        if self.previous is not None:
            return False
        db = self.db
        return any(db[name].listeners.before_delete for name in plan.tables)

    def before(self, plan: Plan, ctx: Context[Any]) -> Iterator[Event]:
        """Yield what has to be seen before the plan is applied."""
        if self.previous is not None:
            return
        for name in plan.tables:
            handle = self.db[name]
            if handle.listeners.before_delete:
                rows = plan.before_delete(name)
                if rows:
                    yield BeforeDelete(ctx, handle, rows, handle.listeners)

    def apply(self, plan: Plan, ctx: Context[Any]) -> list[Event]:
        """Apply a plan and return the events of its row changes, callbacks as they are now."""
        return self._changed(self.cache.apply(plan, want=self._wants), ctx)

    def _changed(self, diffs: list[TableDiff], ctx: Context[Any]) -> list[Event]:
        if self.previous is not None:
            return []
        db = self.db
        return [
            TableChanged(ctx, handle := db[diff.table.name], diff, handle.listeners)
            for diff in diffs
        ]

    # InitialConnection, IdentityToken

    def _on_greeting(self, message: Greeting) -> Iterator[Event]:
        if self.identity is not None:
            raise ProtocolError("the server greeted a second time")
        self.identity = message.identity
        self.connection_id = message.connection_id
        self.token = message.token
        yield Connected(self.context(None), message.identity, message.connection_id, message.token)
        if self.previous is not None:
            replayed, self._replayed = self._replayed, []
            for subscription in replayed:
                if not subscription.is_ended:
                    self._replaying.add(subscription)
                    self.subscribe(subscription)
            yield from self._finish_replay()

    def conclude(self, subscription: Subscription, *events: Event) -> Iterator[Event]:
        """Yield what is to be told of a settled set; while replaying, when all are settled."""
        if self.previous is None:
            return iter(events)
        self._replaying.discard(subscription)
        self._replay_events.extend(events)
        return self._finish_replay()

    def _finish_replay(self) -> Iterator[Event]:
        """When the last replayed set is settled, show the new cache and say what differs."""
        if self.previous is None or self._replaying:
            return
        previous, self.previous = self.previous, None
        self.db.attach(self.cache)
        ctx = self.context(Reconnected())
        yield from self._changed(self.cache.diff_from(previous, want=self._wants), ctx)
        held, self._replay_events = self._replay_events, []
        yield from held

    # --- the end ------------------------------------------------------------------------------

    def end(self, cause: BaseException | None, *, for_good: bool) -> Iterator[Event]:
        """Settle everything that still waits: the connection is gone.

        Args:
            cause: why, or None when this client closed it.
            for_good: no other connection will take the subscriptions over.
        """
        calls, self.calls = self.calls, {}
        ctx = self.transaction_context
        for pending in calls.values():
            what = "this client closed the connection" if cause is None else str(cause)
            if pending.sent and pending.call is not None:
                text = f"{pending.name} was sent but not answered, its outcome is unknown: {what}"
            else:
                text = f"{pending.name} was not answered: {what}"
            error = Disconnected(
                text,
                code=getattr(cause, "code", None),
                reason=getattr(cause, "reason", ""),
                outcome_unknown=pending.sent and pending.call is not None,
            )
            error.__cause__ = cause
            pending.settle(error=error)
            yield CallDone(ctx, pending)
        waiting = dict.fromkeys([subscription for subscription, _ in self.set_requests.values()])
        waiting.update(dict.fromkeys(self.sets.values()))
        waiting.update(dict.fromkeys(self._replayed))
        self.set_requests.clear()
        self.sets.clear()
        yield from query_sets.end_subscriptions(waiting, cause, ctx, for_good=for_good)

    @property
    def subscriptions(self) -> list[Subscription]:
        """Return the subscriptions that another connection would have to take over."""
        found = dict.fromkeys(self.sets.values())
        found.update(dict.fromkeys(s for s, is_sub in self.set_requests.values() if is_sub))
        found.update(dict.fromkeys(self._replayed))
        return [subscription for subscription in found if not subscription.is_ended]


#: What `Connection.handle` does with each kind of message.
HANDLERS: dict[type, Callable[[Connection, Any], Iterable[Event]]] = {
    Greeting: Connection._on_greeting,
    Applied: query_sets.on_applied,
    Unapplied: query_sets.on_unapplied,
    Refused: query_sets.on_refused,
    Changed: replies.on_changed,
    RowChanged: replies.on_row_changed,
    ReducerReply: replies.on_reducer_reply,
    CallCommitted: replies.on_call_committed,
    ProcedureReply: replies.on_procedure_reply,
    QueryReply: replies.on_query_reply,
}
