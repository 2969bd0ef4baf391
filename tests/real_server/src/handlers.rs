//! HTTP handlers of modules: everything below `/v1/database/NAME/route`.

use crate::App;
use crate::http::{Answer, Shared, broken, refuse};
use crate::requests::running;
use axum::body::Body;
use axum::extract::{OriginalUri, Path, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
use axum::response::Response;
use spacetimedb::host::module_host::HttpHandlerCallError;
use spacetimedb_lib::http as guest_http;

pub async fn route_root(
    State(app): Shared,
    Path(name): Path<String>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Answer {
    handle(&app, &name, "", uri, request).await
}

pub async fn route_slash(
    State(app): Shared,
    Path(name): Path<String>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Answer {
    handle(&app, &name, "/", uri, request).await
}

pub async fn route_path(
    State(app): Shared,
    Path((name, path)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Answer {
    handle(&app, &name, &format!("/{path}"), uri, request).await
}

async fn handle(app: &App, name: &str, path: &str, uri: Uri, request: Request) -> Answer {
    const NONE: &str = "Database has not registered a handler for this route";
    let (parts, body) = request.into_parts();
    let (_, module) = running(app, name).await?;
    let method = match parts.method {
        Method::GET => guest_http::Method::Get,
        Method::HEAD => guest_http::Method::Head,
        Method::POST => guest_http::Method::Post,
        Method::PUT => guest_http::Method::Put,
        Method::DELETE => guest_http::Method::Delete,
        Method::CONNECT => guest_http::Method::Connect,
        Method::OPTIONS => guest_http::Method::Options,
        Method::TRACE => guest_http::Method::Trace,
        Method::PATCH => guest_http::Method::Patch,
        other => guest_http::Method::Extension(other.to_string()),
    };
    let Some((handler, _, _)) = module.info.module_def.match_http_route(&method, path) else {
        return Err(refuse(StatusCode::NOT_FOUND, NONE));
    };
    let host = parts
        .headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("localhost")
        .to_owned();
    let request = guest_http::Request {
        method,
        headers: parts
            .headers
            .into_iter()
            .map(|(name, value)| (name.map(|name| name.as_str().into()), value.as_bytes().into()))
            .collect(),
        timeout: None,
        uri: format!("http://{host}{uri}"),
        version: match parts.version {
            Version::HTTP_10 => guest_http::Version::Http10,
            Version::HTTP_2 => guest_http::Version::Http2,
            _ => guest_http::Version::Http11,
        },
    };
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(broken)?;
    // A handler is reached without a token; the module sees somebody new with each request.
    let auth = app.tokens.issue().map_err(broken)?.context();
    let (head, body) = module.call_http_handler(auth, handler, request, body).await.map_err(
        |error| match error {
            HttpHandlerCallError::NoSuchHandler => refuse(StatusCode::NOT_FOUND, NONE),
            HttpHandlerCallError::NoSuchModule(_) => {
                refuse(StatusCode::NOT_FOUND, "No such database.")
            }
            HttpHandlerCallError::InternalError(text) => broken(text),
        },
    )?;
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = StatusCode::from_u16(head.code).map_err(broken)?;
    for (name, value) in head.headers.into_iter() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(broken)?;
        answer.headers_mut().append(name, HeaderValue::from_bytes(&value).map_err(broken)?);
    }
    Ok(answer)
}
