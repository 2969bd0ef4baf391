"""URLs of servers and proxies, and the targets made from them."""

from __future__ import annotations

from spacetime_proto.errors import LocalProtocolError
from spacetime_transports.net.address import open_tunnel, parse_host, parse_proxy


def check(data: bytes) -> None:
    """Only `LocalProtocolError`."""
    text = data.decode("utf-8", "replace")
    try:
        address = parse_host(text)
    except LocalProtocolError:
        address = parse_host("localhost")
    assert 0 < address.port < 65536
    assert not set(address.path_prefix) & set("\r\n ")
    try:
        open_tunnel(parse_proxy(text), address)
    except LocalProtocolError:
        return
