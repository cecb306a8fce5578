//! The `papyra` command.

fn main() {}
