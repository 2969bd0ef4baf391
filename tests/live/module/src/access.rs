//! What a client may not see: a private table, and a table of which everyone sees only their own rows.
use spacetimedb::{client_visibility_filter, Filter, Identity, ReducerContext, Table};

use crate::compat::caller;

#[cfg_attr(not(feature = "two"), spacetimedb::table(name = secret, private))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = secret, private))]
pub struct Secret {
    #[primary_key]
    pub id: u32,
    pub text: String,
}

#[spacetimedb::reducer]
pub fn insert_secret(ctx: &ReducerContext, id: u32, text: String) -> Result<(), String> {
    ctx.db.secret().try_insert(Secret { id, text })?;
    Ok(())
}

#[cfg_attr(not(feature = "two"), spacetimedb::table(name = note, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = note, public))]
pub struct Note {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    #[index(btree)]
    pub owner: Identity,
    pub text: String,
}

#[client_visibility_filter]
const NOTE_OWNER: Filter = Filter::Sql("SELECT * FROM note WHERE owner = :sender");

#[spacetimedb::reducer]
pub fn insert_note(ctx: &ReducerContext, text: String) {
    ctx.db.note().insert(Note { id: 0, owner: caller(ctx), text });
}

#[spacetimedb::reducer]
pub fn clear_access(ctx: &ReducerContext) {
    clear!(ctx: secret, note);
}
