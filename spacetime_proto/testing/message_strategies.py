"""Hypothesis strategies for the messages of every protocol, both roles.

Rows are arbitrary bytes unless `rows` says what they are: the envelope does not care, a cache does.
"""

from __future__ import annotations

from hypothesis import strategies as st

from ..messages import v1, v2
from ..sats.rows import RowList
from ..types import ConnectionId, Identity, TimeDuration, Timestamp

__all__ = [
    "connection_ids",
    "durations",
    "identities",
    "row_lists",
    "timestamps",
    "u32s",
    "v1_client_messages",
    "v1_server_messages",
    "v2_client_messages",
    "v2_server_messages",
]

_I64 = st.integers(-(1 << 63), (1 << 63) - 1)
_U64 = st.integers(0, (1 << 64) - 1)
_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_NAMES = st.sampled_from(("user", "message", "é", "")) | _TEXT
_BLOBS = st.binary(max_size=12)


def u32s() -> st.SearchStrategy[int]:
    """Return unsigned 32-bit integers, small ones and the largest often."""
    return st.integers(0, 4) | st.sampled_from((0xFFFF_FFFF,)) | st.integers(0, 0xFFFF_FFFF)


def identities() -> st.SearchStrategy[Identity]:
    """Return identities."""
    return st.binary(min_size=32, max_size=32).map(Identity)


def connection_ids() -> st.SearchStrategy[ConnectionId]:
    """Return connection ids."""
    return st.binary(min_size=16, max_size=16).map(ConnectionId)


def timestamps() -> st.SearchStrategy[Timestamp]:
    """Return points in time over the whole range of the wire."""
    return _I64.map(Timestamp)


def durations() -> st.SearchStrategy[TimeDuration]:
    """Return spans of time over the whole range of the wire."""
    return _I64.map(TimeDuration)


def row_lists(
    rows: st.SearchStrategy[bytes] | None = None, *, max_size: int = 4
) -> st.SearchStrategy[RowList]:
    """Return lists of encoded rows, of one size and of several, empty ones often.

    Args:
        rows: the encoded rows; arbitrary bytes by default.
        max_size: most rows in a list.
    """
    row = st.binary(max_size=6) if rows is None else rows
    return st.lists(row, max_size=max_size).map(RowList.from_rows)


def v2_client_messages() -> st.SearchStrategy[v2.ClientMessage]:
    """Return client messages of v2 and v3."""
    u32 = u32s()
    queries = st.lists(_TEXT, max_size=3).map(tuple)
    query_sets = st.lists(st.builds(v2.SubscribeSet, u32, queries), max_size=3).map(tuple)
    return st.one_of(
        st.builds(v2.Subscribe, u32, u32, queries),
        st.builds(v2.Unsubscribe, u32, u32, st.sampled_from((0, v2.SEND_DROPPED_ROWS))),
        st.builds(v2.OneOffQuery, u32, _TEXT),
        st.builds(v2.CallReducer, u32, _NAMES, _BLOBS),
        st.builds(v2.CallProcedure, u32, _NAMES, _BLOBS),
        st.builds(v2.SubscribeBatch, u32, query_sets),
    )


def v2_server_messages(
    rows: st.SearchStrategy[RowList] | None = None,
) -> st.SearchStrategy[v2.ServerMessage]:
    """Return server messages of v2 and v3, with these row lists in them."""
    lists = row_lists() if rows is None else rows
    u32 = u32s()
    table_rows = st.lists(st.builds(v2.SingleTableRows, _NAMES, lists), max_size=3).map(tuple)
    fragment = st.builds(v2.PersistentRows, lists, lists) | st.builds(v2.EventRows, lists)
    table = st.builds(v2.TableUpdate, _NAMES, st.lists(fragment, max_size=2).map(tuple))
    query_set = st.builds(v2.QuerySetUpdate, u32, st.lists(table, max_size=2).map(tuple))
    update = st.builds(v2.TransactionUpdate, st.lists(query_set, max_size=3).map(tuple))
    outcome = st.one_of(
        st.builds(v2.ReducerOk, _BLOBS, update),
        st.builds(v2.ReducerOkEmpty),
        st.builds(v2.ReducerErr, _BLOBS),
        st.builds(v2.ReducerInternalError, _TEXT),
    )
    status = st.builds(v2.ProcedureReturned, _BLOBS) | st.builds(v2.ProcedureInternalError, _TEXT)
    result = st.builds(v2.SubscribeSetResult, u32, table_rows | _TEXT)
    return st.one_of(
        st.builds(v2.InitialConnection, identities(), connection_ids(), _TEXT),
        st.builds(v2.SubscribeAppliedMessage, u32, u32, table_rows),
        st.builds(v2.UnsubscribeAppliedMessage, u32, u32, st.none() | table_rows),
        st.builds(v2.SubscriptionErrorMessage, st.none() | u32, u32, _TEXT),
        update,
        st.builds(v2.OneOffQueryResult, u32, table_rows | _TEXT),
        st.builds(v2.ReducerResult, u32, timestamps(), outcome),
        st.builds(v2.ProcedureResult, status, timestamps(), durations(), u32),
        st.builds(v2.SubscribeBatchApplied, u32, st.lists(result, max_size=3).map(tuple)),
    )


def v1_client_messages(*, json: bool = False) -> st.SearchStrategy[v1.ClientMessage]:
    """Return client messages of v1, for v1.bsatn or (arguments as text) for v1.json."""
    u32 = u32s()
    queries = st.lists(_TEXT, max_size=3).map(tuple)
    args: st.SearchStrategy[bytes | str] = _TEXT if json else _BLOBS
    return st.one_of(
        st.builds(v1.CallReducer, _NAMES, args, u32, st.sampled_from((0, v1.NO_SUCCESS_NOTIFY))),
        st.builds(v1.Subscribe, queries, u32),
        st.builds(v1.OneOffQuery, _BLOBS, _TEXT),
        st.builds(v1.SubscribeSingle, _TEXT, u32, u32),
        st.builds(v1.SubscribeMulti, queries, u32, u32),
        st.builds(v1.Unsubscribe, u32, u32),
        st.builds(v1.UnsubscribeMulti, u32, u32),
        st.builds(v1.CallProcedure, _NAMES, args, u32),
    )


def v1_server_messages(
    rows: st.SearchStrategy[RowList] | None = None, *, json: bool = False
) -> st.SearchStrategy[v1.ServerMessage]:
    """Return server messages of v1 with these row lists in them, for either of its encodings."""
    lists = row_lists() if rows is None else rows
    u32 = u32s()
    value: st.SearchStrategy[bytes | str] = _TEXT if json else _BLOBS
    updates = st.lists(st.builds(v1.QueryUpdate, lists, lists), max_size=2).map(tuple)
    table = st.builds(v1.TableUpdate, u32, _NAMES, _U64, updates)
    database = st.lists(table, max_size=2).map(tuple)
    subscribed = st.builds(v1.SubscribeRows, u32, _NAMES, table)
    status = st.one_of(
        st.builds(v1.Committed, database), st.builds(v1.Failed, _TEXT), st.builds(v1.OutOfEnergy)
    )
    call = st.builds(v1.ReducerCallInfo, _NAMES, u32, value, u32)
    outcome = st.one_of(
        st.builds(v1.ProcedureReturned, value),
        st.builds(v1.ProcedureOutOfEnergy),
        st.builds(v1.ProcedureInternalError, _TEXT),
    )
    energy = st.integers(0, (1 << 128) - 1)
    one_off = st.lists(st.builds(v1.OneOffTable, _NAMES, lists), max_size=2).map(tuple)
    some_u32 = st.none() | u32
    return st.one_of(
        st.builds(v1.InitialSubscription, database, u32, durations()),
        st.builds(
            v1.TransactionUpdate,
            status,
            timestamps(),
            identities(),
            connection_ids(),
            call,
            energy,
            durations(),
        ),
        st.builds(v1.TransactionUpdateLight, u32, database),
        st.builds(v1.IdentityToken, identities(), _TEXT, connection_ids()),
        st.builds(v1.OneOffQueryResponse, _BLOBS, st.none() | _TEXT, one_off, durations()),
        st.builds(v1.SubscribeAppliedMessage, u32, _U64, u32, subscribed),
        st.builds(v1.UnsubscribeAppliedMessage, u32, _U64, u32, subscribed),
        st.builds(v1.SubscriptionErrorMessage, _U64, some_u32, some_u32, some_u32, _TEXT),
        st.builds(v1.SubscribeMultiApplied, u32, _U64, u32, database),
        st.builds(v1.UnsubscribeMultiApplied, u32, _U64, u32, database),
        st.builds(v1.ProcedureResult, outcome, timestamps(), durations(), u32),
    )
