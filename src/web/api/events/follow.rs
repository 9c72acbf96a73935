//! Following the record on behalf of one request, for as long as its credentials are good.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use super::parameters::Asked;
use crate::ops::Dav;
use crate::ops::events::told::ToldPage;
use crate::ops::events::{EventAsk, Since};
use crate::ops::target::Target;
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::auth::{Authenticator, Credentials};
use crate::web::clock;

/// After a commit; what is done in the meantime is read with it.
const SOON: Duration = Duration::from_millis(25);

/// Somebody who follows the record.
#[derive(Debug)]
pub(super) struct Follower {
    dav: Arc<Dav>,
    auth: Arc<Authenticator>,
    headers: HeaderMap,
    peer: IpAddr,
    since: Since,
    about: Option<Target>,
    limit: usize,
    commits: watch::Receiver<()>,
    closing: watch::Receiver<bool>,
}

/// What ended the waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// There may be more events.
    Some,
    /// It was time.
    None,
    /// The server stops.
    Closing,
}

impl Follower {
    pub(super) fn new(call: &Call, asked: Asked) -> Self {
        Self {
            dav: Arc::clone(&call.dav),
            auth: Arc::clone(&call.auth),
            headers: call.headers.clone(),
            peer: call.peer,
            since: asked.since,
            about: asked.about,
            limit: asked.limit,
            commits: call.dav.commits(),
            closing: call.seats.closing(),
        }
    }

    /// The next page. Who asks is found out anew each time: what was revoked shows nothing more.
    pub(super) async fn read(&mut self) -> Result<ToldPage, Fault> {
        let now = clock::now();
        let credentials = Credentials::in_authorization(&self.headers);
        let principal = self.auth.authenticate(credentials, self.peer, now).await;
        let ask = EventAsk {
            principal: principal.map_err(Fault::SignIn)?,
            now,
            since: self.since,
            about: self.about.clone(),
            limit: self.limit,
        };
        // What is committed from here on may be missing in the page.
        self.commits.mark_unchanged();
        let page = self.dav.events(&ask).await?;
        self.since = Since::After(page.next);
        self.about = page.about.map(Target::Id);
        Ok(page.told(ask.principal.id))
    }

    /// What there is to say without waiting: that there may be more events, or that the server
    /// stops.
    pub(super) fn at_once(&self) -> News {
        if *self.closing.borrow() {
            News::Closing
        } else {
            News::Some
        }
    }

    /// Waits until there may be more events, at most until `end`.
    pub(super) async fn news(&mut self, end: Pin<&mut Sleep>) -> News {
        let commits = &mut self.commits;
        let commit = async {
            // It fails when nobody can commit any more.
            if commits.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            sleep(SOON).await;
        };
        tokio::select! {
            _ = self.closing.wait_for(|closing| *closing) => News::Closing,
            () = commit => News::Some,
            () = end => News::None,
        }
    }
}
