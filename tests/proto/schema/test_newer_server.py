"""Descriptions of a SpacetimeDB newer than this library: one warning, or an error that says so."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from spacetime_proto.errors import SchemaError
from spacetime_proto.schema.load import load_schema
from spacetime_proto.schema.model import ModuleDef
from spacetime_proto.schema.raw_bsatn import load_raw_module
from spacetime_proto.schema.reader import NewerSchemaWarning

GOLDEN = Path(__file__).parents[2] / "golden" / "v2.14" / "schema"
ROW: Any = {"Product": {"elements": [{"name": {"some": "a"}, "algebraic_type": {"U8": []}}]}}
STRING, NONE, UNIT = {"String": []}, {"none": []}, {"Product": {"elements": []}}
PLAIN = (GOLDEN / "plain.describe.bin").read_bytes()


def loaded(*sections: dict[str, Any]) -> tuple[ModuleDef, list[str]]:
    """Return a version 10 description and the warnings that it gave."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        module = load_schema({"sections": [{"Typespace": {"types": [ROW]}}, *sections]})
    assert {one.category for one in caught} <= {NewerSchemaWarning}
    return module, [str(one.message) for one in caught]


def warning(sections: list[dict[str, Any]]) -> tuple[ModuleDef, str]:
    """Return the one warning."""
    module, (text,) = loaded(*sections)
    start, rest = "schema: left out, because a newer SpacetimeDB wrote it: ", ""
    assert text.startswith(start)
    text, _, rest = text.removeprefix(start).partition(";")
    assert rest == " a newer version of spacetimedb-client may know it"
    return module, text


def test_sections_and_names_are_left_out() -> None:
    """One warning names them all, wherever they are; a long list is cut."""
    names = {"entries": [{"Planet": {"source_name": "a", "canonical_name": "b"}}]}
    inner = {"namespace": "lib", "module": {"sections": [{"Tomorrow\n": 1}]}}
    sections: list[dict[str, Any]] = [{"ExplicitNames": names}, {"Submodules": [inner]}]
    module, text = warning([{"Tomorrow": {"x": 1}}, *sections])
    assert module.tables == ()
    assert text == (
        "section 'Tomorrow' at sections[1], name of a 'Planet' at"
        " sections[2].ExplicitNames.entries[0], section 'Tomorrow\\n' at"
        " sections[3].Submodules[0].module.sections[0]"
    )
    _, text = warning([{f"Tomorrow{number}": 0} for number in range(9)])
    assert text.endswith("section 'Tomorrow4' at sections[5] and 4 more")


def test_parts_of_a_table_are_left_out() -> None:
    """Kinds of index and constraint."""
    table = {
        "source_name": "t",
        "product_type_ref": 0,
        "primary_key": [],
        "indexes": [
            {"source_name": NONE, "accessor_name": NONE, "algorithm": {"Tree": [0]}},
            {"source_name": NONE, "accessor_name": NONE, "algorithm": {"Hash": [0]}},
        ],
        "constraints": [{"source_name": NONE, "data": {"Check": "a > 1"}}],
        "sequences": [],
        "table_type": {"User": []},
        "table_access": {"Public": []},
    }
    module, text = warning([{"Tables": [table]}])
    assert text == (
        "index algorithm 'Tree' at sections[1].Tables[0].indexes[0],"
        " constraint 'Check' at sections[1].Tables[0].constraints[0]"
    )
    (found,) = module.tables
    assert [index.algorithm for index in found.indexes] == ["hash"]
    assert found.unique_constraints == ()


def test_a_reducer_of_an_unknown_event_is_not_callable() -> None:
    """Something other than clients calls it."""
    reducer = {
        "source_name": "f",
        "params": {"elements": []},
        "visibility": {"ClientCallable": []},
        "ok_return_type": UNIT,
        "err_return_type": STRING,
    }
    event = {"lifecycle_spec": {"Sunrise": []}, "function_name": "f"}
    module, text = warning([{"Reducers": [reducer]}, {"LifeCycleReducers": [event]}])
    assert "lifecycle 'Sunrise'" in text
    assert [(one.lifecycle, one.is_private) for one in module.reducers] == [(None, True)]


def test_an_unknown_kind_of_environment_variable() -> None:
    """It is left out, the others stay."""
    variables = [
        {"name": "A", "ty": {"Number": []}, "optional": True},
        {"name": "B", "ty": {"String": []}, "optional": True},
    ]
    module, text = warning([{"Environment": variables}])
    assert text == "environment type 'Number' at sections[1].Environment[0]"
    assert [variable.name for variable in module.environment] == ["B"]


def test_what_cannot_be_left_out() -> None:
    """A type that nobody can decode; a hash that is none."""
    with pytest.raises(SchemaError, match=r"unknown type 'F16'.* newer version of spacetimedb"):
        loaded({"Typespace": {"types": [{"F16": []}]}})
    outbox = {
        "table_name": "t",
        "remote_reducer": "f",
        "target_column": 0,
        "arg_columns": [],
        "on_result_reducer": NONE,
        "signature_hash": "0xzz",
    }
    with pytest.raises(SchemaError, match="hexadecimal digits expected"):
        loaded({"Outboxes": [outbox]})


def test_a_last_section_in_bytes() -> None:
    """Nothing follows it, so nothing can be missed."""
    count = int.from_bytes(PLAIN[1:5], "little")
    longer = PLAIN[:1] + (count + 1).to_bytes(4, "little") + PLAIN[5:] + b"\x2a what it says"
    with pytest.warns(NewerSchemaWarning, match="the last section, of tag 42"):
        assert load_raw_module(longer) == load_raw_module(PLAIN)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\2\2\0\0\0\x2a\0\0\0\0\x08\0\0\0\0", r"unknown tag 0x2a .*sections\[0\].* at byte 5"),
        (b"\2\1\0\0\0\x0e\1\0\0\0\1\0\0\0a\1\0\0\0\x2a", r"unknown tag 0x2a .* at byte 19"),
        (b"\2\1\0\0\0\x0a\1\0\0\0\x09\0\0\0\0\0\0\0\0", r"unknown tag 0x9 .*ExplicitNames"),
        (b"\3", "unknown tag 0x3"),
        (b"\2\2\0\0\0\x08\1\0\0\0\0\0\0\0", None),
    ],
)
def test_other_tags_in_bytes(data: bytes, message: str | None) -> None:
    """Sections have no length: the rest cannot be found. The error says where and what to do."""
    with pytest.raises(SchemaError, match=message) as caught:
        load_raw_module(data)
    assert ("a newer version of spacetimedb-client may know it" in str(caught.value)) == bool(
        message
    )
