"""``spacetime-py serve``: the embedded development server."""

from __future__ import annotations

import os
import re
import sys
from typing import Annotated

import typer

from ..server.module_file import load_module
from .common import CommandError
from .env import EnvFileOption, EnvOption, values_from


def serve(
    module: Annotated[
        str, typer.Argument(metavar="MODULE.py", help="Python file that defines a module.")
    ],
    listen: Annotated[
        str,
        typer.Option(
            "--listen", "-l", metavar="HOST:PORT", help="Address to listen on; port 0 picks one."
        ),
    ] = "127.0.0.1:3000",
    database: Annotated[
        str | None,
        typer.Option(
            "--database", "-d", metavar="NAME", help="Name to serve it under; default: the file's."
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Report connections on standard error.")
    ] = False,
    env: EnvOption = None,
    env_file: EnvFileOption = None,
) -> None:
    """Run a module written in Python on a development server, in memory.

    Prints its URL as soon as it accepts connections; Ctrl-C or SIGTERM ends it. Everything is lost
    then: for production use SpacetimeDB itself (https://spacetimedb.com).
    """
    import anyio

    from ..server.serving import serve_forever

    host, port = parse_listen(listen)
    name = database or _database_name(module)
    environment = values_from(env, env_file)
    loaded = load_module(module)

    def announce(url: str) -> None:
        print(
            f"Serving {name!r} for development, in memory. For production use SpacetimeDB:"
            " https://spacetimedb.com",
            file=sys.stderr,
            flush=True,
        )
        print(url, flush=True)

    async def run() -> None:
        await serve_forever(
            loaded,
            host=host,
            port=port,
            database=name,
            verbose=verbose,
            environment=environment,
            announce=announce,
        )

    try:
        anyio.run(run)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


def parse_listen(text: str) -> tuple[str, int]:
    """Split ``HOST:PORT``, ``[V6]:PORT``, ``:PORT`` or ``PORT``.

    Raises:
        CommandError: it is none of them.
    """
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = "", text
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise CommandError(f"--listen takes HOST:PORT, not {text!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


def _database_name(path: str) -> str:
    """Return a database name that SpacetimeDB accepts, made of the name of the file."""
    stem = os.path.splitext(os.path.basename(path))[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-") or "module"
