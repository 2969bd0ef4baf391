"""Tokens: where they may come from, and text that is none."""

from __future__ import annotations

import stat
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spacetime_proto.errors import AuthError, LocalProtocolError
from spacetime_transports import AsyncHttpClient, HttpClient, TokenFile, blocking, connect
from spacetime_transports.cli.common import token_from
from spacetime_transports.http.results import IssuedIdentity
from spacetime_transports.options import resolve
from spacetime_transports.server import ThreadServer, serve_in_thread
from spacetime_transports.server.chat_module import module
from spacetime_transports.token_sources import InsecureTokenWarning, checked_token, warn_if_exposed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "c2VjcmV0.c2VjcmV0.c2VjcmV0"
JWT = f"eyJh-_0.{SECRET}"

#: Text that is no token, what the error says of it, and whether it is a token in a `TokenFile`.
WRONG = [
    (f"Bearer {SECRET}", "Bearer: leave that word out", False),
    (f"bearer  {SECRET}\n", "Bearer: leave that word out", False),
    (f'"Bearer {SECRET}"', "Bearer: leave that word out", False),
    (f"Authorization: Bearer {SECRET}", "is a whole Authorization header", False),
    (f"authorization={SECRET}", "is a whole Authorization header", False),
    (f'"{SECRET}"', "is in quotes", False),
    (f"'{SECRET}'\n", "is in quotes", False),
    (f"\u201c{SECRET}\u201d", "is in quotes", False),
    (f"{SECRET}'", "is in quotes", False),
    (f"{SECRET}\n", "ends with a line break", True),
    (f"{SECRET}\r\n", "ends with a line break", True),
    (f" {SECRET}", "has white space around it", True),
    (f"{SECRET}\t", "has white space around it", True),
    (f"\ufeff{SECRET}", "begins with a byte order mark", True),
    (f"\xef\xbb\xbf{SECRET}", "begins with a byte order mark", False),
    (f'{{"identity": "c2", "token": "{SECRET}"}}', "is JSON: pass the text of its field", False),
    (f'["{SECRET}"]', "is JSON", False),
    (f'spacetimedb_token = "{SECRET}"', "is a line of settings", False),
    (f"https://example.com/?token={SECRET}", "is a URL", False),
    ("~/.config/chat/c2VjcmV0", "path of a file: use TokenFile", False),
    ("./c2VjcmV0", "path of a file", False),
    ("tokens/c2VjcmV0", "path of a file", False),
    ("C:\\Users\\c2VjcmV0", "path of a file", False),
    ("c2VjcmV0.txt", "path of a file", False),
    (f"{SECRET} {SECRET}", "has white space in it", False),
    (f"{SECRET}\n{SECRET}", "has white space in it", False),
    (f"{SECRET}\xe4", "no JSON web token has", False),
    (f"{SECRET}\x7f", "no JSON web token has", False),
    ("", "is empty; None asks for a new identity", None),
    (" \n", "is only white space", None),
]

#: Everything that takes a token; each is given one and uses it as far as it goes without a server.
TAKERS: dict[str, Callable[[Any], object]] = {
    "options": lambda token: resolve(token=token),
    "connect": lambda token: connect("127.0.0.1:1", "chat", token=token),
    "blocking": lambda token: blocking.connect("127.0.0.1:1", "chat", token=token),
    "http": lambda token: HttpClient("127.0.0.1:1", token=token),
    "async http": lambda token: AsyncHttpClient("127.0.0.1:1", token=token),
    "http, callable": lambda token: HttpClient("127.0.0.1:1", token=lambda: token).ping(),
    "async http, callable": lambda token: anyio.run(
        AsyncHttpClient("127.0.0.1:1", token=lambda: token).ping
    ),
    "command line": lambda token: token_from(token, None),
}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize(("text", "said", "_"), WRONG)
def test_what_is_no_token_is_named(taker: str, text: str, said: str, _: object) -> None:
    with pytest.raises(LocalProtocolError, match=said) as caught:
        TAKERS[taker](text)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(("text", "said", "is_token"), WRONG)
def test_what_is_no_token_is_named_in_a_file_too(
    tmp_path: Path, text: str, said: str, is_token: bool | None
) -> None:
    file = TokenFile(tmp_path / "kept")
    Path(file.path).write_text(text, encoding="utf-8", newline="")
    if is_token is not False:  # white space and a byte order mark come from editors
        assert file.load() == (SECRET if is_token else None)
        return
    with pytest.raises(LocalProtocolError, match=said) as caught:
        file.load()
    assert file.path in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (5, "not int"),
        (SECRET.encode(), "not bytes; decode"),
        (Path("c2VjcmV0"), "use TokenFile"),
        ({"token": SECRET}, "pass its token"),
        (IssuedIdentity(None, SECRET), "pass its token"),  # type: ignore[arg-type]
    ],
)
def test_a_token_is_text(value: Any, said: str) -> None:
    for take in (resolve, lambda token: HttpClient("127.0.0.1:1", token=token)):
        with pytest.raises(LocalProtocolError, match=said) as caught:
            take(token=value)
        assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize("token", [None, SECRET, JWT, "opaque", "QWxhZGRpbg==", "a.b", "a_b-c"])
def test_tokens(token: str | None) -> None:
    assert checked_token(token) == token


# --- a server that was set up anew ------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[ThreadServer]:
    with serve_in_thread(module, database="chat") as server:
        yield server


@pytest.fixture
def saved(tmp_path: Path) -> TokenFile:
    """Return a file with the token of a server that is gone."""
    file = TokenFile(tmp_path / "kept")
    with (
        serve_in_thread(module, database="chat") as old,
        blocking.connect(old.url, "chat", token=file),
    ):
        pass
    assert file.load()
    return file


async def _connect(url: str, **options: Any) -> None:
    async with connect(url, "chat", **options):
        pass


def _connect_blocking(url: str, **options: Any) -> None:
    with blocking.connect(url, "chat", **options):
        pass


def _http_logs(url: str, token: TokenFile) -> None:
    list(HttpClient(url, token=token).logs("chat"))


VISITS: dict[str, Callable[[str, TokenFile], object]] = {
    "asyncio": lambda url, token: anyio.run(lambda: _connect(url, token=token)),
    "trio": lambda url, token: anyio.run(lambda: _connect(url, token=token), backend="trio"),
    "blocking": lambda url, token: _connect_blocking(url, token=token),
    "bindings": lambda url, token: _connect_blocking(url, token=token, module=bindings()),
    "async bindings": lambda url, token: anyio.run(
        lambda: _connect(url, token=token, module=bindings())
    ),
    "exchanged": lambda url, token: _connect_blocking(
        url, token=token, module=bindings(), token_via="websocket-token"
    ),
    "async exchanged": lambda url, token: anyio.run(
        lambda: _connect(url, token=token, module=bindings(), token_via="websocket-token")
    ),
    "http": lambda url, token: HttpClient(url, token=token).sql("chat", "SELECT * FROM user"),
    "http logs": _http_logs,
    "async http": lambda url, token: anyio.run(
        lambda: AsyncHttpClient(url, token=token).sql("chat", "SELECT * FROM user")
    ),
}


def bindings() -> Any:
    from spacetime_proto.bindings import dynamic_module

    return dynamic_module(module.build().definition)


@pytest.mark.parametrize("visit", VISITS)
def test_a_saved_token_that_the_server_does_not_know(
    visit: str, saved: TokenFile, server: ThreadServer
) -> None:
    with pytest.raises(AuthError, match=r"TokenFile\.clear\(\) removes it") as caught:
        VISITS[visit](server.url, saved)
    assert saved.path in str(caught.value)
    assert caught.value.status == 401
    stale = saved.load()
    assert stale is not None
    assert stale not in str(caught.value)
    saved.clear()
    saved.clear()  # nothing to do
    with blocking.connect(server.url, "chat", token=saved) as client:
        assert saved.load() == client.token != stale


def test_a_token_that_was_not_saved_is_refused_without_that_hint(
    saved: TokenFile, server: ThreadServer
) -> None:
    for token in (saved.load(), saved.load):
        with pytest.raises(AuthError) as caught:
            _connect_blocking(server.url, token=token)
        assert "TokenFile" not in str(caught.value)


# --- TokenFile --------------------------------------------------------------------------------


def test_clearing_a_token_file_that_cannot_be_removed(tmp_path: Path) -> None:
    with pytest.raises(LocalProtocolError, match="cannot remove the token file") as caught:
        TokenFile(tmp_path).clear()
    assert isinstance(caught.value.__cause__, OSError)
    (tmp_path / "plain").write_text("")
    TokenFile(tmp_path / "plain").clear()
    assert not (tmp_path / "plain").exists()


def test_a_token_file_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text(SECRET, encoding="utf-16")
    with pytest.raises(LocalProtocolError, match="kept: it is not UTF-8 text"):
        TokenFile(tmp_path / "kept").load()


def test_token_file_keeps_a_token_privately(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "folder" / "token")
    assert file.load() is None
    file.save("abc")
    assert file.load() == "abc"
    assert stat.S_IMODE((tmp_path / "folder" / "token").stat().st_mode) == 0o600
    file.save("abc")
    assert "abc" not in repr(file)


def test_token_file_errors_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(LocalProtocolError, match="cannot read the token file"):
        TokenFile(tmp_path).load()
    (tmp_path / "plain").write_text("")
    file = TokenFile(tmp_path / "plain" / "below")
    with pytest.raises(LocalProtocolError, match="the token file"):
        file.save("abc")


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links")
def test_a_token_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(LocalProtocolError, match="cannot write the token file"):
        TokenFile(tmp_path / "link" / "token").save("abc")


@pytest.mark.parametrize(
    ("host", "secure", "token", "warned"),
    [
        ("example.com", False, "t", True),
        ("192.0.2.1", False, "t", True),
        ("2001:db8::1", False, "t", True),
        ("example.com", True, "t", False),
        ("example.com", False, None, False),
        ("localhost", False, "t", False),
        ("chat.localhost", False, "t", False),
        ("127.0.0.2", False, "t", False),
        ("[::1]", False, "t", False),
    ],
)
def test_a_token_in_the_clear_is_warned_about(
    host: str, secure: bool, token: str | None, warned: bool
) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warn_if_exposed(host, secure=secure, token=token)
    assert [w.category for w in seen] == ([InsecureTokenWarning] if warned else [])
