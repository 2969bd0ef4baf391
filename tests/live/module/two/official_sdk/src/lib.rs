//! What the official `sdk-test` module does, under its names: a table for every kind of column, option, result and key, and
//! what the tests of joins, of overlapping queries and of row-level security need.
//!
//! tests/conformance/modules/sdk_test.py is the same module for the embedded server; tests/live/test_official_modules.py
//! compares both with the schema of the original. Left out are the reducers `delete_all_*`, which no client test calls.
#![allow(dead_code)] // tables and columns that only clients read

mod joins;
mod keys;
mod others;
mod types;
mod values;

use spacetimedb::{client_visibility_filter, reducer, Filter, ReducerContext};

/// Deletes all rows of the named tables.
macro_rules! clear {
    ($ctx:ident: $($table:ident),+ $(,)?) => {
        $(for row in $ctx.db.$table().iter() {
            $ctx.db.$table().delete(row);
        })+
    };
}
pub(crate) use clear;

#[client_visibility_filter]
const USERS_FILTER: Filter = Filter::Sql("SELECT * FROM users WHERE identity = :sender");

#[client_visibility_filter]
const ONE_U_8_FILTER: Filter = Filter::Sql("SELECT * FROM one_u_8");

/// Empties every table: a test starts clean on a database that others have used.
#[reducer]
pub fn clear_all(ctx: &ReducerContext) {
    values::clear_values(ctx);
    keys::clear_keys(ctx);
    joins::clear_joins(ctx);
    others::clear_others(ctx);
}
