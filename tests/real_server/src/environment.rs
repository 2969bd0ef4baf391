//! The environment of databases: what publishing sets, and its routes. Values are secrets: they are
//! in no answer, error or log.

use crate::App;
use crate::databases::Record;
use crate::http::{Answer, Shared, broken, refuse};
use crate::names::owned;
use crate::publishing::on_disk;
use crate::requests::launch;
use crate::tokens::Caller;
use async_trait::async_trait;
use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use headers::{Header, HeaderMapExt};
use serde::Deserialize;
use spacetimedb::host::InitialEnvironmentSource;
use spacetimedb::host::module_host::UpdateEnvironmentResult;
use spacetimedb::messages::control_db::Database;
use spacetimedb_client_api_messages::name::{
    EnvironmentPublishError, EnvironmentVersionConflict, PublishResult,
};
use spacetimedb_client_api_messages::publish::{SpacetimeEnvironment, SpacetimeEnvironmentRemove};
use spacetimedb_lib::Hash;
use spacetimedb_lib::environment::{
    EnvironmentMap, EnvironmentRemove, EnvironmentSchemaError, EnvironmentUpdate,
};
use std::collections::HashMap;
use std::sync::Mutex;

/// The environments of databases that are being created. The core asks for one when it initialises
/// a replica; it is kept in memory only, for the values are secrets.
#[derive(Default)]
pub struct InitialEnvironments(Mutex<HashMap<u64, EnvironmentMap>>);

impl InitialEnvironments {
    pub fn set(&self, replica: u64, values: EnvironmentMap) {
        self.0.lock().unwrap().insert(replica, values);
    }

    pub fn forget(&self, replica: u64) {
        self.0.lock().unwrap().remove(&replica);
    }
}

#[async_trait]
impl InitialEnvironmentSource for InitialEnvironments {
    async fn load(&self, _: &Database, replica: u64) -> anyhow::Result<EnvironmentMap> {
        Ok(self.0.lock().unwrap().get(&replica).cloned().unwrap_or_default())
    }
}

fn header<H: Header>(headers: &HeaderMap) -> Answer<Option<H>> {
    let bad = |_| refuse(StatusCode::BAD_REQUEST, format!("invalid HTTP header ({})", H::name()));
    headers.typed_try_get::<H>().map_err(bad)
}

/// What the headers of a publish change.
pub fn environment_of(headers: &HeaderMap) -> Answer<EnvironmentUpdate> {
    let values = header(headers)?.unwrap_or(SpacetimeEnvironment::default()).0;
    let remove = header(headers)?.unwrap_or(SpacetimeEnvironmentRemove::default()).0;
    let changes = EnvironmentUpdate { values, remove };
    changes.validate().map_err(|error| refuse(StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok(changes)
}

/// The error for a variable without a value, if that is what is wrong.
pub fn missing_variable(error: &anyhow::Error) -> Option<EnvironmentPublishError> {
    error.chain().find_map(|cause| match cause.downcast_ref() {
        Some(EnvironmentSchemaError::MissingRequired { key }) => {
            let keys = vec![key.clone()];
            Some(EnvironmentPublishError::MissingRequiredEnvironment { keys })
        }
        _ => None,
    })
}

pub fn environment_error<T: serde::Serialize>(
    wrap: impl FnOnce(EnvironmentPublishError) -> T,
    error: EnvironmentPublishError,
) -> Response {
    (error.status_code(), Json(wrap(error))).into_response()
}

/// A program that cannot be published: 400 if that is for its environment.
pub fn not_published(error: anyhow::Error) -> Response {
    if let Some(missing) = missing_variable(&error) {
        return environment_error(PublishResult::EnvironmentError, missing);
    }
    if error.chain().any(|cause| cause.is::<EnvironmentSchemaError>()) {
        return refuse(StatusCode::BAD_REQUEST, format!("{error:#}"));
    }
    broken(error)
}

/// Which variables are declared and which have a value; never the values.
pub async fn environment(
    State(app): Shared,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    let record = owned(&app, &name, &caller, "view environment")?;
    launch(&app, &record).await?;
    let metadata = app.host.environment_metadata(record.replica).await.map_err(broken)?;
    Ok(Json(metadata).into_response())
}

#[derive(Deserialize)]
pub struct EnvironmentQuery {
    expected_module_hash: Hash,
}

pub async fn put_environment(
    State(app): Shared,
    Path(name): Path<String>,
    Query(query): Query<EnvironmentQuery>,
    Extension(caller): Extension<Caller>,
    Json(values): Json<EnvironmentMap>,
) -> Answer {
    let record = owned(&app, &name, &caller, "update environment")?;
    let changes = EnvironmentUpdate { values, remove: EnvironmentRemove::All };
    change_environment(&app, &record, changes, query).await
}

pub async fn patch_environment(
    State(app): Shared,
    Path(name): Path<String>,
    Query(query): Query<EnvironmentQuery>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Json(values): Json<EnvironmentMap>,
) -> Answer {
    let record = owned(&app, &name, &caller, "update environment")?;
    let remove = header(&headers)?.unwrap_or(SpacetimeEnvironmentRemove::default()).0;
    if remove == EnvironmentRemove::All {
        let text = "`*` is not allowed here: PUT replaces all values";
        return Err(refuse(StatusCode::BAD_REQUEST, text));
    }
    change_environment(&app, &record, EnvironmentUpdate { values, remove }, query).await
}

async fn change_environment(
    app: &App,
    record: &Record,
    changes: EnvironmentUpdate,
    query: EnvironmentQuery,
) -> Answer {
    let _one_at_a_time = app.publishing.lock().await;
    launch(app, record).await?;
    let expected = query.expected_module_hash;
    let changed = app
        .host
        .update_module_environment(record.database(), record.replica, changes, expected)
        .await;
    let error = match changed {
        Ok(UpdateEnvironmentResult::NoUpdateNeeded) => {
            return Ok(Json(Ok::<(), ()>(())).into_response());
        }
        Ok(UpdateEnvironmentResult::UpdatePerformed { tx_offset, durable_offset }) => {
            on_disk(tx_offset, durable_offset).await?;
            return Ok(Json(Ok::<(), ()>(())).into_response());
        }
        Ok(UpdateEnvironmentResult::ErrorExecutingMigration(error)) | Err(error) => error,
    };
    let conflict = error.downcast_ref::<EnvironmentVersionConflict>().cloned();
    let known = conflict.map(EnvironmentPublishError::VersionConflict);
    Err(known.or_else(|| missing_variable(&error)).map_or_else(
        || refuse(StatusCode::BAD_REQUEST, format!("{error:#}")),
        |known| environment_error(Err::<(), _>, known),
    ))
}
