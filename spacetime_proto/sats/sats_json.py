"""SATS-JSON: values of every type as JSON, both ways (docs/protocol.md section 2).

Reading accepts exactly what the server accepts: products as objects or arrays, sums as objects or
pairs, by name or by tag. Writing has three styles:

- ``"objects"``: the server's typed output, names everywhere;
- ``"positional"``: its untyped output, arrays and tags;
- ``"named"``: as ``"objects"``, but an Identity always with all its 64 digits, for people.
"""

from __future__ import annotations

import json
import re
import struct
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, assert_never

from ..errors import DecodeError, LimitExceeded
from ..types import Err, Ok, Some
from .algebraic import AlgebraicType, integer_range
from .bsatn import path_text
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
    from collections.abc import Sequence

    from .compile import TypeContext

Style = Literal["objects", "positional", "named"]

Json: TypeAlias = Any
"""What `json` makes of JSON text: None, bool, int, float, str, list or dict."""

_HEX_NUMBER: Final = re.compile(r"[+-]?0x[0-9a-fA-F]{1,128}\Z")
_HEX_BYTES: Final = re.compile(r"(?:[0-9a-fA-F]{2})*\Z")
_F32: Final = struct.Struct("<f")
_SMALLEST_NORMAL_F32: Final = 2.0**-126


# --- text


def loads(text: str | bytes) -> Json:
    """Parse JSON text; integers of any size stay exact.

    Raises:
        DecodeError: it is no JSON, repeats a key in an object, or nests too deep.
    """
    try:
        return json.loads(text, object_pairs_hook=_distinct, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise DecodeError("JSON nested too deep") from error
    except ValueError as error:  # UnicodeDecodeError and too many digits included
        offset = error.pos if isinstance(error, json.JSONDecodeError) else None
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise DecodeError(f"not valid JSON: {reason}", offset=offset) from error


def dumps(value: Json) -> str:
    """Return compact JSON text of what `to_json` made."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _distinct(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice in one object")
    return found


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON number")


# --- reading


def from_json(ty: AlgebraicType, context: TypeContext, value: Json) -> Any:
    """Turn parsed JSON into a value of `ty`.

    Raises:
        DecodeError: it is not a form that the server accepts for the type; names the path.
        LimitExceeded: as `bsatn.decode`.
    """
    reader = _Reader(context)
    try:
        return reader.value(ty, value, 0)
    except RecursionError as error:
        raise reader.fail("nested too deep") from error


class _Reader:
    """The state of one `from_json`."""

    def __init__(self, context: TypeContext) -> None:
        self.context = context
        self.path: list[str] = []
        self.empty = context.layout.max_empty
        """How many more array elements that take no bytes in BSATN are allowed."""

    def over(self, error: LimitExceeded) -> LimitExceeded:
        return error.within(path_text(self.path)) if self.path else error

    def fail(self, message: str) -> DecodeError:
        return DecodeError(message, what=path_text(self.path))

    def wrong(self, expected: str, value: Json) -> DecodeError:
        return self.fail(f"{expected} expected, not {_kind(value)}")

    def inside(self, step: str, ty: AlgebraicType, value: Json, depth: int) -> Any:
        self.path.append(step)
        found = self.value(ty, value, depth)
        self.path.pop()
        return found

    def value(self, ty: AlgebraicType, value: Json, depth: int) -> Any:
        depth = self.context.layout.enter(ty, depth, self.over)
        shape = self.context.shape(ty)
        match shape:
            case PrimitiveShape(name):
                return self.primitive(name, value)
            case BytesShape():
                return self.bytes(value)
            case SpecialShape(_, special):
                (inner,) = self.fields((special.field,), value)
                self.path.append(f".{special.field}")
                number = self.primitive(special.inner, inner)
                self.path.pop()
                return special.cls.from_int(number) if special.is_hex else special.cls(number)  # type: ignore[attr-defined]  # the hexadecimal ones have it
            case ArrayShape(element):
                if not isinstance(value, list):
                    raise self.wrong("an array", value)
                if self.context.layout.size(element).minimum == 0:
                    self.empty -= len(value)
                    if self.empty < 0:
                        raise self.over(self.context.layout.too_empty())
                return [
                    self.inside(f"[{number}]", element, item, depth)
                    for number, item in enumerate(value)
                ]
            case OptionShape(payload, is_nested):
                if value is None:
                    return None
                tag, inner = self.variant(("some", "none"), value)
                if tag == 1:
                    return self.unit(inner)
                found = self.inside(".some", payload, inner, depth)
                return Some(found) if is_nested else found
            case ResultShape(ok, err):
                tag, inner = self.variant(("ok", "err"), value)
                if tag == 0:
                    return Ok(self.inside(".ok", ok, inner, depth))
                return Err(self.inside(".err", err, inner, depth))
            case EnumShape(_, members, names):
                tag, inner = self.variant(names, value)
                self.unit(inner)
                return members[tag]
            case SumShape(_, variants):
                tag, inner = self.variant([item.name for item in variants], value)
                variant = variants[tag]
                if variant.is_unit:
                    self.unit(inner)
                    return variant.cls()
                step = f".{tag if variant.name is None else variant.name}"
                return variant.cls(self.inside(step, variant.payload, inner, depth))
            case ProductShape(_, names, attributes, types):
                held = self.fields(names, value)
                fields = [
                    self.inside(f".{name or attribute}", part, item, depth)
                    for name, attribute, part, item in zip(
                        names, attributes, types, held, strict=True
                    )
                ]
                return self.context.shapes.build(shape, fields)
            case _:
                assert_never(shape)

    def fields(self, names: Sequence[str | None], value: Json) -> Sequence[Json]:
        """Return the fields of a product in order, from an object or an array."""
        if isinstance(value, list):
            if len(value) != len(names):
                raise self.fail(f"{len(names)} fields expected, not {len(value)}")
            return value
        if not isinstance(value, dict):
            raise self.wrong("an object or array", value)
        missing = [name for name in names if name not in value]
        if missing:
            raise self.fail(f"field {missing[0]!r} is missing")
        if len(value) != len(names):
            extra = sorted(set(value).difference(names))
            if extra:
                raise self.fail(f"there is no field {extra[0]!r}")
            raise self.fail("fields of one name can only be read from an array")
        return [value[name] for name in names]

    def variant(self, names: Sequence[str | None], value: Json) -> tuple[int, Json]:
        """Return tag and payload of a sum, from an object of one key or a pair."""
        if isinstance(value, dict) and len(value) == 1:
            ((label, payload),) = value.items()
            if label not in names and label.isascii() and label.isdecimal() and len(label) < 4:
                label = int(label)
        elif isinstance(value, list) and len(value) == 2:
            label, payload = value
        else:
            raise self.wrong("an object of one key, or a pair of tag and value,", value)
        if isinstance(label, str) and label in names:
            return names.index(label), payload
        if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(names):
            return label, payload
        if not isinstance(label, str | int):
            raise self.wrong("a tag or the name of a variant", label)
        raise self.fail(f"there is no variant {label!r}")

    def unit(self, value: Json) -> None:
        if value != [] and value != {}:
            raise self.wrong("[] or {}", value)

    def primitive(self, name: str, value: Json) -> Any:
        match name:
            case "Bool":
                if not isinstance(value, bool):
                    raise self.wrong("true or false", value)
                return value
            case "String":
                return self.string(value)
            case "F32" | "F64":
                return self.float(name, value)
            case "U256" | "I256":
                if not isinstance(value, str) or not _HEX_NUMBER.match(value):
                    raise self.wrong("a string of hexadecimal digits after 0x", value)
                number = int(value, 16)
            case _:
                if not isinstance(value, int) or isinstance(value, bool):
                    raise self.wrong("an integer", value)
                number = value
        low, high = integer_range(name)
        if not low <= number <= high:
            raise self.fail(f"number out of range for {name}")
        return number

    def string(self, value: Json) -> str:
        if not isinstance(value, str):
            raise self.wrong("a string", value)
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise self.fail("a lone surrogate is no character") from error
        return value

    def float(self, name: str, value: Json) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.wrong("a number", value)
        try:
            number = float(value)
            if name == "F32":
                number = _F32.unpack(_F32.pack(number))[0]
        except OverflowError as error:
            raise self.fail(f"number out of range for {name}") from error
        if not isfinite(number):
            raise self.fail(f"number out of range for {name}")
        return number

    def bytes(self, value: Json) -> bytes:
        if isinstance(value, str):
            if not _HEX_BYTES.match(value):
                raise self.fail("an even number of hexadecimal digits expected")
            return bytes.fromhex(value)
        if not isinstance(value, list):
            raise self.wrong("hexadecimal digits or an array of numbers", value)
        return bytes([self.primitive("U8", item) for item in value])


def _kind(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a string"
        case list():
            return "an array"
        case dict():
            return "an object"
        case int():
            return "an integer"
        case _:
            return "a number"


# --- writing


def to_json(
    ty: AlgebraicType,
    context: TypeContext,
    value: Any,
    *,
    style: Style = "objects",
    is_checked: bool = False,
) -> Json:
    """Turn a value of `ty` into what `dumps` can write.

    NaN and the infinities become null, as the server writes them; it does not read them back.

    Args:
        ty: the type.
        context: the types of the module.
        value: the value.
        style: how to write it; see the module's docstring.
        is_checked: the value is known to fit the type, because it was decoded.

    Raises:
        EncodeError: the value does not fit the type; names the path of the field.
    """
    if not is_checked:
        codec = context.codec(ty)
        value = codec.decode_exact(codec.encode(value))
    return _Writer(context, style).value(ty, value)


class _Writer:
    """The state of one `to_json`; trusts the value."""

    def __init__(self, context: TypeContext, style: Style) -> None:
        self.context = context
        self.is_positional = style == "positional"
        self.pads_identity = style == "named"

    def value(self, ty: AlgebraicType, value: Any) -> Json:
        shape = self.context.shape(ty)
        match shape:
            case PrimitiveShape(name):
                return _primitive(name, value)
            case BytesShape():
                return value.hex()
            case SpecialShape(name, special):
                held = getattr(value, special.attribute)
                number = int.from_bytes(held, "big") if special.is_hex else held
                text = _primitive(special.inner, number)
                if name == "Identity" and self.pads_identity:
                    text = f"0x{held.hex()}"
                return self.product((special.field,), [text])
            case ArrayShape(element):
                return [self.value(element, item) for item in value]
            case OptionShape(payload, is_nested):
                if value is None:
                    return self.sum(1, "none", [])
                return self.sum(0, "some", self.value(payload, value.value if is_nested else value))
            case ResultShape(ok, err):
                if isinstance(value, Ok):
                    return self.sum(0, "ok", self.value(ok, value.value))
                return self.sum(1, "err", self.value(err, value.error))
            case EnumShape(_, _, names):
                return self.sum(value.value, names[value.value], [])
            case SumShape(_, variants):
                tag = value.__tag__
                variant = variants[tag]
                inner = [] if variant.is_unit else self.value(variant.payload, value.value)
                return self.sum(tag, variant.name, inner)
            case ProductShape(_, names, attributes, types):
                fields = [
                    self.value(part, getattr(value, attribute))
                    for attribute, part in zip(attributes, types, strict=True)
                ]
                return self.product(names, fields)
            case _:
                assert_never(shape)

    def product(self, names: Sequence[str | None], fields: list[Json]) -> Json:
        if self.is_positional or None in names or not names:
            return fields
        named = dict(zip(names, fields, strict=True))
        return named if len(named) == len(fields) else fields

    def sum(self, tag: int, name: str | None, payload: Json) -> Json:
        if self.is_positional or name is None:
            return [tag, payload]
        return {name: payload}


def _primitive(name: str, value: Any) -> Json:
    match name:
        case "U256" | "I256":
            return hex(value)
        case "F32":
            return shortest_f32(value) if isfinite(value) else None
        case "F64":
            return value if isfinite(value) else None
        case _:
            return value


def shortest_f32(value: float) -> float:
    """Return the number whose text is the shortest decimal that still means this F32."""
    # Every decimal of up to 6 digits keeps its text through a normal F32, so the attempt with 6
    # digits finds the shorter ones too (the format drops trailing zeros). Below the normal numbers
    # an F32 is less precise.
    first = 1 if abs(value) < _SMALLEST_NORMAL_F32 else 6
    for digits in range(first, 9):
        short = float(f"{value:.{digits}g}")
        if abs(short) <= _MAX_F32 and _F32.unpack(_F32.pack(short))[0] == value:
            return short
    return float(f"{value:.9g}")


_MAX_F32: Final = 3.4028235677973366e38
"""Every float below this rounds to a finite F32; no decimal of up to 8 digits is equal to it."""
