"""C# QueryBuilderTests.

| row | where |
|---|---|
| All_QuotesTableName | unit |
| All_EscapesQuotes | unit |
| Where_Eq_String_EscapesSingleQuote | unit |
| Where_Eq_Bool_FormatsAsTrueFalse | unit |
| Where_Null_IsRefused | unit |
| Where_Int_Gt_FormatsInvariant | unit |
| Where_Eq_Identity_FormatsAsHexLiteral | unit |
| Where_Eq_ConnectionId_FormatsAsHexLiteral | unit |
| Where_Eq_Uuid_FormatsAsLiteral | unit |
| Where_Eq_Bytes_FormatsAsHexLiteral | unit |
| Where_Eq_Timestamp_FormatsAsRfc3339 | unit |
| Where_Large_And_Negative_Integers | unit |
| Where_Floats | unit |
| Where_Enums_AreRefused | unit |
| BoolExpr_And_Or_Not_AddsParens | unit |
| FluentQuery_FiltersAreAnded | unit |
| LeftSemijoin_FormatsCorrectly | unit |
| RightSemijoin_FormatsCorrectly | unit |
| LeftSemijoin_WithLeftWhere | unit |
| RightSemijoin_WithLeftAndRightWhere | unit |
| Join_NeedsIndexedColumns | unit |
| Join_NeedsEqualTypes | unit |
| EventTables_AreNoLookupSide | unit |

Literals of special types are compared by the embedded server's SQL, which finds the row again.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from spacetime_proto import ConnectionId, Identity, Timestamp, Uuid
from spacetime_proto.bindings import dynamic_module
from spacetime_proto.errors import LocalProtocolError, QueryError
from spacetime_proto.schema.load import load_schema
from spacetime_proto.server import SecretAuthority
from spacetime_proto.server.front.host import Host
from tests.conformance.modules.sdk_test import make_module
from tests.support.golden import golden_module, schema_text
from tests.support.pair import counting_entropy

REFUSED = (QueryError, LocalProtocolError)


@cache
def world() -> tuple[Any, Any]:
    """Return an embedded database of sdk-test, and its tables for the query builder."""
    host = Host(authority=SecretAuthority(b"secret"), entropy=counting_entropy())
    database = host.add(make_module(), "x", now=0.0)
    return database, dynamic_module(database.definition).tables


def tables() -> Any:
    return world()[1]


def condition(query: Any) -> str:
    """Return what stands after WHERE."""
    text: str = query.sql
    return text.partition(" WHERE ")[2]


def finds(table: str, value: Any) -> str:
    """Check that the server finds a row by the literal of its value; return the condition.

    The row is inserted by a reducer, found by ``=`` and not found by ``<>``.
    """
    database, made = world()
    caller = database.caller(Identity.from_int(1))
    name = next(t.name for t in database.definition.tables if t.accessor == table)
    function = database.reducers[f"insert_{name}"]
    args = database.bound.reducers[f"insert_{name}"].encode_args((value,))
    outcome = database.call_reducer(caller, function.name, args, now=Timestamp(0))
    assert outcome.verdict == "committed", outcome.text
    query = getattr(made, table)
    column = database.bound.tables[name].row_class.__struct_fields__[0]
    _, equal = database.queries.one_off(
        query.where(lambda row: getattr(row, column) == value).sql, caller
    )
    assert len(equal) == 1
    database.queries.one_off(query.where(lambda row: getattr(row, column) != value).sql, caller)
    return condition(query.where(lambda row: getattr(row, column) == value))


def test_all_quotestablename() -> None:
    assert tables().one_u8.sql == 'SELECT * FROM "one_u_8"'


def test_all_escapesquotes() -> None:
    text = schema_text("quickstart-chat").replace('"message"', '"my\\"message"')
    made: Any = dynamic_module(load_schema(text)).tables
    [name] = [name for name in dir(made) if "message" in name]
    assert getattr(made, name).sql == 'SELECT * FROM "my""message"'


def test_where_eq_string_escapessinglequote() -> None:
    assert finds("one_string", 'O\'Reilly \\ "x"').endswith("""= 'O''Reilly \\ "x"'""")


def test_where_eq_bool_formatsastruefalse() -> None:
    assert finds("one_bool", True).endswith("= TRUE")
    assert finds("one_bool", False).endswith("= FALSE")


def test_where_null_isrefused() -> None:
    with pytest.raises(REFUSED):
        tables().option_i32.where(lambda row: row.n == None)  # noqa: E711


def test_where_int_gt_formatsinvariant() -> None:
    query = tables().one_i64.where(lambda row: row.n > 1_000_000)
    assert condition(query) == '"one_i_64"."n" > 1000000'


def test_where_eq_identity_formatsashexliteral() -> None:
    text = finds("one_identity", Identity.from_int(0xAB))
    assert text == f'"one_identity"."i" = 0x{"0" * 62}ab'


def test_where_eq_connectionid_formatsashexliteral() -> None:
    text = finds("one_connection_id", ConnectionId.from_int(0xAB))
    assert text == f'"one_connection_id"."a" = 0x{"0" * 30}ab'


def test_where_eq_uuid_formatsasliteral() -> None:
    text = finds("one_uuid", Uuid.from_int(0xAB))
    assert text == '"one_uuid"."u" = \'00000000-0000-0000-0000-0000000000ab\''


def test_where_eq_bytes_formatsashexliteral() -> None:
    assert finds("vec_u8", b"\1\xff") == '"vec_u_8"."n" = 0x01ff'


def test_where_eq_timestamp_formatsasrfc3339() -> None:
    text = finds("one_timestamp", Timestamp(1_700_000_000_123_456))
    assert text == '"one_timestamp"."t" = \'2023-11-14T22:13:20.123456+00:00\''


def test_where_large_and_negative_integers() -> None:
    assert finds("one_u256", 2**256 - 1).endswith(f"= {2**256 - 1}")
    assert finds("one_i256", -(2**255)).endswith(f"= {-(2**255)}")
    assert finds("one_i8", -128).endswith("= -128")
    with pytest.raises(REFUSED):
        tables().one_u8.where(lambda row: row.n == 256)


def test_where_floats() -> None:
    assert finds("one_f64", 0.1).endswith("= 0.1")
    assert finds("one_f32", 1.5).endswith("= 1.5")
    with pytest.raises(REFUSED):
        tables().one_f64.where(lambda row: row.f == float("nan"))


def test_where_enums_arerefused() -> None:
    enum = dynamic_module(world()[0].definition).types
    with pytest.raises(REFUSED):
        tables().one_simple_enum.where(lambda row: row.e == enum.SimpleEnum.one)


def test_boolexpr_and_or_not_addsparens() -> None:
    query = tables().pk_u32.where(
        lambda row: ((row.n > 1) | (row.n < 5)) & ~((row.data == 1) | (row.data == 2))
    )
    n, data = '"pk_u_32"."n"', '"pk_u_32"."data"'
    assert condition(query) == f"({n} > 1 OR {n} < 5) AND {data} <> 1 AND {data} <> 2"


def test_fluentquery_filtersareanded() -> None:
    query = tables().pk_u32.where(lambda row: row.n > 1).where(lambda row: row.n < 5)
    assert condition(query) == '"pk_u_32"."n" > 1 AND "pk_u_32"."n" < 5'


def test_leftsemijoin_formatscorrectly() -> None:
    query = tables().pk_u32.left_semijoin(tables().unique_u32, lambda a, b: a.n == b.n)
    assert query.sql == (
        'SELECT "pk_u_32".* FROM "pk_u_32" JOIN "unique_u_32" ON "pk_u_32"."n" = "unique_u_32"."n"'
    )


def test_rightsemijoin_formatscorrectly() -> None:
    query = tables().pk_u32.right_semijoin(tables().unique_u32, lambda a, b: a.n == b.n)
    assert query.sql == (
        'SELECT "unique_u_32".* FROM "pk_u_32"'
        ' JOIN "unique_u_32" ON "pk_u_32"."n" = "unique_u_32"."n"'
    )


def test_leftsemijoin_withleftwhere() -> None:
    left = tables().pk_u32.where(lambda row: row.data > 1)
    query = left.left_semijoin(tables().unique_u32, lambda a, b: a.n == b.n)
    assert condition(query) == '"pk_u_32"."data" > 1'


def test_rightsemijoin_withleftandrightwhere() -> None:
    left = tables().pk_u32.where(lambda row: row.data > 1)
    right = tables().unique_u32.where(lambda row: row.data < 9)
    query = left.right_semijoin(right, lambda a, b: a.n == b.n)
    found = condition(query)
    assert sorted(found.split(" AND ")) == ['"pk_u_32"."data" > 1', '"unique_u_32"."data" < 9']
    database, _ = world()
    database.queries.one_off(query.sql, database.caller(Identity.from_int(1)))


def test_join_needsindexedcolumns() -> None:
    with pytest.raises(QueryError, match="index"):
        tables().pk_u32.left_semijoin(tables().one_u32, lambda a, b: a.n == b.n)


def test_join_needsequaltypes() -> None:
    with pytest.raises(QueryError):
        tables().pk_u32.left_semijoin(tables().unique_u8, lambda a, b: a.n == b.n)


def test_eventtables_arenolookupside() -> None:
    made: Any = golden_module("sdk-test-event-table").tables
    with pytest.raises(QueryError):
        tables().pk_u32.left_semijoin(made.test_event, lambda a, b: a.n == b.value)
