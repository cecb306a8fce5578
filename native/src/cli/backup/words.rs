//! What the verbs say of a backup, in a line or two.

use std::path::Path;

use papyra_core::escape::escape;
use papyra_core::redis::StreamFacts;

use crate::backup::Backup;
use crate::cli::out::{self, Out, counted, thousands};
use crate::recover::quoted;

/// `12.3 s`, with the speed when it says something.
pub(super) fn pace(seconds: f64, bytes: u64) -> String {
    if seconds < 0.1 || bytes < 1 << 20 {
        return format!("{seconds:.3} s");
    }
    format!("{seconds:.1} s, {} MiB/s", thousands((bytes as f64 / f64::from(1 << 20) / seconds) as u64))
}

/// A backup in two lines.
pub(super) fn describe(backup: &Backup, out: &mut Out) {
    let manifest = &backup.manifest;
    let files = manifest.files.len() as u64;
    out.info(&format!(
        "made {}: {}, {}, {}",
        escape(manifest.created.as_bytes()),
        counted(files, "file", "files"),
        out::bytes(manifest.bytes()),
        out::records(&manifest.scan.totals.records)
    ));
}

/// What a backup was made of, in a word.
pub(super) fn source(backup: &Backup) -> &'static str {
    if backup.manifest.source.redis.is_some() { "the server" } else { "the log" }
}

/// A stream of a backup in a line.
pub(super) fn describe_stream(key: &str, facts: &StreamFacts) -> String {
    let groups = match facts.groups {
        0 => String::new(),
        count => format!(", {} with {} pending", counted(count, "group", "groups"), thousands(facts.pending)),
    };
    let range = facts.first_id.map(|first| format!(", {first} to {}", facts.last_id)).unwrap_or_default();
    let key = escape(key.as_bytes());
    format!("{key}: {}{range}{groups}", counted(facts.length, "entry", "entries"))
}

/// A command that the operator may want next.
pub(super) fn command(verb: &str, path: &Path) -> String {
    format!("papyra backup {verb} {}", quoted(path))
}
