"""Types in words, for docstrings and error messages: ``Option<Array<User>>``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..sats.algebraic import (
    BYTES,
    UNIT,
    AlgebraicType,
    ArrayType,
    Primitive,
    RefType,
    SumType,
    option_payload,
    result_payloads,
    special_name,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_DEPTH: Final = 8


def type_words(ty: AlgebraicType, names: Mapping[int, str], depth: int = 0) -> str:
    """Return a type as Rust would write it.

    Args:
        ty: the type.
        names: what the types of its typespace are called, by index.
        depth: how deep inside another type this one is; too deep, it is shown as ``...``.
    """
    if depth > _MAX_DEPTH:
        return "..."
    special = special_name(ty)
    if special is not None:
        return special
    match ty:
        case Primitive(name):
            return name
        case RefType(index):
            return names.get(index, f"type {index}")
        case ArrayType(element):
            return "Bytes" if ty == BYTES else f"Array<{type_words(element, names, depth + 1)}>"
        case SumType(variants):
            payload = option_payload(ty)
            if payload is not None:
                return f"Option<{type_words(payload, names, depth + 1)}>"
            payloads = result_payloads(ty)
            if payloads is not None:
                ok, err = (type_words(payload, names, depth + 1) for payload in payloads)
                return f"Result<{ok}, {err}>"
            return f"a sum of {len(variants)} variants"
        case _:
            return "()" if ty == UNIT else f"a product of {len(ty.elements)} fields"
