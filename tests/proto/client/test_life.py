"""`life` driven by a script, without a socket: what is wanted, and what comes of each answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from spacetime_proto.client.callbacks import Callbacks
from spacetime_proto.client.life import (
    LAST_WORDS,
    Answered,
    Bindings,
    Credentials,
    Dial,
    HangUp,
    LifeRules,
    LifeStatus,
    Sleep,
    Token,
    life,
)
from spacetime_proto.client.pump import MESSAGE_DONE, Invoke, InvokeEach, Read, Received
from spacetime_proto.client.retry import ReconnectPolicy
from spacetime_proto.client.session_options import Target
from spacetime_proto.client.states import ClientState, SessionState
from spacetime_proto.errors import (
    AuthError,
    ConnectError,
    DatabaseNotFound,
    Disconnected,
    HandshakeError,
    LocalProtocolError,
)
from spacetime_proto.wire.websocket import ServerWebSocket
from tests.support.pair import counting_entropy
from tests.support.script import TOKEN, Script

POLICY = ReconnectPolicy(first_delay=2.0, max_delay=4.0)


class Life:
    """A client without a network: fulfils what can be fulfilled at once, and stops at the rest.

    `want` is what the client waits for. The log has what it asked for on the way.
    """

    def __init__(self, *, session: bool = True, **rules: Any) -> None:
        self.script = Script(**{k: rules.pop(k) for k in ("offline",) if k in rules})
        self.callbacks = Callbacks()
        rules.setdefault("connect_timeout", 10.0)
        rules.setdefault("target", Target(host="test", database="chat"))
        self.status: LifeStatus[Any] = LifeStatus(
            LifeRules(url="http://test", **rules), self.callbacks, entropy=lambda n: b"\xff" * n
        )
        for kind in ("connect", "connect_error", "disconnect"):
            self.callbacks.add(kind, lambda ctx, *facts, kind=kind: self.log.append(kind))
        if session:
            self.status.session = self.script.session
        self.log: list[Any] = []
        self.living = life(self.status, now=self.script.now)
        self.is_over = False
        self.want: Any = None
        self.step(lambda: self.living.send(None))

    @property
    def session(self) -> Any:
        return self.script.session

    def step(self, go_on: Any) -> None:
        """Go on, and do what is wanted until that is something of the network's."""
        while True:
            try:
                self.want = go_on()
            except StopIteration:
                self.is_over = True
                return
            if isinstance(self.want, Invoke | InvokeEach):
                calls = (
                    [(self.want.function, self.want.args)]
                    if isinstance(self.want, Invoke)
                    else self.want.calls
                )
                try:
                    for function, args in calls:
                        function(*args)
                except Exception as error:
                    go_on = lambda error=error: self.living.throw(error)  # noqa: E731
                    continue
            elif self.want is MESSAGE_DONE:
                if not self.status.is_up and self.status.message_done():
                    self.log.append("up")
            else:
                self.log.append(type(self.want).__name__)
                return
            go_on = lambda: self.living.send(None)  # noqa: E731

    def answer(self, value: Any = None, error: Exception | None = None, *, at: float = 0.0) -> None:
        """Answer what is not a read; `at` is seconds later than the last answer."""
        self.script.now += at
        self.step(lambda: self.living.send(Answered(self.script.now, value, error)))

    def read(self, *, at: float = 0.0, **received: Any) -> None:
        """Answer a read."""
        assert isinstance(self.want, Read)
        self.script.now += at
        self.step(lambda: self.living.send(Received(self.script.now, **received)))

    def dial(self, token: str | None = None, query_token: str | None = None) -> None:
        """Let an attempt come to a stream."""
        assert isinstance(self.want, Token)
        self.answer(Credentials(token, query_token))
        assert isinstance(self.want, Dial)
        self.answer("a stream")

    def greet(self, **received: Any) -> None:
        """Let the server accept and greet; `received` is more that the read brings."""
        server = self.script.server = ServerWebSocket(entropy=counting_entropy("server"))
        server.start(self.script.now)
        server.receive_data(self.session.data_to_send(), self.script.now)
        self.script.accept()
        self.script.greet()
        self.read(**received)

    def connect(self) -> None:
        self.dial()
        self.greet()

    def request(self) -> str:
        """Return the upgrade request."""
        return bytes(self.session.data_to_send()).decode()


def connected(**rules: Any) -> Life:
    client = Life(**rules)
    client.connect()
    client.log.clear()
    return client


def back(client: Life) -> None:
    """Lose the connection and wait until the next attempt is due."""
    client.read(error=OSError("gone"))
    client.answer()
    assert isinstance(client.want, Sleep)
    client.answer(at=client.want.until - client.script.now)


# --- one connection -------------------------------------------------------------------------------


def test_a_client_that_connects_and_is_closed() -> None:
    client = Life()
    assert client.want == Token(None, 10.0)
    client.connect()
    assert client.log == ["Token", "Dial", "Read", "connect", "up", "Read"]
    assert client.status.is_up
    client.session.close()
    client.read(eof=True)
    assert isinstance(client.want, HangUp)
    client.answer()
    assert client.is_over and client.log[-2:] == ["disconnect", "HangUp"]
    assert client.status.error is None


def test_credentials_get_into_the_request() -> None:
    client = Life()
    client.dial(token=TOKEN)
    assert f"Authorization: Bearer {TOKEN}" in client.request()
    assert client.status.token == TOKEN
    client = Life()
    client.dial(token=TOKEN, query_token="short")
    request = client.request()
    assert "token=short" in request and TOKEN not in request
    assert client.status.token == TOKEN
    assert TOKEN not in repr(Credentials(TOKEN))


def test_the_token_is_saved_before_on_connect_runs() -> None:
    saved: list[str] = []
    client = Life(save_token=saved.append)
    client.callbacks.add("connect", lambda ctx, *facts: client.log.append(tuple(saved)))
    client.connect()
    assert (TOKEN,) in client.log
    client = Life(save_token=saved.append)
    client.dial(token="mine")
    client.greet()
    assert saved == [TOKEN, "mine"]
    assert client.status.own_token == "mine"
    assert Life(session=False).status.own_token is None
    assert connected().status.own_token == TOKEN


def test_a_token_that_cannot_be_saved_ends_the_client() -> None:
    def save(token: str) -> None:
        raise LocalProtocolError("cannot write")

    client = Life(save_token=save)
    client.connect()
    assert isinstance(client.want, HangUp) and not client.status.is_up
    client.answer()
    assert client.is_over and isinstance(client.status.error, LocalProtocolError)


def test_a_loss_without_a_policy_is_the_end() -> None:
    client = connected()
    pending = client.session.call(client.script.module.reducers.set_name("x"))
    client.read(error=OSError("gone"))
    assert client.log == ["disconnect", "HangUp"]
    client.answer()
    error = client.status.error
    assert client.is_over and isinstance(error, Disconnected)
    assert "the connection was lost: gone" in str(error) and isinstance(error.__cause__, OSError)
    assert isinstance(pending.error, Disconnected)


def test_what_a_callback_raises_ends_the_client() -> None:
    def explode(ctx: object, *facts: object) -> None:
        raise ZeroDivisionError("mine")

    client = Life()
    client.callbacks.add("connect", explode)
    client.connect()
    client.answer()
    assert client.is_over and not client.status.is_up
    assert isinstance(client.status.error, ZeroDivisionError)
    assert client.session.state is SessionState.CLOSED


def test_callback_errors_can_be_handled() -> None:
    caught: list[Any] = []
    client = Life(on_callback_error=lambda error, function: caught.append(error))
    client.callbacks.add("connect", lambda ctx, *facts: 1 / 0)
    client.connect()
    assert client.status.is_up and isinstance(caught[0], ZeroDivisionError)


# --- attempts that fail ------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ConnectError("refused"), None])
def test_an_attempt_that_fails(error: Exception | None) -> None:
    client = Life()
    client.answer(Credentials(None))
    client.answer(None, error, at=0.0 if error else 10.0)
    assert client.log == ["Token", "Dial", "connect_error", "HangUp"]
    client.answer()
    assert client.is_over and isinstance(client.status.error, ConnectError)
    expected = (
        "refused" if error else r"http://test did not .* within 10 s \(option connect_timeout\)"
    )
    with pytest.raises(ConnectError, match=expected):
        raise client.status.error


def test_a_refusal_that_comes_when_time_is_up_is_lateness() -> None:
    client = Life()
    client.answer(Credentials(None))
    client.answer(None, ConnectError("timed out"), at=10.0)
    client.answer()
    assert "within 10 s" in str(client.status.error)
    assert client.status.error is not None
    assert isinstance(client.status.error.__cause__, ConnectError)


def test_a_token_that_does_not_come_in_time() -> None:
    client = Life()
    client.answer(at=10.0)
    assert client.log == ["Token", "connect_error", "HangUp"]
    client.answer()
    assert "within 10 s" in str(client.status.error)


@pytest.mark.parametrize("error", [ValueError("mine"), LocalProtocolError("none"), OSError("mine")])
def test_what_a_token_callable_raises_at_first_is_told_as_it_is(error: Exception) -> None:
    client = Life(reconnect=POLICY)
    client.answer(None, error)
    assert client.is_over and client.status.error is error
    assert client.session.state is SessionState.CLOSED
    assert client.log == ["Token"]


def test_a_token_callable_with_network_trouble_on_the_way_back() -> None:
    client = connected(reconnect=POLICY)
    back(client)
    client.answer(None, OSError("unreachable"))
    assert client.log[-2:] == ["connect_error", "HangUp"]
    client.answer()
    assert isinstance(client.want, Sleep)
    client.answer()
    client.answer(None, ValueError("mine"))
    assert client.log[-2:] == ["connect_error", "HangUp"]
    client.answer()
    assert client.is_over and isinstance(client.status.error, ValueError)


def test_a_server_that_never_greets() -> None:
    client = Life()
    client.dial()
    assert client.want == Read(10.0)
    client.read(at=9.0)
    assert client.want == Read(10.0)
    client.read(at=1.0)
    client.answer()
    assert client.is_over and "within 10 s" in str(client.status.error)


def test_bytes_that_dribble_in_do_not_put_off_the_limit() -> None:
    client = Life(connect_timeout=5.0)
    client.dial()
    for letter in (b"H", b"T", b"T", b"P"):
        client.read(at=1.0, data=letter)
    client.read(at=1.0, data=b"/")  # it may have lain there in time, and be the rest of a greeting
    assert client.want == Read(5.0)
    client.read(data=b"1")
    assert isinstance(client.want, HangUp)
    client.answer()
    assert client.is_over and "within 5 s" in str(client.status.error)


def test_a_greeting_that_was_read_late_counts() -> None:
    client = Life(connect_timeout=5.0)
    client.dial()
    client.script.now += 6.0
    client.greet(data=b"\x89\x00")  # with a ping behind it
    assert client.status.is_up


def test_the_schema_and_the_first_attempt_share_one_limit() -> None:
    client = Life(session=False)
    assert client.want == Bindings(10.0)
    client.status.session = client.script.session
    client.answer(at=4.0)
    assert client.want == Token(None, 10.0)
    assert Life(session=False, connect_timeout=None).want == Bindings(None)


def test_a_schema_that_does_not_come_in_time() -> None:
    client = Life(session=False)
    client.answer(at=10.0)
    assert client.is_over and "within 10 s" in str(client.status.error)


def test_no_limit_to_the_greeting() -> None:
    client = Life(connect_timeout=None)
    assert client.want == Token(None, None)
    client.dial()
    assert isinstance(client.want, Read) and client.want.deadline == 10.0  # the handshake's own


def test_the_limit_is_void_after_the_greeting() -> None:
    client = connected()
    assert isinstance(client.want, Read)
    client.read(at=20.0)
    assert isinstance(client.want, Read) and client.session.state is SessionState.OPEN


# --- writing that fails -----------------------------------------------------------------------------


def test_after_a_write_error_the_server_has_a_moment_for_its_last_words() -> None:
    client = connected()
    client.read(at=1.0, write_error=OSError("broken pipe"))
    assert client.want == Read(1.0 + LAST_WORDS)
    assert client.script.server is not None
    client.script.server.close(1008, "you are banned", now=1.0)
    client.read(data=client.script.server.data_to_send())
    assert client.want == HangUp(0.0)  # nothing can be written any more
    client.answer()
    assert "you are banned" in str(client.status.error)


def test_after_a_write_error_silence_is_a_loss() -> None:
    client = connected()
    client.read(write_error=OSError("broken pipe"))
    client.read(at=LAST_WORDS / 2)
    assert isinstance(client.want, Read)
    client.read(at=LAST_WORDS / 2)
    client.answer()
    assert "the connection was lost: broken pipe" in str(client.status.error)


def test_after_a_write_error_bytes_that_keep_coming_are_a_loss_too() -> None:
    client = connected()
    client.read(write_error=OSError("broken pipe"))
    ping = b"\x89\x00"
    for _ in range(2):
        client.read(at=LAST_WORDS / 2, data=ping)
        assert isinstance(client.want, Read)
    client.read(data=ping)
    client.answer()
    assert "the connection was lost: broken pipe" in str(client.status.error)


def test_a_write_error_in_a_handshake_that_is_late() -> None:
    client = Life()
    client.dial()
    client.read(at=9.5, write_error=OSError("broken pipe"))
    client.read(at=0.5)
    client.answer()
    assert "within 10 s" in str(client.status.error)


def test_a_write_error_in_a_handshake_without_a_limit() -> None:
    client = Life(connect_timeout=None)
    client.dial()
    client.read(write_error=OSError())
    assert client.want == Read(LAST_WORDS)
    client.read(at=LAST_WORDS)
    assert isinstance(client.want, HangUp)
    client.answer()
    assert "OSError" in str(client.status.error)


# --- coming back --------------------------------------------------------------------------------------


def test_coming_back_with_growing_delays() -> None:
    client = connected(reconnect=POLICY)
    client.read(error=OSError("gone"))
    assert client.status.retry_at == 2.0  # the delay begins with the loss
    client.answer(at=1.0)
    assert client.want == Sleep(2.0) and client.status.state is ClientState.WAITING
    client.answer(at=1.0)
    assert client.status.retry_at is None
    assert client.want == Token(TOKEN, 12.0)
    client.answer(Credentials(TOKEN))
    client.answer(None, ConnectError("refused"))
    client.answer()
    assert client.want == Sleep(2.0 + 4.0)
    client.answer(at=4.0)
    client.connect()
    assert client.session.state is SessionState.OPEN
    assert client.log == [
        "disconnect", "HangUp", "Sleep", "Token", "Dial", "connect_error", "HangUp", "Sleep",
        "Token", "Dial", "Read", "connect", "Read",
    ]  # fmt: skip
    client.read(error=OSError("gone"))
    client.answer()
    assert client.want == Sleep(6.0 + 2.0)  # short again


def busy(client: Life) -> None:
    """Let an attempt find that another connection holds the session."""
    client.dial()
    server = client.script.server = ServerWebSocket(entropy=counting_entropy("server"))
    server.start(client.script.now)
    server.receive_data(client.session.data_to_send(), client.script.now)
    client.script.accept()
    server.close(4000, now=client.script.now)
    client.script.deliver()
    client.read()
    client.answer()


def test_a_held_session_is_asked_for_again_soon() -> None:
    client = connected(reconnect=msgspec.structs.replace(POLICY, max_attempts=1))
    back(client)
    delays = []
    for _ in range(9):  # more than max_attempts
        busy(client)
        assert client.status.retry_at is not None
        delays.append(client.status.retry_at - client.script.now)
        client.answer(at=delays[-1])
    assert delays[:3] == pytest.approx([0.05, 0.075, 0.1125])
    assert max(delays) == 0.5
    assert client.log.count("connect_error") == 9
    client.connect()
    assert client.status.state is ClientState.CONNECTED
    back(client)
    busy(client)
    assert client.status.retry_at == pytest.approx(client.script.now + 0.05)  # short again


def test_a_session_that_is_held_for_too_long_counts_as_a_failure() -> None:
    client = connected(reconnect=msgspec.structs.replace(POLICY, max_attempts=2))
    back(client)
    began = client.script.now
    while client.script.now < began + 10.0:
        busy(client)
        assert isinstance(client.want, Sleep)
        client.answer(at=client.want.until - client.script.now)
    busy(client)
    assert client.want == Sleep(client.script.now + 4.0)
    client.answer(at=4.0)
    busy(client)
    assert client.is_over
    assert "gave up after 2 attempts: the server still has" in str(client.status.error)


def test_another_failure_in_between_begins_anew() -> None:
    client = connected(reconnect=POLICY)
    back(client)
    busy(client)
    client.answer(at=20.0)
    client.answer(Credentials(None))
    client.answer(None, ConnectError("refused"))
    client.answer()
    client.answer(at=4.0)
    busy(client)
    assert client.want == Sleep(client.script.now + 0.05)


@pytest.mark.parametrize("limit", [3.0, None])
def test_a_held_session_of_a_first_connection(limit: float | None) -> None:
    client = Life(connect_timeout=limit)
    began = client.script.now
    while client.script.now < began + (limit or 10.0):
        busy(client)
        assert isinstance(client.want, Sleep)
        client.answer(at=client.want.until - client.script.now)
    busy(client)
    assert client.is_over
    assert "the server still has an earlier connection" in str(client.status.error)


def test_no_other_attempt_without_a_policy() -> None:
    client = connected()
    error = Disconnected("gone")
    error.retry_soon = True
    assert client.status.decide(error, 1.0) == (error, None)


def test_giving_up_settles_what_waited() -> None:
    done: list[Any] = []
    policy = ReconnectPolicy(first_delay=0.0, max_attempts=1)
    client = connected(reconnect=policy, offline="wait")
    back(client)
    call = client.script.module.reducers.set_name("x")
    pending = client.session.call(call, on_done=done.append)
    client.answer(Credentials(None))
    client.answer(None, ConnectError("refused"))
    assert client.log[-2:] == ["connect_error", "HangUp"]
    client.answer()
    assert client.is_over and done == [pending]
    assert isinstance(client.status.error, ConnectError)
    assert client.log.count("connect_error") == 1  # told once


@pytest.mark.parametrize("fresh", [False, True])
def test_a_token_that_is_refused_is_not_tried_again_unless_there_may_be_another(
    fresh: bool,
) -> None:
    client = connected(reconnect=POLICY, has_fresh_tokens=fresh)
    back(client)
    client.answer(Credentials(None))
    client.answer(None, AuthError("no", status=401))
    client.answer()
    assert client.is_over is not fresh
    assert isinstance(client.want, Sleep) is fresh


def test_what_will_come_is_told_with_the_loss() -> None:
    client = connected(reconnect=ReconnectPolicy(first_delay=2.0, max_attempts=1))
    events: list[Any] = []
    for kind in ("connect_error", "disconnect"):
        client.callbacks.add(kind, lambda ctx, error: events.append(ctx.event))
    pending = client.session.call(client.script.module.reducers.set_name("x"))
    client.read(error=OSError("gone"))
    (lost,) = events
    assert (lost.will_retry, lost.retry_in) == (True, 2.0)
    assert isinstance(lost.error, Disconnected) and not lost.error.is_final
    assert isinstance(pending.error, Disconnected) and not pending.error.is_final
    client.answer()
    client.answer(at=2.0)
    client.answer(Credentials(None))
    client.answer(None, ConnectError("refused"))
    assert client.session.state is SessionState.CLOSED  # at once, not after the hang-up
    failed = events[-1]
    assert (failed.will_retry, failed.retry_in) == (False, None)
    assert str(failed.error) == "gave up after 1 attempt: refused"
    client.answer()
    assert client.is_over and client.status.error is failed.error
    assert str(failed.error.__cause__) == "refused"


def test_an_end_without_a_policy_is_final() -> None:
    client = connected()
    events: list[Any] = []
    client.callbacks.add("disconnect", lambda ctx, error: events.append(ctx.event))
    pending = client.session.call(client.script.module.reducers.set_name("x"))
    client.read(error=OSError("gone"))
    assert not events[0].will_retry and events[0].error.is_final
    assert isinstance(pending.error, Disconnected) and pending.error.is_final


def test_a_server_that_says_how_long_to_wait() -> None:
    client = connected(reconnect=POLICY)
    back(client)
    busy = HandshakeError("busy", status=429)
    busy.retry_after = 3600.0
    client.answer(Credentials(None))
    client.answer(None, busy)
    client.answer()
    assert client.want == Sleep(2.0 + 4.0)  # no longer than the policy allows


@pytest.mark.parametrize("kind", ["disconnect", "connect_error"])
def test_a_callback_that_raises_when_it_hears_of_a_loss_ends_the_client(kind: str) -> None:
    told: list[BaseException] = []

    def explode(ctx: object, error: BaseException) -> None:
        told.append(error)
        raise ZeroDivisionError("mine")

    client = connected(reconnect=POLICY)
    client.callbacks.add(kind, explode)
    client.read(error=OSError("gone"))
    client.answer()
    if kind == "connect_error":
        client.answer(at=2.0)
        client.answer(Credentials(None))
        client.answer(None, ConnectError("refused"))
        client.answer()
    assert client.is_over and len(told) == 1
    error = client.status.error
    assert isinstance(error, ZeroDivisionError) and error.__context__ is told[0]


def test_a_callback_that_raises_when_it_hears_that_nothing_listens() -> None:
    client = Life()
    client.callbacks.add("connect_error", lambda ctx, error: 1 / 0)
    client.answer(Credentials(None))
    client.answer(None, ConnectError("refused"))
    client.answer()
    assert client.is_over and isinstance(client.status.error, ZeroDivisionError)


# --- waiting for a server that is not there yet ---------------------------------------------------------

NOT_THERE = ConnectError("refused", is_transient=True)


@pytest.mark.parametrize("session", [True, False])
def test_the_first_attempt_is_repeated_while_the_server_is_not_there(session: bool) -> None:
    client = Life(session=session, wait_for_server=6.0)
    events: list[Any] = []
    client.callbacks.add("connect_error", lambda ctx, error: events.append((ctx, error)))

    def fail(error: Exception) -> None:
        if session:
            client.answer(Credentials(None))
        client.answer(None, error)
        if session:
            client.answer()

    fail(NOT_THERE)
    assert client.want == Sleep(1.0) and client.status.state is ClientState.WAITING
    ctx, error = events[0]
    assert error is NOT_THERE and ctx.event.will_retry and ctx.event.retry_in == 1.0
    client.answer(at=1.0)
    assert client.status.state is ClientState.CONNECTING
    fail(HandshakeError("starting", status=503))
    assert client.want == Sleep(3.0)
    client.answer(at=2.0)
    fail(NOT_THERE)
    assert client.want == Sleep(6.0)  # not 7.0: the last attempt is made at the end of the time
    client.answer(at=3.0)
    fail(NOT_THERE)
    assert client.is_over and not events[-1][0].event.will_retry
    assert client.status.error is events[-1][1]
    assert str(client.status.error) == (
        "waited 6 s for http://test (option wait_for_server, 4 attempts): refused"
    )
    assert client.status.error.__cause__ is NOT_THERE


def test_a_server_that_comes() -> None:
    client = Life(wait_for_server=60.0, reconnect=ReconnectPolicy(max_attempts=1))
    for delay in (1.0, 2.0, 4.0, 5.0, 5.0):  # their number is not that of the policy
        client.answer(Credentials(None))
        client.answer(None, NOT_THERE)
        client.answer()
        assert client.want == Sleep(client.script.now + delay)
        client.answer(at=delay)
    pending = client.session.subscribe("SELECT * FROM user")
    client.connect()
    assert client.status.is_up and not pending.is_ended


@pytest.mark.parametrize(
    "error",
    [
        AuthError("no", status=401),
        DatabaseNotFound("none", status=404),
        HandshakeError("no SpacetimeDB", status=200),
        ConnectError("the certificate is not trusted"),
    ],
)
@pytest.mark.parametrize("session", [True, False])
def test_a_refusal_is_not_waited_for(error: Exception, session: bool) -> None:
    client = Life(session=session, wait_for_server=60.0)
    if session:
        client.answer(Credentials(None))
    client.answer(None, error)
    if session:
        client.answer()
    assert client.is_over and client.status.error is error
    assert client.log.count("connect_error") == 1


@pytest.mark.parametrize("handled", [False, True])
def test_a_callback_that_raises_while_there_is_no_schema(handled: bool) -> None:
    caught: list[Exception] = []
    handler = (lambda error, function: caught.append(error)) if handled else None
    client = Life(session=False, wait_for_server=60.0, on_callback_error=handler)

    def explode(ctx: Any, error: Exception) -> None:
        assert ctx.connection_id is None
        for use in (lambda: ctx.db, lambda: ctx.submit(None), lambda: ctx.subscribe("x")):
            with pytest.raises(LocalProtocolError, match="no tables yet"):
                use()
        with pytest.raises(LocalProtocolError, match="identity"):
            _ = ctx.identity
        raise ZeroDivisionError

    client.callbacks.add("connect_error", explode)
    client.answer(None, NOT_THERE)
    assert client.is_over is not handled
    error = caught[0] if handled else client.status.error
    assert isinstance(error, ZeroDivisionError)


def test_closed_by_a_callback_while_there_is_no_schema() -> None:
    client = Life(session=False, wait_for_server=60.0)
    client.callbacks.add("connect_error", lambda ctx, error: client.status.close(0.0))
    client.answer(None, NOT_THERE)
    assert client.is_over and client.status.error is None


def test_closed_while_waiting_for_the_server() -> None:
    client = Life(session=False, wait_for_server=60.0)
    client.answer(None, NOT_THERE)
    assert isinstance(client.want, Sleep)
    client.status.close(0.0)
    client.answer()
    assert client.is_over and client.status.error is None


def test_the_first_attempt_is_not_repeated() -> None:
    client = Life(reconnect=POLICY)
    client.answer(Credentials(None))
    client.answer(None, HandshakeError("starting", status=503))
    client.answer()
    assert client.is_over and isinstance(client.status.error, HandshakeError)


# --- closing, wherever it is --------------------------------------------------------------------------


def test_closed_before_it_began() -> None:
    client = Life(session=False)
    assert isinstance(client.want, Bindings)
    client.answer()
    assert client.is_over and client.status.error is None


def test_closed_while_the_schema_was_fetched() -> None:
    client = Life(session=False)
    client.status.session = client.session
    client.session.close()
    client.answer()
    assert client.is_over and client.log == ["Bindings"]


def test_without_a_schema_there_is_no_client() -> None:
    client = Life(session=False)
    client.answer(None, ConnectError("refused"))
    assert client.is_over and isinstance(client.status.error, ConnectError)
    assert not client.status.message_done()


def test_closed_while_waiting_for_a_token() -> None:
    client = Life()
    client.session.close()
    client.answer()
    assert client.log == ["Token", "HangUp"]
    client.answer()
    assert client.is_over and client.status.error is None


def test_closed_while_dialling() -> None:
    client = Life()
    client.answer(Credentials(None))
    client.session.close()
    client.answer("a stream")
    assert client.log == ["Token", "Dial", "HangUp"]
    client.answer()
    assert client.is_over and client.status.error is None


def test_closed_while_waiting_to_come_back() -> None:
    client = connected(reconnect=POLICY, offline="wait")
    client.read(error=OSError("gone"))
    client.answer()
    pending = client.session.call(client.script.module.reducers.set_name("x"))
    client.session.close()
    client.answer()
    assert client.is_over and client.status.error is None
    assert isinstance(pending.error, Disconnected)


def test_closed_while_the_lost_stream_was_cleaned_up() -> None:
    client = connected(reconnect=POLICY)
    client.read(error=OSError("gone"))
    client.session.close()
    client.answer()
    assert client.is_over and client.status.error is None


def test_closed_before_there_was_a_schema() -> None:
    client = Life(session=False)
    client.status.close(0.0)
    assert client.status.is_closing and client.status.state == "closed"
    client.answer()
    assert client.is_over and client.status.error is None


# --- what the client says of itself ---------------------------------------------------------------------


def test_the_states_of_a_client() -> None:
    client = Life(reconnect=POLICY)
    told: list[str] = []
    for kind in ("connect", "connect_error", "disconnect"):
        client.callbacks.add(kind, lambda ctx, *facts: told.append(client.status.state))
    assert client.status.state is ClientState.CONNECTING
    client.dial()
    assert client.status.state is ClientState.CONNECTING
    client.greet()
    assert client.status.state is ClientState.CONNECTED
    client.read(error=OSError("gone"))
    client.answer()
    assert isinstance(client.want, Sleep) and client.status.state is ClientState.WAITING
    client.answer(at=2.0)
    assert client.status.state is ClientState.CONNECTING
    client.connect()
    assert client.status.state is ClientState.CONNECTED
    client.status.close(client.script.now)
    assert client.status.state is ClientState.CONNECTED  # until the close handshake is over
    client.read(eof=True)
    assert client.status.state is ClientState.CLOSED
    client.answer()
    assert client.is_over and client.status.state is ClientState.CLOSED
    assert told == ["connected", "waiting", "connected", "closed"]


def test_a_client_that_has_not_begun() -> None:
    rules = LifeRules(target=Target(host="test", database="chat"), url="http://test")
    status: LifeStatus[Any] = LifeStatus(rules, Callbacks(), entropy=counting_entropy("client"))
    assert status.state is ClientState.NEW
    status.close(0.0)
    assert status.state is ClientState.CLOSED
    assert not list(life(status, now=0.0))  # it wants nothing
    assert status.is_over and status.error is None
    status.session = Script().session
    status.is_over = False
    status.close(0.0)
    assert status.state is ClientState.CLOSED


# --- an end without time for callbacks ------------------------------------------------------------------


def test_a_driver_that_is_cancelled_settles_everything_quietly() -> None:
    client = connected()
    told: list[Any] = []
    client.callbacks.add("disconnect", lambda ctx, error: told.append("never"))
    session = client.session
    call = client.script.module.reducers.set_name("x")
    pending = session.call(call, on_done=told.append)
    unwatched = session.call(call)
    subscription = session.subscribe(
        "SELECT * FROM user", on_error=lambda ctx, error: told.append(1)
    )
    subscription.on_change = told.append
    other = session.subscribe("SELECT * FROM message")
    client.living.close()
    assert told == [pending, subscription]
    assert isinstance(client.status.error, Disconnected) and "cancelled" in str(client.status.error)
    assert isinstance(unwatched.error, Disconnected) and other.is_ended
    assert session.state is SessionState.CLOSED
    client.status.settle()  # nothing is left to do


def test_a_client_that_was_closed_and_did_not_come_to_its_end_has_no_error() -> None:
    client = connected()
    pending = client.session.call(client.script.module.reducers.set_name("x"))
    client.status.close(0.0)
    client.living.close()
    assert client.status.error is None
    assert isinstance(pending.error, Disconnected)
    assert "closed" in str(pending.error)


def test_a_driver_that_dies_may_say_why() -> None:
    client = connected()
    client.status.error = Disconnected("the client was closed")
    client.living.close()
    assert str(client.session.close_error) == "the client was closed"


def test_cancelled_before_there_was_a_session() -> None:
    client = Life(session=False)
    client.living.close()
    assert client.status.error is None


class Interrupting:
    """A tap in whose middle Ctrl-C comes."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def started(self, *args: object) -> None:
        raise self.error

    def closed(self, *args: object) -> None:
        pass


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk full")])
def test_an_exception_in_the_middle_of_a_message(error: BaseException) -> None:
    client = Life()
    client.session.tap = Interrupting(error)
    client.dial()
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            client.greet()
    else:
        client.greet()
        assert client.log[-2:] == ["connect_error", "HangUp"]
        client.answer()
        assert client.is_over
    assert client.status.error is error
    assert client.session.state is SessionState.CLOSED
