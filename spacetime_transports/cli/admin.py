"""``spacetime-py logs | describe | identity | publish``: looking after a database, over HTTP."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Any

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
    printable,
    token_from,
    writing_to_a_pipe,
)
from .env import EnvFileOption, EnvOption, RemoveEnvOption, removals_from, values_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from spacetime_proto.sats.algebraic import AlgebraicType, ProductType
    from spacetime_proto.schema.model import EnvironmentDef, ModuleDef, TableDef

    from ..http.clients import HttpClient


def logs(
    database: DatabaseOption,
    host: HostOption = DEFAULT_HOST,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", min=0, help="Only the last N lines.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Stay, and print new lines as they come.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the lines as they are.")] = False,
) -> None:
    """Print a database's log (its owner's token is needed)."""
    from ..http.clients import HttpClient

    with HttpClient(host, token=token_from(token, token_file)) as client, writing_to_a_pipe():
        for entry in client.logs(database, num_lines=lines, follow=follow):
            print(encode_json(entry) if as_json else _log_line(entry), flush=follow)


def _log_line(entry: Any) -> str:
    when = datetime.datetime.fromtimestamp(entry.get("ts", 0) / 1e6, datetime.UTC)
    place = entry.get("filename")
    if place and entry.get("line_number") is not None:
        place = f"{place}:{entry['line_number']}"
    where = f" ({place})" if place else ""
    level = str(entry.get("level", "")).upper()
    text = printable(str(entry.get("message", "")))
    return f"{when:%Y-%m-%d %H:%M:%S.%f} {level:5}{where} {text}"


def describe(
    database: DatabaseOption,
    host: HostOption = DEFAULT_HOST,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the schema (version 10) as JSON.")
    ] = False,
) -> None:
    """Describe a database: tables, reducers, procedures, environment variables, HTTP routes."""
    from ..http.clients import HttpClient

    with HttpClient(host, token=token_from(token, token_file)) as client:
        module = client.schema(database)
    with writing_to_a_pipe():
        if as_json:
            from spacetime_proto.schema.load import to_v10_json

            print(to_v10_json(module))
        else:
            _print_module(module)


def _print_module(module: ModuleDef) -> None:
    from spacetime_proto.schema.words import type_words

    names = {definition.ref: definition.name for definition in module.types}

    def text(ty: AlgebraicType) -> str:
        return type_words(ty, names)

    outboxes = {outbox.table: outbox for outbox in module.outboxes}
    for table in module.tables:
        kind = "view" if table.is_view else "event table" if table.is_event else "table"
        access = "" if table.is_public else ", private"
        outbox = outboxes.get(table.name)
        rows = [
            (column.name, text(column.type), _column_notes(table, column.index))
            for column in table.columns
        ]
        if outbox is not None:
            kind = "outbox"
            targets = [one.name for one in table.columns if one.index == outbox.target_column]
            where = f" of the database in {targets[0]}" if targets else ""
            access += f", calls {outbox.remote_reducer}{where}"
        called = f"({_parameters(table.params, text)})" if table.params.elements else ""
        title = f"{table.name}{called} ({kind}{access})"
        print_table(("column", "type", ""), rows, title=title)
    functions: list[tuple[str, str, str]] = [
        (
            reducer.lifecycle or ("private reducer" if reducer.is_private else "reducer"),
            f"{reducer.name}({_parameters(reducer.params, text)})",
            "",
        )
        for reducer in module.reducers
    ]
    functions += [
        (
            "procedure",
            f"{procedure.name}({_parameters(procedure.params, text)})",
            text(procedure.return_type),
        )
        for procedure in module.procedures
    ]
    print_table(("", "function", "returns"), functions)
    if module.environment:
        variables = [
            (one.name, _allowed(one), "optional" if one.optional else "required")
            for one in module.environment
        ]
        print_table(("environment variable", "value", ""), variables)
    if module.http_routes:
        routes = [(route.method, route.path, route.handler) for route in module.http_routes]
        print_table(("HTTP method", "route", "handler"), routes)


def _allowed(variable: EnvironmentDef) -> str:
    """Return what an environment variable may be, in words."""
    if variable.type == "string":
        return "any text"
    return " or ".join(map(encode_json, variable.values))


def _parameters(params: ProductType, text: Callable[[AlgebraicType], str]) -> str:
    return ", ".join(f"{element.name}: {text(element.type)}" for element in params.elements)


def _column_notes(table: TableDef, index: int) -> str:
    notes = []
    if table.primary_key == index:
        notes.append("primary key")
    elif index in table.unique_columns:
        notes.append("unique")
    notes.extend(
        i.algorithm for i in table.indexes if i.columns == (index,) and "unique" not in notes
    )
    if any(sequence.column == index for sequence in table.sequences):
        notes.append("auto increment")
    return ", ".join(dict.fromkeys(notes))


def identity(
    host: HostOption = DEFAULT_HOST,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Print the identity that a token stands for, or ask the server for a new identity and token."""
    from ..http.clients import HttpClient
    from ..token_sources import TokenFile

    source = token_from(token, token_file)
    known = source.load() if isinstance(source, TokenFile) else source
    if known is not None:
        print(encode_json({"identity": _identity_of(known)}))
        return
    with HttpClient(host) as client:
        issued = client.identity()
    if isinstance(source, TokenFile):
        source.save(issued.token)
        print(encode_json({"identity": issued.identity.to_hex(), "token_file": source.path}))
    else:
        print(encode_json({"identity": issued.identity.to_hex(), "token": issued.token}))


def _identity_of(token: str) -> str:
    """Read the identity in a token, without checking its signature.

    Raises:
        CommandError: it is not a token, or its issuer leaves the identity out.
    """
    import base64
    import json

    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        found = claims.get("hex_identity")
    except (ValueError, AttributeError) as error:
        raise CommandError(f"the token is not a JSON web token: {error}") from None
    if not isinstance(found, str):
        raise CommandError("the token does not say its identity; connect with it to learn it")
    return found


def publish(
    module: Annotated[
        str, typer.Argument(metavar="MODULE.wasm", help="Compiled module (WebAssembly).")
    ],
    database: DatabaseOption,
    host: HostOption = DEFAULT_HOST,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Delete all data of the database first.")
    ] = False,
    env: EnvOption = None,
    env_file: EnvFileOption = None,
    remove_env: RemoveEnvOption = None,
) -> None:
    """Publish a module, or update the one that has the name.

    Environment variables that are stored stay, unless they are set again, removed, or cleared with
    the data.
    """
    from spacetime_proto.errors import MissingEnvironment

    from ..http.clients import HttpClient

    values, remove = values_from(env, env_file), removals_from(remove_env)
    try:
        with open(module, "rb") as file:
            program = file.read()
    except OSError as error:
        raise CommandError(f"cannot read {module}: {error.strerror or error}") from error
    with HttpClient(host, token=token_from(token, token_file)) as client:
        try:
            result = client.publish(
                database, program, clear=clear, environment=values, remove_environment=remove
            )
        except MissingEnvironment as error:
            raise CommandError(f"{error}; give it with --env or --env-file") from error
        if values or remove:
            _check_knows_environment(client, database)
    print(
        encode_json({"database": database, "identity": result.identity.to_hex(), "op": result.op})
    )


def _check_knows_environment(client: HttpClient, database: str) -> None:
    """Refuse a server that has ignored the variables, as those before 2.11 do.

    Raises:
        CommandError: it is one.
    """
    from spacetime_proto.errors import AuthError, HttpError

    try:
        client.environment(database)
    except HttpError as error:
        if error.status == 404:
            raise CommandError(f"published, but without environment variables: {error}") from error
    except AuthError:
        pass  # without a token every request is somebody else; the route is there
