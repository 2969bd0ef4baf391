"""The store by itself: counts, bags, and which of the two layouts it is in."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from spacetime_proto.cache import Cache, TableChange, TableView
from spacetime_proto.errors import EncodeError
from spacetime_proto.sats.rows import RowList
from tests.support.golden import golden_module


def test_one_set_needs_no_bag_and_two_do(kit: Any) -> None:
    a, b = kit.row("log", "a", 1), kit.row("log", "b", 1)
    cache = kit.cache(kit.change("log", [a, a, b], query_set=7))
    store = cache.tables["log"]
    assert store.bags is None
    assert store.holder == 7
    assert store.surplus == {a: 1}
    assert store.bag(7) == {a: 2, b: 1}
    assert store.bag(8) == {}
    kit.apply(cache, kit.change("log", [b], query_set=8))
    assert store.holder is None
    assert store.bags == {7: {a: 2, b: 1}, 8: {b: 1}}
    assert (store.count(a), store.count(b), store.count(b"")) == (2, 2, 0)
    cache.apply(cache.plan((), drop=(7,)))
    assert store.bags is None
    assert store.holder == 8
    assert store.surplus == {}
    assert list(store.rows) == [b]


def test_a_set_that_comes_and_goes_in_a_table_of_another(kit: Any) -> None:
    rows = [kit.row("log", str(at), 1) for at in range(5)]
    cache = kit.cache(kit.change("log", rows, query_set=1))
    store = cache.tables["log"]
    kit.apply(cache, kit.change("log", [rows[0]], query_set=2))
    kit.apply(cache, kit.change("log", [], [rows[0]], query_set=2))
    # The set is alive and may get rows again: the bags stay, so that this costs nothing.
    assert store.bags is not None
    assert store.bags[2] == {}
    assert store.has_set(2)
    cache.apply(cache.plan((), drop=(2,)))
    assert store.bags is None
    assert store.holder == 1
    assert not store.has_set(2)


def test_both_of_two_sets_end_in_one_message(kit: Any) -> None:
    row = kit.row("log", "a", 1)
    cache = kit.cache(kit.change("log", [row]), kit.change("log", [row], query_set=2))
    (diff,) = kit.apply(cache, drop=(1, 2, 3))
    assert diff.deleted_count == 1
    store = cache.tables["log"]
    assert store.bags is None
    assert store.holder is None
    assert len(store) == 0


def test_one_set_takes_the_place_of_another(kit: Any) -> None:
    a, b, c = (kit.row("log", text, 1) for text in "abc")
    cache = kit.cache(kit.change("log", [a, b], query_set=1))
    (diff,) = kit.apply(cache, kit.change("log", [b, c], query_set=2), drop=(1,))
    assert [row.text for row in diff.inserted] == ["c"]
    assert [row.text for row in diff.deleted] == ["a"]
    store = cache.tables["log"]
    assert store.holder == 2
    assert store.bag(2) == {b: 1, c: 1}
    cache.apply(cache.plan((), drop=(2,)))
    assert store.holder is None


def test_a_set_without_rows_gives_way_to_another(kit: Any) -> None:
    row = kit.row("log", "a", 1)
    cache = kit.cache(kit.change("log", [row], query_set=1))
    kit.apply(cache, kit.change("log", [], [row], query_set=1))
    kit.apply(cache, kit.change("log", [row], query_set=2), drop=(1,))
    store = cache.tables["log"]
    assert (store.bags, store.holder, store.bag(2)) == (None, 2, {row: 1})
    kit.apply(cache, kit.change("log", [], [row], query_set=2))
    kit.apply(cache, drop=(2,))
    assert store.holder is None


def test_rows_without_bytes(kit: Any) -> None:
    cache = kit.cache(kit.change("blank", [b"", b"", b""]))
    store = cache.tables["blank"]
    assert store.count(b"") == 3
    assert store.all_rows() == [kit.obj("blank")]
    assert kit.apply(cache, kit.change("blank", [], [b"", b""])) == []
    (diff,) = kit.apply(cache, kit.change("blank", [], [b""]))
    assert diff.deleted == [kit.obj("blank")]


def test_row_of_bytes_that_are_not_here_is_decoded_and_forgotten(kit: Any) -> None:
    store = Cache(kit.module).tables["log"]
    data = kit.row("log", "a", 1)
    assert store.row(data) == kit.obj("log", "a", 1)
    assert store.row(data) is not store.row(data)
    assert len(store) == 0


def test_holds(kit: Any) -> None:
    store = kit.cache(kit.change("log", [kit.row("log", "a", 1)])).tables["log"]
    assert store.holds(kit.obj("log", "a", 1))
    assert not store.holds(kit.obj("log", "b", 1))
    with pytest.raises(EncodeError):
        store.holds(kit.obj("log", "a", 256))


def test_indexes_are_made_once(kit: Any) -> None:
    store = Cache(kit.module).tables["player"]
    assert store.index((1,)) is store.index((1,))
    assert store.index((0,)) is not store.index((1,))


@pytest.mark.parametrize("are_read", [False, True])
def test_rows_are_told_apart_by_their_bytes_not_by_what_python_makes_of_them(
    are_read: bool,
) -> None:
    """A signalling F32 NaN has no Python value of its own, and no NaN equals itself."""
    signalling, quiet = struct.pack("<I", 0x7F80_0001), struct.pack("<I", 0x7FC0_0001)
    bound = golden_module("sdk-test").bound
    cache = Cache(bound)
    view: TableView[Any] = TableView(bound.tables["one_f_32"])
    view.attach(cache.tables["one_f_32"])

    def change(inserts: list[bytes], deletes: list[bytes]) -> None:
        rows = RowList.from_rows(inserts), RowList.from_rows(deletes)
        cache.apply(cache.plan([TableChange(1, "one_f_32", *rows)]))

    change([signalling, quiet], [])
    if are_read:
        assert [math.isnan(row.f) for row in view] == [True, True]
    assert list(cache.tables["one_f_32"].rows) == [signalling, quiet]
    change([], [signalling])
    assert list(cache.tables["one_f_32"].rows) == [quiet]
    change([], [quiet])
    assert len(view) == 0
    assert cache.absent_deletes == 0
