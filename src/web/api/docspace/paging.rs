//! Which page of a list a call wants.

use schemars::JsonSchema;

use crate::web::api::call::Call;
use crate::web::api::fault::Fault;

const COUNT_MAX: usize = 100;
const START_MAX: usize = 10_000;

/// How many are wanted at most.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "only its schema is used")]
pub(super) struct Count(#[schemars(range(min = 1, max = 100))] u32);

/// How many come before the page.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "only its schema is used")]
pub(super) struct StartIndex(#[schemars(range(min = 0, max = 10_000))] u32);

pub(super) fn count(call: &Call) -> Result<usize, Fault> {
    let what = "a whole number from 1 to 100";
    match call.parse_query::<usize>("count", what)? {
        None => Ok(COUNT_MAX),
        Some(count) if (1..=COUNT_MAX).contains(&count) => Ok(count),
        Some(count) => Err(Fault::bad_request(format!(
            "count must be {what}, not {count}"
        ))),
    }
}

pub(super) fn start_index(call: &Call) -> Result<usize, Fault> {
    let start = call
        .parse_query::<usize>("startIndex", "a whole number")?
        .unwrap_or(0);
    if start <= START_MAX {
        return Ok(start);
    }
    Err(Fault::bad_request(format!(
        "startIndex must be at most {START_MAX}; filterValue narrows a long list"
    )))
}
