"""What docs/generate.md shows is what happens: its module is served, its program runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spacetime_transports.bindings_writer import (
    generate_package,
    module_from_python,
    module_from_server,
    write_package,
)
from spacetime_transports.server import ThreadServer, serve_in_thread
from spacetime_transports.server.module_file import load_module

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "generate.md").read_text()


def block(marker: str) -> str:
    """Return the code block that follows an HTML comment."""
    found = re.search(rf"<!-- {re.escape(marker)} -->\n```\w*\n(.*?)```", TEXT, re.S)
    assert found is not None, marker
    return found[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(block("file: shop.py"))
    (tmp_path / "program.py").write_text(block("program: shop"))
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[ThreadServer]:
    module = load_module(str(folder / "shop.py"))
    with serve_in_thread(module, database="shop") as server:
        yield server


def test_the_program_prints_what_the_page_says(folder: Path, server: ThreadServer) -> None:
    definition = module_from_server(server.url, "shop")
    write_package(generate_package(definition, source="shop"), folder / "module_bindings")
    program = folder / "program.py"
    program.write_text(program.read_text().replace("http://127.0.0.1:3000", server.url))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout + done.stderr == block("output")


def test_a_module_in_python_and_its_server_describe_the_same(
    folder: Path, server: ThreadServer
) -> None:
    served = generate_package(module_from_server(server.url, "shop"), source="x")
    local = generate_package(module_from_python(folder / "shop.py"), source="x")
    assert local == served
    shown = re.search(r"^class Item\(Struct.*?^    sold: bool$", TEXT, re.M | re.S)
    assert shown is not None
    assert shown[0] in served["item.py"]
