"""Whatever ends a client is named, as text and as cause, wherever it comes to the program's notice.

The table has three sides: what ends the client, where the program notices it, and the driver.
"""

from __future__ import annotations

import errno
import threading
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spacetime_proto.errors import (
    ConnectError,
    Disconnected,
    LocalProtocolError,
    ProtocolError,
)
from spacetime_proto.testing import Recorder
from spacetime_transports import ReconnectPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.scenarios.kit import Client, Kit

AT_ONCE = ReconnectPolicy(first_delay=0.001, max_delay=0.002)


# --- what ends a client -----------------------------------------------------------------------------


class Cause:
    """One way to end: options for `connect`, what makes it happen, and how it is known.

    Attributes:
        kind: the type of the root cause.
        raised: the type of what is raised as itself, if it wraps the root cause.
        words: what its text has.
    """

    kind: type[BaseException] = Disconnected
    raised: type[BaseException] | None = None
    words = ""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}

    def happen(self, kit: Kit, client: Client) -> None:
        """Let it happen, or let it be about to happen, without running the client."""
        raise NotImplementedError


class RaisingCallback(Cause):
    kind = ZeroDivisionError
    words = "ZeroDivisionError: in a callback"

    def happen(self, kit: Kit, client: Client) -> None:
        def explode(ctx: Any) -> None:
            raise ZeroDivisionError("in a callback")

        client.raw.on_reducer(explode)
        client.raw.submit(client.reducers.nothing())


class RaisingOnDisconnect(Cause):
    """The client would come back, were it not for the callback."""

    kind = ZeroDivisionError
    words = "ZeroDivisionError: in on_disconnect"

    def __init__(self) -> None:
        super().__init__()
        self.options = {"reconnect": AT_ONCE}

    def happen(self, kit: Kit, client: Client) -> None:
        def explode(ctx: Any, error: BaseException) -> None:
            raise ZeroDivisionError("in on_disconnect")

        client.raw.on_disconnect(explode)
        kit.server.drop_connections()


class FullDisk(Cause):
    """The recorder cannot write any more, when something comes or when something is sent."""

    kind = OSError
    raised = LocalProtocolError
    words = "No space left on device"

    def __init__(self) -> None:
        super().__init__()
        self._is_full = False
        self.options = {"recorder": Recorder(self._write), "reconnect": AT_ONCE}

    def _write(self, line: str) -> None:
        if self._is_full:
            raise OSError(errno.ENOSPC, "No space left on device")

    def happen(self, kit: Kit, client: Client) -> None:
        self._is_full = True
        client.raw.submit(client.reducers.nothing())


class RaisingToken(Cause):
    kind = ValueError
    words = "ValueError: no token today"

    def __init__(self) -> None:
        super().__init__()
        self._asked = False
        self.options = {"token": self._token, "reconnect": AT_ONCE}

    def _token(self) -> None:
        if self._asked:
            raise ValueError("no token today")

    def happen(self, kit: Kit, client: Client) -> None:
        self._asked = True
        kit.server.drop_connections()


class Junk(Cause):
    kind = ProtocolError
    words = "unknown"

    def __init__(self) -> None:
        super().__init__()
        self.options = {"reconnect": AT_ONCE}

    def happen(self, kit: Kit, client: Client) -> None:
        on_connections(kit, lambda session, now: session._websocket.send(b"\x00\xff\xff"))


class Farewell(Cause):
    words = "with code 1008, saying: you are banned"

    def happen(self, kit: Kit, client: Client) -> None:
        on_connections(kit, lambda s, now: s._websocket.close(1008, "you are banned", now=now))


class Silence(Cause):
    words = "did not answer a ping"

    def __init__(self) -> None:
        super().__init__()
        self.options = {"keepalive": (0.05, 0.05)}

    def happen(self, kit: Kit, client: Client) -> None:
        on_connections(kit, lambda s, now: setattr(s, "data_to_send", lambda now: b""))


class Drop(Cause):
    words = "the connection"

    def happen(self, kit: Kit, client: Client) -> None:
        kit.server.drop_connections()


class NoWayBack(Cause):
    kind = ConnectError
    words = "gave up after 2 attempts: the server accepted the connection and ended it"

    def __init__(self) -> None:
        super().__init__()
        self.options = {"reconnect": ReconnectPolicy(first_delay=0.001, max_attempts=2)}

    def happen(self, kit: Kit, client: Client) -> None:
        kit.server.faults.drop_before_first_message = True
        kit.server.drop_connections()


def on_connections(kit: Kit, act: Callable[[Any, float], object]) -> None:
    """Do something in the server's thread with each of its connections."""

    def run() -> None:
        for session in list(kit.server.server.host.sessions):
            if session.connection is not None:
                act(session, time.monotonic())
                session.wake()

    kit.server.call(run)


CAUSES = (
    RaisingCallback,
    RaisingOnDisconnect,
    FullDisk,
    RaisingToken,
    Junk,
    Farewell,
    Silence,
    Drop,
    NoWayBack,
)


# --- where it is noticed ------------------------------------------------------------------------------


@asynccontextmanager
async def ended(kit: Kit, cause: Cause) -> AsyncIterator[Client]:
    """Yield a client about which something has just happened; what its block raises is no matter."""
    module = await bindings(kit)
    with suppress(cause.raised or cause.kind, Disconnected, ConnectError):
        async with kit.connect(module, **cause.options) as client:
            await client.call(client.reducers.nothing())
            cause.happen(kit, client)
            yield client


async def bindings(kit: Kit) -> Any:
    async with kit.connect() as client:
        return client.raw.module


async def waiting_request(kit: Kit, cause: Cause) -> BaseException:
    async with ended(kit, cause) as client:
        with pytest.raises(Exception) as caught:
            # With a policy, the first loss may end the first call, and the client only later.
            while True:
                try:
                    await client.call(client.procedures.wait(micros=60_000_000))
                except Disconnected as error:
                    if error.is_final:
                        raise
                    await client.pause(0.001)
    return caught.value


async def next_request(kit: Kit, cause: Cause) -> BaseException:
    async with ended(kit, cause) as client:
        await client.until(lambda: client.raw.state == "closed")
        with pytest.raises(Exception) as caught:
            await client.call(client.reducers.nothing())
    return caught.value


async def submitted_request(kit: Kit, cause: Cause) -> BaseException:
    async with ended(kit, cause) as client:
        await client.until(lambda: client.raw.state == "closed")
        with pytest.raises(Exception) as caught:
            client.raw.submit(client.reducers.nothing())
        with pytest.raises(Exception) as again:
            client.raw.subscribe_soon("SELECT * FROM item")
        assert cause.words in text_of(again.value)
    return caught.value


async def waiting_for_the_end(kit: Kit, cause: Cause) -> BaseException:
    async with ended(kit, cause) as client:
        wait = client.raw.run if kit.is_blocking else client.raw.wait_closed
        with pytest.raises(Exception) as caught:
            await client._do(wait())
    return caught.value


async def leaving(kit: Kit, cause: Cause) -> BaseException:
    module = await bindings(kit)
    with pytest.raises(Exception) as caught:
        async with kit.connect(module, **cause.options) as client:
            await client.call(client.reducers.nothing())
            cause.happen(kit, client)
            await client.until(lambda: client.raw._driver.is_done)
    return caught.value


async def being_told(kit: Kit, cause: Cause) -> BaseException:
    told: list[Any] = []
    async with ended(kit, cause) as client:
        client.raw.on_disconnect(lambda ctx, error: told.append((ctx.event, error)))
        client.raw.on_connect_error(lambda ctx, error: told.append((ctx.event, error)))
        await client.until(lambda: client.raw._driver.is_done)
    event, error = told[-1]
    assert event.error is error and not event.will_retry
    assert isinstance(error, BaseException)
    return error


async def subscription(kit: Kit, cause: Cause) -> BaseException:
    async with ended(kit, cause) as client:
        # A blocking client runs callbacks here; what one raises is raised here, too.
        with pytest.raises((Disconnected, cause.raised or cause.kind)) as caught:
            handle = client.raw.subscribe_soon("SELECT * FROM item")
            await client.until(lambda: client.raw._driver.is_done)
            if handle.error is None:
                pytest.skip("it was applied before the end")
            await client._do(handle.wait_applied())
    return caught.value


async def change_stream(kit: Kit, cause: Cause) -> BaseException:
    async with ended(kit, cause) as client:
        stream = client.db.item.changes()
        with pytest.raises(Exception) as caught:
            await client._do(stream.__next__() if kit.is_blocking else stream.__anext__())
    return caught.value


PLACES = (
    waiting_request,
    next_request,
    submitted_request,
    waiting_for_the_end,
    leaving,
    being_told,
    subscription,
    change_stream,
)


def chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None:
        found.append(error)
        error = error.__cause__
    return found


def text_of(error: BaseException) -> str:
    """Return the text of an error as a traceback ends with it."""
    return f"{type(error).__name__}: {error}"


@pytest.mark.only("asyncio", "trio", "blocking")
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize("cause_type", CAUSES, ids=lambda cause: cause.__name__)
async def test_the_root_cause_is_named(kit: Kit, cause_type: type[Cause], place: Any) -> None:
    if cause_type is RaisingOnDisconnect and place is being_told:
        pytest.skip("the last callback of this client is the one that raises")
    cause = cause_type()
    error = await place(kit, cause)
    assert cause.words in text_of(error)
    assert any(isinstance(one, cause.kind) for one in chain(error)), chain(error)
    for one in chain(error):
        if isinstance(one, Disconnected):
            assert one.is_final
    assert cause.raised or not isinstance(error, LocalProtocolError)


@pytest.mark.only("async")
async def test_whoever_waits_is_told_of_a_cancellation(kit: Kit, waiting: threading.Event) -> None:
    told: list[BaseException] = []
    async with kit.connect() as other:
        module = other.raw.module

    async def ask(client: Any) -> None:
        with pytest.raises(Disconnected) as caught:
            await client.call(client.module.procedures.wait(micros=60_000_000))
        told.append(caught.value)

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            async with kit.connect(module) as client:
                tasks.start_soon(ask, client.raw)
                await client.until(waiting.is_set)
                scope.cancel()
                await anyio.sleep_forever()
    with pytest.raises(Disconnected) as caught:
        client.raw.submit(module.reducers.nothing())
    for error in (*told, caught.value):
        assert "the client was cancelled" in str(error)
        assert isinstance(error, Disconnected) and error.is_final and error.__cause__ is not None
    assert len(told) == 1
