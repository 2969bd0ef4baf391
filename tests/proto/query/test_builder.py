"""The query builder: SQL that the server accepts, and a refusal of what it would refuse."""

from __future__ import annotations

import re

import pytest

from spacetime_proto.errors import QueryError
from spacetime_proto.query.builder import SENDER, Columns, Predicate, Query, QueryPlan, TableQuery
from spacetime_proto.query.conditions import MAX_COMPARISONS, Constant, Relation, RelationColumn
from spacetime_proto.sats.algebraic import IDENTITY, Primitive, option
from spacetime_proto.types import Identity


def relation(name, columns, indexed=(), **facts):
    kinds = {"Option": (option(Primitive("U8")), None), "Identity": (IDENTITY, "Identity")}
    made = tuple(
        RelationColumn(column, column, *kinds.get(kind, (Primitive(kind), kind)))
        for column, kind in columns.items()
    )
    names = list(columns)
    return Relation(name, made, indexed=frozenset(names.index(one) for one in indexed), **facts)


USER = relation(
    "user",
    {
        "id": "U32",
        "age": "U8",
        "banned": "Bool",
        "online": "Bool",
        "name": "String",
        "nick": "Option",
        "owner": "Identity",
        "limit": "U8",
    },
    indexed=("id",),
)
MESSAGE = relation(
    "message", {"sender": "U32", "text": "String", "size": "U64"}, indexed=("sender",)
)


def query(described):
    return TableQuery(lambda: QueryPlan(described), Columns)


user, message = query(USER), query(MESSAGE)


def where(build):
    sql = user.where(build).sql
    assert sql.startswith('SELECT * FROM "user" WHERE ')
    return sql.removeprefix('SELECT * FROM "user" WHERE ').replace('"user".', "")


def test_a_table_is_a_query_of_all_rows():
    assert user.sql == str(user) == 'SELECT * FROM "user"'
    assert isinstance(user, Query)
    assert user.table == "user"
    assert user.columns is Columns
    assert repr(user) == '<Query SELECT * FROM "user">'


@pytest.mark.parametrize(
    ("build", "sql"),
    [
        (lambda u: u.age == 1, '"age" = 1'),
        (lambda u: u.age != 1, '"age" <> 1'),
        (lambda u: u.age < 1, '"age" < 1'),
        (lambda u: u.age <= 1, '"age" <= 1'),
        (lambda u: u.age > 1, '"age" > 1'),
        (lambda u: u.age >= 1, '"age" >= 1'),
        (lambda u: u.age > 1, '"age" > 1'),
        (lambda u: u.age == u.limit, '"age" = "limit"'),
        (lambda u: u.banned, '"banned" = TRUE'),
        (lambda u: ~u.banned, '"banned" <> TRUE'),
        (lambda u: u.banned == False, '"banned" = FALSE'),  # noqa: E712
        (lambda u: u.banned & ~u.online, '"banned" = TRUE AND "online" <> TRUE'),
        (lambda u: u.banned | (u.age > 3), '"banned" = TRUE OR "age" > 3'),
        (
            lambda u: (u.age >= 18) & ~(u.banned | (u.name == "x")),
            '"age" >= 18 AND "banned" <> TRUE AND "name" <> \'x\'',
        ),
        (
            lambda u: ((u.age == 1) | (u.age == 2)) & u.online,
            '("age" = 1 OR "age" = 2) AND "online" = TRUE',
        ),
        (lambda u: u.age.between(3, 5), '"age" >= 3 AND "age" <= 5'),
        (lambda u: u.age.in_([1, 2]), '"age" = 1 OR "age" = 2'),
        (lambda u: ~u.age.in_([1, 2]), '"age" <> 1 AND "age" <> 2'),
        (lambda u: u.age.in_(range(3, 200)), '"age" >= 3 AND "age" <= 199'),
        (lambda u: u.age.in_(range(1, 6, 2)), '"age" = 1 OR "age" = 3 OR "age" = 5'),
        (lambda u: u.age.in_([]), "FALSE"),
        (lambda u: u.age.in_(range(0)), "FALSE"),
        (lambda u: u.owner == SENDER, '"owner" = :sender'),
        (lambda u: u.owner != Identity(bytes(32)), f'"owner" <> 0x{"0" * 64}'),
        (lambda u: u.name == "o'b", "\"name\" = 'o''b'"),
    ],
)
def test_conditions(build, sql):
    assert where(build) == sql


def test_no_condition_needs_no_where():
    assert user.where(lambda u: ~u.age.in_([])).sql == user.sql


def test_chained_where_means_and():
    chained = user.where(lambda u: u.age > 1).where(lambda u: u.online)
    assert chained.sql.endswith('"user"."age" > 1 AND "user"."online" = TRUE')


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda u: u.age == 256, "an int from 0 to 255"),
        (lambda u: u.age == "1", "an int"),
        (lambda u: u.age == u.id, "different types"),
        (lambda u: u.nick == None, "SQL cannot compare enum or option"),  # noqa: E711
        (lambda u: u.nick.in_(range(3)), "SQL cannot compare"),
        (lambda u: True, "returned bool"),
        (lambda u: u.age, "returned Column"),
        (lambda u: u.age.in_(list(range(200)) * 8), "at most 1,500"),
        (lambda u: u.name == "x" * 50_000, "the server reads at most 50,000"),
    ],
)
def test_what_the_server_would_refuse_is_refused_at_once(build, words):
    with pytest.raises(QueryError, match=words):
        user.where(build)


def test_many_comparisons_over_several_calls_are_counted_together():
    half = user.where(lambda u: u.age.in_([1] * (MAX_COMPARISONS - 1)))
    with pytest.raises(QueryError, match="at most 1,500"):
        half.where(lambda u: u.age.in_([1, 2]))


@pytest.mark.parametrize(
    "build",
    [
        lambda u: (u.age > 1) and (u.age < 5),
        lambda u: not (u.age > 1),
        lambda u: 1 < u.age < 5,
        lambda u: u.age or u.online,
        lambda u: u.banned and u.online,
        lambda u: u.age in [1, 2],
        lambda u: 1 in u.age,
        lambda u: any(u.age),
        lambda u: (u.age > 1) & (1 < u.age < 5),
        lambda u: (u.age > 1) | (u.age == 2 or u.age == 3),
        lambda u: ~u.age,
        lambda u: u.age > 1 if u.age else u.age < 5,
        lambda u: (u.age > 1) & (u.age.in_([1]) and u.age != 2),
    ],
)
def test_python_logic_that_cannot_be_overloaded_raises(build):
    with pytest.raises(
        TypeError, match=r"has no truth value: in a condition write & \| ~"
    ) as caught:
        user.where(build)
    assert isinstance(caught.value, QueryError)
    assert re.search(r"\(row\.(age|banned) == a\) \| \(row\.\1 == b\)", str(caught.value))


def test_the_column_of_the_example_is_one_of_the_condition():
    with pytest.raises(TypeError, match=r"row.online.between\(low, high\)"):
        user.where(lambda u: not u.online)
    with pytest.raises(TypeError, match=r"row.nick.in_\(values\)"):
        user.where(lambda u: u.nick or u.online)
    with pytest.raises(TypeError, match=r"row.column"):
        bool(Predicate(Constant(True)))
    many = Columns(USER).age.in_([1] * 1000)
    with pytest.raises(TypeError) as caught:
        bool(many)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "build",
    [
        lambda u: u.age == 1 & u.online,
        lambda u: u.online & u.age == 1,
        lambda u: u.age > 1 | u.banned,
        lambda u: u.age & u.online,
        lambda u: u.age | 5,
        lambda u: 5 | (u.age > 1),
        lambda u: u.nick & (u.age > 1),
        lambda u: (u.age > 1) & True,
        lambda u: (u.age > 1) | None,
    ],
)
def test_comparisons_need_brackets(build):
    with pytest.raises(
        TypeError, match=r"& and \| take two conditions, not .*write brackets"
    ) as caught:
        user.where(build)
    assert isinstance(caught.value, QueryError)


def test_what_is_no_condition_is_told_what_is():
    with pytest.raises(QueryError, match=r"returned bool: Python computed it, as it does for `is`"):
        user.where(lambda u: u.nick is None)
    with pytest.raises(
        QueryError, match=r"returned Column: compare the column, .* row.age == value"
    ):
        user.where(lambda u: u.age)
    with pytest.raises(QueryError, match=r"it returned NoneType$"):
        user.where(lambda u: None)


def test_predicates_combine_with_predicates_only():
    predicate = Columns(USER).age > 1
    assert repr(predicate) == "<Predicate user.age > 1>"
    assert isinstance(predicate, Predicate)


def test_columns_have_a_repr_and_can_be_keys():
    columns = Columns(USER)
    assert repr(columns.age) == "<Column user.age>"
    assert repr(columns.nick) == "<LocalColumn user.nick>"
    assert len({columns.age, columns.id, columns.age}) == 2


def test_an_unknown_column_is_named():
    with pytest.raises(AttributeError, match=r"no column 'agee'; did you mean 'age'"):
        user.where(lambda u: u.agee == 1)


def test_columns_of_another_table_are_refused():
    columns = Columns(MESSAGE)
    with pytest.raises(QueryError, match=r"'message\.text' is not a column of 'user'"):
        user.where(lambda u: columns.text == "x")


# --- names --------------------------------------------------------------------------------------


def test_names_are_quoted():
    odd = relation('we"ird', {'co"l': "U8"})
    built = query(odd).where(lambda t: getattr(t, 'co"l') == 1)
    assert built.sql == 'SELECT * FROM "we""ird" WHERE "we""ird"."co""l" = 1'


def test_a_table_of_a_submodule_gets_an_alias():
    inner = query(relation("lib.user", {"id": "U32"}, indexed=("id",)))
    assert inner.where(lambda t: t.id == 1).sql == (
        'SELECT * FROM "lib"."user" AS "user" WHERE "user"."id" = 1'
    )
    assert message.left_semijoin(inner, lambda m, t: m.sender == t.id).sql == (
        'SELECT "message".* FROM "message" JOIN "lib"."user" AS "user"'
        ' ON "message"."sender" = "user"."id"'
    )
    with pytest.raises(QueryError, match="share a name"):
        user.left_semijoin(inner, lambda u, t: u.id == t.id)


def test_a_name_that_is_no_unicode_is_refused():
    with pytest.raises(QueryError, match="UTF-8"):
        _ = query(relation("\ud800", {"a": "U8"})).sql


# --- joins --------------------------------------------------------------------------------------


def test_left_semijoin_keeps_the_rows_of_this_table():
    joined = user.left_semijoin(message, lambda u, m: u.id == m.sender)
    assert joined.sql == (
        'SELECT "user".* FROM "user" JOIN "message" ON "user"."id" = "message"."sender"'
    )
    assert joined.table == "user"


def test_right_semijoin_keeps_the_rows_of_the_other_table():
    joined = user.right_semijoin(message, lambda u, m: m.sender == u.id)
    assert joined.sql == (
        'SELECT "message".* FROM "user" JOIN "message" ON "user"."id" = "message"."sender"'
    )
    assert joined.table == "message"


def test_both_sides_of_a_join_may_be_filtered_before_and_after():
    loud = message.where(lambda m: m.text != "")
    joined = (
        user.where(lambda u: u.online)
        .right_semijoin(loud, lambda u, m: u.id == m.sender)
        .where(lambda m: m.size > 3)
    )
    assert joined.sql == (
        'SELECT "message".* FROM "user" JOIN "message" ON "user"."id" = "message"."sender"'
        ' WHERE "message"."text" <> \'\' AND "message"."size" > 3 AND "user"."online" = TRUE'
    )
    kept = user.where(lambda u: u.online).left_semijoin(loud, lambda u, m: u.id == m.sender)
    assert kept.sql == (
        'SELECT "user".* FROM "user" JOIN "message" ON "user"."id" = "message"."sender"'
        ' WHERE "user"."online" = TRUE AND "message"."text" <> \'\''
    )


EVENT = query(relation("event", {"user": "U32"}, indexed=("user",), is_event=True))
VIEW = query(relation("view", {"user": "U32"}, is_view=True))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: user.left_semijoin(user, lambda a, b: a.id == b.id), "with itself"),
        (lambda: user.left_semijoin(EVENT, lambda a, b: a.id == b.user), "event table 'event'"),
        (lambda: user.left_semijoin(VIEW, lambda a, b: a.id == b.user), "'view.user' has no index"),
        (lambda: user.left_semijoin(message, lambda u, m: u.id < m.sender), "one equality"),
        (lambda: user.left_semijoin(message, lambda u, m: u.id == 1), "one equality"),
        (lambda: user.left_semijoin(message, lambda u, m: u.age == u.limit), "one equality"),
        (lambda: user.left_semijoin(message, lambda u, m: True), "one equality"),
        (
            lambda: user.left_semijoin(message, lambda u, m: (u.id == m.sender) & u.online),
            "one equality",
        ),
        (lambda: user.left_semijoin(message, lambda u, m: u.id == m.size), "different types"),
        (lambda: user.left_semijoin(message, lambda u, m: u.name == m.text), "'user.name' has no"),
        (
            lambda: user.left_semijoin(
                query(relation("o", {"o": "Option"}, indexed=("o",))), lambda u, o: u.nick == o.o
            ),
            "SQL cannot compare column 'user.nick'",
        ),
        (
            lambda: user.left_semijoin(message, lambda u, m: u.id == m.sender).left_semijoin(
                VIEW, lambda u, v: u.id == v.user
            ),
            "at most two tables",
        ),
        (
            lambda: user.right_semijoin(
                message.left_semijoin(VIEW, lambda m, v: m.sender == v.user),
                lambda u, m: u.id == m.sender,
            ),
            "no index",
        ),
    ],
)
def test_joins_that_the_server_would_refuse(build, words):
    with pytest.raises(QueryError, match=words):
        build()


def test_a_view_may_stand_on_the_side_that_is_not_looked_up():
    joined = VIEW.right_semijoin(user, lambda v, u: v.user == u.id)
    assert joined.sql == 'SELECT "user".* FROM "view" JOIN "user" ON "view"."user" = "user"."id"'
    events = EVENT.left_semijoin(user, lambda e, u: e.user == u.id)
    assert events.sql == 'SELECT "event".* FROM "event" JOIN "user" ON "event"."user" = "user"."id"'
