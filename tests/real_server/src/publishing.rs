//! Publishing, updating, resetting and deleting databases.

use crate::App;
use crate::databases::Record;
use crate::environment::{environment_error, environment_of, missing_variable, not_published};
use crate::http::{Answer, Shared, broken, refuse};
use crate::names::{existing, lookup, only_owner, owned, resolve};
use crate::requests::launch;
use crate::tokens::Caller;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::Deserialize;
use spacetimedb::db::relational_db::DurableOffset;
use spacetimedb::host::{MigratePlanResult, UpdateDatabaseResult};
use spacetimedb::messages::control_db::{Database, HostType};
use spacetimedb_client_api_messages::name::{
    MigrationPolicy as Policy, PrePublishAutoMigrateResult, PrePublishManualMigrateResult,
    PrePublishResult, PrettyPrintStyle as Style, PublishOp, PublishResult,
};
use spacetimedb_datastore::traits::Program;
use spacetimedb_lib::Hash;
use spacetimedb_lib::environment::{EnvironmentMap, EnvironmentUpdate};
use spacetimedb_schema::auto_migrate::{MigrationPolicy, MigrationToken, PrettyPrintStyle};
use std::time::Duration;

/// How long a module may take to end.
const EXIT_TIME: Duration = Duration::from_secs(30);
/// How long an update may take to reach the disk.
const CONFIRMATION_TIME: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
pub struct PublishQuery {
    #[serde(default)]
    clear: bool,
    token: Option<Hash>,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    host_type: HostType,
}

pub async fn post_database(
    State(app): Shared,
    Query(query): Query<PublishQuery>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    program: Bytes,
) -> Answer {
    publish(&app, None, query, &caller, &headers, program).await
}

pub async fn put_database(
    State(app): Shared,
    Path(name): Path<String>,
    Query(query): Query<PublishQuery>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    program: Bytes,
) -> Answer {
    publish(&app, Some(&name), query, &caller, &headers, program).await
}

pub async fn reset_database(
    State(app): Shared,
    Path(name): Path<String>,
    Query(query): Query<PublishQuery>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    program: Bytes,
) -> Answer {
    existing(&app, &name)?;
    let query = PublishQuery { clear: true, ..query };
    publish(&app, Some(&name), query, &caller, &headers, program).await
}

async fn publish(
    app: &App,
    segment: Option<&str>,
    query: PublishQuery,
    caller: &Caller,
    headers: &HeaderMap,
    program: Bytes,
) -> Answer {
    if query.host_type == HostType::Js {
        let text = "This server is built without V8: it has no JavaScript modules";
        return Err(refuse(StatusCode::BAD_REQUEST, text));
    }
    let changes = environment_of(headers)?;
    let _one_at_a_time = app.publishing.lock().await;
    let (identity, domain) = match segment {
        Some(segment) => lookup(app, segment)?,
        None => (None, None),
    };
    let known = identity.and_then(|identity| app.databases.by_identity(identity));
    let (database_identity, op) = match known {
        Some(record) if query.clear => {
            only_owner(&record, caller, "reset database")?;
            reset(app, &record, query.host_type, changes, &program).await?;
            (record.identity(), PublishOp::Updated)
        }
        Some(record) => {
            only_owner(&record, caller, "update database")?;
            let policy = match (query.policy, query.token) {
                (Policy::Compatible, _) => MigrationPolicy::Compatible,
                (Policy::BreakClients, Some(token)) => MigrationPolicy::BreakClients(token),
                (Policy::BreakClients, None) => {
                    let text = "Migration policy is set to `BreakClients`, \
                                but no migration token was provided.";
                    return Err(refuse(StatusCode::BAD_REQUEST, text));
                }
            };
            update(app, &record, query.host_type, program, policy, changes).await?;
            (record.identity(), PublishOp::Updated)
        }
        None => {
            let identity = match identity {
                Some(identity) => identity,
                None => app.tokens.issue().map_err(broken)?.identity(),
            };
            // As in the original, the name is taken even if the program is then refused.
            if let Some(name) = &domain {
                if app.databases.identity_of(&name.0).is_none() {
                    let added = app.databases.add_name(&name.0, caller.identity(), identity);
                    added.map_err(broken)?;
                }
            }
            let mut database = Database {
                id: 0,
                database_identity: identity,
                owner_identity: caller.identity(),
                host_type: query.host_type,
                initial_program: Hash::ZERO,
                bootstrap_generation: 0,
            };
            create(app, &mut database, changes, &program).await?;
            (identity, PublishOp::Created)
        }
    };
    Ok(Json(PublishResult::Success { domain, database_identity, op }).into_response())
}

async fn create(
    app: &App,
    database: &mut Database,
    changes: EnvironmentUpdate,
    program: &[u8],
) -> Answer<()> {
    let hash = check_and_store(app, database, &changes.values, program).await?;
    let record = app
        .databases
        .add(database.database_identity, database.owner_identity, database.host_type, hash)
        .map_err(broken)?;
    let launched = first_launch(app, &record, changes.values).await;
    if launched.is_err() {
        // It was good enough for a trial in memory. Nothing is left that would fail for ever.
        app.databases.remove(&record).map_err(broken)?;
    }
    launched
}

async fn reset(
    app: &App,
    record: &Record,
    host: HostType,
    changes: EnvironmentUpdate,
    program: &[u8],
) -> Answer<()> {
    if record.locked {
        let text = "Database is locked and cannot be reset with --delete-data. \
                    Run `spacetime unlock` first.";
        return Err(refuse(StatusCode::FORBIDDEN, text));
    }
    let mut database = record.database();
    database.host_type = host;
    let hash = check_and_store(app, &mut database, &changes.values, program).await?;
    let fresh = app.databases.renew(record.id, host, hash).map_err(broken)?;
    app.host.exit_module_host(record.replica, EXIT_TIME).await.map_err(broken)?;
    first_launch(app, &fresh, changes.values).await
}

/// Tries the program in memory, then keeps it where the core finds it.
async fn check_and_store(
    app: &App,
    database: &mut Database,
    environment: &EnvironmentMap,
    bytes: &[u8],
) -> Answer<Hash> {
    let program = Program::from_bytes(database.host_type.into(), bytes);
    let hash = program.hash;
    database.initial_program = hash;
    app.host
        .check_module_validity_with_environment(database.clone(), program, environment.clone())
        .await
        .map_err(not_published)?;
    app.programs.put(bytes).await.map_err(broken)?;
    Ok(hash)
}

async fn first_launch(app: &App, record: &Record, environment: EnvironmentMap) -> Answer<()> {
    app.initial_environments.set(record.replica, environment);
    let launched = launch(app, record).await;
    app.initial_environments.forget(record.replica);
    launched.map(drop)
}

async fn update(
    app: &App,
    record: &Record,
    host: HostType,
    program: Bytes,
    policy: MigrationPolicy,
    changes: EnvironmentUpdate,
) -> Answer<()> {
    launch(app, record).await?;
    let program = program.to_vec().into();
    let result = app
        .host
        .update_module_host(record.database(), host, record.replica, program, policy, changes)
        .await
        .map_err(not_published)?;
    match result {
        UpdateDatabaseResult::NoUpdateNeeded => Ok(()),
        UpdateDatabaseResult::AutoMigrateError(errors) => {
            Err(refuse(StatusCode::BAD_REQUEST, format!("Database update rejected: {errors}")))
        }
        UpdateDatabaseResult::ErrorExecutingMigration(error) => Err(missing_variable(&error)
            .map_or_else(
                || {
                    let text = format!("Failed to create or update the database: {error}");
                    refuse(StatusCode::BAD_REQUEST, text)
                },
                |missing| environment_error(PublishResult::EnvironmentError, missing),
            )),
        UpdateDatabaseResult::UpdatePerformed { tx_offset, durable_offset }
        | UpdateDatabaseResult::UpdatePerformedWithClientDisconnect { tx_offset, durable_offset } => {
            on_disk(tx_offset, durable_offset).await
        }
    }
}

/// Waits until a transaction is durable; at once if the database is in memory.
pub async fn on_disk(
    offset: impl Future<Output = Result<u64, impl std::error::Error>>,
    durable: Option<DurableOffset>,
) -> Answer<()> {
    let waiting = async {
        let offset = offset.await.map_err(|_| "transaction was cancelled")?;
        if let Some(mut durable) = durable {
            let crashed = "database crashed while waiting for transaction confirmation";
            durable.wait_for(offset).await.map_err(|_| crashed)?;
        }
        Ok::<_, &str>(())
    };
    let failed = |status, text| Err(refuse(status, format!("Database update failed: {text}")));
    match tokio::time::timeout(CONFIRMATION_TIME, waiting).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(text)) => failed(StatusCode::SERVICE_UNAVAILABLE, text),
        Err(_) => {
            failed(StatusCode::GATEWAY_TIMEOUT, "timeout waiting for transaction confirmation")
        }
    }
}

#[derive(Deserialize)]
pub struct PlanQuery {
    #[serde(default)]
    style: Style,
    #[serde(default)]
    host_type: HostType,
}

/// Says what publishing a program would change.
pub async fn plan(
    State(app): Shared,
    Path(name): Path<String>,
    Query(query): Query<PlanQuery>,
    Extension(caller): Extension<Caller>,
    program: Bytes,
) -> Answer {
    let record = owned(&app, &name, &caller, "update database")?;
    launch(&app, &record).await?;
    let style = match query.style {
        Style::NoColor => PrettyPrintStyle::NoColor,
        Style::AnsiColor => PrettyPrintStyle::AnsiColor,
    };
    let program = program.to_vec().into();
    let plan = app
        .host
        .migrate_plan(record.database(), query.host_type, record.replica, program, style)
        .await
        .map_err(broken)?;
    let database_identity = record.identity();
    let result = match plan {
        MigratePlanResult::Success {
            old_module_hash,
            new_module_hash,
            plan,
            breaks_client,
            major_version_upgrade,
        } => PrePublishResult::AutoMigrate(PrePublishAutoMigrateResult {
            migrate_plan: plan,
            break_clients: breaks_client,
            token: MigrationToken { database_identity, old_module_hash, new_module_hash }.hash(),
            major_version_upgrade,
        }),
        MigratePlanResult::AutoMigrationError { error, major_version_upgrade } => {
            PrePublishResult::ManualMigrate(PrePublishManualMigrateResult {
                reason: error.to_string(),
                major_version_upgrade,
            })
        }
    };
    Ok(Json(result).into_response())
}

/// Deletes a database. Its files stay in the data folder: a reset or a new database of this name
/// uses others.
pub async fn delete(
    State(app): Shared,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Answer<()> {
    let _one_at_a_time = app.publishing.lock().await;
    let Some(record) = app.databases.by_identity(resolve(&app, &name)?) else {
        return Ok(());
    };
    only_owner(&record, &caller, "delete database")?;
    if record.locked {
        let text = "Database is locked and cannot be deleted. Run `spacetime unlock` first.";
        return Err(refuse(StatusCode::FORBIDDEN, text));
    }
    app.databases.remove(&record).map_err(broken)?;
    app.host.exit_module_host(record.replica, EXIT_TIME).await.map_err(broken)
}

pub async fn lock(
    State(app): Shared,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Answer<()> {
    let record = owned(&app, &name, &caller, "delete database")?;
    app.databases.lock(record.id, true).map_err(broken)
}

pub async fn unlock(
    State(app): Shared,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Answer<()> {
    let record = owned(&app, &name, &caller, "delete database")?;
    app.databases.lock(record.id, false).map_err(broken)
}
