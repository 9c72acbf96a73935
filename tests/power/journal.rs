//! What `journal.c` wrote down: the changes and syncs of a server in their order.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Of a file or folder, as the operating system counts them: one that is gone leaves its number to
/// another.
pub type Inode = u64;

#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    Write {
        file: Inode,
        at: usize,
        bytes: Vec<u8>,
    },
    Resize {
        file: Inode,
        size: usize,
    },
    SyncBegins {
        of: Inode,
        ticket: u64,
    },
    SyncEnds {
        ticket: u64,
    },
    MakeFile(Made),
    MakeFolder(Made),
    Remove {
        folder: Inode,
        name: String,
    },
    Rename {
        what: Inode,
        from: (Inode, String),
        to: (Inode, String),
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    pub folder: Inode,
    pub name: String,
    pub inode: Inode,
    pub mode: u32,
}

const NUMBERS: usize = 5;

/// All whole records. The last one may be cut: the kill came amid it.
pub fn read(mut bytes: &[u8]) -> Vec<Op> {
    let mut ops = Vec::new();
    while let Some((op, rest)) = next(bytes) {
        ops.push(op);
        bytes = rest;
    }
    ops
}

fn next(bytes: &[u8]) -> Option<(Op, &[u8])> {
    let (head, rest) = bytes.split_at_checked(NUMBERS * 8)?;
    let number = |at: usize| u64::from_ne_bytes(head[at * 8..][..8].try_into().unwrap());
    let size = |at: usize| usize::try_from(number(at)).unwrap();
    let (inode, number_of_it, other) = (number(1), number(2), number(3));
    let (more, rest) = rest.split_at_checked(size(4))?;
    let name = || String::from_utf8(more.to_vec()).unwrap();
    let made = || Made {
        folder: number_of_it,
        name: name(),
        inode,
        mode: u32::try_from(other).unwrap(),
    };
    let op = match number(0) {
        1 => Op::Write {
            file: inode,
            at: size(2),
            bytes: more.to_vec(),
        },
        2 => Op::Resize {
            file: inode,
            size: size(2),
        },
        3 => Op::SyncBegins {
            of: inode,
            ticket: number_of_it,
        },
        4 => Op::SyncEnds {
            ticket: number_of_it,
        },
        5 => Op::MakeFile(made()),
        6 => Op::MakeFolder(made()),
        7 => Op::Remove {
            folder: number_of_it,
            name: name(),
        },
        8 => {
            let names = name();
            let (old, new) = names.split_once('/').unwrap();
            Op::Rename {
                what: inode,
                from: (number_of_it, old.to_owned()),
                to: (other, new.to_owned()),
            }
        }
        unknown => panic!("no record of the journal has the kind {unknown}"),
    };
    Some((op, rest))
}

/// Makes of `journal.c` what LD_PRELOAD takes, in the folder `within`.
pub fn compiled(within: &Path) -> io::Result<PathBuf> {
    let library = within.join("journal.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/journal.c");
    let mut compile = Command::new("cc");
    compile
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library);
    let made = compile.arg(source).status()?;
    assert!(made.success(), "{compile:?}");
    Ok(library)
}
