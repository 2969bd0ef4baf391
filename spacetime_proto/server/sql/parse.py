"""Tokens -> statements. One parser reads everything; `check_subscription` narrows it.

Texts of errors follow the server's: those of its SQL parser start with ``sql parser error:``,
syntax that the grammar knows but SpacetimeDB does not support is named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from ...errors import QueryError
from .ast import (
    All,
    And,
    Assignment,
    ColumnName,
    Compare,
    Count,
    DeleteStatement,
    Expression,
    InsertStatement,
    Item,
    Or,
    Parameter,
    Projection,
    Select,
    SelectedColumns,
    SqlConstant,
    SqlRelation,
    Statement,
    UpdateStatement,
)
from .lexer import SqlToken, tokenize

T = TypeVar("T")

#: Longest statement, in bytes of UTF-8.
MAX_SQL: Final = 50_000
#: Parentheses within parentheses, as many as the server's parser follows.
_MAX_DEPTH: Final = 50

_COMPARISONS: Final = ("=", "<>", "!=", "<", ">", "<=", ">=")
_NOT_ALIASES: Final = frozenset((
    "AND", "AS", "CROSS", "EXCEPT", "FETCH", "FROM", "FULL", "GROUP", "HAVING", "INNER",
    "INTERSECT", "JOIN", "LEFT", "LIMIT", "NATURAL", "NOT", "OFFSET", "ON", "OR", "ORDER", "OUTER",
    "RIGHT", "SELECT", "SET", "UNION", "USING", "VALUES", "WHERE", "WINDOW",
))  # fmt: skip
_UNSUPPORTED_EXPRESSIONS: Final = frozenset((
    "ARRAY", "CASE", "CAST", "EXISTS", "INTERVAL", "NOT", "SELECT",
))  # fmt: skip
_UNSUPPORTED_OPERATORS: Final = frozenset((
    "BETWEEN", "ILIKE", "IN", "IS", "LIKE", "NOT", "SIMILAR",
))  # fmt: skip
_UNSUPPORTED_CLAUSES: Final = {
    "ORDER": "ORDER BY is not supported",
    "GROUP": "GROUP BY is not supported",
    "HAVING": "HAVING is not supported",
    "UNION": "Unsupported set operation: UNION",
    "EXCEPT": "Unsupported set operation: EXCEPT",
    "INTERSECT": "Unsupported set operation: INTERSECT",
    "OFFSET": "OFFSET is not supported",
    "FETCH": "FETCH is not supported",
}


def parse(sql: str) -> Statement:
    """Parse one statement.

    Raises:
        QueryError: with the server's text.
    """
    if len(sql.encode()) > MAX_SQL:
        raise QueryError(f'SQL query exceeds maximum allowed length: "{sql[:120]}..."', query=sql)
    try:
        return _Parser(tokenize(sql)).statement()
    except QueryError as error:
        error.query = sql
        raise


def _spaced(tokens: Sequence[SqlToken]) -> str:
    """Return an expression as the server writes it in errors."""
    text = ""
    before = "("
    for token in tokens:
        is_call = token.text == "(" and before[-1].isalnum()
        text += token.text if before in "(." or token.text in ")." or is_call else f" {token.text}"
        before = token.text
    return text


def _literal(tokens: Sequence[SqlToken]) -> SqlConstant | None:
    """Return the literal that these tokens are, None if they are none."""
    match tokens:
        case [SqlToken(kind="op", text="+" | "-" as sign), SqlToken(kind="number", value=digits)]:
            return SqlConstant("number", sign.removeprefix("+") + digits)
        case [SqlToken(kind="string" | "number" | "hex" as kind, value=value)]:
            return SqlConstant(kind, value)
        case [SqlToken(keyword="TRUE" | "FALSE" as word)]:
            return SqlConstant("bool", word.lower())
        case _:
            return None


class _Parser:
    def __init__(self, tokens: list[SqlToken]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    # --- statements ---------------------------------------------------------------------------

    def statement(self) -> Statement:
        while self._take_op(";"):
            pass
        token = self._token
        if token.kind == "end":
            raise QueryError("Empty SQL query")
        match token.keyword:
            case "SELECT":
                found: Statement = self._select()
            case "INSERT":
                found = self._insert()
            case "UPDATE":
                found = self._update()
            case "DELETE":
                found = self._delete()
            case "SET" | "SHOW" as keyword:
                raise QueryError(f"{keyword} is not supported by this development server")
            case _:
                raise self._expected("an SQL statement")
        ended = False
        while self._take_op(";"):
            ended = True
        if self._token.kind != "end":
            if ended:
                raise QueryError("Multiple SQL statements are not supported")
            raise self._expected("end of statement")
        return found

    def _select(self) -> Select:
        self._advance()
        if self._token.keyword == "DISTINCT":
            raise QueryError("Unsupported SELECT: DISTINCT")
        projection = self._projection()
        self._need("FROM")
        relations = self._relations()
        where = self._where()
        limit = None
        if self._take("LIMIT"):
            if self._token.kind != "number":
                raise self._expected("a number of rows")
            limit = self._advance().text
        unsupported = _UNSUPPORTED_CLAUSES.get(self._token.keyword)
        if unsupported is not None:
            raise QueryError(unsupported)
        return Select(projection, relations, where, limit)

    def _projection(self) -> Projection:
        if self._take_op("*"):
            if self._token.text == ",":
                raise QueryError("Mixed wildcard projections are not supported")
            return All(None)
        items: list[Item] = []
        while True:
            item = self._item()
            if not isinstance(item, Item):
                if items or self._token.text == ",":
                    raise QueryError("Mixed wildcard projections are not supported")
                return item
            items.append(item)
            if not self._take_op(","):
                return SelectedColumns(tuple(items))

    def _item(self) -> All | Item | Count:
        token = self._token
        if token.kind not in ("word", "quoted"):
            if token.kind in ("number", "string", "hex", "param"):
                raise QueryError(f"Unsupported projection expression: {token.text}")
            raise self._expected("an expression")
        if token.keyword in _UNSUPPORTED_EXPRESSIONS:
            raise QueryError(f"Unsupported projection expression: {token.text}")
        name = self._name()
        if self._take_op("("):
            return self._count(token)
        if self._take_op("."):
            if self._take_op("*"):
                return All(name)
            column = ColumnName(name, self._name())
        else:
            column = ColumnName(None, name)
        return Item(column, self._column_alias())

    def _count(self, function: SqlToken) -> Count:
        if function.keyword != "COUNT" or not (self._take_op("*") and self._take_op(")")):
            raise QueryError(f"Unsupported projection: {function.text}(...)")
        alias = self._column_alias()
        if alias is None:
            raise QueryError("Aggregate projections must have an alias: COUNT(*) AS n")
        return Count(alias)

    def _column_alias(self) -> str | None:
        if self._take("AS"):
            return self._name()
        token = self._token
        if token.kind == "quoted" or (token.kind == "word" and token.keyword not in _NOT_ALIASES):
            return self._name()
        return None

    def _relations(self) -> tuple[SqlRelation, ...]:
        if self._token.text == "(":
            raise QueryError("Unsupported FROM expression: a subquery")
        if self._token.text == "*":
            raise QueryError(
                "Unsupported FROM expression: * (only the whole query SELECT * FROM *)"
            )
        relations = [self._relation()]
        while True:
            if self._take_op(","):
                raise QueryError("Implicit joins are not supported")
            keyword = self._token.keyword
            if keyword in ("LEFT", "RIGHT", "FULL", "NATURAL"):
                raise QueryError("Non-inner joins are not supported")
            if keyword == "CROSS":
                self._advance()
                self._need("JOIN")
                relations.append(self._relation())
            elif keyword in ("INNER", "JOIN"):
                self._take("INNER")
                self._need("JOIN")
                relation = self._relation()
                if self._token.keyword == "USING":
                    raise QueryError("Non-inner joins are not supported")
                on = self._join_condition() if self._take("ON") else None
                relations.append(msgspec.structs.replace(relation, on=on))
            else:
                return tuple(relations)

    def _relation(self) -> SqlRelation:
        table = self._path()
        arguments = self._arguments()
        return SqlRelation(table, self._column_alias() or table, None, arguments)

    def _path(self) -> str:
        path = self._name()
        while self._take_op("."):
            path = f"{path}.{self._name()}"  # a submodule's table: namespace.name
        return path

    def _arguments(self) -> tuple[SqlConstant, ...]:
        if not self._take_op("(") or self._take_op(")"):
            return ()
        return tuple(self._list(self._argument))

    def _argument(self) -> SqlConstant:
        tokens = self._argument_tokens()
        texts = [token.text for token in tokens]
        words = _spaced(tokens)
        if "=>" in texts or words == "*":
            raise QueryError(
                f"Unsupported view argument: {words}. View arguments must be positional literals"
            )
        if len(tokens) == 1 and (tokens[0].kind == "param" or tokens[0].keyword == "NULL"):
            raise QueryError(f"Unsupported literal expression: {words}")
        literal = _literal(tokens)
        if literal is None:
            raise QueryError(f"Unsupported view argument: {words}. View arguments must be literals")
        return literal

    def _argument_tokens(self) -> list[SqlToken]:
        """Read up to the comma or parenthesis that ends an argument."""
        tokens: list[SqlToken] = []
        depth = 0
        while self._token.kind != "end" and (depth or self._token.text not in (",", ")")):
            depth += {"(": 1, ")": -1}.get(self._token.text, 0)
            tokens.append(self._advance())
        if not tokens:
            raise self._expected("an expression")
        return tokens

    def _join_condition(self) -> tuple[ColumnName, ColumnName]:
        condition = self._expression()
        if isinstance(condition, Compare) and condition.op == "=":
            left, right = condition.left, condition.right
            if isinstance(left, ColumnName) and isinstance(right, ColumnName):
                return left, right
        raise QueryError("Non-inner joins are not supported")

    # --- statements that write ----------------------------------------------------------------

    def _insert(self) -> InsertStatement:
        self._advance()
        self._need("INTO")
        table = self._relation_name()
        columns: list[str] = []
        if self._take_op("("):
            columns = self._list(self._name)
        self._need("VALUES")
        rows = []
        while True:
            self._need_op("(")
            rows.append(tuple(self._list(self._value)))
            if not self._take_op(","):
                return InsertStatement(table, tuple(columns), tuple(rows))

    def _update(self) -> UpdateStatement:
        self._advance()
        table = self._relation_name()
        self._need("SET")
        assignments = [self._assignment()]
        while self._take_op(","):
            assignments.append(self._assignment())
        return UpdateStatement(table, tuple(assignments), self._where())

    def _assignment(self) -> Assignment:
        column = self._name()
        self._need_op("=")
        return Assignment(column, self._value())

    def _delete(self) -> DeleteStatement:
        self._advance()
        self._need("FROM")
        start = self._at
        table = self._relation_name()
        if self._token.text == "(":
            self._at = start
            arguments = [one.sql for one in self._relation().arguments]
            raise QueryError(
                f"Unsupported table expression in DELETE: {table}({', '.join(arguments)})"
            )
        return DeleteStatement(table, self._where())

    def _where(self) -> Expression | None:
        return self._expression() if self._take("WHERE") else None

    def _relation_name(self) -> str:
        table = self._path()
        self._column_alias()
        return table

    def _value(self) -> SqlConstant | Parameter:
        token = self._token
        value = self._primary()
        if not isinstance(value, SqlConstant | Parameter):
            raise QueryError(f"Unsupported literal expression: {token.text}")
        return value

    # --- expressions --------------------------------------------------------------------------

    def _expression(self) -> Expression:
        parts = [self._conjunction()]
        while self._take("OR"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _conjunction(self) -> Expression:
        parts = [self._comparison()]
        while self._take("AND"):
            parts.append(self._comparison())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _comparison(self) -> Expression:
        left = self._primary()
        token = self._token
        if token.keyword in _UNSUPPORTED_OPERATORS:
            raise QueryError(f"Unsupported expression: {token.text}")
        if token.text in ("+", "-", "*"):
            raise QueryError(f"Unsupported binary operator: {token.text}")
        if token.kind != "op" or token.text not in _COMPARISONS:
            return left
        self._advance()
        right = self._primary()
        return Compare("<>" if token.text == "!=" else token.text, left, right)  # type: ignore[arg-type]

    def _primary(self) -> Expression:
        token = self._advance()
        match token.kind:
            case "op" if token.text == "(":
                self._depth += 1
                if self._depth > _MAX_DEPTH:
                    raise QueryError("sql parser error: recursion limit exceeded")
                inside = self._expression()
                self._depth -= 1
                self._need_op(")")
                return inside
            case "op" if token.text in ("+", "-") and self._token.kind == "number":
                sign = "-" if token.text == "-" else ""
                return SqlConstant("number", sign + self._advance().text)
            case "param":
                return Parameter(token.value)
            case _ if (literal := _literal([token])) is not None:
                return literal
            case "word" if token.keyword in _UNSUPPORTED_EXPRESSIONS or self._token.text == "(":
                raise QueryError(f"Unsupported expression: {token.text}")
            case "word" | "quoted":
                if self._take_op("."):
                    return ColumnName(token.value, self._name())
                return ColumnName(None, token.value)
            case _:
                raise self._expected("an expression", token)

    # --- the tokens ---------------------------------------------------------------------------

    @property
    def _token(self) -> SqlToken:
        return self._tokens[self._at]

    def _advance(self) -> SqlToken:
        token = self._tokens[self._at]
        if token.kind != "end":
            self._at += 1
        return token

    def _take(self, keyword: str) -> bool:
        if self._token.keyword != keyword:
            return False
        self._at += 1
        return True

    def _take_op(self, text: str) -> bool:
        token = self._token
        if token.kind != "op" or token.text != text:
            return False
        self._at += 1
        return True

    def _need(self, keyword: str) -> None:
        if not self._take(keyword):
            raise self._expected(keyword)

    def _need_op(self, text: str) -> None:
        if not self._take_op(text):
            raise self._expected(text)

    def _name(self) -> str:
        if self._token.kind not in ("word", "quoted"):
            raise self._expected("identifier")
        return self._advance().value

    def _list(self, read: Callable[[], T]) -> list[T]:
        """Read comma-separated things up to and including the closing parenthesis."""
        items = [read()]
        while self._take_op(","):
            items.append(read())
        self._need_op(")")
        return items

    def _expected(self, what: str, token: SqlToken | None = None) -> QueryError:
        """Return the error for a token (the next one, if not given) that is not `what`."""
        token = token or self._token
        place = "" if token.kind == "end" else f" at Line: {token.line}, Column {token.column}"
        return QueryError(f"sql parser error: Expected {what}, found: {token.text}{place}")
