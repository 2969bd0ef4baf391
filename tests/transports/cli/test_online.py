"""Commands against the embedded server, and what a server that is not there gets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spacetime_proto.errors import Disconnected
from spacetime_proto.server import Module, ProcedureContext, column
from spacetime_proto.wire.http_exchange import HttpResponse
from spacetime_transports import HttpClient
from spacetime_transports.cli import demo as demo_module
from spacetime_transports.server import serve_in_thread
from tests.support.mock_http import mock_server
from tests.support.patience import PATIENCE
from tests.support.processes import ended

if TYPE_CHECKING:
    from spacetime_transports.server import ThreadServer
    from tests.transports.cli.conftest import Run

ROOT = Path(__file__).parents[3]
MODULE = ROOT / "spacetime_transports" / "server" / "chat_module.py"


def test_call_and_sql(run: Run, at: tuple[str, ...]) -> None:
    assert run("call", "send_message", "hello there", *at) == (0, "", "")
    assert run("call", "send_message", '"quoted"', *at).code == 0
    outcome = run("sql", "SELECT * FROM message", *at)
    assert outcome.code == 0
    assert "hello there" in outcome.out
    assert "2 rows" in outcome.out
    rows = json.loads(run("sql", "SELECT * FROM message", *at, "-f", "json").out)
    assert sorted(row["text"] for row in rows) == ["hello there", "quoted"]
    assert set(rows[0]["sender"]) == {"__identity__"}
    lines = run("sql", "SELECT * FROM message", *at, "-f", "jsonl").out.splitlines()
    assert len(lines) == 2


def numbers_module() -> Module:
    module = Module()

    @module.procedure
    def total(ctx: ProcedureContext, first: int, second: float) -> float:
        return first + second

    return module


def test_negative_numbers_are_arguments(run: Run) -> None:
    with serve_in_thread(numbers_module(), database="numbers") as server:
        at = ("--host", server.url, "--database", "numbers")
        assert run("call", "total", "-5", "-2.5e-1", *at) == (0, "-5.25\n", "")
        assert run("call", *at, "--", "total", "-5", "7") == (0, "2.0\n", "")
        for wrong in ("-x", "-5x", "--no-such"):
            outcome = run("call", "total", "-5", wrong, *at)
            assert outcome.code == 2
            assert "No such option" in outcome.err
            assert "\0" not in outcome.err


def test_a_reducer_that_refuses(run: Run, at: tuple[str, ...]) -> None:
    outcome = run("call", "send_message", "", *at)
    assert outcome == (1, "", "spacetime-py: Messages must not be empty\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("call", "no_such_function"), "no_such_function"),
        (("call", "send_message", "[1"), "not valid JSON"),
        (("sql", "SELEC"), "SELEC"),
        (("subscribe", "no_table"), "no table 'no_table'"),
        (("subscribe", "SELECT * FROM no_table"), "no_table"),
        (("watch", "SELECT * FROM no_table"), "no_table"),
        (("sql", "SELECT 1", "--token", "a", "--token-file", "b"), "not both"),
        (("sql", "SELECT 1", "--token", "nonsense"), "token"),
        (("publish", "/nowhere/module.wasm"), "cannot read"),
    ],
)
def test_refusals_are_one_line_and_exit_code_1(
    run: Run, at: tuple[str, ...], words: tuple[str, ...], said: str
) -> None:
    outcome = run(*words, *at)
    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    assert said in outcome.err


@pytest.mark.parametrize(
    "words",
    [
        ("sql", "SELECT 1"),
        ("call", "f"),
        ("subscribe", "user"),
        ("watch", "user"),
        ("logs",),
        ("describe",),
        ("demo",),
        ("generate", "-o", "x"),
    ],
)
def test_a_server_that_is_not_there(run: Run, words: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome = run(*words, "--host", f"http://127.0.0.1:{port}", "--database", "chat")
    assert outcome.code == 1
    assert "refused" in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("words", [("sql", "SELECT 1"), ("subscribe", "user"), ("describe",)])
def test_a_database_that_is_not_there(
    run: Run, server: ThreadServer, words: tuple[str, ...]
) -> None:
    outcome = run(*words, "--host", server.url, "--database", "nowhere")
    assert outcome.code == 1
    assert "nowhere" in outcome.err
    assert outcome.err.count("\n") == 1


def test_subscribe_prints_changes_as_json(run: Run, at: tuple[str, ...]) -> None:
    run("call", "send_message", "old", *at)
    outcome = run("subscribe", "message", *at, "--count", "1")
    (line,) = outcome.out.splitlines()
    change = json.loads(line)
    assert (change["op"], change["table"], change["row"]["text"]) == ("insert", "message", "old")
    assert run("subscribe", "message", *at, "--timeout", "0.1", "--no-initial").out == ""


def test_subscribe_follows(run: Run, at: tuple[str, ...], server: ThreadServer) -> None:
    over = threading.Event()

    def act() -> None:
        with HttpClient(server.url) as client:
            while not over.wait(0.02):
                client.call("chat", "send_message", ["new"])

    thread = threading.Thread(target=act)
    thread.start()
    try:
        outcome = run(
            "subscribe", "SELECT * FROM message", "user", *at, "-n", "2", "--no-initial",
            "-t", PATIENCE,
        )  # fmt: skip
    finally:
        over.set()
        thread.join()
    changes = [json.loads(line) for line in outcome.out.splitlines()]
    assert len(changes) == 2
    assert {change["op"] for change in changes} <= {"insert", "update"}


def test_watch_prints_tables_again_after_changes(
    run: Run, at: tuple[str, ...], server: ThreadServer
) -> None:
    def say(text: str) -> None:
        with HttpClient(server.url) as client:
            client.call("chat", "send_message", [text])

    def press_ctrl_c() -> None:
        raise KeyboardInterrupt

    assert run("watch", "message", *at, "-t", "0.1").out.strip() == "no rows"
    when = {
        "no rows": lambda: say("one"),
        "message (1)": lambda: say("two"),
        "1 more": press_ctrl_c,
    }
    outcome = run("watch", "message", *at, "-t", PATIENCE, "--rows", "1", when=when)
    assert "message (2)" in outcome.out
    assert outcome.code == 130


def test_watch_on_a_terminal_writes_over_what_was_there(
    run: Run, at: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def press_ctrl_c() -> None:
        raise KeyboardInterrupt

    def say() -> None:
        with HttpClient(at[1]) as client:
            client.call("chat", "send_message", ["one"])

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    when = {"no rows": say, "message (1)": press_ctrl_c}
    outcome = run("watch", "message", *at, "-t", PATIENCE, when=when)
    assert outcome.code == 130
    assert "\x1b[" in outcome.out
    assert run("watch", "message", *at, "-t", "0.1").code == 0


def test_logs(run: Run) -> None:
    entries = [
        {"level": "Info", "ts": 1_700_000_000_123_456, "message": "a\x1bb"},
        {"level": "Error", "ts": 0, "message": "x", "filename": "src/lib.rs", "line_number": 7},
        {"level": "Warn", "ts": 0, "message": "y", "filename": "src/lib.rs"},
    ]
    body = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
    with mock_server(lambda request: HttpResponse(200, body=body)) as mock:
        at = ("--host", mock.url, "--database", "x")
        assert run("logs", *at).out.splitlines() == [
            r"2023-11-14 22:13:20.123456 INFO  a\x1bb",
            "1970-01-01 00:00:00.000000 ERROR (src/lib.rs:7) x",
            "1970-01-01 00:00:00.000000 WARN  (src/lib.rs) y",
        ]
        lines = run("logs", *at, "--json", "--lines", "3").out.splitlines()
        assert [json.loads(line) for line in lines] == entries
        assert mock.requests[-1].target == "/v1/database/x/logs?num_lines=3"


def test_sql_that_writes_tells_how_many_rows(
    run: Run, at: tuple[str, ...], server: ThreadServer
) -> None:
    run("call", "send_message", "hello", *at)
    owner = (*at, "--token", server.server.owner_token)
    outcome = run("sql", "DELETE FROM message", *owner)
    assert outcome.out == "0 rows inserted, 0 updated, 1 deleted\n"


def test_publish(run: Run, tmp_path: Path) -> None:
    program = tmp_path / "module.wasm"
    program.write_bytes(b"\0asm")
    identity = "c2" * 32
    answer = {"Success": {"domain": "x", "database_identity": identity, "op": "created"}}
    with mock_server(lambda request: HttpResponse(200, body=json.dumps(answer).encode())) as mock:
        outcome = run("publish", program, "--host", mock.url, "--database", "x", "--clear")
    assert json.loads(outcome.out) == {"database": "x", "identity": identity, "op": "created"}
    (request,) = mock.requests
    assert (request.method, request.target, request.body) == (
        "PUT", "/v1/database/x?clear=true", b"\0asm",
    )  # fmt: skip


def test_a_token_in_the_clear_is_one_line_of_warning(run: Run) -> None:
    at = ("--host", "http://no-such-host.invalid", "--database", "x")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        outcome = run("sql", "SELECT 1", *at, "--token", "eyJhbGciOiJub25lIn0.e30.")
    warning, error = outcome.err.splitlines()
    assert warning.startswith("spacetime-py: warning: ")
    assert error.startswith("spacetime-py: ")


def test_describe(run: Run, at: tuple[str, ...]) -> None:
    outcome = run("describe", *at)
    assert outcome.code == 0
    for text in ("user (table)", "Option<String>", "primary key", "send_message(text: String)"):
        assert text in outcome.out
    assert "sections" in json.loads(run("describe", *at, "--json").out)


def test_identity(run: Run, server: ThreadServer, tmp_path: Path) -> None:
    issued = json.loads(run("identity", "--host", server.url).out)
    known = json.loads(run("identity", "--token", issued["token"]).out)
    assert known == {"identity": issued["identity"]}
    file = tmp_path / "token"
    kept = json.loads(run("identity", "--host", server.url, "--token-file", file).out)
    assert kept["token_file"] == str(file)
    again = json.loads(run("identity", "--host", server.url, "--token-file", file).out)
    assert again == {"identity": kept["identity"]}
    assert "not a JSON web token" in run("identity", "--token", "x").err
    assert "does not say its identity" in run("identity", "--token", "eyJhbGciOiJub25lIn0.e30.").err


def test_generate_from_a_database(run: Run, at: tuple[str, ...], tmp_path: Path) -> None:
    assert run("generate", *at, "--out-dir", tmp_path / "b").code == 0
    assert (tmp_path / "b" / "user.py").exists()


# --- demo -------------------------------------------------------------------------------------------


def test_the_demo(run: Run) -> None:
    outcome = run("demo")
    assert (outcome.code, outcome.err) == (0, "")
    for text in ("asyncio", "trio", "Messages must not be empty", "Alice: Hello from asyncio!"):
        assert text in outcome.out
    assert outcome.out.rstrip().endswith("Both clients hold the same rows: yes")


def test_the_quiet_demo_prints_the_last_state_only(run: Run) -> None:
    outcome = run("demo", "--quiet")
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "Users: Alice (online), Bob (online)",
        "Messages:",
        "  Alice: Hello from asyncio!",
        "  Bob: Hello from trio!",
        "Both clients hold the same rows: yes",
    ]


def test_the_demo_on_another_server(run: Run, at: tuple[str, ...], server: ThreadServer) -> None:
    outcome = run("demo", *at)
    assert outcome.code == 0
    assert f"SpacetimeDB at {server.url}" in outcome.out
    assert run("demo", "--host", server.url).code == 1


def test_the_demo_becomes_a_chat_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def __iter__(self) -> object:
            return iter(["/name Ada\n", "hi\n", "\n"])

    monkeypatch.setattr(demo_module.sys, "stdin", Terminal())
    monkeypatch.setattr(demo_module.sys.stdout, "isatty", lambda: True, raising=False)
    outcome = run("demo")
    assert outcome.code == 0
    assert "Ctrl-D ends" in outcome.out
    assert "  Ada: hi" in outcome.out


def test_the_demo_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(demo_module, "_PATIENCE", 0.05)
    monkeypatch.setattr(demo_module, "_is_named", lambda peer, db: False)
    outcome = run("demo")
    assert outcome.code == 1
    assert "did not see a change" in outcome.err


def test_the_demo_needs_the_chat_module(run: Run) -> None:
    empty = Module()

    @empty.table(public=True)
    class User:
        id: int = column(primary_key=True)

    with serve_in_thread(empty, database="shop") as server:
        outcome = run("demo", "--host", server.url, "--database", "shop")
    assert outcome.code == 1
    assert outcome.err == (
        "spacetime-py: shop does not run the quickstart chat module: it has no table 'message'\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        "Embedded development server",
        "[Alice asyncio] connected",
        "[Bob   trio   ] connected",
        "[Bob   trio   ] send_message(text='') was refused",
        "Both clients hold the same rows",
    ],
)
def test_ctrl_c_ends_the_demo_at_once(line: str) -> None:
    """Whatever it is doing; starting a loop in another thread used to be waited for without end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "spacetime_transports.cli", "demo"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with ended(process):
        assert any(printed.startswith(line) for printed in process.stdout)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert err == ""
    assert process.returncode in (0, 130, -signal.SIGINT)  # it may have ended, or be ending


# --- serve ------------------------------------------------------------------------------------------


def test_serve_says_where_it_cannot_listen(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = f"127.0.0.1:{listener.getsockname()[1]}"
        outcome = run("serve", MODULE, "--listen", taken)
    assert outcome.code == 1
    assert outcome.err.startswith(f"spacetime-py: cannot listen on {taken}: ")
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_serve_prints_its_url_and_ends_when_told(end: signal.Signals) -> None:
    process = subprocess.Popen(
        [
            sys.executable, "-m", "spacetime_transports.cli", "serve", str(MODULE),
            "--listen", "127.0.0.1:0", "--database", "chat",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    with ended(process):
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        with HttpClient(url) as client:
            client.ping()
            client.call("chat", "send_message", ["hi"])
        process.send_signal(end)
        out, err = process.communicate(timeout=14)  # less than any of the server's deadlines
        assert (process.returncode, out) == (0, "")
        assert "development" in err and "https://spacetimedb.com" in err


def test_serve_on_a_port_that_is_taken(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        outcome = run("serve", MODULE, "--listen", f"127.0.0.1:{port}")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1


def test_a_reader_that_goes_away_is_no_error(server: ThreadServer) -> None:
    with HttpClient(server.url) as client:
        for number in range(50):
            client.call("chat", "send_message", [f"{number} {'x' * 2000}"])
    process = subprocess.Popen(
        [
            sys.executable, "-m", "spacetime_transports.cli", "subscribe", "message",
            "--host", server.url, "--database", "chat", "-n", "50",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    with ended(process):
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == ""


def test_a_server_that_hangs_up_ends_subscribe(
    run: Run, at: tuple[str, ...], server: ThreadServer
) -> None:
    run("call", "send_message", "hello", *at)
    outcome = run("subscribe", "message", *at, when={"hello": server.drop_connections})
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert Disconnected.__name__ not in outcome.err
