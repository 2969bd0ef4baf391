"""Writes the decoders of rows: the loop is inside the generated function.

Three ways, the fastest that fits: rows of fixed size by one ``iter_unpack`` over all of them; framed
rows (one string or bytes, see `fuse`) by one ``unpack`` each, or one ``iter_unpack`` where all have
one size; anything else as `source_decode` reads any value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .fuse import Fused, Unpackers, check_lengths, frame, fuse
from .program import GeneratedFunction, Program
from .source_decode import BAD_BOOL, Decoder

if TYPE_CHECKING:
    from .algebraic import AlgebraicType

WRONG_LENGTH = "a row is longer or shorter than its type"


def row_function(program: Program, ty: AlgebraicType) -> GeneratedFunction:
    """Write ``(data) -> row`` for the bytes of exactly one row."""
    function = GeneratedFunction(program, program.name("row"), "data, pos=0, depth=0")
    fused = fuse(program, ty, function.variable, "B")
    framed = frame(program, ty, function.variable, "B")
    if fused is not None and fused.size:
        # `unpack` refuses data of any other size than its own, so the row's size is checked too.
        function.line(f"{fused.names} = {program.struct('unpack', fused.code)}(data)")
        _test_bools(function, fused)
        function.line(f"return {fused.expression}")
    elif framed is not None:
        function.line("size = len(data)")
        function.line(f"{framed.names} = {_unpackers(program, 'unpack', framed)}[size](data)")
        function.fail(f"{framed.length} != size - {framed.size}", WRONG_LENGTH)
        _test_bools(function, framed)
        function.line(f"return {framed.expression}")
    else:
        decoder = Decoder(function)
        function.begin(ty)
        expression = decoder.value(ty)
        decoder.flush()
        function.fail("pos != len(data)", WRONG_LENGTH)
        function.line(f"return {expression}")
        decoder.prepare()
    return function


def rows_function(program: Program, ty: AlgebraicType) -> GeneratedFunction:
    """Write ``(data, pos, ends) -> rows`` for rows that lie one after the other."""
    function = GeneratedFunction(program, program.name("rows"), "data, pos, ends, depth=0")
    framed = frame(program, ty, function.variable, "B")
    decoder = Decoder(function)
    line = function.line
    line("rows = []")
    line("append = rows.append")
    line("for end in ends:")
    function.indent()
    if framed is not None:
        line("size = end - pos")
        line(f"{framed.names} = {_unpackers(program, 'unpack_from', framed)}[size](data, pos)")
        function.fail(f"{framed.length} != size - {framed.size}", WRONG_LENGTH)
        _test_bools(function, framed)
        line("pos = end")
        expression = framed.expression
    else:
        function.begin(ty)
        expression = decoder.value(ty)
        decoder.flush()
        function.fail("pos != end", WRONG_LENGTH)
    line(f"append({expression})")
    function.dedent()
    line("return rows")
    decoder.prepare()
    return function


def equal_rows_function(program: Program, ty: AlgebraicType) -> GeneratedFunction | None:
    """Write ``(data, start, end, step) -> rows`` for rows that all have `step` bytes.

    None if the rows are neither of fixed size nor framed. If they are of fixed size, `step` must be
    that size. Lengths and bools are checked column by column, for all rows at once.
    """
    function = GeneratedFunction(program, program.name("rows"), "data, start, end, step")
    decoder = Decoder(function)
    window = "memoryview(data)[start:end]"
    fused = fuse(program, ty, function.variable)
    framed = frame(program, ty, function.variable)
    if fused is not None and fused.size:
        items = decoder.unpacked(fused, window)
        decoder.consecutive(fused, "rows", items, start="start", end="end", step="step")
        function.line("return rows")
        return function
    if framed is None:
        return None
    function.line(f"items = {_unpackers(program, 'iter_unpack', framed)}[step]({window})")
    function.line(f"size = step - {framed.size}")
    function.line(
        f"{program.constant(check_lengths)}(data, start + {framed.length_offset}, end, step, size)"
    )
    for offset, _ in framed.bools:
        shift = " + size" if offset > framed.length_offset else ""
        decoder.bool_column(f"data[start + {offset}{shift}:end:step]")
    function.line(f"return [{framed.expression} for {framed.names} in items]")
    return function


def _unpackers(program: Program, method: str, framed: Fused) -> str:
    before, behind = framed.around()
    return program.constant(Unpackers(method, before, behind, framed.size))


def _test_bools(function: GeneratedFunction, fused: Fused) -> None:
    if fused.bools:
        # One test for all of them: bytes joined by OR exceed 1 if any of them does.
        function.fail(f"{' | '.join(name for _, name in fused.bools)} > 1", BAD_BOOL)
