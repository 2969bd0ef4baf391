"""``spacetime-py env list | get | set | unset``: environment variables of a database, over HTTP.

They are configuration that a module declares and its owner supplies, also with ``publish --env``. Only
``get`` and ``list --values`` show values.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacetime_proto.errors import DecodeError, LocalProtocolError

from .common import (
    DEFAULT_HOST,
    CommandError,
    DatabaseOption,
    HostOption,
    TokenFileOption,
    TokenOption,
    encode_json,
    print_table,
    printable,
    read_text,
    token_from,
    writing_to_a_pipe,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spacetime_proto.wire.environment_headers import Removals

    from ..http.clients import HttpClient

app = typer.Typer(
    help="Look at and change the environment variables of a database (its owner's token is needed).",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

EnvOption = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="KEY=VALUE",
        help="An environment variable for the module; repeat it for more. KEY alone takes the value"
        " that KEY has in this process, which keeps it out of the list of processes.",
    ),
]
EnvFileOption = Annotated[
    list[str] | None,
    typer.Option(
        "--env-file",
        metavar="FILE",
        help="File of such variables, one KEY=VALUE a line, or - for standard input. --env goes"
        " before. Values with blanks, commas, quotes or backslashes stand in single quotes, or in"
        " double quotes with the escapes of JSON; lines that begin with # are comments.",
    ),
]
RemoveEnvOption = Annotated[
    list[str] | None,
    typer.Option(
        "--remove-env",
        "--unset-env",
        metavar="KEY",
        help="A stored environment variable to remove; repeat it for more. '*' removes all that are"
        " not given.",
    ),
]


# --- options ----------------------------------------------------------------------------------


def values_from(env: Iterable[str] | None, files: Iterable[str] | None) -> dict[str, str]:
    """Return the variables of ``--env`` or of `env set`, and of ``--env-file``.

    Raises:
        CommandError: one is not written as it has to be, or the process has none of that name. No
            error shows a value.
        LocalProtocolError: a variable cannot have its name or value.
    """
    from spacetime_proto.wire.environment_headers import check_key, check_value

    found: dict[str, str] = {}
    for path in files or ():
        found.update(_in_file(path))
    for text in env or ():
        key, equals, value = text.partition("=")
        if not equals:
            try:
                value = os.environ[check_key(key)]
            except LocalProtocolError:
                raise CommandError(
                    "an environment variable is KEY=VALUE, or the KEY of one that this process has"
                ) from None
            except KeyError:
                raise CommandError(
                    f"environment key {key}: no value given, and this process has no such variable"
                ) from None
        found[check_key(key)] = check_value(key, value)
    return found


def _in_file(path: str) -> Iterator[tuple[str, str]]:
    from spacetime_proto.wire.environment_headers import parse_assignments

    for number, line in enumerate(read_text(path).split("\n"), 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        what = f"line {number} of {'standard input' if path == '-' else path}"
        try:
            entries = parse_assignments(text, what)
        except DecodeError as error:
            raise CommandError(str(error)) from None
        if len(entries) != 1:
            raise CommandError(f"{what} is not one KEY=VALUE: values with commas need quotes")
        yield entries[0]


def removals_from(keys: Iterable[str] | None) -> Removals:
    """Return the variables of ``--remove-env``.

    Raises:
        CommandError: ``*`` does not stand alone.
    """
    found = tuple(keys or ())
    if "*" not in found:
        return found
    if found != ("*",):
        raise CommandError("'*' removes every variable, so it is given alone")
    return "all"


# --- commands ---------------------------------------------------------------------------------


@app.command("list")
def list_variables(
    database: DatabaseOption,
    host: HostOption = DEFAULT_HOST,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    values: Annotated[bool, typer.Option("--values", help="Show the values too: secrets.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the variables that a module declares, and those that are stored."""
    from ..http.clients import HttpClient

    with HttpClient(host, token=token_from(token, token_file)) as client:
        metadata = client.environment(database)
        stored = _stored(client, database) if values else dict.fromkeys(metadata.stored_keys)
    declared = {declaration.name: declaration for declaration in metadata.declarations}
    rows: list[dict[str, Any]] = []
    for name in sorted(declared.keys() | stored.keys()):
        declaration = declared.get(name)
        row: dict[str, Any] = {
            "name": name,
            "allowed": None if declaration is None else declaration.values or "any text",
            "required": declaration is not None and not declaration.optional,
            "stored": name in stored,
        }
        rows.append(row | {"value": stored.get(name)} if values else row)
    with writing_to_a_pipe():
        if as_json:
            print(encode_json(rows, indent=2))
            return
        columns = ("name", "", "allowed", "stored", *(("value",) if values else ()))
        print_table(columns, [_cells(row) for row in rows])


def _cells(row: dict[str, Any]) -> list[str]:
    allowed = row["allowed"]
    need = "undeclared" if allowed is None else "required" if row["required"] else "optional"
    words = allowed or "" if isinstance(allowed, str | None) else encode_json(allowed)
    cells = [row["name"], need, words, "yes" if row["stored"] else "no"]
    return [*cells, row["value"] or ""] if "value" in row else cells


def _stored(client: HttpClient, database: str) -> dict[str, str]:
    rows = client.sql(database, "SELECT key, value FROM st_env").rows
    return {row.key: row.value for row in rows}


@app.command("get")
def get_value(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Name of a stored variable.")],
    database: DatabaseOption,
    host: HostOption = DEFAULT_HOST,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Print the value of one variable."""
    from ..http.clients import HttpClient

    with HttpClient(host, token=token_from(token, token_file)) as client:
        stored = _stored(client, database)
    if key not in stored:
        raise CommandError(f"{database} has no value of {printable(key)}")
    with writing_to_a_pipe():
        print(printable(stored[key]) if sys.stdout.isatty() else stored[key])


@app.command("set")
def set_values(
    database: DatabaseOption,
    assignments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Variables to set, as with --env."),
    ] = None,
    host: HostOption = DEFAULT_HOST,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    env_file: EnvFileOption = None,
) -> None:
    """Set variables, without publishing; the others stay."""
    values = values_from(assignments, env_file)
    if not values:
        raise CommandError("nothing to set: give KEY=VALUE or --env-file")
    _change(host, token, token_file, database, values, ())


@app.command("unset")
def unset_values(
    database: DatabaseOption,
    keys: Annotated[
        list[str], typer.Argument(metavar="KEY...", help="Variables to remove; '*' for all.")
    ],
    host: HostOption = DEFAULT_HOST,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Remove variables, without publishing."""
    _change(host, token, token_file, database, {}, removals_from(keys))


def _change(
    host: str,
    token: str | None,
    token_file: str | None,
    database: str,
    values: dict[str, str],
    remove: Removals,
) -> None:
    from ..http.clients import HttpClient

    with HttpClient(host, token=token_from(token, token_file)) as client:
        client.update_environment(database, values, remove=remove)
    print(
        encode_json(
            {
                "database": database,
                "set": sorted(values),
                "removed": list(remove) if remove != "all" else "all",
            }
        )
    )
