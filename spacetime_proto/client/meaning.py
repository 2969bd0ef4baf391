"""The meaning of messages, independent of the protocol version.

Dialects turn the server's messages of v1, v2 and v3 into the values of the first half (`Incoming`);
the ledgers know nothing else. The second half (`Outgoing`) is what recorded messages of a client
asked for. Ids are those of the wire. A field that a protocol does not carry is None.
"""

from __future__ import annotations

from typing import ClassVar, Final, TypeAlias

import msgspec

from ..cache.changes import TableChange  # annotations of public fields
from ..sats.rows import EMPTY_ROWS, RowList
from ..types import ConnectionId, Identity, Timestamp
from .causes import Status
from .pending_call import CallKind

#: v1 sends each row once per client, whichever sets hold it, so there all sets share one bag.
SHARED_SET: Final = 0
#: The bag of v1's legacy subscription; outside the range of ids on the wire.
LEGACY_SET: Final = 1 << 32


# --- what a server says -----------------------------------------------------------------------


class Greeting(msgspec.Struct, frozen=True, gc=False):
    """InitialConnection (v2) or IdentityToken (v1)."""

    identity: Identity
    connection_id: ConnectionId
    token: str

    def __repr__(self) -> str:
        return f"Greeting(identity={self.identity!r}, connection_id={self.connection_id!r})"


class Applied(msgspec.Struct, frozen=True, gc=False):
    """A query set is live; its first rows."""

    request_id: int
    set_id: int | None
    """None: the legacy set of v1, whose request id is all there is."""
    changes: list[TableChange]


class BatchApplied(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request for several query sets: for each its id, and its rows or an error."""

    request_id: int
    results: list[tuple[int, list[TableChange] | str]]


class Unapplied(msgspec.Struct, frozen=True, gc=False):
    """A query set is over because the client asked.

    `changes` are the deletes that v1 sends; None means that the client drops the set's own rows.
    """

    request_id: int
    set_id: int
    changes: list[TableChange] | None


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A subscription error.

    Without a request id a live set has failed; with neither id all of them have.
    """

    request_id: int | None
    set_id: int | None
    error: str


class ReducerInfo(msgspec.Struct, frozen=True, gc=False):
    """The call behind a transaction, as a v1 TransactionUpdate reports it."""

    name: str
    args: bytes | str
    """BSATN, or JSON text on v1.json."""
    status: Status
    message: str | None
    timestamp: Timestamp
    caller_identity: Identity
    caller_connection_id: ConnectionId
    energy: int
    request_id: int


class Changed(msgspec.Struct, frozen=True, gc=False):
    """A transaction of another client; on v1 of any client, this one included."""

    changes: list[TableChange]
    reducer: ReducerInfo | None = None


class RowChanged(msgspec.Struct, gc=False):
    """A `Changed` of one table with at most one row inserted and one deleted (see `v2_short`).

    Up to 100,000 of these and of `CallCommitted` are made per second. Therefore they are not frozen
    (a few percent faster to make) and unknown to the garbage collector (they form no cycles).
    """

    query_set: int
    table: str
    new: bytes | None
    old: bytes | None
    data: bytes
    """The payload."""
    end: int
    """Position in `data` after the message; its row lists are the last part before it."""
    cost: int
    """The rows that it takes of the budget of its payload."""

    def change(self) -> TableChange:
        """Return the general form; its row lists refer to `data`."""
        deletes, at = _listed(self.data, self.old, self.end)
        inserts, _ = _listed(self.data, self.new, at)
        return TableChange(self.query_set, self.table, inserts, deletes)


#: Bytes of a row list around its rows: of one row of known size, and of no row.
_ONE_ROW_HEADER: Final = 7
_NO_ROW_LIST: Final = 9


def _listed(data: bytes, row: bytes | None, end: int) -> tuple[RowList, int]:
    """Return the row list that ends at `end` and where it starts."""
    if row is None:
        return EMPTY_ROWS, end - _NO_ROW_LIST
    size = len(row)
    start = end - size
    return RowList(data, start, end, size), start - _ONE_ROW_HEADER


class CallCommitted(msgspec.Struct, gc=False):
    """A `ReducerReply` without value and row changes: the call was committed."""

    request_id: int
    micros: int
    """When it was committed, in microseconds since 1970."""
    end: int
    """Position in the payload after the message."""

    cost: ClassVar[int] = 1
    """The rows that it takes of the budget of its payload."""

    def reply(self) -> ReducerReply:
        """Return the general form."""
        return ReducerReply(self.request_id, "committed", Timestamp(self.micros), [])


class ReducerReply(msgspec.Struct, frozen=True, gc=False):
    """The answer to CallReducer on v2 and v3."""

    request_id: int
    status: Status
    timestamp: Timestamp
    changes: list[TableChange]
    value: bytes = b""
    """BSATN of the return value, or of the error value when `status` is failed."""
    message: str | None = None
    """Text of an internal error."""


class ProcedureReply(msgspec.Struct, frozen=True, gc=False):
    """The answer to CallProcedure; `error` is None when it returned."""

    request_id: int
    value: bytes | str
    """BSATN, or JSON text on v1.json."""
    error: str | None
    timestamp: Timestamp


class QueryReply(msgspec.Struct, frozen=True, gc=False):
    """The answer to a one-off query: rows of one table, or an error."""

    key: int | bytes
    """Request id, or v1's message id."""
    changes: list[TableChange]
    error: str | None


Incoming: TypeAlias = (
    Greeting
    | Applied
    | BatchApplied
    | Unapplied
    | Refused
    | Changed
    | RowChanged
    | ReducerReply
    | CallCommitted
    | ProcedureReply
    | QueryReply
)


# --- what a client asked for ------------------------------------------------------------------


class SubscribeSent(msgspec.Struct, frozen=True):
    """A query set was asked for; without `set_id` it is v1's legacy set."""

    request_id: int
    set_id: int | None
    queries: tuple[str, ...]


class BatchSent(msgspec.Struct, frozen=True):
    """Several query sets were asked for: their ids and queries."""

    request_id: int
    sets: list[tuple[int, tuple[str, ...]]]


class UnsubscribeSent(msgspec.Struct, frozen=True):
    """The end of a query set was asked for."""

    request_id: int
    set_id: int


class QuerySent(msgspec.Struct, frozen=True):
    """A one-off query."""

    key: int | bytes
    """Request id, or v1's message id."""
    sql: str


class CallSent(msgspec.Struct, frozen=True):
    """A call; `expects_reply` is False for v1 calls with the flag NoSuccessNotify."""

    request_id: int
    kind: CallKind
    name: str
    expects_reply: bool = True


Outgoing: TypeAlias = SubscribeSent | BatchSent | UnsubscribeSent | QuerySent | CallSent
