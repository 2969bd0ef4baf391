"""A server that dies in the middle: clients come back and know what the server knows."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spacetime_proto.client.events import Reconnected
from spacetime_proto.errors import ConnectError, Disconnected, SpacetimeError
from spacetime_transports import ReconnectPolicy, connect
from tests.live.module_log import comings_and_goings, one_after_the_other
from tests.scenarios.relay import Relay
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.live.target import OwnServer, Target

SESSIONS = 50
#: So many of them lose their connection between two crashes too, without the server's knowledge.
THROUGH_A_RELAY = 5
TABLES = ("account", "attempt", "message", "pk_u_32", "player")
POLICY = ReconnectPolicy(first_delay=0.1, max_delay=1.0)
#: How long before a crash a call may have been answered and yet be lost, in seconds. A 1.x server
#: answers before its log is on disk; a 2.x server is asked not to.
LAST_INSTANT = 0.5


class Worker:
    """One session: it writes rows of its own until told to stop, whatever happens to the server."""

    def __init__(self, number: int, target: Target, url: str, protocol: str) -> None:
        self.number = number
        self.target = target
        self.url = url
        self.protocol = protocol
        self.sent = 0
        self.committed: dict[int, float] = {}
        self.unknown: list[int] = []
        self.settled: Counter[int] = Counter()
        self.told: Counter[int] = Counter()
        self.connections: list[Any] = []
        self.reconciled = 0
        self.mirrors: dict[str, dict[bytes, int]] = {name: {} for name in TABLES}
        self.client: Any = None
        self.ready, self.done = anyio.Event(), anyio.Event()
        self.may_connect = anyio.Event()
        self.may_connect.set()
        self.is_hurried = False

    async def _token(self) -> str | None:
        """Stay who this is, and let a test decide when an attempt is made."""
        await self.may_connect.wait()
        return self.client.token if self.connections else None

    async def run(self, go: anyio.Event, stop: anyio.Event, end: anyio.Event) -> None:
        """Connect, subscribe, write until told to stop, stay until the end."""
        async with connect(
            self.url,
            self.target.database,
            self.target.module,
            protocols={self.protocol},
            token=self._token,
            reconnect=POLICY,
            connect_timeout=PATIENCE,
            offline="wait",
            confirmed=True,
            on_connect=lambda ctx, *_: self.connections.append(ctx.connection_id),
        ) as self.client:
            for name in TABLES:
                self._mirror(name)
            self.client.on_reducer(self._note)
            await self.client.subscribe(*(f"SELECT * FROM {name}" for name in TABLES))
            self.ready.set()
            await go.wait()
            while not stop.is_set():
                await self._write()
            self.done.set()
            await end.wait()

    def _mirror(self, name: str) -> None:
        """Keep a table by its callbacks alone: they must tell everything, the reconnect too."""
        rows, handle = self.mirrors[name], self.client.db[name]
        encode = handle.table.codec.encode

        def insert(ctx: Any, row: Any) -> None:
            self.reconciled += isinstance(ctx.event, Reconnected)
            assert encode(row) not in rows
            rows[encode(row)] = 1

        def delete(ctx: Any, row: Any) -> None:
            self.reconciled += isinstance(ctx.event, Reconnected)
            del rows[encode(row)]

        def update(ctx: Any, old: Any, new: Any) -> None:
            delete(ctx, old)
            insert(ctx, new)

        handle.on_insert(insert)
        handle.on_delete(delete)
        if hasattr(handle, "on_update"):
            handle.on_update(update)

    def _note(self, ctx: Any) -> None:
        """Count what the callback says of the session's own calls."""
        if ctx.event.is_own and ctx.event.args:
            self.told[ctx.event.args[0]] += 1

    async def _write(self) -> None:
        key = self.number * 100_000 + self.sent
        self.sent += 1
        try:
            await self.client.call(self.client.module.reducers.insert_pk_u_32(key, self.number))
        except Disconnected as error:
            # Sent, and no answer: it may have been committed. Not sent: it has not.
            if error.outcome_unknown:
                self.unknown.append(key)
        else:
            self.committed[key] = time.monotonic()
        self.settled[key] += 1
        # Everyone is told of every call, so 50 sessions get 12,500 updates a second at this pace.
        if not self.is_hurried:
            await anyio.sleep(0.2)

    @property
    def is_waiting(self) -> bool:
        """Whether a call is under way."""
        return sum(self.settled.values()) < self.sent


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("runner", "crashes"), [("asyncio", 10), ("trio", 2)])
def test_killing_the_server_loses_nothing(
    own_server: OwnServer, own_target: Target, runner: str, crashes: int, record_property: Any
) -> None:
    """Caches and callbacks equal ``POST /sql`` afterwards, and so do answers.

    A crash of 1.x may take back calls answered in its last instant: the server forgets them, not
    the client, whose cache then drops them as the server did.
    """
    own_target.call("clear_all")
    own_target.call("fill_players", 200, 3)
    protocols = own_target.protocols
    knows_sessions = own_target.version >= (2, 11)
    if own_target.version < (2,):
        crashes = 2  # it starts slowly, and what is new since is worth more
    workers: list[Worker] = []
    times: list[float] = []

    async def main(relay: Relay) -> int:
        workers.extend(
            Worker(
                number,
                own_target,
                relay.url if number < THROUGH_A_RELAY else own_target.url,
                protocols[number % len(protocols)],
            )
            for number in range(SESSIONS)
        )
        go, stop, end = anyio.Event(), anyio.Event(), anyio.Event()
        async with anyio.create_task_group() as tasks:
            for worker in workers:
                tasks.start_soon(worker.run, go, stop, end)
            for worker in workers:
                await worker.ready.wait()
            go.set()
            late, *others = workers
            for _ in range(crashes):
                await all_have_written(workers)
                if knows_sessions:
                    async with connecting(workers[:THROUGH_A_RELAY]):
                        relay.lose_clients()
                    await all_have_written(workers[:THROUGH_A_RELAY])
                late.may_connect = anyio.Event()
                for worker in workers:
                    worker.is_hurried = True
                await until(lambda: sum(worker.is_waiting for worker in workers) > SESSIONS // 2)
                times.append(time.monotonic())
                own_server.kill()
                for worker in workers:
                    worker.is_hurried = False
                # Each has to notice before there is a server again, and then to come back: who is
                # still connected after a restart may only not have heard of it yet.
                await until(lambda: not any(worker.client.is_connected for worker in workers))
                async with connecting(others):
                    await anyio.to_thread.run_sync(own_server.restart)
                # The late one finds rows that were written while it was away.
                await all_have_written(others)
                async with connecting([late]):
                    late.may_connect.set()
            await all_have_written(workers)
            stop.set()
            # A call of each: whatever was committed before has arrived when it is answered.
            for worker in workers:
                await worker.done.wait()
            for worker in workers:
                await worker.client.call(worker.client.module.reducers.no_op())
            lost = compare(own_target, workers, times)
            if knows_sessions:
                check_log(own_target, workers)
            end.set()
        return lost

    with Relay(own_target.url) as relay:
        relay.hides_ends = True
        lost = anyio.run(main, relay, backend=runner)
    unknown = sum(len(worker.unknown) for worker in workers)
    committed = sum(len(worker.committed) for worker in workers)
    record_property(
        "measured",
        f"{runner}: {SESSIONS} sessions, {crashes} crashes, {committed} calls answered,"
        f" {unknown} cut off, {lost} taken back by the server; caches equal SQL",
    )


@asynccontextmanager
async def connecting(workers: list[Worker]) -> AsyncIterator[None]:
    """Do something, then wait until each worker has another connection than before."""
    before = [len(worker.connections) for worker in workers]
    yield
    await until(
        lambda: all(
            len(worker.connections) > count for worker, count in zip(workers, before, strict=True)
        )
    )


async def all_have_written(workers: list[Worker]) -> None:
    """Wait until each worker has been answered a call that it has not made yet."""
    before = [worker.sent for worker in workers]
    await until(
        lambda: all(
            any(key % 100_000 >= sent for key in worker.committed)
            for worker, sent in zip(workers, before, strict=True)
        )
    )


async def until(is_so: Any) -> None:
    with anyio.fail_after(PATIENCE):
        while not is_so():  # noqa: ASYNC110  # what is waited for has no event
            await anyio.sleep(0.02)


def compare(target: Target, workers: list[Worker], crashes: list[float]) -> int:
    """Compare caches and mirrors with SQL, and SQL with what callers were told.

    Returns:
        How many answered calls the server forgot when it crashed.
    """
    forgotten = 0
    wanted = {name: target.rows(name) for name in TABLES}
    there = {row.key for row in target.sql("SELECT * FROM pk_u_32", "pk_u_32")}
    for worker in workers:
        assert len(worker.connections) > len(crashes)
        assert len(set(worker.connections)) == len(worker.connections)
        for name in TABLES:
            assert target.encoded(name, worker.client.db[name]) == wanted[name], name
            assert sorted(worker.mirrors[name]) == wanted[name], name
        assert set(worker.settled.values()) == {1}
        assert len(worker.settled) == worker.sent
        assert worker.told == Counter(worker.committed.keys())
        mine = {key for key in there if key // 100_000 == worker.number}
        assert mine - {*worker.committed, *worker.unknown} == set()
        lost = [at for key, at in worker.committed.items() if key not in mine]
        if target.version >= (2,):
            assert not lost
        for at in lost:
            assert any(0 <= crash - at < LAST_INSTANT for crash in crashes), (at, crashes)
        forgotten += len(lost)
    assert workers[0].reconciled
    return forgotten


def check_log(target: Target, workers: list[Worker]) -> None:
    """See in the module's own log that it met one connection of a session after the other."""
    log = comings_and_goings(target)
    for worker in workers:
        known = set(map(str, worker.connections))
        seen = [(what, one) for what, one in log if one in known]
        assert seen == one_after_the_other(worker.connections), worker.number


@pytest.mark.timeout(240)
def test_a_blocking_client_comes_back(own_server: OwnServer, own_target: Target) -> None:
    from spacetime_transports import blocking

    own_target.call("clear_all")
    seen: list[Any] = []
    lost = threading.Event()

    def on_disconnect(ctx: Any, error: Any) -> None:
        seen.append(error)
        lost.set()

    def restart_after_the_loss() -> None:
        if lost.wait(PATIENCE):
            own_server.restart()

    with blocking.connect(
        own_target.url,
        own_target.database,
        own_target.module,
        reconnect=POLICY,
        offline="wait",
        on_disconnect=on_disconnect,
    ) as client:
        me = client.identity
        client.subscribe("SELECT * FROM attempt", "SELECT * FROM user")
        client.run_threaded()
        reducers = client.module.reducers
        client.call(reducers.insert_attempt("before"))
        time.sleep(2 * LAST_INSTANT)  # for the log to be on disk, of which nobody tells
        own_server.kill()
        restart = threading.Thread(target=restart_after_the_loss)
        restart.start()
        assert lost.wait(PATIENCE)
        client.call(reducers.insert_attempt("after"), timeout=PATIENCE)
        restart.join()
        assert client.identity == me
        assert sorted(row.text for row in client.db.attempt) == ["after", "before"]
        assert own_target.rows("attempt") == own_target.encoded("attempt", client.db.attempt)
    (error,) = seen[:1]
    assert isinstance(error, Disconnected)


@pytest.mark.timeout(60)
def test_without_reconnecting_it_is_told(own_server: OwnServer, own_target: Target) -> None:
    from spacetime_transports import blocking

    where = own_target.url, own_target.database, own_target.module
    with pytest.raises(Disconnected) as caught, blocking.connect(*where) as client:
        client.subscribe("SELECT * FROM attempt")
        own_server.kill()
        client.run()
    assert caught.value.code is None
    with pytest.raises(ConnectError):
        blocking.connect(*where)
    with pytest.raises(SpacetimeError):
        own_target.http.ping()
    own_server.restart()
    own_target.http.ping()
