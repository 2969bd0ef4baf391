"""What callbacks of the 0.7 API get, and how events of the core become calls of them.

The order within one message is that of 0.7: row callbacks table by table;
then ``on_subscription_applied``, or ``on_event`` and the reducer's own callbacks.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import msgspec

from spacetime_proto.bindings.legacy_registry import LegacyReducerEvent
from spacetime_proto.client import events as ev
from spacetime_proto.client.callbacks import Callbacks
from spacetime_proto.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spacetime_proto.bindings.legacy_registry import LegacyRegistry
    from spacetime_proto.client.callbacks import Calls
    from spacetime_proto.client.pending_call import PendingCall
    from spacetime_proto.types import ConnectionId, Identity

__all__ = ["DbEvent", "LegacyCallbacks", "TransactionUpdateMessage"]

_STATUS = {
    "committed": "committed",
    "failed": "failed",
    "internal_error": "failed",
    "out_of_energy": "outofenergy",
}


class DbEvent(msgspec.Struct, eq=False, dict=True):
    """One changed row of a `TransactionUpdateMessage`.

    Attributes:
        table_name: canonical name of the table.
        row_pk: value of the primary key; the row itself where there is no key.
        row_op: ``"insert"``, ``"update"`` or ``"delete"``.
        decoded_value: the new row, or the deleted one.
        old_value: the row before; None for an insert.
    """

    table_name: str
    row_pk: Any
    row_op: str
    decoded_value: Any
    old_value: Any = None

    def __repr__(self) -> str:
        return f"<DbEvent {self.row_op} {self.table_name} {self.row_pk!r}>"


class TransactionUpdateMessage:
    """A transaction, as `register_on_event` callbacks get it.

    Attributes:
        reducer_event: who called what, as far as the wire tells.
        transaction_type: always ``"TransactionUpdate"``.
    """

    transaction_type = "TransactionUpdate"

    def __init__(
        self, reducer_event: LegacyReducerEvent, changes: tuple[ev.TableChanged, ...]
    ) -> None:
        self.reducer_event = reducer_event
        self._changes = changes

    @functools.cached_property
    def events(self) -> dict[str, list[DbEvent]]:
        """The changed rows by table, decoded when they are first asked for."""
        return {change.table.table_name: _db_events(change) for change in self._changes}

    def __repr__(self) -> str:
        return f"<TransactionUpdateMessage {self.reducer_event!r}>"


def _db_events(change: ev.TableChanged) -> list[DbEvent]:
    name = change.table.table_name
    key = change.table.table.definition.primary_key

    def key_of(row: Any) -> Any:
        if key is None:
            return row
        return getattr(row, type(row).__struct_fields__[key])

    events = []
    for operation, old, new in _rows_of(change):
        row = old if operation == "delete" else new
        events.append(DbEvent(name, key_of(row), operation, row, old))
    return events


def _rows_of(change: ev.TableChanged) -> Iterator[tuple[str, Any, Any]]:
    """Yield (operation, old row or None, new row or None) in the order of 0.7."""
    for row in change.inserted:
        yield "insert", None, row
    for row in change.deleted:
        yield "delete", row, None
    for old, new in change.updated:
        yield "update", old, new


def reducer_event(event: object) -> LegacyReducerEvent | None:
    """Return what 0.7 callbacks are told of the cause of a change.

    That is None for rows of a subscription, an unsubscription or a reconnect. For a transaction it
    is an object whose fields are None where the protocol does not tell them.
    """
    if isinstance(event, ev.ReducerEvent):
        return LegacyReducerEvent(
            caller_identity=event.caller_identity,
            caller_connection_id=event.caller_connection_id,
            reducer_name=event.name,
            status=_STATUS[event.status],
            message=event.message or "",
            args=None if event.args is None else list(event.args),
        )
    if isinstance(event, ev.Transaction):
        return LegacyReducerEvent(None, None, None, "committed", None, None)
    return None


def outcome_event(
    pending: PendingCall[Any], identity: Identity | None, connection_id: ConnectionId | None
) -> LegacyReducerEvent:
    """Return the outcome of a call of the client with these ids, as `then` gets it."""
    error = pending.error
    status = "committed" if error is None else "failed"
    if isinstance(error, InternalError) and "ran out of energy" in error.message:
        status = "outofenergy"
    return LegacyReducerEvent(
        caller_identity=identity,
        caller_connection_id=connection_id,
        reducer_name=pending.name,
        status=status,
        message="" if error is None else str(error),
        args=None if pending.call is None else list(pending.call.args),
    )


class LegacyCallbacks(Callbacks):
    """Finds the callbacks of the 0.7 API for each event.

    Args:
        registry: the callbacks on table classes and reducers of the bindings package.
        run: runs a user's function so that functions of the package mean this client.
        subscription_applied: callbacks without arguments; the client's own list.
        event: callbacks that get a `TransactionUpdateMessage`; the client's own list.
    """

    def __init__(
        self,
        registry: LegacyRegistry,
        run: Callable[..., Any],
        subscription_applied: list[Callable[[], object]],
        event: list[Callable[[TransactionUpdateMessage], object]],
    ) -> None:
        super().__init__()
        self.last_message: TransactionUpdateMessage | None = None
        """The message of the current reducer event, or of the last one."""
        self.expected = 0
        """How many calls of `call_reducer` wait for their `last_message`, with its changes."""
        self._registry = registry
        self._run = run
        self._subscription_applied = subscription_applied
        self._event = event
        self._applied = False
        self._changes: tuple[ev.TableChanged, ...] = ()

    @property
    def interests(self) -> tuple[bool, bool]:
        """Whether transactions as a whole, and outcomes of calls, are wanted for their own sake."""
        return bool(self._event or self.expected), True

    @interests.setter
    def interests(self, _: tuple[bool, bool]) -> None:
        """Ignored: the lists above say what is wanted."""

    def calls(self, event: ev.Event) -> Calls:
        """Yield the (function, arguments) that `event` makes run, in order."""
        if isinstance(event, ev.TableChanged):
            return self._rows(event)
        if isinstance(event, ev.TransactionApplied):
            return self._transaction_applied(event)
        if isinstance(event, ev.ReducerCompleted):
            return self._reducer_completed(event)
        if isinstance(event, ev.SetApplied):
            # 0.7 runs these after the row callbacks; the core says it first.
            self._applied = True
        return super().calls(event)

    def only_call(self, message: list[ev.Event]) -> None:
        """Leave every message to `calls`."""

    def afterwards(self) -> Calls:
        """Yield the (function, arguments) that run after everything else of a message."""
        if self._applied:
            self._applied = False
            for callback in tuple(self._subscription_applied):
                yield self._run, (callback,)

    def _rows(self, event: ev.TableChanged) -> Calls:
        callbacks = self._registry.row_callbacks(event.table.table_name)
        if not callbacks:
            return
        cause = reducer_event(event.ctx.event)
        for operation, old, new in _rows_of(event):
            for callback in callbacks:
                yield self._run, (callback, operation, old, new, cause)

    def _transaction_applied(self, event: ev.TransactionApplied) -> Calls:
        if isinstance(event.ctx.event, ev.ReducerEvent):
            self._changes = event.changes  # `ReducerCompleted` of the same message comes next
            return
        yield from self._on_event(event.ctx.event, event.changes)

    def _reducer_completed(self, event: ev.ReducerCompleted) -> Calls:
        changes, self._changes = self._changes, ()
        yield from self._on_event(event.ctx.event, changes)
        completed = event.ctx.event
        if not isinstance(completed, ev.ReducerEvent):
            return
        if completed.name is None or completed.args is None:
            return  # the protocol did not tell them, and reducer callbacks need both
        for registered in self._registry.reducer_callbacks(completed.name):
            arguments = registered.arguments(
                completed.caller_identity,
                completed.caller_connection_id,
                _STATUS[completed.status],
                completed.message or "",
                completed.args,
            )
            yield self._run, (registered.function, *arguments)

    def _on_event(self, cause: object, changes: tuple[ev.TableChanged, ...]) -> Calls:
        described = reducer_event(cause)
        if described is None:
            return
        message = self.last_message = TransactionUpdateMessage(described, changes)
        for callback in tuple(self._event):
            yield self._run, (callback, message)
