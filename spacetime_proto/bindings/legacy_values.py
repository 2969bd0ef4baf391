"""Values as the 0.7 SDK had them: what `encode` of a row gave, and what reducers took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import EncodeError
from ..sats.shapes import (
    ArrayShape,
    BytesShape,
    EnumShape,
    OptionShape,
    ProductShape,
    ResultShape,
    SpecialShape,
    SumShape,
)
from ..types import Ok

if TYPE_CHECKING:
    from ..sats.algebraic import AlgebraicType
    from ..sats.compile import TypeContext


def to_old(types: TypeContext, ty: AlgebraicType, value: Any) -> Any:
    """Return a value in the form that `encode` of 0.7 gave it: builtins that JSON can write.

    An identity is a list with its hexadecimal text, bytes are such a text, a sum is an object whose
    key is the tag, a struct is a list.
    """
    match types.shape(ty):
        case SpecialShape(_, special):
            return [value.to_hex()] if special.is_hex else getattr(value, special.attribute)
        case BytesShape():
            return value.hex()
        case ArrayShape(element):
            return [to_old(types, element, item) for item in value]
        case OptionShape(payload, is_nested):
            if value is None:
                return {"1": []}
            return {"0": to_old(types, payload, value.value if is_nested else value)}
        case ResultShape(ok, err):
            if isinstance(value, Ok):
                return {"0": to_old(types, ok, value.value)}
            return {"1": to_old(types, err, value.error)}
        case EnumShape(_, members, _):
            return {str(members.index(value)): []}
        case SumShape(_, variants):
            tag = type(value).__tag__
            variant = variants[tag]
            return {
                str(tag): [] if variant.is_unit else to_old(types, variant.payload, value.value)
            }
        case ProductShape(_, _, attributes, parts):
            return [
                to_old(types, part, getattr(value, attribute))
                for attribute, part in zip(attributes, parts, strict=True)
            ]
    return value


def from_old(types: TypeContext, ty: AlgebraicType, value: Any, what: str) -> Any:
    """Return an argument as this library has it.

    A dict by field names or a list becomes a struct, hexadecimal text (also alone in a list) an
    identity or connection id, a number a timestamp. Anything else stays as it is.

    Args:
        types: the types of the module.
        ty: the type of the parameter.
        value: what the program gave.
        what: the parameter, for errors.

    Raises:
        EncodeError: a dict or list lacks a field or has another one, or the text is no identity.
    """
    match types.shape(ty):
        case SpecialShape(name, special):
            if isinstance(value, list) and len(value) == 1:
                (value,) = value
            if special.is_hex and isinstance(value, str):
                try:
                    return special.cls.from_hex(value)  # type: ignore[attr-defined]  # these have it
                except ValueError as error:
                    raise EncodeError(f"no {name}: {error}", what=what) from error
            return special.cls(value) if isinstance(value, int) and not special.is_hex else value
        case ArrayShape(element) if isinstance(value, list | tuple):
            return [
                from_old(types, element, item, f"{what}[{number}]")
                for number, item in enumerate(value)
            ]
        case OptionShape(payload, False) if value is not None:
            return from_old(types, payload, value, what)
        case ProductShape() as shape if shape.cls is not None and isinstance(value, dict | list):
            held = _fields(shape, value, what)
            return types.shapes.build(
                shape,
                [
                    from_old(types, part, item, f"{what}.{attribute}")
                    for attribute, part, item in zip(
                        shape.attributes, shape.types, held, strict=True
                    )
                ],
            )
    return value


def _fields(shape: ProductShape, value: dict[str, Any] | list[Any], what: str) -> list[Any]:
    """Return the fields of a struct in order."""
    if isinstance(value, list):
        if len(value) != len(shape.attributes):
            raise EncodeError(f"{len(shape.attributes)} fields, not {len(value)}", what=what)
        return value
    left, found = dict(value), []
    for attribute, name in zip(shape.attributes, shape.names, strict=True):
        key = attribute if attribute in left else name
        if key not in left:
            raise EncodeError(f"field {attribute!r} is missing", what=what)
        found.append(left.pop(key))
    if left:
        raise EncodeError(f"there is no field {next(iter(left))!r}", what=what)
    return found
