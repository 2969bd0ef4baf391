"""Write the messages of protocol v1 in BSATN, both roles (docs/protocol.md section 4.4).

Use these through `v1`, which has the matching decoders. Query updates are written uncompressed, as
a 2.x server does; payloads are compressed as a whole (`frames.compress`).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from . import reading
from .reading import I64, U32, U64, put_blob, put_string
from .v1_model import (
    CallProcedure,
    CallReducer,
    Committed,
    Failed,
    IdentityToken,
    InitialSubscription,
    OneOffQuery,
    OneOffQueryResponse,
    OutOfEnergy,
    ProcedureInternalError,
    ProcedureOutOfEnergy,
    ProcedureResult,
    ProcedureReturned,
    Subscribe,
    SubscribeApplied,
    SubscribeMulti,
    SubscribeMultiApplied,
    SubscribeSingle,
    SubscriptionError,
    TransactionUpdate,
    TransactionUpdateLight,
    Unsubscribe,
    UnsubscribeApplied,
    UnsubscribeMulti,
    UnsubscribeMultiApplied,
)

if TYPE_CHECKING:
    from .v1_model import ClientMessage, DatabaseUpdate, ServerMessage, TableUpdate

__all__ = ["encode_client", "encode_server"]

_U32X2: Final = struct.Struct("<II")
_U32_U8: Final = struct.Struct("<IB")
_TAG_U32X2: Final = struct.Struct("<BII")
_APPLIED: Final = struct.Struct("<BIQI")


def encode_client(message: ClientMessage) -> bytes:
    """Encode a client message; client payloads have no compression tag.

    Raises:
        EncodeError: a field does not fit the wire, or the arguments are JSON text.
    """
    out = bytearray()
    try:
        _put_client(out, message)
    except reading.RAW_ENCODE_ERRORS as error:
        raise reading.unencodable(message, error) from error
    return bytes(out)


def _put_client(out: bytearray, message: Any) -> None:
    match message:
        case CallReducer(name, args, request_id, flags):
            _put_call(out, 0, name, args, request_id, flags)
        case Subscribe(queries, request_id):
            out.append(1)
            reading.put_strings(out, queries)
            out += U32.pack(request_id)
        case OneOffQuery(message_id, query):
            out.append(2)
            put_blob(out, message_id)
            put_string(out, query)
        case SubscribeSingle(query, request_id, query_id):
            out.append(3)
            put_string(out, query)
            out += _U32X2.pack(request_id, query_id)
        case SubscribeMulti(queries, request_id, query_id):
            out.append(4)
            reading.put_strings(out, queries)
            out += _U32X2.pack(request_id, query_id)
        case Unsubscribe(request_id, query_id):
            out += _TAG_U32X2.pack(5, request_id, query_id)
        case UnsubscribeMulti(request_id, query_id):
            out += _TAG_U32X2.pack(6, request_id, query_id)
        case CallProcedure(name, args, request_id, flags):
            _put_call(out, 7, name, args, request_id, flags)
        case _:
            raise TypeError("not a v1 client message")


def _put_call(
    out: bytearray, tag: int, name: str, args: bytes | str, request_id: int, flags: int
) -> None:
    out.append(tag)
    put_string(out, name)
    _put_bsatn(out, args)
    out += _U32_U8.pack(request_id, flags)


def _put_bsatn(out: bytearray, value: bytes | str) -> None:
    if isinstance(value, str):
        raise TypeError("JSON text where BSATN is needed")
    put_blob(out, value)


def encode_server(message: ServerMessage) -> bytes:
    """Encode a server message, without the compression tag (see `frames.compress`).

    Raises:
        EncodeError: a field does not fit the wire, or arguments or a value are JSON text.
    """
    out = bytearray()
    try:
        _put_server(out, message)
    except reading.RAW_ENCODE_ERRORS as error:
        raise reading.unencodable(message, error) from error
    return bytes(out)


def _put_server(out: bytearray, message: Any) -> None:
    match message:
        case TransactionUpdate():
            _put_transaction(out, message)
        case TransactionUpdateLight(request_id, update):
            out.append(2)
            out += U32.pack(request_id)
            _put_database(out, update)
        case InitialSubscription(update, request_id, duration):
            out.append(0)
            _put_database(out, update)
            out += U32.pack(request_id)
            out += I64.pack(duration.micros)
        case IdentityToken(identity, token, connection_id):
            out.append(3)
            out += identity.data[::-1]
            put_string(out, token)
            out += connection_id.data[::-1]
        case OneOffQueryResponse(message_id, error, tables, duration):
            out.append(4)
            put_blob(out, message_id)
            reading.put_option_string(out, error)
            out += U32.pack(len(tables))
            for table in tables:
                put_string(out, table.table_name)
                table.rows.encode_into(out)
            out += I64.pack(duration.micros)
        case SubscribeApplied(request_id, micros, query_id, rows):
            out += _APPLIED.pack(5, request_id, micros, query_id)
            _put_subscribe_rows(out, rows)
        case UnsubscribeApplied(request_id, micros, query_id, rows):
            out += _APPLIED.pack(6, request_id, micros, query_id)
            _put_subscribe_rows(out, rows)
        case SubscriptionError(micros, request_id, query_id, table_id, text):
            out.append(7)
            out += U64.pack(micros)
            reading.put_option_u32(out, request_id)
            reading.put_option_u32(out, query_id)
            reading.put_option_u32(out, table_id)
            put_string(out, text)
        case SubscribeMultiApplied(request_id, micros, query_id, update):
            out += _APPLIED.pack(8, request_id, micros, query_id)
            _put_database(out, update)
        case UnsubscribeMultiApplied(request_id, micros, query_id, update):
            out += _APPLIED.pack(9, request_id, micros, query_id)
            _put_database(out, update)
        case ProcedureResult(status, timestamp, duration, request_id):
            out.append(10)
            _put_procedure_status(out, status)
            out += I64.pack(timestamp.micros_since_unix_epoch)
            out += I64.pack(duration.micros)
            out += U32.pack(request_id)
        case _:
            raise TypeError("not a v1 server message")


def _put_transaction(out: bytearray, message: TransactionUpdate) -> None:
    out.append(1)
    match message.status:
        case Committed(update):
            out.append(0)
            _put_database(out, update)
        case Failed(text):
            out.append(1)
            put_string(out, text)
        case OutOfEnergy():
            out.append(2)
        case _:
            raise TypeError("not an update status")
    out += I64.pack(message.timestamp.micros_since_unix_epoch)
    out += message.caller_identity.data[::-1]
    out += message.caller_connection_id.data[::-1]
    call: Any = message.reducer_call
    put_string(out, call.reducer_name)
    out += U32.pack(call.reducer_id)
    _put_bsatn(out, call.args)
    out += U32.pack(call.request_id)
    try:
        out += message.energy_quanta_used.to_bytes(16, "little")
    except OverflowError as error:
        raise ValueError(f"energy does not fit 128 bits: {error}") from error
    out += I64.pack(message.total_host_execution_duration.micros)


def _put_procedure_status(out: bytearray, status: Any) -> None:
    match status:
        case ProcedureReturned(value):
            out.append(0)
            _put_bsatn(out, value)
        case ProcedureOutOfEnergy():
            out.append(1)
        case ProcedureInternalError(text):
            out.append(2)
            put_string(out, text)
        case _:
            raise TypeError("not a procedure status")


def _put_subscribe_rows(out: bytearray, rows: Any) -> None:
    out += U32.pack(rows.table_id)
    put_string(out, rows.table_name)
    _put_table(out, rows.table_rows)


def _put_database(out: bytearray, update: DatabaseUpdate) -> None:
    out += U32.pack(len(update))
    for table in update:
        _put_table(out, table)


def _put_table(out: bytearray, table: TableUpdate) -> None:
    out += U32.pack(table.table_id)
    put_string(out, table.table_name)
    out += U64.pack(table.num_rows)
    out += U32.pack(len(table.updates))
    for update in table.updates:
        out.append(0)
        update.deletes.encode_into(out)
        update.inserts.encode_into(out)
