//! Who has which role: told of files and folders, changed on folders.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::{Uuid, uuid};

use super::dto::{FileShareDto, GroupDto};
use super::envelope::{Asked, Envelope};
use super::security::{level, role_of};
use super::{people, person, seek};
use crate::lock::UserId;
use crate::ops::access::{self, groups};
use crate::ops::detail::Detail;
use crate::ops::grants::NamedGrant;
use crate::protocol::error::DavError;
use crate::resource::ResourceId;
use crate::rights::{Grantee, GroupId, Privilege, Role};
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::api::route::{Answered, Route};
use crate::web::api::whole::Whole;

const TAG: &str = "Sharing";
/// The id under which DocSpace knows all users together.
const EVERYONE: Uuid = uuid!("c5cc67d1-c3e8-43c0-a3ad-3928ae3e5b5e");
const USER: u8 = 0;
const GROUP: u8 = 2;
/// Most roles in one call.
const SHARES_MAX: usize = 100;

/// Roles to give.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SecurityInfo {
    share: Vec<FileShareParams>,
    /// Makes no difference: nobody is sent a message.
    #[serde(default)]
    #[allow(
        dead_code,
        reason = "read for the sake of a clear error, and of the description"
    )]
    notify: Option<bool>,
}

/// A role for somebody.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct FileShareParams {
    /// The id of a user or a group, or
    /// `c5cc67d1-c3e8-43c0-a3ad-3928ae3e5b5e` for all users.
    #[serde(default)]
    share_to: Option<Uuid>,
    /// The address of a user, where there is no `shareTo`.
    #[serde(default)]
    email: Option<String>,
    /// 0 as inherited, 2 reader, 1, 10 or 11 editor, 9 manager, 3 nothing.
    #[schemars(extend("enum" = [0, 1, 2, 3, 9, 10, 11]))]
    access: Whole<u8>,
}

pub(super) fn routes() -> Vec<Route> {
    let who = "Everybody who was given a role here or above";
    vec![
        Route::get(
            "/api/2.0/files/file/{id}/share",
            "getFileSecurityInfo",
            |call| Box::pin(of_file(call)),
        )
        .about(TAG, "Who may do what with a file", "")
        .path::<u64>("id", "The id of the file")
        .answers::<Envelope<Vec<FileShareDto>>>(200, who),
        Route::get(
            "/api/2.0/files/folder/{id}/share",
            "getFolderSecurityInfo",
            |call| Box::pin(of_folder(call)),
        )
        .about(TAG, "Who may do what with a folder", "")
        .path::<u64>("id", "The id of the folder")
        .answers::<Envelope<Vec<FileShareDto>>>(200, who),
        Route::put(
            "/api/2.0/files/folder/{id}/share",
            "setFolderSecurityInfo",
            |call| Box::pin(set(call)),
        )
        .about(
            TAG,
            "Give roles on a folder",
            "They reach everything below it. Files have no roles of their own.",
        )
        .path::<u64>("id", "The id of the folder")
        .json::<SecurityInfo>()
        .answers::<Envelope<Vec<FileShareDto>>>(200, who),
        Route::put(
            "/api/2.0/files/file/{id}/share",
            "setFileSecurityInfo",
            |call| Box::pin(refuse(call)),
        )
        .about(TAG, "Refused: files have no roles of their own", "")
        .path::<u64>("id", "The id of the file")
        .json::<SecurityInfo>(),
    ]
}

async fn of_file(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let detail = seek::file(&call, "id").await?;
    Ok(asked.list(shares(&call, &detail).await?))
}

async fn of_folder(call: Call) -> Answered {
    let asked = Asked::by(&call);
    let detail = seek::folder(&call, "id").await?;
    Ok(asked.list(shares(&call, &detail).await?))
}

async fn refuse(call: Call) -> Answered {
    seek::file(&call, "id").await?;
    Err(Fault::bad_request(
        "roles are given on folders, and reach the files in them: share the folder of this file",
    ))
}

async fn set(mut call: Call) -> Answered {
    let asked = Asked::by(&call);
    let detail = seek::folder(&call, "id").await?;
    let wanted: SecurityInfo = call.json().await?;
    if wanted.share.len() > SHARES_MAX {
        return Err(Fault::bad_request(format!(
            "share may have at most {SHARES_MAX} entries"
        )));
    }
    let known = groups::list(&call.dav).await.map_err(seek::unanswered)?;
    let is_group = |id: Uuid| known.iter().any(|group| group.id.0 == id);
    let mut grants = Vec::with_capacity(wanted.share.len());
    for share in &wanted.share {
        let role = role_of(share.access.0).map_err(Fault::bad_request)?;
        grants.push((grantee(&call, share, &is_group).await?, role));
    }
    call.dav
        .set_grants(&call.ask(detail.resource.id)?, &grants)
        .await?;
    match shares(&call, &detail).await {
        // Done, and with it went the asking user's own right to look.
        Err(Fault::Refused(DavError::NotFound)) => Ok(asked.list(Vec::<FileShareDto>::new())),
        told => Ok(asked.list(told?)),
    }
}

async fn grantee(
    call: &Call,
    share: &FileShareParams,
    is_group: &(dyn Fn(Uuid) -> bool + Sync),
) -> Result<Grantee, Fault> {
    match (share.share_to, share.email.as_deref()) {
        (Some(EVERYONE), _) => Ok(Grantee::Everyone),
        (Some(id), _) if is_group(id) => Ok(Grantee::Group(GroupId(id))),
        (Some(id), _) => Ok(Grantee::User(UserId(id))),
        (None, Some(email)) => {
            let user = people::find_by_email(call, email).await?;
            let user = user.ok_or_else(|| {
                Fault::bad_request(format!("there is not one user with the address {email:?}"))
            })?;
            Ok(Grantee::User(user.id))
        }
        (None, None) => Err(Fault::bad_request(
            "each entry of share must have shareTo, or else email",
        )),
    }
}

/// The role that counts for each who has one: the nearest.
async fn shares(call: &Call, detail: &Detail) -> Result<Vec<FileShareDto>, Fault> {
    let granted = call.dav.grants(&call.ask(detail.resource.id)?).await?;
    let mut nearest: BTreeMap<Grantee, (NamedGrant, ResourceId)> = BTreeMap::new();
    for level in granted {
        for named in level.grants {
            nearest.insert(named.grant.to, (named, level.collection));
        }
    }
    let users = nearest.keys().filter_map(|to| match to {
        Grantee::User(id) => Some(*id),
        Grantee::Group(_) | Grantee::Everyone => None,
    });
    let users: Vec<UserId> = users.collect();
    let users = access::find_all(&call.dav, &users)
        .await
        .map_err(seek::unanswered)?;
    let can_edit = detail.privileges.has(Privilege::Manage) && detail.resource.is_collection();
    let mut told = Vec::with_capacity(nearest.len());
    for (named, at) in nearest.into_values() {
        let mut share = share(named.grant.role, can_edit);
        share.is_locked = at != detail.resource.id;
        share.can_revoke = can_edit && !share.is_locked;
        match named.grant.to {
            Grantee::User(id) => {
                let user = users.iter().find(|user| user.id == id);
                share.shared_to_user = user.map(|user| person::full(user, &call.base));
            }
            Grantee::Group(id) => share.shared_to_group = Some(group_dto(id.0, &named.name, false)),
            Grantee::Everyone => {
                share.shared_to_group = Some(group_dto(EVERYONE, "Everyone", true));
            }
        }
        if share.shared_to_group.is_some() {
            share.subject_type = GROUP;
        }
        told.push(share);
    }
    Ok(told)
}

fn group_dto(id: Uuid, name: &str, is_system: bool) -> GroupDto {
    GroupDto {
        id,
        name: name.to_owned(),
        is_system,
    }
}

fn share(role: Role, can_edit_access: bool) -> FileShareDto {
    FileShareDto {
        access: level(role),
        shared_to_user: None,
        shared_to_group: None,
        is_locked: false,
        is_owner: false,
        can_edit_access,
        can_edit_internal: false,
        can_edit_deny_download: false,
        can_edit_expiration_date: false,
        can_revoke: false,
        subject_type: USER,
    }
}
