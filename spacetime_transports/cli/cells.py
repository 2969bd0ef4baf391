"""Rows for people and for programs: cells of a table, JSON objects by column name."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, cast

from spacetime_proto.sats.sats_json import to_json
from spacetime_proto.types import ScheduleAt, Some, SumValue

if TYPE_CHECKING:
    from spacetime_proto.schema.bound import BoundModule, BoundTable


def row_object(module: BoundModule, table: BoundTable, row: Any) -> Any:
    """Return `row` as an object by column name, names as in the schema.

    Sums are ``{"variant": value}``, identities ``{"__identity__": "0x…"}``, bytes hexadecimal text.
    """
    return to_json(table.codec.type, module.types, row, style="named")


def cells(row: Any) -> list[str]:
    """Return a row as people read it, column by column."""
    return [cell(getattr(row, name)) for name in row.__struct_fields__]


def cell(value: Any) -> str:
    """Return a value as people read it: identities in hexadecimal, times in ISO 8601."""
    if isinstance(value, str):
        return value
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, list):
        return "[" + ", ".join(map(cell, value)) + "]"
    if isinstance(value, ScheduleAt):
        return cell(cast("Any", value).value)  # both variants have one
    if isinstance(value, Some):
        return f"some {cell(value.value)}"
    fields = getattr(value, "__struct_fields__", None)
    if isinstance(value, SumValue):
        name = type(value).__name__.rpartition("_")[2]
        return f"{name} {cell(cast('Any', value).value)}" if fields else name
    if fields is None or any("__str__" in vars(base) for base in type(value).__mro__[:-1]):
        return str(value)  # numbers, and the value types, which write themselves
    return "(" + ", ".join(f"{name} = {cell(getattr(value, name))}" for name in fields) + ")"
