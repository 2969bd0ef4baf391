"""Which types one ``unpack`` can read, and how their values are made of what it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ..types import ScheduleAt, TimeDuration, Timestamp
from .algebraic import PRIMITIVE_SIZES, AlgebraicType
from .program import MAX_INLINE_LEVEL, MAX_INLINE_WEIGHT, Program
from .shapes import EnumShape, PrimitiveShape, ProductShape, Shape, SpecialShape, SumShape

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FORMATS", "Fused", "construct", "fixed_value", "fuse"]

FORMATS: Final = {
    "I8": "b", "U8": "B", "I16": "h", "U16": "H", "I32": "i", "U32": "I", "I64": "q", "U64": "Q",
    "F32": "f", "F64": "d",
}  # fmt: skip
"""Struct codes of the primitives whose unpacked value is the value."""


def _schedule_interval(micros: int) -> ScheduleAt:
    return ScheduleAt.Interval(TimeDuration(micros))


def _schedule_time(micros: int) -> ScheduleAt:
    return ScheduleAt.Time(Timestamp(micros))


_SCHEDULE_AT: Final = (_schedule_interval, _schedule_time)
_FROM_BYTES: Final = int.from_bytes


class Fused(msgspec.Struct):
    """A type of fixed size that one ``unpack`` can read."""

    layout: list[str]
    """Struct codes, one per variable."""
    variables: list[str]
    size: int
    bools: list[int]
    """Offsets of the bool bytes, which must be checked (``?`` takes any byte)."""
    expression: str
    """The value, made of the variables."""

    @property
    def maker(self) -> str | None:
        """The callable that makes the value from exactly the variables, if it is that simple."""
        head = self.expression.partition("(")[0]
        simple = self.variables and self.expression == f"{head}({', '.join(self.variables)})"
        return head if simple else None


def fuse(program: Program, ty: AlgebraicType, variable: Callable[[], str]) -> Fused | None:
    """Return how to read `ty` with one ``unpack``, or None if that cannot be done."""
    size = program.layout.size(ty)
    if size.fixed is None or size.weight > MAX_INLINE_WEIGHT * 4 or size.height > MAX_INLINE_LEVEL:
        return None
    fused = Fused([], [], 0, [], "")

    def read(code: str, width: int) -> str:
        name = variable()
        fused.layout.append(code)
        fused.variables.append(name)
        fused.size += width
        return name

    def value(part: AlgebraicType) -> str | None:
        shape = program.shapes.shape(part)
        if isinstance(shape, ProductShape):
            fields = []
            for element in shape.types:
                field = value(element)
                if field is None:
                    return None
                fields.append(field)
            return construct(program, shape, fields)
        if shape == PrimitiveShape("Bool"):
            fused.bools.append(fused.size)
            return read("?", 1)
        return fixed_value(program, shape, read)

    expression = value(ty)
    if expression is None:
        return None
    fused.expression = expression
    return fused


def construct(program: Program, shape: ProductShape, fields: list[str]) -> str:
    """Return the expression that builds a product from the expressions of its fields."""
    if shape.cls is None:
        return "()"
    return f"{program.constant(program.shapes.constructor(shape.cls))}({', '.join(fields)})"


def fixed_value(program: Program, shape: Shape, read: Callable[[str, int], str]) -> str | None:
    """Return the expression of a scalar other than Bool; None for any other shape.

    Args:
        program: where constants go.
        shape: the scalar.
        read: takes a struct code and its width, returns the variable that will hold the number.
    """
    match shape:
        case PrimitiveShape("I128" | "U128" as name):
            low, high = read("Q", 8), read("q" if name == "I128" else "Q", 8)
            return f"({low} | {high} << 64)"
        case PrimitiveShape("U256"):
            return f"{program.constant(_FROM_BYTES)}({read('32s', 32)}, 'little')"
        case PrimitiveShape("I256"):
            return f"{program.constant(_FROM_BYTES)}({read('32s', 32)}, 'little', signed=True)"
        case PrimitiveShape(name) if name in FORMATS:
            return read(FORMATS[name], PRIMITIVE_SIZES[name])
        case SpecialShape(_, special):
            made = program.constant(special.cls)
            if special.is_hex:
                width = PRIMITIVE_SIZES[special.inner]
                return f"{made}({read(f'{width}s', width)}[::-1])"
            return f"{made}({read('q', 8)})"
        case EnumShape(_, members):
            return f"{program.constant(members)}[{read('B', 1)}]"
        case SumShape(cls) if cls is ScheduleAt:
            tag, micros = read("B", 1), read("q", 8)
            return f"{program.constant(_SCHEDULE_AT)}[{tag}]({micros})"
    return None
