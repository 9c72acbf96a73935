//! What is in the history collection: collections that stand for those of the tree and for its
//! files, and the versions of files.

use std::collections::{HashMap, HashSet};

use super::super::Call;
use super::super::pages::Paged;
use super::{ABOVE, HISTORY, name};
use crate::lock::UserId;
use crate::ops::access;
use crate::ops::properties::{Found, Look, Search, Wanted};
use crate::ops::versions::VersionView;
use crate::protocol::error::DavError;
use crate::protocol::headers::Depth;
use crate::protocol::path::{DavPath, encode_segment};
use crate::resource::Resource;

/// Something in the history collection, as the asking user may see it.
#[derive(Debug)]
pub(super) struct Node {
    /// Its address, encoded.
    pub(super) href: String,
    pub(super) name: String,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// Stands for this collection or file of the tree.
    Collection(Resource),
    /// A file.
    Version(Box<Version>),
}

#[derive(Debug)]
pub(super) struct Version {
    pub(super) view: VersionView,
    /// The user name; `None`: somebody who is gone.
    pub(super) author: Option<String>,
    /// The address of the version that is kept and came before.
    pub(super) predecessor: Option<String>,
    /// The address of the one that came next.
    pub(super) successor: Option<String>,
}

/// Where an address in the history collection leads.
#[derive(Debug)]
pub(super) enum Spot {
    /// To the collection that holds the history and nothing else, which is shown to whoever may
    /// read this, the top of the tree.
    Above(Resource),
    /// To what stands for this collection.
    Collection(Resource),
    /// To the collection of the versions of this file.
    File(Resource),
    /// To a version of this file. It may be one that is not kept.
    Version(Resource, u32),
}

impl Spot {
    /// Finds out where `call` leads. From then on it is about what that stands for in the tree, or
    /// about the file whose version it is.
    pub(super) async fn find(call: &mut Call) -> Result<Self, DavError> {
        let mut names = call.path.names().iter().skip(1);
        let is_above = names.next().is_none();
        let path = names.cloned().collect();
        call.be_about(path);
        let found = call.dav.find(&call.unconditional()).await;
        if is_above {
            return found.map(Self::Above);
        }
        match found {
            Err(DavError::NotFound) => {}
            found => {
                let found = found?;
                return Ok(if found.is_collection() {
                    Self::Collection(found)
                } else {
                    Self::File(found)
                });
            }
        }
        let (Some(above), Some(name)) = (call.path.parent(), call.path.name().cloned()) else {
            return Err(DavError::NotFound);
        };
        call.be_about(above);
        let file = call.dav.find(&call.unconditional()).await?;
        let number = name::number(&name, &file.name).filter(|_| !file.is_collection());
        let number = number.ok_or(DavError::NotFound)?;
        Ok(Self::Version(file, number))
    }
}

/// What a PROPFIND or a page tells of, page by page.
#[derive(Debug)]
pub(super) enum Nodes {
    /// What stands for the resources of the tree that a search finds.
    Search(Box<Search>),
    /// These; emptied when they are told.
    Listed(Vec<Node>),
}

impl Nodes {
    /// What stands for a collection of the tree, and at depth 1 for its members.
    pub(super) async fn of_collection(call: &Call, depth: Depth) -> Result<Self, DavError> {
        Ok(Self::Search(Box::new(search(call, depth).await?)))
    }

    /// The collection above the history, and at depth 1 the history.
    pub(super) fn of_top(root: Resource, depth: Depth) -> Self {
        let above = Node {
            href: ABOVE.to_owned(),
            name: ABOVE.trim_matches('/').to_owned(),
            kind: Kind::Collection(root.clone()),
        };
        Self::Listed(match depth {
            Depth::Zero => vec![above],
            Depth::One | Depth::Infinity => vec![above, top(root)],
        })
    }

    /// What stands for the members of a collection.
    pub(super) async fn of_members(call: &Call) -> Result<Self, DavError> {
        let search = search(call, Depth::One).await?;
        Ok(Self::Search(Box::new(search.behind(None))))
    }
}

async fn search(call: &Call, depth: Depth) -> Result<Search, DavError> {
    let wanted = Wanted {
        dead: Look::Away,
        locks: Look::Away,
    };
    call.dav.search(call.ask.clone(), depth, wanted).await
}

impl Paged for Nodes {
    type Item = Node;

    async fn next_page(&mut self) -> Result<Option<Vec<Node>>, DavError> {
        match self {
            Self::Search(search) => {
                let page = search.next_page().await?;
                Ok(page.map(|page| page.into_iter().map(standing_for).collect()))
            }
            Self::Listed(nodes) => {
                let all = std::mem::take(nodes);
                Ok((!all.is_empty()).then_some(all))
            }
        }
    }
}

fn standing_for(found: Found) -> Node {
    collection(&found.href, found.resource)
}

/// What stands for the resource at `href` in the tree.
fn collection(href: &str, resource: Resource) -> Node {
    Node {
        href: format!("{HISTORY}{}/", href.trim_end_matches('/')),
        name: if resource.name.is_empty() {
            "history".to_owned()
        } else {
            resource.name.clone()
        },
        kind: Kind::Collection(resource),
    }
}

/// The top of the history.
pub(super) fn top(root: Resource) -> Node {
    collection("/", root)
}

/// The collection of the versions of the file that `call` is about.
pub(super) fn of_file(call: &Call, file: Resource) -> Node {
    collection(&call.path.href(false), file)
}

/// The versions of the file that `call` is about, the oldest first, as RFC 3253 §3.7.1 tells them.
pub(super) async fn versions(call: &Call, file: &Resource) -> Result<Vec<Node>, DavError> {
    let mut views = call.dav.history(&call.ask).await?;
    views.reverse();
    let authors = authors(call, &views).await?;
    let names: Vec<String> = views
        .iter()
        .map(|view| name::of(&file.name, view.number))
        .collect();
    let hrefs: Vec<String> = names.iter().map(|name| href(&call.path, name)).collect();
    let nodes = views.into_iter().zip(names).enumerate();
    Ok(nodes
        .map(|(at, (view, name))| Node {
            href: hrefs[at].clone(),
            name,
            kind: Kind::Version(Box::new(Version {
                author: authors.get(&view.author).cloned(),
                predecessor: at.checked_sub(1).map(|before| hrefs[before].clone()),
                successor: hrefs.get(at + 1).cloned(),
                view,
            })),
        })
        .collect())
}

/// One of them.
pub(super) async fn version(call: &Call, file: &Resource, number: u32) -> Result<Node, DavError> {
    let nodes = versions(call, file).await?;
    let is_it = |node: &Node| match &node.kind {
        Kind::Version(version) => version.view.number == number,
        Kind::Collection(_) => false,
    };
    nodes.into_iter().find(is_it).ok_or(DavError::NotFound)
}

fn href(file: &DavPath, name: &str) -> String {
    let mut href = format!("{HISTORY}{}/", file.href(false));
    encode_segment(name, &mut href);
    href
}

async fn authors(call: &Call, views: &[VersionView]) -> Result<HashMap<UserId, String>, DavError> {
    let ids: HashSet<UserId> = views.iter().map(|view| view.author).collect();
    let ids: Vec<UserId> = ids.into_iter().collect();
    let users = access::find_all(&call.dav, &ids).await;
    let users = users.map_err(|error| DavError::Internal(error.to_string()))?;
    Ok(users.into_iter().map(|user| (user.id, user.name)).collect())
}
