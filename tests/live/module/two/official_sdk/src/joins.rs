//! What the tests of joins and of overlapping queries need: rows of several tables in one transaction.
use spacetimedb::{reducer, ReducerContext, Table};

use crate::clear;
use crate::keys::{pk_u32, pk_u32_two, unique_u32, PkU32, PkU32Two, UniqueU32};
use crate::types::SimpleEnum;

#[spacetimedb::table(accessor = btree_u32, public)]
pub struct BTreeU32 {
    #[index(btree)]
    pub n: u32,
    pub data: i32,
}

#[reducer]
pub fn insert_into_btree_u32(ctx: &ReducerContext, rows: Vec<BTreeU32>) {
    for row in rows {
        ctx.db.btree_u32().insert(row);
    }
}

#[reducer]
pub fn delete_from_btree_u32(ctx: &ReducerContext, rows: Vec<BTreeU32>) {
    for row in rows {
        ctx.db.btree_u32().delete(row);
    }
}

#[reducer]
pub fn insert_into_pk_btree_u32(ctx: &ReducerContext, pk_u32: Vec<PkU32>, bt_u32: Vec<BTreeU32>) {
    for row in pk_u32 {
        ctx.db.pk_u32().insert(row);
    }
    for row in bt_u32 {
        ctx.db.btree_u32().insert(row);
    }
}

#[reducer]
pub fn insert_unique_u32_update_pk_u32(ctx: &ReducerContext, n: u32, d_unique: i32, d_pk: i32) {
    ctx.db.unique_u32().insert(UniqueU32 { n, data: d_unique });
    ctx.db.pk_u32().n().update(PkU32 { n, data: d_pk });
}

#[reducer]
pub fn delete_pk_u32_insert_pk_u32_two(ctx: &ReducerContext, n: u32, data: i32) {
    ctx.db.pk_u32_two().insert(PkU32Two { n, data });
    ctx.db.pk_u32().delete(PkU32 { n, data });
}

#[spacetimedb::table(accessor = indexed_simple_enum, public)]
pub struct IndexedSimpleEnum {
    #[index(btree)]
    pub n: SimpleEnum,
}

#[reducer]
pub fn insert_into_indexed_simple_enum(ctx: &ReducerContext, n: SimpleEnum) {
    ctx.db.indexed_simple_enum().insert(IndexedSimpleEnum { n });
}

#[reducer]
pub fn update_indexed_simple_enum(ctx: &ReducerContext, a: SimpleEnum, b: SimpleEnum) {
    if ctx.db.indexed_simple_enum().n().delete(&a) > 0 {
        ctx.db.indexed_simple_enum().insert(IndexedSimpleEnum { n: b });
    }
}

pub fn clear_joins(ctx: &ReducerContext) {
    clear!(ctx: btree_u32, indexed_simple_enum);
}
