//! LOCK and UNLOCK, and how a lock is shown.

use http::StatusCode;

use super::{Answer, Call, answer};
use crate::ops::locking::{LockAsk, LockDepth, LockView};
use crate::protocol::error::DavError;
use crate::protocol::headers::{Depth, RequestedTimeout, lock_token};
use crate::protocol::time::Timestamp;
use crate::protocol::xml::{ActiveLock, LockDepthName, lock_response, parse_lockinfo};
use crate::web::body::Body;
use crate::web::download::header_value;

pub(super) async fn lock(mut call: Call) -> Answer {
    let timeout = RequestedTimeout::from_headers(&call.headers);
    let body = call.xml().await?;
    if body.iter().all(u8::is_ascii_whitespace) {
        let views = call.dav.refresh(&call.ask, timeout).await?;
        return Ok(locks(StatusCode::OK, &views, call.ask.now));
    }
    let info = parse_lockinfo(&body, &call.xml_limits())?;
    // Windows sends no Depth; RFC 4918 §9.10.3 makes that infinity.
    let reach = match call.depth(Depth::Infinity)? {
        Depth::Zero => LockDepth::Zero,
        Depth::Infinity => LockDepth::Infinity,
        Depth::One => {
            return Err(DavError::BadRequest(
                "LOCK takes Depth 0 or infinity (RFC 4918, 9.10.3)".to_owned(),
            ));
        }
    };
    let wanted = LockAsk {
        scope: info.scope,
        kind: info.kind,
        depth: reach,
        timeout,
        owner_xml: info.owner_xml,
        comment: None,
    };
    let taken = call.dav.lock(&call.ask, &wanted).await?;
    let status = if taken.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let token = taken.view.lock.token.to_string();
    let mut response = locks(status, &[taken.view], call.ask.now);
    response
        .headers_mut()
        .insert("Lock-Token", header_value(format!("<{token}>")));
    Ok(response)
}

pub(super) async fn unlock(call: Call) -> Answer {
    let token = lock_token(&call.headers)?.ok_or_else(|| {
        DavError::BadRequest("UNLOCK needs a Lock-Token header (RFC 4918, 9.11)".to_owned())
    })?;
    call.dav.unlock(&call.ask, &token).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

fn locks(status: StatusCode, views: &[LockView], now: Timestamp) -> http::Response<Body> {
    let active: Vec<ActiveLock<'_>> = views.iter().map(|view| shown(view, now)).collect();
    answer::xml(status, Body::full(lock_response(&active)))
}

/// A lock as `DAV:activelock` shows it.
pub(super) fn shown(view: &LockView, now: Timestamp) -> ActiveLock<'_> {
    let lock = &view.lock;
    ActiveLock {
        kind: lock.kind,
        scope: lock.scope,
        depth: match lock.depth {
            LockDepth::Zero => LockDepthName::Zero,
            LockDepth::Infinity => LockDepthName::Infinity,
        },
        owner_xml: lock.owner_xml.as_deref(),
        comment: lock.comment.as_deref(),
        timeout: lock.deadline.map(|deadline| deadline.seconds_from(now)),
        token: view.token.map(|token| token.to_string()),
        lockroot: view.href.clone(),
        holder: &lock.holder,
        since: lock.since,
    }
}
