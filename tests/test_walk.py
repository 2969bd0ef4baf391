"""How far a call and a frame go through the two packages, file by file.

``tests/golden/walk.txt`` has what is so now. After a change that is meant to be one, write it anew with
``python -m tests.support.walk``.
"""

from __future__ import annotations

import pytest

from tests.support.walk import CALL, ROOT, Walk, entries, table, take_walks

#: Whether a call has to keep to the bounds yet.
BOUNDS_HOLD = False
MAX_FILES = 22
MAX_ENTRIES = 3


@pytest.fixture(scope="module")
def walks() -> dict[str, Walk]:
    return take_walks()


def test_the_files_are_those_of_the_golden_table(walks: dict[str, Walk]) -> None:
    assert table(walks) == (ROOT / "tests/golden/walk.txt").read_text()


def test_another_walk_is_the_same(walks: dict[str, Walk]) -> None:
    assert take_walks() == walks


if BOUNDS_HOLD:

    def test_a_call_out_is_short(walks: dict[str, Walk]) -> None:
        counts = entries(walks[CALL])
        assert len(counts) <= MAX_FILES
        assert [file for file, count in counts.items() if count > MAX_ENTRIES] == []
