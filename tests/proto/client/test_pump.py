"""The pump: wants, callbacks in order, errors of callbacks, and the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from spacetime_proto.client.callbacks import Callbacks
from spacetime_proto.client.pump import BATCH, Invoke, InvokeEach, MessageDone, Read, Received, pump
from spacetime_proto.client.states import SessionState
from spacetime_proto.errors import DecodeError, Disconnected
from spacetime_proto.messages import v2
from tests.support.script import NOW, Script, message, user


class Driver:
    """A driver of a few lines: runs what the pump wants from a list of what there is to read."""

    in_batches = False

    def __init__(self, script: Script, on_callback_error: Callable[..., Any] | None = None) -> None:
        self.script = script
        self.callbacks = Callbacks()
        self.log: list[Any] = []
        script.session.wants_everything = False
        script.start()
        self.batches: list[int] = []
        self.generator = pump(
            script.session,
            self.callbacks,
            on_callback_error=on_callback_error,
            in_batches=self.in_batches,
        )
        self.want: Any = next(self.generator)
        self.is_over = False
        script.accept()
        script.greet()
        self.read()

    def read(self, **received: Any) -> None:
        """Answer the Read that the pump waits in, then run until the next one."""
        assert isinstance(self.want, Read)
        answer: Received | None = Received(0.0, **received)
        error: Exception | None = None
        try:
            while True:
                if error is not None:
                    self.want = self.generator.throw(error)
                else:
                    self.want = self.generator.send(answer)
                answer = error = None
                if isinstance(self.want, Read):
                    return
                if isinstance(self.want, Invoke | InvokeEach):
                    try:
                        if isinstance(self.want, Invoke):
                            self.want.function(*self.want.args)
                        else:
                            self.batches.append(0)
                            for function, args in self.want.calls:
                                self.batches[-1] += 1
                                function(*args)
                    except Exception as raised:
                        error = raised
                else:
                    assert isinstance(self.want, MessageDone)
                    self.log.append("done")
        except StopIteration:
            self.is_over = True

    def note(self, what: str) -> Callable[..., None]:
        """A callback that logs."""
        return lambda *args: self.log.append(what)


@pytest.fixture(autouse=True, params=[False, True], ids=["single", "in batches"])
def each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(Driver, "in_batches", request.param)
    return bool(request.param)


def subscribed(**options: Any) -> Driver:
    driver = Driver(Script(), **options)
    driver.script.session.subscribe("SELECT * FROM user")
    driver.script.received()
    rows = driver.script.single("user", user(1), user(2))
    driver.script.send(v2.SubscribeAppliedMessage(1, 1, (rows,)))
    driver.read()
    driver.log.clear()
    return driver


def raising(*args: Any) -> None:
    raise RuntimeError("callback")


def test_order_within_one_message() -> None:
    driver = subscribed()
    script, db = driver.script, driver.script.session.db
    db.user.on_insert(driver.note("insert"))
    db.user.on_delete(driver.note("delete"))
    db.user.on_update(driver.note("update"))
    db.user.on_before_delete(driver.note("before"))
    driver.callbacks.add("transaction", driver.note("transaction"))
    driver.callbacks.add("reducer", driver.note("reducer"))
    script.session.call(script.module.reducers.set_name("x"), on_done=driver.note("reply"))
    (sent,) = script.received()
    update = script.update(1, "user", inserts=(user(1, "new"), user(3)), deletes=(user(1), user(2)))
    driver.read()  # a wake-up: the transaction listener counts from the next message on
    script.send(v2.ReducerResult(sent.request_id, NOW, v2.ReducerOk(b"", update)))
    driver.read()
    assert driver.log == [
        "before", "insert", "delete", "update", "transaction", "reducer", "reply", "done",
    ]  # fmt: skip


def test_applied_and_connect_callbacks() -> None:
    script = Script()
    driver = Driver(script)
    driver.callbacks.add("subscription_applied", driver.note("any applied"))
    script.session.db.user.on_insert(driver.note("insert"))
    script.session.subscribe("SELECT * FROM user", on_applied=driver.note("applied"))
    script.received()
    driver.log.clear()
    script.send(v2.SubscribeAppliedMessage(1, 1, (script.single("user", user(1)),)))
    driver.read()
    assert driver.log == ["applied", "any applied", "insert", "done"]


def test_life_cycle_callbacks() -> None:
    script = Script()
    script.start()
    callbacks = Callbacks()
    seen: list[Any] = []
    callbacks.add("connect", lambda ctx, identity, token: seen.append(identity))
    callbacks.add("disconnect", lambda ctx, error: seen.append(error))
    callbacks.add("connect_error", lambda ctx, error: seen.append("never"))
    generator = pump(script.session, callbacks)
    want = next(generator)
    script.accept()
    script.greet()
    answers: list[Received | None] = [Received(0.0), Received(1.0, eof=True)]
    try:
        while True:
            if isinstance(want, Invoke):
                want.function(*want.args)
            want = generator.send(answers.pop(0) if isinstance(want, Read) else None)
    except StopIteration:
        pass
    assert seen[0] == script.session.identity
    assert isinstance(seen[1], Disconnected)


def test_a_failed_attempt_runs_connect_error() -> None:
    script = Script()
    script.start()
    callbacks = Callbacks()
    generator = pump(script.session, callbacks)
    seen: list[Any] = []
    callbacks.add("connect_error", lambda ctx, error: seen.append(error))
    want = next(generator)
    assert isinstance(want, Read)
    assert want.deadline == 10.0
    invoke = generator.send(Received(0.0, error=Disconnected("broken")))
    assert isinstance(invoke, Invoke)
    invoke.function(*invoke.args)
    assert "broken" in str(seen[0])


def test_bytes_go_to_the_session() -> None:
    driver = subscribed()
    assert driver.script.server is not None
    driver.script.server.send(
        b"\x00" + v2.encode_server(driver.script.update(1, "user", (user(7),)))
    )
    driver.read(data=driver.script.server.data_to_send())
    assert len(driver.script.session.db.user) == 3


def test_a_raising_callback_ends_the_connection() -> None:
    driver = subscribed()
    script = driver.script
    ended: list[Any] = []
    driver.callbacks.add("disconnect", lambda ctx, error: ended.append(error))
    script.session.db.user.on_insert(raising)
    script.session.db.user.on_insert(driver.note("never"))
    script.session.call(script.module.reducers.set_name("x"), on_done=driver.note("reply"))
    (sent,) = script.received()
    update = script.update(1, "user", inserts=(user(3),))
    script.send(
        v2.ReducerResult(sent.request_id, NOW, v2.ReducerOk(b"", update)),
        script.update(1, "user", inserts=(user(4),)),
    )
    driver.read()
    assert driver.is_over
    # The call that the message answered is settled; the next message is not applied.
    assert driver.log == ["reply", "done", "done"]
    assert len(script.session.db.user) == 3
    assert isinstance(ended[0], RuntimeError)
    assert script.session.state is SessionState.CLOSED


def test_subscriptions_that_wait_are_woken_when_a_callback_fails() -> None:
    script = Script()
    driver = Driver(script)
    subscription = script.session.subscribe("SELECT * FROM user", on_applied=raising)
    subscription.on_change = driver.note("woken")
    second = script.session.subscribe("SELECT * FROM message")
    second.on_change = driver.note("second")
    script.received()
    script.send(v2.SubscribeAppliedMessage(1, 1, ()))
    driver.read()
    assert driver.is_over
    assert "woken" in driver.log
    assert "second" in driver.log


def test_a_handler_for_callback_errors_keeps_the_connection() -> None:
    errors: list[Any] = []
    driver = subscribed(on_callback_error=lambda error, function: errors.append((error, function)))
    script = driver.script
    script.session.db.user.on_insert(raising)
    script.session.db.user.on_insert(driver.note("insert"))
    script.send(script.update(1, "user", inserts=(user(3),)))
    driver.read()
    assert not driver.is_over
    assert driver.log == ["insert", "done"]
    assert isinstance(errors[0][0], RuntimeError)
    assert errors[0][1] is raising


def test_a_handler_that_raises_ends_it_after_all() -> None:
    driver = subscribed(on_callback_error=raising)
    driver.script.session.db.user.on_insert(raising)
    driver.script.send(driver.script.update(1, "user", inserts=(user(3),)))
    driver.read()
    assert driver.is_over


class Later(Callbacks):
    """Something is to run after everything else of a message."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def afterwards(self) -> Any:
        return [(self.function, ())]


def test_what_runs_after_everything_else_of_a_message() -> None:
    driver = subscribed()
    script = driver.script
    script.session.db.user.on_insert(driver.note("insert"))
    later = Later(driver.note("later"))
    driver.generator = pump(script.session, later, in_batches=driver.in_batches)
    driver.want = next(driver.generator)
    script.send(script.update(1, "user", inserts=(user(3),)))
    driver.read()
    assert driver.log == ["insert", "later", "done"]
    later.function = raising
    script.send(script.update(1, "user", inserts=(user(4),)))
    driver.read()
    assert driver.is_over and isinstance(script.session.close_error, RuntimeError)
    assert driver.log[3] == "insert"


def test_after_a_callback_that_raised_nothing_else_of_its_message_runs() -> None:
    driver = subscribed()
    script = driver.script
    script.session.db.user.on_insert(raising)
    driver.generator = pump(script.session, Later(driver.note("later")))
    driver.want = next(driver.generator)
    script.send(script.update(1, "user", inserts=(user(3),)))
    driver.read()
    assert driver.is_over and "later" not in driver.log


def test_a_raising_before_delete_ends_it_with_nothing_applied() -> None:
    driver = subscribed(on_callback_error=driver_must_not_ask)
    script = driver.script
    script.session.db.user.on_before_delete(raising)
    script.send(script.update(1, "user", inserts=(user(3),), deletes=(user(1),)))
    driver.read()
    assert driver.is_over
    assert {row.identity.data[0] for row in script.session.db.user} == {1, 2}


def driver_must_not_ask(*args: Any) -> None:
    raise AssertionError("the rule for on_before_delete has no exception")


def test_a_damaged_row_that_a_callback_was_to_see_ends_it() -> None:
    driver = subscribed()
    script = driver.script
    script.session.subscribe("SELECT * FROM message")
    script.received()
    script.send(v2.SubscribeAppliedMessage(2, 2, ()))
    driver.read()
    script.session.db.message.on_insert(driver.note("never"))
    rows = script.rows("message", message("abcde"))
    damaged = rows.data.replace(b"abcde", b"ab\xffde")
    update = v2.encode_server(script.update(2, "message", inserts=(message("abcde"),)))
    driver.log.clear()
    script.send_raw(b"\x00" + update.replace(rows.data, damaged))
    driver.read()
    assert driver.is_over
    assert driver.log == ["done", "done"]
    assert isinstance(script.session.close_error, DecodeError)


def test_damage_that_a_callback_swallows_still_ends_it() -> None:
    driver = subscribed()
    script = driver.script

    def look(*args: Any) -> None:
        script.session._on_damage(DecodeError("damaged"))

    script.session.db.user.on_insert(look)
    script.session.db.user.on_delete(driver.note("never"))
    script.send(script.update(1, "user", inserts=(user(3),), deletes=(user(1),)))
    driver.read()
    assert driver.is_over
    assert isinstance(script.session.close_error, DecodeError)


def test_tables_without_listeners_are_passed_over() -> None:
    driver = subscribed()
    driver.script.send(driver.script.update(1, "user", inserts=(user(3),)))
    driver.read()
    assert driver.log == ["done"]
    assert len(driver.script.session.db.user) == 3


def test_callbacks_added_during_a_message_count_from_the_next() -> None:
    driver = subscribed()
    db = driver.script.session.db

    def add(*args: Any) -> None:
        handle.cancel()
        db.user.on_delete(driver.note("delete"))

    handle = db.user.on_insert(add)
    driver.script.send(
        driver.script.update(1, "user", inserts=(user(3),), deletes=(user(1),)),
        driver.script.update(1, "user", deletes=(user(2),)),
    )
    driver.read()
    assert driver.log == ["done", "delete", "done"]


@pytest.mark.parametrize("count", [1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 3])
def test_row_callbacks_come_in_batches_of_a_bounded_size(count: int, each_way: bool) -> None:
    driver = subscribed()
    script = driver.script
    script.session.db.user.on_insert(lambda ctx, row: driver.log.append(row.identity.data[0]))
    expected = list(range(10, 10 + count))
    script.send(script.update(1, "user", inserts=tuple(user(n) for n in expected)))
    driver.read()
    assert driver.log == [*expected, "done"]
    full, rest = divmod(count, BATCH)
    assert driver.batches == ([BATCH] * full + [rest] * bool(rest) if each_way else [])


def test_the_rest_of_a_batch_runs_after_an_error() -> None:
    failed: list[Any] = []

    def handler(error: Exception, function: object) -> None:
        failed.append((str(error), function))

    driver = subscribed(on_callback_error=handler)
    script = driver.script

    def first(ctx: object, row: Any) -> None:
        driver.log.append(row.identity.data[0])
        if row.identity.data[0] in (11, 13):
            raise RuntimeError(f"no {row.identity.data[0]}")

    script.session.db.user.on_insert(first)
    script.session.db.user.on_insert(driver.note("second"))
    script.send(script.update(1, "user", inserts=tuple(user(n) for n in range(10, 14))))
    driver.read()
    assert driver.log == [10, "second", 11, "second", 12, "second", 13, "second", "done"]
    assert failed == [("no 11", first), ("no 13", first)]


def test_no_callback_runs_after_one_that_ends_the_connection() -> None:
    driver = subscribed()
    script = driver.script

    def second_raises(ctx: object, row: Any) -> None:
        driver.log.append(row.identity.data[0])
        if row.identity.data[0] == 11:
            raise RuntimeError("callback")

    script.session.db.user.on_insert(second_raises)
    script.send(script.update(1, "user", inserts=tuple(user(n) for n in range(10, 14))))
    driver.read()
    assert driver.is_over
    assert driver.log[:2] == [10, 11]
    assert 12 not in driver.log


def test_callbacks_before_a_damaged_row_run() -> None:
    driver = subscribed()
    script = driver.script
    script.session.subscribe("SELECT * FROM message")
    script.received()

    def send_damaged(sent: v2.ServerMessage) -> None:
        script.send_raw(b"\x00" + v2.encode_server(sent).replace(b"abcde", b"ab\xffde"))
        driver.read()

    # Nobody looks at the row when it comes, and it is found to be damaged when it goes.
    send_damaged(v2.SubscribeAppliedMessage(2, 2, (script.single("message", message("abcde")),)))
    script.session.db.message.on_insert(driver.note("insert"))
    script.session.db.message.on_delete(driver.note("never"))
    driver.log.clear()
    send_damaged(
        script.update(2, "message", inserts=(message("new"),), deletes=(message("abcde"),))
    )
    assert driver.is_over
    assert driver.log[0] == "insert"
    assert "never" not in driver.log
    assert isinstance(script.session.close_error, DecodeError)


def test_the_only_callback_of_a_message_may_raise() -> None:
    errors: list[Any] = []
    driver = subscribed(on_callback_error=lambda error, function: errors.append(function))
    script = driver.script
    script.session.db.user.on_update(raising)
    script.send(script.update(1, "user", inserts=(user(1, "x"),), deletes=(user(1),)))
    driver.read()
    assert errors == [raising]
    assert not driver.is_over


def test_the_only_row_of_a_message_may_be_damaged() -> None:
    driver = subscribed()
    script = driver.script
    script.session.db.user.on_update(driver.note("never"))
    update = script.update(1, "user", inserts=(user(1, "abcde"),), deletes=(user(1),))
    driver.log.clear()
    script.send_raw(b"\x00" + v2.encode_server(update).replace(b"abcde", b"ab\xffde"))
    driver.read()
    assert driver.is_over
    assert "never" not in driver.log
    assert isinstance(script.session.close_error, DecodeError)
