"""Callbacks are checked when they are registered, whatever kind of callable they are."""

from __future__ import annotations

import functools
from typing import Any
from unittest import mock

import pytest

from spacetime_proto.client.callback_arity import CALLED_WITH, check_callback
from spacetime_proto.client.callbacks import Callbacks
from spacetime_proto.client.context import Context
from tests.support.script import Script


class Holder:
    def method(self, ctx: Any, row: Any) -> None: ...

    @classmethod
    def of_class(cls, ctx: Any, row: Any) -> None: ...

    @staticmethod
    def static(ctx: Any, row: Any) -> None: ...

    def one(self, ctx: Any) -> None: ...

    def __call__(self, ctx: Any, row: Any) -> None: ...


def plain(ctx: Any, row: Any) -> None: ...


def with_default(ctx: Any, row: Any = None, more: int = 0) -> None: ...


def with_keyword(ctx: Any, row: Any, *, flag: bool = False) -> None: ...


async def coroutine(ctx: Any, row: Any) -> None: ...


@functools.wraps(plain)
def wrapper_of_two(*args: Any, **named: Any) -> None: ...


def one(ctx: Any) -> None: ...


def three(ctx: Any, old: Any, new: Any) -> None: ...


def needs_keyword(ctx: Any, row: Any, *, flag: bool) -> None: ...


@functools.wraps(plain)
def wrapper_of_one(ctx: Any) -> None: ...


def with_yield(ctx: Any, row: Any) -> Any:
    yield


async def async_with_yield(ctx: Any, row: Any) -> Any:
    yield


class Record:
    def __init__(self, ctx: Any, row: Any) -> None: ...


GOOD: list[Any] = [
    plain, with_default, with_keyword, coroutine, wrapper_of_two, Holder().method, Holder.of_class,
    Holder.static, Holder(), lambda ctx, row: None, lambda *args: None, lambda c, r, n=5: None, print,
    functools.partial(three, None), functools.partial(plain), functools.partial(needs_keyword, flag=True),
    mock.Mock(), mock.MagicMock(), mock.AsyncMock(), mock.create_autospec(plain), Record, max,
    functools.partial(Holder().method), [].insert,
]  # fmt: skip


@pytest.mark.parametrize(
    "callback", GOOD, ids=lambda callback: getattr(callback, "__qualname__", None)
)
def test_what_takes_a_context_and_a_row(callback: Any) -> None:
    check_callback("on_insert", callback)


BAD: list[tuple[Any, str]] = [
    (one, r"on_insert is called with \(ctx, row\), but one takes \(ctx\)"),
    (three, r"but three takes \(ctx, old, new\)"),
    (needs_keyword, r"needs_keyword takes \(ctx, row, flag\)"),
    (wrapper_of_one, r"plain takes \(ctx\)"),
    (Holder().one, r"Holder.one takes \(ctx\)"),
    (Holder.method, r"Holder.method takes \(self, ctx, row\)"),
    (lambda: None, r"<lambda> takes \(\)"),
    (functools.partial(plain, None), r"plain takes \(row\)"),
    ([].append, r"list.append takes \(object\)"),
    (mock.create_autospec(one), r"on_insert is called with"),
    (lambda a, b, c, d, e, f, g, h, i: None, r"takes \(9 parameters\)"),
    (with_yield, r"on_insert: with_yield is a generator function"),
    (async_with_yield, r"async_with_yield is a generator function"),
    (5, r"on_insert takes a callable, not int"),
    (None, r"on_insert takes a callable, not NoneType"),
]


@pytest.mark.parametrize(("callback", "words"), BAD)
def test_what_does_not(callback: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        check_callback("on_insert", callback)


def test_one_of_several_ways() -> None:
    assert check_callback("on_callback_error", lambda error, callback: None) == 0
    assert check_callback("on_callback_error", lambda *args: None) == 0
    assert check_callback("on_callback_error", lambda error: None) == 1
    assert check_callback("on_callback_error", [].append) == 1
    with pytest.raises(
        TypeError, match=r"called with \(error, callback\) or \(error\), but .*\(\)"
    ):
        check_callback("on_callback_error", lambda: None)
    check_callback("register", lambda: None, ())


# --- every place where callbacks are registered ---------------------------------------------------


def wrong() -> None:
    """Takes nothing; every callback is called with something."""


TABLE_KINDS = ["on_insert", "on_delete", "on_update", "on_before_delete"]
CLIENT_KINDS = [
    "connect", "connect_error", "disconnect", "transaction", "reducer", "subscription_applied",
]  # fmt: skip
SET_KINDS = ["on_applied", "on_error", "on_end"]


@pytest.mark.parametrize("kind", TABLE_KINDS)
def test_on_tables(kind: str) -> None:
    user = Script().session.db.user
    with pytest.raises(TypeError, match=rf"{kind} is called with .* wrong takes \(\)"):
        getattr(user, kind)(wrong)
    with pytest.raises(TypeError, match=f"{kind} takes a callable, not str"):
        getattr(user, kind)("x")
    arguments = len(CALLED_WITH[kind][0])
    getattr(user, kind)(eval(f"lambda {', '.join('abc'[:arguments])}: None"))


def test_before_a_delete_only_plain_functions_run() -> None:
    user = Script().session.db.user
    with pytest.raises(TypeError, match="on_before_delete takes a plain function; coroutine is"):
        user.on_before_delete(coroutine)
    user.on_delete(coroutine)


@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_on_clients(kind: str) -> None:
    with pytest.raises(TypeError, match=rf"on_{kind} is called with \(ctx"):
        Callbacks().add(kind, wrong)


@pytest.mark.parametrize("kind", SET_KINDS)
def test_on_subscriptions(kind: str) -> None:
    session = Script().session
    with pytest.raises(TypeError, match=rf"{kind} is called with \(ctx"):
        session.subscribe("SELECT * FROM user", **{kind: wrong})
    with pytest.raises(TypeError, match=rf"{kind} is called with \(ctx"):
        Context(session, None).subscribe("SELECT * FROM user", **{kind: wrong})


def test_at_the_end_of_a_subscription() -> None:
    script = Script()
    subscription = script.session.subscribe("SELECT * FROM user")
    with pytest.raises(TypeError, match=r"on_end is called with \(ctx\)"):
        subscription.unsubscribe(wrong)
    assert not subscription.is_ended
    refused: list[Any] = []
    script.session.set_driver(check_callback=refused.append, change_stream=lambda *_: None)  # type: ignore[arg-type,return-value]  # no stream is made here
    subscription.unsubscribe(one)
    assert refused == [one]
    assert subscription.is_ended
