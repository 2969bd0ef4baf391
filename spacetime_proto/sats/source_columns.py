"""Writes the functions that read one column of a row, or of many rows, without building the rows.

The columns before it are skipped: only lengths, counts and tags are read, as far as needed to find
where a value ends; UTF-8 and bools are not checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .fuse import fuse
from .program import GeneratedFunction, Program, is_apart, state_of
from .shapes import (
    ArrayShape,
    BytesShape,
    EnumShape,
    OptionShape,
    PrimitiveShape,
    ProductShape,
    ResultShape,
    SpecialShape,
    SumShape,
)
from .source_decode import BAD_TAG, CUT_SHORT, Decoder
from .source_rows import WRONG_LENGTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .algebraic import AlgebraicType
    from .shapes import Shapes


class Skipper:
    """Writes the code that moves ``pos`` past values.

    `gap` adds up the bytes of values of fixed size, so that neighbours share one ``pos +=``.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.function = decoder.function
        self.program = decoder.program
        self.gap = 0

    def flush(self) -> None:
        """Write the move over the `gap`."""
        if self.gap:
            self.function.line(f"pos += {self.gap}")
            self.gap = 0
            self.decoder.is_checked = False

    def column(self, columns: Sequence[AlgebraicType], index: int) -> str:
        """Write the move past the columns before `index` and the reading of it; return its value."""
        for ty in columns[:index]:
            self.value(ty)
        self.flush()
        expression = self.decoder.value(columns[index])
        self.decoder.flush()
        return expression

    def value(self, ty: AlgebraicType, level: int = 0) -> None:
        """Write the move past a value of `ty`."""
        fixed = self.program.layout.size(ty).fixed
        if fixed is not None and is_plain(self.program.shapes, ty):
            self.gap += fixed
        elif is_apart(self.program, ty, level):
            self.flush()
            name = self.program.call("skip", ty, lambda name: _skip_part(self.program, name, ty))
            self.function.line(f"pos = {name}(data, pos, {self.function.state(ty)})")
            self.decoder.is_checked = False
        else:
            self.inline(ty, level)

    def inline(self, ty: AlgebraicType, level: int = 0) -> None:
        """Same as `value`, but never by calling a function for the type as a whole."""
        shape = self.program.shapes.shape(ty)
        match shape:
            case ProductShape():
                for element in shape.types:
                    self.value(element, level + 1)
            case PrimitiveShape("String") | BytesShape():
                length = self._length()
                self.function.line(f"pos += {length}")
                self.decoder.is_checked = False
            case ArrayShape(element):
                self._array(element, level)
            case OptionShape(payload):
                self._sum([payload, None], level)
            case ResultShape(ok, err):
                self._sum([ok, err], level)
            case SumShape(_, variants):
                self._sum([None if item.is_unit else item.payload for item in variants], level)
            case EnumShape(_, members):
                self._sum([None] * len(members), level)
            case _:
                raise AssertionError("a scalar is skipped by its size")

    def _length(self) -> str:
        """Write the reading of a length or count; return its variable."""
        self.flush()
        length = self.function.variable()
        self.function.line(f"{length}, = {self.program.struct('unpack_from', 'I')}(data, pos)")
        self.function.line("pos += 4")
        return length

    def _sum(self, payloads: Sequence[AlgebraicType | None], level: int) -> None:
        self.flush()
        tag = self.function.variable()
        line = self.function.line
        line(f"{tag} = data[pos]")
        line("pos += 1")
        keyword = "if"
        for number, payload in enumerate(payloads):
            if payload is None:
                continue
            line(f"{keyword} {tag} == {number}:")
            keyword = "elif"
            self.function.indent()
            line("pass")
            self.value(payload, level + 1)
            self.flush()
            self.function.dedent()
        line(f"{keyword} {tag} >= {len(payloads)}:")
        line(f"    raise ValueError({BAD_TAG!r})")
        self.decoder.is_checked = False

    def _array(self, element: AlgebraicType, level: int) -> None:
        count = self._length()
        size = self.program.layout.size(element)
        if size.fixed == 0:
            self.function.count_empty(count)
        elif size.fixed is not None and is_plain(self.program.shapes, element):
            self.function.line(f"pos += {count} * {size.fixed}")
        else:
            self.decoder.uses_length = True
            self.function.fail(f"{count} * {size.minimum} > length - pos", CUT_SHORT)
            self.function.line(f"for _ in range({count}):")
            self.function.indent()
            self.function.line("pass")
            self.value(element, level + 1)
            self.flush()
            self.function.dedent()
        self.decoder.is_checked = False


def _skip_part(program: Program, name: str, ty: AlgebraicType) -> GeneratedFunction:
    function = GeneratedFunction(program, name, f"data, pos, {state_of(program, ty)}")
    function.enter(ty)
    skipper = Skipper(Decoder(function))
    skipper.inline(ty)
    skipper.flush()
    function.line("return pos")
    skipper.decoder.prepare()
    return function


def column_function(
    program: Program, columns: Sequence[AlgebraicType], index: int
) -> GeneratedFunction:
    """Write ``(data, pos) -> value`` that reads one column of the row at ``pos``."""
    decoder = Decoder(GeneratedFunction(program, program.name("column"), "data, pos, depth=0"))
    decoder.function.begin(*columns[: index + 1])
    return decoder.finish(Skipper(decoder).column(columns, index))


def keys_function(
    program: Program, columns: Sequence[AlgebraicType], index: int
) -> GeneratedFunction:
    """Write ``(data, pos, ends) -> keys`` that reads one column of every row."""
    function = GeneratedFunction(program, program.name("keys"), "data, pos, ends, depth=0")
    skipper = Skipper(Decoder(function))
    line = function.line
    line("result = []")
    line("for end in ends:")
    function.indent()
    function.begin(*columns[: index + 1])
    expression = skipper.column(columns, index)
    function.fail("pos > end", WRONG_LENGTH)
    line(f"result.append({expression})")
    line("pos = end")
    function.dedent()
    line("return result")
    skipper.decoder.prepare()
    return function


def fixed_keys_function(
    program: Program, ty: AlgebraicType, offset: int
) -> tuple[GeneratedFunction, str, int] | None:
    """Write ``(data, start, end, step, items) -> keys`` for a column at one offset of its row.

    Returned with it: the struct layout of a row up to and including the column, and its size. The
    caller (`compile._KeyReader`) pads it to the row size and passes ``iter_unpack`` as `items`.
    None if the column cannot be read by ``unpack``.
    """
    function = GeneratedFunction(program, program.name("keys"), "data, start, end, step, items")
    fused = fuse(program, ty, function.variable)
    if fused is None or not fused.size:
        return None
    fused.bools = [(offset + at, name) for at, name in fused.bools]
    decoder = Decoder(function)
    decoder.consecutive(fused, "keys", "items", start="start", end="end", step="step")
    function.line("return keys")
    return function, f"{offset}x{fused.code}", offset + fused.size


def is_plain(shapes: Shapes, ty: AlgebraicType) -> bool:
    """Say whether a type of fixed size can be skipped without looking at any byte of it."""
    shape = shapes.shape(ty)
    if isinstance(shape, ProductShape):
        return all(is_plain(shapes, element) for element in shape.types)
    return isinstance(shape, PrimitiveShape | SpecialShape)
