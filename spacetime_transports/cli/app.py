"""The list of commands. Each command's module is loaded when it runs, so that ``--help`` is quick."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from . import admin, demo, env, generate, query, replay, serve, watch

app = typer.Typer(
    name="spacetime-py",
    help="A SpacetimeDB client: generate Python bindings, run a development server, look into a"
    " database and change it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        try:
            print(version("spacetimedb-client"))
        except PackageNotFoundError:
            print("not installed: running from a source tree")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Options before the command."""


app.command("generate")(generate.generate)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("sql")(query.sql)
app.command("call", cls=query.CallCommand)(query.call)
app.command("subscribe")(watch.subscribe)
app.command("watch")(watch.watch)
app.command("logs")(admin.logs)
app.command("describe")(admin.describe)
app.command("identity")(admin.identity)
app.command("publish")(admin.publish)
app.add_typer(env.app, name="env")
app.command("replay")(replay.replay)
