//! `lockkeeper config`.

use super::{CliError, Place, say};

/// Prints the effective configuration in a form that `--config` reads.
pub(super) fn print(place: &Place) -> Result<(), CliError> {
    let config = place.load(Vec::new())?;
    say(&toml::to_string_pretty(&config).map_err(CliError::failed)?)
}
