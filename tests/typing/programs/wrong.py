# ruff: noqa: B018
"""Programs that type checkers must reject: every line with a mark, no other line."""

from __future__ import annotations

from typing import Any

import module_bindings as mb
from module_bindings import set_name_reducer

from spacetime_proto import Context, Identity
from spacetime_proto.bindings import DbBase
from spacetime_transports import connect

SOMEONE = Identity.from_int(1)


def rows(user: mb.User) -> None:
    user.agee  # wrong
    user.age = 3  # wrong
    mb.User(SOMEONE)  # wrong
    mb.Shape.Circle("x")  # wrong
    mb.Color.purple  # wrong
    user.nick.upper()  # wrong
    user.to_dict(values="xml")  # wrong
    mb.User.from_dict({}).nick.upper()  # wrong


def cache(db: mb.Db) -> None:
    db.users  # wrong
    db.user.identity.find("c2")  # wrong
    db.user.identity.find(SOMEONE).name  # wrong
    db.user.nick  # wrong
    db.log.on_update(lambda ctx, old, new: None)  # wrong
    db.alert.on_update(lambda ctx, old, new: None)  # wrong
    db.user.where(lambda u: u.age == "x")  # wrong
    db.user.where(lambda u: u.agee == 1)  # wrong


def on_log(ctx: Context[Any], row: mb.Log) -> None: ...


def on_log_sync(ctx: Context[Any], row: mb.Log) -> int:
    return 1


async def on_user_async(ctx: Context[Any], row: mb.User) -> None: ...


def on_user(ctx: mb.Context, row: mb.User) -> None:
    ctx.db.users  # wrong
    ctx.db.user.identity.find(row.name)  # wrong
    ctx.subscribe("SELECT * FROM user", on_applied=on_user)  # wrong
    ctx.subscribe("SELECT * FROM user", on_error=on_end)  # wrong
    ctx.subscribe("SELECT * FROM user", on_end=on_end)
    ctx.subscribe("SELECT * FROM user", on_end=lambda ctx: ctx.db.users)  # wrong


def on_end(ctx: mb.Context) -> None: ...


class OtherDb(DbBase): ...


def on_user_elsewhere(ctx: Context[OtherDb], row: mb.User) -> None: ...


def on_error(error: ValueError) -> None: ...


def options() -> None:
    connect("localhost:3000", "typed", on_connect=on_end)  # wrong
    connect("localhost:3000", "typed", on_connect_error=on_end)  # wrong
    connect("localhost:3000", "typed", on_disconnect=on_end)  # wrong
    connect("localhost:3000", "typed", on_callback_error=on_error)  # wrong
    connect("localhost:3000", "typed", on_callback_error=lambda: None)  # wrong
    connect("localhost:3000", "typed", recorder=1)  # wrong
    connect("localhost:3000", "typed", recorder=print)  # wrong


def callbacks(db: mb.Db) -> None:
    db.user.on_insert(on_user_elsewhere)  # wrong
    db.user.on_insert(lambda ctx, row: print(ctx.db.users))  # wrong
    db.user.on_insert(on_log)  # wrong
    db.user.on_update(on_log)  # wrong
    db.user.on_before_delete(on_user_async)  # wrong
    db.log.on_insert(on_log_sync)  # wrong
    db.log.on_insert(lambda row: None)  # wrong


def queries() -> None:
    mb.tables.users  # wrong
    mb.tables.near("18", "x")  # wrong
    mb.tables.near(18)  # wrong
    mb.tables.near.where(lambda u: u.banned)  # wrong
    mb.tables.near(18, "x").where(lambda u: u.banned)  # wrong
    mb.tables.user.left_semijoin(mb.tables.near(18, "x"), lambda u, n: u.age == n.age)  # wrong
    mb.tables.user.where(lambda u: u.age < "x")  # wrong
    mb.tables.user.where(lambda u: u.age == "x")  # wrong
    mb.tables.user.where(lambda u: u.age)  # wrong
    mb.tables.user.where(lambda u: u.nick < "x")  # wrong
    mb.tables.user.where(lambda u: u.level == 1)  # wrong
    mb.tables.user.where(lambda u: u.banned & True)  # wrong
    mb.tables.user.where(lambda u: not u.banned)  # wrong
    mb.tables.user.where(True)  # wrong
    mb.tables.user.left_semijoin(mb.tables.log, lambda u, t: u.level == t.level)  # wrong


def calls() -> None:
    mb.reducers.set_name(1, None)  # wrong
    mb.reducers.set_name("a")  # wrong
    mb.reducers.set_name("a", nickname="b")  # wrong
    mb.reducers.drop_all()  # wrong
    total: str = mb.procedures.add(1, 2).args  # wrong
    print(total)


def on_row(op: str, old: mb.Log | None, new: mb.Log | None, why: object) -> None: ...


def on_set_name(caller: Identity, status: str) -> None: ...


def legacy() -> None:
    mb.User.filter_by_identity("c2")  # wrong
    mb.User.filter_by_shape(1)  # wrong
    mb.User.register_row_update(on_row)  # wrong
    set_name_reducer.set_name(1, None)  # wrong
    set_name_reducer.register_on_set_name(on_set_name)  # wrong
