"""``spacetime-py sql`` and ``spacetime-py call``: one request over HTTP, one answer."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from spacetime_proto.sats.algebraic import Typespace
from spacetime_proto.sats.compile import TypeContext
from spacetime_proto.sats.sats_json import to_json

from .cells import cells
from .common import (
    DEFAULT_HOST,
    CommandError,
    DatabaseOption,
    HostOption,
    TokenFileOption,
    TokenOption,
    encode_json,
    print_table,
    read_text,
    token_from,
    writing_to_a_pipe,
)

if TYPE_CHECKING:
    from ..http.results import SqlResult

_NEGATIVE = re.compile(r"-\d+(\.\d+)?([eE][+-]?\d+)?")
#: No argument of a process can contain it.
_MARK = "\0"


class Format(enum.StrEnum):
    """How rows are printed."""

    table = "table"
    json = "json"
    jsonl = "jsonl"


def sql(
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="One SQL statement, or - for standard input.")
    ],
    database: DatabaseOption,
    host: HostOption = DEFAULT_HOST,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    output: Annotated[
        Format, typer.Option("--format", "-f", help="How to print the rows.")
    ] = Format.table,
) -> None:
    """Run one SQL statement and print its rows."""
    from ..http.clients import HttpClient

    text = read_text("-") if query == "-" else query
    with HttpClient(host, token=token_from(token, token_file)) as client:
        result = client.sql(database, text)
    with writing_to_a_pipe():
        if output is Format.table:
            _print_rows(result)
        else:
            types = TypeContext(Typespace())
            rows = [to_json(result.schema, types, row, style="named") for row in result.rows]
            if output is Format.json:
                print(encode_json(rows, indent=2))
            else:
                for row in rows:
                    print(encode_json(row))


def _print_rows(result: SqlResult) -> None:
    if result.columns:
        rows = result.rows
        print_table(result.columns, map(cells, rows))
        print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}")
        return
    stats = result.stats
    print(
        f"{stats.rows_inserted} rows inserted, {stats.rows_updated} updated, "
        f"{stats.rows_deleted} deleted"
    )


class CallCommand(TyperCommand):
    """A command that takes negative numbers as arguments, with no ``--`` before them.

    Otherwise the parser would take them for unknown options, so they are marked while it runs.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, as every command does."""
        end = args.index("--") if "--" in args else len(args)
        marked = [_MARK + text if _NEGATIVE.fullmatch(text) else text for text in args[:end]]
        left = super().parse_args(ctx, [*marked, *args[end:]])
        ctx.params = {name: _unmarked(value) for name, value in ctx.params.items()}
        return left


def _unmarked(value: Any) -> Any:
    if isinstance(value, str):
        return value.removeprefix(_MARK)
    if isinstance(value, list | tuple):
        return type(value)(map(_unmarked, value))
    return value


def call(
    function: Annotated[str, typer.Argument(metavar="NAME", help="Reducer or procedure.")],
    database: DatabaseOption,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ARG]...",
            help="Arguments as JSON; what is not JSON is taken as a string.",
        ),
    ] = None,
    host: HostOption = DEFAULT_HOST,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Call a reducer or a procedure; prints what a procedure returns, as JSON."""
    from ..http.clients import HttpClient

    values = [_argument(text) for text in arguments or ()]
    with HttpClient(host, token=token_from(token, token_file)) as client:
        value = client.call(database, function, values)
    if value is not None:
        print(encode_json(value))


def _argument(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError:
        # A string may be given without JSON quotes, which are tedious in a shell. Text that starts
        # like JSON was meant as JSON.
        if text[:1] in ("{", "[", '"'):
            raise CommandError(f"not valid JSON: {text}") from None
        return text
