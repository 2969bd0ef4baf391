"""Schema version 9: every recorded one says the same as version 10, as far as it can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from spacetime_proto.errors import SchemaError
from spacetime_proto.schema.load import load_schema
from spacetime_proto.schema.model import ModuleDef, ScheduleDef
from spacetime_proto.schema.reader import NewerSchemaWarning

GOLDEN = Path(__file__).parents[2] / "golden" / "schema"
NONE: Any = {"none": []}


def load_it(schema: Any) -> ModuleDef:
    """Load a schema that says which version it is."""
    return load_schema({"V9": schema})


def load(path: Path) -> ModuleDef:
    """Load a recorded schema of either version."""
    parsed = json.loads(path.read_text())
    return load_schema(parsed)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.v9.json")), ids=lambda path: path.stem)
def test_recorded_schemas(path: Path) -> None:
    """The same types, tables and functions; not the accessors, event flags and keys of views."""
    old = load(path)
    new = load(path.with_name(path.name.replace(".v9.", ".v10.")))
    assert old.typespace == new.typespace
    assert old.types == new.types

    def common(module: ModuleDef) -> Any:
        return [
            msgspec.structs.replace(
                table,
                accessor="",
                is_event=False,
                primary_key=None if table.is_view else table.primary_key,
                unique_columns=() if table.is_view else table.unique_columns,
                indexes=sorted(index.columns for index in table.indexes),
                unique_constraints=tuple(sorted(table.unique_constraints)),
                sequences=tuple(one.column for one in table.sequences),
            )
            for table in module.tables
        ]

    assert common(old) == common(new)
    assert {one.name: (one.params, one.lifecycle) for one in old.reducers} == {
        one.name: (one.params, one.lifecycle) for one in new.reducers
    }
    assert {one.name: one.return_type for one in old.procedures} == {
        one.name: one.return_type for one in new.procedures
    }
    assert all(table.accessor == table.name for table in old.tables)


def schema(**changes: Any) -> dict[str, Any]:
    """Return a small module."""
    row = {"Product": {"elements": [{"name": {"some": "a"}, "algebraic_type": {"U8": []}}]}}
    return {
        "typespace": {"types": [row]},
        "tables": [],
        "reducers": [],
        "types": [],
        "misc_exports": [],
        "row_level_security": [],
    } | changes


def table(**changes: Any) -> dict[str, Any]:
    """Return a table in JSON."""
    return {
        "name": "t",
        "product_type_ref": 0,
        "primary_key": [0],
        "indexes": [],
        "constraints": [],
        "sequences": [],
        "schedule": NONE,
        "table_type": {"User": []},
        "table_access": {"Public": []},
    } | changes


def test_schedules_and_lifecycles_make_reducers_private() -> None:
    """Version 9 does not say so itself."""
    schedule = {"name": NONE, "reducer_name": "tick", "scheduled_at_column": 0}
    reducers = [
        {"name": "tick", "params": {"elements": []}, "lifecycle": NONE},
        {"name": "init", "params": {"elements": []}, "lifecycle": {"some": {"Init": []}}},
        {"name": "open", "params": {"elements": []}, "lifecycle": NONE},
    ]
    module = load_it(schema(tables=[table(schedule={"some": schedule})], reducers=reducers))
    assert module.tables[0].schedule == ScheduleDef(None, "t", 0, "tick")
    assert [one.is_private for one in module.reducers] == [True, True, False]
    assert [one.lifecycle for one in module.reducers] == [None, "init", None]


def test_exports() -> None:
    """Defaults, procedures, views; others are left out, and missing may be a list that an old server lacks."""
    exports = [
        {"ColumnDefaultValue": {"table": "t", "col_id": 0, "value": "2a"}},
        {"Procedure": {"name": "p", "params": {"elements": []}, "return_type": {"U8": []}}},
        {"View": {"name": "v", "return_type": {"Array": {"Ref": 0}}, "is_public": True}},
        {"Tomorrow": {}},
    ]
    with pytest.warns(NewerSchemaWarning, match=r"export 'Tomorrow' at misc_exports\[3\]"):
        module = load_it(
            schema(tables=[table()], misc_exports=exports, row_level_security=[{"sql": "x"}])
        )
    assert [one.name for one in module.tables] == ["t", "v"]
    assert module.tables[0].default_values == ((0, b"\x2a"),)
    assert module.tables[1].is_view
    assert [one.name for one in module.procedures] == ["p"]
    assert module.row_level_security == ("x",)
    old = schema()
    del old["misc_exports"], old["row_level_security"]
    assert load_it(old) == load_it(schema())


def test_mistakes() -> None:
    """Each names its place."""
    with pytest.raises(SchemaError, match=r"no 'name' at tables\[0\]"):
        load_it(schema(tables=[{}]))
    with pytest.raises(SchemaError, match="no 'typespace'"):
        load_it({})
