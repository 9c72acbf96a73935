//! Opening sled with care: on a thread of its own, because it panics on damage and may not come
//! back, and with a commit number beside the log, because it forgets a cut-off tail silently.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::mem;
use std::os::unix::fs::FileExt;
use std::panic::{set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::{Once, mpsc};
use std::thread;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;

use super::super::engine::StoreError;
use super::super::group_commit::Log;
use super::super::page_cache;
use super::base::{Base, COMMIT_ROW, no_panic};
use super::journal::{Epoch, FILES, Journal, Replayed};
use super::numbers::{draft_of, note_bytes, noted};
use super::seal::{seal, unseal};
use super::{SledOptions, format};

/// The row that holds the format.
const FORMAT_ROW: &[u8] = b"\0format";

/// What the rows and content files mean, those of this engine and those above the seam. Raised when
/// an older Lockkeeper would misread them. Format 1 was that of builds before the first release;
/// format 2 had no journal, and is of format 3 as soon as it is opened.
const FORMAT: u64 = 3;
const OLDEST_FORMAT: u64 = 2;

/// sled's log, which never changes its name.
const LOG_FILE: &str = "db";
/// Our file beside it: the commit number and, so that damage shows, its complement.
const NOTE_FILE: &str = "commit-number";
/// Two places in it, so far apart that no sector has both: a power cut may tear what is not synced.
/// One is written and synced at the start and then left alone, the other with every sync of the
/// log.
const NOTE_PLACES: [u64; 2] = [0, 4096];
/// As sled calls it.
const SLED_DRAFT_SUFFIX: &str = ".generating";

const OPEN_THREAD: &str = "store-open";

/// Why a store was not opened. The sentences are for the person who starts Lockkeeper.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Another process uses the folder.
    #[error(
        "the store in {} is in use by another process; stop that Lockkeeper first, or give this \
         one a folder of its own", dir.display()
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// The files are not what was written.
    #[error("the store in {} is damaged ({what}); restore it from a backup", dir.display())]
    Damaged {
        /// The folder.
        dir: PathBuf,
        /// What was found.
        what: String,
    },
    /// The log ends before commits that were acknowledged.
    #[error(
        "the store in {} has lost its latest changes: it ends at commit {found}, but commit \
         {promised} was acknowledged; restore it from a backup, or remove the file {NOTE_FILE} \
         there to go on with what is left", dir.display()
    )]
    LostHistory {
        /// The folder.
        dir: PathBuf,
        /// The last commit in the log.
        found: u64,
        /// The last commit known to have been durable.
        promised: u64,
    },
    /// A later release wrote it.
    #[error(
        "the store in {} was made by a newer Lockkeeper (format {found}; this one knows formats \
         up to {FORMAT}); use that version or a later one", dir.display()
    )]
    Newer {
        /// The folder.
        dir: PathBuf,
        /// Its format.
        found: u64,
    },
    /// A build from before the first release wrote it.
    #[error(
        "the store in {} was made by a test build from before Lockkeeper 0.1 (format {found}; this \
         one knows format {FORMAT}); copy the files out with that build and into a new store with \
         `lockkeeper import`", dir.display()
    )]
    Older {
        /// The folder.
        dir: PathBuf,
        /// Its format.
        found: u64,
    },
    /// sled did not come back.
    #[error(
        "opening the store in {} took longer than {} seconds; if the disk is not just slow, the \
         store is damaged: restore it from a backup", dir.display(), limit.as_secs()
    )]
    TimeLimit {
        /// The folder.
        dir: PathBuf,
        /// The limit.
        limit: Duration,
    },
    /// The operating system said no.
    #[error("the store in {} cannot be opened: {what}", dir.display())]
    Failed {
        /// The folder.
        dir: PathBuf,
        /// What it said.
        what: String,
    },
}

/// What a store may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// [`SledOptions::cache_bytes`].
    pub(super) cache_bytes: u64,
    /// [`SledOptions::journal_bytes`].
    pub(super) journal_bytes: usize,
}

impl Sizes {
    pub(super) fn of(options: &SledOptions) -> Self {
        Self {
            cache_bytes: options.cache_bytes,
            journal_bytes: options.journal_bytes,
        }
    }
}

/// An opened store.
pub(super) struct Opened {
    /// sled.
    pub(super) base: Base,
    /// Tells up to which commit sled has everything.
    pub(super) moved: watch::Sender<u64>,
    /// For the records of the journal.
    pub(super) epoch: Epoch,
    pub(super) log: StoreLog,
    /// What sled does not have yet, and the number of the last commit, which is durable.
    pub(super) replayed: Replayed,
}

/// Opens the store or says why not, within `limit`. After the limit the thread is left behind: it
/// cannot be stopped, and the process is about to end.
pub(super) fn open(dir: &Path, sizes: Sizes, limit: Duration) -> Result<Opened, OpenError> {
    silence_the_open_thread();
    let failed = |error: io::Error| OpenError::Failed {
        dir: dir.into(),
        what: error.to_string(),
    };
    let (sender, receiver) = mpsc::sync_channel(1);
    let folder = Folder {
        dir: dir.to_path_buf(),
    };
    thread::Builder::new()
        .name(OPEN_THREAD.to_owned())
        .spawn(move || {
            let opened = no_panic(|| Ok(folder.open(sizes)));
            let opened = opened.unwrap_or_else(|panic| Err(folder.damaged(panic)));
            // Nobody listens any more: the limit is over.
            let _ = sender.send(opened);
        })
        .map_err(failed)?;
    receiver.recv_timeout(limit).unwrap_or_else(|_| {
        Err(OpenError::TimeLimit {
            dir: dir.into(),
            limit,
        })
    })
}

/// A panic of sled while opening becomes an [`OpenError`]; its message and backtrace on standard
/// error would only hide that sentence. All other threads print as before.
fn silence_the_open_thread() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if thread::current().name() != Some(OPEN_THREAD) {
                before(panic);
            }
        }));
    });
}

/// The folder being opened, and its errors.
struct Folder {
    dir: PathBuf,
}

impl Folder {
    fn open(&self, sizes: Sizes) -> Result<Opened, OpenError> {
        let failed = |error| self.failed(error);
        fs::create_dir_all(&self.dir).map_err(failed)?;
        if is_locked(&self.dir).map_err(failed)? {
            return Err(OpenError::InUse {
                dir: self.dir.clone(),
            });
        }
        if is_empty(&self.dir).map_err(failed)? {
            self.make(sizes.cache_bytes)?;
        }
        let told = self.told_format()?;
        forget_cached(&self.dir);
        let (note, promised) = self.open_note()?;
        // What a killed process wrote may be in the page cache only, and sled is about to note
        // durably how far it has come in reading it.
        remove_sled_drafts(&self.dir)
            .and_then(|()| sync_members(&self.dir))
            .map_err(failed)?;
        let db = self.open_sled(&self.dir, sizes.cache_bytes)?;
        let number = self.begin_or_check(&db, promised)?;
        let (moved, receiver) = watch::channel(number);
        let journal = Journal::open(&self.dir, sizes.journal_bytes as u64, receiver);
        let (journal, replayed) = journal.map_err(failed)?;
        if replayed.number < promised {
            return Err(OpenError::LostHistory {
                dir: self.dir.clone(),
                found: replayed.number,
                promised,
            });
        }
        let log = File::open(self.dir.join(LOG_FILE)).map_err(failed)?;
        let mut opened = Opened {
            base: Base { db, log },
            moved,
            epoch: journal.epoch(),
            log: StoreLog { journal, note },
            replayed,
        };
        self.make_durable(&mut opened)
            .map_err(|what| failed(io::Error::other(what)))?;
        // From the first record on an older Lockkeeper would miss what is in the journal.
        if told != Some(FORMAT) {
            format::tell(&self.dir, FORMAT).map_err(failed)?;
        }
        self.sync_names().map_err(failed)?;
        Ok(opened)
    }

    /// The number of the last commit that sled has.
    fn begin_or_check(&self, db: &sled::Db, promised: u64) -> Result<u64, OpenError> {
        if !db.is_empty() {
            self.check_format(db)?;
            return self.read_commit(db);
        }
        if promised > 0 {
            return Err(OpenError::LostHistory {
                dir: self.dir.clone(),
                found: 0,
                promised,
            });
        }
        self.begin(db)?;
        Ok(0)
    }

    /// After a crash what was recovered may still be in the page cache only.
    fn make_durable(&self, opened: &mut Opened) -> Result<(), String> {
        let Opened {
            base,
            moved,
            log,
            replayed,
            ..
        } = opened;
        base.sync()?;
        let free = log.note.at;
        log.note.at = NOTE_PLACES[usize::from(free == NOTE_PLACES[0])];
        log.note(replayed.number)?;
        self.sync_names().map_err(|error| error.to_string())?;
        log.note.at = free;
        if !log.journal.has_room() {
            let rows = mem::take(&mut replayed.rows);
            let number = replayed.number;
            base.take(&rows, number, |_| ())?;
            moved.send_replace(number);
        }
        Ok(())
    }

    /// Makes a store without rows. It gets its name when all of it is durable: sled never syncs
    /// some of what it makes at first, and a power cut amid that would leave it damaged.
    fn make(&self, cache_bytes: u64) -> Result<(), OpenError> {
        let failed = |error| self.failed(error);
        let dir = self.dir.canonicalize().map_err(failed)?;
        let draft = draft_of(&dir);
        if draft.exists() {
            fs::remove_dir_all(&draft).map_err(failed)?;
        }
        fs::create_dir(&draft).map_err(failed)?;
        let db = self.open_sled(&draft, cache_bytes)?;
        self.begin(&db)?;
        db.flush().map_err(|error| self.sled_error(error))?;
        drop(db);
        let released = wait_until_released(&draft);
        released.map_err(|error| self.failed(io::Error::other(error.to_string())))?;
        make_note(&draft)
            .and_then(|_| format::tell(&draft, FORMAT))
            .and_then(|()| sync_members(&draft))
            .and_then(|()| fs::rename(&draft, &dir))
            .and_then(|()| sync_parent(&dir))
            .map_err(failed)
    }

    fn open_sled(&self, dir: &Path, cache_bytes: u64) -> Result<sled::Db, OpenError> {
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(cache_bytes)
            // Its background thread would add pauses and guard nothing: we sync every commit.
            .flush_every_ms(None);
        config.open().map_err(|error| self.sled_error(error))
    }

    /// Opens the note. A log without one means that somebody removed it, to go on after a loss.
    fn open_note(&self) -> Result<(Note, u64), OpenError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match options.open(self.dir.join(NOTE_FILE)) {
            Ok(file) => {
                let numbers = NOTE_PLACES.map(|at| noted(&file, at).map(|number| (number, at)));
                let latest = numbers.into_iter().flatten().max();
                let (number, at) = latest
                    .ok_or_else(|| self.damaged(format!("{NOTE_FILE} holds no commit number")))?;
                Ok((Note { file, at }, number))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = make_note(&self.dir);
                let file = made.map_err(|error| self.failed(error))?;
                let at = NOTE_PLACES[0];
                Ok((Note { file, at }, 0))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Writes the first rows of a new store.
    fn begin(&self, db: &sled::Db) -> Result<(), OpenError> {
        let mut batch = sled::Batch::default();
        batch.insert(FORMAT_ROW, &FORMAT.to_be_bytes());
        batch.insert(COMMIT_ROW, seal(COMMIT_ROW, &0_u64.to_be_bytes()));
        db.apply_batch(batch)
            .map_err(|error| self.sled_error(error))
    }

    /// What the file says, which must be a format that is known here, before anything is touched.
    fn told_format(&self) -> Result<Option<u64>, OpenError> {
        let told = format::told(&self.dir).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => self.damaged(error.to_string()),
            _ => self.failed(error),
        })?;
        told.map(|found| self.require_known(found).map(|()| found))
            .transpose()
    }

    /// This row has the same form in every format, so that every Lockkeeper can tell what it has.
    fn check_format(&self, db: &sled::Db) -> Result<(), OpenError> {
        let row = db.get(FORMAT_ROW).map_err(|error| self.sled_error(error))?;
        match row.map(|row| <[u8; 8]>::try_from(&row[..])) {
            Some(Ok(format)) => self.require_known(u64::from_be_bytes(format)),
            Some(Err(_)) => Err(self.damaged("the row that tells its format is torn".to_owned())),
            None => Err(self.damaged("it has rows, but none that tells its format".to_owned())),
        }
    }

    fn require_known(&self, found: u64) -> Result<(), OpenError> {
        let dir = self.dir.clone();
        match found {
            OLDEST_FORMAT..=FORMAT => Ok(()),
            _ if found > FORMAT => Err(OpenError::Newer { dir, found }),
            _ => Err(OpenError::Older { dir, found }),
        }
    }

    /// The number of the last commit.
    fn read_commit(&self, db: &sled::Db) -> Result<u64, OpenError> {
        let row = db.get(COMMIT_ROW).map_err(|error| self.sled_error(error))?;
        let row = row.ok_or_else(|| self.damaged("it has no commit number".to_owned()))?;
        let number = unseal(COMMIT_ROW, &row).map_err(|error| self.damaged(error.to_string()))?;
        let number = <[u8; 8]>::try_from(number);
        let number = number.map_err(|_| self.damaged("the commit number is torn".to_owned()))?;
        Ok(u64::from_be_bytes(number))
    }

    /// Makes the files of sled and their names durable, and the name of the folder itself.
    fn sync_names(&self) -> io::Result<()> {
        let dir = self.dir.canonicalize()?;
        sync_members(&dir)?;
        sync_parent(&dir)
    }

    fn sled_error(&self, error: sled::Error) -> OpenError {
        match error {
            // Two processes that start in the same moment may both get past `is_locked`.
            sled::Error::Io(error) if error.to_string().contains("acquire lock") => {
                OpenError::InUse {
                    dir: self.dir.clone(),
                }
            }
            sled::Error::Io(error) => self.failed(error),
            other => self.damaged(other.to_string()),
        }
    }

    fn damaged(&self, what: String) -> OpenError {
        OpenError::Damaged {
            dir: self.dir.clone(),
            what,
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
    fn failed(&self, error: io::Error) -> OpenError {
        OpenError::Failed {
            dir: self.dir.clone(),
            what: error.to_string(),
        }
    }
}

fn is_empty(dir: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(dir)?.next().is_none())
}

/// A note that promises nothing yet. There is never half of one.
fn make_note(dir: &Path) -> io::Result<File> {
    let path = dir.join(NOTE_FILE);
    let draft = draft_of(&path);
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).open(&draft)?;
    file.write_all_at(&note_bytes(0), NOTE_PLACES[0])?;
    file.sync_all()?;
    fs::rename(draft, path)?;
    Ok(file)
}

/// A crash amid the start may leave half of a snapshot of sled's page table, and sled would take
/// it for the latest one and for damage. Without it sled reads on in the log from the one before.
fn remove_sled_drafts(dir: &Path) -> io::Result<()> {
    for member in fs::read_dir(dir)? {
        let path = member?.path();
        if path.to_string_lossy().ends_with(SLED_DRAFT_SUFFIX) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn sync_members(dir: &Path) -> io::Result<()> {
    for member in fs::read_dir(dir)? {
        File::open(member?.path())?.sync_all()?;
    }
    File::open(dir)?.sync_all()
}

fn sync_parent(dir: &Path) -> io::Result<()> {
    dir.parent()
        .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// After a sync that failed the page cache may hold what the disk does not, and call it clean: what
/// is read from now on comes from the disk. Pages that are still to be written stay.
fn forget_cached(dir: &Path) {
    for name in FILES.into_iter().chain([LOG_FILE]) {
        if let Ok(log) = File::open(dir.join(name)) {
            page_cache::let_go(&log);
        }
    }
}

/// Whether somebody holds sled's lock on its log.
fn is_locked(dir: &Path) -> io::Result<bool> {
    let file = match File::open(dir.join(LOG_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// sled lets go of its files a moment after its last handle, as its own threads end.
pub(super) fn wait_until_released(dir: &Path) -> Result<(), StoreError> {
    for _ in 0..1000 {
        if !is_locked(dir).map_err(|error| StoreError::Failed(error.to_string()))? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Err(StoreError::Failed(
        "sled did not release its files".to_owned(),
    ))
}

/// Where commits become durable: the journal and the note.
pub(super) struct StoreLog {
    journal: Journal,
    note: Note,
}

struct Note {
    file: File,
    /// Where the next number goes.
    at: u64,
}

impl Log for StoreLog {
    fn write(&mut self, records: &[u8], number: u64) -> Result<(), String> {
        let written = self.journal.write(records, number);
        written.map_err(|error| format!("the journal cannot be written: {error}"))
    }

    fn sync(&mut self) -> Result<(), String> {
        let synced = self.journal.sync();
        synced.map_err(|error| format!("the journal cannot be synced: {error}"))
    }

    fn note(&mut self, number: u64) -> Result<(), String> {
        let Note { file, at } = &self.note;
        let written = file.write_all_at(&note_bytes(number), *at);
        written.map_err(|error| format!("{NOTE_FILE} cannot be written: {error}"))
    }
}
