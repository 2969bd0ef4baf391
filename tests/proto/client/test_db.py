"""The tables of a client by name."""

from __future__ import annotations

from typing import Any, cast

import pytest

from spacetime_proto.bindings import dynamic_module
from spacetime_proto.cache.cache import Cache
from spacetime_proto.client.db import Db
from spacetime_proto.client.table_handles import EventTableHandle, KeyedTableHandle, TableHandle
from spacetime_proto.schema.load import load_schema
from tests.support.golden import GOLDEN, golden_module


def chat(**names: Any) -> Db:
    bound = golden_module("quickstart-chat").bound
    db = type("ChatDb", (Db,), names)(bound)
    db.attach(Cache(bound))
    assert isinstance(db, Db)
    return db


def test_tables_are_attributes_and_items() -> None:
    db: Any = chat()
    assert db.user is db["user"]
    assert [handle.table_name for handle in db] == ["message", "user"]
    assert len(db) == 2
    assert "user" in db
    assert "nowhere" not in db
    assert repr(db) == "<Db message, user>"
    assert db.user.count() == 0


def test_the_kind_of_handle_follows_the_table() -> None:
    db: Any = chat()
    assert type(db.user) is KeyedTableHandle
    assert type(db.message) is TableHandle
    events: Any = Db(golden_module("sdk-test-event-table").bound)
    assert type(events.test_event) is EventTableHandle


def test_generated_classes_and_names_win() -> None:
    class UserHandle(KeyedTableHandle[Any]):
        pass

    db: Any = chat(__handle_classes__={"user": UserHandle}, __attribute_names__={"user": "people"})
    assert type(db.people) is UserHandle
    assert db["user"] is db.people


def test_an_unknown_table_names_the_known_ones() -> None:
    db: Any = chat()
    with pytest.raises(
        AttributeError, match=r"this database has no table 'usr'; did you mean 'user'\?"
    ):
        getattr(db, "usr")  # noqa: B009
    with pytest.raises(AttributeError):
        getattr(db, "_private")  # noqa: B009


def test_canonical_and_accessor_names() -> None:
    db: Any = Db(golden_module("sdk-test-case-conversion").bound)
    assert db.player1 is db["Player1Canonical"]


def test_tables_of_submodules() -> None:
    schema = GOLDEN / "v2.14" / "schema" / "combined.v10.json"
    module = dynamic_module(load_schema(schema.read_text()))
    for db in (module.create_db(), cast("Any", Db(module.bound))):
        assert db.my_auth.session_row is db["my_auth.session_row"]
        assert db.plainTable is db["plain_table"]
        assert len(db) == 2
        assert repr(db.my_auth) == "<DbNamespace session_row>"
        with pytest.raises(AttributeError, match=r"this submodule has no table 'sessions'"):
            _ = db.my_auth.sessions
    db = module.create_db()
    # As bindings that version 1.0 made have it.
    assert db.my_auth_session_row is db.my_auth.session_row
