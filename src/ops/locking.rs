//! Taking, refreshing and releasing locks, and seeing them.

use std::borrow::Cow;

use super::access::Principal;
use super::events::{lock_ended, tell, tell_made};
use super::gate::{asker, clear, judge, lock_root, refused};
use super::visit::{Visit, visit};
use super::{Ask, Dav};
use crate::config::Infinite;
use crate::event::{LockChange, What};
pub use crate::lock::LockDepth;
use crate::lock::rules::{self, Doing, Refusal, Surroundings};
use crate::lock::{Lock, LockKind, LockScope, LockToken};
use crate::protocol::error::{DavError, MemberError, RefusingLock};
use crate::protocol::headers::{RequestedTimeout, Safe};
use crate::resource::{Resource, ResourceId};
use crate::rights::{Privilege, Privileges};
use crate::store::NewContent;
use crate::store::engine::{Mode, Txn};
use crate::store::tx::Tx;

/// Longest comment of a lock.
pub const COMMENT_CHARS_MAX: usize = 1000;

/// What a LOCK asks for.
#[derive(Debug, Clone)]
pub struct LockAsk {
    /// Exclusive or shared.
    pub scope: LockScope,
    /// The kind, where the client names it; otherwise the timeout tells.
    pub kind: Option<LockKind>,
    /// How far it shall reach.
    pub depth: LockDepth,
    /// How long it shall stand.
    pub timeout: RequestedTimeout,
    /// The inside of the client's `DAV:owner`.
    pub owner_xml: Option<String>,
    /// Why, in the user's own words.
    pub comment: Option<String>,
}

/// A lock as one user may see it.
#[derive(Debug, Clone)]
pub struct LockView {
    /// The lock.
    pub lock: Lock,
    /// Where its root is, encoded.
    pub href: String,
    /// Whether the token is shown: to its owner and to those who may release it anyway.
    pub token: Option<LockToken>,
}

impl LockView {
    /// `lock` as `principal` may see it, who has these privileges at its root.
    pub(super) fn new(
        lock: Lock,
        href: String,
        principal: &Principal,
        at_root: Privileges,
    ) -> Self {
        let shown = lock.owner == principal.id || at_root.has(Privilege::SuperCheckIn);
        let token = shown.then_some(lock.token);
        Self { lock, href, token }
    }

    /// How a refusal because of this lock names it.
    pub fn refusing(&self) -> RefusingLock {
        RefusingLock {
            href: self.href.clone(),
            kind: self.lock.kind,
            holder: self.lock.holder.clone(),
            expires: self.lock.deadline,
        }
    }
}

/// A lock that was taken.
#[derive(Debug)]
pub struct Taken {
    /// The lock.
    pub view: LockView,
    /// Whether an empty file was made for it.
    pub created: bool,
}

struct Taking<'a> {
    dav: &'a Dav,
    ask: &'a Ask,
    wanted: &'a LockAsk,
    lock: Lock,
    new_id: ResourceId,
    version: u64,
    /// The user's locks have to be counted, and must be fewer.
    must_count: Option<usize>,
}

impl Dav {
    /// LOCK with a body. On an unmapped address it makes an empty file.
    pub async fn lock(&self, ask: &Ask, wanted: &LockAsk) -> Result<Taken, DavError> {
        self.require_room(0)?;
        check_comment(wanted)?;
        let max = self.config.locks.per_user_max;
        let counting = self.lock_counts.begin(ask.principal.id, max);
        let taking = Taking {
            dav: self,
            ask,
            wanted,
            lock: self.new_lock(ask, wanted),
            new_id: self.new_resource_id().await?,
            version: super::ids::random_version()?,
            must_count: counting.must_count(),
        };
        let (taken, counted) = self
            .act(ask, &taking, |txn, taking| Box::pin(take(txn, taking)))
            .await?;
        if let Some(before) = counted {
            counting.counted(before);
        }
        Ok(taken)
    }

    /// The lock as it will be granted; its root is filled in by the transaction.
    fn new_lock(&self, ask: &Ask, wanted: &LockAsk) -> Lock {
        let offers_only_infinite = wanted.timeout == RequestedTimeout::Infinite
            && self.config.locks.infinite == Infinite::Persistent;
        let kind = wanted.kind.unwrap_or(if offers_only_infinite {
            LockKind::Persistent
        } else {
            LockKind::Transient
        });
        let seconds = self.granted_seconds(wanted.timeout);
        Lock {
            token: LockToken::random(),
            kind,
            scope: wanted.scope,
            depth: wanted.depth,
            root: ResourceId::ROOT,
            owner: ask.principal.id,
            holder: ask.principal.name.clone(),
            owner_xml: wanted.owner_xml.clone(),
            comment: wanted.comment.clone(),
            since: ask.now,
            deadline: (kind == LockKind::Transient).then(|| ask.now.plus_seconds(seconds)),
        }
    }

    fn granted_seconds(&self, asked: RequestedTimeout) -> u64 {
        let max = self.config.locks.transient_timeout_seconds_max;
        match asked {
            RequestedTimeout::Seconds(seconds) => seconds.clamp(1, max),
            RequestedTimeout::Infinite | RequestedTimeout::Unspecified => max,
        }
    }

    /// LOCK without a body: the submitted locks of the asking user run anew.
    pub async fn refresh(
        &self,
        ask: &Ask,
        timeout: RequestedTimeout,
    ) -> Result<Vec<LockView>, DavError> {
        if ask.if_header.is_none() && ask.lock_token.is_none() {
            return Err(DavError::BadRequest(
                "a LOCK without a body refreshes a lock and must name its token in an If header"
                    .to_owned(),
            ));
        }
        let refreshing = (ask, self.granted_seconds(timeout));
        let looked = self.do_or_note(
            Mode::ReadDurable,
            ask,
            &refreshing,
            |txn, (ask, seconds)| Box::pin(refresh(txn, ask, *seconds, May::Look)),
        );
        if let Some(views) = looked.await? {
            return Ok(views);
        }
        let renewed = self.act(ask, &refreshing, |txn, (ask, seconds)| {
            Box::pin(refresh(txn, ask, *seconds, May::Renew))
        });
        Ok(renewed.await?.unwrap_or_default())
    }

    /// UNLOCK.
    pub async fn unlock(&self, ask: &Ask, token: &str) -> Result<(), DavError> {
        let token = LockToken::parse(token).ok_or(DavError::TokenMismatch)?;
        let unlocking = (ask, token);
        self.act(ask, &unlocking, |txn, (ask, token)| {
            Box::pin(unlock(txn, ask, *token))
        })
        .await?;
        Ok(())
    }
}

fn check_comment(wanted: &LockAsk) -> Result<(), DavError> {
    let comment = wanted.comment.as_deref().unwrap_or_default();
    if comment.chars().count() > COMMENT_CHARS_MAX {
        return Err(DavError::BadRequest(format!(
            "a comment may have at most {COMMENT_CHARS_MAX} characters"
        )));
    }
    Ok(())
}

/// The lock, and how many its user had before if they were counted.
async fn take(txn: &mut dyn Txn, taking: &Taking<'_>) -> Result<(Taken, Option<usize>), DavError> {
    let Taking { dav, ask, .. } = taking;
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let walk = &visit.walk;
    let gap = if walk.found().is_none() {
        Some(visit.file_gap()?)
    } else {
        None
    };
    let privilege = Privilege::to_take(taking.lock.kind);
    let covers_all = taking.wanted.depth == LockDepth::Infinity;
    visit.require(privilege)?;
    if covers_all {
        visit.require_below(&mut tx, privilege).await?;
    }
    judge(&mut tx, ask, &visit, Safe::No).await?;
    let counted = check_limits(&mut tx, taking, walk.found().map(|found| found.id)).await?;

    let around = tx.surroundings(walk, covers_all).await?;
    let root = walk.found().map_or(taking.new_id, |resource| resource.id);
    let lock = Lock {
        root,
        ..taking.lock.clone()
    };
    // Before asking for leave to make a file: a conflict is what the client has to know of.
    let granted = match rules::grant(lock, &around) {
        Ok(granted) => granted,
        Err(refusal) => return Err(conflict(&mut tx, &visit, refusal).await?),
    };
    if let Some((parent, name)) = gap {
        let cleared = clear(&mut tx, dav, ask, &visit, Doing::Make).await?;
        let content = NewContent::empty(taking.version).as_first(&cleared, ask.now);
        let file = Resource::new(root, name, Some(content), ask.principal.id, ask.now);
        tx.make(&cleared, parent, &file, None)?;
        tell_made(&mut tx, ask, &visit, &file)?;
    }
    let is_collection = walk.found().is_some_and(Resource::is_collection);
    tx.end_lapsed_on(root).await?;
    let fact = What::Lock(LockChange::Taken, granted.lock().into());
    tell(&mut tx, ask, visit.place_of(root, is_collection), fact)?;
    tx.add_lock(&granted, &walk.ancestor_ids())?;
    let lock = granted.lock().clone();
    let href = visit.path.href(is_collection);
    let view = LockView::new(lock, href, &ask.principal, visit.privileges_at(root));
    let taken = Taken {
        view,
        created: walk.found().is_none(),
    };
    Ok((taken, counted))
}

/// How many locks the user has, if they had to be counted.
async fn check_limits(
    tx: &mut Tx<'_>,
    taking: &Taking<'_>,
    resource: Option<ResourceId>,
) -> Result<Option<usize>, DavError> {
    let limits = &taking.dav.config.locks;
    let counted = match taking.must_count {
        Some(room) => Some(count(tx, &taking.ask.principal, room).await?),
        None => None,
    };
    let Some(resource) = resource else {
        return Ok(counted);
    };
    let here = tx.locks_on(resource).await?.len();
    if here >= limits.per_resource_max {
        return Err(DavError::InsufficientStorage(format!(
            "{here} locks stand here, and no more may (locks.per_resource_max); release one first"
        )));
    }
    Ok(counted)
}

async fn count(tx: &mut Tx<'_>, user: &Principal, room: usize) -> Result<usize, DavError> {
    let mine = tx.count_locks_of(user.id, room).await?;
    if mine >= room {
        return Err(DavError::InsufficientStorage(format!(
            "{} holds {mine} locks, and nobody may hold more (locks.per_user_max); release some",
            user.name
        )));
    }
    Ok(mine)
}

/// A refused LOCK. Of a collection, the answer names each conflicting lock below it, and the
/// collection as what failed with it (RFC 4918 §9.10.9).
async fn conflict(
    tx: &mut Tx<'_>,
    visit: &Visit<'_>,
    refusal: Refusal,
) -> Result<DavError, DavError> {
    let mut error = refused(tx, visit, refusal, DavError::LockConflict).await?;
    if let DavError::Members(members) = &mut error {
        members.push(MemberError {
            href: visit.path.href(true),
            error: DavError::FailedDependency,
        });
    }
    Ok(error)
}

/// What a refresh may do: who refreshes many times a second renews once, and looks at what is so
/// already the other times.
#[derive(Clone, Copy, PartialEq, Eq)]
enum May {
    Look,
    Renew,
}

/// The locks, which run anew. `None`: they would, but it may only look.
async fn refresh(
    txn: &mut dyn Txn,
    ask: &Ask,
    seconds: u64,
    may: May,
) -> Result<Option<Vec<LockView>>, DavError> {
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    visit.resource()?;
    visit.require_writing_credential()?;
    judge(&mut tx, ask, &visit, Safe::No).await?;
    let tokens = ask.tokens();
    let around = tx.surroundings(&visit.walk, false).await?;
    let submitted: Vec<Lock> = around
        .in_force()
        .filter(|lock| tokens.contains(&lock.token))
        .cloned()
        .collect();
    if submitted.is_empty() {
        return Err(DavError::PreconditionFailed(
            "no lock that was named covers this; it has ended, so take a new one".to_owned(),
        ));
    }
    let mut views = Vec::with_capacity(submitted.len());
    for old in submitted {
        let deadline = ask.now.plus_seconds(seconds);
        let asker = asker(ask, &tokens, visit.super_check_in_at(old.root));
        let at_root = root_of(&mut tx, &visit, &around, &old).await?;
        let granted = match rules::refresh(&asker, &old, deadline, &at_root.around) {
            Ok(granted) => granted,
            Err(refusal) => return Err(refused(&mut tx, &visit, refusal, DavError::Locked).await?),
        };
        // Whoever asks many times a second has been heard, and told, the first time.
        if *granted.lock() != old || old.deadline.is_none() {
            if may == May::Look {
                return Ok(None);
            }
            tx.renew_lock(&old, &granted)?;
            let fact = What::Lock(LockChange::Refreshed, granted.lock().into());
            tell(&mut tx, ask, visit.place_on_way(old.root), fact)?;
        }
        let privileges = visit.privileges_at(old.root);
        let lock = granted.lock().clone();
        views.push(LockView::new(
            lock,
            at_root.href,
            &ask.principal,
            privileges,
        ));
    }
    Ok(Some(views))
}

/// Where a lock hangs, which a request may name from anywhere below.
struct AtRoot<'a> {
    around: Cow<'a, Surroundings>,
    href: String,
}

async fn root_of<'a>(
    tx: &mut Tx<'_>,
    visit: &Visit<'_>,
    around: &'a Surroundings,
    lock: &Lock,
) -> Result<AtRoot<'a>, DavError> {
    let look_below = lock.depth == LockDepth::Infinity;
    if let Some(root) = visit.walk.found().filter(|found| found.id == lock.root) {
        let around = if look_below {
            Cow::Owned(tx.surroundings(&visit.walk, true).await?)
        } else {
            Cow::Borrowed(around)
        };
        let href = visit.path.href(root.is_collection());
        return Ok(AtRoot { around, href });
    }
    let (path, is_collection) = lock_root(tx, visit, lock).await?;
    let walk = tx.walk(&path).await?;
    let around = Cow::Owned(tx.surroundings(&walk, look_below).await?);
    let href = path.href(is_collection);
    Ok(AtRoot { around, href })
}

async fn unlock(txn: &mut dyn Txn, ask: &Ask, token: LockToken) -> Result<Lock, DavError> {
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    judge(&mut tx, ask, &visit, Safe::No).await?;
    end_named(&mut tx, ask, &visit, token).await
}

pub(super) async fn end_named(
    tx: &mut Tx<'_>,
    ask: &Ask,
    visit: &Visit<'_>,
    token: LockToken,
) -> Result<Lock, DavError> {
    let around = tx.surroundings(&visit.walk, false).await?;
    let lock = around.in_force().find(|lock| lock.token == token).cloned();
    let lock = lock
        .filter(|_| visit.walk.found().is_some())
        .ok_or(DavError::TokenMismatch)?;
    visit.require_writing_credential()?;
    let asker = asker(ask, &[], visit.super_check_in_at(lock.root));
    match rules::release(&asker, &lock) {
        Ok(ended) => {
            lock_ended(tx, ask, &lock, visit.place_on_way(lock.root))?;
            tx.end_lock(&ended, &visit.walk).await?;
            Ok(lock)
        }
        Err(refusal) => Err(not_yours(tx, visit, refusal).await?),
    }
}

pub(super) async fn not_yours(
    tx: &mut Tx<'_>,
    visit: &Visit<'_>,
    refusal: Refusal,
) -> Result<DavError, DavError> {
    refused(tx, visit, refusal, |mut locks| match locks.pop() {
        Some(lock) => DavError::NotYourLock(lock),
        None => DavError::TokenMismatch,
    })
    .await
}
