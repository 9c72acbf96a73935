//! What is sent of a user. Pure.

use uuid::Uuid;

use super::describe::api_time;
use super::dto::{EmployeeDto, EmployeeFullDto, MentionWrapper, UserInfo};
use super::security::level_of;
use crate::lock::UserId;
use crate::ops::access::User;
use crate::ops::audience::Listener;

const ACTIVE: u8 = 1;
const ACTIVATED: u8 = 1;

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
