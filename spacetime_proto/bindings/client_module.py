"""The module of a database on the client's side: tables, calls, and the classes of their values.

A package of bindings only says which types, tables and functions a module has; the behaviour is
here. `module` makes the `MODULE` of a package out of its classes and its embedded schema, which is
read when it is first needed. `dynamic_module` makes the same out of a description alone, with
classes made at run time, for programs without generated bindings.

0.7 surface: see `legacy_registry` for `LegacyRegistry` and what a legacy client must offer
(`LegacyHost`); `Module.legacy` is the registry of a package.
"""

from __future__ import annotations

from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from ..client.context import DbT
from ..client.db import Db as DbBase
from ..client.pending_call import Call
from ..client.table_handles import EventTableHandle, KeyedTableHandle, TableHandle
from ..dataframes.export import FrameMethods
from ..errors import LocalProtocolError, SchemaMismatch
from ..query.builder import Columns, Predicate, QueryPlan, TableQuery
from ..query.builder import build_condition as _build_condition
from ..query.conditions import Relation, relation_of
from ..query.local import Selection, matching_rows
from ..query.view_calls import ViewCall, view_call
from ..sats.algebraic import RefType
from ..schema.attributes import function_attributes, table_attributes
from ..schema.case import python_name, python_names, snake_case
from ..unknown_names import unknown_attribute
from .legacy_registry import LegacyRegistry, row_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ..client.table_handles import HandleOwner
    from ..sats.algebraic import AlgebraicType
    from ..sats.shapes import Shapes
    from ..schema.bound import BoundFunction, BoundModule, BoundTable
    from ..schema.model import ModuleDef

Row = TypeVar("Row")
C = TypeVar("C", bound=Columns)


# --- tables -------------------------------------------------------------------------------------


class _Searchable(FrameMethods, Generic[Row, C]):
    """Adds `where`, data frames and a notebook's view to a table handle."""

    __columns_class__: ClassVar[type[Columns]] = Columns
    _module: Module[Any]

    def __init_subclass__(cls, *, columns: type[Columns] | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if columns is not None:
            cls.__columns_class__ = columns

    def where(self, build: Callable[[C], Predicate]) -> Selection[Row]:
        """Return the rows in the cache for which a condition holds, found through indexes.

        The same conditions as in ``tables.NAME.where``, and equality on columns that SQL cannot
        compare. The rows are looked up when the selection is read.

        Raises:
            QueryError: the function does not give a condition on this table's columns.
        """
        handle = cast("TableHandle[Row]", self)
        columns = cast("type[C]", self.__columns_class__)
        condition = _build_condition(self._module.relation(handle.table_name), columns, build)
        return Selection(
            handle,
            lambda: matching_rows(handle, condition, getattr(handle._owner, "identity", None)),
        )

    def _frame_source(self) -> tuple[BoundTable, list[bytes]]:
        handle = cast("TableHandle[Row]", self)
        return handle.table, [] if handle.store is None else list(handle.store.rows)

    def _shown_rows(self, maximum: int) -> tuple[BoundTable, list[Row], int]:
        handle = cast("TableHandle[Row]", self)
        return handle.table, list(islice(handle.iter(), maximum)), handle.count()


class Table(TableHandle[Row, DbT], _Searchable[Row, C], Generic[Row, C, DbT]):
    """A table without a primary key."""


class KeyedTable(KeyedTableHandle[Row, DbT], _Searchable[Row, C], Generic[Row, C, DbT]):
    """A table with a primary key."""


class EventTable(EventTableHandle[Row, DbT], _Searchable[Row, C], Generic[Row, C, DbT]):
    """An event table."""


# --- the module ---------------------------------------------------------------------------------


class Namespace:
    """Attributes by name, for bindings made at run time: ``module.reducers.send_message(...)``.

    Iterating gives the members, those of submodules included.

    Args:
        kind: what the members are, for errors.
        members: the members by name; with dots, such as ``my_auth.sessions``, in submodules.
    """

    def __init__(self, kind: str, members: Mapping[str, Any]) -> None:
        self._kind = kind
        self._members: dict[str, Any] = {}
        inner: dict[str, dict[str, Any]] = {}
        for name, member in members.items():
            first, dot, rest = name.partition(".")
            if dot:
                inner.setdefault(first, {})[rest] = member
            else:
                self._members[name] = member
        for name, below in inner.items():
            self._members[name] = Namespace(kind, below)

    def __getattr__(self, name: str) -> Any:
        members = self.__dict__.get("_members", {})
        if name in members:
            return members[name]
        raise unknown_attribute(
            name, lambda: "this module", lambda: members, kind=self.__dict__.get("_kind", "")
        )

    def __iter__(self) -> Iterator[Any]:
        for member in self._members.values():
            if isinstance(member, Namespace):
                yield from member
            else:
                yield member

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __dir__(self) -> Iterable[str]:
        return self._members

    def __repr__(self) -> str:
        return f"<Namespace of {self._kind}s: {', '.join(self._members)}>"


class Module(Generic[DbT]):
    """A module as bindings know it; `DbT` is the type of ``client.db``.

    Its schema is read, and its codecs and namespaces are made, once, when they are first needed.
    One module serves any number of clients.

    Attributes:
        legacy: the callbacks registered through the 0.7 surface of the same package.
    """

    def __init__(
        self,
        load: Callable[[], ModuleDef],
        *,
        db: type[DbT],
        classes: Mapping[int, type] | None = None,
        legacy: LegacyRegistry | None = None,
    ) -> None:
        self._load = load
        self._db_class = db
        self._classes = classes or {}
        self._relations: dict[str, Relation] = {}
        self.legacy = LegacyRegistry() if legacy is None else legacy
        self.legacy.module = self
        for ref, cls in self._classes.items():
            cast("Any", cls).__type__ = partial(self._type, ref)

    def _type(self, ref: int) -> tuple[Shapes, AlgebraicType]:
        return self.bound.types.shapes, RefType(ref)

    @cached_property
    def definition(self) -> ModuleDef:
        """The description of the module.

        Raises:
            SchemaError: the embedded schema is damaged.
        """
        return self._load()

    @cached_property
    def bound(self) -> BoundModule:
        """The description with its classes and codecs.

        Raises:
            SchemaError: a class does not fit the embedded schema.
        """
        from ..schema.bound import BoundModule

        names = {type_def.ref: type_def.name for type_def in self.definition.types}
        classes = {names[ref]: cls for ref, cls in self._classes.items()}
        return BoundModule(self.definition, classes)

    def create_db(self, owner: HandleOwner | None = None) -> DbT:
        """Make the table handles of one client; `owner` is that client's session."""
        make = cast("type[Any]", self._db_class)
        if "__attribute_names__" not in vars(make):
            make.__attribute_names__ = table_attributes(self.definition.tables)
        db = make(self.bound, owner)
        for handle in db:
            handle._module = self
        return cast("DbT", db)

    def query(self, row: type[Row], columns: type[C], name: str) -> TableQuery[Row, C]:
        """Return all rows of a table as a query.

        Args:
            row: class of the rows.
            columns: class of the columns that `where` hands to its function.
            name: canonical name of the table.
        """
        return TableQuery(lambda: QueryPlan(self.relation(name)), columns)

    def call_view(self, row: type[Row], name: str, *arguments: object) -> ViewCall[Row]:
        """Return the rows that a view with parameters has for these arguments, as a query.

        Args:
            row: class of the rows.
            name: canonical name of the view.
            arguments: one for each parameter, in order.

        Raises:
            TypeError: wrong number of arguments.
            QueryError: an argument does not fit its parameter, or SQL cannot pass its type.
        """
        return view_call(self.relation(name), arguments)

    def relation(self, name: str) -> Relation:
        """Return a table as queries see it.

        Raises:
            LocalProtocolError: there is none of that canonical name.
        """
        found = self._relations.get(name)
        if found is None:
            table = self.bound.tables.get(name)
            if table is None:
                raise LocalProtocolError(f"the bindings have no table {name!r}")
            attributes = row_fields(table.row_class)
            found = relation_of(table.definition, self.bound.types.typespace, attributes)
            self._relations[name] = found
        return found

    # --- the same by name, without generated code ---------------------------------------------

    @cached_property
    def tables(self) -> Namespace:
        """Every table as a query, by the name it has on ``client.db``.

        A view with parameters is a function that takes its arguments and returns the query.
        """
        names = table_attributes(self.definition.tables)
        return Namespace(
            "table",
            {
                attribute: self._start(attribute, self.bound.tables[name])
                for name, attribute in names.items()
            },
        )

    def _start(self, attribute: str, table: BoundTable) -> Any:
        if not table.definition.params.elements:
            return self.query(table.row_class, Columns, table.name)
        parameters = self.relation(table.name).parameters
        return _named_function(
            f"Query view {table.name!r}.",
            table.name,
            attribute.rpartition(".")[2],
            [parameter.attribute for parameter in parameters],
            partial(self.call_view, table.row_class, table.name),
        )

    @cached_property
    def reducers(self) -> Namespace:
        """A function for every reducer that clients can call; it makes a `Call`."""
        callable_ones = [r.name for r in self.definition.reducers if not r.is_private]
        return self._functions("reducer", self.bound.reducers, callable_ones)

    @cached_property
    def procedures(self) -> Namespace:
        """A function for every procedure that clients can call; it makes a `Call`."""
        callable_ones = [p.name for p in self.definition.procedures if not p.is_private]
        return self._functions("procedure", self.bound.procedures, callable_ones)

    @cached_property
    def types(self) -> Namespace:
        """The class of every named type that has one."""
        classes = self.bound.types.classes
        members = [d for d in self.definition.types if d.ref in classes]
        names = python_names(type_def.name for type_def in members)
        return Namespace(
            "type", {name: classes[d.ref] for name, d in zip(names, members, strict=True)}
        )

    def _functions(
        self, kind: Any, functions: Mapping[str, BoundFunction], names: Sequence[str]
    ) -> Namespace:
        accessors = function_attributes(functions[name].definition.accessor for name in names)
        return Namespace(
            kind,
            {
                accessor: _call_maker(kind, functions[name])
                for accessor, name in zip(accessors, names, strict=True)
            },
        )

    def check_fits(self, theirs: ModuleDef) -> None:
        """Compare with the description that a server gave.

        Raises:
            SchemaMismatch: something that these bindings have is missing there, or different.
        """
        from ..schema.difference import differences

        found = differences(self.definition, theirs)
        if found:
            shown = "; ".join(found[:5])
            more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
            raise SchemaMismatch(
                f"the database no longer fits the bindings: {shown}{more}."
                " Generate them again: spacetime-py generate",
                differences=found,
            )

    def __repr__(self) -> str:
        is_read = "definition" in vars(self)
        return f"<Module {f'{len(self.definition.tables)} tables' if is_read else 'not read yet'}>"


def _call_maker(kind: Any, function: BoundFunction) -> Callable[..., Call[Any]]:
    name = function.definition.name
    return _named_function(
        f"Call {kind} {name!r}.",
        name,
        function.definition.accessor,
        function.param_names,
        lambda *given: Call(kind, name, given),
    )


def _named_function(
    doc: str, name: str, accessor: str, names: Sequence[str], make: Callable[..., Any]
) -> Callable[..., Any]:
    """Return `make` with a signature: arguments by position or name, counted.

    Args:
        doc: its docstring.
        name: what errors call it.
        accessor: its ``__name__``.
        names: of its parameters.
        make: takes the arguments in order.
    """
    import inspect

    signature = inspect.Signature(
        [inspect.Parameter(text, inspect.Parameter.POSITIONAL_OR_KEYWORD) for text in names]
    )

    def bound(*args: Any, **named: Any) -> Any:
        # A schema before 2.14 called parameters by their source names, and programs may too.
        for key in [key for key in named if key not in signature.parameters]:
            spelled = python_name(snake_case(key))
            if spelled in signature.parameters and spelled not in named:
                named[spelled] = named.pop(key)
        try:
            given = signature.bind(*args, **named).args
        except TypeError as error:
            raise TypeError(f"{name}{signature}: {error}") from None
        return make(*given)

    bound.__name__ = bound.__qualname__ = accessor
    bound.__doc__ = doc
    bound.__signature__ = signature  # type: ignore[attr-defined]  # what help() shows
    return bound


def module(
    schema: str,
    *,
    db: type[DbT],
    tables: Mapping[str, type[TableHandle[Any]]],
    classes: Mapping[int, type],
    legacy: LegacyRegistry,
) -> Module[DbT]:
    """Make the `MODULE` of a package of generated bindings.

    Args:
        schema: the embedded description, JSON of version 10.
        db: the class of ``client.db``.
        tables: handle class by canonical table name.
        classes: the package's classes by their position in the schema's typespace.
        legacy: the package's callbacks of the 0.7 surface.
    """

    def load() -> ModuleDef:
        from ..schema.load import load_schema

        return load_schema(schema)

    cast("Any", db).__handle_classes__ = tables
    return Module(load, db=db, classes=classes, legacy=legacy)


def dynamic_module(definition: ModuleDef) -> Module[Any]:
    """Make bindings at run time: ``client.db`` and `Module.tables` and so on, untyped."""
    handles: dict[str, type[TableHandle[Any]]] = {}
    for table in definition.tables:
        if table.is_event:
            handles[table.name] = EventTable
        else:
            handles[table.name] = Table if table.primary_key is None else KeyedTable
    db = type("Db", (DbBase,), {"__handle_classes__": handles})
    return Module(lambda: definition, db=db)
