"""Values as plain builtins: `to_dict` of rows, `json_default`, and what pydantic writes.

What becomes of a value depends on its Python type alone, so no schema is needed here; reading it
back, which does need one, is `from_plain`. The forms are listed in docs/rows.md.
"""

from __future__ import annotations

import dataclasses
import enum
from datetime import datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from ..types import (
    ConnectionId,
    Err,
    Identity,
    Ok,
    Some,
    SumValue,
    TimeDuration,
    Timestamp,
    Uuid,
)
from .time_text import iso_duration, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

Form: TypeAlias = Literal["json", "python"]

NONFINITE: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
"""The floats that JSON cannot write, by the text that stands for them."""


def json_default(value: Any) -> Any:
    """Return what `to_dict` makes of a value: ``json.dumps(rows, default=json_default)``.

    It takes rows, structs and sums, enums, `Identity`, `ConnectionId`, `Uuid`, `Timestamp`,
    `TimeDuration`, `Some`, `Ok`, `Err`, `bytes`, the rows of a module (dataclasses), and of the
    standard library `datetime` with a time zone, `timedelta` and `UUID`.

    Raises:
        TypeError: for anything else, as `json.dumps` does.
    """
    return to_plain(value)


def to_plain(value: Any, form: Form = "json") -> Any:
    """Return a value as builtins; see docs/rows.md.

    Raises:
        TypeError: it is, or holds, something that is no value of SpacetimeDB.
        ValueError: `form` is neither ``"json"`` nor ``"python"``.
    """
    if form == "json":
        return _plain(value, _JSON)
    if form == "python":
        return _plain(value, _PYTHON)
    raise ValueError(f'values is "json" or "python", not {form!r}')


def _same(value: Any) -> Any:
    return value


def _json_float(value: float) -> float | str:
    if isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _timestamp(value: Timestamp) -> str:
    return rfc3339(value.micros_since_unix_epoch)


def _to_datetime(value: Timestamp) -> datetime | Timestamp:
    try:
        return value.to_datetime()
    except OverflowError:
        return value


_Leaves: TypeAlias = "dict[type, Callable[[Any], Any]]"

_JSON: Final[_Leaves] = {
    float: _json_float,
    bytes: bytes.hex,
    Identity: Identity.to_hex,
    ConnectionId: ConnectionId.to_hex,
    Uuid: str,
    UUID: str,
    Timestamp: _timestamp,
    datetime: lambda value: _timestamp(Timestamp.from_datetime(value)),
    TimeDuration: lambda value: iso_duration(value.micros),
    timedelta: lambda value: iso_duration(TimeDuration.from_timedelta(value).micros),
}
_PYTHON: Final[_Leaves] = {
    **dict.fromkeys((float, bytes, Identity, ConnectionId, UUID, datetime, timedelta), _same),
    Uuid: Uuid.to_uuid,
    Timestamp: _to_datetime,
    TimeDuration: TimeDuration.to_timedelta,
}
_PLAIN: Final = frozenset((bool, int, str, type(None)))


def variant_name(cls: type[SumValue]) -> str:
    """Return the name of a variant's class on its sum: ``Circle`` of ``Shape_Circle``."""
    base: Any = cls.__base__
    return cls.__name__.removeprefix(f"{base.__name__}_")


def _plain(value: Any, leaves: _Leaves) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    leaf = leaves.get(kind)
    if leaf is not None:
        return leaf(value)
    if kind is list or kind is tuple:
        return [_plain(item, leaves) for item in value]
    if isinstance(value, SumValue):
        if kind.__tag__ < 0:
            raise TypeError(f"{kind.__name__} is a sum type; a value is one of its variants")
        return {variant_name(kind): _plain(getattr(value, "value", None), leaves)}
    if isinstance(value, enum.Enum):
        return value if leaves is _PYTHON else value.name
    if isinstance(value, Some):
        return {"some": _plain(value.value, leaves)}
    if isinstance(value, Ok):
        return {"ok": _plain(value.value, leaves)}
    if isinstance(value, Err):
        return {"err": _plain(value.error, leaves)}
    if isinstance(value, msgspec.Struct):
        names = kind.__struct_fields__
        return {name: _plain(getattr(value, name), leaves) for name in names}
    if dataclasses.is_dataclass(value):
        named = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: _plain(held, leaves) for name, held in named.items()}
    raise TypeError(f"Object of type {kind.__name__} is not JSON serializable")
