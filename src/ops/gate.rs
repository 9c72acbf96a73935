//! What every operation asks before it writes: do the request's conditions hold, has the user the
//! privileges, and do the locks allow it? And how a refusal by locks is told.

use std::collections::HashMap;

use super::visit::{Visit, visit_target};
use super::{Ask, Dav};
use crate::lock::rules::{self, Asker, Cleared, Doing, Refusal, SuperCheckIn, Surroundings};
use crate::lock::{Lock, LockToken};
use crate::protocol::error::{DavError, MemberError, RefusingLock};
use crate::protocol::headers::{Safe, Validators};
use crate::protocol::if_header::ResourceState;
use crate::protocol::path::DavPath;
use crate::resource::{Resource, ResourceId};
use crate::store::Walk;
use crate::store::tx::Tx;

/// Who asks, as the lock rules know it.
pub(super) fn asker<'a>(
    ask: &Ask,
    tokens: &'a [LockToken],
    super_check_in: SuperCheckIn,
) -> Asker<'a> {
    Asker {
        user: ask.principal.id,
        tokens,
        super_check_in,
    }
}

/// Judges `If` and the conditions of RFC 9110. They come before locks.
pub(super) async fn judge(
    tx: &mut Tx<'_>,
    ask: &Ask,
    visit: &Visit<'_>,
    safe: Safe,
) -> Result<(), DavError> {
    judge_if(tx, ask, visit).await?;
    judge_conditions(ask, visit.walk.found(), safe)
}

/// Judges the conditions of RFC 9110 alone.
pub(super) fn judge_conditions(
    ask: &Ask,
    found: Option<&Resource>,
    safe: Safe,
) -> Result<(), DavError> {
    let validators = found.map(|resource| Validators {
        etag: resource.etag(),
        modified: resource.modified,
    });
    ask.conditions.evaluate(validators.as_ref(), safe)
}

/// Judges the `If` header alone (RFC 4918 §10.4).
pub(super) async fn judge_if(
    tx: &mut Tx<'_>,
    ask: &Ask,
    visit: &Visit<'_>,
) -> Result<(), DavError> {
    let Some(if_header) = &ask.if_header else {
        return Ok(());
    };
    let mut state = state_of(tx, &visit.walk).await?;
    if let Some(resource) = visit
        .walk
        .found()
        .filter(|resource| resource.is_collection())
    {
        // Macs submit the tokens of what lies below a collection in untagged lists.
        let below = tx.locks_below(resource.id).await?;
        state
            .tokens
            .extend(below.iter().map(|lock| lock.token.to_string()));
    }
    let mut tagged: HashMap<DavPath, ResourceState> = HashMap::new();
    for path in if_header.paths() {
        if !tagged.contains_key(path) {
            let there = visit_target(tx, ask, &path.clone().into()).await?;
            tagged.insert(path.clone(), state_of(tx, &there.walk).await?);
        }
    }
    if if_header.evaluate(&state, |path| tagged.get(path)) {
        Ok(())
    } else {
        Err(DavError::PreconditionFailed(
            "the If header does not hold: the resource has another entity tag, or a lock that it \
             names has ended"
                .to_owned(),
        ))
    }
}

async fn state_of(tx: &mut Tx<'_>, walk: &Walk) -> Result<ResourceState, DavError> {
    let around = tx.surroundings(walk, false).await?;
    Ok(ResourceState {
        etag: walk.found().and_then(Resource::etag),
        tokens: around
            .in_force()
            .map(|lock| lock.token.to_string())
            .collect(),
    })
}

/// Asks whether the user has the privileges for this where `visit` led, and the locks allow it.
pub(super) async fn clear(
    tx: &mut Tx<'_>,
    dav: &Dav,
    ask: &Ask,
    visit: &Visit<'_>,
    doing: Doing,
) -> Result<Cleared, DavError> {
    let look_below = rules::looks_below(doing);
    visit.require_write(tx, doing).await?;
    let around = tx.surroundings(&visit.walk, look_below).await?;
    let at = visit.walk.found().or_else(|| visit.walk.parent());
    let at = at.map_or(ResourceId::ROOT, |found| found.id);
    let cleared = check(tx, dav, (ask, visit), (doing, at), &around).await?;
    visit.require_free_name()?;
    Ok(cleared)
}

/// The same for a new member of the collection in which something was removed a moment ago.
pub(super) async fn clear_vacated(
    tx: &mut Tx<'_>,
    dav: &Dav,
    ask: &Ask,
    visit: &Visit<'_>,
    parent: ResourceId,
) -> Result<Cleared, DavError> {
    visit.require_write(tx, Doing::Make).await?;
    let mut around = tx.surroundings(&visit.walk, false).await?;
    around.here.clear();
    let at = (Doing::Make, parent);
    let cleared = check(tx, dav, (ask, visit), at, &around).await?;
    visit.require_free_name()?;
    Ok(cleared)
}

async fn check(
    tx: &mut Tx<'_>,
    dav: &Dav,
    (ask, visit): (&Ask, &Visit<'_>),
    (doing, at): (Doing, ResourceId),
    around: &Surroundings,
) -> Result<Cleared, DavError> {
    let tokens = ask.tokens();
    // SuperCheckIn releases locks; it does not write through them.
    let asker = asker(ask, &tokens, SuperCheckIn::NotHeld);
    match rules::check(dav.config.locks.policy, &asker, doing, at, around) {
        Ok(cleared) => Ok(cleared),
        Err(refusal) => Err(refused(tx, visit, refusal, DavError::Locked).await?),
    }
}

/// Says which locks refused, and where they are: locks here in one error, locks below as one
/// error each.
pub(super) async fn refused(
    tx: &mut Tx<'_>,
    visit: &Visit<'_>,
    refusal: Refusal,
    error: impl Fn(Vec<RefusingLock>) -> DavError,
) -> Result<DavError, DavError> {
    match refusal {
        Refusal::Here(locks) => Ok(error(refusing(tx, visit, &locks).await?)),
        Refusal::Below(locks) => {
            let mut refusing = refusing(tx, visit, &locks).await?;
            refusing.sort_by(|one, other| one.href.cmp(&other.href));
            let member = |lock: RefusingLock| MemberError {
                href: lock.href.clone(),
                error: error(vec![lock]),
            };
            Ok(DavError::Members(
                refusing.into_iter().map(member).collect(),
            ))
        }
    }
}

/// What is told of locks that said no.
pub(super) async fn refusing(
    tx: &mut Tx<'_>,
    visit: &Visit<'_>,
    locks: &[Lock],
) -> Result<Vec<RefusingLock>, DavError> {
    let mut refusing = Vec::with_capacity(locks.len());
    for lock in locks {
        refusing.push(RefusingLock {
            href: lock_root_href(tx, visit, lock).await?,
            kind: lock.kind,
            holder: lock.holder.clone(),
            expires: lock.deadline,
        });
    }
    Ok(refusing)
}

/// Where the root of `lock` is now.
pub(super) async fn lock_root_href(
    tx: &mut Tx<'_>,
    visit: &Visit<'_>,
    lock: &Lock,
) -> Result<String, DavError> {
    let (path, is_collection) = lock_root(tx, visit, lock).await?;
    Ok(path.href(is_collection))
}

/// Where the root of a lock is, and whether it is a collection. Mostly it is on the way.
pub(super) async fn lock_root(
    tx: &mut Tx<'_>,
    visit: &Visit<'_>,
    lock: &Lock,
) -> Result<(DavPath, bool), DavError> {
    let path = match visit.walk.path_to(lock.root)? {
        Some(found) => Some(found),
        None => tx.path_of(lock.root).await?,
    };
    path.ok_or_else(|| {
        DavError::Internal(format!(
            "a lock hangs on resource {}, which is gone",
            lock.root
        ))
    })
}
