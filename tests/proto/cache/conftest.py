"""A module with one table of each kind that the cache treats differently, and short ways to rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.cache import Cache, TableChange, TableView
from spacetime_proto.sats.algebraic import (
    IDENTITY,
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
)
from spacetime_proto.sats.rows import RowList
from spacetime_proto.schema.bound import BoundModule
from spacetime_proto.schema.model import ColumnDef, IndexDef, ModuleDef, TableDef, TypeDef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spacetime_proto.sats.algebraic import AlgebraicType

U8, U32, U64, I8, F64, STRING = (
    Primitive(name) for name in ("U8", "U32", "U64", "I8", "F64", "String")
)
COLOR = SumType((Variant("Red", UNIT), Variant("Green", UNIT), Variant("Blue", UNIT)))
SHAPE = SumType((Variant("Circle", F64), Variant("Empty", UNIT), Variant("Square", U32)))
NAMED = {"Color": COLOR, "Shape": SHAPE}


def btree(*columns: int, accessor: str | None = None) -> IndexDef:
    return IndexDef(None, accessor, "btree", columns)


# name -> (columns, what the table definition says besides)
TABLES: dict[str, tuple[dict[str, AlgebraicType], dict[str, Any]]] = {
    # A fixed-size row with its key first.
    "player": (
        {"id": U64, "level": U32},
        {"primary_key": 0, "unique_columns": (0,), "indexes": (btree(0), btree(1))},
    ),
    # A key first, then strings; a second unique column.
    "account": (
        {"id": U32, "email": STRING},
        {"primary_key": 0, "unique_columns": (0, 1)},
    ),
    # The key comes after a column of any length.
    "tail": ({"text": STRING, "id": IDENTITY}, {"primary_key": 1, "unique_columns": (1,)}),
    # A key that has to be decoded to be known.
    "word": ({"text": STRING, "n": U8}, {"primary_key": 0, "unique_columns": (0,)}),
    # A key whose Python value is no sort key.
    "paint": (
        {"color": RefType(0), "n": U8},
        {"primary_key": 0, "unique_columns": (0,), "indexes": (btree(0),)},
    ),
    # No key.
    "log": ({"text": STRING, "n": U8}, {}),
    # Indexes over several columns.
    "grid": (
        {"chunk": U8, "x": I8, "name": STRING},
        {"indexes": (btree(0, 1, 2), btree(0, accessor="by_chunk"), btree(1, 0))},
    ),
    # Columns whose order needs thought.
    "odd": (
        {"value": F64, "maybe": option(U8), "shape": RefType(1), "list": ArrayType(U8)},
        {"indexes": (btree(0), btree(1), btree(2), btree(3), btree(1, 0))},
    ),
    "happening": ({"text": STRING, "n": U8}, {"is_event": True, "primary_key": 1}),
    "blank": ({}, {}),
}


def make_module() -> ModuleDef:
    types = list(NAMED.values())
    names = [TypeDef(name, at) for at, name in enumerate(NAMED)]
    tables = []
    for name, (columns, extra) in TABLES.items():
        names.append(TypeDef(name.title(), len(types)))
        definitions = tuple(ColumnDef(c, ty, at) for at, (c, ty) in enumerate(columns.items()))
        tables.append(TableDef(name, name, len(types), definitions, **extra))
        types.append(ProductType(tuple(Element(c, ty) for c, ty in columns.items())))
    tables.sort(key=lambda table: table.name)
    return ModuleDef(Typespace(tuple(types)), tuple(names), tuple(tables))


class Kit:
    """Rows, messages and caches of that module."""

    def __init__(self) -> None:
        self.module = BoundModule(make_module())
        self.classes = {
            name: self.module.types.classes[at] for at, name in enumerate([*NAMED, *TABLES])
        }

    def obj(self, table: str, *values: Any) -> Any:
        return self.classes[table](*values)

    def row(self, table: str, *values: Any) -> bytes:
        return self.module.tables[table].codec.encode(self.obj(table, *values))

    def decode(self, table: str, row: bytes) -> Any:
        return self.module.tables[table].codec.decode_exact(row)

    @staticmethod
    def rows(rows: Sequence[bytes], *, offsets: bool = False) -> RowList:
        """Make a row list as the server would, or one with offsets in any case, inside a payload."""
        plain = RowList.from_rows(list(rows))
        data = b"before" + plain.data + b"after"
        if plain.row_size and not offsets:
            return RowList(data, 6, 6 + plain.end, plain.row_size)
        starts, at = [], 0
        for row in rows:
            starts.append(at)
            at += len(row)
        return RowList(data, 6, 6 + plain.end, 0, tuple(starts))

    def change(
        self,
        table: str,
        inserts: Sequence[bytes] = (),
        deletes: Sequence[bytes] = (),
        *,
        events: Sequence[bytes] | None = None,
        query_set: int = 1,
        offsets: bool = False,
    ) -> TableChange:
        if events is not None:
            return TableChange(query_set, table, events=self.rows(events))
        return TableChange(
            query_set,
            table,
            self.rows(inserts, offsets=offsets),
            self.rows(deletes, offsets=offsets),
        )

    def cache(self, *changes: TableChange, **options: bool) -> Cache:
        cache = Cache(self.module, **options)
        cache.apply(cache.plan(changes))
        return cache

    def view(self, cache: Cache, table: str) -> Any:
        view: TableView[Any] = TableView(self.module.tables[table])
        view.attach(cache.tables[table])
        return view

    @staticmethod
    def apply(cache: Cache, *changes: TableChange, drop: Sequence[int] = ()) -> list[Any]:
        return cache.apply(cache.plan(changes, drop=drop))


KIT = Kit()


@pytest.fixture(scope="session")
def kit() -> Kit:
    """The kit; it holds no state but compiled codecs."""
    return KIT
