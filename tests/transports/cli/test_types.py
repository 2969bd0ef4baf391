"""What people see of values and types: cells of ``sql`` and ``watch``, the words of ``describe``."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.sats.sats_json import from_json
from spacetime_proto.schema.load import load_schema
from spacetime_proto.server import U64, Context, Module, column
from spacetime_proto.types import ScheduleAt, Some, Timestamp
from spacetime_transports.cli.cells import cell
from spacetime_transports.http.clients import HttpClient
from spacetime_transports.server import serve_in_thread
from tests.conformance.modules import sdk_test
from tests.support.golden import GOLDEN, golden_module

if TYPE_CHECKING:
    from tests.transports.cli.conftest import Run


@pytest.mark.parametrize(
    ("table", "value", "text"),
    [
        ("one_string", "a b", "a b"),
        ("one_bool", True, "true"),
        ("one_bool", False, "false"),
        ("one_f_64", 1.5, "1.5"),
        ("option_i_32", None, "none"),
        ("option_i_32", {"some": -3}, "-3"),
        ("one_simple_enum", {"one": []}, "one"),
        ("vec_u_8", "01ff", "0x01ff"),
        ("vec_i_32", [1, -2], "[1, -2]"),
        ("one_identity", ["0x01"], f"{1:064x}"),
        ("one_enum_with_payload", {"str": "x"}, "str x"),
        ("one_enum_with_payload", {"strings": ["x", "y"]}, "strings [x, y]"),
        ("one_unit_struct", [], "()"),
        ("one_byte_struct", [7], "(b = 7)"),
        ("result_i_32_string", {"err": "no"}, "(error = no)"),
    ],
)
def test_cells(table: str, value: Any, text: str) -> None:
    bound = golden_module("sdk-test").bound
    row = from_json(bound.tables[table].codec.type, bound.types, [value])
    (name,) = type(row).__struct_fields__
    assert cell(getattr(row, name)) == text


def test_an_option_in_an_option() -> None:
    assert cell(Some(None)) == "some none"


def test_when_something_is_scheduled() -> None:
    assert cell(ScheduleAt.Time(Timestamp(0))) == cell(Timestamp(0)) == str(Timestamp(0))


def test_describe_has_words_for_every_type(run: Run) -> None:
    with serve_in_thread(sdk_test.make_module(), database="types") as server:
        out = run("describe", "--host", server.url, "--database", "types").out
    words = {word for line in out.splitlines() for word in line.split()}
    assert {"Bytes", "Option<I32>", "Option<Array<Option<I32>>>", "SimpleEnum"} <= words
    assert "Result<I32, String>" in out
    assert {"unique", "primary", "btree"} <= words


def test_describe_tells_what_is_private_and_what_comes_by_itself(run: Run) -> None:
    module = Module()

    @module.table
    class Hidden:
        id: U64 = column(primary_key=True, auto_increment=True)

    @module.table(public=True, event=True)
    class Told:
        text: str

    @module.client_connected
    def arrive(ctx: Context) -> None: ...

    with serve_in_thread(module, database="x") as server:
        out = run("describe", "--host", server.url, "--database", "x").out
    assert "hidden (table, private)" in out
    assert "primary key, auto increment" in out.replace("btree, ", "")
    assert "told (event table)" in out


def answer_of(name: str) -> bytes:
    """Return the schema of a recorded module of SpacetimeDB 2.14."""
    return (GOLDEN / "v2.14" / "schema" / f"{name}.v10.json").read_bytes()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("outbox", ["outbound_pings (outbox, calls receive_ping of the database in target)"]),
        ("viewargs", ["players_by(min_level: U32, team_name: String) (view)", "mine (view)"]),
        ("environment", ["API_KEY", "any text", "required", '"dev" or "prod"', "optional"]),
        ("http", ["POST", "/post", "get_simple"]),
        ("combined", ["my_auth.session_row (table)", "my_auth.clean_expired(max_age: U64)"]),
    ],
)
def test_describe_tells_what_2_14_has(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, wanted: list[str]
) -> None:
    monkeypatch.setattr(HttpClient, "schema", lambda self, database: load_schema(answer_of(name)))
    outcome = run("describe", "--host", "http://127.0.0.1:1", "--database", "x")
    assert outcome.code == 0
    for text in wanted:
        assert text in outcome.out


def test_a_newer_server_is_a_line_on_standard_error(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = b'{"sections":[{"Tomorrow":[]}]}'
    monkeypatch.setattr(HttpClient, "schema", lambda self, database: load_schema(newer))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        outcome = run("describe", "--host", "http://127.0.0.1:1", "--database", "x")
    assert outcome.code == 0
    (line,) = outcome.err.splitlines()
    assert line.startswith("spacetime-py: warning: schema: left out, because a newer SpacetimeDB")
    assert "section 'Tomorrow'" in line
