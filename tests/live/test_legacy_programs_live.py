"""Whole programs for the 0.7 SDK, on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.old_programs import CHECKS, old_program, write_bindings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.target import Target


@pytest.fixture(scope="session")
def bindings(tmp_path_factory: pytest.TempPathFactory, whole_target: Target) -> Path:
    folder = tmp_path_factory.mktemp("old")
    write_bindings(whole_target.module.definition, folder)
    return folder


@pytest.mark.parametrize("name", CHECKS)
def test_a_program(
    name: str, bindings: Path, tmp_path: Path, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    with old_program(name, bindings, target.url, target.database, tmp_path, monkeypatch) as program:
        CHECKS[name](program, monkeypatch)
