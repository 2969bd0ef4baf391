"""The module-level half of the 0.7 SDK: callbacks on table classes, functions that call reducers.

Programs for that SDK write ``User.register_row_update(cb)``, ``User.filter_by_name("x")`` and
``send_message_reducer.send_message("hi")`` without naming a client. A package of bindings therefore
owns one `LegacyRegistry`, which keeps the callbacks and knows which client is meant: the one whose
callback is running, else the one that was constructed last.

The legacy client (`spacetime_transports.legacy`) is a `LegacyHost`. It calls `LegacyRegistry.attach`
when it is constructed, runs user callbacks inside `LegacyRegistry.running`, and asks
`row_callbacks` and `reducer_callbacks` for what to run.
"""

from __future__ import annotations

import contextlib
import inspect
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
    TypeVarTuple,
    Unpack,
)

import msgspec

from ..client.callback_arity import check_callback
from ..errors import EncodeError, LocalProtocolError
from ..types import ConnectionId, Identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..cache.views import TableView
    from ..client.pending_call import Call
    from .client_module import Module

__all__ = [
    "LegacyHost",
    "LegacyReducerEvent",
    "LegacyRegistry",
    "ReducerCallback",
    "ReducerFunction",
    "RowCallback",
    "RowOp",
    "Then",
]

Row = TypeVar("Row")
P = ParamSpec("P")

RowOp: TypeAlias = Literal["insert", "update", "delete"]


class LegacyReducerEvent(msgspec.Struct, frozen=True):
    """What a row callback learns about the transaction; None where the server sent nothing."""

    caller_identity: Identity | None
    caller_connection_id: ConnectionId | None
    reducer_name: str | None
    status: str
    """``"committed"``, ``"failed"`` or ``"outofenergy"``."""
    message: str | None
    args: list[Any] | None

    @property
    def caller_address(self) -> ConnectionId | None:
        """The name that 0.7 had for `caller_connection_id`."""
        return self.caller_connection_id


RowCallback: TypeAlias = Callable[
    [RowOp, Row | None, Row | None, LegacyReducerEvent | None], object
]
"""``callback(row_op, old_row, new_row, reducer_event)``."""


Then: TypeAlias = Callable[[LegacyReducerEvent], object]
"""``then(reducer_event)``: called once with the outcome of one call of this client."""

Arguments = TypeVarTuple("Arguments")

ReducerFunction: TypeAlias = (
    Callable[[Identity, ConnectionId | None, str, str | None, Unpack[Arguments]], object]
    | Callable[[Identity, str, str | None, Unpack[Arguments]], object]
)
"""A reducer callback: caller identity, caller connection id, status, message, the arguments; or, as
the README of 0.7 has it, the same without the connection id."""


class LegacyHost(Protocol):
    """What the registry needs of a legacy client."""

    def legacy_table(self, name: str) -> TableView[Any]:
        """Return the cache's view of the table with this canonical name."""
        ...

    def legacy_call(self, call: Call[Any], then: Then | None = None) -> None:
        """Send a reducer call without waiting for its outcome, which `then` gets."""


class ReducerCallback(msgspec.Struct, frozen=True):
    """A registered reducer callback, and which of the two historic shapes it has."""

    function: Callable[..., Any]
    takes_connection_id: bool
    """True: the shape of the 0.7 source, ``(identity, connection_id, status, message, *args)``.
    False: that of the 0.7 README, the same without the connection id."""

    def arguments(
        self,
        caller_identity: Identity | None,
        caller_connection_id: ConnectionId | None,
        status: str,
        message: str | None,
        args: tuple[Any, ...],
    ) -> tuple[Any, ...]:
        """Return the arguments to call `function` with."""
        if self.takes_connection_id:
            return (caller_identity, caller_connection_id, status, message, *args)
        return (caller_identity, status, message, *args)


class LegacyRegistry:
    """The callbacks of one package of bindings, and the client that its functions mean.

    Callbacks are kept in tuples, which are replaced and never changed: a caller that runs through
    one is not disturbed when a callback registers or unregisters others.

    Attributes:
        module: the module of the package; it sets this itself.
    """

    module: Module[Any] | None = None

    def __init__(self) -> None:
        self._rows: dict[str, tuple[Callable[..., Any], ...]] = {}
        self._reducers: dict[str, tuple[ReducerCallback, ...]] = {}
        self._last: weakref.ref[LegacyHost] | None = None
        self._running: ContextVar[LegacyHost | None] = ContextVar("legacy client", default=None)

    # --- for the legacy client ----------------------------------------------------------------

    def attach(self, host: LegacyHost) -> None:
        """Make `host` the client that functions mean outside callbacks, until the next `attach`."""
        self._last = weakref.ref(host)

    @contextlib.contextmanager
    def running(self, host: LegacyHost) -> Iterator[None]:
        """While a callback of `host` runs, functions mean this client."""
        token = self._running.set(host)
        try:
            yield
        finally:
            self._running.reset(token)

    def row_callbacks(self, table: str) -> tuple[Callable[..., Any], ...]:
        """Return the row callbacks of a table (canonical name), in order of registration."""
        return self._rows.get(table, ())

    def reducer_callbacks(self, reducer: str) -> tuple[ReducerCallback, ...]:
        """Return the callbacks of a reducer (canonical name), in order of registration."""
        return self._reducers.get(reducer, ())

    @property
    def host(self) -> LegacyHost:
        """The client that functions mean now.

        Raises:
            LocalProtocolError: there is none.
        """
        host = self._running.get()
        if host is None and self._last is not None:
            host = self._last()
        if host is None:
            raise LocalProtocolError(
                "no client to use: construct SpacetimeDBAsyncClient(module_bindings) first"
            )
        return host

    # --- for generated table classes ----------------------------------------------------------

    def iter(self, row: type[Row], table: str) -> Iterator[Row]:
        """Iterate over the rows of a table; `row` is their class."""
        return self.host.legacy_table(table).iter()

    def find(self, row: type[Row], table: str, column: str, value: object) -> Row | None:
        """Return the row whose unique column has a value, or None."""
        rows = self.filter(row, table, column, value)
        return rows[-1] if rows else None

    def filter(self, row: type[Row], table: str, column: str, value: object) -> list[Row]:
        """Return the rows whose column has a value; through an index if there is one."""
        view = self.host.legacy_table(table)
        store = view.store
        if store is None:
            return []
        definition = view.table.definition
        at = row_fields(view.table.row_class).index(column)
        if at in definition.unique_columns or any(i.columns == (at,) for i in definition.indexes):
            return store.index((at,)).equal((value,))
        return [found for found in view.rows() if getattr(found, column) == value]

    def register(self, row: type[Row], table: str, callback: RowCallback[Row]) -> None:
        """Add a row callback.

        Raises:
            TypeError: it is not callable with these four.
        """
        check_callback(
            "a row callback", callback, ("row_op", "old_row", "new_row", "reducer_event")
        )
        self._rows[table] = (*self.row_callbacks(table), callback)

    def unregister(self, row: type[Row], table: str, callback: RowCallback[Row]) -> None:
        """Remove a row callback.

        Raises:
            ValueError: it is not registered.
        """
        callbacks = list(self.row_callbacks(table))
        callbacks.remove(callback)
        self._rows[table] = tuple(callbacks)

    def data(self, row: object) -> dict[str, Any]:
        """Return the columns of a row by name, as the attribute ``data`` of 0.7 rows."""
        return {name: getattr(row, name) for name in row_fields(type(row))}

    def encode(self, row: object) -> list[Any]:
        """Return a row as its method ``encode`` of 0.7 did: see `legacy_values.to_old`.

        Raises:
            LocalProtocolError: its class belongs to no module.
        """
        from ..sats.algebraic import RefType
        from .legacy_values import to_old

        if self.module is not None:
            types = self.module.bound.types
            for ref, cls in types.classes.items():
                if cls is type(row):
                    found: list[Any] = to_old(types, RefType(ref), row)
                    return found
        raise LocalProtocolError(f"{type(row).__name__} is no class of these bindings")

    # --- for generated reducer files ----------------------------------------------------------

    def call(self, make: Callable[P, Call[Any]], *args: P.args, **kwargs: P.kwargs) -> None:
        """Let the current client call a reducer; `make` is its function in ``reducers``."""
        self.host.legacy_call(make(*args, **kwargs))

    def call_then(
        self,
        then: Then | None,
        make: Callable[P, Call[Any]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Do what `call` does; ``then(reducer_event)`` is called with the outcome.

        Raises:
            TypeError: `then` is not callable with one argument.
        """
        if then is not None:
            check_callback("then", then, ("reducer_event",))
        self.host.legacy_call(make(*args, **kwargs), then)

    def register_reducer(self, reducer: str, parameters: int, callback: Callable[..., Any]) -> None:
        """Add a reducer callback; how many parameters it takes decides about its shape.

        Args:
            reducer: canonical name.
            parameters: how many parameters the reducer has.
            callback: in one of the two shapes; with ``*args`` it gets the longer one.

        Raises:
            TypeError: it has neither shape.
        """
        shape = _takes_connection_id(callback, parameters, reducer)
        added = ReducerCallback(callback, shape)
        self._reducers[reducer] = (*self.reducer_callbacks(reducer), added)

    def unregister_reducer(
        self, reducer: str, parameters: int, callback: Callable[..., Any]
    ) -> None:
        """Remove a reducer callback.

        Raises:
            ValueError: it is not registered.
        """
        callbacks = list(self.reducer_callbacks(reducer))
        functions = [registered.function for registered in callbacks]
        del callbacks[functions.index(callback)]
        self._reducers[reducer] = tuple(callbacks)


def row_fields(row_class: type) -> tuple[str, ...]:
    """Return the attribute names of a row class, in column order."""
    fields: tuple[str, ...] = getattr(row_class, "__struct_fields__", ())
    return fields


def old_arguments(module: Module[Any], call: Call[Any]) -> Call[Any]:
    """Return a call whose arguments may be what the 0.7 SDK took: see `legacy_values.from_old`.

    Raises:
        EncodeError: a dict or list does not fit the struct that it stands for.
    """
    from .legacy_values import from_old

    function = module.bound.reducers[call.name]
    elements = function.definition.params.elements
    if len(elements) != len(call.args):
        return call  # refused with a better text when it is sent
    try:
        args = tuple(
            from_old(module.bound.types, element.type, value, name)
            for element, name, value in zip(elements, function.param_names, call.args, strict=True)
        )
    except EncodeError as error:
        raise error.within(f"arguments of {call.name}") from error.__cause__
    return msgspec.structs.replace(call, args=args)


def _takes_connection_id(callback: Callable[..., Any], parameters: int, reducer: str) -> bool:
    if not callable(callback):
        raise TypeError(f"a reducer callback is a function, not {type(callback).__name__}")
    try:
        signature = inspect.signature(callback)
    except ValueError:
        return True  # a built-in without a signature
    for extra, with_connection in ((4, True), (3, False)):
        try:
            signature.bind(*[None] * (parameters + extra))
        except TypeError:
            continue
        return with_connection
    raise TypeError(
        f"a callback for reducer {reducer!r} takes {parameters + 4} arguments (caller identity,"
        f" caller connection id, status, message and {parameters} of the reducer) or, without the"
        f" connection id, {parameters + 3}; {getattr(callback, '__name__', callback)!r} takes neither"
    )
