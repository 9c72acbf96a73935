//! CheckOut, CheckIn, StealLock, RefreshLock and GetLock.

use super::dto::{CheckIn, CheckOut, ProjectInodeLockDto, RefreshLock, Seconds, StealLock};
use super::files::Inode;
use crate::lock::{LockKind, LockScope};
use crate::ops::locking::{LockAsk, LockDepth, LockView};
use crate::protocol::error::DavError;
use crate::protocol::headers::RequestedTimeout;
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::api::response_api::ok;
use crate::web::api::route::Answered;

const NOT_LOCKED: DavError = DavError::NotLocked(Vec::new());

pub(super) async fn check_out(mut call: Call) -> Answered {
    let body: CheckOut = call.json_or_default().await?;
    let kind = LockKind::from(body.kind.unwrap_or_default());
    let timeout = timeout(body.timeout);
    let inode = Inode::of(&call, "inodeId").await?;
    // The rules let a program's lock and a check-out of one user stand together; clients of
    // this API want 401 and 22 for any file that is locked.
    if !inode.detail.locks.is_empty() {
        call.dav.require_unlocked(&inode.ask).await?;
    }
    let wanted = LockAsk {
        scope: LockScope::Exclusive,
        kind: Some(kind),
        depth: if inode.detail.resource.is_collection() {
            LockDepth::Infinity
        } else {
            LockDepth::Zero
        },
        timeout,
        owner_xml: None,
        comment: body.comment,
    };
    let taken = call.dav.lock(&inode.ask, &wanted).await;
    let taken = taken.map_err(of_lock)?;
    Ok(ok(ProjectInodeLockDto::of(inode.project, &taken.view)))
}

pub(super) async fn check_in(mut call: Call) -> Answered {
    let body: CheckIn = call.json_or_default().await?;
    let inode = Inode::of(&call, "inodeId").await?;
    let named = body.lock_id.map(|id| id.0);
    let ended = call.dav.check_in(&inode.ask, named).await;
    let ended = ended.map_err(of_lock)?;
    let lock = ended.first().ok_or(NOT_LOCKED)?;
    Ok(ok(ProjectInodeLockDto::new(
        inode.project,
        lock,
        Some(lock.token),
    )))
}

pub(super) async fn steal(mut call: Call) -> Answered {
    let body: StealLock = call.json_or_default().await?;
    let inode = Inode::of(&call, "inodeId").await?;
    let here = inode.detail.resource.id;
    let standing = &inode.detail.locks;
    let check_out = standing
        .iter()
        .find(|view| view.lock.kind == LockKind::Persistent && view.lock.root == here);
    let named = match (body.lock_id, check_out) {
        _ if standing.is_empty() => return Err(NOT_LOCKED.into()),
        (Some(named), _) => named.0,
        (None, Some(check_out)) => check_out.lock.token,
        (None, None) => {
            let locks = standing.iter().map(LockView::refusing).collect();
            return Err(only_check_outs(&DavError::LockConflict(locks)).into());
        }
    };
    let stolen = call.dav.steal(&inode.ask, named).await;
    let view = stolen.map_err(|error| match error {
        refused @ DavError::LockConflict(_) => only_check_outs(&refused).into(),
        other => of_lock(other),
    })?;
    Ok(ok(ProjectInodeLockDto::of(inode.project, &view)))
}

pub(super) async fn refresh(mut call: Call) -> Answered {
    let body: RefreshLock = call.json().await?;
    let timeout = timeout(body.timeout);
    let mut inode = Inode::of(&call, "inodeId").await?;
    if inode.detail.locks.is_empty() {
        return Err(NOT_LOCKED.into());
    }
    inode.ask.lock_token = Some(body.lock_id.0.to_string());
    let views = call.dav.refresh(&inode.ask, timeout).await;
    let views = views.map_err(of_lock)?;
    let view = views.first().ok_or(NOT_LOCKED)?;
    Ok(ok(ProjectInodeLockDto::of(inode.project, view)))
}

pub(super) async fn get(call: Call) -> Answered {
    let inode = Inode::of(&call, "inodeId").await?;
    let weight = |view: &&LockView| match view.lock.kind {
        LockKind::Persistent => 0,
        LockKind::ReadOnly => 1,
        LockKind::Transient => 2,
    };
    let view = inode.detail.locks.iter().min_by_key(weight);
    Ok(ok(
        view.map(|view| ProjectInodeLockDto::of(inode.project, view))
    ))
}

fn timeout(asked: Option<Seconds>) -> RequestedTimeout {
    asked.map_or(RequestedTimeout::Unspecified, |asked| {
        RequestedTimeout::Seconds(asked.0)
    })
}

fn only_check_outs(in_the_way: &DavError) -> DavError {
    DavError::Conflict(format!(
        "only a check-out of this very file or folder can be taken over, and only while nobody \
         else's lock stands beside it: {in_the_way}"
    ))
}

/// What clients of this API know as a lock conflict: no lock is had, and no lock is the reason.
fn of_lock(error: DavError) -> Fault {
    match error {
        DavError::PreconditionFailed(why) | DavError::InsufficientStorage(why) => {
            DavError::Conflict(why).into()
        }
        other => other.into(),
    }
}
