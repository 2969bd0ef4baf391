"""``spacetime-py replay``: plays a recorded session through the client core."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated

import typer

from spacetime_proto.errors import SpacetimeError

from .common import CommandError, encode_json, read_text

if TYPE_CHECKING:
    from spacetime_proto.recording.playback import Replay


class Output(enum.StrEnum):
    """How the outcome is printed."""

    json = "json"
    text = "text"


def replay(
    session: Annotated[
        str,
        typer.Argument(metavar="SESSION.jsonl", help="Recorded session, or - for standard input."),
    ],
    schema: Annotated[
        str,
        typer.Option("--schema", metavar="SCHEMA.json", help="Schema (version 9 or 10) as JSON."),
    ],
    output: Annotated[
        Output, typer.Option("--format", "-f", help="How to print the outcome.")
    ] = Output.json,
) -> None:
    """Feed a recorded session through the client and print the ids, callbacks and cached rows.

    The state is that at the end of the file. "events" counts the row callbacks that ran.
    """
    outcome = replay_text(read_text(session), read_text(schema), session, schema)
    result = outcome.result()
    if output is Output.json:
        print(encode_json(result))
        return
    print(f"{result['protocol']}, identity {result['identity']}")
    for table, counts in result["events"].items():
        print(f"{table}: {', '.join(f'{n} {kind}' for kind, n in counts.items())}")
    for table, rows in result["tables"].items():
        print(f"{table} ({len(rows)}):")
        for row in rows:
            print(f"  {encode_json(row)}")


def replay_text(recording: str, schema: str, recording_name: str, schema_name: str) -> Replay:
    """Replay a recording and return the replay at its end.

    Args:
        recording: text of the recorded session.
        schema: text of the schema.
        recording_name: what errors call the former.
        schema_name: what errors call the latter.

    Raises:
        CommandError: one of them is damaged, or they do not belong together.
    """
    from spacetime_proto.bindings.client_module import dynamic_module
    from spacetime_proto.limits import Limits
    from spacetime_proto.recording.format import RecordedClose, Session
    from spacetime_proto.recording.playback import Replay
    from spacetime_proto.schema.load import load_schema

    try:
        module = dynamic_module(load_schema(schema))
        _ = module.bound
    except SpacetimeError as error:
        raise CommandError(f"{schema_name}: {error}") from error
    try:
        recorded = Session.from_text(recording)
    except SpacetimeError as error:
        raise CommandError(f"{recording_name}: {error}") from error
    found = Replay(recorded.header.protocol, module, Limits(verify_rows=True))
    for number, line in enumerate(recorded.lines, 2):
        if isinstance(line, RecordedClose):
            break
        try:
            if line.direction == "client":
                found.sent(line.payload)
            else:
                found.received(line.payload)
        except SpacetimeError as error:
            raise CommandError(f"{recording_name}, line {number}: {error}") from error
    return found
