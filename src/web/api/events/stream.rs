//! The record as server-sent events (HTML, 9.2). Blocks are made when the connection takes them, so
//! a client that reads slowly costs one block of memory.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::{HeaderValue, Method, Response, header};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use tokio::time::sleep;

use super::follow::{Follower, News};
use super::full_house;
use super::parameters::Asked;
use super::seats::Seat;
use crate::ops::events::told::ToldPage;
use crate::protocol::error::DavError;
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::api::media_type::EVENT_STREAM;
use crate::web::api::route::Answered;
use crate::web::body::Body;

/// Something is sent at least so often: proxies close what is silent, and a client that is gone is
/// noticed by what it does not take. The credentials are looked at as often.
const BEAT: Duration = Duration::from_secs(15);
/// How long a client waits before it comes again after its connection broke.
const RETRY: Duration = Duration::from_secs(2);
/// Most events in one block.
const BLOCK_MAX: usize = 100;

/// Lines of server-sent events. The data of a message is an Event as JSON.
pub(super) struct Block;

impl JsonSchema for Block {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "EventStream".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Server-sent events: id is the id of the event, data is the event as \
                JSON (the schema Event). Where events are no longer kept there is a message of \
                the type missed.",
        })
    }
}

/// The stream. What is wrong with the request is told before it begins.
pub(super) async fn answer(call: &Call, mut asked: Asked) -> Answered {
    let seat = match call.seats.take(call.principal()?.id) {
        Ok(seat) => seat,
        Err(full) => return Ok(full_house(full)),
    };
    asked.limit = BLOCK_MAX;
    let mut follower = Follower::new(call, asked);
    let page = follower.read().await?;
    let first = format!("retry: {}\n\n", RETRY.as_millis()) + &told(&page)? + &pulse(&page);
    let feed = Feed {
        follower,
        first: Some(first),
        more: page.more,
        beat: BEAT,
        _seat: seat,
    };
    let body = if call.method == Method::HEAD {
        Body::empty()
    } else {
        Body::stream(unfold(feed, Feed::next))
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, EVENT_STREAM);
    // nginx holds answers back until they fill a buffer.
    set(header::HeaderName::from_static("x-accel-buffering"), "no");
    Ok(response)
}

/// A stream under way.
struct Feed {
    follower: Follower,
    first: Option<String>,
    /// Whether there may be more to read at once.
    more: bool,
    beat: Duration,
    _seat: Seat,
}

impl Feed {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        let block = match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.block().await,
        };
        match block {
            Ok(block) => block.map(|block| (Ok(block.into()), self)),
            // The client comes again, and is told the reason then.
            Err(fault) => {
                tracing::info!(reason = fault.sentence(), "a stream of events ends");
                None
            }
        }
    }

    /// The next lines; `None`: the server stops.
    async fn block(&mut self) -> Result<Option<String>, Fault> {
        let mut beat = pin!(sleep(self.beat));
        loop {
            let news = if self.more {
                self.follower.at_once()
            } else {
                self.follower.news(beat.as_mut()).await
            };
            if news == News::Closing {
                return Ok(None);
            }
            let page = self.follower.read().await?;
            self.more = page.more;
            let mut block = told(&page)?;
            if news == News::None {
                block += &pulse(&page);
            }
            if !block.is_empty() {
                return Ok(Some(block));
            }
        }
    }
}

/// The messages of a page.
fn told(page: &ToldPage) -> Result<String, Fault> {
    let mut lines = String::new();
    if page.missed {
        lines += "event: missed\ndata: {\"missed\":true}\n\n";
    }
    for event in &page.events {
        let data = serde_json::to_string(event);
        let data =
            data.map_err(|error| DavError::Internal(format!("an event as JSON: {error}")))?;
        let _ = write!(lines, "id: {}\ndata: {data}\n\n", event.id);
    }
    Ok(lines)
}

/// A comment, and an id without a message: a client that comes again goes on from here, and what it
/// may not see is not looked through once more.
fn pulse(page: &ToldPage) -> String {
    format!(":\nid: {}\n\n", page.next)
}
