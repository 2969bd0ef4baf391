"""`TableStore`: the rows of one table, with its constraints and indexes.

A table is a set of rows; a row's identity is its BSATN (docs/protocol.md section 6.1). Rows are kept as
the module's own objects, decoded from exactly the bytes that clients get, so a float is rounded to
its width and module code has no reference to a stored list. Every change is written to the journal
of the running transaction, which can undo or publish it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from ...cache.lookup_values import LookupValues
from ...errors import EncodeError
from ...sats.order import sort_key
from ...schema.bound import BoundTable
from ..module.blueprint import TableBlueprint
from ..module.convert import Converters
from .row_index import KeyFunction, RowIndex

__all__ = ["Change", "Journal", "TableStore", "UniqueViolation"]


class UniqueViolation(ValueError):
    """A row was refused because its value in a unique column is taken."""


class Entry(msgspec.Struct):
    """One line of a journal."""

    store: TableStore
    is_insert: bool
    data: bytes
    row: Any


Journal: TypeAlias = list[Entry]


class Change(msgspec.Struct):
    """The net effect of a transaction on one table: encoded row -> row."""

    inserted: dict[bytes, Any]
    deleted: dict[bytes, Any]

    def __bool__(self) -> bool:
        return bool(self.inserted or self.deleted)


class TableStore:
    """The rows of one table.

    Attributes:
        definition: the table's definition; `name` is the canonical name.
        table_id: the id of the table on v1.
        rows: encoded row -> row, in the order of insertion.
        attributes: the row class's attribute of each column.
    """

    def __init__(
        self,
        plan: TableBlueprint,
        bound: BoundTable,
        converters: Converters,
        table_id: int,
        journal: Callable[[], Journal],
    ) -> None:
        """Make an empty table.

        Args:
            plan: the table.
            bound: its codecs.
            converters: of the module.
            table_id: 4096 and up.
            journal: returns the journal of the running transaction; raises if there is none.
        """
        self.definition = plan.definition
        self.name = plan.definition.name
        self.table_id = table_id
        self.row_class = plan.row_class
        self.attributes = plan.attributes
        self.rows: dict[bytes, Any] = {}
        self._journal = journal
        self._bound = bound
        self._codec = bound.codec
        self._to_wire, self._from_wire = converters.product(plan.row_class)
        self._column_to_wire = converters.columns(plan.row_class)
        self._column_keys = [
            _key_function(sort_key(column.type, converters.typespace), convert)
            for column, convert in zip(plan.definition.columns, self._column_to_wire, strict=True)
        ]
        self._indexes: dict[tuple[int, ...], RowIndex] = {}
        for index in plan.definition.indexes:
            self.index(index.columns)
        self._unique = [
            (columns, self.index(columns)) for columns in plan.definition.unique_constraints
        ]
        self._sequences = {sequence.column: 0 for sequence in plan.definition.sequences}

    # --- reading ------------------------------------------------------------------------------

    def index(self, columns: tuple[int, ...]) -> RowIndex:
        """Return the index over these columns, made now if there is none."""
        found = self._indexes.get(columns)
        if found is None:
            found = self._indexes[columns] = RowIndex(
                [self.attributes[column] for column in columns],
                [self._column_keys[column] for column in columns],
            )
            for data, row in self.rows.items():
                found.add(data, row)
        return found

    def lookup(self, column: int, value: Any) -> Mapping[bytes, Any]:
        """Return the rows that have this value in a column."""
        index = self.index((column,))
        return index.find((value,))

    def lookup_values(self, columns: tuple[int, ...]) -> LookupValues:
        """Return what tells values that an index over these columns cannot hold."""
        convert = [self._column_to_wire[column] for column in columns]
        return LookupValues(self._bound, columns, convert)

    def key(self, column: int, value: Any) -> Any:
        """Return the ordered, hashable key of a value of a column."""
        convert = self._column_keys[column]
        return value if convert is None else convert(value)

    def column_to_wire(self, column: int) -> KeyFunction | None:
        """Return the function from a column's values to those of the codec; None if equal."""
        return self._column_to_wire[column]

    def encode(self, row: Any) -> bytes:
        """Return the BSATN of a row object.

        Raises:
            EncodeError: it is of another class, or a value does not fit its column.
        """
        self.check_class(row)
        return self._codec.encode(self._to_wire(row), what=f"row of {self.name}")

    def check_class(self, row: Any) -> None:
        """Refuse what is no row of this table, whatever its values (EncodeError)."""
        if type(row) is not self.row_class:
            raise EncodeError(
                f"table {self.name} holds {self.row_class.__name__} rows, not {type(row).__name__}"
            )

    def decode(self, data: bytes) -> Any:
        """Return the row object of an encoded row."""
        return self._from_wire(self._codec.decode_exact(data, what=f"row of {self.name}"))

    # --- changing, inside a transaction -------------------------------------------------------

    def insert(self, row: Any) -> Any:
        """Insert a row and return it as stored; a row that is there already is no change.

        Raises:
            UniqueViolation: a unique value is taken.
            EncodeError: a value does not fit.
        """
        data, stored = self._prepare(row)
        present = self.rows.get(data)
        if present is not None:
            return present
        self._check_unique(stored)
        self._journal().append(Entry(self, True, data, stored))
        self.put(data, stored)
        return stored

    def delete(self, data: bytes) -> bool:
        """Delete the row with this encoding; False if there is none."""
        row = self.rows.get(data)
        if row is None:
            return False
        self._journal().append(Entry(self, False, data, row))
        self.drop(data, row)
        return True

    def replace(self, old: bytes, row: Any) -> Any:
        """Put `row` in the place of the row encoded as `old`; return it as stored."""
        present = self.rows[old]
        data, stored = self._prepare(row)
        if data == old:
            return present
        journal = self._journal()
        journal.append(Entry(self, False, old, present))
        self.drop(old, present)
        try:
            self._check_unique(stored)
        except UniqueViolation:
            journal.pop()
            self.put(old, present)
            raise
        if data not in self.rows:
            journal.append(Entry(self, True, data, stored))
            self.put(data, stored)
        return stored

    # --- without a journal: rollback and derived tables ---------------------------------------

    def put(self, data: bytes, row: Any) -> None:
        """Add a row that is known to be absent and allowed."""
        self.rows[data] = row
        for index in self._indexes.values():
            index.add(data, row)

    def drop(self, data: bytes, row: Any) -> None:
        """Remove a row that is known to be present."""
        del self.rows[data]
        for index in self._indexes.values():
            index.remove(data, row)

    def clear(self) -> None:
        """Remove all rows (of an event table, after the transaction)."""
        self.rows.clear()
        for index in self._indexes.values():
            index.clear()

    # --- inside -------------------------------------------------------------------------------

    def _prepare(self, row: Any) -> tuple[bytes, Any]:
        data = self.encode(self._numbered(row) if self._sequences else row)
        return data, self.decode(data)

    def _numbered(self, row: Any) -> Any:
        """Fill auto-increment columns that are 0."""
        if type(row) is not self.row_class:
            return row  # refused by `encode`
        for column, last in self._sequences.items():
            name = self.attributes[column]
            value = getattr(row, name)
            if value == 0:
                value = last + 1
                taken = self.index((column,))
                while taken.find((value,)):
                    value += 1
                self._sequences[column] = value
                row = _with(row, name, value)
        return row

    def _check_unique(self, row: Any) -> None:
        for columns, index in self._unique:
            if index.find_row(row):
                names = [self.definition.columns[column].name for column in columns]
                quoted = ", ".join(f'"{name}"' for name in names)
                values = ", ".join(repr(getattr(row, self.attributes[at])) for at in columns)
                raise UniqueViolation(
                    f"Unique constraint violation '{self.name}_{'_'.join(names)}_key'"
                    f" in table '{self.name}': column(s): '[{quoted}]' value: {values}"
                )


def _with(row: Any, attribute: str, value: Any) -> Any:
    return dataclasses.replace(row, **{attribute: value})


def _key_function(order: KeyFunction | None, convert: KeyFunction | None) -> KeyFunction | None:
    """Return the function from a module's value to its sort key; None if the value is the key."""
    if order is None or convert is None:
        return order or convert
    return lambda value: order(convert(value))
