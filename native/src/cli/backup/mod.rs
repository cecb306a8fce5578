//! `papyra backup`: one file a verb. What they share lives here.

mod checking;
pub(super) mod create;
mod diff;
mod drill;
mod every;
pub(super) mod init;
pub(super) mod list;
pub(super) mod ls;
pub(super) mod prune;
mod restore;
mod verify;

pub(super) use checking::folder_of_backups;

use std::path::PathBuf;

use super::Verdict;
use super::config::Config;
use super::out::{self, Out, counted, thousands};
use super::progress::Progress;
use super::settings::Output;
use crate::backup::Backup;
use crate::backup::prometheus::{self, Figures, Operation};
use crate::error::Result;
use crate::reading::Effort;

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

/// Flags of the verbs that read a backup.
#[derive(Debug, clap::Args)]
struct Reading {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    output: Output,

    /// How many anomalies to list per file; counts are always complete
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    max_findings: usize,

    /// Number of threads; by default as many as the machine has
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

impl Reading {
    fn progress(&self, total: u64) -> Progress {
        Progress::new(self.output.quiet, Some(total))
    }

    fn effort<'a>(&self, progress: &'a Progress) -> Effort<'a> {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.map_or_else(processors, usize::from);
        Effort { threads, max_findings: self.max_findings, progress: progress.tick() }
    }
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

/// Writes the file for monitoring, if one is wanted, also when the work failed.
fn tell<T>(
    file: Option<&PathBuf>,
    operation: Operation,
    done: Result<T>,
    figures: impl FnOnce(&T) -> Figures,
) -> Result<T> {
    let Some(file) = file else { return done };
    let written = prometheus::write(file, operation, done.as_ref().ok().map(figures).as_ref());
    match (done, written) {
        (Ok(done), written) => written.map(|()| done),
        (Err(error), _) => Err(error),
    }
}

/// `12.3 s`, with the speed when it says something.
fn pace(seconds: f64, bytes: u64) -> String {
    if seconds < 0.1 || bytes < 1 << 20 {
        return format!("{seconds:.3} s");
    }
    format!("{seconds:.1} s, {} MiB/s", thousands((bytes as f64 / f64::from(1 << 20) / seconds) as u64))
}

/// A backup in two lines.
fn describe(backup: &Backup, out: &mut Out) {
    let manifest = &backup.manifest;
    let files = manifest.files.len() as u64;
    out.info(&format!(
        "made {}: {}, {}, {}",
        papyra_core::escape::escape(manifest.created.as_bytes()),
        counted(files, "file", "files"),
        out::bytes(manifest.bytes()),
        out::records(&manifest.scan.totals.records)
    ));
}

/// What a backup was made of, in a word.
fn source(backup: &Backup) -> &'static str {
    if backup.manifest.source.redis.is_some() { "the server" } else { "the log" }
}

/// A stream of a backup in a line.
fn describe_stream(key: &str, facts: &papyra_core::redis::StreamFacts) -> String {
    let groups = match facts.groups {
        0 => String::new(),
        count => format!(", {} with {} pending", counted(count, "group", "groups"), thousands(facts.pending)),
    };
    let range = facts.first_id.map(|first| format!(", {first} to {}", facts.last_id)).unwrap_or_default();
    let key = papyra_core::escape::escape(key.as_bytes());
    format!("{key}: {}{range}{groups}", counted(facts.length, "entry", "entries"))
}

/// A command that the operator may want next.
fn command(verb: &str, path: &std::path::Path) -> String {
    format!("papyra backup {verb} {}", crate::recover::quoted(path))
}
