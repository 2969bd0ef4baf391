"""`environment`: the variables of a database, as its module and its owner see them."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from spacetime_proto.errors import LocalProtocolError, QueryError
from spacetime_proto.messages import v1, v2
from spacetime_proto.server import (
    Context,
    Database,
    Env,
    Module,
    ProcedureContext,
    Query,
    ViewContext,
    column,
)
from spacetime_proto.server.engine.environment import EnvironmentRefused
from spacetime_proto.server.sql.run import run_sql
from tests.proto.server.support import NOW, Client, Entropy, identity

OWNER = identity(1)
SECRET = "s3cret"


def make_module() -> Module:
    module = Module()

    @module.environment
    class Variables:
        API_KEY: str
        MODE: Literal["dev", "prod"]
        LOG_LEVEL: Literal["info"] | None

    @module.table(public=True)
    class Seen:
        key: str = column(primary_key=True)
        value: str

    @module.init
    def start(ctx: Context) -> None:
        ctx.db.seen.insert(Seen(key="init", value=ctx.env.MODE))

    @module.reducer
    def read(ctx: Context, key: str) -> None:
        ctx.db.seen.insert(Seen(key=key, value=ctx.env[key]))

    @module.procedure
    def ask(ctx: ProcedureContext, key: str) -> str | None:
        with ctx.transaction() as tx:
            assert tx.env.get(key) == ctx.env.get(key)
        return ctx.env.get(key, "none")

    @module.view(anonymous=True)
    def mode(ctx: ViewContext) -> list[Seen]:
        return [Seen(key="mode", value=ctx.env["MODE"])]

    @module.view
    def tables(ctx: ViewContext) -> list[Seen]:
        return [Seen(key="st_env", value=str(hasattr(ctx.db, "st_env")))]

    @module.view
    def sly(ctx: ViewContext) -> Query[Seen]:
        return Query("SELECT * FROM st_env")

    return module


def make_database(**values: str) -> Database:
    database = Database(make_module(), identity=identity(0), entropy=Entropy(), owner=OWNER)
    database.publish(NOW, {"API_KEY": SECRET, "MODE": "dev", **values})
    return database


def sql(database: Database, text: str, who: Any = OWNER) -> list[tuple[Any, ...]]:
    return list(run_sql(database, text, database.caller(who), NOW).rows)


def call(database: Database, name: str, key: str) -> Any:
    return database.call_reducer(database.caller(OWNER), name, f'["{key}"]', now=NOW)


def test_every_kind_of_function_reads_them() -> None:
    database = make_database(OTHER="stored, but not declared")
    assert call(database, "read", "API_KEY").verdict == "committed"
    seen = dict(sql(database, "SELECT * FROM seen"))
    assert seen == {"init": "dev", "API_KEY": SECRET}
    assert sql(database, "SELECT * FROM mode") == [("mode", "dev")]
    answers: list[Any] = []
    for key in ("MODE", "LOG_LEVEL", "OTHER"):
        caller = database.caller(OWNER)
        database.procedures.call(caller, "ask", f'["{key}"]', now=NOW, done=answers.append)
    mode, level, other = answers
    ask: Any = database.procedures.get("ask")
    assert (ask.result_json(mode.value), ask.result_json(level.value)) == (
        '[0,"dev"]',
        '[0,"none"]',
    )
    assert other.value is None
    assert "environment key is not declared: OTHER" in other.text


def test_what_the_module_does_not_declare_it_cannot_read() -> None:
    panics: list[str] = []
    database = Database(
        make_module(), identity=identity(0), entropy=Entropy(), on_panic=panics.append
    )
    database.publish(NOW, {"API_KEY": SECRET, "MODE": "dev", "OTHER": "1"})
    for key in ("OTHER", "NOPE", "LOG_LEVEL"):
        assert call(database, "read", key).verdict == "panic"
    assert "environment key is not declared: OTHER" in panics[0]
    assert "environment variable LOG_LEVEL has no value" in panics[2]
    assert SECRET not in "".join(panics)


def test_the_reader_of_a_context() -> None:
    env = Env({"A": "1", "B": None}.__getitem__)
    assert (env.A, env.B, env["A"], env.get("B"), env.get("B", "x")) == ("1", None, "1", None, "x")
    assert not hasattr(env, "C")
    with pytest.raises(KeyError):
        env["C"]
    with pytest.raises(KeyError):
        env["B"]
    assert repr(env) == "Env(...)"


@pytest.mark.parametrize(
    ("values", "remove", "text", "missing"),
    [
        ({"MODE": "Dev"}, (), '"MODE": value does not satisfy its declared string', ()),
        ({"LOG_LEVEL": ""}, (), '"LOG_LEVEL": value does not satisfy its declared string', ()),
        ({}, ("MODE",), '"MODE": required value is missing', ("MODE",)),
        ({"A": SECRET}, "all", '"API_KEY": required value is missing', ("API_KEY", "MODE")),
        ({"B": SECRET}, ("B",), '"B": conflicting environment update operations', ()),
        ({"A-B": SECRET}, (), '"A-B": invalid name', ()),
        ({}, ("A-B",), '"A-B": invalid name', ()),
        ({"A": SECRET * 2000}, (), '"A": value exceeds size limit', ()),
        ({f"A{at}": SECRET for at in range(255)}, (), "too many stored values", ()),
    ],
)
def test_changes_that_are_refused_change_nothing(
    values: Any, remove: Any, text: str, missing: tuple[str, ...]
) -> None:
    database = make_database()
    before = sql(database, "SELECT * FROM st_env")
    with pytest.raises(LocalProtocolError, match=text) as raised:
        database.change_environment(values, remove, now=NOW)
    found = raised.value.missing if isinstance(raised.value, EnvironmentRefused) else ()
    assert found == missing
    assert SECRET not in str(raised.value)
    assert sql(database, "SELECT * FROM st_env") == before


def test_a_database_does_not_start_without_what_its_module_requires() -> None:
    database = Database(make_module(), identity=identity(0), entropy=Entropy())
    with pytest.raises(EnvironmentRefused, match='"API_KEY": required value is missing'):
        database.publish(NOW)


def test_changes() -> None:
    database = make_database(OLD="1")
    database.change_environment({"MODE": "prod", "EMPTY": "", "NUL": "\0"}, ["OLD", "X"], now=NOW)
    assert database.environment.stored_keys == ["API_KEY", "EMPTY", "MODE", "NUL"]
    database.change_environment({"MODE": "dev", "API_KEY": SECRET}, "all", now=NOW)
    assert sorted(sql(database, "SELECT * FROM st_env")) == [("API_KEY", SECRET), ("MODE", "dev")]


def test_only_the_owner_sees_the_table_and_nobody_writes_to_it() -> None:
    database = make_database()
    with pytest.raises(QueryError, match="no such table: `st_env`"):
        sql(database, "SELECT * FROM st_env", identity(2))
    for text in (
        "DELETE FROM st_env",
        "UPDATE st_env SET value = ''",
        "INSERT INTO st_env (key, value) VALUES ('A', 'b')",
    ):
        with pytest.raises(QueryError) as raised:
            sql(database, text)
        assert str(raised.value) == (
            "Database environment variables can only be changed by publishing"
        )
    assert sql(database, "SELECT * FROM tables") == [("st_env", "False")]
    with pytest.raises(QueryError, match="no such table: `st_env`"):
        sql(database, "SELECT * FROM sly")
    assert "st_env" not in database.queries.catalog(database.caller(OWNER)).everything()


@pytest.mark.parametrize("protocol", ["v2.bsatn.spacetimedb", "v1.json.spacetimedb"])
def test_subscribers_of_views_and_the_owner_hear_of_changes(protocol: Any) -> None:
    database = make_database()
    owner = Client(database, protocol, number=1)
    other = Client(database, protocol, number=2)
    subscribe = v1.SubscribeMulti if protocol.startswith("v1") else v2.Subscribe
    for client, text in ((owner, "SELECT * FROM st_env"), (other, "SELECT * FROM mode")):
        query: Any = ((text,), 1, 1) if protocol.startswith("v1") else (1, 1, (text,))
        assert len(client.send(subscribe(*query))) == 1
    database.change_environment({"MODE": "prod"}, now=NOW)
    assert len(owner.take()) == 1
    assert len(other.take()) == 1
    database.change_environment({"MODE": "prod"}, now=NOW)
    assert not owner.take()
    assert not other.take()
