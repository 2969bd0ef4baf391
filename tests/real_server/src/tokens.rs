//! Who calls: tokens are JWTs of our own key, or of an OpenID provider that the core looks up.

use crate::App;
use anyhow::{Context, Result};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use spacetimedb::Identity;
use spacetimedb::auth::JwtKeys;
use spacetimedb::auth::identity::{ConnectionAuthCtx, SpacetimeIdentityClaims};
use spacetimedb::auth::token_validation::{
    DefaultValidator, TokenSigner, TokenValidationError, TokenValidator, new_validator,
};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The issuer in tokens of our own, as in those of the original server.
const ISSUER: &str = "localhost";

/// Who sent a request, by a valid token.
#[derive(Clone)]
pub struct Caller {
    pub token: String,
    pub claims: SpacetimeIdentityClaims,
    /// The JSON of the token's middle part.
    payload: Box<str>,
}

impl Caller {
    fn new(token: String, claims: SpacetimeIdentityClaims) -> Result<Self> {
        let middle = token.split('.').nth(1).context("no JWT")?;
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(middle)?)?.into();
        Ok(Self { token, claims, payload })
    }

    pub fn identity(&self) -> Identity {
        self.claims.identity
    }

    /// What a module may see of the caller.
    pub fn context(&self) -> ConnectionAuthCtx {
        ConnectionAuthCtx {
            identity: self.claims.identity,
            jwt_payload: Some(self.payload.clone()),
        }
    }
}

pub struct Tokens {
    keys: JwtKeys,
    validator: DefaultValidator,
}

impl Tokens {
    pub fn new(keys: JwtKeys) -> Self {
        let validator = new_validator(keys.public.clone(), ISSUER.into());
        Self { keys, validator }
    }

    pub fn public_key(&self) -> &[u8] {
        &self.keys.public_pem
    }

    /// Makes a new identity.
    pub fn issue(&self) -> Result<Caller> {
        // A random UUID, version 4.
        let mut id: [u8; 16] = rand::random();
        id[6] = id[6] & 0x0f | 0x40;
        id[8] = id[8] & 0x3f | 0x80;
        let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let subject = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        let claims = SpacetimeIdentityClaims {
            identity: Identity::from_claims(ISSUER, &subject),
            subject: subject.into(),
            issuer: ISSUER.into(),
            audience: ["spacetimedb".into()].into(),
            iat: SystemTime::now(),
            exp: None,
            extra: None,
        };
        Caller::new(self.keys.sign(&claims)?, claims)
    }

    /// Makes another token for the same identity, for a while.
    pub fn short_lived(&self, caller: &Caller, lifetime: Duration) -> Result<String> {
        let iat = SystemTime::now();
        let claims =
            SpacetimeIdentityClaims { iat, exp: Some(iat + lifetime), ..caller.claims.clone() };
        Ok(self.keys.sign(&claims)?)
    }

    pub async fn check(&self, token: &str) -> Result<Caller, TokenValidationError> {
        let claims = self.validator.validate_token(token).await?;
        Ok(Caller::new(token.to_owned(), claims)?)
    }
}

/// The token of a request: of its header, else of its query.
fn token_of(headers: &HeaderMap, uri: &Uri) -> Result<Option<String>, Response> {
    let malformed =
        || (StatusCode::BAD_REQUEST, "Authorization is invalid: malformed token").into_response();
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) =
            value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(malformed)?;
        let good = scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty();
        return if good { Ok(Some(token.trim().to_owned())) } else { Err(malformed()) };
    }
    #[derive(serde::Deserialize)]
    struct Given {
        token: String,
    }
    Ok(axum::extract::Query::<Given>::try_from_uri(uri).ok().map(|query| query.0.token))
}

pub async fn caller_of(
    app: &App,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Option<Caller>, Response> {
    match token_of(headers, uri)? {
        None => Ok(None),
        Some(token) => match app.tokens.check(&token).await {
            Ok(caller) => Ok(Some(caller)),
            Err(error) => Err((StatusCode::UNAUTHORIZED, error.to_string()).into_response()),
        },
    }
}

/// Puts a [`Caller`] into each request, a new one if it has no token, and tells in the answer who
/// that is.
pub async fn identify(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let caller = match caller_of(&app, request.headers(), request.uri()).await {
        Ok(Some(caller)) => caller,
        Ok(None) => match app.tokens.issue() {
            Ok(caller) => caller,
            Err(error) => {
                return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
            }
        },
        Err(answer) => return answer,
    };
    request.extensions_mut().insert(caller.clone());
    let mut answer = next.run(request).await;
    let identity = caller.identity().to_hex().to_string();
    for (name, text) in
        [("spacetime-identity", identity), ("spacetime-identity-token", caller.token)]
    {
        if let Ok(value) = HeaderValue::try_from(text) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}
