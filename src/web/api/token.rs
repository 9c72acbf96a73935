//! Signing in for tokens: OAuth's password grant and its refreshing (RFC 6749 §4.3, §6). Answers
//! are in the envelope of the check-out API and have OAuth's members beside it, so that both kinds
//! of client find what they look for.

use http::{Response, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::fault::Fault;
use super::json;
use super::response_api::{ErrorCode, ResponseApi};
use super::route::{Answered, Route};
use crate::ops::access::sessions::{Renewal, Tokens as Session};
use crate::ops::password::{PASSWORD_BYTES_MAX, Password};
use crate::protocol::error::DavError;
use crate::web::auth::Refusal;
use crate::web::body::Body;

/// The scope that asks for a refresh token (OpenID Connect Core §11).
const OFFLINE: &str = "offline_access";

/// `POST /api/token`.
pub(super) fn route() -> Route {
    Route::post("/api/token", "Token", |call| Box::pin(token(call)))
        .about(
            "Token",
            "Sign in for an access token",
            "With grant_type password a session begins; with the scope offline_access it can \
             be renewed with grant_type refresh_token, which replaces both tokens. The access \
             token goes into Authorization: Bearer.",
        )
        .public()
        .form::<Login>()
        .or_json::<Login>()
        .answers::<Granted>(200, "The tokens.")
        .answers::<Denied>(
            400,
            "The members error and error_description say why: invalid_request, \
             unsupported_grant_type or invalid_grant (the name, password or token is not good).",
        )
}

/// What a sign-in says.
#[derive(Deserialize, JsonSchema)]
struct Login {
    /// How.
    grant_type: GrantType,
    /// With `password`: the name of the user.
    username: Option<String>,
    /// With `password`: the password.
    password: Option<String>,
    /// With `refresh_token`: the last one.
    refresh_token: Option<String>,
    /// Words with spaces between; `offline_access` asks for a refresh token.
    scope: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum GrantType {
    Password,
    RefreshToken,
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// The tokens, named as OAuth names them.
#[derive(Clone, Serialize, JsonSchema)]
struct Tokens {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// Always Bearer.
    token_type: String,
    /// For how many seconds the access token is good.
    expires_in: u64,
    /// For one renewal.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// What was granted of the scope.
    scope: String,
}

/// The envelope with the same tokens once more beside it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TokenGranted")]
struct Granted {
    #[serde(flatten)]
    envelope: ResponseApi<Tokens>,
    #[serde(flatten)]
    tokens: Tokens,
}

/// The envelope with OAuth's words for the error beside it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TokenDenied")]
struct Denied {
    #[serde(flatten)]
    envelope: ResponseApi<super::response_api::Nothing>,
    /// invalid_request, invalid_grant or unsupported_grant_type.
    error: String,
    /// A sentence for people.
    error_description: String,
}

async fn token(mut call: Call) -> Answered {
    let login: Login = match call.form_or_json().await {
        Ok(login) => login,
        Err(Fault::Refused(DavError::BadRequest(why))) => return Ok(invalid_request(why)),
        Err(fault) => return Err(fault),
    };
    let granted = match login.grant_type {
        GrantType::Password => begin(&call, login).await,
        GrantType::RefreshToken => renew(&call, login).await,
        GrantType::Other(_) => {
            return Ok(denied(
                ErrorCode::BadRequest,
                "unsupported_grant_type",
                "grant_type must be password or refresh_token".to_owned(),
            ));
        }
    };
    match granted {
        Ok(session) => Ok(granted_answer(&session)),
        Err(Fault::SignIn(refusal @ (Refusal::Wrong | Refusal::WrongToken))) => {
            call.note(&refusal);
            let code = ErrorCode::Unauthorized;
            Ok(denied(code, "invalid_grant", refusal.to_string()))
        }
        Err(Fault::Refused(DavError::BadRequest(why))) => Ok(invalid_request(why)),
        Err(fault) => Err(fault),
    }
}

async fn begin(call: &Call, login: Login) -> Result<Session, Fault> {
    let (Some(name), Some(password)) = (login.username, login.password) else {
        return Err(Fault::bad_request("username and password are needed"));
    };
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(Fault::SignIn(Refusal::Wrong));
    }
    let scope = login.scope.unwrap_or_default();
    let renewal = if scope.split(' ').any(|word| word == OFFLINE) {
        Renewal::Offered
    } else {
        Renewal::None
    };
    let password = Password::from(password);
    let session = call
        .auth
        .sign_in(&name, password, renewal, call.peer, call.now);
    let (_, tokens) = session.await.map_err(Fault::SignIn)?;
    Ok(tokens)
}

async fn renew(call: &Call, login: Login) -> Result<Session, Fault> {
    let Some(refresh) = login.refresh_token else {
        return Err(Fault::bad_request("refresh_token is needed"));
    };
    let renewed = call.auth.renew(&refresh, call.peer, call.now).await;
    let (_, tokens) = renewed.map_err(Fault::SignIn)?;
    Ok(tokens)
}

fn granted_answer(session: &Session) -> Response<Body> {
    let refresh = session.refresh.as_ref();
    let tokens = Tokens {
        access_token: session.access.reveal().to_owned(),
        token_type: "Bearer".to_owned(),
        expires_in: session.expires_in,
        refresh_token: refresh.map(|token| token.reveal().to_owned()),
        scope: refresh.map_or_else(String::new, |_| OFFLINE.to_owned()),
    };
    let envelope = ResponseApi::of(tokens.clone());
    json(StatusCode::OK, &Granted { envelope, tokens })
}

fn invalid_request(why: String) -> Response<Body> {
    denied(ErrorCode::BadRequest, "invalid_request", why)
}

fn denied(code: ErrorCode, error: &str, why: String) -> Response<Body> {
    let denied = Denied {
        envelope: ResponseApi::refusing(400, code, why.clone()),
        error: error.to_owned(),
        error_description: why,
    };
    json(StatusCode::BAD_REQUEST, &denied)
}
