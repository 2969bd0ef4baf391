"""`ModuleDef`: the description of a module that every schema format is turned into.

Tables and functions have two names (docs/protocol.md section 8.3): `name` is canonical and goes
over the wire and into SQL; `accessor` is the name in the module's source, from which generated
identifiers are made. Submodules are flattened: their types are appended to the one typespace, their
names are ``namespace.name``. The accessor of a thing in a submodule is its source path with every
segment in snake_case, so ``myAuth.sessionRow`` is read as ``client.db.my_auth.session_row``.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ..sats.algebraic import AlgebraicType, ProductType, Typespace

__all__ = [
    "ColumnDef",
    "EnvironmentDef",
    "EnvironmentType",
    "HttpRouteDef",
    "IndexDef",
    "Lifecycle",
    "ModuleDef",
    "OutboxDef",
    "ProcedureDef",
    "ReducerDef",
    "ScheduleDef",
    "SequenceDef",
    "TableDef",
    "TypeDef",
]

Lifecycle = Literal["init", "on_connect", "on_disconnect"]
IndexAlgorithm = Literal["btree", "hash", "direct"]
EnvironmentType = Literal["string", "literal", "union"]


class ColumnDef(msgspec.Struct, frozen=True):
    """One column: its canonical name, type (references not followed) and position."""

    name: str
    type: AlgebraicType
    index: int


class IndexDef(msgspec.Struct, frozen=True):
    """An index over `columns` (positions). `accessor` is the name it is read by, if it has one."""

    name: str | None
    accessor: str | None
    algorithm: IndexAlgorithm
    columns: tuple[int, ...]


class SequenceDef(msgspec.Struct, frozen=True):
    """An auto-increment column."""

    name: str | None
    column: int
    start: int | None
    min_value: int | None
    max_value: int | None
    increment: int


class ScheduleDef(msgspec.Struct, frozen=True):
    """A table whose rows schedule calls of `function` at the time in column `at_column`."""

    name: str | None
    table: str
    at_column: int
    function: str


class TableDef(msgspec.Struct, frozen=True):
    """A table or (with `is_view`) a view: anything that has rows to subscribe to."""

    name: str
    accessor: str
    row_ref: int
    """Typespace index of the row product."""
    columns: tuple[ColumnDef, ...]
    primary_key: int | None = None
    """Position of the one primary-key column."""
    unique_columns: tuple[int, ...] = ()
    """Positions of the columns that are unique on their own, ascending, the key included."""
    unique_constraints: tuple[tuple[int, ...], ...] = ()
    """Every unique constraint, also those over several columns."""
    indexes: tuple[IndexDef, ...] = ()
    sequences: tuple[SequenceDef, ...] = ()
    schedule: ScheduleDef | None = None
    is_public: bool = True
    is_system: bool = False
    is_event: bool = False
    is_view: bool = False
    default_values: tuple[tuple[int, bytes], ...] = ()
    """(column, BSATN of the value): what migrations fill a new column with."""
    params: ProductType = msgspec.field(default_factory=ProductType)
    """Of a view: what its queries must give as arguments (servers of 2.13 and later)."""
    is_anonymous: bool = False
    """Of a view: whether its rows do not depend on who asks."""


class ReducerDef(msgspec.Struct, frozen=True):
    """A reducer and its parameters."""

    name: str
    accessor: str
    params: ProductType
    lifecycle: Lifecycle | None = None
    is_private: bool = False
    """Not callable by clients: lifecycle, scheduled, or declared private."""
    ok_type: AlgebraicType = msgspec.field(default_factory=ProductType)
    err_type: AlgebraicType | None = None
    """None means String, which all modules have so far."""


class ProcedureDef(msgspec.Struct, frozen=True):
    """A procedure, its parameters and its return type."""

    name: str
    accessor: str
    params: ProductType
    return_type: AlgebraicType
    is_private: bool = False


class TypeDef(msgspec.Struct, frozen=True):
    """A named type: `name` is scope and name, each segment in PascalCase, joined."""

    name: str
    ref: int


class EnvironmentDef(msgspec.Struct, frozen=True):
    """An environment variable that the module declares: who publishes it supplies the value."""

    name: str
    type: EnvironmentType
    """``"string"``: any text; ``"literal"``: the one text of `values`; ``"union"``: one of them."""
    values: tuple[str, ...] = ()
    """The texts that are allowed, sorted; empty for ``"string"``."""
    optional: bool = False
    """Whether the module may be published without a value."""


class OutboxDef(msgspec.Struct, frozen=True):
    """A table whose inserted rows are calls of a reducer of another database."""

    table: str
    remote_reducer: str
    """The reducer's name in the other database."""
    target_column: int
    """Position of the column that names the other database by its identity."""
    arg_columns: tuple[int, ...]
    """Positions of the columns that are the arguments."""
    on_result_reducer: str | None
    """The reducer of this module that is told the outcome."""
    signature_hash: str
    """Hexadecimal digits of the hash of the remote reducer's signature, in the order of its bytes."""


class HttpRouteDef(msgspec.Struct, frozen=True):
    """An HTTP route that the module serves."""

    method: str
    """``"Any"``, or a method in upper case."""
    path: str
    handler: str
    """Canonical name of the handler."""


class ModuleDef(msgspec.Struct, frozen=True):
    """A whole module. Tables (with views), types, procedures are sorted by name; reducers keep order."""

    typespace: Typespace = msgspec.field(default_factory=Typespace)
    types: tuple[TypeDef, ...] = ()
    tables: tuple[TableDef, ...] = ()
    reducers: tuple[ReducerDef, ...] = ()
    procedures: tuple[ProcedureDef, ...] = ()
    row_level_security: tuple[str, ...] = ()
    environment: tuple[EnvironmentDef, ...] = ()
    """What the module declares of its environment, sorted by name."""
    outboxes: tuple[OutboxDef, ...] = ()
    http_routes: tuple[HttpRouteDef, ...] = ()
