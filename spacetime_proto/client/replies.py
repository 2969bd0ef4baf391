"""Answers about calls and transactions, and what they do to the cache.

Functions over a `Connection`, one per kind of message; each yields that message's events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from msgspec import structs

from ..errors import InternalError, ProtocolError, QueryError, ReducerError
from ..types import Timestamp
from .events import (
    CallDone,
    ReducerCompleted,
    ReducerEvent,
    TableChanged,
    Transaction,
    TransactionApplied,
)
from .incoming import Refused
from .query_sets import LEGACY_SET, SHARED_SET, on_refused, refused_legacy_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..cache.cache import Plan
    from ..cache.changes import TableChange
    from ..errors import SpacetimeError
    from .calls import Call, PendingCall
    from .connection import Connection
    from .context import Context
    from .events import Event, Status, Why
    from .incoming import (
        CallCommitted,
        Changed,
        ProcedureReply,
        QueryReply,
        ReducerInfo,
        ReducerReply,
        RowChanged,
    )

__all__ = [
    "on_call_committed",
    "on_changed",
    "on_procedure_reply",
    "on_query_reply",
    "on_reducer_reply",
    "on_row_changed",
]


# transactions


def _live(connection: Connection, changes: list[TableChange]) -> list[TableChange]:
    """Leave out what concerns sets that are gone; give v1's changes to the bag they belong to.

    Raises:
        ProtocolError: a set that this connection never asked for.
    """
    sets = connection.sets
    if connection.dialect.shares_rows:
        if connection.legacy is not None:
            return [
                structs.replace(change, query_set=_v1_bag(connection, change.table))
                for change in changes
            ]
        return changes
    for change in changes:
        if change.query_set not in sets:
            break
    else:
        return changes
    for change in changes:
        if change.query_set > connection.highest_set:
            raise ProtocolError(f"an update names query set {change.query_set}, which is unknown")
    return [change for change in changes if change.query_set in sets]


def _v1_bag(connection: Connection, table: str) -> int:
    """Say which bag a v1 change belongs to while a legacy set is live: v1 does not tell.

    Without other sets it is the legacy set. With others, it is the legacy set only for tables
    that no other set names.
    """
    for set_id, subscription in connection.sets.items():
        if set_id != LEGACY_SET and any(table in query for query in subscription.queries):
            return SHARED_SET
    return LEGACY_SET


#: The reducer that SpacetimeDB 1.x names when it refuses a legacy Subscribe.
_NO_REDUCER: Final = "<none>"
#: The wire says no more about most transactions, so there is one value for all of them.
_TRANSACTION: Final = Transaction()


class _Reply(NamedTuple):
    """The outcome of a call, not told yet: that comes last, when all else of the message is done."""

    key: int | bytes
    """What the call is found by among those that wait."""
    pending: PendingCall[Any]
    value: Any = None
    error: BaseException | None = None

    def settle(self, connection: Connection, ctx: Context[Any]) -> CallDone:
        """Give the call its outcome."""
        del connection.calls[self.key]
        self.pending.settle(self.value, self.error)
        return CallDone(ctx, self.pending)


def on_changed(connection: Connection, message: Changed) -> Iterable[Event]:
    info = message.reducer
    if info is None:
        return _transaction(connection, message.changes, _TRANSACTION)
    own = (
        info.caller_identity == connection.identity
        and info.caller_connection_id == connection.connection_id
    )
    if info.name == _NO_REDUCER and info.status == "failed":
        request_id = refused_legacy_request(connection)
        if request_id is not None:
            return on_refused(connection, Refused(request_id, None, info.message or ""))
    reply = _own_v1_call(connection, info) if own else None
    failed_in_host = info.status == "failed" and isinstance(_v1_failure(info), InternalError)
    event = ReducerEvent(
        info.name or None,  # SQL and the host's own transactions have no name
        _v1_args(connection, info, reply),
        "internal_error" if failed_in_host else info.status,
        info.message,
        info.timestamp,
        info.caller_identity,
        info.caller_connection_id,
        info.energy,
        own,
    )
    return _transaction(connection, message.changes, event, reply)


def on_row_changed(connection: Connection, message: RowChanged) -> Iterable[Event]:
    """Do what `on_changed` does, by the shortest way where there is one."""
    handle = connection.handles.get(message.table)
    if (
        handle is not None
        and not (listeners := handle.listeners).before_delete
        and message.query_set in connection.sets
        and connection.previous is None
    ):
        everything = connection.owner.wants_everything
        wanted = everything or listeners.wants_rows
        diff = connection.cache.apply_row(
            message.table, message.query_set, message.new, message.old, want=wanted
        )
        if diff is not None:
            if not wanted:
                return []
            ctx = connection.transaction_context
            changed = TableChanged(ctx, handle, diff, listeners)
            return [changed, TransactionApplied(ctx, (changed,))] if everything else [changed]
    return _transaction(connection, [message.change()], _TRANSACTION)


def _v1_args(
    connection: Connection, info: ReducerInfo, reply: _Reply | None
) -> tuple[Any, ...] | None:
    """Return the arguments of a call; None where nobody tells."""
    if reply is not None and reply.pending.call is not None:
        return reply.pending.call.args
    function = connection.module.reducers.get(info.name)
    if function is None or _never_ran(info):
        # A reducer that these bindings do not know is never fatal; and the echo of a call that was
        # refused before it ran is empty (docs/protocol.md section 4.4).
        return None
    return connection.dialect.decode_args(function, info.args)


def _own_v1_call(connection: Connection, info: ReducerInfo) -> _Reply | None:
    """Find the call that a v1 TransactionUpdate answers.

    A call that was refused before it ran is answered with request id 0 (docs/protocol.md section 4.4), and
    by SpacetimeDB 1.x every call that failed: then it is the oldest one of that reducer, for the
    server answers in order.
    """
    error = None if info.status == "committed" else _v1_failure(info)
    if info.request_id == 0 and error is not None:
        for key, pending in connection.calls.items():
            call = pending.call
            if call is not None and call.kind == "reducer" and call.name == info.name:
                return _Reply(key, pending, error=error)
        return None
    found = connection.calls.get(info.request_id)
    if found is None or found.call is None or found.call.name != info.name:
        return None
    return _Reply(info.request_id, found, error=error)


def _transaction(
    connection: Connection,
    changes: list[TableChange],
    why: Why,
    reply: _Reply | None = None,
) -> Iterable[Event]:
    """Apply what a transaction changed; return its events and those of the call behind it."""
    ctx = connection.context(why)
    events: list[Event] = []
    if changes:
        plan = connection.cache.plan(_live(connection, changes))
        if connection.needs_look(plan):
            return _look_and_apply(connection, plan, ctx, reply)
        events = connection.apply(plan, ctx)
    _conclude(connection, ctx, events, reply)
    return events


def _look_and_apply(
    connection: Connection, plan: Plan, ctx: Context[Any], reply: _Reply | None
) -> Iterator[Event]:
    yield from connection.before(plan, ctx)
    events = connection.apply(plan, ctx)
    _conclude(connection, ctx, events, reply)
    yield from events


def _conclude(
    connection: Connection, ctx: Context[Any], events: list[Event], reply: _Reply | None
) -> None:
    """Add what comes after the row changes of a transaction."""
    if events and connection.wants_everything:
        events.append(TransactionApplied(ctx, tuple(cast("list[TableChanged]", events))))
    if type(ctx.event) is ReducerEvent:
        events.append(ReducerCompleted(ctx))
    if reply is not None:
        events.append(reply.settle(connection, ctx))


# replies


def _pending(connection: Connection, request_id: int | bytes, kind: str) -> PendingCall[Any]:
    try:
        return connection.calls[request_id]
    except KeyError:
        raise ProtocolError(f"{kind} answers request {request_id!r}, which is unknown") from None


def on_reducer_reply(connection: Connection, message: ReducerReply) -> Iterable[Event]:
    pending = _pending(connection, message.request_id, "ReducerResult")
    call = pending.call
    if call is None or call.kind != "reducer":
        raise ProtocolError(f"ReducerResult answers {pending.name!r}, which is no reducer call")
    function = connection.module.reducers.get(call.name)
    value: Any = None
    error: BaseException | None = None
    text: str | None = None
    if message.status == "committed":
        if message.value and function is not None:
            value = _none_for_unit(function.decode_return(message.value))
    elif message.status == "failed":
        said = message.value if function is None else function.decode_error(message.value)
        text = said if isinstance(said, str) else repr(said)
        error = ReducerError(text, name=call.name, value=said)
    else:
        text = message.message or ""
        error = InternalError(text, name=call.name)
    event = _own_event(connection, call, message.status, text, message.timestamp)
    reply = _Reply(message.request_id, pending, value, error)
    return _transaction(connection, message.changes, event, reply)


def on_call_committed(connection: Connection, message: CallCommitted) -> Iterable[Event]:
    """Do what `on_reducer_reply` does, without a `ReducerEvent` where nobody would see it."""
    request_id = message.request_id
    pending = connection.calls.get(request_id)
    call = None if pending is None else pending.call
    if pending is None or call is None or call.kind != "reducer":
        return on_reducer_reply(connection, message.reply())
    del connection.calls[request_id]
    pending.settle()
    if not connection.owner.wants_outcomes:
        return [CallDone(connection.transaction_context, pending)]
    ctx = connection.context(
        _own_event(connection, call, "committed", None, Timestamp(message.micros))
    )
    return [ReducerCompleted(ctx), CallDone(ctx, pending)]


def _own_event(
    connection: Connection,
    call: Call[Any],
    status: Status,
    text: str | None,
    timestamp: Timestamp,
) -> ReducerEvent:
    """Return what the answer to a call of this client tells of it."""
    return ReducerEvent(
        call.name,
        call.args,
        status,
        text,
        timestamp,
        connection.identity,
        connection.connection_id,
        None,
        True,
    )


def on_procedure_reply(connection: Connection, message: ProcedureReply) -> Iterable[Event]:
    pending = _pending(connection, message.request_id, "ProcedureResult")
    call = pending.call
    if call is None or call.kind != "procedure":
        raise ProtocolError(f"ProcedureResult answers {pending.name!r}, no procedure call")
    if message.error is not None:
        failure = InternalError(message.error, name=call.name)
        reply = _Reply(message.request_id, pending, error=failure)
    else:
        function = connection.module.procedures.get(call.name)
        if function is None:
            raise ProtocolError(f"procedure {call.name!r} returned, which the bindings do not have")
        value = connection.dialect.decode_return(function, message.value)
        reply = _Reply(message.request_id, pending, _none_for_unit(value))
    return [reply.settle(connection, connection.context(_TRANSACTION))]


def on_query_reply(connection: Connection, message: QueryReply) -> Iterable[Event]:
    pending = _pending(connection, message.key, "OneOffQueryResult")
    if pending.call is not None:
        raise ProtocolError(f"OneOffQueryResult answers the call {pending.name!r}")
    if message.error is not None:
        refusal = QueryError(message.error, query=pending.name)
        reply = _Reply(message.key, pending, error=refusal)
    else:
        rows: list[Any] = []
        for change in message.changes:
            table = connection.module.tables.get(change.table)
            if table is None:
                raise ProtocolError(f"a query answered rows of unknown table {change.table!r}")
            assert change.inserts is not None  # every dialect gives the rows of an answer here
            rows.extend(table.codec.decode_rows(change.inserts))
        reply = _Reply(message.key, pending, rows)
    return [reply.settle(connection, connection.context(_TRANSACTION))]


def _none_for_unit(value: Any) -> Any:
    """Functions that return nothing return None in Python, not the empty product."""
    return None if value == () else value


def _never_ran(info: ReducerInfo) -> bool:
    """Whether the host refused the call before it ran: no id is echoed and no energy was used.

    The id alone does not tell: SpacetimeDB 1.x echoes none for any call that failed.
    """
    return info.status == "failed" and info.request_id == 0 and info.energy == 0


def _v1_failure(info: ReducerInfo) -> SpacetimeError:
    """Return the error of a v1 call that was not committed.

    v1 has one text for what the module said and for what the host said, but the host's can be told
    by how it came, or by its words where they are fixed (docs/protocol.md section 4.4).
    """
    text = info.message or ""
    if info.status == "out_of_energy":
        return InternalError("reducer ran out of energy", name=info.name)
    if _never_ran(info) or text.endswith("instance encountered a fatal error."):
        return InternalError(text, name=info.name)
    return ReducerError(text, name=info.name, value=text)
