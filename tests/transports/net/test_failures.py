from __future__ import annotations

import errno
import socket
import ssl

import pytest

from spacetime_transports.net.address import Address, Proxy
from spacetime_transports.net.failures import (
    connect_failure,
    default_ssl_context,
    timeout_failure,
    tls_failure,
)

SERVER = Address("h", 3000)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "nothing listens at h:3000"),
        (socket.gaierror(-2, "Name or service not known"), "the name h cannot be resolved (Name"),
        (TimeoutError(), "h:3000 did not answer"),
        (OSError(errno.ETIMEDOUT, "x"), "h:3000 did not answer"),
        (OSError(errno.ENETUNREACH, "x"), "h:3000 cannot be reached"),
        (OSError(errno.EACCES, "Permission denied"), "cannot connect to h:3000: Permission denied"),
        (OSError("odd"), "cannot connect to h:3000: odd"),
    ],
)
def test_sentences(error: OSError, words: str) -> None:
    failure = connect_failure(SERVER, error)
    assert words in str(failure)
    assert failure.__cause__ is error


def test_the_error_behind_a_group_of_attempts() -> None:
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "x")
    for cause in (refused, ExceptionGroup("attempts", [refused, OSError("y")])):
        error = OSError("All connection attempts failed")
        error.__cause__ = cause
        assert "nothing listens" in str(connect_failure(SERVER, error))


def test_a_proxy_is_called_one() -> None:
    failure = connect_failure(Proxy("http", "p", 8080), ConnectionRefusedError(111, "x"))
    assert "the proxy p:8080" in str(failure)


def test_tls_sentences() -> None:
    assert "TLS with h:3000 failed: odd" in str(tls_failure(SERVER, ssl.SSLError(1, "odd")))
    assert "hung up" in str(tls_failure(SERVER, ConnectionResetError()))


def test_timeouts_name_the_option() -> None:
    assert "within 10 s" in str(timeout_failure(SERVER, 9.99998))
    assert "within 1e-09 s (option timeout)" in str(timeout_failure(SERVER, 1e-9, "timeout"))
    assert str(timeout_failure(SERVER, 2.5)) == (
        "h:3000 did not accept the connection within 2.5 s (option connect_timeout)"
    )


def test_the_default_context_verifies() -> None:
    context = default_ssl_context()
    assert context is default_ssl_context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
