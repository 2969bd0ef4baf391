"""Commands that need no server: generate, replay, and what a wrong command line gets."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spacetime_proto.errors import ConnectError, SpacetimeError
from spacetime_transports.cli import app, common
from spacetime_transports.cli.serve import parse_listen

if TYPE_CHECKING:
    from tests.transports.cli.conftest import Run

ROOT = Path(__file__).parents[3]
WIRE = ROOT / "tests" / "golden" / "wire"
SCHEMAS = ROOT / "tests" / "golden" / "schema"
CHAT = SCHEMAS / "quickstart-chat.v10.json"


# --- the command line itself ----------------------------------------------------------------------


def test_help_lists_every_command(run: Run) -> None:
    outcome = run("--help")
    assert outcome.code == 0
    commands = "generate serve demo sql call subscribe watch logs describe identity publish replay"
    for command in commands.split():
        assert f" {command} " in outcome.out


def test_version(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--version") == (0, f"{version('spacetimedb-client')}\n", "")

    def not_found(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(app, "version", not_found)
    assert run("--version").out == "not installed: running from a source tree\n"


@pytest.mark.parametrize(
    "words",
    [[], ["nonsense"], ["sql"], ["replay", "x"], ["generate"], ["sql", "x", "--format", "y"]],
)
def test_a_command_line_that_makes_no_sense_exits_with_2(run: Run, words: list[str]) -> None:
    assert run(*words).code == 2


def test_python_m_works() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spacetime_transports.cli", "--version"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConnectError("refused\nfor good"), "refused for good"),
        (common.CommandError("no"), "no"),
        (FileNotFoundError(2, "No such file or directory", "/x"), "/x: No such file or directory"),
        (OSError(98, "Address already in use"), "Address already in use"),
        (ExceptionGroup("g", [ConnectError("inner")]), "inner"),
        (KeyError("k"), "KeyError: 'k'"),
    ],
)
def test_errors_are_one_line(error: BaseException, line: str) -> None:
    assert common.explain(error) == line


def test_a_single_cause_in_a_group_is_explained(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from spacetime_transports.cli import replay

    def fail(*arguments: object) -> None:
        raise ExceptionGroup("tasks", [SpacetimeError("the cause")])

    monkeypatch.setattr(replay, "replay_text", fail)
    outcome = run("replay", WIRE / "chat.v2.bsatn.none.jsonl", "--schema", CHAT)
    assert (outcome.code, outcome.err) == (1, "spacetime-py: the cause\n")


def test_ctrl_c_exits_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from spacetime_transports.cli import replay

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(replay, "replay_text", interrupt)
    assert run("replay", WIRE / "chat.v2.bsatn.none.jsonl", "--schema", CHAT).code == 130


# --- replay -----------------------------------------------------------------------------------------


def replay(run: Run, name: str, schema: str, *words: str) -> dict[str, object]:
    outcome = run("replay", WIRE / name, "--schema", SCHEMAS / schema, "--format", "json", *words)
    assert (outcome.code, outcome.err) == (0, "")
    result: dict[str, object] = json.loads(outcome.out)
    return result


@pytest.mark.parametrize("schema", ["quickstart-chat.v10.json", "quickstart-chat.v9.json"])
def test_replay_prints_one_json_object(run: Run, schema: str) -> None:
    result = replay(run, "chat.v2.bsatn.none.jsonl", schema)
    assert list(result) == ["protocol", "identity", "connection_id", "events", "tables"]
    assert result["protocol"] == "v2.bsatn.spacetimedb"
    assert len(str(result["identity"])) == 64
    assert len(str(result["connection_id"])) == 32


def test_replay_of_the_same_scenario_on_every_protocol_agrees(run: Run) -> None:
    for compression in ("none", "gzip", "brotli"):
        results = [
            replay(run, f"types.{version}.bsatn.{compression}.jsonl", "sdk-test.v10.json")
            for version in ("v2", "v3")
        ]
        assert results[0]["events"] == results[1]["events"]


def test_replay_of_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    name, words = WIRE / "chat.v2.bsatn.none.jsonl", ("--schema", CHAT, "--format", "json")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(name.read_bytes())))
    assert run("replay", "-", *words) == run("replay", name, *words)


def test_replay_of_brotli_needs_no_extra() -> None:
    """Whoever installs the package can replay every golden session."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert any(needed.startswith("brotli>=1.2") for needed in project["dependencies"])


def test_replay_as_text(run: Run) -> None:
    outcome = run(
        "replay", WIRE / "types_snapshot.v2.bsatn.none.jsonl",
        "--schema", SCHEMAS / "sdk-test.v10.json", "--format", "text",
    )  # fmt: skip
    assert outcome.code == 0
    assert outcome.out.startswith("v2.bsatn.spacetimedb, identity ")
    assert " insert\n" in outcome.out


def damaged(tmp_path: Path, change: object) -> Path:
    lines = (WIRE / "types_snapshot.v2.bsatn.none.jsonl").read_text().splitlines()
    path = tmp_path / "damaged.jsonl"
    path.write_text("\n".join(change(lines)))  # type: ignore[operator]
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [lines[0], "{", *lines[1:]], "line 2"),
        (lambda lines: [lines[0], '{"dir": "server", "kind": "binary", "data": "A"}'], "base64"),
        (lambda lines: [lines[0], '{"dir": "server", "kind": "binary", "data": "/w=="}'], "line 2"),
        (lambda lines: ["[]"], "line 1"),
        (lambda lines: [], "line 1"),
        (lambda lines: ['{"protocol": "v9"}'], "v9"),
    ],
)
def test_a_damaged_recording_is_one_line_and_exit_code_1(
    run: Run, tmp_path: Path, change: object, said: str
) -> None:
    path = damaged(tmp_path, change)
    outcome = run("replay", path, "--schema", SCHEMAS / "sdk-test.v10.json")
    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    assert said in outcome.err


def test_what_comes_after_a_close_is_not_replayed(run: Run, tmp_path: Path) -> None:
    closed = '{"dir": "server", "kind": "closed", "code": 1000, "reason": ""}'
    path = damaged(tmp_path, lambda lines: [*lines[:2], closed, "{"])
    # The whole file has to be a recording all the same.
    assert run("replay", path, "--schema", SCHEMAS / "sdk-test.v10.json").code == 1
    path = damaged(tmp_path, lambda lines: [*lines[:2], closed, *lines[2:]])
    outcome = run("replay", path, "--schema", SCHEMAS / "sdk-test.v10.json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["tables"] == {}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("quickstart-chat.v10.json", "types_snapshot"),
        ("nowhere.json", "cannot read"),
    ],
)
def test_a_schema_that_does_not_fit(run: Run, schema: str, said: str) -> None:
    outcome = run(
        "replay", WIRE / "types_snapshot.v2.bsatn.none.jsonl", "--schema", SCHEMAS / schema
    )
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert said in outcome.err


def test_a_schema_that_is_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text("{}")
    (tmp_path / "t.json").write_bytes(b"\xff")
    for name in ("s.json", "t.json"):
        outcome = run("replay", WIRE / "chat.v2.bsatn.none.jsonl", "--schema", tmp_path / name)
        assert outcome.code == 1
        assert outcome.err.count("\n") == 1


# --- generate ---------------------------------------------------------------------------------------


def test_generate_writes_a_package_that_imports(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bindings_of_chat"
    outcome = run("generate", "--schema", CHAT, "--out-dir", folder)
    assert outcome.code == 0
    assert "+ user.py" in outcome.out
    monkeypatch.syspath_prepend(tmp_path)
    package = __import__("bindings_of_chat")
    assert package.User.__name__ == "User"
    again = run("generate", "--schema", CHAT, "--out-dir", folder)
    assert "all up to date" in again.out
    assert run("generate", "--schema", CHAT, "-o", folder, "--check", "-q").out == ""


def test_generate_check_tells_what_is_old(run: Run, tmp_path: Path) -> None:
    outcome = run("generate", "--schema", CHAT, "-o", tmp_path / "b", "--check")
    assert outcome.code == 1
    assert "+ user.py" in outcome.err
    assert not (tmp_path / "b").exists()


def test_generate_from_a_python_module(run: Run, tmp_path: Path) -> None:
    source = ROOT / "spacetime_transports" / "server" / "chat_module.py"
    assert run("generate", "--module", source, "-o", tmp_path / "b", "-q").code == 0
    assert (tmp_path / "b" / "send_message_reducer.py").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["-o", "x"],
        ["-o", "x", "--schema", "a", "--wasm", "b"],
        ["-o", "x", "--host", "http://127.0.0.1:1"],
        ["-o", "x", "--schema", "/nowhere/schema.json"],
        ["-o", "x", "--module", "/nowhere/module.py"],
        ["-o", "x", "--wasm", "/nowhere/module.wasm"],
    ],
)
def test_generate_needs_one_source(run: Run, words: list[str]) -> None:
    outcome = run("generate", *words)
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1


def test_the_example_s_bindings_are_up_to_date(run: Run, tmp_path: Path) -> None:
    run("generate", "--schema", CHAT, "--out-dir", tmp_path / "b", "-q")
    committed = ROOT / "examples" / "quickstart_chat" / "module_bindings"
    names = {path.name for path in committed.glob("*.py")}
    assert names == {path.name for path in (tmp_path / "b").glob("*.py")}
    for path in sorted((tmp_path / "b").glob("*.py")):
        # The first line names the version, which a source tree does not know.
        expected = path.read_text().splitlines()[1:]
        assert (committed / path.name).read_text().splitlines()[1:] == expected


# --- small things -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:3000", ("127.0.0.1", 3000)),
        ("[::1]:0", ("::1", 0)),
        (":80", ("127.0.0.1", 80)),
        ("8080", ("127.0.0.1", 8080)),
    ],
)
def test_listen_addresses(text: str, expected: tuple[str, int]) -> None:
    assert parse_listen(text) == expected


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x", "host:65536", "host:-1"])
def test_listen_addresses_that_are_none(text: str) -> None:
    with pytest.raises(common.CommandError, match="HOST:PORT"):
        parse_listen(text)


@pytest.mark.parametrize("count", ["-1", "nan", "1.5", ""])
def test_a_number_of_lines_that_is_none(run: Run, count: str) -> None:
    outcome = run("logs", "chat", "--host", "http://127.0.0.1:1", "--lines", count)
    assert outcome.code == 2
    assert "--lines" in outcome.err


def test_a_token_and_a_token_file_exclude_each_other() -> None:
    with pytest.raises(common.CommandError, match="not both"):
        common.token_from("t", "f")
    assert common.token_from("t", None) == "t"


def test_what_a_database_holds_does_not_drive_the_terminal() -> None:
    assert common.printable("a\x1b[31mb\nc\x00é") == "a\\x1b[31mb\nc\\x00é"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (", "line 1"),
        ("raise ValueError('no')", "ValueError: no"),
        ("x = 1", "defines no"),
        ("from spacetime_proto.server import Module\na = Module()\nb = Module()", "more than one"),
    ],
)
def test_module_files_that_cannot_be_served(run: Run, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "broken_module.py"
    path.write_text(text)
    outcome = run("serve", path)
    assert outcome.code == 1
    assert said in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_module_file_is_a_python_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "module.txt"
    path.write_text("module = None")
    outcome = run("serve", path)
    assert (outcome.code, outcome.err) == (1, f"spacetime-py: not a Python file: {path}\n")


def test_errors_of_a_group_that_are_several_are_a_bug_and_shown_as_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from spacetime_transports.cli import main, replay

    def fail(*arguments: object) -> None:
        raise ExceptionGroup("tasks", [SpacetimeError("one"), KeyError("two")])

    monkeypatch.setattr(replay, "replay_text", fail)
    with pytest.raises(ExceptionGroup, match="tasks"):
        main(["replay", str(WIRE / "chat.v2.bsatn.none.jsonl"), "--schema", str(CHAT)])


def test_a_module_file_may_call_its_module_anything(tmp_path: Path) -> None:
    from spacetime_transports.server.module_file import load_module

    path = tmp_path / "any_name.py"
    path.write_text("from spacetime_proto.server import Module\nchat = Module()\n")
    loaded = load_module(str(path))
    assert loaded is sys.modules["any_name"].chat
    path.write_text("from spacetime_proto.server import Module\nmodule = Module()\nb = Module()\n")
    assert load_module(str(path)) is sys.modules["any_name"].module
