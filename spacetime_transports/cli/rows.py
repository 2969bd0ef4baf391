"""Rows as JSON objects by column name, in the form that ``replay`` and ``subscribe`` print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacetime_proto.schema.bound import BoundModule, BoundTable

__all__ = ["row_object"]


def row_object(module: BoundModule, table: BoundTable, row: Any) -> Any:
    """Return `row` as an object by column name, names as in the schema.

    Sums are ``{"variant": value}``, identities ``{"__identity__": "0x…"}``, bytes hexadecimal text.
    """
    from spacetime_proto.sats.sats_json import to_json

    from spacetime_proto.sats.algebraic import RefType

    return to_json(RefType(table.definition.row_ref), module.types, row, style="named")
