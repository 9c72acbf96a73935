//! People: who one is, who somebody is, who there is.

use uuid::Uuid;

use super::describe::api_time;
use super::dto::{EmployeeDto, EmployeeFullDto, MentionWrapper, UserInfo};
use super::envelope::{Asked, Envelope, Failure};
use super::listing::{Count, StartIndex, count, start_index};
use super::security::level_of;
use super::seek::{unanswered, uuid};
use crate::lock::UserId;
use crate::ops::access::{self, User};
use crate::ops::audience::Listener;
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::api::route::{Answered, Route};

const TAG: &str = "People";
const ACTIVE: u8 = 1;
const ACTIVATED: u8 = 1;
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

/// A person in short.
pub(super) fn employee(user: &User, base: &str) -> EmployeeDto {
    named(user.id.0, user.display_name.clone(), base)
}

/// Somebody who is gone.
pub(super) fn removed(id: UserId, base: &str) -> EmployeeDto {
    let name = if id == UserId::NOBODY {
        "Lockkeeper"
    } else {
        "Removed user"
    };
    named(id.0, name.to_owned(), base)
}

fn named(id: Uuid, display_name: String, base: &str) -> EmployeeDto {
    EmployeeDto {
        profile_url: format!("{base}/api/2.0/people/{id}"),
        id,
        display_name,
        has_avatar: false,
        is_anonim: false,
    }
}

/// A person.
pub(super) fn full(user: &User, base: &str) -> EmployeeFullDto {
    let (first_name, last_name) = split(&user.display_name);
    EmployeeFullDto {
        employee: employee(user, base),
        first_name,
        last_name,
        user_name: user.name.clone(),
        email: user.email.clone(),
        status: ACTIVE,
        activation_status: ACTIVATED,
        is_admin: user.admin,
        is_room_admin: user.admin,
        is_owner: false,
        is_visitor: false,
        is_collaborator: false,
        is_ldap: false,
        is_sso: false,
        registration_date: api_time(user.created),
    }
}

/// Somebody who may read a file.
pub(super) fn mention(listener: &Listener) -> MentionWrapper {
    let user = &listener.user;
    let (first_name, last_name) = split(&user.display_name);
    MentionWrapper {
        user: UserInfo {
            id: user.id.0,
            first_name,
            last_name,
            user_name: user.name.clone(),
            email: user.email.clone(),
            status: ACTIVE,
            activation_status: ACTIVATED,
            is_active: true,
            removed: false,
            create_date: api_time(user.created),
        },
        id: user.id.0.to_string(),
        name: user.display_name.clone(),
        email: user.email.clone(),
        has_access: true,
        access: level_of(listener.privileges, user.admin),
    }
}

/// First and last name, which these clients want apart.
fn split(display_name: &str) -> (String, String) {
    let (first, last) = display_name.rsplit_once(' ').unwrap_or((display_name, ""));
    (first.to_owned(), last.to_owned())
}
