//! Reducers that do nothing, say no, panic, take long, or write to the log.
use spacetimedb::{ReducerContext, Table};

#[spacetimedb::reducer]
pub fn no_op(_ctx: &ReducerContext) {}

// What failing reducers write before they fail. It must never be seen.
#[cfg_attr(not(feature = "two"), spacetimedb::table(name = attempt, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = attempt, public))]
pub struct Attempt {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub text: String,
}

#[spacetimedb::reducer]
pub fn insert_attempt(ctx: &ReducerContext, text: String) {
    ctx.db.attempt().insert(Attempt { id: 0, text });
}

#[spacetimedb::reducer]
pub fn fail_with(_ctx: &ReducerContext, text: String) -> Result<(), String> {
    Err(text)
}

#[spacetimedb::reducer]
pub fn fail_after_insert(ctx: &ReducerContext, text: String) -> Result<(), String> {
    insert_attempt(ctx, text.clone());
    Err(text)
}

#[spacetimedb::reducer]
pub fn panic_with(_ctx: &ReducerContext, text: String) {
    panic!("{text}");
}

#[spacetimedb::reducer]
pub fn panic_after_insert(ctx: &ReducerContext, text: String) {
    insert_attempt(ctx, text.clone());
    panic!("{text}");
}

/// Keeps the module busy for about `rounds` multiplications, then inserts the result as an attempt.
#[spacetimedb::reducer]
pub fn burn(ctx: &ReducerContext, rounds: u64) {
    let mut value = rounds | 1;
    for round in 0..rounds {
        value = value.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) ^ round;
    }
    insert_attempt(ctx, value.to_string());
}

#[spacetimedb::reducer]
pub fn log_line(_ctx: &ReducerContext, text: String) {
    log::info!("{text}");
}

#[spacetimedb::reducer]
pub fn clear_attempts(ctx: &ReducerContext) {
    clear!(ctx: attempt);
}
