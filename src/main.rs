//! The binary: the command line, and nothing else.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A listing makes some ten allocations for each member; `docs/performance.md` has the figures.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    lockkeeper::cli::main()
}
