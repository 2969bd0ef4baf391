//! The HTTP interface: which route leads where, and what all answers have in common.

use crate::environment::{environment, patch_environment, put_environment};
use crate::handlers::{route_path, route_root, route_slash};
use crate::handshake::subscribe;
use crate::identities::{databases_of, new_identity, public_key, verify, websocket_token};
use crate::names::{add_name, identity_of, info, names, set_names};
use crate::publishing::{delete, lock, plan, post_database, put_database, reset_database, unlock};
use crate::requests::{call, logs, schema, sql, timestamp};
use crate::tokens::{caller_of, identify};
use crate::{App, VERSION};
use axum::body::{Body, HttpBody};
use axum::extract::{DefaultBodyLimit, OriginalUri, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post, put};
use axum::{Json, Router};
use std::sync::Arc;

pub type Shared = State<Arc<App>>;
/// What a handler gives: an answer, or a refusal, which is an answer too.
pub type Answer<T = Response> = Result<T, Response>;

pub fn refuse(status: StatusCode, text: impl Into<String>) -> Response {
    (status, text.into()).into_response()
}

/// 500: something that is not the caller's fault. The text goes to the log as well.
pub fn broken(error: impl std::fmt::Display) -> Response {
    log::error!("internal error: {error:#}");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}"))
}

pub fn router(app: Arc<App>) -> Router {
    // Programs are larger than the 2 MB that axum allows.
    let unlimited = DefaultBodyLimit::disable;
    let streamed = Router::new()
        .route("/:name", get(info))
        .route("/:name/names", get(names).post(add_name).put(set_names))
        .route("/:name/call/:function", post(call))
        .route("/:name/schema", get(schema))
        .route("/:name/logs", get(logs))
        .route("/:name/sql", post(sql))
        .route("/:name/pre_publish", post(plan).layer(unlimited()))
        .route("/:name/reset", put(reset_database).layer(unlimited()))
        .route("/:name/lock", post(lock))
        .route("/:name/unlock", post(unlock))
        .route("/:name/unstable/timestamp", get(timestamp))
        .route_layer(from_fn(in_chunks));
    let database = streamed
        .route("/:name/environment", get(environment).put(put_environment).patch(patch_environment))
        .route("/:name", put(put_database).delete(delete).layer(unlimited()))
        .route("/:name/identity", get(identity_of))
        .route("/:name/subscribe", get(subscribe))
        .route("/", post(post_database).layer(unlimited()))
        .route_layer(from_fn_with_state(app.clone(), identify));
    let handlers = Router::new()
        .route("/:name/route", any(route_root))
        .route("/:name/route/", any(route_slash))
        .route("/:name/route/*path", any(route_path));
    let identity = Router::new()
        .route("/", post(new_identity))
        .route("/public-key", get(public_key))
        .route("/websocket-token", post(websocket_token))
        .route("/:identity/verify", get(verify))
        .route("/:identity/databases", get(databases_of));
    Router::new()
        .nest("/v1/database", database.merge(handlers))
        .nest("/v1/identity", identity)
        .route("/v1/ping", get(ping))
        .route("/v1/health", get(health))
        .with_state(app)
        .layer(from_fn(allow_all_origins))
}

async fn ping(State(app): Shared, OriginalUri(uri): OriginalUri, headers: HeaderMap) -> Answer<()> {
    caller_of(&app, &headers, &uri).await.map(drop)
}

async fn health() -> Response {
    Json(serde_json::json!({
        "nodes": [0],
        "package_name": env!("CARGO_PKG_NAME"),
        "schedulable": true,
        "version": VERSION,
    }))
    .into_response()
}

/// Answers of most routes have no length, as those of the original, which counts their bytes on the
/// way.
async fn in_chunks(request: Request, next: Next) -> Response {
    let (parts, body) = next.run(request).await.into_parts();
    if body.size_hint().exact() == Some(0) {
        return Response::from_parts(parts, body);
    }
    Response::from_parts(parts, Body::from_stream(body.into_data_stream()))
}

async fn allow_all_origins(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut answer =
        if preflight { StatusCode::OK.into_response() } else { next.run(request).await };
    let mut add =
        |name, value| _ = answer.headers_mut().insert(name, HeaderValue::from_static(value));
    add(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    add(header::VARY, "origin, access-control-request-method, access-control-request-headers");
    if preflight {
        add(header::ACCESS_CONTROL_ALLOW_METHODS, "*");
        add(header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization,accept,content-type");
    }
    answer
}
