"""Loading any version, and writing version 10."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spacetime_proto.errors import SchemaError
from spacetime_proto.sats.algebraic import UNIT, Element, Primitive, ProductType, RefType, Typespace
from spacetime_proto.schema.load import load_schema, to_v10_json
from spacetime_proto.schema.model import (
    ColumnDef,
    IndexDef,
    ModuleDef,
    ProcedureDef,
    ReducerDef,
    ScheduleDef,
    SequenceDef,
    TableDef,
    TypeDef,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "schema"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_recorded_schemas(path: Path) -> None:
    """As text, bytes, parsed, and wrapped; what is written reads back as the same module."""
    text = path.read_text()
    module = load_schema(text)
    assert load_schema(text.encode()) == load_schema(json.loads(text)) == module
    wrapped = "V10" if "sections" in json.loads(text) else "V9"
    assert load_schema({wrapped: json.loads(text)}) == module
    written = to_v10_json(module)
    assert written.isascii()
    assert load_schema(written) == module


def test_everything_is_written() -> None:
    """A module with all that a module can have."""
    u8 = Primitive("U8")
    row = ProductType((Element("a", u8), Element("b", u8)))
    columns = (ColumnDef("a", u8, 0), ColumnDef("b", u8, 1))
    full = TableDef(
        "T",
        "t",
        0,
        columns,
        0,
        (0, 1),
        ((0,), (1,), (0, 1)),
        (
            IndexDef("i", "a", "btree", (0, 1)),
            IndexDef(None, None, "hash", (0,)),
            IndexDef(None, "d", "direct", (1,)),
        ),
        (SequenceDef("s", 0, 1, -(1 << 100), None, -2),),
        ScheduleDef(None, "T", 1, "P"),
        is_public=False,
        is_system=True,
        is_event=True,
        default_values=((1, b"\x07"),),
    )
    view = TableDef("V", "v", 0, columns, 1, (1,), is_public=False, is_view=True)
    module = ModuleDef(
        Typespace((row,)),
        (TypeDef("Row", 0),),
        (full, view),
        (
            ReducerDef("R", "r", row, err_type=u8, ok_type=RefType(0)),
            ReducerDef("I", "i", UNIT, "init", is_private=True),
        ),
        (ProcedureDef("P", "p", row, RefType(0), is_private=True),),
        ("SELECT * FROM t",),
    )
    assert load_schema(to_v10_json(module)) == module
    assert load_schema(to_v10_json(ModuleDef())) == ModuleDef()
    sections = [name for section in json.loads(to_v10_json(module))["sections"] for name in section]
    order = [
        "CaseConversionPolicy",
        "Environment",
        "Typespace",
        "Types",
        "Tables",
        "Reducers",
        "Procedures",
        "HttpRoutes",
        "Views",
        "ViewPrimaryKeys",
        "Schedules",
        "Outboxes",
        "LifeCycleReducers",
        "RowLevelSecurity",
        "ExplicitNames",
    ]
    assert sections == [name for name in order if name in sections]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("", "not JSON"),
        (b"\xff", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "neither version 9 nor version 10"),
        ({"x": 1}, "neither version 9 nor version 10"),
        ({"V10": 1}, "an object expected"),
        ({"sections": [], "V9": {}, "x": {"sections": 5}}, None),
    ],
)
def test_what_is_no_schema(schema: Any, message: str | None) -> None:
    """It is refused in one sentence."""
    if message is None:
        assert load_schema(schema) == ModuleDef()
        return
    with pytest.raises(SchemaError, match=message):
        load_schema(schema)
