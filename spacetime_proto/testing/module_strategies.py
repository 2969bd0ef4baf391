"""Hypothesis strategies for whole modules: tables, keys, indexes, reducers, procedures."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from ..sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    TIMESTAMP,
    UUID,
    AlgebraicType,
    Element,
    Primitive,
    ProductType,
    RefType,
    Typespace,
)
from ..schema.model import (
    ColumnDef,
    IndexDef,
    ModuleDef,
    ProcedureDef,
    ReducerDef,
    TableDef,
    TypeDef,
)
from .value_strategies import algebraic_types, names

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["modules"]

#: Types that a key or an index can be over.
_KEY_TYPES: Final[tuple[AlgebraicType, ...]] = (
    *(Primitive(name) for name in ("U8", "U32", "U64", "I64", "U128", "I256", "Bool", "String")),
    IDENTITY,
    CONNECTION_ID,
    TIMESTAMP,
    UUID,
    BYTES,
)


@st.composite
def modules(draw: Callable[..., Any], *, max_tables: int = 3, hostile: bool = True) -> ModuleDef:
    """Draw a module that keeps the rules of docs/protocol.md section 8.7.

    Every table, event table and view has a named row type of its own; a primary key is unique, a
    unique column has an index; names are unique within their kind. Columns may be of any type.

    Args:
        max_tables: most tables, views included.
        hostile: whether names may be hostile (keywords, quotes, paths, clashes after escaping).
    """
    some_names = _nonempty_names(hostile)
    extra = draw(st.integers(0, 2))
    types: list[AlgebraicType] = []
    for _ in range(extra):
        made = draw(algebraic_types(extra, max_leaves=5, hostile=hostile))
        types.append(ProductType((Element("r", made),)) if isinstance(made, RefType) else made)
    column_type = _column_types(extra, hostile)

    tables = []
    table_names = draw(st.lists(some_names, max_size=max_tables, unique=True))
    for name in table_names:
        column_names = draw(st.lists(some_names, min_size=1, max_size=5, unique=True))
        columns = tuple(
            ColumnDef(column, draw(column_type), index) for index, column in enumerate(column_names)
        )
        elements = tuple(Element(column.name, column.type) for column in columns)
        tables.append(_table(draw, name, len(types), columns))
        types.append(ProductType(elements))

    type_names = [f"Type{index}" for index in range(len(types))]
    return ModuleDef(
        typespace=Typespace(tuple(types)),
        types=tuple(TypeDef(name, ref) for ref, name in enumerate(type_names)),
        tables=tuple(sorted(tables, key=lambda table: table.name)),
        reducers=tuple(
            ReducerDef(name, name, _params(draw, column_type, some_names))
            for name in draw(st.lists(some_names, max_size=3, unique=True))
        ),
        procedures=tuple(
            ProcedureDef(name, name, _params(draw, column_type, some_names), draw(column_type))
            for name in sorted(draw(st.lists(some_names, max_size=2, unique=True)))
        ),
    )


@cache
def _nonempty_names(hostile: bool) -> st.SearchStrategy[str]:
    return names(hostile=hostile).filter(bool)


@cache
def _column_types(refs: int, hostile: bool) -> st.SearchStrategy[AlgebraicType]:
    return st.sampled_from(_KEY_TYPES) | algebraic_types(refs, max_leaves=5, hostile=hostile)


def _params(
    draw: Callable[..., Any],
    column_type: st.SearchStrategy[AlgebraicType],
    some_names: st.SearchStrategy[str],
) -> ProductType:
    given = draw(st.lists(some_names, max_size=3, unique=True))
    return ProductType(tuple(Element(name, draw(column_type)) for name in given))


def _table(
    draw: Callable[..., Any], name: str, row_ref: int, columns: tuple[ColumnDef, ...]
) -> TableDef:
    kind = draw(st.sampled_from(("table", "table", "table", "event", "view")))
    keyable = [column.index for column in columns if column.type in _KEY_TYPES]
    unique: list[int] = []
    indexed: list[tuple[int, ...]] = []
    if keyable and kind == "table":
        least = draw(st.integers(0, 1))
        some = st.lists(st.sampled_from(keyable), min_size=least, max_size=2, unique=True)
        unique = sorted(draw(some))
        combined = st.lists(st.sampled_from(keyable), min_size=1, max_size=3, unique=True)
        indexed = [tuple(found) for found in draw(st.lists(combined, max_size=2))]
    every = dict.fromkeys([*((column,) for column in unique), *indexed])
    return TableDef(
        name=name,
        accessor=name,
        row_ref=row_ref,
        columns=columns,
        primary_key=draw(st.sampled_from((*unique, None))) if unique else None,
        unique_columns=tuple(unique),
        unique_constraints=tuple((column,) for column in unique),
        indexes=tuple(
            IndexDef(f"{name}_{number}_idx", None, draw(st.sampled_from(("btree", "hash"))), found)
            for number, found in enumerate(every)
        ),
        is_public=draw(st.booleans()),
        is_event=kind == "event",
        is_view=kind == "view",
    )
