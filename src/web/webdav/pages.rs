//! Answers about many resources: read page by page, and written in constant memory.

use std::io;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::StatusCode;

use super::{Answer, answer};
use crate::ops::properties::{Found, Search, Telling, Told};
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

/// Something that is told page by page.
pub(super) trait ToldPages: Send + 'static {
    /// What the next page adds to a multistatus; `None` when there are no more.
    fn next_page(&mut self) -> impl Future<Output = Result<Option<Bytes>, DavError>> + Send;
}

impl<T: Telling + 'static> ToldPages for Told<T> {
    async fn next_page(&mut self) -> Result<Option<Bytes>, DavError> {
        Self::next_page(self).await
    }
}

/// Pages of which `write` tells each item.
pub(super) struct Written<P, W> {
    pages: P,
    write: W,
}

impl<P, W> Written<P, W>
where
    P: Paged,
    W: Fn(&mut Multistatus, &P::Item) + Send + 'static,
{
    pub(super) fn new(pages: P, write: W) -> Self {
        Self { pages, write }
    }
}

impl<P, W> ToldPages for Written<P, W>
where
    P: Paged,
    W: Fn(&mut Multistatus, &P::Item) + Send + 'static,
{
    async fn next_page(&mut self) -> Result<Option<Bytes>, DavError> {
        let page = self.pages.next_page().await?;
        Ok(page.map(|page| Multistatus::page(&page, &self.write)))
    }
}

/// A 207 of all pages.
pub(super) async fn multistatus<P: ToldPages>(mut pages: P) -> Answer {
    let mut begun = vec![Multistatus::beginning()];
    for _ in 0..PAGES_AT_ONCE {
        let Some(page) = pages.next_page().await? else {
            begun.push(Multistatus::end());
            return Ok(answer::xml(StatusCode::MULTI_STATUS, Body::pieces(begun)));
        };
        begun.push(page);
    }
    Ok(answer::xml(
        StatusCode::MULTI_STATUS,
        streamed(pages, begun),
    ))
}

/// A failure breaks the connection, so that the client notices.
fn streamed<P: ToldPages>(pages: P, begun: Vec<Bytes>) -> Body {
    let begun = stream::iter(begun.into_iter().map(Ok));
    let rest = stream::try_unfold(Some(pages), |pages| async move {
        let Some(mut pages) = pages else {
            return Ok(None);
        };
        Ok(Some(
            match pages.next_page().await.map_err(io::Error::other)? {
                Some(page) => (page, Some(pages)),
                None => (Multistatus::end(), None),
            },
        ))
    });
    Body::stream(begun.chain(rest))
}
