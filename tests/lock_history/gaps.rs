//! What an API or a command does is several transactions. Here somebody else comes in between, in
//! each of the gaps: whatever both are answered has an order, as if each had done it at one moment.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use lockkeeper::blobs::Blobs;
use lockkeeper::store::engine::{Engine, Limits, Mode, Snapshot, StoreError, Txn};
use lockkeeper::store::memory::MemoryEngine;

use crate::calls::{Answer, Event, Face, Place, To, What};
use crate::campaign::Field;
use crate::checker::check;
use crate::naive::{Kind, Scope, User};
use crate::wires::{InProcess, enrol};

/// Lets somebody go first when so many transactions have begun.
#[derive(Default)]
struct Interrupted {
    good: MemoryEngine,
    waiting: Mutex<Option<(usize, BoxFuture<'static, ()>)>>,
}

impl fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.good.fmt(f)
    }
}

impl Interrupted {
    fn who_is_due(&self) -> Option<BoxFuture<'static, ()>> {
        let mut waiting = self.waiting.lock().unwrap();
        match &mut *waiting {
            Some((0, _)) => waiting.take().map(|(_, due)| due),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }
}

#[async_trait]
impl Engine for Interrupted {
    async fn begin(&self, mode: Mode) -> Result<Box<dyn Txn>, StoreError> {
        let due = self.who_is_due();
        if let Some(due) = due {
            // As a task of its own: a user has one core here, which must be let go meanwhile.
            tokio::spawn(due).await.unwrap();
        }
        self.good.begin(mode).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.good.snapshot().await
    }

    async fn skip_to(&self, number: u64) -> Result<(), StoreError> {
        self.good.skip_to(number).await
    }

    fn limits(&self) -> Limits {
        self.good.limits()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.good.close().await
    }
}

/// A file in a tree of its own, with a lock of Alice or none.
struct Scene {
    folder: u128,
    path: String,
    file: u128,
    lock: Option<usize>,
}

type Doing = (User, Face, What);

impl Scene {
    fn named(&self, face: Face) -> Place {
        match face {
            Face::WebDav | Face::CommandLine => Place::Path(self.path.clone()),
            Face::CheckOutApi | Face::DocSpace => Place::Id(self.file),
        }
    }

    fn take(&self, user: User, face: Face, kind: Kind) -> Doing {
        let what = What::Take {
            at: self.named(face),
            kind,
            scope: Scope::Exclusive,
            infinite: false,
            seconds: 1000,
        };
        (user, face, what)
    }

    fn put(&self, user: User, face: Face) -> Doing {
        let what = What::Put {
            at: self.named(face),
            within: (face == Face::CheckOutApi).then_some(self.folder),
            tokens: Vec::new(),
        };
        (user, face, what)
    }

    fn delete(&self, user: User, face: Face) -> Doing {
        let at = self.named(face);
        let tokens = self
            .lock
            .filter(|_| face == Face::WebDav)
            .into_iter()
            .collect();
        (user, face, What::Delete { at, tokens })
    }

    fn check_in(&self, user: User, face: Face) -> Doing {
        (
            user,
            face,
            What::CheckIn {
                at: self.named(face),
            },
        )
    }

    fn moved(&self, user: User, face: Face, to: To) -> Doing {
        let what = What::Move {
            from: self.named(face),
            to,
            collection: false,
            tokens: Vec::new(),
        };
        (user, face, what)
    }

    /// What is done in several transactions.
    fn requests(&self) -> Vec<Doing> {
        use Face::{CheckOutApi, CommandLine, DocSpace, WebDav};
        use User::{Alice, Bob, Mona};
        let mut requests = vec![
            self.put(Alice, WebDav),
            self.put(Alice, CheckOutApi),
            self.put(Alice, DocSpace),
            self.take(Alice, CheckOutApi, Kind::Persistent),
            self.take(Alice, DocSpace, Kind::Persistent),
            self.take(Mona, DocSpace, Kind::Persistent),
            self.take(Bob, CommandLine, Kind::Persistent),
            self.check_in(Alice, CheckOutApi),
            self.check_in(Alice, DocSpace),
            self.check_in(Alice, CommandLine),
            self.delete(Alice, DocSpace),
            self.moved(Alice, DocSpace, To::Name("renamed".to_owned())),
            (
                Bob,
                CommandLine,
                What::Thaw {
                    at: self.named(CommandLine),
                },
            ),
        ];
        let Some(lock) = self.lock else {
            return requests;
        };
        for face in [CheckOutApi, CommandLine] {
            let at = || self.named(face);
            requests.push((Mona, face, What::Steal { at: at(), lock }));
            requests.push((Alice, face, What::Release { at: at(), lock }));
        }
        let refresh = What::Refresh {
            at: self.named(CheckOutApi),
            lock,
            seconds: 1000,
        };
        requests.push((Alice, CheckOutApi, refresh));
        requests
    }

    /// What comes in between, in one transaction.
    fn interruptions(&self) -> Vec<Doing> {
        use Face::{CheckOutApi, WebDav};
        use User::{Alice, Bob, Mona};
        vec![
            self.delete(Alice, WebDav),
            self.take(Alice, WebDav, Kind::Persistent),
            self.take(Bob, WebDav, Kind::Transient),
            self.check_in(Mona, CheckOutApi),
            self.moved(Bob, WebDav, To::Path(format!("{}-elsewhere", self.path))),
        ]
    }
}

/// What is tried in one scene.
#[derive(Debug, Clone, Copy)]
struct Case {
    held: Option<Kind>,
    request: usize,
    interruption: usize,
    gap: usize,
}

struct Stage {
    engine: Arc<Interrupted>,
    wire: Arc<InProcess>,
    scenes: usize,
}

impl Stage {
    async fn set() -> Self {
        let engine = Arc::new(Interrupted::default());
        let wire = InProcess::over(Arc::clone(&engine) as _, Blobs::memory()).await;
        enrol(&wire).await;
        let wire = Arc::new(wire);
        let scenes = 0;
        Self {
            engine,
            wire,
            scenes,
        }
    }

    /// A new scene, and what was done to get there.
    async fn scene(&mut self, held: Option<Kind>) -> (Field, Scene, Vec<Event>) {
        let (number, wire) = (self.scenes, Arc::clone(&self.wire));
        self.scenes += 1;
        let field = Field::plant(wire, number..number + 1).await;
        let mut scene = Scene {
            folder: 0,
            path: format!("/t{number}/x"),
            file: 0,
            lock: None,
        };
        let look = |path: &str| {
            let at = Place::Path(path.to_owned());
            (Face::WebDav, What::Look { at })
        };
        let (_, face, put) = scene.put(User::Alice, Face::WebDav);
        let top = format!("/t{number}");
        let mut past = Vec::new();
        for invention in [(face, put), look(&top), look(&scene.path)] {
            past.push(Arc::clone(&field.run).ask(User::Alice, invention).await);
        }
        let ids = past.iter().filter_map(|event| match &event.answer {
            Answer::Seen { id, .. } => Some(*id),
            _ => None,
        });
        let ids: Vec<u128> = ids.collect();
        (scene.folder, scene.file) = (ids[0], ids[1]);
        if let Some(kind) = held {
            let (user, face, what) = scene.take(User::Alice, Face::WebDav, kind);
            let taken = Arc::clone(&field.run).ask(user, (face, what)).await;
            scene.lock = Some(taken.call.number);
            past.push(taken);
        }
        (field, scene, past)
    }

    /// Whether there was such a gap.
    async fn play(&mut self, case: Case) -> bool {
        let (field, scene, mut past) = self.scene(case.held).await;
        let (user, face, what) = scene.requests().swap_remove(case.request);
        let (other, through, meanwhile) = scene.interruptions().swap_remove(case.interruption);
        let interrupted = Arc::new(Mutex::new(None));
        let run = Arc::clone(&field.run);
        let note = Arc::clone(&interrupted);
        let interruption = Box::pin(async move {
            let event = run.ask(other, (through, meanwhile)).await;
            *note.lock().unwrap() = Some(event);
        });
        *self.engine.waiting.lock().unwrap() = Some((case.gap, interruption));
        past.push(Arc::clone(&field.run).ask(user, (face, what)).await);
        self.engine.waiting.lock().unwrap().take();
        let Some(event) = interrupted.lock().unwrap().take() else {
            return false;
        };
        if let Err(why) = check(&vec![past, vec![event]], &field.states[0]) {
            panic!("{case:?}: {why}");
        }
        true
    }
}

#[tokio::test]
async fn whoever_comes_between_the_steps_of_a_request_came_before_or_after_it() {
    let mut stage = Stage::set().await;
    let mut played = 0;
    for held in [
        None,
        Some(Kind::Persistent),
        Some(Kind::Transient),
        Some(Kind::ReadOnly),
    ] {
        let (_, scene, _) = stage.scene(held).await;
        let requests = scene.requests().len();
        for request in 0..requests {
            for interruption in 0..scene.interruptions().len() {
                let case = |gap| Case {
                    held,
                    request,
                    interruption,
                    gap,
                };
                let mut gap = 0;
                while stage.play(case(gap)).await {
                    gap += 1;
                    played += 1;
                }
            }
        }
    }
    println!("{played} interruptions");
    assert!(played > 500);
}
