//! The words in which the naive tables and the faces speak of one case.

/// What kind of lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Persistent,
    Transient,
    ReadOnly,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Persistent, Self::Transient, Self::ReadOnly];

    /// As the spelling of WebDAV, DocSpace and the command line; the check-out API writes
    /// `readonly`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "persistent" => Some(Self::Persistent),
            "transient" => Some(Self::Transient),
            "read-only" | "readonly" => Some(Self::ReadOnly),
            _ => None,
        }
    }
}

/// What is tried on a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Upload,
    Rename,
    Move,
    Delete,
}

impl Action {
    pub(crate) const ALL: [Self; 4] = [Self::Upload, Self::Rename, Self::Move, Self::Delete];
}

/// What is tried with the first version of a file that has two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfVersion {
    Restore,
    /// With the word `mine`.
    Label,
}

impl OfVersion {
    pub(crate) const ALL: [Self; 2] = [Self::Restore, Self::Label];
}

/// Who asks, towards the locks of Alice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Alice, who also shows her tokens.
    Bearer,
    /// Alice without them.
    Owner,
    /// Another editor.
    Other,
    /// Another editor who has got hold of the tokens.
    OtherWithToken,
    /// The manager of this very folder, who so has SuperCheckIn in it.
    Manager,
    Admin,
    Reader,
    /// Somebody who may not read.
    Stranger,
}

impl Standing {
    pub(crate) const ALL: [Self; 8] = [
        Self::Bearer,
        Self::Owner,
        Self::Other,
        Self::OtherWithToken,
        Self::Manager,
        Self::Admin,
        Self::Reader,
        Self::Stranger,
    ];

    pub(crate) fn user(self) -> &'static str {
        match self {
            Self::Bearer | Self::Owner => "alice",
            Self::Other | Self::OtherWithToken => "bob",
            Self::Manager => "mona",
            Self::Admin => "ada",
            Self::Reader => "rita",
            Self::Stranger => "nemo",
        }
    }

    pub(crate) fn shows_tokens(self) -> bool {
        matches!(self, Self::Bearer | Self::OtherWithToken)
    }

    /// Each user once.
    pub(crate) fn people() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|who| !who.shows_tokens())
    }
}

/// A file of one case.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) project: u64,
    /// Of the folder that holds it.
    pub(crate) folder: u64,
    /// Of the folder that a *move* goes to.
    pub(crate) attic: u64,
    pub(crate) id: u64,
    pub(crate) folder_path: String,
    pub(crate) name: String,
    /// The locks that Alice took, in the order of taking.
    pub(crate) locks: Vec<(Kind, String)>,
}

impl File {
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.folder_path, self.name)
    }

    pub(crate) fn new_name(&self) -> String {
        self.name.replacen('f', "renamed-", 1)
    }

    /// Where it is after a *rename*.
    pub(crate) fn renamed(&self) -> String {
        format!("{}/{}", self.folder_path, self.new_name())
    }

    /// Where it is after a *move*.
    pub(crate) fn moved(&self) -> String {
        format!("{}/attic/{}", self.folder_path, self.name)
    }

    /// The 32 digits of the check-out API.
    pub(crate) fn hex(&self) -> String {
        format!("{:032x}", self.id)
    }

    /// Where there is one field for one token: that of the lock that needs it.
    pub(crate) fn token_to_show(&self) -> Option<&str> {
        let needs_it = |(kind, _): &&(Kind, String)| *kind == Kind::Transient;
        let lock = self.locks.iter().max_by_key(needs_it);
        lock.map(|(_, token)| token.as_str())
    }

    pub(crate) fn tokens(&self) -> Vec<String> {
        let mut tokens: Vec<_> = self.locks.iter().map(|(_, token)| token.clone()).collect();
        tokens.sort();
        tokens
    }
}

/// A lock as a face shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) kind: Kind,
    pub(crate) holder: String,
    /// Seconds since 1970.
    pub(crate) since: u64,
    pub(crate) ends: Option<u64>,
    pub(crate) token: Option<String>,
}

/// A lock that said no, as the face told it.
pub(crate) type Refusing = (Kind, String);

/// What a face answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// By these locks, sorted.
    RefusedByLock(Vec<Refusing>),
    NoPrivilege,
    NotFound,
    NotLocked,
    /// The request and what is there do not fit together.
    Conflict,
    /// A condition of the request does not hold.
    FalseCondition,
    /// Not in the words of this face.
    Odd(String),
}

impl Outcome {
    /// A refusal that names these locks in its sentence.
    pub(crate) fn refused_in(sentence: &str) -> Option<Self> {
        let refusing = refusing_in(sentence);
        (!refusing.is_empty()).then_some(Self::RefusedByLock(refusing))
    }
}

/// The locks that a sentence for people names.
pub(crate) fn refusing_in(sentence: &str) -> Vec<Refusing> {
    const SAID: [(Kind, &str, &str); 3] = [
        (Kind::Persistent, " is checked out by ", " until "),
        (Kind::Transient, " is open in a program of ", "; "),
        (Kind::ReadOnly, " was frozen by ", " and cannot "),
    ];
    let mut found = Vec::new();
    for (kind, before, after) in SAID {
        for (at, _) in sentence.match_indices(before) {
            let rest = &sentence[at + before.len()..];
            let holder = rest.split(after).next().unwrap_or_default();
            found.push((kind, holder.to_owned()));
        }
    }
    found.sort();
    found
}

/// Seconds since 1970 of any RFC 3339 time in UTC, with or without a fraction.
pub(crate) fn seconds(time: &str) -> u64 {
    let whole = format!("{}Z", &time[..19]);
    let time = humantime::parse_rfc3339(&whole).expect("a time");
    let since = time.duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}
