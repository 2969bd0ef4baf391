"""SATS types as data (docs/protocol.md section 1.2).

A type is a value: `AlgebraicType` is the union of the classes below. Types are frozen, hashable and
compare by structure. Field and variant names are the canonical ones, as on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import msgspec


class Primitive(msgspec.Struct, frozen=True):
    """A type without parameters: ``String``, ``Bool``, ``I8`` .. ``U256``, ``F32``, ``F64``."""

    name: str


class RefType(msgspec.Struct, frozen=True):
    """A reference into the typespace; the only way to write a recursive type."""

    index: int


class ArrayType(msgspec.Struct, frozen=True):
    """A sequence of any length of one element type."""

    element: AlgebraicType


class Element(msgspec.Struct, frozen=True):
    """One field of a product; `name` is None in positional products."""

    name: str | None
    type: AlgebraicType


class ProductType(msgspec.Struct, frozen=True):
    """A record: its fields in wire order. No fields is the unit type."""

    elements: tuple[Element, ...] = ()


class Variant(msgspec.Struct, frozen=True):
    """One alternative of a sum; its tag is its position."""

    name: str | None
    type: AlgebraicType


class SumType(msgspec.Struct, frozen=True):
    """A tagged union of at most 256 variants."""

    variants: tuple[Variant, ...] = ()


AlgebraicType: TypeAlias = Primitive | RefType | ArrayType | ProductType | SumType


class Typespace(msgspec.Struct, frozen=True):
    """The table of types that `RefType.index` points into."""

    types: tuple[AlgebraicType, ...] = ()

    def resolve(self, ty: AlgebraicType) -> AlgebraicType:
        """Follow references until something else is found.

        Raises:
            ValueError: for a reference outside the typespace or a cycle made of references only.
        """
        return self.follow(ty)[0] if isinstance(ty, RefType) else ty

    def follow(self, ref: RefType) -> tuple[AlgebraicType, int]:
        """Return the type where a chain of references ends, and its index; raises as `resolve`."""
        index = ref.index
        for _ in self.types:
            if not 0 <= index < len(self.types):
                break
            ty = self.types[index]
            if not isinstance(ty, RefType):
                return ty, index
            index = ty.index
        raise ValueError(f"type reference {index} leads nowhere")


#: Sizes in bytes of the types with one encoded size.
PRIMITIVE_SIZES: Final[dict[str, int]] = {
    "Bool": 1, "I8": 1, "U8": 1, "I16": 2, "U16": 2, "I32": 4, "U32": 4, "I64": 8, "U64": 8,
    "I128": 16, "U128": 16, "I256": 32, "U256": 32, "F32": 4, "F64": 8,
}  # fmt: skip

#: Width in bits of each integer type; the signed ones start with ``I``.
INTEGER_BITS: Final[dict[str, int]] = {
    name: size * 8 for name, size in PRIMITIVE_SIZES.items() if name[0] in "IU"
}


def integer_range(name: str) -> tuple[int, int]:
    """Return the least and the largest value of an integer type."""
    bits = INTEGER_BITS[name]
    return (-1 << bits - 1, (1 << bits - 1) - 1) if name[0] == "I" else (0, (1 << bits) - 1)


UNIT: Final = ProductType()
BYTES: Final = ArrayType(Primitive("U8"))


def _special(field: str, inner: str) -> ProductType:
    return ProductType((Element(field, Primitive(inner)),))


# Special types are recognised by their exact structure, not by name (docs/protocol.md section 1.3).
IDENTITY: Final = _special("__identity__", "U256")
CONNECTION_ID: Final = _special("__connection_id__", "U128")
TIMESTAMP: Final = _special("__timestamp_micros_since_unix_epoch__", "I64")
TIME_DURATION: Final = _special("__time_duration_micros__", "I64")
UUID: Final = _special("__uuid__", "U128")
SCHEDULE_AT: Final = SumType((Variant("Interval", TIME_DURATION), Variant("Time", TIMESTAMP)))

_SPECIAL_NAMES: Final[dict[AlgebraicType, str]] = {
    IDENTITY: "Identity",
    CONNECTION_ID: "ConnectionId",
    TIMESTAMP: "Timestamp",
    TIME_DURATION: "TimeDuration",
    UUID: "Uuid",
    SCHEDULE_AT: "ScheduleAt",
}


def special_name(ty: AlgebraicType) -> str | None:
    """Return ``"Identity"``, ``"Timestamp"`` ... for a special type, None for any other."""
    if isinstance(ty, ProductType):
        return _SPECIAL_NAMES.get(ty) if len(ty.elements) == 1 else None
    if isinstance(ty, SumType):
        return _SPECIAL_NAMES.get(ty) if len(ty.variants) == 2 else None
    return None


def option(payload: AlgebraicType) -> SumType:
    """Return the type Option<payload>: tag 0 is *some*, tag 1 is *none*."""
    return SumType((Variant("some", payload), Variant("none", UNIT)))


def option_payload(ty: AlgebraicType) -> AlgebraicType | None:
    """Return T if `ty` is Option<T>, else None."""
    if isinstance(ty, SumType) and len(ty.variants) == 2:
        some, none = ty.variants
        if some.name == "some" and none.name == "none" and none.type == UNIT:
            return some.type
    return None


def result(ok: AlgebraicType, err: AlgebraicType) -> SumType:
    """Return the type Result<ok, err>: tag 0 is *ok*, tag 1 is *err*."""
    return SumType((Variant("ok", ok), Variant("err", err)))


def result_payloads(ty: AlgebraicType) -> tuple[AlgebraicType, AlgebraicType] | None:
    """Return (T, E) if `ty` is Result<T, E>, else None."""
    if isinstance(ty, SumType) and len(ty.variants) == 2:
        ok, err = ty.variants
        if ok.name == "ok" and err.name == "err":
            return ok.type, err.type
    return None


def is_enum(ty: AlgebraicType) -> bool:
    """Say whether `ty` is a simple enum: a sum with at least one variant, none with a payload.

    Option, Result and ScheduleAt never count as simple enums, whatever they carry.
    """
    return (
        isinstance(ty, SumType)
        and bool(ty.variants)
        and all(variant.type == UNIT for variant in ty.variants)
        and option_payload(ty) is None
        and result_payloads(ty) is None
    )


def parts(ty: AlgebraicType) -> Iterator[AlgebraicType]:
    """Yield the types written directly inside a type, without following references."""
    match ty:
        case ArrayType(element):
            yield element
        case ProductType(elements):
            for part in elements:
                yield part.type
        case SumType(variants):
            for variant in variants:
                yield variant.type


def map_parts(ty: AlgebraicType, change: Callable[[AlgebraicType], AlgebraicType]) -> AlgebraicType:
    """Return `ty` with `change` applied to each of its `parts`."""
    match ty:
        case ArrayType(element):
            return ArrayType(change(element))
        case ProductType(elements):
            return ProductType(tuple(Element(one.name, change(one.type)) for one in elements))
        case SumType(variants):
            return SumType(tuple(Variant(one.name, change(one.type)) for one in variants))
        case _:
            return ty
