from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.messages import reading
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList
from spacetime_proto.testing import strategies as sts
from spacetime_proto.types import ConnectionId, Identity

PAD = b"\xee"


@pytest.mark.parametrize(
    ("read", "raw", "value"),
    [
        (reading.u8, b"\x07", 7),
        (reading.u32, b"\x07\0\0\x80", 0x8000_0007),
        (reading.u64, b"\x07" + bytes(6) + b"\x80", 0x8000_0000_0000_0007),
        (reading.i64, b"\xff" * 8, -1),
        (reading.u128, b"\x01" + bytes(14) + b"\x80", (0x80 << 120) + 1),
        (reading.blob, b"\x02\0\0\0ab", b"ab"),
        (reading.string, b"\x02\0\0\0\xc3\xa9", "é"),
        (reading.option_string, b"\x00\x01\0\0\0a", "a"),
        (reading.option_string, b"\x01", None),
        (reading.option_u32, b"\x00\x05\0\0\0", 5),
        (reading.option_u32, b"\x01", None),
        (reading.identity, bytes(31) + b"\xc2", Identity(b"\xc2" + bytes(31))),
        (reading.connection_id, b"\x01" + bytes(15), ConnectionId(bytes(15) + b"\x01")),
    ],
)
def test_a_reader_reads_at_a_position_and_notices_every_missing_byte(read, raw, value) -> None:
    assert read(PAD + raw + PAD, 1) == (value, 1 + len(raw))
    for size in range(len(raw)):
        with pytest.raises(DecodeError, match=r"^data too short for \S+: Expected \d+, given \d+ "):
            read(PAD + raw[:size], 1)


def test_a_position_beyond_the_end_is_reported_as_nothing_given() -> None:
    with pytest.raises(DecodeError) as caught:
        reading.u32(b"", 3)
    assert caught.value.detail == "data too short for u32: Expected 4, given 0"
    assert caught.value.offset == 3


def test_invalid_utf8_names_the_byte() -> None:
    with pytest.raises(DecodeError, match="invalid utf-8") as caught:
        reading.string(b"\x03\0\0\0ab\xff", 0)
    assert caught.value.offset == 6


def test_an_option_has_two_tags() -> None:
    with pytest.raises(DecodeError, match="unknown tag 0x2 for sum type Option"):
        reading.option_u32(b"\x02\0\0\0\0", 0)


def test_strings_stop_at_the_budget_and_at_the_end() -> None:
    out = bytearray(PAD)
    reading.put_strings(out, ["a", "", "b"])
    assert reading.strings(bytes(out), 1, 3) == (("a", "", "b"), len(out))
    with pytest.raises(reading.RowBudgetSpent):
        reading.strings(bytes(out), 1, 2)
    with pytest.raises(DecodeError, match="data too short for u32"):
        reading.strings(b"\xff\xff\xff\xff", 0, 1 << 40)


def test_a_spent_budget_becomes_a_named_limit() -> None:
    error = reading.over_budget("Subscribe", 7)
    assert isinstance(error, LimitExceeded)
    assert (error.limit, error.maximum) == ("max_rows_per_message", 7)


# --- row lists --------------------------------------------------------------------------------


@given(sts.row_lists(max_size=6), st.integers(0, 20))
def test_row_list_reads_what_rowlist_reads(rows: RowList, slack: int) -> None:
    out = bytearray(PAD)
    rows.encode_into(out)
    data = bytes(out) + PAD * slack
    found, pos, left = reading.row_list(data, 1, len(rows) + 3)
    assert found.slices() == rows.slices()
    assert (pos, left) == (len(out), 3)
    if len(rows):
        with pytest.raises(reading.RowBudgetSpent):
            reading.row_list(data, 1, len(rows) - 1)


def test_the_empty_list_is_one_object() -> None:
    assert reading.row_list(bytes.fromhex("01 00000000 00000000"), 0, 0)[0] is EMPTY_ROWS
    fixed = reading.row_list(bytes.fromhex("00 0300 00000000"), 0, 0)[0]
    assert len(fixed) == 0


def test_a_row_without_bytes_is_a_row_of_the_budget() -> None:
    raw = bytes.fromhex("00 0000 00000000")
    rows, pos, left = reading.row_list(raw, 0, 1)
    assert (rows.slices(), pos, left) == ([b""], 7, 0)
    with pytest.raises(reading.RowBudgetSpent):
        reading.row_list(raw, 0, 0)


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        ("", "data too short for row list"),
        ("00 0000 01000000 00", "do not divide"),
        ("00 0300 04000000 00000000", "do not divide"),
        ("00 0200 04000000 000000", "4 bytes announced, 3 present"),
        ("01 00000000 01000000 00", "no row"),
        ("01 01000000 0100000000000000 00000000", "do not ascend"),
        # A count that lies about more offsets than there are bytes is damage, whatever the budget.
        ("01 ffffffff 0000000000000000 00000000", "cut short"),
        ("02 00000000 00000000", "unknown row size hint 2"),
    ],
)
def test_damaged_row_lists(raw: str, match: str) -> None:
    with pytest.raises(DecodeError, match=match):
        reading.row_list(bytes.fromhex(raw), 0, 5)


# --- writing ----------------------------------------------------------------------------------


def test_writers_write_what_readers_read() -> None:
    out = bytearray()
    reading.put_blob(out, b"ab")
    reading.put_string(out, "é")
    reading.put_option_string(out, None)
    reading.put_option_string(out, "x")
    reading.put_option_u32(out, None)
    reading.put_option_u32(out, 9)
    data = bytes(out)
    pos = 0
    found = []
    for read in (
        reading.blob,
        reading.string,
        reading.option_string,
        reading.option_string,
        reading.option_u32,
        reading.option_u32,
    ):
        value, pos = read(data, pos)
        found.append(value)
    assert found == [b"ab", "é", None, "x", None, 9]
    assert pos == len(data)


def test_what_cannot_be_written_is_named() -> None:
    cause = struct.error("too large")
    error = reading.unencodable({"a": 1}, cause)
    assert str(error) == "a field does not fit the wire: too large in dict"
    assert error.__cause__ is cause
