//! Users, groups and everyone on two levels: which grant counts, once more and naively. Inside one
//! collection the user beats groups and groups beat everyone; of several groups `none` wins, else
//! the highest; the nearest collection with a grant that concerns the user decides.

use lockkeeper::lock::UserId;
use lockkeeper::resource::ResourceId;
use lockkeeper::rights::{Grant, Grantee, GroupId, Position, Role, Scope, Subject};
use uuid::Uuid;

const ALICE: UserId = UserId(Uuid::from_u128(1));
const STAFF: GroupId = GroupId(Uuid::from_u128(11));
const GUESTS: GroupId = GroupId(Uuid::from_u128(12));

/// Who is granted something on one level: Alice, the staff, the guests, everyone.
type Level = [Option<Role>; 4];

fn every_level() -> Vec<Level> {
    let choices = || std::iter::once(None).chain(Role::ALL.map(Some));
    let mut all = Vec::new();
    for alice in choices() {
        for staff in choices() {
            for guests in choices() {
                all.extend(choices().map(|everyone| [alice, staff, guests, everyone]));
            }
        }
    }
    all
}

fn naive(levels: [Level; 2], in_staff: bool, in_guests: bool) -> Role {
    for [alice, staff, guests, everyone] in levels.into_iter().rev() {
        if let Some(role) = alice {
            return role;
        }
        let mut of_groups = Vec::new();
        if in_staff {
            of_groups.extend(staff);
        }
        if in_guests {
            of_groups.extend(guests);
        }
        if of_groups.contains(&Role::None) {
            return Role::None;
        }
        for role in [Role::Manager, Role::Editor, Role::Reader] {
            if of_groups.contains(&role) {
                return role;
            }
        }
        if let Some(role) = everyone {
            return role;
        }
    }
    Role::None
}

fn grants(level: Level) -> Vec<Grant> {
    let grantees = [
        Grantee::User(ALICE),
        Grantee::Group(STAFF),
        Grantee::Group(GUESTS),
        Grantee::Everyone,
    ];
    let pairs = grantees.into_iter().zip(level);
    let granted = pairs.filter_map(|(to, role)| role.map(|role| Grant { to, role }));
    // What is granted to strangers concerns nobody here.
    let strangers = [
        Grantee::User(UserId(Uuid::from_u128(2))),
        Grantee::Group(GroupId(Uuid::from_u128(13))),
    ];
    let to_strangers = strangers.map(|to| Grant {
        to,
        role: Role::Manager,
    });
    granted.chain(to_strangers).collect()
}

#[test]
fn users_groups_and_everyone_on_two_levels() {
    let levels: Vec<(Level, Vec<Grant>)> = every_level()
        .into_iter()
        .map(|level| (level, grants(level)))
        .collect();
    assert_eq!(levels.len(), 625);
    let memberships: [&[GroupId]; 4] = [&[], &[STAFF], &[GUESTS], &[GUESTS, STAFF]];
    for groups in memberships {
        let (in_staff, in_guests) = (groups.contains(&STAFF), groups.contains(&GUESTS));
        let subject = Subject {
            user: ALICE,
            groups,
            admin: false,
            scope: Scope::default(),
        };
        for (outer, outer_grants) in &levels {
            let above = Position::START.down(&subject, ResourceId(7), outer_grants);
            for (inner, inner_grants) in &levels {
                let got = above.down(&subject, ResourceId(8), inner_grants);
                let got = got.privileges(&subject);
                let want = naive([*outer, *inner], in_staff, in_guests);
                assert_eq!(got, want.privileges(), "{groups:?} {outer:?} {inner:?}");
            }
        }
    }
}
