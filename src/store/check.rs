//! Whether the rows are in order: each can be read, and those that belong together agree. What
//! belongs together changes in one transaction, so any page can be checked at any time, while
//! others write.

mod index;
mod primary;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::engine::{Key, StoreError, spell};
use super::events::Gone;
use super::keys;
use super::tx::{Tx, decode, encode};
use crate::resource::{ContentId, ResourceId};

/// What a page of rows showed.
#[derive(Debug, Default)]
pub struct Checked {
    /// How many rows there were.
    pub rows: usize,
    /// Where to go on; `None` at the end.
    pub next: Option<Key>,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// Content files that these rows name, and how long they must be.
    pub files: Vec<(ContentId, u64)>,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What is damaged.
    pub what: String,
    /// What depends on it, in words for people: a path, a user.
    pub concerns: String,
    /// Whether it could be made good from other rows, and was.
    pub mended: bool,
}

/// Whether what other rows tell is written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mend {
    /// Only look.
    No,
    /// Write rows that are missing or wrong, if other rows tell what they were. Nothing is removed.
    Yes,
}

/// One page while it is being checked.
pub(super) struct Page<'p, 't> {
    tx: &'p mut Tx<'t>,
    mend: Mend,
    checked: Checked,
}

/// One row.
struct Row<'r> {
    key: &'r Key,
    value: &'r Bytes,
}

/// What a check of one row comes to: `Err` is a damaged row somewhere; it is told when its own turn
/// comes.
type Looked = Result<(), StoreError>;

impl Tx<'_> {
    /// Checks up to `limit` rows behind `after`. With [`Mend::Yes`] in a transaction that writes.
    pub async fn check_rows(
        &mut self,
        after: Option<&Key>,
        limit: usize,
        mend: Mend,
    ) -> Result<Checked, StoreError> {
        let mut page = Page {
            tx: self,
            mend,
            checked: Checked::default(),
        };
        let rows = match page.tx.scan(keys::all(after), limit).await {
            Err(StoreError::DamagedRow(key)) => return page.step_over(after, key).await,
            rows => rows?,
        };
        for (key, value) in &rows {
            page.look(Row { key, value }).await?;
        }
        if after.is_none() {
            page.look_at_the_books().await?;
        }
        page.checked.rows = rows.len();
        page.checked.next = rows
            .last()
            .filter(|_| rows.len() == limit)
            .map(|(key, _)| key.clone());
        Ok(page.checked)
    }
}

impl Page<'_, '_> {
    /// The rows before a damaged one, and that one.
    async fn step_over(mut self, after: Option<&Key>, key: Key) -> Result<Checked, StoreError> {
        let before = keys::all(after).start..key.clone();
        let rows = self.tx.scan_all(before).await?;
        for (key, value) in &rows {
            self.look(Row { key, value }).await?;
        }
        let damaged = StoreError::DamagedRow(key.clone()).to_string();
        self.fault(&key, damaged).await?;
        self.checked.rows = rows.len() + 1;
        self.checked.next = Some(key);
        Ok(self.checked)
    }

    async fn look(&mut self, row: Row<'_>) -> Looked {
        let looked = match row.key.first() {
            Some(b'e') => self.entry(&row).await,
            Some(b'v') => self.version(&row).await,
            Some(b'l') => self.lock(&row).await,
            Some(b'u') => self.user(&row).await,
            Some(b'q') => self.group(&row).await,
            Some(b'n') => self.groups_of(&row).await,
            Some(b'a') => self.grants(&row).await,
            Some(b's') => self.held(&row).await,
            Some(b'k') => self.credential(&row).await,
            Some(b'W') => self.webhook(&row).await,
            Some(b'E') => self.event(&row).await,
            Some(b'd') => read::<Gone>(&row).map(drop),
            Some(b'r') => self.whereabouts(&row).await,
            Some(b'p') => self.property(&row).await,
            Some(b'c') => self.inline_content(&row).await,
            Some(b'f') => self.content_use(&row).await,
            Some(b'g') => self.unused_content(&row).await,
            Some(b'z') => self.detached(&row).await,
            Some(b't') => self.token(&row).await,
            Some(b'x') => self.deadline(&row).await,
            Some(b'o') => self.owned(&row).await,
            Some(b'b') => self.below(&row).await,
            Some(b'i') => self.user_by_id(&row).await,
            Some(b'w') => self.group_by_id(&row).await,
            Some(b'y') => self.member(&row).await,
            Some(b'h') => self.granted(&row).await,
            Some(b'j') => self.expiry(&row).await,
            Some(b'm') => self.meta(&row).await,
            _ => {
                self.fault(row.key, "a row of an unknown kind".to_owned())
                    .await
            }
        };
        match looked {
            Err(StoreError::DamagedRow(_)) => Ok(()),
            Err(StoreError::Damaged(what)) => self.fault(row.key, what).await,
            other => other,
        }
    }

    /// Reports that a row is not in order.
    async fn fault(&mut self, key: &Key, what: String) -> Looked {
        let concerns = self.concerns(key).await;
        self.checked.faults.push(Fault {
            what: format!("{} ({})", what, spell(key)),
            concerns,
            mended: false,
        });
        Ok(())
    }

    async fn unless(&mut self, holds: bool, row: &Row<'_>, what: &str) -> Looked {
        if holds {
            return Ok(());
        }
        self.fault(row.key, what.to_owned()).await
    }

    /// This row follows from `row`: it must be there, and say the same.
    async fn implies(&mut self, row: &Row<'_>, key: Key, value: Bytes) -> Looked {
        match self.tx.bytes(key.clone()).await {
            Ok(Some(found)) if found == value => return Ok(()),
            Ok(_) | Err(StoreError::DamagedRow(_)) => {}
            Err(error) => return Err(error),
        }
        let concerns = self.concerns(row.key).await;
        let mended = self.mend == Mend::Yes;
        if mended {
            self.tx.put_bytes(key.clone(), value);
        }
        self.checked.faults.push(Fault {
            what: format!(
                "a row that follows from another is missing or wrong ({} from {})",
                spell(&key),
                spell(row.key)
            ),
            concerns,
            mended,
        });
        Ok(())
    }

    /// [`Self::implies`] of a row whose key says everything.
    async fn implies_mark(&mut self, row: &Row<'_>, key: Key) -> Looked {
        self.implies(row, key, Bytes::new()).await
    }

    async fn implies_row<T: Serialize>(&mut self, row: &Row<'_>, key: Key, value: &T) -> Looked {
        let value = encode(value)?;
        self.implies(row, key, value).await
    }

    /// A row that may be damaged, then it is as if it were missing: its own turn comes.
    async fn found<T: DeserializeOwned>(&mut self, key: Key) -> Result<Option<T>, StoreError> {
        match self.tx.row(key).await {
            Err(StoreError::DamagedRow(_) | StoreError::Damaged(_)) => Ok(None),
            found => found,
        }
    }

    /// What a row is about, for people. Never fails: it is asked about damage.
    async fn concerns(&mut self, key: &Key) -> String {
        let rest = key.get(1..).unwrap_or_default();
        let id = |at: usize| {
            let digits = rest.get(at..at + 8).and_then(<[u8]>::first_chunk);
            ResourceId(u64::from_be_bytes(digits.copied().unwrap_or_default()))
        };
        match key.first() {
            Some(b'e') => {
                let name = String::from_utf8_lossy(rest.get(8..).unwrap_or_default());
                let parent = self.place(id(0)).await;
                format!("{}/{name} and what is in it", parent.trim_end_matches('/'))
            }
            Some(b'r' | b'p' | b'z') => self.place(id(0)).await,
            Some(b'v') => format!("an old version of {}", self.place(id(0)).await),
            Some(b'l') => format!("a lock on {}", self.place(id(0)).await),
            Some(b't' | b'x' | b'o' | b'b') => "a lock".to_owned(),
            Some(b'c' | b'f' | b'g') => self.users_of_content(ContentId(id(0).0)).await,
            Some(b'u') => format!("the user {}", String::from_utf8_lossy(rest)),
            Some(b'q') => format!("the group {}", String::from_utf8_lossy(rest)),
            Some(b'i' | b'n') => "a user".to_owned(),
            Some(b'w' | b'y') => "a group".to_owned(),
            Some(b'a' | b'd') => format!("the grants on {}", self.place(id(0)).await),
            Some(b'h') => "a grant".to_owned(),
            Some(b'k' | b's' | b'j') => "an API key or a session".to_owned(),
            Some(b'E') => "an event".to_owned(),
            Some(b'W') => "a webhook".to_owned(),
            _ => "the whole store".to_owned(),
        }
    }

    async fn place(&mut self, id: ResourceId) -> String {
        match self.tx.path_of(id).await {
            Ok(Some((path, _))) => path.to_plain(),
            _ => format!("the resource {id}, whose path is not known"),
        }
    }

    /// The files that have this content, with the numbers of the versions.
    pub(super) async fn users_of_content(&mut self, content: ContentId) -> String {
        let uses = self.tx.scan(keys::content_uses(content), SAID_MAX).await;
        let mut said = Vec::new();
        for (key, _) in uses.unwrap_or_default() {
            if let Ok((file, number)) = keys::user_of_content(&key) {
                said.push(format!("version {number} of {}", self.place(file).await));
            }
        }
        if said.is_empty() {
            return "no file".to_owned();
        }
        said.join(", ")
    }
}

/// Of what shares one content, so many are named.
const SAID_MAX: usize = 20;

impl Tx<'_> {
    /// What depends on this content, for people.
    pub async fn concerned_by_content(&mut self, content: ContentId) -> String {
        let mut page = Page {
            tx: self,
            mend: Mend::No,
            checked: Checked::default(),
        };
        page.users_of_content(content).await
    }
}

/// What a row says.
fn read<T: DeserializeOwned>(row: &Row<'_>) -> Result<T, StoreError> {
    decode(row.value)
}
