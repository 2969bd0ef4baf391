"""Schema version 10, as ``GET .../schema?version=10`` answers (docs/protocol.md section 8.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import SchemaError
from ..sats.algebraic import Primitive, Typespace
from .assemble import resolve
from .model import IndexDef, Lifecycle, SequenceDef
from .raw import RawFunction, RawModule, RawSchedule, RawTable, RawType, RawView
from .reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from .model import IndexAlgorithm, ModuleDef

__all__ = ["load_v10", "read_constraint", "read_index", "read_sequence", "read_v10"]

_ALGORITHMS: dict[str, IndexAlgorithm] = {"BTree": "btree", "Hash": "hash", "Direct": "direct"}
_LIFECYCLES: dict[str, Lifecycle] = {
    "Init": "init",
    "OnConnect": "on_connect",
    "OnDisconnect": "on_disconnect",
}
_MAX_SUBMODULE_DEPTH = 16


def load_v10(schema: Any) -> ModuleDef:
    """Resolve a parsed version 10 schema.

    Args:
        schema: the JSON object, ``{"sections": [...]}``.

    Raises:
        SchemaError: it is not a valid module description; the error names the path.
    """
    return resolve(read_v10(Reader(schema)))


def read_v10(top: Reader, depth: int = 0) -> RawModule:
    """Read a version 10 schema; unknown sections are ignored.

    Raises:
        SchemaError: something in it is not as expected.
    """
    if depth > _MAX_SUBMODULE_DEPTH:
        raise SchemaError(f"schema: submodules nest too deep at {top.path[:80]}")
    raw = RawModule()
    for section in top["sections"].items():
        name, payload = section.variant()
        read = _SECTIONS.get(name)
        if read is not None:
            read(raw, payload)
        elif name == "Submodules":
            for item in payload.items():
                inner = read_v10(item["module"], depth + 1)
                raw.submodules.append((item["namespace"].text(), inner))
    return raw


def read_index(item: Reader, name_key: str) -> IndexDef:
    """Read an index; `name_key` is what its name is called in this schema version."""
    kind, columns = item["algorithm"].variant()
    algorithm = _ALGORITHMS.get(kind)
    if algorithm is None:
        raise SchemaError(f"schema: unknown index algorithm {kind!r} at {item.path}")
    return IndexDef(
        item[name_key].optional_text(),
        item["accessor_name"].optional_text(),
        algorithm,
        (columns.number(),) if algorithm == "direct" else columns.numbers(),
    )


def read_constraint(item: Reader) -> tuple[int, ...]:
    """Read a constraint; only unique ones exist."""
    kind, data = item["data"].variant()
    if kind != "Unique":
        raise SchemaError(f"schema: unknown constraint {kind!r} at {item.path}")
    return data["columns"].numbers()


def read_sequence(item: Reader, name_key: str) -> SequenceDef:
    """Read a sequence."""
    return SequenceDef(
        item[name_key].optional_text(),
        item["column"].number(),
        item["start"].optional_number(),
        item["min_value"].optional_number(),
        item["max_value"].optional_number(),
        item["increment"].number(),
    )


def read_lifecycle(item: Reader) -> Lifecycle:
    """Read what a lifecycle reducer is called for."""
    kind, _ = item.variant()
    if kind not in _LIFECYCLES:
        raise SchemaError(f"schema: unknown lifecycle {kind!r} at {item.path}")
    return _LIFECYCLES[kind]


def _typespace(raw: RawModule, payload: Reader) -> None:
    raw.typespace = Typespace(tuple(item.type() for item in payload["types"].items()))


def _types(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        name = item["source_name"]
        scope = [segment.text() for segment in name["scope"].items()]
        raw.types.append(RawType((*scope, name["source_name"].text()), item["ty"].number()))


def _tables(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        name = item["source_name"].text()
        raw.tables.append(
            RawTable(
                name,
                item["product_type_ref"].number(),
                item.path,
                item["primary_key"].numbers(),
                tuple(read_index(index, "source_name") for index in item["indexes"].items()),
                tuple(read_constraint(one) for one in item["constraints"].items()),
                tuple(read_sequence(one, "source_name") for one in item["sequences"].items()),
                item["table_access"].variant()[0] == "Public",
                item["table_type"].variant()[0] == "System",
                item.get("is_event", False).flag(),
            )
        )
        raw.default_values[name] = [
            (one["col_id"].number(), one["value"].hex())
            for one in item.get("default_values", []).items()
        ]


def _is_private(item: Reader) -> bool:
    return item["visibility"].variant()[0] == "Private"


def _reducers(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        err = item["err_return_type"].type()
        raw.reducers.append(
            RawFunction(
                item["source_name"].text(),
                item["params"].product(),
                _is_private(item),
                ok_type=item["ok_return_type"].type(),
                err_type=None if err == Primitive("String") else err,
            )
        )


def _procedures(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        raw.procedures.append(
            RawFunction(
                item["source_name"].text(),
                item["params"].product(),
                _is_private(item),
                item["return_type"].type(),
            )
        )


def _views(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        raw.views.append(
            RawView(
                item["source_name"].text(),
                item["return_type"].type(),
                item.path,
                item["is_public"].flag(),
            )
        )


def _schedules(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        raw.schedules.append(
            RawSchedule(
                item["source_name"].optional_text(),
                item["table_name"].text(),
                item["schedule_at_col"].number(),
                item["function_name"].text(),
            )
        )


def _lifecycles(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        raw.lifecycles[item["function_name"].text()] = read_lifecycle(item["lifecycle_spec"])


def _row_level_security(raw: RawModule, payload: Reader) -> None:
    raw.row_level_security += [item["sql"].text() for item in payload.items()]


def _explicit_names(raw: RawModule, payload: Reader) -> None:
    maps = {"Table": raw.table_names, "Function": raw.function_names, "Index": raw.index_names}
    for entry in payload["entries"].items():
        kind, item = entry.variant()
        names = maps.get(kind)
        if names is not None:
            names[item["source_name"].text()] = item["canonical_name"].text()


def _view_keys(raw: RawModule, payload: Reader) -> None:
    for item in payload.items():
        columns = tuple(column.text() for column in item["columns"].items())
        raw.view_keys[item["view_source_name"].text()] = columns


def _case_policy(raw: RawModule, payload: Reader) -> None:
    raw.case_policy, _ = payload.variant()


_SECTIONS: dict[str, Callable[[RawModule, Reader], None]] = {
    "Typespace": _typespace,
    "Types": _types,
    "Tables": _tables,
    "Reducers": _reducers,
    "Procedures": _procedures,
    "Views": _views,
    "Schedules": _schedules,
    "LifeCycleReducers": _lifecycles,
    "RowLevelSecurity": _row_level_security,
    "ExplicitNames": _explicit_names,
    "ViewPrimaryKeys": _view_keys,
    "CaseConversionPolicy": _case_policy,
}
