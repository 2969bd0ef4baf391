"""`Rows`, the list that a query returns."""

from __future__ import annotations

import copy
import pickle

import pytest

from spacetime_proto import Rows
from spacetime_proto.bindings import dynamic_module
from spacetime_proto.errors import EncodeError, LocalProtocolError
from spacetime_proto.sats.algebraic import IDENTITY, Primitive
from spacetime_proto.types import Identity
from tests.support.modules import make_module, product

ROW = product(id=Primitive("U64"), who=IDENTITY, text=Primitive("String"))
MODULE = dynamic_module(make_module({"Note": ROW}, {"note": ("Note", {"primary_key": 0})}))
TABLE = MODULE.bound.tables["note"]
Note = MODULE.types.Note


def notes(*numbers):
    return Rows([Note(n, Identity.from_int(n), f"<{n}>") for n in numbers], TABLE)


def test_they_are_a_list():
    rows = notes(1, 2, 3)
    assert isinstance(rows, list)
    assert rows == [Note(n, Identity.from_int(n), f"<{n}>") for n in (1, 2, 3)]
    assert rows[0].id == 1
    assert [row.id for row in rows] == [1, 2, 3]
    assert [row.id for row in sorted(rows, key=lambda row: -row.id)] == [3, 2, 1]
    assert Rows() == []
    assert repr(Rows()) == "[]"


def test_slices_and_copies_are_rows():
    pytest.importorskip("pyarrow")
    rows = notes(1, 2, 3)
    for made in (rows[1:], rows.copy()[1:], copy.copy(rows)[1:], copy.deepcopy(rows)[1:]):
        assert type(made) is Rows
        assert made.to_arrow().column("id").to_pylist() == [2, 3]


def test_frames_are_of_what_is_in_the_list_now():
    pytest.importorskip("pyarrow")
    rows = notes(1, 2)
    rows.append(Note(3, Identity.from_int(3), ""))
    del rows[0]
    found = rows.to_arrow()
    assert found.column_names == ["id", "who", "text"]
    assert found.column("id").to_pylist() == [2, 3]
    assert found.column("who").to_pylist() == ["2".zfill(64), "3".zfill(64)]
    assert notes().to_arrow().column_names == ["id", "who", "text"]
    rows.append("x")
    with pytest.raises(EncodeError, match="row of table 'note'"):
        rows.to_arrow()


def test_frames_of_polars_and_pandas():
    pytest.importorskip("polars")
    pytest.importorskip("pandas")
    assert notes(1, 2).to_polars()["who"].to_list() == ["1".zfill(64), "2".zfill(64)]
    assert list(notes(1, 2).to_pandas()["text"]) == ["<1>", "<2>"]


def test_a_pickle_holds_the_rows():
    made = pickle.loads(pickle.dumps(Rows([1, 2], TABLE)))
    assert (type(made), made) == (Rows, [1, 2])
    with pytest.raises(LocalProtocolError, match="do not know their table"):
        made.to_arrow()
    assert "<caption>2 rows</caption>" in made._repr_html_()
    assert "<td>1</td>" in made._repr_html_()


def test_a_notebook_shows_the_first_of_them():
    text = notes(*range(50))._repr_html_()
    assert "<caption>note: 50 rows, the first 20 of them here</caption>" in text
    assert text.count("<tr>") == 21
    assert "<td>&lt;1&gt;</td>" in text
    assert "<caption>note: 1 row</caption>" in notes(1)._repr_html_()
    assert "<caption>note: 0 rows</caption>" in notes()._repr_html_()


def test_dicts_are_what_the_rows_say():
    class Row:
        def to_dict(self, values):
            return {"id": 1, "values": values}

    assert Rows([Row()]).to_dicts() == [{"id": 1, "values": "json"}]
    assert Rows([Row(), Row()]).to_dicts(values="python") == [{"id": 1, "values": "python"}] * 2
