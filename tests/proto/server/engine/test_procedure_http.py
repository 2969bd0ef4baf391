"""`fetching`: procedures that send HTTP requests."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.server import Database, Fetch, HttpFailed, Module, ProcedureContext
from spacetime_proto.server.engine.outcomes import ProcedureOutcome
from spacetime_proto.wire.http_exchange import HttpResponse
from tests.proto.server.support import NOW, identity, make_database, make_host


def make(*, fetches: bool = True) -> tuple[Database, list[tuple[Fetch, Any]]]:
    """Return a database, and the requests that its procedures send."""
    module = Module()

    @module.table(public=True)
    class Note:
        text: str

    @module.procedure
    async def get(ctx: ProcedureContext, url: str) -> str:
        return (await ctx.http.get(url)).text

    @module.procedure
    async def get_or(ctx: ProcedureContext, url: str) -> str:
        try:
            return (await ctx.http.get(url)).text
        except HttpFailed as error:
            return f"failed: {error}"

    @module.procedure
    async def post(ctx: ProcedureContext) -> str:
        first = await ctx.http.post("http://h/a", "text", headers={"X-A": "1"}, timeout=999)
        second = await ctx.http.request("PUT", "http://h/b", b"\1", headers=[("X-B", "2")])
        with ctx.transaction() as tx:
            tx.db.note.insert(Note(text=second.text))
        return f"{first.status} {second.status}"

    @module.procedure
    async def inside(ctx: ProcedureContext) -> None:
        with ctx.transaction():
            await ctx.http.get("http://h/")

    database = make_database(module)
    sent: list[tuple[Fetch, Any]] = []
    if fetches:
        database.fetcher = lambda request, answer: sent.append((request, answer))
    return database, sent


def call(database: Database, name: str, *args: str) -> list[ProcedureOutcome]:
    function = database.procedures.get(name)
    assert function is not None
    results: list[ProcedureOutcome] = []
    data = function.encode(args)
    database.procedures.call(database.caller(identity(1)), name, data, now=NOW, done=results.append)
    return results


def text_of(outcome: ProcedureOutcome) -> str:
    assert outcome.value is not None, outcome.text
    return outcome.value[4:].decode()


def test_a_procedure_goes_on_with_the_answer() -> None:
    database, sent = make()
    results = call(database, "get", "http://h/x?token=secret")
    assert results == []
    [(request, answer)] = sent
    assert (request.method, request.url, request.timeout) == ("GET", "http://h/x?token=secret", 30)
    assert "secret" not in repr(request)
    answer(HttpResponse(200, body=b"hello"))
    assert text_of(results[0]) == "hello"


def test_requests_carry_method_headers_and_body() -> None:
    database, sent = make()
    results = call(database, "post")
    (first, answer), *_ = sent
    assert (first.method, first.body, first.headers) == ("POST", b"text", (("X-A", "1"),))
    assert first.timeout == 180
    answer(HttpResponse(404))
    second, answer = sent[1]
    assert (second.method, second.body, second.headers) == ("PUT", b"\1", (("X-B", "2"),))
    answer(HttpResponse(500, body=b"done"))
    assert text_of(results[0]) == "404 500"
    assert [note.text for note in database.tables.note] == ["done"]


def test_no_answer_is_an_exception_in_the_procedure() -> None:
    database, sent = make()
    caught, uncaught = call(database, "get_or", "http://h/"), call(database, "get", "http://h/")
    for _, answer in sent:
        answer(HttpFailed("nobody there"))
    assert text_of(caught[0]) == "failed: nobody there"
    assert uncaught[0].value is None
    assert "nobody there" in uncaught[0].text


def test_a_server_without_a_fetcher_sends_nothing() -> None:
    database, _ = make(fetches=False)
    [outcome] = call(database, "get_or", "http://h/")
    assert text_of(outcome) == "failed: this server sends no HTTP requests"


def test_no_request_inside_a_transaction() -> None:
    database, sent = make()
    [outcome] = call(database, "inside")
    assert "cannot send HTTP requests inside a transaction" in outcome.text
    assert sent == []


def test_a_host_gives_its_fetcher_to_its_databases() -> None:
    def fetcher(request: Fetch, answer: Any) -> None:
        pytest.fail("nothing is sent")

    database = make_host(fetcher=fetcher).add(Module(), "x", now=0.0)
    assert database.fetcher is fetcher
