//! Answers about many resources: read page by page, and written in constant memory.

use std::io;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::StatusCode;

use super::{Answer, answer};
use crate::ops::properties::{Found, Search};
use crate::protocol::error::DavError;
use crate::protocol::xml::Multistatus;
use crate::web::body::Body;

/// Most answers are small and go out whole, with a length; the others are streamed.
const PAGES_AT_ONCE: usize = 3;

/// Something that is read page by page.
pub(super) trait Paged: Send + 'static {
    /// What is on a page.
    type Item: Send;

    /// The next page; `None` when there are no more.
    fn next_page(
        &mut self,
    ) -> impl Future<Output = Result<Option<Vec<Self::Item>>, DavError>> + Send;
}

impl Paged for Search {
    type Item = Found;

    async fn next_page(&mut self) -> Result<Option<Vec<Found>>, DavError> {
        Self::next_page(self).await
    }
}

/// A 207 in which `write` says something of each item.
pub(super) async fn multistatus<P: Paged>(
    mut pages: P,
    write: impl Fn(&mut Multistatus, &P::Item) + Send + 'static,
) -> Answer {
    let mut multistatus = Multistatus::new();
    for _ in 0..PAGES_AT_ONCE {
        let Some(page) = pages.next_page().await? else {
            let body = Body::full(multistatus.finish());
            return Ok(answer::xml(StatusCode::MULTI_STATUS, body));
        };
        page.iter().for_each(|item| write(&mut multistatus, item));
    }
    Ok(answer::xml(
        StatusCode::MULTI_STATUS,
        streamed(pages, multistatus, write),
    ))
}

/// A failure breaks the connection, so that the client notices.
fn streamed<P: Paged>(
    pages: P,
    multistatus: Multistatus,
    write: impl Fn(&mut Multistatus, &P::Item) + Send + 'static,
) -> Body {
    let state = Some((pages, multistatus, write));
    Body::stream(
        stream::try_unfold(state, |state| async move {
            let Some((mut pages, mut multistatus, write)) = state else {
                return Ok(None);
            };
            let begun: Bytes = multistatus.take();
            if !begun.is_empty() {
                return Ok(Some((begun, Some((pages, multistatus, write)))));
            }
            match pages.next_page().await.map_err(io::Error::other)? {
                Some(page) => {
                    page.iter().for_each(|item| write(&mut multistatus, item));
                    let written = multistatus.take();
                    Ok(Some((written, Some((pages, multistatus, write)))))
                }
                None => Ok(Some((multistatus.finish(), None))),
            }
        })
        .boxed(),
    )
}
