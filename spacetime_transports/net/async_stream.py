"""Byte streams to servers under asyncio and trio: TCP, through a proxy if asked, TLS on top."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import anyio
from anyio.abc import AnyByteStream, ByteStream, SocketAttribute
from anyio.streams.tls import TLSStream

from .address import Address, Proxy, open_tunnel, parse_proxy
from .failures import check_tunnel, connect_failure, default_ssl_context, tls_failure

if TYPE_CHECKING:
    from spacetime_proto.wire.proxy import ProxyTunnel


async def open_stream(
    address: Address,
    *,
    ssl_context: ssl.SSLContext | None = None,
    proxy: str | None = None,
) -> ByteStream:
    """Connect to `address` and return the stream, TLS included; the caller sets the time limit.

    Several addresses of a name are tried as "happy eyeballs" does (RFC 8305). On cancellation or
    failure the stream is closed.

    Args:
        address: the server.
        ssl_context: for a secure address; default verifies against the system's authorities.
        proxy: URL of an HTTP or SOCKS5 proxy.

    Raises:
        ConnectError: the reason, as one sentence.
        LocalProtocolError: `proxy` is not such a URL.
    """
    via = None if proxy is None else parse_proxy(proxy)
    stream: ByteStream = await _connect(address if via is None else via)
    try:
        if via is not None:
            await _traverse(stream, open_tunnel(via, address), via)
        if address.secure:
            stream = await _wrap(stream, address, ssl_context or default_ssl_context())
    except BaseException:
        await close_at_once(stream)
        raise
    return stream


async def close_at_once(stream: AnyByteStream) -> None:
    """Close a stream at once; what was not sent yet is dropped. Works in a cancelled scope too.

    `anyio.aclose_forcefully` would be the way, but before 4.16 it leaves the socket of a peer that
    reads nothing open under asyncio: it is cancelled before it comes to abort the transport.
    """
    while isinstance(stream, TLSStream):
        stream = stream.transport_stream
    with anyio.CancelScope(shield=True):
        await stream.aclose()


async def _connect(peer: Address | Proxy) -> ByteStream:
    try:
        stream = await anyio.connect_tcp(peer.host, peer.port)
    except OSError as error:
        raise connect_failure(peer, error) from error
    raw = stream.extra(SocketAttribute.raw_socket)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


async def _traverse(stream: ByteStream, tunnel: ProxyTunnel, proxy: Proxy) -> None:
    try:
        while not tunnel.done:
            data = tunnel.data_to_send()
            if data:
                await stream.send(data)
            tunnel.receive_data(await stream.receive(65536))
    except (anyio.EndOfStream, anyio.BrokenResourceError, OSError):
        tunnel.receive_eof()
    check_tunnel(tunnel, proxy)


async def _wrap(stream: ByteStream, address: Address, context: ssl.SSLContext) -> ByteStream:
    try:
        # Not "standard compatible": servers drop connections without TLS's farewell, and WebSocket
        # and HTTP know by themselves whether a message was cut short.
        return await TLSStream.wrap(
            stream,
            server_side=False,
            hostname=address.host,
            ssl_context=context,
            standard_compatible=False,
        )
    except (anyio.EndOfStream, anyio.BrokenResourceError, OSError, ValueError) as error:
        raise tls_failure(address, error) from error
