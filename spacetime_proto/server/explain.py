"""Why bytes do not decode as a type, in the words of a SpacetimeDB server.

Clients and their tests see these words: in the answer to a call with bad arguments.
"""

from __future__ import annotations

from ..sats.algebraic import (
    BYTES,
    PRIMITIVE_SIZES,
    AlgebraicType,
    ArrayType,
    Primitive,
    ProductType,
    SumType,
    Typespace,
)

__all__ = ["explain"]


class _Damage(Exception):
    pass


def explain(ty: AlgebraicType, typespace: Typespace, data: bytes) -> str | None:
    """Return what is wrong with `data` as a value of `ty`; None if a value can be read.

    Bytes after the value are no damage (docs/protocol.md section 1.1).
    """
    try:
        _walk(ty, typespace, data, 0)
    except _Damage as damage:
        return str(damage)
    except RecursionError:
        return "the value nests too deep"
    return None


def _walk(ty: AlgebraicType, typespace: Typespace, data: bytes, pos: int) -> int:
    ty = typespace.resolve(ty)
    match ty:
        case Primitive("String"):
            start, end = _blob(data, pos)
            try:
                data[start:end].decode()
            except UnicodeDecodeError as error:
                raise _Damage(f"invalid utf8: {error.reason}") from None
            return end
        case Primitive("Bool"):
            end = _need(data, pos, 1, "u8")
            if data[pos] > 1:
                raise _Damage(f"byte 0x{data[pos]:02x} is not a valid bool")
            return end
        case Primitive(name):
            size = PRIMITIVE_SIZES[name]
            kind = f"u{8 * size}" if name[0] == "F" else name.lower()
            return _need(data, pos, size, kind)
        case ArrayType() if ty == BYTES:
            return _blob(data, pos)[1]
        case ArrayType(element):
            end = _need(data, pos, 4, "u32")
            for _ in range(int.from_bytes(data[pos:end], "little")):
                start, end = end, _walk(element, typespace, data, end)
                if start == end:  # elements of no size: nothing more can go wrong
                    break
            return end
        case ProductType(elements):
            for field in elements:
                pos = _walk(field.type, typespace, data, pos)
            return pos
        case SumType(variants):
            end = _need(data, pos, 1, "u8")
            if data[pos] >= len(variants):
                raise _Damage(f"unknown tag {data[pos]:#x} for sum type <unknown>")
            return _walk(variants[data[pos]].type, typespace, data, end)
        case _:  # pragma: no cover - resolve leaves no reference
            raise AssertionError(ty)


def _need(data: bytes, pos: int, size: int, kind: str) -> int:
    given = len(data) - pos
    if given < size:
        raise _Damage(f"data too short for {kind}: Expected {size}, given {given}")
    return pos + size


def _blob(data: bytes, pos: int) -> tuple[int, int]:
    start = _need(data, pos, 4, "u32")
    length = int.from_bytes(data[pos:start], "little")
    return start, _need(data, start, length, "[u8]")
