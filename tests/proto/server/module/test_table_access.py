"""`access`: `ctx.db` as module code uses it."""

from __future__ import annotations

import enum
from types import SimpleNamespace
from typing import Any

import pytest

from spacetime_proto.errors import EncodeError
from spacetime_proto.server import Database, Index, Module, Range, UniqueViolation, column
from spacetime_proto.server.module.table_access import ReadAccess
from tests.proto.server.support import make_database


def database() -> tuple[Database, Any]:
    module = Module()

    @module.table(indexes=[Index("team", "age", name="by_team")])
    class Player:
        name: str = column(primary_key=True)
        team: str = column(index="btree")
        age: int
        count: int = column(index="hash", default=0)

    made = make_database(module)
    with made.transactions.run():
        for name, team, age in (("a", "x", 1), ("b", "x", 2), ("c", "y", 3)):
            made.tables.player.insert(Player(name=name, team=team, age=age))
    return made, Player


def names(rows: Any) -> list[str]:
    return sorted(row.name for row in rows)


def test_tables_are_found_by_accessor() -> None:
    made, _ = database()
    db = made.tables
    assert db.player is db["player"]
    assert list(db) == ["player"]
    with pytest.raises(AttributeError, match="this module has no table 'nope'"):
        _ = db.nope


def test_reading() -> None:
    db = database()[0].tables
    assert db.player.count() == len(db.player) == 3
    assert names(db.player.iter()) == names(db.player) == ["a", "b", "c"]
    assert db.player.name.find("b").age == 2
    assert db.player.name.find("z") is None
    assert names(db.player.team.filter("x")) == ["a", "b"]
    assert names(db.player.name.filter("c")) == ["c"]
    assert names(db.player.by_team.filter(("x", 2))) == ["b"]
    assert names(db.player.by_team.filter(("x",))) == names(db.player.by_team.filter("x"))
    assert names(db.player.by_team.filter(("x", Range(2, None)))) == ["b"]
    assert names(db.player.team.filter(Range("x", "y", include_lo=False))) == ["c"]


def test_an_index_that_is_called_like_a_method_is_reached_by_name() -> None:
    db = database()[0].tables
    assert names(db.player["count"].filter(0)) == ["a", "b", "c"]


def test_mistakes_have_names() -> None:
    db = database()[0].tables
    with pytest.raises(
        AttributeError,
        match="'player' has no index or unique column 'age': column 'age' has no index",
    ):
        _ = db.player.age
    with pytest.raises(TypeError, match="3 values for an index over 2 columns"):
        db.player.by_team.filter(("x", 1, 2))


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (
            lambda db: db.player.name.find(5),
            r"find\(\) of table 'player': .*'name' takes a str, not 5",
        ),
        (lambda db: db.player.name.delete(5), r"delete\(\) of table 'player': column 'name'"),
        (lambda db: db.player.team.filter(b"x"), r"filter\(\) .* write data.decode\(\)"),
        (lambda db: db.player.team.delete(None), r"delete\(\) .*'team' takes a str, not None"),
        (lambda db: db.player["count"].filter("1"), r"'count' takes an int .* write int\(text\)"),
        (lambda db: db.player["count"].filter(True), r"'count' takes an int"),
        (lambda db: db.player["count"].filter(2**64), r"'count' takes an int from"),
        (lambda db: db.player["count"].filter(range(0, 9, 2)), r"the range has step 2"),
        (
            lambda db: db.player["count"].filter(slice(0, 9)),
            r"write Range\(0, 9, include_hi=False\)",
        ),
        (lambda db: db.player["count"].filter((0, 9)), r"write Range\(0, 9\)"),
        (lambda db: db.player.by_team.filter(5), r"'team' takes a str"),
        (lambda db: db.player.by_team.filter(("x", "1")), r"'age' takes an int"),
        (lambda db: db.player.by_team.filter(("x", Range("1"))), r"'age' takes an int"),
        (lambda db: db.player.by_team.delete(("x", Range("1"))), r"delete\(\)"),
        (lambda db: db.player.kind.find("Red"), r"'kind' takes a Kind, not 'Red'"),
        (lambda db: db.player.kind.find(0), r"'kind' takes a Kind, not 0"),
        (lambda db: db.player.where_.find(3), r"'where_' takes a Spot, not 3"),
        (lambda db: db.player.name.update(db.mistaken(name=5)), r"update\(\) .*'name' takes a str"),
    ],
)
def test_values_of_wrong_types_are_named(use: Any, words: str) -> None:
    module = Module()

    @module.type
    class Kind(enum.Enum):
        Red = 1
        Blue = 2

    @module.type
    class Spot:
        x: int

    @module.table(indexes=[Index("team", "age", name="by_team")])
    class Player:
        name: str = column(primary_key=True)
        team: str = column(index="btree")
        age: int
        kind: Kind = column(unique=True)
        where_: Spot = column(unique=True)
        count: int = column(index="btree", default=0)

    made = make_database(module)

    def row(**values: Any) -> Any:
        fields = {"name": "a", "team": "x", "age": 1, "kind": Kind.Red, "where_": Spot(x=1)}
        return Player(**{**fields, **values})

    for is_filled in (False, True):
        with made.transactions.run():
            if is_filled:
                made.tables.player.insert(row())
                assert made.tables.player.kind.find(Kind.Red).name == "a"
                assert made.tables.player.where_.find(Spot(x=1)).name == "a"
            db = SimpleNamespace(player=made.tables.player, mistaken=row)
            with pytest.raises(TypeError, match=words):
                use(db)


def test_a_python_range_inside_a_module() -> None:
    db = database()[0].tables
    assert names(db.player.by_team.filter(("x", range(1, 2)))) == ["a"]
    assert names(db.player["count"].filter(range(0, 10))) == ["a", "b", "c"]
    assert db.player["count"].filter(range(1, 10)) == []


def test_an_update_takes_rows_of_the_table_only() -> None:
    made = database()[0]
    with made.transactions.run(), pytest.raises(EncodeError, match="holds Player rows, not str"):
        made.tables.player.name.update("a")


def test_writing() -> None:
    made, player = database()
    db = made.tables
    with made.transactions.run():
        row = db.player.insert(player(name="d", team="y", age=4))
        assert db.player.delete(row)
        assert not db.player.delete(row)
        assert db.player.name.delete("a")
        assert not db.player.name.delete("a")
        assert db.player.team.delete("x") == 1
        assert db.player.name.update(player(name="c", team="y", age=9)).age == 9
        assert names(db.player) == ["c"]
        with pytest.raises(KeyError, match="no row with name = 'q' to update"):
            db.player.name.update(player(name="q", team="y", age=9))
        with pytest.raises(UniqueViolation):
            db.player.insert(player(name="c", team="z", age=0))


def test_iterating_while_deleting_is_safe() -> None:
    made, _ = database()
    with made.transactions.run():
        for row in made.tables.player:
            made.tables.player.delete(row)
    assert made.tables.player.count() == 0


def test_outside_a_transaction_nothing_can_be_changed() -> None:
    made, player = database()
    with pytest.raises(RuntimeError, match="only be changed inside a reducer or a transaction"):
        made.tables.player.insert(player(name="d", team="y", age=4))


def test_readers_are_told_of() -> None:
    made, _ = database()
    touched: list[str] = []
    table: Any = ReadAccess(made.stores["player"], touched.append)
    assert not hasattr(table, "insert")
    table.count()
    table.iter()
    table.name.find("a")
    table.team.filter("x")
    assert touched == ["player"] * 4
