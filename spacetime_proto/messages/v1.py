"""The messages of protocol v1 and their shape on the wire (docs/protocol.md sections 4.4 and 4.5).

Arguments and return values are `bytes` (BSATN) on v1.bsatn and `str` (JSON text) on v1.json: only
the schema can turn one into the other, and a message must be readable even if it names something
that the schema lacks. Rows are a `RowList` on both.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final, TypeAlias

import msgspec

# None of these is under TYPE_CHECKING: the annotations of the structs are evaluated.
from ..sats.rows import RowList
from ..types import ConnectionId, Identity, TimeDuration, Timestamp
from .composite_fields import Compressable, Wrapped
from .declare import U32, U64, U128, JsonOrBsatn, Messages, OneOf, TableName
from .fields import Flags

#: `CallReducer.flags` for no answer, except for changes that the caller subscribes to.
NO_SUCCESS_NOTIFY: Final = 1
#: `ReducerCallInfo.reducer_id` of a call to a reducer that does not exist.
UNKNOWN_REDUCER_ID: Final = 0xFFFF_FFFF

#: Chosen by the client. In JSON it is a product of one field.
QueryId: TypeAlias = Annotated[U32, partial(Wrapped, "id")]


# --- client messages --------------------------------------------------------------------------


class CallReducer(msgspec.Struct, frozen=True, gc=False):
    """Run a reducer; answered by a TransactionUpdate."""

    reducer: str
    args: JsonOrBsatn
    request_id: U32
    flags: Annotated[int, Flags(NO_SUCCESS_NOTIFY, "invalid call reducer flag {}")] = 0
    """0, or `NO_SUCCESS_NOTIFY`."""


class Subscribe(msgspec.Struct, frozen=True, gc=False):
    """Replace the legacy set; answered by InitialSubscription or SubscriptionError."""

    query_strings: tuple[str, ...]
    request_id: U32


class OneOffQuery(msgspec.Struct, frozen=True, gc=False):
    """Run one query now; answered by OneOffQueryResponse with the same `message_id`."""

    message_id: bytes
    query_string: str


class SubscribeSingle(msgspec.Struct, frozen=True, gc=False):
    """Register one query; answered by SubscribeApplied or SubscriptionError."""

    query: str
    request_id: U32
    query_id: QueryId


class SubscribeMulti(msgspec.Struct, frozen=True, gc=False):
    """Register queries; answered by SubscribeMultiApplied or SubscriptionError."""

    query_strings: tuple[str, ...]
    request_id: U32
    query_id: QueryId


class Unsubscribe(msgspec.Struct, frozen=True, gc=False):
    """End the query of SubscribeSingle; `UnsubscribeMulti` does it more reliably."""

    request_id: U32
    query_id: QueryId


class UnsubscribeMulti(msgspec.Struct, frozen=True, gc=False):
    """End the queries of SubscribeMulti (or SubscribeSingle)."""

    request_id: U32
    query_id: QueryId


class CallProcedure(msgspec.Struct, frozen=True, gc=False):
    """Run a procedure; answered by ProcedureResult."""

    procedure: str
    args: JsonOrBsatn
    request_id: U32
    flags: Annotated[int, Flags(0, "invalid call procedure flag {}")] = 0
    """Always 0."""


ClientMessage: TypeAlias = (
    CallReducer
    | Subscribe
    | OneOffQuery
    | SubscribeSingle
    | SubscribeMulti
    | Unsubscribe
    | UnsubscribeMulti
    | CallProcedure
)


# --- parts of server messages -----------------------------------------------------------------


class QueryUpdate(msgspec.Struct, frozen=True, gc=False):
    """The rows that one query lost and gained. Deletes come first here, unlike in v2."""

    deletes: RowList
    inserts: RowList


class TableUpdate(msgspec.Struct, frozen=True, gc=False):
    """The changes of one table, one entry per query."""

    table_id: U32
    table_name: TableName
    num_rows: U64
    """Inserts plus deletes of all entries."""
    updates: tuple[Annotated[QueryUpdate, Compressable], ...]


DatabaseUpdate: TypeAlias = Annotated[tuple[TableUpdate, ...], partial(Wrapped, "tables")]


class Committed(msgspec.Struct, frozen=True, gc=False):
    """The reducer's transaction committed; this client's share of it."""

    update: DatabaseUpdate


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The reducer returned an error, panicked or could not be run."""

    message: str


class OutOfEnergy(msgspec.Struct, frozen=True, gc=False):
    """The budget of the database was exhausted."""


UpdateStatus: TypeAlias = Annotated[Committed | Failed | OutOfEnergy, OneOf("UpdateStatus")]


class ReducerCallInfo(msgspec.Struct, frozen=True, gc=False):
    """Which call caused a TransactionUpdate."""

    reducer_name: str
    reducer_id: U32
    args: JsonOrBsatn
    request_id: U32
    """0 when the call failed before it ran, whatever the client had sent."""


class SubscribeRows(msgspec.Struct, frozen=True, gc=False):
    """The rows of one query."""

    table_id: U32
    table_name: str
    table_rows: TableUpdate


class OneOffTable(msgspec.Struct, frozen=True, gc=False):
    """The rows of a one-off query."""

    table_name: TableName
    rows: RowList


class ProcedureReturned(msgspec.Struct, frozen=True, gc=False):
    """The procedure returned `value`."""

    value: JsonOrBsatn


class ProcedureOutOfEnergy(msgspec.Struct, frozen=True, gc=False):
    """The budget of the database was exhausted."""


class ProcedureInternalError(msgspec.Struct, frozen=True, gc=False):
    """The procedure failed or could not be run."""

    message: str


ProcedureStatus: TypeAlias = Annotated[
    ProcedureReturned | ProcedureOutOfEnergy | ProcedureInternalError,
    OneOf("ProcedureStatus", "Returned", "OutOfEnergy", "InternalError"),
]


# --- server messages --------------------------------------------------------------------------


class InitialSubscription(msgspec.Struct, frozen=True, gc=False):
    """The whole content of the legacy set, which replaces what it held before."""

    database_update: DatabaseUpdate
    request_id: U32
    total_host_execution_duration: TimeDuration


class TransactionUpdate(msgspec.Struct, frozen=True, gc=False):
    """A reducer ran: the answer to its caller; from old modules also sent to other clients."""

    status: UpdateStatus
    timestamp: Timestamp
    caller_identity: Identity
    caller_connection_id: ConnectionId
    reducer_call: ReducerCallInfo
    energy_quanta_used: Annotated[U128, partial(Wrapped, "quanta")]
    total_host_execution_duration: TimeDuration


class TransactionUpdateLight(msgspec.Struct, frozen=True, gc=False):
    """A transaction without its cause. `request_id` is the calling client's: do not match it."""

    request_id: U32
    update: DatabaseUpdate


class IdentityToken(msgspec.Struct, frozen=True, gc=False):
    """The first message of a connection. The token is not part of the repr."""

    identity: Identity
    token: str
    connection_id: ConnectionId

    def __repr__(self) -> str:
        return f"IdentityToken({self.identity!r}, <token>, {self.connection_id!r})"


class OneOffQueryResponse(msgspec.Struct, frozen=True, gc=False):
    """The answer to OneOffQuery: an error, or exactly one table."""

    message_id: bytes
    error: str | None
    tables: tuple[OneOffTable, ...]
    total_host_execution_duration: TimeDuration


class SubscribeAppliedMessage(msgspec.Struct, frozen=True, gc=False):
    """The query of SubscribeSingle is registered; all its rows."""

    request_id: U32
    total_host_execution_duration_micros: U64
    query_id: QueryId
    rows: SubscribeRows


class UnsubscribeAppliedMessage(msgspec.Struct, frozen=True, gc=False):
    """The query of SubscribeSingle is gone; its rows as deletes."""

    request_id: U32
    total_host_execution_duration_micros: U64
    query_id: QueryId
    rows: SubscribeRows


class SubscriptionErrorMessage(msgspec.Struct, frozen=True, gc=False):
    """A request was refused; with neither id, everything this client subscribed to is gone."""

    total_host_execution_duration_micros: U64
    request_id: U32 | None
    query_id: U32 | None
    table_id: U32 | None
    """Always None."""
    error: str


class SubscribeMultiApplied(msgspec.Struct, frozen=True, gc=False):
    """The queries are registered; with the rows of those that no other set of this client has."""

    request_id: U32
    total_host_execution_duration_micros: U64
    query_id: QueryId
    update: DatabaseUpdate


class UnsubscribeMultiApplied(msgspec.Struct, frozen=True, gc=False):
    """The queries have ended; deletes the rows of those that no other set of this client has."""

    request_id: U32
    total_host_execution_duration_micros: U64
    query_id: QueryId
    update: DatabaseUpdate


class ProcedureResult(msgspec.Struct, frozen=True, gc=False):
    """The answer to CallProcedure."""

    status: ProcedureStatus
    timestamp: Timestamp
    total_host_execution_duration: TimeDuration
    request_id: U32


ServerMessage: TypeAlias = (
    InitialSubscription
    | TransactionUpdate
    | TransactionUpdateLight
    | IdentityToken
    | OneOffQueryResponse
    | SubscribeAppliedMessage
    | UnsubscribeAppliedMessage
    | SubscriptionErrorMessage
    | SubscribeMultiApplied
    | UnsubscribeMultiApplied
    | ProcedureResult
)

CLIENT: Final = Messages[ClientMessage]("ClientMessage", ClientMessage)
SERVER: Final = Messages[ServerMessage]("ServerMessage", ServerMessage, may_compress=True)

encode_client = CLIENT.encode
decode_client = CLIENT.decode
encode_server = SERVER.encode
decode_server = SERVER.decode
