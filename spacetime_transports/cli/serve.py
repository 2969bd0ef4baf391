"""``spacetime-py serve``: the embedded development server."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from .common import CommandError

__all__ = ["parse_listen", "serve"]


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
        bool, typer.Option("--verbose", "-v", help="Report connections and calls.")
    ] = False,
) -> None:
    """Run a module written in Python on a development server, in memory.

    Prints the URL as soon as it accepts connections. Everything is lost when it ends: for production
    use SpacetimeDB itself (https://spacetimedb.com).
    """
    import os
    import re

    import anyio

    from .loading import load_module

    host, port = parse_listen(listen)
    name = database
    if name is None:
        stem = os.path.splitext(os.path.basename(module))[0].lower()
        name = re.sub(r"[^a-z0-9]+", "-", stem).strip("-") or "module"
    loaded = load_module(module)

    async def run() -> None:
        from ..serve import serve as start

        async with start(loaded, host=host, port=port, database=name, verbose=verbose) as server:
            print(
                f"Serving database {name!r} for development, in memory."
                " For production use SpacetimeDB: https://spacetimedb.com",
                file=sys.stderr,
                flush=True,
            )
            print(server.url, flush=True)
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    break

    anyio.run(run)


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
