//! Random histories against a naive second formulation: the server shows what that says, with its
//! bytes, entity tags never repeat, and the rows and content files that are left are those in use.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const FILES: [&str; 2] = ["/f", "/g"];
const LOCK_SECONDS: u64 = 600;
const DAY: u64 = 24 * 3600;

/// What happens to one of the files. An old version is named by how many lie between it and the
/// present one.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Upload(usize),
    Restore(u32),
    Label(u32, bool),
    CopyFromOther,
    CopyVersionFromOther(u32),
    SafeSave(usize),
    Lock(LockKind),
    Unlock(LockKind),
    Refresh,
    Delete,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Do(u128, usize, Deed),
    Pass(u64),
    Sweep,
}

fn any_step() -> impl Strategy<Value = Step> {
    let size = || prop::sample::select(vec![0, 1, 3, 3, LARGE, LARGE + 1]);
    let kind = || prop::sample::select(vec![LockKind::Transient, LockKind::Persistent]);
    let deed = prop_oneof![
        12 => size().prop_map(Deed::Upload),
        3 => (0..6_u32).prop_map(Deed::Restore),
        4 => (0..6_u32, any::<bool>()).prop_map(|(back, label)| Deed::Label(back, label)),
        2 => Just(Deed::CopyFromOther),
        2 => (0..6_u32).prop_map(Deed::CopyVersionFromOther),
        2 => size().prop_map(Deed::SafeSave),
        4 => kind().prop_map(Deed::Lock),
        2 => kind().prop_map(Deed::Unlock),
        1 => Just(Deed::Refresh),
        1 => Just(Deed::Delete),
    ];
    let user = prop::sample::select(vec![ALICE, ALICE, ALICE, BOB]);
    prop_oneof![
        12 => (user, 0..2_usize, deed).prop_map(|(user, file, deed)| Step::Do(user, file, deed)),
        2 => prop::sample::select(vec![1, 400, DAY / 2, DAY]).prop_map(Step::Pass),
        2 => Just(Step::Sweep),
    ]
}

fn any_versions() -> impl Strategy<Value = Versions> {
    (0..4_u32, 0..3_u32, any::<bool>()).prop_map(|(keep, keep_days, fold_while_locked)| Versions {
        keep,
        keep_days,
        fold_while_locked,
    })
}

/// A piece of content, by when it came, with its letter and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Piece(usize, u8, usize);

/// One write, and what became of the version that it made.
#[derive(Debug, Clone)]
struct Write {
    piece: Piece,
    author: u128,
    under: Option<(usize, LockKind)>,
    label: bool,
    /// What the next write leaves of it: nothing, or a version that ages from then on.
    end: End,
    tag: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Present,
    Old(Timestamp),
    Gone,
    /// The next write took its place.
    Folded,
}

/// A log of all writes to a file. What there is of versions is read off it.
#[derive(Debug, Default)]
struct Log(Vec<Write>);

impl Log {
    /// The writes that have a number: it is their place among those that were not folded.
    fn numbered(&self) -> impl Iterator<Item = (u32, &Write)> {
        let made = self.0.iter().filter(|write| write.end != End::Folded);
        (1..).zip(made)
    }

    /// What there is, the newest first.
    fn there(&self) -> Vec<(u32, Write)> {
        let there = self.numbered().filter(|(_, write)| write.end != End::Gone);
        let mut there: Vec<_> = there
            .map(|(number, write)| (number, write.clone()))
            .collect();
        there.reverse();
        there
    }

    fn find(&mut self, number: u32) -> Option<&mut Write> {
        let made = self.0.iter_mut().filter(|write| write.end != End::Folded);
        let mut numbered = (1..).zip(made);
        let found = numbered.find(|(known, _)| *known == number);
        found
            .map(|(_, write)| write)
            .filter(|write| write.end != End::Gone)
    }

    fn present(&self) -> Option<(u32, &Write)> {
        self.numbered().last()
    }

    /// Each of the last ones that count, and of those each that has been old for less than so many
    /// days; and what has a label.
    fn sweep(&mut self, versions: &Versions, now: Timestamp) {
        let keep = usize::try_from(versions.keep).unwrap();
        let made = self.0.iter_mut().filter(|write| write.end != End::Folded);
        for (age, write) in made.rev().enumerate() {
            let End::Old(since) = write.end else {
                continue;
            };
            let days = (now.0 - since.0) / (DAY * 1000);
            let stale = versions.keep_days > 0 && days >= u64::from(versions.keep_days);
            if !write.label && (age > keep || stale) {
                write.end = End::Gone;
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Held {
    serial: usize,
    file: usize,
    user: u128,
    kind: LockKind,
    until: Option<Timestamp>,
}

struct World {
    dav: Dav,
    engine: Arc<dyn Engine>,
    versions: Versions,
    seconds: u64,
    logs: BTreeMap<usize, Log>,
    locks: Vec<Held>,
    tokens: Vec<String>,
    pieces: usize,
    tags: BTreeSet<String>,
}

impl World {
    async fn new(versions: Versions) -> Self {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        Self {
            dav: start_with(&engine, Blobs::memory(), versions.clone()).await,
            engine,
            versions,
            seconds: 0,
            logs: BTreeMap::new(),
            locks: Vec::new(),
            tokens: Vec::new(),
            pieces: 0,
            tags: BTreeSet::new(),
        }
    }

    fn now(&self) -> Timestamp {
        NOW.plus_seconds(self.seconds)
    }

    fn ask(&self, user: u128, at: &str) -> Ask {
        by(user, ask(at, self.seconds))
    }

    fn held(&self, file: usize) -> impl Iterator<Item = &Held> {
        self.locks.iter().filter(move |held| held.file == file)
    }

    /// What a program of the user asks about a file: it knows the lock that it has there.
    fn ask_of(&self, user: u128, file: usize) -> Ask {
        let own = self.held(file).filter(|held| held.user == user);
        let mut tokens = own.filter(|held| held.kind == LockKind::Transient);
        let token = tokens.next().map(|held| self.tokens[held.serial].clone());
        Ask {
            lock_token: token,
            ..self.ask(user, FILES[file])
        }
    }

    fn piece(&mut self, size: usize) -> Piece {
        self.pieces += 1;
        Piece(
            self.pieces,
            b'a' + u8::try_from(self.pieces % 26).unwrap(),
            size,
        )
    }

    /// The number of the version so many before the present one.
    fn number(&self, file: usize, back: u32) -> u32 {
        let present = self.logs.get(&file).and_then(Log::present);
        present.map_or(0, |(number, _)| number).saturating_sub(back)
    }

    fn piece_of(&mut self, file: usize, number: u32) -> Option<Piece> {
        let write = self.logs.get_mut(&file)?.find(number)?;
        Some(write.piece)
    }

    /// Writes down that the user gave the file this content.
    fn follow(&mut self, user: u128, file: usize, piece: Piece, restores: bool) {
        let now = self.now();
        let own = self.locks.iter().filter(|held| held.file == file);
        let own: Vec<_> = own.filter(|held| held.user == user).collect();
        let check_out = own.iter().find(|held| held.kind == LockKind::Persistent);
        let under = check_out
            .or(own.first())
            .map(|held| (held.serial, held.kind));
        let log = self.logs.entry(file).or_default();
        let placeholder = matches!(
            log.there()[..],
            [(
                1,
                Write {
                    piece: Piece(_, _, 0),
                    ..
                }
            )]
        );
        let folds = self.versions.fold_while_locked && !restores;
        if let Some(last) = log.0.last_mut() {
            let same_lock = under.is_some() && last.under == under;
            let in_place = placeholder || (same_lock && folds);
            last.end = match (in_place && !last.label, last.label) {
                (true, _) => End::Folded,
                (false, false) if self.versions.keep == 0 => End::Gone,
                (false, _) => End::Old(now),
            };
        }
        log.0.push(Write {
            piece,
            author: user,
            under,
            label: false,
            end: End::Present,
            tag: None,
        });
    }

    async fn take(&mut self, step: Step) {
        let now = self.now();
        self.locks
            .retain(|held| held.until.is_none_or(|until| now < until));
        match step {
            Step::Pass(seconds) => self.seconds += seconds,
            Step::Sweep => {
                self.dav.sweep(now).await.unwrap();
                for log in self.logs.values_mut() {
                    log.sweep(&self.versions, now);
                }
                self.look_below().await;
            }
            Step::Do(user, file, deed) => self.perform(user, file, deed).await,
        }
        self.look().await;
    }

    async fn perform(&mut self, user: u128, file: usize, deed: Deed) {
        let (ask, other) = (self.ask_of(user, file), 1 - file);
        let from_other = Ask {
            target: path(FILES[other]).into(),
            ..ask.clone()
        };
        let (onto, yes) = (&path(FILES[file]), Overwrite::Yes);
        let may = self.held(file).all(|held| held.user == user);
        let exists = self.logs.contains_key(&file);
        // What is written if nothing refuses, whether it is a restore, and what the server says.
        let (piece, restores, answer) = match deed {
            Deed::Upload(size) => {
                let piece = self.piece(size);
                let put = try_put(&self.dav, &ask, piece.1, size).await;
                (Some(piece), false, put.map(drop))
            }
            Deed::SafeSave(size) => {
                let piece = self.piece(size);
                let beside = Ask {
                    target: path("/beside").into(),
                    ..ask
                };
                put(&self.dav, &beside, piece.1, size).await;
                let moved = self.dav.relocate(&beside, onto, yes).await.map(drop);
                if moved.is_err() {
                    self.dav.delete(&beside).await.unwrap();
                }
                (Some(piece), false, moved)
            }
            Deed::Restore(back) => {
                let number = self.number(file, back);
                let restored = self.dav.restore(&ask, number).await;
                (self.piece_of(file, number), true, restored.map(drop))
            }
            Deed::CopyFromOther => {
                let number = self.number(other, 0);
                let all = CopyDepth::Infinity;
                let copied = self.dav.copy(&from_other, onto, yes, all).await;
                (self.piece_of(other, number), false, copied.map(drop))
            }
            Deed::CopyVersionFromOther(back) => {
                let number = self.number(other, back);
                let copied = self.dav.copy_version(&from_other, number, onto, yes);
                let copied = copied.await.map(drop);
                (self.piece_of(other, number), false, copied)
            }
            Deed::Label(back, label) => return self.label(user, file, back, label).await,
            Deed::Lock(kind) => return self.lock(user, file, kind).await,
            Deed::Unlock(kind) => return self.unlock(user, file, kind).await,
            Deed::Refresh => return self.refresh(user, file).await,
            Deed::Delete => {
                if exists && self.held(file).next().is_none() {
                    self.dav.delete(&ask).await.unwrap();
                    self.logs.remove(&file);
                }
                return;
            }
        };
        let expected = piece.filter(|_| may);
        assert_eq!(answer.is_ok(), expected.is_some(), "{deed:?}: {answer:?}");
        if let Some(piece) = expected {
            self.follow(user, file, piece, restores);
        }
    }

    async fn label(&mut self, user: u128, file: usize, back: u32, label: bool) {
        let number = self.number(file, back);
        let ask = self.ask_of(user, file);
        let text = label.then_some("kept");
        let answer = self.dav.label(&ask, number, text).await;
        let may = self.held(file).all(|held| held.user == user);
        let write = self.logs.get_mut(&file).and_then(|log| log.find(number));
        let write = write.filter(|_| may);
        assert_eq!(answer.is_ok(), write.is_some(), "{answer:?}");
        if let Some(write) = write {
            write.label = label;
        }
    }

    async fn lock(&mut self, user: u128, file: usize, kind: LockKind) {
        let ask = self.ask_of(user, file);
        let wanted = wanted(kind, LockScope::Exclusive);
        let answer = self.dav.lock(&ask, &wanted).await;
        let beside = |held: &Held| held.user == user && held.kind != kind;
        let may = self.held(file).all(beside);
        assert_eq!(answer.is_ok(), may, "{answer:?}");
        let Ok(taken) = answer else { return };
        if !self.logs.contains_key(&file) {
            let empty = self.piece(0);
            self.follow(user, file, empty, false);
        }
        let transient = kind == LockKind::Transient;
        self.locks.push(Held {
            serial: self.tokens.len(),
            file,
            user,
            kind,
            until: transient.then(|| self.now().plus_seconds(LOCK_SECONDS)),
        });
        self.tokens.push(taken.view.token.unwrap().to_string());
    }

    async fn unlock(&mut self, user: u128, file: usize, kind: LockKind) {
        let wanted = |held: &Held| (held.file, held.user, held.kind) == (file, user, kind);
        let Some(at) = self.locks.iter().position(wanted) else {
            return;
        };
        let token = &self.tokens[self.locks.remove(at).serial];
        let ask = self.ask(user, FILES[file]);
        self.dav.unlock(&ask, token).await.unwrap();
    }

    async fn refresh(&mut self, user: u128, file: usize) {
        let ask = self.ask_of(user, file);
        let until = self.now().plus_seconds(LOCK_SECONDS);
        let mut locks = self.locks.iter_mut();
        let own = locks
            .find(|held| (held.file, held.user, held.kind) == (file, user, LockKind::Transient));
        if let Some(held) = own {
            let timeout = RequestedTimeout::Seconds(LOCK_SECONDS);
            self.dav.refresh(&ask, timeout).await.unwrap();
            held.until = Some(until);
        }
    }

    /// The server shows what the logs say, and no entity tag twice.
    async fn look(&mut self) {
        for (file, at) in FILES.iter().enumerate() {
            let ask = self.ask(ALICE, at);
            let Some(log) = self.logs.get_mut(&file) else {
                let missing = self.dav.history(&ask).await.err();
                assert_eq!(missing, Some(DavError::NotFound));
                continue;
            };
            let seen = self.dav.history(&ask).await.unwrap();
            let there = log.there();
            assert_eq!(seen.len(), there.len(), "{seen:?}\n{log:?}");
            for (view, (number, write)) in seen.iter().zip(&there) {
                let told = (view.number, view.size, view.author.0.as_u128(), view.under);
                let under = write.under.map(|(_, kind)| kind);
                let size = write.piece.2 as u64;
                assert_eq!(told, (*number, size, write.author, under), "{log:?}");
                assert_eq!(view.label.is_some(), write.label);
                assert_eq!(view.is_current, write.end == End::Present);
                let bytes = vec![write.piece.1; write.piece.2];
                let (_, mut source) = self.dav.read_version(&ask, *number).await.unwrap();
                assert_eq!(source.read(0, usize::MAX).await.unwrap(), bytes);
                let tag = view.etag.to_string();
                let known = log.find(*number).unwrap();
                match &known.tag {
                    Some(known) => assert_eq!(*known, tag),
                    None => assert!(self.tags.insert(tag.clone()), "{tag} came twice"),
                }
                known.tag = Some(tag);
            }
        }
    }

    /// After a sweep there is a row for each version, and content for each piece that is in use.
    async fn look_below(&self) {
        let count = async |kind: u8| rows(&self.engine, kind).await.len();
        let there: Vec<Write> = self
            .logs
            .values()
            .flat_map(Log::there)
            .map(|(_, write)| write)
            .collect();
        let old = there.iter().filter(|write| write.end != End::Present);
        assert_eq!(count(b'v').await, old.count(), "old versions");
        let uses = there.iter().filter(|write| write.piece.2 > 0);
        assert_eq!(count(b'f').await, uses.count(), "uses of content");
        let pieces: BTreeSet<Piece> = there.iter().map(|write| write.piece).collect();
        let large = pieces
            .iter()
            .filter(|piece| piece.2 > INLINE_BYTES_MAX)
            .count();
        let small = pieces
            .iter()
            .filter(|piece| (1..=INLINE_BYTES_MAX).contains(&piece.2));
        assert_eq!(count(b'c').await, small.count(), "inline content");
        assert_eq!(count_files(&self.dav).await, large, "content files");
        assert_eq!(count(b'g').await, 0, "unused content");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn versions_come_and_go_as_the_naive_log_says(
        versions in any_versions(),
        steps in prop::collection::vec(any_step(), 1..50),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new(versions).await;
            for step in steps.into_iter().chain([Step::Sweep]) {
                world.take(step).await;
            }
        });
    }
}
