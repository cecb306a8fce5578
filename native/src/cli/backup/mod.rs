//! `papyra backup`: one file a verb.

mod checking;
pub(super) mod create;
mod diff;
mod drill;
mod every;
pub(super) mod init;
pub(super) mod list;
pub(super) mod ls;
pub(super) mod prune;
mod reading;
mod restore;
mod verify;
mod words;

pub(super) use checking::folder_of_backups;

use super::out::Out;
use super::verdict::Verdict;
use crate::error::Result;

#[derive(Debug, clap::Subcommand)]
pub(super) enum What {
    /// Make an encrypted, deduplicating repository in restic's format, for backups to go to from then on
    Init(init::Args),
    /// Back up a log, a rotation set, a folder of logs or a server's streams while they are in use, and scan them
    Create(Box<create::Args>),
    /// Read every stored byte, scan every record and compare both with the manifest
    Verify(verify::Args),
    /// Show the backups in a folder; exits with 2 when the newest is too old, damaged or unverified
    List(list::Args),
    /// Say how history changed between two backups or logs; exits with 2 when more than its ends did
    Diff(diff::Args),
    /// List the files of a backup
    Ls(ls::Args),
    /// Write one file of a backup to standard output, as it was backed up
    Cat(ls::CatArgs),
    /// Restore a backup after verifying it; never merges with or overwrites existing data
    Restore(Box<restore::Args>),
    /// Show which backups the retention policy keeps and why, and remove the others with --apply
    Prune(prune::Args),
    /// Restore to a scratch folder or scratch server, compare with the manifest, and measure the time
    Drill(drill::Args),
}

pub(super) fn run(what: &What, out: &mut Out) -> Result<Verdict> {
    match what {
        What::Init(args) => init::run(args, out),
        What::Create(args) => create::run(args, out),
        What::Verify(args) => verify::run(args, out),
        What::List(args) => list::run(args, out),
        What::Diff(args) => diff::run(args, out),
        What::Ls(args) => ls::run(args, out),
        What::Cat(args) => ls::cat(args, out),
        What::Restore(args) => restore::run(args, out),
        What::Prune(args) => prune::run(args, out),
        What::Drill(args) => drill::run(args, out),
    }
}
