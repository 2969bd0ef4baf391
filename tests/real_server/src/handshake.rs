//! How a WebSocket begins: what is asked for in the request, the session, and the first message.

use crate::App;
use crate::connection::{refuse_busy, serve};
use crate::http::{Answer, broken, refuse};
use crate::names::resolve;
use crate::requests::{launch, new_connection_id};
use crate::tokens::Caller;
use axum::extract::{Extension, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use spacetimedb::client::{
    ClientActorId, ClientConfig, ClientConnection, OutboundMessage, Protocol, SessionId, WsVersion,
};
use spacetimedb::identity::AuthCtx;
use spacetimedb_client_api_messages::websocket::common::Compression;
use spacetimedb_client_api_messages::websocket::{v1, v2, v3};
use spacetimedb_lib::connection_id::{ConnectionId, ConnectionIdForUrl};
use std::sync::Arc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

const LARGEST_MESSAGE: usize = 32 << 20;

/// The protocols, best first.
const PROTOCOLS: [(&str, Protocol, WsVersion); 4] = [
    (v3::BIN_PROTOCOL, Protocol::Binary, WsVersion::V3),
    (v2::BIN_PROTOCOL, Protocol::Binary, WsVersion::V2),
    (v1::BIN_PROTOCOL, Protocol::Binary, WsVersion::V1),
    (v1::TEXT_PROTOCOL, Protocol::Text, WsVersion::V1),
];

/// The query parameters.
#[derive(Deserialize)]
pub struct Wishes {
    connection_id: Option<ConnectionIdForUrl>,
    session_id: Option<String>,
    #[serde(default)]
    compression: Compression,
    #[serde(default)]
    light: bool,
    confirmed: Option<bool>,
}

/// What a handshake must have, and the answer's `Sec-WebSocket-Accept`.
fn handshake(headers: &HeaderMap) -> Answer<String> {
    let has = |name: header::HeaderName, wanted: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .any(|value| value.trim().eq_ignore_ascii_case(wanted))
    };
    if !has(header::CONNECTION, "upgrade") || !has(header::UPGRADE, "websocket") {
        let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "websocket")];
        let text = "This service requires use of the websocket protocol";
        return Err((StatusCode::UPGRADE_REQUIRED, headers, text).into_response());
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(refuse(
            StatusCode::BAD_REQUEST,
            "`Sec-WebSocket-Version` header did not include '13'",
        ));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let key =
        key.ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "`Sec-WebSocket-Key` header missing"))?;
    Ok(derive_accept_key(key.as_bytes()))
}

fn session_number(text: &str) -> Answer<SessionId> {
    let hex = text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = if hex { u128::from_str_radix(text, 16).ok() } else { None };
    let number = number.ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "Invalid session ID"))?;
    Ok(SessionId::from_u128(number))
}

pub async fn subscribe(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(wishes): Query<Wishes>,
    Extension(caller): Extension<Caller>,
    mut request: Request,
) -> Answer {
    let accept = handshake(request.headers())?;
    let connection_id = wishes.connection_id.map_or_else(new_connection_id, ConnectionId::from);
    if connection_id == ConnectionId::ZERO {
        return Err(refuse(
            StatusCode::BAD_REQUEST,
            "Invalid connection ID: the all-zeros ConnectionId is reserved.",
        ));
    }
    let identity = resolve(&app, &name)?;
    // 500, not 404: that is what the original answers here.
    let gone = || {
        broken(format!(
            "Unable to authorize {} for SQL: database {identity} not found",
            caller.identity()
        ))
    };
    let record = app.databases.by_identity(identity).ok_or_else(gone)?;
    let offered: Vec<&str> = request
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let chosen = PROTOCOLS.into_iter().find(|(name, ..)| offered.contains(name));
    let (subprotocol, protocol, version) =
        chosen.ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "no valid protocol selected"))?;
    let config = ClientConfig {
        protocol,
        version,
        compression: wishes.compression,
        tx_update_full: !wishes.light,
        confirmed_reads: wishes.confirmed.unwrap_or(version != WsVersion::V1),
    };
    let client_id = ClientActorId {
        identity: caller.identity(),
        connection_id,
        name: app.clients.next_client_name(),
    };
    // Reserving stops a connection that holds the session.
    let session = match wishes.session_id {
        None => Ok(None),
        Some(text) => {
            let number = session_number(&text)?;
            app.clients.sessions().try_reserve(identity, client_id, number).map(Some)
        }
    };
    launch(&app, &record).await?;
    let mut module = app.host.watch_module_host(record.replica).await.map_err(broken)?;
    let upgrade =
        request.extensions_mut().remove::<OnUpgrade>().ok_or_else(|| broken("no upgrade"))?;

    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let limits =
            WebSocketConfig::default().max_message_size(Some(LARGEST_MESSAGE)).max_frame_size(None);
        let socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits))
                .await;
        let Ok(session) = session else {
            return refuse_busy(app.limits, socket).await;
        };
        let accepted = ClientConnection::call_client_connected_maybe_reject(
            &mut module,
            client_id,
            caller.context(),
        )
        .await;
        let accepted = match accepted {
            Ok(accepted) => accepted,
            // The module refused: the socket just closes.
            Err(error) => return log::debug!("{client_id} refused: {error:#}"),
        };
        let sql_auth = AuthCtx::new(record.owner(), caller.identity());
        let limits = app.limits;
        let actor = |client, mailbox| serve(limits, client, mailbox, socket, session);
        let client = ClientConnection::spawn(
            client_id,
            caller.context(),
            sql_auth,
            config,
            record.replica,
            module,
            actor,
            accepted,
        )
        .await;
        let (identity, token) = (client_id.identity, caller.token.into());
        let hello =
            match version {
                WsVersion::V1 => {
                    OutboundMessage::V1(v1::IdentityToken { identity, token, connection_id }.into())
                }
                _ => OutboundMessage::V2(v2::ServerMessage::InitialConnection(
                    v2::InitialConnection { identity, connection_id, token },
                )),
            };
        if let Err(error) = client.send_message(None, hello) {
            log::warn!("{client_id} got no first message: {error}");
        }
    });

    let mut answer = Response::new(axum::body::Body::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, HeaderValue::try_from(accept).expect("base64"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
    Ok(answer)
}
