//! `sdk-test-connect-disconnect`: who came and who went.
use spacetimedb::{reducer, Identity, ReducerContext, Table};

#[spacetimedb::table(accessor = connected, public)]
pub struct Connected {
    pub identity: Identity,
}

#[spacetimedb::table(accessor = disconnected, public)]
pub struct Disconnected {
    pub identity: Identity,
}

#[reducer(client_connected)]
pub fn identity_connected(ctx: &ReducerContext) {
    ctx.db.connected().insert(Connected { identity: ctx.sender() });
}

#[reducer(client_disconnected)]
pub fn identity_disconnected(ctx: &ReducerContext) {
    ctx.db.disconnected().insert(Disconnected { identity: ctx.sender() });
}

pub fn clear(ctx: &ReducerContext) {
    crate::clear!(ctx: connected, disconnected);
}
