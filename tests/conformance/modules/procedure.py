"""The official ``sdk-test-procedure`` module: procedures that return, fail, write, fetch and wait."""

from __future__ import annotations

from spacetime_proto import ScheduleAt, TimeDuration, Timestamp, Uuid
from spacetime_proto.server import (
    U8,
    U32,
    U64,
    Context,
    HttpFailed,
    Module,
    ProcedureContext,
    column,
    sum_type,
)

__all__ = ["make_module"]


@sum_type
class ReturnEnum:
    a: U32
    b: str


def make_module() -> Module:
    """Return a new module with tables of its own."""
    module = Module()

    @module.type
    class ReturnStruct:
        a: U32
        b: str

    @module.table(public=True)
    class MyTable:
        field: ReturnStruct

    @module.table(public=True)
    class PkUuid:
        u: Uuid
        data: U8

    @module.table(public=True)
    class ProcInsertsInto:
        reducer_ts: Timestamp
        procedure_ts: Timestamp
        x: U8
        y: U8

    @module.table(scheduled="scheduled_proc")
    class ScheduledProcTable:
        scheduled_id: U64 = column(primary_key=True, auto_increment=True)
        scheduled_at: ScheduleAt
        reducer_ts: Timestamp
        x: U8
        y: U8

    @module.procedure
    def return_primitive(ctx: ProcedureContext, lhs: U32, rhs: U32) -> U32:
        return lhs + rhs

    @module.procedure
    def return_struct(ctx: ProcedureContext, a: U32, b: str) -> ReturnStruct:
        return ReturnStruct(a=a, b=b)

    @module.procedure
    def return_enum_a(ctx: ProcedureContext, a: U32) -> ReturnEnum:
        made: ReturnEnum = ReturnEnum.a(a)  # type: ignore[operator]
        return made

    @module.procedure
    def return_enum_b(ctx: ProcedureContext, b: str) -> ReturnEnum:
        made: ReturnEnum = ReturnEnum.b(b)  # type: ignore[operator]
        return made

    @module.procedure
    def will_panic(ctx: ProcedureContext) -> None:
        raise RuntimeError("This procedure is expected to panic")

    @module.procedure
    async def read_my_schema(ctx: ProcedureContext, server_url: str) -> str:
        url = f"{server_url}/v1/database/{ctx.identity}/schema?version=9"
        return (await ctx.http.get(url)).text

    @module.procedure
    async def invalid_request(ctx: ProcedureContext) -> str:
        url = "http://foo.invalid/"
        try:
            response = await ctx.http.get(url)
        except HttpFailed as error:
            return str(error)
        raise RuntimeError(f"{url} answered {response.status}")

    def insert_my_table(tx: Context) -> None:
        tx.db.my_table.insert(MyTable(field=ReturnStruct(a=42, b="magic")))

    @module.procedure
    def insert_with_tx_commit(ctx: ProcedureContext) -> None:
        ctx.with_tx(insert_my_table)

    @module.procedure
    def insert_with_tx_rollback(ctx: ProcedureContext) -> None:
        try:
            with ctx.transaction() as tx:
                insert_my_table(tx)
                raise ValueError("take it back")
        except ValueError:
            return

    @module.procedure
    def scheduled_proc(ctx: ProcedureContext, data: ScheduledProcTable) -> None:
        row = ProcInsertsInto(
            reducer_ts=data.reducer_ts, procedure_ts=ctx.timestamp, x=data.x, y=data.y
        )
        ctx.with_tx(lambda tx: tx.db.proc_inserts_into.insert(row))

    @module.reducer
    def schedule_proc(ctx: Context) -> None:
        # One second, like the original, so that a test can see that it is the schedule's doing.
        at = ScheduleAt.Interval(TimeDuration.from_seconds(1))
        ctx.db.scheduled_proc_table.insert(
            ScheduledProcTable(
                scheduled_id=0, scheduled_at=at, reducer_ts=ctx.timestamp, x=42, y=24
            )
        )

    @module.procedure
    def sorted_uuids_insert(ctx: ProcedureContext) -> None:
        with ctx.transaction() as tx:
            for _ in range(1000):
                tx.db.pk_uuid.insert(PkUuid(u=tx.new_uuid_v7(), data=0))

    return module
