"""The programs in `examples/` run, as they are, against a server on a real socket."""

from __future__ import annotations

import os
import re
import select
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from spacetime_proto.codegen.package import generate
from spacetime_transports import blocking
from spacetime_transports.bindings_writer import module_from_python
from spacetime_transports.server import ThreadServer, serve_in_thread
from spacetime_transports.server.authority import Es256Authority
from spacetime_transports.server.chat_module import module
from tests.support.patience import PATIENCE
from tests.support.processes import ended, finish, python, type_line, wait_for
from tests.support.restarting import restarting
from tests.typing.checkers import write

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CHAT = ROOT / "spacetime_transports" / "server" / "chat_module.py"


@pytest.fixture
def server() -> Iterator[ThreadServer]:
    with serve_in_thread(module, database="chat") as server:
        yield server


def start(*arguments: str, home: Path, url: str = "") -> subprocess.Popen[str]:
    return python(*arguments, HOME=str(home), SPACETIMEDB_URL=url, SPACETIMEDB_DATABASE="chat")


def test_the_original_quickstart_between_two_terminals(
    server: ThreadServer, tmp_path: Path
) -> None:
    program = str(EXAMPLES / "quickstart_chat" / "main.py")
    one = start(program, home=tmp_path, url=server.url)
    two = start(program, "--client", "2", home=tmp_path, url=server.url)
    with ended(one), ended(two):
        wait_for(one, "SYSTEM: Connected.")
        wait_for(two, "SYSTEM: Connected.")
        type_line(one, "/name Ada")
        wait_for(two, "renamed to Ada.")
        type_line(two, "/name Bob")
        wait_for(one, "renamed to Bob.")
        type_line(one, "hello there")
        wait_for(two, "Ada: hello there")
        type_line(two, "/name ")
        wait_for(two, "Failed to set name: Names must not be empty")
        type_line(two, "")
        assert two.wait(PATIENCE) == 0
        wait_for(one, "User Bob disconnected.")
        one.communicate(timeout=PATIENCE)
        assert one.returncode == 0
    files = sorted(path.name for path in (tmp_path / ".spacetimedb-python-quickstart").iterdir())
    assert files == ["settings.ini", "settings_2.ini"]

    # The saved token makes the same user of it, with the backlog in order.
    with ended(start(program, home=tmp_path, url=server.url)) as again:
        assert "Ada: hello there" in wait_for(again, "hello there")
        again.communicate(timeout=PATIENCE)
    assert again.returncode == 0


def test_the_original_quickstart_on_a_server_that_forgot_its_keys(tmp_path: Path) -> None:
    program = str(EXAMPLES / "quickstart_chat" / "main.py")
    for said in ("SYSTEM: Connected.", "Starting anew."):
        with (
            serve_in_thread(module, database="chat") as server,
            ended(start(program, home=tmp_path, url=server.url)) as process,
        ):
            wait_for(process, said)
            if said == "Starting anew.":
                wait_for(process, "SYSTEM: Connected.")
            process.communicate(timeout=PATIENCE)
            assert process.returncode == 0


def test_the_selectors_loop(server: ThreadServer, tmp_path: Path) -> None:
    program = str(EXAMPLES / "selectors_loop.py")
    with ended(start(program, server.url, "chat", home=tmp_path)) as process:
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    lines = output.splitlines()
    assert lines[0].startswith("connected as ")
    assert "subscribed: 1 users" in lines
    assert "text='Hello from selectors!'" in output
    assert lines[-1] == "send_message: committed"


def test_the_selectors_loop_without_the_database(server: ThreadServer, tmp_path: Path) -> None:
    program = str(EXAMPLES / "selectors_loop.py")
    with ended(start(program, server.url, "other", home=tmp_path)) as process:
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert "other" in output


class FakeTk:
    """Stands for Tk's event loop where there is no display, on a system without file handlers."""

    def __init__(self) -> None:
        self.handlers: dict[Any, Callable[[Any, int], None]] = {}
        self.timers: dict[str, tuple[float, Callable[[], None]]] = {}
        self._count = 0

    def after(self, milliseconds: int, callback: Callable[[], None]) -> str:
        self._count += 1
        name = f"after#{self._count}"
        self.timers[name] = (time.monotonic() + milliseconds / 1000, callback)
        return name

    def after_cancel(self, name: str) -> None:
        self.timers.pop(name, None)

    def run(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            due = min((when for when, _ in self.timers.values()), default=float("inf"))
            pause = max(0.0, min(1.0, due - time.monotonic()))
            for file in select.select(list(self.handlers), [], [], pause)[0]:
                self.handlers[file](file, 0)
            for name, (when, callback) in list(self.timers.items()):
                if when <= time.monotonic() and self.timers.pop(name, None) is not None:
                    callback()


class WatchingTk(FakeTk):
    """The same on a system where Tk can watch sockets."""

    def createfilehandler(self, file: Any, mask: int, callback: Callable[[Any, int], None]) -> None:
        self.handlers[file] = callback

    def deletefilehandler(self, file: Any) -> None:
        del self.handlers[file]


@pytest.mark.parametrize("watches", [True, False])
def test_the_tk_driver(server: ThreadServer, watches: bool) -> None:
    pytest.importorskip("tkinter")
    import runpy

    from spacetime_proto import ClientOptions, ClientSession
    from spacetime_proto.bindings import dynamic_module
    from spacetime_proto.client import events
    from spacetime_transports import HttpClient

    driver_class = runpy.run_path(str(EXAMPLES / "tk_chat.py"))["TkDriver"]
    session = ClientSession(
        ClientOptions(),
        dynamic_module(HttpClient(server.url).schema("chat")),
        entropy=os.urandom,
    )
    seen: list[type] = []

    def on_event(event: events.Event) -> None:
        seen.append(type(event))
        if isinstance(event, events.Connected):
            session.subscribe("SELECT * FROM message")
        elif isinstance(event, events.SetApplied):
            session.call(session.module.reducers.send_message("Hello from Tk!"))
        elif isinstance(event, events.CallDone):
            session.close()

    root = WatchingTk() if watches else FakeTk()
    driver = driver_class(root, session, server.url, "chat", on_event)
    root.run(lambda: driver.is_over)
    assert session.close_error is None
    assert [row.text for row in session.db.message] == ["Hello from Tk!"]
    assert seen[0] is events.Connected and seen[-1] is events.Ended


# --- programs of today's API, beside generated bindings ----------------------------------------------


@pytest.fixture
def bindings(tmp_path: Path) -> str:
    """Return a PYTHONPATH with the chat module's bindings."""
    definition = module_from_python(CHAT)
    write(tmp_path / "module_bindings", generate(definition, source="chat", version="1"))
    return os.pathsep.join([str(tmp_path), str(ROOT)])


def test_the_web_service(bindings: str) -> None:
    """It is started before the server, serves rows as JSON, and survives a restart of the server."""
    pem = Es256Authority().private_pem()
    command = ["-m", "uvicorn", "--port", "0", "--app-dir", str(EXAMPLES), "fastapi_app:app"]
    with (
        restarting(module, "chat") as server,
        ended(python(*command, PYTHONPATH=bindings, SPACETIMEDB_URL=server.url)) as process,
    ):
        wait_for(process, "Waiting for application startup")
        server.start(pem)
        said = wait_for(process, "Uvicorn running on")
        (url,) = re.findall(r"running on (http://[\d.:]+)", said)
        with httpx.Client(base_url=url, timeout=PATIENCE) as web:
            assert web.post("/messages", json={"text": "hello"}).status_code == 201
            refused = web.post("/messages", json={"text": ""})
            assert (refused.status_code, refused.json()["detail"]) == (
                422,
                "Messages must not be empty",
            )
            (user,) = web.get("/users").json()
            assert user["name"] is None and user["online"] is True
            (message,) = web.get("/messages").json()
            assert message["text"] == "hello" and message["sender"] == user["identity"]
            schema = web.get("/openapi.json").json()["components"]["schemas"]
            assert set(schema["User"]["properties"]) == {"identity", "name", "online"}
            health = web.get("/health")
            assert health.status_code == 200
            assert health.json() == {"state": "connected", "rows": 2, "connections": 1}

            server.stop()
            until(lambda: web.get("/health").status_code == 503)
            assert web.get("/messages").json() == [message]
            assert web.post("/messages", json={"text": "lost"}).status_code == 503
            server.start(pem)
            until(lambda: web.get("/health").status_code == 200)
            assert web.get("/health").json()["connections"] == 2
            assert web.post("/messages", json={"text": "again"}).status_code == 201
            assert [row["text"] for row in web.get("/messages").json()] == ["hello", "again"]
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE)
    assert "Application shutdown complete" in output
    assert "Traceback" not in output


def test_the_bot(bindings: str, tmp_path: Path) -> None:
    pem = Es256Authority().private_pem()
    bot = str(EXAMPLES / "bot.py")
    environment = {"PYTHONPATH": bindings, "HOME": str(tmp_path)}
    with restarting(module, "chat") as server:
        environment["SPACETIMEDB_URL"] = server.url
        for round_ in range(2):  # the second time it is the same user
            with ended(python("-W", "error", bot, **environment)) as process:
                if round_ == 0:
                    wait_for(process, "spacetimedb.client")  # nobody is there yet
                    server.start(pem)
                wait_for(process, "bot: ready")
                assert answers(server.url) == ["pong"]
                server.stop()
                server.start(pem)
                assert answers(server.url) == ["pong"]
                process.send_signal(signal.SIGTERM)
                output = finish(process)
                assert output.endswith("bot: ended\n")
                assert "ERROR" not in output
        with blocking.connect(server.url, "chat") as client:
            client.subscribe("SELECT * FROM user")
            assert [user.name for user in client.db.user].count("Bot") == 1


def answers(url: str) -> list[str]:
    """Say "ping" and return what others say then."""
    with blocking.connect(url, "chat") as client:
        client.subscribe("SELECT * FROM message", "SELECT * FROM user")
        heard: list[str] = []

        def hear(ctx: Any, message: Any) -> None:
            if message.sender != client.identity:
                heard.append(message.text)

        client.db.message.on_insert(hear)
        end = time.monotonic() + PATIENCE
        while not any(user.name == "Bot" and user.online for user in client.db.user):
            assert time.monotonic() < end, "the bot did not come back"
            client.advance_one_message(1)
        client.call(client.module.reducers.send_message(text="ping"))
        while not heard:
            assert time.monotonic() < end, "the bot did not answer"
            client.advance_one_message(1)
        return heard


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)
