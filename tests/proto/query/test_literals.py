"""Literals: what a column accepts, and how SQL writes it (docs/protocol.md sections 10.1, 10.2)."""

from __future__ import annotations

import datetime
import math
import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import QueryError
from spacetime_proto.query.conditions import RelationColumn
from spacetime_proto.query.literals import SENDER, kind_of, literal_sql, normalise
from spacetime_proto.sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    INTEGER_BITS,
    SCHEDULE_AT,
    TIME_DURATION,
    TIMESTAMP,
    UUID,
    ArrayType,
    Primitive,
    option,
)
from spacetime_proto.types import ConnectionId, Identity, Timestamp, Uuid


def column(ty):
    return RelationColumn("c", "c", ty, kind_of(ty))


def written(ty, value):
    described = column(ty)
    return literal_sql(described.kind, normalise(described, value))


@pytest.mark.parametrize(
    ("ty", "kind"),
    [
        (Primitive("U8"), "U8"),
        (Primitive("String"), "String"),
        (BYTES, "bytes"),
        (IDENTITY, "Identity"),
        (CONNECTION_ID, "ConnectionId"),
        (TIMESTAMP, "Timestamp"),
        (UUID, "Uuid"),
        (TIME_DURATION, None),
        (SCHEDULE_AT, None),
        (option(Primitive("U8")), None),
        (ArrayType(Primitive("String")), None),
    ],
)
def test_which_types_sql_compares(ty, kind):
    assert kind_of(ty) == kind


@pytest.mark.parametrize("name", sorted(INTEGER_BITS))
def test_integers_are_checked_against_the_range_of_the_column(name):
    bits = INTEGER_BITS[name]
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if name[0] == "I" else (0, 2**bits - 1)
    assert written(Primitive(name), low) == str(low)
    assert written(Primitive(name), high) == str(high)
    for outside in (low - 1, high + 1):
        with pytest.raises(QueryError, match="an int from"):
            normalise(column(Primitive(name)), outside)
    with pytest.raises(QueryError, match="with an int, not with True"):
        normalise(column(Primitive(name)), True)
    with pytest.raises(QueryError, match=r"not with 1\.0"):
        normalise(column(Primitive(name)), 1.0)


@pytest.mark.parametrize(
    ("ty", "value", "sql"),
    [
        (Primitive("Bool"), True, "TRUE"),
        (Primitive("Bool"), False, "FALSE"),
        (Primitive("String"), "it's", "'it''s'"),
        (Primitive("String"), "", "''"),
        (Primitive("F64"), 1.5, "1.5"),
        (Primitive("F64"), 3, "3.0"),
        (Primitive("F64"), 1e16, "10000000000000000"),
        (Primitive("F64"), -1.7976931348623157e308, f"-{(1 << 1024) - (1 << 971)}"),
        (Primitive("F32"), 3.4028235e38, f"{(1 << 128) - (1 << 104)}"),
        (Primitive("F64"), -1e-7, "-1e-07"),
        (Primitive("F32"), 0.1, "0.10000000149011612"),
        (BYTES, b"\x00\xff", "0x00ff"),
        (BYTES, bytearray(b"\x01"), "0x01"),
        (BYTES, b"", "''"),
        (BYTES, SENDER, ":sender"),
        (IDENTITY, Identity.from_int(0xC2), "0x" + "c2".rjust(64, "0")),
        (IDENTITY, SENDER, ":sender"),
        (CONNECTION_ID, ConnectionId.from_int(1), "0x" + "1".rjust(32, "0")),
        (TIMESTAMP, Timestamp(1_500_000), "'1970-01-01T00:00:01.500000+00:00'"),
        (
            TIMESTAMP,
            datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC),
            "'2024-01-02T00:00:00.000000+00:00'",
        ),
        (UUID, Uuid.from_int(1), "'00000000-0000-0000-0000-000000000001'"),
        (UUID, uuid.UUID(int=1), "'00000000-0000-0000-0000-000000000001'"),
    ],
)
def test_how_values_are_written(ty, value, sql):
    assert written(ty, value) == sql


@pytest.mark.parametrize(
    ("ty", "value"),
    [
        (Primitive("Bool"), 1),
        (Primitive("String"), b"x"),
        (Primitive("String"), "\ud800"),
        (Primitive("F64"), "1"),
        (Primitive("F64"), True),
        (Primitive("F64"), math.nan),
        (Primitive("F64"), math.inf),
        (Primitive("F64"), 10**400),
        (Primitive("F32"), 1e39),
        (BYTES, "00"),
        (IDENTITY, "c2" * 32),
        (CONNECTION_ID, Identity.from_int(1)),
        (TIMESTAMP, datetime.datetime(2024, 1, 2)),  # naive on purpose
        (TIMESTAMP, Timestamp(2**62)),
        (UUID, "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_what_a_column_does_not_accept(ty, value):
    with pytest.raises(QueryError, match="column 'c' is compared with"):
        normalise(column(ty), value)


def test_a_long_value_is_shortened_in_the_error():
    with pytest.raises(QueryError, match=r"x{20}\.\.\. \(str\)"):
        normalise(column(BYTES), "x" * 10_000)


def test_columns_that_sql_cannot_compare_take_any_value():
    assert normalise(column(option(Primitive("U8"))), "anything") == "anything"


def test_sender_says_what_it_is():
    assert repr(SENDER) == "SENDER"
    assert Identity(bytes(32)) != SENDER


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_an_f32_is_written_so_that_it_reads_back_exactly(value):
    text = written(Primitive("F32"), value)
    assert struct.pack("<f", float(text)) == struct.pack("<f", value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_an_f64_is_written_so_that_it_reads_back_exactly(value):
    assert struct.pack("<d", float(written(Primitive("F64"), value))) == struct.pack("<d", value)


@given(st.text())
def test_a_string_cannot_leave_its_quotes(value):
    text = written(Primitive("String"), value)
    assert text[0] == text[-1] == "'"
    assert text[1:-1].replace("''", "'") == value
    assert "'" not in text[1:-1].replace("''", "")
