use super::*;

const ALICE: UserId = UserId(Uuid::from_u128(1));
const BOB: UserId = UserId(Uuid::from_u128(2));
const STAFF: GroupId = GroupId(Uuid::from_u128(11));
const GUESTS: GroupId = GroupId(Uuid::from_u128(12));

fn grant(to: Grantee, role: Role) -> Grant {
    Grant { to, role }
}

fn subject(groups: &[GroupId]) -> Subject<'_> {
    Subject {
        user: ALICE,
        groups,
        admin: false,
        scope: Scope::default(),
    }
}

#[test]
fn the_grants_of_one_collection() {
    use Grantee::{Everyone, Group, User};
    use Role::{Editor, Manager, None as Nothing, Reader};
    #[track_caller]
    fn check(groups: &[GroupId], grants: &[(Grantee, Role)], expect: Option<Role>) {
        let mut grants: Vec<Grant> = grants.iter().map(|(to, role)| grant(*to, *role)).collect();
        assert_eq!(granted(&subject(groups), &grants), expect);
        grants.reverse();
        assert_eq!(granted(&subject(groups), &grants), expect);
    }
    let both = &[STAFF, GUESTS];
    check(&[], &[], None);
    check(&[], &[(User(BOB), Manager)], None);
    check(&[], &[(Group(STAFF), Manager)], None);
    check(&[], &[(Everyone, Reader)], Some(Reader));
    check(
        &[],
        &[(Everyone, Editor), (User(ALICE), Nothing)],
        Some(Nothing),
    );
    check(
        &[STAFF],
        &[(Everyone, Nothing), (Group(STAFF), Editor)],
        Some(Editor),
    );
    check(
        &[STAFF],
        &[(Everyone, Editor), (Group(STAFF), Nothing)],
        Some(Nothing),
    );
    check(
        &[STAFF],
        &[(Group(STAFF), Nothing), (User(ALICE), Reader)],
        Some(Reader),
    );
    check(
        both,
        &[(Group(STAFF), Reader), (Group(GUESTS), Editor)],
        Some(Editor),
    );
    check(
        both,
        &[(Group(STAFF), Manager), (Group(GUESTS), Nothing)],
        Some(Nothing),
    );
}

/// The role along `/`, `/a` and `/a/b`, as what somebody may do at `/a/b`.
#[test]
fn the_nearest_grant_wins() {
    #[track_caller]
    fn check(levels: [Option<Role>; 3], expect: Role) {
        let subject = subject(&[]);
        let mut position = Position::START;
        for (id, role) in (1..).zip(levels) {
            let grants: Vec<Grant> = role
                .map(|role| grant(Grantee::Everyone, role))
                .into_iter()
                .collect();
            position = position.down(&subject, ResourceId(id), &grants);
        }
        assert_eq!(position.privileges(&subject), expect.privileges());
    }
    use Role::{Editor, Manager, None as Nothing, Reader};
    check([None, None, None], Nothing);
    check([Some(Editor), None, None], Editor);
    check([Some(Editor), Some(Nothing), None], Nothing);
    check([Some(Editor), Some(Nothing), Some(Reader)], Reader);
    check([Some(Nothing), None, Some(Manager)], Manager);
    check([Some(Manager), Some(Reader), None], Reader);
}

#[test]
fn the_root_is_seen_by_all_and_gives_nothing_away() {
    let subject = subject(&[]);
    let root = Position::START.down(&subject, ResourceId::ROOT, &[]);
    let read = Privileges::of(&[Privilege::Read]);
    assert_eq!(root.privileges(&subject), read);
    let member = root.down(&subject, ResourceId(2), &[]);
    assert_eq!(member.privileges(&subject), Privileges::NONE);
}

#[test]
fn a_scope_takes_away_and_never_gives() {
    #[track_caller]
    fn check(admin: bool, scope: Scope, expect: [Privileges; 3]) {
        let subject = Subject {
            admin,
            scope,
            ..subject(&[])
        };
        let mut position = Position::START;
        let found = [1, 2, 3].map(|id| {
            let grants = [grant(Grantee::Everyone, Role::Editor)];
            let grants: &[Grant] = if id == 1 { &grants } else { &[] };
            position = position.down(&subject, ResourceId(id), grants);
            position.privileges(&subject)
        });
        assert_eq!(found, expect);
    }
    let (none, read) = (Privileges::NONE, Privileges::of(&[Privilege::Read]));
    let (editor, manager) = (Role::Editor.privileges(), Role::Manager.privileges());
    let scope = |access, within: Option<u64>| Scope {
        access,
        within: within.map(ResourceId),
    };
    check(false, scope(Access::Write, None), [editor; 3]);
    check(false, scope(Access::Read, None), [read; 3]);
    check(false, scope(Access::Write, Some(2)), [read, editor, editor]);
    check(false, scope(Access::Read, Some(3)), [read, none, read]);
    check(false, scope(Access::Write, Some(9)), [read, none, none]);
    check(true, scope(Access::Write, None), [manager; 3]);
    check(true, scope(Access::Read, Some(2)), [read, read, read]);
    check(
        true,
        scope(Access::Write, Some(2)),
        [read, manager, manager],
    );
}

#[test]
fn names_are_read_as_they_are_written() {
    for role in Role::ALL {
        assert_eq!(role.as_str().parse(), Ok(role));
    }
    let error = "owner".parse::<Role>().unwrap_err().to_string();
    assert!(error.contains("none, reader, editor, manager"), "{error}");
    for (one, other) in Role::ALL.iter().zip(&Role::ALL[1..]) {
        let (less, more) = (one.privileges(), other.privileges());
        assert_eq!(less.and(more), less, "{other} may do all that {one} may");
    }
}
