"""`Module`: from a package or made at run time, the same thing by the same names."""

from __future__ import annotations

import inspect
from pathlib import Path

import msgspec
import pytest

from spacetime_proto import bindings
from spacetime_proto.bindings import (
    Columns,
    EventTable,
    KeyedTable,
    LegacyRegistry,
    Module,
    Namespace,
    Table,
    dynamic_module,
    module,
)
from spacetime_proto.cache import Cache, TableChange
from spacetime_proto.client.db import Db
from spacetime_proto.client.pending_call import Call
from spacetime_proto.errors import LocalProtocolError, QueryError, SchemaError, SchemaMismatch
from spacetime_proto.sats.rows import RowList
from spacetime_proto.schema.load import load_schema, to_v10_json
from spacetime_proto.types import Identity

GOLDEN = Path(__file__).parents[2] / "golden" / "schema"
COMBINED = GOLDEN.parent / "v2.14" / "schema" / "combined.v10.json"


def definition(name):
    return load_schema((GOLDEN / f"{name}.json").read_text())


CHAT = definition("quickstart-chat.v10")


# --- made at run time ---------------------------------------------------------------------------


def test_a_dynamic_module_has_everything_by_name():
    made = dynamic_module(CHAT)
    assert made.definition is CHAT
    assert made.bound is made.bound
    assert made.tables.user.sql == 'SELECT * FROM "user"'
    assert made.tables.user.where(lambda u: u.online).sql.endswith('"user"."online" = TRUE')
    assert made.reducers.send_message("hi") == Call("reducer", "send_message", ("hi",))
    assert made.reducers.send_message(text="hi") == Call("reducer", "send_message", ("hi",))
    assert made.types.User(Identity(bytes(32)), None, True).online
    assert len(made.procedures) == 0
    assert repr(made) == "<Module 2 tables>"


@pytest.mark.parametrize(
    "name", ["definition", "bound", "tables", "reducers", "procedures", "types"]
)
def test_what_a_module_shows_is_made_once(name):
    made = dynamic_module(CHAT)
    assert getattr(made, name) is getattr(made, name)


def test_names_that_do_not_exist_are_answered_with_those_that_do():
    made = dynamic_module(CHAT)
    with pytest.raises(AttributeError, match=r"no table 'users'; did you mean 'user'\?"):
        _ = made.tables.users
    with pytest.raises(AttributeError, match="no procedure 'x'; there are: none"):
        _ = made.procedures.x
    assert dir(made.tables) == ["message", "user"]
    assert [query.table for query in made.tables] == ["message", "user"]
    assert repr(made.tables) == "<Namespace of tables: message, user>"
    assert isinstance(made.tables, Namespace)


def test_lifecycle_reducers_cannot_be_called():
    assert "identity_connected" not in dir(dynamic_module(CHAT).reducers)
    assert "identity_connected" in {reducer.name for reducer in CHAT.reducers}


def test_calls_made_at_run_time_check_their_arguments():
    send = dynamic_module(CHAT).reducers.send_message
    assert send.__name__ == "send_message"
    assert send.__doc__ == "Call reducer 'send_message'."
    assert str(inspect.signature(send)) == "(text)"
    for args, named in (((), {}), (("a", "b"), {}), (("a",), {"text": "b"}), ((), {"body": "x"})):
        with pytest.raises(TypeError, match=r"send_message\(text\): "):
            send(*args, **named)


def test_procedures_by_name():
    made = dynamic_module(definition("sdk-test-procedure.v10"))
    assert made.procedures.return_primitive(lhs=1, rhs=2) == Call(
        "procedure", "return_primitive", (1, 2)
    )


def test_names_on_the_wire_and_in_code():
    made = dynamic_module(definition("sdk-test-case-conversion.v10"))
    assert made.reducers.CreatePlayer1(Player1Name="a", Start2Level=1) == Call(
        "reducer", "create_player_1", ("a", 1)
    )
    assert made.tables.player1.sql == 'SELECT * FROM "Player1Canonical"'
    db = made.create_db()
    assert db["Player1Canonical"] is db.player1


def test_parameters_have_one_name_and_may_be_spelled_as_in_the_source():
    for form in ("sdk-test-case-conversion.v10", "sdk-test-case-conversion.v9"):
        make = dynamic_module(definition(form)).reducers
        make = next(one for one in make if "reate" in one.__name__)
        expected = Call("reducer", "create_player_1", ("a", 1))
        assert str(inspect.signature(make)) == "(player_1_name, start_2_level)"
        assert make("a", 1) == expected
        assert make(player_1_name="a", start_2_level=1) == expected
        assert make("a", Start2Level=1) == expected
        with pytest.raises(TypeError, match="unexpected keyword argument 'Start2Level'"):
            make("a", Start2Level=1, start_2_level=2)


def test_submodules_are_namespaces():
    module = dynamic_module(load_schema(COMBINED.read_text()))
    assert module.reducers.my_auth.clean_expired(max_age=3) == Call(
        "reducer", "my_auth.clean_expired", (3,)
    )
    assert module.tables.my_auth.session_row.sql == (
        'SELECT * FROM "my_auth"."session_row" AS "session_row"'
    )
    assert len(module.reducers) == len(list(module.reducers)) == 3
    assert repr(module.tables) == "<Namespace of tables: plainTable, my_auth>"
    with pytest.raises(AttributeError, match="no reducer 'clean'"):
        _ = module.reducers.my_auth.clean
    session = module.create_db().my_auth.session_row
    assert session.table_name == "my_auth.session_row"


def test_the_kind_of_a_table_decides_about_its_handle():
    db = dynamic_module(CHAT).create_db()
    assert type(db.user) is KeyedTable
    assert type(db.message) is Table
    assert not hasattr(db.message, "on_update")
    events = dynamic_module(definition("sdk-test-event-table.v10")).create_db()
    assert type(events.test_event) is EventTable


def test_two_modules_do_not_share_their_tables():
    assert dynamic_module(CHAT).create_db().user is not dynamic_module(CHAT).create_db().user
    first, second = dynamic_module(CHAT), dynamic_module(definition("sdk-test-event-table.v10"))
    assert len(first.create_db()) == 2
    assert len(second.create_db()) == 1


# --- from a package -----------------------------------------------------------------------------


class User(msgspec.Struct, frozen=True, gc=False):
    identity: Identity
    name: str | None
    online: bool


class UserColumns(Columns):
    pass


class UserTable(KeyedTable[User, UserColumns, "Db"], columns=UserColumns):
    pass


def package(schema=None, **changes):
    db = type("Db", (Db,), {})
    user = next(named.ref for named in CHAT.types if named.name == "User")
    options = {
        "db": db,
        "tables": {"user": UserTable},
        "classes": {user: User},
        "legacy": LegacyRegistry(),
    }
    return module(to_v10_json(CHAT) if schema is None else schema, **(options | changes))


def test_a_package_reads_its_schema_when_it_is_needed():
    broken = package("{")
    assert repr(broken) == "<Module not read yet>"
    query = broken.query(User, UserColumns, "user")
    with pytest.raises(SchemaError, match="not JSON"):
        _ = query.sql


def test_a_package_uses_its_own_classes():
    made = package()
    assert isinstance(made, Module)
    assert made.bound.tables["user"].row_class is User
    assert made.types.User is User
    assert made.query(User, UserColumns, "user").columns is UserColumns
    assert made.query(User, UserColumns, "user").sql == 'SELECT * FROM "user"'
    db = made.create_db()
    assert type(db.user) is UserTable
    assert made.create_db().user is not db.user
    assert type(db.message).__name__ == "TableHandle"


def test_the_type_of_client_db_may_be_left_out_of_a_handle():
    class Users(KeyedTable[User, UserColumns], columns=UserColumns):
        pass

    assert type(package(tables={"user": Users}).create_db().user) is Users


def test_a_package_keeps_its_registry():
    registry = LegacyRegistry()
    assert package(legacy=registry).legacy is registry
    assert isinstance(dynamic_module(CHAT).legacy, LegacyRegistry)


def test_a_table_that_the_bindings_lack():
    with pytest.raises(LocalProtocolError, match="the bindings have no table 'x'"):
        package().relation("x")


def test_where_on_a_handle_reads_the_cache():
    made = package()
    db = made.create_db()
    cache = Cache(made.bound)
    rows = [User(Identity.from_int(1), "a", True), User(Identity.from_int(2), None, False)]
    data = [made.bound.tables["user"].codec.encode(row) for row in rows]
    cache.apply(cache.plan([TableChange(1, "user", RowList.from_rows(data), None, None)]))
    db.attach(cache)
    assert db.user.where(lambda u: u.online).rows() == rows[:1]
    assert db.user.where(lambda u: u.name == None).rows() == rows[1:]  # noqa: E711
    assert db.user.where(lambda u: u.identity == Identity.from_int(2)).first() == rows[1]
    with pytest.raises(QueryError):
        db.user.where(lambda u: u.online == 1)


# --- against a server ---------------------------------------------------------------------------


def test_a_server_that_fits_is_let_through():
    package().check_fits(CHAT)
    package().check_fits(definition("quickstart-chat.v9"))


def test_a_server_that_does_not_fit_is_described():
    changed = msgspec.structs.replace(CHAT, reducers=CHAT.reducers[:0], tables=CHAT.tables[:1])
    with pytest.raises(SchemaMismatch, match="no longer fits the bindings") as caught:
        package().check_fits(changed)
    assert "table 'user' is gone" in caught.value.differences
    assert "spacetime-py generate" in str(caught.value)
    assert "reducer 'set_name' is gone" in caught.value.differences


def test_many_differences_are_counted():
    with pytest.raises(SchemaMismatch, match=r"; and \d+ more\.") as caught:
        dynamic_module(definition("sdk-test.v10")).check_fits(CHAT)
    assert len(caught.value.differences) > 100


def test_everything_that_generated_code_imports_is_exported():
    for name in bindings.__all__:
        assert hasattr(bindings, name)


# --- views with parameters ----------------------------------------------------------------------


M214 = load_schema((GOLDEN.parent / "v2.14" / "schema" / "m214.v10.json").read_text())


def test_a_view_with_parameters_is_a_function_that_makes_a_query():
    made = dynamic_module(M214)
    near = made.tables.players_at_level
    assert near(5, "x").sql == near(team_name="x", min_level=5).sql
    assert near(5, "x").sql == """SELECT * FROM "players_at_level"(5, 'x')"""
    assert str(inspect.signature(near)) == "(min_level, team_name)"
    with pytest.raises(TypeError, match=r"players_at_level\(min_level, team_name\): missing"):
        near(5)
    with pytest.raises(QueryError, match="parameter 'min_level' of view 'players_at_level' takes"):
        near("5", "x")
    assert made.tables.everyone.sql == 'SELECT * FROM "everyone"'


def test_the_rows_of_all_its_calls_are_one_table_without_key():
    db = dynamic_module(M214).create_db()
    assert type(db.players_at_level) is Table
    assert not hasattr(db.players_at_level, "on_update")
    assert not hasattr(db.players_at_level, "id")
