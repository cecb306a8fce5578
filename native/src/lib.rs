//! Files, rotation sets, locks and the command line around `papyra-core`.
//!
//! `papyra-core` decides; this crate fetches bytes for it and carries its decisions out.

/// Name and version, as reports carry them.
pub const TOOL: &str = concat!("papyra ", env!("CARGO_PKG_VERSION"));

mod figures;
mod gauges;
#[cfg(test)]
mod sources;

pub mod append;
pub mod archive;
pub mod backup;
pub mod checklist;
pub mod cli;
pub mod compact;
pub mod disk;
pub mod error;
pub mod history;
pub mod offline;
pub mod reading;
pub mod records;
pub mod recover;
pub mod redis;
pub mod setting;
pub mod source;
