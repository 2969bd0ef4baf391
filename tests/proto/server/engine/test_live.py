"""`live`: who holds which query, and who hears of a change."""

from __future__ import annotations

from typing import Any

from spacetime_proto.messages.v2 import EventRows, PersistentRows
from spacetime_proto.sats.rows import EMPTY_ROWS, RowList
from spacetime_proto.server import U8, Database, Module, ViewContext
from spacetime_proto.server.engine.live import Delta, LiveQuery, row_list
from spacetime_proto.server.engine.store import Change
from spacetime_proto.server.engine.transactions import net_changes
from tests.proto.server.support import identity, make_database


class Somebody:
    """A subscriber that writes down what it is told."""

    def __init__(self) -> None:
        self.failed: list[Any] = []

    def on_commit(self, commit: Any, share: Any) -> None:
        raise AssertionError("nobody commits here")

    def on_query_failed(self, slots: Any, text: str) -> None:
        self.failed.append((slots, text))


def make() -> tuple[Database, Any]:
    module = Module()

    @module.table(public=True)
    class Item:
        size: U8

    @module.table(public=True)
    class Other:
        size: U8

    @module.table(public=True, event=True)
    class Noise:
        size: U8

    module.row_level_security("SELECT * FROM noise WHERE size < 9")

    @module.view(anonymous=True)
    def items(ctx: ViewContext) -> list[Item]:
        rows = list(ctx.db.item)
        if len(rows) > 1:
            raise ValueError("too many")
        return rows

    return make_database(module), Item


def query(database: Database, sql: str) -> LiveQuery:
    return database.queries.live_query(sql, database.caller(identity(1)))


def insert(database: Database, cls: Any, size: int) -> Any:
    with database.transactions.run() as journal:
        database.tables.item.insert(cls(size=size))
    return net_changes(journal)


def test_a_query_lives_as_long_as_somebody_holds_it() -> None:
    database, _ = make()
    live = database.live
    one, two = Somebody(), Somebody()
    item = query(database, "SELECT * FROM item")
    live.hold(item, one, 1)
    live.hold(item, one, 2)
    live.hold(item, two, 1)
    assert query(database, "SELECT * FROM item") is item
    live.release(item, one, 1)
    live.release(item, one, 1)
    live.release(item, one, 2)
    assert live.queries.get(item.key) is item
    live.release_all(two)
    live.release_all(two)
    assert live.queries.get(item.key) is None
    assert query(database, "SELECT * FROM item") is not item


def test_a_derived_table_lives_as_long_as_a_query_over_it() -> None:
    database, _ = make()
    live, one = database.live, Somebody()
    sqls = ("SELECT * FROM items", "SELECT * FROM items WHERE size > 9")
    for sql in sqls:
        live.hold(query(database, sql), one, sql)
    key = ("view", "items", None)
    for sql, is_alive in zip(sqls, (True, False), strict=True):
        live.release(query(database, sql), one, sql)
        assert (live.materialised.get(key) is not None) is is_alive


def test_shares_go_to_holders_of_touched_queries() -> None:
    database, cls = make()
    live = database.live
    one, two = Somebody(), Somebody()
    item, big, other = (
        query(database, sql)
        for sql in (
            "SELECT * FROM item",
            "SELECT * FROM item WHERE size > 9",
            "SELECT * FROM other",
        )
    )
    for held, who, slot in ((item, one, 1), (item, one, 2), (big, one, 2), (other, two, 1)):
        live.hold(held, who, slot)
    shares = live.shares(insert(database, cls, 5))
    assert list(shares) == [one]
    assert [slot for slot, _ in shares[one]] == [1, 2]
    assert shares[one][0][1] is shares[one][1][1]
    assert shares[one][0][1].inserts.slices() == [b"\5"]
    assert shares[one][0][1].deletes is EMPTY_ROWS


def test_snapshots_are_made_once_per_version() -> None:
    database, cls = make()
    item = query(database, "SELECT * FROM item")
    first = item.rows(1)
    insert(database, cls, 5)
    assert item.rows(1) is first
    assert item.rows(2).slices() == [b"\5"]


def test_everything_can_fail_at_once() -> None:
    database, _ = make()
    one = Somebody()
    for sql, slot in (("SELECT * FROM item", 1), ("SELECT * FROM other", 1)):
        database.live.hold(query(database, sql), one, slot)
    database.live.fail_all("gone")
    assert one.failed == [([1], "gone")]


def test_deltas_read_both_kinds_of_rows() -> None:
    database, _ = make()
    item = query(database, "SELECT * FROM item")
    rows = RowList.from_rows([b"\1"])
    event = Delta(item, EventRows(rows))
    assert (event.inserts, len(event.deletes)) == (rows, 0)
    stored = Delta(item, PersistentRows(EMPTY_ROWS, rows))
    assert (stored.inserts, stored.deletes) == (EMPTY_ROWS, rows)


def test_row_lists_with_offsets_hold_the_same_rows() -> None:
    for rows in ([b"\1\2", b"\3\4"], [b"\1", b"\2\3"], []):
        made = row_list(rows, always_offsets=True)
        assert made.slices() == rows
        assert made.row_size == 0
        assert row_list(rows, always_offsets=False).slices() == rows


def test_derived_tables_change_with_what_they_read_or_end_their_sets() -> None:
    database, cls = make()
    live, one = database.live, Somebody()
    live.hold(query(database, "SELECT * FROM items"), one, 1)
    live.hold(query(database, "SELECT * FROM other"), one, 2)
    assert live.shares({database.stores["item"]: Change({}, {})}) == {}
    [(slot, delta)] = live.shares(insert(database, cls, 5))[one]
    assert (slot, delta.inserts.slices()) == (1, [b"\5"])
    assert live.shares(insert(database, cls, 6)) == {}
    assert one.failed == [([1], "view items failed: too many")]
    other = database.stores["other"]
    assert list(live.shares({other: Change({b"\1": other.decode(b"\1")}, {})})) == [one]


def test_filtered_events_are_forgotten_after_the_transaction() -> None:
    database, _ = make()
    live, one = database.live, Somebody()
    live.hold(query(database, "SELECT * FROM noise"), one, 1)
    live.hold(query(database, "SELECT * FROM items"), one, 2)
    noise = database.stores["noise"]
    with database.transactions.run() as journal:
        noise.insert(noise.row_class(size=3))
    [(_, delta)] = live.shares(net_changes(journal))[one]
    assert isinstance(delta.rows, EventRows)
    derived = live.materialised.get(("filter", "noise", None))
    assert derived is not None
    assert len(derived.store.rows) == 1
    live.forget_events()
    assert derived.store.rows == {}
