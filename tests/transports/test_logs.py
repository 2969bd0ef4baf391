"""What is written to the log: no line that others can forge, no token, nothing unasked for."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys

import anyio
import pytest

from spacetime_transports import AsyncHttpClient, HttpClient, errors
from spacetime_transports.logs import LogTap, logger, shown
from spacetime_transports.net.address import parse_host
from tests.support.mock_http import mock_server

TOKEN = "eyJhbGciOiJub25l.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("left\u202eright", "left\\u202eright"),
        ("z\u00fcrich \N{SNOWMAN}", "z\u00fcrich \N{SNOWMAN}"),
        (f"Bearer {TOKEN}", "Bearer <token>"),
        ("\ud800", "\\ud800"),
        ("x" * 1000, "x" * 500 + "..."),
    ],
)
def test_text_from_outside_is_one_short_printable_line(text: str, line: str) -> None:
    assert shown(text) == line


def test_there_is_no_output_unless_the_program_asks_for_it() -> None:
    code = (
        "import logging\n"
        "from spacetime_transports.logs import logger\n"
        "logger('client').error('nobody asked')\n"
        "logging.getLogger('other').warning('the last resort')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "the last resort\n")


def test_a_blocking_program_does_not_pay_for_logging() -> None:
    code = (
        "import sys\n"
        "from spacetime_transports import blocking\n"
        "from spacetime_transports.logs import logger\n"
        "print(logger('client'), 'logging' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None False\n"


def test_a_handler_of_the_program_is_left_alone() -> None:
    root = logging.getLogger("spacetimedb")
    own = logging.NullHandler()
    before: list[logging.Handler] = root.handlers
    root.handlers = [own]
    try:
        assert logger("http") is logging.getLogger("spacetimedb.http")
        assert root.handlers == [own]
    finally:
        root.handlers = before


class Seen:
    """A tap that notes."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def started(self, protocol: str, headers: object) -> None:
        self.told.append(protocol)

    def message(self, direction: str, payload: bytes | str) -> None:
        self.told.append((direction, payload))

    def closed(self, direction: str, code: int | None, reason: str) -> None:
        self.told.append((direction, code, reason))


@pytest.mark.parametrize("inner", [None, Seen()])
def test_frames_by_direction_size_and_kind(
    inner: Seen | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "spacetimedb")
    log = logger("client")
    assert log is not None
    tap = LogTap(log, inner)
    tap.started("v1.json.spacetimedb", [])
    tap.message("client", '{"OneOffQuery": {}}')
    tap.message("server", f'{{"IdentityToken": {{"token": "{TOKEN}"}}}}')
    tap.closed("server", 1011, "bad\nthing")
    assert caplog.messages[0] == "the server speaks v1.json.spacetimedb"
    assert caplog.messages[1] == "sent 19 characters: OneOffQuery"
    assert caplog.messages[2].startswith("received ")
    assert caplog.messages[2].endswith(" characters: IdentityToken")
    assert caplog.messages[3] == "closed by the server, code 1011: bad\\nthing"
    assert TOKEN not in caplog.text
    if inner is not None:
        assert [type(one) for one in inner.told] == [str, tuple, tuple, tuple]


# --- HTTP ---------------------------------------------------------------------------------------


def test_http_requests_are_written_without_query_and_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "spacetimedb.http")
    with mock_server() as server:
        authority = parse_host(server.url).authority
        with contextlib.suppress(errors.SpacetimeError):  # the body is none of SQL's
            HttpClient(server.url, token=TOKEN).sql("chat", "SELECT * FROM user", confirmed=True)
    (line,) = caplog.messages
    assert line.startswith(f"POST /v1/database/chat/sql of {authority}: 200 in ")
    assert "confirmed" in server.requests[0].target
    assert TOKEN not in caplog.text


def test_an_http_request_that_fails_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "spacetimedb.http")
    with mock_server() as server:
        url = server.url
    with pytest.raises(errors.ConnectError):
        HttpClient(url).ping()
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert "/v1/ping of" in record.message
    assert ": ConnectError: nothing listens at" in record.message


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_http_requests_too(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "spacetimedb.http")
    with mock_server() as server:
        client = AsyncHttpClient(server.url)
        anyio.run(client.ping, backend=backend)
    with pytest.raises(errors.ConnectError):
        anyio.run(client.ping, backend=backend)
    assert " 200 in " in caplog.messages[0]
    assert "ConnectError" in caplog.messages[1]
