//! Groups: adding, listing, renaming and removing them, and who is in them.

use uuid::Uuid;

use super::users::load as load_user;
use super::{AccessError, Noun, plain_name, timeless};
use crate::ops::Dav;
use crate::protocol::time::Timestamp;
use crate::rights::GroupId;
use crate::store::engine::Mode;
use crate::store::groups::{GROUPS_MAX, GROUPS_PER_USER_MAX};
use crate::store::transact::transact;
use crate::store::tx::Tx;
use crate::store::users::User;

pub use crate::store::groups::Group;

/// Most users in one group: removing it is one transaction.
const MEMBERS_MAX: usize = 10_000;

/// All groups by name.
pub async fn list(dav: &Dav) -> Result<Vec<Group>, AccessError> {
    transact(dav.engine(), Mode::Read, &(), |txn, ()| {
        Box::pin(async move { Ok(timeless(txn).groups().await?) })
    })
    .await
}

/// The group of this name and the names of its members.
pub async fn show(dav: &Dav, name: &str) -> Result<(Group, Vec<String>), AccessError> {
    let name = plain_name(Noun::Group, name)?;
    transact(dav.engine(), Mode::Read, &name, |txn, name| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            let group = load(&mut tx, name).await?;
            let members = tx.members_of(group.id).await?;
            let mut members = tx.user_names(&members).await?;
            members.sort_unstable();
            Ok((group, members))
        })
    })
    .await
}

/// Adds a group without members.
pub async fn add(dav: &Dav, name: &str, now: Timestamp) -> Result<(), AccessError> {
    let group = Group {
        id: GroupId(Uuid::new_v4()),
        name: plain_name(Noun::Group, name)?,
        created: now,
    };
    transact(dav.engine(), Mode::Write, &group, |txn, group| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            must_be_free(&mut tx, &group.name).await?;
            if tx.groups().await?.len() >= GROUPS_MAX {
                let (what, max) = ("groups", GROUPS_MAX);
                return Err(AccessError::TooMany { what, max });
            }
            Ok(tx.put_group(group)?)
        })
    })
    .await
}

/// Gives a group another name. It keeps its members, and whatever was granted to it.
pub async fn rename(dav: &Dav, name: &str, to: &str) -> Result<(), AccessError> {
    let names = (plain_name(Noun::Group, name)?, plain_name(Noun::Group, to)?);
    transact(dav.engine(), Mode::Write, &names, |txn, (name, to)| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            let group = load(&mut tx, name).await?;
            must_be_free(&mut tx, to).await?;
            Ok(tx.rename_group(&group, to)?)
        })
    })
    .await
}

/// Removes a group and what was granted to it; its members stay users.
pub async fn remove(dav: &Dav, name: &str) -> Result<(), AccessError> {
    let name = plain_name(Noun::Group, name)?;
    transact(dav.engine(), Mode::Write, &name, |txn, name| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            let group = load(&mut tx, name).await?;
            Ok(tx.remove_group(&group).await?)
        })
    })
    .await
}

/// Puts a user into a group.
pub async fn add_member(dav: &Dav, group: &str, user: &str) -> Result<(), AccessError> {
    let names = (
        plain_name(Noun::Group, group)?,
        plain_name(Noun::User, user)?,
    );
    transact(dav.engine(), Mode::Write, &names, |txn, (group, user)| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            let (group, user) = load_both(&mut tx, group, user).await?;
            let groups = tx.groups_of(user.id).await?;
            if groups.contains(&group.id) {
                let (user, group) = (user.name, group.name);
                return Err(AccessError::Member { user, group });
            }
            if groups.len() >= GROUPS_PER_USER_MAX {
                let (what, max) = ("groups of this user", GROUPS_PER_USER_MAX);
                return Err(AccessError::TooMany { what, max });
            }
            if tx.members_of(group.id).await?.len() >= MEMBERS_MAX {
                let (what, max) = ("members in this group", MEMBERS_MAX);
                return Err(AccessError::TooMany { what, max });
            }
            Ok(tx.add_member(group.id, user.id).await?)
        })
    })
    .await
}

/// Takes a user out of a group.
pub async fn remove_member(dav: &Dav, group: &str, user: &str) -> Result<(), AccessError> {
    let names = (
        plain_name(Noun::Group, group)?,
        plain_name(Noun::User, user)?,
    );
    transact(dav.engine(), Mode::Write, &names, |txn, (group, user)| {
        Box::pin(async move {
            let mut tx = timeless(txn);
            let (group, user) = load_both(&mut tx, group, user).await?;
            if !tx.groups_of(user.id).await?.contains(&group.id) {
                let (user, group) = (user.name, group.name);
                return Err(AccessError::NotMember { user, group });
            }
            Ok(tx.remove_member(group.id, user.id).await?)
        })
    })
    .await
}

async fn load(tx: &mut Tx<'_>, name: &str) -> Result<Group, AccessError> {
    let group = tx.group(name).await?;
    group.ok_or_else(|| AccessError::NoSuch(Noun::Group, name.to_owned()))
}

async fn load_both(tx: &mut Tx<'_>, group: &str, user: &str) -> Result<(Group, User), AccessError> {
    Ok((load(tx, group).await?, load_user(tx, user).await?))
}

async fn must_be_free(tx: &mut Tx<'_>, name: &str) -> Result<(), AccessError> {
    match tx.group(name).await? {
        Some(group) => Err(AccessError::Exists(Noun::Group, group.name)),
        None => Ok(()),
    }
}
