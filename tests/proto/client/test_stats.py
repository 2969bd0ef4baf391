"""The numbers of a session: each fact is counted once, over all connections."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from spacetime_proto.client.callbacks import Callbacks, SlowCallback
from spacetime_proto.client.pump import (
    MESSAGE_DONE,
    Invoke,
    InvokeEach,
    Read,
    Received,
    pump,
)
from spacetime_proto.client.stats import Stats
from spacetime_proto.errors import Disconnected, EncodeError
from spacetime_proto.messages import v2
from tests.support.script import NOW, Script, message, user


def subscribed(script: Script, *rows: tuple[Any, ...], table: str = "user") -> None:
    """Subscribe to a table whose rows are these."""
    script.session.subscribe(f"SELECT * FROM {table}")
    (request,) = script.received()
    script.send(
        v2.SubscribeAppliedMessage(
            request.request_id, request.query_set_id, (script.single(table, *rows),)
        )
    )
    script.events()


def test_a_new_session_has_counted_nothing() -> None:
    stats = Script().session.stats
    assert stats == Stats()
    assert stats.reconnects == 0
    with pytest.raises(AttributeError):
        stats.attempts = 1  # type: ignore[misc]


def test_stats_become_a_dict() -> None:
    found = msgspec.to_builtins(Script().session.stats)
    assert found["messages_received"] == 0
    assert set(found) == set(Stats.__struct_fields__)


def test_messages_and_bytes() -> None:
    script = Script()
    assert script.server is None
    script.start()
    assert script.session.stats.bytes_sent > 100  # the upgrade request
    script.accept()
    script.greet()
    script.events()
    assert script.session.stats.messages_received == 1
    subscribed(script)
    before = script.session.stats
    assert (before.messages_received, before.messages_sent) == (2, 1)
    # Two messages in one payload of v3 are two.
    script.send(script.update(1, "user"), script.update(1, "user"))
    script.events()
    script.session.call(script.module.reducers.set_name("x"))
    script.session.call(script.module.reducers.set_name("y"))
    data = script.session.data_to_send()
    after = script.session.stats
    assert (after.messages_received, after.messages_sent) == (4, 3)
    assert after.bytes_sent - before.bytes_sent == len(data)
    script.session.receive_data(b"\x89\0", now=0.0)  # a ping is bytes, and no message
    assert script.session.stats.bytes_received == after.bytes_received + 2
    assert script.session.stats.messages_received == 4


def test_rows_as_callbacks_see_them() -> None:
    script = Script()
    script.open()
    subscribed(script, user(1), user(2))
    stats = script.session.stats
    assert (stats.rows_inserted, stats.rows_deleted, stats.rows_updated) == (2, 0, 0)
    script.send(script.update(1, "user", (user(1, "x"),), (user(1),)))
    script.send(script.update(1, "user", (user(3), user(4)), (user(2),)))
    script.send(script.update(1, "user", (user(5),)))
    script.send(script.update(1, "user", (), (user(5),)))
    script.events()
    stats = script.session.stats
    assert (stats.rows_inserted, stats.rows_deleted, stats.rows_updated) == (5, 2, 1)


def test_what_is_in_the_cache() -> None:
    script = Script()
    script.open()
    subscribed(script, user(1), user(2, "a name"))
    stats = script.session.stats
    bound = script.module.bound.tables["user"]
    sizes = [len(bound.codec.encode(bound.row_class(*row))) for row in (user(1), user(2, "a name"))]
    assert (stats.cached_rows, stats.cached_bytes) == (2, sum(sizes))


def test_absent_deletes_of_all_connections() -> None:
    script = Script(will_reconnect=True)
    script.open()
    subscribed(script, user(1))
    script.send(script.update(1, "user", (user(3), user(4)), (user(2),)))
    script.events()
    script.lose()
    script.open()
    (request,) = script.received()
    rows = script.single("user", user(1))
    script.send(
        v2.SubscribeAppliedMessage(request.request_id, request.query_set_id, (rows,)),
        script.update(request.query_set_id, "user", (), (user(7),)),
    )
    script.events()
    assert script.session.stats.absent_deletes == 2


def test_after_a_reconnect_only_the_difference_counts() -> None:
    script = Script(will_reconnect=True)
    script.open()
    subscribed(script, user(1), user(2))
    script.now = 10.0
    script.lose()
    script.now = 15.0
    script.open()
    (request,) = script.received()
    rows = script.single("user", user(2), user(3))
    script.send(v2.SubscribeAppliedMessage(request.request_id, request.query_set_id, (rows,)))
    script.events()
    stats = script.session.stats
    assert (stats.rows_inserted, stats.rows_deleted) == (3, 1)
    assert (stats.attempts, stats.connections, stats.reconnects) == (2, 2, 1)
    assert stats.connected_seconds == 10.0
    assert script.session.stats_at(17.0).connected_seconds == 12.0


def test_an_attempt_that_fails_is_no_connection() -> None:
    script = Script(will_reconnect=True)
    script.start()
    script.lose()
    stats = script.session.stats
    assert (stats.attempts, stats.connections, stats.reconnects) == (1, 0, 0)
    assert stats.connected_seconds == 0.0


def test_calls_by_their_outcome() -> None:
    script = Script(will_reconnect=True)
    script.open()
    session, reducers = script.session, script.module.reducers
    for _ in range(5):
        session.call(reducers.set_name("x"))
    session.query("SELECT * FROM user")
    assert session.stats.calls_pending == 6
    script.received()
    script.send(v2.ReducerResult(1, NOW, v2.ReducerOkEmpty()))
    script.send(v2.ReducerResult(2, NOW, v2.ReducerErr(b"\2\0\0\0no")))
    script.send(v2.ReducerResult(3, NOW, v2.ReducerInternalError("panic")))
    script.send(v2.ReducerResult(4, NOW, v2.ReducerOk(b"", v2.TransactionUpdate(()))))
    script.events()
    session.call(reducers.set_name("never sent"))
    script.lose()
    stats = session.stats
    assert stats.calls_ok == 2
    assert (stats.calls_failed, stats.calls_internal_error) == (1, 1)
    assert stats.calls_lost == 1  # the fifth was sent
    assert stats.calls_dropped == 2  # the query changes nothing; the last one was not sent
    assert stats.calls_pending == 0


def test_calls_that_wait_for_a_connection_are_pending() -> None:
    script = Script(offline="wait")
    good = script.session.call(script.module.reducers.set_name("x"))
    bad = script.session.call(script.module.reducers.set_name(7))
    assert script.session.stats.calls_pending == 2
    script.open()
    assert isinstance(bad.error, EncodeError)
    stats = script.session.stats
    assert (stats.calls_pending, stats.calls_failed, stats.calls_ok) == (1, 1, 0)
    script.session.close()
    script.received()
    script.lose()
    assert isinstance(good.error, Disconnected)
    assert script.session.stats.calls_lost == 1


def test_a_session_that_is_closed_before_it_is_open_drops_what_waits() -> None:
    script = Script(offline="wait")
    script.session.call(script.module.reducers.set_name("x"))
    script.session.close()
    script.events()
    assert script.session.stats.calls_dropped == 1


def test_a_round_trip_is_from_handing_out_to_reading() -> None:
    script = Script()
    script.open()
    session = script.session
    assert session.stats.round_trip_mean_seconds is None

    def send(at: float) -> None:
        session.call(script.module.reducers.set_name("x"))
        session.call(script.module.reducers.set_name("y"))
        assert script.server is not None
        script.server.receive_data(session.data_to_send(now=at), at)

    def answer(request_id: int, at: float) -> None:
        script.now = at
        script.send(v2.ReducerResult(request_id, NOW, v2.ReducerOkEmpty()))
        script.events()

    send(10.0)
    answer(1, 11.0)
    answer(2, 12.0)
    send(20.0)
    answer(3, 20.5)
    send(21.0)  # the time of another write does not count for what was sent before
    answer(4, 20.5)
    answer(5, 23.0)
    stats = session.stats
    assert stats.calls_ok == stats.round_trips == 5
    assert stats.round_trip_min_seconds == 0.5
    assert stats.round_trip_max_seconds == 2.0
    assert stats.round_trip_mean_seconds == (1.0 + 2.0 + 0.5 + 0.5 + 2.0) / 5
    answer(6, 24.0)
    assert session.stats.round_trip_max_seconds == 3.0


def test_without_a_time_the_last_input_counts() -> None:
    script = Script()
    script.open()
    script.now = 5.0
    script.session.tick(now=5.0)
    script.session.call(script.module.reducers.set_name("x"))
    script.received()
    script.now = 7.0
    script.send(v2.ReducerResult(1, NOW, v2.ReducerOkEmpty()))
    script.events()
    assert script.session.stats.round_trip_max_seconds == 2.0


# --- callbacks ----------------------------------------------------------------------------------


class Timed:
    """A driver that measures: each callback takes as long as the test says."""

    def __init__(self, *, in_batches: bool = False, slow: float | None = None) -> None:
        self.script = Script()
        self.callbacks = Callbacks()
        self.seconds: float | None = 0.25
        self.told: list[tuple[int, float]] = []
        self.raising: Exception | None = None
        if slow is not None:
            self.callbacks.slow = SlowCallback(slow, self.tell)
        self.script.start()
        self.generator = pump(self.script.session, self.callbacks, in_batches=in_batches)
        self.want: Any = next(self.generator)
        self.script.accept()
        self.script.greet()
        self.run()

    def tell(self, calls: Any, seconds: float) -> None:
        self.told.append((len(calls), seconds))
        if self.raising is not None:
            raise self.raising

    def run(self) -> None:
        answer: Any = Received(0.0)
        error: Exception | None = None
        while True:
            try:
                if error is not None:
                    self.want = self.generator.throw(error)
                else:
                    self.want = self.generator.send(answer)
            except StopIteration:
                return
            answer = error = None
            if isinstance(self.want, Read):
                return
            if self.want is MESSAGE_DONE:
                continue
            assert isinstance(self.want, Invoke | InvokeEach)
            calls: Any = (
                [(self.want.function, self.want.args)]
                if isinstance(self.want, Invoke)
                else self.want.calls
            )
            try:
                for function, args in calls:
                    function(*args)
                answer = self.seconds
            except Exception as raised:
                error = raised

    def subscribe(self, *rows: tuple[Any, ...]) -> None:
        self.script.session.subscribe("SELECT * FROM user")
        (request,) = self.script.received()
        self.script.send(
            v2.SubscribeAppliedMessage(
                request.request_id, request.query_set_id, (self.script.single("user", *rows),)
            )
        )
        self.run()

    def update(self) -> None:
        """A message with a single callback, if `on_update` has one."""
        self.script.send(self.script.update(1, "user", (user(1, "x"),), (user(1),)))
        self.run()

    @property
    def figures(self) -> tuple[int, float]:
        stats = self.script.session.stats
        return stats.callbacks_run, stats.callback_seconds


def nothing(*_: object) -> None:
    """Do nothing."""


@pytest.mark.parametrize("in_batches", [False, True])
def test_callbacks_and_their_time(in_batches: bool) -> None:
    driver = Timed(in_batches=in_batches)
    driver.callbacks.add("subscription_applied", nothing)
    driver.script.session.db.user.on_insert(nothing)
    driver.script.session.db.user.on_update(nothing)
    driver.subscribe(user(1), user(2))
    measured = 2 if in_batches else 3
    assert driver.figures == (3, measured * 0.25)
    driver.update()
    driver.script.session.receive_data(b"\x89\0", now=0.0)  # the times are added up at each read
    assert driver.figures == (4, (measured + 1) * 0.25)


@pytest.mark.parametrize("in_batches", [False, True])
def test_a_driver_may_leave_the_time_out(in_batches: bool) -> None:
    driver = Timed(in_batches=in_batches)
    driver.seconds = None
    driver.script.session.db.user.on_insert(nothing)
    driver.script.session.db.user.on_update(nothing)
    driver.subscribe(user(1), user(2))
    driver.update()
    assert driver.figures == (3, 0.0)


@pytest.mark.parametrize("in_batches", [False, True])
def test_callbacks_that_raise_have_run(in_batches: bool) -> None:
    driver = Timed(in_batches=in_batches)
    seen: list[object] = []

    def explode(ctx: object, row: object) -> None:
        seen.append(row)
        raise ZeroDivisionError

    driver.script.session.db.user.on_insert(explode)
    driver.subscribe(user(1), user(2))
    assert len(seen) == driver.figures[0] == 1


def test_what_wakes_a_waiter_or_is_the_clients_own_does_not_count() -> None:
    driver = Timed()
    driver.callbacks.add_own("subscription_applied", nothing)
    subscription = driver.script.session.subscribe("SELECT * FROM user")
    subscription.on_change = nothing
    (request,) = driver.script.received()
    rows = driver.script.single("user", user(1))
    driver.script.send(
        v2.SubscribeAppliedMessage(request.request_id, request.query_set_id, (rows,))
    )
    driver.run()
    driver.script.session.call(driver.script.module.reducers.set_name("x"), on_done=nothing)
    driver.script.received()
    driver.script.send(v2.ReducerResult(2, NOW, v2.ReducerOkEmpty()))
    driver.run()
    assert driver.figures == (0, 0.0)
    driver.callbacks.add("reducer", nothing)
    driver.script.session.submit(driver.script.module.reducers.set_name("x"))
    driver.script.received()
    driver.script.send(v2.ReducerResult(3, NOW, v2.ReducerOkEmpty()))
    driver.run()
    assert driver.figures == (1, 0.25)


class Afterwards(Callbacks):
    """Has a callback that runs after everything else of a message."""

    def afterwards(self) -> Any:
        return iter([(nothing, ())])


def test_callbacks_that_run_afterwards_count() -> None:
    driver = Timed()
    driver.subscribe()
    generator = pump(driver.script.session, Afterwards())
    assert isinstance(next(generator), Read)
    driver.script.send(driver.script.update(1, "user", (user(1),)))
    want = generator.send(Received(0.0))
    assert isinstance(want, Invoke)
    assert generator.send(0.5) is MESSAGE_DONE
    assert driver.figures == (1, 0.5)


@pytest.mark.parametrize("in_batches", [False, True])
def test_slow_callbacks_are_told(in_batches: bool) -> None:
    driver = Timed(in_batches=in_batches, slow=0.5)
    driver.script.session.db.user.on_insert(nothing)
    driver.script.session.db.user.on_update(nothing)
    driver.subscribe(user(1), user(2))
    assert driver.told == []
    driver.seconds = 0.5
    driver.update()
    assert driver.told == [(1, 0.5)]
    driver.script.send(driver.script.update(1, "user", (user(3), user(4))))
    driver.run()
    assert driver.told[1:] == ([(2, 0.5)] if in_batches else [(1, 0.5)] * 2)


def test_of_a_batch_that_was_interrupted_only_the_rest_is_told() -> None:
    driver = Timed(in_batches=True, slow=0.5)
    driver.seconds = 1.0
    ran: list[object] = []

    def first_fails(ctx: object, row: object) -> None:
        ran.append(row)
        if len(ran) == 1:
            raise ZeroDivisionError

    driver.generator = pump(
        driver.script.session,
        driver.callbacks,
        in_batches=True,
        on_callback_error=nothing,
    )
    next(driver.generator)
    driver.script.session.db.user.on_insert(first_fails)
    driver.subscribe(user(1), user(2), user(3))
    assert driver.told == [(2, 1.0)]
    assert driver.figures[0] == 3


def test_an_error_in_telling_ends_the_connection() -> None:
    driver = Timed(slow=0.1)
    driver.raising = ZeroDivisionError("in a log handler")
    driver.script.session.db.user.on_insert(nothing)
    driver.subscribe(user(1))
    assert driver.script.session.has_failed


def test_event_rows_count_as_inserted() -> None:
    script = Script()
    script.open()
    subscribed(script, message("a"), table="message")
    assert script.session.stats.rows_inserted == 1
