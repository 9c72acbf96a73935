//! What was found and told is told again from memory, as long as it is the same.
//!
//! It cannot grow old: an answer is kept with the [`Grounds`] that its transaction noted, which are
//! all rows that it read, and told again only in a transaction that sees the very same ones. It
//! cannot be told to somebody else: what an answer depends on beside rows is its [`Question`].

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use super::Ask;
use super::properties::Collection;
use super::target::Target;
use crate::lock::UserId;
use crate::protocol::path::DavPath;
use crate::resource::{Resource, ResourceId};
use crate::rights::{Position, Scope};
use crate::store::Grounds;
use crate::store::engine::Txn;

/// Beside the text that it holds, an answer costs about so much.
const FIXED_BYTES: usize = 512;
/// An answer of more than one in so many of all bytes would push out too many others.
const SHARE_MAX: usize = 16;
/// The pages of one listing beyond one in so many of all bytes would, and in the end each other.
const LISTING_SHARE_MAX: usize = 4;
/// About what an answer has, by which the memory divides itself.
const USUAL_BYTES: usize = 4096;

/// Everything that an answer depends on, beside rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question<'a> {
    user: UserId,
    admin: bool,
    scope: Scope,
    what: What<'a>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum What<'a> {
    /// For the resource at this address and, where they are few, its bytes.
    File(Cow<'a, str>),
    /// For the resource at this address, told in a way that these words ask for.
    First(Cow<'a, str>, Bytes),
    /// For a page of members.
    Page {
        /// Of which collection.
        collection: ResourceId,
        /// Its address as the client spelled it.
        href: Cow<'a, str>,
        /// Where the user stands there.
        position: Position,
        /// Behind this name.
        after: Option<Cow<'a, str>>,
        /// In which way.
        words: Bytes,
    },
}

/// What was answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// To [`What::File`].
    File(Resource, Bytes),
    /// To [`What::First`]: what is told, and the collection whose members may follow.
    First(Bytes, Option<Collection>),
    /// To [`What::Page`]: what is told, and the name behind which there may be more.
    Page(Bytes, Option<String>),
}

/// Answers, of which those that are not asked for go when there are too many.
pub(super) struct Answers {
    kept: Cache<Asked, Arc<Kept>, Weigh>,
    bytes_max: usize,
    asked: AtomicU64,
    recalled: AtomicU64,
}

/// What became of remembering.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnswersUsed {
    /// How often something was looked for.
    pub asked: u64,
    /// How often it was there and still so.
    pub recalled: u64,
    /// About how many bytes are remembered now.
    pub bytes: u64,
}

/// A question that was answered.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked(Question<'static>);

#[derive(Debug)]
struct Kept {
    answer: Arc<Answer>,
    grounds: Grounds,
}

#[derive(Debug, Clone)]
struct Weigh;

impl Question<'_> {
    /// What `ask` asks about its path. `None`: it asks about an id, or what the answer will be
    /// depends on an `If` header.
    pub(super) fn about<'a>(
        ask: &Ask,
        what: impl FnOnce(Cow<'static, str>) -> What<'a>,
    ) -> Option<Question<'a>> {
        match &ask.target {
            Target::Path(path) if ask.if_header.is_none() => {
                Some(Self::of(ask, what(spelled(path).into())))
            }
            _ => None,
        }
    }

    /// What `ask` asks about something else.
    pub(super) fn of<'a>(ask: &Ask, what: What<'a>) -> Question<'a> {
        Question {
            user: ask.principal.id,
            admin: ask.principal.admin,
            scope: ask.principal.scope,
            what,
        }
    }

    fn into_owned(self) -> Question<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let what = match self.what {
            What::File(path) => What::File(owned(path)),
            What::First(path, words) => What::First(owned(path), words),
            What::Page {
                collection,
                href,
                position,
                after,
                words,
            } => What::Page {
                collection,
                href: owned(href),
                position,
                after: after.map(owned),
                words,
            },
        };
        let Self {
            user, admin, scope, ..
        } = self;
        Question {
            user,
            admin,
            scope,
            what,
        }
    }

    fn bytes(&self) -> usize {
        match &self.what {
            What::File(path) => path.len(),
            What::First(path, words) => path.len() + words.len(),
            What::Page {
                href, after, words, ..
            } => href.len() + after.as_ref().map_or(0, |after| after.len()) + words.len(),
        }
    }
}

/// Two spellings of one path are answered differently.
fn spelled(path: &DavPath) -> String {
    let mut plain = path.to_plain();
    if path.has_trailing_slash() {
        plain.push('/');
    }
    plain
}

impl Equivalent<Asked> for Question<'_> {
    fn equivalent(&self, Asked(asked): &Asked) -> bool {
        let asked: &Question<'_> = asked;
        self == asked
    }
}

impl Answer {
    fn bytes(&self) -> usize {
        match self {
            Self::File(resource, bytes) => {
                let content = resource.content.as_ref();
                let named = content.and_then(|content| content.media_type.as_ref());
                resource.name.len() + named.map_or(0, String::len) + bytes.len()
            }
            Self::First(told, below) => told.len() + below.as_ref().map_or(0, Collection::bytes),
            Self::Page(told, next) => told.len() + next.as_ref().map_or(0, String::len),
        }
    }
}

impl Weighter<Asked, Arc<Kept>> for Weigh {
    fn weight(&self, Asked(question): &Asked, kept: &Arc<Kept>) -> u64 {
        let bytes = question.bytes() + kept.answer.bytes() + kept.grounds.bytes();
        (FIXED_BYTES + bytes) as u64
    }
}

impl Answers {
    /// Remembers about so many bytes; none at all with 0.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            kept: Cache::with_weighter(bytes_max / USUAL_BYTES, bytes_max as u64, Weigh),
            bytes_max,
            asked: AtomicU64::new(0),
            recalled: AtomicU64::new(0),
        }
    }

    /// So far.
    pub(super) fn used(&self) -> AnswersUsed {
        AnswersUsed {
            asked: self.asked.load(Ordering::Relaxed),
            recalled: self.recalled.load(Ordering::Relaxed),
            bytes: self.kept.weight(),
        }
    }

    /// The answer of before, if this transaction would give the same.
    pub(super) fn recall(
        &self,
        question: Option<&Question<'_>>,
        txn: &dyn Txn,
    ) -> Option<Arc<Answer>> {
        let question = question?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        let kept = self.kept.get(question)?;
        let holds = kept.grounds.hold(txn);
        self.recalled.fetch_add(u64::from(holds), Ordering::Relaxed);
        holds.then(|| Arc::clone(&kept.answer))
    }

    /// Whether a page behind so many bytes of the same listing is worth remembering.
    pub(super) fn keeps_page_behind(&self, bytes: usize) -> bool {
        bytes < self.bytes_max / LISTING_SHARE_MAX
    }

    /// Remembers what was answered on these grounds. `None`: on some of which nobody can tell how
    /// long they hold.
    pub(super) fn keep(
        &self,
        question: Option<Question<'_>>,
        answer: &Arc<Answer>,
        grounds: Option<Grounds>,
    ) {
        let (Some(question), Some(grounds)) = (question, grounds) else {
            return;
        };
        if answer.bytes() <= self.bytes_max / SHARE_MAX {
            let answer = Arc::clone(answer);
            let kept = Arc::new(Kept { answer, grounds });
            self.kept.insert(Asked(question.into_owned()), kept);
        }
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers")
            .field("used", &self.used())
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}
