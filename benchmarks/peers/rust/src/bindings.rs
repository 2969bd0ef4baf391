//! What `spacetime generate` would write for the two tables and the one reducer of ../../replay.py,
//! by hand: no more of it than this program uses.

use spacetimedb_sdk::__codegen::{self as sdk, __lib, __sats, __ws};

#[derive(__lib::ser::Serialize, __lib::de::Deserialize, Clone, PartialEq, Debug)]
#[sats(crate = __lib)]
pub struct Player {
    pub id: u64,
    pub name: String,
    pub x: f32,
    pub y: f32,
    pub z: f32,
    pub level: u32,
    pub online: bool,
}

#[derive(__lib::ser::Serialize, __lib::de::Deserialize, Clone, PartialEq, Debug)]
#[sats(crate = __lib)]
pub struct Location {
    pub id: u64,
    pub chunk: u64,
    pub x: i32,
    pub z: i32,
    pub dimension: u32,
}

#[derive(Debug)]
pub struct Module;

/// `db`, `reducers` and `procedures` of a connection all are this.
pub struct View {
    imp: sdk::DbContextImpl<Module>,
}

impl View {
    pub fn player(&self) -> sdk::TableHandle<Player> {
        self.imp.get_table("player")
    }

    pub fn location(&self) -> sdk::TableHandle<Location> {
        self.imp.get_table("location")
    }

    pub fn player_id(&self) -> sdk::UniqueConstraintHandle<Player, u64> {
        self.player().get_unique_constraint("id")
    }

    pub fn no_op(&self, then: impl FnOnce(&ReducerContext) + Send + 'static) {
        self.imp
            .invoke_reducer_with_callback(NoOp, move |context, outcome| {
                outcome.expect("no_op was not run").expect("no_op refused");
                then(context);
            })
            .expect("the call was not queued");
    }
}

#[derive(Clone, Debug)]
pub struct NoOp;

impl sdk::Reducer for NoOp {
    fn reducer_name(&self) -> &'static str {
        "no_op"
    }

    fn args_bsatn(&self) -> Result<Vec<u8>, __sats::bsatn::EncodeError> {
        Ok(Vec::new())
    }
}

#[derive(Default, Debug)]
pub struct Update {
    player: sdk::TableUpdate<Player>,
    location: sdk::TableUpdate<Location>,
}

impl Update {
    fn from_rows(rows: __ws::v2::QueryRows, inserted: bool) -> sdk::Result<Self> {
        let mut update = Self::default();
        for table in rows.tables {
            match (&table.table[..], inserted) {
                ("player", true) => update
                    .player
                    .append(sdk::parse_row_list_as_inserts(table.rows)?),
                ("player", false) => update
                    .player
                    .append(sdk::parse_row_list_as_deletes(table.rows)?),
                ("location", true) => update
                    .location
                    .append(sdk::parse_row_list_as_inserts(table.rows)?),
                ("location", false) => update
                    .location
                    .append(sdk::parse_row_list_as_deletes(table.rows)?),
                (name, _) => {
                    return Err(sdk::InternalError::unknown_name("table", name, "QueryRows").into())
                }
            }
        }
        Ok(update)
    }
}

impl TryFrom<__ws::v2::TransactionUpdate> for Update {
    type Error = sdk::Error;

    fn try_from(transaction: __ws::v2::TransactionUpdate) -> Result<Self, sdk::Error> {
        let mut update = Self::default();
        for table in sdk::transaction_update_iter_table_updates(transaction) {
            match &table.table_name[..] {
                "player" => update
                    .player
                    .append(sdk::TableUpdate::parse_table_update(table)?),
                "location" => update
                    .location
                    .append(sdk::TableUpdate::parse_table_update(table)?),
                name => {
                    return Err(sdk::InternalError::unknown_name("table", name, "update").into())
                }
            }
        }
        Ok(update)
    }
}

impl sdk::DbUpdate for Update {
    fn apply_to_client_cache(&self, cache: &mut sdk::ClientCache<Module>) -> Diff<'_> {
        Diff {
            player: cache
                .apply_diff_to_table("player", &self.player)
                .with_updates_by_pk(|row| &row.id),
            location: cache
                .apply_diff_to_table("location", &self.location)
                .with_updates_by_pk(|row| &row.id),
        }
    }

    fn parse_initial_rows(rows: __ws::v2::QueryRows) -> sdk::Result<Self> {
        Self::from_rows(rows, true)
    }

    fn parse_unsubscribe_rows(rows: __ws::v2::QueryRows) -> sdk::Result<Self> {
        Self::from_rows(rows, false)
    }
}

pub struct Diff<'r> {
    player: sdk::TableAppliedDiff<'r, Player>,
    location: sdk::TableAppliedDiff<'r, Location>,
}

impl<'r> sdk::AppliedDiff<'r> for Diff<'r> {
    fn invoke_row_callbacks(&self, context: &RowContext, callbacks: &mut sdk::DbCallbacks<Module>) {
        callbacks.invoke_table_row_callbacks("player", &self.player, context);
        callbacks.invoke_table_row_callbacks("location", &self.location, context);
    }
}

/// The connection and the contexts that callbacks get differ only in the event they carry.
macro_rules! context {
    ($name:ident, $event:ty, $role:ident) => {
        context!($name, $event);
        impl sdk::$role for $name {}
    };
    ($name:ident, $event:ty) => {
        pub struct $name {
            pub db: View,
            event: $event,
        }

        impl sdk::InModule for $name {
            type Module = Module;
        }

        impl sdk::AbstractEventContext for $name {
            type Event = $event;

            fn event(&self) -> &Self::Event {
                &self.event
            }

            fn new(imp: sdk::DbContextImpl<Module>, event: Self::Event) -> Self {
                Self {
                    db: View { imp },
                    event,
                }
            }
        }

        impl sdk::DbContext for $name {
            type DbView = View;
            type Reducers = View;
            type Procedures = View;
            type SubscriptionBuilder = sdk::SubscriptionBuilder<Module>;

            fn db(&self) -> &View {
                &self.db
            }

            fn reducers(&self) -> &View {
                &self.db
            }

            fn procedures(&self) -> &View {
                &self.db
            }

            fn is_active(&self) -> bool {
                self.db.imp.is_active()
            }

            fn disconnect(&self) -> sdk::Result<()> {
                self.db.imp.disconnect()
            }

            fn subscription_builder(&self) -> Self::SubscriptionBuilder {
                sdk::SubscriptionBuilder::new(&self.db.imp)
            }

            fn try_identity(&self) -> Option<sdk::Identity> {
                self.db.imp.try_identity()
            }

            fn connection_id(&self) -> sdk::ConnectionId {
                self.db.imp.connection_id()
            }

            fn try_connection_id(&self) -> Option<sdk::ConnectionId> {
                self.db.imp.try_connection_id()
            }
        }
    };
}

context!(RowContext, sdk::Event<NoOp>, EventContext);
context!(ReducerContext, sdk::ReducerEvent<NoOp>, ReducerEventContext);
context!(ProcedureContext, (), ProcedureEventContext);
context!(SubscriptionContext, (), SubscriptionEventContext);
context!(ErrorContext, Option<sdk::Error>, ErrorContext);
context!(Connection, ());

impl sdk::DbConnection for Connection {
    fn new(imp: sdk::DbContextImpl<Module>) -> Self {
        Self {
            db: View { imp },
            event: (),
        }
    }
}

impl Connection {
    pub fn builder() -> sdk::DbConnectionBuilder<Module> {
        sdk::DbConnectionBuilder::new()
    }

    /// Waits for one message and works it off, callbacks and all.
    pub fn advance(&self) {
        self.db
            .imp
            .advance_one_message_blocking()
            .expect("the connection ended");
    }
}

#[derive(Clone)]
pub struct Handle(sdk::SubscriptionHandleImpl<Module>);

impl sdk::SubscriptionHandle for Handle {
    fn new(imp: sdk::SubscriptionHandleImpl<Module>) -> Self {
        Self(imp)
    }

    fn is_ended(&self) -> bool {
        self.0.is_ended()
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn unsubscribe_then(self, on_end: sdk::OnEndedCallback<Module>) -> sdk::Result<()> {
        self.0.unsubscribe_then(Some(on_end))
    }

    fn unsubscribe(self) -> sdk::Result<()> {
        self.0.unsubscribe_then(None)
    }
}

impl sdk::SpacetimeModule for Module {
    type DbConnection = Connection;
    type EventContext = RowContext;
    type ReducerEventContext = ReducerContext;
    type ProcedureEventContext = ProcedureContext;
    type SubscriptionEventContext = SubscriptionContext;
    type ErrorContext = ErrorContext;
    type Reducer = NoOp;
    type DbView = View;
    type Reducers = View;
    type Procedures = View;
    type DbUpdate = Update;
    type AppliedDiff<'r> = Diff<'r>;
    type SubscriptionHandle = Handle;
    type QueryBuilder = sdk::QueryBuilder;

    const ALL_TABLE_NAMES: &'static [&'static str] = &["player", "location"];

    fn register_tables(cache: &mut sdk::ClientCache<Self>) {
        cache
            .get_or_make_table::<Player>("player")
            .add_unique_constraint::<u64>("id", |row| &row.id);
        cache
            .get_or_make_table::<Location>("location")
            .add_unique_constraint::<u64>("id", |row| &row.id);
    }
}

macro_rules! in_module {
    ($($name:ty),*) => { $(impl sdk::InModule for $name { type Module = Module; })* };
}

in_module!(
    Module,
    Player,
    Location,
    View,
    NoOp,
    Update,
    Handle,
    Diff<'_>
);
