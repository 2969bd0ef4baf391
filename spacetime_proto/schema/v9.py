"""Schema version 9, as 1.x servers and ``?version=9`` answer (docs/protocol.md section 8.2).

All its names are canonical. It does not say which functions are private, which tables are event
tables, or what a view's key is.
"""

from __future__ import annotations

from ..sats.algebraic import Typespace
from .model import ScheduleDef
from .raw import RawFunction, RawModule
from .reader import Reader
from .v10 import read_lifecycle, read_table, read_type, read_view


def read_v9(top: Reader) -> RawModule:
    """Read a version 9 schema; what only newer servers know is left out and noted in `top`.

    Raises:
        SchemaError: something in it is not as expected.
    """
    raw = RawModule(
        typespace=Typespace(tuple(item.type() for item in top["typespace"]["types"].items()))
    )
    raw.types += [read_type(item, "name") for item in top["types"].items()]
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
    raw.row_level_security += [
        item["sql"].text() for item in top.get("row_level_security", []).items()
    ]
    return raw


def _table(raw: RawModule, item: Reader) -> None:
    raw.tables.append(read_table(item, "name"))
    schedule = item["schedule"].option()
    if schedule is not None:
        raw.schedules.append(
            ScheduleDef(
                schedule["name"].optional_text(),
                item["name"].text(),
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
        raw.views.append(read_view(item, "name"))
    else:
        export.leave_out(f"export {kind!r}")
