//! What a running database is asked over HTTP: schema, logs, calls and SQL.

use crate::App;
use crate::databases::Record;
use crate::http::{Answer, Shared, broken, refuse};
use crate::names::{existing, owned};
use crate::tokens::Caller;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytestring::ByteString;
use serde::Deserialize;
use spacetimedb::auth::identity::ConnectionAuthCtx;
use spacetimedb::host::module_host::ClientConnectedError;
use spacetimedb::host::{
    FunctionArgs, ModuleHost, ProcedureCallError, ReducerCallError, ReducerOutcome,
};
use spacetimedb::identity::AuthCtx;
use spacetimedb_client_api_messages::http::{SqlStmtResult, SqlStmtStats};
use spacetimedb_lib::db::raw_def::v9::RawModuleDefV9;
use spacetimedb_lib::db::raw_def::v10::RawModuleDefV10;
use spacetimedb_lib::{ConnectionId, ProductTypeElement, ProductValue, Timestamp, sats};
use std::time::Instant;

/// Header of calls and SQL: how long the database took.
const DURATION: &str = "spacetime-execution-duration-micros";
/// The status of a call whose reducer returned an error or panicked.
const REDUCER_FAILED: u16 = 530;

/// The module, started if it does not run yet.
pub async fn launch(app: &App, record: &Record) -> Answer<ModuleHost> {
    let started = app.host.get_or_launch_module_host(record.database(), record.replica).await;
    started.map_err(|error| broken(format!("error starting database: {error:#}")))
}

pub async fn running(app: &App, segment: &str) -> Answer<(Record, ModuleHost)> {
    let record = existing(app, segment)?;
    let module = launch(app, &record).await?;
    Ok((record, module))
}

#[derive(Deserialize)]
pub struct SchemaQuery {
    version: SchemaVersion,
}

#[derive(Deserialize)]
pub enum SchemaVersion {
    #[serde(rename = "9")]
    Nine,
    #[serde(rename = "10")]
    Ten,
}

pub async fn schema(
    State(app): Shared,
    Path(name): Path<String>,
    Query(query): Query<SchemaQuery>,
) -> Answer {
    let (_, module) = running(&app, &name).await?;
    let def = module.info.module_def.as_ref().clone();
    Ok(match query.version {
        SchemaVersion::Nine => {
            Json(sats::serde::SerdeWrapper(RawModuleDefV9::from(def))).into_response()
        }
        SchemaVersion::Ten => {
            Json(sats::serde::SerdeWrapper(RawModuleDefV10::from(def))).into_response()
        }
    })
}

#[derive(Deserialize)]
pub struct LogQuery {
    num_lines: Option<u32>,
    #[serde(default)]
    follow: bool,
}

pub async fn logs(
    State(app): Shared,
    Path(name): Path<String>,
    Query(query): Query<LogQuery>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    let record = owned(&app, &name, &caller, "view module logs")?;
    let module = launch(&app, &record).await?;
    let lines =
        module.database_logger().tail(query.num_lines, query.follow).await.map_err(|error| {
            log::warn!("no logs: {error:#}");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "Logs are temporarily not available")
        })?;
    let headers =
        [(header::CACHE_CONTROL, "no-cache"), (header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

pub async fn timestamp(State(app): Shared, Path(name): Path<String>) -> Answer {
    existing(&app, &name)?;
    Ok(Json(sats::serde::SerdeWrapper(Timestamp::now())).into_response())
}

pub fn new_connection_id() -> ConnectionId {
    ConnectionId::from_u128(rand::random())
}

/// Does something as a client that is connected while it lasts, even if the HTTP request goes away
/// meanwhile.
async fn connected<T, F>(
    module: ModuleHost,
    auth: ConnectionAuthCtx,
    work: impl FnOnce(ConnectionId) -> F + Send + 'static,
) -> Answer<T>
where
    F: Future<Output = Answer<T>> + Send + 'static,
    T: Send + 'static,
{
    let task = tokio::spawn(async move {
        let (identity, connection) = (auth.identity, new_connection_id());
        module.call_identity_connected(auth, connection).await.map_err(not_connected)?;
        let result = work(connection).await;
        module.call_identity_disconnected(identity, connection).await.map_err(broken)?;
        result
    });
    task.await.map_err(broken)?
}

fn not_connected(error: ClientConnectedError) -> Response {
    match error {
        ClientConnectedError::Rejected(text) => refuse(StatusCode::FORBIDDEN, text),
        ClientConnectedError::OutOfEnergy => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        ClientConnectedError::ReducerCall(error) => {
            refuse(StatusCode::NOT_FOUND, format!("{error:#}"))
        }
        ClientConnectedError::DBError(error) => broken(error),
    }
}

/// An error with its causes, as the server writes it.
fn chain(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

pub async fn call(
    State(app): Shared,
    Path((name, function)): Path<(String, String)>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    match headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default()) {
        None => {
            return Err(refuse(
                StatusCode::BAD_REQUEST,
                "Header of type `content-type` was missing",
            ));
        }
        Some("application/json") => {}
        Some(_) => {
            let text = "Expected request with `Content-Type: application/json`";
            return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
    }
    let text = ByteString::try_from(body)
        .map_err(|_| refuse(StatusCode::BAD_REQUEST, "Request body didn't contain valid UTF-8"))?;
    let (_, module) = running(&app, &name).await?;
    let (identity, auth) = (caller.identity(), caller.context());
    connected(module.clone(), auth, async move |connection| {
        let args = FunctionArgs::Json(text);
        let done = module
            .call_reducer(identity, Some(connection), None, None, None, &function, args.clone())
            .await;
        match done {
            Ok(result) => {
                let (status, text) = match result.outcome {
                    ReducerOutcome::Committed => (StatusCode::OK, String::new()),
                    ReducerOutcome::Failed(text) => {
                        (StatusCode::from_u16(REDUCER_FAILED).unwrap(), String::from(*text))
                    }
                    ReducerOutcome::BudgetExceeded => {
                        (StatusCode::PAYMENT_REQUIRED, "Module energy budget exhausted.".into())
                    }
                };
                let headers = [
                    ("spacetime-energy-used", result.execution_budget_used.get().to_string()),
                    (DURATION, (result.execution_duration.as_micros() as u64).to_string()),
                ];
                Ok((status, headers, text).into_response())
            }
            // Not a reducer: it may be a procedure.
            Err(ReducerCallError::NoSuchReducer | ReducerCallError::ScheduleReducerNotFound) => {
                let done = module
                    .call_procedure(identity, Some(connection), None, &function, args, true)
                    .await;
                let result =
                    done.result.map_err(|error| refuse(procedure_status(&error), chain(error)))?;
                let headers =
                    [(DURATION, (result.execution_duration.as_micros() as u64).to_string())];
                Ok((headers, Json(sats::serde::SerdeWrapper(result.return_val))).into_response())
            }
            Err(error) => Err(refuse(reducer_status(&error), chain(error))),
        }
    })
    .await
}

fn reducer_status(error: &ReducerCallError) -> StatusCode {
    match error {
        ReducerCallError::Args(_) | ReducerCallError::LifecycleReducer(_) => {
            StatusCode::BAD_REQUEST
        }
        ReducerCallError::WorkerError(_) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::NOT_FOUND,
    }
}

fn procedure_status(error: &ProcedureCallError) -> StatusCode {
    match error {
        ProcedureCallError::Args(_) => StatusCode::BAD_REQUEST,
        ProcedureCallError::NoSuchModule(_) | ProcedureCallError::NoSuchProcedure => {
            StatusCode::NOT_FOUND
        }
        ProcedureCallError::OutOfEnergy => StatusCode::PAYMENT_REQUIRED,
        ProcedureCallError::InternalError(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[derive(Deserialize)]
pub struct SqlQuery {
    confirmed: Option<bool>,
}

pub async fn sql(
    State(app): Shared,
    Path(name): Path<String>,
    Query(query): Query<SqlQuery>,
    Extension(caller): Extension<Caller>,
    text: String,
) -> Answer {
    let (record, module) = running(&app, &name).await?;
    let auth = AuthCtx::new(record.owner(), caller.identity());
    let confirmed = query.confirmed.unwrap_or(true);
    let result = connected(module.clone(), caller.context(), async move |_| {
        run_sql(module, auth, text, confirmed).await
    })
    .await?;
    let headers = [(DURATION, result.total_duration_micros.to_string())];
    Ok((headers, Json(vec![result])).into_response())
}

async fn run_sql(
    module: ModuleHost,
    auth: AuthCtx,
    text: String,
    confirmed: bool,
) -> Answer<SqlStmtResult<ProductValue>> {
    let began = Instant::now();
    let database = module.relational_db().clone();
    let durable = database.durable_tx_offset();
    let subscriptions = module.subscriptions().clone();
    let mut columns = Vec::new();
    let result = spacetimedb::sql::execute::run(
        database,
        text,
        auth,
        Some(subscriptions),
        Some(module),
        &mut columns,
    )
    .await
    .map_err(|error| refuse(StatusCode::BAD_REQUEST, error.to_string()))?;
    let total_duration_micros = began.elapsed().as_micros() as u64;
    if let (true, Some(mut durable)) = (confirmed, durable) {
        let offset = result.tx_offset.await.map_err(|_| broken("transaction aborted"))?;
        durable.wait_for(offset).await.map_err(|_| broken("the database went away"))?;
    }
    Ok(SqlStmtResult {
        schema: columns
            .into_iter()
            .map(|(name, kind)| ProductTypeElement::new(kind, Some(name)))
            .collect(),
        rows: result.rows,
        total_duration_micros,
        stats: SqlStmtStats::from_metrics(&result.metrics),
    })
}
