//! The requests that are put to every world.

use crate::addresses::parent;
use crate::words::{Kind, Request, Spot};

const THERE: [&str; 7] = ["/", "/a", "/a/f", "/a/b", "/a/b/g", "/c", "/c/h"];

/// Gaps: in each collection, below a file, below a gap.
const GAPS: [&str; 6] = ["/n", "/a/n", "/a/b/n", "/c/n", "/a/f/n", "/a/n/n"];

/// Whether it is one that leaves something behind when it succeeds.
pub(crate) fn changes(request: &Request) -> bool {
    !matches!(
        request,
        Request::Find(_)
            | Request::Read(_)
            | Request::Search(..)
            | Request::Detail(_)
            | Request::Grants(_)
            | Request::History(_)
            | Request::ReadVersion(..)
    )
}

fn by_path(at: &str) -> Spot {
    Spot::Path(at.to_owned())
}

fn by_id(at: &str) -> Spot {
    Spot::Id(at.to_owned())
}

fn own(at: &str) -> String {
    at.to_owned()
}

/// What looks at one resource.
fn looks(spot: &Spot) -> Vec<Request> {
    let spot = || spot.clone();
    let mut all = vec![
        Request::Find(spot()),
        Request::Read(spot()),
        Request::Detail(spot()),
        Request::Grants(spot()),
        Request::History(spot()),
        Request::ReadVersion(spot(), 1),
    ];
    all.extend([Some(0), Some(1), None].map(|depth| Request::Search(spot(), depth)));
    all
}

/// What changes one resource, or makes it.
fn changes_of(spot: &Spot) -> Vec<Request> {
    let spot = || spot.clone();
    let mut all = vec![
        Request::Put(spot()),
        Request::Mkcol(spot()),
        Request::Delete(spot()),
        Request::Patch(spot()),
        Request::SetGrant(spot()),
        Request::CheckIn(spot()),
        Request::Restore(spot(), 1),
        Request::Restore(spot(), 7),
        Request::Label(spot(), 1),
        Request::Label(spot(), 7),
    ];
    let locks = [
        (Kind::Persistent, true),
        (Kind::Transient, false),
        (Kind::ReadOnly, true),
    ];
    all.extend(locks.map(|(kind, infinite)| Request::Lock(spot(), kind, infinite)));
    all
}

/// A COPY and a MOVE of each kind.
fn transfers(pairs: &[(&str, &str)]) -> Vec<Request> {
    let mut all = Vec::new();
    for (from, to) in pairs {
        for overwrite in [false, true] {
            all.push(Request::Move(by_path(from), own(to), overwrite));
            all.push(Request::Copy(by_path(from), own(to), overwrite, true));
        }
        all.push(Request::Copy(by_path(from), own(to), true, false));
    }
    all
}

/// Those that name their resources by id.
fn by_ids() -> Vec<Request> {
    let mut all = Vec::new();
    for at in ["/a/f", "/a/b", "/never"] {
        all.extend(looks(&by_id(at)));
        all.extend(changes_of(&by_id(at)));
        all.push(Request::Rename(by_id(at), own("n")));
        all.push(Request::Copy(by_id(at), own("/c/n"), false, true));
        for into in ["/", "/c", "/a/b", "/c/h", "/never"] {
            all.push(Request::MoveInto(by_id(at), own(into)));
            all.push(Request::CopyInto(by_id(at), own(into)));
        }
    }
    for of in ["/a", "/a/f", "/never"] {
        for name in ["n", "b"] {
            let spot = || Spot::In(own(of), own(name));
            all.push(Request::Find(spot()));
            all.push(Request::Put(spot()));
            all.push(Request::Mkcol(spot()));
            all.push(Request::Lock(spot(), Kind::Transient, false));
        }
    }
    all
}

/// Every request; COPY and MOVE between these.
fn of_every_kind_between(pairs: &[(&str, &str)]) -> Vec<Request> {
    let mut all = Vec::new();
    for at in THERE.iter().chain(&GAPS) {
        all.extend(looks(&by_path(at)));
        all.extend(changes_of(&by_path(at)));
    }
    all.extend(transfers(pairs));
    all.extend(by_ids());
    all
}

/// Every request, with the pairs that stand for the others.
pub(crate) fn of_every_kind() -> Vec<Request> {
    of_every_kind_between(&[
        ("/", "/n"),
        ("/a", "/n"),
        ("/a", "/c"),
        ("/a", "/a/b"),
        ("/a/b", "/a"),
        ("/a/b", "/c/n"),
        ("/a/b", "/a/f"),
        ("/a/f", "/a/n"),
        ("/a/f", "/a/b"),
        ("/a/f", "/a/b/g"),
        ("/a/b/g", "/c/h"),
        ("/c/h", "/a/n/n"),
    ])
}

/// Every request between all addresses.
pub(crate) fn of_every_kind_and_pair() -> Vec<Request> {
    let mut pairs = Vec::new();
    for from in THERE.iter().chain(&["/a/n"]) {
        pairs.extend(THERE.iter().chain(&GAPS).map(|to| (*from, *to)));
    }
    of_every_kind_between(&pairs)
}

/// A selection in which every rule has its turn.
pub(crate) fn of_the_usual_kinds() -> Vec<Request> {
    let mut all = Vec::new();
    for at in ["/", "/a", "/a/f", "/a/b", "/a/b/g", "/a/b/n"] {
        let spot = by_path(at);
        all.push(Request::Search(spot.clone(), None));
        all.push(Request::Put(spot.clone()));
        all.push(Request::Mkcol(spot.clone()));
        all.push(Request::Delete(spot.clone()));
        all.push(Request::SetGrant(spot.clone()));
        all.push(Request::Lock(spot, Kind::Persistent, true));
    }
    all.push(Request::Grants(by_path("/a/b/g")));
    all.extend(transfers(&[
        ("/a", "/n"),
        ("/a/f", "/a/b/g"),
        ("/a/f", "/a/b"),
        ("/a/b", "/c/n"),
        ("/a/b/g", "/a/f"),
    ]));
    for at in ["/a", "/a/b/g"] {
        all.push(Request::Detail(by_id(at)));
        all.push(Request::MoveInto(by_id("/c/h"), own(at)));
        all.push(Request::Put(Spot::In(own(at), own("n"))));
    }
    all
}

/// Taking, ending and meeting locks, with one beforehand on each of these.
pub(crate) fn among_locks<'a>(roots: impl Iterator<Item = &'a str>) -> Vec<Request> {
    let mut all = Vec::new();
    for at in THERE {
        all.extend(changes_of(&by_path(at)));
    }
    for at in ["/a/n", "/a/b/n", "/c/n"] {
        all.push(Request::Put(by_path(at)));
        all.push(Request::Mkcol(by_path(at)));
        all.push(Request::Lock(by_path(at), Kind::Transient, false));
    }
    for root in roots {
        let nearby = ["/", "/a/b", "/a/b/g", "/c/h", "/c/n"];
        for at in nearby.into_iter().chain([root, &parent(root)]) {
            all.push(Request::Unlock(by_path(at), own(root)));
            all.push(Request::Refresh(by_path(at), own(root)));
            all.push(Request::Steal(by_path(at), own(root)));
        }
        all.push(Request::Unlock(by_id(root), own(root)));
        all.push(Request::Steal(by_id(root), own(root)));
        all.push(Request::CheckIn(by_id(root)));
    }
    all
}
