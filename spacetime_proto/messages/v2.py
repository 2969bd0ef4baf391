"""Protocol v2 in BSATN, both roles (docs/protocol.md sections 4.2 and 4.3).

Decoders take a payload and a position, so that a message after the compression tag, or after another
message of a v3 payload, costs no copy. Each returns the message and the position after it: whether
anything may follow is the caller's business. `TransactionUpdate` is the message that matters for
speed and is decoded in one straight run; the others read field by field.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from ..errors import DecodeError
from ..limits import MAX_ROWS
from ..types import TimeDuration, Timestamp
from . import reading
from .reading import U32
from .v2_encode import encode_client, encode_server
from .v2_model import (
    SEND_DROPPED_ROWS,
    CallProcedure,
    CallReducer,
    ClientMessage,
    EventRows,
    InitialConnection,
    OneOffQuery,
    OneOffQueryResult,
    PersistentRows,
    ProcedureInternalError,
    ProcedureResult,
    ProcedureReturned,
    ProcedureStatus,
    QuerySetUpdate,
    ReducerErr,
    ReducerInternalError,
    ReducerOk,
    ReducerOkEmpty,
    ReducerOutcome,
    ReducerResult,
    ServerMessage,
    SingleTableRows,
    Subscribe,
    SubscribeApplied,
    SubscriptionError,
    TableUpdate,
    TransactionUpdate,
    Unsubscribe,
    UnsubscribeApplied,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "SEND_DROPPED_ROWS",
    "CallProcedure",
    "CallReducer",
    "ClientMessage",
    "EventRows",
    "InitialConnection",
    "OneOffQuery",
    "OneOffQueryResult",
    "PersistentRows",
    "ProcedureInternalError",
    "ProcedureResult",
    "ProcedureReturned",
    "ProcedureStatus",
    "QuerySetUpdate",
    "ReducerErr",
    "ReducerInternalError",
    "ReducerOk",
    "ReducerOkEmpty",
    "ReducerOutcome",
    "ReducerResult",
    "ServerMessage",
    "SingleTableRows",
    "Subscribe",
    "SubscribeApplied",
    "SubscriptionError",
    "TableUpdate",
    "TransactionUpdate",
    "Unsubscribe",
    "UnsubscribeApplied",
    "decode_client",
    "decode_server",
    "encode_client",
    "encode_server",
    "read_server",
]

_U32X2: Final = struct.Struct("<II")


# --- client messages, read by the server role -------------------------------------------------


def decode_client(data: bytes, pos: int = 0, max_rows: int = MAX_ROWS) -> tuple[ClientMessage, int]:
    """Decode the client message at `pos`.

    Args:
        data: the payload.
        pos: where the message starts.
        max_rows: how many queries a Subscribe may hold.

    Returns:
        the message, and the position after it.

    Raises:
        DecodeError: its `detail` is the text that a SpacetimeDB server closes with.
        LimitExceeded: more queries than `max_rows`.
    """
    start = pos
    tag, pos = reading.u8(data, pos)
    if tag > 4:
        reading.unknown_tag(tag, "ClientMessage", start)
    try:
        request_id, pos = reading.u32(data, pos)
        if tag < 2:
            query_set_id, pos = reading.u32(data, pos)
            if tag == 0:
                queries, pos = reading.strings(data, pos, max_rows)
                return Subscribe(request_id, query_set_id, queries), pos
            flags, pos = reading.u8(data, pos)
            if flags > SEND_DROPPED_ROWS:
                reading.unknown_tag(flags, "UnsubscribeFlags", pos - 1)
            return Unsubscribe(request_id, query_set_id, flags), pos
        if tag == 2:
            query, pos = reading.string(data, pos)
            return OneOffQuery(request_id, query), pos
        flags, pos = reading.u8(data, pos)
        if flags:
            kind = "reducer" if tag == 3 else "procedure"
            raise DecodeError(f"invalid call {kind} flag {flags}", offset=pos - 1)
        name, pos = reading.string(data, pos)
        args, pos = reading.blob(data, pos)
        if tag == 3:
            return CallReducer(request_id, name, args), pos
        return CallProcedure(request_id, name, args), pos
    except DecodeError as error:
        raise error.within(_CLIENT_NAMES[tag]) from error.__cause__
    except reading.RowBudgetSpent:
        raise reading.over_budget(_CLIENT_NAMES[tag], max_rows) from None


_CLIENT_NAMES: Final = ("Subscribe", "Unsubscribe", "OneOffQuery", "CallReducer", "CallProcedure")


# --- server messages, read by the client role -------------------------------------------------


def decode_server(data: bytes, pos: int = 0, max_rows: int = MAX_ROWS) -> tuple[ServerMessage, int]:
    """Decode the server message at `pos` (after the compression tag; see `frames`).

    Args:
        data: the payload; the message's row lists keep it alive.
        pos: where the message starts.
        max_rows: budget of rows and of the lists that hold them.

    Returns:
        the message, and the position after it.

    Raises:
        DecodeError: names the message, the table and the offset of the damage.
        LimitExceeded: more rows than `max_rows`.
    """
    try:
        message, pos, _ = read_server(data, pos, max_rows)
    except reading.RowBudgetSpent:
        raise reading.over_budget("a server message", max_rows) from None
    return message, pos


def read_server(data: bytes, pos: int, left: int) -> tuple[ServerMessage, int, int]:
    """Decode one message of a payload that has a common row budget (see `frames`).

    Returns:
        the message, the position after it, and what is left of the budget.

    Raises:
        DecodeError: as `decode_server`.
        RowBudgetSpent: more rows than `left`.
    """
    tag, at = reading.u8(data, pos)
    if tag >= len(_SERVER_DECODERS):
        reading.unknown_tag(tag, "ServerMessage", pos)
    name, decode = _SERVER_DECODERS[tag]
    try:
        return decode(data, at, left)
    except DecodeError as error:
        raise error.within(name) from error.__cause__


def _transaction_update(data: bytes, pos: int, left: int) -> tuple[TransactionUpdate, int, int]:
    # The name is sliced after what follows it was read, so the slice cannot be short.
    unpack_u32 = U32.unpack_from
    unpack_u32x2 = _U32X2.unpack_from
    row_list = reading.row_list
    name = ""
    try:
        (set_count,) = unpack_u32(data, pos)
        pos += 4
        query_sets = []
        for _ in range(set_count):
            query_set_id, table_count = unpack_u32x2(data, pos)
            pos += 8
            left -= 1
            tables = []
            for _ in range(table_count):
                name = ""
                (length,) = unpack_u32(data, pos)
                pos += 4 + length
                (fragment_count,) = unpack_u32(data, pos)
                name = data[pos - length : pos].decode()
                pos += 4
                left -= 1
                if left < 0:
                    raise reading.RowBudgetSpent
                fragments: list[PersistentRows | EventRows] = []
                for _ in range(fragment_count):
                    kind = data[pos]
                    if kind == 0:
                        inserts, pos, left = row_list(data, pos + 1, left - 1)
                        deletes, pos, left = row_list(data, pos, left)
                        fragments.append(PersistentRows(inserts, deletes))
                    elif kind == 1:
                        events, pos, left = row_list(data, pos + 1, left - 1)
                        fragments.append(EventRows(events))
                    else:
                        reading.unknown_tag(kind, "TableUpdateRows", pos)
                tables.append(TableUpdate(name, tuple(fragments)))
            if left < 0:
                raise reading.RowBudgetSpent
            query_sets.append(QuerySetUpdate(query_set_id, tuple(tables)))
        return TransactionUpdate(tuple(query_sets)), pos, left
    except (struct.error, IndexError) as error:
        raise DecodeError("data ends too early", what=_table(name), offset=len(data)) from error
    except UnicodeDecodeError as error:
        raise DecodeError(f"invalid utf-8: {error.reason}", what="table name") from error
    except DecodeError as error:
        raise error.within(_table(name)) if name else error from error.__cause__


def _table(name: str) -> str:
    return f"table {name!r}" if name else ""


def _query_rows(data: bytes, pos: int, left: int) -> tuple[tuple[SingleTableRows, ...], int, int]:
    count, pos = reading.u32(data, pos)
    tables = []
    for _ in range(count):
        name, pos = reading.string(data, pos)
        try:
            rows, pos, left = reading.row_list(data, pos, left - 1)
        except DecodeError as error:
            raise error.within(_table(name)) from error.__cause__
        tables.append(SingleTableRows(name, rows))
    return tuple(tables), pos, left


def _initial_connection(data: bytes, pos: int, left: int) -> tuple[InitialConnection, int, int]:
    identity, pos = reading.identity(data, pos)
    connection_id, pos = reading.connection_id(data, pos)
    token, pos = reading.string(data, pos)
    return InitialConnection(identity, connection_id, token), pos, left


def _subscribe_applied(data: bytes, pos: int, left: int) -> tuple[SubscribeApplied, int, int]:
    request_id, pos = reading.u32(data, pos)
    query_set_id, pos = reading.u32(data, pos)
    rows, pos, left = _query_rows(data, pos, left)
    return SubscribeApplied(request_id, query_set_id, rows), pos, left


def _unsubscribe_applied(data: bytes, pos: int, left: int) -> tuple[UnsubscribeApplied, int, int]:
    request_id, pos = reading.u32(data, pos)
    query_set_id, pos = reading.u32(data, pos)
    tag, pos = reading.u8(data, pos)
    if tag == 1:
        return UnsubscribeApplied(request_id, query_set_id, None), pos, left
    if tag:
        reading.unknown_tag(tag, "Option", pos - 1)
    rows, pos, left = _query_rows(data, pos, left)
    return UnsubscribeApplied(request_id, query_set_id, rows), pos, left


def _subscription_error(data: bytes, pos: int, left: int) -> tuple[SubscriptionError, int, int]:
    request_id, pos = reading.option_u32(data, pos)
    query_set_id, pos = reading.u32(data, pos)
    text, pos = reading.string(data, pos)
    return SubscriptionError(request_id, query_set_id, text), pos, left


def _one_off_query_result(data: bytes, pos: int, left: int) -> tuple[OneOffQueryResult, int, int]:
    request_id, pos = reading.u32(data, pos)
    tag, pos = reading.u8(data, pos)
    if tag == 0:
        rows, pos, left = _query_rows(data, pos, left)
        return OneOffQueryResult(request_id, rows), pos, left
    if tag > 1:
        reading.unknown_tag(tag, "Result", pos - 1)
    text, pos = reading.string(data, pos)
    return OneOffQueryResult(request_id, text), pos, left


def _reducer_result(data: bytes, pos: int, left: int) -> tuple[ReducerResult, int, int]:
    request_id, pos = reading.u32(data, pos)
    micros, pos = reading.i64(data, pos)
    tag, pos = reading.u8(data, pos)
    outcome: ReducerOutcome
    if tag == 0:
        ret_value, pos = reading.blob(data, pos)
        update, pos, left = _transaction_update(data, pos, left)
        outcome = ReducerOk(ret_value, update)
    elif tag == 1:
        outcome = ReducerOkEmpty()
    elif tag == 2:
        value, pos = reading.blob(data, pos)
        outcome = ReducerErr(value)
    elif tag == 3:
        text, pos = reading.string(data, pos)
        outcome = ReducerInternalError(text)
    else:
        reading.unknown_tag(tag, "ReducerOutcome", pos - 1)
    return ReducerResult(request_id, Timestamp(micros), outcome), pos, left


def _procedure_result(data: bytes, pos: int, left: int) -> tuple[ProcedureResult, int, int]:
    tag, pos = reading.u8(data, pos)
    status: ProcedureStatus
    if tag == 0:
        value, pos = reading.blob(data, pos)
        status = ProcedureReturned(value)
    elif tag == 1:
        text, pos = reading.string(data, pos)
        status = ProcedureInternalError(text)
    else:
        reading.unknown_tag(tag, "ProcedureStatus", pos - 1)
    micros, pos = reading.i64(data, pos)
    duration, pos = reading.i64(data, pos)
    request_id, pos = reading.u32(data, pos)
    return ProcedureResult(status, Timestamp(micros), TimeDuration(duration), request_id), pos, left


#: Name and decoder of each server message, by tag.
_SERVER_DECODERS: Final[
    tuple[tuple[str, Callable[[bytes, int, int], tuple[ServerMessage, int, int]]], ...]
] = (
    ("InitialConnection", _initial_connection),
    ("SubscribeApplied", _subscribe_applied),
    ("UnsubscribeApplied", _unsubscribe_applied),
    ("SubscriptionError", _subscription_error),
    ("TransactionUpdate", _transaction_update),
    ("OneOffQueryResult", _one_off_query_result),
    ("ReducerResult", _reducer_result),
    ("ProcedureResult", _procedure_result),
)
