"""TypeScript client_query and query: the SQL of the query builder.

| row | where |
|---|---|
| plain | unit |
| eq | unit |
| ne | unit |
| lt | unit |
| lte | unit |
| gt | unit |
| gte | unit |
| columns against columns | unit |
| AND | unit |
| OR | unit |
| NOT | unit |
| chained filters | unit |
| Identity literals | unit |
| semijoins with filters on either side | unit |
| escaping | unit |
| self join refused | unit |

Every text is also given to the embedded server's parser. NOT is where this client differs on
purpose: the official builders write ``NOT (...)``, which no server accepts.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from spacetime_proto import Identity
from spacetime_proto.bindings import dynamic_module
from spacetime_proto.errors import QueryError
from spacetime_proto.server import U8, U32, Database, Module, SecretAuthority, column
from spacetime_proto.server.front.host import Host
from tests.support.pair import counting_entropy


def make_module() -> Module:
    module = Module()

    @module.table(public=True)
    class Person:
        id: U32 = column(primary_key=True)
        name: str
        age: U8
        height: U8
        awake: bool
        owner: Identity = column(index="btree")

    @module.table(public=True, name="order")
    class Order:
        id: U32 = column(primary_key=True)
        person_id: U32 = column(index="btree")
        item: str

    return module


@cache
def database() -> Database:
    host = Host(authority=SecretAuthority(b"secret"), entropy=counting_entropy())
    return host.add(make_module(), "x", now=0.0)


@cache
def tables() -> Any:
    return dynamic_module(database().definition).tables


def sql_of(query: Any) -> str:
    """Return the SQL of a query, which the server accepts."""
    data = database()
    data.queries.one_off(query.sql, data.caller(Identity.from_int(1)))
    text: str = query.sql
    return text


def where(build: Any) -> str:
    """Return the condition of a query on `person`."""
    text = sql_of(tables().person.where(build))
    head = 'SELECT * FROM "person" WHERE '
    assert text.startswith(head)
    return text.removeprefix(head)


def test_plain() -> None:
    assert sql_of(tables().person) == 'SELECT * FROM "person"'


def test_eq() -> None:
    assert where(lambda row: row.age == 5) == '"person"."age" = 5'


def test_ne() -> None:
    assert where(lambda row: row.age != 5) == '"person"."age" <> 5'


def test_lt() -> None:
    assert where(lambda row: row.age < 5) == '"person"."age" < 5'


def test_lte() -> None:
    assert where(lambda row: row.age <= 5) == '"person"."age" <= 5'


def test_gt() -> None:
    assert where(lambda row: row.age > 5) == '"person"."age" > 5'


def test_gte() -> None:
    assert where(lambda row: row.age >= 5) == '"person"."age" >= 5'


def test_columns_against_columns() -> None:
    assert where(lambda row: row.age > row.height) == '"person"."age" > "person"."height"'


def test_and() -> None:
    text = where(lambda row: (row.age > 5) & (row.name == "x"))
    assert text == """"person"."age" > 5 AND "person"."name" = 'x\'"""


def test_or() -> None:
    text = where(lambda row: ((row.age > 5) | (row.age < 3)) & row.awake)
    assert text == '("person"."age" > 5 OR "person"."age" < 3) AND "person"."awake" = TRUE'


def test_not() -> None:
    text = where(lambda row: ~((row.age > 5) & (row.name == "x")))
    assert text == """"person"."age" <= 5 OR "person"."name" <> 'x\'"""
    assert where(lambda row: ~row.awake) == '"person"."awake" <> TRUE'


def test_chained_filters() -> None:
    query = tables().person.where(lambda row: row.age > 5).where(lambda row: row.awake)
    assert sql_of(query).endswith('WHERE "person"."age" > 5 AND "person"."awake" = TRUE')


def test_identity_literals() -> None:
    text = where(lambda row: row.owner == Identity.from_int(0xAB))
    assert text == f'"person"."owner" = 0x{"0" * 62}ab'


def test_semijoins_with_filters_on_either_side() -> None:
    people = tables().person.where(lambda row: row.age > 5)
    orders = tables().order.where(lambda row: row.item == "tea")
    left = people.left_semijoin(orders, lambda person, order: person.id == order.person_id)
    assert sql_of(left) == (
        'SELECT "person".* FROM "person" JOIN "order" ON "person"."id" = "order"."person_id"'
        """ WHERE "person"."age" > 5 AND "order"."item" = 'tea'"""
    )
    right = people.right_semijoin(orders, lambda person, order: person.id == order.person_id)
    after = right.where(lambda row: row.id < 9)
    text = sql_of(after)
    assert text.startswith('SELECT "order".* FROM "person" JOIN "order" ON ')
    for part in ('"person"."age" > 5', """"order"."item" = 'tea'""", '"order"."id" < 9'):
        assert part in text


def test_escaping() -> None:
    assert where(lambda row: row.name == "O'Reilly") == """"person"."name" = 'O''Reilly'"""
    assert sql_of(tables().order) == 'SELECT * FROM "order"'  # a keyword


def test_self_join_refused() -> None:
    people = tables().person
    with pytest.raises(QueryError, match="itself"):
        people.left_semijoin(people, lambda one, other: one.id == other.id)
