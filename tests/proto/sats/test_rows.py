"""Row lists: both hints, and what no sender may say."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto.errors import DecodeError
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList


def encode(rows: RowList) -> bytes:
    """Return the wire form."""
    out = bytearray()
    rows.encode_into(out)
    return bytes(out)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=5), max_size=6), st.binary(max_size=3), st.binary(max_size=3))
def test_round_trip(rows: list[bytes], before: bytes, behind: bytes) -> None:
    """Rows come back as they went, wherever in a message they stand."""
    listed = RowList.from_rows(rows)
    data = before + encode(listed) + behind
    found, pos = RowList.decode(data, len(before))
    assert pos == len(data) - len(behind)
    assert found.slices() == listed.slices() == rows
    assert len(found) == len(rows)
    assert [data[start:end] for start, end in found.bounds()] == rows
    assert list(found.ends()) == [end for _, end in found.bounds()]
    assert found.data is data


def test_the_hint_is_the_servers_choice() -> None:
    """FixedSize for rows of one length from 1 to 65,535 bytes."""
    assert RowList.from_rows([b"ab", b"cd"]).row_size == 2
    assert RowList.from_rows([bytes(65_535)]).row_size == 65_535
    assert RowList.from_rows([bytes(65_536)]).offsets == (0,)
    assert RowList.from_rows([b"", b""]).offsets == (0, 0)
    assert RowList.from_rows([b"a", b"bc"]).offsets == (0, 1)
    assert RowList.from_rows([]) is EMPTY_ROWS


def test_wire_form() -> None:
    """The bytes that a real server sends."""
    assert encode(EMPTY_ROWS) == bytes.fromhex("010000000000000000")
    assert encode(RowList.from_rows([b"ab", b"cd"])) == b"\0\2\0\4\0\0\0abcd"
    assert encode(RowList.from_rows([b"a", b""])) == (
        b"\1\2\0\0\0" + struct.pack("<QQ", 0, 1) + b"\1\0\0\0a"
    )


def test_a_row_without_bytes_as_a_1_x_server_sends_it() -> None:
    """``FixedSize(0)``, which says how long rows are and not how many: a set has one."""
    rows, pos = RowList.decode(b"\0\0\0\0\0\0\0", 0)
    assert (rows.slices(), rows.bounds(), pos) == ([b""], [(7, 7)], 7)


def _offsets(*offsets: int, data: bytes = b"abc") -> bytes:
    head = struct.pack(f"<BI{len(offsets)}Q", 1, len(offsets), *offsets)
    return head + struct.pack("<I", len(data)) + data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cut short"),
        (b"\2", "unknown row size hint 2"),
        (b"\0\0\0\1\0\0\0a", "do not divide into rows of 0 bytes"),
        (b"\0\2\0\3\0\0\0abc", "do not divide into rows of 2 bytes"),
        (b"\0\2\0\4\0\0\0abc", "4 bytes announced, 3 present"),
        (b"\0\2\0\4\0\0", "cut short"),
        (b"\1\xff\xff\xff\xff", "cut short"),
        (_offsets(0, 1)[:-4], "cut short"),
        (_offsets(0, 1)[:-1], "3 bytes announced, 2 present"),
        (_offsets(), "3 bytes of rows, but no row"),
        (_offsets(1, 2), "do not ascend from 0 to 3"),
        (_offsets(1), "do not ascend from 0 to 3"),
        (_offsets(0, 4), "do not ascend from 0 to 3"),
        (_offsets(0, 2, 1), "do not ascend from 0 to 3"),
        (_offsets(0, 2**64 - 1), "do not ascend from 0 to 3"),
    ],
)
def test_damage(data: bytes, message: str) -> None:
    """Every broken invariant is a DecodeError."""
    with pytest.raises(DecodeError, match=message):
        RowList.decode(data, 0)
    with pytest.raises(DecodeError, match=message):
        RowList.decode(b"xy" + data, 2)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes(data: bytes) -> None:
    """Anything else is refused, or consistent."""
    try:
        rows, pos = RowList.decode(data, 0)
    except DecodeError:
        return
    assert b"".join(rows.slices()) == data[rows.start : rows.end]
    assert rows.end == pos <= len(data)


def test_every_cut_is_refused() -> None:
    """A row list needs all its bytes."""
    for rows in ([b"ab", b"cd"], [b"a", b"bcd"]):
        data = encode(RowList.from_rows(rows))
        for end in range(len(data)):
            with pytest.raises(DecodeError):
                RowList.decode(data[:end], 0)
