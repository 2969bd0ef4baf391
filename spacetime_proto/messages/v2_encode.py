"""Write the messages of protocol v2 in BSATN, both roles (docs/protocol.md sections 4.2 and 4.3).

Use these through `v2`, which has the matching decoders.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from . import reading
from .reading import I64, U32, put_blob, put_string
from .v2_model import (
    CallProcedure,
    CallReducer,
    InitialConnection,
    OneOffQuery,
    OneOffQueryResult,
    PersistentRows,
    ProcedureResult,
    ProcedureReturned,
    ReducerErr,
    ReducerInternalError,
    ReducerOk,
    ReducerOkEmpty,
    ReducerResult,
    Subscribe,
    SubscribeApplied,
    SubscriptionError,
    TransactionUpdate,
    Unsubscribe,
    UnsubscribeApplied,
)

if TYPE_CHECKING:
    from .v2_model import ClientMessage, ServerMessage, SingleTableRows

__all__ = ["encode_client", "encode_server"]

_TAG_U32: Final = struct.Struct("<BI")
_TAG_U32X2: Final = struct.Struct("<BII")
_TAG_U32_U8: Final = struct.Struct("<BIB")
_U32X2: Final = struct.Struct("<II")


def encode_client(message: ClientMessage) -> bytes:
    """Encode a client message; client payloads have no compression tag.

    Raises:
        EncodeError: a field does not fit the wire (an id beyond 32 bits, a lone surrogate).
    """
    out = bytearray()
    try:
        match message:
            case CallReducer(request_id, name, args, flags):
                out += _TAG_U32_U8.pack(3, request_id, flags)
                put_string(out, name)
                put_blob(out, args)
            case CallProcedure(request_id, name, args, flags):
                out += _TAG_U32_U8.pack(4, request_id, flags)
                put_string(out, name)
                put_blob(out, args)
            case Subscribe(request_id, query_set_id, queries):
                out += _TAG_U32X2.pack(0, request_id, query_set_id)
                reading.put_strings(out, queries)
            case Unsubscribe(request_id, query_set_id, flags):
                out += _TAG_U32X2.pack(1, request_id, query_set_id)
                out.append(flags)
            case OneOffQuery(request_id, query):
                out += _TAG_U32.pack(2, request_id)
                put_string(out, query)
            case _:
                raise TypeError("not a v2 client message")
    except reading.RAW_ENCODE_ERRORS as error:
        raise reading.unencodable(message, error) from error
    return bytes(out)


def encode_server(message: ServerMessage) -> bytes:
    """Encode a server message, without the compression tag (see `frames.compress`).

    Raises:
        EncodeError: a field does not fit the wire.
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
            out.append(4)
            _put_update(out, message)
        case ReducerResult(request_id, timestamp, outcome):
            out += _TAG_U32.pack(6, request_id)
            out += I64.pack(timestamp.micros_since_unix_epoch)
            _put_outcome(out, outcome)
        case SubscribeApplied(request_id, query_set_id, rows):
            out += _TAG_U32X2.pack(1, request_id, query_set_id)
            _put_query_rows(out, rows)
        case UnsubscribeApplied(request_id, query_set_id, rows):
            out += _TAG_U32X2.pack(2, request_id, query_set_id)
            if rows is None:
                out.append(1)
            else:
                out.append(0)
                _put_query_rows(out, rows)
        case SubscriptionError(request_id, query_set_id, text):
            out.append(3)
            reading.put_option_u32(out, request_id)
            out += U32.pack(query_set_id)
            put_string(out, text)
        case OneOffQueryResult(request_id, result):
            out += _TAG_U32.pack(5, request_id)
            if isinstance(result, str):
                out.append(1)
                put_string(out, result)
            else:
                out.append(0)
                _put_query_rows(out, result)
        case ProcedureResult(status, timestamp, duration, request_id):
            out.append(7)
            if isinstance(status, ProcedureReturned):
                out.append(0)
                put_blob(out, status.value)
            else:
                out.append(1)
                put_string(out, status.message)
            out += I64.pack(timestamp.micros_since_unix_epoch)
            out += I64.pack(duration.micros)
            out += U32.pack(request_id)
        case InitialConnection(identity, connection_id, token):
            out.append(0)
            out += identity.data[::-1]
            out += connection_id.data[::-1]
            put_string(out, token)
        case _:
            raise TypeError("not a v2 server message")


def _put_outcome(out: bytearray, outcome: Any) -> None:
    match outcome:
        case ReducerOk(ret_value, update):
            out.append(0)
            put_blob(out, ret_value)
            _put_update(out, update)
        case ReducerOkEmpty():
            out.append(1)
        case ReducerErr(error):
            out.append(2)
            put_blob(out, error)
        case ReducerInternalError(text):
            out.append(3)
            put_string(out, text)
        case _:
            raise TypeError("not a reducer outcome")


def _put_update(out: bytearray, update: TransactionUpdate) -> None:
    out += U32.pack(len(update.query_sets))
    for query_set in update.query_sets:
        out += _U32X2.pack(query_set.query_set_id, len(query_set.tables))
        for table in query_set.tables:
            put_string(out, table.table_name)
            out += U32.pack(len(table.rows))
            for fragment in table.rows:
                if isinstance(fragment, PersistentRows):
                    out.append(0)
                    fragment.inserts.encode_into(out)
                    fragment.deletes.encode_into(out)
                else:
                    out.append(1)
                    fragment.events.encode_into(out)


def _put_query_rows(out: bytearray, tables: tuple[SingleTableRows, ...]) -> None:
    out += U32.pack(len(tables))
    for table in tables:
        put_string(out, table.table)
        table.rows.encode_into(out)
