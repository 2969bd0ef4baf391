//! What the smaller modules of the official client tests do, under their names: one file here for each of them. They have no
//! name in common, so that one module can hold them all.
//!
//! tests/conformance/modules has the same for the embedded server.
#![allow(dead_code)] // tables and columns that only clients read

mod case_conversion;
mod connect_disconnect;
mod event_table;
mod procedural_view_pk;
mod procedure;
mod procedure_concurrency;
mod view;
mod view_pk;

use spacetimedb::{reducer, ReducerContext};

/// Deletes all rows of the named tables.
macro_rules! clear {
    ($ctx:ident: $($table:ident),+ $(,)?) => {
        $(for row in $ctx.db.$table().iter() {
            $ctx.db.$table().delete(row);
        })+
    };
}
pub(crate) use clear;

/// Empties every table: a test starts clean on a database that others have used.
#[reducer]
pub fn clear_all(ctx: &ReducerContext) {
    case_conversion::clear(ctx);
    connect_disconnect::clear(ctx);
    procedural_view_pk::clear(ctx);
    procedure::clear(ctx);
    procedure_concurrency::clear(ctx);
    view::clear(ctx);
    view_pk::clear(ctx);
}
