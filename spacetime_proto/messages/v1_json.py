"""Protocol v1 as JSON text, both roles (docs/protocol.md section 4.5).

The messages are those of `v1`. Arguments and return values stay JSON text (`str`), because only the
schema can read them and a function that it lacks must not make a message undecodable;
`BoundFunction.args_from_json` and its neighbours convert them. Rows do become BSATN, so that one
cache serves all protocols: `JsonCodec` does that, with two functions that know the schema.

An uncompressed text message; no compression tag. A server accepts more forms than it sends (fields
by position, variants by tag); the decoders here accept them all, in both roles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import DecodeError, EncodeError
from ..limits import DEFAULT_LIMITS, Limits
from ..sats.rows import RowList
from ..sats.sats_json import from_json, loads
from . import reading, v1
from .json_rows import JsonCodec
from .v1_json_encode import encode_client, encode_server
from .v1_json_types import CLIENT_MESSAGE, SERVER_MESSAGE, context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["JsonCodec", "decode_client", "decode_server", "encode_client", "encode_server"]


# --- client messages --------------------------------------------------------------------------


def decode_client(text: str, limits: Limits = DEFAULT_LIMITS) -> v1.ClientMessage:
    """Decode a client message; nothing may follow it.

    Raises:
        DecodeError: not JSON, or not a client message.
        LimitExceeded: more queries than a payload of this size may hold.
    """
    budget = _Budget(limits.rows_for(len(text)))
    message: Any = from_json(CLIENT_MESSAGE, context(), loads(text))
    kind = CLIENT_MESSAGE.variants[message.__tag__].name
    body = message.value
    match kind:
        case "CallReducer":
            if body.flags > v1.NO_SUCCESS_NOTIFY:
                raise DecodeError(f"invalid call reducer flag {body.flags}", what=kind)
            return v1.CallReducer(body.reducer, body.args, body.request_id, body.flags)
        case "Subscribe":
            budget.charge(kind, len(body.query_strings))
            return v1.Subscribe(tuple(body.query_strings), body.request_id)
        case "OneOffQuery":
            return v1.OneOffQuery(body.message_id, body.query_string)
        case "SubscribeSingle":
            return v1.SubscribeSingle(body.query, body.request_id, body.query_id.id)
        case "SubscribeMulti":
            budget.charge(kind, len(body.query_strings))
            queries = tuple(body.query_strings)
            return v1.SubscribeMulti(queries, body.request_id, body.query_id.id)
        case "Unsubscribe":
            return v1.Unsubscribe(body.request_id, body.query_id.id)
        case "UnsubscribeMulti":
            return v1.UnsubscribeMulti(body.request_id, body.query_id.id)
        case _:
            if body.flags:
                raise DecodeError(f"invalid call procedure flag {body.flags}", what=kind)
            return v1.CallProcedure(body.procedure, body.args, body.request_id)


# --- server messages --------------------------------------------------------------------------


def decode_server(text: str, codec: JsonCodec, limits: Limits = DEFAULT_LIMITS) -> v1.ServerMessage:
    """Decode a server message; nothing may follow it.

    Raises:
        DecodeError: not JSON, not a server message, or a row that its table cannot have; names the
            message and the table.
        LimitExceeded: more rows than a payload of this size may hold.
    """
    message: Any = from_json(SERVER_MESSAGE, context(), loads(text))
    kind = SERVER_MESSAGE.variants[message.__tag__].name or ""
    reader = _Reader(codec, _Budget(limits.rows_for(len(text))))
    try:
        return _SERVER_READERS[kind](reader, message.value)
    except DecodeError as error:
        raise error.within(kind) from error.__cause__


class _Budget:
    """How many rows, and lists of rows, a message may still hold."""

    def __init__(self, max_rows: int) -> None:
        self.max_rows = self.left = max_rows

    def charge(self, what: str, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise reading.over_budget(what, self.max_rows)


class _Reader:
    """Turns parsed parts of server messages into those of `v1`."""

    def __init__(self, codec: JsonCodec, budget: _Budget) -> None:
        self.codec = codec
        self.budget = budget

    def rows(self, table: str, texts: list[str]) -> RowList:
        self.budget.charge("a server message", len(texts))
        encode = self.codec.encode_row
        try:
            return RowList.from_rows([encode(table, text) for text in texts])
        except DecodeError as error:
            raise error.within(f"row of table {table!r}") from error.__cause__
        except EncodeError as error:
            # JSON that is valid for the type, but BSATN has no room for it.
            raise DecodeError(error.detail, what=f"row of table {table!r}") from error

    def table(self, table: Any) -> v1.TableUpdate:
        name = table.table_name
        self.budget.charge("a server message", 1 + len(table.updates))
        updates = tuple(
            v1.QueryUpdate(self.rows(name, update.deletes), self.rows(name, update.inserts))
            for update in table.updates
        )
        return v1.TableUpdate(table.table_id, name, table.num_rows, updates)

    def database(self, update: Any) -> v1.DatabaseUpdate:
        return tuple(self.table(table) for table in update.tables)

    def subscribe_rows(self, rows: Any) -> v1.SubscribeRows:
        return v1.SubscribeRows(rows.table_id, rows.table_name, self.table(rows.table_rows))

    def update_status(self, status: Any) -> v1.UpdateStatus:
        if status.__tag__ == 0:
            return v1.Committed(self.database(status.value))
        return v1.Failed(status.value) if status.__tag__ == 1 else v1.OutOfEnergy()

    def procedure_status(self, status: Any) -> v1.ProcedureStatus:
        if status.__tag__ == 0:
            return v1.ProcedureReturned(status.value)
        if status.__tag__ == 1:
            return v1.ProcedureOutOfEnergy()
        return v1.ProcedureInternalError(status.value)

    def one_off_tables(self, tables: Any) -> tuple[v1.OneOffTable, ...]:
        self.budget.charge("a server message", len(tables))
        return tuple(
            v1.OneOffTable(table.table_name, self.rows(table.table_name, table.rows))
            for table in tables
        )


def _applied(make: Callable[..., Any], body: Any, rows: Any) -> Any:
    micros = body.total_host_execution_duration_micros
    return make(body.request_id, micros, body.query_id.id, rows)


def _transaction_update(reader: _Reader, body: Any) -> v1.TransactionUpdate:
    call = body.reducer_call
    return v1.TransactionUpdate(
        reader.update_status(body.status),
        body.timestamp,
        body.caller_identity,
        body.caller_connection_id,
        v1.ReducerCallInfo(call.reducer_name, call.reducer_id, call.args, call.request_id),
        body.energy_quanta_used.quanta,
        body.total_host_execution_duration,
    )


_SERVER_READERS: Final[Mapping[str, Callable[[_Reader, Any], v1.ServerMessage]]] = {
    "InitialSubscription": lambda reader, body: v1.InitialSubscription(
        reader.database(body.database_update),
        body.request_id,
        body.total_host_execution_duration,
    ),
    "TransactionUpdate": _transaction_update,
    "TransactionUpdateLight": lambda reader, body: v1.TransactionUpdateLight(
        body.request_id, reader.database(body.update)
    ),
    "IdentityToken": lambda reader, body: v1.IdentityToken(
        body.identity, body.token, body.connection_id
    ),
    "OneOffQueryResponse": lambda reader, body: v1.OneOffQueryResponse(
        body.message_id,
        body.error,
        reader.one_off_tables(body.tables),
        body.total_host_execution_duration,
    ),
    "SubscribeApplied": lambda reader, body: _applied(
        v1.SubscribeApplied, body, reader.subscribe_rows(body.rows)
    ),
    "UnsubscribeApplied": lambda reader, body: _applied(
        v1.UnsubscribeApplied, body, reader.subscribe_rows(body.rows)
    ),
    "SubscriptionError": lambda reader, body: v1.SubscriptionError(
        body.total_host_execution_duration_micros,
        body.request_id,
        body.query_id,
        body.table_id,
        body.error,
    ),
    "SubscribeMultiApplied": lambda reader, body: _applied(
        v1.SubscribeMultiApplied, body, reader.database(body.update)
    ),
    "UnsubscribeMultiApplied": lambda reader, body: _applied(
        v1.UnsubscribeMultiApplied, body, reader.database(body.update)
    ),
    "ProcedureResult": lambda reader, body: v1.ProcedureResult(
        reader.procedure_status(body.status),
        body.timestamp,
        body.total_host_execution_duration,
        body.request_id,
    ),
}
