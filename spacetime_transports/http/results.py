"""The results of the HTTP clients: plain frozen values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec

from spacetime_proto.dataframes.export import FrameMethods
from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.sats.algebraic import Primitive, RefType, Typespace
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.sats_json import from_json
from spacetime_proto.schema.bound import BoundTable
from spacetime_proto.schema.model import ColumnDef, EnvironmentDef, TableDef
from spacetime_proto.types import Identity

if TYPE_CHECKING:
    from spacetime_proto.sats.algebraic import ProductType


class IssuedIdentity(msgspec.Struct, frozen=True):
    """A new identity and the token that proves it. The repr leaves out the token."""

    identity: Identity
    token: str

    def __repr__(self) -> str:
        return f"IssuedIdentity({self.identity!r})"


class Published(msgspec.Struct, frozen=True):
    """The result of publishing a module."""

    identity: Identity
    """Identity of the database."""
    op: str
    """``created`` or ``updated``."""
    domain: str | None
    """Name of the database, None for an unnamed one."""


class EnvironmentMetadata(msgspec.Struct, frozen=True):
    """What the owner may know of a database's environment variables; their values are not in it."""

    module_hash: str
    """Stands for the module that declares them: `expected_module_hash` of changes."""
    declarations: tuple[EnvironmentDef, ...]
    """What the module reads, sorted by name."""
    stored_keys: tuple[str, ...]
    """The names of the variables that have a value, whether the module declares them or not."""


class LogEntry(TypedDict, total=False):
    """One line of a database's log; which keys there are depends on the line."""

    level: str
    """Error, Warn, Info, Debug, Trace or Panic."""
    ts: int
    """Microseconds since the Unix epoch."""
    target: str
    filename: str
    line_number: int
    function: str
    """Lines by the host itself have ``__spacetimedb__`` here, in `target` and in `filename`."""
    message: str
    trace: list[Any]
    """Of a Panic: the stack."""


class SqlStats(msgspec.Struct, frozen=True):
    """The numbers of rows that a statement changed."""

    rows_inserted: int = 0
    rows_deleted: int = 0
    rows_updated: int = 0


class SqlResult(Sequence[Any], FrameMethods):
    """The answer to one SQL statement: a sequence of its rows, as dicts and data frames too.

    Attributes:
        schema: type of a row; empty for a statement that returns none.
        columns: names of the columns, as written in the statement.
        raw_rows: the rows as JSON, positional (docs/protocol.md section 2, untyped output).
        duration_micros: time that the server took, in microseconds.
        stats: what the statement changed.
    """

    def __init__(
        self,
        schema: ProductType,
        raw_rows: list[list[Any]],
        *,
        duration_micros: int = 0,
        stats: SqlStats | None = None,
    ) -> None:
        self.schema = schema
        self.columns: tuple[str, ...] = tuple(
            element.name if element.name is not None else f"column_{index}"
            for index, element in enumerate(schema.elements)
        )
        self.raw_rows = raw_rows
        self.duration_micros = duration_micros
        self.stats = stats or SqlStats()

    @cached_property
    def rows(self) -> list[Any]:
        """The rows as objects, an attribute per column, decoded when first asked for.

        A float that JSON cannot express (NaN, infinities: the server writes null) becomes NaN.

        Raises:
            DecodeError: a row does not fit the schema that came with it.
        """
        context = self._table.types
        floats = [
            index
            for index, element in enumerate(self.schema.elements)
            if isinstance(element.type, Primitive) and element.type.name in ("F32", "F64")
        ]
        cls: Any = self._table.row_class
        rows = []
        for number, raw in enumerate(self.raw_rows):
            lost = [index for index in floats if index < len(raw) and raw[index] is None]
            plain = [0.0 if index in lost else value for index, value in enumerate(raw)]
            try:
                row = from_json(RefType(0), context, plain)
            except (DecodeError, LimitExceeded) as error:
                raise error.within(f"row {number} of a SQL result") from error.__cause__
            if lost:
                values = [getattr(row, name) for name in cls.__struct_fields__]
                row = cls(*(math.nan if i in lost else v for i, v in enumerate(values)))
            rows.append(row)
        return rows

    @cached_property
    def _table(self) -> BoundTable:
        """The rows as those of a table, which is what codecs and data frames know."""
        columns = [
            ColumnDef(name, element.type, at)
            for at, (name, element) in enumerate(
                zip(self.columns, self.schema.elements, strict=True)
            )
        ]
        definition = TableDef("SQL result", "sql_result", 0, tuple(columns))
        return BoundTable(definition, TypeContext(Typespace((self.schema,)), {0: "Row"}))

    def __len__(self) -> int:
        return len(self.raw_rows)

    def __getitem__(self, at: Any) -> Any:
        return self.rows[at]

    def __repr__(self) -> str:
        return f"SqlResult({len(self.raw_rows)} rows of {', '.join(self.columns) or 'nothing'})"

    def _frame_source(self) -> tuple[BoundTable, list[bytes]]:
        table = self._table
        return table, [table.codec.encode(row) for row in self.rows]

    def _shown_rows(self, maximum: int) -> tuple[BoundTable, list[Any], int]:
        return self._table, self.rows[:maximum], len(self)
