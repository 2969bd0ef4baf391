//! Routes below `/v1/identity`: new identities and their tokens, and what belongs to whom.

use crate::App;
use crate::http::{Answer, Shared, broken, refuse};
use crate::tokens::{Caller, caller_of};
use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use spacetimedb::Identity;
use std::time::Duration;

/// How long a token for a WebSocket lives, which may stand in a URL.
const WEBSOCKET_TOKEN_LIFE: Duration = Duration::from_secs(60);

pub async fn new_identity(State(app): Shared) -> Answer {
    let caller = app.tokens.issue().map_err(broken)?;
    Ok(Json(serde_json::json!({"identity": caller.identity(), "token": caller.token}))
        .into_response())
}

pub async fn public_key(State(app): Shared) -> Response {
    (
        [(header::CONTENT_TYPE, "application/pem-certificate-chain")],
        app.tokens.public_key().to_owned(),
    )
        .into_response()
}

async fn required(app: &App, headers: &HeaderMap, uri: &Uri) -> Answer<Caller> {
    caller_of(app, headers, uri)
        .await?
        .ok_or_else(|| refuse(StatusCode::UNAUTHORIZED, "Authorization required"))
}

pub async fn websocket_token(
    State(app): Shared,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer {
    let caller = required(&app, &headers, &uri).await?;
    let token = app.tokens.short_lived(&caller, WEBSOCKET_TOKEN_LIFE).map_err(broken)?;
    Ok(Json(serde_json::json!({"token": token})).into_response())
}

fn hex_identity(text: &str) -> Answer<Identity> {
    Identity::from_hex(text).map_err(|_| {
        refuse(StatusCode::BAD_REQUEST, format!("Invalid URL: `{text}` is no identity"))
    })
}

pub async fn verify(
    State(app): Shared,
    Path(who): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let caller = required(&app, &headers, &uri).await?;
    Ok(if caller.identity() == hex_identity(&who)? {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::BAD_REQUEST
    })
}

pub async fn databases_of(State(app): Shared, Path(who): Path<String>) -> Answer {
    let identities = app.databases.owned_by(hex_identity(&who)?);
    Ok(Json(serde_json::json!({"identities": identities})).into_response())
}
