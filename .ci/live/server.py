#!/usr/bin/env python3
"""Runs a real SpacetimeDB server on loopback, for as long as this program or a command given to it runs.

usage: server.py [--port N] [--data-dir DIR] [--binary FILE] [-- COMMAND ...]

Without a command: prints the URL as the first line, then runs until SIGTERM or SIGINT. With one: runs it with SPACETIMEDB_URL set
and exits with its code. Without --data-dir the data is in a temporary folder that goes away at the end. Only the standard
library; `Server` is for tests that stop, kill and restart a server themselves.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_keys(folder: Path) -> tuple[Path, Path]:
    """An ES256 key pair, the private key as PKCS#8. Kept if it is there, so that tokens outlive a restart."""
    private, public = folder / "private.pem", folder / "public.pem"
    if not public.exists():
        folder.mkdir(parents=True, exist_ok=True)
        run = [
            "openssl",
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-out",
            str(private),
        ]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        run = ["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(public)]
        subprocess.run(run, check=True)
    return private, public


class Server:
    """One server process. `folder` keeps its keys, its data and its output; start it again on the same folder to go on.

    A server that stops may leave its port in TIME_WAIT; SpacetimeDB listens with SO_REUSEADDR, so the same port works at once.
    """

    def __init__(self, folder: Path, binary: Path, port: int | None = None) -> None:
        self.folder = folder
        self.binary = binary
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> Path:
        return self.folder / "output.log"

    def start(self, timeout: float = 60) -> None:
        """Returns when the server answers. Without a port of its own it takes a free one, and another if that was snatched."""
        fixed = self.port is not None
        for attempt in range(5):
            self.port = self.port if fixed else free_port()
            try:
                return self._start(timeout)
            except ChildProcessError:
                if fixed or attempt == 4:
                    raise

    def _start(self, timeout: float) -> None:
        private, public = make_keys(self.folder / "keys")
        command = [
            str(self.binary),
            "start",
            "--listen-addr",
            f"127.0.0.1:{self.port}",
            "--data-dir",
            str(self.folder / "data"),
        ]
        command += ["--jwt-priv-key-path", str(private), "--jwt-pub-key-path", str(public)]
        with self.output.open("ab") as output:
            # In a session of its own: a Ctrl-C at the terminal is ours to handle.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout
        while not self.answers():
            if self.process.poll() is not None:
                raise ChildProcessError(
                    f"the server ended with {self.process.returncode}:\n{self.tail()}"
                )
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"the server does not answer after {timeout} s:\n{self.tail()}")
            time.sleep(0.05)

    def answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{self.url}/v1/ping", timeout=5) as answer,
        ):
            return bool(answer.status == 200)
        return False

    def tail(self) -> str:
        return "\n".join(self.output.read_text(errors="replace").splitlines()[-20:])

    def kill(self) -> None:
        """As a crash: nothing is flushed, sockets close without a word."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def find_binary(given: str | None) -> Path:
    if given is not None:
        return Path(given)
    built = subprocess.run([HERE / "build-server"], stdout=subprocess.PIPE, text=True, check=True)
    return Path(built.stdout.strip())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, help="a fixed port instead of a free one")
    parser.add_argument("--data-dir", type=Path, help="a folder to keep, or to go on with")
    parser.add_argument(
        "--binary", help="the server program; by default what build-server builds or has cached"
    )
    parser.add_argument("command", nargs="*", help="after --: runs with SPACETIMEDB_URL set")
    arguments = parser.parse_args()
    binary = find_binary(arguments.binary)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    folder = arguments.data_dir or Path(tempfile.mkdtemp(prefix="spacetimedb-"))
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(folder.resolve(), binary, arguments.port)
    try:
        began = time.monotonic()
        server.start()
        print(f"[{time.monotonic() - began:6.1f}s] server start", file=sys.stderr)
        print(server.url, flush=True)
        if arguments.command:
            done = subprocess.run(
                arguments.command, env={**os.environ, "SPACETIMEDB_URL": server.url}
            )
            if server.process is not None and server.process.poll() is None:
                return done.returncode
        assert server.process is not None
        code = server.process.wait()
        print(f"the server ended with {code}:\n{server.tail()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0 if not arguments.command else 130
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        server.stop()
        if arguments.data_dir is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
