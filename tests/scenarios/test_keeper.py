"""The thread that keeps the connection of an idle blocking client alive, and does nothing else."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import Disconnected, LocalProtocolError
from spacetime_transports import ReconnectPolicy, blocking
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from spacetime_transports.server import ThreadServer
    from tests.scenarios.kit import Client, Kit

pytestmark = pytest.mark.only("blocking")

ITEMS = "SELECT * FROM item"


def keepers() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "spacetime-keeper"]


def look(client: Client, seconds: float = 0.0) -> None:
    """Let the keeper look, at a time that is so many seconds away."""
    driver = client.raw._driver
    driver._keeper.look(driver, time.monotonic() + seconds)


def wait_for_bytes(client: Client) -> None:
    client.raw._driver.stream.wait(PATIENCE)


async def test_it_takes_what_arrives_and_runs_no_callback(kit: Kit) -> None:
    seen: list[Any] = []
    async with kit.connect() as other, kit.connect() as client:
        client.raw.subscribe(ITEMS)
        client.db.item.on_insert(lambda ctx, row: seen.append(row.name))
        look(client)
        for name in ("a", "b"):
            other.raw.call(other.reducers.add_item(name=name, amount=1))
            wait_for_bytes(client)
            look(client)
        assert client.raw._driver.stream.ahead > 0
        assert (client.db.item.count(), seen) == (0, [])
        assert client.raw.frame_tick()
        assert (client.db.item.count(), seen) == (2, ["a", "b"])
        assert client.raw._driver.stream.ahead == 0


async def test_it_leaves_a_client_alone_that_somebody_runs(kit: Kit) -> None:
    async with kit.connect() as other, kit.connect() as client:
        client.raw.subscribe(ITEMS)
        other.raw.call(other.reducers.add_item(name="x", amount=1))
        wait_for_bytes(client)
        look(client)  # somebody has run it since the last look
        assert client.raw._driver.stream.ahead == 0
        client.db.item.on_insert(lambda ctx, row: (look(client), look(client)))
        client.raw.frame_tick()
        assert client.raw._driver.stream.ahead == 0
        client.raw.frame_tick()
        other.raw.call(other.reducers.add_item(name="x", amount=1))
        wait_for_bytes(client)
        look(client)
        held, looked = threading.Event(), threading.Event()

        def hold() -> None:
            with client.raw.lock:
                held.set()
                looked.wait(PATIENCE)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(PATIENCE)
        look(client)  # it does not wait for the lock either
        looked.set()
        holder.join()
        assert client.raw._driver.stream.ahead == 0


async def test_ten_minutes_in_which_the_server_says_nothing(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's own pings, every 30 seconds of a simulated time."""
    async with kit.connect() as client:
        client.raw.subscribe(ITEMS)
        session = client.raw._driver.session
        take, pings = session.data_to_send, []

        def data_to_send(**options: Any) -> bytes:
            data: bytes = take(**options)
            if data:
                pings.append(data)
            return data

        monkeypatch.setattr(session, "data_to_send", data_to_send)
        look(client)
        for seconds in range(5, 605, 5):
            sent = len(pings)
            look(client, seconds)
            if len(pings) > sent:
                wait_for_bytes(client)  # the pong
        assert 15 <= len(pings) <= 21
        monkeypatch.undo()
        assert client.raw.call(client.procedures.add(lhs=1, rhs=2)) == 3


async def test_a_server_that_does_not_answer_is_given_up(kit: Kit) -> None:
    told: list[Any] = []
    async with kit.connect(
        keepalive=(0.5, 1000.0), on_disconnect=lambda ctx, error: told.append(error)
    ) as client:
        client.raw.frame_tick()
        look(client)
        client.raw._driver.stream.receive = lambda size: None  # whatever the server says
        look(client, 1)
        look(client, 2000)
        assert told == []
        with pytest.raises(Disconnected, match="did not answer a ping"):
            client.raw.call(client.reducers.nothing())
        assert len(told) == 1


@pytest.mark.parametrize("reconnect", [False, True])
async def test_an_end_that_it_met_is_told_by_the_next_request(kit: Kit, reconnect: bool) -> None:
    policy = ReconnectPolicy(first_delay=0.001) if reconnect else False
    told: list[Any] = []
    async with (
        kit.connect() as other,
        kit.connect(
            reconnect=policy, on_disconnect=lambda ctx, error: told.append(error)
        ) as client,
    ):
        client.raw.subscribe(ITEMS)
        look(client)
        other.raw.call(other.reducers.add_item(name="x", amount=1))
        wait_for_bytes(client)
        look(client)
        kit.server.drop_connections()
        wait_for_bytes(client)
        look(client)
        look(client)
        assert told == [] and client.raw.is_connected
        if reconnect:
            assert client.raw.call(client.procedures.add(lhs=1, rhs=2)) == 3
        else:
            with pytest.raises(Disconnected) as caught:
                client.raw.call(client.reducers.nothing())
            assert not caught.value.outcome_unknown
        assert client.db.item.count() == 1  # what came before the end counts
        assert len(told) == 1
        client.raw.close()


async def test_it_stops_taking_when_it_has_enough(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spacetime_transports.blocking.keeper.READ_AHEAD", 1)
    async with kit.connect() as other, kit.connect() as client:
        client.raw.subscribe(ITEMS)
        look(client)
        other.raw.call(other.reducers.add_item(name="a", amount=1))
        wait_for_bytes(client)
        look(client)
        ahead = client.raw._driver.stream.ahead
        other.raw.call(other.reducers.add_item(name="b", amount=1))
        wait_for_bytes(client)
        look(client, 1000)  # silence is no proof while there is more to read
        assert client.raw._driver.stream.ahead == ahead > 0
        client.raw.frame_tick()
        assert client.db.item.count() == 2


async def test_it_ends_with_the_client(kit: Kit) -> None:
    async with kit.connect() as client:
        assert len(keepers()) == 1
        client.raw.close()
        assert keepers() == []
    async with kit.connect(keep_alive_thread=False):
        assert keepers() == []
    async with kit.connect() as client:
        kit.server.drop_connections()
        wait_for_bytes(client)
        with pytest.raises(Disconnected):
            client.raw.frame_tick()
        assert keepers() == []


async def test_it_ends_when_a_callback_closes(kit: Kit) -> None:
    async with kit.connect() as client:
        client.db.item.on_insert(lambda ctx, row: client.raw.close())
        client.raw.subscribe(ITEMS)
        client.raw.submit(client.reducers.add_item(name="x", amount=1))
        client.raw.run()
        assert keepers() == []


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_client_that_is_dropped_is_collected(kit: Kit) -> None:
    raw = blocking.connect(kit.server.url, "world")
    alive = weakref.ref(raw._driver)
    thread = raw._driver._keeper._thread
    del raw
    gc.collect()
    assert alive() is None
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.only("asyncio", "blocking")
async def test_the_option_is_a_flag(kit: Kit) -> None:
    with pytest.raises(LocalProtocolError, match="keep_alive_thread must be True or False"):
        async with kit.connect(keep_alive_thread=0):
            pass
    async with kit.connect(keep_alive_thread=False) as client:
        await client.call(client.reducers.nothing())


FORKS = """
import gc, os, sys, threading, warnings
warnings.simplefilter("ignore")  # a thread and a fork, as it happens to programs
from spacetime_transports import blocking

client = blocking.connect(sys.argv[1], "world")
child = os.fork()
if child == 0:
    client = None
    gc.collect()
    os._exit(threading.active_count() - 1)
assert os.waitpid(child, 0)[1] == 0
assert client.call(client.module.procedures.add(lhs=1, rhs=2)) == 3
client.close()
assert threading.active_count() == 1
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_fork_has_no_keeper_and_leaves_the_parent_alone(server: ThreadServer) -> None:
    subprocess.run([sys.executable, "-c", FORKS, server.url], check=True, timeout=PATIENCE)
