"""URLs of servers and proxies, taken apart once and checked before anything touches the network."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.wire.headers import check_target
from spacetime_proto.wire.proxy import HttpConnect, ProxyTunnel, Socks5

_SERVER_SCHEMES = {"http": False, "ws": False, "https": True, "wss": True}
_PROXY_PORTS = {"http": 8080, "socks5": 1080, "socks5h": 1080}


class Address(msgspec.Struct, frozen=True):
    """Where a server is."""

    host: str
    """Name (ASCII; international ones as ``xn--``) or address without brackets."""
    port: int
    secure: bool = False
    """Whether to speak TLS."""
    path_prefix: str = ""
    """The part before ``/v1`` in every path: empty, or with a slash only at its start."""

    @property
    def authority(self) -> str:
        """``host:port``, an IPv6 address in brackets."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def host_header(self) -> str:
        """Value of the Host header: the port is left out if it is the scheme's own."""
        usual = 443 if self.secure else 80
        return _bracketed(self.host) if self.port == usual else self.authority

    @property
    def url(self) -> str:
        """The address as a URL."""
        return f"{'https' if self.secure else 'http'}://{self.host_header}{self.path_prefix}"

    def __str__(self) -> str:
        return self.url


def parse_host(host: str) -> Address:
    """Take the URL of a server apart.

    ``https`` and ``wss`` mean TLS (port 443), ``http``, ``ws`` and no scheme at all do not (port
    80). A path is kept as a prefix of every request.

    Raises:
        LocalProtocolError: it is not such a URL; the text says why.
    """
    what = "the host"
    text = host.strip() if isinstance(host, str) else ""
    if "://" not in text:
        text = f"http://{text}"
    parts = _split(text, what)
    if parts.scheme not in _SERVER_SCHEMES:
        raise LocalProtocolError(
            f"{what} must start with http:// or https://, not {parts.scheme}://"
        )
    if parts.username is not None:
        raise LocalProtocolError(f"{what} must not hold a user name or password; use token=")
    if parts.query or parts.fragment:
        raise LocalProtocolError(f"{what} must not have a query or fragment")
    secure = _SERVER_SCHEMES[parts.scheme]
    return Address(
        host=_name(parts, what),
        port=_port(parts, 443 if secure else 80, what),
        secure=secure,
        path_prefix=_prefix(parts.path.rstrip("/")),
    )


def _prefix(path: str) -> str:
    if not path:
        return ""
    try:
        return check_target(path)
    except LocalProtocolError as error:
        raise LocalProtocolError(f"the host: {error}") from None


class Proxy(msgspec.Struct, frozen=True):
    """Where a proxy is, and the user name and password for it. The repr leaves out the password."""

    scheme: str
    """``http`` (CONNECT), ``socks5`` or ``socks5h``; both of the latter let the proxy resolve."""
    host: str
    port: int
    username: str | None = None
    password: str | None = None

    @property
    def authority(self) -> str:
        """``host:port``, an IPv6 address in brackets."""
        return f"{_bracketed(self.host)}:{self.port}"

    def __repr__(self) -> str:
        return f"Proxy({self.scheme}://{self.authority})"

    __str__ = __repr__


def parse_proxy(url: str) -> Proxy:
    """Take ``http://[user:password@]host[:port]`` or ``socks5://…`` apart.

    The default ports are 8080 and 1080. User name and password may be %-encoded.

    Raises:
        LocalProtocolError: it is not such a URL; its password is never quoted.
    """
    what = "the proxy"
    parts = _split(url.strip() if isinstance(url, str) else "", what)
    if parts.scheme not in _PROXY_PORTS:
        raise LocalProtocolError(f"{what} must be an http:// or socks5:// URL")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise LocalProtocolError(f"{what} must not have a path, query or fragment")
    return Proxy(
        scheme=parts.scheme,
        host=_name(parts, what),
        port=_port(parts, _PROXY_PORTS[parts.scheme], what),
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def open_tunnel(proxy: Proxy, address: Address) -> ProxyTunnel:
    """Return the machine that asks `proxy` for a tunnel to `address`.

    Raises:
        LocalProtocolError: a name or password that the proxy's protocol cannot carry.
    """
    kind = HttpConnect if proxy.scheme == "http" else Socks5
    return kind(address.host, address.port, username=proxy.username, password=proxy.password)


def _split(text: str, what: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError as error:
        raise LocalProtocolError(f"{what} is not a URL: {error}") from None


def _name(parts: SplitResult, what: str) -> str:
    host = parts.hostname
    if not host:
        raise LocalProtocolError(f"{what} names no server; write http://NAME:PORT")
    if host.isascii():
        if not all(c.isalnum() or c in "-._:%~" for c in host):
            raise LocalProtocolError(f"{what} {host!r} is not a name or address")
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        raise LocalProtocolError(f"{what} {host!r} is not a name or address") from None


def _port(parts: SplitResult, default: int, what: str) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise LocalProtocolError(f"{what} has a port that is no number from 1 to 65535")
    return default if port is None else port


def is_literal(host: str) -> bool:
    """Whether `host` is an address, which needs no look-up, and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host
