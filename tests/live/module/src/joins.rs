//! Three tables to join on their indexed column `x`.
use spacetimedb::{ReducerContext, Table};

#[cfg_attr(not(feature = "two"), spacetimedb::table(name = r, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = r, public))]
pub struct JoinR {
    #[primary_key]
    pub id: u32,
    #[index(btree)]
    pub x: u32,
    pub label: String,
}

#[cfg_attr(not(feature = "two"), spacetimedb::table(name = s, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = s, public))]
pub struct JoinS {
    #[primary_key]
    pub id: u32,
    #[index(btree)]
    pub x: u32,
    pub kept: bool,
}

// No key: several equal partners are only told apart by `data`.
#[cfg_attr(not(feature = "two"), spacetimedb::table(name = t, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = t, public))]
pub struct JoinT {
    #[index(btree)]
    pub x: u32,
    pub data: u32,
}

#[spacetimedb::reducer]
pub fn insert_r(ctx: &ReducerContext, id: u32, x: u32, label: String) -> Result<(), String> {
    ctx.db.r().try_insert(JoinR { id, x, label })?;
    Ok(())
}

#[spacetimedb::reducer]
pub fn update_r(ctx: &ReducerContext, id: u32, x: u32, label: String) -> Result<(), String> {
    delete_r(ctx, id)?;
    insert_r(ctx, id, x, label)
}

#[spacetimedb::reducer]
pub fn delete_r(ctx: &ReducerContext, id: u32) -> Result<(), String> {
    ctx.db.r().id().delete(id).then_some(()).ok_or_else(|| format!("no row {id} in r"))
}

#[spacetimedb::reducer]
pub fn insert_s(ctx: &ReducerContext, id: u32, x: u32, kept: bool) -> Result<(), String> {
    ctx.db.s().try_insert(JoinS { id, x, kept })?;
    Ok(())
}

#[spacetimedb::reducer]
pub fn update_s(ctx: &ReducerContext, id: u32, x: u32, kept: bool) -> Result<(), String> {
    delete_s(ctx, id)?;
    insert_s(ctx, id, x, kept)
}

#[spacetimedb::reducer]
pub fn delete_s(ctx: &ReducerContext, id: u32) -> Result<(), String> {
    ctx.db.s().id().delete(id).then_some(()).ok_or_else(|| format!("no row {id} in s"))
}

#[spacetimedb::reducer]
pub fn insert_t(ctx: &ReducerContext, x: u32, data: u32) {
    ctx.db.t().insert(JoinT { x, data });
}

#[spacetimedb::reducer]
pub fn delete_t(ctx: &ReducerContext, x: u32, data: u32) {
    ctx.db.t().delete(JoinT { x, data });
}

/// Both sides of the join in one transaction, replacing rows of the same ids.
#[spacetimedb::reducer]
pub fn put_r_and_s(ctx: &ReducerContext, id: u32, x: u32, label: String, kept: bool) {
    ctx.db.r().id().delete(id);
    ctx.db.s().id().delete(id);
    ctx.db.r().insert(JoinR { id, x, label });
    ctx.db.s().insert(JoinS { id, x, kept });
}

#[spacetimedb::reducer]
pub fn clear_joins(ctx: &ReducerContext) {
    clear!(ctx: r, s, t);
}
