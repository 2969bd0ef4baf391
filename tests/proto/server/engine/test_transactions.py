"""`transactions`: undone whole, net changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.server import U8, Module
from spacetime_proto.server.engine.store import TableStore
from spacetime_proto.server.engine.transactions import Transactions, net_changes
from tests.proto.server.support import make_database


def bag() -> tuple[Transactions, TableStore, Any]:
    module = Module()

    @module.table
    class Bag:
        value: U8

    database = make_database(module)
    return database.transactions, database.stores["bag"], Bag


def run(store: TableStore, cls: Any, steps: list[tuple[bool, int]]) -> None:
    for is_insert, value in steps:
        if is_insert:
            store.insert(cls(value=value))
        else:
            store.delete(bytes((value,)))


STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=20)


@given(STEPS, STEPS)
def test_net_changes_are_the_difference(before: Any, steps: Any) -> None:
    transactions, store, cls = bag()
    with transactions.run():
        run(store, cls, before)
    old = set(store.rows)
    with transactions.run() as journal:
        run(store, cls, steps)
    new = set(store.rows)
    change = net_changes(journal).get(store)
    inserted, deleted = (set(change.inserted), set(change.deleted)) if change else (set(), set())
    assert (inserted, deleted) == (new - old, old - new)


@given(STEPS, STEPS)
def test_a_failed_transaction_leaves_no_trace(before: Any, steps: Any) -> None:
    transactions, store, cls = bag()
    with transactions.run():
        run(store, cls, before)
    old = dict(store.rows)
    with pytest.raises(KeyboardInterrupt), transactions.run():
        run(store, cls, steps)
        raise KeyboardInterrupt
    assert store.rows == old
    assert all(store.lookup(0, row.value) == {data: row} for data, row in old.items())
    assert not transactions.is_open


def test_transactions_do_not_nest() -> None:
    transactions, _, _ = bag()
    with transactions.run():
        assert transactions.is_open
        with pytest.raises(RuntimeError, match="do not nest"), transactions.run():
            pass
        assert transactions.is_open
    with pytest.raises(RuntimeError, match="only be changed inside"):
        transactions.journal()
