"""Read the client messages of protocol v1 in BSATN: what the server role does.

Use this through `v1`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import DecodeError
from ..limits import DEFAULT_LIMITS, Limits
from . import reading
from .v1_model import (
    NO_SUCCESS_NOTIFY,
    CallProcedure,
    CallReducer,
    ClientMessage,
    OneOffQuery,
    Subscribe,
    SubscribeMulti,
    SubscribeSingle,
    Unsubscribe,
    UnsubscribeMulti,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["decode_client"]


def decode_client(
    data: bytes, pos: int = 0, limits: Limits = DEFAULT_LIMITS
) -> tuple[ClientMessage, int]:
    """Decode the client message at `pos`.

    Returns:
        the message, and the position after it (a server ignores what follows).

    Raises:
        DecodeError: its `detail` is the text that a SpacetimeDB server closes with.
        LimitExceeded: more queries than a payload of this size may hold.
    """
    tag, at = reading.u8(data, pos)
    if tag >= len(_CLIENT_DECODERS):
        reading.unknown_tag(tag, "ClientMessage", pos)
    name, decode = _CLIENT_DECODERS[tag]
    max_rows = limits.rows_for(len(data))
    try:
        return decode(data, at, max_rows)
    except DecodeError as error:
        raise error.within(name) from error.__cause__
    except reading.RowBudgetSpent:
        raise reading.over_budget(name, max_rows) from None


def _call_reducer(data: bytes, pos: int, left: int) -> tuple[CallReducer, int]:
    name, pos = reading.string(data, pos)
    args, pos = reading.blob(data, pos)
    request_id, pos = reading.u32(data, pos)
    flags, pos = reading.u8(data, pos)
    if flags > NO_SUCCESS_NOTIFY:
        raise DecodeError(f"invalid call reducer flag {flags}", offset=pos - 1)
    return CallReducer(name, args, request_id, flags), pos


def _subscribe(data: bytes, pos: int, left: int) -> tuple[Subscribe, int]:
    queries, pos = reading.strings(data, pos, left)
    request_id, pos = reading.u32(data, pos)
    return Subscribe(queries, request_id), pos


def _one_off_query(data: bytes, pos: int, left: int) -> tuple[OneOffQuery, int]:
    message_id, pos = reading.blob(data, pos)
    query, pos = reading.string(data, pos)
    return OneOffQuery(message_id, query), pos


def _subscribe_single(data: bytes, pos: int, left: int) -> tuple[SubscribeSingle, int]:
    query, pos = reading.string(data, pos)
    request_id, pos = reading.u32(data, pos)
    query_id, pos = reading.u32(data, pos)
    return SubscribeSingle(query, request_id, query_id), pos


def _subscribe_multi(data: bytes, pos: int, left: int) -> tuple[SubscribeMulti, int]:
    queries, pos = reading.strings(data, pos, left)
    request_id, pos = reading.u32(data, pos)
    query_id, pos = reading.u32(data, pos)
    return SubscribeMulti(queries, request_id, query_id), pos


def _unsubscribe(data: bytes, pos: int, left: int) -> tuple[Unsubscribe, int]:
    request_id, pos = reading.u32(data, pos)
    query_id, pos = reading.u32(data, pos)
    return Unsubscribe(request_id, query_id), pos


def _unsubscribe_multi(data: bytes, pos: int, left: int) -> tuple[UnsubscribeMulti, int]:
    request_id, pos = reading.u32(data, pos)
    query_id, pos = reading.u32(data, pos)
    return UnsubscribeMulti(request_id, query_id), pos


def _call_procedure(data: bytes, pos: int, left: int) -> tuple[CallProcedure, int]:
    name, pos = reading.string(data, pos)
    args, pos = reading.blob(data, pos)
    request_id, pos = reading.u32(data, pos)
    flags, pos = reading.u8(data, pos)
    if flags:
        raise DecodeError(f"invalid call procedure flag {flags}", offset=pos - 1)
    return CallProcedure(name, args, request_id), pos


_CLIENT_DECODERS: Final[
    tuple[tuple[str, Callable[[bytes, int, int], tuple[ClientMessage, int]]], ...]
] = (
    ("CallReducer", _call_reducer),
    ("Subscribe", _subscribe),
    ("OneOffQuery", _one_off_query),
    ("SubscribeSingle", _subscribe_single),
    ("SubscribeMulti", _subscribe_multi),
    ("Unsubscribe", _unsubscribe),
    ("UnsubscribeMulti", _unsubscribe_multi),
    ("CallProcedure", _call_procedure),
)
