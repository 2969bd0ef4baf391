"""`derived`: what changes when a derived table is worked out again."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.server import U8, Module
from spacetime_proto.server.engine.derived import Derived, DerivedError
from tests.proto.server.support import make_database


def test_refresh_gives_the_difference() -> None:
    module = Module()

    @module.table
    class Item:
        size: U8

    store = make_database(module).stores["item"]
    wanted: list[Any] = [1, 2]

    def evaluate() -> Any:
        if wanted == ["fail"]:
            raise DerivedError("no")
        return {bytes((size,)): Item(size=size) for size in wanted}, {"item"}

    derived = Derived(("key",), store, evaluate)
    change = derived.refresh()
    assert (set(change.inserted), set(change.deleted)) == ({b"\1", b"\2"}, set())
    assert derived.reads == {"item"}
    wanted[:] = [2, 3]
    change = derived.refresh()
    assert (set(change.inserted), set(change.deleted)) == ({b"\3"}, {b"\1"})
    assert not derived.refresh()
    wanted[:] = ["fail"]
    with pytest.raises(DerivedError):
        derived.refresh()
    assert set(store.rows) == {b"\2", b"\3"}
