//! The binary: flags, configuration, server; nothing else.
fn main() {}
