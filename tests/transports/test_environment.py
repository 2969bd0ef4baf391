"""Environment variables over HTTP: both clients against the embedded server, and against made-up answers."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Literal

import anyio
import pytest

from spacetime_proto.errors import (
    AuthError,
    DatabaseNotFound,
    DecodeError,
    EnvironmentConflict,
    HttpError,
    LocalProtocolError,
    MissingEnvironment,
)
from spacetime_proto.schema.model import EnvironmentDef
from spacetime_proto.server import Module, ViewContext, column
from spacetime_proto.wire.headers import Headers
from spacetime_proto.wire.http_exchange import HttpResponse
from spacetime_transports.http import AsyncHttpClient, EnvironmentMetadata, HttpClient, publishing
from spacetime_transports.server import ThreadServer, serve_in_thread
from tests.support.mock_http import MockServer, mock_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spacetime_transports.http.operations import Operation

SECRET = "s3cret value"
HEX = "c2" * 32


def make_module() -> Module:
    module = Module()

    @module.environment
    class Variables:
        MODE: Literal["dev", "prod"]
        API_KEY: str | None

    @module.table(public=True)
    class Setting:
        name: str = column(primary_key=True)
        value: str

    @module.view(anonymous=True)
    def settings(ctx: ViewContext) -> list[Setting]:
        return [Setting(name="mode", value=ctx.env.MODE)]

    return module


@pytest.fixture
def server() -> Iterator[ThreadServer]:
    with serve_in_thread(make_module(), database="db", environment={"MODE": "dev"}) as server:
        yield server


@pytest.fixture
def mock() -> Iterator[MockServer]:
    with mock_server() as mock:
        yield mock


@pytest.fixture(params=["blocking", "asyncio", "trio"])
def call(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return what runs one method of a client of each colour."""

    def run(url: str, token: str | None, method: str, *args: Any, **named: Any) -> Any:
        if request.param == "blocking":
            return getattr(HttpClient(url, token=token), method)(*args, **named)

        async def ask() -> Any:
            return await getattr(AsyncHttpClient(url, token=token), method)(*args, **named)

        return anyio.run(ask, backend=request.param)

    return run


# --- against the embedded server --------------------------------------------------------------


def test_variables_are_looked_at_set_removed_and_replaced(
    call: Callable[..., Any], server: ThreadServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = server.server.owner_token

    def ask(method: str, *args: Any, **named: Any) -> Any:
        return call(server.url, token, method, "db", *args, **named)

    before = ask("environment")
    assert before.stored_keys == ("MODE",)
    assert before.declarations == (
        EnvironmentDef("API_KEY", "string", optional=True),
        EnvironmentDef("MODE", "union", ("dev", "prod")),
    )
    ask("update_environment", {"API_KEY": SECRET, "OLD": "x"})
    assert ask("environment").stored_keys == ("API_KEY", "MODE", "OLD")
    ask("update_environment", {"MODE": "prod"}, remove=["OLD"])
    rows = ask("sql", "SELECT key, value FROM st_env").to_dicts()
    assert {row["key"]: row["value"] for row in rows} == {"MODE": "prod", "API_KEY": SECRET}
    assert ask("sql", "SELECT * FROM settings")[0].value == "prod"
    known = before.module_hash
    ask("update_environment", {"MODE": "dev"}, remove="all", expected_module_hash=known)
    assert ask("environment").stored_keys == ("MODE",)
    with pytest.raises(MissingEnvironment, match="requires a value for 'MODE'") as missing:
        ask("update_environment", {"API_KEY": SECRET}, remove=["MODE"])
    assert (missing.value.keys, missing.value.status) == (("MODE",), 400)
    with pytest.raises(EnvironmentConflict, match="another module was published") as conflict:
        ask("update_environment", {}, expected_module_hash="0x00")
    assert conflict.value.status == 409
    with pytest.raises(HttpError, match='"MODE": value does not satisfy') as unfit:
        ask("update_environment", {"MODE": SECRET})
    with pytest.raises(AuthError):
        call(server.url, None, "environment", "db")
    with pytest.raises(DatabaseNotFound):
        call(server.url, token, "update_environment", "nope", {})
    told = [caplog.text, *(f"{e.value!r} {vars(e.value)}" for e in (missing, conflict, unfit))]
    assert SECRET not in "".join(told)
    assert "/environment" in caplog.text


def test_a_module_is_not_served_without_what_it_requires() -> None:
    for given in ({}, {"MODE": SECRET}):
        with (
            pytest.raises(LocalProtocolError, match='environment key "MODE"') as raised,
            serve_in_thread(make_module(), environment=given),
        ):
            raise AssertionError
        assert SECRET not in str(raised.value)


def test_a_database_that_goes_on_keeps_its_variables(server: ThreadServer) -> None:
    database = server.server.database
    with serve_in_thread(database, environment={"API_KEY": "k"}) as again:
        client = HttpClient(again.url, token=again.server.owner_token)
        assert client.environment("db").stored_keys == ("API_KEY", "MODE")


# --- requests ---------------------------------------------------------------------------------


def test_publishing_sends_values_in_headers(call: Callable[..., Any], mock: MockServer) -> None:
    published = {"Success": {"domain": "x", "database_identity": HEX, "op": "updated"}}
    mock.handler = lambda request: HttpResponse(200, body=json.dumps(published).encode())
    call(
        mock.url,
        None,
        "publish",
        "x",
        b"\0asm",
        environment={"B": SECRET, "A": "1"},
        remove_environment=["C", "D"],
    )
    [request] = mock.requests
    assert request.headers.get_all("spacetime-environment") == ["A=1", f'B="{SECRET}"']
    assert request.headers.get("spacetime-environment-remove") == "C, D"
    assert request.headers.get("content-type") == "application/wasm"
    sent = publishing.publish("x", b"", environment={"B": SECRET}).request
    assert SECRET not in f"{sent!r} {sent.headers!r}"
    assert "spacetime-environment" in repr(sent.headers)


@pytest.mark.parametrize(
    ("operation", "line", "headers", "body"),
    [
        (publishing.environment("a/b"), "GET /v1/database/a%2Fb/environment", {}, b""),
        (
            publishing.update_environment("x", {"A": "\u20ac"}, expected_module_hash="0x1"),
            "PATCH /v1/database/x/environment?expected_module_hash=0x1",
            {"Content-Type": "application/json"},
            b'{"A": "\\u20ac"}',
        ),
        (
            publishing.update_environment("x", {}, remove=["A"], expected_module_hash="0x1"),
            "PATCH /v1/database/x/environment?expected_module_hash=0x1",
            {"Content-Type": "application/json", "spacetime-environment-remove": "A"},
            b"{}",
        ),
        (
            publishing.update_environment("x", {}, remove="all", expected_module_hash="0x1"),
            "PUT /v1/database/x/environment?expected_module_hash=0x1",
            {"Content-Type": "application/json"},
            b"{}",
        ),
        (publishing.update_environment("x", {"A": "1"}), "GET /v1/database/x/environment", {}, b""),
    ],
)
def test_requests(
    operation: Operation[Any], line: str, headers: dict[str, str], body: bytes
) -> None:
    request = operation.request
    assert f"{request.method} {request.target}" == line
    assert request.headers == Headers(headers)
    assert request.body == body


@pytest.mark.parametrize(
    ("values", "remove", "text"),
    [
        ({"A": 5}, (), "the value must be a str, not int"),
        ({"1": SECRET}, (), "invalid name"),
        ({"A": SECRET}, ["A"], "set and removed at once: A"),
        ({}, "A", "a list of them"),
        ([("A", SECRET)], (), "a mapping of str to str, not list"),
    ],
)
def test_what_is_refused_before_it_is_sent(values: Any, remove: Any, text: str) -> None:
    for make in (
        lambda: publishing.publish("x", b"", environment=values, remove_environment=remove),
        lambda: publishing.update_environment("x", values, remove=remove, expected_module_hash=""),
        lambda: publishing.update_environment("x", values, remove=remove),
    ):
        with pytest.raises(LocalProtocolError, match=text) as raised:
            make()
        assert SECRET not in str(raised.value)


# --- answers ----------------------------------------------------------------------------------


def answer(operation: Operation[Any], body: Any = b"", status: int = 200) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return operation.result(HttpResponse(status, body=data))


MISSING = {"MissingRequiredEnvironment": {"keys": ["A", "\x1b[2J"]}}
PUBLISH = publishing.publish("x", b"")
CHANGE = publishing.update_environment("x", {}, expected_module_hash="0x1")


@pytest.mark.parametrize(
    ("operation", "body", "status", "error", "text"),
    [
        (PUBLISH, {"EnvironmentError": MISSING}, 400, MissingEnvironment, r"'A', '\\x1b\[2J'"),
        (
            PUBLISH,
            {"EnvironmentError": "VersionConflict"},
            409,
            EnvironmentConflict,
            "publishing x",
        ),
        (PUBLISH, {"Err": MISSING}, 400, HttpError, "publishing x failed"),
        (PUBLISH, b"locked", 409, HttpError, "failed with HTTP status 409: locked"),
        (PUBLISH, {"EnvironmentError": 5}, 400, HttpError, "status 400"),
        (CHANGE, {"Err": MISSING}, 400, MissingEnvironment, "the environment of x"),
        (CHANGE, {"Err": {"VersionConflict": "t"}}, 200, EnvironmentConflict, "another module"),
        (CHANGE, b"reload", 409, EnvironmentConflict, "ask for the metadata again"),
        (CHANGE, b"", 404, HttpError, "came with SpacetimeDB 2.11"),
        (CHANGE, b"`x` not found", 404, DatabaseNotFound, "`x` not found"),
        (CHANGE, b"nope", 200, DecodeError, "not valid JSON"),
        (publishing.environment("x"), b"", 404, HttpError, "came with SpacetimeDB 2.11"),
        (publishing.environment("x"), {"module_hash": 5}, 200, DecodeError, "module_hash"),
    ],
)
def test_refusals(
    operation: Operation[Any], body: Any, status: int, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text) as raised:
        answer(operation, body, status)
    assert type(raised.value) is error


def test_metadata_of_a_newer_server() -> None:
    found = answer(
        publishing.environment("x"),
        {
            "module_hash": "0x1",
            "declarations": [
                {"name": "A", "ty": "String", "optional": False},
                {"name": "B", "ty": {"StringLiteral": "b"}, "optional": True},
                {"name": "C", "ty": {"Union": ["c", "d"]}, "optional": True},
                {"name": "D", "ty": {"Number": {"max": 5}}, "optional": True},
            ],
            "stored_keys": ["A", "Z"],
            "more": 5,
        },
    )
    assert found == EnvironmentMetadata(
        "0x1",
        (
            EnvironmentDef("A", "string"),
            EnvironmentDef("B", "literal", ("b",), optional=True),
            EnvironmentDef("C", "union", ("c", "d"), optional=True),
            EnvironmentDef("D", "string", optional=True),
        ),
        ("A", "Z"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "error: unknown tag 0xf for sum type RawModuleDefV10Section, expected 0..14",
        "error: unknown tag 0x3 for sum type ExplicitNameEntry",
        "first line\nabi version 10.6 is not supported (host implements 10.5)",
    ],
)
def test_a_module_for_a_newer_server_than_this(text: str) -> None:
    with pytest.raises(
        HttpError, match=r"built for a newer SpacetimeDB than this server"
    ) as raised:
        answer(PUBLISH, text.encode(), 500)
    assert (raised.value.status, raised.value.body) == (500, text)
    with pytest.raises(HttpError) as other:
        answer(PUBLISH, b"unknown tag 0xf for sum type Other", 500)
    assert "newer" not in str(other.value)
