//! `lockkeeper restore`.

use std::path::PathBuf;

use clap::Args;

use super::print::Format;
use super::progress::{Bars, count, size};
use super::{CliError, Place};
use crate::backup::Vault;
use crate::ops::backups::restore_into;

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The folder of backups, or a file whose name ends in .tar
    #[arg(value_name = "DIR|FILE.tar")]
    source: PathBuf,
    /// Which moment, as `lockkeeper backup DIR --list` names it [default: the last]
    #[arg(long, value_name = "NAME")]
    moment: Option<String>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    place: Place,
}

impl Restore {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let config = self.place.load(Vec::new())?;
        let vault = Vault::open(&self.source)?;
        let moment = vault.moment(self.moment.as_deref())?;
        let bars = Bars::default();
        let (data, cache) = (&config.store.data, config.store.cache_bytes);
        let about = restore_into(data, &vault, &moment, cache, &bars).await?;
        drop(bars);
        self.format.print(&about, |about| {
            format!(
                "{} is as it was at {}: {}, {} of content ({})\n",
                data.display(),
                about.moment,
                count(about.rows, "row"),
                count(about.contents, "file"),
                size(about.content_bytes),
            )
        })
    }
}
