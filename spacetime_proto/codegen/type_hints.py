"""The Python annotations of SATS types, as decoders return and encoders accept their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..sats.algebraic import (
    BYTES,
    INTEGER_BITS,
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
from .source import BINDINGS, Symbol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..sats.algebraic import Typespace
    from .source import Annotation

NONE: Annotation = ("None",)
_NEVER: Annotation = (Symbol("typing", "Never"),)
_ANY: Annotation = (Symbol("typing", "Any"),)
_PRIMITIVES = {
    "Bool": "bool",
    "String": "str",
    "F32": "float",
    "F64": "float",
    **dict.fromkeys(INTEGER_BITS, "int"),
}


def union(*members: Annotation) -> Annotation:
    """Join annotations with ``|``, each one once."""
    distinct: list[Annotation] = []
    for member in members:
        # A union inside a union is spread out, so that None stands there once.
        parts = _split(member)
        distinct.extend(part for part in parts if part not in distinct)
    # Never has no values, so it adds nothing to a union.
    distinct = [member for member in distinct if member != _NEVER] or distinct
    joined: list[str | Symbol] = []
    for member in distinct:
        joined.extend((" | ", *member) if joined else member)
    return tuple(joined)


def _split(annotation: Annotation) -> list[Annotation]:
    members: list[list[str | Symbol]] = [[]]
    depth = 0
    for part in annotation:
        if isinstance(part, str):
            depth += part.count("[") - part.count("]")
        if part == " | " and depth == 0:
            members.append([])
        else:
            members[-1].append(part)
    return [tuple(member) for member in members]


class Annotator:
    """Writes annotations for the types of one module.

    Args:
        typespace: of the module.
        classes: where the class of a named type is defined, by typespace index.
    """

    def __init__(self, typespace: Typespace, classes: Mapping[int, Symbol]) -> None:
        self._typespace = typespace
        self._classes = classes

    def of(self, ty: AlgebraicType) -> Annotation:
        """Return the annotation of a type; anonymous structures and endless ones are ``Any``."""
        return self._of(ty, frozenset())

    def returned(self, ty: AlgebraicType) -> Annotation:
        """Return what a call of a function with this return type gives: None for unit."""
        return NONE if self._typespace.resolve(ty) == UNIT else self.of(ty)

    def _of(self, ty: AlgebraicType, inside: frozenset[int]) -> Annotation:
        while isinstance(ty, RefType):
            if ty.index in self._classes:
                return (self._classes[ty.index],)
            if ty.index in inside:
                return _ANY
            inside |= {ty.index}
            ty = self._typespace.types[ty.index]
        if ty == UNIT:
            return (Symbol("builtins", "tuple"), "[()]")
        if ty == BYTES:
            return (Symbol("builtins", "bytes"),)
        special = special_name(ty)
        if special is not None:
            return (Symbol(BINDINGS, special),)
        match ty:
            case Primitive(name):
                return (Symbol("builtins", _PRIMITIVES[name]),)
            case ArrayType(element):
                return (Symbol("builtins", "list"), "[", *self._of(element, inside), "]")
            case SumType():
                return self._sum(ty, inside)
            case _:
                return _ANY

    def _sum(self, ty: SumType, inside: frozenset[int]) -> Annotation:
        if not ty.variants:
            return _NEVER
        payload = option_payload(ty)
        if payload is not None:
            inner = self._of(payload, inside)
            if option_payload(self._typespace.resolve(payload)) is not None:
                inner = (Symbol(BINDINGS, "Some"), "[", *inner, "]")
            return union(inner, NONE)
        payloads = result_payloads(ty)
        if payloads is not None:
            ok, err = (self._of(payload, inside) for payload in payloads)
            return union(
                (Symbol(BINDINGS, "Ok"), "[", *ok, "]"), (Symbol(BINDINGS, "Err"), "[", *err, "]")
            )
        return _ANY
