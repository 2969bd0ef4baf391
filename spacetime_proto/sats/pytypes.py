"""Python classes for the types of a schema, made at run time.

They are like the classes in generated bindings: a product is a frozen struct, a simple enum an
`enum.Enum` whose values are the tags, any other sum a `SumValue` with a subclass per variant. No
source is generated here: names of the schema are passed as strings.
"""

from __future__ import annotations

import dataclasses
import enum
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ..errors import SchemaError
from ..types import SumValue
from .algebraic import (
    UNIT,
    AlgebraicType,
    ProductType,
    RefType,
    SumType,
    is_enum,
    option_payload,
    result_payloads,
    special_name,
)
from .names import python_name, python_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .algebraic import Typespace

__all__ = [
    "build_classes",
    "enum_class",
    "enum_members",
    "field_names",
    "positional",
    "product_class",
    "sum_class",
    "variant_names",
]

_MODULE = "spacetime_proto.dynamic"


def build_classes(
    typespace: Typespace,
    names: Mapping[int, str],
    given: Mapping[int, type] | None = None,
) -> dict[int, type]:
    """Return a class for every type of a typespace that has one.

    Those are products and sums that are not special: no class is made for an option, a result, a
    special type, an array, a primitive, or a nameless unit.

    Args:
        typespace: the types; a reference to another entry shares its class.
        names: class names by index; an entry without a name is called ``Type<index>``.
        given: classes to use instead, by index.

    Raises:
        SchemaError: a given class does not have the fields or variants of its type.
    """
    given = given or {}
    classes: dict[int, type] = {}
    for index, ty in enumerate(typespace.types):
        if not has_class(ty) or (ty == UNIT and index not in names and index not in given):
            continue
        own = given.get(index)
        if own is not None:
            check_class(own, ty)
            classes[index] = own
        else:
            classes[index] = make_class(ty, python_name(names.get(index) or f"Type{index}"))
    for index, ty in enumerate(typespace.types):
        if isinstance(ty, RefType):
            # A reference that leads nowhere is reported when the type is used.
            with suppress(ValueError, KeyError):
                classes[index] = classes[typespace.follow(ty)[1]]
    return classes


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


def make_class(ty: AlgebraicType, name: str) -> type:
    """Make the class of a product or sum that `has_class`."""
    if isinstance(ty, ProductType):
        return product_class(ty, name)
    sum_type = cast("SumType", ty)
    return enum_class(sum_type, name) if is_enum(ty) else sum_class(sum_type, name)


def field_names(ty: ProductType) -> tuple[str, ...]:
    """Return the attribute names of a product's elements: ``field_0`` ... for nameless ones."""
    return python_names(element.name for element in ty.elements)


def variant_names(ty: SumType) -> tuple[str, ...]:
    """Return the Python names of a sum's variants: ``variant_0`` ... for nameless ones."""
    return python_names((variant.name for variant in ty.variants), prefix="variant_")


def product_class(ty: ProductType, name: str) -> type[msgspec.Struct]:
    """Make the frozen struct of a product.

    With ``gc=False`` the garbage collector does not track the instances, which keeps its passes
    short however many rows there are. A decoded value is a tree, so it is never part of a cycle.
    """
    return msgspec.defstruct(name, field_names(ty), module=_MODULE, frozen=True, gc=False)


def enum_class(ty: SumType, name: str) -> type[enum.Enum]:
    """Make the `enum.Enum` of a simple enum; a member's value is its tag."""
    members = {text: tag for tag, text in enumerate(variant_names(ty))}
    return cast("type[enum.Enum]", enum.Enum(name, members, module=_MODULE))


def sum_class(ty: SumType, name: str) -> type[SumValue]:
    """Make the class of a sum with payloads and, as its attributes, those of its variants."""
    base: Any = msgspec.defstruct(
        name, (), bases=(SumValue,), module=_MODULE, frozen=True, gc=False
    )
    made = []
    for tag, (text, variant) in enumerate(zip(variant_names(ty), ty.variants, strict=True)):
        fields = () if variant.type == UNIT else ("value",)
        cls: Any = msgspec.defstruct(
            f"{name}_{text}", fields, bases=(base,), module=_MODULE, frozen=True, gc=False
        )
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
