//! A search whose pages are told in words, and told again from memory as long as they are the same.

use std::sync::Arc;

use bytes::Bytes;

use super::super::answers::{Answer, Question, What};
use super::super::{Ask, Dav};
use super::{Collection, Found, Search, Wanted, list, start};
use crate::protocol::error::DavError;
use crate::protocol::headers::Depth;
use crate::store::Grounds;
use crate::store::engine::Mode;
use crate::store::tx::Tx;

/// What comes behind so many bytes of a listing is read in passing: about 30,000 members.
const LONG_BYTES: usize = 16 << 20;

/// How resources are told. What is told of one depends on nothing but what was asked for, who asks,
/// what was found and, where locks are told, the time.
pub trait Telling: Send + Sync {
    /// What has to be looked up for it. An error says that nobody can tell what is wanted.
    fn wanted(&self) -> Result<Wanted, DavError>;

    /// What is told of these.
    fn tell(&self, page: &[Found]) -> Result<Bytes, DavError>;

    /// Whether it depends on something more, by which it is never told twice.
    fn is_fleeting(&self) -> bool;
}

/// A search in progress. Each page is one consistent view.
#[derive(Debug)]
pub struct Told<T> {
    dav: Arc<Dav>,
    telling: T,
    first: Option<Bytes>,
    rest: Rest,
}

#[derive(Debug)]
enum Rest {
    Nothing,
    Members(Box<Members>),
    /// Everything below.
    Below(Box<Search>),
}

/// A listing in progress.
#[derive(Debug)]
struct Members {
    ask: Ask,
    /// How they are told.
    words: Bytes,
    collection: Collection,
    /// How many bytes were told of them.
    told: usize,
}

/// What a transaction came to.
enum Seen<T> {
    /// What is known already.
    Before(Arc<Answer>),
    /// Something that has to be told.
    Now(T, Option<Grounds>),
}

impl Dav {
    /// [`Dav::search`], told by `telling`, which says the same for the same `words`.
    pub async fn tell<T: Telling>(
        self: &Arc<Self>,
        ask: Ask,
        depth: Depth,
        words: Bytes,
        telling: T,
    ) -> Result<Told<T>, DavError> {
        let (first, rest) = if depth == Depth::Infinity {
            let search = self.search(ask, depth, telling.wanted()?).await?;
            (None, Rest::Below(Box::new(search)))
        } else {
            let (first, below) = self.tell_first(&ask, &words, &telling).await?;
            let below = below.filter(|_| depth == Depth::One);
            let members = below.map(|collection| Members {
                ask,
                words,
                collection,
                told: 0,
            });
            let rest = members.map_or(Rest::Nothing, |members| Rest::Members(Box::new(members)));
            (Some(first), rest)
        };
        Ok(Told {
            dav: Arc::clone(self),
            telling,
            first,
            rest,
        })
    }

    async fn tell_first<T: Telling>(
        &self,
        ask: &Ask,
        words: &Bytes,
        telling: &T,
    ) -> Result<(Bytes, Option<Collection>), DavError> {
        let question = Question::about(ask, |path| What::First(path, words.clone()));
        let starting = (self, ask, &question, telling);
        let seen = self.read(&starting, |txn, (dav, ask, question, telling)| {
            Box::pin(async move {
                if let Some(known) = dav.answers.recall(question.as_ref(), txn) {
                    return Ok(Seen::Before(known));
                }
                let mut tx = Tx::noting(txn, ask.now);
                let found = start(&mut tx, ask, telling.wanted()?).await?;
                Ok(Seen::Now(found, tx.grounds()))
            })
        });
        let answer = match seen.await? {
            Seen::Before(answer) => answer,
            Seen::Now((found, below), grounds) => {
                let told = telling.tell(std::slice::from_ref(&found))?;
                let answer = Arc::new(Answer::First(told, below));
                let grounds = grounds.filter(|_| !telling.is_fleeting());
                self.answers.keep(question, &answer, grounds);
                answer
            }
        };
        match &*answer {
            Answer::First(told, below) => Ok((told.clone(), below.clone())),
            _ => Err(mistaken()),
        }
    }

    /// The next page of members, and the name behind which there may be more.
    async fn tell_members<T: Telling>(
        &self,
        members: &Members,
        telling: &T,
    ) -> Result<(Bytes, Option<String>), DavError> {
        let Members {
            ask,
            words,
            collection: below,
            told,
        } = members;
        let mode = if *told < LONG_BYTES {
            Mode::Read
        } else {
            Mode::ReadInPassing
        };
        // What is inherited is no part of the question; and a lock is told with the time it has.
        let lasts = below.inherited.is_empty() && self.answers.keeps_page_behind(*told);
        let question = lasts.then(|| Question::of(ask, below.page(words)));
        let listing = (self, ask, &question, below, telling);
        let seen = self.read_as(
            mode,
            &listing,
            |txn, (dav, ask, question, below, telling)| {
                Box::pin(async move {
                    if let Some(known) = dav.answers.recall(question.as_ref(), txn) {
                        return Ok(Seen::Before(known));
                    }
                    let mut tx = Tx::noting(txn, ask.now);
                    let found = list(&mut tx, ask, telling.wanted()?, below).await?;
                    Ok(Seen::Now(found, tx.grounds()))
                })
            },
        );
        let answer = match seen.await? {
            Seen::Before(answer) => answer,
            Seen::Now((found, next), grounds) => {
                let answer = Arc::new(Answer::Page(telling.tell(&found)?, next));
                let grounds = grounds.filter(|_| !telling.is_fleeting());
                self.answers.keep(question, &answer, grounds);
                answer
            }
        };
        match &*answer {
            Answer::Page(told, next) => Ok((told.clone(), next.clone())),
            _ => Err(mistaken()),
        }
    }
}

impl Collection {
    fn page(&self, words: &Bytes) -> What<'_> {
        What::Page {
            collection: self.id,
            href: self.href.as_str().into(),
            position: self.position,
            after: self.after.as_deref().map(Into::into),
            words: words.clone(),
        }
    }
}

impl<T: Telling> Told<T> {
    /// What is told of the next resources; `None` when there are no more.
    pub async fn next_page(&mut self) -> Result<Option<Bytes>, DavError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        match &mut self.rest {
            Rest::Nothing => Ok(None),
            Rest::Below(search) => {
                let page = search.next_page().await?;
                page.map(|page| self.telling.tell(&page)).transpose()
            }
            Rest::Members(members) => {
                let (told, next) = self.dav.tell_members(members, &self.telling).await?;
                members.told += told.len();
                match next {
                    Some(_) => members.collection.after = next,
                    None => self.rest = Rest::Nothing,
                }
                Ok(Some(told))
            }
        }
    }
}

/// Questions and answers of one kind belong together.
fn mistaken() -> DavError {
    DavError::Internal("an answer to another question was remembered".to_owned())
}
