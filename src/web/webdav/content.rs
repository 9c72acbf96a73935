//! GET, HEAD, PUT and MKCOL.

use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{Answer, Call, answer, incomplete, listing};
use crate::ops::Ask;
use crate::ops::content::{Manner, Outcome, Source, Then, Uploaded};
use crate::ops::intake::Intake;
use crate::protocol::error::DavError;
use crate::protocol::headers::{
    ByteRange, Conditions, ContentRange, RangeRequest, Ranges, Validators, expected_length,
    if_range_holds, lock_token, modified_override,
};
use crate::resource::Resource;
use crate::web::body::Body;

/// Read and sent at a time.
const PIECE: usize = 256 * 1024;

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
    let ranges = match RangeRequest::from_headers(&call.headers) {
        Some(ranges) if if_range_holds(&call.headers, &validators(&resource)) => {
            ranges.resolve(size)
        }
        _ => Ranges::Whole,
    };
    let mut response = match ranges {
        Ranges::Whole => whole(source, size).await?,
        Ranges::Parts(parts) => match parts.as_slice() {
            [part] => one_part(source, *part, size).await?,
            _ => several_parts(source, parts, size, &resource),
        },
        Ranges::Unsatisfiable => return Err(DavError::RangeNotSatisfiable { size }),
    };
    let multipart = response.headers_mut().remove(header::CONTENT_TYPE);
    describe(&resource, response.headers_mut());
    if let Some(multipart) = multipart {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, multipart);
    }
    Ok(response)
}

/// Office opens a file read-only when its existence discovery is answered with 304.
fn without_office_condition(call: &Call) -> Ask {
    let mut ask = call.ask.clone();
    if ask.program.contains("Existence Discovery") {
        ask.conditions = Conditions::default();
    }
    ask
}

/// A 304 carries the entity tag (RFC 9110 §15.4.5).
async fn not_modified(call: &Call) -> Answer {
    let ask = Ask {
        if_header: None,
        conditions: Conditions::default(),
        ..call.ask.clone()
    };
    let resource = call.dav.find(&ask).await?;
    let mut response = answer::empty(StatusCode::NOT_MODIFIED);
    set_validators(&resource, response.headers_mut());
    Ok(response)
}

async fn whole(mut source: Source, size: u64) -> Answer {
    let mut response = if size <= PIECE as u64 {
        Response::new(Body::full(read_all(&mut source, 0..size).await?))
    } else {
        Response::new(stream_of(source, vec![Piece::Of(0..size)]))
    };
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    Ok(response)
}

async fn one_part(mut source: Source, part: ByteRange, size: u64) -> Answer {
    let bytes = part.first..part.last + 1;
    let mut response = if part.length() <= PIECE as u64 {
        Response::new(Body::full(read_all(&mut source, bytes).await?))
    } else {
        Response::new(stream_of(source, vec![Piece::Of(bytes)]))
    };
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(part.length()));
    let range = format!("bytes {}-{}/{size}", part.first, part.last);
    headers.insert(header::CONTENT_RANGE, header_value(range));
    Ok(response)
}

fn several_parts(
    source: Source,
    parts: Vec<ByteRange>,
    size: u64,
    resource: &Resource,
) -> Response<Body> {
    let boundary = boundary(resource);
    let media_type = media_type(resource);
    let mut length = 0;
    let mut pieces = Vec::with_capacity(parts.len() * 2 + 1);
    for part in parts {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: bytes \
             {}-{}/{size}\r\n\r\n",
            part.first, part.last
        );
        length += head.len() as u64 + part.length();
        pieces.push(Piece::Text(head));
        pieces.push(Piece::Of(part.first..part.last + 1));
    }
    let end = format!("\r\n--{boundary}--\r\n");
    length += end.len() as u64;
    pieces.push(Piece::Text(end));
    let mut response = Response::new(stream_of(source, pieces));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let multipart = format!("multipart/byteranges; boundary={boundary}");
    headers.insert(header::CONTENT_TYPE, header_value(multipart));
    response
}

/// What separates the parts of an answer to several ranges. It must not occur in the file (RFC 2046
/// §5.1.1): the number of its version was drawn when its bytes had already come.
fn boundary(resource: &Resource) -> String {
    let version = resource.content.as_ref().map(|content| content.version);
    format!("lockkeeper-{:016x}", version.unwrap_or_default())
}

/// What a body is made of.
enum Piece {
    Text(String),
    Of(Range<u64>),
}

/// The pieces one after the other, in bounded memory.
fn stream_of(source: Source, pieces: Vec<Piece>) -> Body {
    let state = (source, pieces.into_iter(), 0..0);
    Body::stream(
        stream::try_unfold(state, |(mut source, mut pieces, mut bytes)| async move {
            while bytes.is_empty() {
                match pieces.next() {
                    None => return Ok(None),
                    Some(Piece::Of(next)) => bytes = next,
                    Some(Piece::Text(text)) => {
                        return Ok(Some((Bytes::from(text), (source, pieces, bytes))));
                    }
                }
            }
            let want = usize::try_from(bytes.end - bytes.start)
                .unwrap_or(PIECE)
                .min(PIECE);
            let piece = source
                .read(bytes.start, want)
                .await
                .map_err(std::io::Error::other)?;
            if piece.is_empty() {
                return Err(std::io::Error::other(
                    "a content file is shorter than its row",
                ));
            }
            bytes.start += piece.len() as u64;
            Ok(Some((piece, (source, pieces, bytes))))
        })
        .boxed(),
    )
}

async fn read_all(source: &mut Source, bytes: Range<u64>) -> Result<Bytes, DavError> {
    let want = usize::try_from(bytes.end - bytes.start).unwrap_or(PIECE);
    let first = source.read(bytes.start, want).await?;
    if first.len() == want {
        return Ok(first);
    }
    let mut all = first.to_vec();
    while all.len() < want {
        let piece = source
            .read(bytes.start + all.len() as u64, want - all.len())
            .await?;
        if piece.is_empty() {
            return Err(DavError::Internal(
                "a content file is shorter than its row".to_owned(),
            ));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.into())
}

fn validators(resource: &Resource) -> Validators {
    Validators {
        etag: resource.etag(),
        modified: resource.modified,
    }
}

pub(super) fn header_value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn set_validators(resource: &Resource, headers: &mut HeaderMap) {
    if let Some(etag) = resource.etag() {
        headers.insert(header::ETAG, header_value(etag.to_string()));
    }
    headers.insert(
        header::LAST_MODIFIED,
        header_value(resource.modified.http_date()),
    );
}

/// What the headers of a GET say of a file.
fn describe(resource: &Resource, headers: &mut HeaderMap) {
    set_validators(resource, headers);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let media_type = media_type(resource);
    let is_page = ["html", "svg", "xml"]
        .iter()
        .any(|kind| media_type.contains(kind));
    if is_page {
        // A page that one user stored must not act as another who looks at it.
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("sandbox"),
        );
    }
    headers.insert(header::CONTENT_TYPE, header_value(media_type));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
}

/// What the client said the file is, or what its name says.
pub(super) fn media_type(resource: &Resource) -> String {
    let sent = resource
        .content
        .as_ref()
        .and_then(|content| content.media_type.clone());
    sent.unwrap_or_else(|| {
        mime_guess::from_path(&resource.name)
            .first_or_octet_stream()
            .essence_str()
            .to_owned()
    })
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
    let old = call.dav.may_upload(&call.ask).await?;
    let uploaded = match range {
        None => put_whole(&mut call).await?,
        Some(range) => put_part(&mut call, old, &range).await?,
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
        then: Then::Nothing,
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
