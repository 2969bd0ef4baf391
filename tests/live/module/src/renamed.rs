//! Names that a 2.x server rewrites, of functions and of parameters: `rename_attempt(attempt_id, new_text)` and so on.
#![allow(non_snake_case)]
use spacetimedb::{procedure, view, AnonymousViewContext, ProcedureContext, ReducerContext};

use crate::failures::{attempt, Attempt};
use crate::indexes::{indexed__view, Indexed};

#[spacetimedb::reducer]
pub fn renameAttempt(ctx: &ReducerContext, attemptId: u64, newText: String) -> Result<(), String> {
    let id = ctx.db.attempt().id().find(attemptId).ok_or("no such attempt")?.id;
    ctx.db.attempt().id().update(Attempt { id, text: newText });
    Ok(())
}

#[procedure]
pub fn subtractFrom(_ctx: &mut ProcedureContext, leftHand: i32, rightHand: i32) -> i32 {
    leftHand - rightHand
}

#[view(accessor = regionNames, public)]
pub fn regionNames(ctx: &AnonymousViewContext, regionId: u32) -> Vec<Indexed> {
    ctx.db.indexed().region().filter(regionId).collect()
}
