"""Generated functions: names, constants, queueing, where their source is found."""

from __future__ import annotations

import linecache
import traceback
from struct import error
from typing import Any

import pytest

from spacetime_proto.sats.algebraic import ArrayType, RefType, Typespace
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.program import MAX_INLINE_LEVEL, GeneratedFunction, Program, is_apart
from tests.proto.sats.examples import LIST, POINT, STRING, U8, U32, product


def program(*types: Any) -> Program:
    """Make an empty program."""
    return TypeContext(Typespace(types)).program


def test_constants() -> None:
    """One name per object, one per struct; values, not source."""
    made = program()
    first, second = object(), object()
    assert made.constant(first) == made.constant(first) != made.constant(second)
    assert made.namespace[made.constant(first)] is first
    assert (
        made.struct("pack", "QI") == made.struct("pack", "QI") != made.struct("unpack_from", "QI")
    )
    assert made.namespace[made.struct("unpack", "H")](b"\1\2") == (513,)
    assert list(made.namespace[made.struct("iter_unpack", "H")](b"\1\0\2\0")) == [(1,), (2,)]


def test_functions_are_compiled_and_call_each_other() -> None:
    """A queued function is written when the first is finished, and may queue more."""
    made = program()

    def write(name: str) -> GeneratedFunction:
        inner = GeneratedFunction(made, name, "x")
        inner.line(f"return {made.call('decode', U32, write_other)}(x) + 1")
        return inner

    def write_other(name: str) -> GeneratedFunction:
        other = GeneratedFunction(made, name, "x")
        other.line("return x * 2")
        return other

    outer = GeneratedFunction(made, made.name("outer"), "x")
    assert made.call("decode", U8, write) == made.call("decode", U8, write)
    table = made.table([made.call("decode", U8, write), None])
    outer.line(f"return {table}[0](x), {table}[1]")
    assert made.finish(outer)(5) == (11, None)


def test_function_text() -> None:
    """Lines, indentation, variables and tests."""
    function = GeneratedFunction(program(), "f", "x")
    assert (function.variable(), function.variable()) == ("v1", "v2")
    function.line("if x:")
    function.indent()
    function.fail("x > 3", "too 'large'")
    function.dedent()
    function.line("return x")
    function.first("x += 1")
    assert function.lines == [
        "def f(x):",
        "    x += 1",
        "    if x:",
        "        if x > 3:",
        "            raise ValueError(\"too 'large'\")",
        "    return x",
    ]


def test_recursive_types_test_the_depth() -> None:
    """Others do not pay for it."""
    made = program(LIST, POINT, STRING, LIST)
    for ref, lines in ((3, 4), (1, 1)):
        function = GeneratedFunction(made, "f", "depth")
        function.enter(RefType(ref))
        assert len(function.lines) == lines
    function = GeneratedFunction(made, "f", "depth")
    function.enter(U8)
    assert len(function.lines) == 1


def test_what_gets_a_function_of_its_own() -> None:
    """Deep, recursive or large types."""
    wide = product(*[U8] * 100)
    made = program(LIST, POINT, wide, LIST)
    assert not is_apart(made, RefType(1), 0)
    assert is_apart(made, RefType(1), MAX_INLINE_LEVEL + 1)
    assert is_apart(made, RefType(2), 0)
    assert is_apart(made, RefType(3), 0)
    assert not is_apart(made, wide, 0)


def test_source_is_found_by_linecache() -> None:
    """So tracebacks show the line that failed; equal sources share a name."""
    decode = TypeContext(Typespace((product(U8, U32),))).codec(RefType(0)).decode
    with pytest.raises(error) as failed:
        decode(b"", 0)
    text = "".join(traceback.format_exception(failed.value))
    assert '"<spacetimedb codec ' in text
    assert "(data, pos)" in text
    name = decode.__code__.co_filename  # type: ignore[attr-defined]
    assert linecache.getline(name, 1).startswith("def decode")
    again = TypeContext(Typespace((product(U8, U32),))).codec(RefType(0)).decode
    assert again.__code__.co_filename == name  # type: ignore[attr-defined]
    linecache.checkcache(name)
    assert linecache.getline(name, 1)
    assert ArrayType(U8)
