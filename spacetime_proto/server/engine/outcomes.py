"""The outcomes of running a function."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Literal, TypeAlias

import msgspec

from ...types import ConnectionId, Identity, Timestamp
from .live import Share, Subscriber

#: committed; error: the module refused; panic: any other exception; refused: it was not run at all
#: (unknown name, bad arguments).
Verdict: TypeAlias = Literal["committed", "error", "panic", "refused"]


def sayable(text: str) -> str:
    """Return a text of module code with lone surrogates replaced, which UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode()


class Caller(msgspec.Struct, frozen=True, eq=False):
    """The caller: a connection (`subscriber`), an HTTP request, or the database itself."""

    identity: Identity
    connection_id: ConnectionId | None = None
    subscriber: Subscriber | None = None
    is_owner: bool = False


class Origin(msgspec.Struct, frozen=True):
    """The call behind a transaction, as v1 reports it."""

    reducer: str
    reducer_index: int
    args: bytes
    args_json: str | None
    """The caller's own JSON text, if it sent JSON."""
    request_id: int


class Commit(msgspec.Struct, eq=False):
    """A committed transaction on its way to the subscribers.

    Attributes:
        encoded: bodies made for it so far, by protocol and share; most clients get the same one.
    """

    timestamp: Timestamp
    caller: Caller
    origin: Origin
    encoded: dict[Hashable, Any] = msgspec.field(default_factory=dict)


class ReducerOutcome(msgspec.Struct, eq=False):
    """The result of a reducer call.

    Attributes:
        text: the error for the caller, unless it committed.
        chain: the error for v1 and HTTP callers, if it is longer than `text`.
        share: the caller's part of the transaction.
    """

    verdict: Verdict
    commit: Commit
    text: str = ""
    chain: str = ""
    share: Share = msgspec.field(default_factory=list)


class ProcedureOutcome(msgspec.Struct, eq=False):
    """The result of a procedure: `value` if it returned, else `text`.

    Attributes:
        timestamp: when it started; the epoch if it was not run.
    """

    timestamp: Timestamp
    value: bytes | None
    text: str = ""
