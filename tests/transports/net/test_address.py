from __future__ import annotations

import pytest

from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.wire.proxy import HttpConnect, Socks5
from spacetime_transports.net.address import Address, open_tunnel, parse_host, parse_proxy


@pytest.mark.parametrize(
    ("text", "address", "url"),
    [
        ("http://localhost:3000", Address("localhost", 3000), "http://localhost:3000"),
        ("localhost:3000", Address("localhost", 3000), "http://localhost:3000"),
        ("localhost", Address("localhost", 80), "http://localhost"),
        (" ws://h/ ", Address("h", 80), "http://h"),
        ("https://h", Address("h", 443, True), "https://h"),
        ("wss://h:80", Address("h", 80, True), "https://h:80"),
        ("HTTPS://H.Example", Address("h.example", 443, True), "https://h.example"),
        ("http://h:1/a/b//", Address("h", 1, False, "/a/b"), "http://h:1/a/b"),
        ("http://[::1]:3000", Address("::1", 3000), "http://[::1]:3000"),
        ("http://[::1]", Address("::1", 80), "http://[::1]"),
        ("http://b\u00fccher.example", Address("xn--bcher-kva.example", 80), None),
    ],
)
def test_urls_of_servers(text: str, address: Address, url: str | None) -> None:
    parsed = parse_host(text)
    assert parsed == address
    assert url is None or str(parsed) == parsed.url == url
    assert parse_host(parsed.url) == parsed


def test_the_host_header_leaves_out_the_usual_port() -> None:
    assert parse_host("https://h").host_header == "h"
    assert parse_host("https://h").authority == "h:443"
    assert parse_host("http://h:443").host_header == "h:443"
    assert parse_host("http://[::1]:3").host_header == "[::1]:3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no server"),
        (None, "names no server"),
        ("http://", "names no server"),
        ("ftp://h", "must start with http:// or https://, not ftp://"),
        ("http://user:secret@h", "user name or password"),
        ("http://h?x=1", "query or fragment"),
        ("http://h#x", "query or fragment"),
        ("http://h:0", "port"),
        ("http://h:65536", "port"),
        ("http://h:x", "port"),
        ("http://h/a b", "%-encoded"),
        ("http://[::1", "not a URL"),
        ("http://a b", "not a name"),
        ("http://\u00fc" + "x" * 70, "not a name"),
    ],
)
def test_what_is_no_url_of_a_server(text: str, words: str) -> None:
    with pytest.raises(LocalProtocolError, match="the host") as caught:
        parse_host(text)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_urls_of_proxies() -> None:
    proxy = parse_proxy("http://me:p%40ss@h:3128/")
    assert (proxy.scheme, proxy.host, proxy.port) == ("http", "h", 3128)
    assert (proxy.username, proxy.password) == ("me", "p@ss")
    assert repr(proxy) == str(proxy) == "Proxy(http://h:3128)"
    assert parse_proxy("http://h").port == 8080
    assert parse_proxy("socks5://[::1]").authority == "[::1]:1080"
    assert parse_proxy("socks5h://h").username is None


@pytest.mark.parametrize(
    "text",
    ["", "h:1", "https://h", "socks4://h", "http://h/path", "http://h?x", "http://h:0", None],
)
def test_what_is_no_url_of_a_proxy(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="the proxy"):
        parse_proxy(text)


def test_the_machine_for_a_proxy() -> None:
    address = Address("db", 3000)
    assert isinstance(open_tunnel(parse_proxy("http://h"), address), HttpConnect)
    assert isinstance(open_tunnel(parse_proxy("socks5h://h"), address), Socks5)
