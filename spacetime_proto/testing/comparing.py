"""Compare messages by what they say: a `RowList` refers to the payload that it came in."""

from __future__ import annotations

from typing import Any

import msgspec

from ..sats.rows import RowList


def comparable(value: Any) -> Any:
    """Return `value` as nested tuples: structs as name and fields, row lists as their rows.

    Two messages that say the same are equal after this, whatever payloads they came in.
    """
    if isinstance(value, RowList):
        return value.slices()
    if isinstance(value, tuple):
        return tuple(map(comparable, value))
    if isinstance(value, msgspec.Struct):
        fields = (comparable(getattr(value, name)) for name in value.__struct_fields__)
        return type(value).__name__, *fields
    return value
