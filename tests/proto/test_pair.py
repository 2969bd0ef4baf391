"""Client and server machines together, bytes cut anywhere: the cache equals a naive model.

Hypothesis drives a client through subscriptions that overlap, joins that deliver a row twice,
updates that move rows in and out of sets, refusals, sets that die, losses and reconnects, while
another client writes. After every step the client's cache must be what the model says: the union of
the rows that the live sets select, computed by plain comprehensions over the server's tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from spacetime_proto.client import events as ev
from spacetime_proto.client.retry import Decision
from spacetime_proto.client.session_options import ALL_PROTOCOLS, ClientOptions
from spacetime_proto.client.states import SessionState
from spacetime_proto.client.subscriptions import Subscription
from spacetime_proto.limits import Limits
from spacetime_proto.server import U64, Context, column
from spacetime_proto.server import Module as ServerModule
from spacetime_proto.types import Identity
from tests.support.pair import Pair

module = ServerModule()


@module.table(public=True)
class Item:
    """Keyed, with an index."""

    id: U64 = column(primary_key=True)
    kind: str = column(index="btree")
    value: int


@module.table(public=True)
class Note:
    """Without a key: a change is a delete and an insert."""

    text: str


@module.table(public=True)
class Tag:
    """Many to one item: joins deliver the item once per tag."""

    id: U64 = column(primary_key=True)
    item: U64 = column(index="btree")


@module.reducer
def put(ctx: Context, id: U64, kind: str, value: int) -> None:
    row = Item(id=id, kind=kind, value=value)
    if ctx.db.item.id.find(id) is None:
        ctx.db.item.insert(row)
    else:
        ctx.db.item.id.update(row)


@module.reducer
def remove(ctx: Context, id: U64) -> None:
    ctx.db.item.id.delete(id)


@module.reducer
def shift(ctx: Context, by: int) -> None:
    """Change every row in one transaction."""
    for row in list(ctx.db.item.iter()):
        ctx.db.item.id.update(replace(row, value=row.value + by))


@module.reducer
def note(ctx: Context, text: str) -> None:
    ctx.db.note.insert(Note(text=text))


@module.reducer
def unnote(ctx: Context, text: str) -> None:
    ctx.db.note.delete(Note(text=text))


@module.reducer
def tag(ctx: Context, id: U64, item: U64) -> None:
    if ctx.db.tag.id.find(id) is None:
        ctx.db.tag.insert(Tag(id=id, item=item))
    else:
        ctx.db.tag.id.delete(id)


@module.reducer
def fail(ctx: Context, id: U64) -> None:
    """Write and then refuse: nothing of it may be seen."""
    ctx.db.item.id.delete(id)
    ctx.db.note.insert(Note(text="never"))
    raise ValueError("no")


@dataclass(frozen=True)
class Naive:
    """A query as SQL, and as what it selects from plain lists."""

    sql: str
    table: str
    select: Callable[[Any], list[Any]]


def tagged(db: Any) -> list[Any]:
    return [i for i in db["item"] for t in db["tag"] if t.item == i.id]


QUERIES = [
    Naive("SELECT * FROM item", "item", lambda db: db["item"]),
    Naive(
        "SELECT * FROM item WHERE kind = 'a'",
        "item",
        lambda db: [i for i in db["item"] if i.kind == "a"],
    ),
    Naive(
        "SELECT * FROM item WHERE value > 2",
        "item",
        lambda db: [i for i in db["item"] if i.value > 2],
    ),
    Naive(
        "SELECT * FROM item WHERE kind = 'b' OR value = 0",
        "item",
        lambda db: [i for i in db["item"] if i.kind == "b" or i.value == 0],
    ),
    Naive("SELECT item.* FROM item JOIN tag ON item.id = tag.item", "item", tagged),
    Naive("SELECT * FROM note", "note", lambda db: db["note"]),
    Naive(
        "SELECT * FROM note WHERE text = 'x'",
        "note",
        lambda db: [n for n in db["note"] if n.text == "x"],
    ),
    Naive("SELECT * FROM tag", "tag", lambda db: db["tag"]),
]

ids = st.integers(0, 4)
kinds = st.sampled_from(["a", "b"])
values = st.integers(0, 4)
texts = st.sampled_from(["x", "y"])
query_sets = st.lists(st.sampled_from(QUERIES), min_size=1, max_size=3)

writes = st.one_of(
    st.tuples(st.just("put"), ids, kinds, values),
    st.tuples(st.just("remove"), ids),
    st.tuples(st.just("shift"), st.integers(-2, 2)),
    st.tuples(st.just("note"), texts),
    st.tuples(st.just("unnote"), texts),
    st.tuples(st.just("tag"), ids, ids),
    st.tuples(st.just("fail"), ids),
)


class ClientAndServer(RuleBasedStateMachine):
    """See the module's docstring."""

    protocol = ALL_PROTOCOLS[0]

    @initialize(cuts=st.lists(st.integers(1, 60), max_size=200))
    def connect(self, cuts: list[int]) -> None:
        self.pair = Pair(
            module,
            ClientOptions(
                protocols=frozenset({self.protocol}),
                limits=Limits(verify_rows=True),
                strict_deletes=True,
            ),
            cuts=cuts,
        )
        self.pair.session.decide = lambda error, now: Decision(error, 1.0)
        self.live: list[tuple[Subscription, list[Naive]]] = []
        self.seen: dict[str, list[Any]] = {"item": [], "note": [], "tag": []}
        self.other = self.pair.database.caller(Identity(bytes([0xC2, 0]) + bytes(30)))
        self.pair.start()
        assert self.session.state is SessionState.OPEN
        assert self.session.protocol == self.protocol

    @property
    def session(self) -> Any:
        return self.pair.session

    def settle(self) -> None:
        """Deliver everything; what events tell must add up to what the cache holds."""
        self.pair.run()
        for event in self.pair.drain():
            if isinstance(event, ev.TableChanged):
                rows = self.seen[event.table.table_name]
                for old, new in event.updated:
                    assert old in rows
                    assert old.id == new.id
                    rows[rows.index(old)] = new
                for row in event.deleted:
                    rows.remove(row)
                for row in event.inserted:
                    assert row not in rows
                    rows.append(row)

    @precondition(lambda self: len(self.live) < 4)
    @rule(queries=query_sets)
    def subscribe(self, queries: list[Naive]) -> None:
        subscription = self.session.subscribe(*[query.sql for query in queries])
        self.settle()
        assert subscription.is_active
        self.live.append((subscription, queries))

    @rule()
    def subscribe_nonsense(self) -> None:
        subscription = self.session.subscribe("SELECT * FROM item", "SELECT * FROM nowhere")
        self.settle()
        assert subscription.is_ended
        assert "nowhere" in str(subscription.error)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.live))
        entry[0].unsubscribe()
        self.settle()
        assert entry[0].is_ended
        self.live.remove(entry)

    @rule(queries=query_sets)
    def subscribe_and_cancel(self, queries: list[Naive]) -> None:
        """The end is asked for before the answer has come."""
        subscription = self.session.subscribe(*[query.sql for query in queries])
        subscription.unsubscribe()
        self.settle()
        assert subscription.is_ended
        assert not subscription.was_applied

    @rule(write=writes)
    def write_myself(self, write: tuple[Any, ...]) -> None:
        name, *args = write
        pending = self.session.call(getattr(self.session.module.reducers, name)(*args))
        self.settle()
        assert pending.is_done
        assert (pending.error is not None) == (name == "fail")

    @rule(write=writes)
    def somebody_else_writes(self, write: tuple[Any, ...]) -> None:
        name, *args = write
        bound = self.pair.bindings.bound.reducers[name]
        time = self.pair.host.time(self.pair.now)
        self.pair.database.call_reducer(self.other, name, bound.encode_args(args), now=time)
        self.settle()

    @rule(text=st.text(max_size=5))
    def sets_die(self, text: str) -> None:
        self.pair.database.fail_subscriptions(text)
        self.settle()
        for subscription, _ in self.live:
            assert subscription.is_ended
        self.live.clear()

    @rule(write=writes)
    def lose_and_reconnect(self, write: tuple[Any, ...]) -> None:
        """The world changes while the client is away; it hears of the difference only."""
        self.pair.cut()
        assert self.session.state is SessionState.IDLE
        name, *args = write
        bound = self.pair.bindings.bound.reducers[name]
        time = self.pair.host.time(self.pair.now)
        self.pair.database.call_reducer(self.other, name, bound.encode_args(args), now=time)
        self.pair.start(token=self.session.token)
        self.settle()
        assert self.session.state is SessionState.OPEN

    @invariant()
    def cache_equals_model(self) -> None:
        if not hasattr(self, "pair"):
            return
        db = self.session.db
        tables = {
            name: [
                self.session.module.bound.tables[name].row_class(*row)
                for row in self.server_rows(name)
            ]
            for name in ("item", "note", "tag")
        }
        for name in tables:
            expected = {
                row
                for _, queries in self.live
                for query in queries
                if query.table == name
                for row in query.select(tables)
            }
            assert set(db[name]) == expected
            assert len(db[name]) == len(expected)
            assert set(self.seen[name]) == expected
        for row in db["item"]:
            assert db.item.id.find(row.id) == row
        by_kind = {row for kind in ("a", "b") for row in db.item.kind.filter(kind)}
        assert by_kind == set(db["item"])

    def server_rows(self, name: str) -> list[tuple[Any, ...]]:
        """Return the server's table as tuples, past its queries."""
        names = [column.name for column in self.pair.bindings.bound.tables[name].definition.columns]
        return [
            tuple(getattr(row, column) for column in names)
            for row in getattr(self.pair.database.tables, name).iter()
        ]


for protocol in ALL_PROTOCOLS:
    name = f"Machine_{protocol.split('.spacetimedb')[0].replace('.', '_')}"
    machine = type(name, (ClientAndServer,), {"protocol": protocol})
    case = machine.TestCase
    case.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
    globals()[f"Test{name}"] = case
del case


@pytest.mark.parametrize("protocol", ALL_PROTOCOLS)
def test_a_session_works_byte_by_byte(protocol: str) -> None:
    pair = Pair(module, ClientOptions(protocols=frozenset({protocol})), cuts=iter(lambda: 1, None))
    pair.start()
    subscription = pair.session.subscribe("SELECT * FROM item")
    pending = pair.session.call(pair.bindings.reducers.put(1, "a", 2))
    pair.run()
    assert subscription.is_active
    assert pending.result() is None
    assert [row.value for row in pair.session.db.item] == [2]
