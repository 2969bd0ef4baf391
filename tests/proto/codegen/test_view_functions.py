"""Views with parameters in generated bindings: functions that return queries."""

from __future__ import annotations

import pytest

from spacetime_proto.bindings import Table, ViewCall
from spacetime_proto.codegen.package import generate
from spacetime_proto.errors import QueryError
from spacetime_proto.sats.algebraic import ArrayType, Primitive, option
from tests.support.modules import make_module, product

U32, STRING = Primitive("U32"), Primitive("String")
VIEWS = {
    "player": "Player",
    "near": ("Player", {"is_view": True, "params": product(minLevel=U32, MODULE=STRING)}),
    "some": ("Player", {"is_view": True, "params": product(few=option(U32), many=ArrayType(U32))}),
}


def files():
    return generate(make_module({"Player": product(id=U32)}, VIEWS), source="test", version="1")


def test_the_functions():
    text = files()["tables.py"]
    start = text.index('player = MODULE.query(Player, PlayerColumns, "player")\n')
    assert text[start:].split("\n", 1)[1] == (
        "\n"
        "\n"
        "def near(min_level: int, module: str) -> ViewCall[Player]:\n"
        '    """Query view ``near`` with these arguments.\n'
        "\n"
        "    Args:\n"
        "        min_level: ``U32``\n"
        "        module: ``String``\n"
        '    """\n'
        '    return MODULE.call_view(Player, "near", min_level, module)\n'
        "\n"
        "\n"
        "def some(few: int | None, many: list[int]) -> ViewCall[Player]:\n"
        '    """Query view ``some`` with these arguments.\n'
        "\n"
        "    SQL cannot pass the type of `few`, `many`: every call raises QueryError.\n"
        "\n"
        "    Args:\n"
        "        few: ``Option<U32>``\n"
        "        many: ``Array<U32>``\n"
        '    """\n'
        '    return MODULE.call_view(Player, "some", few, many)\n'
    )


def test_they_make_queries(import_package):
    package = import_package(files())
    call = package.tables.near(5, "x")
    assert isinstance(call, ViewCall)
    assert call.sql == """SELECT * FROM "near"(5, 'x')"""
    with pytest.raises(QueryError, match="parameter 'few' of view 'some' has type Option<U32>"):
        package.tables.some(1, [])
    assert isinstance(package.MODULE.create_db().near, Table)


def test_those_of_submodules(import_package):
    views = {
        "player": "Player",
        **{name: VIEWS["near"] for name in ("lib.near", "lib.far", "lib.deep.near")},
    }
    package = import_package(
        generate(make_module({"Player": product(id=U32)}, views), source="test", version="1")
    )
    lib = package.tables.lib
    for function, name in ((lib.near, "lib.near"), (lib.deep.near, "lib.deep.near")):
        parts = ".".join(f'"{part}"' for part in name.split("."))
        assert function(5, "x").sql == f"SELECT * FROM {parts}(5, 'x')"
    assert lib.far(min_level=1, module="").sql == """SELECT * FROM "lib"."far"(1, '')"""
