//! One table per column type, without keys: `TABLE { value }` with the reducer `insert_TABLE(value)`.
use paste::paste;
use spacetimedb::sats::{i256, u256};
use spacetimedb::{ConnectionId, Identity, ReducerContext, ScheduleAt, Table, TimeDuration, Timestamp};

use crate::compat::{caller, caller_connection};
use crate::types::*;

macro_rules! values {
    ($($table:ident: $type:ty;)*) => { paste! {
        $(
            #[cfg_attr(not(feature = "two"), spacetimedb::table(name = [<$table>], public))]
            #[cfg_attr(feature = "two", spacetimedb::table(accessor = [<$table>], public))]
            pub struct [<$table:camel>] { pub value: $type }

            #[spacetimedb::reducer]
            pub fn [<insert_ $table>](ctx: &ReducerContext, value: $type) {
                ctx.db.$table().insert([<$table:camel>] { value });
            }
        )*

        #[spacetimedb::reducer]
        pub fn clear_values(ctx: &ReducerContext) {
            clear!(ctx: $($table,)* large_table, awkward);
            // To an iteration, rows without bytes are no rows: this one is deleted by its value.
            ctx.db.one_unit_struct().delete(OneUnitStruct { value: UnitStruct {} });
        }
    } };
}

values! {
    one_u_8: u8;
    one_u_16: u16;
    one_u_32: u32;
    one_u_64: u64;
    one_u_128: u128;
    one_u_256: u256;
    one_i_8: i8;
    one_i_16: i16;
    one_i_32: i32;
    one_i_64: i64;
    one_i_128: i128;
    one_i_256: i256;
    one_bool: bool;
    one_f_32: f32;
    one_f_64: f64;
    one_string: String;
    one_identity: Identity;
    one_connection_id: ConnectionId;
    one_timestamp: Timestamp;
    one_time_duration: TimeDuration;
    one_schedule_at: ScheduleAt;
    one_simple_enum: SimpleEnum;
    one_enum_with_payload: EnumWithPayload;
    one_unit_struct: UnitStruct;
    one_byte_struct: ByteStruct;
    one_every_primitive: EveryPrimitive;
    one_every_vec: EveryVec;
    one_outer: Outer;

    vec_u_8: Vec<u8>;
    vec_u_16: Vec<u16>;
    vec_u_32: Vec<u32>;
    vec_u_64: Vec<u64>;
    vec_u_128: Vec<u128>;
    vec_u_256: Vec<u256>;
    vec_i_8: Vec<i8>;
    vec_i_16: Vec<i16>;
    vec_i_32: Vec<i32>;
    vec_i_64: Vec<i64>;
    vec_i_128: Vec<i128>;
    vec_i_256: Vec<i256>;
    vec_bool: Vec<bool>;
    vec_f_32: Vec<f32>;
    vec_f_64: Vec<f64>;
    vec_string: Vec<String>;
    vec_identity: Vec<Identity>;
    vec_connection_id: Vec<ConnectionId>;
    vec_timestamp: Vec<Timestamp>;
    vec_time_duration: Vec<TimeDuration>;
    vec_schedule_at: Vec<ScheduleAt>;
    vec_simple_enum: Vec<SimpleEnum>;
    vec_enum_with_payload: Vec<EnumWithPayload>;
    vec_unit_struct: Vec<UnitStruct>;
    vec_byte_struct: Vec<ByteStruct>;
    vec_every_primitive: Vec<EveryPrimitive>;
    vec_every_vec: Vec<EveryVec>;
    vec_outer: Vec<Outer>;
    vec_vec_i_32: Vec<Vec<i32>>;
    vec_option_string: Vec<Option<String>>;

    option_i_32: Option<i32>;
    option_string: Option<String>;
    option_identity: Option<Identity>;
    option_connection_id: Option<ConnectionId>;
    option_timestamp: Option<Timestamp>;
    option_bytes: Option<Vec<u8>>;
    option_simple_enum: Option<SimpleEnum>;
    option_every_primitive: Option<EveryPrimitive>;
    option_vec_option_i_32: Option<Vec<Option<i32>>>;
    option_option_string: Option<Option<String>>;
}

#[spacetimedb::reducer]
pub fn insert_caller_one_identity(ctx: &ReducerContext) {
    ctx.db.one_identity().insert(OneIdentity { value: caller(ctx) });
}

#[spacetimedb::reducer]
pub fn insert_caller_one_connection_id(ctx: &ReducerContext) -> Result<(), String> {
    ctx.db.one_connection_id().insert(OneConnectionId { value: caller_connection(ctx)? });
    Ok(())
}

#[spacetimedb::reducer]
pub fn insert_call_timestamp(ctx: &ReducerContext) {
    ctx.db.one_timestamp().insert(OneTimestamp { value: ctx.timestamp });
}

/// The texts by which the server prints each primitive, as one row of `vec_string`, in the order of the struct's fields.
#[spacetimedb::reducer]
pub fn insert_primitives_as_strings(ctx: &ReducerContext, value: EveryPrimitive) {
    let v = value;
    let value = vec![
        v.u_8.to_string(),
        v.u_16.to_string(),
        v.u_32.to_string(),
        v.u_64.to_string(),
        v.u_128.to_string(),
        v.u_256.to_string(),
        v.i_8.to_string(),
        v.i_16.to_string(),
        v.i_32.to_string(),
        v.i_64.to_string(),
        v.i_128.to_string(),
        v.i_256.to_string(),
        v.truth.to_string(),
        v.f_32.to_string(),
        v.f_64.to_string(),
        v.text,
        v.identity.to_string(),
        v.connection_id.to_string(),
        v.timestamp.to_string(),
        v.duration.to_string(),
    ];
    ctx.db.vec_string().insert(VecString { value });
}

#[cfg_attr(not(feature = "two"), spacetimedb::table(name = large_table, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = large_table, public))]
pub struct LargeTable {
    pub a: u8,
    pub b: u16,
    pub c: u32,
    pub d: u64,
    pub e: u128,
    pub f: u256,
    pub g: i8,
    pub h: i16,
    pub i: i32,
    pub j: i64,
    pub k: i128,
    pub l: i256,
    pub m: bool,
    pub n: f32,
    pub o: f64,
    pub p: String,
    pub q: SimpleEnum,
    pub r: EnumWithPayload,
    pub s: UnitStruct,
    pub t: ByteStruct,
    pub u: EveryPrimitive,
    pub v: EveryVec,
}

/// Twenty-two parameters, not one row, to exercise long argument lists.
#[spacetimedb::reducer]
#[allow(clippy::too_many_arguments, clippy::many_single_char_names)]
pub fn insert_large_table(
    ctx: &ReducerContext,
    a: u8,
    b: u16,
    c: u32,
    d: u64,
    e: u128,
    f: u256,
    g: i8,
    h: i16,
    i: i32,
    j: i64,
    k: i128,
    l: i256,
    m: bool,
    n: f32,
    o: f64,
    p: String,
    q: SimpleEnum,
    r: EnumWithPayload,
    s: UnitStruct,
    t: ByteStruct,
    u: EveryPrimitive,
    v: EveryVec,
) {
    let row = LargeTable { a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v };
    ctx.db.large_table().insert(row);
}

/// The whole row as the argument.
#[spacetimedb::reducer]
pub fn delete_large_table(ctx: &ReducerContext, row: LargeTable) {
    ctx.db.large_table().delete(row);
}

// Names that are keywords or builtins in Python, or reserved in SQL.
#[cfg_attr(not(feature = "two"), spacetimedb::table(name = awkward, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = awkward, public))]
pub struct Awkward {
    #[primary_key]
    pub id: u32,
    pub class: String,
    pub from: String,
    pub lambda: bool,
    pub list: Vec<u32>,
    pub none: Option<u32>,
}

#[spacetimedb::reducer]
pub fn insert_awkward(
    ctx: &ReducerContext,
    id: u32,
    class: String,
    from: String,
    lambda: bool,
    list: Vec<u32>,
    none: Option<u32>,
) -> Result<(), String> {
    ctx.db.awkward().try_insert(Awkward { id, class, from, lambda, list, none })?;
    Ok(())
}
