"""Differences: decoded when looked at, once, the objects shared with the cache."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from spacetime_proto.cache import TableChange
from spacetime_proto.errors import DecodeError


def test_a_change_is_a_frozen_value(kit: Any) -> None:
    change = TableChange(1, "log")
    assert change == TableChange(1, "log", None, None, None)
    with pytest.raises(AttributeError):
        change.table = "other"  # type: ignore[misc]
    assert msgspec.structs.replace(change, query_set=2).query_set == 2


def test_looking_twice_gives_the_same_objects(kit: Any) -> None:
    old, new = [kit.row("word", t, 1) for t in "abc"], [kit.row("word", t, 2) for t in "bcd"]
    cache = kit.cache(kit.change("word", old))
    before = {row.text: row for row in cache.tables["word"].all_rows()}
    (diff,) = kit.apply(cache, kit.change("word", new, old))
    assert diff.inserted is diff.inserted
    assert diff.deleted is diff.deleted
    assert diff.updated is diff.updated
    assert [row.text for row in diff.inserted] == ["d"]
    assert [row.text for row in diff.deleted] == ["a"]
    assert diff.deleted[0] is before["a"]
    for was, row in diff.updated:
        assert was is before[was.text]
        assert row is cache.tables["word"].row(kit.row("word", row.text, 2))
    assert repr(diff) == "<TableDiff word: 1 inserted, 1 deleted, 2 updated>"


def test_a_difference_can_be_read_after_the_next_change(kit: Any) -> None:
    rows = [kit.row("word", text, 1) for text in "ab"]
    cache = kit.cache()
    (first,) = kit.apply(cache, kit.change("word", rows))
    (second,) = kit.apply(cache, kit.change("word", [], rows))
    assert [row.text for row in first.inserted] == ["a", "b"]
    assert [row.text for row in second.deleted] == ["a", "b"]
    assert len(cache.tables["word"]) == 0


def test_an_update_of_an_unread_row(kit: Any) -> None:
    old, new = kit.row("word", "a", 1), kit.row("word", "a", 2)
    cache = kit.cache(kit.change("word", [old]))
    (diff,) = kit.apply(cache, kit.change("word", [new], [old]))
    ((was, row),) = diff.updated
    assert (was.n, row.n) == (1, 2)


@pytest.mark.parametrize("row", [b"\x01\x00\x00\x00\xff\x01", b"\x01\x00\x00\x00a\x01!"])
def test_damage_is_found_by_whoever_looks(kit: Any, row: bytes) -> None:
    good = kit.row("log", "a", 1)
    cache = kit.cache(kit.change("log", [good, row]))
    told: list[DecodeError] = []
    cache.on_damage = told.append
    store = cache.tables["log"]
    for read in (
        lambda: store.row(row),
        lambda: store.decode(row),
        lambda: store.decoded([good, row]),
    ):
        with pytest.raises(DecodeError, match="row of table 'log'"):
            read()
    (diff,) = kit.apply(cache, kit.change("log", [], [good, row]))
    with pytest.raises(DecodeError, match="row of table 'log'"):
        _ = diff.deleted
    assert len(told) == 4
