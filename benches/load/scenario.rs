//! The table of scenarios, and what each of them prepares for all of its connections.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Target;
use super::content;
use super::dav::{ALL, Client, Listing, NAMED};

pub(super) const KIB: usize = 1024;
pub(super) const MIB: u64 = 1024 * 1024;
/// Files of the collection that is read.
pub(super) const MEMBERS: usize = 1000;
/// Files of a folder in a tree.
pub(super) const LEAVES: usize = 100;
/// The folder and the files that people look at in the mixed load.
pub(super) const DESK: usize = 30;
pub(super) const MIDDLE: usize = 16;

/// What one operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// GET of one of [`MEMBERS`] files of 1 KiB.
    GetSmall,
    /// GET of one of [`MIDDLE`] files of 64 KiB.
    GetMiddle,
    GetLarge,
    /// PROPFIND of depth 0 with davfs2's properties on one of [`MEMBERS`] files.
    Stat,
    /// PROPFIND of depth 1 with this body on [`MEMBERS`] files.
    List(&'static str),
    /// PUT of so many bytes over one of the connection's own 64 files.
    PutOver(usize),
    PutNew,
    PutLarge,
    Mkcol,
    Proppatch,
    LockUnlock,
    Refresh,
    /// A bid for the one lock that all want; who gets it counts in a file.
    Contend,
    /// LOCK, PUT of 4 KiB, UNLOCK.
    Edit,
    CopyFile,
    /// COPY of a tree of so many folders to a new name.
    CopyTree(usize),
    MoveTree(usize),
    DeleteTree(usize),
    /// What an office does.
    Mixed,
}

/// A thing to measure.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    /// What one operation is, for the reader of the table.
    pub(crate) about: &'static str,
    pub(super) work: Work,
}

const fn scenario(
    name: &'static str,
    connections: usize,
    work: Work,
    about: &'static str,
) -> Scenario {
    Scenario {
        name,
        connections,
        about,
        work,
    }
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario(
        "get-1k",
        16,
        Work::GetSmall,
        "GET of one of 1,000 files of 1 KiB",
    ),
    scenario(
        "get-64k",
        16,
        Work::GetMiddle,
        "GET of one of 16 files of 64 KiB",
    ),
    scenario("get-100m", 2, Work::GetLarge, "GET of a file of 100 MiB"),
    scenario(
        "propfind0",
        16,
        Work::Stat,
        "PROPFIND of a file, davfs2's properties",
    ),
    scenario(
        "propfind1-1000-allprop",
        4,
        Work::List(ALL),
        "PROPFIND of 1,000 files, all properties",
    ),
    scenario(
        "propfind1-1000-named",
        4,
        Work::List(NAMED),
        "PROPFIND of 1,000 files, davfs2's properties",
    ),
    scenario(
        "put-1k",
        16,
        Work::PutOver(KIB),
        "PUT of 1 KiB over an existing file",
    ),
    scenario("put-new-1k", 16, Work::PutNew, "PUT of 1 KiB to a new name"),
    scenario(
        "put-64k",
        16,
        Work::PutOver(64 * KIB),
        "PUT of 64 KiB over an existing file",
    ),
    scenario(
        "put-100m",
        2,
        Work::PutLarge,
        "PUT of 100 MiB over an existing file",
    ),
    scenario("mkcol", 16, Work::Mkcol, "MKCOL"),
    scenario(
        "proppatch",
        16,
        Work::Proppatch,
        "PROPPATCH of one property",
    ),
    scenario(
        "lock-unlock",
        16,
        Work::LockUnlock,
        "LOCK and UNLOCK of an own file",
    ),
    // Apache's lock database does not stand 16 at once; this is what it can be compared in.
    scenario(
        "lock-unlock-1",
        1,
        Work::LockUnlock,
        "the same by one client",
    ),
    scenario("refresh", 16, Work::Refresh, "LOCK that refreshes a lock"),
    scenario(
        "contended-lock",
        16,
        Work::Contend,
        "LOCK of one file by all, granted or 423; the holder reads, writes and unlocks",
    ),
    scenario("edit-cycle", 16, Work::Edit, "LOCK, PUT of 4 KiB, UNLOCK"),
    scenario(
        "copy-file-1m",
        4,
        Work::CopyFile,
        "COPY of 1 MiB over an own copy",
    ),
    scenario(
        "copy-tree-1000",
        1,
        Work::CopyTree(10),
        "COPY of 10 folders of 100 files",
    ),
    scenario(
        "move-tree-1000",
        1,
        Work::MoveTree(10),
        "MOVE of 10 folders of 100 files",
    ),
    scenario(
        "move-tree-10000",
        1,
        Work::MoveTree(100),
        "MOVE of 100 folders of 100 files",
    ),
    scenario(
        "delete-tree-1000",
        1,
        Work::DeleteTree(10),
        "DELETE of 10 folders of 100 files",
    ),
    scenario(
        "mixed",
        16,
        Work::Mixed,
        "70 % PROPFIND (half depth 0, half of 30 files), 15 % GET of 64 KiB, 10 % edit cycle, \
         5 % MOVE of a file",
    ),
];

/// What the connections of one run share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) scenario: &'static Scenario,
    pub(super) target: Target,
    /// Which run of this server it is, for names that are new.
    pub(super) round: u32,
    pub(super) contention: Contention,
}

/// The book of who holds the contended lock.
#[derive(Debug, Default)]
pub(super) struct Contention {
    /// The holder's number; 0: nobody. It is cleared before the UNLOCK is sent, so whoever is
    /// granted the lock while it is set was let in beside another one.
    pub(super) holder: AtomicUsize,
    pub(super) granted: AtomicU64,
    pub(super) violations: AtomicU64,
}

impl Scenario {
    /// With a slash at its end.
    pub(super) fn folder(&self) -> String {
        format!("/{}/", self.name)
    }

    /// Whether an operation makes what it needs first, and clears away: only its own time counts.
    pub(crate) fn has_untimed_parts(&self) -> bool {
        matches!(self.work, Work::CopyTree(_) | Work::DeleteTree(_))
    }

    fn uses_locks(&self) -> bool {
        use Work::{Contend, Edit, LockUnlock, Mixed, Refresh};
        matches!(self.work, LockUnlock | Refresh | Contend | Edit | Mixed)
    }

    /// Makes what all runs of one server share, and checks what the scenario rests on.
    pub(crate) async fn prepare(&self, target: &Target) -> Result<(), String> {
        let mut client = Client::open(target).await?;
        let folder = self.folder();
        client.mkcol(&folder).await?;
        if self.uses_locks() {
            let mut other = Client::open(target).await?;
            let path = format!("{folder}checked");
            client.check_locks(&mut other, &path).await?;
        }
        match self.work {
            Work::GetSmall | Work::Stat => files(&mut client, &folder, MEMBERS, KIB).await,
            Work::List(body) => {
                let members = format!("{folder}members/");
                client.mkcol(&members).await?;
                files(&mut client, &members, MEMBERS, KIB).await?;
                client.list(&members, 1, body, all(MEMBERS)).await
            }
            Work::GetMiddle => files(&mut client, &folder, MIDDLE, 64 * KIB).await,
            Work::GetLarge => client.put_large(&format!("{folder}large"), 100 * MIB).await,
            Work::CopyFile => client.put_large(&format!("{folder}source"), MIB).await,
            Work::CopyTree(folders) | Work::DeleteTree(folders) | Work::MoveTree(folders) => {
                make_tree(&mut client, &format!("{folder}tree/"), folders).await
            }
            Work::Mixed => {
                let desk = format!("{folder}desk/");
                client.mkcol(&desk).await?;
                files(&mut client, &desk, DESK, 16 * KIB).await?;
                let middle = format!("{folder}middle/");
                client.mkcol(&middle).await?;
                files(&mut client, &middle, MIDDLE, 64 * KIB).await
            }
            _ => Ok(()),
        }
    }

    /// Removes all that its runs left.
    pub(crate) async fn clear(&self, target: &Target) -> Result<(), String> {
        let mut client = Client::open(target).await?;
        client.delete(&self.folder()).await
    }
}

impl Shared {
    pub(super) async fn begin(&self) -> Result<(), String> {
        if self.scenario.work == Work::Contend {
            let mut client = Client::open(&self.target).await?;
            client.put(&self.counter(), b"0").await?;
        }
        Ok(())
    }

    /// What must hold when all connections are done.
    pub(super) async fn check(&self) -> Result<(), String> {
        if self.scenario.work != Work::Contend {
            return Ok(());
        }
        let violations = self.contention.violations.load(Ordering::Relaxed);
        if violations > 0 {
            return Err(format!(
                "two held the same exclusive lock, {violations} times"
            ));
        }
        let granted = self.contention.granted.load(Ordering::Relaxed);
        let mut client = Client::open(&self.target).await?;
        let counted = client.get_number(&self.counter()).await?;
        if counted == granted {
            return Ok(());
        }
        Err(format!(
            "{granted} holders counted to {counted}: writes under a lock were lost"
        ))
    }

    pub(super) fn counter(&self) -> String {
        format!("{}counter", self.scenario.folder())
    }
}

/// A collection with so many files.
pub(super) fn all(files: usize) -> Listing {
    Listing {
        resources: files + 1,
        files,
    }
}

pub(super) fn member(number: usize) -> String {
    format!("file-{number:04}.txt")
}

async fn files(
    client: &mut Client,
    folder: &str,
    count: usize,
    length: usize,
) -> Result<(), String> {
    for number in 0..count {
        let path = format!("{folder}{}", member(number));
        client.put(&path, content::small(number, length)).await?;
    }
    Ok(())
}

async fn make_tree(client: &mut Client, tree: &str, folders: usize) -> Result<(), String> {
    client.mkcol(tree).await?;
    for number in 0..folders {
        let folder = format!("{tree}folder-{number:02}/");
        client.mkcol(&folder).await?;
        files(client, &folder, LEAVES, KIB).await?;
    }
    Ok(())
}

/// Whether a tree of [`make_tree`] is whole: all of its folders, and the files of the last one.
pub(super) async fn check_tree(
    client: &mut Client,
    tree: &str,
    folders: usize,
) -> Result<(), String> {
    let top = Listing {
        resources: folders + 1,
        files: 0,
    };
    client.list(tree, 1, ALL, top).await?;
    let last = format!("{tree}folder-{:02}/", folders - 1);
    client.list(&last, 1, ALL, all(LEAVES)).await
}
