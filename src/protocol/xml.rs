//! stub
use serde::{Serialize,Deserialize};
/// What kind of lock; see `locks.md` §2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LockKind { /// a
 Persistent, /// b
 Transient, /// c
 ReadOnly }
/// Who else may hold a lock beside this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LockScope { /// a
 Exclusive, /// b
 Shared }
