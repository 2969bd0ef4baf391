"""What only the blocking client has to do: it moves when the program waits, and not otherwise."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from spacetime_proto.errors import CallTimeout, ConnectError, Disconnected, LocalProtocolError
from spacetime_transports import ReconnectPolicy
from tests.scenarios.relay import Relay
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from tests.scenarios.kit import Client, Kit

pytestmark = pytest.mark.only("blocking")

FAST = ReconnectPolicy(first_delay=0.01, max_delay=0.05)
NEVER = ReconnectPolicy(first_delay=1_000_000, max_delay=1_000_000)
ITEMS = "SELECT * FROM item"


def lose(kit: Kit, client: Client) -> None:
    """Lose the connection; the end is in the socket when this returns, and nobody has read it."""
    kit.server.drop_connections()
    client.raw._driver.stream.wait(PATIENCE)


class MineError(Exception):
    """What a callback of these programs raises."""


# --- every request lets the client move first -----------------------------------------------------


async def test_a_call_after_the_end_arrived_is_not_sent(kit: Kit) -> None:
    async with kit.connect() as client:
        lose(kit, client)
        with pytest.raises(Disconnected) as caught:
            client.raw.call(client.reducers.nothing())
        assert not caught.value.outcome_unknown


@pytest.mark.parametrize("request_of", ["call", "query", "subscribe"])
async def test_twelve_requests_after_a_loss_succeed(kit: Kit, request_of: str) -> None:
    failures: list[object] = []

    def failed(ctx: object, error: BaseException) -> None:
        failures.append(error)
        if len(failures) == 3:
            kit.server.faults.drop_before_first_message = False

    async with kit.connect(reconnect=FAST, on_connect_error=failed) as client:
        kit.server.faults.drop_before_first_message = True
        lose(kit, client)
        for number in range(12):
            if request_of == "call":
                assert client.raw.call(client.procedures.add(lhs=number, rhs=1)) == number + 1
            elif request_of == "query":
                assert client.raw.query(ITEMS) == []
            else:
                assert client.raw.subscribe(ITEMS).is_active
    assert len(failures) == 3


async def test_what_is_only_queued_learns_of_the_end_first(kit: Kit) -> None:
    async with kit.connect(reconnect=NEVER) as client:
        lose(kit, client)
        with pytest.raises(Disconnected, match="not back yet"):
            client.raw.submit(client.reducers.nothing())
        assert not client.raw.is_connected
        assert client.raw.subscribe_soon(ITEMS).state.value == "pending"


async def test_a_request_handles_what_had_arrived(kit: Kit) -> None:
    async with kit.connect() as client, kit.connect() as other:
        client.raw.subscribe(ITEMS)
        other.raw.call(other.reducers.add_item(name="x", amount=1))
        client.raw._driver.stream.wait(PATIENCE)
        client.raw.submit(client.reducers.nothing())
        assert client.db.item.count() == 1


async def test_no_connection_in_time(kit: Kit) -> None:
    async with kit.connect(reconnect=NEVER) as client:
        lose(kit, client)
        for request, name in (
            (lambda: client.raw.call(client.reducers.nothing(), timeout=0.01), "nothing was not"),
            (lambda: client.raw.query(ITEMS, timeout=0.01), "the query was not sent"),
            (lambda: client.raw.subscribe(ITEMS, timeout=0.01), "was not applied"),
            (lambda: client.raw.wait_connected(timeout=0.01), "the client did not connect"),
        ):
            with pytest.raises(CallTimeout, match=name) as caught:
                request()
            assert "within 0.01 s: there is no connection (" in str(caught.value)
            assert "the next one is due in" in str(caught.value)
            assert isinstance(caught.value.__cause__, Disconnected)


async def test_those_that_wait_for_the_connection_get_the_final_error(kit: Kit) -> None:
    policy = ReconnectPolicy(first_delay=0.001, max_attempts=2)
    async with kit.connect(reconnect=policy) as client:
        kit.server.faults.drop_before_first_message = True
        lose(kit, client)
        with pytest.raises(Disconnected, match="client_connected") as caught:
            client.raw.call(client.reducers.nothing())
        assert isinstance(caught.value.__cause__, ConnectError)


async def test_with_fail_nothing_waits(kit: Kit) -> None:
    async with kit.connect(reconnect=NEVER, offline="fail") as client:
        lose(kit, client)
        for request in (
            lambda: client.raw.call(client.reducers.nothing()),
            lambda: client.raw.query(ITEMS),
            lambda: client.raw.subscribe(ITEMS),
        ):
            with pytest.raises(Disconnected, match="not back yet"):
                request()


async def test_what_was_sent_and_then_lost_is_not_sent_again(
    kit: Kit, waiting: threading.Event
) -> None:
    def drop() -> None:
        if waiting.wait(PATIENCE):
            kit.server.drop_connections()

    async with kit.connect(reconnect=FAST) as client:
        thread = threading.Thread(target=drop)
        thread.start()
        with pytest.raises(Disconnected) as caught:
            client.raw.call(client.procedures.wait(micros=1_000_000_000))
        thread.join()
        assert caught.value.outcome_unknown


async def test_waiting_for_the_connection(kit: Kit) -> None:
    async with kit.connect(reconnect=FAST) as client:
        client.raw.wait_connected()
        before = client.raw.connection_id
        lose(kit, client)
        client.raw.wait_connected(PATIENCE)
        assert client.raw.is_connected and client.raw.connection_id != before
        client.raw.close()
        with pytest.raises(Disconnected, match="closed"):
            client.raw.wait_connected()
    async with kit.connect() as client:
        lose(kit, client)
        for _ in range(2):
            with pytest.raises(Disconnected, match="closed the connection without"):
                client.raw.wait_connected()


async def test_waits_that_take_too_long_say_what_for(kit: Kit, waiting: threading.Event) -> None:
    async with kit.connect() as client:
        client.raw.submit(client.procedures.wait(micros=1_000_000_000))
        with pytest.raises(CallTimeout, match="was not applied"):
            client.raw.subscribe(ITEMS, timeout=0)
        assert client.raw.is_connected
        assert client.db.item.changes().get(timeout=0.01) is None
        with pytest.raises(TypeError, match="plain for"):
            client.db.item.changes().__aiter__()


async def test_waiting_for_the_end(kit: Kit) -> None:
    async with kit.connect() as client:
        with pytest.raises(CallTimeout, match=r"not closed within 0\.01 s"):
            client.raw.wait_closed(0.01)
        closer = threading.Thread(target=client.raw.close)
        closer.start()
        client.raw.wait_closed()
        closer.join()
        client.raw.wait_closed()
    async with kit.connect() as client:
        lose(kit, client)
        with pytest.raises(Disconnected):
            client.raw.wait_closed()
        client.raw.wait_closed()  # told once


# --- what a callback raises -----------------------------------------------------------------------


def raise_mine(*facts: object) -> None:
    raise MineError(facts)


def explode_at_the_next_row(client: Client, other: Client) -> None:
    """Let a row wait in the socket whose callback raises."""
    client.raw.subscribe(ITEMS)
    client.db.item.on_insert(raise_mine)
    other.raw.call(other.reducers.add_item(name="x", amount=1))
    client.raw._driver.stream.wait(PATIENCE)


@pytest.mark.parametrize("reconnect", [True, False])
@pytest.mark.parametrize(
    "request_of",
    [
        lambda client: client.raw.call(client.reducers.nothing()),
        lambda client: client.raw.query(ITEMS),
        lambda client: client.raw.subscribe("SELECT * FROM note"),
        lambda client: client.raw.submit(client.reducers.nothing()),
        lambda client: client.raw.subscribe_soon("SELECT * FROM note"),
        lambda client: client.raw.frame_tick(),
        lambda client: client.raw.advance_one_message(None),
        lambda client: client.raw.run(),
        lambda client: client.raw.wait_closed(),
        lambda client: client.raw.wait_connected(),
        lambda client: client.raw.close(),
        lambda client: next(client.db.note.changes()),
    ],
)
async def test_what_a_callback_raised_comes_out_where_it_ran(
    kit: Kit, reconnect: bool, request_of: Any
) -> None:
    async with kit.connect() as other, kit.connect(reconnect=reconnect) as client:
        explode_at_the_next_row(client, other)
        with pytest.raises(MineError) as caught:
            request_of(client)
        assert not client.raw.is_connected and client.raw.state == "closed"
        with pytest.raises(Disconnected, match="the connection is over") as again:
            client.raw.call(client.reducers.nothing())
        assert again.value.__cause__ is caught.value
        client.raw.close()  # told once


async def test_the_end_of_the_block_raises_what_was_not_told(kit: Kit) -> None:
    async with kit.connect() as other:
        with pytest.raises(MineError):
            async with kit.connect() as client:
                explode_at_the_next_row(client, other)
        with pytest.raises(ZeroDivisionError) as caught:
            async with kit.connect() as client:
                explode_at_the_next_row(client, other)
                raise ZeroDivisionError
    assert "a callback of the client raised MineError" in caught.value.__notes__[0]


@pytest.mark.parametrize("what_next", ["call", "close"])
async def test_in_a_thread_of_the_library_it_waits_for_the_next_request(
    kit: Kit, what_next: str
) -> None:
    async with kit.connect() as other, kit.connect(reconnect=True) as client:
        explode_at_the_next_row(client, other)
        client.raw.run_threaded().join(PATIENCE)
        with pytest.raises(MineError):
            if what_next == "call":
                client.raw.call(client.reducers.nothing())
            else:
                client.raw.close()


async def test_those_that_wait_elsewhere_are_told_why(kit: Kit, waiting: threading.Event) -> None:
    caught: list[BaseException] = []
    async with kit.connect() as other, kit.connect(reconnect=True) as client:

        def wait() -> None:
            try:
                client.raw.call(client.procedures.wait(micros=1_000_000_000))
            except Exception as error:
                caught.append(error)

        client.raw.subscribe(ITEMS)
        client.db.item.on_insert(raise_mine)
        runner = client.raw.run_threaded()
        waiter = threading.Thread(target=wait)
        waiter.start()
        assert waiting.wait(PATIENCE)
        other.raw.call(other.reducers.add_item(name="x", amount=1))
        waiter.join(PATIENCE)
        runner.join(PATIENCE)
        assert isinstance(caught[0], Disconnected) and isinstance(caught[0].__cause__, MineError)
        client.raw.close()  # it was told


@pytest.mark.parametrize("reconnect", [True, False])
async def test_what_on_disconnect_raises(kit: Kit, reconnect: bool) -> None:
    async with kit.connect(reconnect=reconnect, on_disconnect=raise_mine) as client:
        lose(kit, client)
        with pytest.raises(MineError):
            client.raw.frame_tick()
        with pytest.raises(Disconnected, match="over"):
            client.raw.frame_tick()
    with pytest.raises(MineError):
        async with kit.connect(on_disconnect=raise_mine):
            pass


async def test_what_on_connect_raises(kit: Kit) -> None:
    with pytest.raises(MineError):
        async with kit.connect(on_connect=raise_mine):
            pytest.fail("never connected")


async def test_one_that_raises_after_another_is_a_note(kit: Kit) -> None:
    def on_disconnect(*facts: object) -> None:
        raise ZeroDivisionError

    async with kit.connect() as other, kit.connect(on_disconnect=on_disconnect) as client:
        explode_at_the_next_row(client, other)
        with pytest.raises(MineError) as caught:
            client.raw.frame_tick()
    assert "another callback raised ZeroDivisionError" in caught.value.__notes__[0]


async def test_an_error_of_a_file_is_told_although_the_client_was_closing(kit: Kit) -> None:
    def on_insert(ctx: object, row: object) -> None:
        client.raw.close_soon()
        raise FileNotFoundError("settings.json")

    async with kit.connect() as other, kit.connect() as client:
        client.raw.subscribe(ITEMS)
        client.db.item.on_insert(on_insert)
        other.raw.call(other.reducers.add_item(name="x", amount=1))
        with pytest.raises(FileNotFoundError):
            client.raw.run()


async def test_what_an_error_handler_takes_ends_nothing(kit: Kit) -> None:
    told: list[BaseException] = []
    async with kit.connect() as other, kit.connect(on_callback_error=told.append) as client:
        explode_at_the_next_row(client, other)
        client.raw.call(client.reducers.nothing())
        assert client.raw.is_connected
    assert [type(error) for error in told] == [MineError]


async def test_a_change_stream_is_told_too(kit: Kit) -> None:
    async with kit.connect() as other, kit.connect() as client:
        changes = client.db.note.changes()
        explode_at_the_next_row(client, other)
        with pytest.raises(MineError):
            next(changes)
        with pytest.raises(Disconnected) as caught:
            next(changes)
        assert isinstance(caught.value.__cause__, MineError)
        with pytest.raises(StopIteration):
            next(changes)


# --- time is up although more keeps coming --------------------------------------------------------


class EndlessRows:
    """Each row that a client is told of makes another one arrive, until `stop` is set.

    That there is more to read when a callback ends does not depend on how fast anything is.
    """

    def __init__(self, client: Client, other: Client, rows: int = 1) -> None:
        self.told = 0
        self.stop = False
        self._client, self._other, self._rows = client, other, rows
        client.raw.subscribe(ITEMS)
        client.db.item.on_insert(self._on_insert)
        self._more()

    def _on_insert(self, ctx: object, row: Any) -> None:
        self.told += 1
        assert self.told < 20_000, "it went on for ever"
        if not self.stop:
            self._more()

    def _more(self) -> None:
        self._other.raw.call(self._other.reducers.add_items(count=self._rows))
        self._client.raw._driver.stream.wait(PATIENCE)


@pytest.mark.parametrize("protocol", ["v2", "v3"])
async def test_the_time_of_a_call_is_up_although_rows_keep_coming(kit: Kit, protocol: str) -> None:
    async with kit.connect() as other, kit.connect(protocols=protocol) as client:
        rows = EndlessRows(client, other)
        with pytest.raises(CallTimeout):
            client.raw.call(client.procedures.wait(micros=1_000_000_000), timeout=0.05)
        rows.stop = True


async def test_a_frame_ends_although_rows_keep_coming(kit: Kit) -> None:
    async with kit.connect() as other, kit.connect() as client:
        rows = EndlessRows(client, other)
        assert client.raw.frame_tick()
        assert 0 < rows.told < 10
        assert client.raw.frame_tick()
        rows.stop = True


async def test_a_budget_holds_between_the_callbacks_of_one_message(kit: Kit) -> None:
    async with kit.connect() as other, kit.connect() as client:
        client.raw.subscribe(ITEMS)
        seen: list[int] = []
        client.db.item.on_insert(lambda ctx, row: seen.append(row.id))
        other.raw.call(other.reducers.add_items(count=200))
        client.raw._driver.stream.wait(PATIENCE)
        ticks = 0
        while len(seen) < 200:
            assert client.raw.frame_tick(budget=0.0)
            ticks += 1
        assert ticks == 200  # each has time for one callback
        assert seen == sorted(seen)
        client.raw.call(client.reducers.nothing())
        assert len(seen) == 200


async def test_a_budget_holds_after_a_single_callback(kit: Kit) -> None:
    async with kit.connect() as other, kit.connect() as client:
        client.raw.subscribe(ITEMS)
        seen: list[int] = []
        client.db.item.on_insert(lambda ctx, row: seen.append(row.id))
        client.raw.on_transaction(lambda ctx, changes: seen.append(0))
        other.raw.call(other.reducers.add_item(name="x", amount=1))
        client.raw._driver.stream.wait(PATIENCE)
        assert client.raw.frame_tick(budget=0.0)
        assert seen == [1]
        assert client.raw.frame_tick(budget=0.0)
        assert seen == [1, 0]


async def test_the_time_of_a_call_is_up_although_one_message_never_ends(kit: Kit) -> None:
    stop = threading.Event()
    with Relay(kit.server.url) as relay:

        def dribble() -> None:
            while not stop.wait(0.001):
                relay.say(b"\0")

        async with kit.connect(url=relay.url, close_timeout=0.1) as client:
            client.raw.call(client.reducers.nothing())
            # A frame of 65,535 bytes, begun before the calls: their replies become part of it.
            relay.say(b"\x82\x7e\xff\xff")
            thread = threading.Thread(target=dribble)
            thread.start()
            try:
                for _ in range(3):
                    with pytest.raises(CallTimeout):
                        client.raw.call(client.reducers.nothing(), timeout=0.02)
                    client.raw.frame_tick(budget=0.0)
            finally:
                stop.set()
                thread.join()


async def test_a_request_and_wait_for_rows_of_a_slow_program(kit: Kit) -> None:
    """The time of a request counts from its beginning, with the callbacks that it has to run."""
    async with kit.connect() as other, kit.connect() as client:
        rows = EndlessRows(client, other, rows=3)
        for _ in range(3):
            with pytest.raises(CallTimeout):
                client.raw.call(client.procedures.wait(micros=1_000_000_000), timeout=0.01)
        rows.stop = True
        assert client.raw.call(client.procedures.add(lhs=1, rhs=2)) == 3


async def test_a_name_that_is_not_found_in_time(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    look_up = socket.getaddrinfo

    def slow(host: str, *args: Any, **options: Any) -> Any:
        if host == "slow.test":
            go_on.wait(PATIENCE)
            host = "127.0.0.1"
        return look_up(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    async with kit.connect() as client:
        module = client.raw.module
    port = kit.server.url.rpartition(":")[2]
    try:
        for known in (module, None):
            with pytest.raises(ConnectError, match=r"within 0\.05 s \(option connect_timeout\)"):
                async with kit.connect(known, url=f"http://slow.test:{port}", connect_timeout=0.05):
                    pytest.fail("never connected")
    finally:
        go_on.set()
    join_dialling()


async def test_a_token_that_does_not_come_in_time(kit: Kit) -> None:
    async with kit.connect() as client:
        module = client.raw.module
    go_on = threading.Event()

    def token() -> None:
        go_on.wait(PATIENCE)

    try:
        with pytest.raises(ConnectError, match=r"within 0\.05 s \(option connect_timeout\)"):
            async with kit.connect(module, token=token, connect_timeout=0.05):
                pytest.fail("never connected")
    finally:
        go_on.set()
    join_dialling()


def join_dialling() -> None:
    """Wait until nothing that was given up dials any more."""
    for thread in threading.enumerate():
        if thread.name == "spacetime-dial":
            thread.join(PATIENCE)


async def test_ctrl_c_in_the_moment_when_bytes_were_taken_is_a_loss(kit: Kit) -> None:
    async with kit.connect(reconnect=FAST) as client:
        stream = client.raw._driver.stream
        receive = stream.receive

        def interrupted(size: int) -> Any:
            if receive(size):
                raise KeyboardInterrupt

        stream.receive = interrupted
        with pytest.raises(KeyboardInterrupt):
            client.raw.call(client.reducers.nothing())
        stream.receive = receive
        assert client.raw.call(client.procedures.add(lhs=1, rhs=2)) == 3
        assert client.raw._driver.stream is not stream


# --- threads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("has_thread", [False, True])
async def test_threads_live_through_a_loss(kit: Kit, has_thread: bool) -> None:
    problems: list[BaseException] = []
    known: list[int] = []
    async with kit.connect(reconnect=FAST) as client:
        if has_thread:
            client.raw.run_threaded()

        def work(number: int) -> None:
            try:
                for step in range(30):
                    try:
                        assert client.raw.call(client.procedures.add(lhs=number, rhs=step)) == (
                            number + step
                        )
                        known.append(step)
                    except Disconnected as error:
                        assert error.outcome_unknown
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            kit.server.drop_connections()
            client.raw.wait_connected(PATIENCE)
        for thread in threads:
            thread.join(PATIENCE)
        assert problems == [] and known
        assert client.raw.call(client.procedures.add(lhs=1, rhs=2)) == 3


async def test_closing_while_another_thread_waits(kit: Kit, waiting: threading.Event) -> None:
    caught: list[BaseException] = []
    async with kit.connect(reconnect=NEVER) as client:

        def wait(request: Any) -> None:
            try:
                request()
            except Exception as error:
                caught.append(error)

        lose(kit, client)
        client.raw.frame_tick()
        threads = [
            threading.Thread(target=wait, args=(request,))
            for request in (
                lambda: client.raw.call(client.reducers.nothing()),
                lambda: client.raw.wait_connected(),
            )
        ]
        for thread in threads:
            thread.start()
        client.raw.close()
        for thread in threads:
            thread.join(PATIENCE)
        assert [type(error) for error in caught] == [Disconnected] * 2
        assert not any(error.outcome_unknown for error in caught if isinstance(error, Disconnected))


async def test_two_clients_and_one_waits_in_a_callback_of_the_other(kit: Kit) -> None:
    async with kit.connect() as first, kit.connect() as second:
        sums: list[int] = []

        def on_insert(ctx: object, row: Any) -> None:
            sums.append(second.raw.call(second.procedures.add(lhs=row.amount, rhs=1)))
            with pytest.raises(LocalProtocolError, match="callback"):
                first.raw.wait_connected()
            with pytest.raises(LocalProtocolError, match="callback"):
                first.raw.wait_closed()

        first.db.item.on_insert(on_insert)
        first.raw.subscribe(ITEMS)
        first.raw.call(first.reducers.add_item(name="x", amount=1))
        assert sums == [2]
        second.raw.close()
        assert first.raw.call(first.procedures.add(lhs=1, rhs=2)) == 3
