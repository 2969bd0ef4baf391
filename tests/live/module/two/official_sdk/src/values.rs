//! One table per kind of value, without keys: `TABLE { value }` with the reducer `insert_TABLE(value)`.
use paste::paste;
use spacetimedb::sats::{i256, u256};
use spacetimedb::{reducer, ConnectionId, Identity, ReducerContext, Table, Timestamp, Uuid};

use crate::clear;
use crate::types::*;

macro_rules! tables {
    ($($prefix:ident $name:ident $column:ident: $type:ty;)*) => { paste! {
        $(
            #[spacetimedb::table(accessor = [<$prefix _ $name>], public)]
            pub struct [<$prefix:camel $name:camel>] { pub $column: $type }

            #[reducer]
            pub fn [<insert_ $prefix _ $name>](ctx: &ReducerContext, $column: $type) {
                ctx.db.[<$prefix _ $name>]().insert([<$prefix:camel $name:camel>] { $column });
            }
        )*

        pub fn clear_values(ctx: &ReducerContext) {
            $(clear!(ctx: [<$prefix _ $name>]);)*
            // To an iteration, rows without bytes are no rows: this one is deleted by its value.
            ctx.db.one_unit_struct().delete(OneUnitStruct { s: UnitStruct {} });
        }
    } };
}

macro_rules! one_and_vec {
    ($($name:ident $column:ident: $type:ty;)* ; $($rest:tt)*) => {
        tables! {
            $(one $name $column: $type; vec $name $column: Vec<$type>;)*
            $($rest)*
        }
    };
}

one_and_vec! {
    u8 n: u8;
    u16 n: u16;
    u32 n: u32;
    u64 n: u64;
    u128 n: u128;
    u256 n: u256;
    i8 n: i8;
    i16 n: i16;
    i32 n: i32;
    i64 n: i64;
    i128 n: i128;
    i256 n: i256;
    bool b: bool;
    f32 f: f32;
    f64 f: f64;
    string s: String;
    identity i: Identity;
    connection_id a: ConnectionId;
    uuid u: Uuid;
    timestamp t: Timestamp;
    simple_enum e: SimpleEnum;
    enum_with_payload e: EnumWithPayload;
    unit_struct s: UnitStruct;
    byte_struct s: ByteStruct;
    every_primitive_struct s: EveryPrimitiveStruct;
    every_vec_struct s: EveryVecStruct;
    ;
    option i32 n: Option<i32>;
    option string s: Option<String>;
    option identity i: Option<Identity>;
    option uuid u: Option<Uuid>;
    option simple_enum e: Option<SimpleEnum>;
    option every_primitive_struct s: Option<EveryPrimitiveStruct>;
    option vec_option_i32 v: Option<Vec<Option<i32>>>;
    result i32_string r: Result<i32, String>;
    result string_i32 r: Result<String, i32>;
    result identity_string r: Result<Identity, String>;
    result simple_enum_i32 r: Result<SimpleEnum, i32>;
    result every_primitive_struct_string r: Result<EveryPrimitiveStruct, String>;
    result vec_i32_string r: Result<Vec<i32>, String>;
}

// What the server knows of the call.

#[reducer]
pub fn insert_caller_one_identity(ctx: &ReducerContext) {
    ctx.db.one_identity().insert(OneIdentity { i: ctx.sender() });
}

#[reducer]
pub fn insert_caller_vec_identity(ctx: &ReducerContext) {
    ctx.db.vec_identity().insert(VecIdentity { i: vec![ctx.sender()] });
}

#[reducer]
pub fn insert_caller_one_connection_id(ctx: &ReducerContext) {
    let a = ctx.connection_id().expect("the caller has a connection");
    ctx.db.one_connection_id().insert(OneConnectionId { a });
}

#[reducer]
pub fn insert_caller_vec_connection_id(ctx: &ReducerContext) {
    let a = vec![ctx.connection_id().expect("the caller has a connection")];
    ctx.db.vec_connection_id().insert(VecConnectionId { a });
}

#[reducer]
pub fn insert_call_timestamp(ctx: &ReducerContext) {
    ctx.db.one_timestamp().insert(OneTimestamp { t: ctx.timestamp });
}

#[reducer]
pub fn insert_call_uuid_v4(ctx: &ReducerContext) {
    ctx.db.one_uuid().insert(OneUuid { u: ctx.new_uuid_v4().unwrap() });
}

#[reducer]
pub fn insert_call_uuid_v7(ctx: &ReducerContext) {
    ctx.db.one_uuid().insert(OneUuid { u: ctx.new_uuid_v7().unwrap() });
}

/// The texts by which Rust prints each primitive, in the order of the struct's fields.
#[reducer]
pub fn insert_primitives_as_strings(ctx: &ReducerContext, s: EveryPrimitiveStruct) {
    let s = vec![
        s.a.to_string(),
        s.b.to_string(),
        s.c.to_string(),
        s.d.to_string(),
        s.e.to_string(),
        s.f.to_string(),
        s.g.to_string(),
        s.h.to_string(),
        s.i.to_string(),
        s.j.to_string(),
        s.k.to_string(),
        s.l.to_string(),
        s.m.to_string(),
        s.n.to_string(),
        s.o.to_string(),
        s.p.to_string(),
        s.q.to_string(),
        s.r.to_string(),
        s.s.to_string(),
        s.t.to_string(),
        s.u.to_string(),
    ];
    ctx.db.vec_string().insert(VecString { s });
}

#[reducer]
pub fn no_op_succeeds(_ctx: &ReducerContext) {}
