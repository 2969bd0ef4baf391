"""The chat module of the SpacetimeDB quickstart, in Python.

Same tables, reducers and error texts as the Rust original, so every client of that one works with
it. Run it with ``spacetime-py serve`` (give it this file), or see it at work: ``spacetime-py demo``.
"""

# mypy looks for dataclass_transform on functions and classes, not on methods such as `module.table`,
# so it does not know that the classes below have a constructor; pyright does.
# mypy: disable-error-code="call-arg"

from __future__ import annotations

from dataclasses import replace

from spacetime_proto import Identity, Timestamp
from spacetime_proto.server import Context, Module, column

__all__ = ["Message", "User", "module"]

module = Module()


@module.table(public=True)
class User:
    """Somebody who has been here."""

    identity: Identity = column(primary_key=True)
    name: str | None = None
    online: bool = False


@module.table(public=True)
class Message:
    """Something that somebody said."""

    sender: Identity
    sent: Timestamp
    text: str


@module.init
def init(ctx: Context) -> None:
    """Nothing to prepare."""


@module.client_connected
def identity_connected(ctx: Context) -> None:
    """Note that a user is online, a new one too."""
    user = ctx.db.user.identity.find(ctx.sender)
    if user is None:
        ctx.db.user.insert(User(identity=ctx.sender, online=True))
    else:
        ctx.db.user.identity.update(replace(user, online=True))


@module.client_disconnected
def identity_disconnected(ctx: Context) -> None:
    """Note that a user is gone."""
    user = ctx.db.user.identity.find(ctx.sender)
    if user is not None:
        ctx.db.user.identity.update(replace(user, online=False))


@module.reducer
def set_name(ctx: Context, name: str) -> None:
    """Choose the name that others see."""
    if not name:
        raise ValueError("Names must not be empty")
    user = ctx.db.user.identity.find(ctx.sender)
    if user is None:
        raise ValueError("Cannot set name for unknown user")
    ctx.db.user.identity.update(replace(user, name=name))


@module.reducer
def send_message(ctx: Context, text: str) -> None:
    """Say something to everybody."""
    if not text:
        raise ValueError("Messages must not be empty")
    ctx.db.message.insert(Message(sender=ctx.sender, sent=ctx.timestamp, text=text))
