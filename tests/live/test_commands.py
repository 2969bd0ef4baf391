"""``spacetime-py`` against a real server: what people type."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from spacetime_proto.schema.load import load_schema

if TYPE_CHECKING:
    from tests.live.target import Target

ROOT = Path(__file__).parents[2]


class Outcome(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(target: Target) -> Any:
    """Return a function that runs one command as the suite's user, in a process of its own."""

    def run(*words: object, timeout: float = 60) -> Outcome:
        environment = {
            **os.environ,
            "SPACETIMEDB_URL": target.url,
            "SPACETIMEDB_DATABASE": target.database,
            "SPACETIMEDB_TOKEN": target.token,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        done = subprocess.run(
            [sys.executable, "-m", "spacetime_transports.cli", *map(str, words)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert target.token not in done.stdout + done.stderr
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


def test_call_and_sql(command: Any, target: Target) -> None:
    assert command("call", "insert_account", "--", "ada@example.com", "7", "-5") == (0, "", "")
    found = command("sql", "SELECT * FROM account", "-f", "json")
    assert (found.code, json.loads(found.out)) == (
        0,
        [{"email": "ada@example.com", "id": 7, "balance": -5}],
    )
    table = command("sql", "SELECT id, balance FROM account")
    assert "1 row" in table.out
    refused = command("call", "send_message", "")
    assert refused == (1, "", "spacetime-py: Messages must not be empty\n")
    nonsense = command("sql", "SELEC")
    assert (nonsense.code, nonsense.out, nonsense.err.count("\n")) == (1, "", 1)
    unknown = command("call", "no_such_reducer")
    assert (unknown.code, unknown.err.count("\n")) == (1, 1)


def test_describe(command: Any, target: Target) -> None:
    told = command("describe")
    assert told.code == 0
    for name in ("pk_u_32", "insert_one_u_8", "awkward"):
        assert name in told.out
    as_json = command("describe", "--json")
    assert as_json.code == 0, as_json.err
    assert load_schema(as_json.out).tables == target.module.definition.tables


def test_subscribe(command: Any, target: Target) -> None:
    target.call("insert_attempt", "shown")
    changes = command("subscribe", "attempt", "--count", "1")
    (line,) = changes.out.splitlines()
    change = json.loads(line)
    assert (change["op"], change["table"], change["row"]["text"]) == ("insert", "attempt", "shown")


@pytest.mark.owner
def test_logs(command: Any, target: Target) -> None:
    target.call("log_line", "for the log")
    assert "for the log" in command("logs", "-n", "20").out


def test_generate(
    command: Any, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bindings generated from the server talk to it."""
    from spacetime_transports import blocking

    made = command("generate", "-o", tmp_path / "live_bindings")
    assert made.code == 0, made.err
    assert command("generate", "-o", tmp_path / "live_bindings", "--check").code == 0
    monkeypatch.syspath_prepend(str(tmp_path))
    bindings = importlib.import_module("live_bindings")
    try:
        with blocking.connect(target.url, target.database, bindings.MODULE) as client:
            client.subscribe(bindings.tables.account.where(lambda a: a.balance > 0))
            client.call(bindings.reducers.insert_account(email="a@x", id=1, balance=5))
            client.call(bindings.reducers.insert_account(email="b@x", id=2, balance=-5))
            (row,) = client.db.account
            assert row == bindings.Account(email="a@x", id=1, balance=5)
            assert client.db.account.email.find("a@x") is row
            bindings.MODULE.check_fits(target.http.schema(target.database))
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "live_bindings"]:
            del sys.modules[name]


@pytest.mark.wasm
def test_generate_from_wasm(command: Any, target: Target, tmp_path: Path) -> None:
    """The module's own description, read out of the wasm file, makes the same bindings."""
    for name, words in (("a", ()), ("b", ("--wasm", target.wasm))):
        made = command("generate", "-o", tmp_path / name / "bindings", *words)
        assert made.code == 0, made.err
    files = [
        {path.name: path.read_text() for path in (tmp_path / name / "bindings").iterdir()}
        for name in ("a", "b")
    ]
    assert set(files[0]) == set(files[1])


def test_demo(command: Any, target: Target) -> None:
    shown = command("demo", "--host", target.url, "--database", target.database)
    assert shown.code == 0, shown.err
    assert "Messages must not be empty" in shown.out
    assert shown.err == ""


def test_identity(command: Any, target: Target, tmp_path: Path) -> None:
    told = command("identity")
    assert told.code == 0, told.err


@pytest.mark.parametrize("words", [("describe",), ("sql", "SELECT 1"), ("subscribe", "user")])
def test_a_database_that_is_not_there(command: Any, words: tuple[str, ...]) -> None:
    outcome = command(*words, "--database", "nowhere-at-all")
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert "nowhere-at-all" in outcome.err
