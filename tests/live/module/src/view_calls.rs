//! Views with parameters: a query calls them, `SELECT * FROM "indexed_from"(1, 5)`. Servers before 2.13 cannot.
use spacetimedb::{
    view, AnonymousViewContext, ConnectionId, Identity, SpacetimeType, Timestamp, Uuid, ViewContext,
};

use crate::chat::{user__view, User};
use crate::indexes::{indexed__view, Indexed};

/// The same for everyone.
#[view(accessor = indexed_from, public)]
pub fn indexed_from(ctx: &AnonymousViewContext, region: u32, min_level: i32) -> Vec<Indexed> {
    ctx.db.indexed().region().filter(region).filter(|row| row.level >= min_level).collect()
}

/// Of the caller: nobody else sees what it gives.
#[view(accessor = me_if_named, public)]
pub fn me_if_named(ctx: &ViewContext, name: String) -> Option<User> {
    ctx.db.user().identity().find(ctx.sender()).filter(|user| user.name.as_ref() == Some(&name))
}

#[derive(SpacetimeType)]
pub struct Literals {
    pub flag: bool,
    pub small: i8,
    pub large: u128,
    pub text: String,
    pub data: Vec<u8>,
    pub identity: Identity,
    pub connection: ConnectionId,
    pub at: Timestamp,
    pub uuid: Uuid,
}

/// Gives back its arguments, which are of all types that a query can write.
#[view(accessor = literals, public)]
#[allow(clippy::too_many_arguments)]
pub fn literals(
    _ctx: &AnonymousViewContext,
    flag: bool,
    small: i8,
    large: u128,
    text: String,
    data: Vec<u8>,
    identity: Identity,
    connection: ConnectionId,
    at: Timestamp,
    uuid: Uuid,
) -> Option<Literals> {
    Some(Literals { flag, small, large, text, data, identity, connection, at, uuid })
}
