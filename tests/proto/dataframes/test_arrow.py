"""Arrow tables made from row bytes: the same values as the rows have as objects."""

from __future__ import annotations

import datetime
import enum
import math
import struct
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto.bindings import dynamic_module
from spacetime_proto.dataframes import arrow
from spacetime_proto.dataframes.arrow import rows_to_arrow
from spacetime_proto.errors import DecodeError
from spacetime_proto.sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    SCHEDULE_AT,
    TIME_DURATION,
    TIMESTAMP,
    UNIT,
    UUID,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Variant,
    option,
    result,
)
from spacetime_proto.types import (
    ConnectionId,
    Err,
    Identity,
    Ok,
    ScheduleAt,
    Some,
    TimeDuration,
    Timestamp,
    Uuid,
)
from tests.support.modules import make_module, product

pa = pytest.importorskip("pyarrow")
pytest.importorskip("numpy")

U8, U32, STRING = Primitive("U8"), Primitive("U32"), Primitive("String")


def table_of(ty, **more):
    """A table with one column `x` of a type; `more` are further types, from reference 1 on."""
    made = dynamic_module(make_module({"Row": product(x=ty), **more}, {"t": "Row"}))
    return made, made.bound.tables["t"]


def column(ty, values, **more):
    """Encode rows and return (Arrow column, Python values of it)."""
    made, table = table_of(ty, **more)
    row = table.row_class
    found = rows_to_arrow(table, [table.codec.encode(row(value)) for value in values])
    assert found.column_names == ["x"]
    found.validate(full=True)
    return found.column("x"), found.column("x").to_pylist(), made


@pytest.mark.parametrize(
    ("ty", "values", "kind", "expected"),
    [
        (Primitive("Bool"), [True, False], "bool", None),
        (Primitive("U8"), [0, 255], "uint8", None),
        (Primitive("I8"), [-128, 127], "int8", None),
        (Primitive("U16"), [0, 65535], "uint16", None),
        (Primitive("I16"), [-1], "int16", None),
        (U32, [2**32 - 1], "uint32", None),
        (Primitive("I32"), [-(2**31)], "int32", None),
        (Primitive("U64"), [2**64 - 1], "uint64", None),
        (Primitive("I64"), [-(2**63)], "int64", None),
        (Primitive("F32"), [1.5, -0.0], "float", None),
        (Primitive("F64"), [0.1, math.inf], "double", None),
        (Primitive("U128"), [1, 2**128 - 1], "decimal256(39, 0)", None),
        (Primitive("I128"), [-2, -(2**127), 2**127 - 1], "decimal256(39, 0)", None),
        (Primitive("U256"), [0, 2**256 - 1], "string", ["0", str(2**256 - 1)]),
        (Primitive("I256"), [-1, -(2**255)], "string", ["-1", str(-(2**255))]),
        (option(Primitive("U128")), [None, 2**100], "decimal256(39, 0)", None),
        (ArrayType(Primitive("I128")), [[], [-1, 1]], "list<item: decimal256(39, 0)>", None),
        (STRING, ["", "é\x00", "plain"], "string", None),
        (BYTES, [b"", b"\x00\xff"], "binary", None),
        (IDENTITY, [Identity.from_int(5)], "string", ["5".zfill(64)]),
        (CONNECTION_ID, [ConnectionId.from_int(6)], "string", ["6".zfill(32)]),
        (
            UUID,
            [Uuid.from_int(7), Uuid.from_string("0123456789abcdef0123456789ABCDEF")],
            "string",
            ["00000000-0000-0000-0000-000000000007", "01234567-89ab-cdef-0123-456789abcdef"],
        ),
        (option(IDENTITY), [None, Identity.from_hex("ab" * 32)], "string", [None, "ab" * 32]),
        (
            TIMESTAMP,
            [Timestamp(1_000_001)],
            "timestamp[us, tz=UTC]",
            [datetime.datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=datetime.UTC)],
        ),
        (
            TIME_DURATION,
            [TimeDuration(-1)],
            "duration[us]",
            [datetime.timedelta(microseconds=-1)],
        ),
        (option(U8), [1, None, 3], "uint8", None),
        (option(STRING), [None, "x", None, "yz"], "string", None),
        (option(option(U8)), [None, Some(None), Some(2)], "uint8", [None, None, 2]),
        (ArrayType(U32), [[], [1, 2], [3]], "list<item: uint32>", None),
        (ArrayType(STRING), [["a", ""], [], ["b"]], "list<item: string>", None),
        (ArrayType(ArrayType(U8)), [[b"ab", b""], []], "list<item: binary>", None),
        (
            ArrayType(ArrayType(Primitive("U16"))),
            [[[1], [], [2, 3]], [], [[4]]],
            "list<item: list<item: uint16>>",
            None,
        ),
        (ArrayType(option(U8)), [[1, None], [None]], "list<item: uint8>", None),
        (UNIT, [(), ()], "null", [None, None]),
        (ArrayType(UNIT), [[(), ()], []], "list<item: null>", [[None, None], []]),
        (
            result(U8, STRING),
            [Ok(1), Err("no")],
            "struct<variant: dictionary<values=string, indices=int8, ordered=0>,"
            " ok: uint8, err: string>",
            [
                {"variant": "ok", "ok": 1, "err": None},
                {"variant": "err", "ok": None, "err": "no"},
            ],
        ),
    ],
)
def test_values(ty, values, kind, expected):
    found, plain, _ = column(ty, values)
    assert str(found.type) == kind
    assert plain == (values if expected is None else expected)


def test_nothing_at_all():
    for ty in (U8, STRING, ArrayType(STRING), option(ArrayType(option(U8))), IDENTITY):
        found, plain, _ = column(ty, [])
        assert plain == []
        assert len(found) == 0


def test_enums_are_dictionaries():
    color = SumType((Variant("red", UNIT), Variant("green", UNIT)))
    made, table = table_of(RefType(1), Color=color)
    red, green = made.types.Color
    rows = [table.codec.encode(table.row_class(value)) for value in (green, red, green)]
    found = rows_to_arrow(table, rows).column("x")
    assert pa.types.is_dictionary(found.type)
    assert found.to_pylist() == ["green", "red", "green"]
    assert issubclass(type(red), enum.Enum)


def test_large_enums_have_room():
    names = [Variant(f"v{number}", UNIT) for number in range(200)]
    made, table = table_of(RefType(1), Big=SumType(tuple(names)))
    rows = [table.codec.encode(table.row_class(value)) for value in made.types.Big]
    assert rows_to_arrow(table, rows).column("x").to_pylist()[199] == "v199"


def test_products_are_structs_and_sums_say_which_variant():
    inner = ProductType((Element("a", U8), Element(None, STRING)))
    shape = SumType((Variant("Circle", Primitive("F64")), Variant(None, UNIT)))
    made, table = table_of(product(i=RefType(1), s=RefType(2)), Inner=inner, Shape=shape)
    inner_class, shape_class = made.types.Inner, made.types.Shape
    values = [
        (inner_class(1, "x"), shape_class.Circle(2.5)),
        (inner_class(2, "y"), shape_class.variant_1()),
    ]
    rows = [table.codec.encode(table.row_class(value)) for value in values]
    assert rows_to_arrow(table, rows).column("x").to_pylist() == [
        {
            "i": {"a": 1, "field_1": "x"},
            "s": {"variant": "Circle", "Circle": 2.5, "variant_1": None},
        },
        {
            "i": {"a": 2, "field_1": "y"},
            "s": {"variant": "variant_1", "Circle": None, "variant_1": None},
        },
    ]


def test_schedules():
    values = [ScheduleAt.Time(Timestamp(0)), ScheduleAt.Interval(TimeDuration(5))]
    _, plain, _ = column(SCHEDULE_AT, values)
    assert [row["variant"] for row in plain] == ["Time", "Interval"]
    assert plain[1]["Interval"] == datetime.timedelta(microseconds=5)


def test_a_type_that_contains_itself_is_held_as_bytes():
    tree = product(name=STRING, children=ArrayType(RefType(1)))
    made, table = table_of(RefType(1), Tree=tree)
    node = made.types.Tree
    leaf = node("leaf", [])
    rows = [table.codec.encode(table.row_class(value)) for value in (node("root", [leaf]), leaf)]
    plain = rows_to_arrow(table, rows).column("x").to_pylist()
    encoded = made.bound.types.codec(RefType(1)).encode(leaf)
    assert plain == [
        {"name": "root", "children": [encoded]},
        {"name": "leaf", "children": []},
    ]


def test_columns_are_named_as_the_attributes_of_rows():
    made = dynamic_module(make_module({"Row": product(**{"class": U8, "b": STRING})}, {"t": "Row"}))
    table = made.bound.tables["t"]
    found = rows_to_arrow(table, [table.codec.encode(table.row_class(1, "x"))])
    assert found.to_pylist() == [{"class_": 1, "b": "x"}]


# --- damage -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ty", "data", "words"),
    [
        (U32, b"\x01\x02\x03", "not every row has the 4 bytes"),
        (U8, b"\x01\x02", "not every row has the 1 bytes"),
        (STRING, b"\x01\x02\x03", "ends too early"),
        (STRING, b"\x00\x00\x00\x00\x02", "left over"),
        (Primitive("Bool"), b"\x02", "neither 0 nor 1"),
        (option(U8), b"\x02", "unknown variant"),
        (STRING, struct.pack("<I", 2**32 - 1), "beyond the end"),
        (STRING, b"\x01\x00\x00\x00\xff", "UTF"),
        (ArrayType(U32), struct.pack("<I", 2**31) + b"\x00" * 4, "beyond the end"),
        (ArrayType(STRING), struct.pack("<I", 2**31), "beyond the end"),
        (ArrayType(UNIT), struct.pack("<I", 2**31), "too many elements"),
    ],
)
def test_damaged_rows(ty, data, words):
    _, table = table_of(ty)
    good = table.codec.encode(table.row_class(_zero(ty)))
    with pytest.raises(DecodeError, match=words) as caught:
        rows_to_arrow(table, [good, data])
    assert "rows of table 't'" in str(caught.value)


def _zero(ty: Any) -> Any:
    if isinstance(ty, ArrayType):
        return []
    return {"String": "", "Bool": False}.get(getattr(ty, "name", ""), 0)


def test_a_row_does_not_borrow_from_the_next_one():
    _, table = table_of(STRING)
    rows = [b"\x05\x00\x00\x00ab", b"\x01\x00\x00\x00xyz"]
    with pytest.raises(DecodeError):
        rows_to_arrow(table, rows)


def test_rows_of_fixed_size_do_not_borrow_from_each_other_either():
    _, table = table_of(U32)
    with pytest.raises(DecodeError, match="not every row has the 4 bytes"):
        rows_to_arrow(table, [b"abcde", b"xyz"])
    with pytest.raises(DecodeError, match="not every row has the 4 bytes"):
        rows_to_arrow(table, [b"abcde"], checked=True)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_rows_of_fixed_size(count):
    """Taken with a stride up to the sum, after which it goes on row by row."""
    either = SumType((Variant("a", U32), Variant("b", Primitive("F32"))))
    inner = product(i=Primitive("I64"), flag=Primitive("Bool"), wide=Primitive("U128"))
    row = product(first=U8, inner=inner, either=either, last=Primitive("I16"))
    made = dynamic_module(make_module({"Row": row}, {"t": "Row"}))
    table = made.bound.tables["t"]
    assert table.codec.fixed_size == 1 + 25 + 5 + 2
    data = [
        struct.pack("<BqB", at, -at, at % 2)
        + at.to_bytes(16, "little")
        + (struct.pack("<BI", 0, at) if at % 2 else struct.pack("<Bf", 1, at / 2))
        + struct.pack("<h", -at)
        for at in range(count)
    ]
    for checked in (False, True):
        found = rows_to_arrow(table, data, checked=checked)
        found.validate(full=True)
        assert found.to_pylist() == [
            {
                "first": at,
                "inner": {"i": -at, "flag": at % 2 == 1, "wide": at},
                "either": {
                    "variant": "a" if at % 2 else "b",
                    "a": at if at % 2 else None,
                    "b": None if at % 2 else at / 2,
                },
                "last": -at,
            }
            for at in range(count)
        ]


def test_without_pyarrow_the_error_names_the_extra(monkeypatch):
    _, table = table_of(U8)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"spacetimedb-client\[arrow\]"):
        rows_to_arrow(table, [])


def test_more_text_than_32_bit_offsets_reach(monkeypatch):
    # Real ones are too large for a test, so the limit is lowered.
    monkeypatch.setattr(arrow, "MAX_OFFSET", 3)
    found, plain, _ = column(STRING, ["abcd", "é"])
    assert str(found.type) == "large_string"
    assert plain == ["abcd", "é"]
    assert str(column(BYTES, [b"abcd"])[0].type) == "large_binary"
    found, plain, _ = column(ArrayType(U32), [[1, 2, 3, 4]])
    assert str(found.type) == "large_list<item: uint32>"
    assert plain == [[1, 2, 3, 4]]


# --- any type -----------------------------------------------------------------------------------

_LEAVES = [
    (Primitive("Bool"), st.booleans()),
    (U8, st.integers(0, 255)),
    (Primitive("I64"), st.integers(-(2**63), 2**63 - 1)),
    (Primitive("F64"), st.floats(allow_nan=False)),
    (STRING, st.text(max_size=5)),
    (BYTES, st.binary(max_size=5)),
]


def _grow(inner):
    return st.one_of(
        inner.map(lambda pair: (ArrayType(pair[0]), st.lists(pair[1], max_size=3))).filter(
            lambda pair: pair[0] != BYTES
        ),
        inner.filter(lambda pair: not isinstance(pair[0], SumType)).map(
            lambda pair: (option(pair[0]), st.none() | pair[1])
        ),
    )


@settings(max_examples=60, deadline=None)
@given(st.recursive(st.sampled_from(_LEAVES), _grow, max_leaves=3).flatmap(
    lambda pair: st.tuples(st.just(pair[0]), st.lists(pair[1], max_size=8))
))  # fmt: skip
def test_any_nesting_gives_the_values_of_the_rows(pair):
    ty, values = pair
    assert column(ty, values)[1] == values
