"""Failures of connecting: one `ConnectError` with a sentence for each kind."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from functools import cache
from typing import TYPE_CHECKING

from spacetime_proto.errors import ConnectError

if TYPE_CHECKING:
    from spacetime_proto.wire.proxy import ProxyTunnel

    from .address import Address, Proxy


@cache
def default_ssl_context() -> ssl.SSLContext:
    """Return the context for https: the system's authorities, host names checked.

    Made once: loading the authorities takes tens of milliseconds.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def connect_failure(peer: Address | Proxy, error: OSError) -> ConnectError:
    """Return the error for a TCP connection to `peer` that could not be made."""
    where = f"{peer.authority}"
    if hasattr(peer, "scheme"):
        where = f"the proxy {where}"
    cause = _root(error)
    if isinstance(cause, socket.gaierror):
        text = f"the name {peer.host} cannot be resolved ({cause.strerror})"
    elif isinstance(cause, ConnectionRefusedError):
        text = f"nothing listens at {where} (connection refused)"
    elif isinstance(cause, TimeoutError) or cause.errno == errno.ETIMEDOUT:
        text = f"{where} did not answer"
    elif cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        text = f"{where} cannot be reached ({os.strerror(cause.errno)})"
    else:
        text = f"cannot connect to {where}: {cause.strerror or cause}"
    failure = ConnectError(text, is_transient=_may_pass(cause))
    failure.__cause__ = error
    return failure


def _may_pass(cause: OSError) -> bool:
    """Whether the peer was not there; other failures are this machine's, such as EMFILE."""
    return isinstance(cause, (socket.gaierror, ConnectionError, TimeoutError)) or cause.errno in (
        errno.ETIMEDOUT,
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.EHOSTUNREACH,
        errno.EHOSTDOWN,
    )


def _root(error: OSError) -> OSError:
    """Return the first of the errors behind anyio's "All connection attempts failed"."""
    cause: BaseException | None = error.__cause__ if error.errno is None else None
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    return cause if isinstance(cause, OSError) else error


def tls_failure(address: Address, error: Exception) -> ConnectError:
    """Return the error for a TLS handshake that failed or was cut off."""
    where = address.authority
    reason = getattr(error, "reason", None)
    is_transient = False
    if isinstance(error, ssl.SSLCertVerificationError):
        text = (
            f"the certificate of {where} was not accepted: {error.verify_message.rstrip('.')}"
            " (option ssl_context)"
        )
    elif isinstance(error, ssl.SSLError) and reason in (
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "RECORD_LAYER_FAILURE",
    ):
        text = f"{where} does not speak TLS; use an http:// address"
    elif isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        text = f"TLS with {where} failed: {reason or error}"
    else:
        text = f"{where} hung up during the TLS handshake"
        is_transient = True
    failure = ConnectError(text, is_transient=is_transient)
    failure.__cause__ = error
    return failure


def check_tunnel(tunnel: ProxyTunnel, proxy: Proxy) -> None:
    """Raise ConnectError if `tunnel`, which is done, was not opened."""
    if tunnel.failure is not None:
        raise ConnectError(
            f"{tunnel.failure} ({proxy.authority})", is_transient=tunnel.failure.is_transient
        ) from tunnel.failure
    if tunnel.leftover:
        # In HTTP and TLS the client speaks first, so these bytes are not from the server.
        raise ConnectError(f"the proxy {proxy.authority} sent data of its own into the tunnel")


def timeout_failure(
    address: Address, seconds: float, option: str = "connect_timeout"
) -> ConnectError:
    """Return the error for an address that did not accept a connection in time.

    Args:
        address: the server.
        seconds: the time limit.
        option: what sets it.
    """
    return ConnectError(
        f"{address.authority} did not accept the connection within {readable(seconds)} s"
        f" (option {option})",
        is_transient=True,
    )


def readable(seconds: float) -> str:
    """Return a time limit as text: to the millisecond, but never as 0."""
    return f"{round(seconds, 3) or seconds:g}"
