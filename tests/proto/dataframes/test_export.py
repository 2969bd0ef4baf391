"""Data frames and notebook tables of handles and selections."""

from __future__ import annotations

import sys

import pytest

from spacetime_proto.bindings import dynamic_module
from spacetime_proto.cache import Cache, TableChange
from spacetime_proto.dataframes.export import table_html
from spacetime_proto.sats.algebraic import (
    IDENTITY,
    TIMESTAMP,
    UNIT,
    ArrayType,
    Primitive,
    RefType,
    SumType,
    Variant,
    option,
)
from spacetime_proto.sats.rows import RowList
from spacetime_proto.types import Identity, Timestamp
from tests.support.modules import make_module, product

U8, STRING = Primitive("U8"), Primitive("String")
COLOR = SumType((Variant("red", UNIT), Variant("green", UNIT)))
SHAPE = SumType((Variant("Circle", Primitive("F64")), Variant("Empty", UNIT)))
ROW = product(
    id=U8,
    name=option(STRING),
    who=IDENTITY,
    at=TIMESTAMP,
    color=RefType(1),
    shape=RefType(2),
    tags=ArrayType(STRING),
    big=Primitive("U256"),
    wide=Primitive("U128"),
    none=UNIT,
)
MODULE = dynamic_module(
    make_module(
        {"Thing": ROW, "Color": COLOR, "Shape": SHAPE, "Tick": product(n=U8)},
        {"thing": ("Thing", {"primary_key": 0}), "tick": ("Tick", {"is_event": True})},
    )
)
Thing, Color, Shape = MODULE.types.Thing, MODULE.types.Color, MODULE.types.Shape


def thing(number, name=None):
    return Thing(
        number, name, Identity.from_int(number), Timestamp(number), Color(number % 2),
        Shape.Circle(0.5) if number % 2 else Shape.Empty(), ["a"] * number, number, number, (),
    )  # fmt: skip


def database(*rows):
    db = MODULE.create_db()
    cache = Cache(MODULE.bound)
    data = [MODULE.bound.tables["thing"].codec.encode(row) for row in rows]
    cache.apply(cache.plan([TableChange(1, "thing", RowList.from_rows(data), None, None)]))
    db.attach(cache)
    return db


def test_a_table_as_arrow():
    pytest.importorskip("pyarrow")
    db = database(thing(1, "x"), thing(2))
    found = db.thing.to_arrow()
    assert found.column_names == list(Thing.__struct_fields__)
    assert sorted(found.column("id").to_pylist()) == [1, 2]
    assert sorted(found.column("name").to_pylist(), key=str) == [None, "x"]
    assert MODULE.create_db().thing.to_arrow().num_rows == 0


def test_a_selection_as_arrow():
    pytest.importorskip("pyarrow")
    db = database(thing(1, "x"), thing(2))
    assert db.thing.where(lambda t: t.id > 1).to_arrow().column("id").to_pylist() == [2]
    query = MODULE.tables.thing.where(lambda t: t.id == 1)
    assert query.local(db).to_arrow().column("name").to_pylist() == ["x"]
    assert db.tick.to_arrow().num_rows == 0


def test_a_table_as_polars():
    pytest.importorskip("pyarrow")
    polars = pytest.importorskip("polars")
    frame = database(thing(1, "x"), thing(2)).thing.to_polars()
    assert frame.shape == (2, 10)
    by_id = {row["id"]: row for row in frame.to_dicts()}
    assert by_id[1]["name"] == "x"
    assert by_id[1]["color"] == "green"
    assert by_id[2]["shape"] == {"variant": "Empty", "Circle": None, "Empty": None}
    assert by_id[2]["tags"] == ["a", "a"]
    assert by_id[1]["who"] == "1".zfill(64)
    assert by_id[1]["big"] == "1"
    assert by_id[1]["wide"] == "1"  # Polars has no decimal of 39 digits
    assert frame.filter(polars.col("id") == 2).height == 1


def test_a_table_as_pandas():
    pytest.importorskip("pyarrow")
    pytest.importorskip("pandas")
    frame = database(thing(1, "x"), thing(2)).thing.to_pandas()
    assert list(frame.columns) == list(Thing.__struct_fields__)
    assert sorted(frame["id"]) == [1, 2]
    assert sorted(frame["who"]) == ["1".zfill(64), "2".zfill(64)]
    assert sum(frame["wide"]) == 3
    assert len(database(thing(1)).thing.where(lambda t: t.id == 1).to_pandas()) == 1


@pytest.mark.parametrize("name", ["polars", "pandas"])
def test_what_is_missing_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=rf"spacetimedb-client\[{name}\]"):
        getattr(database().thing, f"to_{name}")()


# --- notebooks ----------------------------------------------------------------------------------


def test_a_notebook_shows_a_table_as_a_table():
    html = database(thing(1, "<b>&"))  # what a database holds is text, not markup
    text = html.thing._repr_html_()
    assert text.startswith("<table><caption>thing: 1 row</caption><thead><tr><th>id</th><th>name")
    assert "<td>&lt;b&gt;&amp;</td>" in text
    assert f"<td>{'1'.rjust(64, '0')}</td>" in text
    assert "<td>1970-01-01T00:00:00.000001+00:00</td>" in text


def test_a_notebook_shows_the_first_rows():
    db = database(*(thing(number) for number in range(50)))
    text = db.thing._repr_html_()
    assert "<caption>thing: 50 rows, the first 20 of them here</caption>" in text
    assert text.count("<tr>") == 21
    chosen = db.thing.where(lambda t: t.id < 30)._repr_html_()
    assert "<caption>thing: 30 rows, the first 20 of them here</caption>" in chosen


def test_long_cells_are_cut_and_names_escaped():
    class Row:
        x = "y" * 1000

    text = table_html("<t>", ["x"], [Row()], 1_234_567)
    assert "&lt;t&gt;: 1,234,567 rows" in text
    assert f"<td>{'y' * 200}…</td>" in text
