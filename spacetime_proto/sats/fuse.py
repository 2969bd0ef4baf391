"""Which types one ``unpack`` can read, and how their values are made of what it returns.

Unpacking many fields by one call costs little more than unpacking one, because a precompiled
`struct.Struct` loops over them in C. That needs offsets which are known before anything is read:

- A type of fixed size is *fused*: one struct reads all its fields, those of nested products too.
- A row whose only part of variable size is one string or ``bytes`` is *framed*: the size of the row
  is known (from its `RowList`), so the size of that part is too, and a struct for each row size
  reads the whole row. The length that is written in the row must be checked against it.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..types import ScheduleAt, TimeDuration, Timestamp
from .algebraic import PRIMITIVE_SIZES, AlgebraicType
from .program import MAX_INLINE_LEVEL, MAX_INLINE_WEIGHT, Program
from .shapes import (
    BytesShape,
    EnumShape,
    PrimitiveShape,
    ProductShape,
    Shape,
    SpecialShape,
    SumShape,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .layout import Size

_MAX_WEIGHT: Final = 4 * MAX_INLINE_WEIGHT
_MAX_UNPACKERS: Final = 512
"""How many structs of framed rows are kept, one per row size: a peer may send countless sizes."""

FORMATS: Final = {
    "I8": "b", "U8": "B", "I16": "h", "U16": "H", "I32": "i", "U32": "I", "I64": "q", "U64": "Q",
    "F32": "f", "F64": "d",
}  # fmt: skip
"""Struct codes of the primitives whose unpacked value needs no conversion."""


def _schedule_interval(micros: int) -> ScheduleAt:
    return ScheduleAt.Interval(TimeDuration(micros))


def _schedule_time(micros: int) -> ScheduleAt:
    return ScheduleAt.Time(Timestamp(micros))


_SCHEDULE_AT: Final = (_schedule_interval, _schedule_time)
_FROM_BYTES: Final = int.from_bytes


class Fused(msgspec.Struct):
    """How one ``unpack`` reads a type that is fused or framed (see the module)."""

    layout: list[str]
    """Struct codes, one per variable; that of the string or bytes is empty."""
    variables: list[str]
    size: int
    """Bytes of the fields of fixed size."""
    bools: list[tuple[int, str]]
    """Offset and variable of each bool, whose bytes need a check, because ``?`` accepts any byte.
    Offsets of fields behind the string or bytes leave out the length of that."""
    expression: str
    """The Python expression that makes the value from the variables."""
    length: str = ""
    """The variable that holds the length of the string or bytes."""
    length_offset: int = 0

    @property
    def names(self) -> str:
        """The variables as a target list."""
        return ", ".join(self.variables) + ","

    @property
    def maker(self) -> str | None:
        """The name of the callable, if `expression` calls one with exactly the variables in order.

        Then `itertools.starmap` can make all values, without a loop in Python.
        """
        head = self.expression.partition("(")[0]
        simple = self.variables and self.expression == f"{head}({', '.join(self.variables)})"
        return head if simple else None

    @property
    def code(self) -> str:
        """The struct codes of a type of fixed size."""
        return "".join(self.layout)

    def around(self) -> tuple[str, str]:
        """Return the struct codes before and behind the string or bytes."""
        at = self.layout.index("")
        return "".join(self.layout[:at]), "".join(self.layout[at + 1 :])


def fuse(
    program: Program, ty: AlgebraicType, variable: Callable[[], str], bool_code: str = "?"
) -> Fused | None:
    """Return how to read a type of fixed size with one ``unpack``, None if that cannot be done.

    Args:
        program: where constants go.
        ty: the type.
        variable: makes a new variable.
        bool_code: ``?`` to read bools as such, ``B`` to read their bytes, which can be checked.
    """
    size = program.layout.size(ty)
    if size.fixed is None or not _is_small(size):
        return None
    return _Fuser(program, variable, bool_code).fuse(ty)


def frame(
    program: Program, ty: AlgebraicType, variable: Callable[[], str], bool_code: str = "?"
) -> Fused | None:
    """Return how to read a framed type, None if `ty` is not of that kind; arguments as `fuse`."""
    size = program.layout.size(ty)
    if size.fixed is not None or not _is_small(size):
        return None
    return _Fuser(program, variable, bool_code).fuse(ty)


def _is_small(size: Size) -> bool:
    return size.weight <= _MAX_WEIGHT and size.height <= MAX_INLINE_LEVEL


class _Fuser:
    """Walks a type and collects its fields."""

    def __init__(self, program: Program, variable: Callable[[], str], bool_code: str) -> None:
        self.program = program
        self.variable = variable
        self.bool_code = bool_code
        self.fused = Fused([], [], 0, [], "")

    def fuse(self, ty: AlgebraicType) -> Fused | None:
        """Return the result, or None."""
        expression = self.value(ty)
        if expression is None:
            return None
        self.fused.expression = expression
        return self.fused

    def read(self, code: str, width: int) -> str:
        """Add a field."""
        name = self.variable()
        self.fused.layout.append(code)
        self.fused.variables.append(name)
        self.fused.size += width
        return name

    def value(self, ty: AlgebraicType) -> str | None:
        """Add the fields of `ty`; return its expression, None if it does not fit."""
        shape = self.program.shapes.shape(ty)
        match shape:
            case ProductShape():
                fields = []
                for element in shape.types:
                    field = self.value(element)
                    if field is None:
                        return None
                    fields.append(field)
                return construct(self.program, shape, fields)
            case PrimitiveShape("Bool"):
                offset = self.fused.size
                name = self.read(self.bool_code, 1)
                self.fused.bools.append((offset, name))
                return name if self.bool_code == "?" else f"({name} == 1)"
            case PrimitiveShape("String") | BytesShape():
                if self.fused.length:
                    return (
                        None  # a second one: the size of the row no longer gives the sizes of both
                    )
                self.fused.length_offset = self.fused.size
                self.fused.length = self.read("I", 4)
                name = self.read("", 0)
                return name if isinstance(shape, BytesShape) else f"{name}.decode()"
        return fixed_value(self.program, shape, self.read)


class Unpackers(dict[int, Any]):
    """``Struct.METHOD`` for framed rows, by row size; made when first asked for.

    A dict, because a lookup of a known size then runs in C; `__missing__` is called for new ones.

    Args:
        method: the name of the method.
        before: struct codes in front of the string or bytes.
        behind: those behind it.
        size: bytes of all those.
    """

    def __init__(self, method: str, before: str, behind: str, size: int) -> None:
        super().__init__()
        self._method = method
        self._before = before
        self._behind = behind
        self._size = size

    def __missing__(self, row_size: int) -> Any:
        if row_size < self._size:
            raise ValueError("a row is shorter than its type")
        if len(self) >= _MAX_UNPACKERS:
            self.clear()
        layout = Struct(f"<{self._before}{row_size - self._size}s{self._behind}")
        made = self[row_size] = getattr(layout, self._method)
        return made


def check_lengths(data: bytes, start: int, end: int, step: int, length: int) -> None:
    """Check that a U32 at ``start``, ``start + step``, ... is always `length`.

    A slice with a step picks the first byte of all these numbers, then the second, and so on.
    Stripping the expected byte leaves nothing if all are right. These are two calls into C for each
    of the four bytes, whatever the number of rows.

    Raises:
        ValueError: one of them is another number.
    """
    for byte in length.to_bytes(4, "little"):
        if data[start:end:step].strip(bytes((byte,))):
            raise ValueError("a row is longer or shorter than its type")
        start += 1


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
