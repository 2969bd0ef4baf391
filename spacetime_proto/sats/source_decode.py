"""Writes decoders: BSATN bytes to Python values as straight-line source.

How it works: fixed-width fields are not read one by one but collected in a *run*, across the borders
of nested products, together with the length or tag that ends it; one ``unpack_from`` reads the run.
What a field becomes is an expression over the unpacked variables, used once, when its product is
built. Data that is cut short needs no test per field: ``unpack_from`` and indexing raise. Slicing a
string beyond the end does not raise but leaves ``pos`` beyond the end, so that the next read
raises; if there is none, one test at the end of the function does.
"""

from __future__ import annotations

from itertools import chain, starmap
from typing import TYPE_CHECKING, Final

from ..types import Err, Ok, ScheduleAt, Some
from .fuse import Fused, construct, fixed_value, fuse
from .program import GeneratedFunction, Program, is_apart, is_dispatched, state_of
from .shapes import (
    ArrayShape,
    BytesShape,
    OptionShape,
    PrimitiveShape,
    ProductShape,
    ResultShape,
    SumShape,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .algebraic import AlgebraicType

__all__ = ["BAD_BOOL", "BAD_TAG", "CUT_SHORT", "Decoder", "decode_function"]

BAD_BOOL: Final = "a bool is neither 0 nor 1"
BAD_TAG: Final = "unknown tag"
CUT_SHORT: Final = "cut short"

_ZERO_ONE: Final = b"\x00\x01"
_FLATTEN: Final = chain.from_iterable


class Decoder:
    """Writes the reading of values into a `GeneratedFunction` that has ``data`` and ``pos``.

    `value` emits statements and returns an expression that is valid after the next `flush`.
    """

    def __init__(self, function: GeneratedFunction) -> None:
        self.function = function
        self.program = function.program
        self.uses_length = False
        self.is_checked = True
        """Whether `pos` is known to lie within the data."""
        self._layout: list[str] = []
        self._variables: list[str] = []
        self._bools: list[str] = []
        self._size = 0

    # --- runs

    def read(self, code: str, width: int) -> str:
        """Add a fixed-width field to the run; return the variable that will hold it."""
        name = self.function.variable()
        self._layout.append(code)
        self._variables.append(name)
        self._size += width
        return name

    def flush(self) -> None:
        """Write the reading of the run."""
        if not self._variables:
            return
        line = self.function.line
        names = ", ".join(self._variables)
        if self._layout == ["B"]:
            line(f"{names} = data[pos]")
        else:
            comma = "," if len(self._variables) == 1 else ""
            unpack = self.program.struct("unpack_from", "".join(self._layout))
            line(f"{names}{comma} = {unpack}(data, pos)")
        line(f"pos += {self._size}")
        if self._bools:
            self.function.fail(f"{' | '.join(self._bools)} > 1", BAD_BOOL)
        self._layout, self._variables, self._bools, self._size = [], [], [], 0
        self.is_checked = True

    # --- values

    def value(self, ty: AlgebraicType, level: int = 0) -> str:
        """Write the reading of a value of `ty`; return its expression."""
        if is_apart(self.program, ty, level):
            return self._call(ty)
        return self.inline(ty, level)

    def inline(self, ty: AlgebraicType, level: int = 0) -> str:
        """Same as `value`, but never by calling a function for the type as a whole."""
        shape = self.program.shapes.shape(ty)
        match shape:
            case ProductShape():
                fields = [self.value(element, level + 1) for element in shape.types]
                return construct(self.program, shape, fields)
            case PrimitiveShape("Bool"):
                name = self.read("B", 1)
                self._bools.append(name)
                return f"({name} == 1)"
            case PrimitiveShape("String"):
                return self._slice(".decode()")
            case BytesShape():
                return self._slice("")
            case ArrayShape(element):
                return self._array(element, level)
            case OptionShape(payload, is_nested):
                wrap = self.program.constant(Some) if is_nested else ""
                return self._chain([(payload, wrap), (None, "None")], level)
            case ResultShape(ok, err):
                constant = self.program.constant
                return self._chain([(ok, constant(Ok)), (err, constant(Err))], level)
            case SumShape(cls, variants) if cls is not ScheduleAt:
                return self._sum(shape, level) if variants else self._never()
            case _:
                expression = fixed_value(self.program, shape, self.read)
                assert expression is not None
                return expression

    def _call(self, ty: AlgebraicType) -> str:
        self.flush()
        result = self.function.variable()
        self.function.line(
            f"{result}, pos = {self._apart(ty)}(data, pos, {self.function.state(ty)})"
        )
        self.is_checked = False
        return result

    def _apart(self, ty: AlgebraicType) -> str:
        """Return the name of the function that decodes `ty`."""
        return self.program.call("decode", ty, lambda name: decode_part(self.program, name, ty))

    def _slice(self, convert: str) -> str:
        length = self.read("I", 4)
        self.flush()
        result = self.function.variable()
        self.function.line(f"{result} = data[pos:(pos := pos + {length})]{convert}")
        self.is_checked = False
        return result

    def _chain(self, cases: Sequence[tuple[AlgebraicType | None, str]], level: int) -> str:
        """Write a sum of few variants: a tag, and what each of them becomes.

        Args:
            cases: for each tag the payload and what it is wrapped in, or None and the value.
            level: how deep inlined types nest here.
        """
        tag = self.read("B", 1)
        self.flush()
        result = self.function.variable()
        line = self.function.line
        for number, (payload, made) in enumerate(cases):
            line(f"{'elif' if number else 'if'} {tag} == {number}:")
            self.function.indent()
            if payload is not None:
                expression = self.value(payload, level + 1)
                self.flush()
                made = f"{made}({expression})" if made else expression
                self.is_checked = False
            line(f"{result} = {made}")
            self.function.dedent()
        line("else:")
        line(f"    raise ValueError({BAD_TAG!r})")
        return result

    def _never(self) -> str:
        self.flush()
        self.function.line('raise ValueError("a type without variants has no values")')
        return "None"

    def _sum(self, shape: SumShape, level: int) -> str:
        constant = self.program.constant
        if is_dispatched(self.program, shape):
            return self._dispatch(shape)
        return self._chain(
            [
                (None, constant(one.cls())) if one.is_unit else (one.payload, constant(one.cls))
                for one in shape.variants
            ],
            level,
        )

    def _dispatch(self, shape: SumShape) -> str:
        """Write a sum of many variants: tables of unit values, payload decoders and classes."""
        tag = self.read("B", 1)
        self.flush()
        result = self.function.variable()
        constant = self.program.constant
        variants = shape.variants
        units = constant(tuple(item.cls() if item.is_unit else None for item in variants))
        classes = constant(tuple(item.cls for item in variants))
        readers = self.program.table(
            [None if item.is_unit else self._apart(item.payload) for item in variants]
        )
        payload = self.function.variable()
        line = self.function.line
        line(f"{result} = {units}[{tag}]")
        line(f"if {result} is None:")
        line(f"    {payload}, pos = {readers}[{tag}](data, pos, depth)")
        line(f"    {result} = {classes}[{tag}]({payload})")
        self.is_checked = False
        return result

    # --- arrays

    def _array(self, element: AlgebraicType, level: int) -> str:
        count = self.read("I", 4)
        self.flush()
        result = self.function.variable()
        line = self.function.line
        size = self.program.layout.size(element)
        if size.fixed == 0:
            self.function.count_empty(count)
            # The elements are all the same immutable value: one is decoded and repeated.
            line(f"{result} = [{self.value(element, level + 1)}] * {count}")
            return result
        fused = fuse(self.program, element, self.function.variable)
        self.uses_length = True
        # A false count is refused here, before anything is allocated for it.
        self.function.fail(f"{count} * {size.minimum} > length - pos", CUT_SHORT)
        if fused is not None:
            end = self.function.variable()
            line(f"{end} = pos + {count} * {fused.size}")
            # A plain slice: up to some KiB, a copy costs less than making a memoryview.
            items = self.unpacked(fused, f"data[pos:{end}]")
            self.consecutive(fused, result, items, start="pos", end=end, step=str(fused.size))
            line(f"pos = {end}")
            return result
        line(f"{result} = []")
        line(f"for _ in range({count}):")
        self.function.indent()
        expression = self.value(element, level + 1)
        self.flush()
        line(f"{result}.append({expression})")
        self.function.dedent()
        self.is_checked = False
        return result

    def consecutive(
        self, fused: Fused, result: str, items: str, *, start: str, end: str, step: str
    ) -> None:
        """Write the reading of values of fixed size that lie one after the other.

        The loop over the values runs in C where it can: `starmap` calls the class with the
        variables of each value; where a value is its only variable, flattening the tuples that
        ``unpack`` made gives the list.

        Args:
            fused: how to read one.
            result: the variable for the list of them.
            items: expression for an iterator over the unpacked values.
            start: expression for the position of the first.
            end: expression for the position after the last.
            step: expression for the distance from one to the next.
        """
        for offset, _ in fused.bools:
            self.bool_column(f"data[{start} + {offset}:{end}:{step}]")
        if fused.maker:
            made = f"list({self.program.constant(starmap)}({fused.maker}, {items}))"
        elif f"{fused.expression}," == fused.names:
            made = f"list({self.program.constant(_FLATTEN)}({items}))"
        else:
            made = f"[{fused.expression} for {fused.names} in {items}]"
        self.function.line(f"{result} = {made}")

    def bool_column(self, column: str) -> None:
        """Write the test of the bool bytes in the expression `column`, made of one byte per value.

        Stripping zeros and ones from both ends leaves something exactly if any byte is neither.
        """
        self.function.fail(f"{column}.strip({self.program.constant(_ZERO_ONE)})", BAD_BOOL)

    def unpacked(self, fused: Fused, window: str) -> str:
        """Return the expression for an iterator over the values in the bytes `window`."""
        return f"{self.program.struct('iter_unpack', fused.code)}({window})"

    # --- whole functions

    def finish(self, *returns: str) -> GeneratedFunction:
        """Write the final test and the return; add what the body turned out to need."""
        if not self.is_checked:
            self.uses_length = True
            self.function.fail("pos > length", CUT_SHORT)
        self.function.line(f"return {', '.join(returns)}")
        self.prepare()
        return self.function

    def prepare(self) -> None:
        """Insert the set-up of local variables that the body turned out to need."""
        if self.uses_length:
            self.function.first("length = len(data)")


def decode_part(program: Program, name: str, ty: AlgebraicType) -> GeneratedFunction:
    """Write a function ``(data, pos, ...) -> (value, pos)`` that others call.

    It does not test for the end of the data: its callers do.
    """
    function = GeneratedFunction(program, name, f"data, pos, {state_of(program, ty)}")
    function.enter(ty)
    decoder = Decoder(function)
    expression = decoder.inline(ty)
    decoder.flush()
    function.line(f"return {expression}, pos")
    decoder.prepare()
    return function


def decode_function(program: Program, ty: AlgebraicType) -> GeneratedFunction:
    """Write the function ``(data, pos) -> (value, pos)`` of a codec."""
    decoder = Decoder(GeneratedFunction(program, program.name("decode"), "data, pos, depth=0"))
    decoder.function.begin(ty)
    expression = decoder.value(ty)
    decoder.flush()
    return decoder.finish(expression, "pos")
