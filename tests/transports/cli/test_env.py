"""``spacetime-py env``, and the options ``--env``, ``--env-file`` and ``--remove-env`` of others."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any, Literal

import pytest

from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.server import Module
from spacetime_proto.wire.http_exchange import HttpRequest, HttpResponse
from spacetime_transports.cli.common import CommandError
from spacetime_transports.cli.env import removals_from, values_from
from spacetime_transports.server import serve_in_thread, serving
from tests.support.mock_http import MockServer, mock_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Run

SECRET = "s3cret value"


def make_module() -> Module:
    module = Module()

    @module.environment
    class Variables:
        MODE: Literal["dev", "prod"]
        API_KEY: str | None

    return module


@pytest.fixture
def words() -> Iterator[tuple[str, ...]]:
    """Return the options that lead to a database with variables, as its owner."""
    with serve_in_thread(make_module(), database="db", environment={"MODE": "dev"}) as server:
        yield ("--host", server.url, "-d", "db", "--token", server.server.owner_token)


@pytest.fixture
def mock() -> Iterator[MockServer]:
    with mock_server() as mock:
        yield mock


# --- values -----------------------------------------------------------------------------------


def test_values_of_options_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first.env", tmp_path / "second.env"
    first.write_text(
        "# comment\n\nA=1\r\n  export B='two words'\nC=\"l1\\nl2 \u20ac\"\nD='\u20ac'\nE=\n",
        encoding="utf-8",
    )
    second.write_text("A=2", encoding="utf-8")
    monkeypatch.setenv("HERE", SECRET)
    files = [str(first), str(second)]
    assert values_from(["E=5", "HERE", "F=a=b, 'c'"], files) == {
        "A": "2",
        "B": "two words",
        "C": "l1\nl2 \u20ac",
        "D": "\u20ac",
        "E": "5",
        "HERE": SECRET,
        "F": "a=b, 'c'",
    }
    assert values_from(None, None) == {}


def test_values_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"A=1\n")))
    assert values_from(None, ["-"]) == {"A": "1"}


@pytest.mark.parametrize(
    ("env", "lines", "text"),
    [
        (["s3cret!"], "", "an environment variable is KEY=VALUE, or the KEY of"),
        (["NOT_HERE"], "", "environment key NOT_HERE: no value given, and this process has no"),
        (["1=s3cret"], "", '"1": invalid name'),
        (["A=" + SECRET * 1000], "", '"A": value exceeds size limit'),
        ([], "A=1\nA s3cret", "an entry has no = in line 2 of"),
        ([], "A=s3cret value", "the value of A needs quotes in line 1 of"),
        ([], "A=1,B=s3cret", "line 1 of .* is not one KEY=VALUE: values with commas need quotes"),
        ([], ",", "line 1 of .* is not one KEY=VALUE"),
    ],
)
def test_mistakes_show_no_value(
    env: list[str], lines: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_HERE", raising=False)
    file = tmp_path / "env"
    file.write_text(lines)
    with pytest.raises((CommandError, LocalProtocolError), match=text) as raised:
        values_from(env, [str(file)])
    assert "s3cret" not in str(raised.value)


def test_removals() -> None:
    assert removals_from(None) == ()
    assert removals_from(["A", "B"]) == ("A", "B")
    assert removals_from(["*"]) == "all"
    with pytest.raises(CommandError, match="given alone"):
        removals_from(["*", "A"])


# --- env --------------------------------------------------------------------------------------


def test_variables_are_set_listed_read_and_removed(
    run: Run, words: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "env"
    file.write_text(f"API_KEY='{SECRET}'\n")
    done = run("env", "set", *words, "MODE=prod", "OLD=x", "--env-file", file)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == {
        "database": "db",
        "set": ["API_KEY", "MODE", "OLD"],
        "removed": [],
    }
    listed = run("env", "list", *words)
    assert SECRET not in listed.out
    lines = [line.split() for line in listed.out.splitlines()]
    assert ["MODE", "required", '["dev",', '"prod"]', "yes"] in lines
    assert ["API_KEY", "optional", "any", "text", "yes"] in lines
    assert ["OLD", "undeclared", "yes"] in lines
    assert SECRET in run("env", "list", *words, "--values").out
    rows = json.loads(run("env", "list", *words, "--json", "--values").out)
    assert rows[0] == {
        "name": "API_KEY",
        "allowed": "any text",
        "required": False,
        "stored": True,
        "value": SECRET,
    }
    assert run("env", "get", "API_KEY", *words).out == f"{SECRET}\n"
    assert run("env", "unset", "OLD", "API_KEY", *words).code == 0
    gone = run("env", "get", "API_KEY", *words)
    assert (gone.code, gone.err) == (1, "spacetime-py: db has no value of API_KEY\n")
    refused = run("env", "unset", "*", *words)
    assert refused.code == 1
    assert "the module requires a value for 'MODE'" in refused.err
    refused = run("env", "set", "MODE=s3cret", *words)
    assert refused.code == 1
    assert 'environment key "MODE": value does not satisfy' in refused.err
    assert "s3cret" not in refused.err
    assert "nothing to set" in run("env", "set", *words).err


def test_a_server_that_has_no_environment(run: Run, mock: MockServer) -> None:
    mock.handler = lambda request: HttpResponse(404)
    done = run("env", "list", "--host", mock.url, "-d", "db")
    assert done.code == 1
    assert "this server has none; environment variables came with SpacetimeDB 2.11" in done.err


# --- publish ----------------------------------------------------------------------------------

PUBLISHED = {"Success": {"domain": "x", "database_identity": "c2" * 32, "op": "updated"}}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return a file that is published in these tests; the server does not look into it."""
    path = tmp_path / "module.wasm"
    path.write_bytes(b"\0asm")
    return path


def answers(environment: Any, status: int = 200) -> Any:
    def handler(request: HttpRequest) -> HttpResponse:
        if request.path.endswith("/environment"):
            return HttpResponse(
                status, body=json.dumps(environment).encode() if environment else b""
            )
        return HttpResponse(200, body=json.dumps(PUBLISHED).encode())

    return handler


def test_publishing_with_variables(run: Run, mock: MockServer, program: Path) -> None:
    mock.handler = answers({"module_hash": "0x1", "declarations": [], "stored_keys": []})
    at = ("--host", mock.url, "-d", "x")
    options = ("--env", "A=1", "--env", f"B={SECRET}", "--remove-env", "C", "--unset-env", "D")
    done = run("publish", program, *at, *options)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["op"] == "updated"
    headers = mock.requests[0].headers
    assert headers.get_all("spacetime-environment") == ["A=1", f'B="{SECRET}"']
    assert headers.get("spacetime-environment-remove") == "C, D"
    assert run("publish", program, *at, "--remove-env", "*").code == 0
    assert mock.requests[2].headers.get("spacetime-environment-remove") == "*"
    assert run("publish", program, *at).code == 0
    assert len(mock.requests) == 5


@pytest.mark.parametrize(("status", "body"), [(403, "not yours"), (500, "broken")])
def test_what_the_check_of_the_server_may_answer(
    run: Run, mock: MockServer, program: Path, status: int, body: str
) -> None:
    mock.handler = answers(body, status)
    done = run("publish", program, "--host", mock.url, "-d", "x", "--env", "A=1")
    assert (done.code, done.err) == (0, "")


def test_a_server_that_ignores_variables_is_no_success(
    run: Run, mock: MockServer, program: Path
) -> None:
    mock.handler = answers(None, 404)
    done = run("publish", program, "--host", mock.url, "-d", "x", "--env", f"A={SECRET}")
    assert done.code == 1
    assert "published, but without environment variables" in done.err
    assert "SpacetimeDB 2.11" in done.err
    assert SECRET not in done.err


def test_a_missing_variable_is_asked_for(run: Run, mock: MockServer, program: Path) -> None:
    error = {"EnvironmentError": {"MissingRequiredEnvironment": {"keys": ["API_KEY"]}}}
    mock.handler = lambda request: HttpResponse(400, body=json.dumps(error).encode())
    done = run("publish", program, "--host", mock.url, "-d", "x")
    assert done.code == 1
    assert "requires a value for 'API_KEY'; give it with --env or --env-file" in done.err


def test_a_module_that_is_too_new_for_the_server(run: Run, mock: MockServer, program: Path) -> None:
    text = b"unknown tag 0xf for sum type RawModuleDefV10Section"
    mock.handler = lambda request: HttpResponse(500, body=text)
    done = run("publish", program, "--host", mock.url, "-d", "x")
    assert done.code == 1
    assert "the module was built for a newer SpacetimeDB than this server" in done.err


# --- serve ------------------------------------------------------------------------------------


def test_serving_a_module_with_variables(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    async def serve_forever(module: Module, **options: Any) -> None:
        given.append(options["environment"])

    monkeypatch.setattr(serving, "serve_forever", serve_forever)
    path = tmp_path / "module.py"
    path.write_text("from spacetime_proto.server import Module\nmodule = Module()\n")
    file = tmp_path / "env"
    file.write_text("B=2\n")
    assert run("serve", path, "--env", "A=1", "--env-file", file).code == 0
    assert given == [{"A": "1", "B": "2"}]
    monkeypatch.undo()


def test_serving_without_a_variable_that_is_required(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "from spacetime_proto.server import Module\nmodule = Module()\n"
        "@module.environment\nclass Env:\n    API_KEY: str\n"
    )
    done = run("serve", path, "-l", "127.0.0.1:0")
    assert done.code == 1
    assert done.err == ('spacetime-py: environment key "API_KEY": required value is missing\n')
