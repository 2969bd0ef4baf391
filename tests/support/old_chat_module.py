"""The module that the programs of tests/legacy_programs need: chat, a view, and tables of structs.

The live module (tests/live/module) has the same names.
"""

# mypy: disable-error-code="call-arg"

from __future__ import annotations

from dataclasses import replace

from spacetime_proto import Identity, Timestamp
from spacetime_proto.server import U8, Context, Module, ViewContext, column

module = Module()


@module.type
class ByteStruct:
    b: U8


@module.table(public=True)
class User:
    identity: Identity = column(primary_key=True)
    name: str | None = None
    online: bool = False


@module.table(public=True)
class Message:
    sender: Identity
    sent: Timestamp
    text: str


@module.table(public=True)
class OneByteStruct:
    value: ByteStruct


@module.table(public=True)
class VecByteStruct:
    value: list[ByteStruct]


@module.view
def my_user(ctx: ViewContext) -> User | None:
    return ctx.db.user.identity.find(ctx.sender)


@module.client_connected
def identity_connected(ctx: Context) -> None:
    user = ctx.db.user.identity.find(ctx.sender)
    if user is None:
        ctx.db.user.insert(User(identity=ctx.sender, online=True))
    else:
        ctx.db.user.identity.update(replace(user, online=True))


@module.client_disconnected
def identity_disconnected(ctx: Context) -> None:
    user = ctx.db.user.identity.find(ctx.sender)
    if user is not None:
        ctx.db.user.identity.update(replace(user, online=False))


@module.reducer
def set_name(ctx: Context, name: str) -> None:
    if not name:
        raise ValueError("Names must not be empty")
    user = ctx.db.user.identity.find(ctx.sender)
    assert user is not None
    ctx.db.user.identity.update(replace(user, name=name))


@module.reducer
def send_message(ctx: Context, text: str) -> None:
    if not text:
        raise ValueError("Messages must not be empty")
    ctx.db.message.insert(Message(sender=ctx.sender, sent=ctx.timestamp, text=text))


@module.reducer
def insert_one_byte_struct(ctx: Context, value: ByteStruct) -> None:
    ctx.db.one_byte_struct.insert(OneByteStruct(value=value))


@module.reducer
def insert_vec_byte_struct(ctx: Context, value: list[ByteStruct]) -> None:
    ctx.db.vec_byte_struct.insert(VecByteStruct(value=value))
