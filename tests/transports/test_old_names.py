"""What the names in programs for the 0.7 SDK mean."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.sats.algebraic import Primitive, ProductType
from spacetime_proto.schema.bound import BoundModule
from spacetime_proto.schema.model import ReducerDef
from spacetime_transports.legacy.old_names import find_reducer, find_table, translate
from spacetime_transports.server.chat_module import module as chat_module
from tests.support.modules import make_module, product

ROW = product(name=Primitive("String"))
VIEW = {"is_view": True}
CHAT = BoundModule(chat_module.build().definition)


def module(tables: dict[str, Any], *reducers: tuple[str, str]) -> BoundModule:
    return BoundModule(
        make_module(
            {"User": ROW, "PlayerInfo": product(level=Primitive("U8"))},
            tables,
            [ReducerDef(name, accessor, ProductType()) for name, accessor in reducers],
        )
    )


@pytest.mark.parametrize(
    ("tables", "name", "meant"),
    [
        # A table's own name counts before the class of the rows, which a view has too.
        ({"my_user": ("User", VIEW), "user": "User"}, "User", "user"),
        ({"a_user": "User", "user": "User"}, "User", "user"),
        ({"my_user": ("User", VIEW), "users": "User"}, "User", "users"),
        ({"my_user": ("User", VIEW)}, "User", "my_user"),
        # As a program writes it: the name itself, in the source, in other letters.
        ({"User": ("User", VIEW), "user": "User"}, "User", "User"),
        ({"t": ("User", {"accessor": "User"}), "user": "User"}, "User", "t"),
        ({"user": ("User", VIEW | {"accessor": "x"}), "USER": "User"}, "User", "USER"),
        ({"player_info": "PlayerInfo", "other": "User"}, "PlayerInfo", "player_info"),
        ({"player_info": "PlayerInfo", "other": "User"}, "playerInfo", "player_info"),
        ({"auth.user": "User"}, "AuthUser", "auth.user"),
        ({"user": "User"}, "Other", None),
    ],
)
def test_which_table_a_name_means(tables: dict[str, Any], name: str, meant: str | None) -> None:
    assert find_table(module(tables), name) == meant


@pytest.mark.parametrize(
    ("tables", "name"),
    [
        ({"one": "User", "two": "User"}, "User"),
        ({"one": ("User", VIEW), "two": ("User", VIEW)}, "User"),
        ({"USER": "User", "user": "User"}, "User"),
    ],
)
def test_a_name_that_could_mean_two_tables_is_refused(tables: dict[str, Any], name: str) -> None:
    one, two = sorted(tables)
    with pytest.raises(
        LocalProtocolError, match=f"'{name}' could mean the tables '{one}' and '{two}'"
    ):
        find_table(module(tables), name)
    with pytest.raises(LocalProtocolError, match="write which"):
        translate(f"SELECT * FROM {name}", lambda name: find_table(module(tables), name))
    exact = f"SELECT * FROM {one}"
    assert translate(exact, lambda name: find_table(module(tables), name)) == exact


@pytest.mark.parametrize(
    ("reducers", "name", "meant"),
    [
        ([("set_name", "set_name")], "set_name", "set_name"),
        ([("set_name", "SetName"), ("SetName", "other")], "SetName", "SetName"),
        ([("say", "send_message")], "send_message", "say"),
        ([("send_message", "send_message")], "sendMessage", "send_message"),
        ([("send_message", "send_message"), ("x", "sendMessage")], "sendMessage", "x"),
    ],
)
def test_which_reducer_a_name_means(reducers: list[tuple[str, str]], name: str, meant: str) -> None:
    assert find_reducer(module({}, *reducers), name) == meant


def test_a_reducer_s_name_that_means_none_or_two_is_refused() -> None:
    bound = module({}, ("set_name", "set_name"), ("SetName", "SetName"))
    with pytest.raises(
        LocalProtocolError, match="could mean the reducers 'SetName' and 'set_name'"
    ):
        find_reducer(bound, "setName")
    with pytest.raises(LocalProtocolError, match="have no reducer 'other'"):
        find_reducer(bound, "other")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SELECT * FROM User", "SELECT * FROM user"),
        ("select * from user", "select * from user"),
        (
            "SELECT * FROM User WHERE User.name = 'User'",
            "SELECT * FROM user WHERE \"user\".name = 'User'",
        ),
        ('SELECT * FROM "User"', 'SELECT * FROM "user"'),
        (
            "SELECT Message.* FROM Message JOIN User ON Message.sender = User.identity",
            'SELECT message.* FROM message JOIN user ON message.sender = "user".identity',
        ),
        ("SELECT * FROM Other", "SELECT * FROM Other"),
        ("SELECT * FROM user WHERE User = 1", "SELECT * FROM user WHERE User = 1"),
    ],
)
def test_old_queries_name_tables_by_their_classes(old: str, new: str) -> None:
    assert translate(old, lambda name: find_table(CHAT, name)) == new
