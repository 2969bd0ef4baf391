"""``ctx.db``: how module code reads and writes its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..engine.store import TableStore


class DbView:
    """The tables by accessor name: ``ctx.db.user``, or ``ctx.db["user"]``."""

    def __init__(self, tables: Iterable[tuple[str, ReadAccess]]) -> None:
        self._tables = dict(tables)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_tables"][name]
        except KeyError:
            raise AttributeError(f"this module has no table {name!r}") from None

    def __getitem__(self, name: str) -> Any:
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)


class ReadIndex:
    """An index, for reading: ``ctx.db.message.sender.filter(identity)``."""

    def __init__(self, table: ReadAccess, columns: tuple[int, ...]) -> None:
        self._table = table
        self._store = table._store
        self._columns = columns

    def filter(self, value: Any) -> list[Any]:
        """Return the rows with this value: of one column, a tuple of several, or a prefix of them.

        The last (or only) value may be a `Range`.
        """
        return [row for _, row in self._matches(value)]

    def _matches(self, value: Any) -> list[tuple[bytes, Any]]:
        self._table._touch()
        values = value if isinstance(value, tuple) else (value,)
        if len(values) > len(self._columns):
            raise ValueError(f"this index has {len(self._columns)} columns, not {len(values)}")
        return list(self._store.index(self._columns).select(values))


class ReadUnique(ReadIndex):
    """A unique column, for reading: ``ctx.db.user.identity.find(identity)``."""

    def find(self, value: Any) -> Any:
        """Return the row with this value, or None."""
        self._table._touch()
        return next(iter(self._store.lookup(self._columns[0], value).values()), None)


class IndexAccess(ReadIndex):
    """An index, for reading and deleting."""

    def delete(self, value: Any) -> int:
        """Delete the rows that `filter` would return; return how many there were."""
        matches = self._matches(value)
        for data, _ in matches:
            self._store.delete(data)
        return len(matches)


class UniqueAccess(ReadUnique):
    """A unique column, for reading and writing."""

    def delete(self, value: Any) -> bool:
        """Delete the row with this value; False if there is none."""
        found = self._store.lookup(self._columns[0], value)
        return any([self._store.delete(data) for data in list(found)])

    def update(self, row: Any) -> Any:
        """Replace the row that has `row`'s value in this column; return the row as stored.

        Raises:
            KeyError: there is none.
            UniqueViolation: another unique value of `row` is taken by another row.
        """
        column = self._columns[0]
        value = getattr(row, self._store.attributes[column])
        for data in self._store.lookup(column, value):
            return self._store.replace(data, row)
        name = self._store.definition.columns[column].name
        raise KeyError(f"table {self._store.name} has no row with {name} = {value!r} to update")


class ReadAccess:
    """A table or view of the module, for reading, as in the context of a view."""

    def __init__(self, store: TableStore, touch: Callable[[str], None] | None = None) -> None:
        """Give access to `store`.

        Args:
            store: the rows.
            touch: told the table's name whenever rows are read.
        """
        self._store = store
        self._on_touch = touch
        definition = store.definition
        unique = {columns for columns in definition.unique_constraints if len(columns) == 1}
        self._indexes = {
            index.accessor: self._make_index(index.columns, index.columns in unique)
            for index in definition.indexes
            if index.accessor is not None
        }

    def iter(self) -> Iterator[Any]:
        """Iterate over the rows as they are now; changing the table meanwhile is safe."""
        self._touch()
        return iter(list(self._store.rows.values()))

    def count(self) -> int:
        """Return the number of rows."""
        self._touch()
        return len(self._store.rows)

    __iter__ = iter
    __len__ = count

    def __getitem__(self, name: str) -> Any:
        """Return an index by name, also one whose name is that of a method."""
        return self._indexes[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_indexes"][name]
        except KeyError:
            raise AttributeError(
                f"table {self._store.name} has no index or unique column {name!r}"
            ) from None

    def _make_index(self, columns: tuple[int, ...], is_unique: bool) -> ReadIndex:
        return (ReadUnique if is_unique else ReadIndex)(self, columns)

    def _touch(self) -> None:
        if self._on_touch is not None:
            self._on_touch(self._store.name)


class TableAccess(ReadAccess):
    """A table of the module, for reading and writing inside a transaction."""

    def insert(self, row: Any) -> Any:
        """Insert a row and return it as stored: auto-increment columns that were 0 are filled.

        Raises:
            UniqueViolation: a unique value is taken.
        """
        return self._store.insert(row)

    def delete(self, row: Any) -> bool:
        """Delete exactly this row; False if it is not there."""
        return self._store.delete(self._store.encode(row))

    def _make_index(self, columns: tuple[int, ...], is_unique: bool) -> ReadIndex:
        return (UniqueAccess if is_unique else IndexAccess)(self, columns)
