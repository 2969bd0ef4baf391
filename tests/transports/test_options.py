"""The keyword arguments of `connect`, checked."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from spacetime_proto.client.retry import ReconnectPolicy
from spacetime_proto.client.session_options import ALL_PROTOCOLS
from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.limits import Limits
from spacetime_transports import options as options_module
from spacetime_transports.options import is_async_callable, resolve


def test_without_brotli_the_default_is_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options_module.importlib.util, "find_spec", lambda name: None)
    assert resolve().client.compression == "gzip"


def test_protocols_have_short_names() -> None:
    found = resolve(protocols={"v3", "v2.bsatn", "v1", "v1.json.spacetimedb"})
    assert found.client.protocols == frozenset(ALL_PROTOCOLS)
    assert resolve(protocols="v2").client.protocols == {"v2.bsatn.spacetimedb"}


def test_reconnect_true_is_the_default_policy() -> None:
    policy = ReconnectPolicy(max_attempts=3)
    assert resolve(reconnect=True).reconnect == ReconnectPolicy()
    assert resolve(reconnect=policy).reconnect is policy


def test_headers_come_as_mapping_or_pairs() -> None:
    assert resolve(headers={"X-A": "1"}).headers == (("X-A", "1"),)
    assert resolve(headers=[("X-A", "1"), ("X-A", "2")]).headers == (("X-A", "1"), ("X-A", "2"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"colour": "red"}, "unknown option 'colour'"),
        ({"offline": "maybe"}, "offline"),
        ({"protocols": ["v4"]}, "v4"),
        ({"protocols": []}, "none given"),
        ({"protocols": [3]}, "named by text"),
        ({"compression": "zip"}, "compression"),
        ({"frames": "slow"}, "frames must be 'fast' or 'wsproto'"),
        ({"keepalive": 30}, "keepalive"),
        ({"keepalive": (0, 1)}, "keepalive"),
        ({"close_timeout": float("inf")}, "close_timeout"),
        ({"connect_timeout": -1}, "connect_timeout"),
        ({"connect_timeout": True}, "connect_timeout"),
        ({"token_via": "cookie"}, "token_via"),
        ({"token": 5}, "token must be"),
        ({"token": "two words"}, "white space in it"),
        ({"token": "tök"}, "no JSON web token"),
        ({"reconnect": 3}, "reconnect"),
        ({"headers": {"Authorization": "Bearer x"}}, "use token="),
        ({"headers": {"Sec-WebSocket-Key": "x"}}, "set by the client itself"),
        ({"headers": {"X": "a\r\nY: b"}}, "the value of HTTP header X"),
        ({"headers": {"X": "é"}}, "the value of HTTP header X"),
        ({"headers": {"": "a"}}, "'' is not a name that an HTTP header can have"),
        ({"headers": {"X": 5}}, "headers must be a mapping of text"),
        ({"headers": [("X",)]}, "headers must be a mapping of text"),
        ({"headers": 5}, "headers must be a mapping of text"),
        ({"protocols": 5}, "protocols must be names, not 5"),
        ({"light": "no"}, "light must be True or False, not 'no'"),
        ({"strict_deletes": 1}, "strict_deletes must be True or False, not 1"),
        ({"keepalive": (30, float("nan"))}, "keepalive must be a positive number .*, not nan"),
        ({"keepalive": (1, 2, 3)}, "keepalive must be .*, not \\(1, 2, 3\\)"),
        ({"close_timeout": "5"}, "close_timeout must be a positive number of seconds, not '5'"),
        ({"connect_timeout": 0}, "connect_timeout must be a positive number of seconds, not 0"),
        ({"proxy": "ftp://proxy"}, "the proxy must be an http:// or socks5:// URL"),
        ({"on_connect": 5}, "on_connect must be callable"),
        ({"limits": 5}, "limits must be a Limits, not 5"),
        ({"ssl_context": True}, "ssl_context must be a SSLContext"),
        ({"proxy": 8080}, "the proxy must be"),
        ({"confirmed": "yes"}, "confirmed must be True, False or None, not 'yes'"),
    ],
)
def test_options_without_meaning_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(LocalProtocolError, match=said):
        resolve(**wrong)


def test_what_concerns_the_session_goes_on_to_it() -> None:
    given: dict[str, Any] = {
        "confirmed": False,
        "light": True,
        "offline": "wait",
        "close_timeout": 1,
        "keepalive": (2, 3),
        "strict_deletes": True,
        "limits": Limits(in_flight=3),
    }
    client = resolve(**given).client
    assert {name: getattr(client, name) for name in given} == given


def test_no_timeout_and_no_keepalive_can_be_asked_for() -> None:
    found = resolve(connect_timeout=None, keepalive=None)
    assert found.connect_timeout is None
    assert found.client.keepalive is None


def test_the_token_is_in_no_repr_and_no_error() -> None:
    assert "secret" not in repr(resolve(token="secret", headers={"X-Key": "secret"}))
    with pytest.raises(LocalProtocolError) as caught:
        resolve(token="secret value")
    assert "secret" not in str(caught.value)


def test_a_callable_gives_fresh_tokens() -> None:
    assert resolve(token=lambda: "t").has_fresh_tokens


def test_async_callables_are_found_behind_wrappers() -> None:
    async def plain() -> None: ...

    class Callable:
        async def __call__(self) -> None: ...

    assert is_async_callable(plain)
    assert is_async_callable(functools.partial(plain))
    assert is_async_callable(Callable())
    assert not is_async_callable(lambda: None)
    assert not is_async_callable(print)
