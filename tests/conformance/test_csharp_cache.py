"""C# MultiDictionaryTests: properties of the counting cache.

| row | where |
|---|---|
| Equality | unit |
| Removals | unit |
| ShuffleDelta | unit |
| ChunkedRemovals | unit |
| ChunkedRemovalsWithValueChanges | unit |
| IdentitiesWorkAsPrimaryKeys | unit |
| InsertThenDeleteOfOldRow | unit |

The original's dictionary maps keys to values with multiplicities; here it is the cache of a table
with a primary key, filled through two query sets that may overlap.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto import Identity
from spacetime_proto.cache import Cache, TableChange
from spacetime_proto.sats.rows import RowList
from tests.conformance.kit import columns
from tests.support.golden import golden_module

if TYPE_CHECKING:
    from collections.abc import Iterable

MODULE = golden_module("quickstart-chat")
TABLE = MODULE.bound.tables["user"]

KEYS = st.integers(1, 6).map(lambda number: Identity(bytes([number]) * 32))
NAMES = st.sampled_from([None, "a", "b"])
#: A consistent state of the table: at most one row per key.
TABLES = st.dictionaries(KEYS, NAMES, max_size=6)


def rows(state: dict[Identity, str | None]) -> list[tuple[Any, ...]]:
    return [(key, name, True) for key, name in state.items()]


def encoded(found: Iterable[tuple[Any, ...]]) -> RowList:
    return RowList.from_rows([TABLE.codec.encode(TABLE.row_class(*row)) for row in found])


class Dictionary:
    """A cache of `user`, with the callbacks that every change would make."""

    def __init__(self) -> None:
        self.cache = Cache(MODULE.bound)
        self.told: list[Counter[Any]] = []

    def apply(
        self,
        inserts: Iterable[Any] = (),
        deletes: Iterable[Any] = (),
        *,
        sets: tuple[int, ...] = (1,),
    ) -> None:
        """Apply one message with the same changes in each of these query sets."""
        added, gone = encoded(inserts), encoded(deletes)
        changes = [TableChange(one, "user", added, gone, None) for one in sets]
        told: Counter[Any] = Counter()
        for diff in self.cache.apply(self.cache.plan(changes)):
            told.update(("insert", columns(row)) for row in diff.inserted)
            told.update(("delete", columns(row)) for row in diff.deleted)
            told.update(("update", columns(old), columns(new)) for old, new in diff.updated)
        self.told.append(told)

    @property
    def rows(self) -> set[Any]:
        return {columns(row) for row in self.cache.tables["user"]}


@given(TABLES, st.randoms())
def test_equality(state: dict[Identity, str | None], random: Any) -> None:
    """What a cache holds does not depend on the order and the pieces that its rows came in."""
    whole, pieces = Dictionary(), Dictionary()
    whole.apply(rows(state))
    shuffled = rows(state)
    random.shuffle(shuffled)
    for row in shuffled:
        pieces.apply([row])
    assert whole.rows == pieces.rows == set(rows(state))
    assert sum(pieces.told, Counter()) == whole.told[0]


@given(TABLES, st.data())
def test_removals(state: dict[Identity, str | None], data: Any) -> None:
    """Rows of one set leave; those that the other set holds as well stay, without an event."""
    gone = data.draw(st.sets(st.sampled_from(sorted(state)))) if state else set()
    held = data.draw(st.sets(st.sampled_from(sorted(state)))) if state else set()
    kept = {key: name for key, name in state.items() if key not in gone or key in held}
    cache = Dictionary()
    cache.apply(rows(state))
    cache.apply(rows({key: state[key] for key in held}), sets=(2,))
    assert not cache.told[1]
    cache.apply((), rows({key: state[key] for key in gone}))
    assert cache.rows == set(rows(kept))
    assert cache.told[2] == Counter(
        ("delete", (key, state[key], True)) for key in gone if key not in held
    )


def delta(before: dict[Any, Any], after: dict[Any, Any]) -> tuple[list[Any], list[Any]]:
    """Return (inserts, deletes) from one state to another."""
    old, new = set(rows(before)), set(rows(after))
    return [row for row in rows(after) if row not in old], [
        row for row in rows(before) if row not in new
    ]


def expected(before: dict[Any, Any], after: dict[Any, Any]) -> Counter[Any]:
    """Return the callbacks of going from one state to another: by key, not by row."""
    told: Counter[Any] = Counter()
    for key in {*before, *after}:
        if key not in before:
            told["insert", (key, after[key], True)] += 1
        elif key not in after:
            told["delete", (key, before[key], True)] += 1
        elif before[key] != after[key]:
            told["update", (key, before[key], True), (key, after[key], True)] += 1
    return told


@given(TABLES, TABLES, st.randoms())
def test_shuffledelta(before: Any, after: Any, random: Any) -> None:
    """Any order of the rows of one change gives the same cache and the same callbacks."""
    inserts, deletes = delta(before, after)
    cache = Dictionary()
    cache.apply(rows(before))
    random.shuffle(inserts)
    random.shuffle(deletes)
    cache.apply(inserts, deletes)
    assert cache.rows == set(rows(after))
    assert cache.told[1] == expected(before, after)


@given(TABLES, st.integers(1, 3))
def test_chunkedremovals(state: Any, size: int) -> None:
    """Removing everything bit by bit ends like removing everything at once."""
    cache = Dictionary()
    cache.apply(rows(state), sets=(1, 2))
    todo = rows(state)
    for at in range(0, len(todo), size):
        cache.apply((), todo[at : at + size], sets=(1, 2))
        assert cache.rows == set(todo[at + size :])
    assert sum(cache.told[1:], Counter()) == Counter(("delete", row) for row in todo)


@given(st.lists(TABLES, min_size=1, max_size=5), st.booleans())
def test_chunkedremovalswithvaluechanges(states: list[Any], twice: bool) -> None:
    """A walk through states, with removals and changed values in one step, in one set or two."""
    sets = (1, 2) if twice else (1,)
    cache = Dictionary()
    before: dict[Any, Any] = {}
    for after in states:
        cache.apply(*delta(before, after), sets=sets)
        assert cache.rows == set(rows(after))
        assert cache.told[-1] == expected(before, after)
        before = after


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_identitiesworkasprimarykeys(one: bytes, other: bytes) -> None:
    first, second = Identity(one), Identity(other)
    cache = Dictionary()
    cache.apply({(first, "a", True), (second, "a", True)})
    cache.apply([(first, "b", True)], [(first, "a", True)])
    assert (first, "b", True) in cache.rows
    assert cache.told[1] == {("update", (first, "a", True), (first, "b", True)): 1}
    column = MODULE.bound.tables["user"].definition.primary_key
    assert column == 0
    assert len(cache.rows) == len({one, other})


@given(KEYS)
def test_insertthendeleteofoldrow(key: Identity) -> None:
    """The new row of a key comes before the old one goes: in one message or through two sets."""
    old, new = (key, "old", True), (key, "new", True)
    together = Dictionary()
    together.apply([old])
    together.apply([new], [old])
    assert together.rows == {new}
    assert together.told[1] == {("update", old, new): 1}
    apart = Dictionary()
    apart.apply([old])
    gone = TableChange(1, "user", None, encoded([old]), None)
    came = TableChange(2, "user", encoded([new]), None, None)
    [diff] = apart.cache.apply(apart.cache.plan([came, gone]))
    assert [(columns(a), columns(b)) for a, b in diff.updated] == [(old, new)]
    assert apart.rows == {new}
