"""Calls of views with parameters: the SQL of the official builder, and what is refused at once."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from spacetime_proto.client.subscriptions import query_text
from spacetime_proto.errors import LocalProtocolError, QueryError
from spacetime_proto.query.builder import Columns, QueryPlan, TableQuery
from spacetime_proto.query.conditions import relation_of
from spacetime_proto.query.literals import SENDER
from spacetime_proto.query.view_calls import view_call
from spacetime_proto.sats.algebraic import (
    BYTES,
    CONNECTION_ID,
    IDENTITY,
    TIME_DURATION,
    TIMESTAMP,
    UUID,
    ArrayType,
    Element,
    Primitive,
    ProductType,
    RefType,
    Typespace,
    option,
)
from spacetime_proto.types import ConnectionId, Identity, TimeDuration, Timestamp, Uuid
from tests.support.modules import make_table, product

OFFICIAL = json.loads(
    (Path(__file__).parents[2] / "golden" / "v2.14" / "view_call_sql.json").read_text()
)
ROW = product(id=Primitive("U64"))
SPACE = Typespace((ROW,))
PLAYER = relation_of(make_table("player", 0, ROW, unique_columns=(0,)), SPACE)


def view(name="v", **params):
    table = make_table(name, 0, ROW, is_view=True, params=product(**params))
    return relation_of(table, SPACE)


VALUES = {
    "bool": (Primitive("Bool"), True),
    "i8": (Primitive("I8"), -5),
    "u128": (Primitive("U128"), 2**128 - 1),
    "string": (Primitive("String"), "O'Neil"),
    "identity": (
        IDENTITY,
        Identity.from_hex("c20045860249a6f2359801d9a7c470fe14d985a19f5e5740a3e46012f2446077"),
    ),
    "connection_id": (CONNECTION_ID, ConnectionId.from_int(5)),
    "timestamp": (TIMESTAMP, Timestamp(1_700_000_000_000_001)),
    "uuid": (UUID, Uuid.from_int(1)),
    "bytes": (BYTES, b"\x01\xff"),
}


@pytest.mark.parametrize("kind", OFFICIAL)
def test_literals_are_those_of_the_official_builder(kind):
    ty, value = VALUES[kind]
    assert view_call(view(x=ty), [value]).sql == OFFICIAL[kind]


def test_a_call_is_a_query_with_its_arguments_in_order():
    call = view_call(
        view("players_at_level", min_level=Primitive("U32"), team=Primitive("String")), (5, "x")
    )
    assert (
        call.sql == str(call) == query_text(call) == """SELECT * FROM "players_at_level"(5, 'x')"""
    )
    assert call.table == "players_at_level"


def test_a_view_of_a_submodule_is_called_by_its_path():
    call = view_call(view("my_auth.near", x=BYTES), [bytearray()])
    assert call.sql == """SELECT * FROM "my_auth"."near"('')"""


def test_an_aware_datetime_is_a_timestamp():
    moment = datetime.datetime(2023, 11, 14, 22, 13, 20, 1, datetime.UTC)
    assert view_call(view(x=TIMESTAMP), [moment]).sql == OFFICIAL["timestamp"]


@pytest.mark.parametrize(
    ("ty", "value", "problem"),
    [
        (Primitive("U8"), "5", "parameter 'x' of view 'v' takes an int, not '5'"),
        (Primitive("U8"), True, "parameter 'x' of view 'v' takes an int, not True"),
        (Primitive("U8"), -1, "parameter 'x' of view 'v' takes an int from 0 to 255, not -1"),
        (Primitive("Bool"), 1, "parameter 'x' of view 'v' takes a bool, not 1"),
        (Primitive("String"), None, "parameter 'x' of view 'v' takes a str that UTF-8 can hold, not None"),
        (IDENTITY, "c2", "parameter 'x' of view 'v' takes an Identity, not 'c2'"),
        (IDENTITY, SENDER, "parameter 'x' of view 'v' takes a value that SQL can pass, not SENDER"),
        (BYTES, SENDER, "parameter 'x' of view 'v' takes a value that SQL can pass, not SENDER"),
        (option(Primitive("U8")), 1, "has type Option<U8>, which cannot be passed in SQL"),
        (ArrayType(Primitive("U32")), [1], "has type Array<U32>, which cannot be passed in SQL"),
        (TIME_DURATION, TimeDuration(1), "has type TimeDuration, which cannot be passed in SQL"),
        (RefType(0), (1,), "has type a product of 1 fields, which cannot be passed in SQL"),
        (Primitive("F64"), 1.5, "has type F64, which cannot be passed in SQL"),
    ],
)  # fmt: skip
def test_what_a_parameter_cannot_be_is_refused_at_the_call(ty, value, problem):
    with pytest.raises(QueryError) as caught:
        view_call(view(x=ty), [value])
    assert problem in str(caught.value)
    assert str(caught.value).startswith("parameter 'x' of view 'v' ")


@pytest.mark.parametrize("given", [(), (1,), (1, "x", 2)])
def test_the_arguments_are_counted(given):
    relation = view(level=Primitive("U8"), team=Primitive("String"))
    with pytest.raises(TypeError) as caught:
        view_call(relation, given)
    assert str(caught.value) == f"view 'v' takes 2 arguments (level, team), not {len(given)}"


def test_a_parameter_without_name_has_one():
    table = make_table("v", 0, ROW, is_view=True, params=ProductType((Element(None, BYTES),)))
    with pytest.raises(QueryError, match="parameter 'arg_0' of view 'v' takes bytes, not 1"):
        view_call(relation_of(table, SPACE), [1])


def test_a_call_stands_alone():
    call = view_call(view(x=Primitive("U8")), [1])
    player = TableQuery(lambda: QueryPlan(PLAYER), Columns)
    with pytest.raises(QueryError, match="a call of view 'v' stands alone: it cannot be filtered"):
        call.where(lambda row: row.id == 1)
    for join in ("left_semijoin", "right_semijoin"):
        with pytest.raises(QueryError, match="stands alone: it cannot be joined"):
            getattr(call, join)
        with pytest.raises(QueryError, match="stands alone: it cannot be joined"):
            getattr(player, join)(call, lambda a, b: a.id == b.id)
    with pytest.raises(AttributeError, match="a call of a view has no attribute 'wher'"):
        call.wher  # noqa: B018


def test_the_cache_does_not_know_which_call_a_row_belongs_to():
    call = view_call(view(x=Primitive("U8")), [1])
    with pytest.raises(QueryError, match=r"of every call of view 'v' together: read client\.db\.v"):
        call.local({})


def test_a_view_with_parameters_is_no_table():
    query = TableQuery(lambda: QueryPlan(view(x=Primitive("U8"))), Columns)
    with pytest.raises(QueryError, match="view 'v' has parameters: call it with arguments"):
        query.sql  # noqa: B018


def test_a_function_given_as_query_is_to_be_called():
    with pytest.raises(LocalProtocolError, match="not function: call it with its arguments"):
        query_text(lambda: None)
