"""SQL text -> tokens (docs/protocol.md section 10.1)."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import msgspec

from ...errors import QueryError

__all__ = ["END", "SqlToken", "tokenize"]

Kind: TypeAlias = Literal["word", "quoted", "string", "number", "hex", "param", "op", "end"]

_TOKEN = re.compile(
    r"""
    (?P<space>\s+ | --[^\n]* | /\*.*?\*/)
  | (?P<hex>0x[0-9A-Fa-f]+ | [xX]'[^']*')
  | (?P<number>(?:\d+\.?\d* | \.\d+)(?:[eE][+-]?\d+)?)
  | (?P<word>[^\W\d][\w$]*)
  | (?P<quoted>"(?:[^"]|"")*")
  | (?P<string>'(?:[^']|'')*')
  | (?P<param>:[^\W\d]\w*)
  | (?P<op><> | => | != | <= | >= | [=<>(),.;*+-])
    """,
    re.VERBOSE | re.DOTALL,
)


class SqlToken(msgspec.Struct, frozen=True):
    """One token.

    Attributes:
        kind: what it is; words are keywords or identifiers, by context.
        text: as written.
        value: an identifier without quotes, a string's content, a parameter's name, hex digits.
        line: from 1.
        column: from 1.
    """

    kind: Kind
    text: str
    value: str
    line: int
    column: int

    @property
    def keyword(self) -> str:
        """The word in capitals; empty for everything that cannot be a keyword."""
        return self.text.upper() if self.kind == "word" else ""


END = "EOF"


def tokenize(sql: str) -> list[SqlToken]:
    """Split `sql` into tokens; the last one is of kind ``end``.

    Raises:
        QueryError: a quote or comment without an end, or a character that means nothing.
    """
    tokens = []
    at = 0
    line_start = 0
    line = 1
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        column = at - line_start + 1
        if match is None:
            raise QueryError(
                f"sql parser error: {_problem(sql[at:])} at Line: {line}, Column {column}"
            )
        text = match.group()
        kind = match.lastgroup
        if kind != "space":
            tokens.append(SqlToken(kind, text, _value(kind, text), line, column))  # type: ignore[arg-type]
        newlines = text.count("\n")
        if newlines:
            line += newlines
            line_start = at + text.rindex("\n") + 1
        at = match.end()
    tokens.append(SqlToken("end", END, "", line, at - line_start + 1))
    return tokens


def _value(kind: str | None, text: str) -> str:
    if kind == "quoted":
        return text[1:-1].replace('""', '"')
    if kind == "string":
        return text[1:-1].replace("''", "'")
    if kind == "param":
        return text[1:]
    if kind == "hex":
        return text[2:-1] if text.endswith("'") else text[2:]
    return text


def _problem(rest: str) -> str:
    if rest[0] == "'":
        return "Unterminated string literal"
    if rest[0] == '"':
        return "Expected close delimiter '\"' before EOF."
    if rest.startswith("/*"):
        return "Unexpected EOF while in a multi-line comment"
    return f"Expected an expression, found: {rest[0]}"
