"""Ctrl-C ends every wait of a blocking client at once: real signals to real processes.

A server sees how far each program is, then the program itself says when its main thread is in a wait
(a signal that comes a moment before would meet a client at work, which is another test), and gets the
signal. It has no time limit of its own, so a wait that does not end would end the test.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.scenarios.relay import Relay
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spacetime_transports.server import ThreadServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to another process")

BEGIN = """
import os, signal, socket, sys, threading, time, traceback
from spacetime_proto.errors import Disconnected
from spacetime_transports import HttpClient, ReconnectPolicy, blocking

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored
url, silent = sys.argv[1:]
FOREVER = 1_000_000
NEVER = ReconnectPolicy(first_delay=FOREVER, max_delay=FOREVER)

main = threading.get_ident()

def now():
    print("now", flush=True)

def place(frame):
    return frame.f_code.co_name, os.path.basename(frame.f_code.co_filename)

def tell_when_it_waits():
    sys.stdin.readline()
    while True:
        time.sleep(0.001)
        stack = [place(frame) for frame, _ in traceback.walk_stack(sys._current_frames()[main])]
        if stack[0] in IDLE and ("start", "threading.py") not in stack:
            return now()

IDLE = {
    ("select", "selectors.py"),
    ("wait", "threading.py"),
    ("do_handshake", "ssl.py"),
    ("_traverse", "blocking_stream.py"),  # the proxy's answer
}
watcher = threading.Thread(target=tell_when_it_waits, daemon=True)

def bindings():
    with blocking.connect(url, "world") as client:
        return client.module
"""

#: A client that is connected; `wait` is one of WAITS. Afterwards it works.
CONNECTED = """
with blocking.connect(url, "world") as client:
    procedures = client.module.procedures
    watcher.start()
    try:
        {wait}
    except KeyboardInterrupt:
        print("interrupted")
    assert client.call(procedures.add(lhs=1, rhs=2)) == 3
"""

#: The server of the test knows when ``procedures.wait`` runs.
WAITS = {
    "call": "client.call(procedures.wait(micros=10**12))",
    "run": "client.submit(procedures.wait(micros=10**12)); client.run()",
    "wait_closed": "client.submit(procedures.wait(micros=10**12)); client.wait_closed()",
    "advance": "client.submit(procedures.wait(micros=10**12))\n        while 1:"
    " client.advance_one_message(None)",
    "changes": "client.submit(procedures.wait(micros=10**12)); next(client.db.item.changes())",
    "another thread runs it": "client.run_threaded()\n"
    "        client.call(procedures.wait(micros=10**12))",
}

#: A client that never gets a connection; ``connect`` raises KeyboardInterrupt and leaves nothing.
CONNECTING = """
{before}
watcher.start()
try:
    blocking.connect({arguments}, connect_timeout=FOREVER)
except KeyboardInterrupt:
    print("interrupted")
watcher.join()
assert threading.active_count() == {threads}, threading.enumerate()
"""

#: (arguments, what is before, threads at the end): the silent server accepts and says nothing.
DIALS = {
    "schema": ('silent, "world"', "", 2),
    "tls": ('silent.replace("http:", "https:"), "world", module', "module = bindings()", 1),
    "greeting": ('silent, "world", module', "module = bindings()", 1),
    "proxy": ('url, "world", module, proxy=silent', "module = bindings()", 1),
    "token exchange": (
        'silent, "world", module, token="e30.e30.e30", token_via="websocket-token"',
        "module = bindings()",
        2,
    ),
}

#: Nothing in the C library that looks up a name is interrupted.
LOOKING_UP = """
module = bindings()
go_on = threading.Event()

def look_up(*args, **options):
    now()
    while not go_on.is_set():
        try:
            go_on.wait()
        except KeyboardInterrupt:
            pass
    raise OSError("no such name")

socket.getaddrinfo = look_up
try:
    blocking.connect("http://name.test", "world", module, connect_timeout=FOREVER)
except KeyboardInterrupt:
    print("interrupted")
go_on.set()
"""

BETWEEN_ATTEMPTS = """
with blocking.connect(url, "world", reconnect=NEVER) as client:
    print("drop", flush=True)
    while client.state == "connected":
        client.advance_one_message(0.01)
    watcher.start()
    try:
        client.{wait}
    except KeyboardInterrupt:
        print("interrupted")
    assert client.state == "waiting"
"""

CLOSING = """
client = blocking.connect(silent, "world", close_timeout=FOREVER)
client.call(client.module.reducers.nothing())
print("deaf", flush=True)
sys.stdin.readline()
try:
    client.close()
except KeyboardInterrupt:
    print("interrupted")
assert client.state == "closed"
assert threading.active_count() == 1
"""


class Program:
    """A Python program that is interrupted."""

    def __init__(self, text: str, url: str, silent: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", BEGIN + text, url, silent],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self.stdin, self.stdout = self._process.stdin, self._process.stdout

    def __enter__(self) -> Program:
        self._killer = threading.Timer(PATIENCE, self._process.kill)
        self._killer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._killer.cancel()
        self._killer.join()
        self._process.kill()
        self._process.wait()
        self.stdin.close()
        self.stdout.close()

    def says(self, line: str) -> None:
        assert self.stdout.readline() == line + "\n"

    def interrupt_wait(self) -> None:
        """Press Ctrl-C as soon as the main thread waits; see `interrupt`."""
        self.stdin.write("look\n")
        self.stdin.flush()
        self.says("now")
        self.interrupt()

    def interrupt(self) -> None:
        """Press Ctrl-C; the wait has to end, and the rest of the program to work."""
        self._process.send_signal(signal.SIGINT)
        self.says("interrupted")
        assert self._process.wait(PATIENCE) == 0


@pytest.fixture
def silent() -> Iterator[tuple[str, Callable[[], None]]]:
    """Return the URL of a server that never answers, and what waits until it was spoken to."""
    listener = socket.create_server(("127.0.0.1", 0))
    opened: list[socket.socket] = []

    def wait() -> None:
        listener.settimeout(PATIENCE)
        opened.append(listener.accept()[0])
        opened[0].settimeout(PATIENCE)
        assert opened[0].recv(1)

    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", wait
        for connection in opened:
            connection.close()


@pytest.mark.parametrize("wait", WAITS)
def test_in_a_wait_for_the_server(
    server: ThreadServer, waiting: threading.Event, wait: str
) -> None:
    with Program(CONNECTED.format(wait=WAITS[wait]), server.url) as program:
        assert waiting.wait(PATIENCE)
        program.interrupt_wait()


@pytest.mark.parametrize("dial", DIALS)
def test_while_connecting(server: ThreadServer, silent: Any, dial: str) -> None:
    arguments, before, threads = DIALS[dial]
    text = CONNECTING.format(arguments=arguments, before=before, threads=threads)
    with Program(text, server.url, silent[0]) as program:
        silent[1]()
        program.interrupt_wait()


def test_while_a_name_is_looked_up(server: ThreadServer) -> None:
    with Program(LOOKING_UP, server.url) as program:
        program.says("now")
        program.interrupt()


@pytest.mark.parametrize(
    "wait", ["wait_connected()", "call(client.module.reducers.nothing())", "run()"]
)
def test_between_two_attempts(server: ThreadServer, wait: str) -> None:
    with Program(BETWEEN_ATTEMPTS.format(wait=wait), server.url) as program:
        program.says("drop")
        server.drop_connections()
        program.interrupt_wait()


def test_while_closing(server: ThreadServer) -> None:
    with Relay(server.url) as relay, Program(CLOSING, server.url, relay.url) as program:
        program.says("deaf")
        relay.is_deaf = True
        program.stdin.write("close\n")
        program.stdin.flush()
        assert relay.dropped.wait(PATIENCE)
        program.interrupt()
