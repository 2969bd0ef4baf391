"""The official ``sdk-test-procedure-concurrency`` module, in spirit: who runs between whose writes.

Every function writes rows into ``procedure_concurrency_row`` in the order in which it runs; a
procedure gives way between two of its own.
"""

from __future__ import annotations

from spacetime_proto import ScheduleAt
from spacetime_proto.server import U32, U64, Context, Module, ProcedureContext, column

__all__ = ["make_module"]


def make_module() -> Module:
    """Return a new module with tables of its own."""
    module = Module()

    @module.table(public=True)
    class ProcedureConcurrencyRow:
        insertion_order: U32 = column(primary_key=True, auto_increment=True)
        insertion_context: str

    @module.table(public=True)
    class ScheduledReducerRow:
        scheduled_id: U64 = column(primary_key=True, auto_increment=True)
        scheduled_at: ScheduleAt

    @module.table(public=True, scheduled="scheduled_procedure_sleep_between_inserts")
    class ScheduledProcedureRow:
        scheduled_id: U64 = column(primary_key=True, auto_increment=True)
        scheduled_at: ScheduleAt

    def write(ctx: Context, text: str) -> None:
        ctx.db.procedure_concurrency_row.insert(
            ProcedureConcurrencyRow(insertion_order=0, insertion_context=text)
        )

    @module.reducer
    def insert_reducer_row(ctx: Context) -> None:
        write(ctx, "reducer")

    @module.procedure
    async def procedure_sleep_between_inserts(ctx: ProcedureContext) -> None:
        ctx.with_tx(lambda tx: write(tx, "procedure_before"))
        await ctx.sleep(0.5)
        ctx.with_tx(lambda tx: write(tx, "procedure_after"))

    @module.schedules(ScheduledReducerRow)
    def scheduled_reducer(ctx: Context, row: ScheduledReducerRow) -> None:
        write(ctx, "scheduled_reducer")

    @module.procedure
    async def procedure_schedule_reducer_between_inserts(ctx: ProcedureContext) -> None:
        def first(tx: Context) -> None:
            write(tx, "procedure_before")
            at = ScheduleAt.Time(tx.timestamp)
            tx.db.scheduled_reducer_row.insert(ScheduledReducerRow(scheduled_id=0, scheduled_at=at))

        ctx.with_tx(first)
        await ctx.sleep(0.5)
        ctx.with_tx(lambda tx: write(tx, "procedure_after"))

    @module.procedure
    async def scheduled_procedure_sleep_between_inserts(
        ctx: ProcedureContext, row: ScheduledProcedureRow
    ) -> None:
        ctx.with_tx(lambda tx: write(tx, "scheduled_procedure_before"))
        await ctx.sleep(0.3)
        ctx.with_tx(lambda tx: write(tx, "scheduled_procedure_after"))

    @module.reducer
    def schedule_procedure_then_reducer(ctx: Context) -> None:
        at = ScheduleAt.Time(ctx.timestamp)
        ctx.db.scheduled_procedure_row.insert(
            ScheduledProcedureRow(scheduled_id=0, scheduled_at=at)
        )
        ctx.db.scheduled_reducer_row.insert(ScheduledReducerRow(scheduled_id=0, scheduled_at=at))

    return module
