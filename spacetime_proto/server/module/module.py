"""`DatabaseModule`: a SpacetimeDB module written in Python.

Decorators collect tables and functions; `DatabaseModule.build` turns them into a `Blueprint`: the same
`ModuleDef` that a published module's schema becomes, plus the Python side of every part. Nothing is
resolved before that, so that classes may mention each other in any order.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, TypeVar, cast, dataclass_transform, overload

from ...errors import SchemaError
from ...schema.case import snake_case
from ...schema.model import Lifecycle
from .blueprint import Blueprint, build
from .columns import Index, column
from .declarations import FunctionDecl, FunctionKind, TableDecl

__all__ = ["DatabaseModule"]

C = TypeVar("C", bound="type[Any]")
F = TypeVar("F", bound=Callable[..., Any])
#: Inside the class, ``type`` is a method.
AnyClass: TypeAlias = type[Any]


class DatabaseModule:
    """The tables and functions of one module.

    ::

        module = DatabaseModule()

        @module.table(public=True)
        class User:
            identity: Identity = column(primary_key=True)
            online: bool = False

        @module.reducer
        def set_online(ctx: Context, online: bool) -> None: ...
    """

    def __init__(self) -> None:
        self._tables: list[TableDecl] = []
        self._functions: list[FunctionDecl] = []
        self._filters: list[str] = []
        self._environment: type[Any] | None = None
        self._scope: dict[str, Any] = {}
        self._built: Blueprint | None = None

    # --- tables and types ---------------------------------------------------------------------

    @overload
    def table(self, cls: C, /) -> C: ...
    @overload
    def table(
        self,
        cls: None = None,
        /,
        *,
        name: str | None = ...,
        accessor: str | None = ...,
        public: bool = ...,
        event: bool = ...,
        scheduled: str | None = ...,
        indexes: Iterable[Index] = ...,
    ) -> Callable[[C], C]: ...
    @dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(column,))
    def table(
        self,
        cls: Any = None,
        /,
        *,
        name: str | None = None,
        accessor: str | None = None,
        public: bool = False,
        event: bool = False,
        scheduled: str | None = None,
        indexes: Iterable[Index] = (),
    ) -> Any:
        """Make a class the row type of a table; it becomes a frozen keyword-only dataclass.

        Args:
            cls: the class, when used without parentheses.
            name: the table's name on the wire; the accessor if not given.
            accessor: what ``ctx.db.NAME`` is called; `name`, or the class name in snake_case.
            public: clients may read it; private tables are for the module and the owner.
            event: rows are announced once and never stored.
            scheduled: name of the reducer or procedure that the rows schedule.
            indexes: indexes over several columns.

        Applied a second time to the same class, it makes another table with the same row type.
        """
        self._grow()
        self._remember_scope()

        def make(row_class: Any) -> Any:
            row_class = _as_dataclass(row_class)
            table_accessor = accessor or name or snake_case(row_class.__name__)
            self._tables.append(
                TableDecl(
                    row_class=row_class,
                    name=name or table_accessor,
                    accessor=table_accessor,
                    is_public=public,
                    is_event=event,
                    scheduled=scheduled,
                    indexes=tuple(indexes),
                )
            )
            return row_class

        return make if cls is None else make(cls)

    @dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(column,))
    def type(self, cls: C) -> C:
        """Make a class a product type for columns, arguments and results: a frozen dataclass."""
        self._grow()
        self._remember_scope()
        return cast("C", _as_dataclass(cls))

    # --- functions ----------------------------------------------------------------------------

    @overload
    def reducer(self, function: F, /) -> F: ...
    @overload
    def reducer(
        self, function: None = None, /, *, name: str | None = ..., private: bool = ...
    ) -> Callable[[F], F]: ...
    def reducer(
        self, function: Any = None, /, *, name: str | None = None, private: bool = False
    ) -> Any:
        """Make a function a reducer: one transaction, rolled back if it raises.

        Args:
            function: ``def f(ctx: Context, ...) -> None``, when used without parentheses.
            name: its name on the wire; the function's name if not given.
            private: only the owner may call it.
        """
        return self._function("reducer", function, name=name, is_private=private)

    @overload
    def procedure(self, function: F, /) -> F: ...
    @overload
    def procedure(
        self, function: None = None, /, *, name: str | None = ..., private: bool = ...
    ) -> Callable[[F], F]: ...
    def procedure(
        self, function: Any = None, /, *, name: str | None = None, private: bool = False
    ) -> Any:
        """Make a function a procedure: it returns a value and opens transactions itself.

        It may be ``async def`` in order to ``await ctx.sleep(seconds)``; others run meanwhile.
        """
        return self._function("procedure", function, name=name, is_private=private)

    @overload
    def view(self, function: F, /) -> F: ...
    @overload
    def view(
        self,
        function: None = None,
        /,
        *,
        name: str | None = ...,
        anonymous: bool = ...,
        primary_key: str | None = ...,
    ) -> Callable[[F], F]: ...
    def view(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        anonymous: bool = False,
        primary_key: str | None = None,
    ) -> Any:
        """Make a function a view: a computed table that clients subscribe to like any other.

        Args:
            function: ``def v(ctx: ViewContext, ...) -> list[Row]``, or ``Row | None``, or
                ``ViewQuery[Row]``. Further parameters are given by each query:
                ``SELECT * FROM v(5, 'x')``; each combination of arguments has rows of its own.
            name: its name on the wire and in SQL; the function's name if not given.
            anonymous: the result does not depend on the caller, so it is computed once for all.
            primary_key: attribute name of the row's key, for views that return rows and have no
                parameters.
        """
        return self._function(
            "view", function, name=name, is_anonymous=anonymous, primary_key=primary_key
        )

    def init(self, function: F) -> F:
        """Run a reducer once, when the module is published."""
        return self._lifecycle(function, "init")

    def client_connected(self, function: F) -> F:
        """Run a reducer when a client connects; if it raises, the client is turned away."""
        return self._lifecycle(function, "on_connect")

    def client_disconnected(self, function: F) -> F:
        """Run a reducer when a client's connection has ended, however it ended."""
        return self._lifecycle(function, "on_disconnect")

    def schedules(self, table: AnyClass) -> Callable[[F], F]:
        """Make a function the reducer that the rows of a table schedule.

        The table needs a `ScheduleAt` column and a U64 primary key. The reducer gets the row as its
        only argument; a row whose time was `ScheduleAt.Time` is deleted when it has run.
        """

        def make(function: F) -> F:
            matching = [decl for decl in self._tables if decl.row_class is table]
            if not matching:
                raise SchemaError(f"{table.__name__} is not a table of this module")
            for decl in matching:
                decl.scheduled = function.__name__
            made: F = self._function("reducer", function, is_private=True)
            return made

        return make

    def row_level_security(self, sql: str) -> None:
        """Show clients only those rows of a table that this query (or another such one) selects.

        The parameter ``:sender`` is the caller's identity. The owner sees everything.
        """
        self._grow()
        self._filters.append(sql)

    def environment(self, cls: C) -> C:
        """Declare the environment variables that the module reads: one annotation for each.

        ::

            @module.environment
            class Env:
                API_KEY: str
                MODE: Literal["development", "production"]
                LOG_LEVEL: Literal["info", "debug"] | None

        Whoever serves the module supplies the values, all but those that may be None. Functions read
        them as ``ctx.env.API_KEY`` or ``ctx.env["API_KEY"]``; a view is computed again when they change.
        """
        self._grow()
        self._remember_scope()
        if self._environment is not None:
            raise SchemaError("this module already declares its environment")
        self._environment = cls
        return cls

    # --- what it becomes ----------------------------------------------------------------------

    def build(self) -> Blueprint:
        """Resolve everything; the result is made once, and the module accepts no additions after.

        Raises:
            SchemaError: if something in the module has no place in a SpacetimeDB schema.
        """
        if self._built is None:
            self._built = build(
                self._tables, self._functions, self._filters, self._scope, self._environment
            )
        return self._built

    def _function(self, kind: FunctionKind, function: Any, **options: Any) -> Any:
        self._grow()
        self._remember_scope()
        name = options.pop("name", None)

        def make(target: Any) -> Any:
            if inspect.iscoroutinefunction(target) and kind != "procedure":
                raise SchemaError(
                    f"{kind} {target.__name__} is `async def`; only procedures may be"
                )
            self._functions.append(
                FunctionDecl(kind=kind, call=target, name=name or target.__name__, **options)
            )
            return target

        return make if function is None else make(function)

    def _lifecycle(self, function: F, event: Lifecycle) -> F:
        if any(decl.lifecycle == event for decl in self._functions):
            raise SchemaError(f"this module already has a reducer for {event}")
        made: F = self._function("reducer", function, lifecycle=event, is_private=True)
        return made

    def _grow(self) -> None:
        if self._built is not None:
            raise SchemaError("this module is in use already; declare everything before serving it")

    def _remember_scope(self) -> None:
        """Note the local names of the function that the caller of the decorator is in, if any.

        String annotations (PEP 563) can name classes that exist only there, as in a test.
        """
        frame = sys._getframe(2)
        while frame.f_globals.get("__name__") == __name__ and frame.f_back is not None:
            frame = frame.f_back
        if frame.f_locals is not frame.f_globals:
            self._scope.update(frame.f_locals)


def _as_dataclass(cls: Any) -> Any:
    if dataclasses.is_dataclass(cls):
        return cls
    return dataclasses.dataclass(frozen=True, kw_only=True)(cls)
