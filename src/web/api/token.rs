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
use crate::ops::access::Principal;
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
#[serde(tag = "grant_type", rename_all = "snake_case")]
enum Login {
    /// With a password.
    Password {
        /// The name of the user.
        username: String,
        /// The password.
        password: String,
        /// Words with spaces between; `offline_access` asks for a refresh token.
        scope: Option<String>,
    },
    /// With what an earlier sign-in gave.
    RefreshToken {
        /// The last one.
        refresh_token: String,
    },
    #[serde(other)]
    #[schemars(skip)]
    Unsupported,
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
    let granted = match login {
        Login::Password {
            username,
            password,
            scope,
        } => begin(&call, &username, password, &scope.unwrap_or_default()).await,
        Login::RefreshToken { refresh_token } => {
            let renewed = call.auth.renew(&refresh_token, call.peer, call.now).await;
            renewed.map_err(Fault::SignIn)
        }
        Login::Unsupported => {
            return Ok(denied(
                ErrorCode::BadRequest,
                "unsupported_grant_type",
                "grant_type must be password or refresh_token".to_owned(),
            ));
        }
    };
    match granted {
        Ok((_, session)) => Ok(granted_answer(&session)),
        Err(Fault::SignIn(refusal @ (Refusal::Wrong | Refusal::WrongToken))) => {
            call.note(&refusal);
            let code = ErrorCode::Unauthorized;
            Ok(denied(code, "invalid_grant", refusal.to_string()))
        }
        Err(Fault::Refused(DavError::BadRequest(why))) => Ok(invalid_request(why)),
        Err(fault) => Err(fault),
    }
}

async fn begin(
    call: &Call,
    name: &str,
    password: String,
    scope: &str,
) -> Result<(Principal, Session), Fault> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(Fault::SignIn(Refusal::Wrong));
    }
    let renewal = if scope.split(' ').any(|word| word == OFFLINE) {
        Renewal::Offered
    } else {
        Renewal::None
    };
    let password = Password::from(password);
    let session = call
        .auth
        .sign_in(name, password, renewal, call.peer, call.now);
    session.await.map_err(Fault::SignIn)
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
