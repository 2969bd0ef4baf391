"""The reading side of the cache: what ``client.db.user`` can do besides callbacks.

A view belongs to a table of the bindings and reads from whatever store it is attached to: after a
reconnect, `TableView.attach` gives it the new one. Before the first `attach` it is empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import EncodeError
from ..schema.attributes import table_accessors
from ..unknown_names import listed, plain_name, unknown_attribute
from .lookup_values import LookupValues, Range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..schema.bound import BoundTable
    from .cached_table import CachedTable
    from .indexes import CacheIndex

__all__ = ["IndexView", "Range", "TableView", "UniqueColumn"]

Row = TypeVar("Row")
K = TypeVar("K")


#: What to write in place of names that tables have elsewhere; ``{}`` stands for the table.
_ADVICE = {
    **dict.fromkeys(("all", "values", "toarray", "tolist", "fetchall"), "write {0}.rows()"),
    **dict.fromkeys(("length", "size"), "write {0}.count()"),
    **dict.fromkeys(("get", "first", "findby", "filterby"), "write {0}.UNIQUE_COLUMN.find(value)"),
    **dict.fromkeys(
        ("insert", "delete", "update", "add", "remove", "upsert", "save"),
        "clients only read tables; rows are changed by a reducer: client.call(reducers.NAME(...))",
    ),
    "subscribe": "write client.subscribe(...) with a query on this table",
    "query": "write client.query(...) with a query on this table",
    "select": "write {0}.where(lambda row: ...)",
    "onchange": "write {0}.on_insert, on_update and on_delete, or {0}.changes()",
}


class IndexView(Generic[Row, K]):
    """An index of a table: ``client.db.message.sender.filter(...)``.

    K is the type of the indexed column, or the tuple of the types of the indexed columns.
    """

    __slots__ = ("_columns", "_index", "_table", "_values")

    def __init__(self, table: BoundTable, columns: tuple[int, ...]) -> None:
        self._table = table
        self._columns = columns
        self._values: LookupValues | None = None
        self._index: CacheIndex[Row] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Canonical names of the indexed columns."""
        definitions = self._table.definition.columns
        return tuple([definitions[at].name for at in self._columns])

    def attach(self, store: CachedTable[Row]) -> None:
        """Read from this store from now on."""
        self._index = store.index(self._columns)

    def filter(self, value: K | Range[Any] | range | tuple[Any, ...]) -> list[Row]:
        """Return the rows whose indexed columns match, in the order of the index.

        The cost grows with the number of rows found, not with the size of the table; the first
        use builds the index, the first range sorts its keys.

        Args:
            value: for one column, a value, a `Range`, or a `range` of integers with step 1. For
                several, a tuple of values for all of them, or for the first few if the others do
                not matter; the last may be a range. A tuple with one element may be written as that
                element.

        Raises:
            TypeError: a value is of a type that its column cannot hold, or an integer out of its
                range; more values than columns; a range before the last of them.
            DecodeError: a row does not decode.
        """
        index = self._index
        if index is None or type(value) is not index.plain:
            return self._filter(value)
        rows = index.group(value)
        if not rows and index.limits is not None:
            self._checks.check((value,), "filter")
        return rows

    def _filter(self, value: Any) -> list[Row]:
        """Do what `filter` does with any value."""
        checks = self._checks
        values, span = ((), value) if type(value) is Range else checks.split(value)
        if values:
            checks.check(values, "filter")
        index = self._index
        if span is None and len(values) == len(self._columns):
            return [] if index is None else index.equal(values)
        if span is None:
            span = Range()
        else:
            checks.check_range(len(values), span)
        if index is None:
            return []
        low = None if span.lo is None else (span.lo, span.include_lo)
        high = None if span.hi is None else (span.hi, span.include_hi)
        return index.between(values, low, high)

    if not TYPE_CHECKING:  # pragma: no branch

        @property
        def find(self) -> Any:
            # Not by __getattr__, which would make each lookup slower.
            raise AttributeError(
                f"{self!r} is not unique, so it has no find: filter(value) returns the rows"
            )

    @property
    def _checks(self) -> LookupValues:
        """The values that may be looked up; made when it is first needed."""
        if self._values is None:
            self._values = LookupValues(self._table, self._columns)
        return self._values

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._table.definition.name}({', '.join(self.columns)})>"


class UniqueColumn(IndexView[Row, K]):
    """A column with at most one row per value: ``client.db.user.identity.find(...)``."""

    __slots__ = ()

    def find(self, value: K) -> Row | None:
        """Return the row with this value, or None.

        Raises:
            TypeError: the value is of a type that the column cannot hold, or an integer out of its
                range.
            DecodeError: the row does not decode.
        """
        index = self._index
        if index is not None and type(value) is index.plain:
            # The usual case of `CacheIndex.last` (the row was read before) without the call, which
            # would be 15 % of a lookup.
            row: Row | None = index.groups.get(value)  # type: ignore[union-attr]  # it is built
            kind = type(row)
            if kind is bytes or kind is dict:
                return index.last(value)
            if row is None and index.limits is not None:
                low, high = index.limits
                if not low <= value <= high:  # type: ignore[operator]  # it is an int
                    self._checks.check((value,), "find")
            return row
        self._checks.check((value,), "find")
        if index is None:
            return None
        key = index.key
        return index.last(value if key is None else key(value))


class TableView(Generic[Row]):
    """The rows of one table, and its unique columns and indexes as attributes.

    The attributes are named as `schema.attributes` says: a unique column as the column, an index by
    its accessor name. Rows are in no promised order.
    """

    def __init__(self, table: BoundTable) -> None:
        self._table = table
        self._store: CachedTable[Row] | None = None
        self._accessors: list[IndexView[Row, Any]] = []
        definition = table.definition
        if definition.is_event:
            return  # nothing is stored, so there is nothing to find
        for accessor in table_accessors(definition, table.codec.names):
            kind = UniqueColumn if accessor.kind == "unique" else IndexView
            view: IndexView[Row, Any] = kind(table, accessor.columns)
            self._accessors.append(view)
            setattr(self, accessor.name, view)

    @property
    def table_name(self) -> str:
        """Canonical name of the table."""
        return self._table.definition.name

    @property
    def table(self) -> BoundTable:
        """The table's definition, row class and codec."""
        return self._table

    @property
    def store(self) -> CachedTable[Row] | None:
        """Where the rows are; None before the first `attach`."""
        return self._store

    def attach(self, store: CachedTable[Row]) -> None:
        """Read from this store from now on."""
        self._store = store
        for accessor in self._accessors:
            accessor.attach(store)

    def count(self) -> int:
        """Return the number of different rows."""
        return 0 if self._store is None else len(self._store.rows)

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        """Always True: ``if client.db.user:`` does not ask whether there are rows; use `count`."""
        return True

    def iter(self) -> Iterator[Row]:
        """Iterate over the rows as they are at this moment; later changes do not affect it.

        Raises:
            DecodeError: from the iterator, when a row does not decode.
        """
        return iter(()) if self._store is None else iter(self._store)

    def __iter__(self) -> Iterator[Row]:
        return self.iter()

    def rows(self) -> list[Row]:
        """Return all rows.

        Raises:
            DecodeError: a row does not decode.
        """
        return [] if self._store is None else self._store.all_rows()

    def __contains__(self, row: object) -> bool:
        """Say whether a row with the same values in all columns is here."""
        if self._store is None or not isinstance(row, self._table.row_class):
            return False
        try:
            return self._store.holds(row)
        except EncodeError:
            return False

    if not TYPE_CHECKING:  # pragma: no branch

        def __getattr__(self, name: str) -> Any:
            raise unknown_attribute(
                name,
                lambda: f"table {self.table_name!r}",
                lambda: {*dir(type(self)), *vars(self)},
                similar=lambda: self._table.column_names,
                advice=self._advice,
            )

    def _advice(self, name: str) -> str | None:
        """Return what to write in place of an attribute that tables do not have."""
        accessor = f"db.{self._table.definition.accessor}"
        definition, plain = self._table.definition, plain_name(name)
        if name in self._table.column_names:
            if definition.is_event:
                return "an event table keeps no rows to look up; use on_insert"
            return (
                f"column {name!r} is neither unique nor indexed; write"
                f" {accessor}.where(lambda row: row.{name} == value), or iterate over the table"
            )
        if plain in ("find", "filter"):
            kind = UniqueColumn if plain == "find" else IndexView
            names = [key for key, value in vars(self).items() if isinstance(value, kind)]
            which = "unique columns" if plain == "find" else "indexes and unique columns"
            any_condition = f"write {accessor}.where(lambda row: row.COLUMN == value)"
            if not names:
                return f"{plain} is a method of {which}, of which there are none; {any_condition}"
            return (
                f"{plain} is a method of {which}: {accessor}.{names[0]}.{plain}(value);"
                f" there are {listed(names)}; for any other condition {any_condition}"
            )
        if plain in ("onupdate", "removeonupdate") and not hasattr(type(self), "on_update"):
            return "only tables with a primary key have updates; use on_insert and on_delete"
        return _ADVICE.get(plain, "").format(accessor) or None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.table_name}: {self.count()} rows>"
