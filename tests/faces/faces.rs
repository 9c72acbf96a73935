//! The faces behind one trait, so that every case can be put to each of them.

use crate::site::Site;
use crate::words::{Action, File, Kind, OfVersion, Outcome, Seen, Standing};

#[path = "check_out_api.rs"]
mod check_out_api;
#[path = "command_line.rs"]
mod command_line;
#[path = "docspace.rs"]
mod docspace;
#[path = "webdav.rs"]
mod webdav;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    WebDav,
    CheckOutApi,
    DocSpace,
    CommandLine,
}

impl Name {
    pub(crate) const ALL: [Self; 4] = [
        Self::WebDav,
        Self::CheckOutApi,
        Self::DocSpace,
        Self::CommandLine,
    ];

    pub(crate) fn face(self) -> &'static dyn Face {
        match self {
            Self::WebDav => &webdav::WebDav,
            Self::CheckOutApi => &check_out_api::CheckOutApi,
            Self::DocSpace => &docspace::DocSpace,
            Self::CommandLine => &command_line::CommandLine,
        }
    }
}

/// What can be done through a face. What it does not serve is never asked of it.
pub(crate) trait Face: Sync {
    /// The kinds of lock that can be taken.
    fn takes(&self) -> &'static [Kind];

    /// The changes of a file that can be made.
    fn actions(&self) -> &'static [Action];

    /// Whether a request can show the token of a lock.
    fn shows_tokens(&self) -> bool;

    /// Whether a request says whose it is; the command line has an administrator's rights.
    fn knows_users(&self) -> bool {
        true
    }

    fn take(&self, site: &Site, file: &File, who: Standing, kind: Kind) -> Outcome;

    /// Alice locks the folder of this file with everything in it; `None` where files alone are
    /// locked.
    fn take_folder(&self, _site: &Site, _file: &File, _kind: Kind) -> Option<Outcome> {
        None
    }

    fn act(&self, site: &Site, file: &File, who: Standing, action: Action) -> Outcome;

    /// What can be done with an old version.
    fn of_versions(&self) -> &'static [OfVersion] {
        &OfVersion::ALL
    }

    /// Does it with the first version.
    fn of_version(&self, site: &Site, file: &File, who: Standing, what: OfVersion) -> Outcome;

    /// The locks in force.
    fn see(&self, site: &Site, file: &File, who: Standing) -> Result<Vec<Seen>, Outcome>;

    /// Ends the lock with this token, or what is meant where none is named.
    fn release(&self, site: &Site, file: &File, who: Standing, token: Option<&str>) -> Outcome;

    /// Whether a release can do with, and without, a token.
    fn releases_named(&self) -> bool;

    /// Takes a check-out over; `None` where there is no such thing.
    fn steal(
        &self,
        _site: &Site,
        _file: &File,
        _who: Standing,
        _token: Option<&str>,
    ) -> Option<Outcome> {
        None
    }

    /// Lets the lock with this token run for another 1200 seconds; `None` where locks cannot be
    /// refreshed.
    fn refresh(&self, _site: &Site, _file: &File, _who: Standing, _token: &str) -> Option<Outcome> {
        None
    }

    /// Ends a freeze; `None` where that is no request of its own.
    fn thaw(&self, _site: &Site, _file: &File) -> Option<Outcome> {
        None
    }
}
