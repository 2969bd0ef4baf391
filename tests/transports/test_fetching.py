"""`fetching`: procedures of the embedded server that send HTTP requests over real sockets."""

from __future__ import annotations

import anyio
import pytest

from spacetime_proto.client.pending_call import Call
from spacetime_proto.server import Fetch, HttpFailed, Module, ProcedureContext
from spacetime_transports import connect
from spacetime_transports.server import Server, serve
from spacetime_transports.server.fetching import BackgroundFetcher
from tests.support.patience import PATIENCE


def make_module() -> Module:
    module = Module()

    @module.procedure
    async def get(ctx: ProcedureContext, url: str) -> str:
        try:
            response = await ctx.http.get(url)
        except HttpFailed as error:
            return str(error)
        return f"{response.status} {response.text}"

    @module.procedure
    async def get_later(ctx: ProcedureContext, url: str) -> str:
        response = await ctx.http.get(url)
        await ctx.sleep(0.01)
        return f"{response.status}"

    return module


async def ask(server: Server, url: str, procedure: str = "get") -> str:
    async with connect(server.url, "module") as client:
        answer: str = await client.call(Call("procedure", procedure, (url,)), timeout=PATIENCE)
        return answer


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_procedures_reach_http_servers(backend: str) -> None:
    async def main() -> None:
        async with serve(make_module()) as server:
            assert await ask(server, f"{server.url}/v1/ping?x=1") == "200 "
            assert await ask(server, server.url) == "404 "
            assert await ask(server, f"{server.url}/v1/ping", "get_later") == "200"
            broken = await ask(server, "http://127.0.0.1:1/path?token=secret")
            assert broken.startswith("GET http://127.0.0.1:1/path: error: ")
            assert "secret" not in broken
            assert "error" in await ask(server, "http://[")
            assert "error" in await ask(server, "no url")

    anyio.run(main, backend=backend)


def test_a_server_that_has_ended_sends_nothing() -> None:
    answers: list[object] = []
    request = Fetch("GET", "http://127.0.0.1:1/", (), b"", 1.0)
    BackgroundFetcher(lambda: None)(request, answers.append)
    assert [str(answer) for answer in answers] == ["the server is not running"]
