"""`sql.parse`: the grammar, and the texts for what is outside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import QueryError
from spacetime_proto.server.sql.ast import (
    All,
    And,
    Assignment,
    ColumnName,
    Compare,
    Count,
    DeleteStatement,
    InsertStatement,
    Item,
    Or,
    Parameter,
    Select,
    SelectedColumns,
    SqlConstant,
    SqlRelation,
    UpdateStatement,
)
from spacetime_proto.server.sql.parse import MAX_SQL, parse

T = (SqlRelation("t", "t"),)
A = ColumnName(None, "a")
ONE = SqlConstant("number", "1")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM t", Select(All(None), T)),
        ("select * from t;;", Select(All(None), T)),
        (";SELECT t.* FROM t", Select(All("t"), T)),
        ("SELECT * FROM t AS x", Select(All(None), (SqlRelation("t", "x"),))),
        ('SELECT * FROM "t" x', Select(All(None), (SqlRelation("t", "x"),))),
        ("SELECT * FROM ns.t", Select(All(None), (SqlRelation("ns.t", "ns.t"),))),
        ("SELECT a FROM t", Select(SelectedColumns((Item(A, None),)), T)),
        (
            'SELECT a AS x, t.b y, "c" FROM t',
            Select(
                SelectedColumns(
                    (
                        Item(A, "x"),
                        Item(ColumnName("t", "b"), "y"),
                        Item(ColumnName(None, "c"), None),
                    )
                ),
                T,
            ),
        ),
        ("SELECT COUNT(*) AS n FROM t", Select(Count("n"), T)),
        ("SELECT count(*) n FROM t LIMIT 5", Select(Count("n"), T, None, "5")),
        (
            "SELECT t.* FROM t JOIN s ON t.a = s.b",
            Select(
                All("t"), (*T, SqlRelation("s", "s", (ColumnName("t", "a"), ColumnName("s", "b"))))
            ),
        ),
        (
            "SELECT t.* FROM t INNER JOIN s AS u ON t.a = u.b CROSS JOIN v JOIN w",
            Select(
                All("t"),
                (
                    *T,
                    SqlRelation("s", "u", (ColumnName("t", "a"), ColumnName("u", "b"))),
                    SqlRelation("v", "v"),
                    SqlRelation("w", "w"),
                ),
            ),
        ),
        ("SELECT * FROM t WHERE a = 1", Select(All(None), T, Compare("=", A, ONE))),
        ("SELECT * FROM t WHERE a != 1", Select(All(None), T, Compare("<>", A, ONE))),
        (
            "SELECT * FROM t WHERE a < 1 OR a AND (a OR TRUE)",
            Select(
                All(None),
                T,
                Or((Compare("<", A, ONE), And((A, Or((A, SqlConstant("bool", "true"))))))),
            ),
        ),
        (
            "SELECT * FROM t WHERE -1 <= a AND a >= +.5 AND a > 0x1F AND t.a = 'x' AND a = :sender",
            Select(
                All(None),
                T,
                And(
                    (
                        Compare("<=", SqlConstant("number", "-1"), A),
                        Compare(">=", A, SqlConstant("number", ".5")),
                        Compare(">", A, SqlConstant("hex", "1F")),
                        Compare("=", ColumnName("t", "a"), SqlConstant("string", "x")),
                        Compare("=", A, Parameter("sender")),
                    )
                ),
            ),
        ),
        (
            "INSERT INTO t (a, b) VALUES (1, 'x'), (-2, FALSE)",
            InsertStatement(
                "t",
                ("a", "b"),
                (
                    (ONE, SqlConstant("string", "x")),
                    (SqlConstant("number", "-2"), SqlConstant("bool", "false")),
                ),
            ),
        ),
        ("INSERT INTO t VALUES (:sender)", InsertStatement("t", (), ((Parameter("sender"),),))),
        (
            "UPDATE t SET a = 1, b = 'x' WHERE a",
            UpdateStatement(
                "t", (Assignment("a", ONE), Assignment("b", SqlConstant("string", "x"))), A
            ),
        ),
        ("UPDATE t SET a = 1", UpdateStatement("t", (Assignment("a", ONE),), None)),
        ("DELETE FROM t WHERE a", DeleteStatement("t", A)),
        ("DELETE FROM t", DeleteStatement("t", None)),
    ],
)
def test_statements(sql: str, expected: object) -> None:
    assert parse(sql) == expected


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("", "Empty SQL query"),
        (" ; ", "Empty SQL query"),
        (
            "SELEC x",
            "sql parser error: Expected an SQL statement, found: SELEC at Line: 1, Column 1",
        ),
        ("SELECT", "sql parser error: Expected an expression, found: EOF"),
        ("SELECT *", "sql parser error: Expected FROM, found: EOF"),
        ("SELECT * FROM", "sql parser error: Expected identifier, found: EOF"),
        ("SELECT * FROM t WHERE", "sql parser error: Expected an expression, found: EOF"),
        (
            "SELECT * FROM t WHERE =",
            "sql parser error: Expected an expression, found: = at Line: 1, Column 23",
        ),
        ("SELECT * FROM t WHERE (a", "sql parser error: Expected ), found: EOF"),
        (
            "SELECT * FROM t 5",
            "sql parser error: Expected end of statement, found: 5 at Line: 1, Column 17",
        ),
        ("SELECT * FROM t; SELECT * FROM t", "Multiple SQL statements are not supported"),
        ("SELECT DISTINCT a FROM t", "Unsupported SELECT: DISTINCT"),
        ("SELECT *, a FROM t", "Mixed wildcard projections are not supported"),
        ("SELECT t.*, a FROM t", "Mixed wildcard projections are not supported"),
        ("SELECT a, t.* FROM t", "Mixed wildcard projections are not supported"),
        ("SELECT 1", "Unsupported projection expression: 1"),
        ("SELECT CASE FROM t", "Unsupported projection expression: CASE"),
        ("SELECT SUM(a) FROM t", "Unsupported projection: SUM(...)"),
        ("SELECT COUNT(a) AS n FROM t", "Unsupported projection: COUNT(...)"),
        ("SELECT COUNT(*) FROM t", "Aggregate projections must have an alias: COUNT(*) AS n"),
        ("SELECT * FROM (SELECT * FROM t)", "Unsupported FROM expression: a subquery"),
        ("SELECT a FROM *", "Unsupported FROM expression: *"),
        ("SELECT t.* FROM t, s", "Implicit joins are not supported"),
        ("SELECT t.* FROM t LEFT JOIN s ON t.a = s.a", "Non-inner joins are not supported"),
        ("SELECT t.* FROM t NATURAL JOIN s", "Non-inner joins are not supported"),
        ("SELECT t.* FROM t JOIN s USING (a)", "Non-inner joins are not supported"),
        ("SELECT t.* FROM t JOIN s ON t.a < s.a", "Non-inner joins are not supported"),
        ("SELECT t.* FROM t JOIN s ON t.a = 1", "Non-inner joins are not supported"),
        ("SELECT t.* FROM t JOIN s ON t.a = s.a AND t.b", "Non-inner joins are not supported"),
        ("SELECT * FROM t INNER s", "sql parser error: Expected JOIN, found: s"),
        ("SELECT * FROM t LIMIT all", "sql parser error: Expected a number of rows, found: all"),
        ("SELECT * FROM t ORDER BY a", "ORDER BY is not supported"),
        ("SELECT * FROM t GROUP BY a", "GROUP BY is not supported"),
        ("SELECT * FROM t UNION SELECT * FROM t", "Unsupported set operation: UNION"),
        ("SELECT * FROM t LIMIT 1 OFFSET 2", "OFFSET is not supported"),
        ("SELECT * FROM t WHERE NOT a", "Unsupported expression: NOT"),
        ("SELECT * FROM t WHERE a IN (1)", "Unsupported expression: IN"),
        ("SELECT * FROM t WHERE a IS NULL", "Unsupported expression: IS"),
        ("SELECT * FROM t WHERE lower(a) = 'x'", "Unsupported expression: lower"),
        ("SELECT * FROM t WHERE a + 1 = 2", "Unsupported binary operator: +"),
        ("SET row_limit = 5", "SET is not supported by this development server"),
        ("SHOW row_limit", "SHOW is not supported by this development server"),
        ("INSERT INTO t (a) VALUES (a)", "Unsupported literal expression: a"),
        ("INSERT t", "sql parser error: Expected INTO, found: t at Line: 1, Column 8"),
        ("INSERT INTO t VALUES 1", "sql parser error: Expected (, found: 1"),
        ("DELETE t", "sql parser error: Expected FROM, found: t at Line: 1, Column 8"),
    ],
)
def test_what_is_not_supported_is_named(sql: str, problem: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(sql)
    assert str(caught.value).startswith(problem)
    assert caught.value.query == sql


def test_long_statements_are_refused() -> None:
    with pytest.raises(QueryError, match="SQL query exceeds maximum allowed length"):
        parse("SELECT * FROM t WHERE a = '" + "ä" * (MAX_SQL // 2) + "'")


def test_nesting_has_an_end_and_length_does_not_recurse() -> None:
    fine = "(" * 50 + "a" + ")" * 50
    parse(f"SELECT * FROM t WHERE {fine}")
    with pytest.raises(QueryError, match="recursion limit exceeded"):
        parse(f"SELECT * FROM t WHERE ({fine})")
    parse("SELECT * FROM t WHERE " + " AND ".join(["a = 1"] * 4000))


WORDS = st.sampled_from(
    [
        "SELECT",
        "*",
        "FROM",
        "t",
        "s",
        "WHERE",
        "a",
        "=",
        "1",
        "'x'",
        "(",
        ")",
        ",",
        ".",
        ";",
        "AND",
        "OR",
        "JOIN",
        "ON",
        "AS",
        "LIMIT",
        "COUNT",
        "INSERT",
        "INTO",
        "VALUES",
        "UPDATE",
        "SET",
        "DELETE",
        "NOT",
        ":sender",
        "0x1",
        "-",
        "<>",
    ]
)


@given(st.lists(WORDS, max_size=20).map(" ".join))
def test_any_words_parse_or_are_refused(sql: str) -> None:
    try:
        parse(sql)
    except QueryError as error:
        assert str(error)
