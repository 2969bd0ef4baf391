"""`store`: rows as they are stored, constraints, auto-increment, and the journal."""

from __future__ import annotations

import enum
from typing import Any

import pytest

from spacetime_proto.errors import EncodeError
from spacetime_proto.server import (
    F32,
    U8,
    U64,
    Database,
    Index,
    Module,
    Range,
    UniqueViolation,
    column,
)
from spacetime_proto.server.engine.store import Change, TableStore
from spacetime_proto.server.engine.transactions import Transactions
from tests.proto.server.support import make_database


def stores() -> tuple[Database, TableStore, Any]:
    module = Module()

    @module.table(indexes=[Index("x", "y", unique=True)])
    class Spot:
        id: U64 = column(primary_key=True, auto_increment=True)
        name: str = column(unique=True)
        x: int = 0
        y: int = 0
        size: F32 = 0.0
        tags: list[str] = column(default=None)

    database = make_database(module)
    return database, database.stores["spot"], Spot


def transaction(database: Database) -> Any:
    runner: Transactions = database.transactions
    return runner.run()


def spot(cls: Any, **values: Any) -> Any:
    return cls(**{"id": 0, "name": "a", "tags": [], **values})


def test_insert_returns_the_row_as_clients_will_see_it() -> None:
    database, store, cls = stores()
    tags = ["t"]
    with transaction(database) as journal:
        stored = store.insert(spot(cls, size=0.1, tags=tags))
    tags.append("later")
    assert stored.id == 1
    assert stored.size == pytest.approx(0.1, rel=1e-6)
    assert stored.size != 0.1
    assert stored.tags == ["t"]
    assert list(store.rows.values()) == [stored]
    assert [(entry.is_insert, entry.row) for entry in journal] == [(True, stored)]
    assert store.decode(store.encode(stored)) == stored


def test_numbers_given_out_skip_those_that_are_taken() -> None:
    database, store, cls = stores()
    with transaction(database):
        assert store.insert(spot(cls, id=2, name="b", x=1)).id == 2
        assert store.insert(spot(cls, name="c", x=2)).id == 1
        assert store.insert(spot(cls, name="d", x=3)).id == 3


def test_numbers_are_not_given_out_again_after_a_rollback() -> None:
    database, store, cls = stores()
    with pytest.raises(ZeroDivisionError), transaction(database):
        store.insert(spot(cls))
        raise ZeroDivisionError
    with transaction(database):
        assert store.insert(spot(cls)).id == 2


def test_an_identical_row_is_no_change() -> None:
    database, store, cls = stores()
    with transaction(database) as journal:
        first = store.insert(spot(cls, id=5))
        assert store.insert(spot(cls, id=5)) is first
    assert len(journal) == 1


def test_unique_values_are_unique() -> None:
    database, store, cls = stores()
    with transaction(database):
        store.insert(spot(cls))
        with pytest.raises(UniqueViolation) as caught:
            store.insert(spot(cls, x=1))
        with pytest.raises(UniqueViolation, match=r'"x", "y"'):
            store.insert(spot(cls, name="b"))
    assert str(caught.value) == (
        "Unique constraint violation 'spot_name_key' in table 'spot':"
        " column(s): '[\"name\"]' value: 'a'"
    )
    assert isinstance(caught.value, ValueError)
    assert len(store.rows) == 1


def test_rows_of_other_classes_and_values_that_do_not_fit_are_refused() -> None:
    database, store, cls = stores()
    with transaction(database):
        with pytest.raises(EncodeError, match="table spot holds Spot rows, not int"):
            store.insert(3)
        with pytest.raises(EncodeError, match="row of spot"):
            store.insert(spot(cls, x=1 << 70))


def test_replace_is_a_delete_and_an_insert() -> None:
    database, store, cls = stores()
    with transaction(database):
        old = store.insert(spot(cls))
        store.insert(spot(cls, id=9, name="z", x=1))
    data = store.encode(old)
    with transaction(database) as journal:
        assert store.replace(data, old) is old
        assert journal == []
        with pytest.raises(UniqueViolation):
            store.replace(data, spot(cls, id=1, name="z"))
        assert journal == []
        new = store.replace(data, spot(cls, id=1, name="n"))
        assert [entry.is_insert for entry in journal] == [False, True]
    assert new in store.rows.values()
    assert old not in store.rows.values()


def test_replace_by_a_row_that_exists_only_deletes() -> None:
    module = Module()

    @module.table
    class Bag:
        value: U8

    database = make_database(module)
    store = database.stores["bag"]
    with transaction(database):
        one = store.insert(Bag(value=1))
        store.insert(Bag(value=2))
    with transaction(database) as journal:
        store.replace(store.encode(one), Bag(value=2))
        assert [entry.is_insert for entry in journal] == [False]
    assert [row.value for row in store.rows.values()] == [2]


def test_delete_says_whether_there_was_a_row() -> None:
    database, store, cls = stores()
    with transaction(database):
        data = store.encode(store.insert(spot(cls)))
        assert store.delete(data)
        assert not store.delete(data)
    assert store.rows == {}


def test_lookup_makes_the_index_it_needs() -> None:
    database, store, cls = stores()
    with transaction(database):
        row = store.insert(spot(cls, y=7, x=3))
        assert list(store.lookup(3, 7).values()) == [row]
        assert list(store.lookup(3, 8)) == []
        # Lists cannot be hashed; floats equal themselves, even NaN.
        assert list(store.lookup(5, []).values()) == [row]
        nan = store.insert(spot(cls, name="nan", size=float("nan")))
        assert list(store.lookup(4, float("nan")).values()) == [nan]
    assert store.key(2, 3) == 3
    assert [store.column_to_wire(column) for column in range(6)] == [None] * 6


def test_enums_are_found_by_member_and_ordered_by_definition() -> None:
    class Color(enum.Enum):
        RED = "z"
        GREEN = "a"

    module = Module()

    @module.table
    class Paint:
        color: Color = column(primary_key=True)

    database = make_database(module)
    store = database.stores["paint"]
    with transaction(database):
        green = store.insert(Paint(color=Color.GREEN))
        red = store.insert(Paint(color=Color.RED))
    assert list(store.lookup(0, Color.GREEN).values()) == [green]
    assert [row for _, row in store.index((0,)).select((Range(),))] == [red, green]


def test_clear_empties_the_indexes_too() -> None:
    database, store, cls = stores()
    with transaction(database):
        store.insert(spot(cls))
    store.clear()
    assert store.rows == {}
    assert not store.lookup(1, "a")


def test_a_change_is_true_if_it_changes_something() -> None:
    assert not Change({}, {})
    assert Change({b"": 1}, {})
    assert Change({}, {b"": 1})
