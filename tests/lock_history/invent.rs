//! What users of one tree think of next. They remember the ids that they saw and the locks that
//! were taken, as clients do, and mostly ask where there is something to fight over.

use std::collections::BTreeMap;

use crate::calls::{Answer, Call, Face, Place, To, What};
use crate::naive::{self, Kind, Scope};
use crate::support::Dice;

pub(crate) type Invention = (Face, What);

const FILES: [&str; 7] = ["/x", "/a/x", "/a/y", "/b/x", "/b/y", "/a/s/x", "/b/s/x"];
const COLLECTIONS: [&str; 5] = ["/a", "/b", "/a/s", "/b/s", "/a/r"];
const FILE_NAMES: [&str; 2] = ["x", "y"];
const LOCKS_REMEMBERED: usize = 8;

/// What the users of one tree remember.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    ids: BTreeMap<String, u128>,
    /// The last locks, with where they were taken.
    taken: Vec<(usize, String)>,
    /// Those of them that can be stolen.
    check_outs: Vec<usize>,
}

impl Memory {
    pub(crate) fn note(&mut self, call: &Call, answer: &Answer) {
        match (&call.what, answer) {
            (
                What::Look {
                    at: Place::Path(at),
                },
                Answer::Seen { id, .. },
            ) => {
                self.ids.insert(at.clone(), *id);
            }
            // Through this face nobody learns a token.
            (What::Take { .. }, _) if call.face == Face::DocSpace => {}
            (What::Take { at, .. } | What::Steal { at, .. }, Answer::Done | Answer::Made) => {
                let path = match at {
                    Place::Path(path) => Some(path),
                    Place::Id(id) => self.path_of(*id),
                };
                let taken = path.map(|path| (call.number, path.clone()));
                self.taken.extend(taken);
                let old = self.taken.len().saturating_sub(LOCKS_REMEMBERED);
                self.taken.drain(..old);
                let lasts = match &call.what {
                    What::Take { kind, .. } => *kind == Kind::Persistent,
                    _ => true,
                };
                self.check_outs.extend(lasts.then_some(call.number));
                let taken = &self.taken;
                let kept = |number: &usize| taken.iter().any(|(lock, _)| lock == number);
                self.check_outs.retain(kept);
            }
            // What is gone is asked about no more.
            (What::Release { lock, .. } | What::Refresh { lock, .. }, Answer::Void) => {
                self.taken.retain(|(taken, _)| taken != lock);
            }
            (
                What::CheckIn { at: Place::Id(id) }
                | What::Take {
                    at: Place::Id(id), ..
                }
                | What::Put {
                    at: Place::Id(id), ..
                }
                | What::Move {
                    from: Place::Id(id),
                    ..
                },
                Answer::Void,
            ) => self.ids.retain(|_, known| known != id),
            _ => {}
        }
    }

    fn path_of(&self, id: u128) -> Option<&String> {
        let mut found = self.ids.iter().filter(|(_, known)| **known == id);
        found.next().map(|(path, _)| path)
    }

    /// What is at a path, as the face names it; `None` where that id is not known.
    fn place(&self, face: Face, path: &str) -> Option<Place> {
        match face {
            Face::WebDav | Face::CommandLine => Some(Place::Path(path.to_owned())),
            Face::CheckOutApi | Face::DocSpace => self.ids.get(path).copied().map(Place::Id),
        }
    }

    /// Something that can be asked; where that needs an id that nobody knows, a look for it.
    pub(crate) fn invent(&self, dice: &mut Dice, top: &str, has_time: bool) -> Invention {
        let (lock, locked_at) = match self.taken.as_slice() {
            [] => (None, None),
            some => {
                let (lock, at) = dice.pick(some);
                (Some(*lock), Some(at.as_str()))
            }
        };
        let path = some_path(dice, top);
        let tokens = match dice.roll(3) {
            0 => Vec::new(),
            _ => self.taken.iter().map(|(lock, _)| *lock).collect(),
        };
        let inventing = Inventing {
            memory: self,
            top,
            at: path,
            lock,
            locked_at: locked_at.filter(|_| dice.roll(5) != 0).map(str::to_owned),
            tokens,
            seconds: if has_time {
                1 + dice.roll(20) as u64
            } else {
                1800
            },
        };
        let look = What::Look {
            at: Place::Path(inventing.at.clone()),
        };
        let invented = inventing.invent(dice);
        invented.unwrap_or((Face::WebDav, look))
    }
}

fn some_path(dice: &mut Dice, top: &str) -> String {
    let below = match dice.roll(20) {
        0 => "",
        1..7 => *dice.pick(&COLLECTIONS),
        _ => *dice.pick(&FILES),
    };
    format!("{top}{below}")
}

struct Inventing<'a> {
    memory: &'a Memory,
    top: &'a str,
    at: String,
    /// One of the last locks, and where it was taken.
    lock: Option<usize>,
    locked_at: Option<String>,
    tokens: Vec<usize>,
    seconds: u64,
}

impl Inventing<'_> {
    fn invent(self, dice: &mut Dice) -> Option<Invention> {
        use Face::{CheckOutApi, CommandLine, DocSpace, WebDav};
        match dice.roll(100) {
            0..22 => self.take(dice),
            22..34 => self.about_lock(*dice.pick(&[WebDav, WebDav, CheckOutApi, CommandLine]), {
                |at, lock, _| What::Release { at, lock }
            }),
            34..42 => self.about_lock(*dice.pick(&[WebDav, WebDav, CheckOutApi]), {
                |at, lock, seconds| What::Refresh { at, lock, seconds }
            }),
            42..48 => self
                .of_a_check_out(dice)
                .about_lock(*dice.pick(&[CheckOutApi, CommandLine]), {
                    |at, lock, _| What::Steal { at, lock }
                }),
            48..58 => {
                let face = *dice.pick(&[CheckOutApi, DocSpace, CommandLine]);
                let at = self.locked_at.as_ref().unwrap_or(&self.at);
                let at = self.memory.place(face, at)?;
                Some((face, What::CheckIn { at }))
            }
            58..60 => {
                let at = self.memory.place(CommandLine, &self.at)?;
                Some((CommandLine, What::Thaw { at }))
            }
            60..62 => self.put_where_locked(CheckOutApi),
            62..74 => self.put(*dice.pick(&[WebDav, WebDav, CheckOutApi, DocSpace])),
            74..80 => {
                let at = Place::Path(format!("{}{}", self.top, dice.pick(&COLLECTIONS)));
                Some((WebDav, What::MakeCollection { at }))
            }
            80..84 => self.delete(*dice.pick(&[WebDav, WebDav, DocSpace])),
            84..95 => self.relocate(dice),
            _ => None,
        }
    }

    fn take(&self, dice: &mut Dice) -> Option<Invention> {
        use Face::{CheckOutApi, CommandLine, DocSpace, WebDav};
        let faces = [WebDav, WebDav, WebDav, CheckOutApi, DocSpace, CommandLine];
        let face = *dice.pick(&faces);
        let is_freeze = dice.roll(6) == 0;
        let mut kind = match dice.roll(3) {
            _ if is_freeze => Kind::ReadOnly,
            0 => Kind::Persistent,
            _ => Kind::Transient,
        };
        let mut scope = *dice.pick(&[Scope::Exclusive, Scope::Exclusive, Scope::Shared]);
        if face != WebDav {
            scope = Scope::Exclusive;
        }
        if face == DocSpace || (face == CommandLine && kind == Kind::Transient) {
            kind = Kind::Persistent;
        }
        let what = What::Take {
            at: self.memory.place(face, &self.at)?,
            kind,
            scope,
            infinite: face != DocSpace && dice.roll(3) == 0,
            seconds: self.seconds,
        };
        Some((face, what))
    }

    fn about_lock(
        &self,
        face: Face,
        what: impl Fn(Place, usize, u64) -> What,
    ) -> Option<Invention> {
        let at = self.locked_at.as_ref().unwrap_or(&self.at);
        let at = self.memory.place(face, at)?;
        Some((face, what(at, self.lock?, self.seconds)))
    }

    fn of_a_check_out(mut self, dice: &mut Dice) -> Self {
        let is_one = |(lock, _): &&(usize, String)| self.memory.check_outs.contains(lock);
        let check_outs: Vec<_> = self.memory.taken.iter().filter(is_one).collect();
        if !check_outs.is_empty() {
            let (lock, at) = dice.pick(&check_outs);
            (self.lock, self.locked_at) = (Some(*lock), Some(at.clone()));
        }
        self
    }

    fn put_where_locked(mut self, face: Face) -> Option<Invention> {
        self.at = self.locked_at.clone()?;
        self.put(face)
    }

    /// A file, or what was made one by a LOCK where nothing was.
    fn put(self, face: Face) -> Option<Invention> {
        if self.at == self.top {
            return None;
        }
        let at = self.memory.place(face, &self.at)?;
        let folder = self.memory.ids.get(naive::parent(&self.at)).copied();
        let within = match face {
            Face::CheckOutApi => Some(folder?),
            _ => None,
        };
        let tokens = match face {
            Face::WebDav => self.tokens,
            Face::CheckOutApi if !self.tokens.is_empty() => self
                .lock
                .filter(|_| self.locked_at.as_ref() == Some(&self.at))
                .into_iter()
                .collect(),
            _ => Vec::new(),
        };
        Some((face, What::Put { at, within, tokens }))
    }

    fn delete(self, face: Face) -> Option<Invention> {
        if self.at == self.top {
            return None;
        }
        let at = self.memory.place(face, &self.at)?;
        let tokens = match face {
            Face::WebDav => self.tokens,
            _ => Vec::new(),
        };
        Some((face, What::Delete { at, tokens }))
    }

    fn relocate(self, dice: &mut Dice) -> Option<Invention> {
        if self.at == self.top {
            return None;
        }
        let face = *dice.pick(&[Face::WebDav, Face::WebDav, Face::DocSpace]);
        let below = &self.at[self.top.len()..];
        let collection = COLLECTIONS.contains(&below);
        let some: &[&str] = if collection { &COLLECTIONS } else { &FILES };
        let path = format!("{}{}", self.top, dice.pick(some));
        let to = match face {
            Face::WebDav => To::Path(path),
            // A folder is renamed by another request.
            _ if !collection && dice.roll(3) == 0 => To::Name((*dice.pick(&FILE_NAMES)).to_owned()),
            _ => To::Into(*self.memory.ids.get(naive::parent(&path))?),
        };
        let tokens = match face {
            Face::WebDav => self.tokens,
            _ => Vec::new(),
        };
        let from = self.memory.place(face, &self.at)?;
        let what = What::Move {
            from,
            to,
            collection,
            tokens,
        };
        Some((face, what))
    }
}
