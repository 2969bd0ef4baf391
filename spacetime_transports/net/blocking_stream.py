"""Sockets to servers for blocking programs: TCP, through a proxy if asked, TLS on top.

One time limit covers everything. Nothing can interrupt the lookup of a name, so that runs in a
thread of its own, which is left behind when the time is up or at Ctrl-C.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import ssl
import threading
import time
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, TypeAlias

from spacetime_proto.errors import ConnectError

from .address import Address, Proxy, open_tunnel, parse_proxy
from .failures import (
    check_tunnel,
    connect_failure,
    default_ssl_context,
    timeout_failure,
    tls_failure,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spacetime_proto.wire.proxy import ProxyTunnel

#: RFC 8305 section 5: seconds until the next address is tried beside the ones under way.
_ATTEMPT_DELAY = 0.25

_AddressInfo: TypeAlias = "tuple[Any, Any, int, str, Any]"


def open_socket(
    address: Address,
    *,
    ssl_context: ssl.SSLContext | None = None,
    proxy: str | None = None,
    timeout: float | None = None,
    limit: float | None = None,
    option: str = "connect_timeout",
) -> socket.socket:
    """Connect to `address` and return a blocking socket without timeout, TLS included.

    Several addresses of a name are tried as "happy eyeballs" does (RFC 8305).

    Args:
        address: the server.
        ssl_context: for a secure address; default verifies against the system's authorities.
        proxy: URL of an HTTP or SOCKS5 proxy.
        timeout: seconds for everything together; None sets no limit.
        limit: what the error says that it was, if `timeout` is only the rest of a longer time.
        option: what sets it, for the same.

    Raises:
        ConnectError: the reason, as one sentence.
        LocalProtocolError: `proxy` is not such a URL.
    """
    via = None if proxy is None else parse_proxy(proxy)
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        opened = _connect(address if via is None else via, deadline)
        try:
            if via is not None:
                _traverse(opened, open_tunnel(via, address), via, deadline)
            if address.secure:
                opened = _wrap(opened, address, ssl_context or default_ssl_context(), deadline)
            opened.settimeout(None)
        except BaseException:
            opened.close()
            raise
    except TimeoutError as error:
        assert timeout is not None
        raise timeout_failure(address, timeout if limit is None else limit, option) from error
    return opened


def _remaining(deadline: float | None) -> float | None:
    """Return the seconds left.

    Raises:
        TimeoutError: none are.
    """
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _connect(peer: Address | Proxy, deadline: float | None) -> socket.socket:
    try:
        found = _look_up(peer, deadline)
    except OSError as error:
        if _is_ours(error):
            raise
        raise connect_failure(peer, error) from error
    except UnicodeError as error:  # a label of the name is too long to be looked up
        raise ConnectError(f"the name {peer.host} cannot be resolved") from error
    try:
        opened = _race(_interleaved(found), deadline)
    except OSError as error:
        if _is_ours(error):
            raise
        raise connect_failure(peer, error) from error
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def _look_up(peer: Address | Proxy, deadline: float | None) -> list[_AddressInfo]:
    """Return the addresses of a name.

    Raises:
        TimeoutError: the deadline passed.
        OSError: it cannot be resolved.
        UnicodeError: it cannot be looked up.
    """
    with contextlib.suppress(socket.gaierror):  # it is no address, so it is a name
        return socket.getaddrinfo(
            peer.host, peer.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    outcome: list[list[_AddressInfo] | Exception] = []
    is_done = threading.Event()

    def look_up() -> None:
        try:
            outcome.append(socket.getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM))
        except Exception as error:
            outcome.append(error)
        is_done.set()

    threading.Thread(target=look_up, name="spacetime-lookup", daemon=True).start()
    if not is_done.wait(_remaining(deadline)):
        raise TimeoutError
    (found,) = outcome
    if isinstance(found, Exception):
        raise found
    return found


def _interleaved(found: Iterable[_AddressInfo]) -> list[_AddressInfo]:
    """Return the addresses with alternating families, beginning with the first (RFC 8305)."""
    families: dict[Any, list[_AddressInfo]] = {}
    for info in found:
        families.setdefault(info[0], []).append(info)
    turns = chain.from_iterable(zip_longest(*families.values()))
    return [info for info in turns if info is not None]


def _race(infos: list[_AddressInfo], deadline: float | None) -> socket.socket:
    """Return the first socket that connects; a new attempt starts every 250 ms or on failure.

    Raises:
        OSError: the first failure, once all have failed.
        TimeoutError: without errno, when the deadline passed.
    """
    errors: list[OSError] = []
    waiting = list(reversed(infos))
    under_way: set[socket.socket] = set()
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or under_way:
                if waiting:
                    started = _start(waiting.pop(), errors)
                    if started is None:
                        continue
                    under_way.add(started)
                    selector.register(started, selectors.EVENT_WRITE)
                left = _remaining(deadline)
                limits = [left, _ATTEMPT_DELAY if waiting else None]
                wait = min((limit for limit in limits if limit is not None), default=None)
                for key, _ in selector.select(wait):
                    candidate = key.fileobj
                    assert isinstance(candidate, socket.socket)
                    selector.unregister(candidate)
                    under_way.remove(candidate)
                    code = candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if code == 0:
                        return candidate
                    candidate.close()
                    errors.append(OSError(code, os.strerror(code)))
        finally:
            for loser in under_way:
                loser.close()
    raise errors[0]


def _start(info: _AddressInfo, errors: list[OSError]) -> socket.socket | None:
    """Begin to connect to one address; if that fails at once, add to `errors` and return None."""
    family, kind, protocol, _, where = info
    try:
        candidate = socket.socket(family, kind, protocol)
    except OSError as error:  # this machine lacks the address family
        errors.append(error)
        return None
    candidate.setblocking(False)
    code = candidate.connect_ex(where)
    if code in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
        return candidate
    candidate.close()
    errors.append(OSError(code, os.strerror(code)))
    return None


def _traverse(
    opened: socket.socket, tunnel: ProxyTunnel, proxy: Proxy, deadline: float | None
) -> None:
    try:
        while not tunnel.done:
            opened.settimeout(_remaining(deadline))
            opened.sendall(tunnel.data_to_send())
            data = opened.recv(65536)
            if data:
                tunnel.receive_data(data)
            else:
                tunnel.receive_eof()
    except OSError as error:
        if _is_ours(error):
            raise
        tunnel.receive_eof()
    check_tunnel(tunnel, proxy)


def _wrap(
    opened: socket.socket, address: Address, context: ssl.SSLContext, deadline: float | None
) -> socket.socket:
    opened.settimeout(_remaining(deadline))
    try:
        return context.wrap_socket(opened, server_hostname=address.host)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        if _is_ours(error):
            raise
        raise tls_failure(address, error) from error


def _is_ours(error: Exception) -> bool:
    """Whether our time limit has passed. The kernel's own TimeoutError has a number."""
    return isinstance(error, TimeoutError) and error.errno is None
