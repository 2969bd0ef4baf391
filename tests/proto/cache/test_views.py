"""What ``client.db.table`` can do: rows, unique columns, indexes with prefixes and ranges."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto.cache import Cache, IndexView, Range, TableView, UniqueColumn
from spacetime_proto.errors import DecodeError


def names(rows: list[Any]) -> list[str]:
    return [row.name for row in rows]


@pytest.fixture
def grid(kit: Any) -> Any:
    """Rows (chunk, x, name): two chunks with x from -1 to 1, two names in the middle."""
    rows = [(0, 1, "d"), (0, -1, "a"), (0, 0, "c"), (0, 0, "b"), (1, -1, "e"), (1, 1, "f")]
    cache = kit.cache(kit.change("grid", [kit.row("grid", *row) for row in rows]))
    return kit.view(cache, "grid")


def test_a_view_without_a_store_is_empty(kit: Any) -> None:
    view: Any = TableView(kit.module.tables["player"])
    assert view.store is None
    assert view.count() == len(view) == 0
    assert list(view) == list(view.iter()) == view.rows() == []
    assert view.id.find(1) is None
    assert view.level.filter(1) == []
    assert kit.obj("player", 1, 1) not in view
    assert view.table_name == "player"
    assert view.table is kit.module.tables["player"]
    assert view  # a table is something, rows or not


def test_attach_swaps_the_rows(kit: Any) -> None:
    first = kit.cache(kit.change("player", [kit.row("player", 1, 10)]))
    second = kit.cache(kit.change("player", [kit.row("player", 1, 20), kit.row("player", 2, 20)]))
    view = kit.view(first, "player")
    assert view.id.find(1).level == 10
    view.attach(second.tables["player"])
    assert view.store is second.tables["player"]
    assert view.id.find(1).level == 20
    assert len(view.level.filter(20)) == len(view) == 2


def test_accessors_are_named_as_the_schema_module_says(kit: Any) -> None:
    player: Any = TableView(kit.module.tables["player"])
    assert isinstance(player.id, UniqueColumn)
    assert type(player.level) is IndexView
    assert player.level.columns == ("level",)
    assert repr(player.level) == "<IndexView player(level)>"
    assert repr(player.id) == "<UniqueColumn player(id)>"
    assert repr(player) == "<TableView player: 0 rows>"
    grid: Any = TableView(kit.module.tables["grid"])
    assert grid.chunk_x_name.columns == ("chunk", "x", "name")
    assert grid.by_chunk.columns == ("chunk",)
    assert grid.x_chunk.columns == ("x", "chunk")


def test_event_tables_have_nothing_to_find(kit: Any) -> None:
    view = kit.view(Cache(kit.module), "happening")
    assert not hasattr(view, "n")
    assert view.rows() == []


def test_rows_keep_their_objects(kit: Any) -> None:
    cache = kit.cache(kit.change("account", [kit.row("account", 1, "a")]))
    view = kit.view(cache, "account")
    row = view.id.find(1)
    assert view.id.find(1) is row
    assert view.email.find("a") is row
    assert view.rows() == [row]
    assert next(iter(view)) is row
    assert view.id.filter(1)[0] is row


def test_contains_compares_all_columns(kit: Any) -> None:
    cache = kit.cache(kit.change("account", [kit.row("account", 1, "a")]))
    view = kit.view(cache, "account")
    assert kit.obj("account", 1, "a") in view
    assert kit.obj("account", 1, "b") not in view
    assert kit.obj("account", -1, "a") not in view  # no u32: no row can be equal to it
    assert "a" not in view


def test_iteration_goes_through_the_rows_of_its_beginning(kit: Any) -> None:
    rows = [kit.row("log", name, 1) for name in "abc"]
    cache = kit.cache(kit.change("log", rows))
    view = kit.view(cache, "log")
    seen = []
    for row in view:
        if not seen:
            kit.apply(cache, kit.change("log", [kit.row("log", "d", 1)], rows[1:]))
        seen.append(row.text)
    assert seen == ["a", "b", "c"]
    assert sorted(row.text for row in view) == ["a", "d"]


def test_find_on_a_column_that_is_not_unique_after_all(kit: Any) -> None:
    one, two, three = (kit.row("account", 1, email) for email in "abc")
    cache = kit.cache(kit.change("account", [one]))
    view = kit.view(cache, "account")
    assert view.id.find(1).email == "a"  # the index holds the object from now on
    kit.apply(cache, kit.change("account", [two]))
    assert view.id.find(1).email == "b"
    assert [row.email for row in view.id.filter(1)] == ["a", "b"]
    kit.apply(cache, kit.change("account", [three], [two]))
    assert view.id.find(1).email == "c"
    kit.apply(cache, kit.change("account", [], [three]))
    assert view.id.find(1).email == "a"
    kit.apply(cache, kit.change("account", [], [one]))
    assert view.id.find(1) is None


def test_find_by_enum_member_or_number(kit: Any) -> None:
    color = kit.module.types.classes[0]
    cache = kit.cache(kit.change("paint", [kit.row("paint", color.Green, 7)]))
    view = kit.view(cache, "paint")
    assert view.color.find(color.Green).n == 7
    assert view.color.find(1).n == 7
    assert view.color.find(color.Red) is None


# --- filter -----------------------------------------------------------------------------------


def test_all_columns(grid: Any) -> None:
    assert names(grid.chunk_x_name.filter((0, 0, "b"))) == ["b"]
    assert grid.chunk_x_name.filter((0, 0, "z")) == []


def test_prefixes(grid: Any) -> None:
    assert names(grid.chunk_x_name.filter((0, 0))) == ["b", "c"]
    assert names(grid.chunk_x_name.filter((0,))) == ["a", "b", "c", "d"]
    assert names(grid.chunk_x_name.filter(0)) == ["a", "b", "c", "d"]
    assert names(grid.chunk_x_name.filter(())) == ["a", "b", "c", "d", "e", "f"]
    assert names(grid.x_chunk.filter(-1)) == ["a", "e"]
    assert grid.chunk_x_name.filter((2,)) == []


def test_one_column(grid: Any) -> None:
    assert sorted(names(grid.by_chunk.filter(1))) == ["e", "f"]
    assert sorted(names(grid.by_chunk.filter((1,)))) == ["e", "f"]
    assert sorted(names(grid.by_chunk.filter(Range(1)))) == ["e", "f"]
    assert sorted(names(grid.by_chunk.filter((Range(hi=0),)))) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (Range(0, 1), "bcd"),
        (Range(0, 1, include_lo=False), "d"),
        (Range(0, 1, include_hi=False), "bc"),
        (Range(-1, 1, include_lo=False, include_hi=False), "bc"),
        (Range(0), "bcd"),
        (Range(hi=0), "abc"),
        (Range(), "abcd"),
        (Range(1, 0), ""),
        (Range(2), ""),
        (Range(hi=-2), ""),
    ],
)
def test_ranges_on_the_last_value(grid: Any, cut: Range[int], expected: str) -> None:
    assert names(grid.chunk_x_name.filter((0, cut))) == list(expected)


def test_a_range_on_the_first_of_several_columns(grid: Any) -> None:
    assert names(grid.chunk_x_name.filter(Range(1))) == ["e", "f"]
    assert names(grid.chunk_x_name.filter((Range(hi=1, include_hi=False),))) == list("abcd")
    assert names(grid.chunk_x_name.filter((0, 0, Range("b", include_lo=False)))) == ["c"]


def test_a_range_on_a_unique_column(kit: Any) -> None:
    rows = [kit.row("account", at, str(at)) for at in (5, 1, 3)]
    view = kit.view(kit.cache(kit.change("account", rows)), "account")
    assert [row.id for row in view.id.filter(Range(2))] == [3, 5]
    assert [row.id for row in view.email.filter(Range(hi="3"))] == [1, 3]


def test_values_that_do_not_fit_the_index(grid: Any) -> None:
    with pytest.raises(TypeError, match=r"2 values for an index over 1 columns \(chunk\)"):
        grid.by_chunk.filter((1, 2))
    with pytest.raises(TypeError, match="only the last"):
        grid.chunk_x_name.filter((Range(1), 1))
    with pytest.raises(TypeError, match="only the last"):
        grid.chunk_x_name.filter((Range(1), Range(1)))
    with pytest.raises(TypeError, match="only the last"):
        grid.chunk_x_name.filter((Range(1), 1, "a"))


def test_values_in_sats_order(kit: Any) -> None:
    nan = float("nan")
    shape = kit.module.types.classes[1]
    rows = [
        kit.row("odd", nan, None, shape.Square(1), b"b"),
        kit.row("odd", 1.0, 3, shape.Empty(), b""),
        kit.row("odd", -0.0, 0, shape.Circle(nan), b"a"),
        kit.row("odd", 0.0, 9, shape.Circle(2.0), b"ab"),
    ]
    view = kit.view(kit.cache(kit.change("odd", rows)), "odd")
    assert [row.maybe for row in view.value.filter(0.0)] == [0, 9]
    assert [row.maybe for row in view.value.filter(nan)] == [None]
    assert [row.maybe for row in view.value.filter(Range(0.0))] == [0, 9, 3, None]
    assert [row.maybe for row in view.maybe.filter(Range())] == [0, 3, 9, None]
    assert [row.value for row in view.maybe.filter(3)] == [1.0]
    assert [row.maybe for row in view.maybe.filter(None)] == [None]
    assert [row.maybe for row in view.maybe_value.filter((Range(3, 9),))] == [3, 9]
    assert [row.maybe for row in view.maybe_value.filter((0, Range(-1.0, 0.0)))] == [0]
    assert [row.maybe for row in view.shape.filter(Range())] == [9, 0, 3, None]
    assert [row.maybe for row in view.shape.filter(shape.Circle(nan))] == [0]
    assert [row.list for row in view.list.filter(Range())] == [b"", b"a", b"ab", b"b"]


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 1), st.sampled_from("ab"))),
    prefix=st.lists(st.integers(0, 1), max_size=1),
    lo=st.none() | st.integers(-1, 2),
    hi=st.none() | st.integers(-1, 2),
    include_lo=st.booleans(),
    include_hi=st.booleans(),
)
def test_a_filter_gives_what_a_scan_gives(
    kit: Any,
    rows: list[tuple[int, int, str]],
    prefix: list[int],
    lo: int | None,
    hi: int | None,
    include_lo: bool,
    include_hi: bool,
) -> None:
    view = kit.view(kit.cache(kit.change("grid", [kit.row("grid", *row) for row in rows])), "grid")

    def fits(value: int) -> bool:
        above = lo is None or value > lo or (include_lo and value == lo)
        below = hi is None or value < hi or (include_hi and value == hi)
        return above and below

    cut: Range[int] = Range(lo, hi, include_lo=include_lo, include_hi=include_hi)
    found = [(r.chunk, r.x, r.name) for r in view.chunk_x_name.filter((*prefix, cut))]
    assert found == sorted(
        row for row in set(rows) if list(row[: len(prefix)]) == prefix and fits(row[len(prefix)])
    )


# --- indexes stay right -----------------------------------------------------------------------


def test_an_index_follows_large_and_small_changes(kit: Any) -> None:
    cache = kit.cache(kit.change("player", [kit.row("player", at, at % 7) for at in range(300)]))
    view = kit.view(cache, "player")
    index = cache.tables["player"].index((1,))
    assert index.groups is None
    assert len(view.level.filter(3)) == 43
    assert index.groups is not None
    assert len(view.level.filter(Range(3))) == 3 * 43 + 42
    few = [kit.row("player", at, at % 7) for at in range(10)]
    kit.apply(cache, kit.change("player", [], few))
    assert index.groups is not None  # kept up to date
    assert len(view.level.filter(3)) == 42
    many = [kit.row("player", at, 3) for at in range(1000, 1400)]
    kit.apply(cache, kit.change("player", many))
    assert index.groups is None  # built again on next use
    assert len(view.level.filter(3)) == 442
    cache.apply(cache.plan((), drop=(1,)))
    assert view.level.filter(3) == []


def test_a_bulk_update_moves_rows_between_groups(kit: Any) -> None:
    cache = kit.cache(kit.change("player", [kit.row("player", at, 0) for at in range(200)]))
    view = kit.view(cache, "player")
    view.level.filter(Range())
    view.id.find(1)
    old = [kit.row("player", at, 0) for at in range(40)]
    new = [kit.row("player", at, at) for at in range(40)]
    (diff,) = kit.apply(cache, kit.change("player", new[1:][::-1], old[1:]))
    assert diff.updated_count == 39
    assert len(view.level.filter(0)) == 161
    assert [row.id for row in view.level.filter(Range(38))] == [38, 39]
    assert view.id.find(39).level == 39


def test_damage_shows_when_it_is_read(kit: Any) -> None:
    good, bad = kit.row("log", "a", 1), b"\x01\x00\x00\x00\xff\x01"
    cache = kit.cache(kit.change("log", [good, bad]))
    view = kit.view(cache, "log")
    assert view.count() == 2
    with pytest.raises(DecodeError, match="row of table 'log'"):
        view.rows()
    with pytest.raises(DecodeError, match="row of table 'log'"):
        list(view)
    account = kit.cache(kit.change("account", [b"\x01\x00\x00\x00\x09\x00\x00\x00"]))
    told: list[DecodeError] = []
    for hook in (None, told.append):
        account.on_damage = hook
        with pytest.raises(DecodeError, match="column 'email' of table 'account'") as caught:
            kit.view(account, "account").email.find("x")
    assert told == [caught.value]
