"""Short ways to module descriptions, for tests of what is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spacetime_proto.sats.algebraic import Element, ProductType, Typespace
from spacetime_proto.schema.model import ColumnDef, ModuleDef, TableDef, TypeDef

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spacetime_proto.sats.algebraic import AlgebraicType

__all__ = ["make_module", "make_table", "product"]


def product(**fields: AlgebraicType) -> ProductType:
    """Return a product with these fields."""
    return ProductType(tuple(Element(name, ty) for name, ty in fields.items()))


def make_table(name: str, ref: int, row: ProductType, **facts: Any) -> TableDef:
    """Return a table with the columns of `row`, which is type `ref`."""
    return TableDef(
        name=name,
        accessor=facts.pop("accessor", name),
        row_ref=ref,
        columns=tuple(
            ColumnDef(element.name or "", element.type, at)
            for at, element in enumerate(row.elements)
        ),
        **facts,
    )


def make_module(
    types: Mapping[str, AlgebraicType],
    tables: Mapping[str, str | tuple[str, dict[str, Any]]] | None = None,
    reducers: Sequence[Any] = (),
    procedures: Sequence[Any] = (),
) -> ModuleDef:
    """Return a module.

    Args:
        types: the typespace, by name; names that begin with ``#`` are not given to the types.
        tables: name of the row type by table, with what else `TableDef` says of the table.
        reducers: as in `ModuleDef`.
        procedures: as in `ModuleDef`.
    """
    refs = {name: ref for ref, name in enumerate(types)}
    made = []
    for name, what in (tables or {}).items():
        row, facts = (what, {}) if isinstance(what, str) else what
        ty = types[row]
        assert isinstance(ty, ProductType)
        made.append(make_table(name, refs[row], ty, **facts))
    return ModuleDef(
        Typespace(tuple(types.values())),
        tuple(TypeDef(name, ref) for name, ref in sorted(refs.items()) if name[0] != "#"),
        tuple(sorted(made, key=lambda table: table.name)),
        tuple(reducers),
        tuple(procedures),
    )
