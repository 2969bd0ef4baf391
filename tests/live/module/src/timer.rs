//! A schedule: `timer` rows fire `on_timer`, which writes a `tick`.
use spacetimedb::{ReducerContext, ScheduleAt, Table, TimeDuration, Timestamp};

use crate::compat::{caller, database};

#[cfg_attr(not(feature = "two"), spacetimedb::table(name = timer, public, scheduled(on_timer)))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = timer, public, scheduled(on_timer)))]
pub struct Timer {
    #[primary_key]
    #[auto_inc]
    pub scheduled_id: u64,
    pub scheduled_at: ScheduleAt,
    pub label: String,
}

#[cfg_attr(not(feature = "two"), spacetimedb::table(name = tick, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = tick, public))]
pub struct Tick {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub label: String,
    pub at: Timestamp,
}

#[spacetimedb::reducer]
pub fn on_timer(ctx: &ReducerContext, timer: Timer) -> Result<(), String> {
    // A 2.x server keeps clients out by itself, a 1.x server does not.
    if caller(ctx) != database(ctx) {
        return Err("only the scheduler may call on_timer".to_string());
    }
    ctx.db.tick().insert(Tick { id: 0, label: timer.label, at: ctx.timestamp });
    Ok(())
}

fn micros(millis: u64) -> Result<TimeDuration, String> {
    if millis == 0 {
        return Err("a timer must not fire all the time".to_string());
    }
    let micros = millis.checked_mul(1000).and_then(|n| i64::try_from(n).ok()).ok_or("that is too long")?;
    Ok(TimeDuration::from_micros(micros))
}

/// A tick every `millis` milliseconds, until `stop_timers`.
#[spacetimedb::reducer]
pub fn start_timer(ctx: &ReducerContext, label: String, millis: u64) -> Result<(), String> {
    let scheduled_at = ScheduleAt::Interval(micros(millis)?);
    ctx.db.timer().insert(Timer { scheduled_id: 0, scheduled_at, label });
    Ok(())
}

/// One tick, `millis` milliseconds from now.
#[spacetimedb::reducer]
pub fn start_timer_once(ctx: &ReducerContext, label: String, millis: u64) -> Result<(), String> {
    let scheduled_at = ScheduleAt::Time(ctx.timestamp + micros(millis)?);
    ctx.db.timer().insert(Timer { scheduled_id: 0, scheduled_at, label });
    Ok(())
}

#[spacetimedb::reducer]
pub fn stop_timers(ctx: &ReducerContext) {
    clear!(ctx: timer);
}

#[spacetimedb::reducer]
pub fn clear_ticks(ctx: &ReducerContext) {
    clear!(ctx: tick);
}
