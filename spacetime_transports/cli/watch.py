"""``spacetime-py subscribe`` and ``spacetime-py watch``: a live subscription on the terminal."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cells import cells, row_object
from .common import (
    DEFAULT_HOST,
    CommandError,
    DatabaseOption,
    HostOption,
    TokenFileOption,
    TokenOption,
    encode_json,
    make_table,
    stdout_console,
    token_from,
    writing_to_a_pipe,
)

if TYPE_CHECKING:
    from rich.console import Group

    from ..blocking.client import BlockingClient

__all__ = ["subscribe", "watch"]

QueriesArgument = Annotated[
    list[str],
    typer.Argument(metavar="QUERY...", help="SQL queries, or table names for whole tables."),
]


def subscribe(
    queries: QueriesArgument,
    database: DatabaseOption,
    host: HostOption = DEFAULT_HOST,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=0, help="End after this many changes.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", "-t", min=0, help="End after this many seconds.")
    ] = None,
    initial: Annotated[
        bool, typer.Option("--initial/--no-initial", help="Also print the first rows.")
    ] = True,
) -> None:
    """Print every row change as one line of JSON, until Ctrl-C.

    Lines are {"op": "insert" | "delete", "table", "row"} and {"op": "update", "table", "old", "new"}.
    """
    from ..blocking.client import connect

    left = [count]
    end = None if timeout is None else time.monotonic() + timeout

    with (
        writing_to_a_pipe(),
        connect(host, database, token=token_from(token, token_file)) as client,
    ):
        module = client.module.bound

        def emit(op: str, handle: Any, **rows: Any) -> None:
            if left[0] == 0:
                return
            if left[0] is not None:
                left[0] -= 1
            objects = {key: row_object(module, handle.table, row) for key, row in rows.items()}
            print(encode_json({"op": op, "table": handle.table_name, **objects}), flush=True)

        def listen() -> None:
            for handle in client.db:
                _listen(handle, emit)

        if initial:
            listen()
        client.subscribe(*_as_sql(client, queries))
        if not initial:
            listen()
        while left[0] != 0 and (end is None or time.monotonic() < end):
            client.advance_one_message(None if end is None else max(0.0, end - time.monotonic()))


def _listen(handle: Any, emit: Any) -> None:
    handle.on_insert(lambda ctx, row: emit("insert", handle, row=row))
    if handle.table.definition.is_event:
        return
    handle.on_delete(lambda ctx, row: emit("delete", handle, row=row))
    if handle.table.definition.primary_key is not None:
        handle.on_update(lambda ctx, old, new: emit("update", handle, old=old, new=new))


def watch(
    queries: QueriesArgument,
    database: DatabaseOption,
    host: HostOption = DEFAULT_HOST,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    rows: Annotated[
        int, typer.Option("--rows", "-r", min=1, help="Show at most this many rows of a table.")
    ] = 20,
    timeout: Annotated[
        float | None, typer.Option("--timeout", "-t", min=0, help="End after this many seconds.")
    ] = None,
) -> None:
    """Show the rows of a subscription as tables that follow every change, until Ctrl-C.

    When standard output is no terminal, the tables are printed anew after each transaction.
    """
    from rich.live import Live

    from ..blocking.client import connect

    end = None if timeout is None else time.monotonic() + timeout

    with (
        writing_to_a_pipe(),
        connect(host, database, token=token_from(token, token_file)) as client,
    ):
        changed = [True]
        client.on_transaction(lambda ctx, changes: changed.__setitem__(0, True))
        client.subscribe(*_as_sql(client, queries))

        def pump() -> bool:
            """Handle one message; False when the time is up."""
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return False
            client.advance_one_message(left)
            return True

        console = stdout_console()
        live = Live(console=console, auto_refresh=False) if sys.stdout.isatty() else None
        with live or nullcontext():
            going_on = True
            while going_on:
                if changed[0]:
                    changed[0] = False
                    if live is None:
                        console.print(_tables(client, rows))
                        sys.stdout.flush()
                    else:
                        live.update(_tables(client, rows), refresh=True)
                going_on = pump()


def _tables(client: BlockingClient[Any], most: int) -> Group:
    """Return one rich table per cached table that holds rows."""
    from rich.console import Group

    shown = []
    for handle in client.db:
        total = handle.count()
        if not total:
            continue
        columns = [column.name for column in handle.table.definition.columns]
        rows = [cells(row) for row in islice(handle.iter(), most)]
        if total > most:
            rows.append([f"… {total - most} more"])
        shown.append(make_table(columns, rows, title=f"{handle.table_name} ({total})"))
    return Group(*(shown or ("no rows",)))


def _as_sql(client: BlockingClient[Any], queries: list[str]) -> list[str]:
    """Return the queries with table names written out as ``SELECT * FROM name``."""
    tables = client.module.bound.tables
    found = []
    for query in queries:
        if query in tables:
            found.append(f'SELECT * FROM "{query}"')
        elif " " in query.strip():
            found.append(query)
        else:
            known = ", ".join(sorted(tables))
            raise CommandError(f"no table {query!r} in this database; it has: {known}")
    return found
