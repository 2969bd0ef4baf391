"""BSATN of types themselves: ``AlgebraicType`` as a value (docs/protocol.md section 1.2)."""

from __future__ import annotations

from struct import Struct, error
from typing import Final

from ..errors import DecodeError
from .algebraic import (
    AlgebraicType,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Variant,
)

__all__ = ["TYPE_TAGS", "decode_type", "encode_type"]

TYPE_TAGS: Final = (
    "Ref", "Sum", "Product", "Array", "String", "Bool", "I8", "U8", "I16", "U16", "I32", "U32",
    "I64", "U64", "I128", "U128", "I256", "U256", "F32", "F64",
)  # fmt: skip
"""The variants of ``AlgebraicType`` by tag."""

_U32: Final = Struct("<I")
_MAX_DEPTH: Final = 128


def encode_type(ty: AlgebraicType) -> bytes:
    """Return the encoding of a type."""
    out = bytearray()
    _encode(ty, out)
    return bytes(out)


def _encode(ty: AlgebraicType, out: bytearray) -> None:
    match ty:
        case RefType(index):
            out.append(0)
            out += _U32.pack(index)
        case SumType(variants):
            out.append(1)
            _encode_named(variants, out)
        case ProductType(elements):
            out.append(2)
            _encode_named(elements, out)
        case ArrayType(element):
            out.append(3)
            _encode(element, out)
        case _:
            out.append(TYPE_TAGS.index(ty.name))


def _encode_named(items: tuple[Element, ...] | tuple[Variant, ...], out: bytearray) -> None:
    out += _U32.pack(len(items))
    for item in items:
        if item.name is None:
            out.append(1)
        else:
            name = item.name.encode()
            out.append(0)
            out += _U32.pack(len(name))
            out += name
        _encode(item.type, out)


def decode_type(data: bytes, pos: int = 0) -> tuple[AlgebraicType, int]:
    """Read a type at `pos`; return it and the position after it.

    Raises:
        DecodeError: the bytes are damaged, or the type nests deeper than 128 levels.
    """
    reader = _Reader(data, pos)
    try:
        return reader.type(0), reader.pos
    except (error, IndexError) as cut:
        raise DecodeError("cut short", what="type", offset=reader.pos) from cut
    except UnicodeDecodeError as bad:
        raise DecodeError("name is not UTF-8", what="type", offset=reader.pos) from bad


class _Reader:
    """The state of one `decode_type`."""

    def __init__(self, data: bytes, pos: int) -> None:
        self.data = data
        self.pos = pos

    def byte(self) -> int:
        value = self.data[self.pos]
        self.pos += 1
        return value

    def number(self) -> int:
        (value,) = _U32.unpack_from(self.data, self.pos)
        self.pos += 4
        return int(value)

    def type(self, depth: int) -> AlgebraicType:
        if depth > _MAX_DEPTH:
            raise DecodeError("nested too deep", what="type", offset=self.pos)
        tag = self.byte()
        if tag >= len(TYPE_TAGS):
            raise DecodeError(f"unknown tag {tag}", what="type", offset=self.pos - 1)
        match tag:
            case 0:
                return RefType(self.number())
            case 1:
                return SumType(tuple(Variant(*item) for item in self.named(depth)))
            case 2:
                return ProductType(tuple(Element(*item) for item in self.named(depth)))
            case 3:
                return ArrayType(self.type(depth + 1))
            case _:
                return Primitive(TYPE_TAGS[tag])

    def named(self, depth: int) -> list[tuple[str | None, AlgebraicType]]:
        count = self.number()
        if count > len(self.data) - self.pos:
            raise DecodeError(f"{count} fields announced", what="type", offset=self.pos)
        return [(self.name(), self.type(depth + 1)) for _ in range(count)]

    def name(self) -> str | None:
        tag = self.byte()
        if tag == 1:
            return None
        if tag:
            raise DecodeError(f"unknown tag {tag}", what="type", offset=self.pos - 1)
        end = self.number() + self.pos
        if end > len(self.data):
            raise DecodeError("cut short", what="type", offset=self.pos)
        name = self.data[self.pos : end].decode()
        self.pos = end
        return name
