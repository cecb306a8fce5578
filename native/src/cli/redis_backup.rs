//! What the reports of Redis backups say beyond those of logs: the file's own marks, and its streams.

use papyra_core::escape::escape;
use papyra_core::redis::{BackupFormat, Checksum, StreamReport, Vendor};
use papyra_core::report::FileReport;

use super::consumer_groups;
use super::out::{Out, counted, thousands};

/// Prints what a backup file says of itself and of its streams.
pub(super) fn print(file: &FileReport, out: &mut Out) {
    let Some(backup) = &file.backup else { return };
    let mut parts = Vec::new();
    if let Some(header) = backup.header {
        let vendor = if header.vendor == Vendor::Valkey { "Valkey" } else { "Redis" };
        parts.push(format!("{vendor} format version {}", header.version));
    }
    parts.extend(backup.commands.map(|commands| counted(commands, "command", "commands")));
    parts.push(match (backup.checksum, backup.format) {
        (Some(Checksum::Verified), _) => "checksum verified".into(),
        (Some(Checksum::Mismatch), _) => "checksum does not hold".into(),
        (Some(Checksum::NotReached), _) => "checksum not reached".into(),
        (Some(Checksum::NotChecksummed), _) | (None, _) => "not checksummed".into(),
    });
    if backup.other_keys > 0 {
        parts.push(counted(backup.other_keys, "key of another type", "keys of other types"));
    }
    if backup.format != BackupFormat::Manifest {
        out.detail(&parts.join(", "));
    }
    file.streams.iter().filter(|stream| stream.papyra.is_some()).for_each(|stream| print_stream(stream, out));
    let others = file.streams.iter().filter(|stream| stream.papyra.is_none()).count() as u64;
    let others = others.max(backup.other_streams);
    if others > 0 {
        out.detail(&counted(others, "stream that is not Papyra's", "streams that are not Papyra's"));
    }
}

fn print_stream(stream: &StreamReport, out: &mut Out) {
    let facts = &stream.facts;
    let key = escape(stream.key.as_bytes());
    let database = if stream.db == 0 { String::new() } else { format!(" in database {}", stream.db) };
    if stream.incomplete {
        let records = counted(stream.records.total(), "intact record", "intact records");
        out.bad(&format!("{key}{database}: broken off by damage, {records} before it"));
        return;
    }
    out.info(&format!(
        "{}{database}, {} ever added",
        consumer_groups::stream(&stream.key, facts),
        thousands(facts.entries_added)
    ));
    consumer_groups::print(stream.consumer_groups.iter().map(Into::into), out);
}
