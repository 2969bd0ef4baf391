"""Asking a proxy for a TCP tunnel, without I/O: HTTP CONNECT and SOCKS5 (RFC 1928, RFC 1929).

Both classes are used alike: send `data_to_send`, feed `receive_data` or `receive_eof`, until
`done`. Then, unless there is a `failure`, the socket is the tunnel, and `leftover` has its first
bytes. Host names are resolved by the proxy, so that this works where only the proxy has a resolver.
"""

from __future__ import annotations

import base64
import ipaddress
from abc import ABC, abstractmethod

import h11

from ..errors import ConnectError, LocalProtocolError
from ..limits import DEFAULT_LIMITS
from .headers import Headers, check_target


class ProxyTunnel(ABC):
    """What both kinds of tunnel share.

    Attributes:
        done: True when the tunnel is ready or has failed.
        failure: why it failed.
        leftover: bytes received after the proxy's answer; they come from the host behind it.
    """

    def __init__(self) -> None:
        self.done = False
        self.failure: ConnectError | None = None
        self.leftover = b""
        self._outbox = b""

    def data_to_send(self) -> bytes:
        """Take the bytes that wait to be sent."""
        data, self._outbox = self._outbox, b""
        return data

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the proxy."""
        if self.done:
            self.leftover += data
        elif data:
            self._receive(data)

    def receive_eof(self) -> None:
        """Take note that the proxy hung up."""
        if not self.done:
            self._fail("hung up before the tunnel stood", is_transient=True)

    @abstractmethod
    def _receive(self, data: bytes) -> None: ...

    def _fail(self, problem: str, *, is_transient: bool = False) -> None:
        self.failure = ConnectError(f"the proxy {problem}", is_transient=is_transient)
        self.done = True


class HttpConnect(ProxyTunnel):
    """A tunnel through an HTTP proxy (RFC 9110 section 9.3.6)."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        username: str | None = None,
        password: str | None = None,
        header_size: int = DEFAULT_LIMITS.header_size,
    ) -> None:
        """Queue the CONNECT request for `host`:`port`, with Basic credentials if a name is given.

        Raises:
            LocalProtocolError: the host, name or password cannot be sent.
        """
        super().__init__()
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        fields = [("Host", authority)]
        if username is not None:
            plain = f"{username}:{password or ''}".encode()
            fields.append(("Proxy-Authorization", f"Basic {base64.b64encode(plain).decode()}"))
        headers = Headers(fields)
        self._authority = authority
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=header_size)
        request = h11.Request(
            method="CONNECT", target=check_target(authority), headers=headers.raw()
        )
        self._outbox = self._h11.send(request) + self._h11.send(h11.EndOfMessage())

    def _receive(self, data: bytes) -> None:
        self._h11.receive_data(data)
        try:
            event = self._h11.next_event()
            while isinstance(event, h11.InformationalResponse):
                event = self._h11.next_event()
        except h11.RemoteProtocolError as error:
            self._fail(f"did not answer in HTTP ({error})")
            return
        if not isinstance(event, h11.Response):
            return
        status = event.status_code
        if 200 <= status < 300:
            self.leftover = self._h11.trailing_data[0]
            self.done = True
        elif status == 407:
            self._fail("refused the user name and password (407)")
        else:
            reason = event.reason.decode("latin-1")
            self._fail(
                f"refused a tunnel to {self._authority}: {status} {reason}".rstrip(),
                is_transient=status in (502, 503, 504),
            )


_REPLIES = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}
#: The replies which say that the server was not there.
_NOT_THERE = (3, 4, 5, 6)
_ADDRESS_SIZES = {1: 4, 4: 16}


class Socks5(ProxyTunnel):
    """A tunnel through a SOCKS 5 proxy (RFC 1928), with a user name and password (RFC 1929)."""

    def __init__(
        self, host: str, port: int, *, username: str | None = None, password: str | None = None
    ) -> None:
        """Queue the greeting for a tunnel to `host`:`port`.

        Raises:
            LocalProtocolError: the host, name or password is empty or longer than 255 bytes.
        """
        super().__init__()
        self._authority = f"{host}:{port}"
        self._request = b"\x05\x01\x00" + _address(host) + port.to_bytes(2, "big")
        self._credentials: bytes | None = None
        if username is not None:
            name = _short(username, "user name")
            self._credentials = b"\x01" + name + _short(password or "", "password")
        self._buffer = b""
        self._step = self._on_method
        self._outbox = b"\x05\x02\x00\x02" if self._credentials else b"\x05\x01\x00"

    def _receive(self, data: bytes) -> None:
        self._buffer += data
        while not self.done and self._step():
            pass

    def _take(self, size: int) -> bytes | None:
        if len(self._buffer) < size:
            return None
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _on_method(self) -> bool:
        answer = self._take(2)
        if answer is None:
            return False
        if answer[0] != 5:
            self._fail("does not speak SOCKS 5")
        elif answer[1] == 0:
            self._ask()
        elif answer[1] == 2 and self._credentials is not None:
            self._outbox += self._credentials
            self._step = self._on_credentials
        elif answer[1] in (2, 255):
            self._fail("wants a user name and password" if self._credentials is None else _DENIED)
        else:
            self._fail(f"picked the method {answer[1]}, which was not offered")
        return True

    def _on_credentials(self) -> bool:
        answer = self._take(2)
        if answer is None:
            return False
        if answer[1] != 0:
            self._fail("refused the user name and password")
        else:
            self._ask()
        return True

    def _ask(self) -> None:
        self._outbox += self._request
        self._step = self._on_reply

    def _on_reply(self) -> bool:
        # VER REP RSV ATYP, an address whose length ATYP tells, and a port.
        head = self._buffer[:5]
        if len(head) >= 2 and (head[0] != 5 or head[1] != 0):
            why = _REPLIES.get(head[1], f"error {head[1]}") if head[0] == 5 else "not SOCKS 5"
            is_transient = head[0] == 5 and head[1] in _NOT_THERE
            self._fail(f"could not reach {self._authority}: {why}", is_transient=is_transient)
            return True
        if len(head) < 5:
            return False
        size = head[4] + 1 if head[3] == 3 else _ADDRESS_SIZES.get(head[3])
        if size is None:
            self._fail("broke the SOCKS 5 protocol")
        elif self._take(4 + size + 2) is None:
            return False
        else:
            self.leftover, self._buffer = self._buffer, b""
            self.done = True
        return True


_DENIED = "accepts no method of authentication that this client has"


def _short(text: str, what: str) -> bytes:
    """Return `text` with a length byte before it."""
    data = text.encode()
    if not 1 <= len(data) <= 255:
        raise LocalProtocolError(f"SOCKS 5 takes a {what} of 1 to 255 bytes, not {len(data)}")
    return bytes([len(data)]) + data


def _address(host: str) -> bytes:
    """Return ATYP and address: IPv4 and IPv6 as numbers, everything else as a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return b"\x03" + _short(host, "host")
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed
