"""The ledger of calls: which ones wait for a reply, and the outcome that a message brings.

`Calls` sends calls and one-off queries and settles them. On v1 the reply to a call is the
transaction itself; on v2 and v3 it holds the transaction. Either way the rows are applied first,
and the outcome is settled last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import (
    PANIC_WORDS,
    Disconnected,
    InternalError,
    LocalProtocolError,
    ProtocolError,
    QueryError,
    ReducerError,
)
from ..types import Timestamp
from .causes import ReducerEvent
from .context import Context
from .events import CallDone, ReducerCompleted
from .meaning import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    from ..errors import SpacetimeError
    from ..schema.bound import BoundModule
    from ..types import ConnectionId, Identity
    from .causes import Status
    from .context import ContextOwner
    from .dialects.dialect import Dialect
    from .events import Event
    from .meaning import (
        CallCommitted,
        Changed,
        Greeting,
        ProcedureReply,
        QueryReply,
        ReducerInfo,
        ReducerReply,
    )
    from .outbox import Outbox
    from .pending_call import Call, CallKind, PendingCall
    from .sets import Sets
    from .updates import Reply

    Key: TypeAlias = int | bytes

#: The reducer that SpacetimeDB 1.x names when it refuses a legacy Subscribe.
_NO_REDUCER: Final = "<none>"


class Calls:
    """The calls and one-off queries of one connection.

    Args:
        module: its reducers and procedures.
        dialect: encodes calls, and decodes what they return.
        outbox: queues them.
        waiting: where they wait for their replies, by request id; queries of v1 by their message id.
        sets: the ledger of query sets; it holds that of updates.
        owner: the session that contexts refer to.
    """

    def __init__(
        self,
        module: BoundModule,
        dialect: Dialect,
        outbox: Outbox,
        waiting: dict[Key, PendingCall[Any]],
        sets: Sets,
        owner: ContextOwner,
    ) -> None:
        self._module = module
        self._dialect = dialect
        self._outbox = outbox
        self._waiting = waiting
        self._sets = sets
        self._updates = sets.updates
        self._owner = owner
        self._counters = owner.counters
        self._me: tuple[Identity | None, ConnectionId | None] = None, None

    # --- out ----------------------------------------------------------------------------------

    def send(self, pending: PendingCall[Any]) -> None:
        """Queue a call, or a one-off query, whose SQL is the name of `pending`.

        Raises:
            LocalProtocolError: the schema lacks the function or the arguments do not fit
                (EncodeError), or too many requests are in flight, or the request is too large.
        """
        call, dialect = pending.call, self._dialect
        if call is None:
            key: Key
            request_id = self._outbox.new_id()
            key = dialect.query_key(request_id)
            payload = dialect.query(request_id, pending.name)
        else:
            module = self._module
            functions = module.reducers if call.kind == "reducer" else module.procedures
            function = functions.get(call.name)
            if function is None:
                raise LocalProtocolError(f"the module has no {call.kind} {call.name!r}")
            request_id = key = self._outbox.new_id()
            payload = dialect.call(request_id, function, call.args)
        self._outbox.put(payload, pending)
        pending.request_id = request_id
        self._waiting[key] = pending

    def call_sent(self, key: Key, pending: PendingCall[Any]) -> None:
        """Note that a call or query with this id is on its way (used by playback)."""
        self._waiting[key] = pending

    def greeted(self, greeting: Greeting) -> None:
        """Note this client's identity: on v1 it tells its own transactions from those of others."""
        self._me = greeting.identity, greeting.connection_id

    @property
    def pending_count(self) -> int:
        """How many calls and queries wait for their replies."""
        return len(self._waiting)

    # --- in -----------------------------------------------------------------------------------

    def on_changed(self, message: Changed) -> Iterable[Event]:
        info = message.reducer
        if info is None:
            return self._updates.transaction(message.changes, self._updates.transaction_context)
        if info.name == _NO_REDUCER and info.status == "failed":
            request_id = self._sets.refused_legacy_request()
            if request_id is not None:
                return self._sets.on_refused(Refused(request_id, None, info.message or ""))
        caller = info.caller_identity, info.caller_connection_id
        own = caller == self._me
        error = None if info.status == "committed" else _v1_failure(info)
        found = self._own_v1_call(info, error) if own else None
        event = ReducerEvent(
            info.name or None,  # SQL and the host's own transactions have no name
            self._v1_args(info, None if found is None else found[1].call),
            "internal_error"
            if info.status == "failed" and isinstance(error, InternalError)
            else info.status,
            info.message,
            info.timestamp,
            *caller,
            info.energy,
            own,
        )
        reply = None if found is None else self._reply(*found, error=error)
        return self._updates.transaction(message.changes, Context(self._owner, event), reply)

    def _own_v1_call(
        self, info: ReducerInfo, error: SpacetimeError | None
    ) -> tuple[Key, PendingCall[Any]] | None:
        """Find the call that a v1 TransactionUpdate answers.

        Request id 0 answers a call that was refused before it ran (docs/protocol.md section 4.4)
        and, on SpacetimeDB 1.x, every call that failed. It is taken for the oldest waiting call of
        that reducer, because servers answer in order.
        """
        if info.request_id == 0 and error is not None:
            for key, pending in self._waiting.items():
                call = pending.call
                if call is not None and call.kind == "reducer" and call.name == info.name:
                    return key, pending
            return None
        found = self._waiting.get(info.request_id)
        if found is None or found.call is None or found.call.name != info.name:
            return None
        return info.request_id, found

    def _v1_args(self, info: ReducerInfo, call: Call[Any] | None) -> tuple[Any, ...] | None:
        """Return the arguments of a call; None if they are unknown to these bindings."""
        if call is not None:
            return call.args
        function = self._module.reducers.get(info.name)
        if function is None or _never_ran(info):
            # A reducer that is not in the bindings must not end the connection. A call that was
            # refused before it ran comes back without arguments (docs/protocol.md section 4.4).
            return None
        try:
            return self._dialect.decode_args(function, info.args)
        except ProtocolError:
            # Nor must arguments that do not fit them: whoever called may know a newer module.
            return None

    def on_call_committed(self, message: CallCommitted) -> Iterable[Event]:
        """Do what `on_reducer_reply` does, faster: there is nothing to decode and no row to apply.

        No `ReducerEvent` is made unless a callback gets it. Without one the shared context will do:
        a caller that waits is given `pending`, never the context.
        """
        request_id = message.request_id
        pending = self._waiting.get(request_id)
        call = None if pending is None else pending.call
        if pending is None or call is None or call.kind != "reducer":
            return self.on_reducer_reply(message.reply())
        del self._waiting[request_id]
        pending.is_done = True  # all that `settle` would do here
        counters = self._counters
        if pending.departure is counters.departure:
            counters.together += 1
        else:
            counters.answered(pending)
        if not self._owner.wants_outcomes:
            return [CallDone(self._updates.transaction_context, pending)]
        ctx = self._outcome_context(call, "committed", None, Timestamp(message.micros))
        return [ReducerCompleted(ctx), CallDone(ctx, pending)]

    def on_reducer_reply(self, message: ReducerReply) -> Iterable[Event]:
        pending, call = self._called(message.request_id, "ReducerResult", "reducer")
        function = self._module.reducers.get(call.name)
        value: Any = None
        error: SpacetimeError | None = None
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
        ctx = self._outcome_context(call, message.status, text, message.timestamp)
        reply = self._reply(message.request_id, pending, value, error)
        return self._updates.transaction(message.changes, ctx, reply)

    def on_procedure_reply(self, message: ProcedureReply) -> Iterable[Event]:
        pending, call = self._called(message.request_id, "ProcedureResult", "procedure")
        value = error = None
        if message.error is not None:
            error = InternalError(message.error, name=call.name)
        else:
            function = self._module.procedures.get(call.name)
            if function is None:
                raise ProtocolError(
                    f"procedure {call.name!r} returned, which the bindings do not have"
                )
            value = _none_for_unit(self._dialect.decode_return(function, message.value))
        reply = self._reply(message.request_id, pending, value, error)
        return [reply(self._updates.transaction_context)]

    def on_query_reply(self, message: QueryReply) -> Iterable[Event]:
        pending = self._pending(message.key, "OneOffQueryResult")
        if pending.call is not None:
            raise ProtocolError(f"OneOffQueryResult answers the call {pending.name!r}")
        if message.error is not None:
            refusal = QueryError(message.error, query=pending.name)
            reply = self._reply(message.key, pending, error=refusal)
        else:
            from ..dataframes.query_rows import Rows  # which most clients never need

            rows: Rows[Any] = Rows()
            for change in message.changes:
                table = self._module.tables.get(change.table)
                if table is None:
                    raise ProtocolError(f"a query answered rows of unknown table {change.table!r}")
                assert change.inserts is not None  # every dialect gives the rows of an answer here
                found = table.codec.decode_rows(change.inserts)
                rows = Rows([*rows, *found] if rows else found, table)
            reply = self._reply(message.key, pending, rows)
        return [reply(self._updates.transaction_context)]

    def _pending(self, key: Key, kind: str) -> PendingCall[Any]:
        try:
            return self._waiting[key]
        except KeyError:
            raise ProtocolError(f"{kind} answers request {key!r}, which is unknown") from None

    def _called(
        self, request_id: int, reply: str, kind: CallKind
    ) -> tuple[PendingCall[Any], Call[Any]]:
        """Return the call of that kind that a reply answers."""
        pending = self._pending(request_id, reply)
        call = pending.call
        if call is None or call.kind != kind:
            raise ProtocolError(f"{reply} answers {pending.name!r}, which is no {kind} call")
        return pending, call

    def _reply(
        self,
        key: Key,
        pending: PendingCall[Any],
        value: Any = None,
        error: SpacetimeError | None = None,
    ) -> Reply:
        """Return the function that settles a call; it is called after the rows were applied."""

        def settle(ctx: Context[Any]) -> CallDone:
            del self._waiting[key]
            pending.settle(value, error)
            self._counters.answered(pending)
            return CallDone(ctx, pending)

        return settle

    def _outcome_context(
        self, call: Call[Any], status: Status, text: str | None, timestamp: Timestamp
    ) -> Context[Any]:
        """Return the context of a reply to a call of this client."""
        me, here = self._me
        event = ReducerEvent(call.name, call.args, status, text, timestamp, me, here, None, True)
        return Context(self._owner, event)

    # --- the end ------------------------------------------------------------------------------

    def end(
        self, cause: BaseException | None, ctx: Context[Any], *, for_good: bool
    ) -> Iterator[Event]:
        """Settle all that waits: the connection is gone."""
        for pending in self._waiting.values():
            is_unknown = pending.sent and pending.call is not None
            what = "sent but not answered, its outcome is unknown" if is_unknown else "not answered"
            error = Disconnected.because(
                f"{pending.name} was {what}", cause, outcome_unknown=is_unknown, is_final=for_good
            )
            pending.settle(error=error)
            self._counters.unanswered(pending)
            yield CallDone(ctx, pending)


def _none_for_unit(value: Any) -> Any:
    """Return None for ``()``, which is how functions without a result return."""
    return None if value == () else value


def _never_ran(info: ReducerInfo) -> bool:
    """Whether the host refused the call before it ran: no id is echoed and no energy was used.

    The id alone is not enough: SpacetimeDB 1.x echoes none for any call that failed.
    """
    return info.status == "failed" and info.request_id == 0 and info.energy == 0


def _v1_failure(info: ReducerInfo) -> SpacetimeError:
    """Return the error of a v1 call that was not committed.

    v1 has one field for errors of the module and of the host. The host's are known by their missing
    id and energy (`_never_ran`) or by their fixed words (docs/protocol.md section 4.4), after which
    newer servers may tell the causes.
    """
    text = info.message or ""
    if info.status == "out_of_energy":
        return InternalError("reducer ran out of energy", name=info.name)
    if _never_ran(info) or PANIC_WORDS in text:
        return InternalError(text, name=info.name)
    return ReducerError(text, name=info.name, value=text)
