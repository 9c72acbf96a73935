//! Conversations that are longer than a line each way: with the server that runs on the data
//! folder, or with the store itself when none does. The same for export and import.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{CliError, control};
use crate::config::Config;
use crate::ops::Dav;
use crate::ops::admin::AdminReply;
use crate::ops::admin::transfers::TransferCommand;
use crate::web::control::{begin_transfer, begin_transfer_within};

/// Bytes both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Who is spoken to.
pub(super) struct Partner {
    config: Config,
    /// The store, where no server runs.
    dav: Option<Arc<Dav>>,
}

impl Partner {
    /// Begins the first conversation.
    pub(super) async fn meet(
        config: Config,
        command: &TransferCommand,
    ) -> Result<(Self, Box<dyn Stream>), CliError> {
        let served = begin_transfer(&config.store.data, command).await;
        if let Some((reply, stream)) = served.map_err(CliError::failed)? {
            let partner = Self { config, dav: None };
            return Ok((partner, agreed(reply, stream)?));
        }
        let dav = control::open_store(&config).await?;
        let partner = Self {
            config,
            dav: Some(dav),
        };
        match partner.begin(command).await {
            Ok(stream) => Ok((partner, stream)),
            Err(error) => {
                partner.part().await?;
                Err(error)
            }
        }
    }

    /// Begins another conversation.
    pub(super) async fn begin(
        &self,
        command: &TransferCommand,
    ) -> Result<Box<dyn Stream>, CliError> {
        if let Some(dav) = &self.dav {
            let begun = begin_transfer_within(dav, command).await;
            let (reply, stream) = begun.map_err(CliError::failed)?;
            return agreed(reply, stream);
        }
        let begun = begin_transfer(&self.config.store.data, command).await;
        match begun.map_err(CliError::failed)? {
            Some((reply, stream)) => agreed(reply, stream),
            None => Err(CliError::failed("the server has stopped")),
        }
    }

    /// Ends the last one.
    pub(super) async fn part(self) -> Result<(), CliError> {
        match self.dav {
            Some(dav) => dav.close().await.map_err(CliError::failed),
            None => Ok(()),
        }
    }
}

fn agreed(reply: AdminReply, stream: impl Stream + 'static) -> Result<Box<dyn Stream>, CliError> {
    match reply {
        AdminReply::Done => Ok(Box::new(stream)),
        AdminReply::Refused(error) => Err(CliError::Refused(error)),
        other => Err(control::unexpected(&other)),
    }
}
