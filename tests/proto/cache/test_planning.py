"""What is checked before anything is applied, the short path, and pairing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_proto.cache import Cache, TableChange
from spacetime_proto.cache.changes import OneRow
from spacetime_proto.cache.planning import Planner
from spacetime_proto.errors import DecodeError
from spacetime_proto.sats.rows import RowList


def planner(cache: Cache, table: str) -> Planner:
    return cache._planner(table)


@pytest.mark.parametrize("offsets", [False, True])
@pytest.mark.parametrize(
    ("table", "rows", "text"),
    [
        ("player", [b"x" * 11], "a row of 11 bytes, where all rows have 12"),
        ("player", [b"x" * 13], "a row of 13 bytes, where all rows have 12"),
        ("player", [b"x" * 12, b"x" * 13], "a row of 13 bytes, where all rows have 12"),
        ("player", [b"x" * 12, b""], "a row of 0 bytes, where all rows have 12"),
        ("log", [b"x" * 4, b"x" * 90], "a row of 4 bytes, where none has under 5"),
        ("blank", [b"x"], "a row of 1 bytes, where all rows have 0"),
        ("happening", [b"x"], "a row of 1 bytes"),
    ],
)
def test_rows_of_the_wrong_size(
    kit: Any, table: str, rows: list[bytes], text: str, offsets: bool
) -> None:
    cache = Cache(kit.module)
    for inserts, deletes in ((rows, []), ([], rows)):
        if table == "happening" and deletes:
            continue
        with pytest.raises(DecodeError, match=f"{text}.*{table}"):
            cache.plan([kit.change(table, inserts, deletes, offsets=offsets)])
    with pytest.raises(DecodeError, match=text):
        cache.plan([kit.change(table, events=rows)])
    assert len(cache.tables[table]) == 0


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("word", b"\x01\x00\x00\x00\xff\x01"),  # key not UTF-8
        ("word", b"\x09\x00\x00\x00a\x01"),  # key longer than its row
        ("tail", b"\x30\x00\x00\x00" + b"x" * 32),  # the column before the key is too long
        ("paint", b"\x03\x00"),  # a variant that does not exist
    ],
)
@pytest.mark.parametrize("count", [1, 40])
def test_keys_that_do_not_decode(kit: Any, table: str, row: bytes, count: int) -> None:
    # The bytes that follow in the payload would decode: a key must end within its row.
    cache = kit.cache(kit.change(table, [], query_set=1))
    for change in (
        kit.change(table, [row] * count),
        kit.change(table, [row] * count, offsets=True),
        kit.change(table, [], [row] * count),
    ):
        with pytest.raises(DecodeError, match=table):
            cache.plan([change])
    assert len(cache.tables[table]) == 0


def test_keys_that_do_not_decode_on_the_short_path(kit: Any) -> None:
    good = kit.row("word", "a", 1)
    cache = kit.cache(kit.change("word", [good]))
    bad = b"\x01\x00\x00\x00\xff\x01"
    with pytest.raises(DecodeError, match="word"):
        cache.plan([kit.change("word", [bad], [good])])
    # Without a look at the key there is nothing wrong with a column that nobody reads.
    fine = kit.cache(kit.change("account", [kit.row("account", 1, "a")]))
    change = kit.change("account", [b"\x02\x00\x00\x00\x01\x00\x00\x00\xff"])
    assert planner(fine, "account").one_row(change) is not None
    # An index that is in use does look.
    kit.view(fine, "account").email.find("a")
    assert planner(fine, "account").one_row(change) is None
    with pytest.raises(DecodeError, match="'email' of table 'account'"):
        fine.plan([change])


def row_change(kit: Any, table: str, new: Any, old: Any, **more: Any) -> TableChange:
    return kit.change(
        table,
        [] if new is None else [kit.row(table, *new)],
        [] if old is None else [kit.row(table, *old)],
        **more,
    )


@pytest.mark.parametrize("offsets", [False, True])
@pytest.mark.parametrize(
    ("new", "old", "counts"),
    [
        ((1, 5), (1, 0), (0, 0, 1)),
        ((3, 5), (1, 0), (1, 1, 0)),
        ((3, 5), None, (1, 0, 0)),
        (None, (1, 0), (0, 1, 0)),
    ],
)
def test_the_short_path_takes_one_row_messages(
    kit: Any, new: Any, old: Any, counts: tuple[int, int, int], offsets: bool
) -> None:
    for want in (True, False):
        cache = kit.cache(kit.change("player", [kit.row("player", 1, 0), kit.row("player", 2, 0)]))
        kit.view(cache, "player").id.find(1)
        plan = cache.plan([row_change(kit, "player", new, old, offsets=offsets)])
        (step,) = plan.steps
        assert isinstance(step, OneRow)
        (diff,) = cache.apply(plan, want=None if want else ())
        assert (diff.inserted_count, diff.deleted_count, diff.updated_count) == counts
        rows = len(diff.inserted), len(diff.deleted), len(diff.updated)
        assert rows == (counts if want else (0, 0, 0))
        present = {(row.id, row.level) for row in cache.tables["player"]}
        expected = {(1, 0), (2, 0)} - {old} | {new} - {None}
        assert present == expected


@settings(deadline=None)
@given(data=st.data())
def test_the_short_path_does_what_the_long_one_does(kit: Any, data: Any) -> None:
    values = st.tuples(st.sampled_from("abc"), st.integers(0, 1))
    held = data.draw(st.lists(values))
    new, old = data.draw(st.none() | values), data.draw(st.none() | values)
    for table in ("word", "log"):
        rows = [kit.row(table, *row) for row in held]
        change = row_change(kit, table, new, old)
        first, second = kit.cache(kit.change(table, rows)), kit.cache(kit.change(table, rows))
        one = kit.apply(first, change)
        # An empty fragment more, and the message is not that simple.
        other = kit.apply(second, change, kit.change(table))
        assert first.tables[table].bag(1) == second.tables[table].bag(1)
        assert first.absent_deletes == second.absent_deletes
        seen = [
            [tuple(map(list, (d.inserted, d.deleted, d.updated))) for d in diffs]
            for diffs in (one, other)
        ]
        assert seen[0] == seen[1]


def test_what_the_short_path_leaves_to_the_other(kit: Any) -> None:
    base = kit.row("player", 1, 0)
    held = kit.change("player", [base])

    def is_short(change: TableChange, *before: TableChange, **options: bool) -> bool:
        cache = kit.cache(*(before or (held,)), **options)
        return planner(cache, change.table).one_row(change) is not None

    new, old = kit.row("player", 1, 1), base
    assert is_short(kit.change("player", [new], [old]))
    assert not is_short(kit.change("player", [new], [old]), verify_rows=True)
    assert not is_short(kit.change("player", [new], [old], query_set=2))
    assert not is_short(kit.change("player", [new, kit.row("player", 2, 2)], [old]))
    assert not is_short(kit.change("player", [new], [old, old]))
    assert not is_short(kit.change("player", [new], [old, old], offsets=True))
    assert not is_short(kit.change("player", [old], [old]))
    assert not is_short(kit.change("player", [new], [kit.row("player", 9, 9)]))
    assert not is_short(kit.change("player", [new], [old]), held, held)  # held twice
    assert not is_short(kit.change("player"))
    assert not is_short(TableChange(1, "player"))
    assert not is_short(TableChange(1, "player", RowList(b"", 0, 0, 12), RowList(b"", 0, 0, 12)))
    assert not is_short(kit.change("player", events=[new]))
    assert not is_short(kit.change("happening", [kit.row("happening", "a", 1)]))
    assert not is_short(kit.change("player", [b"short"]))
    assert not is_short(kit.change("log", [b"shor"]), kit.change("log", [kit.row("log", "", 1)]))
    blank = kit.change("blank", [b""])
    assert not is_short(kit.change("blank", [], [b""]), blank)


def test_bags_of_two_sets_end_the_short_path_and_the_last_set_gets_it_back(kit: Any) -> None:
    base, new = kit.row("player", 1, 0), kit.row("player", 1, 1)
    cache = kit.cache(
        kit.change("player", [base], query_set=1), kit.change("player", [base], query_set=2)
    )
    update = kit.change("player", [new], [base])
    assert planner(cache, "player").one_row(update) is None
    cache.apply(cache.plan((), drop=(2,)))
    assert planner(cache, "player").one_row(update) is not None


def test_keys_that_are_not_unique_pair_first_with_first(kit: Any) -> None:
    old = [kit.row("account", 1, email) for email in "abc"]
    new = [kit.row("account", key, email) for key, email in ((1, "x"), (2, "y"), (1, "z"))]
    cache = kit.cache(kit.change("account", old))
    (diff,) = kit.apply(cache, kit.change("account", new, old))
    assert [(a.email, b.email) for a, b in diff.updated] == [("a", "x"), ("b", "z")]
    assert [row.email for row in diff.inserted] == ["y"]
    assert [row.email for row in diff.deleted] == ["c"]


def test_updates_in_another_order_than_the_deletes(kit: Any) -> None:
    old = [kit.row("account", key, "old") for key in range(40)]
    new = [kit.row("account", key, "new") for key in reversed(range(10, 50))]
    cache = kit.cache(kit.change("account", old))
    (diff,) = kit.apply(cache, kit.change("account", new, old))
    assert diff.updated_count == 30
    assert [row.id for row in diff.deleted] == list(range(10))
    assert [row.id for row in diff.inserted] == list(reversed(range(40, 50)))


def test_enum_keys_pair_up(kit: Any) -> None:
    color = kit.module.types.classes[0]
    old = [kit.row("paint", member, 0) for member in color]
    new = [kit.row("paint", member, 1) for member in reversed(color)]
    cache = kit.cache(kit.change("paint", old))
    (diff,) = kit.apply(cache, kit.change("paint", new, old))
    assert [(a.color, b.color, b.n) for a, b in diff.updated] == [
        (c, c, 1) for c in reversed(color)
    ]


def test_events_beside_an_emptied_table(kit: Any) -> None:
    row = kit.row("log", "a", 1)
    cache = kit.cache(kit.change("log", [row]))
    (diff,) = kit.apply(cache, kit.change("log", events=[kit.row("log", "e", 2)]), drop=(1,))
    assert [r.text for r in diff.inserted] == ["e"]
    assert [r.text for r in diff.deleted] == ["a"]


def test_fragments_without_lists(kit: Any) -> None:
    old, new = kit.rows([kit.row("word", "a", 1)]), kit.rows([kit.row("word", "a", 2)])
    cache = kit.cache(TableChange(1, "word", inserts=old), TableChange(1, "word"))
    (diff,) = kit.apply(cache, TableChange(1, "word", deletes=old), TableChange(1, "word", new))
    assert diff.updated_count == 1
    # Two deletes are not the short path.
    many = kit.rows([kit.row("word", text, 1) for text in "xy"])
    kit.apply(cache, TableChange(1, "word", inserts=many))
    (diff,) = kit.apply(cache, TableChange(1, "word", deletes=many))
    assert diff.deleted_count == 2
    assert kit.apply(cache, TableChange(1, "word")) == []


def test_clear_twice(kit: Any) -> None:
    cache = kit.cache(kit.change("log", [kit.row("log", "a", 1)]))
    (diff,) = cache.apply(cache.plan_clear())
    assert diff.deleted_count == 1
    assert cache.plan_clear().tables == []
