"""Writes encoders: Python values to BSATN bytes as straight-line source.

The mirror of `source_decode`: fixed-width fields, lengths and tags are collected and written by one
``pack``. A value of the wrong kind raises whatever Python raises; the codec then runs the
interpreted encoder, which either names the field or accepts the value, as it takes more than the
fast code does.
"""

from __future__ import annotations

from operator import attrgetter
from struct import pack
from typing import TYPE_CHECKING, Any, Final, assert_never

from msgspec.structs import astuple

from ..types import Err, Ok, Some
from .algebraic import AlgebraicType
from .fuse import FORMATS
from .program import GeneratedFunction, Program, is_apart, is_dispatched, state_of
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

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["encode_function"]

_WRONG_TYPE: Final = "raise TypeError"
_MASK: Final = (1 << 64) - 1


def _fields_of(shape: ProductShape) -> Callable[[Any], tuple[Any, ...]]:
    """Return what takes a product value apart: attributes in order, or a tuple or list of them."""
    count = len(shape.attributes)
    get: Any = attrgetter(*shape.attributes)

    def fields(value: Any) -> tuple[Any, ...]:
        if isinstance(value, tuple | list):
            if len(value) != count:
                raise TypeError
            return tuple(value)
        found = get(value)
        return (found,) if count == 1 else found

    return fields


class Encoder:
    """Writes the encoding of values into a `GeneratedFunction` that appends to ``out``."""

    def __init__(self, function: GeneratedFunction) -> None:
        self.function = function
        self.program = function.program
        self._layout: list[str] = []
        self._arguments: list[str] = []
        self._chunks: list[str] = []

    def put(self, code: str, argument: str) -> None:
        """Add a fixed-width field to the run."""
        self._layout.append(code)
        self._arguments.append(argument)

    def add(self, chunk: str) -> None:
        """Add the bytes of an expression, after what was `put`."""
        self._pack()
        self._chunks.append(chunk)

    def flush(self) -> None:
        """Write the appending of all that was put and added."""
        self._pack()
        if len(self._chunks) == 1:
            self.function.line(f"out += {self._chunks[0]}")
        elif self._chunks:
            self.function.line(f"out += b''.join(({', '.join(self._chunks)}))")
        self._chunks = []

    def _pack(self) -> None:
        if self._layout:
            packer = self.program.struct("pack", "".join(self._layout))
            self._chunks.append(f"{packer}({', '.join(self._arguments)})")
            self._layout, self._arguments = [], []

    def require(self, condition: str) -> None:
        """Write a test of the kind of a value."""
        self.function.line(f"if not ({condition}):")
        self.function.line(f"    {_WRONG_TYPE}")

    def value(self, ty: AlgebraicType, name: str, level: int = 0) -> None:
        """Write the encoding of the value in the variable `name`."""
        if is_apart(self.program, ty, level):
            self.flush()
            self.function.line(f"{self._apart(ty)}({name}, out, {self.function.state(ty)})")
        else:
            self.inline(ty, name, level)

    def _apart(self, ty: AlgebraicType) -> str:
        return self.program.call("encode", ty, lambda name: _encode_part(self.program, name, ty))

    def inline(self, ty: AlgebraicType, name: str, level: int = 0) -> None:
        """Same as `value`, but never by calling a function for the type as a whole."""
        constant = self.program.constant
        shape = self.program.shapes.shape(ty)
        match shape:
            case ProductShape():
                self._product(shape, name, level)
            case PrimitiveShape(primitive):
                self._primitive(primitive, name)
            case BytesShape():
                self.require(f"type({name}) is bytes")
                self._counted(name)
            case SpecialShape(_, special):
                self.require(f"type({name}) is {constant(special.cls)}")
                if special.is_hex:
                    width = special.cls.SIZE  # type: ignore[attr-defined]  # the hexadecimal ones have it
                    self.put(f"{width}s", f"{name}.{special.attribute}[::-1]")
                else:
                    self.put("q", f"{name}.{special.attribute}")
            case EnumShape(cls):
                self.require(f"type({name}) is {constant(cls)}")
                self.put("B", f"{name}._value_")  # the attribute behind the slower property `value`
            case OptionShape():
                self._option(shape, name, level)
            case ResultShape():
                self._result(shape, name, level)
            case SumShape():
                self._sum(shape, name, level)
            case ArrayShape(element):
                self._array(element, name, level)
            case _:
                assert_never(shape)

    def _primitive(self, primitive: str, name: str) -> None:
        match primitive:
            case "Bool":
                self.require(f"type({name}) is bool")
                self.put("?", name)
            case "String":
                encoded = self.function.variable()
                self.require(f"type({name}) is str")
                self.function.line(f"{encoded} = {name}.encode()")
                self._counted(encoded)
            case "U128" | "I128":
                self.put("Q", f"{name} & {_MASK}")
                self.put("q" if primitive == "I128" else "Q", f"{name} >> 64")
            case "U256" | "I256":
                signed = ", signed=True" if primitive == "I256" else ""
                self.put("32s", f"{name}.to_bytes(32, 'little'{signed})")
            case _:
                self.put(FORMATS[primitive], name)

    def _counted(self, name: str) -> None:
        """Write a length and the bytes in the variable `name`."""
        self.put("I", f"len({name})")
        self.add(name)

    def _product(self, shape: ProductShape, name: str, level: int) -> None:
        constant = self.program.constant
        count = len(shape.types)
        if not count:
            condition = f"{name} == ()"
            if shape.cls is not None:
                condition = f"type({name}) is {constant(shape.cls)} or {condition}"
            self.require(condition)
            return
        fields = [self.function.variable() for _ in shape.types]
        general = constant(_fields_of(shape))
        # `astuple` of msgspec is the fastest way to the fields, if the class has exactly these.
        is_struct = getattr(shape.cls, "__struct_fields__", None) == shape.attributes
        exact = constant(astuple) if is_struct else general
        self.function.line(
            f"{', '.join(fields)}, = ({exact} if type({name}) is {constant(shape.cls)}"
            f" else {general})({name})"
        )
        for field, ty in zip(fields, shape.types, strict=True):
            self.value(ty, field, level + 1)

    def _branch(self, tag: int, payload: AlgebraicType, source: str, level: int) -> None:
        """Write one alternative: its tag, and its payload from the expression `source`."""
        self.function.indent()
        value = self.function.variable()
        self.function.line(f"{value} = {source}")
        self.put("B", str(tag))
        self.value(payload, value, level + 1)
        self.flush()
        self.function.dedent()

    def _option(self, shape: OptionShape, name: str, level: int) -> None:
        self.flush()
        line = self.function.line
        line(f"if {name} is None:")
        line("    out.append(1)")
        if not shape.is_nested:
            line("else:")
            self._branch(0, shape.payload, name, level)
            return
        line(f"elif type({name}) is {self.program.constant(Some)}:")
        self._branch(0, shape.payload, f"{name}.value", level)
        self._otherwise()

    def _result(self, shape: ResultShape, name: str, level: int) -> None:
        self.flush()
        self.function.line(f"if type({name}) is {self.program.constant(Ok)}:")
        self._branch(0, shape.ok, f"{name}.value", level)
        self.function.line(f"elif type({name}) is {self.program.constant(Err)}:")
        self._branch(1, shape.err, f"{name}.error", level)
        self._otherwise()

    def _otherwise(self) -> None:
        self.function.line("else:")
        self.function.line(f"    {_WRONG_TYPE}")

    def _sum(self, shape: SumShape, name: str, level: int) -> None:
        self.flush()
        line = self.function.line
        constant = self.program.constant
        tags = {item.cls: tag for tag, item in enumerate(shape.variants)}
        tag = self.function.variable()
        line(f"{tag} = {constant(tags)}[type({name})]")
        if is_dispatched(self.program, shape):
            writers = self.program.table(
                [None if item.is_unit else self._apart(item.payload) for item in shape.variants]
            )
            write = self.function.variable()
            line(f"out.append({tag})")
            line(f"{write} = {writers}[{tag}]")
            line(f"if {write} is not None:")
            line(f"    {write}({name}.value, out, depth)")
            return
        for number, item in enumerate(shape.variants):
            line(f"{'elif' if number else 'if'} {tag} == {number}:")
            if item.is_unit:
                line(f"    out.append({number})")
            else:
                self._branch(number, item.payload, f"{name}.value", level)

    def _array(self, element: AlgebraicType, name: str, level: int) -> None:
        self.flush()
        line = self.function.line
        count = self.function.variable()
        self.require(f"type({name}) is list or type({name}) is tuple")
        line(f"{count} = len({name})")
        shape = self.program.shapes.shape(element)
        if isinstance(shape, PrimitiveShape) and shape.name in FORMATS:
            # The count and all numbers in one call; `struct.pack` caches the formats it has seen.
            packer = self.program.constant(pack)
            line(f'out += {packer}(f"<I{{{count}}}{FORMATS[shape.name]}", {count}, *{name})')
            return
        if self.program.layout.size(element).fixed == 0:
            self.function.count_empty(count)
        self.put("I", count)
        self.flush()
        item = self.function.variable()
        line(f"for {item} in {name}:")
        self.function.indent()
        line("pass")
        self.value(element, item, level + 1)
        self.flush()
        self.function.dedent()


def _encode_part(program: Program, name: str, ty: AlgebraicType) -> GeneratedFunction:
    function = GeneratedFunction(program, name, f"value, out, {state_of(program, ty)}")
    function.enter(ty)
    encoder = Encoder(function)
    encoder.inline(ty, "value")
    encoder.flush()
    function.line("return")
    return function


def encode_function(program: Program, ty: AlgebraicType) -> GeneratedFunction:
    """Write the function ``(value, out) -> None`` of a codec.

    It may leave part of a value in ``out`` when it raises.
    """
    function = GeneratedFunction(program, program.name("encode"), "value, out, depth=0")
    function.begin(ty)
    encoder = Encoder(function)
    encoder.value(ty, "value")
    encoder.flush()
    function.line("return")
    return function
