"""`database`: calls, life cycle, schedules, logs."""

from __future__ import annotations

from typing import Any

import pytest

from spacetime_proto.errors import ReducerError
from spacetime_proto.messages import v2
from spacetime_proto.server import U64, Context, Database, Faults, Module, ProcedureContext, column
from spacetime_proto.server.engine.database import PANIC
from spacetime_proto.types import ScheduleAt, TimeDuration, Timestamp
from tests.proto.server.support import NOW, Client, identity, make_database

OWNER = identity(77)
SECOND = TimeDuration(1_000_000)


def later(seconds: float) -> Timestamp:
    return NOW + TimeDuration.from_seconds(seconds)


def make(**options: Any) -> Database:
    module = Module()

    @module.table(public=True)
    class Note:
        id: U64 = column(primary_key=True, auto_increment=True)
        text: str

    @module.table(public=True, scheduled="ring")
    class Alarm:
        id: U64 = column(primary_key=True, auto_increment=True)
        at: ScheduleAt
        text: str

    @module.table(scheduled="compute")
    class Job:
        id: U64 = column(primary_key=True, auto_increment=True)
        at: ScheduleAt
        text: str

    @module.init
    def start(ctx: Context) -> None:
        ctx.db.note.insert(Note(id=0, text=f"started by {str(ctx.sender)[-2:]}"))

    @module.client_connected
    def hello(ctx: Context) -> None:
        if ctx.sender == identity(13):
            raise ValueError("not you")

    @module.client_disconnected
    def goodbye(ctx: Context) -> None:
        if ctx.sender == identity(14):
            raise ValueError("stay")
        ctx.db.note.insert(Note(id=0, text="goodbye"))

    @module.reducer
    def write(ctx: Context, text: str) -> None:
        ctx.db.note.insert(Note(id=0, text=text))
        if text == "value":
            raise ValueError("a value error \ud800")
        if text == "reducer":
            raise ReducerError("a reducer error")
        if text == "panic":
            raise ZeroDivisionError("oops")

    @module.reducer
    def plan(ctx: Context, at: ScheduleAt, text: str) -> None:
        ctx.db.alarm.insert(Alarm(id=0, at=at, text=text))

    @module.reducer
    def plan_job(ctx: Context, at: ScheduleAt, text: str) -> None:
        ctx.db.job.insert(Job(id=0, at=at, text=text))

    @module.reducer
    def cancel(ctx: Context) -> None:
        for alarm in ctx.db.alarm:
            ctx.db.alarm.delete(alarm)

    @module.reducer(private=True)
    def hidden(ctx: Context) -> None: ...

    @module.reducer
    def ring(ctx: Context, alarm: Alarm) -> None:
        assert ctx.sender == ctx.identity
        ctx.db.note.insert(Note(id=0, text=alarm.text))
        if alarm.text == "fail":
            raise ValueError("no")

    @module.procedure
    def compute(ctx: ProcedureContext, job: Job) -> None:
        if job.text == "fail":
            raise ValueError("no")
        with ctx.transaction() as tx:
            tx.db.note.insert(Note(id=0, text=job.text))

    return make_database(module, owner=OWNER, **options)


def notes(database: Database) -> list[str]:
    return [note.text for note in database.tables.note]


def call(database: Database, name: str, *args: Any, who: int = 1, now: Timestamp = NOW) -> Any:
    caller = database.caller(identity(who))
    function = database.reducers.get(name)
    data = b"" if function is None else function.encode(args)
    return database.call_reducer(caller, name, data, now=now)


def test_init_runs_once_as_the_owner() -> None:
    assert notes(make()) == ["started by 4d"]


def test_a_failing_init_is_an_error() -> None:
    module = Module()

    @module.init
    def start(ctx: Context) -> None:
        raise ValueError("not today")

    with pytest.raises(ReducerError, match="init failed: not today"):
        make_database(module)


def test_a_reducer_commits_or_leaves_no_trace() -> None:
    panics: list[str] = []
    database = make(on_panic=panics.append)
    outcome = call(database, "write", "hello")
    assert (outcome.verdict, outcome.text) == ("committed", "")
    assert notes(database)[1:] == ["hello"]
    verdicts = []
    for text in ("value", "reducer", "panic"):
        outcome = call(database, "write", text)
        verdicts.append((outcome.verdict, outcome.text))
    assert verdicts == [
        ("error", "a value error ?"),
        ("error", "a reducer error"),
        ("panic", PANIC),
    ]
    assert notes(database)[1:] == ["hello"]
    assert len(panics) == 1
    assert "ZeroDivisionError: oops" in panics[0]
    assert [line.level for line in database.logs] == ["Panic"]


def test_panics_need_no_audience() -> None:
    assert call(make(), "write", "panic").verdict == "panic"


@pytest.mark.parametrize(
    ("name", "who", "text"),
    [
        ("nope", 1, "no such reducer"),
        ("hidden", 1, "no such reducer"),
        ("ring", 1, "no such reducer"),
        ("start", 1, "can't directly call special Init lifecycle reducer"),
        ("hello", 77, "can't directly call special OnConnect lifecycle reducer"),
        ("goodbye", 77, "can't directly call special OnDisconnect lifecycle reducer"),
    ],
)
def test_what_cannot_be_called(name: str, who: int, text: str) -> None:
    database = make()
    outcome = database.call_reducer(database.caller(identity(who)), name, b"", now=NOW)
    assert (outcome.verdict, outcome.text) == ("refused", text)


def test_the_owner_may_call_private_reducers() -> None:
    assert call(make(), "hidden", who=77).verdict == "committed"


def test_bad_arguments_are_refused() -> None:
    database = make()
    caller = database.caller(identity(1))
    outcome = database.call_reducer(caller, "write", b"", now=NOW)
    assert outcome.verdict == "refused"
    assert outcome.text == (
        "invalid arguments for reducer write: data too short for u32: Expected 4, given 0"
    )
    outcome = database.call_reducer(caller, "write", "[]", now=NOW)
    assert outcome.chain.startswith("invalid arguments for reducer write: .: invalid arguments for")


def test_no_two_calls_have_the_same_time() -> None:
    database = make()
    times = [call(database, "write", "x").commit.timestamp for _ in range(3)]
    assert len(set(times)) == 3
    assert times == sorted(times)


def test_clients_can_be_turned_away() -> None:
    database = make()
    assert database.connect(database.caller(identity(13)), NOW) == "not you"
    assert database.connect(database.caller(identity(12)), NOW) is None
    database.disconnect(database.caller(identity(12)), NOW)
    database.disconnect(database.caller(identity(14)), NOW)
    assert notes(database)[1:] == ["goodbye"]
    assert database.logs[-1].message == "client_disconnected failed: stay"


def test_a_scheduled_row_runs_once_and_is_gone() -> None:
    database = make()
    client = Client(database)
    client.send(v2.Subscribe(1, 1, ("SELECT * FROM alarm", "SELECT * FROM note")))
    assert database.deadline is None
    call(database, "plan", ScheduleAt.Time(later(5)), "ring!")
    client.take()
    assert database.deadline == later(5)
    database.tick(later(4))
    assert client.take() == []
    database.tick(later(5))
    [update] = client.take()
    tables = {t.table_name: t.rows[0] for t in update.query_sets[0].tables}
    assert (len(tables["alarm"].deletes), len(tables["note"].inserts)) == (1, 1)
    assert notes(database)[-1] == "ring!"
    assert database.deadline is None


def test_an_interval_runs_again_and_again_until_deleted() -> None:
    database = make()
    call(database, "plan", ScheduleAt.Interval(SECOND), "tick")
    for seconds in (1, 2, 3):
        database.tick(later(seconds + 0.1 * seconds))
    assert notes(database)[1:] == ["tick"] * 3
    call(database, "cancel", now=later(3.5))
    database.tick(later(9))
    assert notes(database)[1:] == ["tick"] * 3
    assert database.deadline is None


def test_a_failing_scheduled_reducer_is_logged_and_its_row_goes_all_the_same() -> None:
    database = make()
    call(database, "plan", ScheduleAt.Time(later(1)), "fail")
    call(database, "plan", ScheduleAt.Interval(SECOND), "fail")
    database.tick(later(2))
    assert notes(database)[1:] == []
    assert [line.message for line in database.logs] == ["scheduled reducer ring failed: no"] * 2
    assert [alarm.at for alarm in database.tables.alarm] == [ScheduleAt.Interval(SECOND)]


def test_procedures_can_be_scheduled() -> None:
    database = make()
    call(database, "plan_job", ScheduleAt.Time(later(1)), "done")
    call(database, "plan_job", ScheduleAt.Time(later(1)), "fail")
    call(database, "plan_job", ScheduleAt.Interval(SECOND), "again")
    database.tick(later(2))
    assert sorted(notes(database)[1:]) == ["again", "done"]
    assert [job.text for job in database.tables.job] == ["again"]
    assert "scheduled procedure compute: The module instance" in database.logs[-1].message


def test_what_is_scheduled_waits_for_a_scheduled_procedure_that_waits() -> None:
    module = Module()
    log: list[str] = []

    @module.table(scheduled="slow")
    class Job:
        id: U64 = column(primary_key=True, auto_increment=True)
        at: ScheduleAt

    @module.table
    class Alarm:
        id: U64 = column(primary_key=True, auto_increment=True)
        at: ScheduleAt

    @module.procedure
    async def slow(ctx: ProcedureContext, job: Job) -> None:
        log.append("before")
        await ctx.sleep(1)
        log.append("after")

    @module.schedules(Alarm)
    def ring(ctx: Context, alarm: Alarm) -> None:
        log.append("ring")

    @module.reducer
    def start(ctx: Context) -> None:
        ctx.db.job.insert(Job(id=0, at=ScheduleAt.Time(later(1))))
        ctx.db.alarm.insert(Alarm(id=0, at=ScheduleAt.Time(later(1))))
        ctx.db.job.insert(Job(id=0, at=ScheduleAt.Time(later(1))))

    database = make_database(module)
    call(database, "start")
    for tenths in range(10, 60):
        database.tick(later(tenths / 10))
    assert log == ["before", "after", "before", "after", "ring"]
    assert database.deadline is None


def test_event_rows_are_told_and_not_kept() -> None:
    module = Module()

    @module.table(public=True, event=True)
    class Noise:
        loud: bool

    @module.reducer
    def shout(ctx: Context) -> None:
        ctx.db.noise.insert(Noise(loud=True))
        assert ctx.db.noise.count() == 1

    database = make_database(module)
    client = Client(database, number=2)
    client.send(v2.Subscribe(1, 1, ("SELECT * FROM noise",)))
    call(database, "shout")
    [update] = client.take()
    [rows] = update.query_sets[0].tables[0].rows
    assert isinstance(rows, v2.EventRows)
    assert rows.events.slices() == [b"\1"]
    assert database.tables.noise.count() == 0


def test_live_sets_can_be_failed_for_tests() -> None:
    database = make()
    client = Client(database)
    client.send(v2.Subscribe(1, 7, ("SELECT * FROM note",)))
    database.fail_subscriptions("out of luck")
    assert client.take() == [v2.SubscriptionErrorMessage(None, 7, "out of luck")]
    call(database, "write", "unheard")
    assert client.take() == []


def test_a_leaving_client_loses_its_subscriptions() -> None:
    database = make()
    client = Client(database)
    client.send(v2.Subscribe(1, 7, ("SELECT * FROM note",)))
    client.leave()
    assert database.live.queries == {}


def test_written_transactions_reach_the_writer_too() -> None:
    database = make()
    client = Client(database)
    client.send(v2.Subscribe(1, 7, ("SELECT * FROM note",)))
    with database.write(client.connection.caller, NOW):
        assert database.in_transaction
        database.tables.note.insert(database.stores["note"].row_class(id=0, text="x"))
    assert not database.in_transaction
    assert len(client.take()) == 1


def test_numbers_for_uuids_only_grow() -> None:
    database = make()
    assert [database.next_v7(candidate) for candidate in (5, 3, 9)] == [5, 6, 9]


def test_faults_are_off_unless_given() -> None:
    assert make().faults == Faults()
    faults = Faults(ok_empty=True)
    assert make(faults=faults).faults is faults
