"""`canonicalise`: the names that the host gives to a module at publish time (docs/protocol.md section 8.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..sats.algebraic import (
    AlgebraicType,
    Element,
    ProductType,
    SumType,
    Typespace,
    Variant,
    map_parts,
    option_payload,
    result_payloads,
    special_name,
)
from .case import camel_case, snake_case

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import SequenceDef
    from .raw import RawModule, RawTable


def canonicalise(raw: RawModule) -> None:
    """Give everything in a version 10 description the name that the host would give it.

    Names that the module states explicitly stay, and so do those inside special types. The names of
    parameters are those that servers have given since 2.14.
    """
    for _, inner in raw.submodules:
        canonicalise(inner)
    if raw.case_policy != "None":
        _convert(raw)
    for table in raw.tables:
        table.sequences = tuple(_named_sequence(raw, table, one) for one in table.sequences)
    raw.schedules = [
        msgspec.structs.replace(
            one, name=one.name or f"{raw.table_names.get(one.table, one.table)}_sched"
        )
        for one in raw.schedules
    ]


def _convert(raw: RawModule) -> None:
    raw.typespace = Typespace(tuple(_rename(ty) for ty in raw.typespace.types))
    _fill(raw.table_names, (table.name for table in raw.tables))
    functions = [*raw.reducers, *raw.procedures]
    _fill(raw.function_names, (function.name for function in functions))
    _fill(raw.function_names, (view.name for view in raw.views))
    _fill(raw.function_names, raw.http_handlers)
    _fill(raw.namespace_names, (namespace for namespace, _ in raw.submodules))
    for view in raw.views:
        view.params = _rename_params(view.params)
    for function in functions:
        function.params = _rename_params(function.params)
        if function.return_type is not None:
            function.return_type = _rename(function.return_type)
    raw.view_keys = {
        view: tuple(snake_case(column) for column in columns)
        for view, columns in raw.view_keys.items()
    }


def _named_sequence(raw: RawModule, table: RawTable, sequence: SequenceDef) -> SequenceDef:
    types = raw.typespace.types
    row = types[table.row_ref] if 0 <= table.row_ref < len(types) else None
    if sequence.name is not None or not isinstance(row, ProductType):
        return sequence
    if not 0 <= sequence.column < len(row.elements):
        return sequence  # which `resolve` refuses
    name = raw.table_names.get(table.name, table.name)
    return msgspec.structs.replace(
        sequence, name=f"{name}_{row.elements[sequence.column].name}_seq"
    )


def _fill(names: dict[str, str], sources: Iterable[str]) -> None:
    for source in sources:
        names.setdefault(source, snake_case(source))


def _rename_params(params: ProductType) -> ProductType:
    return ProductType(
        tuple(
            Element(one.name and snake_case(one.name), _rename(one.type)) for one in params.elements
        )
    )


def _rename(ty: AlgebraicType) -> AlgebraicType:
    """Return a type with its fields in snake_case and its variants in camelCase."""
    if special_name(ty) is not None:
        return ty
    keeps = option_payload(ty) is not None or result_payloads(ty) is not None
    ty = map_parts(ty, _rename)
    match ty:
        case ProductType(elements):
            named = (Element(one.name and snake_case(one.name), one.type) for one in elements)
            return ProductType(tuple(named))
        case SumType(variants) if not keeps:
            return SumType(
                tuple(Variant(one.name and camel_case(one.name), one.type) for one in variants)
            )
        case _:
            return ty
