"""What type checkers know about a program with generated bindings. Checked, never run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, assert_type

import module_bindings as mb
from module_bindings import set_name_reducer
from module_bindings.user import User as UserFromItsFile

from spacetime_proto import Context, Identity, SpacetimeError, Timestamp, json_default
from spacetime_proto.bindings import (
    SENDER,
    BoolColumn,
    Call,
    Column,
    LegacyReducerEvent,
    LocalColumn,
    Module,
    Predicate,
    Selection,
    TableQuery,
    ViewCall,
)
from spacetime_proto.testing import Recorder
from spacetime_transports import AsyncClient, Delete, Insert, Rows, Update, blocking, connect
from spacetime_transports.blocking import BlockingClient

assert_type(mb.MODULE, Module[mb.Db])
SOMEONE = Identity.from_int(1)


# --- rows and types -----------------------------------------------------------------------------


def values(user: mb.User, shape: mb.Shape) -> None:
    assert_type(user.identity, Identity)
    assert_type(user.name, str)
    assert_type(user.age, int)
    assert_type(user.nick, str | None)
    assert_type(user.color, mb.Color)
    assert_type(user.shape, mb.Shape)
    assert_type(user.since, Timestamp)
    assert_type(mb.Color(0), mb.Color)
    assert_type(mb.Shape.Circle(1.5).value, float)
    match shape:
        case mb.Shape.Circle(radius):
            assert_type(radius, float)
        case _:
            pass
    made = mb.User(SOMEONE, "a", age=1, banned=False, nick=None, color=mb.Color.red,
                   shape=mb.Shape.Empty(), since=Timestamp(0))  # fmt: skip
    assert_type(made, mb.User)
    assert_type(UserFromItsFile, type[mb.User])
    assert_type(made.to_dict(), dict[str, Any])
    assert_type(made.to_dict(values="python"), dict[str, Any])
    assert_type(mb.User.from_dict({}), mb.User)
    assert_type(mb.Shape.from_dict({}), mb.Shape)
    assert_type(dict(made), dict[str, Any])
    json.dumps(made, default=json_default)


def color_name(color: mb.Color) -> str:
    match color:
        case mb.Color.red:
            return "r"
        case mb.Color.green:
            return "g"


# --- the cache ----------------------------------------------------------------------------------


def cache(db: mb.Db) -> None:
    assert_type(db.user.identity.find(SOMEONE), mb.User | None)
    assert_type(db.user.name.find("x"), mb.User | None)
    assert_type(db.user.age.filter(3), list[mb.User])
    assert_type(db.user.age.filter(range(3)), list[mb.User])
    assert_type(db.log.user_level.filter((SOMEONE, 3)), list[mb.Log])
    assert_type(list(db.user), list[mb.User])
    assert_type(db.user.iter(), Iterator[mb.User])
    assert_type(db.user.rows(), list[mb.User])
    assert_type(db.user.count(), int)
    assert_type(db.user.to_arrow(), Any)
    assert_type(db.user.where(lambda u: u.banned).to_polars(), Any)
    assert_type(db.user.where(lambda u: u.age > 3), Selection[mb.User])
    assert_type(db.user.where(lambda u: u.color == mb.Color.red).first(), mb.User | None)


def on_user(ctx: mb.Context, row: mb.User) -> None:
    assert_type(ctx, Context[mb.Db])
    assert_type(ctx.db.user.identity.find(row.identity), mb.User | None)
    assert_type(ctx.db.user.identity.find(ctx.identity), mb.User | None)
    ctx.submit(mb.reducers.set_name("a", None))
    ctx.subscribe(mb.tables.log, on_applied=on_applied, on_error=on_error, on_end=on_end)
    ctx.subscribe("SELECT * FROM log", on_applied=lambda ctx: print(ctx.db.log.count()))


def on_applied(ctx: mb.Context) -> None:
    assert_type(ctx.db.log.count(), int)


def on_error(ctx: mb.Context, error: SpacetimeError) -> None: ...


async def on_end(ctx: mb.Context) -> None: ...


async def on_user_async(ctx: Context, row: mb.User) -> None:
    assert_type(ctx.db, Any)


def on_update(ctx: Context[Any], old: mb.User, new: mb.User) -> None: ...


def on_alert(ctx: mb.Context, row: mb.Alert) -> None: ...


def on_whatever(ctx: object, row: object) -> None: ...


def callbacks(db: mb.Db) -> None:
    db.user.on_insert(on_user).cancel()
    db.user.on_insert(on_user_async)
    db.user.on_insert(on_whatever)
    db.user.on_insert(lambda ctx, row: print(ctx.db.user.age.filter(row.age)[0].name))
    db.user.on_delete(on_user)
    db.user.on_update(on_update)
    db.user.on_before_delete(on_user)
    db.alert.on_insert(on_alert)


# --- options ------------------------------------------------------------------------------------


def on_connect(ctx: mb.Context, identity: Identity, token: str) -> None: ...


async def on_connect_error(ctx: mb.Context, error: BaseException) -> None: ...


def on_disconnect(ctx: mb.Context, error: BaseException | None) -> None: ...


def one_argument(error: Exception) -> None: ...


def two_arguments(error: Exception, callback: Callable[..., Any]) -> None: ...


async def awaited(error: BaseException) -> None: ...


def options(file: Path) -> None:
    connect("localhost:3000", "typed", mb.MODULE, on_connect=on_connect, recorder=file)
    connect("localhost:3000", "typed", mb.MODULE, on_connect_error=on_connect_error)
    blocking.connect("localhost:3000", "typed", mb.MODULE, on_disconnect=on_disconnect)
    connect("localhost:3000", "typed", on_connect=lambda ctx, identity, token: print(token))
    connect("localhost:3000", "typed", on_callback_error=one_argument, recorder="session.jsonl")
    connect("localhost:3000", "typed", on_callback_error=two_arguments, recorder=None)
    connect("localhost:3000", "typed", on_callback_error=awaited, recorder=Recorder(print))
    connect("localhost:3000", "typed", on_callback_error=lambda error: print(error))
    connect("localhost:3000", "typed", on_callback_error=lambda error, callback: print(callback))


# --- queries ------------------------------------------------------------------------------------


def queries() -> None:
    assert_type(mb.tables.user, TableQuery[mb.User, mb.user.UserColumns])
    assert_type(
        mb.tables.user.where(lambda u: (u.age >= 18) & ~u.banned),
        TableQuery[mb.User, mb.user.UserColumns],
    )
    mb.tables.user.where(lambda u: u.banned)
    mb.tables.user.where(lambda u: u.name.in_(["a", "b"]) | (u.identity == SENDER))
    mb.tables.user.where(lambda u: u.age.in_(range(3)) | u.age.between(5, 7))
    mb.tables.log.where(lambda t: t.level < t.level)
    joined = mb.tables.user.right_semijoin(mb.tables.log, lambda u, t: u.identity == t.user)
    assert_type(joined.where(lambda t: t.level > 3), TableQuery[mb.Log, mb.log.LogColumns])
    kept = mb.tables.user.left_semijoin(mb.tables.log, lambda u, t: u.identity == t.user)
    assert_type(kept, TableQuery[mb.User, mb.user.UserColumns])


def columns(u: mb.user.UserColumns) -> None:
    assert_type(u.age, Column[int])
    assert_type(u.banned, BoolColumn)
    assert_type(u.nick, LocalColumn[str | None])
    assert_type(u.age == 3, Predicate)
    assert_type(u.age > 3, Predicate)
    assert_type(~u.banned | (u.age != 3), Predicate)


# --- calls --------------------------------------------------------------------------------------


def calls() -> None:
    assert_type(mb.reducers.set_name(name="a", nick=None), Call[None])
    assert_type(mb.procedures.add(1, rhs=2), Call[int])
    assert_type(mb.procedures.look("x"), Call[mb.User | None])
    assert_type(mb.procedures.ping(), Call[None])


async def asynchronous() -> None:
    async with connect("http://localhost:3000", "typed", mb.MODULE) as client:
        assert_type(client, AsyncClient[mb.Db])
        assert_type(client.db, mb.Db)
        assert_type(client.identity, Identity)
        assert_type(await client.call(mb.procedures.add(1, 2)), int)
        assert_type(await client.call(mb.procedures.look("x")), mb.User | None)
        await client.call(mb.reducers.set_name("a", nick="b"), timeout=5)
        client.submit(mb.reducers.set_name("a", None))
        assert_type(await client.query(mb.tables.user), Rows[mb.User])
        assert_type(await client.query("SELECT * FROM user"), Rows[Any])
        assert_type(mb.tables.near(18, name="x"), ViewCall[mb.User])
        assert_type(await client.query(mb.tables.near(18, "x")), Rows[mb.User])
        await client.subscribe(mb.tables.near(18, "x"), mb.tables.user)
        for near in client.db.near:
            assert_type(near, mb.User)
        await client.subscribe("SELECT * FROM user", mb.tables.log.where(lambda t: t.level > 1))
        handle = await client.subscribe("SELECT * FROM user", timeout=5)
        await handle.unsubscribe(timeout=5)
        async with client.db.user.changes() as changes:
            async for change in changes:
                assert_type(change, Insert[mb.User] | Update[mb.User] | Delete[mb.User])
    awaited = await connect("http://localhost:3000", "typed", mb.MODULE)
    assert_type(awaited, AsyncClient[mb.Db])
    await awaited.wait_connected(timeout=1)
    await awaited.wait_closed(timeout=1)
    awaited.close_soon()
    await connect("http://localhost:3000", "typed", mb.MODULE).run()


def synchronous() -> None:
    with blocking.connect("http://localhost:3000", "typed", mb.MODULE) as client:
        assert_type(client, BlockingClient[mb.Db])
        assert_type(client.identity, Identity)
        assert_type(client.db.user.name.find("x"), mb.User | None)
        assert_type(client.call(mb.procedures.add(1, 2)), int)
        print(client.call(mb.procedures.add(1, 2)))  # an int is good enough for an object
        print(client.query(mb.tables.user))
        assert_type(client.query(mb.tables.near(18, "x")), Rows[mb.User])
        client.subscribe(mb.tables.near(18, "x"))
        assert_type(client.query(mb.tables.user.where(lambda u: u.banned)), Rows[mb.User])
        in_a_list: list[mb.User] = client.query(mb.tables.user)
        assert_type(client.query(mb.tables.user)[:3], Rows[mb.User])
        assert_type(client.query(mb.tables.user)[0], mb.User)
        print(in_a_list)


# --- the surface of the 0.7 SDK -----------------------------------------------------------------


def on_row(
    op: str, old: mb.User | None, new: mb.User | None, why: LegacyReducerEvent | None
) -> None:
    if why is not None:
        assert_type(why.caller_identity, Identity | None)


def on_set_name(
    caller: Identity,
    connection: object,
    status: str,
    message: str | None,
    name: str,
    nick: str | None,
) -> None: ...


def on_set_name_as_in_the_readme(
    sender: Identity, status: str, message: str | None, name: str, nick: str | None
) -> None: ...


def legacy() -> None:
    assert_type(mb.User.filter_by_identity(SOMEONE), mb.User | None)
    assert_type(mb.User.filter_by_age(3), list[mb.User])
    assert_type(mb.User.iter(), Iterator[mb.User])
    mb.User.register_row_update(on_row)
    set_name_reducer.set_name("a", None)
    set_name_reducer.register_on_set_name(on_set_name)
    set_name_reducer.register_on_set_name(on_set_name_as_in_the_readme)
