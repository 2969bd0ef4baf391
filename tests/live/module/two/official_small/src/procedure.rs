//! `sdk-test-procedure`: procedures that return, fail, write, fetch and wait.
use spacetimedb::{
    procedure, reducer, ProcedureContext, ReducerContext, ScheduleAt, SpacetimeType, Table, TimeDuration, Timestamp,
    Uuid,
};

#[derive(SpacetimeType, Clone)]
pub struct ReturnStruct {
    pub a: u32,
    pub b: String,
}

#[derive(SpacetimeType)]
pub enum ReturnEnum {
    A(u32),
    B(String),
}

#[spacetimedb::table(accessor = my_table, public)]
pub struct MyTable {
    pub field: ReturnStruct,
}

#[spacetimedb::table(accessor = pk_uuid, public)]
pub struct PkUuid {
    pub u: Uuid,
    pub data: u8,
}

#[spacetimedb::table(accessor = proc_inserts_into, public)]
pub struct ProcInsertsInto {
    pub reducer_ts: Timestamp,
    pub procedure_ts: Timestamp,
    pub x: u8,
    pub y: u8,
}

#[spacetimedb::table(accessor = scheduled_proc_table, scheduled(scheduled_proc))]
pub struct ScheduledProcTable {
    #[primary_key]
    #[auto_inc]
    pub scheduled_id: u64,
    pub scheduled_at: ScheduleAt,
    pub reducer_ts: Timestamp,
    pub x: u8,
    pub y: u8,
}

#[procedure]
pub fn return_primitive(_ctx: &mut ProcedureContext, lhs: u32, rhs: u32) -> u32 {
    lhs + rhs
}

#[procedure]
pub fn return_struct(_ctx: &mut ProcedureContext, a: u32, b: String) -> ReturnStruct {
    ReturnStruct { a, b }
}

#[procedure]
pub fn return_enum_a(_ctx: &mut ProcedureContext, a: u32) -> ReturnEnum {
    ReturnEnum::A(a)
}

#[procedure]
pub fn return_enum_b(_ctx: &mut ProcedureContext, b: String) -> ReturnEnum {
    ReturnEnum::B(b)
}

#[procedure]
pub fn will_panic(_ctx: &mut ProcedureContext) {
    panic!("This procedure is expected to panic");
}

#[procedure]
pub fn read_my_schema(ctx: &mut ProcedureContext, server_url: String) -> String {
    let database = ctx.database_identity();
    match ctx.http.get(format!("{server_url}/v1/database/{database}/schema?version=9")) {
        Ok(response) => response.into_body().into_string_lossy(),
        Err(error) => panic!("{error}"),
    }
}

#[procedure]
pub fn invalid_request(ctx: &mut ProcedureContext) -> String {
    let url = "http://foo.invalid/";
    match ctx.http.get(url) {
        Ok(response) => panic!("{url} answered {}", response.status()),
        Err(error) => error.to_string(),
    }
}

fn row() -> MyTable {
    MyTable { field: ReturnStruct { a: 42, b: "magic".to_string() } }
}

#[procedure]
pub fn insert_with_tx_commit(ctx: &mut ProcedureContext) {
    ctx.with_tx(|tx| {
        tx.db.my_table().insert(row());
    });
}

#[procedure]
pub fn insert_with_tx_rollback(ctx: &mut ProcedureContext) {
    let _: Result<(), ()> = ctx.try_with_tx(|tx| {
        tx.db.my_table().insert(row());
        Err(())
    });
}

/// Writes nothing once its schedule has been cleared away, so that a test never sees the schedule of the one before.
#[procedure]
pub fn scheduled_proc(ctx: &mut ProcedureContext, data: ScheduledProcTable) {
    let ScheduledProcTable { reducer_ts, x, y, .. } = data;
    let procedure_ts = ctx.timestamp;
    ctx.with_tx(|tx| {
        if tx.db.scheduled_proc_table().scheduled_id().find(data.scheduled_id).is_some() {
            tx.db.proc_inserts_into().insert(ProcInsertsInto { reducer_ts, procedure_ts, x, y });
        }
    });
}

/// In a second, so that a test can see that it is the schedule's doing.
#[reducer]
pub fn schedule_proc(ctx: &ReducerContext) {
    ctx.db.scheduled_proc_table().insert(ScheduledProcTable {
        scheduled_id: 0,
        scheduled_at: ScheduleAt::Interval(TimeDuration::from_micros(1_000_000)),
        reducer_ts: ctx.timestamp,
        x: 42,
        y: 24,
    });
}

#[procedure]
pub fn sorted_uuids_insert(ctx: &mut ProcedureContext) {
    ctx.with_tx(|tx| {
        for _ in 0..1000 {
            tx.db.pk_uuid().insert(PkUuid { u: tx.new_uuid_v7().unwrap(), data: 0 });
        }
    });
}

pub fn clear(ctx: &ReducerContext) {
    crate::clear!(ctx: my_table, pk_uuid, proc_inserts_into, scheduled_proc_table);
}
