"""What a subscription to all tables subscribes to, and what it leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..schema.bound import BoundModule
    from ..schema.model import TableDef


class AllTables:
    """Stands among the queries of a subscription for every table and view that can be subscribed to.

    Which those are is known once the server has picked a protocol.
    """


def choose(module: BoundModule, protocol: str) -> tuple[list[str], dict[str, str]]:
    """Return a query for each table and view that clients can subscribe to on `protocol`.

    Returns:
        The queries, and why each of the others is left out, by canonical name.
    """
    queries: list[str] = []
    left_out: dict[str, str] = {}
    for name, table in module.tables.items():
        reason = _reason(table.definition, protocol)
        if reason:
            left_out[name] = reason
        else:
            queries.append(f'SELECT * FROM "{name}"')
    return queries, left_out


def _reason(table: TableDef, protocol: str) -> str:
    """Return why a table is left out; empty if it is not."""
    if table.is_system:
        return "it is a system table"
    if not table.is_public:
        return "it is private"
    if table.params.elements:
        return "it is a view with parameters, so it needs arguments"
    if table.is_event and protocol.startswith("v1."):
        return f"it is an event table, which needs v2 or v3 (this connection has {protocol})"
    return ""
