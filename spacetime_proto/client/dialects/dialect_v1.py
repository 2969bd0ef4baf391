"""Protocol v1, as BSATN and as JSON text (docs/protocol.md sections 4.4 and 4.5).

v1 counts query texts per client: a row that a second set also holds is not sent again, so the cache
keeps one bag for all sets (`SHARED_SET`). SubscribeSingle is never used: SubscribeMulti does the
same, and ending it always works.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from ...cache.changes import TableChange
from ...messages import v1
from ...messages.json_rows import JsonCodec
from ...messages.payloads import decode_client_payload, decode_server_payload
from ...protocols import V1_BSATN, V1_JSON
from ..meaning import (
    SHARED_SET,
    Applied,
    CallSent,
    Changed,
    Greeting,
    ProcedureReply,
    QueryReply,
    QuerySent,
    ReducerInfo,
    Refused,
    SubscribeSent,
    Unapplied,
    UnsubscribeSent,
)
from .dialect import Dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...limits import Limits
    from ...schema.bound import BoundFunction, BoundModule
    from ..causes import Status
    from ..meaning import Incoming, Outgoing


class _V1(Dialect):
    """The common part of both encodings."""

    shares_rows: ClassVar[bool] = True
    has_legacy_set: ClassVar[bool] = True
    _codec: JsonCodec | None = None

    def __init__(self, module: BoundModule, limits: Limits) -> None:
        super().__init__(module, limits)
        # Event rows come as ordinary inserts on v1; they are not to be stored there either.
        self._events = frozenset(
            name for name, table in module.tables.items() if table.definition.is_event
        )

    @abstractmethod
    def _encode(self, message: v1.ClientMessage) -> bytes | str: ...

    @abstractmethod
    def _args(self, function: BoundFunction, args: Sequence[Any]) -> bytes | str: ...

    # --- out ----------------------------------------------------------------------------------

    def call(self, request_id: int, function: BoundFunction, args: Sequence[Any]) -> bytes | str:
        message = v1.CallProcedure if function.is_procedure else v1.CallReducer
        return self._encode(message(function.name, self._args(function, args), request_id))

    def query(self, request_id: int, sql: str) -> bytes | str:
        return self._encode(v1.OneOffQuery(self.query_key(request_id), sql))

    def query_key(self, request_id: int) -> bytes:
        return request_id.to_bytes(4, "little")

    def subscribe(self, request_id: int, set_id: int, queries: Sequence[str]) -> bytes | str:
        return self._encode(v1.SubscribeMulti(tuple(queries), request_id, set_id))

    def subscribe_legacy(self, request_id: int, queries: Sequence[str]) -> bytes | str:
        return self._encode(v1.Subscribe(tuple(queries), request_id))

    def unsubscribe(self, request_id: int, set_id: int) -> bytes | str:
        return self._encode(v1.UnsubscribeMulti(request_id, set_id))

    # --- in -----------------------------------------------------------------------------------

    def _changes(self, update: v1.DatabaseUpdate) -> list[TableChange]:
        changes = []
        for table in update:
            name = table.table_name
            for rows in table.updates:
                if name in self._events:
                    changes.append(TableChange(SHARED_SET, name, events=rows.inserts))
                else:
                    changes.append(TableChange(SHARED_SET, name, rows.inserts, rows.deletes))
        return changes

    def decode_sent(self, payload: bytes | str) -> Iterator[Outgoing]:
        return map(_sent, decode_client_payload(self.protocol, payload, self.limits))

    def decode_args(self, function: BoundFunction, args: bytes | str) -> tuple[Any, ...]:
        # The server's copy of the arguments is empty for a call that never ran.
        if isinstance(args, str):
            return function.args_from_json(args) if args else ()
        return function.decode_args(args) if args else ()

    def decode(self, payload: bytes | str) -> Iterator[Incoming]:
        codec = self._codec
        for message in decode_server_payload(self.protocol, payload, self.limits, codec=codec):
            yield _MEANINGS[type(message)](self, message)

    def _transaction(self, message: v1.TransactionUpdate) -> Incoming:
        call = message.reducer_call
        text: str | None = None
        changes: list[TableChange] = []
        status: Status = "out_of_energy"
        if isinstance(message.status, v1.Committed):
            status = "committed"
            changes = self._changes(message.status.update)
        elif isinstance(message.status, v1.Failed):
            status = "failed"
            text = message.status.message
        return Changed(
            changes,
            ReducerInfo(
                name=call.reducer_name,
                args=call.args,
                status=status,
                message=text,
                timestamp=message.timestamp,
                caller_identity=message.caller_identity,
                caller_connection_id=message.caller_connection_id,
                energy=message.energy_quanta_used,
                request_id=call.request_id,
            ),
        )

    def _query_result(self, message: v1.OneOffQueryResponse) -> Incoming:
        changes = [
            TableChange(SHARED_SET, table.table_name, table.rows) for table in message.tables
        ]
        return QueryReply(message.message_id, changes, message.error)

    def _procedure_result(self, message: v1.ProcedureResult) -> Incoming:
        value: bytes | str = b""
        error: str | None = None
        if isinstance(message.status, v1.ProcedureReturned):
            value = message.status.value
        elif isinstance(message.status, v1.ProcedureInternalError):
            error = message.status.message
        else:
            error = "procedure ran out of energy"
        return ProcedureReply(message.request_id, value, error, message.timestamp)


class V1Bsatn(_V1):
    """v1.bsatn: one BSATN message per binary frame."""

    protocol: ClassVar[str] = V1_BSATN

    def _encode(self, message: v1.ClientMessage) -> bytes:
        return v1.encode_client(message)

    def _args(self, function: BoundFunction, args: Sequence[Any]) -> bytes:
        return function.encode_args(args)

    def decode_return(self, function: BoundFunction, value: bytes | str) -> Any:
        assert isinstance(value, bytes)
        return function.decode_return(value)


class V1Json(_V1):
    """v1.json: one JSON message per text frame, never compressed."""

    protocol: ClassVar[str] = V1_JSON

    def __init__(self, module: BoundModule, limits: Limits) -> None:
        super().__init__(module, limits)
        self._codec = JsonCodec.for_module(module)

    def _encode(self, message: v1.ClientMessage) -> str:
        return v1.CLIENT.to_json(message)

    def _args(self, function: BoundFunction, args: Sequence[Any]) -> str:
        return function.args_to_json(args)

    def decode_return(self, function: BoundFunction, value: bytes | str) -> Any:
        assert isinstance(value, str)
        return function.return_from_json(value)


def _sent(message: v1.ClientMessage) -> Outgoing:
    match message:
        case v1.Subscribe(queries, request_id):
            return SubscribeSent(request_id, None, queries)
        case v1.SubscribeSingle(query, request_id, set_id):
            return SubscribeSent(request_id, set_id, (query,))
        case v1.SubscribeMulti(queries, request_id, set_id):
            return SubscribeSent(request_id, set_id, queries)
        case v1.Unsubscribe(request_id, set_id) | v1.UnsubscribeMulti(request_id, set_id):
            return UnsubscribeSent(request_id, set_id)
        case v1.OneOffQuery(message_id, sql):
            return QuerySent(message_id, sql)
        case v1.CallReducer(name, _, request_id, flags):
            return CallSent(request_id, "reducer", name, flags != v1.NO_SUCCESS_NOTIFY)
    return CallSent(message.request_id, "procedure", message.procedure)


_MEANINGS: dict[type, Callable[[_V1, Any], Incoming]] = {
    v1.IdentityToken: lambda _, m: Greeting(m.identity, m.connection_id, m.token),
    v1.InitialSubscription: lambda v, m: Applied(m.request_id, None, v._changes(m.database_update)),
    v1.SubscribeMultiApplied: lambda v, m: Applied(m.request_id, m.query_id, v._changes(m.update)),
    v1.SubscribeAppliedMessage: lambda v, m: Applied(
        m.request_id, m.query_id, v._changes((m.rows.table_rows,))
    ),
    v1.UnsubscribeMultiApplied: lambda v, m: Unapplied(
        m.request_id, m.query_id, v._changes(m.update)
    ),
    v1.UnsubscribeAppliedMessage: lambda v, m: Unapplied(
        m.request_id, m.query_id, v._changes((m.rows.table_rows,))
    ),
    v1.SubscriptionErrorMessage: lambda _, m: Refused(m.request_id, m.query_id, m.error),
    v1.TransactionUpdate: _V1._transaction,
    # Its request id was chosen by the client that made the call: never match it with ours.
    v1.TransactionUpdateLight: lambda v, m: Changed(v._changes(m.update)),
    v1.OneOffQueryResponse: _V1._query_result,
    v1.ProcedureResult: _V1._procedure_result,
}
