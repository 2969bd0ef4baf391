"""BSATN, interpreted: the reference that the compiled codec must equal (docs/protocol.md section 1).

Slow and plain, one branch per shape. When the compiled code has failed, this codec is run on the
same value, to say which field is wrong and at which byte; tests use it as the reference. Its error
texts for damaged bytes are those of a SpacetimeDB server, because the embedded server quotes them
when it answers a call with bad arguments.
"""

from __future__ import annotations

import struct
from operator import attrgetter, index
from typing import TYPE_CHECKING, Any, Final, assert_never

from ..errors import DecodeError, EncodeError, LimitExceeded
from ..types import Err, Ok, Some
from .algebraic import PRIMITIVE_SIZES, AlgebraicType
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
    from .layout import Layout
    from .shapes import Shapes

RAW_DECODE_ERRORS: Final = (
    struct.error,
    IndexError,
    ValueError,  # UnicodeDecodeError included
    OverflowError,
    RecursionError,
    MemoryError,
    TypeError,  # a class of the user's own that does not take these fields
    LimitExceeded,  # nesting_depth, zero_size_rows
)
"""The exceptions of compiled decoders for damaged bytes; `compile.Codec` turns all of them but
`LimitExceeded` into `DecodeError`."""

RAW_ENCODE_ERRORS: Final = (
    struct.error,
    ValueError,
    OverflowError,
    RecursionError,
    MemoryError,
    TypeError,
    AttributeError,
    KeyError,
    LimitExceeded,
)
"""The exceptions of compiled encoders for values that do not fit; `compile.Codec` turns them into
`EncodeError`."""

_FLOATS: Final = {"F32": struct.Struct("<f"), "F64": struct.Struct("<d")}


def path_text(path: list[str]) -> str:
    """Return the path of a field as text; a very long path loses its middle."""
    if len(path) > 16:
        path = [*path[:8], ".(...)", *path[-4:]]
    return "".join(path).lstrip(".")


def fields_of(shape: ProductShape, value: Any) -> tuple[Any, ...] | None:
    """Return the fields of a product value in order, or None if it is not one.

    A tuple or list of the right length counts as one; otherwise the attributes are read.
    """
    count = len(shape.attributes)
    if isinstance(value, tuple | list):
        return tuple(value) if len(value) == count else None
    if not count:
        return () if shape.cls is not None and isinstance(value, shape.cls) else None
    get: Any = attrgetter(*shape.attributes)
    try:
        found = get(value)
    except AttributeError:
        return None
    return found if count > 1 else (found,)


def decode(
    ty: AlgebraicType, shapes: Shapes, layout: Layout, data: bytes, pos: int = 0
) -> tuple[Any, int]:
    """Read one value of `ty` at `pos`; return it and the position after it.

    Raises:
        DecodeError: with the path of the field and the offset of the damage.
        LimitExceeded: the value nests deeper than ``nesting_depth``, or its arrays have more than
            ``zero_size_rows`` elements without bytes.
    """
    reader = _Reader(shapes, layout, data, pos)
    try:
        return reader.value(ty, 0), reader.pos
    except RecursionError as error:
        raise reader.error("nested too deep") from error


class _Reader:
    """The state of one `decode`."""

    def __init__(self, shapes: Shapes, layout: Layout, data: bytes, pos: int) -> None:
        self.shapes = shapes
        self.layout = layout
        self.data = data
        self.pos = pos
        self.path: list[str] = []
        self.empty = layout.max_empty
        """How many more array elements that take no bytes are allowed."""

    def over(self, error: LimitExceeded) -> LimitExceeded:
        return error.within(path_text(self.path)) if self.path else error

    def error(self, message: str, back: int = 0) -> DecodeError:
        return DecodeError(message, what=path_text(self.path), offset=self.pos - back)

    def take(self, count: int, kind: str) -> bytes:
        start = self.pos
        given = max(len(self.data) - start, 0)
        if count > given:
            raise self.error(f"data too short for {kind}: Expected {count}, given {given}")
        self.pos = start + count
        return self.data[start : self.pos]

    def scalar(self, size: int) -> bytes:
        return self.take(size, f"u{8 * size}")

    def number(self, size: int) -> int:
        return int.from_bytes(self.scalar(size), "little")

    def signed(self, size: int) -> int:
        return int.from_bytes(self.take(size, f"i{8 * size}"), "little", signed=True)

    def blob(self) -> bytes:
        return self.take(self.number(4), "[u8]")

    def inside(self, step: str, ty: AlgebraicType, depth: int) -> Any:
        self.path.append(step)
        value = self.value(ty, depth)
        self.path.pop()
        return value

    def value(self, ty: AlgebraicType, depth: int) -> Any:
        depth = self.layout.enter(ty, depth, self.over)
        shape = self.shapes.shape(ty)
        match shape:
            case PrimitiveShape(name):
                return self.primitive(name)
            case BytesShape():
                return self.blob()
            case SpecialShape(_, special):
                size = PRIMITIVE_SIZES[special.inner]
                if special.is_hex:
                    return special.cls(self.scalar(size)[::-1])
                return special.cls(self.signed(size))
            case ArrayShape(element):
                return self.array(element, depth)
            case OptionShape(payload, is_nested):
                if self.tag(2) == 1:
                    return None
                inner = self.inside(".some", payload, depth)
                return Some(inner) if is_nested else inner
            case ResultShape(ok, err):
                if self.tag(2) == 0:
                    return Ok(self.inside(".ok", ok, depth))
                return Err(self.inside(".err", err, depth))
            case EnumShape(_, members):
                return members[self.tag(len(members))]
            case SumShape(_, variants):
                variant = variants[self.tag(len(variants))]
                if variant.is_unit:
                    return variant.cls()
                return variant.cls(self.inside(f".{variant.name}", variant.payload, depth))
            case ProductShape():
                fields = [
                    self.inside(f".{name or attribute}", element, depth)
                    for name, attribute, element in zip(
                        shape.names, shape.attributes, shape.types, strict=True
                    )
                ]
                return self.shapes.build(shape, fields)
            case _:
                assert_never(shape)

    def tag(self, count: int) -> int:
        tag = self.number(1)
        if tag >= count:
            raise self.error(f"unknown tag {tag:#x} for sum type <unknown>", 1)
        return tag

    def primitive(self, name: str) -> Any:
        match name:
            case "Bool":
                byte = self.number(1)
                if byte > 1:
                    raise self.error(f"byte {byte:#04x} is not a valid bool", 1)
                return byte == 1
            case "String":
                text = self.blob()
                try:
                    return text.decode()
                except UnicodeDecodeError as error:
                    back = len(text) - error.start
                    raise self.error(f"invalid utf8: {error.reason}", back) from error
            case "F32" | "F64":
                return _FLOATS[name].unpack(self.scalar(PRIMITIVE_SIZES[name]))[0]
            case _:
                size = PRIMITIVE_SIZES[name]
                return self.signed(size) if name[0] == "I" else self.number(size)

    def array(self, element: AlgebraicType, depth: int) -> list[Any]:
        count = self.number(4)
        least = self.layout.size(element).minimum
        if least == 0:
            self.empty -= count
            if self.empty < 0:
                raise self.over(self.layout.too_empty())
            # The elements are all the same immutable value: one is decoded and repeated.
            return [self.inside("[0]", element, depth)] * count
        return [self.inside(f"[{number}]", element, depth) for number in range(count)]


def encode(ty: AlgebraicType, shapes: Shapes, layout: Layout, value: Any) -> bytes:
    """Return the encoding of a value.

    Accepts a little more than the compiled encoder: subclasses, bytearrays and integers of other
    types (anything with ``__index__``).

    Raises:
        EncodeError: the value does not fit; the error names the path of the field.
    """
    writer = _Writer(shapes, layout)
    try:
        writer.value(ty, value, 0)
    except RecursionError as error:
        raise writer.error("nested too deep") from error
    return bytes(writer.out)


class _Writer:
    """The state of one `encode`."""

    def __init__(self, shapes: Shapes, layout: Layout) -> None:
        self.shapes = shapes
        self.layout = layout
        self.out = bytearray()
        self.path: list[str] = []
        self.empty = layout.max_empty
        """How many more array elements that take no bytes are allowed."""

    def over(self, error: LimitExceeded) -> EncodeError:
        return self.error(error.message)

    def error(self, message: str) -> EncodeError:
        return EncodeError(message, what=path_text(self.path))

    def wrong(self, expected: str, value: object) -> EncodeError:
        # The error names the value's class and never shows the value, which may be a secret.
        return self.error(f"{expected} expected, not {type(value).__name__}")

    def counted(self, length: int) -> None:
        if length > 0xFFFFFFFF:
            raise self.error(f"{length} is more than a length can say")
        self.out += length.to_bytes(4, "little")

    def inside(self, step: str, ty: AlgebraicType, value: Any, depth: int) -> None:
        self.path.append(step)
        self.value(ty, value, depth)
        self.path.pop()

    def value(self, ty: AlgebraicType, value: Any, depth: int) -> None:
        depth = self.layout.enter(ty, depth, self.over)
        shape = self.shapes.shape(ty)
        match shape:
            case PrimitiveShape(name):
                self.primitive(name, value)
            case BytesShape():
                self.bytes(value)
            case SpecialShape(name, special):
                if not isinstance(value, special.cls):
                    raise self.wrong(name, value)
                held = getattr(value, special.attribute)
                if special.is_hex:
                    self.out += held[::-1]
                else:
                    self.integer("I64", held)
            case ArrayShape(element):
                self.array(element, value, depth)
            case OptionShape(payload, is_nested):
                self.option(payload, value, depth, is_nested=is_nested)
            case ResultShape(ok, err):
                if isinstance(value, Ok):
                    self.out.append(0)
                    self.inside(".ok", ok, value.value, depth)
                elif isinstance(value, Err):
                    self.out.append(1)
                    self.inside(".err", err, value.error, depth)
                else:
                    raise self.wrong("Ok or Err", value)
            case EnumShape(cls, members):
                if value not in members:
                    raise self.wrong(cls.__name__, value)
                self.out.append(members.index(value))
            case SumShape(cls, variants):
                for tag, variant in enumerate(variants):
                    if isinstance(value, variant.cls):
                        self.out.append(tag)
                        if not variant.is_unit:
                            held = getattr(value, "value", None)
                            self.inside(f".{variant.name}", variant.payload, held, depth)
                        return
                raise self.wrong(f"a variant of {cls.__name__}", value)
            case ProductShape():
                self.product(shape, value, depth)
            case _:
                assert_never(shape)

    def product(self, shape: ProductShape, value: Any, depth: int) -> None:
        fields = fields_of(shape, value)
        if fields is None:
            cls = shape.cls
            raise self.wrong(
                f"a tuple of {len(shape.types)}" if cls is None else cls.__name__, value
            )
        for name, attribute, part, field in zip(
            shape.names, shape.attributes, shape.types, fields, strict=True
        ):
            self.inside(f".{name or attribute}", part, field, depth)

    def primitive(self, name: str, value: Any) -> None:
        match name:
            case "Bool":
                if not isinstance(value, bool):
                    raise self.wrong("bool", value)
                self.out.append(value)
            case "String":
                if not isinstance(value, str):
                    raise self.wrong("str", value)
                try:
                    encoded = value.encode()
                except UnicodeEncodeError as error:
                    raise self.error("a lone surrogate has no UTF-8 form") from error
                self.counted(len(encoded))
                self.out += encoded
            case "F32" | "F64":
                try:
                    self.out += _FLOATS[name].pack(value)
                except (struct.error, TypeError) as error:
                    raise self.wrong("float", value) from error
                except OverflowError as error:
                    raise self.error(f"number too large for {name}") from error
            case _:
                self.integer(name, value)

    def integer(self, name: str, value: Any) -> None:
        try:
            number = index(value)
        except TypeError as error:
            raise self.wrong("int", value) from error
        try:
            self.out += number.to_bytes(PRIMITIVE_SIZES[name], "little", signed=name[0] == "I")
        except OverflowError as error:
            raise self.error(f"number out of range for {name}") from error

    def bytes(self, value: Any) -> None:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise self.wrong("bytes", value)
        encoded = bytes(value)
        self.counted(len(encoded))
        self.out += encoded

    def option(self, payload: AlgebraicType, value: Any, depth: int, *, is_nested: bool) -> None:
        if value is None:
            self.out.append(1)
            return
        if is_nested:
            if not isinstance(value, Some):
                raise self.wrong("Some or None", value)
            value = value.value
        self.out.append(0)
        self.inside(".some", payload, value, depth)

    def array(self, element: AlgebraicType, value: Any, depth: int) -> None:
        if not isinstance(value, list | tuple):
            raise self.wrong("list", value)
        if self.layout.size(element).minimum == 0:
            self.empty -= len(value)
            if self.empty < 0:
                raise self.over(self.layout.too_empty())
        self.counted(len(value))
        for number, item in enumerate(value):
            self.inside(f"[{number}]", element, item, depth)
