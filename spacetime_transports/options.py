"""Everything that `connect` can be told, checked once, before anything touches the network.

`Options` is what users write, as keyword arguments, the same for the async and the blocking client;
`resolve` turns them into a `ConnectOptions` value. What concerns the protocol goes on to the core
as its `ClientOptions`; the rest (clocks, sockets, files, callbacks) stays with the driver.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, TypeVar

import msgspec

from spacetime_proto.client.callback_arity import callback_name, check_callback
from spacetime_proto.client.retry import ReconnectPolicy
from spacetime_proto.client.session_options import (
    ALL_PROTOCOLS,
    ClientOptions,
    Compression,
    FrameParser,
    check_seconds,
)
from spacetime_proto.errors import LocalProtocolError

from .token_sources import TokenSource, checked_source

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from spacetime_proto.client.callback_types import (
        OnCallbackError,
        OnConnect,
        OnConnectError,
        OnDisconnect,
    )
    from spacetime_proto.limits import Limits
    from spacetime_proto.recording.format import Recorder

__all__ = [
    "ConnectOptions",
    "Options",
    "ReconnectPolicy",
    "RecorderTarget",
    "TokenVia",
    "callback_name",
    "resolve",
]

TokenVia: TypeAlias = Literal["header", "websocket-token"]
RecorderTarget: TypeAlias = "Recorder | str | os.PathLike[str]"
_RESERVED_HEADERS = frozenset({"authorization", "connection", "host", "upgrade"})


class Options(TypedDict, total=False):
    """Keyword arguments of `connect` and `blocking.connect`.

    token: TokenSource = None
        The identity: a JSON web token, a `TokenFile`, a callable that returns a fresh token for
        every attempt (the async client takes async ones too), or None for a new identity.
    token_via: TokenVia = "header"
        ``"header"`` sends the token in the Authorization header; ``"websocket-token"``
        first exchanges it for one that is valid for 60 seconds and puts that one in the URL.
    protocols: Iterable[str] = all
        Subprotocols to offer, such as ``{"v3", "v2", "v1.json"}``; by default all.
    compression: Compression | None = None
        ``"brotli"``, ``"gzip"``, ``"none"``, or None for the best one that is installed.
    confirmed: bool | None = None
        Whether results wait until they are durable; None leaves it to the server.
    light: bool = False
        v1 only: less detail about other clients' transactions.
    reconnect: bool | ReconnectPolicy = False
        Whether and how to connect again after the connection was lost.
    wait_for_server: float | None = None
        Seconds during which the first connect is repeated while the server is not there yet:
        nothing listens, its name does not resolve, or a gateway answers 502, 503, 504 or 429.
        None: the first failure is raised.
    offline: Literal["fail", "wait"] = "fail"
        What calls do while there is no connection but one may come back. Those of a blocking
        client that wait for an answer anyway (`call`, `query`, `subscribe`) also wait for the
        connection, as long as their timeout allows, unless ``"fail"`` is given.
    connect_timeout: float | None = 10.0
        Seconds that connecting may take, from the token (the first time from asking for the
        schema) to the server's greeting.
    keepalive: tuple[float, float] | None = (30.0, 30.0)
        Seconds of silence before a ping, and seconds to wait for its answer.
    close_timeout: float = 5.0
        Seconds to wait for the server's side of a close.
    keep_alive_thread: bool = True
        Blocking client only: whether a thread answers the server's pings, and takes what arrives
        up to 4 MiB, while the program does not run the client; it runs no callbacks. Without it
        the server drops an idle client after 30 seconds. The async client ignores it.
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()
        Further headers of the upgrade request.
    ssl_context: ssl.SSLContext | None = None
        For https; None verifies certificates against the system's authorities.
    proxy: str | None = None
        ``http://[user:password@]host:port`` (CONNECT) or ``socks5://…``.
    frames: FrameParser = "fast"
        What reads and writes WebSocket frames: ``"fast"``, this project's own codec, or
        ``"wsproto"``, a library that is widely used and several times slower.
    limits: Limits = Limits()
        How much the server may send and the program may ask for; see `Limits`.
    strict_deletes: bool = False
        Make the delete of a row that the cache does not hold an error.
    on_connect: OnConnect[Any] | None = None
        ``on_connect(ctx, identity, token)``, also after each reconnect.
    on_connect_error: OnConnectError[Any] | None = None
        ``on_connect_error(ctx, error)``: an attempt ended before the server greeted.
    on_disconnect: OnDisconnect[Any] | None = None
        ``on_disconnect(ctx, error | None)``.
    on_callback_error: OnCallbackError | None = None
        Called with the exception that a callback raised and, if it takes a second argument, with
        that callback. Without it, a callback that raises ends the connection.
    slow_callback: float | None = 1.0
        Seconds from which on a callback counts as slow, and a warning is logged; None turns it
        off. Callbacks for rows are timed in groups.
    recorder: RecorderTarget | None = None
        A `spacetime_proto.testing.Recorder`, or a path, to write the session to: each connection
        after the first goes to a file of its own.
    """

    token: TokenSource
    token_via: TokenVia
    protocols: Iterable[str]
    compression: Compression | None
    confirmed: bool | None
    light: bool
    reconnect: bool | ReconnectPolicy
    wait_for_server: float | None
    offline: Literal["fail", "wait"]
    connect_timeout: float | None
    keepalive: tuple[float, float] | None
    close_timeout: float
    keep_alive_thread: bool
    headers: Mapping[str, str] | Iterable[tuple[str, str]]
    ssl_context: ssl.SSLContext | None
    proxy: str | None
    frames: FrameParser
    limits: Limits
    strict_deletes: bool
    on_connect: OnConnect[Any] | None
    on_connect_error: OnConnectError[Any] | None
    on_disconnect: OnDisconnect[Any] | None
    on_callback_error: OnCallbackError | None
    slow_callback: float | None
    recorder: RecorderTarget | None


F = TypeVar("F", bound=Callable[..., Any])


def names_options(connect: F) -> F:
    """Write the names of all options into the docstring of a function that takes them."""
    lines = [""]
    for name in (*Options.__annotations__, ""):
        word = f" {name}," if name else " explained by help(Options)."
        if len(lines[-1]) + len(word) > 84:
            lines.append("")
        lines[-1] += word
    listed = "\n           ".join(lines)
    if connect.__doc__ is not None:  # as it is under python -OO
        connect.__doc__ = connect.__doc__.replace("options: see `Options`.", f"options:{listed}")
    return connect


class ConnectOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The checked form of `Options`. The repr leaves out the token, headers and proxy."""

    client: ClientOptions
    token: TokenSource = None
    token_via: TokenVia = "header"
    reconnect: ReconnectPolicy | None = None
    wait_for_server: float | None = None
    connect_timeout: float | None = 10.0
    waits_offline: bool = True
    """Whether the waiting requests of a blocking client wait for a lost connection, too."""
    keep_alive_thread: bool = True
    headers: tuple[tuple[str, str], ...] = ()
    ssl_context: ssl.SSLContext | None = None
    proxy: str | None = None
    on_connect: OnConnect[Any] | None = None
    on_connect_error: OnConnectError[Any] | None = None
    on_disconnect: OnDisconnect[Any] | None = None
    on_callback_error: OnCallbackError | None = None
    slow_callback: float | None = 1.0
    recorder: RecorderTarget | None = None

    def __repr__(self) -> str:
        return f"ConnectOptions(client={self.client!r}, reconnect={self.reconnect!r})"

    @property
    def has_fresh_tokens(self) -> bool:
        """Whether each attempt asks for another token."""
        return callable(self.token)


def resolve(**options: Unpack[Options]) -> ConnectOptions:
    """Check the keyword arguments of `connect` and return them as one value.

    Raises:
        LocalProtocolError: for an option that is unknown or makes no sense; its text names the
            option.
    """
    given: dict[str, Any] = dict(options)
    unknown = sorted(set(given) - set(Options.__annotations__))
    if unknown:
        raise LocalProtocolError(
            f"unknown option {unknown[0]!r}; known: {', '.join(sorted(Options.__annotations__))}"
        )
    for_session = {name: given[name] for name in ClientOptions.__struct_fields__ if name in given}
    for_session["protocols"] = _protocols(given.get("protocols"))
    for_session["compression"] = _compression(given.get("compression"))
    client = ClientOptions(**for_session)
    via = given.get("token_via", "header")
    if via not in ("header", "websocket-token"):
        raise LocalProtocolError(f"token_via must be 'header' or 'websocket-token', not {via!r}")
    return ConnectOptions(
        client=client,
        token=checked_source(given.get("token")),
        token_via=via,
        reconnect=_reconnect(given.get("reconnect", False)),
        wait_for_server=_seconds("wait_for_server", given.get("wait_for_server")),
        connect_timeout=_seconds("connect_timeout", given.get("connect_timeout", 10.0)),
        waits_offline=given.get("offline") != "fail",
        keep_alive_thread=_flag("keep_alive_thread", given.get("keep_alive_thread", True)),
        headers=_headers(given.get("headers") or ()),
        ssl_context=_ssl_context(given.get("ssl_context")),
        proxy=_proxy(given.get("proxy")),
        on_connect=_callback("on_connect", given.get("on_connect")),
        on_connect_error=_callback("on_connect_error", given.get("on_connect_error")),
        on_disconnect=_callback("on_disconnect", given.get("on_disconnect")),
        on_callback_error=_callback("on_callback_error", given.get("on_callback_error")),
        slow_callback=_seconds("slow_callback", given.get("slow_callback", 1.0)),
        recorder=given.get("recorder"),
    )


# --- one option each --------------------------------------------------------------------------


def _protocols(value: Iterable[str] | None) -> frozenset[str]:
    if value is None:
        return frozenset(ALL_PROTOCOLS)
    if not isinstance(value, Iterable):
        raise LocalProtocolError(f"protocols must be names, not {value!r}")
    names = [value] if isinstance(value, str) else list(value)
    return frozenset(_protocol_name(name) for name in names)


def _protocol_name(name: str) -> str:
    """Return the full name for ``v3``, ``v1.json`` and the like; others are left to the core."""
    if not isinstance(name, str):
        raise LocalProtocolError(f"protocols are named by text, not {name!r}")
    if name.endswith(".spacetimedb"):
        return name
    if name in ("v3", "v2", "v1"):
        name += ".bsatn"
    return name + ".spacetimedb"


def _compression(value: Compression | None) -> Compression:
    if value is not None:
        return value  # ClientOptions checks it
    return "brotli" if importlib.util.find_spec("brotli") is not None else "gzip"


def _proxy(value: str | None) -> str | None:
    if value is not None:
        from .net.address import parse_proxy  # with h11, which few need for a proxy

        parse_proxy(value)
    return value


def _reconnect(value: bool | ReconnectPolicy | None) -> ReconnectPolicy | None:
    if value is True:
        return ReconnectPolicy()
    if value is False or value is None:
        return None
    if isinstance(value, ReconnectPolicy):
        return value
    raise LocalProtocolError(f"reconnect must be a bool or a ReconnectPolicy, not {value!r}")


def _flag(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise LocalProtocolError(f"{name} must be True or False, not {value!r}")


def _headers(
    value: Mapping[str, str] | Iterable[tuple[str, str]],
) -> tuple[tuple[str, str], ...]:
    if value == ():
        return ()
    from spacetime_proto.wire.headers import Headers  # with h11: `--help` of the CLI stays quick

    headers = tuple(Headers(value))
    for name, _ in headers:
        lowered = name.lower()
        if lowered in _RESERVED_HEADERS or lowered.startswith("sec-websocket-"):
            hint = "; use token=" if lowered == "authorization" else ""
            raise LocalProtocolError(f"the header {name!r} is set by the client itself{hint}")
    return headers


def _ssl_context(value: object) -> ssl.SSLContext | None:
    if value is None or isinstance(value, ssl.SSLContext):
        return value
    raise LocalProtocolError(f"ssl_context must be a SSLContext, not {value!r}")


def _seconds(name: str, value: float | None) -> float | None:
    return None if value is None else check_seconds(name, value)


def _callback(name: str, value: object) -> Any:
    if value is None:
        return None
    if not callable(value):
        raise LocalProtocolError(f"{name} must be callable, not {type(value).__name__}")
    check_callback(name, value)
    return value


def is_async_callable(function: object) -> bool:
    """Whether `function` is an ``async def``, a partial of one, or an object whose ``__call__`` is."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  # the method itself is inspected
    )
