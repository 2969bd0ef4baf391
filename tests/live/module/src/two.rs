//! What only 2.x has: UUIDs, Result columns, hash indexes, event tables, procedures and views.
use paste::paste;
use spacetimedb::{
    procedure, view, AnonymousViewContext, ConnectionId, Identity, ProcedureContext, Query, ReducerContext, ScheduleAt,
    SpacetimeType, Table, TimeDuration, Timestamp, Uuid, ViewContext,
};

use crate::chat::{connected__view, user__view, User};
use crate::failures::{attempt, Attempt};
use crate::indexes::{indexed__view, Indexed};
use crate::joins::{r__query, s__query, JoinR};
use crate::types::{EnumWithPayload, Outer};

macro_rules! values {
    ($($table:ident: $type:ty;)*) => { paste! {
        $(
            #[spacetimedb::table(accessor = [<$table>], public)]
            pub struct [<$table:camel>] { pub value: $type }

            #[spacetimedb::reducer]
            pub fn [<insert_ $table>](ctx: &ReducerContext, value: $type) {
                ctx.db.$table().insert([<$table:camel>] { value });
            }
        )*
    } };
}

values! {
    one_uuid: Uuid;
    vec_uuid: Vec<Uuid>;
    option_uuid: Option<Uuid>;
    one_result: Result<i32, String>;
    vec_result: Vec<Result<(), u8>>;
}

macro_rules! keys {
    ($($kind:ident $table:ident: $type:ty;)*) => { paste! {
        $(
            #[spacetimedb::table(accessor = [<$table>], public)]
            pub struct [<$table:camel>] {
                #[$kind]
                pub key: $type,
                pub data: i32,
            }

            #[spacetimedb::reducer]
            pub fn [<insert_ $table>](ctx: &ReducerContext, key: $type, data: i32) -> Result<(), String> {
                ctx.db.$table().try_insert([<$table:camel>] { key, data })?;
                Ok(())
            }

            #[spacetimedb::reducer]
            pub fn [<update_ $table>](ctx: &ReducerContext, key: $type, data: i32) -> Result<(), String> {
                [<delete_ $table>](ctx, key)?;
                [<insert_ $table>](ctx, key, data)
            }

            #[spacetimedb::reducer]
            pub fn [<delete_ $table>](ctx: &ReducerContext, key: $type) -> Result<(), String> {
                if ctx.db.$table().key().delete(&key) {
                    Ok(())
                } else {
                    Err(concat!("no such key in ", stringify!($table)).to_string())
                }
            }
        )*
    } };
}

keys! {
    unique unique_uuid: Uuid;
    primary_key pk_uuid: Uuid;
    unique unique_timestamp: Timestamp;
    primary_key pk_timestamp: Timestamp;
}

/// UUIDs of version 7 as keys, with their order of generation as data.
#[spacetimedb::reducer]
pub fn insert_sorted_uuids(ctx: &ReducerContext, count: i32) -> Result<(), String> {
    for data in 0..count {
        let key = ctx.new_uuid_v7().map_err(|error| error.to_string())?;
        insert_pk_uuid(ctx, key, data)?;
    }
    Ok(())
}

#[spacetimedb::reducer]
pub fn insert_random_uuid(ctx: &ReducerContext) -> Result<(), String> {
    let value = ctx.new_uuid_v4().map_err(|error| error.to_string())?;
    ctx.db.one_uuid().insert(OneUuid { value });
    Ok(())
}

#[spacetimedb::table(accessor = hashed, public)]
pub struct Hashed {
    #[primary_key]
    pub id: u32,
    #[index(hash)]
    pub value: u32,
}

#[spacetimedb::reducer]
pub fn insert_hashed(ctx: &ReducerContext, id: u32, value: u32) -> Result<(), String> {
    ctx.db.hashed().try_insert(Hashed { id, value })?;
    Ok(())
}

// Events: told to whoever subscribes when they are inserted, never kept.
#[spacetimedb::table(accessor = shout, public, event)]
pub struct Shout {
    pub text: String,
    pub volume: u32,
}

#[spacetimedb::reducer]
pub fn insert_shout(ctx: &ReducerContext, text: String, volume: u32) {
    ctx.db.shout().insert(Shout { text, volume });
}

#[spacetimedb::reducer]
pub fn insert_shouts(ctx: &ReducerContext, text: String, count: u32) {
    for volume in 0..count {
        insert_shout(ctx, text.clone(), volume);
    }
}

/// An event and an ordinary row in one transaction.
#[spacetimedb::reducer]
pub fn insert_shout_and_attempt(ctx: &ReducerContext, text: String) {
    insert_shout(ctx, text.clone(), 0);
    ctx.db.attempt().insert(Attempt { id: 0, text });
}

#[spacetimedb::reducer]
pub fn fail_after_shout(ctx: &ReducerContext, text: String) -> Result<(), String> {
    insert_shout(ctx, text.clone(), 0);
    Err(text)
}

#[procedure]
pub fn add(_ctx: &mut ProcedureContext, lhs: u32, rhs: u32) -> u32 {
    lhs + rhs
}

#[procedure]
pub fn echo_outer(_ctx: &mut ProcedureContext, value: Outer) -> Outer {
    value
}

#[procedure]
pub fn echo_enum(_ctx: &mut ProcedureContext, value: EnumWithPayload) -> EnumWithPayload {
    value
}

/// An `Err` is an ordinary value of a procedure, not a failure.
#[procedure]
pub fn divide(_ctx: &mut ProcedureContext, lhs: i32, rhs: i32) -> Result<i32, String> {
    lhs.checked_div(rhs).ok_or_else(|| "division by zero".to_string())
}

#[derive(SpacetimeType)]
pub struct Caller {
    pub identity: Identity,
    pub connection_id: Option<ConnectionId>,
    pub timestamp: Timestamp,
}

#[procedure]
pub fn who_am_i(ctx: &mut ProcedureContext) -> Caller {
    Caller { identity: ctx.sender(), connection_id: ctx.connection_id(), timestamp: ctx.timestamp }
}

#[procedure]
pub fn return_nothing(_ctx: &mut ProcedureContext) {}

#[procedure]
pub fn panic_procedure(_ctx: &mut ProcedureContext, text: String) {
    panic!("{text}");
}

/// Commits one transaction; the row arrives as an ordinary update.
#[procedure]
pub fn insert_with_commit(ctx: &mut ProcedureContext, text: String) {
    ctx.with_tx(|tx| {
        tx.db.attempt().insert(Attempt { id: 0, text: text.clone() });
    });
}

#[procedure]
pub fn insert_with_rollback(ctx: &mut ProcedureContext, text: String) {
    let _: Result<(), ()> = ctx.try_with_tx(|tx| {
        tx.db.attempt().insert(Attempt { id: 0, text: text.clone() });
        Err(())
    });
}

/// Two transactions around a pause, in which other calls run.
#[procedure]
pub fn insert_sleep_insert(ctx: &mut ProcedureContext, text: String, millis: u32) {
    insert_with_commit(ctx, format!("{text} before"));
    ctx.sleep_until(ctx.timestamp + TimeDuration::from_micros(i64::from(millis) * 1000));
    insert_with_commit(ctx, format!("{text} after"));
}

/// Answers an attempt of this text with another, once it is there: meanwhile somebody must be able to insert it.
#[procedure]
pub fn answer_attempt(ctx: &mut ProcedureContext, text: String) {
    while !ctx.with_tx(|tx| tx.db.attempt().iter().any(|attempt| attempt.text == text)) {
        ctx.sleep_until(ctx.timestamp + TimeDuration::from_micros(10_000));
    }
    insert_with_commit(ctx, format!("{text} is answered"));
}

#[spacetimedb::table(accessor = alarm, public, scheduled(on_alarm))]
pub struct Alarm {
    #[primary_key]
    #[auto_inc]
    pub scheduled_id: u64,
    pub scheduled_at: ScheduleAt,
    pub text: String,
}

#[procedure]
pub fn on_alarm(ctx: &mut ProcedureContext, alarm: Alarm) {
    insert_with_commit(ctx, alarm.text);
}

#[spacetimedb::reducer]
pub fn set_alarm(ctx: &ReducerContext, text: String, millis: u32) {
    let scheduled_at = ScheduleAt::Time(ctx.timestamp + TimeDuration::from_micros(i64::from(millis) * 1000));
    ctx.db.alarm().insert(Alarm { scheduled_id: 0, scheduled_at, text });
}

/// Of the caller, at most one row.
#[view(accessor = my_user, public)]
pub fn my_user(ctx: &ViewContext) -> Option<User> {
    ctx.db.user().identity().find(ctx.sender())
}

#[derive(SpacetimeType)]
pub struct ConnectionCount {
    pub count: u64,
}

/// Of the caller, of a type that no table has.
#[view(accessor = my_connections, public)]
pub fn my_connections(ctx: &ViewContext) -> Option<ConnectionCount> {
    Some(ConnectionCount { count: ctx.db.connected().identity().filter(ctx.sender()).count() as u64 })
}

/// The same for everyone, without a key.
#[view(accessor = first_region, public)]
pub fn first_region(ctx: &AnonymousViewContext) -> Vec<Indexed> {
    ctx.db.indexed().region().filter(1u32).collect()
}

/// The same for everyone, with a key: updates are recognised.
#[view(accessor = second_region, public, primary_key = id)]
pub fn second_region(ctx: &AnonymousViewContext) -> Vec<Indexed> {
    ctx.db.indexed().region().filter(2u32).collect()
}

/// By the query builder: takes the key of the table.
#[view(accessor = kept_r, public)]
pub fn kept_r(ctx: &AnonymousViewContext) -> impl Query<JoinR> {
    ctx.from.s().filter(|s| s.kept.eq(true)).right_semijoin(ctx.from.r(), |s, r| s.x.eq(r.x)).build()
}

#[spacetimedb::reducer]
pub fn clear_two(ctx: &ReducerContext) {
    clear!(ctx: one_uuid, vec_uuid, option_uuid, one_result, vec_result);
    clear!(ctx: unique_uuid, pk_uuid, unique_timestamp, pk_timestamp, hashed, alarm);
}
