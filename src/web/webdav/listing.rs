//! GET of a collection: a plain page for a browser, without scripts. LibreOffice sends HEAD to the
//! collection before it saves a new file and wants 200; a redirect to the address with the slash
//! breaks gvfs, so there is none.

use std::fmt::Write as _;
use std::io;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderValue, Response, StatusCode, header};

use super::{Answer, Call, answer};
use crate::ops::properties::{Found, Look, Search, Wanted};
use crate::protocol::headers::Depth;
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
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
}

pub(super) async fn page(call: Call) -> Answer {
    let path = call.path.clone();
    let wanted = Wanted {
        dead: Look::Away,
        locks: Look::Up,
    };
    let mut search = call.dav.search(call.ask, Depth::One, wanted).await?;
    search.next_page().await?;
    let title = match path.name() {
        Some(name) => escape(name.as_str()),
        None => "/".to_owned(),
    };
    let up = path.parent().map_or_else(String::new, |parent| {
        format!("<p><a href=\"{}\">Up</a></p>", escape(&parent.href(true)))
    });
    let top = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1>{up}<table><tr><th>Name<th>Bytes<th>Changed<th>Locked by</tr>\n"
    );
    let mut response = Response::new(rows(top, search));
    set_headers(&mut response);
    Ok(response)
}

fn rows(top: String, search: Search) -> Body {
    let state = Some((top, search));
    Body::stream(
        stream::try_unfold(state, |state| async move {
            let Some((mut html, mut search)) = state else {
                return Ok(None);
            };
            let Some(page) = search.next_page().await.map_err(io::Error::other)? else {
                html.push_str("</table></html>\n");
                return Ok::<_, io::Error>(Some((Bytes::from(html), None)));
            };
            page.iter().for_each(|found| row(&mut html, found));
            Ok(Some((Bytes::from(html), Some((String::new(), search)))))
        })
        .boxed(),
    )
}

fn row(html: &mut String, found: &Found) {
    let resource = &found.resource;
    let slash = if resource.is_collection() { "/" } else { "" };
    let holders: Vec<String> = found
        .locks
        .iter()
        .map(|view| escape(&view.lock.holder))
        .collect();
    let _ = writeln!(
        html,
        "<tr><td><a href=\"{}\">{}{slash}</a><td class=\"size\">{}<td>{}<td>{}</tr>",
        escape(&found.href),
        escape(&resource.name),
        resource
            .size()
            .map_or_else(String::new, |size| size.to_string()),
        resource.modified,
        holders.join(", "),
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
