//! GET of a collection: a plain page for a browser, without scripts. LibreOffice sends HEAD to the
//! collection before it saves a new file and wants 200; a redirect to the address with the slash
//! breaks gvfs, so there is none.

use std::fmt::Write as _;
use std::io;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderValue, Response, StatusCode, header};

use super::pages::Paged;
use super::{Answer, Call, answer};
use crate::ops::properties::{Found, Look, Wanted};
use crate::protocol::headers::Depth;
use crate::protocol::path::Name;
use crate::protocol::time::Timestamp;
use crate::web::body::Body;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;\
                     padding:0 1em}table{border-collapse:collapse;width:100%}td,th{padding:.2em \
                     .8em .2em 0;text-align:left}td.size{text-align:right;\
                     font-variant-numeric:tabular-nums}";

pub(super) fn head() -> Response<Body> {
    let mut response = answer::empty(StatusCode::OK);
    set_headers(&mut response);
    response
}

fn set_headers(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
        ),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// A row of the page.
pub(super) struct Row<'a> {
    /// Its address, encoded.
    pub(super) href: &'a str,
    pub(super) name: &'a str,
    /// `None`: a collection.
    pub(super) size: Option<u64>,
    pub(super) modified: Timestamp,
    /// What stands in the last column.
    pub(super) note: String,
}

pub(super) async fn page(call: Call) -> Answer {
    let path = call.path.clone();
    let wanted = Wanted {
        dead: Look::Away,
        locks: Look::Up,
    };
    let search = call.dav.search(call.ask, Depth::One, wanted).await?;
    let up = path.parent().map(|parent| parent.href(true));
    let title = path.name().map_or("/", Name::as_str);
    Ok(table(
        title,
        up.as_deref(),
        "Locked by",
        search.behind(None),
        row,
    ))
}

fn row(found: &Found) -> Row<'_> {
    let holders = found.locks.iter().map(|view| view.lock.holder.as_str());
    Row {
        href: &found.href,
        name: &found.resource.name,
        size: found.resource.size(),
        modified: found.resource.modified,
        note: holders.collect::<Vec<_>>().join(", "),
    }
}

/// The page of a collection with these members.
pub(super) fn table<P: Paged>(
    title: &str,
    up: Option<&str>,
    last_column: &str,
    members: P,
    row: impl Fn(&P::Item) -> Row<'_> + Send + 'static,
) -> Response<Body> {
    let title = escape(title);
    let up = up.map_or_else(String::new, |up| {
        format!("<p><a href=\"{}\">Up</a></p>", escape(up))
    });
    let top = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1>{up}<table><tr><th>Name<th>Bytes<th>Changed<th>{last_column}</tr>\n"
    );
    let mut response = Response::new(rows(top, members, row));
    set_headers(&mut response);
    response
}

fn rows<P: Paged>(
    top: String,
    members: P,
    row: impl Fn(&P::Item) -> Row<'_> + Send + 'static,
) -> Body {
    let state = Some((top, members, row));
    Body::stream(
        stream::try_unfold(state, |state| async move {
            let Some((mut html, mut members, row)) = state else {
                return Ok(None);
            };
            let Some(page) = members.next_page().await.map_err(io::Error::other)? else {
                html.push_str("</table></html>\n");
                return Ok::<_, io::Error>(Some((Bytes::from(html), None)));
            };
            page.iter().for_each(|member| push(&mut html, &row(member)));
            Ok(Some((
                Bytes::from(html),
                Some((String::new(), members, row)),
            )))
        })
        .boxed(),
    )
}

fn push(html: &mut String, row: &Row<'_>) {
    let slash = if row.size.is_none() { "/" } else { "" };
    let _ = writeln!(
        html,
        "<tr><td><a href=\"{}\">{}{slash}</a><td class=\"size\">{}<td>{}<td>{}</tr>",
        escape(row.href),
        escape(row.name),
        row.size.map_or_else(String::new, |size| size.to_string()),
        row.modified,
        escape(&row.note),
    );
}

/// Names come from users: nothing in them may be read as markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
