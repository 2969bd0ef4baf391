"""A module with classes and codecs; every recorded row and argument decodes and encodes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import DecodeError, EncodeError, SchemaError
from spacetime_proto.limits import Limits
from spacetime_proto.sats.algebraic import (
    UNIT,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    Typespace,
    option,
)
from spacetime_proto.sats.pytypes import product_class
from spacetime_proto.sats.rows import RowList
from spacetime_proto.schema.bound import BoundModule
from spacetime_proto.schema.load import load_schema
from spacetime_proto.schema.model import (
    ColumnDef,
    ModuleDef,
    ProcedureDef,
    ReducerDef,
    TableDef,
    TypeDef,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).parents[2] / "golden"
SCHEMAS = {
    "chat": "quickstart-chat",
    "types": "sdk-test",
    "types_snapshot": "sdk-test",
    "keys": "sdk-test",
    "procedures": "sdk-test-procedure",
    "event_table": "sdk-test-event-table",
}


def bound(name: str, version: int = 10) -> BoundModule:
    """Bind a recorded schema to dynamic classes."""
    path = GOLDEN / "schema" / f"{name}.v{version}.json"
    return BoundModule(load_schema(path.read_text()))


@pytest.mark.parametrize(
    "path", sorted((GOLDEN / "schema").glob("*.json")), ids=lambda path: path.stem
)
def test_recorded_schemas(path: Path) -> None:
    """Every table has a row class whose attributes are its columns."""
    module = BoundModule(load_schema(path.read_text()))
    for table in module.tables.values():
        assert len(table.column_names) == len(table.definition.columns)
        assert table.row_class is module.types.classes[table.definition.row_ref]
        assert table.codec is table.codec
    for function in (*module.reducers.values(), *module.procedures.values()):
        assert len(function.param_names) == len(function.definition.params.elements)


# --- recorded rows (v1.json carries the same rows as text, so both forms are compared)


def sessions(pattern: str) -> list[Path]:
    """Return recorded sessions that have rows."""
    paths = sorted((GOLDEN / "wire").glob(pattern))
    return [path for path in paths if path.name.split(".")[0] in SCHEMAS]


def json_rows(value: Any, table: str = "") -> Iterator[tuple[str, str]]:
    """Yield (table, row text) of a v1.json message."""
    if isinstance(value, list):
        for item in value:
            yield from json_rows(item, table)
    elif isinstance(value, dict):
        table = value.get("table_name", table)
        for key, item in value.items():
            if key in ("inserts", "deletes", "rows") and isinstance(item, list):
                for row in item:
                    if isinstance(row, str):
                        yield table, row
                    else:
                        yield from json_rows(row, table)
            else:
                yield from json_rows(item, table)


@pytest.mark.parametrize("path", sessions("*.v1.json.none*.jsonl"), ids=lambda path: path.stem)
def test_recorded_json_rows(path: Path) -> None:
    """Whatever mixture of styles they are in, they are read, and survive BSATN."""
    from spacetime_proto.sats.sats_json import dumps, from_json, loads, to_json

    module = bound(SCHEMAS[path.name.split(".")[0]])
    count = 0
    for line in path.read_text().splitlines()[1:]:
        record = json.loads(line)
        if (record["dir"], record["kind"]) != ("server", "text"):
            continue
        for name, text in json_rows(json.loads(record["data"])):
            codec = module.tables[name].codec
            row = from_json(codec.type, module.types, loads(text))
            data = codec.encode(row)
            assert codec.decode_row(data) == row
            assert codec.decode_rows(RowList.from_rows([data])) == [row]
            for style in ("objects", "positional", "named"):
                written = dumps(to_json(codec.type, module.types, row, style=style))
                assert from_json(codec.type, module.types, loads(written)) == row
            count += 1
    # On v1 the server refuses to subscribe to event tables, so that session has no rows.
    assert (count == 0) == path.name.startswith("event_table")


@pytest.mark.parametrize("path", sessions("*.v[23].bsatn.none.jsonl"), ids=lambda path: path.stem)
def test_recorded_bsatn_rows(path: Path) -> None:
    """Each list decodes row by row and at once; each row encodes to its bytes."""
    import base64

    from spacetime_proto.messages import v2

    module = bound(SCHEMAS[path.name.split(".")[0]])
    count = 0
    for line in path.read_text().splitlines()[1:]:
        record = json.loads(line)
        if (record["dir"], record["kind"]) != ("server", "binary"):
            continue
        data = base64.b64decode(record["data"])
        pos = 1
        while pos < len(data):
            message, pos = v2.decode_server(data, pos)
            for name, rows in row_lists(message):
                codec = module.tables[name].codec
                decoded = codec.decode_rows(rows)
                assert [codec.encode(row) for row in decoded] == rows.slices()
                for column, attribute in enumerate(codec.names):
                    keys = codec.keys(rows, column)
                    assert repr(keys) == repr([getattr(row, attribute) for row in decoded])
                count += len(decoded)
    assert count


def row_lists(value: Any, table: str = "") -> Iterator[tuple[str, RowList]]:
    """Yield (table, rows) of a message."""
    if isinstance(value, RowList):
        yield table, value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from row_lists(item, table)
    else:
        names = getattr(value, "__struct_fields__", ())
        table = getattr(value, "table", getattr(value, "table_name", table))
        for name in names:
            yield from row_lists(getattr(value, name), table)


# --- tables


def test_tables() -> None:
    """Found by canonical name."""
    module = bound("sdk-test-case-conversion")
    table = module.tables["Player1Canonical"]
    assert repr(table) == "BoundTable('Player1Canonical')"


ROW = ProductType((Element("a", Primitive("U8")),))


def module_of(**parts: Any) -> ModuleDef:
    """Return a small module description."""
    table = TableDef("t", "t", 0, (ColumnDef("a", Primitive("U8"), 0),))
    empty = TableDef("e", "e", 1, ())
    return ModuleDef(
        Typespace((ROW, UNIT, ArrayType(RefType(2)), option(RefType(0)))),
        (TypeDef("Row", 0),),
        (empty, table),
        **parts,
    )


def test_given_classes() -> None:
    """By the name of the type; unknown names are a mistake."""
    mine = product_class(ROW, "Mine")
    module = BoundModule(module_of(), {"Row": mine})
    assert module.tables["t"].row_class is mine
    assert module.tables["t"].codec.decode_row(b"\7") == mine(7)
    assert module.tables["e"].row_class is tuple
    assert module.tables["e"].codec.decode_row(b"") == ()
    with pytest.raises(SchemaError, match=r"do not exist: \['Nobody'\]"):
        BoundModule(module_of(), {"Nobody": mine})
    with pytest.raises(SchemaError, match="class Wrong does not fit"):
        BoundModule(module_of(), {"Row": product_class(UNIT, "Wrong")})


def test_nesting_limit() -> None:
    """As the module was bound with."""
    deep: Any = Primitive("U8")
    for _ in range(6):
        deep = ArrayType(deep)
    assert BoundModule(module_of()).types.codec(deep)
    with pytest.raises(SchemaError, match="deeper than 5 levels"):
        BoundModule(module_of(), limits=Limits(nesting_depth=5)).types.codec(deep)


# --- functions

PARAMS = ProductType((Element("name", Primitive("String")), Element(None, option(Primitive("U8")))))


def functions() -> BoundModule:
    """Return a module with a reducer of each kind and a procedure."""
    return BoundModule(
        module_of(
            reducers=(
                ReducerDef("set_name", "set_name", PARAMS),
                ReducerDef("odd", "odd", UNIT, ok_type=RefType(0), err_type=Primitive("U8")),
            ),
            procedures=(ProcedureDef("get", "get", UNIT, RefType(3)),),
        )
    )


def test_arguments() -> None:
    """In BSATN and in JSON, by position and by name."""
    function = functions().reducers["set_name"]
    assert repr(function) == "BoundFunction('set_name')"
    assert function.param_names == ("name", "arg_1")
    data = function.encode_args(["jim", 5])
    assert data == b"\3\0\0\0jim\0\5"
    assert function.decode_args(data) == ("jim", 5)
    assert function.args_to_json(("jim", None)) == '["jim",[1,[]]]'
    assert function.args_from_json('["jim",{"some":5}]') == ("jim", 5)
    procedure = functions().procedures["get"]
    assert procedure.encode_args(()) == b""
    assert procedure.decode_args(b"") == ()
    assert procedure.args_to_json(()) == "[]"
    assert procedure.args_from_json("{}") == ()
    named = bound("quickstart-chat").reducers["set_name"]
    assert named.args_from_json('{"name":"jim"}') == ("jim",)


def test_wrong_arguments() -> None:
    """Too few, too many, of another type, damaged."""
    function = functions().reducers["set_name"]
    for call in (function.encode_args, function.args_to_json):
        with pytest.raises(EncodeError, match="set_name takes 2 arguments, not 1"):
            call(("jim",))
        with pytest.raises(
            EncodeError, match="str expected, not int in name of arguments of set_name"
        ):
            call((5, None))
    with pytest.raises(DecodeError, match="in name of arguments of set_name at byte 4"):
        function.decode_args(b"\3\0\0\0j")
    for text, message in (
        ("[", "not valid JSON.*in arguments of set_name"),
        ('["x"]', "2 fields expected"),
        ('{"name":"x","arg_1":null}', "is missing"),
    ):
        with pytest.raises(DecodeError, match=message):
            function.args_from_json(text)


def test_outcomes() -> None:
    """What a function returns, and what a reducer says when it refuses."""
    module = functions()
    plain, odd = module.reducers["set_name"], module.reducers["odd"]
    assert plain.decode_return(b"") == ()
    assert plain.decode_error(b"\2\0\0\0no") == "no"
    row: Any = module.types.classes[0]
    assert odd.decode_return(b"\7") == row(7)
    assert odd.decode_error(b"\7") == 7
    get = module.procedures["get"]
    assert get.is_procedure
    assert not plain.is_procedure
    assert get.decode_return(b"\0\3") == row(3)
    assert get.decode_error(b"\1\0\0\0x") == "x"
    assert get.return_from_json("[0,[3]]") == row(3)
    with pytest.raises(DecodeError, match="in return value of get"):
        get.decode_return(b"\2")
    with pytest.raises(DecodeError, match="in return value of get"):
        get.return_from_json("5")
    with pytest.raises(DecodeError, match="in error of set_name"):
        plain.decode_error(b"\2")
