"""What compiled modules say of themselves: the same modules as the server's JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto.errors import SchemaError
from spacetime_proto.sats.algebraic import (
    IDENTITY,
    SCHEDULE_AT,
    UNIT,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Typespace,
    Variant,
    option,
    result,
)
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.sats_json import from_json
from spacetime_proto.schema.assemble import resolve
from spacetime_proto.schema.canonical import canonicalise
from spacetime_proto.schema.case import snake_case
from spacetime_proto.schema.load import load_schema
from spacetime_proto.schema.model import ModuleDef, SequenceDef
from spacetime_proto.schema.raw import RawFunction, RawModule, RawTable, RawView
from spacetime_proto.schema.raw_bsatn import load_raw_module
from spacetime_proto.schema.raw_types import RAW_MODULE, RAW_TYPES
from tests.support.type_bytes import decode_type, encode_type

GOLDEN = Path(__file__).parents[2] / "golden" / "schema"
CONTEXT = TypeContext(RAW_TYPES)
U8 = Primitive("U8")


def encode(schema: Any, version: str) -> bytes:
    """Return the BSATN of a schema given as JSON."""
    return CONTEXT.codec(RAW_MODULE).encode(from_json(RAW_MODULE, CONTEXT, {version: schema}))


def canonical_parameters(module: ModuleDef) -> ModuleDef:
    """Return a module with its parameters named as servers do since 2.14."""

    def renamed(item: Any) -> Any:
        elements = (
            Element(one.name and snake_case(one.name), one.type) for one in item.params.elements
        )
        return msgspec.structs.replace(item, params=ProductType(tuple(elements)))

    return msgspec.structs.replace(
        module,
        tables=tuple(map(renamed, module.tables)),
        reducers=tuple(map(renamed, module.reducers)),
        procedures=tuple(map(renamed, module.procedures)),
    )


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
@pytest.mark.parametrize("policy", [None, "None", "SnakeCase"])
def test_recorded_schemas(path: Path, policy: str | None) -> None:
    """In BSATN they say the same; all names but those of parameters are canonical already."""
    schema = json.loads(path.read_text())
    expected = load_schema(schema)
    version = "V10" if "sections" in schema else "V9"
    if policy != "None" and version == "V10":
        expected = canonical_parameters(expected)
    if policy is not None and version == "V10":
        schema["sections"].append({"CaseConversionPolicy": {policy: []}})
    assert load_raw_module(encode(schema, version)) == expected


def test_tags() -> None:
    """The first byte is the version, each section's its tag in docs/protocol.md section 8.1."""
    assert encode({"sections": []}, "V10") == b"\2\0\0\0\0"
    assert encode({"sections": [{"RowLevelSecurity": []}]}, "V10") == b"\2\1\0\0\0\x08\0\0\0\0"
    assert encode({"sections": [{"Submodules": []}]}, "V10") == b"\2\1\0\0\0\x0e\0\0\0\0"
    route = {"handler_function": "h", "method": {"Method": {"Extension": "X"}}, "path": "/"}
    assert load_raw_module(encode({"sections": [{"HttpRoutes": [route]}]}, "V10")).tables == ()


CHAT = encode(json.loads((GOLDEN / "quickstart-chat.v10.json").read_text()), "V10")


@pytest.mark.filterwarnings("ignore::spacetime_proto.schema.reader.NewerSchemaWarning")
@settings(deadline=None)
@given(st.integers(0, len(CHAT) - 1), st.integers(0, 7), st.binary(max_size=50))
def test_damage(at: int, bit: int, noise: bytes) -> None:
    """Cuts, flips and noise are refused with SchemaError, or make another module."""
    with pytest.raises(SchemaError):
        load_raw_module(CHAT[:at])
    flipped = bytearray(CHAT)
    flipped[at] ^= 1 << bit
    for damaged in (bytes(flipped), CHAT + b"\0", noise):
        try:
            load_raw_module(damaged)
        except SchemaError as error:
            assert str(error).startswith("schema: ")


def test_version_8_is_refused() -> None:
    """In words."""
    with pytest.raises(SchemaError, match="version 8 are not supported"):
        load_raw_module(b"\0anything")
    with pytest.raises(SchemaError, match="unknown tag 0x3"):
        load_raw_module(b"\3")
    with pytest.raises(SchemaError, match="module description"):
        load_raw_module(b"")


def module() -> RawModule:
    """Return the worked example of docs/protocol.md section 8.6 and more, as the source has it."""
    row = ProductType(
        (
            Element("Player1Id", U8),
            Element("currentLevel2", IDENTITY),
            Element(None, option(ProductType((Element("innerField", U8),)))),
            Element("next", ArrayType(RefType(1))),
            Element("when", SCHEDULE_AT),
            Element("out", result(U8, RefType(1))),
        )
    )
    state = SumType((Variant("Active1", UNIT), Variant("BannedUntil", U8), Variant(None, U8)))
    return RawModule(
        typespace=Typespace((row, state)),
        tables=[RawTable("player1", 0, ""), RawTable("Person2", 0, "")],
        reducers=[
            RawFunction("CreatePlayer1", ProductType((Element("Player1Name", U8),)), False),
            RawFunction("BanPlayer1", UNIT, False),
        ],
        procedures=[
            RawFunction("AddUp", UNIT, False, return_type=ProductType((Element("theSum", U8),)))
        ],
        views=[RawView("PersonAt2", ArrayType(RefType(0)), "")],
        view_keys={"PersonAt2": ("Player1Id",)},
        table_names={"player1": "Player1Canonical"},
        function_names={"BanPlayer1": "banPlayer1"},
        submodules=[("lib", RawModule(tables=[], reducers=[RawFunction("DoIt", UNIT, False)]))],
    )


def test_case_conversion() -> None:
    """Tables, functions, parameters, fields and variants are converted; explicit names not."""
    raw = module()
    canonicalise(raw)
    found = resolve(raw)
    assert [(one.name, one.accessor) for one in found.tables] == [
        ("Player1Canonical", "player1"),
        ("person_2", "Person2"),
        ("person_at_2", "PersonAt2"),
    ]
    assert found.tables[2].primary_key == 0
    assert [one.name for one in found.reducers] == ["create_player_1", "banPlayer1", "lib.do_it"]
    assert found.reducers[0].params.elements[0].name == "player_1_name"
    assert found.procedures[0].name == "add_up"
    assert found.procedures[0].return_type == ProductType((Element("the_sum", U8),))
    row, state = found.typespace.types
    assert row == ProductType(
        (
            Element("player_1_id", U8),
            Element("current_level_2", IDENTITY),
            Element(None, option(ProductType((Element("inner_field", U8),)))),
            Element("next", ArrayType(RefType(1))),
            Element("when", SCHEDULE_AT),
            Element("out", result(U8, RefType(1))),
        )
    )
    assert state == SumType(
        (Variant("active1", UNIT), Variant("bannedUntil", U8), Variant(None, U8))
    )


def test_no_case_conversion() -> None:
    """If the module says so; its submodules decide for themselves."""
    raw = module()
    raw.case_policy = "None"
    canonicalise(raw)
    found = resolve(raw)
    assert [one.name for one in found.reducers] == ["CreatePlayer1", "banPlayer1", "lib.do_it"]
    assert found.tables[2].name == "Player1Canonical"
    assert found.tables[0].columns[0].name == "Player1Id"


def test_sequences_get_names() -> None:
    """Of table and column; what `resolve` refuses is left to it."""
    raw = module()
    nameless = SequenceDef(None, 0, None, None, None, 1)
    named = msgspec.structs.replace(nameless, name="s")
    raw.tables[0].sequences = (nameless, named, msgspec.structs.replace(nameless, column=9))
    raw.tables[1] = RawTable("Person2", 7, "", sequences=(nameless,))
    canonicalise(raw)
    first, second = (table.sequences for table in raw.tables)
    assert [one.name for one in first] == ["Player1Canonical_player_1_id_seq", "s", None]
    assert [one.name for one in second] == [None]


def test_types_on_the_wire() -> None:
    """As docs/protocol.md section 1.2 has it."""
    for ty, data in (
        (RefType(5), b"\0\5\0\0\0"),
        (ArrayType(Primitive("U8")), b"\3\7"),
        (UNIT, b"\2\0\0\0\0"),
        (
            ProductType((Element("id", Primitive("U32")), Element(None, UNIT))),
            b"\2\2\0\0\0\0\2\0\0\0id\x0b\1\2\0\0\0\0",
        ),
        (SumType((Variant("a", Primitive("F64")),)), b"\1\1\0\0\0\0\1\0\0\0a\x13"),
    ):
        assert encode_type(ty) == data
        assert decode_type(data + b"more") == (ty, len(data))
