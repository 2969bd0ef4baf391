"""``ctx.db``: how module code reads and writes its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ...unknown_names import listed, plain_name, unknown_attribute
from ..engine.store import TableStore


class DbView:
    """The tables by accessor name: ``ctx.db.user``, or ``ctx.db["user"]``."""

    def __init__(self, tables: Iterable[tuple[str, ReadAccess]]) -> None:
        self._tables = dict(tables)

    def __getattr__(self, name: str) -> Any:
        tables = self.__dict__.get("_tables", {})
        if name in tables:
            return tables[name]
        raise unknown_attribute(name, lambda: "this module", lambda: tables, kind="table")

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
        self._values = table._store.lookup_values(columns)

    def filter(self, value: Any) -> list[Any]:
        """Return the rows with this value: of one column, a tuple of several, or a prefix of them.

        The last (or only) value may be a `Range`, or a `range` of integers with step 1.

        Raises:
            TypeError: a value is of a type that its column cannot hold, or out of its range; there
                are too many values; a range is not the last of them.
        """
        return [row for _, row in self._matches(value, "filter")]

    def _matches(self, value: Any, what: str) -> list[tuple[bytes, Any]]:
        self._table._touch()
        values, span = self._values.split(value, what)
        self._values.check(values, what)
        if span is not None:
            self._values.check_range(len(values), span, what)
            values = (*values, span)
        return list(self._store.index(self._columns).select(values))

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values")
        raise unknown_attribute(
            name,
            lambda: f"the index over {', '.join(values.names) if values else None}",
            lambda: dir(type(self)),
            advice={"find": "it is not unique; filter(value) returns the rows"},
        )

    def _with_value(self, value: Any, what: str) -> Mapping[bytes, Any]:
        """Return the rows with exactly this value in the (first) column."""
        self._values.check((value,), what)
        return self._store.lookup(self._columns[0], value)


class ReadUnique(ReadIndex):
    """A unique column, for reading: ``ctx.db.user.identity.find(identity)``."""

    def find(self, value: Any) -> Any:
        """Return the row with this value, or None; raises TypeError as `filter`."""
        self._table._touch()
        return next(iter(self._with_value(value, "find").values()), None)


class IndexAccess(ReadIndex):
    """An index, for reading and deleting."""

    def delete(self, value: Any) -> int:
        """Delete the rows that `filter` would return; return how many there were."""
        matches = self._matches(value, "delete")
        for data, _ in matches:
            self._store.delete(data)
        return len(matches)


class UniqueAccess(ReadUnique):
    """A unique column, for reading and writing."""

    def delete(self, value: Any) -> bool:
        """Delete the row with this value; False if there is none; raises TypeError as `filter`."""
        found = self._with_value(value, "delete")
        return any([self._store.delete(data) for data in list(found)])

    def update(self, row: Any) -> Any:
        """Replace the row that has `row`'s value in this column; return the row as stored.

        Raises:
            KeyError: there is none.
            TypeError: its value is of a type that the column cannot hold.
            EncodeError: it is no row of this table.
            UniqueViolation: another unique value of `row` is taken by another row.
        """
        column = self._columns[0]
        self._store.check_class(row)
        value = getattr(row, self._store.attributes[column])
        for data in self._with_value(value, "update"):
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
        indexes = self.__dict__.get("_indexes", {})
        if name in indexes:
            return indexes[name]
        raise unknown_attribute(
            name,
            lambda: f"table {self._store.name!r}",
            lambda: {*indexes, *dir(type(self))},
            kind="index or unique column",
            advice=self._advice,
        )

    def _advice(self, name: str) -> str | None:
        """Return what to write in place of an attribute that tables do not have."""
        if name in self._store.attributes:
            return (
                f'column {name!r} has no index: declare it with column(index="btree"), or iterate:'
                f" [row for row in ctx.db.{self._store.definition.accessor}.iter()"
                f" if row.{name} == value]"
            )
        if plain_name(name) in ("find", "filter", "update"):
            return (
                f"{plain_name(name)} is a method of an index or unique column"
                f" ({listed(self._indexes)}), as in ctx.db.{self._store.definition.accessor}.COLUMN"
            )
        return None

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
