"""A module whose tables have every kind of row that v1.json writes in its own way."""

from __future__ import annotations

import pytest

from spacetime_proto.messages.json_rows import JsonCodec
from spacetime_proto.sats.algebraic import (
    IDENTITY,
    Element,
    Primitive,
    ProductType,
    Typespace,
    option,
)
from spacetime_proto.schema.bound import BoundModule
from spacetime_proto.schema.model import ColumnDef, ModuleDef, TableDef

USER = ProductType(
    (
        Element("identity", IDENTITY),
        Element("name", option(Primitive("String"))),
        Element("online", Primitive("Bool")),
    )
)
NUMBERS = ProductType((Element("big", Primitive("U128")), Element("small", Primitive("F32"))))


def _table(name: str, ref: int, row: ProductType) -> TableDef:
    columns = tuple(
        ColumnDef(element.name or "", element.type, index)
        for index, element in enumerate(row.elements)
    )
    return TableDef(name, name, ref, columns)


@pytest.fixture(scope="session")
def module() -> BoundModule:
    """Tables `user` and `numbers`."""
    return BoundModule(
        ModuleDef(
            typespace=Typespace((USER, NUMBERS)),
            tables=(_table("numbers", 1, NUMBERS), _table("user", 0, USER)),
        )
    )


@pytest.fixture(scope="session")
def codec(module: BoundModule) -> JsonCodec:
    """The codec of `module`."""
    return JsonCodec.for_module(module)
