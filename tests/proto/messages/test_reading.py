from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import DecodeError, LimitExceeded
from spacetime_proto.messages import reading
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList
from spacetime_proto.testing import strategies as sts

PAD = b"\xee"


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
