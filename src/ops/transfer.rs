//! Plain folders out of the tree and into it, for the command line: what is read, what is written,
//! and what is said about each file. How it travels is for others.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::access::{self, AccessError, Noun, Principal};
use super::admin::AdminError;
use super::content::{Manner, Outcome, Source};
use super::intake::Intake;
use super::properties::{Found, Look, Search, Wanted};
use super::{Ask, Dav};
use crate::event::Face;
use crate::protocol::error::DavError;
use crate::protocol::headers::{Depth, TagList};
use crate::protocol::path::{DavPath, Name};
use crate::protocol::time::Timestamp;
use crate::resource::Resource;

/// A file or folder on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Out of the tree: the names below what is exported. Into the tree: the whole path.
    pub path: String,
    /// When it last changed.
    pub modified: Timestamp,
    /// Its length in bytes; `None`: a folder.
    pub size: Option<u64>,
}

/// What became of a file or folder that is imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Its bytes may come.
    Send,
    /// It is new.
    Made,
    /// It is the next version of what was there.
    Replaced,
    /// Something with this name is there, and was left alone.
    Kept,
    /// It was not done.
    Refused(String),
}

/// A tree that is read from its top down.
#[derive(Debug)]
pub struct Export {
    dav: Arc<Dav>,
    ask: Ask,
    /// Where the names begin that are told.
    top: DavPath,
    listing: Option<(DavPath, Search)>,
    page: Vec<Found>,
    /// Folders still to be listed.
    pending: Vec<DavPath>,
    first: Option<Resource>,
}

/// Something read out of the tree.
#[derive(Debug)]
pub enum Exported {
    /// A folder.
    Folder(Item),
    /// A file and its bytes.
    File(Item, Source),
    /// A file that cannot be read, and why.
    Unreadable(Item, String),
}

impl Dav {
    /// Starts to read the file or folder at `path`, as typed, with everything below it.
    pub async fn export(self: &Arc<Self>, path: &str, now: Timestamp) -> Result<Export, DavError> {
        let top = DavPath::from_plain(path, self.config.limits.path_bytes_max)?;
        let ask = command_line(Principal::command_line(), top.clone(), now);
        let first = self.find(&ask).await?;
        Ok(Export {
            dav: Arc::clone(self),
            ask,
            pending: Vec::from_iter(first.is_collection().then(|| top.clone())),
            top,
            listing: None,
            page: Vec::new(),
            first: Some(first),
        })
    }

    /// Starts to take files in for this user.
    pub async fn import(&self, user: &str, overwrite: bool) -> Result<Import<'_>, AdminError> {
        let Some(found) = access::find(self, user).await? else {
            return Err(AccessError::NoSuch(Noun::User, user.to_owned()).into());
        };
        Ok(Import {
            dav: self,
            principal: Principal::from(&found),
            overwrite,
        })
    }
}

fn command_line(principal: Principal, path: DavPath, now: Timestamp) -> Ask {
    let program = (Face::CommandLine, "lockkeeper".to_owned());
    Ask::new(principal, now, program, path)
}

impl Export {
    /// What comes next; `None` at the end. A folder comes before its members.
    pub async fn next(&mut self) -> Result<Option<Exported>, DavError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(self.read(self.top.clone(), &first).await));
        }
        loop {
            if let (Some(found), Some((folder, _))) = (self.page.pop(), &self.listing) {
                let name = Name::parse(&found.resource.name).map_err(DavError::from)?;
                let path = folder.member(name);
                if found.resource.is_collection() {
                    self.pending.push(path.clone());
                }
                return Ok(Some(self.read(path, &found.resource).await));
            }
            if !self.turn_page().await? {
                return Ok(None);
            }
        }
    }

    /// Looks at more members; whether there may be any.
    async fn turn_page(&mut self) -> Result<bool, DavError> {
        if let Some((_, listing)) = &mut self.listing {
            if let Some(mut page) = listing.next_page().await? {
                page.reverse();
                self.page = page;
                return Ok(true);
            }
            self.listing = None;
        }
        let Some(folder) = self.pending.pop() else {
            return Ok(false);
        };
        let wanted = Wanted {
            dead: Look::Away,
            locks: Look::Away,
        };
        let ask = self.asking(folder.clone());
        match self.dav.search(ask, Depth::One, wanted).await {
            Ok(search) => self.listing = Some((folder, search.behind(None))),
            // Somebody removed or moved it meanwhile.
            Err(DavError::NotFound) => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    async fn read(&self, path: DavPath, found: &Resource) -> Exported {
        let below = path.to_plain();
        let top = self.top.to_plain();
        let below = below.strip_prefix(&top).unwrap_or(&below);
        let mut item = Item {
            path: below.trim_start_matches('/').to_owned(),
            modified: found.modified,
            size: found.size(),
        };
        if found.is_collection() {
            return Exported::Folder(item);
        }
        match self.dav.read_content(&self.asking(path)).await {
            Ok((file, source)) => {
                (item.modified, item.size) = (file.modified, file.size());
                Exported::File(item, source)
            }
            Err(error) => Exported::Unreadable(item, error.to_string()),
        }
    }

    fn asking(&self, path: DavPath) -> Ask {
        Ask {
            target: path.into(),
            ..self.ask.clone()
        }
    }
}

/// Files and folders that one user brings in.
#[derive(Debug)]
pub struct Import<'a> {
    dav: &'a Dav,
    principal: Principal,
    overwrite: bool,
}

impl<'a> Import<'a> {
    /// Makes a folder; one that is there already is as good.
    pub async fn folder(&self, item: &Item, now: Timestamp) -> Answer {
        let made = async {
            let ask = self.ask(item, now)?;
            match self.dav.find(&ask).await {
                Ok(found) if found.is_collection() => Ok(Answer::Kept),
                Ok(_) => Err(DavError::NotAllowedHere(
                    "there is a file with this name".to_owned(),
                )),
                Err(DavError::NotFound) => {
                    self.dav.make_collection(&ask).await?;
                    Ok(Answer::Made)
                }
                Err(error) => Err(error),
            }
        };
        answer(made.await)
    }

    /// Whether the bytes of a file may come, and where they go.
    pub async fn begin(&self, item: &Item, now: Timestamp) -> Result<Intake<'a>, Answer> {
        let begun = async {
            let ask = self.ask(item, now)?;
            let found = self.dav.find(&ask).await;
            if !self.overwrite && found.is_ok_and(|found| !found.is_collection()) {
                return Ok(None);
            }
            self.dav.may_upload(&ask).await?;
            Ok(Some(Intake::new(self.dav, item.size)?))
        };
        match begun.await {
            Ok(Some(intake)) => Ok(intake),
            Ok(None) => Err(Answer::Kept),
            Err(error) => Err(answer(Err(error))),
        }
    }

    /// Ends a file whose bytes have all come.
    pub async fn end(&self, item: &Item, intake: Intake<'_>, now: Timestamp) -> Answer {
        let uploaded = async {
            let mut ask = self.ask(item, now)?;
            if !self.overwrite {
                ask.conditions.if_none_match = Some(TagList::Any);
            }
            let content = intake.finish(None).await?;
            let manner = Manner {
                modified: Some(item.modified),
                ..Manner::default()
            };
            match self.dav.upload(&ask, content, manner).await {
                Ok(uploaded) if uploaded.outcome == Outcome::Created => Ok(Answer::Made),
                Ok(_) => Ok(Answer::Replaced),
                // It was made while the bytes came.
                Err(DavError::PreconditionFailed(_)) if !self.overwrite => Ok(Answer::Kept),
                Err(error) => Err(error),
            }
        };
        answer(uploaded.await)
    }

    fn ask(&self, item: &Item, now: Timestamp) -> Result<Ask, DavError> {
        let path = DavPath::from_plain(&item.path, self.dav.config.limits.path_bytes_max)?;
        Ok(command_line(self.principal.clone(), path, now))
    }
}

fn answer(done: Result<Answer, DavError>) -> Answer {
    done.unwrap_or_else(|error| Answer::Refused(error.to_string()))
}
