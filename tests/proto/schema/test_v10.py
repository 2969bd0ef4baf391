"""Schema version 10: every recorded one, every section, every mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spacetime_proto.errors import SchemaError
from spacetime_proto.sats.algebraic import UNIT, Primitive, RefType
from spacetime_proto.schema.load import load_schema
from spacetime_proto.schema.model import IndexDef, ModuleDef, ScheduleDef, SequenceDef

GOLDEN = Path(__file__).parents[2] / "golden" / "schema"
SOME, NONE = "some", {"none": []}
STRING: Any = {"String": []}
UNIT_JSON: Any = {"Product": {"elements": []}}


def load_it(schema: Any) -> ModuleDef:
    """Load a schema that says which version it is."""
    return load_schema({"V10": schema})


def golden(name: str) -> ModuleDef:
    """Load a recorded schema."""
    return load_it(json.loads((GOLDEN / f"{name}.v10.json").read_text()))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.v10.json")), ids=lambda path: path.stem)
def test_recorded_schemas(path: Path) -> None:
    """All of them load; lists are sorted; every row type is found."""
    module = load_it(json.loads(path.read_text()))
    assert [table.name for table in module.tables] == sorted(table.name for table in module.tables)
    assert [one.name for one in module.types] == sorted(one.name for one in module.types)
    for table in module.tables:
        row = module.typespace.types[table.row_ref]
        assert tuple(column.type for column in table.columns) == tuple(
            element.type
            for element in row.elements  # type: ignore[union-attr]
        )


def test_chat() -> None:
    """The quickstart module in full."""
    module = golden("quickstart-chat")
    message, user = module.tables
    assert (message.name, message.primary_key, message.indexes) == ("message", None, ())
    assert [column.name for column in user.columns] == ["identity", "name", "online"]
    assert (user.primary_key, user.unique_columns, user.unique_constraints) == (0, (0,), ((0,),))
    assert user.indexes == (IndexDef("user_identity_idx_btree", "identity", "btree", (0,)),)
    assert user.is_public
    assert not (user.is_event or user.is_view or user.is_system)
    calls = {one.name: (one.lifecycle, one.is_private) for one in module.reducers}
    assert calls == {
        "identity_connected": ("on_connect", True),
        "identity_disconnected": ("on_disconnect", True),
        "init": ("init", True),
        "send_message": (None, False),
        "set_name": (None, False),
    }
    assert module.reducers[0].err_type is None


def test_names_after_case_conversion() -> None:
    """Canonical names for the wire, source names for code."""
    module = golden("sdk-test-case-conversion")
    assert [(table.name, table.accessor) for table in module.tables] == [
        ("Level2Person", "person_at_level_2"),
        ("Player1Canonical", "player1"),
        ("person_2", "person2"),
    ]
    assert [(one.name, one.accessor) for one in module.reducers] == [
        ("add_person_2", "AddPerson2"),
        ("banPlayer1", "BanPlayer1"),
        ("create_player_1", "CreatePlayer1"),
    ]
    view = module.tables[0]
    assert (view.is_view, view.row_ref, view.primary_key) == (True, 0, 0)


def test_views_procedures_schedules_events() -> None:
    """What only some modules have."""
    keys = {table.name: table.primary_key for table in golden("sdk-test-procedural-view-pk").tables}
    assert keys["sender_left_view"] == 0
    views = [table for table in golden("sdk-test-view").tables if table.is_view]
    assert [view.primary_key for view in views] == [None] * 4
    procedure = golden("sdk-test-procedure")
    private = {one.name for one in procedure.procedures if one.is_private}
    assert private == {"scheduled_proc"}
    scheduled = next(table for table in procedure.tables if table.schedule is not None)
    assert scheduled.schedule == ScheduleDef(
        "scheduled_proc_table_sched", "scheduled_proc_table", 1, "scheduled_proc"
    )
    assert golden("sdk-test-event-table").tables[0].is_event
    assert golden("sdk-test").row_level_security


def section(name: str, payload: Any) -> dict[str, Any]:
    """Return a schema of one section beside a small typespace."""
    row = {"Product": {"elements": [{"name": {"some": "a"}, "algebraic_type": {"U8": []}}]}}
    return {"sections": [{"Typespace": {"types": [row]}}, {name: payload}]}


def table(**changes: Any) -> dict[str, Any]:
    """Return a table in JSON."""
    return {
        "source_name": "t",
        "product_type_ref": 0,
        "primary_key": [],
        "indexes": [],
        "constraints": [],
        "sequences": [],
        "table_type": {"User": []},
        "table_access": {"Private": []},
    } | changes


def test_parts_of_a_table() -> None:
    """Indexes of all kinds, sequences, defaults; missing newer fields have defaults."""
    index = {"source_name": {"some": "i"}, "accessor_name": NONE}
    found = load_it(
        section(
            "Tables",
            [
                table(
                    indexes=[
                        index | {"algorithm": {"Hash": [0]}},
                        index | {"algorithm": {"Direct": 0}},
                    ],
                    sequences=[
                        {
                            "source_name": NONE,
                            "column": 0,
                            "start": {"some": 1},
                            "min_value": NONE,
                            "max_value": {"some": 1 << 100},
                            "increment": -1,
                        }
                    ],
                    table_type={"System": []},
                    default_values=[{"col_id": 0, "value": "07"}],
                )
            ],
        )
    ).tables[0]
    assert found.indexes == (IndexDef("i", None, "hash", (0,)), IndexDef("i", None, "direct", (0,)))
    assert found.sequences == (SequenceDef(None, 0, 1, None, 1 << 100, -1),)
    assert found.default_values == ((0, b"\7"),)
    assert found.is_system
    assert not (found.is_public or found.is_event)


def test_functions() -> None:
    """Return types, error types, visibility."""
    common = {"source_name": "f", "params": {"elements": []}, "visibility": {"ClientCallable": []}}
    reducer = load_it(
        section("Reducers", [common | {"ok_return_type": UNIT_JSON, "err_return_type": {"U8": []}}])
    ).reducers[0]
    assert (reducer.ok_type, reducer.err_type) == (UNIT, Primitive("U8"))
    procedure = load_it(section("Procedures", [common | {"return_type": {"Ref": 0}}])).procedures[0]
    assert (procedure.return_type, procedure.is_private) == (RefType(0), False)


def test_the_policy_of_an_answer_converts_nothing() -> None:
    """A server's names are canonical already; the policy is for those who read modules directly."""
    assert load_it(section("CaseConversionPolicy", {"SnakeCase": []})).tables == ()
    assert load_it(section("CaseConversionPolicy", {"None": []})).tables == ()


def test_submodules() -> None:
    """Their names get a namespace, their types a place in the common typespace."""
    inner = section("Tables", [table(source_name="user")])
    inner["sections"].append(
        {"Types": [{"source_name": {"scope": [], "source_name": "user"}, "ty": 0}]}
    )
    inner["sections"].append(
        {"Submodules": [{"namespace": "deep", "module": section("Tables", [table()])}]}
    )
    outer = section("Submodules", [{"namespace": "my_lib", "module": inner}])
    module = load_it(outer)
    assert [(one.name, one.accessor, one.row_ref) for one in module.tables] == [
        ("my_lib.deep.t", "my_lib.deep.t", 2),
        ("my_lib.user", "my_lib.user", 1),
    ]
    assert [(one.name, one.ref) for one in module.types] == [("MyLibUser", 1)]
    for _ in range(20):
        outer = section("Submodules", [{"namespace": "n", "module": outer}])
    with pytest.raises(SchemaError, match="submodules nest too deep"):
        load_it(outer)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ([], "an object expected at the top"),
        ({}, "no 'sections'"),
        (
            {"sections": [{"Typespace": {"types": 5}}]},
            r"an array expected at sections\[0\]\.Typespace\.types",
        ),
        (section("Tables", [{}]), r"no 'source_name' at sections\[1\]\.Tables\[0\]"),
    ],
)
def test_mistakes(schema: Any, message: str) -> None:
    """Each names its place."""
    with pytest.raises(SchemaError, match=message):
        load_it(schema)
