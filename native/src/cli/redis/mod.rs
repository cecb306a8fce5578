//! `papyra redis`: consumer groups on a live server, and exports of backups; one file a verb.

mod ack;
mod claim;
mod export;
pub(super) mod groups;
pub(super) mod pending;
mod which;

use clap::Subcommand;

use super::out::Out;
use super::verdict::Verdict;
use crate::error::Result;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List, create or delete consumer groups
    #[command(subcommand, alias = "group")]
    Groups(groups::Verb),
    /// List pending entries: delivered to a consumer, but not acknowledged
    Pending(pending::Args),
    /// Reassign pending entries to another consumer (XCLAIM)
    Claim(claim::Args),
    /// Acknowledge pending entries (XACK)
    Ack(ack::Args),
    /// Write the streams of a Redis backup as NDJSON logs, and their groups as JSON
    Export(export::Args),
}

pub(super) fn run(verb: &Verb, out: &mut Out) -> Result<Verdict> {
    match verb {
        Verb::Groups(verb) => groups::run(verb, out),
        Verb::Pending(args) => pending::run(args, out),
        Verb::Claim(args) => claim::run(args, out),
        Verb::Ack(args) => ack::run(args, out),
        Verb::Export(args) => return export::run(args, out),
    }?;
    Ok(Verdict::Fine)
}
