"""`visible_part`: the part of a module that bindings are generated for.

The result is a module description of its own, with a unique class name for every type that needs a
class. It is what the bindings embed, so generated and dynamic bindings agree about everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..errors import SchemaError
from ..sats.algebraic import (
    UNIT,
    AlgebraicType,
    Element,
    ProductType,
    RefType,
    SumType,
    Typespace,
    is_enum,
    option_payload,
    parts,
    result_payloads,
    special_name,
)
from ..schema.case import pascal_case, python_name, snake_case
from ..schema.model import ModuleDef, TableDef, TypeDef

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The names that every package of bindings exports besides its classes.
PACKAGE_NAMES = frozenset(("MODULE", "Context", "Db", "procedures", "reducers", "tables"))


def class_kind(ty: AlgebraicType) -> str | None:
    """Return ``"product"``, ``"enum"`` or ``"sum"`` if values of `ty` have a class of their own."""
    if special_name(ty) is not None:
        return None
    if isinstance(ty, ProductType):
        return "product"
    if not isinstance(ty, SumType) or option_payload(ty) or result_payloads(ty):
        return None
    return "enum" if is_enum(ty) else "sum"


def visible_part(module: ModuleDef, *, include_private: bool = False) -> ModuleDef:
    """Return the part of a module that its bindings are generated for.

    Left out: private and system tables, functions that clients cannot call, types that nothing
    uses, and what only the server needs. With `include_private`, private tables and functions are
    kept, as the owner of a database can use them; nobody can call lifecycle reducers.

    Raises:
        SchemaError: a reference leads nowhere, or a table's rows are no product.
    """
    tables = tuple(
        msgspec.structs.replace(
            table,
            row_ref=_follow(module.typespace, table.row_ref),
            schedule=None,
            default_values=(),
            params=_named_params(table.params),
        )
        for table in sorted(module.tables, key=lambda table: table.name)
        if not table.is_system and (table.is_public or include_private)
    )
    reducers = tuple(
        msgspec.structs.replace(reducer, params=_named_params(reducer.params))
        for reducer in module.reducers
        if reducer.lifecycle is None and (include_private or not reducer.is_private)
    )
    procedures = tuple(
        msgspec.structs.replace(procedure, params=_named_params(procedure.params))
        for procedure in sorted(module.procedures, key=lambda procedure: procedure.name)
        if include_private or not procedure.is_private
    )
    for kind, items in (("tables", tables), ("reducers", reducers), ("procedures", procedures)):
        for names in ([item.name for item in items], [item.accessor for item in items]):
            if len(set(names)) != len(names):
                raise SchemaError(f"two {kind} have the same name")
    roots: list[AlgebraicType] = [RefType(table.row_ref) for table in tables]
    roots.extend(table.params for table in tables)
    for reducer in reducers:
        roots.extend((reducer.params, reducer.ok_type))
        if reducer.err_type is not None:
            roots.append(reducer.err_type)
    for procedure in procedures:
        roots.extend((procedure.params, procedure.return_type))
    used = _reachable(module.typespace, roots)
    for table in tables:
        _check_rows(module.typespace, table)
    return ModuleDef(
        typespace=Typespace(
            tuple(ty if index in used else UNIT for index, ty in enumerate(module.typespace.types))
        ),
        types=_name_types(module, tables, used),
        tables=tables,
        reducers=reducers,
        procedures=procedures,
    )


def _named_params(params: ProductType) -> ProductType:
    """Return parameters named in one way, so that it does not matter which server was asked."""
    return ProductType(
        tuple(
            Element(one.name and (snake_case(one.name) or one.name), one.type)
            for one in params.elements
        )
    )


def _check_rows(typespace: Typespace, table: TableDef) -> None:
    row = typespace.types[table.row_ref]
    if not isinstance(row, ProductType) or special_name(row) is not None:
        raise SchemaError(f"the rows of table {table.name!r} are no product type")
    if len(row.elements) != len(table.columns):
        raise SchemaError(f"table {table.name!r} and its row type have different columns")


def _follow(typespace: Typespace, index: int) -> int:
    """Return the index that a chain of references ends at."""
    try:
        return typespace.follow(RefType(index))[1]
    except ValueError as error:
        raise SchemaError(str(error)) from error


def _reachable(typespace: Typespace, roots: Iterable[AlgebraicType]) -> set[int]:
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        ty = waiting.pop()
        if isinstance(ty, RefType):
            end = _follow(typespace, ty.index)
            if ty.index not in found:
                found.update((ty.index, end))
                # The references in between are kept as they are.
                waiting.extend((typespace.types[ty.index], typespace.types[end]))
        else:
            waiting.extend(parts(ty))
    return found


def _name_types(
    module: ModuleDef, tables: tuple[TableDef, ...], used: set[int]
) -> tuple[TypeDef, ...]:
    """Give every used type that needs a class a name of its own, in order of the names."""
    given: dict[int, str] = {}
    for type_def in sorted(module.types, key=lambda type_def: (type_def.name, type_def.ref)):
        if 0 <= type_def.ref < len(module.typespace.types):
            given.setdefault(type_def.ref, type_def.name)
    for table in tables:
        given.setdefault(table.row_ref, pascal_case(table.accessor))
    wanted: list[tuple[str, int]] = []
    for index in used:
        ty = module.typespace.types[index]
        if class_kind(ty) is not None and (ty != UNIT or index in given):
            wanted.append((python_name(given.get(index) or f"Type{index}"), index))
    # msgspec recognises class variables by the name ClassVar, so no class may be called that.
    taken = {*PACKAGE_NAMES, "ClassVar"}
    named = []
    for name, index in sorted(wanted):
        while name in taken:
            name += "_"
        taken.add(name)
        named.append(TypeDef(name, index))
    return tuple(sorted(named, key=lambda type_def: type_def.name))
