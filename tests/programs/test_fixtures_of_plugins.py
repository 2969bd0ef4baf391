"""Clients in fixtures of pytest-asyncio and of anyio's plugin, as users' own tests have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from spacetime_transports import blocking, connect
from spacetime_transports.server import ThreadServer, serve_in_thread
from tests.scenarios.world import make_module

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadServer]:
    with serve_in_thread(make_module(), database="world") as server:
        yield server


async def use(client: Any) -> None:
    await client.subscribe("SELECT * FROM note")
    await client.call(client.module.reducers.write_note(text="x"))
    assert client.db.note.count() == 1


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(server: ThreadServer) -> AsyncIterator[Any]:
    async with connect(server.url, "world", reconnect=True) as client:
        yield client


class TestPytestAsyncio:
    """Its fixtures are set up and torn down in tasks of their own."""

    @pytest_asyncio.fixture
    async def entered(self, server: ThreadServer) -> AsyncIterator[Any]:
        async with connect(server.url, "world") as client:
            yield client

    @pytest_asyncio.fixture
    async def awaited(self, server: ThreadServer) -> AsyncIterator[Any]:
        client = await connect(server.url, "world")
        yield client
        await client.close()

    @pytest.mark.asyncio
    async def test_entered(self, entered: Any) -> None:
        await use(entered)

    @pytest.mark.asyncio
    async def test_awaited(self, awaited: Any) -> None:
        await use(awaited)

    @pytest.mark.asyncio
    async def test_two(self, entered: Any, awaited: Any) -> None:
        await use(entered)
        await use(awaited)

    @pytest.mark.asyncio(loop_scope="module")
    @pytest.mark.parametrize("number", range(2))
    async def test_shared(self, shared: Any, number: int) -> None:
        await use(shared)


@pytest.mark.anyio
class TestAnyio:
    """Its plugin runs fixtures and tests under asyncio, uvloop and trio."""

    @pytest.fixture(
        params=["asyncio", ("asyncio", {"use_uvloop": True}), "trio"],
        ids=["asyncio", "uvloop", "trio"],
    )
    def anyio_backend(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    @pytest.fixture
    async def client(self, server: ThreadServer, anyio_backend: Any) -> AsyncIterator[Any]:
        async with connect(server.url, "world") as client:
            yield client

    @pytest.fixture
    async def other(self, server: ThreadServer, anyio_backend: Any) -> AsyncIterator[Any]:
        async with connect(server.url, "world") as client:
            yield client

    async def test_two(self, client: Any, other: Any) -> None:
        await use(client)
        await use(other)


@pytest.fixture(scope="module")
def blocking_client(server: ThreadServer) -> Iterator[Any]:
    with blocking.connect(server.url, "world") as client:
        yield client


@pytest.mark.parametrize("number", range(2))
def test_a_blocking_client_that_tests_share(blocking_client: Any, number: int) -> None:
    blocking_client.subscribe("SELECT * FROM note")
    blocking_client.call(blocking_client.module.reducers.write_note(text="x"))
    assert blocking_client.db.note.count() == 1
