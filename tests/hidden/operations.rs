//! Every operation, with what may be told of its answer.

use std::fmt::Write as _;
use std::sync::Arc;

use lockkeeper::lock::{LockDepth, LockKind, LockScope, LockToken};
use lockkeeper::ops::copy::CopyDepth;
use lockkeeper::ops::locking::LockAsk;
use lockkeeper::ops::properties::{Look, Wanted};
use lockkeeper::ops::{Ask, Dav};
use lockkeeper::protocol::error::DavError;
use lockkeeper::protocol::headers::{Depth, Overwrite, RequestedTimeout};
use lockkeeper::protocol::path::DavPath;
use lockkeeper::protocol::xml::{PropertyPatch, QName};
use lockkeeper::rights::{Grantee, Role};

use crate::support::{path, put};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Find,
    Read,
    MayUpload,
    Upload,
    MakeCollection,
    Delete,
    MoveFrom,
    MoveTo(Overwrite),
    CopyFrom,
    CopyTo(Overwrite),
    Search(Depth),
    Patch,
    Lock(LockKind, LockDepth),
    Refresh,
    Unlock,
    CheckIn,
    CheckInNamed,
    Steal,
    Detail,
    Grants,
    SetGrant,
    History,
    ReadVersion,
    Version,
    CompareVersions,
    Restore,
    Label,
    CopyVersionFrom,
    CopyVersionTo(Overwrite),
}

impl Operation {
    pub(crate) fn every() -> Vec<Self> {
        let mut all = vec![
            Self::Find,
            Self::Read,
            Self::MayUpload,
            Self::Upload,
            Self::MakeCollection,
            Self::Delete,
            Self::MoveFrom,
            Self::CopyFrom,
            Self::Patch,
            Self::Refresh,
            Self::Unlock,
            Self::CheckIn,
            Self::CheckInNamed,
            Self::Steal,
            Self::Detail,
            Self::Grants,
            Self::SetGrant,
            Self::History,
            Self::ReadVersion,
            Self::Version,
            Self::CompareVersions,
            Self::Restore,
            Self::Label,
            Self::CopyVersionFrom,
        ];
        for overwrite in [Overwrite::Yes, Overwrite::No] {
            all.extend([
                Self::MoveTo(overwrite),
                Self::CopyTo(overwrite),
                Self::CopyVersionTo(overwrite),
            ]);
        }
        all.extend([Depth::Zero, Depth::One, Depth::Infinity].map(Self::Search));
        for kind in [
            LockKind::Persistent,
            LockKind::Transient,
            LockKind::ReadOnly,
        ] {
            all.extend([LockDepth::Zero, LockDepth::Infinity].map(|depth| Self::Lock(kind, depth)));
        }
        all
    }

    /// Whether it makes something where nothing is.
    pub(crate) fn makes(self) -> bool {
        matches!(
            self,
            Self::MayUpload
                | Self::Upload
                | Self::MakeCollection
                | Self::MoveTo(_)
                | Self::CopyTo(_)
                | Self::CopyVersionTo(_)
                | Self::Lock(..)
        )
    }

    /// Does it at `ask`'s address `at`; a COPY or MOVE to there comes from `visible`. `token` is
    /// of a lock that stands there, or once did.
    pub(crate) async fn run(
        self,
        dav: &Arc<Dav>,
        ask: &Ask,
        (at, visible): (&DavPath, &DavPath),
        token: LockToken,
    ) -> Result<String, DavError> {
        let told = |what: &dyn std::fmt::Debug| format!("{what:?}");
        let done = || "done".to_owned();
        let from_visible = Ask {
            target: visible.clone().into(),
            ..ask.clone()
        };
        let whole = CopyDepth::Infinity;
        Ok(match self {
            Self::Find => told(&dav.find(ask).await?),
            Self::Read => told(&dav.read_content(ask).await?.0),
            Self::MayUpload => told(&dav.may_upload(ask).await?),
            Self::Upload => told(&put(dav, ask, 3).await?),
            Self::MakeCollection => told(&dav.make_collection(ask).await?),
            Self::Delete => told(&dav.delete(ask).await?),
            Self::MoveFrom => {
                let to = path("/a/moved");
                told(&dav.relocate(ask, &to, Overwrite::Yes).await?)
            }
            Self::MoveTo(overwrite) => told(&dav.relocate(&from_visible, at, overwrite).await?),
            Self::CopyFrom => {
                let to = path("/a/copied");
                told(&dav.copy(ask, &to, Overwrite::Yes, whole).await?)
            }
            Self::CopyTo(overwrite) => told(&dav.copy(&from_visible, at, overwrite, whole).await?),
            Self::Search(depth) => search(dav, ask, depth).await?,
            Self::Patch => {
                let name = QName {
                    ns: "urn:x".to_owned(),
                    name: "colour".to_owned(),
                };
                told(&dav.patch(ask, &[PropertyPatch::Remove(name)]).await?)
            }
            Self::Lock(kind, depth) => {
                dav.lock(ask, &lock_ask(kind, depth)).await?;
                done()
            }
            Self::Refresh => {
                let ask = Ask {
                    lock_token: Some(token.to_string()),
                    ..ask.clone()
                };
                dav.refresh(&ask, RequestedTimeout::Unspecified).await?;
                done()
            }
            Self::Unlock => told(&dav.unlock(ask, &token.to_string()).await?),
            Self::CheckIn => told(&dav.check_in(ask, None).await?),
            Self::CheckInNamed => told(&dav.check_in(ask, Some(token)).await?),
            Self::Steal => {
                dav.steal(ask, token).await?;
                done()
            }
            Self::Detail => told(&dav.detail(ask).await?),
            Self::Grants => told(&dav.grants(ask).await?),
            Self::SetGrant => {
                let role = Some(Role::Reader);
                told(&dav.set_grant(ask, Grantee::Everyone, role).await?)
            }
            Self::History => told(&dav.history(ask).await?),
            Self::ReadVersion => told(&dav.read_version(ask, 1).await?.0),
            Self::Version => told(&dav.version(ask, 1).await?),
            Self::CompareVersions => told(&dav.compare_versions(ask, [1, 1]).await?),
            Self::Restore => told(&dav.restore(ask, 1).await?.outcome),
            Self::Label => told(&dav.label(ask, 1, Some("mine")).await?),
            Self::CopyVersionFrom => {
                let to = path("/a/copied");
                told(&dav.copy_version(ask, 1, &to, Overwrite::Yes).await?)
            }
            Self::CopyVersionTo(overwrite) => {
                told(&dav.copy_version(&from_visible, 1, at, overwrite).await?)
            }
        })
    }
}

pub(crate) fn lock_ask(kind: LockKind, depth: LockDepth) -> LockAsk {
    LockAsk {
        scope: LockScope::Exclusive,
        kind: Some(kind),
        depth,
        timeout: RequestedTimeout::Unspecified,
        owner_xml: None,
        comment: None,
    }
}

/// All that a search shows.
pub(crate) async fn search(dav: &Arc<Dav>, ask: &Ask, depth: Depth) -> Result<String, DavError> {
    let wanted = Wanted {
        dead: Look::Up,
        locks: Look::Up,
    };
    let mut search = dav.search(ask.clone(), depth, wanted).await?;
    let mut pages = String::new();
    while let Some(page) = search.next_page().await? {
        writeln!(pages, "{page:?}").unwrap();
    }
    Ok(pages)
}
