"""Shapes: what a type looks like in Python, decided once for all encoders and decoders.

A shape is a type with its references followed, special types recognised and the Python class
attached. The compiled codec, the interpreted reference and SATS-JSON all read shapes, so they cannot
disagree about which value a type has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import msgspec

from .. import types
from ..errors import SchemaError
from .algebraic import (
    BYTES,
    PRIMITIVE_SIZES,
    UNIT,
    AlgebraicType,
    ArrayType,
    Primitive,
    ProductType,
    RefType,
    SumType,
    is_enum,
    option_payload,
    result_payloads,
    special_name,
)
from .dynamic_classes import DynamicClasses
from .pytypes import enum_members, field_names, positional

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Mapping, Sequence

    from .algebraic import Typespace


class PrimitiveShape(msgspec.Struct, frozen=True):
    """Bool, an integer, a float or a string; the value is Python's own."""

    name: str


class BytesShape(msgspec.Struct, frozen=True):
    """An array of U8; the value is `bytes`."""


class Special(msgspec.Struct, frozen=True):
    """How one of the five single-field special types is held in Python."""

    cls: type
    inner: str
    """The primitive that it wraps."""
    field: str
    """Its field name in SATS-JSON."""
    attribute: str
    """The attribute of the class: an int, or for the hexadecimal ids bytes in text order."""
    is_hex: bool


SPECIALS: Final[Mapping[str, Special]] = {
    "Identity": Special(types.Identity, "U256", "__identity__", "data", True),
    "ConnectionId": Special(types.ConnectionId, "U128", "__connection_id__", "data", True),
    "Uuid": Special(types.Uuid, "U128", "__uuid__", "data", True),
    "Timestamp": Special(
        types.Timestamp,
        "I64",
        "__timestamp_micros_since_unix_epoch__",
        "micros_since_unix_epoch",
        False,
    ),
    "TimeDuration": Special(types.TimeDuration, "I64", "__time_duration_micros__", "micros", False),
}


class SpecialShape(msgspec.Struct, frozen=True):
    """Identity, ConnectionId, Timestamp, TimeDuration or Uuid."""

    name: str
    special: Special


class ArrayShape(msgspec.Struct, frozen=True):
    """A sequence; the value is a list."""

    element: AlgebraicType


class OptionShape(msgspec.Struct, frozen=True):
    """The payload or None. With `is_nested` the payload is itself an option, held in `Some`."""

    payload: AlgebraicType
    is_nested: bool


class ResultShape(msgspec.Struct, frozen=True):
    """`types.Ok` or `types.Err`."""

    ok: AlgebraicType
    err: AlgebraicType


class EnumShape(msgspec.Struct, frozen=True):
    """A sum without payloads; the value is a member of an `enum.Enum` class."""

    cls: type[enum.Enum]
    members: tuple[enum.Enum, ...]
    """In tag order."""
    names: tuple[str | None, ...]
    """The variants' names on the wire, in tag order."""


class VariantShape(msgspec.Struct, frozen=True):
    """One alternative of a sum."""

    name: str | None
    payload: AlgebraicType
    cls: type[Any]
    is_unit: bool
    """No payload: the class has no field."""


class SumShape(msgspec.Struct, frozen=True):
    """A tagged union; the value is an instance of a variant's class. No variants, no values."""

    cls: type
    variants: tuple[VariantShape, ...]


class ProductShape(msgspec.Struct, frozen=True):
    """A record; the value is an instance of `cls`, or ``()`` where that is None (unit)."""

    cls: type | None
    names: tuple[str | None, ...]
    """The elements' names on the wire."""
    attributes: tuple[str, ...]
    """The attributes of `cls`, in the same order."""
    types: tuple[AlgebraicType, ...]


Shape: TypeAlias = (
    PrimitiveShape
    | BytesShape
    | SpecialShape
    | ArrayShape
    | OptionShape
    | ResultShape
    | EnumShape
    | SumShape
    | ProductShape
)


class Shapes:
    """The shapes of one module's types, each made when first asked for.

    Args:
        typespace: what references point into.
        names: class names by typespace index; others are called ``Type<index>``.
        classes: classes to use instead of dynamic ones, by typespace index.

    Raises:
        SchemaError: a given class does not fit its type.
    """

    def __init__(
        self,
        typespace: Typespace,
        names: Mapping[int, str] | None = None,
        classes: Mapping[int, type] | None = None,
    ) -> None:
        self.typespace = typespace
        self._dynamic = DynamicClasses(typespace, names or {}, classes)
        self.classes = self._dynamic.all()
        self._shapes: dict[AlgebraicType, Shape] = {}
        self._constructors: dict[type, Callable[..., object]] = {}

    def shape(self, ty: AlgebraicType) -> Shape:
        """Return the shape of a type.

        Raises:
            SchemaError: the type is not valid: a reference to nowhere, an unknown primitive, more
                than 256 variants.
        """
        found = self._shapes.get(ty)
        if found is None:
            found = self._shapes[ty] = self._make(ty)
        return found

    def constructor(self, cls: type) -> Callable[..., object]:
        """Return what builds an instance of a product's class from its fields in order."""
        found = self._constructors.get(cls)
        if found is None:
            found = self._constructors[cls] = positional(cls)
        return found

    def build(self, shape: ProductShape, fields: Sequence[Any]) -> Any:
        """Return the value of a product with these fields."""
        return () if shape.cls is None else self.constructor(shape.cls)(*fields)

    def resolve(self, ty: AlgebraicType) -> tuple[AlgebraicType, int | None]:
        """Follow references; return the type found and the index it was found at, if any.

        Raises:
            SchemaError: a reference leads nowhere.
        """
        if not isinstance(ty, RefType):
            return ty, None
        try:
            return self.typespace.follow(ty)
        except ValueError as error:
            raise SchemaError(str(error)) from error

    def _make(self, reference: AlgebraicType) -> Shape:
        ty, index = self.resolve(reference)
        cls = None if index is None else self.classes.get(index)
        match ty:
            case Primitive(name):
                if name != "String" and name not in PRIMITIVE_SIZES:
                    raise SchemaError(f"unknown primitive type {name!r}")
                return PrimitiveShape(name)
            case ArrayType(element):
                return BytesShape() if ty == BYTES else ArrayShape(element)
            case ProductType():
                special = SPECIALS.get(special_name(ty) or "")
                if special is not None:
                    return SpecialShape(special_name(ty) or "", special)
                return self._product(ty, cls)
            case SumType():
                return self._sum(ty, cls)
            case _:
                raise SchemaError(f"not a type: {type(ty).__name__}")

    def _product(self, ty: ProductType, cls: type | None) -> ProductShape:
        if cls is None and ty != UNIT:
            cls = self._dynamic.anonymous(ty)
        names = tuple(element.name for element in ty.elements)
        elements = tuple(element.type for element in ty.elements)
        return ProductShape(cls, names, field_names(ty), elements)

    def _sum(self, ty: SumType, cls: type | None) -> Shape:
        payload = option_payload(ty)
        if payload is not None:
            inner, _ = self.resolve(payload)
            return OptionShape(payload, option_payload(inner) is not None)
        payloads = result_payloads(ty)
        if payloads is not None:
            return ResultShape(*payloads)
        if len(ty.variants) > 256:
            raise SchemaError(f"a sum type has {len(ty.variants)} variants, at most 256 fit a tag")
        if special_name(ty) == "ScheduleAt":
            cls = types.ScheduleAt
        names = tuple(variant.name for variant in ty.variants)
        if is_enum(ty):
            members: Any = self._dynamic.anonymous(ty) if cls is None else cls
            return EnumShape(members, enum_members(members), names)
        if cls is None:
            cls = self._dynamic.anonymous(ty)
        made = cast("type[types.SumValue]", cls).__variants__
        return SumShape(
            cls,
            tuple(
                VariantShape(variant.name, variant.type, of, variant.type == UNIT)
                for variant, of in zip(ty.variants, made, strict=True)
            ),
        )
