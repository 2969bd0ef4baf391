"""Values from plain builtins: `from_dict` of rows. The forms are listed in docs/rows.md.

Reads what `plain` writes, in both of its forms; an instance may stand wherever its dictionary may.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, assert_never
from uuid import UUID

from ..errors import EncodeError, LocalProtocolError
from ..types import (
    ConnectionId,
    Err,
    Identity,
    Ok,
    ScheduleAt,
    Some,
    SumValue,
    TimeDuration,
    Timestamp,
    Uuid,
)
from .algebraic import SCHEDULE_AT, RefType, Typespace, integer_range
from .bsatn import path_text
from .plain import NONFINITE, variant_name
from .shapes import (
    ArrayShape,
    BytesShape,
    EnumShape,
    OptionShape,
    PrimitiveShape,
    ProductShape,
    ResultShape,
    Shapes,
    SpecialShape,
    SumShape,
)
from .time_text import micros_of_iso_duration, micros_of_rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from .algebraic import AlgebraicType

_F32: Final = struct.Struct("<f")
_MAX_MESSAGE: Final = 300
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*", re.ASCII)


def _bytes_of_hex(text: str) -> bytes:
    if not _HEX.fullmatch(text):
        raise ValueError("an even number of hexadecimal digits expected")
    return bytes.fromhex(text)


def type_of(named: Any) -> tuple[Shapes, AlgebraicType]:
    """Return the type that a class of rows, structs, enums or sums has, and the types around it.

    Raises:
        LocalProtocolError: the class is part of no module.
    """
    is_variant = issubclass(named, SumValue) and named.__tag__ >= 0
    cls: Any = named.__base__ if is_variant else named
    find = getattr(cls, "__type__", None)
    if find is None:
        definition = getattr(cls, "__definition__", None)
        if cls is ScheduleAt:
            found: tuple[Shapes, AlgebraicType] = Shapes(Typespace()), SCHEDULE_AT
        elif definition is not None:
            found = Shapes(Typespace(definition.types), definition.names), RefType(0)
        else:
            raise LocalProtocolError(
                f"{cls.__name__} is part of no module's bindings, so the types of its fields are"
                " not known"
            )
        find = cls.__type__ = lambda: found
    result: tuple[Shapes, AlgebraicType] = find()
    return result


def from_plain(cls: Any, value: Any) -> Any:
    """Return an instance of `cls`; see `from_dict`."""
    shapes, ty = type_of(cls)
    made = PlainReader(shapes, cls.__name__).read(ty, value)
    if not isinstance(made, cls):
        raise EncodeError(f"a {cls.__name__} expected, not a {type(made).__name__}")
    return made


class PlainReader:
    """Reads values of one module's types.

    Args:
        shapes: the types.
        root: what paths in errors begin with.
    """

    def __init__(self, shapes: Shapes, root: str) -> None:
        self._shapes = shapes
        self._path = [root] if root else []

    def read(self, ty: AlgebraicType, value: Any) -> Any:
        """Return the value of `ty` that `value` stands for.

        Raises:
            EncodeError: it stands for none; names the path.
        """
        try:
            return self._value(ty, value)
        except RecursionError as error:
            raise self._fail("nested too deep") from error

    def _fail(self, message: str) -> EncodeError:
        if len(message) > _MAX_MESSAGE:  # it may quote the data
            message = f"{message[:_MAX_MESSAGE]}..."
        return EncodeError(message, what=path_text(self._path))

    def _wrong(self, expected: str, value: Any) -> EncodeError:
        return self._fail(f"{expected} expected, not {type(value).__name__}")

    def _inside(self, step: str, ty: AlgebraicType, value: Any) -> Any:
        self._path.append(step)
        found = self._value(ty, value)
        self._path.pop()
        return found

    def _value(self, ty: AlgebraicType, value: Any) -> Any:
        shape = self._shapes.shape(ty)
        match shape:
            case PrimitiveShape(name):
                return self._primitive(name, value)
            case BytesShape():
                if isinstance(value, bytes | bytearray | memoryview):
                    return bytes(value)
                return self._parsed(_bytes_of_hex, "bytes or hexadecimal text", value)
            case SpecialShape(name):
                return self._special(name, value)
            case ArrayShape(element):
                if not isinstance(value, list | tuple):
                    raise self._wrong("a list", value)
                return [self._inside(f"[{at}]", element, item) for at, item in enumerate(value)]
            case OptionShape(payload, is_nested):
                if value is None:
                    return None
                if not is_nested:
                    return self._value(payload, value)
                if isinstance(value, Some):
                    return Some(self._value(payload, value.value))
                _, held = self._variant(("some",), value)
                return Some(self._inside(".some", payload, held))
            case ResultShape(ok, err):
                if isinstance(value, Ok):
                    return Ok(self._value(ok, value.value))
                if isinstance(value, Err):
                    return Err(self._value(err, value.error))
                tag, held = self._variant(("ok", "err"), value)
                if tag:
                    return Err(self._inside(".err", err, held))
                return Ok(self._inside(".ok", ok, held))
            case EnumShape(cls, members):
                return self._member(cls, members, value)
            case SumShape():
                return self._sum(shape, value)
            case ProductShape():
                return self._product(shape, value)
            case _:
                assert_never(shape)

    def _member(self, cls: Any, members: Any, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise self._wrong(f"the name of a {cls.__name__}", value)
        for member in members:
            if member.name == value:
                return member
        known = ", ".join(member.name for member in members)
        raise self._fail(f"{cls.__name__} has no {value!r}; there are: {known}")

    def _sum(self, shape: SumShape, value: Any) -> Any:
        if isinstance(value, shape.cls):
            return value
        names = [variant_name(variant.cls) for variant in shape.variants]
        tag, held = self._variant(names, value)
        variant = shape.variants[tag]
        if not variant.is_unit:
            return variant.cls(self._inside(f".{names[tag]}", variant.payload, held))
        if held is not None:
            raise self._fail(f"{names[tag]} takes no value: None expected")
        return variant.cls()

    def _variant(self, names: Any, value: Any) -> tuple[int, Any]:
        """Return which of `names` the one key of a dictionary is, and what it holds."""
        if not isinstance(value, Mapping):
            raise self._wrong(f"a dict of one key ({', '.join(names)})", value)
        keys = list(value)
        if len(keys) != 1 or keys[0] not in names:
            shown = ", ".join(map(repr, keys)) or "none"
            raise self._fail(f"one key of {', '.join(names) or 'nothing'} expected, not {shown}")
        return names.index(keys[0]), value[keys[0]]

    def _product(self, shape: ProductShape, value: Any) -> Any:
        if shape.cls is None:
            if isinstance(value, list | tuple | Mapping) and not value:
                return ()
            raise self._wrong("an empty list", value)
        if isinstance(value, shape.cls):
            return value
        if not isinstance(value, Mapping):
            raise self._wrong(f"a dict of the fields of {shape.cls.__name__}", value)
        wanted = shape.attributes
        missing = [name for name in wanted if name not in value]
        unknown = [key for key in value if key not in wanted]
        if missing or unknown:
            faults = [("missing", missing), ("unknown", unknown)]
            text = "; ".join(f"{word}: {', '.join(map(str, n))}" for word, n in faults if n)
            raise self._fail(f"the fields of {shape.cls.__name__} do not fit ({text})")
        fields = zip(wanted, shape.types, strict=True)
        return self._shapes.build(
            shape, [self._inside(f".{name}", ty, value[name]) for name, ty in fields]
        )

    # --- leaves

    def _parsed(self, parse: Callable[[str], Any], expected: str, value: Any) -> Any:
        if not isinstance(value, str):
            raise self._wrong(expected, value)
        try:
            return parse(value)
        except ValueError as error:
            raise self._fail(str(error)) from None

    def _special(self, name: str, value: Any) -> Any:
        match name, value:
            case "Identity", Identity():
                return value
            case "ConnectionId", ConnectionId():
                return value
            case "Identity", _:
                return self._parsed(Identity.from_hex, "hexadecimal text", value)
            case "ConnectionId", _:
                return self._parsed(ConnectionId.from_hex, "hexadecimal text", value)
            case "Uuid", Uuid():
                return value
            case "Uuid", UUID():
                return Uuid.from_uuid(value)
            case "Uuid", _:
                return self._parsed(Uuid.from_string, "the text of a UUID", value)
            case "Timestamp", Timestamp():
                micros = value.micros_since_unix_epoch
            case "Timestamp", datetime(tzinfo=None):
                raise self._fail("a datetime without time zone names no point in time")
            case "Timestamp", datetime():
                micros = Timestamp.from_datetime(value).micros_since_unix_epoch
            case "Timestamp", _:
                micros = self._parsed(micros_of_rfc3339, "a datetime or RFC 3339 text", value)
            case _, TimeDuration():
                micros = value.micros
            case _, timedelta():
                micros = TimeDuration.from_timedelta(value).micros
            case _:
                expected = "a timedelta or ISO 8601 duration"
                micros = self._parsed(micros_of_iso_duration, expected, value)
        micros = self._primitive("I64", micros)
        return Timestamp(micros) if name == "Timestamp" else TimeDuration(micros)

    def _primitive(self, name: str, value: Any) -> Any:
        match name:
            case "Bool":
                if not isinstance(value, bool):
                    raise self._wrong("a bool", value)
                return value
            case "String":
                if not isinstance(value, str):
                    raise self._wrong("a str", value)
                if not value.isascii():
                    self._parsed(str.encode, "", value)
                return value
            case "F32" | "F64":
                return self._float(name, value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong("an int", value)
        low, high = integer_range(name)
        if not low <= value <= high:
            raise self._fail(f"number out of range for {name} ({low} to {high})")
        return value

    def _float(self, name: str, value: Any) -> float:
        if isinstance(value, str) and value in NONFINITE:
            return NONFINITE[value]
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._wrong("a number", value)
        try:
            number = float(value)
            # As the server will have it: an F32 has half the digits.
            if name == "F32" and isfinite(number):
                number = _F32.unpack(_F32.pack(number))[0]
        except OverflowError:
            raise self._fail(f"number out of range for {name}") from None
        return number
