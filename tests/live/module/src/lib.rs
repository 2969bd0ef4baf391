//! The module that the live tests publish: every column type, key and index, chat, a schedule, failures and large tables.
//!
//! Names are chosen so that a 2.x server, which rewrites them at publish time, leaves them as they are: tables, columns and
//! reducers in snake_case with digits as words of their own (`one_u_8`), variants in lower camelCase, types in PascalCase.
//! So the same names hold on every server; the exceptions are in `renamed`. What the two crate versions spell differently
//! is in `compat`, and what only 2.x has is in `two`.
#![allow(non_camel_case_types)]

#[macro_use]
mod compat;
mod access;
mod chat;
#[cfg(feature = "two")]
mod environment;
mod failures;
mod filler;
mod indexes;
mod joins;
mod keys;
#[cfg(feature = "two")]
mod renamed;
mod timer;
#[cfg(feature = "two")]
mod two;
mod types;
mod values;
#[cfg(feature = "two")]
mod view_calls;

use spacetimedb::ReducerContext;

/// Empties every table but `user` and `connected`, so that a test can start clean on a database that it did not publish.
#[spacetimedb::reducer]
pub fn clear_all(ctx: &ReducerContext) {
    values::clear_values(ctx);
    keys::clear_keys(ctx);
    indexes::clear_indexes(ctx);
    chat::clear_chat(ctx);
    timer::stop_timers(ctx);
    timer::clear_ticks(ctx);
    failures::clear_attempts(ctx);
    access::clear_access(ctx);
    joins::clear_joins(ctx);
    filler::clear_players(ctx);
    filler::clear_locations(ctx);
    filler::clear_blobs(ctx);
    #[cfg(feature = "two")]
    two::clear_two(ctx);
}
