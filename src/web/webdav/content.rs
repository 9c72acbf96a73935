//! GET, HEAD, PUT and MKCOL.

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{Answer, Call, answer, incomplete, listing};
use crate::ops::Ask;
use crate::ops::content::{Manner, Outcome, Uploaded};
use crate::ops::intake::Intake;
use crate::protocol::error::DavError;
use crate::protocol::headers::{
    Conditions, ContentRange, expected_length, lock_token, modified_override,
};
use crate::resource::{INLINE_BYTES_MAX, Resource};
use crate::web::download::{self, describe, set_validators};

pub(super) async fn head(call: Call) -> Answer {
    let ask = without_office_condition(&call);
    let resource = match call.dav.find(&ask).await {
        Err(DavError::NotModified) => return not_modified(&call).await,
        found => found?,
    };
    let Some(size) = resource.size() else {
        return Ok(listing::head());
    };
    let mut response = answer::empty(StatusCode::OK);
    describe(&resource, response.headers_mut());
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    Ok(response)
}

pub(super) async fn get(call: Call) -> Answer {
    let (resource, source) = match call.dav.read_content(&call.ask).await {
        Err(DavError::NotModified) => return not_modified(&call).await,
        opened => opened?,
    };
    let Some(size) = resource.size() else {
        return listing::page(call).await;
    };
    download::answer(&call.headers, &resource, source, size).await
}

/// Office opens a file read-only when its existence discovery is answered with 304.
fn without_office_condition(call: &Call) -> Ask {
    let mut ask = call.ask.clone();
    if ask.program.contains("Existence Discovery") {
        ask.conditions = Conditions::default();
    }
    ask
}

async fn not_modified(call: &Call) -> Answer {
    let resource = call.dav.find(&call.unconditional()).await?;
    Ok(download::not_modified(&resource))
}

/// What the client says a file is; clients that do not know say octet-stream or, like curl, call
/// it a form.
fn sent_media_type(headers: &HeaderMap) -> Option<String> {
    const BYTES_MAX: usize = 255;
    let sent = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.trim();
    let generic = [
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "",
    ];
    let told = sent.len() <= BYTES_MAX && !generic.contains(&sent.to_ascii_lowercase().as_str());
    told.then(|| sent.to_owned())
}

pub(super) async fn put(mut call: Call) -> Answer {
    call.ask.lock_token = lock_token(&call.headers)?;
    let range = ContentRange::from_headers(&call.headers)?;
    refuse_encoding(&call.headers)?;
    let uploaded = match range {
        None if is_cheap_to_refuse_later(&call) => put_whole(&mut call).await?,
        None => {
            call.dav.may_upload(&call.ask).await?;
            put_whole(&mut call).await?
        }
        Some(range) => {
            let old = call.dav.may_upload(&call.ask).await?;
            put_part(&mut call, old, &range).await?
        }
    };
    let status = match uploaded.outcome {
        Outcome::Created => StatusCode::CREATED,
        Outcome::Replaced => StatusCode::NO_CONTENT,
    };
    let mut response = answer::empty(status);
    set_validators(&uploaded.file, response.headers_mut());
    if modified_override(&call.headers).is_some() {
        response
            .headers_mut()
            .insert("X-OC-Mtime", HeaderValue::from_static("accepted"));
    }
    Ok(response)
}

/// Whether the body is so small that reading it costs less than to ask twice. The transaction of
/// the upload asks the same questions, and nothing that small is written before it. A client that
/// waits for `100 Continue` is to learn without sending anything.
fn is_cheap_to_refuse_later(call: &Call) -> bool {
    let is_small = |length| length <= INLINE_BYTES_MAX as u64;
    call.body.length().is_some_and(is_small) && !call.headers.contains_key(header::EXPECT)
}

/// A content coding would be forgotten and the file be useless to other clients.
fn refuse_encoding(headers: &HeaderMap) -> Result<(), DavError> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(DavError::UnsupportedMedia(
                "a body with a Content-Encoding is not accepted; send the file as it is".to_owned(),
            ))
        }
        _ => Ok(()),
    }
}

async fn put_whole(call: &mut Call) -> Result<Uploaded, DavError> {
    // macOS sends chunks and announces the length beside them.
    let announced = call
        .body
        .length()
        .or_else(|| expected_length(&call.headers));
    let mut intake = Intake::new(&call.dav, announced)?;
    pour(&mut call.body, &mut intake).await?;
    if let Some(expected) = expected_length(&call.headers)
        && expected != intake.size()
    {
        return Err(DavError::BadRequest(format!(
            "{expected} bytes were announced (X-Expected-Entity-Length), {} came; nothing was \
             changed",
            intake.size()
        )));
    }
    let content = intake.finish(sent_media_type(&call.headers)).await?;
    call.dav
        .upload(&call.ask, content, manner(call, None))
        .await
}

/// PUT with `Content-Range`: the bytes replace those of the file, which may grow at its end.
async fn put_part(
    call: &mut Call,
    old: Option<Resource>,
    range: &ContentRange,
) -> Result<Uploaded, DavError> {
    let old = old.ok_or_else(|| {
        DavError::Conflict("there is no file yet of which Content-Range could be a part".to_owned())
    })?;
    let mut intake = call.dav.begin_partial(&old, range).await?;
    pour(&mut call.body, &mut intake).await?;
    call.dav.end_partial(&old, range, &mut intake).await?;
    let media_type = old
        .content
        .as_ref()
        .and_then(|content| content.media_type.clone());
    let base = old.content.as_ref().map(|content| content.version);
    let content = intake.finish(media_type).await?;
    call.dav
        .upload(&call.ask, content, manner(call, base))
        .await
}

fn manner(call: &Call, base: Option<u64>) -> Manner {
    Manner {
        modified: modified_override(&call.headers),
        base,
        ..Manner::default()
    }
}

async fn pour(
    body: &mut crate::web::body::RequestBody,
    intake: &mut Intake<'_>,
) -> Result<(), DavError> {
    while let Some(piece) = body.next().await {
        intake
            .push(piece.map_err(|error| incomplete(&error))?)
            .await?;
    }
    Ok(())
}

pub(super) async fn mkcol(mut call: Call) -> Answer {
    if !call.body.is_empty() && !call.xml().await?.is_empty() {
        return Err(DavError::UnsupportedMedia(
            "MKCOL takes no body here".to_owned(),
        ));
    }
    call.dav.make_collection(&call.ask).await?;
    Ok(answer::empty(StatusCode::CREATED))
}
