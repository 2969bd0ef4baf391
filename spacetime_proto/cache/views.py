"""The reading side of the cache: what ``client.db.user`` can do besides callbacks.

A view belongs to a table of the bindings and reads from whatever store it is attached to: after a
reconnect, `TableView.attach` gives it the new one. Before the first `attach` it is empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from ..errors import EncodeError
from ..schema.attributes import table_accessors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..schema.bound import BoundTable
    from .cached_table import CachedTable
    from .indexes import CacheIndex

__all__ = ["IndexView", "Range", "TableView", "UniqueColumn"]

Row = TypeVar("Row")
K = TypeVar("K")


class Range(msgspec.Struct, Generic[K], frozen=True):
    """Values from `lo` to `hi`, for `IndexView.filter`; None leaves that end open.

    Values are in SATS order: numbers with NaN last, strings by code point, *some* before *none*,
    enums and other sums by the position of the variant.
    """

    lo: K | None = None
    hi: K | None = None
    include_lo: bool = True
    include_hi: bool = True


class IndexView(Generic[Row, K]):
    """An index of a table: ``client.db.message.sender.filter(...)``.

    K is the type of the indexed column, or the tuple of the types of the indexed columns.
    """

    __slots__ = ("_columns", "_index", "_table")

    def __init__(self, table: BoundTable, columns: tuple[int, ...]) -> None:
        self._table = table
        self._columns = columns
        self._index: CacheIndex[Row] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Canonical names of the indexed columns."""
        definitions = self._table.definition.columns
        return tuple([definitions[at].name for at in self._columns])

    def attach(self, store: CachedTable[Row]) -> None:
        """Read from this store from now on."""
        self._index = store.index(self._columns)

    def filter(self, value: K | Range[Any] | tuple[Any, ...]) -> list[Row]:
        """Return the rows whose indexed columns match, in the order of the index.

        The cost grows with the number of rows found, not with the size of the table; the first
        use builds the index, the first range sorts its keys.

        Args:
            value: for one column, a value or a `Range`. For several, a tuple of values for all of
                them, or for the first few if the others do not matter; the last may be a `Range`.
                A tuple with one element may be written as that element.

        Raises:
            TypeError: more values than columns, or a `Range` before the last of them.
            DecodeError: a row does not decode.
        """
        index = self._index
        if index is None:
            return []
        if isinstance(value, tuple) and (len(self._columns) > 1 or value):
            values = value
        elif index.key is None and type(value) is not Range and len(self._columns) == 1:
            return index.group(value)
        else:
            values = (value,)
        if len(values) > len(self._columns):
            raise TypeError(
                f"{len(values)} values for an index over {len(self._columns)} columns"
                f" ({', '.join(self.columns)})"
            )
        last = values[-1] if values else None
        if isinstance(last, Range):
            prefix = values[:-1]
            low = None if last.lo is None else (last.lo, last.include_lo)
            high = None if last.hi is None else (last.hi, last.include_hi)
        elif len(values) == len(self._columns):
            self._check(values)
            return index.equal(values)
        else:
            prefix, low, high = values, None, None
        self._check(prefix)
        return index.between(prefix, low, high)

    def _check(self, values: tuple[Any, ...]) -> None:
        if any(isinstance(value, Range) for value in values):
            raise TypeError("only the last of the values can be a Range")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._table.definition.name}({', '.join(self.columns)})>"


class UniqueColumn(IndexView[Row, K]):
    """A column with at most one row per value: ``client.db.user.identity.find(...)``."""

    __slots__ = ()

    def find(self, value: K) -> Row | None:
        """Return the row with this value, or None.

        Raises:
            DecodeError: the row does not decode.
        """
        index = self._index
        if index is None:
            return None
        key, groups = index.key, index.groups
        if key is not None:
            value = key(value)
        elif groups is not None:
            # The usual case of `CacheIndex.last` (the row was read before, or there is none)
            # without the call, which would be 15 % of a lookup.
            row: Row | None = groups.get(value)
            kind = type(row)
            if kind is not bytes and kind is not dict:
                return row
        return index.last(value)


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

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.table_name}: {self.count()} rows>"
