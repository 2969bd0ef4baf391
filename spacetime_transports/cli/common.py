"""The common part of all commands: option types, one-line errors, tables and JSON.

Results go to standard output, everything about the run itself to standard error. Colour appears on
a terminal only.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from spacetime_proto.errors import SpacetimeError, redact

from ..token_sources import InsecureTokenWarning, TokenFile, checked_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console
    from rich.table import Table

__all__ = [
    "CommandError",
    "DatabaseOption",
    "HostOption",
    "OptionalDatabaseOption",
    "OptionalHostOption",
    "TokenFileOption",
    "TokenOption",
    "encode_json",
    "explain",
    "fail",
    "make_table",
    "print_table",
    "read_text",
    "stdout_console",
    "token_from",
    "writing_to_a_pipe",
]

DEFAULT_HOST = "http://127.0.0.1:3000"

_HOST = typer.Option(
    "--host",
    "-s",
    envvar="SPACETIMEDB_URL",
    metavar="URL",
    help="Server, such as http://127.0.0.1:3000 or https://maincloud.spacetimedb.com.",
)
HostOption = Annotated[str, _HOST]
OptionalHostOption = Annotated[str | None, _HOST]


def _database(about: str) -> Any:
    return typer.Option(
        "--database", "-d", envvar="SPACETIMEDB_DATABASE", metavar="NAME", help=about
    )


DatabaseOption = Annotated[str, _database("Database name or 64-digit identity.")]
OptionalDatabaseOption = Annotated[
    str | None, _database("Database name or 64-digit identity; needs --host.")
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="SPACETIMEDB_TOKEN",
        metavar="JWT",
        help="Token to act with; without one the server gives a new identity.",
        show_envvar=True,
    ),
]
TokenFileOption = Annotated[
    str | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="File to read the token from, and to keep an issued one in (mode 0600).",
    ),
]


class CommandError(Exception):
    """A command cannot go on: the user sees this one sentence and no traceback."""


def token_from(token: str | None, token_file: str | None) -> str | TokenFile | None:
    """Return the token of ``--token`` or ``--token-file``.

    Raises:
        CommandError: both were given.
        LocalProtocolError: the text cannot be a token.
    """
    if token_file is None:
        return checked_token(token, "the token of --token (or SPACETIMEDB_TOKEN)")
    if token is not None:
        raise CommandError("give --token or --token-file, not both")
    return TokenFile(token_file)


def explain(error: BaseException) -> str:
    """Return one line that explains `error`, without tokens."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, (SpacetimeError, CommandError)):
        text = str(error)
    elif isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror or error}"
    elif isinstance(error, OSError):
        text = error.strerror or str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    return redact(" ".join(text.split())) or type(error).__name__


def fail(error: BaseException | str) -> NoReturn:
    """Print one line to standard error and end with exit code 1."""
    text = error if isinstance(error, str) else explain(error)
    sys.stdout.flush()
    print(f"spacetime-py: {text}", file=sys.stderr)
    raise SystemExit(1)


def encode_json(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """Return JSON text: readable Unicode, integers exact."""
    import json

    return json.dumps(value, ensure_ascii=False, indent=indent, sort_keys=sort_keys)


def read_text(path: str) -> str:
    """Return the text of a file, or of standard input for ``-``.

    Raises:
        CommandError: it cannot be read or is not UTF-8.
    """
    try:
        if path == "-":
            return sys.stdin.buffer.read().decode("utf-8")
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text: byte {error.start}") from error


def stdout_console() -> Console:
    """Return a rich console on the current standard output, as wide as its content when piped."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", 200))
    return Console(file=sys.stdout, highlight=False, width=width, soft_wrap=False)


def make_table(
    columns: Iterable[str], rows: Iterable[Sequence[str]], *, title: str | None = None
) -> Table:
    """Return a table for the terminal; cells are plain text, never markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    heading = None if title is None else Text(printable(title), style="table.title")
    table = Table(title=heading, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(Text(printable(column)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def print_table(
    columns: Iterable[str], rows: Iterable[Sequence[str]], *, title: str | None = None
) -> None:
    """Print a table; its title is a line above it, which the width of the table does not wrap."""
    from rich.text import Text

    console = stdout_console()
    if title is not None:
        console.print(Text(printable(title), style="table.title"), soft_wrap=True)
    console.print(make_table(columns, rows))


def printable(text: str) -> str:
    """Return `text` with control characters escaped, so that data cannot control the terminal."""
    return "".join(
        character
        if character.isprintable() or character == "\n"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


@contextlib.contextmanager
def writing_to_a_pipe() -> Iterator[None]:
    """End quietly with exit code 0 when the reader of standard output goes away (``| head``)."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more when it ends, which must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def one_line_warnings() -> None:
    """Show this package's warnings as one line each, without source."""

    from spacetime_proto.schema.reader import NewerSchemaWarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, (InsecureTokenWarning, NewerSchemaWarning)):
            print(f"spacetime-py: warning: {message}", file=sys.stderr)

    warnings.showwarning = show
