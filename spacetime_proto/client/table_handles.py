"""Table handles: the reading side of a table plus its callbacks.

`TableHandle` for any table, `KeyedTableHandle` for one with a primary key (it alone has updates),
`EventTableHandle` for one whose rows come once and are never stored. All clients share these
classes: the driver decides whether a callback may be a coroutine function
(`HandleOwner.check_callback`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec

from ..cache.views import TableView
from ..errors import LocalProtocolError
from .callback_arity import check_callback, refuse_coroutine
from .context import DbT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from typing import Self, TypeAlias

    from ..schema.bound import BoundTable
    from .context import Context

    Returned: TypeAlias = Awaitable[None] | None

__all__ = [
    "CallbackHandle",
    "ChangeStream",
    "Delete",
    "EventTableHandle",
    "HandleOwner",
    "Insert",
    "KeyedTableHandle",
    "Listeners",
    "TableHandle",
    "Update",
]

Row = TypeVar("Row")


class Insert(msgspec.Struct, Generic[Row], frozen=True):
    """A row came into the cache (or, on an event table, was announced)."""

    row: Row


class Update(msgspec.Struct, Generic[Row], frozen=True):
    """A row was replaced by one with the same primary key."""

    old: Row
    new: Row


class Delete(msgspec.Struct, Generic[Row], frozen=True):
    """A row left the cache."""

    row: Row


class ChangeStream(Protocol[Row]):
    """The changes of one table as a stream, which ``with`` closes at the end of the block.

    On async clients it is ``async for`` and ``async with``; what belongs to the other kind of client
    raises TypeError.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *error: object) -> None: ...

    def __iter__(self) -> Iterator[Insert[Row] | Update[Row] | Delete[Row]]: ...

    def __aiter__(self) -> AsyncIterator[Insert[Row] | Update[Row] | Delete[Row]]: ...

    def close(self) -> None:
        """Stop listening; iteration ends."""


class HandleOwner(Protocol):
    """The part of a client that its table handles use."""

    def check_callback(self, callback: Callable[..., object]) -> None:
        """Refuse a callback that this client cannot run.

        Raises:
            TypeError: a coroutine function on a blocking client.
        """
        ...

    def change_stream(self, table: TableHandle[Any], max_buffered: int) -> ChangeStream[Any]:
        """Make the stream behind `TableHandle.changes`."""
        ...


class Listeners(msgspec.Struct, frozen=True):
    """The callbacks of one table at one moment.

    Registering makes a new value, so that a running dispatch keeps the callbacks it began with.
    """

    insert: tuple[Callable[..., Any], ...] = ()
    delete: tuple[Callable[..., Any], ...] = ()
    update: tuple[Callable[..., Any], ...] = ()
    before_delete: tuple[Callable[..., Any], ...] = ()
    wants_rows: bool = False
    """Whether any but `before_delete` is set. Otherwise changed rows are not collected at all."""

    def having(self, kind: str, callbacks: tuple[Callable[..., Any], ...]) -> Listeners:
        """Return the same with other callbacks of one kind."""
        changed = msgspec.structs.replace(self, **{kind: callbacks})
        wants_rows = bool(changed.insert or changed.delete or changed.update)
        return msgspec.structs.replace(changed, wants_rows=wants_rows)


NO_LISTENERS = Listeners()


class CallbackHandle:
    """A registered callback; `cancel` takes it away again, from the next message on."""

    __slots__ = ("_remove", "callback")

    def __init__(self, callback: Callable[..., Any], remove: Callable[[], None]) -> None:
        self.callback = callback
        self._remove: Callable[[], None] | None = remove

    def cancel(self) -> None:
        """Unregister; doing so twice is harmless."""
        remove, self._remove = self._remove, None
        if remove is not None:
            remove()

    def __repr__(self) -> str:
        state = "registered" if self._remove is not None else "cancelled"
        return f"<CallbackHandle {self.callback!r} {state}>"


class TableHandle(TableView[Row], Generic[Row, DbT]):
    """A table of the client cache with callbacks for its inserts and deletes.

    Callbacks get ``(ctx, row)``. They run after the whole message was applied, in the order in
    which they were registered. One that raises ends the connection, unless the client was made
    with ``on_callback_error``.
    """

    def __init__(self, table: BoundTable, owner: HandleOwner | None = None) -> None:
        super().__init__(table)
        self._owner = owner
        self.listeners = NO_LISTENERS

    def _add(self, kind: str, callback: Callable[..., Any]) -> CallbackHandle:
        check_callback(f"on_{kind}", callback)
        if self._owner is not None:
            self._owner.check_callback(callback)
        registered = (*getattr(self.listeners, kind), callback)
        self.listeners = self.listeners.having(kind, registered)
        return CallbackHandle(callback, lambda: self._remove(kind, callback))

    def _remove(self, kind: str, callback: Callable[..., Any]) -> None:
        found = list(getattr(self.listeners, kind))
        try:
            found.remove(callback)
        except ValueError:
            name = getattr(callback, "__qualname__", repr(callback))
            raise LocalProtocolError(
                f"{name} is not registered as on_{kind} of table {self.table_name!r}"
            ) from None
        self.listeners = self.listeners.having(kind, tuple(found))

    def on_insert(self, callback: Callable[[Context[DbT], Row], Returned]) -> CallbackHandle:
        """Call `callback(ctx, row)` for every row that comes into the cache."""
        return self._add("insert", callback)

    def on_delete(self, callback: Callable[[Context[DbT], Row], Returned]) -> CallbackHandle:
        """Call `callback(ctx, row)` for every row that has left the cache."""
        return self._add("delete", callback)

    def on_before_delete(self, callback: Callable[[Context[DbT], Row], None]) -> CallbackHandle:
        """Call `callback(ctx, row)` for every row about to leave, while the old cache is visible.

        Always a plain function: a coroutine would let other tasks run before the change. If it
        raises, the connection ends with nothing of that message applied.
        """
        refuse_coroutine("on_before_delete", callback)
        return self._add("before_delete", callback)

    def remove_on_insert(self, callback: CallbackHandle | Callable[..., Any]) -> None:
        """Unregister by handle or by function.

        Raises:
            LocalProtocolError: it is not registered.
        """
        self._remove("insert", _function(callback))

    def remove_on_delete(self, callback: CallbackHandle | Callable[..., Any]) -> None:
        """Unregister by handle or by function; raises LocalProtocolError if it is not there."""
        self._remove("delete", _function(callback))

    def remove_on_before_delete(self, callback: CallbackHandle | Callable[..., Any]) -> None:
        """Unregister by handle or by function; raises LocalProtocolError if it is not there."""
        self._remove("before_delete", _function(callback))

    def changes(self, *, max_buffered: int = 1024) -> ChangeStream[Row]:
        """Return a stream of `Insert`, `Update` and `Delete` values, beginning now.

        At most `max_buffered` changes wait for the reader. One more ends the stream: the reader
        gets what is buffered and then `LimitExceeded`, because the reader could not see that
        changes are missing.
        """
        if self._owner is None:
            raise LocalProtocolError("changes() needs a client that is driven by a transport")
        return self._owner.change_stream(self, max_buffered)


class KeyedTableHandle(TableHandle[Row, DbT]):
    """A table with a primary key: a row replaced under its key is an update."""

    def on_update(self, callback: Callable[[Context[DbT], Row, Row], Returned]) -> CallbackHandle:
        """Call `callback(ctx, old, new)` for every row replaced by one with the same key."""
        return self._add("update", callback)

    def remove_on_update(self, callback: CallbackHandle | Callable[..., Any]) -> None:
        """Unregister by handle or by function; raises LocalProtocolError if it is not there."""
        self._remove("update", _function(callback))


class EventTableHandle(TableHandle[Row, DbT]):
    """An event table: `on_insert` sees each event once; nothing is ever stored or deleted."""

    def on_delete(self, callback: Callable[..., Any]) -> CallbackHandle:
        """Refused: events are not stored, so none is ever deleted."""
        raise LocalProtocolError(f"{self.table_name!r} is an event table: it has on_insert only")

    on_before_delete = on_delete


def _function(callback: CallbackHandle | Callable[..., Any]) -> Callable[..., Any]:
    return callback.callback if isinstance(callback, CallbackHandle) else callback
