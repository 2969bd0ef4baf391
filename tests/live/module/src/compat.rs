//! What the 1.x and 2.x crates spell differently, but for the attribute of tables: 1.x has `table(name = ...)` and
//! `index(name = ...)`, 2.x has `accessor`. Tables carry both, each under its feature, since the code that the attribute makes
//! cannot see through a macro of ours (for the same reason macros here make the tables' names with `paste`).
use spacetimedb::{ConnectionId, Identity, ReducerContext};

/// Deletes all rows of the named tables.
macro_rules! clear {
    ($ctx:ident: $($table:ident),+ $(,)?) => {
        $(for row in $ctx.db.$table().iter() {
            $ctx.db.$table().delete(row);
        })+
    };
}

/// Who calls: a field in 1.x, a method in 2.x.
pub fn caller(ctx: &ReducerContext) -> Identity {
    #[cfg(not(feature = "two"))]
    return ctx.sender;
    #[cfg(feature = "two")]
    return ctx.sender();
}

pub fn caller_connection(ctx: &ReducerContext) -> Result<ConnectionId, String> {
    #[cfg(not(feature = "two"))]
    let connection = ctx.connection_id;
    #[cfg(feature = "two")]
    let connection = ctx.connection_id();
    connection.ok_or_else(|| "the caller has no connection".to_string())
}

/// The identity of this database, which is who calls scheduled reducers.
pub fn database(ctx: &ReducerContext) -> Identity {
    #[cfg(not(feature = "two"))]
    return ctx.identity();
    #[cfg(feature = "two")]
    return ctx.database_identity();
}
