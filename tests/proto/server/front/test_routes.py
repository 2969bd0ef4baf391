"""`routes`: the HTTP answers of docs/protocol.md section 7."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from spacetime_proto.schema.load import load_schema
from spacetime_proto.server import U8, Context, Host, Module, ProcedureContext
from spacetime_proto.server.front.routes import BadRequest, database_of, respond
from spacetime_proto.types import Identity
from spacetime_proto.wire.headers import Headers
from spacetime_proto.wire.http_exchange import HttpRequest, HttpResponse
from tests.proto.server.support import NOW, identity, make_host

JSON = {"content-type": "application/json"}


def make() -> tuple[Host, Identity, str]:
    """Return a host with the database "db", and its owner's identity and token."""
    module = Module()

    @module.environment
    class Variables:
        MODE: Literal["dev", "prod"]
        KIND: Literal["x"] | None
        NAME: str | None

    @module.table(public=True)
    class Item:
        size: U8
        name: str | None

    @module.client_connected
    def hello(ctx: Context) -> None:
        ctx.log(f"hello {ctx.connection_id is not None}")
        if ctx.db.item.count() > 2:
            raise ValueError("full")

    @module.client_disconnected
    def goodbye(ctx: Context) -> None:
        ctx.log("goodbye", level="Warn")

    @module.reducer
    def put(ctx: Context, size: U8) -> None:
        if not size:
            raise ValueError("too small")
        if size == 255:
            raise ZeroDivisionError
        ctx.db.item.insert(Item(size=size, name="n"))

    @module.procedure
    def double(ctx: ProcedureContext, a: U8) -> U8:
        return 2 * a

    @module.procedure
    async def slow(ctx: ProcedureContext) -> None:
        await ctx.sleep(1)

    host = make_host()
    claims, token = host.mint(NOW)
    host.add(module, "db", now=0.0, owner=claims.identity, environment={"MODE": "dev"})
    return host, claims.identity, token


def ask(
    host: Host,
    method: str,
    target: str,
    body: str | bytes = b"",
    *,
    token: str | None = None,
    headers: dict[str, str] | None = None,
) -> HttpResponse:
    fields = dict(headers or {})
    if token is not None:
        fields["authorization"] = f"Bearer {token}"
    data = body.encode() if isinstance(body, str) else body
    return respond(host, HttpRequest(method, target, Headers(fields), data), 0.0)


def test_server_routes() -> None:
    host, owner, token = make()
    assert (ask(host, "GET", "/v1/ping").status, ask(host, "GET", "/v1/ping").body) == (200, b"")
    assert json.loads(ask(host, "GET", "/v1/health").body)["version"] == "2.14.0"
    made = json.loads(ask(host, "POST", "/v1/identity").body)
    assert host.verify(made["token"], NOW).hex_identity == made["identity"]
    key = ask(host, "GET", "/v1/identity/public-key")
    assert key.headers.get("content-type") == "application/pem-certificate-chain"
    short = json.loads(ask(host, "POST", "/v1/identity/websocket-token", token=token).body)
    assert host.verify(short["token"], NOW).identity == owner
    refusal = ask(host, "POST", "/v1/identity/websocket-token")
    assert (refusal.status, refusal.text) == (401, "Authorization required")
    assert ask(host, "GET", f"/v1/identity/{owner}/verify", token=token).status == 204
    assert ask(host, "GET", f"/v1/identity/{identity(9)}/verify", token=token).status == 400
    assert ask(host, "GET", f"/v1/identity/{owner}/verify").status == 401
    assert ask(host, "GET", "/v1/identity/zz/verify", token=token).status == 400
    owned = json.loads(ask(host, "GET", f"/v1/identity/{owner}/databases").body)
    assert owned == {"identities": [host.databases["db"].identity.to_hex()]}


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/nope", 404),
        ("GET", "/v2/ping", 404),
        ("POST", "/v1/ping", 405),
        ("GET", "/v1/database/db/subscribe", 426),
        ("POST", "/v1/database/db/subscribe", 405),
        ("OPTIONS", "/anything", 200),
        ("POST", "/v1/database", 501),
        ("PUT", "/v1/database/db", 501),
        ("GET", "/v1/database/db/schema", 400),
        ("GET", "/v1/database/db/schema?version=11", 400),
        ("GET", "/v1/database/nope/schema?version=10", 404),
    ],
)
def test_statuses(method: str, target: str, status: int) -> None:
    assert ask(make()[0], method, target).status == status


def test_unknown_databases() -> None:
    host = make()[0]
    assert ask(host, "GET", "/v1/database/no%20pe/names").text == "`no pe` not found"
    assert ask(host, "GET", f"/v1/database/{'0' * 64}/names").text == "No such database."


def test_bad_tokens() -> None:
    host, _, token = make()
    answer = ask(host, "GET", "/v1/database/db/names", headers={"authorization": "Basic x"})
    assert (answer.status, answer.text) == (400, "Authorization is invalid: malformed token")
    answer = ask(host, "GET", "/v1/database/db/names", token="a.b.c")
    assert answer.status == 401
    assert "spacetime-identity" not in answer.headers
    assert ask(host, "GET", f"/v1/database/db/names?token={token}").status == 200


def test_database_routes_say_who_one_is() -> None:
    host, owner, token = make()
    known = ask(host, "GET", "/v1/database/db/names", token=token)
    assert known.headers.get("spacetime-identity") == owner.to_hex()
    assert known.headers.get("spacetime-identity-token") == token
    new = ask(host, "GET", "/v1/database/nope/names")
    assert host.verify(new.headers.get("spacetime-identity-token") or "", NOW)


def test_facts_of_a_database() -> None:
    host, owner, _ = make()
    database = host.databases["db"]
    info = json.loads(ask(host, "GET", "/v1/database/db").body)
    assert info["owner_identity"] == {"__identity__": f"0x{owner}"}
    assert info["host_type"] == {"Wasm": []}
    database.owner = None
    info = json.loads(ask(host, "GET", "/v1/database/db").body)
    assert info["owner_identity"] == {"__identity__": f"0x{database.identity}"}
    assert ask(host, "GET", "/v1/database/db/identity").text == database.identity.to_hex()
    assert json.loads(ask(host, "GET", "/v1/database/db/names").body) == {"names": ["db"]}
    time = json.loads(ask(host, "GET", "/v1/database/db/unstable/timestamp").body)
    assert time == {"__timestamp_micros_since_unix_epoch__": NOW.micros_since_unix_epoch}


@pytest.mark.parametrize("version", [9, 10])
def test_the_schema(version: int) -> None:
    host = make()[0]
    answer = ask(host, "GET", f"/v1/database/db/schema?version={version}")
    definition = load_schema(answer.body)
    assert [table.name for table in definition.tables] == ["item"]
    assert {reducer.name for reducer in definition.reducers} == {"hello", "goodbye", "put"}


def call(host: Host, name: str, args: str | bytes, **options: Any) -> tuple[int, str]:
    answer = ask(host, "POST", f"/v1/database/db/call/{name}", args, headers=JSON, **options)
    return answer.status, answer.text


def test_calling_reducers() -> None:
    host = make()[0]
    assert call(host, "put", "[5]") == (200, "")
    assert call(host, "put", '{"size": 6}') == (200, "")
    assert call(host, "put", "[0]") == (530, "too small")
    assert call(host, "put", "[255]") == (530, "The instance encountered a fatal error.")
    status, text = call(host, "put", "[]")
    assert (status, text[:36]) == (400, "invalid arguments for reducer put: .")
    assert call(host, "put", b"\xff")[0] == 400
    assert call(host, "nope", "[]") == (404, "No such procedure")
    assert call(host, "hello", "[]")[0] == 400
    logs = [line.message for line in host.databases["db"].logs]
    assert logs[:2] == ["hello True", "goodbye"]
    headers = ask(host, "POST", "/v1/database/db/call/put", "[7]", headers=JSON).headers
    assert headers.get("spacetime-energy-used") == "0"
    assert call(host, "put", "[8]") == (403, "full")


def test_private_reducers_do_not_exist_for_others() -> None:
    module = Module()

    @module.reducer(private=True)
    def hidden(ctx: Context) -> None: ...

    host = make_host()
    host.add(module, "db", now=0.0)
    assert call(host, "hidden", "[]") == (404, "No such procedure")


def test_calling_procedures() -> None:
    host = make()[0]
    assert call(host, "double", "[21]") == (200, "42")
    assert call(host, "double", "[200]")[0] == 500
    assert call(host, "double", "[]")[0] == 400
    assert call(host, "slow", "[]")[0] == 501


def test_calls_need_a_content_type() -> None:
    host = make()[0]
    assert ask(host, "POST", "/v1/database/db/call/put", "[5]").status == 400
    plain = {"content-type": "text/plain"}
    assert ask(host, "POST", "/v1/database/db/call/put", "[5]", headers=plain).status == 415
    charset = {"content-type": "Application/JSON; charset=utf-8"}
    assert ask(host, "POST", "/v1/database/db/call/put", "[5]", headers=charset).status == 200


def test_sql() -> None:
    host, _, token = make()
    call(host, "put", "[5]")
    answer = ask(host, "POST", "/v1/database/db/sql", "SELECT * FROM item")
    [result] = json.loads(answer.body)
    assert result["rows"] == [[5, [0, "n"]]]
    assert [element["name"] for element in result["schema"]["elements"]] == [
        {"some": "size"},
        {"some": "name"},
    ]
    assert answer.headers.get("spacetime-execution-duration-micros") == "0"
    counted = ask(host, "POST", "/v1/database/db/sql", "SELECT COUNT(*) AS n FROM item")
    assert json.loads(counted.body)[0]["rows"] == [[1]]
    bad = ask(host, "POST", "/v1/database/db/sql", "SELEC")
    assert (bad.status, bad.text[:10]) == (400, "sql parser")
    assert ask(host, "POST", "/v1/database/db/sql", b"\xff").status == 400
    assert ask(host, "POST", "/v1/database/db/sql", "DELETE FROM item").status == 400
    deleted = ask(host, "POST", "/v1/database/db/sql", "DELETE FROM item", token=token)
    assert json.loads(deleted.body)[0]["stats"] == {
        "rows_inserted": 0,
        "rows_deleted": 1,
        "rows_updated": 0,
    }


def test_logs_are_for_the_owner() -> None:
    host, _, token = make()
    call(host, "put", "[5]")
    refusal = ask(host, "GET", "/v1/database/db/logs")
    assert refusal.status == 403
    assert "is not authorized to perform action on database" in refusal.text
    lines = ask(host, "GET", "/v1/database/db/logs", token=token).text.splitlines()
    assert [json.loads(line)["level"] for line in lines] == ["Info", "Warn"]
    for count, messages in ((1, ["goodbye"]), (9, ["hello True", "goodbye"]), (0, [])):
        answer = ask(host, "GET", f"/v1/database/db/logs?num_lines={count}", token=token)
        assert [json.loads(line)["message"] for line in answer.text.splitlines()] == messages
    assert ask(host, "GET", "/v1/database/db/logs?num_lines=x", token=token).status == 400


def test_the_owner_can_delete_the_database() -> None:
    host, _, token = make()
    assert ask(host, "DELETE", "/v1/database/db").status == 403
    assert ask(host, "DELETE", "/v1/database/db", token=token).status == 200
    assert ask(host, "GET", "/v1/database/db/names").status == 404


def test_a_path_without_a_database_has_none() -> None:
    host = make()[0]
    with pytest.raises(BadRequest) as caught:
        database_of(host, HttpRequest("GET", "/v1/subscribe"))
    assert caught.value.status == 404


ENVIRONMENT = "/v1/database/db/environment"


def test_the_metadata_of_the_environment_shows_no_value() -> None:
    host, _, token = make()
    answer = ask(host, "GET", ENVIRONMENT, token=token)
    found = json.loads(answer.body)
    assert found.pop("module_hash").startswith("0x")
    assert found == {
        "declarations": [
            {"name": "KIND", "ty": {"StringLiteral": "x"}, "optional": True},
            {"name": "MODE", "ty": {"Union": ["dev", "prod"]}, "optional": False},
            {"name": "NAME", "ty": "String", "optional": True},
        ],
        "stored_keys": ["MODE"],
    }
    assert ask(host, "GET", ENVIRONMENT).status == 403
    assert ask(host, "PATCH", f"{ENVIRONMENT}?expected_module_hash=0x", "{}").status == 403
    assert ask(host, "DELETE", ENVIRONMENT, token=token).status == 405


def change(
    host: Host, token: str, method: str, body: str, remove: str = "", module: str | None = None
) -> tuple[int, str]:
    if module is None:
        module = json.loads(ask(host, "GET", ENVIRONMENT, token=token).body)["module_hash"]
    headers = {"spacetime-environment-remove": remove} if remove else {}
    target = f"{ENVIRONMENT}?expected_module_hash={module}" if module else ENVIRONMENT
    answer = ask(host, method, target, body, token=token, headers=headers)
    return answer.status, answer.text


def stored(host: Host) -> dict[str, str]:
    return {row.key: row.value for row in host.databases["db"].environment.store.rows.values()}


def test_variables_are_set_removed_and_replaced() -> None:
    host, _, token = make()
    ok = (200, '{"Ok": null}')
    assert change(host, token, "PATCH", '{"NAME": "a", "OLD": "1"}') == ok
    assert stored(host) == {"MODE": "dev", "NAME": "a", "OLD": "1"}
    assert change(host, token, "PATCH", '{"MODE": "prod"}', "NAME, OLD") == ok
    assert stored(host) == {"MODE": "prod"}
    assert change(host, token, "PUT", '{"MODE": "dev", "B": ""}') == ok
    assert change(host, token, "PUT", '{"MODE": "dev"}') == ok
    assert stored(host) == {"MODE": "dev"}


@pytest.mark.parametrize(
    ("method", "body", "remove", "module", "status", "text"),
    [
        ("PUT", "{}", "", None, 400, '{"Err": {"MissingRequiredEnvironment": {"keys": ["MODE"]}}}'),
        ("PATCH", '{"MODE": "x"}', "", None, 400, 'environment key "MODE": value does not satisfy'),
        ("PATCH", '{"NAME": 5}', "", None, 400, "no JSON object of strings"),
        ("PATCH", "[]", "", None, 400, "no JSON object of strings"),
        ("PATCH", "nope", "", None, 400, "no JSON object of strings"),
        ("PATCH", "{}", "*", None, 400, "PUT"),
        ("PATCH", "{}", "A B", None, 400, "spacetime-environment-remove"),
        ("PATCH", '{"A": "1"}', "A", None, 400, "conflicting environment update operations"),
        ("PATCH", "{}", "", "0x7", 409, "database program changed before publication; reload"),
        ("PATCH", "{}", "", "", 400, "missing field `expected_module_hash`"),
    ],
)
def test_changes_of_the_environment_that_are_refused(
    method: str, body: str, remove: str, module: str | None, status: int, text: str
) -> None:
    host, _, token = make()
    answer = change(host, token, method, body, remove, module)
    assert answer[0] == status
    assert text in answer[1]
    assert stored(host) == {"MODE": "dev"}
