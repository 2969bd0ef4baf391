"""Runs commands in this process, with what they print captured."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import pytest

from spacetime_transports.cli import main
from spacetime_transports.server import ThreadServer, serve_in_thread
from spacetime_transports.server.chat_module import module

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Outcome(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


class _Watched:
    """Standard output that does something when a text has been printed, each once."""

    def __init__(self, stdout: TextIO, when: Mapping[str, Callable[[], object]]) -> None:
        self._stdout = stdout
        self._when = dict(when)
        self._said = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stdout, name)

    def write(self, text: str) -> int:
        """Print, and look for the texts."""
        written = self._stdout.write(text)
        self._said += text
        for wanted in [wanted for wanted in self._when if wanted in self._said]:
            self._when.pop(wanted)()
        return written


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs one command.

    Its keyword argument `when` has what to do, in the midst of the command, once it has printed a text.
    """
    for name in ("SPACETIMEDB_URL", "SPACETIMEDB_DATABASE", "SPACETIMEDB_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object, when: Mapping[str, Callable[[], object]] | None = None) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended, monkeypatch.context() as patch:
            if when is not None:
                patch.setattr(sys, "stdout", _Watched(sys.stdout, when))
            main([str(word) for word in words])
        captured = capsys.readouterr()
        code: Any = ended.value.code
        return Outcome(code or 0, captured.out, captured.err)

    return run


@pytest.fixture
def server() -> Iterator[ThreadServer]:
    with serve_in_thread(module, database="chat") as server:
        yield server


@pytest.fixture
def at(server: ThreadServer) -> tuple[str, ...]:
    """Return the options that lead to the chat database."""
    return ("--host", server.url, "--database", "chat")
