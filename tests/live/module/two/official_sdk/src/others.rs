//! Users, of whom everyone sees only themselves; private indexed tables; a schedule; and a table of 22 columns.
use spacetimedb::sats::{i256, u256};
use spacetimedb::{reducer, Identity, ReducerContext, ScheduleAt, Table};

use crate::clear;
use crate::types::*;
use crate::values::{OneU8, VecU8};

#[spacetimedb::table(accessor = users, public)]
pub struct Users {
    #[primary_key]
    pub identity: Identity,
    pub name: String,
}

#[reducer]
pub fn insert_user(ctx: &ReducerContext, name: String, identity: Identity) {
    ctx.db.users().insert(Users { identity, name });
}

#[spacetimedb::table(accessor = indexed_table)]
pub struct IndexedTable {
    #[index(btree)]
    pub player_id: u32,
}

#[spacetimedb::table(
    accessor = indexed_table_2,
    index(accessor = player_id_snazz_index, btree(columns = [player_id, player_snazz]))
)]
pub struct IndexedTable2 {
    pub player_id: u32,
    pub player_snazz: f32,
}

#[spacetimedb::table(accessor = table_holds_table, public)]
pub struct TableHoldsTable {
    pub a: OneU8,
    pub b: VecU8,
}

#[reducer]
pub fn insert_table_holds_table(ctx: &ReducerContext, a: OneU8, b: VecU8) {
    ctx.db.table_holds_table().insert(TableHoldsTable { a, b });
}

#[spacetimedb::table(accessor = scheduled_table, scheduled(send_scheduled_message), public)]
pub struct ScheduledTable {
    #[primary_key]
    #[auto_inc]
    pub scheduled_id: u64,
    pub scheduled_at: ScheduleAt,
    pub text: String,
}

#[reducer]
pub fn send_scheduled_message(_ctx: &ReducerContext, _arg: ScheduledTable) {}

/// The table, and its two reducers, from one list of columns.
macro_rules! large_table {
    ($($column:ident: $type:ty,)*) => {
        #[spacetimedb::table(accessor = large_table, public)]
        pub struct LargeTable { $(pub $column: $type,)* }

        #[reducer]
        #[allow(clippy::too_many_arguments)]
        pub fn insert_large_table(ctx: &ReducerContext, $($column: $type),*) {
            ctx.db.large_table().insert(LargeTable { $($column,)* });
        }

        #[reducer]
        #[allow(clippy::too_many_arguments)]
        pub fn delete_large_table(ctx: &ReducerContext, $($column: $type),*) {
            ctx.db.large_table().delete(LargeTable { $($column,)* });
        }
    };
}

large_table! {
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
    u: EveryPrimitiveStruct,
    v: EveryVecStruct,
}

pub fn clear_others(ctx: &ReducerContext) {
    clear!(ctx: users, indexed_table, indexed_table_2, table_holds_table, scheduled_table, large_table);
}
