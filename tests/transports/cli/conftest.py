"""Runs commands in this process, with what they print captured."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from spacetime_transports.cli import main
from spacetime_transports.server import ThreadServer, serve_in_thread
from spacetime_transports.server.chat_module import module

if TYPE_CHECKING:
    from collections.abc import Iterator


class Outcome(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs one command."""
    for name in ("SPACETIMEDB_URL", "SPACETIMEDB_DATABASE", "SPACETIMEDB_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
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
