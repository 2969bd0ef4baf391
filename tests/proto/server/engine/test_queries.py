"""`queries`: subscriptions over views and filtered tables, for one caller or for all."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.errors import QueryError
from spacetime_proto.messages import v2
from spacetime_proto.server import U8, Context, Database, Module, Query, ViewContext, column
from spacetime_proto.server.sql.analyze import resolve
from spacetime_proto.server.sql.parse import parse
from spacetime_proto.server.sql.plan import select_statement
from spacetime_proto.types import Identity
from tests.proto.server.support import Client, identity, make_database

OWNER = identity(77)


def make() -> tuple[Database, list[str]]:
    module = Module()

    @module.table(public=True)
    class Player:
        owner: Identity = column(primary_key=True)
        level: U8 = column(index=True)

    @module.table(public=True)
    class Bonus:
        level: U8 = column(primary_key=True)

    @module.table(public=True)
    class Hidden:
        owner: Identity
        text: str

    @module.table(public=True, event=True)
    class Whisper:
        to: Identity
        text: str

    @module.table(public=True)
    class Adult:
        level: U8

    module.row_level_security("SELECT * FROM hidden WHERE owner = :sender")
    module.row_level_security("SELECT h.* FROM hidden h JOIN player p ON h.owner = p.owner")
    module.row_level_security("SELECT * FROM whisper WHERE to = :sender")
    module.row_level_security("SELECT * FROM adult WHERE level >= 18")

    @module.view(primary_key="owner")
    def me(ctx: ViewContext) -> Player | None:
        return ctx.db.player.owner.find(ctx.sender)

    @module.view(anonymous=True)
    def masters(ctx: ViewContext) -> list[Player]:
        assert ctx.sender == identity(0)
        rows = [row for row in ctx.db.player if row.level > 5]
        if any(row.level == 99 for row in rows):
            raise ZeroDivisionError("too good")
        return rows + rows

    @module.view
    def mine(ctx: ViewContext) -> Query[Player]:
        return Query("SELECT * FROM player WHERE owner = :sender")

    @module.view
    def wrong(ctx: ViewContext) -> Query[Player]:
        return Query("SELECT * FROM bonus")

    @module.view
    def garbage(ctx: ViewContext) -> Query[Player]:
        return Query("SELEC")

    @module.reducer
    def set_level(ctx: Context, level: U8) -> None:
        ctx.db.player.owner.delete(ctx.sender)
        if level:
            ctx.db.player.insert(Player(owner=ctx.sender, level=level))

    @module.reducer
    def set_bonus(ctx: Context, level: U8) -> None:
        ctx.db.bonus.insert(Bonus(level=level))

    @module.reducer
    def hide(ctx: Context, text: str) -> None:
        ctx.db.hidden.insert(Hidden(owner=ctx.sender, text=text))
        ctx.db.adult.insert(Adult(level=len(text)))

    @module.reducer
    def whisper(ctx: Context, to: Identity, text: str) -> None:
        ctx.db.whisper.insert(Whisper(to=to, text=text))

    panics: list[str] = []
    return make_database(module, owner=OWNER, on_panic=panics.append), panics


def subscribed(database: Database, sql: str, number: int = 1) -> Client:
    client = Client(database, number=number)
    answer = client.one(v2.Subscribe(1, 1, (sql,)))
    assert isinstance(answer, v2.SubscribeAppliedMessage), answer
    return client


def call(client: Client, name: str, args: bytes) -> list[Any]:
    return client.send(v2.CallReducer(9, name, args))


def changes(messages: list[Any]) -> list[tuple[int, int]]:
    """Return (inserts, deletes) of each update."""
    result = []
    for message in messages:
        update = message
        if isinstance(message, v2.ReducerResult):
            assert isinstance(message.result, v2.ReducerOk), message
            update = message.result.transaction_update
        rows = [r for s in update.query_sets for t in s.tables for r in t.rows]
        result.append(
            (
                sum(len(r.events if isinstance(r, v2.EventRows) else r.inserts) for r in rows),
                sum(0 if isinstance(r, v2.EventRows) else len(r.deletes) for r in rows),
            )
        )
    return result


def text(value: str) -> bytes:
    return len(value).to_bytes(4, "little") + value.encode()


def test_a_view_of_the_caller_changes_with_what_it_read() -> None:
    database, _ = make()
    one, two = subscribed(database, "SELECT * FROM me"), subscribed(database, "SELECT * FROM me", 2)
    assert changes(call(one, "set_level", b"\3")) == [(1, 0)]
    assert changes(call(one, "set_level", b"\4")) == [(1, 1)]
    assert changes(call(one, "set_bonus", b"\4")) == [(0, 0)]
    assert two.take() == []
    assert changes(call(one, "set_level", b"\0")) == [(0, 1)]


def test_an_anonymous_view_is_shared_and_is_a_set() -> None:
    database, _ = make()
    one = subscribed(database, "SELECT * FROM masters")
    two = subscribed(database, "SELECT * FROM masters", 2)
    assert len(database.live.materialised) == 1
    assert changes(call(one, "set_level", b"\7")) == [(1, 0)]
    assert changes(two.take()) == [(1, 0)]
    one.leave()
    assert changes(call(two, "set_level", b"\6")) == [(1, 0)]
    two.leave()
    assert database.live.materialised == {}


def test_a_query_view_selects_with_the_sender() -> None:
    database, _ = make()
    one = subscribed(database, "SELECT * FROM mine")
    subscribed(database, "SELECT * FROM mine", 2)
    assert changes(call(one, "set_level", b"\3")) == [(1, 0)]


def test_views_can_be_joined_and_filtered() -> None:
    database, _ = make()
    one = subscribed(
        database, "SELECT m.* FROM bonus b JOIN me m ON m.level = b.level WHERE m.level > 2"
    )
    assert changes(call(one, "set_level", b"\3")) == [(0, 0)]
    assert changes(call(one, "set_bonus", b"\3")) == [(1, 0)]
    assert changes(call(one, "set_level", b"\2")) == [(0, 1)]


def test_two_queries_over_one_view_share_it() -> None:
    database, _ = make()
    client = Client(database)
    client.send(v2.Subscribe(1, 1, ("SELECT * FROM me", "SELECT * FROM me WHERE level > 3")))
    assert len(database.live.materialised) == 1
    assert changes(call(client, "set_level", b"\3")) == [(1, 0)]
    assert changes(call(client, "set_level", b"\4")) == [(2, 1)]
    client.send(v2.Subscribe(1, 2, ("SELECT a.* FROM me a JOIN me b ON a.level = b.level",)))
    assert len(database.live.materialised) == 1


@pytest.mark.parametrize(
    ("view", "problem"),
    [
        ("wrong", "view wrong: the query returns no Player rows"),
        ("garbage", "view garbage: sql parser error: Expected an SQL statement"),
    ],
)
def test_a_view_whose_query_is_wrong_cannot_be_subscribed_to(view: str, problem: str) -> None:
    database, _ = make()
    answer = Client(database).one(v2.Subscribe(1, 1, (f"SELECT * FROM {view}",)))
    assert answer.error.startswith(problem)
    assert answer.error.endswith(f", executing: `SELECT * FROM {view}`")


def test_a_view_that_fails_later_ends_its_sets_before_the_update() -> None:
    database, panics = make()
    client = Client(database)
    client.send(v2.Subscribe(1, 1, ("SELECT * FROM masters", "SELECT * FROM bonus")))
    client.send(v2.Subscribe(1, 2, ("SELECT * FROM player",)))
    error, result = call(client, "set_level", b"\x63")
    assert error == v2.SubscriptionErrorMessage(None, 1, "view masters failed: too good")
    assert changes([result]) == [(1, 0)]
    assert "ZeroDivisionError" in panics[0]
    answer = client.one(v2.Subscribe(3, 1, ("SELECT * FROM masters",)))
    assert answer.request_id == 3


def test_one_off_queries_read_a_view_only_while_somebody_keeps_it() -> None:
    database, _ = make()
    one = Client(database)
    call(one, "set_level", b"\7")
    query = v2.OneOffQuery(5, "SELECT * FROM me")
    assert len(one.one(query).result[0].rows) == 0
    one.send(v2.Subscribe(1, 1, ("SELECT * FROM me",)))
    assert len(one.one(query).result[0].rows) == 1


def test_row_level_security_shows_what_any_filter_admits() -> None:
    database, _ = make()
    one = subscribed(database, "SELECT * FROM hidden")
    two = subscribed(database, "SELECT * FROM hidden", 2)
    owner = subscribed(database, "SELECT * FROM hidden", 77)
    assert changes(call(one, "hide", text("x"))) == [(1, 0)]
    assert two.take() == []
    assert changes(owner.take()) == [(1, 0)]
    # The second filter admits rows of whoever is a player.
    assert changes(call(one, "set_level", b"\1")) == [(0, 0)]
    assert changes(two.take()) == [(1, 0)]
    assert len(two.one(v2.OneOffQuery(5, "SELECT * FROM hidden")).result[0].rows) == 1
    assert changes(call(one, "set_level", b"\0")) == [(0, 0)]
    assert changes(two.take()) == [(0, 1)]


def test_filters_without_sender_are_shared() -> None:
    database, _ = make()
    one = subscribed(database, "SELECT * FROM adult")
    subscribed(database, "SELECT * FROM adult", 2)
    assert len(database.live.materialised) == 1
    assert changes(call(one, "hide", text("short"))) == [(0, 0)]
    assert changes(call(one, "hide", text("x" * 18))) == [(1, 0)]


def test_events_are_filtered_too_and_do_not_stay() -> None:
    database, _ = make()
    one = subscribed(database, "SELECT * FROM whisper")
    two = subscribed(database, "SELECT * FROM whisper", 2)
    to_two = bytes(reversed(identity(2).data))
    for _ in range(2):
        assert changes(call(one, "whisper", to_two + text("psst"))) == [(0, 0)]
        assert changes(two.take()) == [(1, 0)]


def test_texts_are_trimmed_deduplicated_and_expanded() -> None:
    database, _ = make()
    caller = database.caller(identity(1))
    expand = database.queries.expand
    assert expand([" SELECT 1 ", "SELECT 1", "x"], caller) == ["SELECT 1", "x"]
    everything = expand(["select * FROM *"], caller)
    assert 'SELECT * FROM "hidden"' in everything
    assert 'SELECT * FROM "me"' in everything
    assert 'SELECT * FROM "whisper"' not in everything


def test_live_queries_are_shared_unless_they_depend_on_the_caller() -> None:
    database, _ = make()
    clients = [Client(database, number=number) for number in (1, 2, 77)]
    for client in clients:
        client.send(
            v2.Subscribe(
                1,
                1,
                ("SELECT * FROM player", "SELECT * FROM player WHERE owner = :sender"),
            )
        )
    keys = [key for key in database.live.queries]
    assert [key[1] for key in keys] == [None, identity(1), identity(2), None, identity(77)]
    assert [key[2] for key in keys] == [False, False, False, True, True]


def test_a_filter_that_is_no_query_is_refused() -> None:
    module = Module()
    module.row_level_security("SELECT * FROM nope")
    with pytest.raises(QueryError, match="no such table"):
        make_database(module)


def test_http_queries_work_views_out_afresh() -> None:
    database, _ = make()
    caller = database.caller(identity(1))
    call(Client(database), "set_level", b"\7")
    select = select_statement(parse("SELECT * FROM me"))
    query = resolve(select, database.queries.catalog(caller), caller.identity)
    [store] = database.queries.fresh_stores(query, caller)
    assert len(store.rows) == 1
    assert database.live.materialised == {}
