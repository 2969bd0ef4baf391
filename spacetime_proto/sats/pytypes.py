"""Python classes for the types of a schema, made at run time.

They are like the classes in generated bindings: a product is a frozen struct, a simple enum an
`enum.Enum` whose values are the tags, any other sum a `SumValue` with a subclass per variant. No
source is generated here: names of the schema are passed as strings.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from ..errors import SchemaError
from ..types import EnumValue, ProductValue, SumValue
from .algebraic import (
    BYTES,
    UNIT,
    AlgebraicType,
    ArrayType,
    ProductType,
    RefType,
    SumType,
    Typespace,
    is_enum,
    option_payload,
    result_payloads,
    special_name,
)
from .names import python_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "enum_class",
    "enum_members",
    "field_names",
    "positional",
    "product_class",
    "sum_class",
    "variant_names",
]

_MODULE = "spacetime_proto.dynamic"
#: What every row and sum has already; a field or variant of that name gets ``_`` appended.
_METHODS: Final = ("to_dict", "from_dict")
_NO_TYPES: Final = Typespace()


def has_class(ty: AlgebraicType) -> bool:
    """Say whether values of `ty` are instances of a class of their own."""
    if isinstance(ty, ProductType):
        return special_name(ty) is None
    return (
        isinstance(ty, SumType)
        and special_name(ty) is None
        and option_payload(ty) is None
        and result_payloads(ty) is None
    )


def make_class(ty: AlgebraicType, name: str, typespace: Typespace = _NO_TYPES) -> type:
    """Make the class of a product or sum that `has_class`.

    Args:
        ty: the type.
        name: of the class.
        typespace: what its references point into.
    """
    if isinstance(ty, ProductType):
        return product_class(ty, name, typespace)
    sum_type = cast("SumType", ty)
    return enum_class(sum_type, name) if is_enum(ty) else sum_class(sum_type, name, typespace)


def field_names(ty: ProductType) -> tuple[str, ...]:
    """Return the attribute names of a product's elements: ``field_0`` ... for nameless ones."""
    return python_names((element.name for element in ty.elements), reserved=_METHODS)


def variant_names(ty: SumType) -> tuple[str, ...]:
    """Return the Python names of a sum's variants: ``variant_0`` ... for nameless ones."""
    # No variant may take the name of the payload's attribute, or what bindings need beside them.
    reserved = () if is_enum(ty) else ("value", "ClassVar", *_METHODS)
    names = (variant.name for variant in ty.variants)
    return python_names(names, prefix="variant_", reserved=reserved)


def product_class(
    ty: ProductType, name: str, typespace: Typespace = _NO_TYPES
) -> type[msgspec.Struct]:
    """Make the frozen struct of a product.

    With ``gc=False`` the garbage collector does not track the instances, which keeps its passes
    short however many rows there are. A decoded value is a tree, so it is never part of a cycle.
    """
    parts = (element.type for element in ty.elements)
    return _struct(name, zip(field_names(ty), parts, strict=True), ProductValue, typespace)


def _struct(
    name: str, fields: Iterable[tuple[str, AlgebraicType]], base: type, typespace: Typespace
) -> type[Any]:
    # msgspec checks no types here; the class chooses its hash by them.
    typed = [(field, list[Any] if _holds_list(ty, typespace) else object) for field, ty in fields]
    return msgspec.defstruct(name, typed, bases=(base,), module=_MODULE, frozen=True, gc=False)


def _holds_list(ty: AlgebraicType, typespace: Typespace) -> bool:
    """Say whether a value may be a list, or an option or result of one."""
    ahead, seen = [ty], set[int]()
    while ahead:
        part = ahead.pop()
        if isinstance(part, RefType):
            if part.index not in seen and 0 <= part.index < len(typespace.types):
                seen.add(part.index)
                ahead.append(typespace.types[part.index])
            continue
        if isinstance(part, ArrayType) and part != BYTES:
            return True
        payload = option_payload(part)
        ahead.extend(result_payloads(part) or (() if payload is None else (payload,)))
    return False


def enum_class(ty: SumType, name: str) -> type[enum.Enum]:
    """Make the `enum.Enum` of a simple enum; a member's value is its tag."""
    members = {text: tag for tag, text in enumerate(variant_names(ty))}
    # The functional form of `Enum`, which a type checker knows of `Enum` itself only.
    make = cast("Any", EnumValue)
    return cast("type[enum.Enum]", make(name, members, module=_MODULE))


def sum_class(ty: SumType, name: str, typespace: Typespace = _NO_TYPES) -> type[SumValue]:
    """Make the class of a sum with payloads and, as its attributes, those of its variants."""
    base = _struct(name, (), SumValue, typespace)
    made = []
    for tag, (text, variant) in enumerate(zip(variant_names(ty), ty.variants, strict=True)):
        fields = () if variant.type == UNIT else [("value", variant.type)]
        cls = _struct(f"{name}_{text}", fields, base, typespace)
        cls.__tag__ = tag
        made.append(cls)
        setattr(base, text, cls)
    base.__variants__ = tuple(made)
    return cast("type[SumValue]", base)


def enum_members(cls: Any) -> tuple[enum.Enum, ...]:
    """Return the members of an enum class of this kind in tag order."""
    members = cast("list[enum.Enum]", list(cls))
    return tuple(sorted(members, key=lambda member: cast("int", member.value)))


def positional(cls: type) -> Callable[..., object]:
    """Return a callable that takes the fields of `cls` in order.

    That is the class itself, except for dataclasses with keyword-only fields.
    """
    if dataclasses.is_dataclass(cls) and any(field.kw_only for field in dataclasses.fields(cls)):
        names = [field.name for field in dataclasses.fields(cls)]

        def build(*values: object) -> object:
            return cls(**dict(zip(names, values, strict=True)))

        return build
    return cls


def check_class(cls: Any, ty: AlgebraicType) -> None:
    """Check that a class written elsewhere fits a type.

    Raises:
        SchemaError: it does not.
    """
    expected: object
    found: object
    if isinstance(ty, ProductType):
        expected = field_names(ty)
        # Classes that are no structs (dataclasses of embedded modules) are not checked.
        found = getattr(cls, "__struct_fields__", expected)
    elif is_enum(ty) and isinstance(cls, enum.EnumMeta):
        expected = list(range(len(cast("SumType", ty).variants)))
        found = [member.value for member in enum_members(cls)]
    else:
        expected = len(cast("SumType", ty).variants)
        found = len(getattr(cls, "__variants__", ()))
    if found != expected:
        raise SchemaError(
            f"class {cls.__name__} does not fit its type: it has {found}, the schema {expected}"
        )
