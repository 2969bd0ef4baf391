"""Protocol v1 in BSATN, both roles (docs/protocol.md section 4.4): server messages, and all v1 names.

Decoders take a payload and a position and return the message and the position after it. A query
update inside a message may be compressed on its own; what all of them together become is bounded
like one payload (see `_Budget`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import DecodeError, LimitExceeded
from ..limits import DEFAULT_LIMITS, Limits
from ..types import TimeDuration, Timestamp
from . import reading
from .compression import BROTLI, GZIP, inflate
from .v1_client import decode_client
from .v1_encode import encode_client, encode_server
from .v1_model import (
    NO_SUCCESS_NOTIFY,
    UNKNOWN_REDUCER_ID,
    CallProcedure,
    CallReducer,
    ClientMessage,
    Committed,
    DatabaseUpdate,
    Failed,
    IdentityToken,
    InitialSubscription,
    OneOffQuery,
    OneOffQueryResponse,
    OneOffTable,
    OutOfEnergy,
    ProcedureInternalError,
    ProcedureOutOfEnergy,
    ProcedureResult,
    ProcedureReturned,
    ProcedureStatus,
    QueryUpdate,
    ReducerCallInfo,
    ServerMessage,
    Subscribe,
    SubscribeApplied,
    SubscribeMulti,
    SubscribeMultiApplied,
    SubscribeRows,
    SubscribeSingle,
    SubscriptionError,
    TableUpdate,
    TransactionUpdate,
    TransactionUpdateLight,
    Unsubscribe,
    UnsubscribeApplied,
    UnsubscribeMulti,
    UnsubscribeMultiApplied,
    UpdateStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..sats.rows import RowList

__all__ = [
    "NO_SUCCESS_NOTIFY",
    "UNKNOWN_REDUCER_ID",
    "CallProcedure",
    "CallReducer",
    "ClientMessage",
    "Committed",
    "DatabaseUpdate",
    "Failed",
    "IdentityToken",
    "InitialSubscription",
    "OneOffQuery",
    "OneOffQueryResponse",
    "OneOffTable",
    "OutOfEnergy",
    "ProcedureInternalError",
    "ProcedureOutOfEnergy",
    "ProcedureResult",
    "ProcedureReturned",
    "ProcedureStatus",
    "QueryUpdate",
    "ReducerCallInfo",
    "ServerMessage",
    "Subscribe",
    "SubscribeApplied",
    "SubscribeMulti",
    "SubscribeMultiApplied",
    "SubscribeRows",
    "SubscribeSingle",
    "SubscriptionError",
    "TableUpdate",
    "TransactionUpdate",
    "TransactionUpdateLight",
    "Unsubscribe",
    "UnsubscribeApplied",
    "UnsubscribeMulti",
    "UnsubscribeMultiApplied",
    "UpdateStatus",
    "decode_client",
    "decode_server",
    "encode_client",
    "encode_server",
]


# --- server messages, read by the client role -------------------------------------------------


def decode_server(
    data: bytes, pos: int = 0, limits: Limits = DEFAULT_LIMITS, *, wire_size: int | None = None
) -> tuple[ServerMessage, int]:
    """Decode the server message at `pos` (after the compression tag; see `frames.decompress`).

    Args:
        data: the payload, decompressed; the message's row lists keep it alive.
        pos: where the message starts.
        limits: of this connection.
        wire_size: size of the payload as it came, if that was compressed; bounds follow from it.

    Returns:
        the message, and the position after it.

    Raises:
        DecodeError: names the message, the table and the offset of the damage.
        LimitExceeded: more rows, or more bytes out of inner compression, than allowed.
    """
    tag, at = reading.u8(data, pos)
    if tag >= len(_SERVER_DECODERS):
        reading.unknown_tag(tag, "ServerMessage", pos)
    name, decode = _SERVER_DECODERS[tag]
    budget = _Budget(limits, len(data) if wire_size is None else wire_size)
    try:
        return decode(data, at, budget)
    except DecodeError as error:
        raise error.within(name) from error.__cause__
    except reading.RowBudgetSpent:
        raise reading.over_budget(name, budget.max_rows) from None


class _Budget:
    """What is left for one message: rows, and bytes that inner compression may produce.

    Without the second, a kilobyte of tiny compressed updates could each claim the whole floor of
    the decompression ratio.
    """

    def __init__(self, limits: Limits, wire_size: int) -> None:
        self.limits = limits
        self.max_rows = self.left = limits.rows_for(wire_size)
        self.max_bytes = self.bytes_left = limits.decompressed_for(wire_size)

    def charge(self) -> None:
        """Pay for one list or value that holds rows."""
        self.left -= 1
        if self.left < 0:
            raise reading.RowBudgetSpent

    def inflate(self, body: bytes, algorithm: int) -> bytes:
        """Decompress an inner update."""
        data = inflate(body, algorithm, self.limits)
        self.bytes_left -= len(data)
        if self.bytes_left < 0:
            raise LimitExceeded(
                f"the compressed updates of a message become more than {self.max_bytes:,} bytes",
                limit="decompression_ratio",
                maximum=self.limits.decompression_ratio,
            )
        return data


def _rows(data: bytes, pos: int, budget: _Budget) -> tuple[RowList, int]:
    rows, pos, budget.left = reading.row_list(data, pos, budget.left)
    return rows, pos


def _query_update(data: bytes, pos: int, budget: _Budget) -> tuple[QueryUpdate, int]:
    budget.charge()
    tag, pos = reading.u8(data, pos)
    if tag == 0:
        deletes, pos = _rows(data, pos, budget)
        inserts, pos = _rows(data, pos, budget)
        return QueryUpdate(deletes, inserts), pos
    if tag not in (BROTLI, GZIP):
        reading.unknown_tag(tag, "CompressableQueryUpdate", pos - 1)
    body, pos = reading.blob(data, pos)
    inner = budget.inflate(body, tag)
    deletes, at = _rows(inner, 0, budget)
    inserts, at = _rows(inner, at, budget)
    if at != len(inner):
        raise DecodeError(f"{len(inner) - at} bytes after the update", what="compressed update")
    return QueryUpdate(deletes, inserts), pos


def _table_update(data: bytes, pos: int, budget: _Budget) -> tuple[TableUpdate, int]:
    budget.charge()
    table_id, pos = reading.u32(data, pos)
    name, pos = reading.string(data, pos)
    try:
        num_rows, pos = reading.u64(data, pos)
        count, pos = reading.u32(data, pos)
        updates = []
        for _ in range(count):
            update, pos = _query_update(data, pos, budget)
            updates.append(update)
    except DecodeError as error:
        raise error.within(f"table {name!r}") from error.__cause__
    return TableUpdate(table_id, name, num_rows, tuple(updates)), pos


def _database_update(data: bytes, pos: int, budget: _Budget) -> tuple[DatabaseUpdate, int]:
    count, pos = reading.u32(data, pos)
    tables = []
    for _ in range(count):
        table, pos = _table_update(data, pos, budget)
        tables.append(table)
    return tuple(tables), pos


def _duration(data: bytes, pos: int) -> tuple[TimeDuration, int]:
    micros, pos = reading.i64(data, pos)
    return TimeDuration(micros), pos


def _initial_subscription(
    data: bytes, pos: int, budget: _Budget
) -> tuple[InitialSubscription, int]:
    update, pos = _database_update(data, pos, budget)
    request_id, pos = reading.u32(data, pos)
    duration, pos = _duration(data, pos)
    return InitialSubscription(update, request_id, duration), pos


def _transaction_update(data: bytes, pos: int, budget: _Budget) -> tuple[TransactionUpdate, int]:
    tag, pos = reading.u8(data, pos)
    status: UpdateStatus
    if tag == 0:
        update, pos = _database_update(data, pos, budget)
        status = Committed(update)
    elif tag == 1:
        text, pos = reading.string(data, pos)
        status = Failed(text)
    elif tag == 2:
        status = OutOfEnergy()
    else:
        reading.unknown_tag(tag, "UpdateStatus", pos - 1)
    micros, pos = reading.i64(data, pos)
    identity, pos = reading.identity(data, pos)
    connection_id, pos = reading.connection_id(data, pos)
    name, pos = reading.string(data, pos)
    reducer_id, pos = reading.u32(data, pos)
    args, pos = reading.blob(data, pos)
    request_id, pos = reading.u32(data, pos)
    energy, pos = reading.u128(data, pos)
    duration, pos = _duration(data, pos)
    call = ReducerCallInfo(name, reducer_id, args, request_id)
    return (
        TransactionUpdate(
            status, Timestamp(micros), identity, connection_id, call, energy, duration
        ),
        pos,
    )


def _transaction_update_light(
    data: bytes, pos: int, budget: _Budget
) -> tuple[TransactionUpdateLight, int]:
    request_id, pos = reading.u32(data, pos)
    update, pos = _database_update(data, pos, budget)
    return TransactionUpdateLight(request_id, update), pos


def _identity_token(data: bytes, pos: int, budget: _Budget) -> tuple[IdentityToken, int]:
    identity, pos = reading.identity(data, pos)
    token, pos = reading.string(data, pos)
    connection_id, pos = reading.connection_id(data, pos)
    return IdentityToken(identity, token, connection_id), pos


def _one_off_query_response(
    data: bytes, pos: int, budget: _Budget
) -> tuple[OneOffQueryResponse, int]:
    message_id, pos = reading.blob(data, pos)
    error, pos = reading.option_string(data, pos)
    count, pos = reading.u32(data, pos)
    tables = []
    for _ in range(count):
        budget.charge()
        name, pos = reading.string(data, pos)
        rows, pos = _rows(data, pos, budget)
        tables.append(OneOffTable(name, rows))
    duration, pos = _duration(data, pos)
    return OneOffQueryResponse(message_id, error, tuple(tables), duration), pos


def _applied_header(data: bytes, pos: int) -> tuple[int, int, int, int]:
    request_id, pos = reading.u32(data, pos)
    micros, pos = reading.u64(data, pos)
    query_id, pos = reading.u32(data, pos)
    return request_id, micros, query_id, pos


def _single(make: Callable[..., Any]) -> Callable[[bytes, int, _Budget], tuple[Any, int]]:
    def decode(data: bytes, pos: int, budget: _Budget) -> tuple[Any, int]:
        request_id, micros, query_id, pos = _applied_header(data, pos)
        table_id, pos = reading.u32(data, pos)
        name, pos = reading.string(data, pos)
        table, pos = _table_update(data, pos, budget)
        return make(request_id, micros, query_id, SubscribeRows(table_id, name, table)), pos

    return decode


def _multi(make: Callable[..., Any]) -> Callable[[bytes, int, _Budget], tuple[Any, int]]:
    def decode(data: bytes, pos: int, budget: _Budget) -> tuple[Any, int]:
        request_id, micros, query_id, pos = _applied_header(data, pos)
        update, pos = _database_update(data, pos, budget)
        return make(request_id, micros, query_id, update), pos

    return decode


def _subscription_error(data: bytes, pos: int, budget: _Budget) -> tuple[SubscriptionError, int]:
    micros, pos = reading.u64(data, pos)
    request_id, pos = reading.option_u32(data, pos)
    query_id, pos = reading.option_u32(data, pos)
    table_id, pos = reading.option_u32(data, pos)
    text, pos = reading.string(data, pos)
    return SubscriptionError(micros, request_id, query_id, table_id, text), pos


def _procedure_result(data: bytes, pos: int, budget: _Budget) -> tuple[ProcedureResult, int]:
    tag, pos = reading.u8(data, pos)
    status: ProcedureStatus
    if tag == 0:
        value, pos = reading.blob(data, pos)
        status = ProcedureReturned(value)
    elif tag == 1:
        status = ProcedureOutOfEnergy()
    elif tag == 2:
        text, pos = reading.string(data, pos)
        status = ProcedureInternalError(text)
    else:
        reading.unknown_tag(tag, "ProcedureStatus", pos - 1)
    micros, pos = reading.i64(data, pos)
    duration, pos = _duration(data, pos)
    request_id, pos = reading.u32(data, pos)
    return ProcedureResult(status, Timestamp(micros), duration, request_id), pos


_SERVER_DECODERS: Final[
    tuple[tuple[str, Callable[[bytes, int, _Budget], tuple[ServerMessage, int]]], ...]
] = (
    ("InitialSubscription", _initial_subscription),
    ("TransactionUpdate", _transaction_update),
    ("TransactionUpdateLight", _transaction_update_light),
    ("IdentityToken", _identity_token),
    ("OneOffQueryResponse", _one_off_query_response),
    ("SubscribeApplied", _single(SubscribeApplied)),
    ("UnsubscribeApplied", _single(UnsubscribeApplied)),
    ("SubscriptionError", _subscription_error),
    ("SubscribeMultiApplied", _multi(SubscribeMultiApplied)),
    ("UnsubscribeMultiApplied", _multi(UnsubscribeMultiApplied)),
    ("ProcedureResult", _procedure_result),
)
