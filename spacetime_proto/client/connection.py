"""Payloads to meaning: the client's side of one WebSocket connection, without the WebSocket.

A connection owns the request ids, what waits for an answer, the live query sets, and the cache that
its messages fill. It lives as long as one socket; `ClientSession` makes a new one to reconnect.

`receive` is a generator, and that is the point of it: it decodes and plans a whole message, applies
it, and then yields the events of that message one by one. The next message is not touched before
the consumer has taken them all, so no callback ever sees a later transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from ..errors import (
    Disconnected,
    InternalError,
    LocalProtocolError,
    ProtocolError,
    QueryError,
    ReducerError,
    SubscriptionError,
)
from .context import Context
from .events import (
    BeforeDelete,
    CallDone,
    Connected,
    ReducerCompleted,
    ReducerEvent,
    Reconnected,
    SetApplied,
    SetEnded,
    SetFailed,
    SubscribeApplied,
    SubscriptionFailed,
    TableChanged,
    Transaction,
    TransactionApplied,
    UnsubscribeApplied,
)
from .incoming import (
    Applied,
    Changed,
    Greeting,
    ProcedureReply,
    QueryReply,
    ReducerReply,
    Refused,
    Unapplied,
)
from .state import SubscriptionInput, SubscriptionState
from .subscriptions import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..cache.cache import Cache, Plan
    from ..cache.changes import TableChange
    from ..schema.bound import BoundModule
    from ..types import ConnectionId, Identity
    from .calls import PendingCall
    from .context import ContextOwner
    from .db import Db
    from .dialects import Dialect
    from .events import Event, Why
    from .incoming import Incoming, ReducerInfo
    from .options import ClientOptions

__all__ = ["LEGACY_SET", "SHARED_SET", "Connection"]

#: v1 sends each row once per client, whichever sets hold it, so there all sets share one bag.
SHARED_SET = 0
#: The bag of v1's legacy subscription; outside the range of ids on the wire.
LEGACY_SET = 1 << 32


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
        self.wants_everything = True
        """Build row differences for every table, also where no callback is registered."""
        self._db = db
        self._owner = owner
        self._previous = previous
        self._replayed = list(replayed)
        self._replaying: set[Subscription] = set()
        self._replay_events: list[Event] = []
        self._outbox: list[bytes | str] = []
        self._unsent: list[PendingCall[Any]] = []
        self._calls: dict[int, PendingCall[Any]] = {}
        self._set_requests: dict[int, tuple[Subscription, bool]] = {}
        self._sets: dict[int, Subscription] = {}
        self._legacy: Subscription | None = None
        self._next_request = 1
        self._next_set = 1
        self._highest_set = 0

    # --- requests -----------------------------------------------------------------------------

    @property
    def is_greeted(self) -> bool:
        """Whether the server's first message has come."""
        return self.identity is not None

    @property
    def is_replaying(self) -> bool:
        """Whether the old cache is still the one that is shown."""
        return self._previous is not None

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answers."""
        return len(self._calls) + len(self._set_requests)

    def _request_id(self) -> int:
        if self.in_flight >= self.options.limits.in_flight:
            raise LocalProtocolError(
                f"{self.in_flight} requests already wait for their answers "
                f"(limit in_flight = {self.options.limits.in_flight})"
            )
        request_id = self._next_request
        # Ids are u32 on the wire; by the time they wrap, the low ones are long answered.
        self._next_request = request_id + 1 if request_id < 0xFFFF_FFFF else 1
        return request_id

    def _send(self, payload: bytes | str) -> None:
        size = len(payload)
        if size > self.options.limits.outgoing_size:
            raise LocalProtocolError(
                f"a request of {size} bytes is too large to send "
                f"(limit outgoing_size = {self.options.limits.outgoing_size})"
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
        self._register(request_id, pending)

    def _register(self, request_id: int, pending: PendingCall[Any]) -> None:
        pending.request_id = request_id
        self._calls[request_id] = pending
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

    def register_subscribe(self, request_id: int, set_id: int, subscription: Subscription) -> None:
        """Note that a Subscribe with these ids is on its way."""
        subscription.move(SubscriptionInput.SEND)
        subscription.set_id = set_id
        if set_id != LEGACY_SET:
            self._highest_set = max(self._highest_set, set_id)
        self._set_requests[request_id] = (subscription, True)

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
        self._set_requests[request_id] = (subscription, False)

    def register_unsubscribe(self, request_id: int, set_id: int) -> None:
        """Note that an Unsubscribe with these ids is on its way (used by replay)."""
        subscription = self._sets.get(set_id) or Subscription(())
        if subscription.state in (SubscriptionState.SENT, SubscriptionState.APPLIED):
            subscription.move(SubscriptionInput.UNSUBSCRIBE)
        self._set_requests[request_id] = (subscription, False)

    def register_call(self, request_id: int, pending: PendingCall[Any]) -> None:
        """Note that a call or query with this id is on its way (used by replay)."""
        pending.request_id = request_id
        pending.sent = True
        self._calls[request_id] = pending

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
            yield from _HANDLERS[type(message)](self, message)

    def handle(self, message: Incoming) -> Iterator[Event]:
        """Handle one message that is already decoded."""
        return _HANDLERS[type(message)](self, message)

    def _context(self, why: Why | None) -> Context[Any]:
        return Context(self._owner, why)

    def _wants(self, table: str) -> bool:
        if self._previous is not None:
            return False
        return self.wants_everything or self._db[table].listeners.wants_rows

    def _before(self, plan: Plan, ctx: Context[Any]) -> Iterator[Event]:
        """Yield what has to be seen before the plan is applied."""
        if self._previous is not None:
            return
        for name in plan.tables:
            handle = self._db[name]
            if handle.listeners.before_delete:
                rows = plan.before_delete(name)
                if rows:
                    yield BeforeDelete(ctx, handle, rows, handle.listeners)

    def _apply(self, plan: Plan, ctx: Context[Any]) -> tuple[TableChanged, ...]:
        """Apply a plan and return the events of its row changes, callbacks as they are now."""
        diffs = self.cache.apply(plan, want=self._wants)
        if self._previous is not None:
            return ()
        db = self._db
        return tuple(
            [
                TableChanged(
                    ctx, handle, diff.inserted, diff.deleted, diff.updated, handle.listeners
                )
                for diff in diffs
                if (handle := db[diff.table.definition.name]) is not None
            ]
        )

    # InitialConnection, IdentityToken

    def _on_greeting(self, message: Greeting) -> Iterator[Event]:
        if self.identity is not None:
            raise ProtocolError("the server greeted a second time")
        self.identity = message.identity
        self.connection_id = message.connection_id
        self.token = message.token
        yield Connected(
            self._context(None), message.identity, message.connection_id, message.token
        )
        if self._previous is not None:
            replayed, self._replayed = self._replayed, []
            for subscription in replayed:
                if not subscription.is_ended:
                    self._replaying.add(subscription)
                    self.subscribe(subscription)
            yield from self._finish_replay()

    def _settle_replay(self, subscription: Subscription, *events: Event) -> Iterator[Event]:
        self._replaying.discard(subscription)
        self._replay_events.extend(events)
        return self._finish_replay()

    def _finish_replay(self) -> Iterator[Event]:
        """When the last replayed set is settled, show the new cache and say what differs."""
        if self._previous is None or self._replaying:
            return
        previous, self._previous = self._previous, None
        self._db.attach(self.cache)
        ctx = self._context(Reconnected())
        diffs = self.cache.diff_from(previous, want=self._wants)
        for diff in diffs:
            handle = self._db[diff.table.definition.name]
            yield TableChanged(
                ctx, handle, diff.inserted, diff.deleted, diff.updated, handle.listeners
            )
        held, self._replay_events = self._replay_events, []
        yield from held

    # subscriptions

    def _request(self, request_id: int, kind: str) -> tuple[Subscription, bool]:
        try:
            return self._set_requests.pop(request_id)
        except KeyError:
            raise ProtocolError(f"{kind} answers request {request_id}, which is unknown") from None

    def _on_applied(self, message: Applied) -> Iterator[Event]:
        subscription, _ = self._request(message.request_id, "SubscribeApplied")
        ctx = self._context(SubscribeApplied(subscription))
        changes = message.changes
        if message.set_id is None:
            changes = [structs.replace(change, query_set=LEGACY_SET) for change in changes]
            plan = self.cache.plan(changes, drop=(LEGACY_SET,))
        else:
            replaced = subscription.replaces
            drop = () if replaced is None else (replaced.set_id,)
            plan = self.cache.plan(changes, drop=drop)
        yield from self._before(plan, ctx)
        set_id = LEGACY_SET if message.set_id is None else message.set_id
        replaced = self._legacy if message.set_id is None else subscription.replaces
        subscription.move(SubscriptionInput.APPLIED)
        if message.set_id is None:
            self._legacy = subscription
        self._sets[set_id] = subscription
        changed = self._apply(plan, ctx)
        if replaced is not None and replaced is not subscription:
            self._retire(replaced, set_id)
        first_time = not subscription.was_applied
        if subscription.state is SubscriptionState.APPLIED:
            subscription.was_applied = True
            if first_time:
                yield SetApplied(ctx, subscription)
        yield from changed
        yield from self._settle_replay(subscription)

    def _retire(self, replaced: Subscription, new_set: int) -> None:
        """End a set whose rows were just replaced by those of another."""
        if replaced.is_ended:
            return
        self._sets.pop(replaced.set_id, None) if replaced.set_id != new_set else None
        if replaced.set_id != LEGACY_SET and replaced.state is SubscriptionState.APPLIED:
            self.unsubscribe(replaced)
        elif replaced.state in (SubscriptionState.APPLIED, SubscriptionState.SENT):
            replaced.move(SubscriptionInput.LOST)

    def _on_unapplied(self, message: Unapplied) -> Iterator[Event]:
        subscription, _ = self._request(message.request_id, "UnsubscribeApplied")
        ctx = self._context(UnsubscribeApplied(subscription))
        if message.changes is None:
            plan = self.cache.plan((), drop=(message.set_id,))
        else:
            plan = self.cache.plan(message.changes)
        yield from self._before(plan, ctx)
        if self._sets.get(message.set_id) is subscription:
            del self._sets[message.set_id]
        subscription.move(SubscriptionInput.ENDED)
        changed = self._apply(plan, ctx)
        yield SetEnded(ctx, subscription)
        yield from changed
        yield from self._settle_replay(subscription)

    def _on_refused(self, message: Refused) -> Iterator[Event]:
        if message.request_id is not None:
            subscription, is_subscribe = self._request(message.request_id, "SubscriptionError")
            if is_subscribe:
                yield from self._fail_set(subscription, message.error, drop=())
            else:
                # The server has no such set any more, so its rows are stale here too.
                yield from self._on_unapplied_unknown(subscription)
            return
        if message.set_id is None or self.dialect.shares_rows:
            yield from self._lose_everything(message.error)
            return
        live = self._sets.get(message.set_id)
        if live is not None:
            del self._sets[message.set_id]
            yield from self._fail_set(live, message.error, drop=(message.set_id,))
        elif message.set_id > self._highest_set:
            raise ProtocolError(
                f"SubscriptionError names query set {message.set_id}, which is unknown"
            )

    def _fail_set(
        self, subscription: Subscription, text: str, *, drop: tuple[int, ...]
    ) -> Iterator[Event]:
        error = SubscriptionError(text, queries=subscription.queries)
        ctx = self._context(SubscriptionFailed(subscription, error))
        plan = self.cache.plan((), drop=drop)
        yield from self._before(plan, ctx)
        was_ending = subscription.state is SubscriptionState.ENDING
        subscription.move(SubscriptionInput.REFUSED)
        subscription.error = error
        yield from self._apply(plan, ctx)
        outcome: Event = (
            SetEnded(ctx, subscription) if was_ending else SetFailed(ctx, subscription, error)
        )
        if self._previous is not None:
            yield from self._settle_replay(subscription, outcome)
        else:
            yield outcome

    def _on_unapplied_unknown(self, subscription: Subscription) -> Iterator[Event]:
        ctx = self._context(UnsubscribeApplied(subscription))
        live = self._sets.get(subscription.set_id) is subscription
        drop = (subscription.set_id,) if live and not self.dialect.shares_rows else ()
        plan = self.cache.plan((), drop=drop)
        yield from self._before(plan, ctx)
        if live:
            del self._sets[subscription.set_id]
        if not subscription.is_ended and subscription.state is not SubscriptionState.PENDING:
            subscription.move(SubscriptionInput.ENDED)
        changed = self._apply(plan, ctx)
        yield SetEnded(ctx, subscription)
        yield from changed

    def _lose_everything(self, text: str) -> Iterator[Event]:
        """An error with neither id: the server has dropped all of this client's sets."""
        lost = dict.fromkeys(self._sets.values())
        error = SubscriptionError(text)
        ctx = self._context(SubscriptionFailed(None, error))
        plan = self.cache.plan_clear()
        yield from self._before(plan, ctx)
        self._sets.clear()
        self._legacy = None
        yield from self._apply(plan, ctx)
        for subscription in lost:
            failure = SubscriptionError(text, queries=subscription.queries)
            was_ending = subscription.state is SubscriptionState.ENDING
            subscription.move(SubscriptionInput.REFUSED)
            subscription.error = failure
            yield (
                SetEnded(ctx, subscription)
                if was_ending
                else SetFailed(ctx, subscription, failure)
            )

    # transactions

    def _live(self, changes: list[TableChange]) -> list[TableChange]:
        """Leave out what concerns sets that are gone; give v1's changes to the bag they belong to.

        Raises:
            ProtocolError: a set that this connection never asked for.
        """
        sets = self._sets
        if self.dialect.shares_rows:
            if self._legacy is not None:
                return [
                    structs.replace(change, query_set=self._v1_bag(change.table))
                    for change in changes
                ]
            return changes
        for change in changes:
            if change.query_set not in sets:
                break
        else:
            return changes
        for change in changes:
            if change.query_set > self._highest_set:
                raise ProtocolError(
                    f"an update names query set {change.query_set}, which is unknown"
                )
        return [change for change in changes if change.query_set in sets]

    def _v1_bag(self, table: str) -> int:
        """Say which bag a v1 change belongs to while a legacy set is live: v1 does not tell.

        Without other sets it is the legacy set. With others, it is the legacy set only for tables
        that no other set names.
        """
        for set_id, subscription in self._sets.items():
            if set_id != LEGACY_SET and any(table in query for query in subscription.queries):
                return SHARED_SET
        return LEGACY_SET

    def _on_changed(self, message: Changed) -> Iterator[Event]:
        info = message.reducer
        if info is None:
            yield from self._transaction(message.changes, Transaction())
            return
        own = (
            info.caller_identity == self.identity
            and info.caller_connection_id == self.connection_id
        )
        pending = self._own_v1_call(info) if own else None
        event = ReducerEvent(
            info.name,
            self._v1_args(info),
            info.status,
            info.message,
            info.timestamp,
            info.caller_identity,
            info.caller_connection_id,
            info.energy,
            own,
        )
        if pending is None:
            yield from self._transaction(message.changes, event)
            return
        if info.status == "committed":
            pending.settle()
        else:
            pending.settle(error=_v1_failure(info))
        yield from self._transaction(message.changes, event, pending)

    def _v1_args(self, info: ReducerInfo) -> tuple[Any, ...] | None:
        function = self.module.reducers.get(info.name)
        if function is None:
            return None  # a reducer that these bindings do not know is never fatal
        return self.dialect.decode_args(function, info.args)

    def _own_v1_call(self, info: ReducerInfo) -> PendingCall[Any] | None:
        """Find the call that a v1 TransactionUpdate answers (CLARIFICATIONS of v1 in docs)."""
        if info.request_id == 0 and info.status != "committed":
            # Refused before it ran: the id is not echoed (PROTOCOL.md section 4.4).
            for request_id, pending in self._calls.items():
                call = pending.call
                if call is not None and call.kind == "reducer" and call.name == info.name:
                    return self._calls.pop(request_id)
            return None
        found = self._calls.get(info.request_id)
        if found is None or found.call is None or found.call.name != info.name:
            return None
        return self._calls.pop(info.request_id)

    def _transaction(
        self, changes: list[TableChange], why: Why, pending: PendingCall[Any] | None = None
    ) -> Iterator[Event]:
        ctx = self._context(why)
        if changes:
            plan = self.cache.plan(self._live(changes))
            yield from self._before(plan, ctx)
            changed = self._apply(plan, ctx)
            yield from changed
            if changed:
                yield TransactionApplied(ctx, changed)
        if type(why) is ReducerEvent:
            yield ReducerCompleted(ctx)
        if pending is not None:
            yield CallDone(ctx, pending)

    # replies

    def _pending(self, request_id: int, kind: str) -> PendingCall[Any]:
        try:
            return self._calls.pop(request_id)
        except KeyError:
            raise ProtocolError(f"{kind} answers request {request_id}, which is unknown") from None

    def _on_reducer_reply(self, message: ReducerReply) -> Iterator[Event]:
        pending = self._pending(message.request_id, "ReducerResult")
        call = pending.call
        if call is None or call.kind != "reducer":
            raise ProtocolError(f"ReducerResult answers {pending.name!r}, which is no reducer call")
        text: str | None = None
        function = self.module.reducers.get(call.name)
        if message.status == "committed":
            value = function.decode_return(message.value) if function and message.value else None
            pending.settle(None if value == () else value)
        elif message.status == "failed":
            value = function.decode_error(message.value) if function else message.value
            text = value if isinstance(value, str) else repr(value)
            pending.settle(error=ReducerError(text, name=call.name, value=value))
        else:
            text = message.message or ""
            pending.settle(error=InternalError(text, name=call.name))
        event = ReducerEvent(
            call.name,
            call.args,
            message.status,
            text,
            message.timestamp,
            self.identity,
            self.connection_id,
            None,
            True,
        )
        return self._transaction(message.changes, event, pending)

    def _on_procedure_reply(self, message: ProcedureReply) -> Iterator[Event]:
        pending = self._pending(message.request_id, "ProcedureResult")
        call = pending.call
        if call is None or call.kind != "procedure":
            raise ProtocolError(f"ProcedureResult answers {pending.name!r}, no procedure call")
        if message.error is not None:
            pending.settle(error=InternalError(message.error, name=call.name))
        else:
            value = self.dialect.decode_return(self.module.procedures[call.name], message.value)
            pending.settle(None if value == () else value)
        yield CallDone(self._context(Transaction()), pending)

    def _on_query_reply(self, message: QueryReply) -> Iterator[Event]:
        pending = self._pending(message.request_id, "OneOffQueryResult")
        if pending.call is not None:
            raise ProtocolError(f"OneOffQueryResult answers the call {pending.name!r}")
        if message.error is not None:
            pending.settle(error=QueryError(message.error, query=pending.name))
        else:
            rows: list[Any] = []
            for change in message.changes:
                table = self.module.tables.get(change.table)
                if table is None:
                    raise ProtocolError(f"a query answered rows of unknown table {change.table!r}")
                if change.inserts is not None:
                    rows.extend(table.codec.decode_rows(change.inserts))
            pending.settle(rows)
        yield CallDone(self._context(Transaction()), pending)

    # --- the end ------------------------------------------------------------------------------

    def end(self, cause: BaseException | None, *, for_good: bool) -> Iterator[Event]:
        """Settle everything that still waits: the connection is gone.

        Args:
            cause: why, or None when this client closed it.
            for_good: no other connection will take the subscriptions over.
        """
        calls, self._calls = self._calls, {}
        ctx = self._context(Transaction())
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
        waiting = dict.fromkeys([subscription for subscription, _ in self._set_requests.values()])
        waiting.update(dict.fromkeys(self._sets.values()))
        waiting.update(dict.fromkeys(self._replayed))
        self._set_requests.clear()
        self._sets.clear()
        yield from end_subscriptions(waiting, cause, ctx, for_good=for_good)

    @property
    def subscriptions(self) -> list[Subscription]:
        """Return the subscriptions that another connection would have to take over."""
        found = dict.fromkeys(self._sets.values())
        found.update(dict.fromkeys(s for s, is_sub in self._set_requests.values() if is_sub))
        found.update(dict.fromkeys(self._replayed))
        return [subscription for subscription in found if not subscription.is_ended]


def end_subscriptions(
    waiting: Iterable[Subscription],
    cause: BaseException | None,
    ctx: Context[Any],
    *,
    for_good: bool,
) -> Iterator[Event]:
    """Move subscriptions on after the loss of their connection, and say which of them failed."""
    for subscription in waiting:
        if subscription.is_ended:
            continue
        state = subscription.state
        if not for_good:
            subscription.move(SubscriptionInput.REPLAY)
            if subscription.is_ended:
                yield SetEnded(ctx, subscription)
            continue
        subscription.move(SubscriptionInput.LOST)
        if subscription.state is SubscriptionState.FAILED:
            what = "this client closed the connection" if cause is None else str(cause)
            error = Disconnected(
                f"the subscription was not applied: {what}",
                code=getattr(cause, "code", None),
                reason=getattr(cause, "reason", ""),
            )
            error.__cause__ = cause
            subscription.error = error
            yield SetFailed(ctx, subscription, error)
        elif state is SubscriptionState.ENDING:
            yield SetEnded(ctx, subscription)


def _v1_failure(info: ReducerInfo) -> BaseException:
    """Return the error of a v1 call that was not committed.

    v1 has one text for what the module said and for what the host said. Two host texts are fixed
    (PROTOCOL.md section 4.4); id 0 means that the call was refused before it ran.
    """
    text = info.message or ""
    if info.status == "out_of_energy":
        return InternalError("reducer ran out of energy", name=info.name)
    if info.request_id == 0 or text == "The instance encountered a fatal error.":
        return InternalError(text, name=info.name)
    return ReducerError(text, name=info.name, value=text)


_HANDLERS: dict[type, Callable[[Connection, Any], Iterator[Event]]] = {
    Greeting: Connection._on_greeting,
    Applied: Connection._on_applied,
    Unapplied: Connection._on_unapplied,
    Refused: Connection._on_refused,
    Changed: Connection._on_changed,
    ReducerReply: Connection._on_reducer_reply,
    ProcedureReply: Connection._on_procedure_reply,
    QueryReply: Connection._on_query_reply,
}
