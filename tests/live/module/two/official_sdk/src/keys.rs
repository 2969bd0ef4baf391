//! A table with a unique column and one with a primary key for every kind of key: `TABLE { key, data }` with reducers that insert,
//! update and delete by the key. A key that is taken makes the reducer panic, as in the original.
use paste::paste;
use spacetimedb::sats::{i256, u256};
use spacetimedb::{reducer, ConnectionId, Identity, ReducerContext, Table, Uuid};

use crate::clear;
use crate::types::SimpleEnum;

macro_rules! tables {
    ($($attribute:ident $table:ident $key:ident: $type:ty;)*) => { paste! {
        $(
            #[spacetimedb::table(accessor = [<$table>], public)]
            pub struct [<$table:camel>] {
                #[$attribute]
                pub $key: $type,
                pub data: i32,
            }

            #[reducer]
            pub fn [<insert_ $table>](ctx: &ReducerContext, $key: $type, data: i32) {
                ctx.db.$table().insert([<$table:camel>] { $key, data });
            }

            // Not by `update`, which is there for primary keys alone. On the wire it is the same.
            #[reducer]
            pub fn [<update_ $table>](ctx: &ReducerContext, $key: $type, data: i32) {
                ctx.db.$table().$key().delete(&$key);
                ctx.db.$table().insert([<$table:camel>] { $key, data });
            }

            #[reducer]
            pub fn [<delete_ $table>](ctx: &ReducerContext, $key: $type) {
                ctx.db.$table().$key().delete(&$key);
            }
        )*

        pub fn clear_keys(ctx: &ReducerContext) {
            clear!(ctx: $($table,)* pk_simple_enum);
        }
    } };
}

macro_rules! unique_and_pk {
    ($($name:ident $key:ident: $type:ty;)*) => { paste! {
        tables! {
            $(unique [<unique_ $name>] $key: $type; primary_key [<pk_ $name>] $key: $type;)*
            primary_key pk_u32_two n: u32;
        }
    } };
}

unique_and_pk! {
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
    string s: String;
    identity i: Identity;
    connection_id a: ConnectionId;
    uuid u: Uuid;
}

#[spacetimedb::table(accessor = pk_simple_enum, public)]
pub struct PkSimpleEnum {
    #[primary_key]
    pub a: SimpleEnum,
    pub data: i32,
}

#[reducer]
pub fn insert_pk_simple_enum(ctx: &ReducerContext, a: SimpleEnum, data: i32) {
    ctx.db.pk_simple_enum().insert(PkSimpleEnum { a, data });
}

#[reducer]
pub fn update_pk_simple_enum(ctx: &ReducerContext, a: SimpleEnum, data: i32) {
    ctx.db.pk_simple_enum().a().update(PkSimpleEnum { a, data });
}

#[reducer]
pub fn insert_caller_unique_identity(ctx: &ReducerContext, data: i32) {
    insert_unique_identity(ctx, ctx.sender(), data);
}

#[reducer]
pub fn insert_caller_pk_identity(ctx: &ReducerContext, data: i32) {
    insert_pk_identity(ctx, ctx.sender(), data);
}

#[reducer]
pub fn insert_caller_unique_connection_id(ctx: &ReducerContext, data: i32) {
    insert_unique_connection_id(ctx, ctx.connection_id().expect("the caller has a connection"), data);
}

#[reducer]
pub fn insert_caller_pk_connection_id(ctx: &ReducerContext, data: i32) {
    insert_pk_connection_id(ctx, ctx.connection_id().expect("the caller has a connection"), data);
}

#[reducer]
pub fn sorted_uuids_insert(ctx: &ReducerContext) {
    for _ in 0..1000 {
        ctx.db.pk_uuid().insert(PkUuid { u: ctx.new_uuid_v7().unwrap(), data: 0 });
    }
}
