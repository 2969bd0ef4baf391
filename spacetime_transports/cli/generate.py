"""``spacetime-py generate``: Python bindings for a module."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from .common import CommandError, OptionalHostOption, TokenFileOption, TokenOption, token_from

if TYPE_CHECKING:
    from spacetime_proto.schema.model import ModuleDef

    from ..options import TokenFile

__all__ = ["generate"]

FileOption = str | None


def generate(
    out_dir: Annotated[
        str,
        typer.Option(
            "--out-dir", "-o", metavar="DIR", help="Folder of the package, which is also its name."
        ),
    ],
    schema: Annotated[
        FileOption,
        typer.Option("--schema", metavar="FILE", help="From a schema (version 9 or 10) as JSON."),
    ] = None,
    wasm: Annotated[
        FileOption,
        typer.Option("--wasm", metavar="FILE", help="From a compiled module (needs wasmtime)."),
    ] = None,
    module: Annotated[
        FileOption,
        typer.Option("--module", metavar="FILE.py", help="From a module of `serve`."),
    ] = None,
    host: OptionalHostOption = None,
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            "-d",
            envvar="SPACETIMEDB_DATABASE",
            metavar="NAME",
            help="From a running database; needs --host.",
        ),
    ] = None,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    include_private: Annotated[
        bool, typer.Option("--include-private", help="Also private tables and functions.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; exit with 1 if the folder is not up to date."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not list the files.")] = False,
) -> None:
    """Write Python bindings: typed tables, reducers and procedures of a module.

    Only files that change are written; generated files that are no longer wanted are removed; files
    that were not generated are never touched.
    """
    from ..bindings_writer import compare_package, generate_package, write_package

    files = [(kind, path) for kind, path in _files(schema, wasm, module) if path is not None]
    if len(files) > 1:
        raise CommandError("give one of --schema, --wasm, --module, or --host and --database")
    if files:
        kind, path = files[0]
        definition = _from_file(kind, path)
        source = os.path.basename(path)
    elif host is not None and database is not None:
        definition = _from_server(host, database, token_from(token, token_file))
        source = f"database {database} at {host}"
    else:
        raise CommandError("say what from: --schema, --wasm, --module, or --host and --database")
    package = generate_package(definition, source=source, include_private=include_private)
    if check:
        changes = compare_package(package, out_dir)
        if changes:
            listed = ", ".join(changes.lines())
            raise CommandError(f"{out_dir} is not up to date: {listed}")
        return
    changes = write_package(package, out_dir)
    if not quiet:
        for line in changes.lines():
            print(line)
        print(f"{len(package)} files in {out_dir}{'' if changes else ', all up to date'}")


def _files(
    schema: str | None, wasm: str | None, module: str | None
) -> list[tuple[str, str | None]]:
    return [("schema", schema), ("wasm", wasm), ("module", module)]


def _from_file(kind: str, path: str) -> ModuleDef:
    from .. import bindings_writer as sources

    if kind == "schema":
        return sources.module_from_schema(path)
    if kind == "wasm":
        return sources.module_from_wasm(path)
    return sources.module_from_python(path)


def _from_server(host: str, database: str, token: str | TokenFile | None) -> ModuleDef:
    from ..bindings_writer import module_from_server
    from ..options import TokenFile

    known = token.load() if isinstance(token, TokenFile) else token
    return module_from_server(host, database, token=known)
