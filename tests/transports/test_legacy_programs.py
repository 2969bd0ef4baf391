"""Whole programs for the 0.7 SDK, on the embedded server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spacetime_transports.server import serve_in_thread
from tests.support.old_chat_module import module
from tests.support.old_programs import CHECKS, FOLDER, old_program, write_bindings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def bindings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    write_bindings(module.build().definition, folder)
    return folder


@pytest.mark.parametrize("name", CHECKS)
def test_a_program(
    name: str, bindings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        serve_in_thread(module, database="chat") as server,
        old_program(name, bindings, server.url, "chat", tmp_path, monkeypatch) as program,
    ):
        CHECKS[name](program, monkeypatch)


def test_every_program_is_checked() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == set(CHECKS)
