"""Runs the programs of tests/legacy_programs and says what each of them must show.

They are written for the 0.7 SDK, so they import a generated package called ``module_bindings``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetime_transports import local_config
from spacetime_transports.bindings_writer import generate_package, write_package
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pytest

    from spacetime_proto.schema.model import ModuleDef

FOLDER = Path(__file__).parent.parent / "legacy_programs"


def write_bindings(definition: ModuleDef, folder: Path) -> None:
    """Generate ``module_bindings`` into `folder`."""
    write_package(generate_package(definition, source="old"), folder / "module_bindings")


class OldProgram:
    """One of the programs, and where it runs."""

    def __init__(self, name: str, host: str, database: str, home: Path) -> None:
        self.name = name
        self.where = host, database
        self.home = home
        self.shown: list[str] = []
        self._news = threading.Condition()

    def show(self, text: str) -> None:
        """Take a line that the program prints."""
        with self._news:
            self.shown.append(text)
            self._news.notify_all()

    def wait_for(self, text: str) -> None:
        """Wait until the program has printed a line."""
        with self._news:
            assert self._news.wait_for(lambda: text in self.shown, PATIENCE), self.shown

    def run(self, **more: Any) -> Any:
        """Start it anew, with its bindings, and run it; return what it returns."""
        _forget_bindings()
        path = FOLDER / f"{self.name}.py"
        spec = importlib.util.spec_from_file_location(f"old_{self.name}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main(*self.where, show=self.show, **more)

    def talk(self, conversation: Sequence[tuple[str, str]]) -> list[str]:
        """Run it with a keyboard: each line is typed when another one was printed.

        Returns:
            What it printed.
        """
        self.shown = []
        turns = iter(conversation)

        def read_line() -> str:
            heard, line = next(turns)
            self.wait_for(heard)
            return line

        self.run(read_line=read_line)
        return self.shown


@contextlib.contextmanager
def old_program(
    name: str, bindings: Path, url: str, database: str, home: Path, patch: pytest.MonkeyPatch
) -> Iterator[OldProgram]:
    """Prepare a program whose bindings are in the folder `bindings`."""
    patch.syspath_prepend(str(bindings))
    patch.setenv("HOME", str(home))
    patch.setenv("USERPROFILE", str(home))
    patch.setattr(local_config, "config", None)
    patch.setattr(sys, "argv", [f"{name}.py"])
    try:
        yield OldProgram(name, url.removeprefix("http://"), database, home)
    finally:
        _forget_bindings()


def _forget_bindings() -> None:
    for loaded in [name for name in sys.modules if name.split(".")[0] == "module_bindings"]:
        del sys.modules[loaded]


# --- what each must show ----------------------------------------------------------------------


def _console_chat(program: OldProgram, patch: pytest.MonkeyPatch) -> None:
    shown = program.talk(
        [
            ("connected", "/name Ada"),
            ("somebody is now Ada", "hello"),
            ("Ada: hello", "/name"),
            ("cannot be called '': Names must not be empty", " "),
            ("cannot say '': Messages must not be empty", ""),
        ]
    )
    assert shown[:3] == ["connected", "somebody is now Ada", "Ada: hello"]
    # At the next start it is the same user, and what was said is there.
    assert program.talk([("Ada: hello", "/name Bo"), ("Ada is now Bo", "")]) == [
        "connected",
        "Ada: hello",
        "Ada is now Bo",
    ]
    # Another client on the same machine is another user.
    patch.setattr(sys, "argv", ["console_chat.py", "--client", "2"])
    shown = program.talk([("Bo: hello", "/name Cy"), ("somebody is now Cy", "")])
    assert shown == ["connected", "Bo: hello", "somebody is now Cy"]
    kept = {path.name for path in (program.home / ".old-chat").iterdir()}
    assert kept == {"settings.ini", "settings_2.ini"}


def _game_loop(program: OldProgram, patch: pytest.MonkeyPatch) -> None:
    program.run()
    assert program.shown == [
        "connected",
        "known: True, True",
        "online: True",
        "update: None -> Ada",
        "disconnected: ''",
    ]


def _ticker(program: OldProgram, patch: pytest.MonkeyPatch) -> None:
    program.run()
    assert program.shown == ["in 3", "in 2", "in 1", "lift-off"]


def _two_rooms(program: OldProgram, patch: pytest.MonkeyPatch) -> None:
    program.run()
    assert program.shown == [
        "insert hello (send_message)",
        "send_message committed",
        "with me, 1 of my messages",
        "without me, 1 of my messages",
        "delete hello (subscription)",
        "with me, 0 of my messages",
    ]


def _who_did_what(program: OldProgram, patch: pytest.MonkeyPatch) -> None:
    program.run()
    assert program.shown == [
        "update by I: set_name['Grace']",
        "event TransactionUpdate set_name committed",
        "I set_name('Grace') committed '' here=True",
        "event TransactionUpdate set_name failed",
        "I set_name('') failed 'Names must not be empty' here=True",
        "event TransactionUpdate send_message failed",
        "I send_message('') failed 'Messages must not be empty'",
    ]


def _remember_me(program: OldProgram, patch: pytest.MonkeyPatch) -> None:
    first = program.run(root=str(program.home))
    assert program.run(root=str(program.home)) == first
    patch.setattr(sys, "argv", ["remember_me.py", "--client=other"])
    assert program.run(root=str(program.home)) != first
    assert program.shown == ["committed: start 1", "committed: start 2", "committed: start 1"]


def _structs(program: OldProgram, patch: pytest.MonkeyPatch) -> None:
    program.run()
    assert program.shown == [
        "one 1 [[1]]",
        "one 2 [[2]]",
        "one 3 [[3]]",
        "vec [[[4], [5]]]",
        "insert_vec_byte_struct committed",
    ]


CHECKS: dict[str, Callable[[OldProgram, pytest.MonkeyPatch], None]] = {
    "console_chat": _console_chat,
    "game_loop": _game_loop,
    "remember_me": _remember_me,
    "structs": _structs,
    "ticker": _ticker,
    "two_rooms": _two_rooms,
    "who_did_what": _who_did_what,
}
