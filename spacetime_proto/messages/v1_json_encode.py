"""Write the messages of protocol v1 as JSON text, both roles (docs/protocol.md section 4.5).

Use these through `v1_json`, which has the matching decoders. Every text is checked against the
message types before it leaves, so what is written can be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import DecodeError, EncodeError
from ..sats.sats_json import dumps, from_json
from . import v1
from .v1_json_types import CLIENT_MESSAGE, SERVER_MESSAGE, context

if TYPE_CHECKING:
    from ..sats.algebraic import SumType
    from ..sats.rows import RowList
    from ..types import TimeDuration, Timestamp
    from .json_rows import JsonCodec

__all__ = ["encode_client", "encode_server"]


def encode_client(message: v1.ClientMessage) -> str:
    """Encode a client message.

    Raises:
        EncodeError: a field does not fit the wire, or the arguments are BSATN.
    """
    try:
        return _write(CLIENT_MESSAGE, message, _client_fields(message))
    except (AttributeError, TypeError) as error:
        raise EncodeError(f"a field does not fit the wire: {error}", what=_name(message)) from error


def _client_fields(message: v1.ClientMessage) -> dict[str, Any]:
    match message:
        case v1.CallReducer(name, args, request_id, flags):
            return {
                "reducer": name,
                "args": args,
                "request_id": request_id,
                "flags": flags,
            }
        case v1.CallProcedure(name, args, request_id, flags):
            return {
                "procedure": name,
                "args": args,
                "request_id": request_id,
                "flags": flags,
            }
        case v1.OneOffQuery(message_id, query):
            return {"message_id": message_id.hex(), "query_string": query}
        case v1.Subscribe(queries, request_id):
            return {"query_strings": list(queries), "request_id": request_id}
        case v1.SubscribeSingle(query, request_id, query_id):
            return {"query": query, "request_id": request_id, "query_id": {"id": query_id}}
        case v1.SubscribeMulti(queries, request_id, query_id):
            return {
                "query_strings": list(queries),
                "request_id": request_id,
                "query_id": {"id": query_id},
            }
        case v1.Unsubscribe(request_id, query_id) | v1.UnsubscribeMulti(request_id, query_id):
            return {"request_id": request_id, "query_id": {"id": query_id}}
        case _:
            raise TypeError("not a v1 client message")


def encode_server(message: v1.ServerMessage, codec: JsonCodec) -> str:
    """Encode a server message.

    Raises:
        EncodeError: a field does not fit the wire, arguments or a value are BSATN, or a row is not
            one of its table.
    """
    try:
        return _write(SERVER_MESSAGE, message, _server_fields(message, codec))
    except (AttributeError, TypeError) as error:
        raise EncodeError(f"a field does not fit the wire: {error}", what=_name(message)) from error
    except DecodeError as error:
        raise EncodeError(f"a row does not fit: {error}", what=_name(message)) from error


def _server_fields(message: v1.ServerMessage, codec: JsonCodec) -> dict[str, Any]:
    match message:
        case v1.TransactionUpdate():
            return _transaction(message, codec)
        case v1.TransactionUpdateLight(request_id, update):
            return {"request_id": request_id, "update": _database(update, codec)}
        case v1.InitialSubscription(update, request_id, duration):
            return {
                "database_update": _database(update, codec),
                "request_id": request_id,
                "total_host_execution_duration": _duration(duration),
            }
        case v1.IdentityToken(identity, token, connection_id):
            return {
                "identity": {"__identity__": hex(int(identity))},
                "token": token,
                "connection_id": {"__connection_id__": int(connection_id)},
            }
        case v1.OneOffQueryResponse(message_id, text, tables, duration):
            return {
                "message_id": message_id.hex(),
                "error": _option(text),
                "tables": [
                    {"table_name": t.table_name, "rows": _rows(t.table_name, t.rows, codec)}
                    for t in tables
                ],
                "total_host_execution_duration": _duration(duration),
            }
        case v1.SubscribeApplied(request_id, micros, query_id, rows) | v1.UnsubscribeApplied(
            request_id, micros, query_id, rows
        ):
            table = {
                "table_id": rows.table_id,
                "table_name": rows.table_name,
                "table_rows": _table(rows.table_rows, codec),
            }
            return _applied(request_id, micros, query_id) | {"rows": table}
        case v1.SubscribeMultiApplied(
            request_id, micros, query_id, update
        ) | v1.UnsubscribeMultiApplied(request_id, micros, query_id, update):
            return _applied(request_id, micros, query_id) | {"update": _database(update, codec)}
        case v1.SubscriptionError(micros, request_id, query_id, table_id, text):
            return {
                "total_host_execution_duration_micros": micros,
                "request_id": _option(request_id),
                "query_id": _option(query_id),
                "table_id": _option(table_id),
                "error": text,
            }
        case v1.ProcedureResult(status, timestamp, duration, request_id):
            return {
                "status": _procedure_status(status),
                "timestamp": _timestamp(timestamp),
                "total_host_execution_duration": _duration(duration),
                "request_id": request_id,
            }
        case _:
            raise TypeError("not a v1 server message")


def _transaction(message: v1.TransactionUpdate, codec: JsonCodec) -> dict[str, Any]:
    call = message.reducer_call
    return {
        "status": _update_status(message.status, codec),
        "timestamp": _timestamp(message.timestamp),
        "caller_identity": {"__identity__": hex(int(message.caller_identity))},
        "caller_connection_id": {"__connection_id__": int(message.caller_connection_id)},
        "reducer_call": {
            "reducer_name": call.reducer_name,
            "reducer_id": call.reducer_id,
            "args": call.args,
            "request_id": call.request_id,
        },
        "energy_quanta_used": {"quanta": message.energy_quanta_used},
        "total_host_execution_duration": _duration(message.total_host_execution_duration),
    }


def _update_status(status: v1.UpdateStatus, codec: JsonCodec) -> dict[str, Any]:
    match status:
        case v1.Committed(update):
            return {"Committed": _database(update, codec)}
        case v1.Failed(text):
            return {"Failed": text}
        case v1.OutOfEnergy():
            return {"OutOfEnergy": []}
        case _:
            raise TypeError("not an update status")


def _procedure_status(status: v1.ProcedureStatus) -> dict[str, Any]:
    match status:
        case v1.ProcedureReturned(value):
            return {"Returned": value}
        case v1.ProcedureOutOfEnergy():
            return {"OutOfEnergy": []}
        case v1.ProcedureInternalError(text):
            return {"InternalError": text}
        case _:
            raise TypeError("not a procedure status")


def _applied(request_id: int, micros: int, query_id: int) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "total_host_execution_duration_micros": micros,
        "query_id": {"id": query_id},
    }


def _database(update: v1.DatabaseUpdate, codec: JsonCodec) -> dict[str, Any]:
    return {"tables": [_table(table, codec) for table in update]}


def _table(table: v1.TableUpdate, codec: JsonCodec) -> dict[str, Any]:
    name = table.table_name
    return {
        "table_id": table.table_id,
        "table_name": name,
        "num_rows": table.num_rows,
        "updates": [
            {
                "deletes": _rows(name, update.deletes, codec),
                "inserts": _rows(name, update.inserts, codec),
            }
            for update in table.updates
        ],
    }


def _rows(table: str, rows: RowList, codec: JsonCodec) -> list[str]:
    return [codec.decode_row(table, row) for row in rows.slices()]


def _option(value: object) -> dict[str, Any]:
    return {"none": []} if value is None else {"some": value}


def _timestamp(value: Timestamp) -> dict[str, Any]:
    return {"__timestamp_micros_since_unix_epoch__": value.micros_since_unix_epoch}


def _duration(value: TimeDuration) -> dict[str, Any]:
    return {"__time_duration_micros__": value.micros}


def _name(message: object) -> str:
    return type(message).__name__


def _write(ty: SumType, message: object, fields: dict[str, Any]) -> str:
    """Return the text of a message, once reading it back has shown that it is one."""
    envelope = {_name(message): fields}
    try:
        from_json(ty, context(), envelope)
    except DecodeError as error:
        raise EncodeError(f"a field does not fit the wire: {error}", what=_name(message)) from error
    return dumps(envelope)
