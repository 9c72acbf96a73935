//! `lockkeeper serve`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::{CliError, Place, log, make_private, path_text, say};
use crate::config::{Config, Setting};
use crate::ops::Dav;
use crate::ops::access::{self, NewUser};
use crate::ops::password::Password;
use crate::web::control::Control;
use crate::web::door::Door;
use crate::web::metrics::Metrics;
use crate::web::server::{self, Server};
use crate::web::{clock, tls};

/// The user of a first start.
const FIRST_USER: &str = "admin";

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    place: Place,
    /// Address and port [default: 127.0.0.1:4918]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Allow to listen beyond this machine without TLS
    #[arg(long)]
    insecure: bool,
    /// PEM file with the certificate chain
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// PEM file with the private key
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Keep everything in memory and forget it at the end
    #[arg(long)]
    memory: bool,
}

impl Serve {
    fn config(&self) -> Result<Config, CliError> {
        let mut flags = Vec::new();
        if let Some(listen) = &self.listen {
            flags.push(Setting::flag("--listen", "server.listen", listen.clone()));
        }
        if self.insecure {
            flags.push(Setting::flag("--insecure", "server.insecure", true));
        }
        if let Some(cert) = &self.tls_cert {
            let cert = path_text("--tls-cert", cert)?;
            flags.push(Setting::flag("--tls-cert", "server.tls_cert", cert));
        }
        if let Some(key) = &self.tls_key {
            let key = path_text("--tls-key", key)?;
            flags.push(Setting::flag("--tls-key", "server.tls_key", key));
        }
        if self.memory {
            flags.push(Setting::flag("--memory", "store.memory", true));
        }
        self.place.load(flags)
    }

    pub(super) async fn run(self) -> Result<(), CliError> {
        let config = self.config()?;
        let _flushed = log::start(&config.log);
        allow_open_files(config.server.connections_max);
        let tls = config
            .server
            .tls()
            .map(|(cert, key)| tls::acceptor(cert, key))
            .transpose();
        let tls = tls.map_err(CliError::failed)?;
        let listener = server::listen(&config.server).map_err(CliError::Failed)?;
        let address = listener.local_addr()?;
        let metrics = Arc::new(Metrics::default());
        let observer = Arc::clone(&metrics);
        make_private(&config.store.data)?;
        let dav = Dav::open(&config, clock::now(), clock::stopwatch, observer).await;
        let dav = dav.map_err(CliError::failed)?;
        let control = Control::bind(&config.store.data)
            .await
            .map_err(CliError::failed)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{address}/");
        greet_first_start(&dav, &url).await?;
        let door = Door::new(dav, metrics, &config).map_err(CliError::failed)?;
        let server = Server::new(Arc::new(door), &config);
        let stop = asked_to_stop()?;
        say(&format!("listening on {url}\n"))?;
        server
            .run(listener, tls, control, stop)
            .await
            .map_err(CliError::Failed)
    }
}

/// Lets this process open as many files as it ever may: shells and systemd begin with 1024, which a
/// connection and a content file for each client would use up.
fn allow_open_files(connections_max: usize) {
    /// The store, the log, the control socket, webhooks.
    const OTHERS: u64 = 64;
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    let wanted = 2 * connections_max as u64 + OTHERS;
    if let Some(files) = getrlimit(Resource::Nofile)
        .current
        .filter(|files| *files < wanted)
    {
        tracing::warn!(
            files,
            wanted,
            "fewer files may be open than server.connections_max may need; raise the limit \
             (ulimit -n, LimitNOFILE) or lower the setting"
        );
    }
}

/// Makes the first user where there is none, and says how to get in.
async fn greet_first_start(dav: &Dav, url: &str) -> Result<(), CliError> {
    if !access::list(dav)
        .await
        .map_err(CliError::failed)?
        .is_empty()
    {
        return Ok(());
    }
    let password = Password::random().map_err(CliError::failed)?;
    let first = NewUser {
        admin: true,
        ..NewUser::new(FIRST_USER, password.clone())
    };
    access::add(dav, first, clock::now())
        .await
        .map_err(CliError::failed)?;
    let password = password.reveal();
    say(&format!(
        "This is the first start, so there is a user now. The password is not shown again.\n\
         \n  URL       {url}\n  user      {FIRST_USER}\n  password  {password}\n\
         \nList it, upload a file, mount it as a drive:\n\
         \n  curl -u {FIRST_USER}:{password} {url}\n  \
         echo hello | curl -u {FIRST_USER}:{password} -T - {url}hello.txt\n  \
         sudo mount -t davfs {url} /mnt -o username={FIRST_USER},uid=$(id -u)\n\
         \nMore users: lockkeeper user add NAME. Who may do what: lockkeeper grant --help.\n\
         The APIs are described at {url}apidoc\n\n"
    ))
}

/// Ready when the process is asked to end.
fn asked_to_stop() -> Result<impl Future<Output = ()>, CliError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
