"""How far a call and a frame go through the two packages, and the pictures that are drawn of it.

``tests/golden/walk.txt`` and ``docs/architecture.md`` have what is so now. After a change that is meant to
change them, write them anew with ``python -m tests.support.draw``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.draw import DOCUMENT, PICTURE, TABLE, drawn
from tests.support.walk import CALL, Walk, entries, take_walks

MAX_FILES = 22
MAX_ENTRIES = 3


@pytest.fixture(scope="module")
def walks() -> dict[str, Walk]:
    return take_walks()


@pytest.mark.parametrize("path", [TABLE, DOCUMENT], ids=lambda path: path.name)
def test_what_is_written_down_is_what_the_code_does(path: Path) -> None:
    assert path.read_text() == drawn()[path]


def test_the_document_has_all_pictures() -> None:
    found = [name for _, name, _ in PICTURE.findall(DOCUMENT.read_text())]
    assert found == ["tree", "core", "transports", "call", "frame"]


def test_another_walk_is_the_same(walks: dict[str, Walk]) -> None:
    assert take_walks() == walks


def test_a_call_out_is_short(walks: dict[str, Walk]) -> None:
    counts = entries(walks[CALL])
    assert len(counts) <= MAX_FILES
    assert [file for file, count in counts.items() if count > MAX_ENTRIES] == []
