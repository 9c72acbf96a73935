//! `lockkeeper export`.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::print::{Format, shown};
use super::progress::{Bars, count, size};
use super::transfer::{Partner, Stream};
use super::{CliError, Place};
use crate::backup::Progress as _;
use crate::ops::admin::RefusalClass;
use crate::ops::admin::transfers::TransferCommand;
use crate::ops::transfer::Item;
use crate::protocol::time::Timestamp;
use crate::web::control::frames::{Frame, receive, unexpected};

#[derive(Debug, Args)]
pub(super) struct Export {
    /// What, as in /projects [default: everything]
    path: Option<String>,
    /// The folder to make; it must not be there, or be empty
    #[arg(value_name = "DIR")]
    target: PathBuf,
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
    failed: u64,
}

impl Export {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let target = &self.target;
        let is_used = fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some());
        if is_used || target.is_file() {
            let reason = format!("{} is there already and not empty", target.display());
            return Err(CliError::refused(RefusalClass::Conflict, reason));
        }
        let path = self.path.clone().unwrap_or_else(|| "/".to_owned());
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let config = self.place.load(Vec::new())?;
        let command = TransferCommand::Export { path };
        let (partner, stream) = Partner::meet(config, &command).await?;
        let mut writing = Writing {
            target: target.clone(),
            name,
            done: Done::default(),
            folders: Vec::new(),
            bars: Bars::default(),
        };
        let written = writing.all(stream).await;
        partner.part().await?;
        writing.set_times();
        written?;
        let done = writing.done;
        drop(writing.bars);
        self.format.print(&done, |done| {
            format!(
                "{} ({}) and {} in {}\n",
                count(done.files, "file"),
                size(done.bytes),
                count(done.folders, "folder"),
                target.display()
            )
        })?;
        match done.failed {
            0 => Ok(()),
            failed => Err(CliError::Failed(format!(
                "{} not exported",
                count(failed, "file")
            ))),
        }
    }
}

struct Writing {
    target: PathBuf,
    /// Of what is exported, in case that is a file.
    name: String,
    done: Done,
    /// Their times are set last: every new member changes them.
    folders: Vec<(PathBuf, Timestamp)>,
    bars: Bars,
}

impl Writing {
    async fn all(&mut self, mut stream: Box<dyn Stream>) -> Result<(), CliError> {
        self.bars.begin("bytes", None);
        loop {
            let frame = receive(&mut stream).await.map_err(CliError::failed)?;
            match frame.ok_or_else(|| CliError::failed("the server broke off"))? {
                Frame::End => return Ok(()),
                Frame::Broken(why) => return Err(CliError::Failed(why)),
                frame => {
                    let item: Item = frame.value().map_err(CliError::failed)?;
                    self.one(&item, &mut stream).await?;
                }
            }
        }
    }

    async fn one(&mut self, item: &Item, stream: &mut Box<dyn Stream>) -> Result<(), CliError> {
        let path = self.place(item)?;
        if item.size.is_none() {
            match fs::create_dir_all(&path) {
                Ok(()) => self.done.folders += u64::from(!item.path.is_empty()),
                Err(error) if item.path.is_empty() => {
                    return Err(CliError::Failed(format!("{}: {error}", path.display())));
                }
                Err(error) => self.fail(item, &error.to_string())?,
            }
            self.folders.push((path, item.modified));
            return Ok(());
        }
        if let Some(parent) = path.parent().filter(|_| item.path.is_empty()) {
            fs::create_dir_all(parent)?;
        }
        match self.file(&path, item, stream).await? {
            Ok(bytes) => {
                self.done.files += 1;
                self.done.bytes += bytes;
                Ok(())
            }
            Err(why) => self.fail(item, &why),
        }
    }

    /// Writes a file. What cannot be written is still read, since more comes behind it.
    async fn file(
        &mut self,
        path: &Path,
        item: &Item,
        stream: &mut Box<dyn Stream>,
    ) -> Result<Result<u64, String>, CliError> {
        let told = |error: io::Error| error.to_string();
        let mut file = File::create_new(path).map_err(told);
        let is_ours = file.is_ok();
        let mut bytes = 0;
        let ended = loop {
            let frame = receive(stream).await.map_err(CliError::failed)?;
            match (frame, &mut file) {
                (Some(Frame::Bytes(piece)), Ok(open)) => {
                    bytes += piece.len() as u64;
                    self.bars.advance(piece.len() as u64);
                    if let Err(error) = open.write_all(&piece) {
                        file = Err(told(error));
                    }
                }
                (Some(Frame::Bytes(_)), Err(_)) => {}
                (Some(Frame::End), _) => break Ok(()),
                (Some(Frame::Broken(why)), _) => break Err(why),
                _ => return Err(CliError::failed(unexpected("no end of a file"))),
            }
        };
        let whole = ended.and(file).and_then(|file| {
            let modified = item.modified.system_time();
            file.set_modified(modified).map_err(told)
        });
        if whole.is_err() && is_ours {
            // The reason is told; a half file would be worse than none.
            let _ = fs::remove_file(path);
        }
        Ok(whole.map(|()| bytes))
    }

    /// Below the target, whatever is sent.
    fn place(&self, item: &Item) -> Result<PathBuf, CliError> {
        let below = match (item.size, &*item.path) {
            (Some(_), "") => &self.name,
            (_, below) => below,
        };
        let below = Path::new(below);
        let is_plain = |part| matches!(part, Component::Normal(_));
        if below.components().all(is_plain) {
            Ok(self.target.join(below))
        } else {
            Err(CliError::Failed(format!(
                "{} cannot be the name of a file",
                shown(&item.path)
            )))
        }
    }

    fn fail(&mut self, item: &Item, why: &str) -> Result<(), CliError> {
        self.done.failed += 1;
        remark(&item.path, why)
    }

    fn set_times(&self) {
        for (folder, modified) in self.folders.iter().rev() {
            // The files are what counts; not every file system keeps times of folders.
            let _ = File::open(folder).and_then(|file| file.set_modified(modified.system_time()));
        }
    }
}

/// Says what became of one file, beside the summary.
pub(super) fn remark(path: &str, why: &str) -> Result<(), CliError> {
    Ok(writeln!(
        io::stderr(),
        "lockkeeper: {}: {}",
        shown(path),
        shown(why)
    )?)
}
