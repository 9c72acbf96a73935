//! The record of what happened: operations write it down in the transaction that does it, refusals
//! follow in transactions of their own, and each user reads of it what they may read of the tree.

mod cursor;
mod page;
mod pruning;
mod refusals;
mod telling;
pub mod told;

pub use cursor::Cursor;
pub(super) use cursor::Places;
pub use page::{EventAsk, EventPage, EventView, PAGE_MAX, Since};
pub(super) use pruning::Counted;
pub(super) use refusals::Refusals;
pub(super) use telling::{
    lock_ended, lock_released, locks_lost, tell, tell_made, tell_overwritten,
};

#[cfg(test)]
mod tests;
