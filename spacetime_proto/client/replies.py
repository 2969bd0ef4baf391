"""Answers about calls and transactions, and what they do to the cache.

Functions over a `Connection`, one per kind of message; each yields that message's events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from msgspec import structs

from ..errors import InternalError, ProtocolError, QueryError, ReducerError
from .events import CallDone, ReducerCompleted, ReducerEvent, Transaction, TransactionApplied
from .query_sets import LEGACY_SET, SHARED_SET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..cache.cache import Plan
    from ..cache.changes import TableChange
    from .calls import PendingCall
    from .connection import Connection
    from .context import Context
    from .events import Event, TableChanged, Why
    from .incoming import Changed, ProcedureReply, QueryReply, ReducerInfo, ReducerReply

__all__ = ["on_changed", "on_procedure_reply", "on_query_reply", "on_reducer_reply"]


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


#: The wire says no more about most transactions, so there is one value for all of them.
_TRANSACTION: Final = Transaction()


def on_changed(connection: Connection, message: Changed) -> Iterable[Event]:
    info = message.reducer
    if info is None:
        return _transaction(connection, message.changes, _TRANSACTION)
    own = (
        info.caller_identity == connection.identity
        and info.caller_connection_id == connection.connection_id
    )
    pending = _own_v1_call(connection, info) if own else None
    event = ReducerEvent(
        info.name,
        _v1_args(connection, info, pending),
        info.status,
        info.message,
        info.timestamp,
        info.caller_identity,
        info.caller_connection_id,
        info.energy,
        own,
    )
    if pending is None:
        return _transaction(connection, message.changes, event)
    if info.status == "committed":
        pending.settle()
    else:
        pending.settle(error=_v1_failure(info))
    return _transaction(connection, message.changes, event, pending)


def _v1_args(
    connection: Connection, info: ReducerInfo, pending: PendingCall[Any] | None
) -> tuple[Any, ...] | None:
    """Return the arguments of a call; None where nobody tells."""
    if pending is not None and pending.call is not None:
        return pending.call.args
    function = connection.module.reducers.get(info.name)
    if function is None or (info.request_id == 0 and info.status == "failed"):
        # A reducer that these bindings do not know is never fatal; and the echo of a call that was
        # refused before it ran is empty (PROTOCOL.md section 4.4).
        return None
    return connection.dialect.decode_args(function, info.args)


def _own_v1_call(connection: Connection, info: ReducerInfo) -> PendingCall[Any] | None:
    """Find the call that a v1 TransactionUpdate answers (CLARIFICATIONS of v1 in docs)."""
    if info.request_id == 0 and info.status != "committed":
        # Refused before it ran: the id is not echoed (PROTOCOL.md section 4.4).
        for request_id, pending in connection.calls.items():
            call = pending.call
            if call is not None and call.kind == "reducer" and call.name == info.name:
                return connection.calls.pop(request_id)
        return None
    found = connection.calls.get(info.request_id)
    if found is None or found.call is None or found.call.name != info.name:
        return None
    return connection.calls.pop(info.request_id)


def _transaction(
    connection: Connection,
    changes: list[TableChange],
    why: Why,
    pending: PendingCall[Any] | None = None,
) -> Iterable[Event]:
    """Apply what a transaction changed; return its events and those of the call behind it."""
    ctx = connection.context(why)
    events: list[Event] = []
    if changes:
        plan = connection.cache.plan(_live(connection, changes))
        if connection.needs_look(plan):
            return _look_and_apply(connection, plan, ctx, pending)
        events = connection.apply(plan, ctx)
    _conclude(connection, ctx, events, pending)
    return events


def _look_and_apply(
    connection: Connection, plan: Plan, ctx: Context[Any], pending: PendingCall[Any] | None
) -> Iterator[Event]:
    try:
        yield from connection.before(plan, ctx)
    except GeneratorExit:
        # A callback refused the message, which ends the connection with nothing of it applied. So
        # the call has no outcome yet; the end will give it one.
        if pending is not None:
            pending.reopen()
            connection.calls[pending.request_id] = pending
        raise
    events = connection.apply(plan, ctx)
    _conclude(connection, ctx, events, pending)
    yield from events


def _conclude(
    connection: Connection,
    ctx: Context[Any],
    events: list[Event],
    pending: PendingCall[Any] | None,
) -> None:
    """Add what comes after the row changes of a transaction."""
    if events and connection.wants_everything:
        events.append(TransactionApplied(ctx, tuple(cast("list[TableChanged]", events))))
    if type(ctx.event) is ReducerEvent:
        events.append(ReducerCompleted(ctx))
    if pending is not None:
        events.append(CallDone(ctx, pending))


# replies


def _pending(connection: Connection, request_id: int | bytes, kind: str) -> PendingCall[Any]:
    try:
        return connection.calls.pop(request_id)
    except KeyError:
        raise ProtocolError(f"{kind} answers request {request_id!r}, which is unknown") from None


def on_reducer_reply(connection: Connection, message: ReducerReply) -> Iterable[Event]:
    pending = _pending(connection, message.request_id, "ReducerResult")
    call = pending.call
    if call is None or call.kind != "reducer":
        raise ProtocolError(f"ReducerResult answers {pending.name!r}, which is no reducer call")
    text: str | None = None
    function = connection.module.reducers.get(call.name)
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
        connection.identity,
        connection.connection_id,
        None,
        True,
    )
    return _transaction(connection, message.changes, event, pending)


def on_procedure_reply(connection: Connection, message: ProcedureReply) -> Iterator[Event]:
    pending = _pending(connection, message.request_id, "ProcedureResult")
    call = pending.call
    if call is None or call.kind != "procedure":
        raise ProtocolError(f"ProcedureResult answers {pending.name!r}, no procedure call")
    if message.error is not None:
        pending.settle(error=InternalError(message.error, name=call.name))
    else:
        function = connection.module.procedures.get(call.name)
        if function is None:
            raise ProtocolError(f"procedure {call.name!r} returned, which the bindings do not have")
        value = connection.dialect.decode_return(function, message.value)
        pending.settle(None if value == () else value)
    yield CallDone(connection.context(_TRANSACTION), pending)


def on_query_reply(connection: Connection, message: QueryReply) -> Iterator[Event]:
    pending = _pending(connection, message.key, "OneOffQueryResult")
    if pending.call is not None:
        raise ProtocolError(f"OneOffQueryResult answers the call {pending.name!r}")
    if message.error is not None:
        pending.settle(error=QueryError(message.error, query=pending.name))
    else:
        rows: list[Any] = []
        for change in message.changes:
            table = connection.module.tables.get(change.table)
            if table is None:
                raise ProtocolError(f"a query answered rows of unknown table {change.table!r}")
            if change.inserts is not None:
                rows.extend(table.codec.decode_rows(change.inserts))
        pending.settle(rows)
    yield CallDone(connection.context(_TRANSACTION), pending)


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
