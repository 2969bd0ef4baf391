"""Schema version 9, as 1.x servers and ``?version=9`` answer (docs/protocol.md section 8.2).

All its names are canonical. It does not say which functions are private, which tables are event
tables, or what a view's key is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..sats.algebraic import Typespace
from .assemble import resolve
from .raw import RawFunction, RawModule, RawSchedule, RawTable, RawType, RawView
from .reader import Reader
from .v10 import read_constraint, read_index, read_lifecycle, read_sequence

if TYPE_CHECKING:
    from .model import ModuleDef

__all__ = ["load_v9", "read_v9"]


def load_v9(schema: Any) -> ModuleDef:
    """Resolve a parsed version 9 schema.

    Args:
        schema: the JSON object, ``{"typespace": ..., "tables": ..., ...}``.

    Raises:
        SchemaError: it is not a valid module description; the error names the path.
    """
    return resolve(read_v9(Reader(schema)))


def read_v9(top: Reader) -> RawModule:
    """Read a version 9 schema; unknown exports are ignored.

    Raises:
        SchemaError: something in it is not as expected.
    """
    raw = RawModule(
        typespace=Typespace(tuple(item.type() for item in top["typespace"]["types"].items()))
    )
    for item in top["types"].items():
        name = item["name"]
        scope = [segment.text() for segment in name["scope"].items()]
        raw.types.append(RawType((*scope, name["name"].text()), item["ty"].number()))
    for item in top["tables"].items():
        _table(raw, item)
    for item in top["reducers"].items():
        reducer = item["name"].text()
        lifecycle = item["lifecycle"].option()
        if lifecycle is not None:
            raw.lifecycles[reducer] = read_lifecycle(lifecycle)
        raw.reducers.append(RawFunction(reducer, item["params"].product(), is_private=False))
    for item in top.get("misc_exports", []).items():
        _export(raw, item)
    for item in top.get("row_level_security", []).items():
        raw.row_level_security.append(item["sql"].text())
    return raw


def _table(raw: RawModule, item: Reader) -> None:
    name = item["name"].text()
    raw.tables.append(
        RawTable(
            name,
            item["product_type_ref"].number(),
            item.path,
            item["primary_key"].numbers(),
            tuple(read_index(index, "name") for index in item["indexes"].items()),
            tuple(read_constraint(one) for one in item["constraints"].items()),
            tuple(read_sequence(one, "name") for one in item["sequences"].items()),
            item["table_access"].variant()[0] == "Public",
            item["table_type"].variant()[0] == "System",
        )
    )
    schedule = item["schedule"].option()
    if schedule is not None:
        raw.schedules.append(
            RawSchedule(
                schedule["name"].optional_text(),
                name,
                schedule["scheduled_at_column"].number(),
                schedule["reducer_name"].text(),
            )
        )


def _export(raw: RawModule, export: Reader) -> None:
    kind, item = export.variant()
    if kind == "ColumnDefaultValue":
        values = raw.default_values.setdefault(item["table"].text(), [])
        values.append((item["col_id"].number(), item["value"].hex()))
    elif kind == "Procedure":
        raw.procedures.append(
            RawFunction(
                item["name"].text(),
                item["params"].product(),
                is_private=False,
                return_type=item["return_type"].type(),
            )
        )
    elif kind == "View":
        raw.views.append(
            RawView(
                item["name"].text(),
                item["return_type"].type(),
                item.path,
                item["is_public"].flag(),
            )
        )
