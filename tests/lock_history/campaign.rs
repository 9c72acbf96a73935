//! Users fight over the files and collections of several trees, through all faces at once, and each
//! tree's history is decided as it grows. No lock reaches from one tree into another, and nothing
//! is moved between them, so all of it has an order if each tree has one (Herlihy and Wing).

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockkeeper::web::clock::stopwatch;

use crate::calls::{Answer, Call, Event, Face, Place, Time, What};
use crate::checker::{Segment, check};
use crate::faces::{self, Book};
use crate::invent::{Invention, Memory};
use crate::model::State;
use crate::naive::User;
use crate::support::Dice;
use crate::wires::Wire;

/// Who works on each tree; Alice has two sessions.
const TASKS: [User; 4] = [User::Alice, User::Bob, User::Alice, User::Mona];
/// How many calls each of them makes until nothing is under way for a moment.
const CALLS_IN_ROUND: usize = 8;
/// So many of the last locks are remembered with their tokens.
const TOKENS_KEPT: usize = 64;

/// Where some users work.
struct Tree {
    top: String,
    book: Book,
    memory: Mutex<Memory>,
}

/// What all users share.
pub(crate) struct Run {
    wire: Arc<dyn Wire>,
    order: AtomicUsize,
    clock: AtomicU64,
    trees: Vec<Tree>,
}

/// No order explains what was answered.
#[derive(Debug)]
pub(crate) struct Violation {
    /// So many calls had been made.
    pub(crate) calls: usize,
    pub(crate) why: String,
}

/// How often each kind of call had each kind of answer through each face, and what it took.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) calls: usize,
    pub(crate) overlapping: usize,
    pub(crate) answers: BTreeMap<(Face, String, String), usize>,
    asking: Duration,
    deciding: Duration,
}

impl Seen {
    fn add(&mut self, event: &Event) {
        let word = |text: String| {
            let end = text.find([' ', '(']).unwrap_or(text.len());
            text[..end].to_owned()
        };
        let (what, answer) = (&event.call.what, &event.answer);
        let name = (
            event.call.face,
            word(format!("{what:?}")),
            word(format!("{answer:?}")),
        );
        *self.answers.entry(name).or_default() += 1;
        self.calls += 1;
        self.overlapping += usize::from(event.returned > event.call.number + 1);
    }

    pub(crate) fn tell(&self, what: &str) {
        let (asking, deciding) = (self.asking.as_secs_f64(), self.deciding.as_secs_f64());
        #[allow(clippy::cast_precision_loss, reason = "a rate")]
        let rate = self.calls as f64 / (asking + deciding).max(f64::MIN_POSITIVE);
        println!(
            "{what}: {} calls, {} of them while others were under way; asked in {asking:.1} s, \
             decided in {deciding:.1} s: {rate:.0} calls a second",
            self.calls, self.overlapping,
        );
        for ((face, call, answer), count) in &self.answers {
            println!("  {face:?} {call} {answer}: {count}");
        }
    }

    pub(crate) fn has(&self, face: Face, call: &str, answer: &str) -> bool {
        let name = (face, call.to_owned(), answer.to_owned());
        self.answers.contains_key(&name)
    }
}

impl Run {
    async fn call(&self, tree: &Tree, user: User, invention: Invention, passed: Time) -> Event {
        let number = self.order.fetch_add(1, Ordering::SeqCst);
        let now = self.clock.fetch_add(passed, Ordering::SeqCst);
        let (face, what) = invention;
        let call = Call {
            face,
            user,
            now,
            number,
            what,
        };
        let answer = self.answer(&call, &tree.book).await;
        let returned = self.order.fetch_add(1, Ordering::SeqCst);
        tree.memory.lock().unwrap().note(&call, &answer);
        Event {
            call,
            answer,
            returned,
        }
    }

    /// A call about the first tree, while the clock stands still.
    pub(crate) async fn ask(self: Arc<Self>, user: User, invention: Invention) -> Event {
        self.call(&self.trees[0], user, invention, 0).await
    }

    async fn answer(&self, call: &Call, book: &Book) -> Answer {
        if call.what == What::Sweep {
            self.wire.sweep(call.now).await;
            return Answer::Done;
        }
        if call.face == Face::CommandLine {
            let command = faces::command(call, book);
            let reply = self.wire.command(command, call.now).await;
            return faces::replied(call, &reply, book);
        }
        let asked = faces::asked(call, book, &self.wire.origin());
        let heard = self.wire.send(call.user, asked, call.now).await;
        faces::answered(call, &heard, book)
    }

    async fn task(self: Arc<Self>, tree: usize, user: User, mut dice: Dice) -> Vec<Event> {
        let mut events = Vec::with_capacity(CALLS_IN_ROUND);
        let has_time = self.wire.has_time();
        for _ in 0..CALLS_IN_ROUND {
            let tree = &self.trees[tree];
            let invention = {
                let memory = tree.memory.lock().unwrap();
                memory.invent(&mut dice, &tree.top, has_time)
            };
            let passes = has_time && dice.roll(self.trees.len()) == 0;
            let passed = if passes { dice.roll(3) as u64 * 500 } else { 0 };
            events.push(self.call(tree, user, invention, passed).await);
        }
        events
    }

    /// Removes what has lapsed in all trees, while their users go on.
    async fn sweep(self: Arc<Self>, sweeps: bool) -> Vec<Event> {
        if !sweeps {
            return Vec::new();
        }
        let sweep = (Face::CommandLine, What::Sweep);
        vec![self.call(&self.trees[0], User::Mona, sweep, 0).await]
    }
}

/// A new tree in which nothing is yet.
async fn plant(wire: &dyn Wire, number: usize) -> (Tree, State) {
    let top = format!("/t{number}");
    let call = |what| Call {
        face: Face::WebDav,
        user: User::Mona,
        now: 0,
        number: 0,
        what,
    };
    let at = || Place::Path(top.clone());
    let book = Book::default();
    let make = call(What::MakeCollection { at: at() });
    let look = call(What::Look { at: at() });
    let mut answer = Answer::Void;
    for call in [make, look] {
        let asked = faces::asked(&call, &book, &wire.origin());
        let heard = wire.send(User::Mona, asked, 0).await;
        answer = faces::answered(&call, &heard, &book);
    }
    let Answer::Seen { id: project, .. } = answer else {
        panic!("{answer:?}");
    };
    let book = Book::of(project);
    let state = State::new(&top, project);
    let memory = Mutex::default();
    (Tree { top, book, memory }, state)
}

/// Trees in which nothing is yet, and what may be in them.
pub(crate) struct Field {
    pub(crate) run: Arc<Run>,
    pub(crate) states: Vec<HashSet<State>>,
}

impl Field {
    pub(crate) async fn plant(wire: Arc<dyn Wire>, numbers: Range<usize>) -> Self {
        let (mut planted, mut states) = (Vec::new(), Vec::new());
        for number in numbers {
            let (tree, state) = plant(&*wire, number).await;
            planted.push(tree);
            states.push(HashSet::from([state]));
        }
        let run = Arc::new(Run {
            wire,
            order: AtomicUsize::new(1),
            clock: AtomicU64::new(1_000_000),
            trees: planted,
        });
        Self { run, states }
    }

    /// So many calls, or a few more.
    pub(crate) async fn fight(
        &mut self,
        (seed, calls): (u64, usize),
        seen: &mut Seen,
    ) -> Result<(), Violation> {
        let mut dice = Dice(seed);
        let before = seen.calls;
        while seen.calls - before < calls {
            let began = stopwatch();
            let segments = record(&self.run, &mut dice).await;
            let asked = stopwatch();
            seen.asking += asked.saturating_sub(began);
            let events = segments.iter().flatten().flatten();
            events.for_each(|event| seen.add(event));
            let why = self.decide(segments).await.err();
            seen.deciding += stopwatch().saturating_sub(asked);
            if let Some(why) = why {
                let calls = seen.calls - before;
                return Err(Violation { calls, why });
            }
        }
        Ok(())
    }

    /// Each tree by itself, on as many cores as there are.
    async fn decide(&mut self, segments: Vec<Segment>) -> Result<(), String> {
        let now = self.run.clock.load(Ordering::SeqCst);
        let states = std::mem::take(&mut self.states);
        let deciding = segments.into_iter().zip(states).map(|(segment, starts)| {
            tokio::task::spawn_blocking(move || {
                let ends = check(&segment, &starts)?.into_iter();
                let forgetful = ends.map(|mut state| {
                    state.forget_before(now);
                    state
                });
                Ok::<HashSet<State>, String>(forgetful.collect())
            })
        });
        for decided in deciding.collect::<Vec<_>>() {
            self.states.push(decided.await.unwrap()?);
        }
        Ok(())
    }

    pub(crate) async fn close(&self) {
        self.run.wire.close().await;
    }
}

/// One segment for each tree. A sweep is in all of them.
async fn record(run: &Arc<Run>, dice: &mut Dice) -> Vec<Segment> {
    let sweeping = tokio::spawn(Arc::clone(run).sweep(dice.roll(4) == 0 && run.wire.has_time()));
    let mut working = Vec::new();
    for tree in 0..run.trees.len() {
        for user in TASKS {
            let dice = Dice((dice.roll(1 << 62)) as u64);
            working.push(tokio::spawn(Arc::clone(run).task(tree, user, dice)));
        }
    }
    let mut lists = Vec::new();
    for task in working {
        lists.push(task.await.unwrap());
    }
    let swept = sweeping.await.unwrap();
    let trees = run.trees.iter();
    trees.for_each(|tree| tree.book.forget_all_but(TOKENS_KEPT));
    let of_tree = |lists: &[Vec<Event>]| [lists, std::slice::from_ref(&swept)].concat();
    lists.chunks(TASKS.len()).map(of_tree).collect()
}
