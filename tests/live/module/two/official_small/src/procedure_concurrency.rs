//! `sdk-test-procedure-concurrency`: who runs between whose writes. Every function writes rows in the order in which it runs; a
//! procedure gives way between two of its own.
use spacetimedb::{procedure, reducer, ProcedureContext, ReducerContext, ScheduleAt, Table, TimeDuration};

#[spacetimedb::table(accessor = procedure_concurrency_row, public)]
pub struct ProcedureConcurrencyRow {
    #[primary_key]
    #[auto_inc]
    pub insertion_order: u32,
    pub insertion_context: String,
}

#[spacetimedb::table(accessor = scheduled_reducer_row, public, scheduled(scheduled_reducer))]
pub struct ScheduledReducerRow {
    #[primary_key]
    #[auto_inc]
    pub scheduled_id: u64,
    pub scheduled_at: ScheduleAt,
}

#[spacetimedb::table(accessor = scheduled_procedure_row, public, scheduled(scheduled_procedure_sleep_between_inserts))]
pub struct ScheduledProcedureRow {
    #[primary_key]
    #[auto_inc]
    pub scheduled_id: u64,
    pub scheduled_at: ScheduleAt,
}

fn write(ctx: &ReducerContext, text: &str) {
    let insertion_context = text.to_string();
    ctx.db.procedure_concurrency_row().insert(ProcedureConcurrencyRow { insertion_order: 0, insertion_context });
}

fn sleep(ctx: &mut ProcedureContext, millis: i64) {
    ctx.sleep_until(ctx.timestamp + TimeDuration::from_micros(millis * 1000));
}

#[reducer]
pub fn insert_reducer_row(ctx: &ReducerContext) {
    write(ctx, "reducer");
}

#[procedure]
pub fn procedure_sleep_between_inserts(ctx: &mut ProcedureContext) {
    ctx.with_tx(|tx| write(tx, "procedure_before"));
    sleep(ctx, 500);
    ctx.with_tx(|tx| write(tx, "procedure_after"));
}

#[reducer]
pub fn scheduled_reducer(ctx: &ReducerContext, _row: ScheduledReducerRow) {
    write(ctx, "scheduled_reducer");
}

#[procedure]
pub fn procedure_schedule_reducer_between_inserts(ctx: &mut ProcedureContext) {
    ctx.with_tx(|tx| {
        write(tx, "procedure_before");
        let scheduled_at = ScheduleAt::Time(tx.timestamp);
        tx.db.scheduled_reducer_row().insert(ScheduledReducerRow { scheduled_id: 0, scheduled_at });
    });
    sleep(ctx, 500);
    ctx.with_tx(|tx| write(tx, "procedure_after"));
}

#[procedure]
pub fn scheduled_procedure_sleep_between_inserts(ctx: &mut ProcedureContext, _row: ScheduledProcedureRow) {
    ctx.with_tx(|tx| write(tx, "scheduled_procedure_before"));
    sleep(ctx, 300);
    ctx.with_tx(|tx| write(tx, "scheduled_procedure_after"));
}

#[reducer]
pub fn schedule_procedure_then_reducer(ctx: &ReducerContext) {
    let scheduled_at = ScheduleAt::Time(ctx.timestamp);
    ctx.db.scheduled_procedure_row().insert(ScheduledProcedureRow { scheduled_id: 0, scheduled_at });
    ctx.db.scheduled_reducer_row().insert(ScheduledReducerRow { scheduled_id: 0, scheduled_at });
}

pub fn clear(ctx: &ReducerContext) {
    crate::clear!(ctx: procedure_concurrency_row, scheduled_reducer_row, scheduled_procedure_row);
}
