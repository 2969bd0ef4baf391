"""The messages of protocol v2 and their shape on the wire (docs/protocol.md sections 4.2 and 4.3).

v3 has the same messages; it only puts several of them into one payload. Arguments, return values
and error values are `bytes`: the BSATN that only the schema can decode. Rows are a `RowList`, a
window into the payload.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, TypeAlias

import msgspec

# None of these is under TYPE_CHECKING: the annotations of the structs are evaluated.
from ..sats.rows import RowList
from ..types import ConnectionId, Identity, TimeDuration, Timestamp
from .declare import U32, Messages, OneOf, TableName
from .fields import Flags

#: `Unsubscribe.flags` that asks for the rows to remove.
SEND_DROPPED_ROWS: Final = 1


# --- client messages --------------------------------------------------------------------------


class Subscribe(msgspec.Struct, frozen=True, gc=False):
    """Register a query set; answered by SubscribeApplied or SubscriptionError."""

    request_id: U32
    query_set_id: U32
    query_strings: tuple[str, ...]


class Unsubscribe(msgspec.Struct, frozen=True, gc=False):
    """Drop a query set; answered by UnsubscribeApplied or SubscriptionError."""

    request_id: U32
    query_set_id: U32
    flags: Annotated[
        int, Flags(SEND_DROPPED_ROWS, "unknown tag {:#x} for sum type UnsubscribeFlags")
    ] = 0
    """0, or `SEND_DROPPED_ROWS`."""


class OneOffQuery(msgspec.Struct, frozen=True, gc=False):
    """Run one query now; answered by OneOffQueryResult."""

    request_id: U32
    query_string: str


class CallReducer(msgspec.Struct, frozen=True, gc=False):
    """Run a reducer; answered by ReducerResult."""

    request_id: U32
    reducer: str
    args: bytes
    flags: Annotated[int, Flags(0, "invalid call reducer flag {}")] = 0
    """Always 0."""

    wire_order: ClassVar = ("request_id", "flags", "reducer", "args")


class CallProcedure(msgspec.Struct, frozen=True, gc=False):
    """Run a procedure; answered by ProcedureResult."""

    request_id: U32
    procedure: str
    args: bytes
    flags: Annotated[int, Flags(0, "invalid call procedure flag {}")] = 0
    """Always 0."""

    wire_order: ClassVar = ("request_id", "flags", "procedure", "args")


class SubscribeSet(msgspec.Struct, frozen=True, gc=False):
    """One query set of a SubscribeBatch."""

    query_set_id: U32
    query_strings: tuple[str, ...]


class SubscribeBatch(msgspec.Struct, frozen=True, gc=False):
    """Register several query sets at one moment; answered by SubscribeBatchApplied.

    Servers before 2.11 do not know it: they close the connection (docs/protocol.md sections 4.8
    and 16.2).
    """

    request_id: U32
    sets: tuple[SubscribeSet, ...]


ClientMessage: TypeAlias = (
    Subscribe | Unsubscribe | OneOffQuery | CallReducer | CallProcedure | SubscribeBatch
)


# --- server messages --------------------------------------------------------------------------


class SingleTableRows(msgspec.Struct, frozen=True, gc=False):
    """Rows of one query of a set, or of a one-off query."""

    table: TableName
    rows: RowList


class PersistentRows(msgspec.Struct, frozen=True, gc=False):
    """The rows that one query of a set gained and lost in a transaction."""

    inserts: RowList
    deletes: RowList


class EventRows(msgspec.Struct, frozen=True, gc=False):
    """Rows of an event table: announced once, never stored."""

    events: RowList


TableUpdateRows: TypeAlias = Annotated[PersistentRows | EventRows, OneOf("TableUpdateRows")]


class TableUpdate(msgspec.Struct, frozen=True, gc=False):
    """The changes of one table within a query set, one entry per query that changed."""

    table_name: TableName
    rows: tuple[TableUpdateRows, ...]


class QuerySetUpdate(msgspec.Struct, frozen=True, gc=False):
    """The changes of one query set."""

    query_set_id: U32
    tables: tuple[TableUpdate, ...]


class InitialConnection(msgspec.Struct, frozen=True, gc=False):
    """The first message of a connection. The token is not part of the repr."""

    identity: Identity
    connection_id: ConnectionId
    token: str

    def __repr__(self) -> str:
        return f"InitialConnection({self.identity!r}, {self.connection_id!r}, <token>)"


class SubscribeAppliedMessage(msgspec.Struct, frozen=True, gc=False):
    """A query set is registered; its rows at that moment."""

    request_id: U32
    query_set_id: U32
    rows: tuple[SingleTableRows, ...]


class UnsubscribeAppliedMessage(msgspec.Struct, frozen=True, gc=False):
    """A query set is gone; the rows to remove if `SEND_DROPPED_ROWS` asked for them."""

    request_id: U32
    query_set_id: U32
    rows: tuple[SingleTableRows, ...] | None = None


class SubscriptionErrorMessage(msgspec.Struct, frozen=True, gc=False):
    """A request about a query set was refused, or (without `request_id`) a live set is gone."""

    request_id: U32 | None
    query_set_id: U32
    error: str


class TransactionUpdate(msgspec.Struct, frozen=True, gc=False):
    """The changes of a committed transaction in this client's query sets."""

    query_sets: tuple[QuerySetUpdate, ...] = ()


class OneOffQueryResult(msgspec.Struct, frozen=True, gc=False):
    """The rows of a one-off query, or the text of its error."""

    request_id: U32
    result: Annotated[tuple[SingleTableRows, ...] | str, OneOf("Result", "ok", "err")]


class ReducerOk(msgspec.Struct, frozen=True, gc=False):
    """The reducer committed; the changes come here and nowhere else."""

    ret_value: bytes = b""
    transaction_update: TransactionUpdate = TransactionUpdate()


class ReducerOkEmpty(msgspec.Struct, frozen=True, gc=False):
    """The reducer committed without value and changes. Not sent by server 2.8.3."""


class ReducerErr(msgspec.Struct, frozen=True, gc=False):
    """The reducer returned an error value; `error` is its BSATN, today always a String."""

    error: bytes


class ReducerInternalError(msgspec.Struct, frozen=True, gc=False):
    """The reducer panicked, or could not be run at all."""

    message: str


ReducerOutcome: TypeAlias = Annotated[
    ReducerOk | ReducerOkEmpty | ReducerErr | ReducerInternalError, OneOf("ReducerOutcome")
]


class ReducerResult(msgspec.Struct, frozen=True, gc=False):
    """The answer to CallReducer."""

    request_id: U32
    timestamp: Timestamp
    result: ReducerOutcome


class ProcedureReturned(msgspec.Struct, frozen=True, gc=False):
    """The procedure returned; `value` is the BSATN of its result."""

    value: bytes


class ProcedureInternalError(msgspec.Struct, frozen=True, gc=False):
    """The procedure failed or could not be run."""

    message: str


ProcedureStatus: TypeAlias = Annotated[
    ProcedureReturned | ProcedureInternalError, OneOf("ProcedureStatus")
]


class ProcedureResult(msgspec.Struct, frozen=True, gc=False):
    """The answer to CallProcedure."""

    status: ProcedureStatus
    timestamp: Timestamp
    total_host_execution_duration: TimeDuration
    request_id: U32


class SubscribeSetResult(msgspec.Struct, frozen=True, gc=False):
    """What became of one set of a SubscribeBatch: its rows at that moment, or why it is refused."""

    query_set_id: U32
    outcome: Annotated[
        tuple[SingleTableRows, ...] | str, OneOf("SubscribeSetOutcome", "Applied", "Error")
    ]


class SubscribeBatchApplied(msgspec.Struct, frozen=True, gc=False):
    """The answer to SubscribeBatch: one result per set, in the order of the request."""

    request_id: U32
    results: tuple[SubscribeSetResult, ...]


ServerMessage: TypeAlias = (
    InitialConnection
    | SubscribeAppliedMessage
    | UnsubscribeAppliedMessage
    | SubscriptionErrorMessage
    | TransactionUpdate
    | OneOffQueryResult
    | ReducerResult
    | ProcedureResult
    | SubscribeBatchApplied
)

CLIENT: Final = Messages[ClientMessage]("ClientMessage", ClientMessage)
SERVER: Final = Messages[ServerMessage]("ServerMessage", ServerMessage)

encode_client = CLIENT.encode
decode_client = CLIENT.decode
encode_server = SERVER.encode
decode_server = SERVER.decode
