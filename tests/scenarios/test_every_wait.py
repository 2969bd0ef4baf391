"""Every wait, of every colour, settles in every way in which a connection or a set can end."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spacetime_proto.bindings import Call
from spacetime_proto.errors import Disconnected, ProtocolError, SpacetimeError
from spacetime_proto.messages import v2
from spacetime_transports import ReconnectPolicy
from tests.scenarios.scripted import ScriptedServer
from tests.support.patience import PATIENCE
from tests.support.script import CONNECTION_ID, IDENTITY, OTHER, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scenarios.kit import Client, Kit

LIVE = "SELECT * FROM user"
ENDING = "SELECT * FROM user WHERE online = true"
SILENT = "SELECT * FROM message"
ONCE = ReconnectPolicy(first_delay=0.01, max_delay=0.01, max_attempts=2)


class Fatal(BaseException):
    """No Exception, and nothing that asyncio knows."""


def answer(message: Any) -> list[Any]:
    """Grant subscriptions, except those to `SILENT`; keep quiet about everything else."""
    if isinstance(message, v2.Subscribe) and SILENT not in message.query_strings[0]:
        return [v2.SubscribeAppliedMessage(message.request_id, message.query_set_id, ())]
    return []


class Stage:
    """A client with two live sets, and everything that can wait for it waiting.

    Attributes:
        outcomes: by the name of the wait, what came of it: an exception, or what it returned.
    """

    def __init__(self, kit: Kit, server: ScriptedServer, client: Client) -> None:
        self.kit = kit
        self.server = server
        self.client = client
        self.raw = client.raw
        self.outcomes: dict[str, Any] = {}

    async def set(self) -> None:
        """Subscribe; one row."""
        self.live = await self.client.subscribe(LIVE)
        self.ending = await self.client.subscribe(ENDING)
        self.pending = self.raw.subscribe_soon(SILENT)
        self.changes = self.raw.db.user.changes()

    def waits(self) -> dict[str, Callable[[], Any]]:
        raw = self.raw
        found = {
            "call": lambda: raw.call(Call("reducer", "set_name", ("x",))),
            "query": lambda: raw.query(LIVE),
            "subscribe": lambda: raw.subscribe(SILENT),
            "wait_applied": lambda: self.pending.wait_applied(),
            "wait_ended": lambda: self.live.wait_ended(),
            "unsubscribe": lambda: self.ending.unsubscribe(),
            "unsubscribe, twice": lambda: self.ending.unsubscribe(),
            "read changes": self.read if self.kit.is_blocking else self.aread,
            "read them, too": self.read if self.kit.is_blocking else self.aread,
        }
        if hasattr(raw, "wait_closed"):
            found["wait_closed"] = lambda: raw.wait_closed()
        return found

    def read(self) -> None:
        for _ in self.changes:
            pass

    async def aread(self) -> None:
        async for _ in self.changes:
            pass

    # --- both colours -------------------------------------------------------------------------

    async def settle(self, end: Callable[[Stage], Any]) -> None:
        """Start all waits, let it end, and wait until all are over."""
        waits = self.waits()
        #: Subscribe three times, then call, query, subscribe, unsubscribe.
        requests = 7
        if self.kit.is_blocking:
            threads = [
                threading.Thread(target=self._run, args=one, daemon=True) for one in waits.items()
            ]
            for thread in threads:
                thread.start()
            self.server.wait_for(requests)
            end(self)
            for thread in threads:
                thread.join(PATIENCE)
        else:
            with anyio.move_on_after(PATIENCE):
                async with anyio.create_task_group() as tasks:
                    for one in waits.items():
                        tasks.start_soon(self._arun, *one)
                    await anyio.to_thread.run_sync(self.server.wait_for, requests)
                    result = end(self)
                    if result is not None:
                        await result
        assert [name for name in waits if name not in self.outcomes] == []

    def _run(self, name: str, wait: Callable[[], Any]) -> None:
        try:
            self.outcomes[name] = wait()
        except BaseException as error:
            self.outcomes[name] = error

    async def _arun(self, name: str, wait: Callable[[], Any]) -> None:
        try:
            self.outcomes[name] = await wait()
        except (Exception, Fatal) as error:
            self.outcomes[name] = error


def request(stage: Stage, kind: type, text: str = "") -> Any:
    """Return the last request of a kind."""
    return [one for one in stage.server.received if type(one) is kind and text in repr(one)][-1]


def explode(ctx: Any, row: Any) -> None:
    raise ZeroDivisionError("in a callback")


def raising(kind: str) -> Callable[[Stage], None]:
    def end(stage: Stage) -> None:
        getattr(stage.raw.db.user, kind)(explode)
        live = stage.live._subscription.set_id
        stage.server.send(stage.server.inserted(live, 1))
        stage.server.send(v2.SubscriptionErrorMessage(None, live, "evaluation failed"))

    return end


def fatal(stage: Stage) -> None:
    async def end(ctx: Any, row: Any) -> None:
        raise Fatal

    stage.raw.db.user.on_insert(end)
    stage.server.send(stage.server.inserted(stage.live._subscription.set_id, 1))


def the_subscribe_ends(stage: Stage) -> None:
    asked = request(stage, v2.Subscribe, SILENT)
    stage.server.send(v2.UnsubscribeAppliedMessage(asked.request_id, asked.query_set_id))


def the_unsubscribe_applies(stage: Stage) -> None:
    asked = request(stage, v2.Unsubscribe)
    stage.server.send(v2.SubscribeAppliedMessage(asked.request_id, asked.query_set_id, ()))


def deaf(stage: Stage) -> None:
    stage.server.is_deaf = True
    stage.server.drop()


def somebody_else(stage: Stage) -> None:
    stage.server.identity = OTHER
    stage.server.drop()


def refused_while_coming_back(stage: Stage) -> None:
    """One set is refused on the next connection, which then ends; the others were granted."""

    def refuse(message: Any) -> list[Any]:
        if not isinstance(message, v2.SubscribeBatch):
            return []
        stage.server.is_deaf = True
        threading.Timer(0.05, stage.server.drop).start()
        results = (
            v2.SubscribeSetResult(one.query_set_id, "no" if LIVE in one.query_strings else ())
            for one in message.sets
        )
        return [v2.SubscribeBatchApplied(message.request_id, tuple(results))]

    stage.server.answer = refuse
    stage.server.drop()


def close(stage: Stage) -> Any:
    return stage.raw.close()


ENDS: dict[str, Callable[[Stage], Any]] = {
    "dropped": lambda stage: stage.server.drop(),
    "close frame": lambda stage: stage.server.close(),
    "garbage": lambda stage: stage.server.send_raw(b"\0\xff\xff"),
    "greeted twice": lambda stage: stage.server.send(
        v2.InitialConnection(IDENTITY, CONNECTION_ID, TOKEN)
    ),
    "an unknown answer": lambda stage: stage.server.send(v2.OneOffQueryResult(99, "no")),
    "UnsubscribeApplied answers a Subscribe": the_subscribe_ends,
    "SubscribeApplied answers an Unsubscribe": the_unsubscribe_applies,
    "on_insert raises": raising("on_insert"),
    "on_delete raises": raising("on_delete"),
    "on_before_delete raises": raising("on_before_delete"),
    "closed": close,
    "closed soon": lambda stage: stage.raw.close_soon(),
    "never back": deaf,
    "back as somebody else": somebody_else,
    "refused while coming back": refused_while_coming_back,
    "cancelled": lambda stage: stage.raw._driver.abort(),
    "no Exception": fatal,
}
RECONNECT = {"never back", "back as somebody else", "refused while coming back"}
NOT_BLOCKING = {"cancelled", "no Exception"}


@pytest.mark.parametrize("name", ENDS)
async def test_every_wait_settles(kit: Kit, name: str) -> None:
    if (kit.is_blocking and name in NOT_BLOCKING) or (kit.driver, name) == ("trio", "no Exception"):
        return  # under trio it cancels the block, and with it everything here
    stage: Stage | None = None
    told = contextlib.suppress(SpacetimeError, ZeroDivisionError, Fatal)
    with ScriptedServer(answer) as server, told:
        async with kit.connect(
            server.module,
            url=server.url,
            protocols="v2",
            compression="none",
            close_timeout=0.2,
            reconnect=ONCE if name in RECONNECT else False,
        ) as client:
            stage = Stage(kit, server, client)
            await stage.set()
            await stage.settle(ENDS[name])
    assert stage is not None
    errors = {name: one for name, one in stage.outcomes.items() if one is not None}
    # A blocking request that ran the callback raises what that raised, as it is.
    expected = (Disconnected, ZeroDivisionError) if kit.is_blocking else Disconnected
    lost = {"call", "query", "subscribe"}
    if name == "refused while coming back":
        lost.remove("subscribe")  # a batch is answered as a whole
    for name_of_wait in lost:
        assert isinstance(errors[name_of_wait], expected), name_of_wait
    for error in errors.values():
        assert "within 0 s" not in str(error)
        assert "None s" not in str(error)
    assert "unsubscribe" not in errors
    assert "unsubscribe, twice" not in errors


async def test_the_wrong_answer_is_named(kit: Kit) -> None:
    with ScriptedServer(
        lambda message: [v2.UnsubscribeAppliedMessage(message.request_id, message.query_set_id)]
    ) as server:
        with contextlib.suppress(ProtocolError):
            async with kit.connect(
                server.module, url=server.url, protocols="v2", compression="none"
            ) as client:
                with pytest.raises(Disconnected, match="UnsubscribeApplied answers") as caught:
                    await client.subscribe(LIVE)
        assert isinstance(caught.value.__cause__, ProtocolError)
