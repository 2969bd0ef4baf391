"""Clients in the fixtures of pytest-asyncio and anyio, which set up and tear down in other tasks."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from spacetime_transports.server import ThreadServer

PYTEST_ASYNCIO = """
import pytest_asyncio, pytest
from spacetime_transports import connect

@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared():
    async with connect(URL, "world") as client:
        yield client

@pytest_asyncio.fixture
async def client():
    async with connect(URL, "world") as client:
        yield client

@pytest_asyncio.fixture
async def awaited():
    client = await connect(URL, "world")
    yield client
    await client.close()

@pytest.mark.asyncio
async def test_both(client, awaited):
    await client.call(client.module.reducers.nothing())
    await awaited.call(awaited.module.reducers.nothing())

@pytest.mark.asyncio(loop_scope="module")
async def test_shared(shared):
    await shared.call(shared.module.reducers.nothing())

@pytest.mark.asyncio(loop_scope="module")
async def test_shared_again(shared):
    await shared.subscribe("SELECT * FROM item")
"""
ANYIO = """
import pytest
from spacetime_transports import connect

pytestmark = pytest.mark.anyio

@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.fixture(scope="module")
async def shared(anyio_backend):
    async with connect(URL, "world") as client:
        yield client

@pytest.fixture
async def client():
    async with connect(URL, "world") as client:
        yield client

async def test_both(client, shared):
    await client.call(client.module.reducers.nothing())
    await shared.call(shared.module.reducers.nothing())

async def test_shared_again(shared):
    await shared.subscribe("SELECT * FROM item")
"""


@pytest.mark.parametrize(
    ("plugin", "source"), [("pytest_asyncio", PYTEST_ASYNCIO), ("anyio", ANYIO)]
)
def test_fixtures(server: ThreadServer, tmp_path: Path, plugin: str, source: str) -> None:
    pytest.importorskip(plugin)
    (tmp_path / "test_program.py").write_text(f"URL = {server.url!r}\n{source}")
    done = subprocess.run(
        [
            sys.executable, "-W", "error::pytest.PytestUnraisableExceptionWarning", "-m", "pytest",
            "-q", "-p", "no:randomly", "-o", "asyncio_default_fixture_loop_scope=function",
            "-o", "asyncio_mode=strict", "test_program.py",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
