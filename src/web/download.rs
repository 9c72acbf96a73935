//! Sending a file, whole or in the ranges that the request names. Every face sends files so.

use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::body::Body;
use crate::ops::content::Source;
use crate::protocol::error::DavError;
use crate::protocol::headers::{ByteRange, RangeRequest, Ranges, Validators, if_range_holds};
use crate::resource::Resource;

/// Read and sent at a time.
const PIECE: usize = 256 * 1024;

type Answer = Result<Response<Body>, DavError>;

/// The answer to a GET of a file of `size` bytes.
pub(super) async fn answer(
    headers: &HeaderMap,
    resource: &Resource,
    source: Source,
    size: u64,
) -> Answer {
    let ranges = match RangeRequest::from_headers(headers) {
        Some(ranges) if if_range_holds(headers, &validators(resource)) => ranges.resolve(size),
        _ => Ranges::Whole,
    };
    let mut response = match ranges {
        Ranges::Whole => whole(source, size).await?,
        Ranges::Parts(parts) => match parts.as_slice() {
            [part] => one_part(source, *part, size).await?,
            _ => several_parts(source, parts, size, resource),
        },
        Ranges::Unsatisfiable => return Err(DavError::RangeNotSatisfiable { size }),
    };
    let multipart = response.headers_mut().remove(header::CONTENT_TYPE);
    describe(resource, response.headers_mut());
    if let Some(multipart) = multipart {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, multipart);
    }
    Ok(response)
}

/// A 304 carries the entity tag (RFC 9110 §15.4.5).
pub(super) fn not_modified(resource: &Resource) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    set_validators(resource, response.headers_mut());
    response
}

/// Makes a browser save the file under its name.
pub(super) fn name_attachment(resource: &Resource, headers: &mut HeaderMap) {
    // RFC 8187, which is stricter than a path.
    let name = utf8_percent_encode(&resource.name, NON_ALPHANUMERIC);
    let disposition = header_value(format!("attachment; filename*=UTF-8''{name}"));
    headers.insert(header::CONTENT_DISPOSITION, disposition);
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

/// The entity tag and the date.
pub(super) fn set_validators(resource: &Resource, headers: &mut HeaderMap) {
    if let Some(etag) = resource.etag() {
        headers.insert(header::ETAG, header_value(etag.to_string()));
    }
    headers.insert(
        header::LAST_MODIFIED,
        header_value(resource.modified.http_date()),
    );
}

/// What the headers of a GET say of a file.
pub(super) fn describe(resource: &Resource, headers: &mut HeaderMap) {
    set_validators(resource, headers);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let media_type = media_type(resource);
    // A page that one user stored must not act as another who looks at it, whatever type it has.
    // Browsers show no PDF in a sandbox, and what one contains cannot reach the site.
    let policy = if media_type == "application/pdf" {
        "frame-ancestors 'self'"
    } else {
        "sandbox"
    };
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(policy),
    );
    headers.insert(header::CONTENT_TYPE, header_value(media_type));
}

/// What the client said the file is, or what its name says.
pub(super) fn media_type(resource: &Resource) -> String {
    let content = resource.content.as_ref();
    let sent = content.and_then(|content| content.media_type.as_deref());
    media_type_of(sent, &resource.name)
}

/// The same of a version of a file called `name`.
pub(super) fn media_type_of(sent: Option<&str>, name: &str) -> String {
    let guess = || mime_guess::from_path(name).first_or_octet_stream();
    sent.map_or_else(|| guess().essence_str().to_owned(), str::to_owned)
}
