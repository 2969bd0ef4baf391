"""`sql.tokens`: the lexical rules of docs/protocol.md section 10.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacetime_proto.errors import QueryError
from spacetime_proto.server.sql.lexer import tokenize


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a_1 Größe _x", [("word", w) for w in ("SELECT", "a_1", "Größe", "_x")]),
        ('"a b" "q""q"', [("quoted", "a b"), ("quoted", 'q"q')]),
        ("'it''s' ''", [("string", "it's"), ("string", "")]),
        ("1 1.5 .5 1e3 2E-4", [("number", n) for n in ("1", "1.5", ".5", "1e3", "2E-4")]),
        ("0xAb X'01ff' x''", [("hex", "Ab"), ("hex", "01ff"), ("hex", "")]),
        (":sender", [("param", "sender")]),
        (
            "<>!=<=>==<>(),.;*+-",
            [("op", o) for o in ("<>", "!=", "<=", ">=", "=", "<>", *"(),.;*+-")],
        ),
        ("a -- no\nb /* no\n */ c", [("word", w) for w in "abc"]),
        ("", []),
    ],
)
def test_kinds_and_values(sql: str, expected: list[tuple[str, str]]) -> None:
    *tokens, end = tokenize(sql)
    assert [(token.kind, token.value) for token in tokens] == expected
    assert (end.kind, end.text) == ("end", "EOF")


def test_places_are_counted_from_one() -> None:
    tokens = tokenize("a\n  b /* \n */ c")
    assert [(t.line, t.column) for t in tokens] == [(1, 1), (2, 3), (3, 5), (3, 6)]


def test_only_words_are_keywords() -> None:
    word, quoted, _ = tokenize('select "select"')
    assert (word.keyword, quoted.keyword) == ("SELECT", "")


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("a 'b", "Unterminated string literal at Line: 1, Column 3"),
        ('a\n"b', "Expected close delimiter '\"' before EOF. at Line: 2, Column 1"),
        ("/* x", "Unexpected EOF while in a multi-line comment at Line: 1, Column 1"),
        ("a ? b", "Expected an expression, found: ? at Line: 1, Column 3"),
    ],
)
def test_what_is_no_token(sql: str, problem: str) -> None:
    with pytest.raises(QueryError) as caught:
        tokenize(sql)
    assert str(caught.value) == f"sql parser error: {problem}"


@given(st.text())
def test_any_text_is_tokens_or_an_error(sql: str) -> None:
    try:
        tokens = tokenize(sql)
    except QueryError:
        return
    assert tokens[-1].kind == "end"
