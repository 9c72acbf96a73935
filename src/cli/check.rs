//! `lockkeeper check`.

use clap::Args;
use tokio::io::AsyncBufReadExt as _;

use super::print::{Format, shown};
use super::progress::{Bars, count, size};
use super::{CliError, Place, control};
use crate::backup::Progress as _;
use crate::config::Config;
use crate::ops::admin::AdminReply;
use crate::ops::admin::transfers::{CheckLine, TransferCommand};
use crate::ops::check::{Fault, Manner, Mend, Progress, Report};
use crate::web::clock;
use crate::web::control::begin_transfer;

/// What a check reads in a second beside a running server, unless told otherwise: a fraction of
/// what any disk gives.
const ONLINE_MB_PER_SECOND: u32 = 20;
const MB: u64 = 1_000_000;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Have the running server check, at a pace that leaves it free for others
    #[arg(long)]
    online: bool,
    /// Write rows again that are lost or wrong, where other rows tell what they were; nothing is
    /// ever removed
    #[arg(long)]
    repair: bool,
    /// Read so much in a second at most [default: 20 with --online, otherwise no limit]
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    place: Place,
}

/// Shows how far a check has come.
struct Bar {
    bars: Bars,
    shown: u64,
}

impl Bar {
    fn new() -> Self {
        let bars = Bars::default();
        bars.begin("rows and files", None);
        Self { bars, shown: 0 }
    }

    fn show(&mut self, progress: Progress) {
        let now = progress.rows + progress.files;
        self.bars.advance(now.saturating_sub(self.shown));
        self.shown = self.shown.max(now);
    }
}

impl Check {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let config = self.place.load(Vec::new())?;
        let report = if self.online {
            self.ask_server(&config).await?
        } else {
            self.look(&config).await?
        };
        self.format.print(&report, told)?;
        let left = report.faults.iter().filter(|fault| !fault.mended).count();
        if left == 0 {
            return Ok(());
        }
        let faults = count(left as u64, "fault");
        Err(CliError::failed(format!(
            "{faults}; restore what is damaged from a backup"
        )))
    }

    fn manner(&self) -> Manner {
        let rate = self.rate.or(self.online.then_some(ONLINE_MB_PER_SECOND));
        Manner {
            mend: if self.repair { Mend::Yes } else { Mend::No },
            bytes_per_second: rate.map(|mb| u64::from(mb) * MB),
        }
    }

    async fn look(&self, config: &Config) -> Result<Report, CliError> {
        if control::is_served(&self.place).await? {
            return Err(CliError::usage(
                "a server runs on this data folder; have it check with --online",
            ));
        }
        let dav = control::open_store(config).await?;
        let bar = std::sync::Mutex::new(Bar::new());
        let tell = |progress| {
            if let Ok(mut bar) = bar.lock() {
                bar.show(progress);
            }
        };
        let report = dav.check(clock::now(), self.manner(), &tell).await;
        dav.close().await.map_err(CliError::failed)?;
        report.map_err(CliError::failed)
    }

    async fn ask_server(&self, config: &Config) -> Result<Report, CliError> {
        let command = TransferCommand::Check(self.manner());
        let begun = begin_transfer(&config.store.data, &command).await;
        let mut stream = match begun.map_err(CliError::failed)? {
            Some((AdminReply::Done, stream)) => stream,
            Some((AdminReply::Refused(error), _)) => return Err(CliError::Refused(error)),
            Some((other, _)) => return Err(control::unexpected(&other)),
            None => {
                return Err(CliError::usage(
                    "no server runs on this data folder; leave out --online",
                ));
            }
        };
        let mut bar = Bar::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = stream.read_until(b'\n', &mut line).await;
            if read.map_err(CliError::failed)? == 0 {
                return Err(CliError::failed("the server broke off the check"));
            }
            match serde_json::from_slice(&line).map_err(CliError::failed)? {
                CheckLine::Progress(progress) => bar.show(progress),
                CheckLine::End(report) => return report.map_err(CliError::Failed),
            }
        }
    }
}

fn told(report: &Report) -> String {
    let Report {
        read,
        faults,
        left_over,
    } = report;
    let mut text: String = faults.iter().map(told_fault).collect();
    if *left_over > 0 {
        let files = count(*left_over, "content file");
        text += &format!(
            "{files} of uploads that were cut off: harmless, and the next start removes them\n"
        );
    }
    let found = match read.faults {
        0 => "everything is as it was written".to_owned(),
        faults => count(faults, "fault"),
    };
    text + &format!(
        "{} and {} ({}) read: {found}\n",
        count(read.rows, "row"),
        count(read.files, "content file"),
        size(read.bytes),
    )
}

fn told_fault(fault: &Fault) -> String {
    let Fault {
        what,
        concerns,
        mended,
    } = fault;
    let mended = if *mended { "repaired: " } else { "damaged: " };
    format!("{mended}{}\n  concerns {}\n", shown(what), shown(concerns))
}
