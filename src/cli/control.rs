//! Having a command done: through the control socket of the server that runs on the data folder,
//! or, when none does, directly on the store.

use std::sync::Arc;

use super::{CliError, Place, make_private};
use crate::config::Config;
use crate::ops::admin::users::UserCommand;
use crate::ops::admin::{self, AdminCommand, AdminReply};
use crate::ops::{Dav, NoObserver};
use crate::web::webhooks::HttpCourier;
use crate::web::{clock, control};

/// Has a command done. What it gave is never a refusal.
pub(super) async fn run(place: &Place, command: AdminCommand) -> Result<AdminReply, CliError> {
    let config = place.load(Vec::new())?;
    let asked = control::ask(&config.store.data, &command)
        .await
        .map_err(CliError::failed)?;
    let reply = match asked {
        Some(reply) => reply,
        None => run_directly(&config, command).await?,
    };
    match reply {
        AdminReply::Refused(error) => Err(CliError::Refused(error)),
        done => Ok(done),
    }
}

/// Has a command done by the server that runs, and by nobody else.
pub(super) async fn run_served(
    place: &Place,
    command: AdminCommand,
) -> Result<AdminReply, CliError> {
    let config = place.load(Vec::new())?;
    let asked = control::ask(&config.store.data, &command).await;
    match asked.map_err(CliError::failed)? {
        Some(AdminReply::Refused(error)) => Err(CliError::Refused(error)),
        Some(done) => Ok(done),
        None => Err(CliError::failed("the server has stopped")),
    }
}

/// Whether a server runs on the data folder.
pub(super) async fn is_served(place: &Place) -> Result<bool, CliError> {
    let config = place.load(Vec::new())?;
    let served = control::is_served(&config.store.data).await;
    served.map_err(CliError::failed)
}

/// For commands that give nothing.
pub(super) async fn done(place: &Place, command: AdminCommand) -> Result<(), CliError> {
    match run(place, command).await? {
        AdminReply::Done => Ok(()),
        other => Err(unexpected(&other)),
    }
}

/// A server of another version may answer what this one never would.
pub(super) fn unexpected(_: &AdminReply) -> CliError {
    CliError::failed("the server's reply fits another command; is it of another version?")
}

/// Opens the store of the data folder, on which no server runs.
pub(super) async fn open_store(config: &Config) -> Result<Arc<Dav>, CliError> {
    if config.store.memory {
        let reason = "store.memory is set: there is nothing to change while no server runs";
        return Err(CliError::failed(reason));
    }
    let data = &config.store.data;
    if !data.is_dir() {
        return Err(CliError::Failed(format!(
            "there is no data folder {}",
            data.display()
        )));
    }
    let dav = Dav::open(config, clock::now(), clock::stopwatch, Arc::new(NoObserver));
    dav.await.map_err(CliError::failed)
}

async fn run_directly(config: &Config, command: AdminCommand) -> Result<AdminReply, CliError> {
    if matches!(command, AdminCommand::User(UserCommand::Add { .. })) && !config.store.memory {
        make_private(&config.store.data)?;
    }
    let dav = open_store(config).await?;
    let courier = HttpCourier::new(&config.webhooks);
    let reply = admin::run(&dav, &courier, command, clock::now()).await;
    dav.close().await.map_err(CliError::failed)?;
    Ok(reply)
}
