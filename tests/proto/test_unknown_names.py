"""Attributes that are not there say what to write; probing for them is quick and quiet."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from spacetime_proto.bindings import dynamic_module
from spacetime_proto.client.context import Context
from spacetime_proto.sats.algebraic import IDENTITY, Primitive
from spacetime_proto.schema.model import IndexDef
from spacetime_proto.server import Module, column
from spacetime_proto.unknown_names import UnknownAttribute, listed, near_names, unknown_attribute
from tests.proto.server.support import make_database
from tests.support.modules import make_module, product
from tests.support.script import Script

ROW = product(id=Primitive("U64"), owner=IDENTITY, name=Primitive("String"))
MODULE = dynamic_module(
    make_module(
        {"Player": ROW, "Tick": product(n=Primitive("U8"))},
        {
            "player": (
                "Player",
                {
                    "primary_key": 0,
                    "unique_columns": (0,),
                    "indexes": (IndexDef("owners", "owner", "btree", (1,)),),
                },
            ),
            "log": "Player",
            "tick": ("Tick", {"is_event": True}),
        },
    )
)


def server_db() -> Any:
    module = Module()

    @module.table
    class Player:
        id: int = column(primary_key=True)
        team: str = column(index="btree")
        name: str

    return make_database(module).tables


DB = MODULE.create_db()
CASES: list[tuple[Any, str, str]] = [
    (DB, "plyer", r"this database has no table 'plyer'; did you mean 'player'\?"),
    (DB, "Player", r"did you mean 'player'\?"),
    (DB, "nothing_like_it", r"there are: log, player, tick"),
    (DB, "reducers", r"write client.call\(reducers.NAME\(...\)\)"),
    (
        DB.player,
        "name",
        r"table 'player' has no attribute 'name': column 'name' is neither unique nor indexed; write"
        r" db.player.where\(lambda row: row.name == value\), or iterate",
    ),
    (DB.player, "nme", r"table 'player' has no attribute 'nme'; did you mean 'name'"),
    (DB.player, "ownr", r"did you mean 'owner'"),
    (
        DB.player,
        "filter",
        r"indexes and unique columns: db.player.id.filter\(value\); there are id, owner;",
    ),
    (
        DB.player,
        "find",
        r"find is a method of unique columns: db.player.id.find\(value\); there are id;",
    ),
    (DB.player, "all", r"write db.player.rows\(\)"),
    (DB.player, "insert", r"clients only read tables; rows are changed by a reducer"),
    (DB.player, "onInsert", r"did you mean 'on_insert'"),
    (DB.player, "Iter", r"did you mean 'iter'"),
    (DB.player, "Count", r"did you mean 'count'"),
    (DB.player, "removeOnUpdate", r"did you mean 'remove_on_update'"),
    (DB.player, "xyzxyz", r"table 'player' has no attribute 'xyzxyz'; there are: attach, changes"),
    (DB.log, "on_update", r"only tables with a primary key have updates"),
    (DB.log, "onUpdate", r"only tables with a primary key have updates"),
    (
        DB.log,
        "find",
        r"find is a method of unique columns, of which there are none; write db.log.where",
    ),
    (DB.tick, "n", r"an event table keeps no rows to look up; use on_insert"),
    (DB.player.owner, "find", r"is not unique, so it has no find: filter\(value\)"),
    (MODULE.tables, "plyer", r"this module has no table 'plyer'; did you mean 'player'"),
    (MODULE.reducers, "move", r"this module has no reducer 'move'; there are: none"),
    (server_db(), "plyer", r"this module has no table 'plyer'; did you mean 'player'"),
    (
        server_db().player,
        "tem",
        r"'player' has no index or unique column 'tem'; did you mean 'team'",
    ),
    (server_db().player, "name", r"column 'name' has no index: declare it with column\(index="),
    (server_db().player, "filter", r"filter is a method of an index or unique column \(id, team\)"),
    (server_db().player, "Count", r"did you mean 'count'"),
    (server_db().player.team, "find", r"the index over team has no .*: it is not unique; filter"),
    (server_db().player.team, "fliter", r"did you mean 'filter'"),
    (Context(Script().session, None), "reducers", r"write ctx.submit\(reducers.NAME\(...\)\)"),
    (Context(Script().session, None), "call", r"a callback cannot wait; write ctx.submit"),
]


def test_names_that_only_guide_are_not_listed() -> None:
    listed_names = dir(Context(Script().session, None))
    assert "submit" in listed_names
    assert not {"reducers", "call", "subscriptionBuilder"} & set(listed_names)


@pytest.mark.parametrize(("owner", "name", "words"), CASES)
def test_what_is_not_there_says_what_to_write(owner: Any, name: str, words: str) -> None:
    with pytest.raises(AttributeError, match=words):
        getattr(owner, name)
    assert not hasattr(owner, name)
    assert getattr(owner, name, 5) == 5


OWNERS = [DB, DB.player, DB.tick, DB.player.id, MODULE.tables, server_db(), server_db().player,
          server_db().player.id, Context(Script().session, None)]  # fmt: skip


@pytest.mark.parametrize("owner", OWNERS, ids=lambda owner: type(owner).__name__)
def test_probes_are_quick_and_quiet(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def search(*_: object) -> None:
        raise AssertionError("near names are searched for")

    monkeypatch.setattr("spacetime_proto.unknown_names.near_names", search)
    for probe in (
        "_ipython_display_", "_ipython_canary_method_should_not_exist_", "_repr_mimebundle_",
        "_repr_latex_", "__array__", "__dataframe__", "__wrapped__", "shape", "dtype", "keys",
    ):  # fmt: skip
        assert not hasattr(owner, probe)
        assert getattr(owner, probe, None) is None


@pytest.mark.parametrize("owner", OWNERS, ids=lambda owner: type(owner).__name__)
def test_half_made_objects_do_not_recurse(owner: Any) -> None:
    empty = type(owner).__new__(type(owner))  # as `copy` and `pickle` make them
    assert not hasattr(empty, "__setstate__")
    assert not hasattr(empty, "_anything")
    assert not hasattr(empty, "anything")


def test_copies_work() -> None:
    assert copy.copy(MODULE.tables).player is MODULE.tables.player
    assert copy.copy(DB).player is DB.player


def test_texts_are_short_and_escaped() -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(DB.player, "x\n" * 10_000)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)
    assert listed(f"n{at:02}" for at in range(25)).endswith("n19 and 5 more")
    assert len(listed(["x" * 1000])) < 100
    assert near_names("a", []) == []


def test_the_error_is_an_ordinary_one() -> None:
    error = unknown_attribute("nme", lambda: "it", lambda: ["name", "_name"])
    assert isinstance(error, UnknownAttribute)
    assert str(error) == "it has no attribute 'nme'; did you mean 'name'?"
    made = pickle.loads(pickle.dumps(error))
    assert type(made) is AttributeError
    assert str(made) == str(error)
