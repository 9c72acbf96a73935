//! Signing in: a name and a password for a token.

use schemars::JsonSchema;
use serde::Deserialize;

use super::describe::api_time;
use super::dto::AuthenticationTokenDto;
use super::envelope::{Asked, Envelope, Failure};
use super::people::find_by_email;
use super::seek::unanswered;
use crate::ops::access;
use crate::ops::access::sessions::Renewal;
use crate::ops::password::Password;
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::api::route::{Answered, Route};
use crate::web::auth::Credentials;

const TAG: &str = "Authentication";

/// Who signs in.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AuthRequest {
    /// The name of the user, or the e-mail address.
    user_name: String,
    password: String,
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/2.0/authentication", "authenticateMe", |call| {
            Box::pin(sign_in(call))
        })
        .about(
            TAG,
            "Sign in",
            "The token counts as `Authorization: Bearer`.",
        )
        .json::<AuthRequest>()
        .public()
        .answers::<Envelope<AuthenticationTokenDto>>(200, "The token")
        .answers::<Failure>(401, "This user name and password are not known"),
        Route::get("/api/2.0/authentication", "getIsAuthentificated", |call| {
            Box::pin(is_signed_in(call))
        })
        .about(TAG, "Whether the request is signed in", "")
        .public()
        .answers::<Envelope<bool>>(200, "Whether it is"),
    ]
}

async fn sign_in(mut call: Call) -> Answered {
    let asked = Asked::by(&call);
    let AuthRequest {
        user_name,
        password,
    } = call.json().await?;
    let password = Password::from(password);
    let name = name_of(&call, user_name).await?;
    let signed_in = call
        .auth
        .sign_in(&name, password, Renewal::None, call.peer, call.now)
        .await;
    let (_, tokens) = signed_in.map_err(Fault::SignIn)?;
    Ok(asked.one(AuthenticationTokenDto {
        token: tokens.access.reveal().to_owned(),
        expires: api_time(call.now.plus_seconds(tokens.expires_in)),
        sms: false,
        tfa: false,
    }))
}

/// The name of the user who is meant: a name that is one counts before an address.
async fn name_of(call: &Call, given: String) -> Result<String, Fault> {
    let known = access::find(&call.dav, &given).await.map_err(unanswered)?;
    if known.is_some() || !given.contains('@') {
        return Ok(given);
    }
    let by_email = find_by_email(call, &given).await?;
    Ok(by_email.map_or(given, |user| user.name))
}

async fn is_signed_in(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let credentials = Credentials::in_docspace_headers(&call.headers);
    let found = call
        .auth
        .authenticate(credentials, call.peer, call.now)
        .await;
    Ok(asked.one(found.is_ok()))
}
