"""The compiled codec: equal to the interpreted one, on good bytes and on bad ones."""

from __future__ import annotations

import linecache
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from spacetime_proto import types
from spacetime_proto.errors import DecodeError, EncodeError, LimitExceeded, SchemaError
from spacetime_proto.sats import bsatn
from spacetime_proto.sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    SCHEDULE_AT,
    TIMESTAMP,
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
from spacetime_proto.sats.compile import RAW_DECODE_ERRORS, TypeContext
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList
from tests.proto.sats.skipping import skip
from tests.proto.sats.strategies import NAMES, Endless, contexts, value_of

COMMON = settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
    ],
)

U8, U32, U64, F32, F64, BOOL, STRING = (
    Primitive(name) for name in ("U8", "U32", "U64", "F32", "F64", "Bool", "String")
)


def product(*elements: Any) -> ProductType:
    """Make a product of fields f0, f1, ..."""
    return ProductType(tuple(Element(f"f{index}", ty) for index, ty in enumerate(elements)))


def context(*types: Any) -> TypeContext:
    """Make a context whose first type is called Row."""
    return TypeContext(Typespace(types), {0: "Row"})


def draw_value(data: st.DataObject, made: TypeContext, ty: Any) -> Any:
    """Draw a value, or give the example up."""
    try:
        return value_of(data.draw, made, ty)
    except Endless:
        assume(False)


def interpreted(made: TypeContext, ty: Any, data: bytes) -> Any:
    """Decode with the reference, all of `data`; return None for damage."""
    try:
        value, pos = bsatn.decode(ty, made.shapes, made.layout, data)
    except (DecodeError, LimitExceeded):
        return None
    return value if pos == len(data) else None


# --- equal to the reference


@COMMON
@given(contexts(), st.data())
def test_compiled_equals_interpreted(made: TypeContext, data: st.DataObject) -> None:
    """Both encode a value to the same bytes and read the same value back."""
    ty = RefType(data.draw(st.integers(0, len(made.typespace.types) - 1)))
    value = draw_value(data, made, ty)
    codec = made.codec(ty)
    encoded = codec.encode(value)
    assert encoded == bsatn.encode(ty, made.shapes, made.layout, value)
    assert len(encoded) >= codec.min_size
    assert codec.fixed_size in (None, len(encoded))
    decoded = codec.decode_exact(encoded)
    assert repr(decoded) == repr(value)
    assert codec.encode(decoded) == encoded
    assert repr(interpreted(made, ty, encoded)) == repr(value)
    assert skip(made, ty, encoded)
    assert codec.decode(b"ab" + encoded + b"c", 2)[1] == len(encoded) + 2


@COMMON
@given(contexts(), st.data())
def test_damaged_bytes_raise_decode_error_only(made: TypeContext, data: st.DataObject) -> None:
    """Cuts, flips and additions are refused, or read as the reference reads them."""
    ty = RefType(data.draw(st.integers(0, len(made.typespace.types) - 1)))
    value = draw_value(data, made, ty)
    codec = made.codec(ty)
    encoded = codec.encode(value)
    if encoded:
        cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
        with pytest.raises(DecodeError):
            codec.decode_exact(cut)
        flipped = bytearray(encoded)
        flipped[data.draw(st.integers(0, len(encoded) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        check_same(made, ty, bytes(flipped))
    with pytest.raises(DecodeError):
        codec.decode_exact(encoded + b"\0")
    check_same(made, ty, data.draw(st.binary(max_size=40)))


def check_same(made: TypeContext, ty: Any, data: bytes) -> None:
    """Check that both codecs agree on what `data` is, if anything."""
    expected = interpreted(made, ty, data)
    try:
        found = made.codec(ty).decode_exact(data)
    except (DecodeError, LimitExceeded):
        found = None
    assert repr(found) == repr(expected)


@COMMON
@given(contexts(), st.data())
def test_rows(made: TypeContext, data: st.DataObject) -> None:
    """Whole rows, single columns, keys and row ends agree, whichever hint the list has."""
    ref = len(made.typespace.types) - 1
    codec = made.row_codec(ref)
    count = data.draw(st.integers(0, 7))
    rows = [draw_value(data, made, RefType(ref)) for _ in range(count)]
    if rows and data.draw(st.booleans()):
        rows = rows[:1] * count
    encoded = [codec.encode(row) for row in rows]
    listed = RowList.from_rows(encoded)
    offset = RowList(b"xy" + listed.data + b"z", 2, listed.end + 2, listed.row_size, listed.offsets)
    for some in (listed, offset):
        assert repr(codec.decode_rows(some)) == repr(rows)
        for column, name in enumerate(codec.names):
            values = [getattr(row, name) for row in rows]
            assert repr(codec.keys(some, column)) == repr(values)
    for row, data_of_row in zip(rows, encoded, strict=True):
        assert repr(codec.decode_row(data_of_row)) == repr(row)
        for column, name in enumerate(codec.names):
            value = codec.column_decoder(column)(b"?" + data_of_row, 1)
            assert repr(value) == repr(getattr(row, name))
            at = codec.column_offset(column)
            if at is not None:
                assert repr(codec.column_codec(column).decode(data_of_row, at)[0]) == repr(value)


@COMMON
@given(contexts(), st.data())
def test_damaged_rows(made: TypeContext, data: st.DataObject) -> None:
    """A damaged row list is refused, or all rows are what the reference says."""
    ref = len(made.typespace.types) - 1
    codec = made.row_codec(ref)
    row = codec.encode(draw_value(data, made, RefType(ref)))
    assume(row)
    damaged = bytearray(row * data.draw(st.integers(1, 6)))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    size = data.draw(st.sampled_from((len(row), len(damaged))))
    starts = tuple(range(0, len(damaged), size))
    whole = bytes(damaged)
    for rows in (RowList(whole, 0, len(whole), size), RowList(whole, 0, len(whole), 0, starts)):
        expected = [interpreted(made, RefType(ref), piece) for piece in rows.slices()]
        try:
            found: Any = codec.decode_rows(rows)
        except (DecodeError, LimitExceeded):
            assert None in expected
        else:
            assert repr(found) == repr(expected)
        for piece, value in zip(rows.slices(), expected, strict=True):
            try:
                assert repr(codec.decode_row(piece)) == repr(value)
            except RAW_DECODE_ERRORS:
                assert value is None
        for column, name in enumerate(codec.names):
            try:
                keys: Any = codec.keys(rows, column)
            except (DecodeError, LimitExceeded):
                assert None in expected
            else:
                for key, value in zip(keys, expected, strict=True):
                    assert value is None or repr(key) == repr(getattr(value, name))


# --- limits


def test_a_recursive_type_may_nest_128_times() -> None:
    """Not once more, in neither direction, and with an error that is short."""
    made = context(product(ArrayType(RefType(0))))
    row = made.classes[0]
    value: Any = row([])
    for _ in range(127):
        value = row([value])
    codec = made.row_codec(0)
    encoded = codec.encode(value)
    assert codec.decode_exact(encoded) == value
    assert skip(made, RefType(0), encoded)
    with pytest.raises(EncodeError, match="nested deeper than 128 levels") as refused:
        codec.encode(row([value]))
    assert len(str(refused.value)) < 200
    deeper = b"\1\0\0\0" + encoded
    with pytest.raises(LimitExceeded, match="nested deeper than 128 levels") as limited:
        codec.decode_exact(deeper, what="tree")
    assert (limited.value.limit, limited.value.maximum) == ("nesting_depth", 128)
    assert limited.value.what.endswith(" of tree")
    with pytest.raises(LimitExceeded, match="nested deeper"):
        skip(made, RefType(0), deeper)
    with pytest.raises(LimitExceeded, match="nested deeper"):
        codec.decode_rows(RowList.from_rows([deeper]))


def test_a_count_needs_bytes_behind_it() -> None:
    """A count bomb is refused before anything is allocated."""
    made = context(product(ArrayType(U64), ArrayType(STRING), ArrayType(product(U8, BYTES))))
    for column in range(3):
        data = bytes(4 * column) + b"\xff\xff\xff\xff" + bytes(20)
        with pytest.raises(DecodeError, match=r"data too short for"):
            made.codec(RefType(0)).decode_exact(data)
        with pytest.raises(RAW_DECODE_ERRORS):
            skip(made, RefType(0), data)


def test_elements_without_size_are_limited() -> None:
    """16,384 of them and no more: no byte pays for one."""
    nothing = ArrayType(UNIT)
    made = context(product(nothing, ArrayType(product(UNIT)), ArrayType(UNIT)), product(nothing))
    codec = made.codec(nothing)
    full = [()] * 16_384
    assert codec.decode_exact(codec.encode(full)) == full
    with pytest.raises(EncodeError, match="elements or rows without a size"):
        codec.encode([*full, ()])
    for work in (codec.decode_exact, lambda data: skip(made, nothing, data)):
        with pytest.raises(LimitExceeded, match="elements or rows without a size") as limited:
            work(b"\1\x40\0\0")
        assert (limited.value.limit, limited.value.maximum) == ("zero_size_rows", 16_384)


def test_a_type_may_nest_128_levels() -> None:
    """A deeper one is refused when its codec is asked for."""
    ty: Any = U8
    for _ in range(100):
        ty = ArrayType(ty)
    made = context(UNIT)
    codec = made.codec(ty)
    assert codec.decode_exact(codec.encode([[]])) == [[]]
    assert skip(made, ty, codec.encode([[[]]]))
    for _ in range(40):
        ty = ArrayType(ty)
    with pytest.raises(SchemaError, match="nests deeper"):
        context(UNIT).codec(ty)


def test_deep_inline_types_go_into_functions() -> None:
    """Python's limit of nested blocks is never reached."""
    ty: Any = STRING
    value: Any = "x"
    for _ in range(30):
        ty = SumType((Variant("a", ArrayType(ty)), Variant("b", UNIT)))
    made = context(UNIT)
    codec = made.codec(ty)
    shapes = []
    inner = ty
    for _ in range(30):
        shape: Any = made.shape(inner)
        shapes.append(shape.variants[0].cls)
        inner = shape.variants[0].payload.element
    for cls in reversed(shapes):
        value = cls([value])
    encoded = codec.encode(value)
    assert codec.decode_exact(encoded) == value
    assert skip(made, ty, encoded)


def test_a_row_of_many_columns() -> None:
    """A thousand fields are no problem, and a type used twice is written once."""
    wide = product(*[U32] * 500, *[STRING] * 500)
    made = context(product(RefType(1), RefType(1)), wide)
    part = made.classes[1](*range(500), *["x"] * 500)
    value = made.classes[0](part, part)
    codec = made.row_codec(0)
    encoded = codec.encode(value)
    assert codec.decode_exact(encoded) == value
    assert skip(made, RefType(0), encoded)
    assert codec.decode_rows(RowList.from_rows([encoded])) == [value]


# --- safety


def test_names_of_the_schema_never_reach_the_source() -> None:
    """Hostile names are attributes and nothing else."""
    elements = tuple(Element(name, option(U8)) for name in NAMES)
    hostile = ProductType(elements)
    variants = tuple(Variant(f"{name}!secret", STRING) for name in NAMES)
    made = TypeContext(
        Typespace((hostile, SumType(variants))), {0: "'); exit(", 1: "__import__('os')"}
    )
    before = set(linecache.cache)
    value = made.classes[0](*[1] * len(NAMES))
    codec = made.row_codec(0)
    assert codec.decode_rows(RowList.from_rows([codec.encode(value)])) == [value]
    chosen = made.python_class(RefType(1)).__variants__[3]("x")  # type: ignore[union-attr]
    assert made.codec(RefType(1)).decode_exact(made.codec(RefType(1)).encode(chosen)) == chosen
    for name in set(linecache.cache) - before:
        source = "".join(linecache.getlines(name))
        assert not any(text in source for text in ("secret", "exit", "import", "SystemExit", "1st"))


def test_tracebacks_show_generated_source() -> None:
    """The lines of generated functions are found by `linecache`."""
    codec = context(product(STRING)).codec(RefType(0))
    with pytest.raises(RAW_DECODE_ERRORS) as failed:
        codec.decode(b"\1\0\0\0\xff", 0)
    last = failed.traceback[-1]
    assert str(last.path).startswith("<spacetimedb codec") or "decode" in str(last)


# --- what is accepted


def test_tuples_stand_for_products() -> None:
    """Everywhere, in place of the class."""
    made = context(product(U8, product(STRING), UNIT), product(U8), UNIT)
    codec = made.codec(RefType(0))
    exact = made.classes[0](1, ("x",), ())
    for value in (exact, (1, ("x",), ()), [1, ["x"], ()], [1, ["x"], []]):
        assert codec.encode(value) == b"\1\1\0\0\0x"
    assert made.codec(RefType(1)).encode((7,)) == b"\7"
    for wrong in ((1,), (1, 2, 3, 4), {"f0": 1}, 5, None):
        with pytest.raises(EncodeError, match="Row expected"):
            codec.encode(wrong)


def test_a_named_empty_product_is_a_class() -> None:
    """Not the unit tuple; both encode to nothing."""
    made = TypeContext(Typespace((ProductType(), product(RefType(0)))), {0: "Empty"})
    empty = made.classes[0]
    codec = made.codec(RefType(0))
    assert codec.decode_exact(b"") == empty()
    assert codec.encode(empty()) == codec.encode(()) == codec.encode([]) == b""
    with pytest.raises(EncodeError, match="Empty expected, not int"):
        codec.encode(3)
    assert made.row_codec(1).decode_row(b"") == made.classes[1](empty())
    assert (
        made.row_codec(1).decode_rows(RowList.from_rows([b"", b""]))
        == [made.classes[1](empty())] * 2
    )


def test_encode_leaves_the_buffer_alone_on_an_error() -> None:
    """Also when part of the value was written."""
    codec = context(product(U8, STRING, U8)).codec(RefType(0))
    out = bytearray(b"before")
    with pytest.raises(EncodeError, match=r"int expected, not str in f2"):
        codec.encode_into((1, "x", "y"), out)
    assert out == b"before"
    codec.encode_into((1, "x", 2), out)
    assert out == b"before\1\1\0\0\0x\2"


def test_what_the_fast_path_is_too_narrow_for() -> None:
    """Subclasses, bytearrays and other integers are accepted by asking the reference."""

    class Text(str):
        pass

    class Index:
        def __index__(self) -> int:
            return 5

    made = context(product(STRING, BYTES, U64, U64))
    codec = made.codec(RefType(0))
    out = bytearray()
    codec.encode_into((Text("a"), bytearray(b"b"), Index(), True), out)
    assert out == codec.encode(("a", b"b", 5, 1))
    assert codec.encode((Text("a"), bytearray(b"b"), Index(), True)) == out


def test_errors_name_what_was_encoded() -> None:
    """The path of the field, inside what the caller said."""
    codec = context(product(option(product(U8)))).codec(RefType(0))
    with pytest.raises(EncodeError, match=r"number out of range for U8 in f0\.some\.f0 of call f"):
        codec.encode(((300,),), what="call f")
    with pytest.raises(EncodeError, match=r"in f0\.some\.f0$"):
        codec.encode(((300,),))


def test_errors_name_what_was_decoded() -> None:
    """The path, what the caller said, and the offset."""
    codec = context(product(U8, STRING)).codec(RefType(0))
    with pytest.raises(
        DecodeError,
        match=r"data too short for \[u8\]: Expected 5, given 1 in f1 of row of t at byte 5",
    ):
        codec.decode_exact(b"\1\5\0\0\0x", what="row of t")
    with pytest.raises(DecodeError, match=r"in f1 at byte 5"):
        codec.decode_exact(b"\1\5\0\0\0x")
    with pytest.raises(DecodeError, match=r"2 bytes too many at byte 5"):
        codec.decode_exact(b"\1\0\0\0\0yy")


# --- sums of all sizes


@pytest.mark.parametrize("count", [2, 8, 9, 40, 256])
def test_sums(count: int) -> None:
    """A few variants are an if-chain, many a table; the first tag beyond them is refused."""
    variants = [
        Variant(f"v{tag}", (STRING, U32, UNIT, option(U8))[tag % 4]) for tag in range(count)
    ]
    ty = SumType(tuple(variants))
    made = context(product(ty, U8))
    cls: Any = made.python_class(ty)
    codec = made.codec(RefType(0))
    values = ("x", 7, None, 3)
    for tag, variant in enumerate(cls.__variants__):
        held = variant() if tag % 4 == 2 else variant(values[tag % 4])
        encoded = codec.encode((held, 1))
        assert encoded[0] == tag
        assert codec.decode_exact(encoded).f0 == held
        assert skip(made, RefType(0), encoded)
    if count < 256:
        with pytest.raises(DecodeError, match=f"unknown tag {count:#x}"):
            codec.decode_exact(bytes((count,)) + bytes(20))
        with pytest.raises(ValueError, match="unknown tag"):
            skip(made, RefType(0), bytes((count,)) + bytes(20))
    with pytest.raises(EncodeError, match="a variant of"):
        codec.encode(("x", 1))


def test_more_than_256_variants_do_not_fit_a_tag() -> None:
    """The type is refused."""
    ty = SumType(tuple(Variant(f"v{tag}", STRING) for tag in range(257)))
    with pytest.raises(SchemaError, match="257 variants"):
        context(UNIT).codec(ty).decode(b"\0", 0)


def test_never_has_no_values() -> None:
    """A sum without variants neither encodes nor decodes."""
    made = context(product(U8, SumType()))
    codec = made.codec(RefType(0))
    with pytest.raises(DecodeError, match="unknown tag"):
        codec.decode_exact(b"\1\0")
    with pytest.raises(EncodeError, match="a variant of"):
        codec.encode((1, None))
    with pytest.raises(RAW_DECODE_ERRORS):
        skip(made, RefType(0), b"\1\0")


def test_bools_are_zero_or_one() -> None:
    """In a run, in an array, in rows of one size, in keys."""
    made = context(product(BOOL, U8, BOOL), product(ArrayType(BOOL)), product(BOOL, STRING, BOOL))
    assert made.codec(RefType(0)).decode_exact(b"\0\5\1") == made.classes[0](False, 5, True)
    for damaged in (b"\2\5\0", b"\0\5\2", b"\1\5\xff"):
        with pytest.raises(DecodeError, match="not a valid bool"):
            made.codec(RefType(0)).decode_exact(damaged)
        rows = RowList.from_rows([b"\0\5\1"] * 5 + [damaged])
        with pytest.raises(DecodeError, match=r"not a valid bool in .*row 5 of t"):
            made.row_codec(0).decode_rows(rows, what="t")
        with pytest.raises(ValueError, match="neither 0 nor 1"):
            made.row_codec(0).decode_row(damaged)
        with pytest.raises(DecodeError, match="row 5"):
            made.row_codec(0).keys(rows, 0 if damaged[0] > 1 else 2)
    with pytest.raises(DecodeError, match="not a valid bool"):
        made.codec(RefType(1)).decode_exact(b"\2\0\0\0\1\2")
    with pytest.raises(EncodeError, match="bool expected, not int"):
        made.codec(RefType(1)).encode(([1],))
    for damaged in (b"\2\1\0\0\0x\1", b"\1\1\0\0\0x\2"):
        for count in (1, 6):
            with pytest.raises(DecodeError, match="not a valid bool"):
                made.row_codec(2).decode_rows(RowList.from_rows([damaged] * count))


# --- rows


def test_rows_of_one_size_with_one_string() -> None:
    """All rows of such a list have strings of one length, or the list is refused."""
    made = context(product(U32, STRING, BOOL))
    codec = made.row_codec(0)
    row = made.classes[0]
    rows = [row(number, "abc", number % 2 == 0) for number in range(8)]
    encoded = [codec.encode(one) for one in rows]
    assert codec.decode_rows(RowList.from_rows(encoded)) == rows
    damaged = bytearray(b"".join(encoded))
    damaged[12 * 5 + 4 : 12 * 5 + 8] = b"\2\0\0\0"
    damaged[12 * 5 + 10] = 1
    broken = RowList(bytes(damaged), 0, len(damaged), 12)
    with pytest.raises(DecodeError, match="12 bytes where its type takes 11 in row 5 at byte 60"):
        codec.decode_rows(broken)
    with pytest.raises(DecodeError, match="row 0"):
        codec.decode_rows(RowList(bytes(40), 0, 40, 8))


def test_many_row_sizes_do_not_pile_up() -> None:
    """What is kept per row size is bounded, whatever a server sends."""
    codec = context(product(U32, STRING)).row_codec(0)
    for length in range(1100):
        listed = RowList.from_rows([codec.encode((length, "x" * length))] * 4)
        assert codec.decode_rows(listed)[3].f0 == length
        assert codec.keys(listed, 0) == [length] * 4


def test_keys_beyond_the_row_are_refused() -> None:
    """A string that reaches into the next row is damage even where the bytes exist."""
    codec = context(product(STRING, U8)).row_codec(0)
    rows = [codec.encode(("ab", 1))] * 6
    data = bytearray(b"".join(rows))
    data[0] = 9
    with pytest.raises(DecodeError, match="row 0"):
        codec.keys(RowList(bytes(data), 0, len(data), 7), 0)
    short = context(product(U64, U64)).row_codec(0)
    with pytest.raises(DecodeError, match="row 0"):
        short.keys(RowList(bytes(60), 0, 60, 10), 1)


def test_column_offsets() -> None:
    """Known up to the first column whose size varies."""
    codec = context(product(U64, F32, BOOL, STRING, U8)).row_codec(0)
    assert [codec.column_offset(column) for column in range(5)] == [0, 8, 12, 13, None]


def test_no_rows() -> None:
    """An empty list decodes to one."""
    codec = context(product(U64, STRING)).row_codec(0)
    assert codec.decode_rows(EMPTY_ROWS) == codec.keys(EMPTY_ROWS, 0) == []


def test_rows_must_be_products() -> None:
    """A table of anything else is refused."""
    with pytest.raises(SchemaError, match="no product"):
        context(STRING).row_codec(0)


def test_codecs_are_kept() -> None:
    """One per type and one per row type."""
    made = context(product(U8))
    assert made.codec(U8) is made.codec(Primitive("U8"))
    assert made.row_codec(0) is made.row_codec(0)
    assert made.row_codec(0).column_decoder(0) is made.row_codec(0).column_decoder(0)


def test_python_classes() -> None:
    """Products, enums and sums have one; other types have none."""
    made = context(product(U8), IDENTITY)
    assert made.python_class(RefType(0)) is made.classes[0]
    assert made.python_class(SCHEDULE_AT) is types.ScheduleAt
    assert made.python_class(U8) is made.python_class(RefType(1)) is None
    assert made.python_class(UNIT) is None


# --- errors that are nobody's bytes


def test_a_class_that_does_not_take_the_fields() -> None:
    """It is reported as damage of the row, not as a TypeError from nowhere."""

    class Stubborn:
        def __init__(self, f0: int) -> None:
            raise TypeError("no")

    made = TypeContext(Typespace((product(U8),)), {}, {0: Stubborn})
    with pytest.raises(DecodeError, match="no"):
        made.codec(RefType(0)).decode_exact(b"\1")
    with pytest.raises(DecodeError, match="no in row 0"):
        made.row_codec(0).decode_rows(RowList.from_rows([b"\1"]))


def test_a_class_that_fails_only_once() -> None:
    """The second look finds nothing wrong; the first error is told."""
    calls = []

    class Once:
        def __init__(self, f0: int) -> None:
            calls.append(f0)
            if len(calls) % 2:
                raise ValueError

    made = TypeContext(Typespace((product(U8),)), {}, {0: Once})
    with pytest.raises(DecodeError, match="ValueError"):
        made.codec(RefType(0)).decode_exact(b"\1")
    with pytest.raises(DecodeError, match="ValueError in t at byte 0"):
        made.row_codec(0).decode_rows(RowList.from_rows([b"\1"]), what="t")


def test_specials_in_all_places() -> None:
    """Each special type in a run, behind a string, in an array, as a key."""
    moment = types.Timestamp(-5)
    values = (types.Identity.from_int(1), types.ConnectionId.from_int(2), moment)
    schedule = types.ScheduleAt.Interval(types.TimeDuration(9))
    parts = (IDENTITY, CONNECTION_ID, TIMESTAMP, SCHEDULE_AT)
    made = context(product(STRING, *parts, *(ArrayType(part) for part in parts)))
    row = made.classes[0]("x", *values, schedule, *([value] for value in (*values, schedule)))
    codec = made.row_codec(0)
    encoded = codec.encode(row)
    assert codec.decode_row(encoded) == row
    for column in range(1, 9):
        keys = codec.keys(RowList.from_rows([encoded] * 5), column)
        assert keys == [getattr(row, f"f{column}")] * 5
    with pytest.raises(EncodeError, match="Identity expected, not ConnectionId"):
        made.codec(IDENTITY).encode(types.ConnectionId.from_int(1))


def test_results() -> None:
    """Ok and Err, and nothing else."""
    ty = result(U8, STRING)
    codec = context(UNIT).codec(ty)
    assert codec.encode(types.Ok(1)) == b"\0\1"
    assert codec.decode_exact(b"\1\1\0\0\0x") == types.Err("x")
    with pytest.raises(EncodeError, match="Ok or Err expected"):
        codec.encode(1)
    with pytest.raises(DecodeError, match="unknown tag 0x2"):
        codec.decode_exact(b"\2\0")


def test_options_of_options() -> None:
    """The outer some is written out, so none and some(none) differ."""
    codec = context(UNIT).codec(option(option(U8)))
    for value, encoded in ((None, b"\1"), (types.Some(None), b"\0\1"), (types.Some(3), b"\0\0\3")):
        assert codec.encode(value) == encoded
        assert codec.decode_exact(encoded) == value
    with pytest.raises(EncodeError, match="Some or None expected, not int"):
        codec.encode(3)


def test_float_bits_are_kept() -> None:
    """All of F64; of F32 all but the one bit that makes a NaN a signalling one."""
    made = TypeContext(Typespace((product(F32, F64, ArrayType(F32), ArrayType(F64)),)))
    codec = made.row_codec(0)
    kept32 = [0x7FC0_0001, 0xFFC1_2345, 0x7FFF_FFFF, 0x7F80_0000, 0xFF80_0000, 1 << 31, 0, 1]
    kept64 = [bits << 32 | 1 for bits in (*kept32, 0x7FF0_0000, 0xFFF0_0000, 0x7FF8_0000)]
    kept64 += [1 << 63, 0x7FF0_0000_0000_0000]

    def row(bits32: int, bits64: int) -> bytes:
        one32, one64 = struct.pack("<I", bits32), struct.pack("<Q", bits64)
        return one32 + one64 + b"\2\0\0\0" + one32 * 2 + b"\2\0\0\0" + one64 * 2

    for bits32 in kept32:
        for bits64 in kept64:
            data = row(bits32, bits64)
            assert codec.encode(codec.decode_exact(data)) == data
    for bits32 in (0x7F80_0001, 0xFF81_2345, 0x7FBF_FFFF):
        # Python has no F32, and what widens one on the way sets its highest payload bit.
        written = codec.encode(codec.decode_exact(row(bits32, 0)))
        assert written in (row(bits32 | 1 << 22, 0), row(bits32, 0))
