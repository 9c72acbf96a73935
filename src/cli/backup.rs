//! `lockkeeper backup`.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use clap::Args;
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, ReadHalf, WriteHalf, split};
use tokio::net::UnixStream;
use tokio::time::sleep;

use super::print::{Format, table};
use super::progress::{Bars, count, size};
use super::{CliError, Place, control};
use crate::backup::rows::{Decoder, Record};
use crate::backup::take::{Removed, Taken, keep, take};
use crate::backup::{About, Target, Vault};
use crate::config::Config;
use crate::ops::admin::AdminReply;
use crate::ops::admin::transfers::TransferCommand;
use crate::store::engine::{Key, Snapshot, StoreError};
use crate::web::clock;
use crate::web::control::begin_transfer;

/// How often the server hears that the copy comes further.
const BEAT_EVERY: Duration = Duration::from_secs(1);
const PIECE_BYTES: usize = 64 * 1024;

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The folder of backups, or a file whose name ends in .tar
    #[arg(value_name = "DIR|FILE.tar")]
    target: PathBuf,
    /// Keep the last so many moments in the folder, and remove older ones
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// List what is there, and make no backup
    #[arg(long, conflicts_with = "keep")]
    list: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    place: Place,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Done {
    #[serde(flatten)]
    taken: Taken,
    #[serde(flatten)]
    removed: Removed,
}

impl Backup {
    pub(super) async fn run(self) -> Result<(), CliError> {
        if self.list {
            return self.print_list();
        }
        let config = self.place.load(Vec::new())?;
        self.check_target(&config)?;
        let taken = self.take(&config).await?;
        let removed = match self.keep {
            Some(count) => keep(&self.target, count as usize)?,
            None => Removed::default(),
        };
        self.format.print(&Done { taken, removed }, told)
    }

    fn print_list(&self) -> Result<(), CliError> {
        let vault = Vault::open(&self.target)?;
        let moments = vault.moments()?;
        let abouts = moments.iter().map(|moment| vault.about(moment));
        let abouts = abouts.collect::<Result<Vec<_>, _>>()?;
        self.format.print(&abouts, |abouts| listed(abouts))
    }

    fn check_target(&self, config: &Config) -> Result<(), CliError> {
        let is_tar = self.target.extension().is_some_and(|end| end == "tar");
        if is_tar && self.keep.is_some() {
            return Err(CliError::usage(
                "--keep is for folders: a .tar has one moment",
            ));
        }
        let parents = self.target.ancestors().filter(|path| path.exists());
        let target = parents.map(Path::canonicalize).next();
        let data = config.store.data.canonicalize();
        match (target, data) {
            (Some(Ok(target)), Ok(data)) if target.starts_with(&data) => {
                Err(CliError::usage(format!(
                    "{} lies in the data folder; a backup belongs elsewhere, best on another disk",
                    self.target.display()
                )))
            }
            _ => Ok(()),
        }
    }

    async fn take(&self, config: &Config) -> Result<Taken, CliError> {
        let data = &config.store.data;
        let bars = Bars::default();
        let content = data.join("content");
        let begun = begin_transfer(data, &TransferCommand::Backup).await;
        let Some((reply, stream)) = begun.map_err(CliError::failed)? else {
            let dav = control::open_store(config).await?;
            let mut moment = dav.hold_moment().await.map_err(CliError::failed)?;
            let target = Target::open(&self.target)?;
            let taken = take(moment.snapshot(), &content, target, clock::now(), &bars).await;
            drop(moment);
            dav.close().await.map_err(CliError::failed)?;
            return Ok(taken?);
        };
        match reply {
            AdminReply::Done => {}
            AdminReply::Refused(error) => return Err(CliError::Refused(error)),
            other => return Err(control::unexpected(&other)),
        }
        let target = Target::open(&self.target)?;
        let (reader, writer) = split(stream);
        let steps = bars.steps();
        let beating = tokio::spawn(beat(writer, move || steps.load(Ordering::Relaxed)));
        let mut rows = Streamed::begin(reader).await.map_err(CliError::failed)?;
        let taken = take(&mut rows, &content, target, clock::now(), &bars).await;
        beating.abort();
        Ok(taken?)
    }
}

/// Tells the server whenever things have come further.
async fn beat(mut writer: WriteHalf<BufReader<UnixStream>>, steps: impl Fn() -> u64) {
    let mut told = steps();
    loop {
        sleep(BEAT_EVERY).await;
        let now = steps();
        // A server that is gone no longer removes anything.
        if now != told && writer.write_all(b"\n").await.is_err() {
            return;
        }
        told = now;
    }
}

/// A snapshot that a server tells.
struct Streamed {
    reader: ReadHalf<BufReader<UnixStream>>,
    decoder: Decoder,
    number: u64,
    ended: bool,
}

impl Streamed {
    async fn begin(reader: ReadHalf<BufReader<UnixStream>>) -> Result<Self, StoreError> {
        let mut streamed = Self {
            reader,
            decoder: Decoder::default(),
            number: 0,
            ended: false,
        };
        loop {
            if let Some(Record::Header { number }) = streamed.record()? {
                streamed.number = number;
                return Ok(streamed);
            }
            streamed.fill().await?;
        }
    }

    fn record(&mut self) -> Result<Option<Record>, StoreError> {
        let record = self.decoder.read();
        record.map_err(|error| StoreError::Failed(error.to_string()))
    }

    async fn fill(&mut self) -> Result<(), StoreError> {
        let mut buffer = vec![0; PIECE_BYTES];
        match self.reader.read(&mut buffer).await {
            Ok(0) => Err(StoreError::Failed(
                "the server broke off before all rows were told".to_owned(),
            )),
            Ok(read) => {
                self.decoder.push(&buffer[..read]);
                Ok(())
            }
            Err(error) => Err(StoreError::Failed(error.to_string())),
        }
    }
}

#[async_trait]
impl Snapshot for Streamed {
    fn number(&self) -> u64 {
        self.number
    }

    async fn next(&mut self, limit: usize) -> Result<Vec<(Key, Bytes)>, StoreError> {
        let mut rows = Vec::new();
        while rows.len() < limit && !self.ended {
            match self.record()? {
                Some(Record::Row(key, value)) => rows.push((key, value)),
                Some(Record::End { .. }) => self.ended = true,
                Some(_) => {}
                None => self.fill().await?,
            }
        }
        Ok(rows)
    }
}

fn told(done: &Done) -> String {
    let Done { taken, removed } = done;
    let about = &taken.about;
    let mut text = format!(
        "{}: {}, {} of content ({}), of which {} new ({})\n",
        about.moment,
        count(about.rows, "row"),
        count(about.contents, "file"),
        size(about.content_bytes),
        taken.contents_copied,
        size(taken.content_bytes_copied),
    );
    if *removed != Removed::default() {
        text += &format!(
            "removed {} and {} of content that no other has\n",
            count(removed.moments_removed, "older moment"),
            count(removed.contents_removed, "file"),
        );
    }
    text
}

fn listed(abouts: &[About]) -> String {
    let row = |about: &About| {
        [
            about.moment.clone(),
            about.rows.to_string(),
            about.contents.to_string(),
            size(about.content_bytes + about.rows_bytes),
            about.lockkeeper.clone(),
        ]
    };
    let rows: Vec<_> = abouts.iter().map(row).collect();
    table(["MOMENT", "ROWS", "FILES", "SIZE", "LOCKKEEPER"], &rows)
}
