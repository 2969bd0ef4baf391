"""What a 2.x server answers to plain HTTP requests: as an official 2.8.3 did.

The 2.14.0 server that CI tests on has an HTTP front of its own; this is what keeps it honest.
The names stand for what differs with each run: of two people, ann, who owns the database, and bob.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from tests.live.target import Target

pytestmark = [
    pytest.mark.since("2.0", "the answers are those of 2.8.3"),
    pytest.mark.wasm,
]

NOBODY = "c2" * 32
JSON = {"Content-Type": "application/json"}
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
OFFERED = {"Sec-WebSocket-Protocol": "v1.json.spacetimedb, v2.bsatn.spacetimedb"}
REFUSED = "{bob} is not authorized to perform action on database {dbid}: "
ARGUMENTS = "invalid arguments for reducer insert_one_u_8: "

#: Who asks what, and how the answer begins. The body WASM is the module.
IDENTITIES: list[tuple[str, str, str, Any, int, str]] = [
    ("nobody", "GET", "/v1/ping", None, 200, ""),
    ("nonsense", "GET", "/v1/ping", None, 401, "Invalid token: InvalidToken"),
    ("nobody", "GET", "/v1/identity/public-key", None, 200, "-----BEGIN PUBLIC KEY-----"),
    ("ann", "GET", "/v1/identity/{ann}/verify", None, 204, ""),
    ("bob", "GET", "/v1/identity/{ann}/verify", None, 400, ""),
    ("nobody", "GET", "/v1/identity/{ann}/verify", None, 401, "Authorization required"),
    ("ann", "GET", "/v1/identity/xyz/verify", None, 400, "Invalid URL: "),
    ("ann", "POST", "/v1/identity/websocket-token", None, 200, '{"token":"'),
    ("nobody", "POST", "/v1/identity/websocket-token", None, 401, "Authorization required"),
]
PUBLISHING: list[tuple[str, str, str, Any, int, str]] = [
    ("nobody", "GET", "{db}", None, 404, "`{name}` not found"),
    ("nobody", "GET", "{db}/identity", None, 404, "`{name}` not found"),
    ("nobody", "POST", "{db}/sql", "SELECT 1", 404, "`{name}` not found"),
    ("ann", "DELETE", "{db}", None, 404, "`{name}` not found"),
    ("nobody", "GET", f"/v1/database/{NOBODY}", None, 404, "No such database."),
    ("ann", "PUT", "/v1/database/Bad_Name", b"x", 400, "Invalid URL: invalid characters in "),
    ("ann", "PUT", "{db}", b"garbage", 500, "failed to parse WebAssembly module: magic header"),
    ("nobody", "GET", "{db}", None, 404, "No such database."),
    ("ann", "PUT", "{db}?clear=true", "WASM", 200, '{"Success":{"domain":"{name}",'),
    ("ann", "PUT", "{db}", "WASM", 200, '{"Success":{"domain":"{name}",'),
    ("bob", "PUT", "{db}", "WASM", 403, REFUSED + "update database"),
    ("bob", "PUT", "{db}?clear=true", "WASM", 403, REFUSED + "reset database"),
    ("ann", "PUT", "{db}?policy=BreakClients", "WASM", 400, "Migration policy is set to "),
    ("ann", "PUT", "{db}?policy=x", "WASM", 400, "Failed to deserialize query string: unknown"),
    ("ann", "PUT", "{db}?host_type=Perl", "WASM", 400, "Failed to deserialize query string: "),
    ("ann", "PUT", "{db}", b"garbage", 500, "failed to parse WebAssembly module: magic header"),
    ("nonsense", "PUT", "{db}", b"x", 401, "Invalid token: InvalidToken"),
    ("ann", "POST", "{db}/pre_publish?style=NoColor", "WASM", 200, '{"AutoMigrate":{'),
    ("bob", "POST", "{db}/pre_publish", "WASM", 403, REFUSED + "update database"),
    ("ann", "GET", "{db}/names", None, 200, '{"names":["{name}"]}'),
    ("nobody", "GET", "/v1/identity/{ann}/databases", None, 200, '{"identities":["'),
    ("nobody", "GET", "{db}/schema?version=9", None, 200, '{"typespace":'),
    ("nobody", "GET", "{db}/schema?version=10", None, 200, '{"sections":'),
    ("nobody", "GET", "{db}/schema?version=8", None, 400, "Failed to deserialize query string: "),
    ("nobody", "GET", "{db}/schema", None, 400, "Failed to deserialize query string: missing "),
]
CALLS: list[tuple[str, str, str, Any, int, str]] = [
    ("bob", "POST", "{db}/call/insert_one_u_8", "[7]", 200, ""),
    ("nobody", "POST", "{db}/call/insert_one_u_8", "[8]", 200, ""),
    ("bob", "POST", "{db}/call/insert_one_u_8", b"\xff", 400, "Request body didn't contain valid"),
    ("bob", "POST", "{db}/call/insert_one_u_8", "[]", 400, ARGUMENTS + ".: "),
    ("bob", "POST", "{db}/call/insert_one_u_8", "[256]", 400, ARGUMENTS + "[0]: "),
    ("bob", "POST", "{db}/call/insert_one_u_8", '["x"]', 400, ARGUMENTS + "[0]: "),
    ("bob", "POST", "{db}/call/insert_one_u_8", "[7,8]", 400, ARGUMENTS + ".: "),
    ("bob", "POST", "{db}/call/insert_one_u_8", "null", 400, ARGUMENTS + ".: "),
    ("bob", "POST", "{db}/call/insert_one_u_8", "", 400, ARGUMENTS + ".: "),
    ("bob", "POST", "{db}/call/nothing_here", "[]", 404, "No such procedure"),
    ("bob", "POST", "{db}/call/client_connected", "[]", 400, "can't directly call special "),
    ("bob", "POST", "{db}/call/on_timer", "[]", 404, "No such procedure"),
    ("bob", "POST", "{db}/call/send_message", '[""]', 530, "Messages must not be empty"),
    ("bob", "POST", "{db}/call/panic_after_insert", '["no"]', 530, "The instance encountered a "),
    ("bob", "POST", "{db}/call/add", "[2,3]", 200, "5"),
    ("bob", "POST", "{db}/call/add", '["x"]', 400, "invalid arguments for procedure add: [0]: "),
    ("bob", "POST", "{db}/call/panic_procedure", '["x"]', 500, "The module instance encountered"),
    ("bob", "GET", "{db}/call/add", None, 405, ""),
    ("bob", "GET", "{db}/logs", None, 403, REFUSED + "view module logs"),
    ("ann", "GET", "{db}/logs?num_lines=1", None, 200, '{"level":"Info",'),  # of who went
]
SQL: list[tuple[str, str, str, Any, int, str]] = [
    ("bob", "POST", "{db}/sql", "SELECT * FROM one_u_8", 200, '[{"schema":{"elements":['),
    ("bob", "POST", "{db}/sql", "SELECT", 400, "sql parser error: Expected an expression"),
    ("bob", "POST", "{db}/sql", "", 400, "Empty SQL query"),
    ("bob", "POST", "{db}/sql", "SELECT * FROM nowhere", 400, "no such table: `nowhere`."),
    ("bob", "POST", "{db}/sql", "SELECT * FROM secret", 400, "no such table: `secret`."),
    ("ann", "POST", "{db}/sql", "SELECT * FROM secret", 200, '[{"schema":'),
    ("bob", "POST", "{db}/sql", "DELETE FROM one_u_8", 400, "Caller {bob} is not authorized to "),
    ("ann", "POST", "{db}/sql", "DELETE FROM one_u_8", 200, '[{"schema":{"elements":[]},'),
    ("ann", "POST", "{db}/sql", "SELECT 1; SELECT 2", 400, "Multiple SQL statements are not "),
    ("ann", "POST", "{db}/sql?confirmed=maybe", "SELECT 1", 400, "Failed to deserialize query "),
]
HANDSHAKE: list[tuple[dict[str, str], str, int, str]] = [
    ({}, "", 426, "This service requires use of the websocket protocol"),
    (WEBSOCKET, "", 400, "no valid protocol selected"),
    (WEBSOCKET | {"Sec-WebSocket-Protocol": "v9.x"}, "", 400, "no valid protocol selected"),
    (WEBSOCKET | OFFERED | {"Sec-WebSocket-Version": "8"}, "", 400, "`Sec-WebSocket-Version` "),
    (WEBSOCKET | OFFERED, "", 101, "v2.bsatn.spacetimedb"),
    (WEBSOCKET | OFFERED, "?what=ever", 101, "v2.bsatn.spacetimedb"),
    (WEBSOCKET | OFFERED, "?compression=Zip", 400, "Failed to deserialize query string: "),
    (WEBSOCKET | OFFERED, "?light=maybe", 400, "Failed to deserialize query string: "),
    (WEBSOCKET | OFFERED, "?connection_id=0", 400, "Failed to deserialize query string: "),
    (WEBSOCKET | OFFERED, "?connection_id=" + "0" * 32, 400, "Invalid connection ID: "),
    (WEBSOCKET | OFFERED, "?token=nonsense", 401, "Invalid token: InvalidToken"),
    (WEBSOCKET | OFFERED | {"Authorization": "Basic eA=="}, "", 400, "Authorization is invalid"),
]
NAMES: list[tuple[str, str, str, Any, int, str]] = [
    ("ann", "POST", "{db}/names", "Bad Name", 400, "invalid characters in database name"),
    ("ann", "POST", "{db}/names", "other-{name}", 200, '{"Success":{"domain":"other-{name}",'),
    ("bob", "PUT", "{db}/names", '["x"]', 401, '{"NotYourDatabase":{"database":"{dbid}"}}'),
    ("ann", "PUT", "{db}/names", '["{name}"]', 400, '{"OtherError":"Cannot rename to {name} '),
    ("nobody", "GET", "{db}/route/x", None, 404, "Database has not registered a handler for "),
    ("bob", "POST", "{db}/lock", None, 403, REFUSED + "delete database"),
    ("ann", "POST", "{db}/lock", None, 200, ""),
    ("ann", "DELETE", "{db}", None, 403, "Database is locked and cannot be deleted."),
    ("ann", "PUT", "{db}?clear=true", "WASM", 403, "Database is locked and cannot be reset"),
    ("ann", "POST", "{db}/unlock", None, 200, ""),
    ("ann", "PUT", "{db}/reset", None, 500, "failed to parse WebAssembly module: "),
    ("bob", "DELETE", "{db}", None, 403, REFUSED + "delete database"),
    ("ann", "DELETE", "{db}", None, 200, ""),
    ("nobody", "GET", "{db}", None, 404, "No such database."),
    ("nobody", "GET", "{db}/identity", None, 200, "{dbid}"),
    ("ann", "DELETE", "{db}", None, 200, ""),
]


class Answers:
    """Asks a server, and knows what the names in paths and texts stand for."""

    def __init__(self, target: Target) -> None:
        assert target.wasm is not None
        self.host = urlsplit(target.url).netloc
        self.wasm = target.wasm.read_bytes()
        self.tokens = {"nonsense": "nonsense"}
        name = f"answers-{time.time_ns()}"
        self.names = {"name": name, "db": f"/v1/database/{name}"}
        for who in ("ann", "bob"):
            status, _, text = self.ask("POST", "/v1/identity")
            assert status == 200
            made = json.loads(text)
            self.tokens[who], self.names[who] = made["token"], made["identity"]

    def fill(self, text: str) -> str:
        if "{dbid}" in text and "dbid" not in self.names:
            self.names["dbid"] = self.ask("GET", f"{self.names['db']}/identity")[2]
        return re.sub(r"\{(\w+)\}", lambda found: self.names[found[1]], text)

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, str]:
        # A request that is refused before its body was read may meet the closed connection while it
        # is sent, and the reset may overtake the answer. Nothing was done then: it is asked again.
        for is_last in (False, False, False, False, True):
            connection = http.client.HTTPConnection(self.host, timeout=120)
            try:
                connection.request(method, path, body, headers or {})
                answer = connection.getresponse()
                text = "" if answer.status == 101 else answer.read().decode()
                return answer.status, answer.headers, text
            except ConnectionError:
                if is_last:
                    raise
            finally:
                connection.close()
        raise AssertionError("the last attempt raises")

    def differing(self, table: list[tuple[str, str, str, Any, int, str]]) -> list[str]:
        """Ask everything in a table; return what is answered otherwise."""
        wrong = []
        for who, method, path, body, status, text in table:
            headers = dict(JSON) if "/call/" in path or path.endswith("/names") else {}
            if who in self.tokens:
                headers["Authorization"] = f"Bearer {self.tokens[who]}"
            if isinstance(body, str):
                body = self.wasm if body == "WASM" else self.fill(body)
            found, _, answer = self.ask(method, self.fill(path), body, headers)
            if found != status or not answer.startswith(self.fill(text)) or (not text and answer):
                wrong.append(f"{who}: {method} {path}: {found} {answer[:200]}, not {status} {text}")
        return wrong


def test_answers(whole_target: Target) -> None:
    answers = Answers(whole_target)
    assert answers.differing(IDENTITIES) == []
    assert answers.differing(PUBLISHING) == []
    database = answers.names["db"]
    assert answers.differing(CALLS) == []
    assert answers.differing(SQL) == []
    for headers, query, status, text in HANDSHAKE:
        found, sent, answer = answers.ask("GET", f"{database}/subscribe{query}", None, headers)
        said = sent["Sec-WebSocket-Protocol"] if found == 101 else answer
        assert (found, said[: len(text)]) == (status, text), (headers, query)
    assert answers.differing(NAMES) == []


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json; charset=utf-8"])
def test_a_call_wants_json(whole_target: Target, content_type: str | None) -> None:
    answers = Answers(whole_target)
    path = f"/v1/database/{whole_target.database}/call/no_op"
    headers = {} if content_type is None else {"Content-Type": content_type}
    status, _, text = answers.ask("POST", path, "[]", headers)
    if content_type is None:
        assert (status, text) == (400, "Header of type `content-type` was missing")
    else:
        assert (status, text) == (415, "Expected request with `Content-Type: application/json`")


def test_any_origin_may_ask(whole_target: Target) -> None:
    _, headers, _ = Answers(whole_target).ask("GET", "/v1/ping")
    assert headers["Access-Control-Allow-Origin"] == "*"


class Frames:
    """A WebSocket on v1.json that only listens."""

    def __init__(self, answers: Answers, database: str, session: str) -> None:
        host, port = answers.host.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        headers = WEBSOCKET | {
            "Host": host,
            "Sec-WebSocket-Protocol": "v1.json.spacetimedb",
            "Authorization": f"Bearer {answers.tokens['ann']}",
        }
        lines = [f"GET /v1/database/{database}/subscribe?session_id={session} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.stream = self.socket.makefile("rb")
        self.status = int(self.stream.readline().split()[1])
        while self.stream.readline() != b"\r\n":
            pass

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self.socket.close()

    def first(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame that is no ping; opcode -1 at the end."""
        while head := self.stream.read(2):
            opcode, length = head[0] & 15, head[1] & 127
            if length == 126:
                length = int.from_bytes(self.stream.read(2))
            payload = self.stream.read(length)
            if opcode != 9:
                return opcode, payload
        return -1, b""


@pytest.mark.since("2.11", "there are no sessions")
def test_a_session_has_one_connection(whole_target: Target) -> None:
    """The newcomer is told to come again, the holder is stopped without a word."""
    answers, session = Answers(whole_target), f"{time.time_ns():032x}"
    with Frames(answers, whole_target.database, session) as holder:
        assert (holder.status, holder.first()[0]) == (101, 1)
        with Frames(answers, whole_target.database, session) as refused:
            assert refused.status == 101
            opcode, payload = refused.first()
            assert (opcode, int.from_bytes(payload[:2])) == (8, 4000)
        assert holder.first() == (-1, b"")
        deadline = time.monotonic() + PATIENCE
        while True:
            with Frames(answers, whole_target.database, session) as third:
                if third.first()[0] == 1:
                    break
            assert time.monotonic() < deadline


@pytest.mark.since("2.11", "there are no sessions")
@pytest.mark.parametrize("session", ["", "xyz", "+1", "0" * 33])
def test_a_session_is_a_number_in_hex(whole_target: Target, session: str) -> None:
    path = f"/v1/database/{whole_target.database}/subscribe?session_id={session}"
    status, _, _ = Answers(whole_target).ask("GET", path, None, WEBSOCKET | OFFERED)
    assert status == 400
