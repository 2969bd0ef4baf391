//! The chat of the quickstart, with its error texts, and who is connected.
use spacetimedb::{ConnectionId, Identity, ReducerContext, Table, Timestamp};

use crate::compat::{caller, caller_connection};

#[cfg_attr(not(feature = "two"), spacetimedb::table(name = user, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = user, public))]
pub struct User {
    #[primary_key]
    pub identity: Identity,
    pub name: Option<String>,
    pub online: bool,
}

#[cfg_attr(not(feature = "two"), spacetimedb::table(name = message, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = message, public))]
pub struct Message {
    pub sender: Identity,
    pub sent: Timestamp,
    pub text: String,
}

#[spacetimedb::reducer]
pub fn set_name(ctx: &ReducerContext, name: String) -> Result<(), String> {
    if name.is_empty() {
        return Err("Names must not be empty".to_string());
    }
    let user = ctx.db.user().identity().find(caller(ctx)).ok_or("Cannot set name for unknown user")?;
    ctx.db.user().identity().update(User { name: Some(name), ..user });
    Ok(())
}

#[spacetimedb::reducer]
pub fn send_message(ctx: &ReducerContext, text: String) -> Result<(), String> {
    if text.is_empty() {
        return Err("Messages must not be empty".to_string());
    }
    ctx.db.message().insert(Message { sender: caller(ctx), sent: ctx.timestamp, text });
    Ok(())
}

// One row per live connection; an HTTP call counts as one while it lasts.
#[cfg_attr(not(feature = "two"), spacetimedb::table(name = connected, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = connected, public))]
pub struct Connected {
    #[primary_key]
    pub connection_id: ConnectionId,
    #[index(btree)]
    pub identity: Identity,
    pub since: Timestamp,
}

// One row per connection that ended.
#[cfg_attr(not(feature = "two"), spacetimedb::table(name = disconnected, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = disconnected, public))]
pub struct Disconnected {
    #[primary_key]
    pub connection_id: ConnectionId,
    #[index(btree)]
    pub identity: Identity,
    pub at: Timestamp,
}

// Identities whose connections are refused by `client_connected`.
#[cfg_attr(not(feature = "two"), spacetimedb::table(name = banned, private))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = banned, private))]
pub struct Banned {
    #[primary_key]
    pub identity: Identity,
}

#[spacetimedb::reducer]
pub fn ban(ctx: &ReducerContext, identity: Identity) -> Result<(), String> {
    if identity == caller(ctx) {
        return Err("Cannot ban oneself".to_string());
    }
    ctx.db.banned().insert(Banned { identity });
    Ok(())
}

#[spacetimedb::reducer]
pub fn unban(ctx: &ReducerContext, identity: Identity) {
    ctx.db.banned().identity().delete(identity);
}

#[spacetimedb::reducer(client_connected)]
pub fn client_connected(ctx: &ReducerContext) -> Result<(), String> {
    let identity = caller(ctx);
    if ctx.db.banned().identity().find(identity).is_some() {
        return Err("This identity is banned".to_string());
    }
    match ctx.db.user().identity().find(identity) {
        Some(user) => ctx.db.user().identity().update(User { online: true, ..user }),
        None => ctx.db.user().insert(User { identity, name: None, online: true }),
    };
    let connection_id = caller_connection(ctx)?;
    log::info!("connected {connection_id}");
    // After a crash of the server a row of the same connection may be there still.
    ctx.db.connected().connection_id().delete(connection_id);
    ctx.db.connected().insert(Connected { connection_id, identity, since: ctx.timestamp });
    Ok(())
}

#[spacetimedb::reducer(client_disconnected)]
pub fn client_disconnected(ctx: &ReducerContext) -> Result<(), String> {
    let identity = caller(ctx);
    let connection_id = caller_connection(ctx)?;
    log::info!("disconnected {connection_id}");
    ctx.db.connected().connection_id().delete(connection_id);
    ctx.db.disconnected().connection_id().delete(connection_id);
    ctx.db.disconnected().insert(Disconnected { connection_id, identity, at: ctx.timestamp });
    // Online as long as one connection of this identity is.
    let online = ctx.db.connected().identity().filter(identity).next().is_some();
    if let Some(user) = ctx.db.user().identity().find(identity) {
        if user.online != online {
            ctx.db.user().identity().update(User { online, ..user });
        }
    }
    Ok(())
}

#[spacetimedb::reducer]
pub fn clear_chat(ctx: &ReducerContext) {
    clear!(ctx: message, disconnected, banned);
}
