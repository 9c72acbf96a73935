//! Signing in: a name and a password for a token.

use schemars::JsonSchema;
use serde::Deserialize;

use super::describe::api_time;
use super::dto::AuthenticationTokenDto;
use super::envelope::{Asked, Envelope, Failure};
use super::people::find_by_email;
use crate::ops::access::sessions::Renewal;
use crate::ops::password::Password;
use crate::web::api::call::Call;
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
    let by_email = find_by_email(&call, &user_name).await?;
    let name = by_email.map_or(user_name, |user| user.name);
    let signed_in = call
        .auth
        .sign_in(&name, password, Renewal::None, call.peer, call.now)
        .await;
    let (_, tokens) = signed_in.map_err(crate::web::api::fault::Fault::SignIn)?;
    Ok(asked.one(AuthenticationTokenDto {
        token: tokens.access.reveal().to_owned(),
        expires: api_time(call.now.plus_seconds(tokens.expires_in)),
        sms: false,
        tfa: false,
    }))
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
