"""``spacetime-py generate``: Python bindings for a module."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from .common import (
    CommandError,
    OptionalDatabaseOption,
    OptionalHostOption,
    TokenFileOption,
    TokenOption,
    token_from,
)


def generate(
    out_dir: Annotated[
        str,
        typer.Option(
            "--out-dir", "-o", metavar="DIR", help="Folder of the package, which is also its name."
        ),
    ],
    schema: Annotated[
        str | None,
        typer.Option("--schema", metavar="FILE", help="From a schema (version 9 or 10) as JSON."),
    ] = None,
    wasm: Annotated[
        str | None,
        typer.Option("--wasm", metavar="FILE", help="From a compiled module (needs wasmtime)."),
    ] = None,
    module: Annotated[
        str | None,
        typer.Option("--module", metavar="FILE.py", help="From a module of `serve`."),
    ] = None,
    host: OptionalHostOption = None,
    database: OptionalDatabaseOption = None,
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
    from .. import bindings_writer as writer

    files = [
        (read, path)
        for read, path in (
            (writer.module_from_schema, schema),
            (writer.module_from_wasm, wasm),
            (writer.module_from_python, module),
        )
        if path is not None
    ]
    if len(files) > 1:
        raise CommandError("give one of --schema, --wasm, --module, or --host and --database")
    if files:
        ((read, path),) = files
        definition = read(path)
        source = os.path.basename(path)
    elif host is not None and database is not None:
        definition = writer.module_from_server(host, database, token=token_from(token, token_file))
        source = f"database {database} at {host}"
    else:
        raise CommandError("say what from: --schema, --wasm, --module, or --host and --database")
    package = writer.generate_package(definition, source=source, include_private=include_private)
    if check:
        changes = writer.compare_package(package, out_dir)
        if changes:
            listed = ", ".join(changes.lines())
            raise CommandError(f"{out_dir} is not up to date: {listed}")
        return
    changes = writer.write_package(package, out_dir)
    if not quiet:
        for line in changes.lines():
            print(line)
        print(f"{len(package)} files in {out_dir}{'' if changes else ', all up to date'}")
