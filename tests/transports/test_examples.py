"""The programs in `examples/` run, as they are, against a server on a real socket."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_transports.server import ThreadServer, serve_in_thread
from spacetime_transports.server.chat_module import module
from tests.support.patience import PATIENCE
from tests.support.processes import ended, python, type_line, wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


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
