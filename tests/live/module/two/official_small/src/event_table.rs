//! `sdk-test-event-table`: rows that are announced and not stored.
use spacetimedb::{reducer, ReducerContext, Table};

#[spacetimedb::table(accessor = test_event, public, event)]
pub struct TestEvent {
    pub name: String,
    pub value: u64,
}

#[reducer]
pub fn emit_test_event(ctx: &ReducerContext, name: String, value: u64) {
    ctx.db.test_event().insert(TestEvent { name, value });
}

#[reducer]
pub fn emit_multiple_test_events(ctx: &ReducerContext) {
    for (name, value) in [("a", 1), ("b", 2), ("c", 3)] {
        emit_test_event(ctx, name.to_string(), value);
    }
}

#[reducer]
pub fn noop(_ctx: &ReducerContext) {}
