"""The cache as a whole against a model that knows nothing but bags of rows.

The model is the definition: per query set a multiset of row bytes; after a message the multiset is
old + inserts - deletes, never below zero; what listeners see is how the set of present rows changed,
with rows of one primary key paired up.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from msgspec import structs

from spacetime_proto.cache import Cache, TableDiff
from spacetime_proto.errors import DecodeError, LocalProtocolError, ProtocolError
from spacetime_proto.sats.order import sort_key
from spacetime_proto.types import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

NAN = float("nan")
SETS = st.integers(1, 3)

# Few values per column, so that rows meet: same rows in several sets, same keys in different rows.
POOLS: dict[str, tuple[list[Any], ...]] = {
    "player": ([1, 2, 3], [0, 1, 2**32 - 1]),
    "account": ([1, 2, 3], ["", "a", "ab"]),
    "tail": (["", "x", "long enough"], [Identity.from_int(1), Identity.from_int(2)]),
    "word": (["", "a", "ä"], [0, 1, 2]),
    "log": (["", "a"], [0, 1, 2]),
    "grid": ([0, 1], [-1, 0, 1], ["", "b"]),
    "happening": (["", "a"], [0, 1]),
    "blank": (),
}


def _pool(kit: Any, table: str) -> list[bytes]:
    if table == "paint":
        colors = list(kit.module.types.classes[0])
        return [kit.row(table, color, n) for color in colors for n in (0, 1)]
    if table == "odd":
        shape = kit.module.types.classes[1]
        shapes = [shape.Circle(NAN), shape.Circle(1.0), shape.Empty(), shape.Square(1)]
        return [
            kit.row(table, value, maybe, shapes[at % 4], bytes([at % 2]))
            for at, (value, maybe) in enumerate(
                (v, m) for v in (NAN, -0.0, 0.0, 1.5) for m in (None, 0, 1)
            )
        ]
    rows: list[tuple[Any, ...]] = [()]
    for values in POOLS[table]:
        rows = [(*row, value) for row in rows for value in values]
    return [kit.row(table, *row) for row in rows]


class Model:
    """Bags of rows, and what a message does to them."""

    def __init__(self) -> None:
        self.bags: dict[int, Counter[bytes]] = {}

    def total(self) -> Counter[bytes]:
        return sum(self.bags.values(), Counter())

    def after(
        self, changes: list[tuple[int, list[bytes], list[bytes]]], drop: tuple[int, ...] = ()
    ) -> tuple[dict[int, Counter[bytes]], int]:
        """Return the bags after a message, and how many of its deletes hit nothing."""
        bags = {q: Counter(bag) for q, bag in self.bags.items() if q not in drop}
        for query_set, inserts, _ in changes:
            bags.setdefault(query_set, Counter()).update(inserts)
        for query_set, _, deletes in changes:
            bags[query_set].subtract(deletes)
        absent = sum(-count for bag in bags.values() for count in bag.values() if count < 0)
        return {q: +bag for q, bag in bags.items()}, absent


def make_machine(kit: Any, table: str) -> type[RuleBasedStateMachine]:
    """Make the state machine for one table of the module."""
    pool = _pool(kit, table)
    rows = st.lists(st.sampled_from(pool), max_size=5)
    definition = kit.module.tables[table].definition
    fragments = st.lists(st.tuples(SETS, rows, rows), min_size=1, max_size=3)

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.cache = Cache(kit.module)
            self.told: list[tuple[str, bytes]] = []
            self.cache.on_absent_delete = lambda name, row: self.told.append((name, row))
            self.store = self.cache.tables[table]
            self.view = kit.view(self.cache, table)
            self.model = Model()

        def message(
            self,
            changes: list[tuple[int, list[bytes], list[bytes]]],
            drop: tuple[int, ...] = (),
            *,
            offsets: bool = False,
            want: bool = True,
            between: Callable[[], object] = lambda: None,
        ) -> None:
            before = self.model.total()
            bags, absent = self.model.after(changes, drop)
            wire = [
                kit.change(table, inserts, deletes, query_set=q, offsets=offsets)
                for q, inserts, deletes in changes
            ]
            plan = self.cache.plan(wire, drop=drop)
            self.check()  # planning changes nothing
            between()
            gone = set(before) - set(sum(bags.values(), Counter()))
            going = plan.before_delete(table)
            told = len(self.told)
            diffs = self.cache.apply(plan, want=None if want else ())
            self.model.bags = bags
            assert len(self.told) - told == absent
            self.check_diff(before, diffs, want)
            assert set(map(repr, going)) <= {repr(kit.decode(table, row)) for row in gone}
            if diffs and want:
                assert list(map(repr, going)) == list(map(repr, diffs[0].deleted))

        def check_diff(self, before: Counter[bytes], diffs: list[TableDiff], want: bool) -> None:
            after = self.model.total()
            came, went = set(after) - set(before), set(before) - set(after)
            if not came and not went:
                assert diffs == []
                return
            (diff,) = diffs
            assert diff.table.definition.name == table
            assert diff.inserted_count + diff.updated_count == len(came)
            assert diff.deleted_count + diff.updated_count == len(went)
            key = definition.primary_key
            pairs = 0
            if key is not None:
                name = kit.module.tables[table].codec.names[key]

                def key_of(row: bytes) -> Any:
                    return getattr(kit.decode(table, row), name)

                new_keys, old_keys = Counter(map(key_of, came)), Counter(map(key_of, went))
                pairs = (new_keys & old_keys).total()
                assert all(getattr(old, name) == getattr(new, name) for old, new in diff.updated)
            assert diff.updated_count == pairs
            if not want:
                assert not diff.inserted
                assert not diff.deleted
                assert not diff.updated
                return
            assert len(diff.updated) == pairs
            encode = kit.module.tables[table].codec.encode
            new = [*diff.inserted, *(pair[1] for pair in diff.updated)]
            old = [*diff.deleted, *(pair[0] for pair in diff.updated)]
            assert sorted(map(encode, new)) == sorted(came)
            assert sorted(map(encode, old)) == sorted(went)
            for row in new:  # the very objects that the cache holds
                assert self.store.row(encode(row)) is row

        # --- what happens -----------------------------------------------------------------

        @rule(changes=fragments, offsets=st.booleans(), want=st.booleans())
        def any_message(self, changes: Any, offsets: bool, want: bool) -> None:
            self.message(changes, offsets=offsets, want=want)

        @rule(query_set=SETS, inserts=rows)
        def subscribe(self, query_set: int, inserts: list[bytes]) -> None:
            self.message([(query_set, inserts, [])])

        @rule(query_set=SETS, new=st.sampled_from(pool), data=st.data())
        def one_row(self, query_set: int, new: bytes, data: st.DataObject) -> None:
            held = sorted(self.model.bags.get(query_set, ()))
            old = data.draw(st.sampled_from(held)) if held else None
            which = data.draw(st.sampled_from(["insert", "delete", "update"]))
            inserts = [new] if which != "delete" else []
            deletes = [old] if which != "insert" and old is not None else []
            self.message([(query_set, inserts, deletes)], offsets=data.draw(st.booleans()))

        @rule(source=SETS, to=SETS, data=st.data())
        def move(self, source: int, to: int, data: st.DataObject) -> None:
            held = sorted(self.model.bags.get(source, ()))
            if held:
                row = data.draw(st.sampled_from(held))
                changes = [(source, [], [row]), (to, [row], [])]
                self.message(data.draw(st.permutations(changes)))

        @rule(query_set=SETS, data=st.data())
        def touch(self, query_set: int, data: st.DataObject) -> None:
            """Delete and insert the same bytes: nothing to see."""
            held = sorted(self.model.bags.get(query_set, ()))
            if held:
                row = data.draw(st.sampled_from(held))
                self.message([(query_set, [row], [row])])

        @rule(query_set=SETS)
        def drop(self, query_set: int) -> None:
            self.message([], drop=(query_set,))
            self.model.bags.pop(query_set, None)
            assert self.store.bag(query_set) == {}

        @rule(query_set=SETS, inserts=rows, deletes=rows)
        def replace(self, query_set: int, inserts: Any, deletes: Any) -> None:
            self.message([(query_set, inserts, deletes)], drop=(query_set,))

        @rule(changes=fragments, drop=st.lists(SETS, unique=True, max_size=2).map(tuple))
        def message_that_ends_sets(self, changes: Any, drop: tuple[int, ...]) -> None:
            self.message(changes, drop=drop)

        @rule(old=SETS, new=SETS, inserts=rows)
        def supersede(self, old: int, new: int, inserts: list[bytes]) -> None:
            self.message([(new, inserts, [])], drop=(old,))

        @rule()
        def clear(self) -> None:
            before = self.model.total()
            diffs = self.cache.apply(self.cache.plan_clear())
            self.model.bags = {}
            self.check_diff(before, diffs, True)

        @rule(changes=fragments)
        def read_between_plan_and_apply(self, changes: Any) -> None:
            self.message(changes, between=self.read_everything)

        @rule(changes=fragments)
        def reconnect(self, changes: Any) -> None:
            """A new cache takes over; the difference is what a diff of the two would be."""
            before = self.model.total()
            old = self.cache
            held = {id(row): row for row in old.tables[table].all_rows()}
            self.cache = Cache(kit.module)
            self.cache.on_absent_delete = old.on_absent_delete
            self.store = self.cache.tables[table]
            self.model = Model()
            self.model.bags, _ = self.model.after(changes)
            wire = [kit.change(table, ins, dels, query_set=q) for q, ins, dels in changes]
            self.cache.apply(self.cache.plan(wire), want=())
            self.view.attach(self.store)
            self.check_diff(before, self.cache.diff_from(old), True)
            encode = kit.module.tables[table].codec.encode
            for row in held.values():
                if encode(row) in self.store.rows:
                    assert self.store.row(encode(row)) is row

        # --- what is always true ----------------------------------------------------------

        @invariant()
        def check(self) -> None:
            total = self.model.total()
            assert set(self.store.rows) == set(total)
            assert {row: self.store.count(row) for row in total} == dict(total)
            for query_set in range(1, 4):
                assert self.store.bag(query_set) == dict(self.model.bags.get(query_set, ()))
            assert len(self.view) == self.view.count() == len(total)

        @rule()
        def read_everything(self) -> None:
            encode = kit.module.tables[table].codec.encode
            present = self.view.rows()
            assert sorted(map(encode, present)) == sorted(self.store.rows)
            assert all(a is b for a, b in zip(present, self.view, strict=True))
            for index in definition.indexes:
                self.read_index(index.columns, present)
            for column in definition.unique_columns:
                self.read_index((column,), present)
                self.find_all(column, present)

        def read_index(self, columns: tuple[int, ...], present: list[Any]) -> None:
            index = self.store.index(columns)
            names = kit.module.tables[table].codec.names
            typespace = kit.module.definition.typespace
            keys = [sort_key(definition.columns[at].type, typespace) for at in columns]

            def key_of(row: Any) -> tuple[Any, ...]:
                values = [getattr(row, names[at]) for at in columns]
                return tuple(
                    value if key is None else key(value)
                    for value, key in zip(values, keys, strict=True)
                )

            everything = index.between((), None, None)
            assert sorted(map(id, everything)) == sorted(map(id, present))
            found = list(map(key_of, everything))
            assert all(a <= b for a, b in pairwise(found))
            for row in present:
                values = tuple([getattr(row, names[at]) for at in columns])
                same = [other for other in everything if key_of(other) == key_of(row)]
                assert list(map(id, index.equal(values))) == list(map(id, same))

        def find_all(self, column: int, present: list[Any]) -> None:
            name = kit.module.tables[table].codec.names[column]
            unique = getattr(self.view, name)
            for row in present:
                value = getattr(row, name)
                found = unique.find(value)
                assert any(found is other for other in present if getattr(other, name) == value)

    return Machine


@pytest.mark.parametrize(
    "table", ["player", "account", "tail", "word", "paint", "log", "grid", "odd", "blank"]
)
def test_any_history_leaves_what_the_model_has(kit: Any, table: str) -> None:
    run_state_machine_as_test(
        make_machine(kit, table),
        settings=settings(max_examples=30, stateful_step_count=20, deadline=None),
    )


# --- event tables -----------------------------------------------------------------------------


@settings(deadline=None)
@given(data=st.data())
def test_an_event_comes_as_often_as_the_fragment_that_has_it_most(kit: Any, data: Any) -> None:
    pool = _pool(kit, "happening")
    fragments = data.draw(
        st.lists(st.tuples(SETS, st.lists(st.sampled_from(pool), max_size=4), st.booleans()))
    )
    cache = Cache(kit.module)
    changes = [
        # v2 marks events; v1 sends them as inserts.
        kit.change("happening", events=rows, query_set=q)
        if marked
        else kit.change("happening", rows, query_set=q)
        for q, rows, marked in fragments
    ]
    diffs = kit.apply(cache, *changes)
    expected: Counter[bytes] = Counter()
    for _, rows, _ in fragments:
        expected |= Counter(rows)
    got = Counter(
        kit.module.tables["happening"].codec.encode(row) for diff in diffs for row in diff.inserted
    )
    assert got == expected
    assert [diff.inserted_count for diff in diffs] == [expected.total()] * bool(expected)
    store = cache.tables["happening"]
    assert len(store) == 0
    assert list(store) == []


def test_events_of_a_table_that_the_bindings_store_are_not_stored(kit: Any) -> None:
    row = kit.row("log", "a", 1)
    cache = kit.cache(kit.change("log", [row]))
    (diff,) = kit.apply(
        cache,
        kit.change("log", events=[row, kit.row("log", "b", 2)]),
        kit.change("log", [kit.row("log", "c", 3)]),
    )
    assert [r.text for r in diff.inserted] == ["c", "a", "b"]
    assert sorted(r.text for r in cache.tables["log"]) == ["a", "c"]


def test_deletes_of_events_are_absent(kit: Any) -> None:
    cache = Cache(kit.module)
    assert kit.apply(cache, kit.change("happening", [], [kit.row("happening", "a", 1)])) == []
    assert cache.absent_deletes == 1


# --- the properties of the C# SDK's MultiDictionary -------------------


def _content(cache: Cache) -> dict[bytes, int]:
    store = cache.tables["account"]
    return {row: store.count(row) for row in store.rows}


@settings(deadline=None)
@given(data=st.data())
def test_equality_does_not_depend_on_the_way(kit: Any, data: Any) -> None:
    """Equality: the same rows in any order, in any pieces, make equal caches."""
    rows = data.draw(st.lists(st.sampled_from(_pool(kit, "account")), max_size=12))
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    whole = kit.cache(kit.change("account", rows))
    pieces = kit.cache(kit.change("account", shuffled[:cut]), kit.change("account", shuffled[cut:]))
    assert _content(whole) == _content(pieces)
    assert whole.diff_from(pieces) == []


@settings(deadline=None)
@given(data=st.data())
def test_removals_undo_insertions(kit: Any, data: Any) -> None:
    """Removals, ChunkedRemovals: what came goes again, whatever the order and the pieces."""
    rows = data.draw(st.lists(st.sampled_from(_pool(kit, "account")), max_size=12))
    cache = kit.cache(kit.change("account", rows))
    rest = data.draw(st.permutations(rows))
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        kit.apply(cache, kit.change("account", [], rest[:size]))
        rest = rest[size:]
        assert _content(cache) == dict(Counter(rest))
    assert cache.absent_deletes == 0


@settings(deadline=None)
@given(data=st.data())
def test_the_order_within_a_delta_does_not_matter(kit: Any, data: Any) -> None:
    """ShuffleDelta: fragments and rows of one message may come in any order."""
    pool = st.sampled_from(_pool(kit, "account"))
    base = data.draw(st.lists(pool, max_size=6))
    inserts = data.draw(st.lists(pool, max_size=6))
    deletes = data.draw(st.lists(st.sampled_from(base), max_size=len(base))) if base else []
    steps = [([row], []) for row in inserts] + [([], [row]) for row in deletes]
    first, second = kit.cache(kit.change("account", base)), kit.cache(kit.change("account", base))
    one = kit.apply(first, kit.change("account", inserts, deletes))
    shuffled = data.draw(st.permutations(steps))
    other = kit.apply(second, *[kit.change("account", *step) for step in shuffled])
    assert _content(first) == _content(second)
    counts = [
        [(d.inserted_count, d.deleted_count, d.updated_count) for d in diffs]
        for diffs in (one, other)
    ]
    assert counts[0] == counts[1]


@settings(deadline=None)
@given(data=st.data())
def test_values_change_piece_by_piece(kit: Any, data: Any) -> None:
    """ChunkedRemovalsWithValueChanges: sets go one by one while their rows are updated."""
    cache = Cache(kit.module)
    sets = {q: {key: "" for key in data.draw(st.sets(st.integers(1, 4)))} for q in (1, 2, 3)}
    for q, held in sets.items():
        kit.apply(
            cache,
            kit.change("account", [kit.row("account", *r) for r in held.items()], query_set=q),
        )
    while sets:
        key = data.draw(st.integers(1, 4))
        changes = [
            kit.change(
                "account",
                [kit.row("account", key, held[key] + "x")],
                [kit.row("account", key, held[key])],
                query_set=q,
            )
            for q, held in sets.items()
            if key in held
        ]
        diffs = kit.apply(cache, *changes)
        assert [diff.updated_count for diff in diffs] == [1] * bool(changes)
        for held in sets.values():
            if key in held:
                held[key] += "x"
        gone = data.draw(st.sampled_from(sorted(sets)))
        del sets[gone]
        cache.apply(cache.plan((), drop=(gone,)))
        expected = Counter(kit.row("account", *r) for held in sets.values() for r in held.items())
        assert _content(cache) == dict(expected)


def test_identities_work_as_primary_keys(kit: Any) -> None:
    one, two = Identity.from_int(1), Identity.from_int(2)
    cache = kit.cache(kit.change("tail", [kit.row("tail", "a", one), kit.row("tail", "b", two)]))
    (diff,) = kit.apply(
        cache, kit.change("tail", [kit.row("tail", "longer", one)], [kit.row("tail", "a", one)])
    )
    assert [(old.text, new.text) for old, new in diff.updated] == [("a", "longer")]
    assert kit.view(cache, "tail").id.find(one).text == "longer"


def test_insert_then_delete_of_the_old_row(kit: Any) -> None:
    """InsertThenDeleteOfOldRow: the new row comes before the old one goes, in one message."""
    old, new = kit.row("account", 1, "old"), kit.row("account", 1, "new")
    cache = kit.cache(kit.change("account", [old]))
    (diff,) = kit.apply(cache, kit.change("account", [new]), kit.change("account", [], [old]))
    assert [(a.email, b.email) for a, b in diff.updated] == [("old", "new")]
    assert (diff.inserted_count, diff.deleted_count) == (0, 0)


# --- the rest ---------------------------------------------------------------------------------


def test_tables_and_differences_are_in_order_of_their_names(kit: Any) -> None:
    cache = Cache(kit.module)
    assert list(cache.tables) == sorted(cache.tables)
    diffs = kit.apply(
        cache,
        kit.change("word", [kit.row("word", "a", 1)]),
        kit.change("account", [kit.row("account", 1, "a")]),
        kit.change("log", [kit.row("log", "a", 1)]),
    )
    assert [diff.table.definition.name for diff in diffs] == ["account", "log", "word"]


def test_a_plan_names_its_tables_and_the_rows_that_will_go(kit: Any) -> None:
    stay, go = kit.row("log", "stay", 1), kit.row("log", "go", 1)
    cache = kit.cache(kit.change("log", [stay, go]), kit.change("word", [kit.row("word", "w", 1)]))
    plan = cache.plan([kit.change("log", [], [go])])
    assert plan.tables == ["log"]
    (row,) = plan.before_delete("log")
    assert row.text == "go"
    assert row is cache.tables["log"].row(go)
    assert plan.before_delete("word") == []
    update = cache.plan([kit.change("word", [kit.row("word", "w", 2)], [kit.row("word", "w", 1)])])
    assert update.before_delete("word") == []


def test_an_unknown_table_is_the_servers_fault_and_changes_nothing(kit: Any) -> None:
    cache = Cache(kit.module)
    known = kit.change("log", [kit.row("log", "a", 1)])
    with pytest.raises(ProtocolError, match=r"'nowhere'.*bindings"):
        cache.plan([known, structs.replace(known, table="nowhere")])
    with pytest.raises(ProtocolError, match="'nowhere'"):
        cache.plan([structs.replace(known, table="nowhere")])
    assert len(cache.tables["log"]) == 0


def test_a_plan_is_good_for_one_apply(kit: Any) -> None:
    cache = Cache(kit.module)
    plan = cache.plan([kit.change("log", [kit.row("log", "a", 1)])])
    cache.apply(plan)
    with pytest.raises(LocalProtocolError, match="applied once"):
        cache.apply(plan)


def test_absent_deletes_are_counted_and_told(kit: Any) -> None:
    row, other = kit.row("log", "a", 1), kit.row("log", "b", 1)
    cache = kit.cache(kit.change("log", [row, row]))
    kit.apply(cache, kit.change("log", [], [other]))  # nobody listens
    told: list[tuple[str, bytes]] = []
    cache.on_absent_delete = lambda table, data: told.append((table, data))
    (diff,) = kit.apply(cache, kit.change("log", [], [row, row, row, other, row]))
    assert diff.deleted_count == 1
    assert cache.absent_deletes == 4
    assert Counter(told) == {("log", row): 2, ("log", other): 1}


def test_a_set_cannot_delete_what_another_holds(kit: Any) -> None:
    row = kit.row("log", "a", 1)
    cache = kit.cache(kit.change("log", [row], query_set=1))
    assert kit.apply(cache, kit.change("log", [], [row], query_set=2)) == []
    assert cache.absent_deletes == 1
    assert cache.tables["log"].bag(1) == {row: 1}


def test_strict_deletes_refuse_and_change_nothing(kit: Any) -> None:
    row, other = kit.row("log", "a", 1), kit.row("log", "b", 1)
    cache = kit.cache(kit.change("log", [row]), strict_deletes=True)
    with pytest.raises(ProtocolError, match=r"'log'.*deletes 1 rows"):
        cache.plan([kit.change("log", [], [other])])
    assert cache.tables["log"].bag(1) == {row: 1}
    assert cache.absent_deletes == 0


def test_verify_rows_finds_damage_before_anything_is_applied(kit: Any) -> None:
    good, bad = kit.row("log", "a", 1), b"\x01\x00\x00\x00\xff\x01"  # not UTF-8
    cache = Cache(kit.module, verify_rows=True)
    with pytest.raises(DecodeError, match="row of table 'log'"):
        cache.plan([kit.change("log", [good, bad])])
    kit.apply(cache, kit.change("log", [good]))
    kit.apply(cache, kit.change("log", [], [good]))
    assert len(cache.tables["log"]) == 0


def test_damage_is_told_to_the_hook_and_to_the_reader(kit: Any) -> None:
    bad = b"\x01\x00\x00\x00\xff\x01"
    cache = Cache(kit.module)
    told: list[DecodeError] = []
    assert cache.on_damage is None
    cache.on_damage = told.append
    assert cache.on_damage is not None
    (diff,) = kit.apply(cache, kit.change("log", [bad]))
    with pytest.raises(DecodeError, match="table 'log'") as caught:
        _ = diff.inserted
    assert told == [caught.value]


def test_drop_of_a_set_that_holds_nothing_does_nothing(kit: Any) -> None:
    cache = kit.cache(kit.change("log", [kit.row("log", "a", 1)]))
    plan = cache.plan((), drop=(9,))
    assert plan.tables == []
    assert cache.apply(plan) == []
    assert len(cache.tables["log"]) == 1


def test_replace_is_one_difference(kit: Any) -> None:
    rows = [kit.row("account", key, "a") for key in (1, 2, 3)]
    cache = kit.cache(kit.change("account", rows[:2], query_set=7))
    changed = kit.row("account", 2, "b")
    plan = cache.plan([kit.change("account", [changed, rows[2]], query_set=7)], drop=(7,))
    (diff,) = cache.apply(plan)
    assert [row.id for row in diff.inserted] == [3]
    assert [row.id for row in diff.deleted] == [1]
    assert [(old.email, new.email) for old, new in diff.updated] == [("a", "b")]
    assert cache.tables["account"].bag(7) == {changed: 1, rows[2]: 1}
