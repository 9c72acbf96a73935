//! The record of events: pages of it as JSON, and at the same address a stream of it as
//! server-sent events. A face of its own: refusals are problem details (RFC 9457), which say with
//! the status of HTTP itself what the envelopes of the other APIs say in words of their own.

mod follow;
mod parameters;
mod problem;
pub(in crate::web) mod seats;
mod stream;

use std::pin::pin;
use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};
use tokio::time::sleep;

use super::call::Call;
use super::media_type::{EVENT_STREAM, PROBLEM};
use super::route::{Answered, Route, schema_of};
use super::{Face, json};
use crate::event;
use crate::ops::events::told::ToldPage;
use crate::web::auth::Credentials;
use crate::web::body::Body;
use follow::{Follower, News};
use parameters::{About, Asked, Limit, Resumed, Since, Wait};
use problem::Problem;
use stream::Block;

/// The face.
pub(super) fn face() -> Face {
    Face {
        prefix: "/api/events",
        // It changes nothing, so no event tells of it.
        name: event::Face::Server,
        routes: vec![route()],
        unserved: &[],
        refuse: problem::refuse,
        error: (PROBLEM, schema_of::<Problem>()),
        credentials: Credentials::in_authorization,
    }
}

fn route() -> Route {
    Route::get("/api/events", "Events", |call| Box::pin(answer(call)))
        .about(
            "Events",
            "See what happened to files and locks",
            "Only what the user who asks may read now. With Accept: text/event-stream the same \
             events come as they happen, each with its id and as the data of one message; such a \
             stream goes on for as long as the credentials of the request are good.",
        )
        .query::<Since>(
            "since",
            "From where on: the id of an event, next of a page, or now. Without it from the oldest \
             event that is kept.",
        )
        .query::<Limit>("limit", "Most events in a page. A stream has no end.")
        .query::<About>(
            "about",
            "Only what happened to this file or folder, or below it: a path such as \
             /team/plan.odt, or an id, which may be of something that is gone.",
        )
        .query::<Wait>(
            "wait",
            "Seconds that the answer may wait for an event, where there is none yet.",
        )
        .query::<Resumed>(
            "lastEventId",
            "Last-Event-ID for programs that cannot send the header.",
        )
        .header::<Resumed>(
            "Last-Event-ID",
            "The id of the last event that was received. It counts before since, so that a stream \
             which broke off goes on where it was.",
        )
        .answers::<ToldPage>(200, "A page of events, or the stream of them.")
        .answer(200, "", Some((EVENT_STREAM, schema_of::<Block>())))
        .answer(
            404,
            "There is nothing at the path that about names, or the user who asks may not see it.",
            Some((PROBLEM, schema_of::<Problem>())),
        )
        .answer(
            429,
            "The user who asks has too many answers waiting for events already.",
            Some((PROBLEM, schema_of::<Problem>())),
        )
}

async fn answer(call: Call) -> Answered {
    let asked = Asked::of(&call)?;
    let mut response = if parameters::wants_stream(&call.headers) {
        stream::answer(&call, asked).await?
    } else {
        page(&call, asked).await?
    };
    let vary = HeaderValue::from_static("Accept");
    response.headers_mut().insert(header::VARY, vary);
    Ok(response)
}

/// A page, which may have to be waited for.
async fn page(call: &Call, asked: Asked) -> Answered {
    let wait = asked.wait;
    let mut follower = Follower::new(call, asked);
    let mut page = follower.read().await?;
    let is_quiet = |page: &ToldPage| page.events.is_empty() && !page.missed;
    if is_quiet(&page) && !page.more && !wait.is_zero() {
        let _seat = match call.seats.take(call.principal()?.id) {
            Ok(seat) => seat,
            Err(full) => return Ok(full_house(full)),
        };
        let mut end = pin!(sleep(wait));
        while is_quiet(&page) {
            let news = if page.more {
                follower.at_once()
            } else {
                follower.news(end.as_mut()).await
            };
            if news != News::Some {
                break;
            }
            page = follower.read().await?;
        }
    }
    Ok(json(StatusCode::OK, &page))
}

/// No more answers may wait for events.
fn full_house(full: seats::Full) -> Response<Body> {
    const RETRY_AFTER: Duration = Duration::from_secs(10);
    let status = match full {
        seats::Full::OfUser => StatusCode::TOO_MANY_REQUESTS,
        seats::Full::All => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = problem::answer(status, full.to_string());
    let seconds = RETRY_AFTER.as_secs().into();
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}
