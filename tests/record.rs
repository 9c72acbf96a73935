//! The record tells all, once and in order: many write at once while somebody reads it who breaks
//! off at random and goes on behind the last event that they are sure of. Told again in its order,
//! the record is the store.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "a seed must be known to be repeated")]

#[path = "record/retelling.rs"]
mod retelling;
mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use lockkeeper::event::What;
use lockkeeper::lock::{LockDepth, LockKind, LockScope, LockToken};
use lockkeeper::ops::access::Principal;
use lockkeeper::ops::content::Manner;
use lockkeeper::ops::copy::CopyDepth;
use lockkeeper::ops::events::{Cursor, EventAsk, EventView, Since};
use lockkeeper::ops::intake::Intake;
use lockkeeper::ops::locking::LockAsk;
use lockkeeper::ops::{Ask, Dav};
use lockkeeper::protocol::error::DavError;
use lockkeeper::protocol::headers::{Overwrite, RequestedTimeout};
use lockkeeper::protocol::time::Timestamp;
use lockkeeper::protocol::xml::{DeadProperty, PropertyPatch, QName};
use retelling::Retold;
use support::{Dice, ask, in_memory, over_sled, path, user};

const WRITERS: usize = 16;
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const USERS: [&str; 4] = ["alice", "bob", "carol", "admin"];

/// What the store has acknowledged.
#[derive(Debug, Default)]
struct Acknowledged {
    /// The random version of each upload.
    uploads: Vec<u64>,
    /// How many empty files were made by locks.
    made_by_locks: usize,
    /// Each lock that was taken, by a steal or otherwise.
    taken: Vec<LockToken>,
    /// Each lock that was ended on purpose.
    ended: Vec<LockToken>,
    moves: usize,
    copies: usize,
    deletes: usize,
    patches: usize,
    labels: usize,
    restores: usize,
    /// How often locks refused something to each user.
    refused: HashMap<String, u32>,
}

/// What the tasks of one run share.
struct Run {
    dav: Arc<Dav>,
    clock: AtomicU64,
    tokens: Mutex<Vec<LockToken>>,
    acknowledged: Mutex<Acknowledged>,
}

fn anybody(name: &str) -> Principal {
    Principal {
        admin: name == "admin",
        ..user(name)
    }
}

fn lock_of(dice: &mut Dice) -> LockAsk {
    let kinds = [
        LockKind::Transient,
        LockKind::Persistent,
        LockKind::ReadOnly,
    ];
    LockAsk {
        scope: *dice.pick(&[
            LockScope::Exclusive,
            LockScope::Exclusive,
            LockScope::Shared,
        ]),
        kind: Some(kinds[dice.roll(7) / 3]),
        depth: *dice.pick(&[LockDepth::Zero, LockDepth::Infinity]),
        timeout: RequestedTimeout::Seconds(1),
        owner_xml: None,
        comment: None,
    }
}

fn property() -> PropertyPatch {
    let name = QName {
        ns: "urn:x".to_owned(),
        name: "p".to_owned(),
    };
    let xml = "<p xmlns=\"urn:x\"/>".to_owned();
    PropertyPatch::Set(DeadProperty { name, xml })
}

fn somewhere(dice: &mut Dice) -> String {
    let collection = *dice.pick(&["", "/one", "/two", "/one/deep"]);
    format!("{collection}/{}", dice.pick(&NAMES))
}

impl Run {
    fn new(dav: Arc<Dav>) -> Self {
        Self {
            dav,
            clock: AtomicU64::new(1_000_000),
            tokens: Mutex::default(),
            acknowledged: Mutex::default(),
        }
    }

    /// Some 20 ms pass from one request to the next, so locks of a second lapse.
    fn now(&self) -> Timestamp {
        Timestamp(self.clock.fetch_add(20, Ordering::SeqCst))
    }

    fn ask(&self, dice: &mut Dice, at: &str) -> Ask {
        let known = self.tokens.lock().unwrap().clone();
        let recent = &known[known.len().saturating_sub(8)..];
        let tokens = if dice.roll(3) == 0 { &[] } else { recent };
        let who = *dice.pick(&USERS);
        ask(&anybody(who), at, tokens, self.now())
    }

    fn took(&self, token: LockToken) {
        self.tokens.lock().unwrap().push(token);
        self.acknowledged.lock().unwrap().taken.push(token);
    }

    /// One request of anybody, anywhere.
    async fn step(&self, dice: &mut Dice) {
        let at = match dice.roll(24) {
            0 => "/one/deep".to_owned(),
            _ => somewhere(dice),
        };
        let ask = self.ask(dice, &at);
        let done = match dice.roll(24) {
            0..8 => self.put(&ask).await,
            8..12 => self.lock(dice, &ask).await,
            12..14 => self.end(dice, &ask).await,
            14 => self.steal(dice, &ask).await,
            15..17 => self.relocate(dice, &ask).await,
            17 => self.copy(dice, &ask).await,
            18 => self.delete(&ask).await,
            19 => self.patch(&ask).await,
            20 => self.label(dice, &ask).await,
            21 => self.restore(&ask).await,
            22 => self.refresh(&ask).await,
            _ => self.dav.sweep(ask.now).await,
        };
        let of_locks = |error: &DavError| match error {
            DavError::Members(members) => members.iter().any(|member| {
                matches!(
                    member.error,
                    DavError::Locked(_) | DavError::LockConflict(_)
                )
            }),
            DavError::Locked(_) | DavError::LockConflict(_) | DavError::NotYourLock(_) => true,
            _ => false,
        };
        if done.is_err_and(|error| of_locks(&error)) {
            let mut acknowledged = self.acknowledged.lock().unwrap();
            let times = acknowledged.refused.entry(ask.principal.name).or_default();
            *times += 1;
        }
    }

    fn note(&self, note: impl FnOnce(&mut Acknowledged)) {
        note(&mut self.acknowledged.lock().unwrap());
    }

    async fn put(&self, ask: &Ask) -> Result<(), DavError> {
        let content = Intake::new(&self.dav, None)?.finish(None).await?;
        let uploaded = self.dav.upload(ask, content, Manner::default()).await?;
        let version = uploaded.file.content.unwrap().version;
        self.note(|all| all.uploads.push(version));
        Ok(())
    }

    async fn lock(&self, dice: &mut Dice, ask: &Ask) -> Result<(), DavError> {
        let taken = self.dav.lock(ask, &lock_of(dice)).await?;
        self.took(taken.view.lock.token);
        self.note(|all| all.made_by_locks += usize::from(taken.created));
        Ok(())
    }

    async fn end(&self, dice: &mut Dice, ask: &Ask) -> Result<(), DavError> {
        let ended = if dice.roll(2) == 0 {
            let ended = self.dav.check_in(ask, None).await?;
            ended.iter().map(|lock| lock.token).collect()
        } else {
            let Some(token) = self.tokens.lock().unwrap().last().copied() else {
                return Ok(());
            };
            self.dav.unlock(ask, &token.to_string()).await?;
            vec![token]
        };
        self.note(|all| all.ended.extend(ended));
        Ok(())
    }

    async fn steal(&self, dice: &mut Dice, ask: &Ask) -> Result<(), DavError> {
        let known = self.tokens.lock().unwrap().clone();
        let recent = &known[known.len().saturating_sub(8)..];
        if recent.is_empty() {
            return Ok(());
        }
        let view = self.dav.steal(ask, *dice.pick(recent)).await?;
        self.took(view.lock.token);
        Ok(())
    }

    async fn refresh(&self, ask: &Ask) -> Result<(), DavError> {
        let anew = RequestedTimeout::Seconds(1);
        self.dav.refresh(ask, anew).await.map(drop)
    }

    async fn relocate(&self, dice: &mut Dice, ask: &Ask) -> Result<(), DavError> {
        let to = path(&somewhere(dice));
        self.dav.relocate(ask, &to, Overwrite::Yes).await?;
        self.note(|all| all.moves += 1);
        Ok(())
    }

    /// Files only: of a collection that is copied no event tells what was in it.
    async fn copy(&self, dice: &mut Dice, ask: &Ask) -> Result<(), DavError> {
        let to = path(&somewhere(dice));
        let depth = CopyDepth::Zero;
        self.dav.copy(ask, &to, Overwrite::Yes, depth).await?;
        self.note(|all| all.copies += 1);
        Ok(())
    }

    async fn delete(&self, ask: &Ask) -> Result<(), DavError> {
        self.dav.delete(ask).await?;
        self.note(|all| all.deletes += 1);
        Ok(())
    }

    async fn patch(&self, ask: &Ask) -> Result<(), DavError> {
        self.dav.patch(ask, &[property()]).await?;
        self.note(|all| all.patches += 1);
        Ok(())
    }

    async fn label(&self, dice: &mut Dice, ask: &Ask) -> Result<(), DavError> {
        // Never the one that it has: then nothing would happen.
        let label = dice.roll(usize::MAX).to_string();
        self.dav.label(ask, 1, Some(&label)).await?;
        self.note(|all| all.labels += 1);
        Ok(())
    }

    async fn restore(&self, ask: &Ask) -> Result<(), DavError> {
        let restored = self.dav.restore(ask, 1).await?;
        let version = restored.file.content.unwrap().version;
        self.note(|all| {
            all.restores += 1;
            all.uploads.push(version);
        });
        Ok(())
    }
}

fn reading(since: Since, limit: usize) -> EventAsk {
    EventAsk {
        principal: anybody("admin"),
        now: Timestamp(0),
        since,
        about: None,
        limit,
    }
}

/// Reads on until told to stop. Now and then loses the last events, as who is cut off before they
/// are kept, and goes on behind the last that is left.
async fn read_on(dav: Arc<Dav>, stop: Arc<AtomicBool>, seed: u64) -> Vec<EventView> {
    let mut dice = Dice(seed);
    let mut kept: Vec<EventView> = Vec::new();
    let mut place: Option<Cursor> = None;
    loop {
        let last_round = stop.load(Ordering::SeqCst);
        let since = place.map_or(Since::Start, Since::After);
        let page = dav
            .events(&reading(since, 1 + dice.roll(40)))
            .await
            .unwrap();
        assert!(!page.missed);
        if last_round && page.events.is_empty() && !page.more {
            return kept;
        }
        kept.extend(page.events);
        place = Some(page.next);
        if dice.roll(4) == 0 {
            kept.truncate(kept.len() - dice.roll(kept.len().min(60) + 1));
            place = kept.last().map(|event| event.id);
        }
        tokio::task::yield_now().await;
    }
}

async fn everything(dav: &Dav) -> Vec<EventView> {
    let mut all: Vec<EventView> = Vec::new();
    let mut since = Since::Start;
    loop {
        let page = dav.events(&reading(since, 1_000)).await.unwrap();
        since = Since::After(page.next);
        all.extend(page.events);
        if !page.more {
            return all;
        }
    }
}

/// A record, and what it must agree with.
struct Told {
    all: Vec<EventView>,
    acknowledged: Acknowledged,
    store: Retold,
}

impl Told {
    fn require(&self, all: &[EventView]) {
        compare(all, &self.acknowledged);
        assert_eq!(Retold::from(all), self.store);
    }
}

async fn check(dav: Arc<Dav>, seed: u64, steps: usize) -> Told {
    println!("seed {seed}");
    let run = Arc::new(Run::new(Arc::clone(&dav)));
    for at in ["/one", "/two", "/one/deep"] {
        let making = ask(&anybody("alice"), at, &[], run.now());
        dav.make_collection(&making).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let readers = [1, 2].map(|reader| {
        let (dav, stop) = (Arc::clone(&dav), Arc::clone(&stop));
        tokio::spawn(read_on(dav, stop, seed * 100 + reader))
    });
    let writers = (0..WRITERS).map(|writer| {
        let run = Arc::clone(&run);
        tokio::spawn(async move {
            let mut dice = Dice(seed * 1_000 + writer as u64);
            for _ in 0..steps {
                run.step(&mut dice).await;
                tokio::task::yield_now().await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let end = run.now();
    dav.sweep(end).await.unwrap();
    dav.record_refusals().await.unwrap();
    stop.store(true, Ordering::SeqCst);
    let all = everything(&dav).await;
    for reader in readers {
        let read = reader.await.unwrap();
        assert!(read == all, "{} of {} events", read.len(), all.len());
    }
    let acknowledged = std::mem::take(&mut *run.acknowledged.lock().unwrap());
    let told = Told {
        acknowledged,
        store: Retold::of_store(&dav, end).await,
        all,
    };
    told.require(&told.all);
    told
}

/// Each acknowledgement has one event, and no event is without one.
fn compare(all: &[EventView], acknowledged: &Acknowledged) {
    let mut ids: Vec<Cursor> = all.iter().map(|event| event.id).collect();
    ids.sort_by_key(Cursor::to_string);
    ids.dedup();
    assert_eq!(ids.len(), all.len(), "no id stands twice");

    let count = |name: &str| {
        let named = all.iter().filter(|view| view.event.what.as_str() == name);
        named.count()
    };
    let uploads: Vec<u64> = all.iter().filter_map(retelling::upload).collect();
    for version in &acknowledged.uploads {
        let times = uploads.iter().filter(|other| *other == version).count();
        assert_eq!(times, 1, "one event for each upload");
    }
    let expected = acknowledged.uploads.len() + acknowledged.made_by_locks;
    assert_eq!(uploads.len(), expected);

    let mut taken: Vec<LockToken> = all.iter().filter_map(retelling::lock_taken).collect();
    let mut expected = acknowledged.taken.clone();
    taken.sort();
    expected.sort();
    assert_eq!(taken, expected, "one event for each lock");

    assert_eq!(count("resource.changed"), acknowledged.patches);
    assert_eq!(count("version.labelled"), acknowledged.labels);
    assert_eq!(count("version.restored"), acknowledged.restores);
    let travelled = |what: &What| what.from().is_some();
    let travelled = all
        .iter()
        .filter(|view| travelled(&view.event.what))
        .count();
    assert_eq!(travelled, acknowledged.moves + acknowledged.copies);
    assert!(count("resource.deleted") >= acknowledged.deletes);

    let ended: Vec<LockToken> = all.iter().flat_map(retelling::locks_ended).collect();
    for token in &acknowledged.ended {
        let times = ended.iter().filter(|other| *other == token).count();
        assert_eq!(times, 1, "one event for the end of each lock");
    }

    let mut refused: HashMap<String, u32> = HashMap::new();
    for view in all {
        if let What::Refused { times, .. } = view.event.what {
            let who = view.event.by.clone().unwrap().name;
            *refused.entry(who).or_default() += times;
        }
    }
    for (who, times) in &refused {
        assert!(times <= &acknowledged.refused[who], "{who}");
    }
    assert!(!refused.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_record_of_a_busy_tree_in_memory() {
    for seed in 1..=12 {
        check(in_memory().await, seed, 60).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_record_of_a_busy_tree_over_sled() {
    for seed in 101..=104 {
        let (dav, _dir) = over_sled().await;
        check(Arc::clone(&dav), seed, 60).await;
        dav.close().await.unwrap();
    }
}

/// A record with an event less, with one twice, or with two in the wrong order is found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_missing_or_doubled_is_noticed() {
    let told = check(in_memory().await, 1_000, 60).await;
    let is_noticed = |all: Vec<EventView>| {
        let require = std::panic::AssertUnwindSafe(|| told.require(&all));
        std::panic::catch_unwind(require).is_err()
    };
    let count = told.all.len();
    for index in (0..count).step_by(count / 40) {
        let view = &told.all[index];
        let name = view.event.what.as_str();
        let mut doubled = told.all.clone();
        doubled.insert(index, view.clone());
        assert!(is_noticed(doubled), "{name} twice");
        // Nothing that lasts tells of these for sure: a folder may have gone later with what is in
        // it.
        if matches!(name, "lock.refused" | "lock.refreshed" | "resource.deleted") {
            continue;
        }
        let mut missing = told.all.clone();
        missing.remove(index);
        assert!(is_noticed(missing), "{name} missing");
        let Some(token) = retelling::lock_taken(view) else {
            continue;
        };
        let ends = |other: &EventView| retelling::locks_ended(other).contains(&token);
        if let Some(end) = told.all.iter().position(ends) {
            let mut swapped = told.all.clone();
            swapped.swap(index, end);
            assert!(is_noticed(swapped), "{name} late");
        }
    }
}
