"""`RawModule`: a module description as it was read, of version 9 or 10.

References between the parts are still names and numbers; `assemble.resolve` follows them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..sats.algebraic import AlgebraicType, ProductType, Typespace
from .model import (
    EnvironmentDef,
    HttpRouteDef,
    IndexDef,
    Lifecycle,
    OutboxDef,
    ScheduleDef,
    SequenceDef,
)


class RawType(msgspec.Struct):
    """A name for a typespace entry."""

    segments: tuple[str, ...]
    """Scope and name."""
    ref: int


class RawTable(msgspec.Struct):
    """A table; `name` is its source name."""

    name: str
    row_ref: int
    path: str
    """Where in the schema it was found, for errors."""
    primary_key: tuple[int, ...] = ()
    indexes: tuple[IndexDef, ...] = ()
    unique_constraints: tuple[tuple[int, ...], ...] = ()
    sequences: tuple[SequenceDef, ...] = ()
    is_public: bool = True
    is_system: bool = False
    is_event: bool = False


class RawFunction(msgspec.Struct):
    """A reducer, or a procedure if it has a `return_type`."""

    name: str
    params: ProductType
    is_private: bool
    return_type: AlgebraicType | None = None
    ok_type: AlgebraicType = msgspec.field(default_factory=ProductType)
    err_type: AlgebraicType | None = None


class RawView(msgspec.Struct):
    """A view; its return type says which rows it has."""

    name: str
    return_type: AlgebraicType
    path: str
    is_public: bool = True
    params: ProductType = msgspec.field(default_factory=ProductType)
    is_anonymous: bool = False


class RawModule(msgspec.Struct):
    """A whole module description."""

    typespace: Typespace = msgspec.field(default_factory=Typespace)
    types: list[RawType] = []
    tables: list[RawTable] = []
    reducers: list[RawFunction] = []
    procedures: list[RawFunction] = []
    views: list[RawView] = []
    schedules: list[ScheduleDef] = []
    """`table` and `function` are canonical names, or source names if not canonicalised."""
    lifecycles: dict[str, Lifecycle | None] = {}
    """Function name -> the event that it is called for; None for one that is not known."""
    row_level_security: list[str] = []
    table_names: dict[str, str] = {}
    """Source name -> canonical name, where they may differ."""
    function_names: dict[str, str] = {}
    index_names: dict[str, str] = {}
    namespace_names: dict[str, str] = {}
    view_keys: dict[str, tuple[str, ...]] = {}
    """Source name of the view -> names of the key columns."""
    default_values: dict[str, list[tuple[int, bytes]]] = {}
    """Source name of the table -> (column, BSATN)."""
    case_policy: str | None = None
    """``"None"`` or ``"SnakeCase"``; of use in the descriptions of compiled modules only."""
    submodules: list[tuple[str, Any]] = []
    """(source name of the namespace, `RawModule`)."""
    environment: list[EnvironmentDef] = []
    outboxes: list[OutboxDef] = []
    """`table` and `on_result_reducer` are source names."""
    http_handlers: list[str] = []
    http_routes: list[HttpRouteDef] = []
    """`handler` is a source name, or canonical if the description has no entry for it."""
