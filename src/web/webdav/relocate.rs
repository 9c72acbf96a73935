//! DELETE, COPY and MOVE.

use http::StatusCode;

use super::{Answer, Call, answer};
use crate::ops::content::Outcome;
use crate::ops::copy::CopyDepth;
use crate::protocol::error::DavError;
use crate::protocol::headers::{Depth, Destination, Overwrite};
use crate::protocol::path::DavPath;

pub(super) async fn delete(call: Call) -> Answer {
    call.require_whole().await?;
    call.dav.delete(&call.ask).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn relocate(call: Call) -> Answer {
    let destination = destination(&call)?;
    let overwrite = Overwrite::from_headers(&call.headers)?;
    call.require_whole().await?;
    Ok(done(
        call.dav
            .relocate(&call.ask, &destination, overwrite)
            .await?,
    ))
}

pub(super) async fn copy(call: Call) -> Answer {
    let destination = destination(&call)?;
    let overwrite = Overwrite::from_headers(&call.headers)?;
    let depth = match call.depth(Depth::Infinity)? {
        Depth::Zero => CopyDepth::Zero,
        Depth::Infinity => CopyDepth::Infinity,
        Depth::One => {
            return Err(DavError::BadRequest(
                "COPY takes Depth 0 or infinity (RFC 4918, 9.8.3)".to_owned(),
            ));
        }
    };
    Ok(done(
        call.dav
            .copy(&call.ask, &destination, overwrite, depth)
            .await?,
    ))
}

pub(super) fn destination(call: &Call) -> Result<DavPath, DavError> {
    let config = call.dav.config();
    Destination::from_headers(
        &call.headers,
        &config.server.hosts,
        config.limits.path_bytes_max,
    )
}

pub(super) fn done(outcome: Outcome) -> http::Response<crate::web::body::Body> {
    answer::empty(match outcome {
        Outcome::Created => StatusCode::CREATED,
        Outcome::Replaced => StatusCode::NO_CONTENT,
    })
}
