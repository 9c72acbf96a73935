//! People: who one is, who somebody is, who there is.

use super::dto::EmployeeFullDto;
use super::envelope::{Asked, Envelope, Failure};
use super::paging::{Count, StartIndex, count, start_index};
use super::person::full;
use super::seek::{unanswered, uuid};
use crate::lock::UserId;
use crate::ops::access::{self, User};
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::api::route::{Answered, Route};

const TAG: &str = "People";
const NO_USER: Fault = Fault::Missing("The user could not be found");

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/2.0/people/@self", "getSelfProfile", |call| {
            Box::pin(own(call))
        })
        .about(TAG, "The asking user", "")
        .answers::<Envelope<EmployeeFullDto>>(200, "The user"),
        Route::get("/api/2.0/people/email", "getProfileByEmail", |call| {
            Box::pin(by_email(call))
        })
        .about(TAG, "The user with an e-mail address", "")
        .query::<String>("email", "The address")
        .answers::<Envelope<EmployeeFullDto>>(200, "The user")
        .answers::<Failure>(404, "Nobody has it, or more than one"),
        Route::get("/api/2.0/people/{userid}", "getProfileByUserId", |call| {
            Box::pin(one(call))
        })
        .about(TAG, "A user", "")
        .path::<String>("userid", "The id of the user, or the name")
        .answers::<Envelope<EmployeeFullDto>>(200, "The user"),
        Route::get("/api/2.0/people", "getAllProfiles", |call| {
            Box::pin(all(call))
        })
        .about(TAG, "All users, by name", "")
        .query::<Count>("count", "How many at most; 100 where it is not said")
        .query::<StartIndex>("startIndex", "How many to leave out first")
        .query::<String>("filterValue", "What the name or the address contains")
        .answers::<Envelope<Vec<EmployeeFullDto>>>(200, "A page of users"),
    ]
}

async fn own(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let found = access::find_by_id(&call.dav, call.principal()?.id).await;
    let user = found.map_err(unanswered)?.ok_or(NO_USER)?;
    Ok(asked.one(full(&user, &call.base)))
}

async fn one(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let named = call.parameter("userid");
    let found = match uuid(named, "userid") {
        Ok(id) => access::find_by_id(&call.dav, UserId(id)).await,
        Err(_) => access::find(&call.dav, named).await,
    };
    let user = found.map_err(unanswered)?;
    let user = user.filter(|user| may_know(&call, user)).ok_or(NO_USER)?;
    Ok(asked.one(full(&user, &call.base)))
}

async fn by_email(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let email = call.query("email").unwrap_or_default();
    let user = find_by_email(&call, &email).await?.ok_or(NO_USER)?;
    Ok(asked.one(full(&user, &call.base)))
}

async fn all(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let (count, start) = (count(&call)?, start_index(&call)?);
    let users = access::list(&call.dav).await.map_err(unanswered)?;
    let wanted = call.query("filterValue").unwrap_or_default().to_lowercase();
    let fits = |user: &&User| {
        [&user.name, &user.display_name, &user.email]
            .iter()
            .any(|text| text.to_lowercase().contains(&wanted))
    };
    let known = users.iter().filter(|user| may_know(&call, user));
    let found: Vec<&User> = known.filter(fits).collect();
    let total = found.len();
    let page = found.into_iter().skip(start).take(count);
    Ok(asked.page(page.map(|user| full(user, &call.base)).collect(), total))
}

/// A key that is confined to a collection does not open the directory of users. Who works on the
/// files that it reaches is told with these files.
fn may_know(call: &Call, user: &User) -> bool {
    let asker = call.principal();
    asker.map_or(true, |asker| {
        asker.scope.within.is_none() || asker.id == user.id
    })
}

/// The one user with this address. Where several have it, it names none of them.
pub(super) async fn find_by_email(call: &Call, email: &str) -> Result<Option<User>, Fault> {
    let users = access::list(&call.dav).await.map_err(unanswered)?;
    let mut found = users
        .into_iter()
        .filter(|user| !email.is_empty() && user.email.eq_ignore_ascii_case(email));
    let first = found.next().filter(|user| may_know(call, user));
    Ok(first.filter(|_| found.next().is_none()))
}
