"""Protocols v2 and v3: the same messages, on v3 several to a payload (docs/protocol.md sections 3.6, 4.2)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from ...cache.changes import TableChange
from ...errors import DecodeError, ProtocolError
from ...messages import v2
from ...messages.payloads import (
    CLIENT_BATCH_SIZE,
    MAX_BATCH_MESSAGES,
    decode_client_payload,
    decompress,
    join,
    read_server,
)
from ...protocols import V2_BSATN, V3_BSATN
from ..meaning import (
    Applied,
    BatchApplied,
    BatchSent,
    CallSent,
    Changed,
    Greeting,
    ProcedureReply,
    QueryReply,
    QuerySent,
    ReducerReply,
    Refused,
    SubscribeSent,
    Unapplied,
    UnsubscribeSent,
)
from .dialect import Dialect
from .v2_short import MAX_COST, read_short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...limits import Limits
    from ...schema.bound import BoundFunction, BoundModule
    from ..meaning import CallCommitted, Incoming, Outgoing, RowChanged
    from .v2_short import Heads

_CALL_REDUCER: Final = 3
_CALL_PROCEDURE: Final = 4
#: Tag, request id, flags.
_CALL: Final = Struct("<BIB").pack
_CALL_SIZE: Final = 6
_U32: Final = Struct("<I").pack

#: The first byte of a payload that is not compressed.
_PLAIN: Final = b"\0"


class V2(Dialect):
    """v2.bsatn: one message per payload."""

    protocol: ClassVar[str] = V2_BSATN
    shares_rows: ClassVar[bool] = False
    has_legacy_set: ClassVar[bool] = False
    has_batches: ClassVar[bool] = True
    is_batched: ClassVar[bool] = False
    """Whether a payload may hold several messages."""

    def __init__(self, module: BoundModule, limits: Limits) -> None:
        super().__init__(module, limits)
        self._names: dict[BoundFunction, bytes] = {}
        self._heads: Heads = {}
        # Whether every payload, however small, may hold the rows of one short message. If so, a
        # short message that is alone in its payload needs no counting.
        self._is_generous = limits.rows_for(0) >= MAX_COST
        # Most clients subscribe next. Generating this code takes 0.7 ms, which connecting hides and
        # the wait for the first rows would not.
        v2.CLIENT.prepare_to_write(v2.Subscribe)
        v2.SERVER.prepare_to_read(v2.SubscribeAppliedMessage)

    def call(self, request_id: int, function: BoundFunction, args: Sequence[Any]) -> bytes:
        encoded = function.encode_args(args)
        name = self._names.get(function) or self._name(function)
        # The bytes that `v2.encode_client` would make, in a quarter of its time: calls of one
        # function differ in id and arguments only, so the name between them is kept. Right as long
        # as CallReducer and CallProcedure have the same layout (docs/protocol.md section 4.2).
        tag = _CALL_PROCEDURE if function.is_procedure else _CALL_REDUCER
        return _CALL(tag, request_id, 0) + name + _U32(len(encoded)) + encoded

    def _name(self, function: BoundFunction) -> bytes:
        """Make the part of a call between its ids and its arguments: the name behind its length."""
        whole = v2.encode_client(v2.CallReducer(0, function.name, b""))
        name = self._names[function] = whole[_CALL_SIZE:-4]
        return name

    def query(self, request_id: int, sql: str) -> bytes:
        return v2.encode_client(v2.OneOffQuery(request_id, sql))

    def query_key(self, request_id: int) -> int:
        return request_id

    def subscribe(self, request_id: int, set_id: int, queries: Sequence[str]) -> bytes:
        return v2.encode_client(v2.Subscribe(request_id, set_id, tuple(queries)))

    def subscribe_batch(self, request_id: int, sets: Sequence[tuple[int, Sequence[str]]]) -> bytes:
        asked = tuple(v2.SubscribeSet(set_id, tuple(queries)) for set_id, queries in sets)
        return v2.encode_client(v2.SubscribeBatch(request_id, asked))

    def subscribe_legacy(self, request_id: int, queries: Sequence[str]) -> bytes:
        raise ProtocolError("protocol v2 has no legacy subscription")

    def unsubscribe(self, request_id: int, set_id: int) -> bytes:
        # Without SendDroppedRows: the cache knows which rows it holds for the set, so the server
        # need not send them.
        return v2.encode_client(v2.Unsubscribe(request_id, set_id))

    def decode(self, payload: bytes | str) -> tuple[Incoming] | Iterator[Incoming]:
        if type(payload) is not bytes:
            raise DecodeError(f"the server sent a text message on {self.protocol}")
        if payload[:1] == _PLAIN:
            data, pos = payload, 1
        else:
            data, pos = decompress(payload, self.limits)
        short = read_short(data, pos, self._heads)
        if short is not None and short.end == len(data) and self._is_generous:
            return (short,)
        return self._read(data, pos, short, self.limits.rows_for(len(payload)))

    def _read(
        self, data: bytes, pos: int, short: RowChanged | CallCommitted | None, max_rows: int
    ) -> Iterator[Incoming]:
        """Read the messages from `pos` on; `short` is the short reader's result for the first one.

        On v2 (not batched) a short message only gets here with bytes after it or with a small row
        limit; the general reader checks both and raises the error.
        """
        batched, heads, end, left = self.is_batched, self._heads, len(data), max_rows
        while True:
            if short is not None and short.cost <= left and batched:
                pos, left = short.end, left - short.cost
                yield short
            else:
                message, pos, left = read_server(data, pos, left, max_rows, batched=batched)
                yield _MEANINGS[type(message)](message)
            if pos == end:
                return
            short = read_short(data, pos, heads)

    def decode_sent(self, payload: bytes | str) -> Iterator[Outgoing]:
        if type(payload) is not bytes:
            raise DecodeError(f"a text message on {self.protocol}")
        return map(_sent, decode_client_payload(self.protocol, payload, self.limits))

    def decode_args(self, function: BoundFunction, args: bytes | str) -> tuple[Any, ...]:
        assert isinstance(args, bytes)
        return function.decode_args(args)

    def decode_return(self, function: BoundFunction, value: bytes | str) -> Any:
        assert isinstance(value, bytes)
        return function.decode_return(value)


class V3(V2):
    """v3.bsatn: the messages of v2, any number of them to a payload."""

    protocol: ClassVar[str] = V3_BSATN
    is_batched: ClassVar[bool] = True

    def batch(self, payloads: list[bytes | str]) -> list[bytes | str]:
        bodies = cast("list[bytes]", payloads)
        # Nearly always everything fits into one payload; `join` looks at each message.
        if len(bodies) <= MAX_BATCH_MESSAGES:
            joined = b"".join(bodies)
            if len(joined) <= CLIENT_BATCH_SIZE:
                return [joined]
        return list(join(bodies))


def _sent(message: v2.ClientMessage) -> Outgoing:
    match message:
        case v2.Subscribe(request_id, set_id, queries):
            return SubscribeSent(request_id, set_id, queries)
        case v2.Unsubscribe(request_id, set_id):
            return UnsubscribeSent(request_id, set_id)
        case v2.OneOffQuery(request_id, sql):
            return QuerySent(request_id, sql)
        case v2.CallReducer(request_id, name):
            return CallSent(request_id, "reducer", name)
        case v2.SubscribeBatch(request_id, sets):
            return BatchSent(request_id, [(one.query_set_id, one.query_strings) for one in sets])
    return CallSent(message.request_id, "procedure", message.procedure)


# --- meanings ---------------------------------------------------------------------------------


def _rows(set_id: int, tables: tuple[v2.SingleTableRows, ...]) -> list[TableChange]:
    return [TableChange(set_id, table.table, table.rows) for table in tables]


def _batch_applied(message: v2.SubscribeBatchApplied) -> BatchApplied:
    results: list[tuple[int, list[TableChange] | str]] = []
    for result in message.results:
        set_id, outcome = result.query_set_id, result.outcome
        results.append((set_id, outcome if isinstance(outcome, str) else _rows(set_id, outcome)))
    return BatchApplied(message.request_id, results)


def _changes(update: v2.TransactionUpdate) -> list[TableChange]:
    changes = []
    for query_set in update.query_sets:
        set_id = query_set.query_set_id
        for table in query_set.tables:
            name = table.table_name
            for rows in table.rows:
                if type(rows) is v2.PersistentRows:
                    changes.append(TableChange(set_id, name, rows.inserts, rows.deletes))
                else:
                    changes.append(TableChange(set_id, name, None, None, rows.events))  # type: ignore[union-attr]  # EventRows, the other kind
    return changes


def _reducer_result(message: v2.ReducerResult) -> ReducerReply:
    outcome = message.result
    request_id, timestamp = message.request_id, message.timestamp
    match outcome:
        case v2.ReducerOk(value, update):
            return ReducerReply(request_id, "committed", timestamp, _changes(update), value)
        case v2.ReducerOkEmpty():
            return ReducerReply(request_id, "committed", timestamp, [])
        case v2.ReducerErr(error):
            return ReducerReply(request_id, "failed", timestamp, [], error)
    return ReducerReply(request_id, "internal_error", timestamp, [], b"", outcome.message)


def _procedure_result(message: v2.ProcedureResult) -> ProcedureReply:
    status = message.status
    if isinstance(status, v2.ProcedureReturned):
        return ProcedureReply(message.request_id, status.value, None, message.timestamp)
    return ProcedureReply(message.request_id, b"", status.message, message.timestamp)


def _query_result(message: v2.OneOffQueryResult) -> QueryReply:
    if isinstance(message.result, str):
        return QueryReply(message.request_id, [], message.result)
    return QueryReply(message.request_id, _rows(0, message.result), None)


_MEANINGS: dict[type, Callable[[Any], Incoming]] = {
    v2.TransactionUpdate: lambda m: Changed(_changes(m)),
    v2.ReducerResult: _reducer_result,
    v2.ProcedureResult: _procedure_result,
    v2.SubscribeAppliedMessage: lambda m: Applied(
        m.request_id, m.query_set_id, _rows(m.query_set_id, m.rows)
    ),
    v2.SubscribeBatchApplied: _batch_applied,
    # Rows that v2 may send here are ignored: the cache removes its own bag of the set.
    v2.UnsubscribeAppliedMessage: lambda m: Unapplied(m.request_id, m.query_set_id, None),
    v2.SubscriptionErrorMessage: lambda m: Refused(m.request_id, m.query_set_id, m.error),
    v2.OneOffQueryResult: _query_result,
    v2.InitialConnection: lambda m: Greeting(m.identity, m.connection_id, m.token),
}
