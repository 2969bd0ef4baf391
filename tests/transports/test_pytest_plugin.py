"""The pytest plugin: servers that end with the test."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from spacetime_proto.errors import ConnectError
from spacetime_transports import HttpClient
from spacetime_transports.server.chat_module import module
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.fixture
def plugin() -> ModuleType:
    return importlib.import_module("spacetime_transports.server.pytest_plugin")


def test_servers_run_while_the_fixture_does(plugin: ModuleType) -> None:
    generator = plugin.spacetimedb_server.__wrapped__()
    start = next(generator)
    one, two = start(module, database="one"), start(module, database="two")
    with HttpClient(one.url) as client:
        client.ping()
        assert client.schema("one").tables
    assert one.url != two.url
    with pytest.raises(StopIteration):
        next(generator)
    with pytest.raises(ConnectError):
        HttpClient(two.url).ping()


def test_pytest_finds_the_fixture_by_itself(tmp_path: Path) -> None:
    """A program's tests use it without an import, in a process of their own as always."""
    (tmp_path / "test_program.py").write_text(
        textwrap.dedent(
            """
            from spacetime_transports import blocking
            from spacetime_transports.server.chat_module import module

            def test_names(spacetimedb_server):
                server = spacetimedb_server(module, database="chat")
                with blocking.connect(server.url, "chat") as client:
                    client.call(client.module.reducers.set_name("Ada"))
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
