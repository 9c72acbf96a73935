//! `lockkeeper import`.

use std::fs::{self, DirEntry, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::export::remark;
use super::print::Format;
use super::progress::{Bars, count, size};
use super::transfer::{Partner, Stream};
use super::{CliError, Place};
use crate::backup::Progress as _;
use crate::ops::admin::RefusalClass;
use crate::ops::admin::transfers::TransferCommand;
use crate::ops::transfer::{Answer, Item};
use crate::protocol::time::Timestamp;
use crate::web::control::frames::{receive, send, send_bytes, send_end};

/// Files on their way at once, so that one sync serves several.
const LANES: usize = 8;
const PIECE_BYTES: usize = 256 * 1024;

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The folder whose files and folders are brought in
    #[arg(value_name = "DIR")]
    source: PathBuf,
    /// Where to, as in /projects; made if it is not there [default: /]
    path: Option<String>,
    /// Who brings them in: a user who may upload there
    #[arg(long = "as", value_name = "USER")]
    user: String,
    /// Give files that are there a new version, rather than leave them alone
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    place: Place,
}

/// What was done.
#[derive(Debug, Default, Serialize)]
struct Done {
    files: u64,
    folders: u64,
    bytes: u64,
    replaced: u64,
    already_there: u64,
    skipped: u64,
    refused: u64,
}

/// A file that waits for a lane.
struct Waiting {
    source: PathBuf,
    item: Item,
}

impl Import {
    pub(super) async fn run(self) -> Result<(), CliError> {
        if !self.source.is_dir() {
            let reason = format!("{} is no folder", self.source.display());
            return Err(CliError::refused(RefusalClass::NotFound, reason));
        }
        let command = TransferCommand::Import {
            user: self.user.clone(),
            overwrite: self.overwrite,
        };
        let config = self.place.load(Vec::new())?;
        let (partner, first) = Partner::meet(config, &command).await?;
        let lanes = Lanes::open(&partner, &command).await;
        let taken = match lanes {
            Ok(lanes) => self.walk(first, lanes).await,
            Err(error) => Err(error),
        };
        partner.part().await?;
        let done = taken?;
        self.format.print(&done, told)?;
        match done.refused {
            0 => Ok(()),
            refused => Err(CliError::refused(
                RefusalClass::Conflict,
                format!("{refused} not imported"),
            )),
        }
    }

    /// Makes folders one by one, each before what is in it, and has the lanes take the files.
    async fn walk(&self, stream: Box<dyn Stream>, lanes: Lanes) -> Result<Done, CliError> {
        let top = self.path.as_deref().unwrap_or("/").trim_end_matches('/');
        let mut walk = Walk {
            stream,
            done: Arc::clone(&lanes.done),
            left: Vec::new(),
        };
        let mut walked = Ok(());
        if top.is_empty() {
            walk.left.push((self.source.clone(), String::new()));
        } else {
            walked = walk.folder(&self.source, top.to_owned()).await;
        }
        while let (Ok(()), Some((folder, path))) = (&walked, walk.left.pop()) {
            walked = walk.members(&folder, &path, &lanes).await;
        }
        let ended = lanes.end().await;
        walked.and(ended)
    }
}

struct Walk {
    stream: Box<dyn Stream>,
    done: Arc<Mutex<Done>>,
    /// Folders whose members are still to be looked at.
    left: Vec<(PathBuf, String)>,
}

impl Walk {
    async fn members(&mut self, folder: &Path, to: &str, lanes: &Lanes) -> Result<(), CliError> {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return refuse(&self.done, folder, &error.to_string()).await,
        };
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            let source = entry.path();
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                refuse(&self.done, &source, "only names in UTF-8 are possible").await?;
                continue;
            };
            let path = format!("{to}/{name}");
            match entry.metadata() {
                Err(error) => refuse(&self.done, &source, &error.to_string()).await?,
                Ok(found) if found.is_dir() => self.folder(&source, path).await?,
                Ok(found) if found.is_file() => {
                    let item = item(path, &found);
                    lanes.take(Waiting { source, item }).await?;
                }
                Ok(found) => {
                    self.done.lock().await.skipped += 1;
                    let what = if found.is_symlink() {
                        "a symbolic link; skipped"
                    } else {
                        "neither a file nor a folder; skipped"
                    };
                    remark(&source.display().to_string(), what)?;
                }
            }
        }
        Ok(())
    }

    async fn folder(&mut self, source: &Path, path: String) -> Result<(), CliError> {
        let item = Item {
            path: path.clone(),
            modified: Timestamp(0),
            size: None,
        };
        match ask(&mut self.stream, &item).await? {
            Answer::Refused(why) => {
                let why = format!("{why}; nothing in it was imported");
                return refuse(&self.done, source, &why).await;
            }
            Answer::Made => self.done.lock().await.folders += 1,
            _ => {}
        }
        self.left.push((source.to_path_buf(), path));
        Ok(())
    }
}

fn item(path: String, found: &Metadata) -> Item {
    Item {
        path,
        modified: found.modified().map_or(Timestamp(0), Timestamp::from),
        size: Some(found.len()),
    }
}

async fn refuse(done: &Mutex<Done>, source: &Path, why: &str) -> Result<(), CliError> {
    done.lock().await.refused += 1;
    remark(&source.display().to_string(), why)
}

async fn ask(stream: &mut Box<dyn Stream>, item: &Item) -> Result<Answer, CliError> {
    send(stream, item).await.map_err(CliError::failed)?;
    answer(stream).await
}

async fn answer(stream: &mut Box<dyn Stream>) -> Result<Answer, CliError> {
    let frame = receive(stream).await.map_err(CliError::failed)?;
    let frame = frame.ok_or_else(|| CliError::failed("the server broke off"))?;
    frame.value().map_err(CliError::failed)
}

/// Several files at once.
struct Lanes {
    waiting: mpsc::Sender<Waiting>,
    done: Arc<Mutex<Done>>,
    running: JoinSet<Result<(), CliError>>,
}

impl Lanes {
    async fn open(partner: &Partner, command: &TransferCommand) -> Result<Self, CliError> {
        let (waiting, queue) = mpsc::channel(LANES);
        let queue = Arc::new(Mutex::new(queue));
        let done = Arc::<Mutex<Done>>::default();
        let bars = Arc::new(Bars::default());
        bars.begin("bytes", None);
        let mut running = JoinSet::new();
        for _ in 0..LANES {
            let lane = Lane {
                stream: partner.begin(command).await?,
                queue: Arc::clone(&queue),
                done: Arc::clone(&done),
                bars: Arc::clone(&bars),
            };
            running.spawn(lane.run());
        }
        Ok(Self {
            waiting,
            done,
            running,
        })
    }

    async fn take(&self, file: Waiting) -> Result<(), CliError> {
        let taken = self.waiting.send(file).await;
        taken.map_err(|_| CliError::failed("the server broke off"))
    }

    async fn end(mut self) -> Result<Done, CliError> {
        drop(self.waiting);
        while let Some(ended) = self.running.join_next().await {
            ended.map_err(CliError::failed)??;
        }
        Ok(std::mem::take(&mut *self.done.lock().await))
    }
}

struct Lane {
    stream: Box<dyn Stream>,
    queue: Arc<Mutex<mpsc::Receiver<Waiting>>>,
    done: Arc<Mutex<Done>>,
    bars: Arc<Bars>,
}

impl Lane {
    async fn run(mut self) -> Result<(), CliError> {
        loop {
            let next = self.queue.lock().await.recv().await;
            let Some(file) = next else { return Ok(()) };
            self.send(&file).await?;
        }
    }

    async fn send(&mut self, file: &Waiting) -> Result<(), CliError> {
        let mut open = match File::open(&file.source) {
            Ok(open) => open,
            Err(error) => return refuse(&self.done, &file.source, &error.to_string()).await,
        };
        let mut said = ask(&mut self.stream, &file.item).await?;
        let mut bytes = 0;
        if said == Answer::Send {
            let poured = self.pour(&mut open).await?;
            bytes = *poured.as_ref().unwrap_or(&0);
            let ended = poured.map(|_| ()).map_err(|error| error.to_string());
            let sent = send_end(&mut self.stream, ended).await;
            sent.map_err(CliError::failed)?;
            said = answer(&mut self.stream).await?;
        }
        let mut done = self.done.lock().await;
        match said {
            Answer::Made | Answer::Send => done.files += 1,
            Answer::Replaced => done.replaced += 1,
            Answer::Kept => done.already_there += 1,
            Answer::Refused(why) => {
                drop(done);
                return refuse(&self.done, &file.source, &why).await;
            }
        }
        done.bytes += bytes;
        Ok(())
    }

    /// Sends the bytes of a file; how many, or why it cannot be read.
    async fn pour(&mut self, file: &mut File) -> Result<io::Result<u64>, CliError> {
        let (mut buffer, mut bytes) = (vec![0; PIECE_BYTES], 0);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(Ok(bytes)),
                Ok(read) => {
                    bytes += read as u64;
                    self.bars.advance(read as u64);
                    let sent = send_bytes(&mut self.stream, &buffer[..read]).await;
                    sent.map_err(CliError::failed)?;
                }
                Err(error) => return Ok(Err(error)),
            }
        }
    }
}

fn told(done: &Done) -> String {
    let mut text = format!(
        "{} ({}) and {} imported",
        count(done.files + done.replaced, "file"),
        size(done.bytes),
        count(done.folders, "folder")
    );
    let more = [
        (done.replaced, "of these replaced what was there"),
        (done.already_there, "already there and left alone"),
        (done.skipped, "skipped"),
    ];
    for (number, what) in more {
        if number > 0 {
            text += &format!("; {number} {what}");
        }
    }
    text + "\n"
}
