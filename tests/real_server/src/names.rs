//! What databases are called: from the segment of a path to a database, and the routes for names.

use crate::App;
use crate::databases::Record;
use crate::http::{Answer, Shared, broken, refuse};
use crate::tokens::Caller;
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use spacetimedb::Identity;
use spacetimedb::messages::control_db::HostType;
use spacetimedb_client_api_messages::name::{
    DatabaseName, GetNamesResponse, InsertDomainResult, SetDomainsResult,
};
use spacetimedb_lib::{Hash, sats};

/// A path segment: an identity, or a name that may or may not be taken.
pub fn lookup(app: &App, segment: &str) -> Answer<(Option<Identity>, Option<DatabaseName>)> {
    if let Ok(identity) = Identity::from_hex(segment) {
        return Ok((Some(identity), None));
    }
    let name: DatabaseName = segment
        .parse()
        .map_err(|error| refuse(StatusCode::BAD_REQUEST, format!("Invalid URL: {error}")))?;
    Ok((app.databases.identity_of(segment), Some(name)))
}

pub fn resolve(app: &App, segment: &str) -> Answer<Identity> {
    lookup(app, segment)?
        .0
        .ok_or_else(|| refuse(StatusCode::NOT_FOUND, format!("`{segment}` not found")))
}

pub fn existing(app: &App, segment: &str) -> Answer<Record> {
    let identity = resolve(app, segment)?;
    app.databases
        .by_identity(identity)
        .ok_or_else(|| refuse(StatusCode::NOT_FOUND, "No such database."))
}

pub fn owned(app: &App, segment: &str, caller: &Caller, action: &str) -> Answer<Record> {
    let record = existing(app, segment)?;
    only_owner(&record, caller, action)?;
    Ok(record)
}

pub fn only_owner(record: &Record, caller: &Caller, action: &str) -> Answer<()> {
    if record.owner() == caller.identity() {
        return Ok(());
    }
    let (who, what) = (caller.identity(), record.identity());
    Err(refuse(
        StatusCode::FORBIDDEN,
        format!("{who} is not authorized to perform action on database {what}: {action}"),
    ))
}

pub async fn info(State(app): Shared, Path(name): Path<String>) -> Answer {
    #[derive(sats::ser::Serialize)]
    #[sats(crate = spacetimedb_lib::sats)]
    struct Info {
        database_identity: Identity,
        owner_identity: Identity,
        host_type: HostType,
        initial_program: Hash,
    }
    let database = existing(&app, &name)?.database();
    let info = Info {
        database_identity: database.database_identity,
        owner_identity: database.owner_identity,
        host_type: database.host_type,
        initial_program: database.initial_program,
    };
    Ok(Json(sats::serde::SerdeWrapper(info)).into_response())
}

pub async fn identity_of(State(app): Shared, Path(name): Path<String>) -> Answer<String> {
    Ok(resolve(&app, &name)?.to_string())
}

pub async fn names(State(app): Shared, Path(name): Path<String>) -> Answer {
    let names = app
        .databases
        .names_of(existing(&app, &name)?.identity())
        .into_iter()
        .map(DatabaseName)
        .collect();
    Ok(Json(GetNamesResponse { names }).into_response())
}

pub async fn add_name(
    State(app): Shared,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
    new: String,
) -> Answer {
    let record = existing(&app, &name)?;
    let new: DatabaseName =
        new.parse().map_err(|error| refuse(StatusCode::BAD_REQUEST, format!("{error}")))?;
    let domain = new.clone().into();
    let (status, result) = match app.databases.owner_of_name(&new.0) {
        Some(owner) if owner != caller.identity() => {
            (StatusCode::UNAUTHORIZED, InsertDomainResult::PermissionDenied { domain })
        }
        _ => {
            app.databases.add_name(&new.0, caller.identity(), record.identity()).map_err(broken)?;
            (
                StatusCode::OK,
                InsertDomainResult::Success { domain, database_identity: record.identity() },
            )
        }
    };
    Ok((status, Json(result)).into_response())
}

pub async fn set_names(
    State(app): Shared,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
    Json(new): Json<Vec<String>>,
) -> Answer {
    let record = existing(&app, &name)?;
    let database = record.identity();
    for name in &new {
        let parsed: Result<DatabaseName, _> = name.parse();
        parsed.map_err(|error| {
            refuse(StatusCode::BAD_REQUEST, format!("Error parsing `{name}`: {error}"))
        })?;
    }
    if record.owner() != caller.identity() {
        return Ok((
            StatusCode::UNAUTHORIZED,
            Json(SetDomainsResult::NotYourDatabase { database }),
        )
            .into_response());
    }
    if let Some(taken) = new.iter().find(|name| app.databases.identity_of(name).is_some()) {
        let text = format!("Cannot rename to {taken} because it already is in use.");
        return Ok(
            (StatusCode::BAD_REQUEST, Json(SetDomainsResult::OtherError(text))).into_response()
        );
    }
    let mine = |name: &String| app.databases.owner_of_name(name) == Some(record.owner());
    if let Some(name) = app.databases.names_of(database).into_iter().find(|name| !mine(name)) {
        let domain = DatabaseName(name).into();
        return Ok((StatusCode::UNAUTHORIZED, Json(SetDomainsResult::PermissionDenied { domain }))
            .into_response());
    }
    app.databases.replace_names(&new, record.owner(), database).map_err(broken)?;
    Ok(Json(SetDomainsResult::Success).into_response())
}
