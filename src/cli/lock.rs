//! `lockkeeper lock …`.

use clap::{Args, Subcommand, ValueEnum};

use super::print::{Format, table};
use super::{CliError, Place, control};
use crate::lock::{LockDepth, LockKind};
use crate::ops::admin::locks::{LockCommand, LockEntry};
use crate::ops::admin::{AdminCommand, AdminReply};

#[derive(Debug, Subcommand)]
pub(super) enum Lock {
    /// List all locks
    List {
        /// Only the locks of this user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// Only locks of this kind
        #[arg(long, value_enum)]
        kind: Option<Kind>,
        #[command(flatten)]
        printing: Printing,
    },
    /// Show the locks in force on a file or collection: its own and what covers it
    Show {
        /// As in /projects/plan.odt
        path: String,
        #[command(flatten)]
        printing: Printing,
    },
    /// Release whatever locks a file or collection, whoever holds it, and print what it was
    Release {
        /// As in /projects/plan.odt
        path: String,
        /// Only the lock with this token
        #[arg(long)]
        token: Option<String>,
        #[command(flatten)]
        printing: Printing,
    },
    /// Take a check-out over for another user
    Steal {
        /// As in /projects/plan.odt
        path: String,
        /// Who has it from now on
        #[arg(long = "as", value_name = "USER")]
        user: String,
        /// Only if the check-out still has this token
        #[arg(long)]
        token: Option<String>,
        #[command(flatten)]
        printing: Printing,
    },
    /// Freeze a file or collection: nobody changes it until it is thawed
    Freeze {
        #[command(flatten)]
        taking: Taking,
    },
    /// End a freeze
    Thaw {
        /// As in /projects/plan.odt
        path: String,
        #[command(flatten)]
        printing: Printing,
    },
    /// Check a file or collection out for a user
    CheckOut {
        #[command(flatten)]
        taking: Taking,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// Check-outs
    Persistent,
    /// Locks of programs
    Transient,
    /// Freezes
    ReadOnly,
}

impl From<Kind> for LockKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Persistent => Self::Persistent,
            Kind::Transient => Self::Transient,
            Kind::ReadOnly => Self::ReadOnly,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Printing {
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Taking {
    /// As in /projects/plan.odt
    path: String,
    /// Whose lock it will be
    #[arg(long = "as", value_name = "USER")]
    user: String,
    /// Cover everything below a collection, too
    #[arg(long)]
    recursive: bool,
    /// Why, for people to read
    #[arg(long)]
    comment: Option<String>,
    #[command(flatten)]
    printing: Printing,
}

impl Lock {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let (command, printing) = match self {
            Self::List {
                user,
                kind,
                printing,
            } => return list(user.as_deref(), kind, &printing).await,
            Self::Freeze { taking } => taking.command(LockKind::ReadOnly),
            Self::CheckOut { taking } => taking.command(LockKind::Persistent),
            Self::Show { path, printing } => (LockCommand::Show { path }, printing),
            Self::Thaw { path, printing } => (LockCommand::Thaw { path }, printing),
            Self::Release {
                path,
                token,
                printing,
            } => (LockCommand::Release { path, token }, printing),
            Self::Steal {
                path,
                user,
                token,
                printing,
            } => (LockCommand::Steal { path, user, token }, printing),
        };
        let (locks, _) = ask(command, &printing).await?;
        printing.print(&locks)
    }
}

impl Taking {
    fn command(self, kind: LockKind) -> (LockCommand, Printing) {
        let depth = if self.recursive {
            LockDepth::Infinity
        } else {
            LockDepth::Zero
        };
        let command = LockCommand::Take {
            path: self.path,
            user: self.user,
            kind,
            depth,
            comment: self.comment,
        };
        (command, self.printing)
    }
}

impl Printing {
    fn print(&self, locks: &Vec<LockEntry>) -> Result<(), CliError> {
        self.format.print(locks, |locks| {
            let titles = ["PATH", "KIND", "HOLDER", "SINCE", "EXPIRES"];
            table(titles, &locks.iter().map(row).collect::<Vec<_>>())
        })
    }
}

fn row(lock: &LockEntry) -> [String; 5] {
    let expires = lock.expires.clone();
    [
        lock.path.clone(),
        lock.kind.clone(),
        lock.holder.clone(),
        lock.since.clone(),
        expires.unwrap_or_else(|| "never".to_owned()),
    ]
}

async fn list(user: Option<&str>, kind: Option<Kind>, printing: &Printing) -> Result<(), CliError> {
    let kind = kind.map(|kind| LockKind::from(kind).as_str());
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let (locks, next) = ask(LockCommand::List { after }, printing).await?;
        all.extend(locks.into_iter().filter(|lock| {
            user.is_none_or(|user| lock.holder == user) && kind.is_none_or(|kind| lock.kind == kind)
        }));
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    all.sort_by(|one, other| one.path.cmp(&other.path));
    printing.print(&all)
}

async fn ask(
    command: LockCommand,
    printing: &Printing,
) -> Result<(Vec<LockEntry>, Option<String>), CliError> {
    match control::run(&printing.place, AdminCommand::Lock(command)).await? {
        AdminReply::Locks(locks, next) => Ok((locks, next)),
        other => Err(control::unexpected(&other)),
    }
}
