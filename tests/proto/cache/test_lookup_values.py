"""Looking up what a column cannot hold raises TypeError, whether there are rows or not."""

from __future__ import annotations

import datetime
import enum
import uuid
from typing import Any

import pytest

from spacetime_proto.bindings import dynamic_module
from spacetime_proto.cache import Cache, Range, TableChange
from spacetime_proto.cache.lookup_values import LookupValues
from spacetime_proto.sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    TIME_DURATION,
    TIMESTAMP,
    UNIT,
    UUID,
    ArrayType,
    Primitive,
    RefType,
    SumType,
    Variant,
    option,
    result,
)
from spacetime_proto.sats.rows import RowList
from spacetime_proto.schema.model import IndexDef
from spacetime_proto.types import (
    ConnectionId,
    Identity,
    Ok,
    TimeDuration,
    Timestamp,
    Uuid,
)
from tests.support.modules import make_module, product

U8, STRING, F64 = Primitive("U8"), Primitive("String"), Primitive("F64")
COLUMNS = {
    "id": U8, "who": IDENTITY, "link": CONNECTION_ID, "at": TIMESTAMP, "span": TIME_DURATION,
    "uid": UUID, "name": STRING, "data": BYTES, "flag": Primitive("Bool"), "size": F64,
    "color": RefType(1), "shape": RefType(2), "maybe": option(U8), "either": result(U8, STRING),
    "point": RefType(3), "tags": ArrayType(STRING), "big": Primitive("I256"),
}  # fmt: skip
NAMES = list(COLUMNS)
DEFINITION = make_module(
    {
        "Thing": product(**COLUMNS),
        "Color": SumType((Variant("Red", UNIT), Variant("Green", UNIT))),
        "Shape": SumType((Variant("Circle", F64), Variant("Empty", UNIT))),
        "Point": product(x=U8, y=U8),
    },
    {
        "thing": (
            "Thing",
            {
                "primary_key": 0,
                "unique_columns": tuple(range(len(NAMES))),
                "indexes": (
                    IndexDef("by_name_id", "by_name_id", "btree", (6, 0)),
                    IndexDef("ids", "ids", "btree", (0,)),
                ),
            },
        )
    },
)
MODULE = dynamic_module(DEFINITION)
TYPES = MODULE.types
WHO = Identity.from_int(7)
VALUES: dict[str, Any] = {
    "id": 1, "who": WHO, "link": ConnectionId.from_int(3), "at": Timestamp(5),
    "span": TimeDuration(6), "uid": Uuid.from_int(9), "name": "ann", "data": b"x", "flag": True,
    "size": 1.0, "color": TYPES.Color.Green, "shape": TYPES.Shape.Circle(2.0), "maybe": 4,
    "either": Ok(5), "point": TYPES.Point(1, 2), "tags": ["a"], "big": -(2**200),
}  # fmt: skip


class Level(enum.IntEnum):
    ONE = 1


def unattached() -> Any:
    return MODULE.create_db().thing


def filled() -> Any:
    """The table with one row."""
    db, cache = MODULE.create_db(), Cache(MODULE.bound)
    data = MODULE.bound.tables["thing"].codec.encode(TYPES.Thing(*VALUES.values()))
    cache.apply(cache.plan([TableChange(1, "thing", RowList.from_rows([data]), None, None)]))
    db.attach(cache)
    return db.thing


def empty() -> Any:
    db = MODULE.create_db()
    db.attach(Cache(MODULE.bound))
    return db.thing


@pytest.fixture(params=[unattached, empty, filled], ids=lambda make: make.__name__)
def thing(request: pytest.FixtureRequest) -> Any:
    """The table before the first connection, without rows, and with a row."""
    return request.param()


@pytest.mark.parametrize("name", NAMES)
def test_the_right_types_are_found(name: str) -> None:
    table = filled()
    for _ in range(2):  # before and after the row was read
        assert getattr(table, name).find(VALUES[name]).id == 1
        assert [row.id for row in getattr(table, name).filter(VALUES[name])] == [1]
    assert getattr(unattached(), name).find(VALUES[name]) is None


WRONG: list[tuple[str, Any, str]] = [
    ("id", "1", r"an int from 0 to 255, not '1' \(str\); write int\(text\)"),
    ("id", True, r"an int from 0 to 255, not True \(bool\)"),
    ("id", 1.0, r"not 1.0 \(float\); write int\(number\)"),
    ("id", 256, r"an int from 0 to 255, not 256 \(int\)"),
    ("id", -1, r"an int from 0 to 255, not -1 \(int\)"),
    ("id", None, r"not None \(NoneType\)"),
    (
        "id",
        [1, 2],
        r"not \[1, 2\] \(list\); for several values write .* db.thing.id.filter\(value\)",
    ),
    ("who", "c200" * 16, r"an Identity, not 'c200.*' \(str\); write Identity.from_hex\(text\)"),
    ("who", ConnectionId.from_int(1), r"an Identity, not .*\(ConnectionId\)"),
    ("who", bytes(32), r"write Identity\(data\)"),
    ("link", "00", r"a ConnectionId, not '00' \(str\); write ConnectionId.from_hex\(text\)"),
    ("at", datetime.datetime.now(datetime.UTC), r"write Timestamp.from_datetime\(moment\)"),
    ("at", 5, r"a Timestamp, not 5 \(int\)"),
    ("span", datetime.timedelta(1), r"write TimeDuration.from_timedelta\(span\)"),
    ("uid", uuid.UUID(int=9), r"write Uuid.from_uuid\(value\)"),
    ("uid", "x", r"write Uuid.from_string\(text\)"),
    ("name", 5, r"a str, not 5 \(int\)"),
    ("name", b"ann", r"write data.decode\(\)"),
    ("data", "x", r"write text.encode\(\)"),
    ("data", bytearray(b"x"), r"write bytes\(data\)"),
    ("flag", 1, r"a bool, not 1 \(int\); write True or False"),
    ("size", "1", r"a float, not '1' \(str\)"),
    ("size", True, r"a float, not True \(bool\)"),
    ("color", "Green", r"a Color, not 'Green' \(str\)"),
    ("color", 2, r"a Color, not 2 \(int\)"),
    ("color", Level.ONE, r"a Color, not .*\(Level\)"),
    ("shape", 2.0, r"a Shape, not 2.0 \(float\)"),
    ("shape", TYPES.Shape.Circle("x"), r"float expected, not str"),
    ("maybe", "4", r"int expected, not str"),
    ("maybe", 300, r"out of range"),
    ("either", 5, r"\(int\)"),
    ("point", 5, r"a Point, not 5 \(int\)"),
    ("point", TYPES.Point("a", 2), r"int expected, not str in x"),
    ("tags", 5, r"list expected, not int"),
    ("tags", [1], r"str expected, not int"),
    ("big", "5", r"an int from -5789"),
    ("big", 2**255, r"an int from -5789"),
]


@pytest.mark.parametrize(("name", "value", "words"), WRONG)
def test_the_wrong_types_are_named(thing: Any, name: str, value: Any, words: str) -> None:
    for _ in range(2):  # before and after the index is built
        for what in ("find", "filter"):
            with pytest.raises(TypeError, match=words) as caught:
                getattr(getattr(thing, name), what)(value)
            assert f"{what}() of table 'thing': column {name!r} takes" in str(caught.value)
        thing.rows()
        getattr(thing, name).find(VALUES[name])


def test_what_is_equal_in_python_is_found() -> None:
    class Text(str):
        pass

    table = filled()
    assert table.id.find(Level.ONE).id == 1
    assert table.name.find(Text("ann")).id == 1
    assert table.size.find(1).id == 1
    assert table.color.find(1).id == 1
    assert table.id.find(255) is None
    assert table.id.filter(255) == []
    assert table.who.find(Identity.from_int(8)) is None
    numpy = pytest.importorskip("numpy")
    assert table.id.find(numpy.uint64(1)).id == 1
    assert table.size.find(numpy.float32(1)).id == 1


def test_texts_are_short_and_escaped(thing: Any) -> None:
    with pytest.raises(TypeError) as caught:
        thing.who.find("\n" * 100_000)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


# --- ranges -------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", ["id", "ids"])
def test_a_python_range_is_a_range(index: str) -> None:
    get = getattr(filled(), index).filter
    assert [row.id for row in get(range(0, 10))] == [1]
    assert [row.id for row in get(range(1, 2))] == [1]
    assert [row.id for row in get(range(0, 256))] == [1]
    assert [row.id for row in get(range(-5, 1000))] == [1]
    assert get(range(0, 1)) == get(range(2, 10)) == get(range(0)) == get(range(5, 2)) == []
    assert [row.id for row in get((range(0, 10),))] == [1]


def test_a_python_range_behind_other_values() -> None:
    get = filled().by_name_id.filter
    assert [row.id for row in get(("ann", range(0, 10)))] == [1]
    assert get(("ann", range(2, 10))) == []
    assert get(("bob", range(0, 10))) == []


RANGES: list[tuple[str, Any, str]] = [
    ("id", range(0, 10, 2), r"the range has step 2, and only step 1"),
    ("id", range(10, 0, -1), r"the range has step -1"),
    ("name", range(3), r"column 'name' takes a str, not range\(0, 3\)"),
    ("id", Range("a", None), r"column 'id' takes an int from 0 to 255, not 'a' \(str\)"),
    ("id", Range(None, 1.5), r"not 1.5 \(float\)"),
    ("id", Range(False, 1), r"not False \(bool\)"),
    ("who", Range("a"), r"write Identity.from_hex"),
    ("maybe", Range("a"), r"int expected"),
    ("id", slice(1, 5), r"write Range\(1, 5, include_hi=False\)"),
    ("id", (1, 5), r"2 values for an index over 1 columns \(id\); .* write Range\(1, 5\)"),
    ("by_name_id", (1,), r"column 'name' takes a str"),
    ("by_name_id", 1, r"column 'name' takes a str"),
    ("by_name_id", ("ann", "1"), r"column 'id' takes an int"),
    ("by_name_id", ("ann", 256), r"column 'id' takes an int from 0 to 255, not 256"),
    ("by_name_id", (1, Range(1)), r"column 'name' takes a str"),
    ("by_name_id", ("ann", Range("x")), r"column 'id' takes an int"),
    ("by_name_id", (range(1), 1), r"only the last of the values can be a Range"),
    ("by_name_id", ("a", 1, 2), r"3 values for an index over 2 columns \(name, id\)"),
]


@pytest.mark.parametrize(("index", "value", "words"), RANGES)
def test_wrong_ranges_are_named(thing: Any, index: str, value: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words) as caught:
        getattr(thing, index).filter(value)
    assert "filter() of table 'thing'" in str(caught.value)


def test_find_takes_no_ranges(thing: Any) -> None:
    for value in (Range(1), range(3)):
        with pytest.raises(TypeError, match="column 'id' takes an int"):
            thing.id.find(value)


def test_ranges_beyond_the_column_are_clear() -> None:
    table = filled()
    assert [row.id for row in table.id.filter(Range(-1, 1000))] == [1]
    assert [row.id for row in table.id.filter(Range())] == [1]
    assert unattached().id.filter(Range(-1, 1000)) == []


def test_what_a_module_cannot_convert_is_named() -> None:
    """Inside a module, values become those of the codec first; `list` is as good as a module's own."""
    values = LookupValues(MODULE.bound.tables["thing"], (NAMES.index("tags"),), [list])
    values.check((("a",),))
    with pytest.raises(TypeError, match="column 'tags' takes values of its type, not 5"):
        values.check((5,))


def test_an_index_over_one_column_that_has_a_key_function() -> None:
    table = filled()
    assert [row.id for row in table.maybe.filter(4)] == [1]
    assert table.maybe.filter(5) == []
