"""SATS-JSON: what the server writes, what it accepts, and what it refuses."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from spacetime_proto import types
from spacetime_proto.errors import DecodeError, EncodeError, LimitExceeded
from spacetime_proto.limits import Limits
from spacetime_proto.sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    TIMESTAMP,
    UNIT,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    SumType,
    Typespace,
    option,
    result,
)
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.sats_json import dumps, from_json, loads, shortest_f32, to_json
from tests.proto.sats.examples import (
    BOOL,
    EXAMPLES,
    F32,
    F64,
    I8,
    LIST,
    NAMELESS,
    STRING,
    TYPES,
    U8,
    U64,
    Cell,
    Color,
    List,
    Point,
    Shape,
    product,
)
from tests.proto.sats.strategies import Endless, contexts, value_of


def read(ty: Any, text: str) -> Any:
    """Read JSON text."""
    return from_json(ty, TYPES, loads(text))


@pytest.mark.parametrize("example", EXAMPLES)
def test_golden_values(example: Any) -> None:
    """Both styles are written as the server writes them, and both are read."""
    ty, value, _, named, positional = example
    assert repr(to_json(ty, TYPES, value)) == repr(named)
    assert repr(to_json(ty, TYPES, value, style="positional")) == repr(positional)
    for written in (named, positional):
        assert repr(from_json(ty, TYPES, loads(dumps(written)))) == repr(value)


def can_be_read_back(value: Any) -> bool:
    """Say whether a value has no NaN or infinity in it, which JSON cannot carry."""
    return not any(word in repr(value) for word in ("nan", "inf"))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(contexts(), st.data())
def test_round_trip(made: TypeContext, data: st.DataObject) -> None:
    """In all styles, through text."""
    ty = RefType(data.draw(st.integers(0, len(made.typespace.types) - 1)))
    try:
        value = value_of(data.draw, made, ty)
    except Endless:
        assume(False)
    for style in ("objects", "positional", "named"):
        text = dumps(to_json(ty, made, value, style=style))
        if not can_be_read_back(value):
            continue
        try:
            found = from_json(ty, made, loads(text))
        except (DecodeError, LimitExceeded):
            # Two fields or variants of one name have no object form that can be read.
            assert style != "positional"
        else:
            if style == "positional":
                assert made.codec(ty).encode(found) == made.codec(ty).encode(value)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(("some", "none", "ok", "f0", "x", "y", "0")), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(_json, st.sampled_from(EXAMPLES))
def test_any_json(value: Any, example: Any) -> None:
    """Is read, or refused with DecodeError; what is read can be encoded."""
    try:
        found = from_json(example[0], TYPES, value)
    except (DecodeError, LimitExceeded):
        return
    TYPES.codec(example[0]).encode(found)


@pytest.mark.parametrize(
    ("ty", "text", "value"),
    [
        (option(U8), "null", None),
        (option(U8), '{"none":{}}', None),
        (option(U8), '{"0":3}', 3),
        (option(U8), '["some",3]', 3),
        (option(U8), '["none",[]]', None),
        (option(option(U8)), "null", None),
        (option(option(U8)), '{"some":null}', types.Some(None)),
        (result(U8, U8), "[1,2]", types.Err(2)),
        (RefType(0), '{"1":{}}', Color.green),
        (RefType(0), '["green",{}]', Color.green),
        (RefType(1), "[2,{}]", Shape.nothing()),
        (RefType(2), '{"y":2,"x":1}', Point(1, 2)),
        (UNIT, "{}", ()),
        (BYTES, '"00FF"', b"\0\xff"),
        (BYTES, "[0,255]", b"\0\xff"),
        (Primitive("U256"), '"0x0FF"', 255),
        (Primitive("U256"), '"+0x7"', 7),
        (Primitive("I256"), '"-0x5"', -5),
        (IDENTITY, '["0x1"]', types.Identity.from_int(1)),
        (F64, "1", 1.0),
        (F32, "0.1", struct.unpack("<f", struct.pack("<f", 0.1))[0]),
        (U64, "18446744073709551615", 2**64 - 1),
    ],
)
def test_accepted(ty: Any, text: str, value: Any) -> None:
    """Everything in the column "Accepted input" of docs/protocol.md section 2."""
    assert read(ty, text) == value


@pytest.mark.parametrize(
    ("ty", "text", "message"),
    [
        (BOOL, "1", "true or false expected, not an integer"),
        (U8, '"1"', "an integer expected, not a string"),
        (U8, "1.0", "an integer expected, not a number"),
        (U8, "1e3", "an integer expected, not a number"),
        (U8, "true", "an integer expected, not true or false"),
        (U8, "256", "number out of range for U8"),
        (I8, "-129", "number out of range for I8"),
        (I8, "128", "number out of range for I8"),
        (Primitive("U256"), "5", "hexadecimal digits after 0x expected, not an integer"),
        (Primitive("U256"), '"5"', "hexadecimal digits after 0x"),
        (Primitive("U256"), '"0X5"', "hexadecimal digits after 0x"),
        (Primitive("U256"), '"0x"', "hexadecimal digits after 0x"),
        (Primitive("U256"), '"-0x1"', "number out of range for U256"),
        (Primitive("U256"), f'"0x1{"0" * 64}"', "number out of range for U256"),
        (F64, "null", "a number expected, not null"),
        (F64, '"NaN"', "a number expected, not a string"),
        (F64, "true", "a number expected, not true or false"),
        (F64, "1e999", "number out of range for F64"),
        (F64, "1" + "0" * 400, "number out of range for F64"),
        (F32, "1e39", "number out of range for F32"),
        (STRING, "5", "a string expected, not an integer"),
        (STRING, '"\\ud800"', "a lone surrogate"),
        (BYTES, '"0x00"', "an even number of hexadecimal digits"),
        (BYTES, '"000"', "an even number of hexadecimal digits"),
        (BYTES, "[256]", "number out of range for U8"),
        (BYTES, "{}", "an array of numbers expected, not an object"),
        (ArrayType(BOOL), "{}", "an array expected, not an object"),
        (UNIT, "null", "an object or array expected, not null"),
        (UNIT, "[1]", "0 fields expected, not 1"),
        (IDENTITY, '"0x1"', "an object or array expected, not a string"),
        (IDENTITY, '{"__identity__":5}', "in __identity__"),
        (CONNECTION_ID, '{"id":5}', "field '__connection_id__' is missing"),
        (TIMESTAMP, '"2020-01-01"', "an object or array expected"),
        (RefType(2), "[1]", "2 fields expected, not 1"),
        (RefType(2), '{"x":1}', "field 'y' is missing"),
        (RefType(2), '{"x":1,"y":2,"z":3}', "there is no field 'z'"),
        (NAMELESS, '{"field_0":1,"b":2}', "is missing"),
        (option(U8), "5", "an object of one key, or a pair of tag and value"),
        (option(U8), '{"some":1,"none":[]}', "an object of one key"),
        (option(U8), "[0]", "an object of one key"),
        (option(U8), "[2,3]", "there is no variant 2"),
        (option(U8), "[true,3]", "there is no variant True"),
        (option(U8), '["2",3]', "there is no variant '2'"),
        (option(U8), "[null,3]", "a tag or the name of a variant expected, not null"),
        (option(U8), '{"7":3}', "there is no variant 7"),
        (option(U8), '{"0007":3}', "there is no variant '0007'"),
        (option(U8), '{"²":3}', "there is no variant '²'"),
        (option(U8), '{"none":null}', r"\[\] or \{\} expected, not null"),
        (RefType(0), '{"red":1}', r"\[\] or \{\} expected, not an integer"),
        (RefType(1), '{"nothing":null}', r"\[\] or \{\} expected"),
        (RefType(1), '{"square":{"a":1,"b":2}}', r"a string expected, not an integer in square\.b"),
        (SumType(), "[0,[]]", "there is no variant 0"),
        (result(U8, U8), '{"ok":"x"}', "in ok"),
        (result(U8, U8), '{"err":"x"}', "in err"),
        (product(a=ArrayType(option(U8))), '{"a":[null,{"some":"x"}]}', r"in a\[1\]\.some"),
    ],
)
def test_refused(ty: Any, text: str, message: str) -> None:
    """What the server refuses, with the path."""
    with pytest.raises(DecodeError, match=message):
        read(ty, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON: Expecting value at byte 0"),
        ("[1,]", "not valid JSON"),
        ("[1] 2", "Extra data at byte 4"),
        ('{"a":1,"a":2}', "a key comes twice"),
        ("NaN", "NaN is no JSON number"),
        ("[-Infinity]", "Infinity is no JSON number"),
        ("1" * 5000, "not valid JSON"),
        ("[" * 100_000, "nested too deep"),
        (b"\xff\xfe\xff", "not valid JSON"),
    ],
)
def test_damaged_text(text: str | bytes, message: str) -> None:
    """Only DecodeError comes out."""
    with pytest.raises(DecodeError, match=message):
        loads(text)


def test_text() -> None:
    """Integers stay exact, text stays text, nothing is padded."""
    assert dumps({"a": [2**127, "né"], "b": None}) == f'{{"a":[{2**127},"né"],"b":null}}'
    assert loads(dumps(2**255)) == 2**255


def test_fields_of_one_name() -> None:
    """They have no object form: written and read by position."""
    twice = ProductType((Element("a", U8), Element("a", U8)))
    value = TYPES.codec(twice).decode_exact(b"\1\2")
    assert to_json(twice, TYPES, value) == [1, 2]
    assert from_json(twice, TYPES, [1, 2]) == value
    with pytest.raises(DecodeError, match="fields of one name"):
        from_json(twice, TYPES, {"a": 1})


def test_people_want_all_digits_of_an_identity() -> None:
    """The server writes the shortest number."""
    value = types.Identity.from_int(10)
    assert to_json(IDENTITY, TYPES, value) == {"__identity__": "0xa"}
    assert to_json(IDENTITY, TYPES, value, style="named") == {"__identity__": f"0x{10:064x}"}
    assert to_json(CONNECTION_ID, TYPES, types.ConnectionId.from_int(10), style="named") == {
        "__connection_id__": 10
    }


def test_floats() -> None:
    """The shortest decimal of each width; what is no number is null."""
    tenth = struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert to_json(F32, TYPES, tenth) == 0.1
    assert to_json(F64, TYPES, tenth) == tenth
    for ty in (F32, F64):
        for value in (math.nan, math.inf, -math.inf):
            assert to_json(ty, TYPES, value) is None


@settings(deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_shortest_f32(value: float) -> None:
    """The text means the same F32, and no shorter one would."""
    short = shortest_f32(value)
    assert struct.pack("<f", short) == struct.pack("<f", value)
    digits = len(repr(short).split("e")[0].replace(".", "").replace("-", "").strip("0"))
    assert digits <= 9
    for fewer in range(1, digits):
        other = float(f"{value:.{fewer}g}")
        assert abs(other) > 3.4028235e38 or struct.pack("<f", other) != struct.pack("<f", value)


@pytest.mark.parametrize(
    "bits", [1, 2, 0x03AA_2F89, 0x007F_FFFF, 0x0080_0000, 0x7F7F_FFFF, 0x3DCC_CCCD]
)
def test_f32_at_the_edges(bits: int) -> None:
    """Smallest, largest, subnormal."""
    (value,) = struct.unpack("<f", struct.pack("<I", bits))
    assert struct.pack("<f", shortest_f32(value)) == struct.pack("<I", bits)
    assert shortest_f32(-value) == -shortest_f32(value)


def test_values_are_checked_unless_said_otherwise() -> None:
    """Tuples become what they stand for; wrong values are refused."""
    assert to_json(RefType(2), TYPES, (1, 2)) == {"x": 1, "y": 2}
    with pytest.raises(EncodeError, match="int expected, not str in x"):
        to_json(RefType(2), TYPES, ("1", 2))
    assert to_json(RefType(2), TYPES, Point("1", 2), is_checked=True) == {"x": "1", "y": 2}


def test_nesting() -> None:
    """128 times through a recursive type, and an error from then on."""
    value: Any = {"nil": []}
    for _ in range(127):
        value = {"cons": [1, value]}
    found = from_json(RefType(3), TYPES, value)
    assert dumps(to_json(RefType(3), TYPES, found, style="positional")).startswith("[0,[1,[0,[1,")
    with pytest.raises(LimitExceeded, match="nested deeper than 128 levels"):
        from_json(RefType(3), TYPES, {"cons": [1, value]})
    deep = TypeContext(Typespace((LIST,) * 4), limits=Limits(nesting_depth=100_000))
    chain: Any = {"nil": []}
    for _ in range(5_000):
        chain = [0, [1, chain]]
    with pytest.raises(DecodeError, match="nested too deep"):
        from_json(RefType(3), deep, chain)
    assert List.cons(Cell(1, List.nil()))


def test_elements_without_size() -> None:
    """As in BSATN."""
    assert len(from_json(ArrayType(UNIT), TYPES, [[]] * 16_384)) == 16_384
    with pytest.raises(LimitExceeded, match="more than 16384 elements or rows without a size"):
        from_json(ArrayType(UNIT), TYPES, [[]] * 16_385)
