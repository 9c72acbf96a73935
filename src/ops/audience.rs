//! Who may read something: everybody whom the grants let, by the same rules as when they ask
//! themselves.

use std::collections::HashMap;

use super::access::User;
use super::visit::visit;
use super::{Ask, Dav};
use crate::lock::UserId;
use crate::protocol::error::DavError;
use crate::resource::ResourceId;
use crate::rights::{Grant, Grantee, GroupId, Position, Privilege, Privileges, Scope, Subject};
use crate::store::engine::{StoreError, Txn};
use crate::store::tx::Tx;

/// Somebody who may read a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Who.
    pub user: User,
    /// What they may do with it, with a credential that is not restricted.
    pub privileges: Privileges,
}

impl Dav {
    /// Everybody who may read the resource, by name.
    pub async fn audience(&self, ask: &Ask) -> Result<Vec<Listener>, DavError> {
        self.read(ask, |txn, ask| Box::pin(audience(txn, ask)))
            .await
    }
}

async fn audience(txn: &mut dyn Txn, ask: &Ask) -> Result<Vec<Listener>, DavError> {
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    visit.resource()?;
    let way: Vec<ResourceId> = visit.walk.chain().iter().map(|step| step.id).collect();
    let grants = tx.grants_on(&way).await?;
    let groups = groups_that_count(&mut tx, &grants).await?;
    let mut listeners = Vec::new();
    for user in tx.users().await? {
        let privileges = privileges_of(&user, &way, &grants, &groups);
        if privileges.has(Privilege::Read) {
            listeners.push(Listener { user, privileges });
        }
    }
    Ok(listeners)
}

/// Which users are in which of the groups that are granted something on the way.
async fn groups_that_count(
    tx: &mut Tx<'_>,
    grants: &[Vec<Grant>],
) -> Result<HashMap<UserId, Vec<GroupId>>, StoreError> {
    let mut groups: Vec<GroupId> = grants
        .iter()
        .flatten()
        .filter_map(|grant| match grant.to {
            Grantee::Group(group) => Some(group),
            Grantee::User(_) | Grantee::Everyone => None,
        })
        .collect();
    groups.sort_unstable();
    groups.dedup();
    let mut of_user: HashMap<UserId, Vec<GroupId>> = HashMap::new();
    for group in groups {
        for member in tx.members_of(group).await? {
            of_user.entry(member).or_default().push(group);
        }
    }
    Ok(of_user)
}

fn privileges_of(
    user: &User,
    way: &[ResourceId],
    grants: &[Vec<Grant>],
    groups: &HashMap<UserId, Vec<GroupId>>,
) -> Privileges {
    let subject = Subject {
        user: user.id,
        groups: groups.get(&user.id).map_or(&[], Vec::as_slice),
        admin: user.admin,
        scope: Scope::default(),
    };
    let steps = way.iter().zip(grants);
    let there = steps.fold(Position::START, |here, (id, grants)| {
        here.down(&subject, *id, grants)
    });
    there.privileges(&subject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::access::{self, NewUser, Principal, groups};
    use crate::ops::target::Target;
    use crate::protocol::path::DavPath;
    use crate::protocol::time::Timestamp;
    use crate::rights::Role;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn path(text: &str) -> DavPath {
        DavPath::parse(text, 100).unwrap()
    }

    /// Whom the list names, and with what, is what each of them finds out alone.
    #[tokio::test]
    async fn the_audience_is_everybody_who_can_read_it() {
        let dav = Dav::memory(NOW).await;
        for name in ["ada", "bob", "carol", "dora"] {
            let mut user = NewUser::new(name, "long enough".to_owned().into());
            user.admin = name == "ada";
            access::add(&dav, user, NOW).await.unwrap();
        }
        groups::add(&dav, "team", NOW).await.unwrap();
        groups::add_member(&dav, "team", "carol").await.unwrap();
        let users = access::list(&dav).await.unwrap();
        let team = groups::list(&dav).await.unwrap()[0].id;
        let as_user = |user: &User, target: Target| Ask {
            principal: Principal::from(user),
            target,
            ..Ask::of(path("/"), NOW)
        };
        let by_ada = |at: &str| as_user(&users[0], path(at).into());
        for at in ["/c", "/c/d"] {
            dav.make_collection(&by_ada(at)).await.unwrap();
        }
        let bob = Grantee::User(users[1].id);
        let grants = [
            ("/c", Grantee::Everyone, Role::None),
            ("/c", Grantee::Group(team), Role::Manager),
            ("/c/d", bob, Role::Reader),
            ("/c/d", Grantee::Group(team), Role::Editor),
        ];
        for (at, to, role) in grants {
            dav.set_grant(&by_ada(at), to, Some(role)).await.unwrap();
        }
        for (at, expect) in [("/", 4), ("/c", 2), ("/c/d", 3)] {
            let audience = dav.audience(&by_ada(at)).await.unwrap();
            assert_eq!(audience.len(), expect, "{at}");
            for user in &users {
                let alone = dav.detail(&as_user(user, path(at).into())).await;
                let alone = alone.ok().map(|detail| detail.privileges);
                let listed = audience.iter().find(|listener| listener.user == *user);
                assert_eq!(
                    listed.map(|listener| listener.privileges),
                    alone,
                    "{at} {}",
                    user.name
                );
            }
        }
        let hidden = dav.audience(&as_user(&users[3], path("/c").into())).await;
        assert_eq!(hidden, Err(DavError::NotFound));
    }
}
