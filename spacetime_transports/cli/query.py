"""``spacetime-py sql`` and ``spacetime-py call``: one request over HTTP, one answer."""

from __future__ import annotations

import enum
from typing import Annotated, Any

import typer

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

__all__ = ["Format", "call", "sql"]


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
    from ..http import HttpClient

    text = read_text("-") if query == "-" else query
    with HttpClient(host, token=token_from(token, token_file)) as client:
        result = client.sql(database, text)
    columns = list(result.columns)
    rows = result.raw_rows
    with writing_to_a_pipe():
        if output is Format.json:
            print(encode_json([dict(zip(columns, row, strict=True)) for row in rows], indent=2))
        elif output is Format.jsonl:
            for row in rows:
                print(encode_json(dict(zip(columns, row, strict=True))))
        else:
            print_table(columns, [[_cell(value) for value in row] for row in rows])
            print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}")


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
    from ..http import HttpClient

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
        # Shells make quoted JSON strings a nuisance. What starts like JSON was meant to be it.
        if text[:1] in ("{", "[", '"'):
            raise CommandError(f"not valid JSON: {text}") from None
        return text


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else encode_json(value)
