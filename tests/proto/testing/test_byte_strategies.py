from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from spacetime_proto.testing.byte_strategies import byte_cuts, damaged, pieces

if TYPE_CHECKING:
    from collections.abc import Callable


@given(byte_cuts(5))
def test_cuts_are_sizes(cuts: list[int]) -> None:
    assert len(cuts) <= 5
    assert all(size >= 1 for size in cuts)


@given(st.data(), st.binary(max_size=500))
def test_pieces_joined_are_the_whole(data: st.DataObject, whole: bytes) -> None:
    found = data.draw(pieces(whole))
    assert b"".join(found) == whole
    assert all(found)


def test_pieces_may_be_single_bytes_or_the_whole() -> None:
    assert find(pieces(b"abc"), lambda found: len(found) == 3) == [b"a", b"b", b"c"]
    assert find(pieces(b"abc"), lambda found: len(found) == 1) == [b"abc"]
    assert find(pieces(b""), lambda found: True) == []


@pytest.mark.parametrize(
    "is_kind",
    [
        lambda found: b"abcdefgh".startswith(found),
        lambda found: len(found) > 8 and found.startswith(b"abcdefgh"),
        lambda found: len(found) == 8 and differing_bits(found, b"abcdefgh") == 1,
        lambda found: b"\xff\xff\xff\xff" in found,
        lambda found: len(found) not in (8, 9) and found[:1] == b"a" and found[-1:] == b"h",
    ],
    ids=["cut", "longer", "flip", "length", "replace"],
)
def test_damage_of_every_kind(is_kind: Callable[[bytes], bool]) -> None:
    assert is_kind(find(damaged(b"abcdefgh"), is_kind, settings=settings(database=None)))


def differing_bits(one: bytes, other: bytes) -> int:
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True))


def test_nothing_can_only_grow() -> None:
    assert find(damaged(b""), lambda found: True) == b""
    assert find(damaged(b""), bool) == b"\x00"
