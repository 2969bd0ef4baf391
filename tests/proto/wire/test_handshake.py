from __future__ import annotations

import base64
import re

import pytest

from spacetime_proto.errors import (
    AuthError,
    ConnectError,
    DatabaseNotFound,
    HandshakeError,
    LocalProtocolError,
)
from spacetime_proto.wire.handshake import (
    ClientHandshake,
    accept_token,
    gateway_words,
    refusal,
    upgrade_problem,
    upgrade_response,
)
from spacetime_proto.wire.headers import Headers
from spacetime_proto.wire.http_exchange import HttpRequest

NONCE = bytes(range(16))
KEY = base64.b64encode(NONCE)
PROTOCOL = "v3.bsatn.spacetimedb"


def handshake(**changes: object) -> ClientHandshake:
    options: dict[str, object] = {
        "host_header": "localhost:3000",
        "target": "/v1/database/chat/subscribe?token=eyJ0.secret",
        "subprotocols": [PROTOCOL, "v2.bsatn.spacetimedb"],
        "headers": {"Authorization": "Bearer secret"},
        "nonce": NONCE,
        "header_size": 4096,
    }
    return ClientHandshake(**(options | changes))  # type: ignore[arg-type]


def answer(**changes: str | None) -> bytes:
    fields = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": accept_token(KEY).decode(),
        "sec-websocket-protocol": PROTOCOL,
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
    return ("HTTP/1.1 101 Switching Protocols\r\n" + "".join(lines) + "\r\n").encode()


def fail(data: bytes, *, eof: bool = True, **options: object) -> ConnectError:
    """Feed `data` whole and byte by byte, and return the failure, the same for both."""
    failures = []
    for step in (len(data) or 1, 1):
        machine = handshake(**options)
        for at in range(0, len(data), step):
            if not machine.done:
                machine.receive(data[at : at + step])
        if eof and not machine.done:
            machine.receive_eof()
        assert machine.failure is not None
        assert machine.accepted is None
        failures.append(machine.failure)
    whole, pieces = failures
    assert type(whole) is type(pieces)
    assert str(whole) == str(pieces)
    assert "secret" not in str(whole)
    return whole


def test_the_request_has_what_the_rfc_and_the_server_want() -> None:
    lines = handshake().request.decode().split("\r\n")
    assert lines == [
        "GET /v1/database/chat/subscribe?token=eyJ0.secret HTTP/1.1",
        "Host: localhost:3000",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY.decode()}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: v3.bsatn.spacetimedb, v2.bsatn.spacetimedb",
        "Authorization: Bearer secret",
        "",
        "",
    ]


def test_the_example_of_the_rfc() -> None:
    assert accept_token(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_good_answer(step: int) -> None:
    machine = handshake()
    data = b"HTTP/1.1 100 Continue\r\n\r\n" + answer(spacetime_identity="c2") + b"\x82\x01x"
    for at in range(0, len(data), step):
        if machine.accepted is None:
            machine.receive(data[at : at + step])
        else:
            machine.leftover += data[at : at + step]
    machine_accepted = machine.accepted
    assert machine_accepted is not None
    subprotocol, headers = machine_accepted
    assert subprotocol == PROTOCOL
    assert headers.get("Spacetime-Identity") == "c2"
    assert machine.leftover == b"\x82\x01x"
    assert machine.done


def test_no_protocol_offered_and_none_picked() -> None:
    machine = handshake(subprotocols=[])
    assert b"Sec-WebSocket-Protocol" not in machine.request
    machine.receive(answer(sec_websocket_protocol=None))
    assert machine.accepted is not None
    assert machine.accepted.subprotocol is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"upgrade": "h2c"}, "another protocol"),
        ({"upgrade": None}, "another protocol"),
        ({"connection": "close"}, "without Connection: Upgrade"),
        ({"sec_websocket_accept": "x"}, "wrong Sec-WebSocket-Accept"),
        ({"sec_websocket_extensions": "permessage-deflate"}, "extension that was not offered"),
        ({"sec_websocket_protocol": "v9"}, "'v9', which was not offered"),
        ({"sec_websocket_protocol": None}, "None, which was not offered"),
    ],
)
def test_a_bad_101_answer(changes: dict[str, str | None], words: str) -> None:
    failure = fail(answer(**changes))
    assert type(failure) is HandshakeError
    assert failure.status is None
    assert words in str(failure)


def test_a_refusal_keeps_the_body_that_comes_after_the_headers() -> None:
    failure = fail(b"HTTP/1.1 404 Not Found\r\ncontent-length: 13\r\n\r\n`x` not found")
    assert isinstance(failure, DatabaseNotFound)
    assert (failure.status, failure.body) == (404, "`x` not found")
    assert str(failure) == "localhost:3000 has no database 'chat' (404): `x` not found"


def test_a_refusal_whose_body_ends_with_the_connection() -> None:
    failure = fail(b"HTTP/1.1 400 Bad Request\r\n\r\nno valid protocol selected")
    assert type(failure) is HandshakeError
    assert failure.body == "no valid protocol selected"


def test_a_refusal_cut_short_keeps_what_came() -> None:
    failure = fail(b"HTTP/1.1 401 No\r\ncontent-length: 99\r\n\r\nInvalid token")
    assert isinstance(failure, AuthError)
    assert failure.body == "Invalid token"


def test_a_refusal_with_damaged_chunks_keeps_what_came() -> None:
    failure = fail(
        b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nbad\r\nxyz\r\n", eof=False
    )
    assert isinstance(failure, HandshakeError)
    assert failure.status == 500


def test_an_endless_body_is_cut() -> None:
    failure = fail(b"HTTP/1.1 500 No\r\n\r\n" + b"x" * 9000, eof=False)
    assert isinstance(failure, HandshakeError)
    assert len(failure.body) == 8192


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "closed the connection without an answer"),
        (b"HTTP/1.1 101 Swi", "closed the connection in the middle of its answer"),
        (b"SSH-2.0-OpenSSH\r\n", "did not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "did not answer in HTTP"),
    ],
)
def test_what_is_no_answer(data: bytes, words: str) -> None:
    failure = fail(data)
    assert type(failure) is HandshakeError
    assert words in str(failure)
    assert failure.is_transient is (data == b"")  # as a port forwarder does without a server


def test_a_session_that_is_held_may_be_told_before_the_upgrade() -> None:
    error = refusal(409, "The session is still connected", host="h")
    assert error.is_transient and error.retry_soon
    assert str(error) == "h answered the WebSocket upgrade with 409: The session is still connected"
    assert not refusal(503, "", host="h").retry_soon


@pytest.mark.parametrize(
    ("status", "is_transient"),
    [
        (429, True),
        (502, True),
        (503, True),
        (504, True),
        (500, False),
        (200, False),
        (404, False),
        (409, True),
    ],
)
def test_which_refusals_may_pass(status: int, is_transient: bool) -> None:
    assert refusal(status, "", host="h").is_transient is is_transient


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7.0), ("", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)],
)
def test_how_long_a_server_asks_to_wait(said: str, seconds: float | None) -> None:
    headers = Headers([("Retry-After", said)])
    assert refusal(503, "", host="h", headers=headers).retry_after == seconds
    assert refusal(503, "", host="h").retry_after is None


def test_a_tls_port_is_recognised() -> None:
    machine = handshake()
    machine.receive(b"\x15\x03\x01\x00\x02\x02\x16")
    assert "use an https://" in str(machine.failure)


def test_headers_have_a_limit_whole_or_dripping() -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\n" + b"a: " + b"b" * 5000 + b"\r\n"
    for data in (head + b"\r\n", head):
        assert "more than 4096 bytes" in str(fail(data, eof=False))


def test_timeouts() -> None:
    machine = handshake()
    machine.timed_out(10)
    assert "localhost:3000 did not answer within 10 s" in str(machine.failure)
    machine = handshake()
    machine.receive(b"HTTP/1.1 403 Forbidden\r\n\r\nyou are not")
    machine.timed_out(10)
    assert isinstance(machine.failure, AuthError)
    assert machine.failure.body == "you are not"


def test_an_empty_read_is_not_the_end() -> None:
    machine = handshake()
    machine.receive(b"")
    assert not machine.done


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": {"Sec-WebSocket-Key": "x"}},
        {"headers": {"host": "x"}},
        {"headers": {"X": "a\r\nb"}},
        {"target": "/a b"},
        {"host_header": "a\r\nb"},
        {"subprotocols": ["a\r\nb"]},
    ],
)
def test_requests_that_cannot_be_sent(changes: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        handshake(**changes)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, "Authorization is invalid: malformed token", AuthError),
        (401, "Invalid token: InvalidSignature", AuthError),
        (403, "x is not authorized", AuthError),
        (404, "`x` not found", DatabaseNotFound),
        (500, "Unable to authorize SQL: database c2 not found", DatabaseNotFound),
        (500, "something else", HandshakeError),
        (400, "no valid protocol selected", HandshakeError),
        (503, "", HandshakeError),
    ],
)
def test_the_class_of_a_refusal(status: int, body: str, kind: type[HandshakeError]) -> None:
    error = refusal(status, body, host="h")
    assert type(error) is kind
    assert error.status == status
    assert error.body == body
    assert body in str(error)


def test_a_redirect_says_where_to() -> None:
    headers = Headers({"Location": "https://x/y?token=secret"})
    error = refusal(301, "", host="h", headers=headers)
    assert (
        str(error)
        == "h answered the WebSocket upgrade with 301, a redirect; connect to https://x/y"
    )
    assert "404" in str(refusal(404, "", host="h", headers=headers))
    assert "redirect" not in str(refusal(302, "", host="h", headers=Headers()))


GOOD = {
    "Host": "h",
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY.decode(),
    "Sec-WebSocket-Protocol": "a, b",
}


@pytest.mark.parametrize(
    ("method", "changes", "status"),
    [
        ("GET", {}, None),
        ("POST", {}, 405),
        ("GET", {"Connection": "close"}, 426),
        ("GET", {"Upgrade": "h2c"}, 426),
        ("GET", {"Sec-WebSocket-Version": "8"}, 400),
        ("GET", {"Sec-WebSocket-Key": "short"}, 400),
    ],
)
def test_the_servers_checks(method: str, changes: dict[str, str], status: int | None) -> None:
    problem = upgrade_problem(HttpRequest(method, "/", Headers(GOOD | changes)))
    assert (None if problem is None else problem[0]) == status


@pytest.mark.parametrize("name", ["Connection", "Upgrade", "Sec-WebSocket-Key"])
def test_a_missing_header(name: str) -> None:
    fields = {key: value for key, value in GOOD.items() if key != name}
    assert upgrade_problem(HttpRequest("GET", "/", Headers(fields))) is not None


def test_the_servers_answer_satisfies_the_client() -> None:
    request = HttpRequest("GET", "/", Headers(GOOD | {"Sec-WebSocket-Protocol": PROTOCOL}))
    data, accepted = upgrade_response(request, PROTOCOL, {"spacetime-identity": "c2"})
    machine = handshake()
    machine.receive(data)
    assert machine.accepted is not None
    assert machine.accepted.subprotocol == accepted.subprotocol == PROTOCOL
    assert machine.accepted.headers.get("spacetime-identity") == "c2"
    data, accepted = upgrade_response(request, None, {})
    assert b"Sec-WebSocket-Protocol" not in data
    assert accepted.subprotocol is None


def test_a_protocol_not_offered_cannot_be_picked() -> None:
    with pytest.raises(LocalProtocolError, match="did not offer"):
        upgrade_response(HttpRequest("GET", "/", Headers(GOOD)), "c", {})


def test_a_server_without_words_is_told_what_it_was_asked_for() -> None:
    """A 1.x server answers 404 with an empty body."""
    handshake = ClientHandshake(
        host_header="h",
        target="/pre/v1/database/my%20chat/subscribe?compression=None",
        subprotocols=(),
        headers=(),
        nonce=bytes(16),
        header_size=4096,
    )
    handshake.receive(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
    assert isinstance(handshake.failure, DatabaseNotFound)
    assert str(handshake.failure) == "h has no database 'my chat' (404)"


@pytest.mark.parametrize(
    ("status", "body", "headers", "said"),
    [
        (502, "", {}, "502: a gateway in front of the server cannot reach it"),
        (502, "<html>\n", {"Retry-After": "soon"}, "502: a gateway .* cannot reach it"),
        (503, "overloaded\n", {"Retry-After": "3"}, r"503: .* \(overloaded\); try again in 3 s"),
        (504, "", {}, "504: a gateway in front of the server waited for it in vain"),
        (429, "", {}, "429: too many requests, says the server or a gateway in front of it"),
        (500, "oops", {}, "500: oops"),
    ],
)
def test_what_a_gateway_says(status: int, body: str, headers: dict[str, str], said: str) -> None:
    for error in (
        refusal(status, body, host="h", headers=Headers(headers)),
        refusal(status, body, host="h") if not headers else None,
    ):
        assert error is None or re.fullmatch(
            f"h answered the WebSocket upgrade with {said}", str(error)
        )
    assert gateway_words(500, None) == ""
