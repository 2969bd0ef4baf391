//! A table with a unique column and one with a primary key for every key type: `TABLE { key, data }` with the reducers
//! `insert_TABLE(key, data)`, `update_TABLE(key, data)`, `delete_TABLE(key)`. A taken or a missing key is an error of the reducer.
use paste::paste;
use spacetimedb::sats::{i256, u256};
use spacetimedb::{ConnectionId, Identity, ReducerContext, Table};

use crate::compat::{caller, caller_connection};
use crate::types::SimpleEnum;

macro_rules! keys {
    ($($kind:ident $table:ident: $type:ty;)*) => { paste! {
        $(
            #[cfg_attr(not(feature = "two"), spacetimedb::table(name = [<$table>], public))]
            #[cfg_attr(feature = "two", spacetimedb::table(accessor = [<$table>], public))]
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

            // Not by `update`, which 2.x has for primary keys alone. On the wire it is the same.
            #[spacetimedb::reducer]
            pub fn [<update_ $table>](ctx: &ReducerContext, key: $type, data: i32) -> Result<(), String> {
                [<delete_ $table>](ctx, key.clone())?;
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

        #[spacetimedb::reducer]
        pub fn clear_keys(ctx: &ReducerContext) {
            clear!(ctx: $($table,)*);
        }
    } };
}

keys! {
    unique unique_u_8: u8;
    unique unique_u_16: u16;
    unique unique_u_32: u32;
    unique unique_u_64: u64;
    unique unique_u_128: u128;
    unique unique_u_256: u256;
    unique unique_i_8: i8;
    unique unique_i_16: i16;
    unique unique_i_32: i32;
    unique unique_i_64: i64;
    unique unique_i_128: i128;
    unique unique_i_256: i256;
    unique unique_bool: bool;
    unique unique_string: String;
    unique unique_identity: Identity;
    unique unique_connection_id: ConnectionId;
    unique unique_simple_enum: SimpleEnum;

    primary_key pk_u_8: u8;
    primary_key pk_u_16: u16;
    primary_key pk_u_32: u32;
    primary_key pk_u_64: u64;
    primary_key pk_u_128: u128;
    primary_key pk_u_256: u256;
    primary_key pk_i_8: i8;
    primary_key pk_i_16: i16;
    primary_key pk_i_32: i32;
    primary_key pk_i_64: i64;
    primary_key pk_i_128: i128;
    primary_key pk_i_256: i256;
    primary_key pk_bool: bool;
    primary_key pk_string: String;
    primary_key pk_identity: Identity;
    primary_key pk_connection_id: ConnectionId;
    primary_key pk_simple_enum: SimpleEnum;
}

#[spacetimedb::reducer]
pub fn insert_caller_unique_identity(ctx: &ReducerContext, data: i32) -> Result<(), String> {
    insert_unique_identity(ctx, caller(ctx), data)
}

#[spacetimedb::reducer]
pub fn insert_caller_pk_identity(ctx: &ReducerContext, data: i32) -> Result<(), String> {
    insert_pk_identity(ctx, caller(ctx), data)
}

#[spacetimedb::reducer]
pub fn insert_caller_unique_connection_id(ctx: &ReducerContext, data: i32) -> Result<(), String> {
    insert_unique_connection_id(ctx, caller_connection(ctx)?, data)
}

#[spacetimedb::reducer]
pub fn insert_caller_pk_connection_id(ctx: &ReducerContext, data: i32) -> Result<(), String> {
    insert_pk_connection_id(ctx, caller_connection(ctx)?, data)
}
