//! Indexed columns: single and multi column B-trees, on tables with and without a primary key, and a direct index.
use spacetimedb::{ReducerContext, Table};

use crate::types::SimpleEnum;

// Every way to index at once. `place` is the multi-column index: (region, level, name), usable by prefix.
#[cfg_attr(not(feature = "two"), spacetimedb::table(name = indexed, public, index(name = place, btree(columns = [region, level, name]))))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = indexed, public, index(accessor = place, btree(columns = [region, level, name]))))]
pub struct Indexed {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    #[index(btree)]
    pub region: u32,
    #[index(btree)]
    pub level: i32,
    #[index(btree)]
    pub name: String,
    #[index(btree)]
    pub kind: SimpleEnum,
    pub data: i32,
}

/// `id` 0 asks for the next free one.
#[spacetimedb::reducer]
pub fn insert_indexed(
    ctx: &ReducerContext,
    id: u64,
    region: u32,
    level: i32,
    name: String,
    kind: SimpleEnum,
    data: i32,
) -> Result<(), String> {
    ctx.db.indexed().try_insert(Indexed { id, region, level, name, kind, data })?;
    Ok(())
}

/// Writes another level to each row of a region: rows move inside the indexes.
#[spacetimedb::reducer]
pub fn set_region_level(ctx: &ReducerContext, region: u32, level: i32) {
    let rows: Vec<Indexed> = ctx.db.indexed().region().filter(region).collect();
    for row in rows {
        ctx.db.indexed().id().update(Indexed { level, ..row });
    }
}

#[spacetimedb::reducer]
pub fn delete_indexed_region(ctx: &ReducerContext, region: u32) {
    ctx.db.indexed().region().delete(region);
}

// An index, no key: rows that share their index value stay distinct rows.
#[cfg_attr(not(feature = "two"), spacetimedb::table(name = indexed_u_32, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = indexed_u_32, public))]
pub struct IndexedU32 {
    #[index(btree)]
    pub value: u32,
    pub data: i32,
}

#[spacetimedb::reducer]
pub fn insert_indexed_u_32(ctx: &ReducerContext, value: u32, data: i32) {
    ctx.db.indexed_u_32().insert(IndexedU32 { value, data });
}

#[spacetimedb::reducer]
pub fn delete_indexed_u_32(ctx: &ReducerContext, value: u32, data: i32) {
    ctx.db.indexed_u_32().delete(IndexedU32 { value, data });
}

#[cfg_attr(not(feature = "two"), spacetimedb::table(name = indexed_simple_enum, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = indexed_simple_enum, public))]
pub struct IndexedSimpleEnum {
    #[index(btree)]
    pub value: SimpleEnum,
}

#[spacetimedb::reducer]
pub fn insert_indexed_simple_enum(ctx: &ReducerContext, value: SimpleEnum) {
    ctx.db.indexed_simple_enum().insert(IndexedSimpleEnum { value });
}

#[spacetimedb::reducer]
pub fn update_indexed_simple_enum(ctx: &ReducerContext, from: SimpleEnum, to: SimpleEnum) -> Result<(), String> {
    if ctx.db.indexed_simple_enum().value().delete(&from) == 0 {
        return Err("no such value in indexed_simple_enum".to_string());
    }
    ctx.db.indexed_simple_enum().insert(IndexedSimpleEnum { value: to });
    Ok(())
}

#[cfg_attr(not(feature = "two"), spacetimedb::table(name = direct_u_32, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = direct_u_32, public))]
pub struct DirectU32 {
    #[unique]
    #[index(direct)]
    pub value: u32,
    pub data: i32,
}

#[spacetimedb::reducer]
pub fn insert_direct_u_32(ctx: &ReducerContext, value: u32, data: i32) -> Result<(), String> {
    ctx.db.direct_u_32().try_insert(DirectU32 { value, data })?;
    Ok(())
}

// Key and unique column in one table, the key not first.
#[cfg_attr(not(feature = "two"), spacetimedb::table(name = account, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = account, public))]
pub struct Account {
    #[unique]
    pub email: String,
    #[primary_key]
    pub id: u32,
    pub balance: i64,
}

#[spacetimedb::reducer]
pub fn insert_account(ctx: &ReducerContext, email: String, id: u32, balance: i64) -> Result<(), String> {
    ctx.db.account().try_insert(Account { email, id, balance })?;
    Ok(())
}

/// Both rows change in one transaction; an overdraft is an error and changes neither.
#[spacetimedb::reducer]
pub fn transfer(ctx: &ReducerContext, source: u32, target: u32, amount: i64) -> Result<(), String> {
    for (id, change) in [(target, amount), (source, -amount)] {
        let row = ctx.db.account().id().find(id).ok_or_else(|| format!("no account {id}"))?;
        let row = Account { balance: row.balance + change, ..row };
        if row.balance < 0 {
            return Err(format!("account {id} would be overdrawn"));
        }
        ctx.db.account().id().update(row);
    }
    Ok(())
}

/// The email of one account moves to another in one transaction: a unique value deleted and inserted at once.
#[spacetimedb::reducer]
pub fn swap_emails(ctx: &ReducerContext, first: u32, second: u32) -> Result<(), String> {
    let accounts = ctx.db.account();
    let a = accounts.id().find(first).ok_or_else(|| format!("no account {first}"))?;
    let b = accounts.id().find(second).ok_or_else(|| format!("no account {second}"))?;
    accounts.id().delete(first);
    accounts.id().delete(second);
    accounts.insert(Account { email: b.email, ..a });
    accounts.insert(Account { email: a.email, ..b });
    Ok(())
}

#[spacetimedb::reducer]
pub fn delete_account(ctx: &ReducerContext, id: u32) {
    ctx.db.account().id().delete(id);
}

#[spacetimedb::reducer]
pub fn clear_indexes(ctx: &ReducerContext) {
    clear!(ctx: indexed, indexed_u_32, indexed_simple_enum, direct_u_32, account);
}
