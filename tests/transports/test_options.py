"""The keyword arguments of `connect`, checked."""

from __future__ import annotations

import functools
import inspect
import pydoc
import re
from typing import Any

import pytest

from spacetime_proto.client.retry import ReconnectPolicy
from spacetime_proto.client.session_options import ALL_PROTOCOLS
from spacetime_proto.errors import LocalProtocolError
from spacetime_proto.limits import Limits
from spacetime_transports import blocking, connect
from spacetime_transports import options as options_module
from spacetime_transports.client_base import SubscribeCallbacks
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


def test_callbacks_take_what_they_are_called_with() -> None:
    takes = {
        "on_connect": 3, "on_connect_error": 2, "on_disconnect": 2, "on_callback_error": 2, "token": 0,
    }  # fmt: skip
    options: dict[str, Any] = {}
    for name, number in takes.items():
        for wrong in range(6):
            if wrong == number or (name, wrong) == ("on_callback_error", 1):
                continue
            words = rf"{name} is called with \(.*\), but .* takes \("
            with pytest.raises(TypeError, match=words):
                resolve(**{name: function_of(wrong)})
        options[name] = function_of(number)
    resolve(**options)
    resolve(on_callback_error=function_of(1))
    with pytest.raises(TypeError, match=r"on_disconnect: .* is a generator function"):
        resolve(on_disconnect=generator)


def function_of(number: int) -> Any:
    """Return a function with that many parameters."""
    return (
        lambda: None, lambda a: a, lambda a, b: a, lambda a, b, c: a, lambda a, b, c, d: a,
        lambda a, b, c, d, e: a,
    )[number]  # fmt: skip


def generator(ctx: Any, error: Any) -> Any:
    yield


def test_async_callables_are_found_behind_wrappers() -> None:
    async def plain() -> None: ...

    class Callable:
        async def __call__(self) -> None: ...

    assert is_async_callable(plain)
    assert is_async_callable(functools.partial(plain))
    assert is_async_callable(Callable())
    assert not is_async_callable(lambda: None)
    assert not is_async_callable(print)


def test_a_blocking_client_takes_no_async_handler_of_errors() -> None:
    async def handler(error: Exception) -> None: ...

    with pytest.raises(TypeError, match="handler is an async function"):
        blocking.connect("localhost:1", "x", on_callback_error=handler)
    connect("localhost:1", "x", on_callback_error=handler)


def documented(cls: Any) -> dict[str, tuple[str, str]]:
    """Return (type, default) by field, as the class's docstring says; each has a text below."""
    doc = inspect.getdoc(cls) or ""
    found = re.findall(r"^(\w+): (.+?) = (.+)\n    \S", doc, re.MULTILINE)
    return {name: (kind, default) for name, kind, default in found}


def test_help_shows_every_option() -> None:
    options = documented(options_module.Options)
    assert {name: kind.replace('"', "'") for name, (kind, _) in options.items()} == {
        name: reference.__forward_arg__
        for name, reference in options_module.Options.__annotations__.items()
    }
    resolved = resolve()
    for name, (_, default) in options.items():
        own = getattr(resolved, name, getattr(resolved.client, name, None))
        said = eval(default, {"Limits": Limits, "all": frozenset(ALL_PROTOCOLS)})
        if name == "compression":
            assert said is None
        else:
            assert (own or None) == (said or None), name
    assert "Seconds to wait for the server's side of a close." in pydoc.render_doc(
        options_module.Options
    )


def test_help_shows_every_limit_and_number() -> None:
    units = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
    for cls in (Limits, ReconnectPolicy):
        fields: dict[str, Any] = {}
        for name, (_, default) in documented(cls).items():
            number, _, unit = default.partition(" ")
            fields[name] = eval(number) * units[unit] if unit else eval(number)
        assert fields == {name: getattr(cls(), name) for name in cls.__struct_fields__}


def test_help_shows_every_callback_of_a_subscription() -> None:
    callbacks = documented(SubscribeCallbacks)
    assert list(callbacks) == list(SubscribeCallbacks.__annotations__)
    assert "if it is refused or dies later." in (inspect.getdoc(SubscribeCallbacks) or "")


@pytest.mark.parametrize("function", [connect, blocking.connect])
def test_help_of_connect_names_all_options(function: Any) -> None:
    text = pydoc.plain(pydoc.render_doc(function))
    for name in options_module.Options.__annotations__:
        assert re.search(rf"\b{name},", text), name
    assert "explained by help(Options)." in text
    assert max(map(len, (inspect.getdoc(function) or "").splitlines())) <= 100
