//! What one connection does in a scenario, operation by operation, and what must hold afterwards.
//! Every answer is checked: a fast wrong one is worth nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::content;
use super::dav::{Bid, Client, Listing, NAMED};
use super::scenario::{DESK, KIB, MEMBERS, MIB, MIDDLE, Shared, Work, all, check_tree, member};

/// Files that a connection writes over in turns.
const OWN_FILES: u64 = 64;
const EDIT_BYTES: usize = 4 * KIB;

/// One connection that works through a scenario.
#[derive(Debug)]
pub(super) struct Worker {
    client: Client,
    shared: Arc<Shared>,
    number: usize,
    /// Operations so far.
    count: u64,
    random: u64,
    /// The connection's own file; what else is its own begins with the same name.
    own: String,
    /// Number of the content last written to the own file.
    written: usize,
    /// A lock that is held throughout.
    token: String,
    /// Whether what moves is at its other place.
    moved: bool,
}

impl Worker {
    pub(super) async fn new(shared: Arc<Shared>, number: usize) -> Result<Self, String> {
        let client = Client::open(&shared.target).await?;
        let round = shared.round;
        let mut worker = Self {
            client,
            own: format!("{}client-{number}-{round}", shared.scenario.folder()),
            shared,
            number,
            count: 0,
            random: 0x9E37_79B9_7F4A_7C15 ^ (number as u64 + 1),
            written: 0,
            token: String::new(),
            moved: false,
        };
        let client = &mut worker.client;
        match worker.shared.scenario.work {
            Work::PutOver(length) => {
                client.mkcol(&format!("{}/", worker.own)).await?;
                for number in 0..OWN_FILES {
                    let path = format!("{}/{number}", worker.own);
                    client.put(&path, content::small(0, length)).await?;
                }
            }
            Work::PutNew => client.mkcol(&format!("{}/", worker.own)).await?,
            Work::LockUnlock | Work::Edit | Work::Refresh | Work::Proppatch | Work::Mixed => {
                client
                    .put(&worker.own, content::small(0, EDIT_BYTES))
                    .await?;
            }
            _ => {}
        }
        match worker.shared.scenario.work {
            Work::Refresh => worker.token = worker.client.lock(&worker.own).await?,
            Work::Mixed => {
                let movable = worker.movable();
                worker.client.put(&movable, b"moves").await?;
            }
            _ => {}
        }
        Ok(worker)
    }

    /// One operation, its answers checked; how long it took without what it had to prepare.
    pub(super) async fn operation(&mut self) -> Result<Duration, String> {
        self.count += 1;
        let folder = self.shared.scenario.folder();
        let begin = Instant::now();
        match self.shared.scenario.work {
            Work::GetSmall => {
                let number = self.below(MEMBERS);
                let path = format!("{folder}{}", member(number));
                self.client.get(&path, content::small(number, KIB)).await?;
            }
            Work::GetMiddle => self.get_middle(&folder).await?,
            Work::GetLarge => {
                self.client
                    .get_large(&format!("{folder}large"), 100 * MIB)
                    .await?;
            }
            Work::Stat => self.stat(&folder, MEMBERS).await?,
            Work::List(body) => {
                let path = format!("{folder}members/");
                self.client.list(&path, 1, body, all(MEMBERS)).await?;
            }
            Work::Mkcol => {
                let path = format!("{}-{}/", self.own, self.count);
                self.client.mkcol(&path).await?;
            }
            Work::PutOver(length) => self.put_over(length).await?,
            Work::PutNew => {
                let path = format!("{}/{}", self.own, self.count);
                self.client
                    .put(&path, content::small(self.step(), KIB))
                    .await?;
            }
            Work::PutLarge => self.client.put_large(&self.own, 100 * MIB).await?,
            Work::Proppatch => {
                let value = format!("mark-{}", self.count);
                self.client.set_mark(&self.own, &value).await?;
            }
            Work::LockUnlock => {
                let token = self.client.lock(&self.own).await?;
                self.client.unlock(&self.own, &token).await?;
            }
            Work::Refresh => self.client.refresh(&self.own, &self.token).await?,
            Work::Contend => return self.contend().await,
            Work::Edit => self.edit().await?,
            Work::CopyFile => {
                let source = format!("{folder}source");
                self.client.copy(&source, &self.own).await?;
            }
            Work::CopyTree(folders) => return self.copy_tree(&folder, folders).await,
            Work::DeleteTree(_) => return self.delete_tree(&folder).await,
            Work::MoveTree(_) => {
                let [from, to] = self.tree_places();
                self.client.rename(&from, &to).await?;
                self.moved = !self.moved;
            }
            Work::Mixed => self.mixed(&folder).await?,
        }
        Ok(begin.elapsed())
    }

    /// Checks that what was done is there.
    pub(super) async fn finish(mut self) -> Result<(), String> {
        let (count, step) = (self.count, self.step());
        let (client, own) = (&mut self.client, &self.own);
        match self.shared.scenario.work {
            Work::PutOver(length) => {
                let path = format!("{own}/{}", count % OWN_FILES);
                client.get(&path, content::small(step, length)).await
            }
            Work::PutNew => {
                client
                    .get(&format!("{own}/{count}"), content::small(step, KIB))
                    .await
            }
            Work::PutLarge => client.get_large(own, 100 * MIB).await,
            Work::CopyFile => client.get_large(own, MIB).await,
            Work::Mkcol => {
                let path = format!("{own}-{count}/");
                client.list(&path, 1, NAMED, all(0)).await
            }
            Work::Proppatch => client.has_mark(own, &format!("mark-{count}")).await,
            Work::LockUnlock => client.put(own, b"free").await,
            Work::Refresh => client.unlock(own, &self.token).await,
            Work::Edit | Work::Mixed => {
                client
                    .get(own, content::small(self.written, EDIT_BYTES))
                    .await
            }
            Work::MoveTree(folders) => {
                let [here, gone] = self.tree_places();
                check_tree(&mut self.client, &here, folders).await?;
                self.client.is_gone(&gone).await?;
                // The next run looks for it at its first place.
                if self.moved {
                    self.client.rename(&here, &gone).await
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }

    /// The number of the content that this operation writes.
    fn step(&self) -> usize {
        usize::try_from(self.count).unwrap_or(0)
    }

    fn below(&mut self, limit: usize) -> usize {
        // A linear congruential generator: its upper bits are random enough to choose a file.
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.random >> 33).unwrap_or(0) % limit
    }

    async fn get_middle(&mut self, folder: &str) -> Result<(), String> {
        let number = self.below(MIDDLE);
        let path = format!("{folder}{}", member(number));
        self.client
            .get(&path, content::small(number, 64 * KIB))
            .await
    }

    async fn stat(&mut self, folder: &str, files: usize) -> Result<(), String> {
        let path = format!("{folder}{}", member(self.below(files)));
        let one = Listing {
            resources: 1,
            files: 1,
        };
        self.client.list(&path, 0, NAMED, one).await
    }

    async fn put_over(&mut self, length: usize) -> Result<(), String> {
        let path = format!("{}/{}", self.own, self.count % OWN_FILES);
        self.client
            .put(&path, content::small(self.step(), length))
            .await
    }

    async fn edit(&mut self) -> Result<(), String> {
        let token = self.client.lock(&self.own).await?;
        self.written = self.step();
        let content = content::small(self.written, EDIT_BYTES);
        self.client.put_with(&self.own, content, &token).await?;
        self.client.unlock(&self.own, &token).await
    }

    /// The holder reads a number and writes the next one, so lost writes betray two holders, too.
    async fn contend(&mut self) -> Result<Duration, String> {
        let path = self.shared.counter();
        let begin = Instant::now();
        let bid = self.client.bid(&path).await?;
        let took = begin.elapsed();
        let Bid::Granted(token) = bid else {
            return Ok(took);
        };
        let book = &self.shared.contention;
        let holder = self.number + 1;
        if book.holder.swap(holder, Ordering::Relaxed) != 0 {
            book.violations.fetch_add(1, Ordering::Relaxed);
        }
        let next = self.client.get_number(&path).await? + 1;
        self.client
            .put_with(&path, next.to_string().as_bytes(), &token)
            .await?;
        book.granted.fetch_add(1, Ordering::Relaxed);
        // Not if another one came in, which that one has counted.
        let (clear, order) = (0, Ordering::Relaxed);
        let _ = book.holder.compare_exchange(holder, clear, order, order);
        self.client.unlock(&path, &token).await?;
        Ok(took)
    }

    async fn copy_tree(&mut self, folder: &str, folders: usize) -> Result<Duration, String> {
        let copy = format!("{}-{}/", self.own, self.count);
        let begin = Instant::now();
        self.client.copy(&format!("{folder}tree/"), &copy).await?;
        let took = begin.elapsed();
        check_tree(&mut self.client, &copy, folders).await?;
        self.client.delete(&copy).await?;
        Ok(took)
    }

    async fn delete_tree(&mut self, folder: &str) -> Result<Duration, String> {
        let copy = format!("{}-{}/", self.own, self.count);
        self.client.copy(&format!("{folder}tree/"), &copy).await?;
        let begin = Instant::now();
        self.client.delete(&copy).await?;
        let took = begin.elapsed();
        self.client.is_gone(&copy).await?;
        Ok(took)
    }

    /// Where the tree is, and where it goes.
    fn tree_places(&self) -> [String; 2] {
        let folder = self.shared.scenario.folder();
        let [here, there] = ["tree/", "moved/"].map(|name| format!("{folder}{name}"));
        if self.moved {
            [there, here]
        } else {
            [here, there]
        }
    }

    fn movable(&self) -> String {
        format!("{}-{}", self.own, if self.moved { "right" } else { "left" })
    }

    async fn mixed(&mut self, folder: &str) -> Result<(), String> {
        let desk = format!("{folder}desk/");
        match self.below(100) {
            0..35 => self.stat(&desk, DESK).await,
            35..70 => self.client.list(&desk, 1, NAMED, all(DESK)).await,
            70..85 => self.get_middle(&format!("{folder}middle/")).await,
            85..95 => self.edit().await,
            _ => {
                let from = self.movable();
                self.moved = !self.moved;
                let to = self.movable();
                self.client.rename(&from, &to).await
            }
        }
    }
}
