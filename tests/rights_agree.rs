//! Rights agree with a second, naive formulation: for every placement of roles on a small tree,
//! every credential and every request, the server gives the same answer, shows the same and leaves
//! the same behind.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(
    clippy::print_stdout,
    reason = "how much was compared is worth knowing"
)]

#[path = "rights_agree/addresses.rs"]
mod addresses;
#[path = "rights_agree/groups.rs"]
mod groups;
#[path = "rights_agree/naive.rs"]
mod naive;
#[path = "rights_agree/requests.rs"]
mod requests;
#[path = "rights_agree/server.rs"]
mod server;
mod support;
#[path = "rights_agree/words.rs"]
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use naive::Asking;
use server::Server;
use words::{Answer, Kind, Lock, Node, Request, Role, To, Twist, Who, World};

/// Enough for every relation: parent, grandparent, sibling, below, elsewhere.
fn tree() -> BTreeMap<String, Node> {
    let nodes = [
        ("/", Node::Collection),
        ("/a", Node::Collection),
        ("/a/f", Node::File(1)),
        ("/a/b", Node::Collection),
        ("/a/b/g", Node::File(2)),
        ("/c", Node::Collection),
        ("/c/h", Node::File(3)),
    ];
    nodes.map(|(at, node)| (at.to_owned(), node)).into()
}

const COLLECTIONS: [&str; 4] = ["/", "/a", "/a/b", "/c"];

/// Every way to grant each of these a role or none, in this order.
fn every_placement(places: &[(&str, To)]) -> Vec<World> {
    const CHOICES: [Option<Role>; 5] = [
        None,
        Some(Role::None),
        Some(Role::Reader),
        Some(Role::Editor),
        Some(Role::Manager),
    ];
    let bare = World {
        tree: tree(),
        grants: BTreeMap::new(),
        locks: BTreeSet::new(),
    };
    places.iter().fold(vec![bare], |worlds, (at, to)| {
        let more = worlds.iter().flat_map(|world| {
            CHOICES.iter().map(|role| {
                let mut world = world.clone();
                let granted = role.map(|role| (((*at).to_owned(), *to), role));
                world.grants.extend(granted);
                world
            })
        });
        more.collect()
    })
}

fn everywhere() -> Vec<World> {
    every_placement(&COLLECTIONS.map(|at| (at, To::Alice)))
}

fn with_locks(mut worlds: Vec<World>, locks: &[(&str, bool, bool)]) -> Vec<World> {
    for world in &mut worlds {
        let locks = locks.iter().map(|(at, of_alice, infinite)| Lock {
            at: (*at).to_owned(),
            of_alice: *of_alice,
            kind: Kind::Persistent,
            infinite: *infinite,
        });
        world.locks = locks.collect();
    }
    worlds
}

/// What is compared: every request of every credential in every world. All worlds differ in their
/// grants alone.
struct Comparison {
    worlds: Vec<World>,
    credentials: Vec<Who>,
    requests: Vec<Request>,
    twist: Option<Twist>,
}

impl Comparison {
    /// How many cases there were, and those that differ.
    fn run(&self) -> (usize, Vec<String>) {
        const THREADS: usize = 2;
        let cases = AtomicUsize::new(0);
        let work = |thread: usize| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            let mut found = Vec::new();
            let base = runtime.block_on(Server::of(&self.worlds[0]));
            for world in self.worlds.iter().skip(thread).step_by(THREADS) {
                // Of a rule that is wrong on purpose, one difference says enough.
                if self.twist.is_some() && !found.is_empty() {
                    break;
                }
                let ran = runtime.block_on(self.compare(&base, world, &mut found));
                cases.fetch_add(ran, Ordering::Relaxed);
            }
            found
        };
        let found = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || work(n))).collect();
            let found = threads.into_iter().map(|thread| thread.join().unwrap());
            found.collect::<Vec<_>>().concat()
        });
        (cases.into_inner(), found)
    }

    async fn compare(&self, base: &Server, world: &World, found: &mut Vec<String>) -> usize {
        let server = base.granting(world).await;
        let mut cases = 0;
        for who in &self.credentials {
            for request in &self.requests {
                cases += 1;
                let mut expected = world.clone();
                let answer = Asking {
                    world: &mut expected,
                    who,
                    twist: self.twist,
                }
                .ask(request);
                // What is refused or only looks must change nothing, so the next may ask the same.
                let changes = matches!(answer, Answer::Done(_)) && requests::changes(request);
                let copy = if changes {
                    Some(server.copy().await)
                } else {
                    None
                };
                let asked = copy.as_ref().unwrap_or(&server);
                let got = asked.ask(request, who).await;
                let case = || format!("{:?} {who:?} {request:?}", world.grants);
                if got.as_ref() != Ok(&answer) {
                    let case = case();
                    found.push(format!(
                        "{case}\nby the text {answer:?}\nby the server {got:?}"
                    ));
                } else if copy.is_some() {
                    differing(asked, &expected, &case(), found).await;
                }
            }
        }
        if self.twist.is_none() {
            differing(&server, world, "after refusals", found).await;
        }
        cases
    }

    /// Panics where text and server differ; returns how many cases there were.
    #[track_caller]
    fn must_agree(&self) -> usize {
        const SHOWN: usize = 8;
        let (cases, found) = self.run();
        println!("{} placements, {cases} cases", self.worlds.len());
        let shown = found[..found.len().min(SHOWN)].join("\n\n");
        assert!(
            found.is_empty(),
            "{} of {cases} differ, such as\n{shown}",
            found.len()
        );
        cases
    }
}

async fn differing(server: &Server, expected: &World, after: &str, found: &mut Vec<String>) {
    let got = server.world().await;
    if got != *expected {
        found.push(format!(
            "{after}\nby the text {expected:?}\nby the server {got:?}"
        ));
    }
}

/// Alice with her password, and nobody else.
fn alice() -> Vec<Who> {
    vec![Who::default()]
}

/// All that a key may be restricted to, in the hands of a user and of an admin.
fn every_credential() -> Vec<Who> {
    let mut all = Vec::new();
    for within in [
        None,
        Some("/"),
        Some("/a"),
        Some("/a/b"),
        Some("/a/f"),
        Some("/gone"),
    ] {
        for only_reads in [false, true] {
            for admin in [false, true] {
                all.push(Who {
                    admin,
                    only_reads,
                    within: within.map(str::to_owned),
                });
            }
        }
    }
    all
}

#[test]
fn one_user_with_any_roles_anywhere() {
    let cases = Comparison {
        worlds: everywhere(),
        credentials: alice(),
        requests: requests::of_every_kind(),
        twist: None,
    }
    .must_agree();
    assert!(cases >= 100_000, "{cases}");
}

#[test]
fn what_is_granted_to_a_user_to_groups_and_to_everyone() {
    let places = [
        ("/a", To::Staff),
        ("/a/b", To::Alice),
        ("/a/b", To::Guests),
        ("/a/b", To::Everyone),
    ];
    let groups = [
        ("/", To::Everyone),
        ("/a", To::Staff),
        ("/a", To::Guests),
        ("/a", To::Everyone),
    ];
    for places in [places, groups] {
        let cases = Comparison {
            worlds: every_placement(&places),
            credentials: alice(),
            requests: requests::of_the_usual_kinds(),
            twist: None,
        }
        .must_agree();
        assert!(cases >= 10_000, "{cases}");
    }
}

#[test]
fn credentials_take_away() {
    let cases = Comparison {
        worlds: every_placement(&[("/", To::Alice), ("/a/b", To::Alice)]),
        credentials: every_credential(),
        requests: requests::of_the_usual_kinds(),
        twist: None,
    }
    .must_agree();
    assert!(cases >= 10_000, "{cases}");
}

#[test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
fn one_user_with_any_roles_anywhere_and_every_pair_of_addresses() {
    let cases = Comparison {
        worlds: everywhere(),
        credentials: alice(),
        requests: requests::of_every_kind_and_pair(),
        twist: None,
    }
    .must_agree();
    assert!(cases >= 600_000, "{cases}");
}

#[test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
fn every_credential_with_any_roles_anywhere() {
    let cases = Comparison {
        worlds: everywhere(),
        credentials: every_credential(),
        requests: requests::of_the_usual_kinds(),
        twist: None,
    }
    .must_agree();
    assert!(cases >= 1_000_000, "{cases}");
}

/// Bob's check-outs of a file and of a collection whole, and one of Alice's own.
const LOCKS: [(&str, bool, bool); 3] = [
    ("/a/f", false, false),
    ("/a/b/g", true, false),
    ("/c", false, true),
];

/// Bob's check-out of a collection whole, in which parts may be hidden.
const COVERING: [(&str, bool, bool); 1] = [("/a", false, true)];

fn privileges_come_first(worlds: impl Fn(&[&str]) -> Vec<World>) -> usize {
    let mut cases = 0;
    for (locks, places) in [
        (&LOCKS[..], ["/", "/a/b", "/c"]),
        (&COVERING, ["/", "/a", "/a/b"]),
    ] {
        cases += Comparison {
            worlds: with_locks(worlds(&places), locks),
            credentials: alice(),
            requests: requests::among_locks(locks.iter().map(|(root, ..)| *root)),
            twist: None,
        }
        .must_agree();
    }
    cases
}

#[test]
fn privileges_come_before_locks() {
    let cases = privileges_come_first(|places| {
        let places: Vec<_> = places.iter().map(|at| (*at, To::Alice)).collect();
        every_placement(&places)
    });
    assert!(cases >= 30_000, "{cases}");
}

#[test]
#[ignore = "a campaign, see CONTRIBUTING.md"]
fn privileges_come_before_locks_with_any_roles_anywhere() {
    let cases = privileges_come_first(|_| everywhere());
    assert!(cases >= 150_000, "{cases}");
}

#[test]
fn credentials_among_locks() {
    let places = [("/", To::Alice), ("/a/b", To::Alice)];
    let cases = Comparison {
        worlds: with_locks(every_placement(&places), &LOCKS),
        credentials: every_credential()
            .into_iter()
            .filter(|who| !who.admin)
            .collect(),
        requests: requests::among_locks(LOCKS.iter().map(|(root, ..)| *root)),
        twist: None,
    }
    .must_agree();
    assert!(cases >= 10_000, "{cases}");
}

#[test]
fn every_wrong_rule_is_noticed() {
    let inside = Who {
        within: Some("/a/b".to_owned()),
        ..Who::default()
    };
    let nested = [("/", To::Alice), ("/a/b", To::Alice)];
    let groups = [("/c", To::Staff), ("/c", To::Guests)];
    let beside = [nested[0], nested[1], ("/a/b", To::Everyone)];
    let usual = requests::of_the_usual_kinds;
    for twist in Twist::ALL {
        let notice = |places: &[(&str, To)], locks: &[(&str, bool, bool)], requests| {
            let comparison = Comparison {
                worlds: with_locks(every_placement(places), locks),
                credentials: vec![Who::default(), inside.clone()],
                requests,
                twist: Some(twist),
            };
            !comparison.run().1.is_empty()
        };
        let noticed = notice(&groups, &[], usual())
            || notice(&beside, &[], usual())
            || notice(
                &nested,
                &COVERING,
                requests::among_locks(["/a"].into_iter()),
            );
        assert!(noticed, "{twist:?} went unnoticed");
    }
}
