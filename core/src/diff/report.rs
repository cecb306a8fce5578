//! What a comparison of logs is told as: which logs of two sides are compared, the report, and the words for people.

use serde::Serialize;

use super::difference::{Change, Counts, Difference, Kind};
use crate::escape::escape;
use crate::figures::{counted, thousands};
use crate::scan::Record;

/// What changed between two histories, schema `papyra.diff/1`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
pub struct Diff {
    /// `papyra.diff/1`.
    pub schema: &'static str,
    /// Who compared: name and version.
    pub tool: &'static str,
    /// The older side.
    pub old: String,
    /// The newer side.
    pub new: String,
    /// Whether every log only grew at its end and shrank at its front.
    pub append_only: bool,
    /// Log by log.
    pub logs: Vec<LogDiff>,
}

/// What changed in one log.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
pub struct LogDiff {
    /// The log's name in the older side; none when it is new.
    pub old_log: Option<String>,
    /// The log's name in the newer side; none when it is not there any more.
    pub new_log: Option<String>,
    /// Whether it only grew at its end and shrank at its front.
    pub append_only: bool,
    /// What was found.
    #[serde(flatten)]
    pub difference: Difference<RecordPlace>,
}

/// Where a record stands.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordPlace {
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: u64,
    /// Its offset in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// The same with a number in place of the file's name.
#[derive(Debug, Clone, Copy)]
pub struct Spot {
    /// The file's number.
    pub file: usize,
    /// Its line, from 1.
    pub line: u64,
    /// Its offset in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// Which logs of the older side are compared with which of the newer one: those of one name; one with nothing has gone,
/// or is new. Where each side has one log alone these are compared, for what they are called says nothing.
pub fn pairs(old: Vec<String>, new: Vec<String>) -> Vec<(Option<String>, Option<String>)> {
    if old.len() == 1 && new.len() == 1 {
        return old.into_iter().zip(new).map(|(old, new)| (Some(old), Some(new))).collect();
    }
    let mut pairs: Vec<_> = old.iter().map(|log| (Some(log.clone()), new.contains(log).then(|| log.clone()))).collect();
    pairs.extend(new.into_iter().filter(|log| !old.contains(log)).map(|log| (None, Some(log))));
    pairs
}

/// Why a side with these files in it, which are not plain logs, cannot be compared.
pub fn left_out(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| escape(name.as_bytes())).collect();
    format!("it holds what cannot be compared: {}; name the logs one by one", names.join(", "))
}

/// Why a side cannot be compared that holds streams and not logs.
pub fn holds_streams() -> &'static str {
    "it holds streams: papyra redis export writes its streams as logs, compare those"
}

impl Diff {
    /// Compared by `tool`.
    pub fn new(tool: &'static str, old: String, new: String, logs: Vec<LogDiff>) -> Diff {
        let append_only = logs.iter().all(|log| log.append_only);
        Diff { schema: "papyra.diff/1", tool, old, new, append_only, logs }
    }
}

impl Spot {
    /// Of a record in the file with this number.
    pub fn of(file: usize, record: &Record<'_>) -> Spot {
        Spot { file, line: record.line, offset: record.span.offset, length: record.span.length }
    }

    fn named(self, files: &[String]) -> RecordPlace {
        let Spot { file, line, offset, length } = self;
        RecordPlace { file: files.get(file).cloned().unwrap_or_default(), line, offset, length }
    }
}

impl LogDiff {
    /// Of two logs: the name of each, and those of the files that its records stand in.
    pub fn new(old: (Option<String>, &[String]), new: (Option<String>, &[String]), found: Difference<Spot>) -> LogDiff {
        let append_only = found.is_append_only();
        let changes = found.changes.into_iter().map(|change| Change {
            kind: change.kind,
            old: change.old.map(|spot| spot.named(old.1)),
            new: change.new.map(|spot| spot.named(new.1)),
        });
        let difference = Difference {
            old: found.old,
            new: found.new,
            common: found.common,
            left: found.left,
            added: found.added,
            counts: found.counts,
            changes: changes.collect(),
        };
        LogDiff { old_log: old.0, new_log: new.0, append_only, difference }
    }

    /// What has become of the log, in one sentence.
    pub fn says(&self) -> String {
        let found = &self.difference;
        let name = escape(self.new_log.as_ref().or(self.old_log.as_ref()).map_or(b"", |name| name.as_bytes()));
        if self.append_only {
            format!("{name}: history was only appended to")
        } else if self.new_log.is_none() {
            format!("{name}: the log is not there any more")
        } else if found.common == 0 {
            format!("{name}: no record of the older history is in the newer one")
        } else {
            format!("{name}: history was changed: {}", found.counts.told())
        }
    }

    /// How many records both have, how many are new, and how many have left.
    pub fn facts(&self) -> String {
        let Difference { common, added, left, .. } = &self.difference;
        let common = counted(*common, "record", "records");
        format!("{common} in common, {} new, {} left at the front", thousands(*added), thousands(*left))
    }

    /// How many changes are not listed.
    pub fn unlisted(&self) -> u64 {
        self.difference.counts.total().saturating_sub(self.difference.changes.len() as u64)
    }
}

impl Counts {
    fn told(self) -> String {
        let named = [
            (self.gone, "gone"),
            (self.changed, "changed"),
            (self.doubled, "doubled"),
            (self.moved, "moved"),
            (self.inserted, "put in"),
        ];
        let parts = named.into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> =
            parts.map(|(count, what)| format!("{} {what}", counted(count, "record", "records"))).collect();
        parts.join(", ")
    }
}

impl Change<RecordPlace> {
    /// What happened to which record, in a few words.
    pub fn says(&self) -> String {
        let place = |place: &Option<RecordPlace>| place.as_ref().map(RecordPlace::told).unwrap_or_default();
        let (old, new) = (place(&self.old), place(&self.new));
        match self.kind {
            Kind::Gone => format!("gone: {old}"),
            Kind::Changed => format!("changed: {old}, now {new}"),
            Kind::Doubled => format!("doubled: {old}, again {new}"),
            Kind::Moved => format!("moved: {old}, now {new}"),
            Kind::Inserted => format!("put in: {new}"),
        }
    }
}

impl RecordPlace {
    fn told(&self) -> String {
        let file = escape(self.file.as_bytes());
        format!("{file} line {} at byte {}", thousands(self.line), thousands(self.offset))
    }
}
