//! Stream entries, one by one: what a scan of a log's lines is for a Redis stream.
//!
//! Papyra 0.3.0 writes an entry with the one field `data`, which holds the record (`persistence/backends/redis.py`),
//! and reads the last of that name. Whether that is a record is decided as for the entries of a backup, by
//! [`RecordCheck`]. How entries are fetched is the caller's affair.

use std::collections::BTreeMap;

use crate::escape::Excerpt;
use crate::finding::{AnomalyType, Finding, Reason};
use crate::record::{Kind, Note, RecordFacts};
use crate::redis::{NoRecord, RecordCheck};
use crate::report::{FileReport, NoteReport, Role};
use crate::sniff::names_a_field;
use crate::summary::Summary;

/// The field that holds the record.
pub const DATA: &[u8] = b"data";

/// The value that Papyra reads: the last field called `data`.
pub fn data_of<B: AsRef<[u8]>>(fields: &[(B, B)]) -> Option<&[u8]> {
    fields.iter().rev().find(|(name, _)| name.as_ref() == DATA).map(|(_, value)| value.as_ref())
}

/// Why an entry holds no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaw {
    /// The reason, as findings carry it.
    pub reason: Reason,
    /// A sentence for people.
    pub detail: &'static str,
}

impl From<NoRecord> for Flaw {
    fn from(why: NoRecord) -> Flaw {
        let reason = match why {
            NoRecord::MissingData => Reason::MissingDataField,
            NoRecord::InvalidUtf8 => Reason::InvalidUtf8,
            NoRecord::NulBytes => Reason::NulBytes,
            NoRecord::NotAnObject => Reason::NotAnObject,
            NoRecord::Blank | NoRecord::InvalidJson => Reason::InvalidJson,
        };
        Flaw { reason, detail: why.sentence() }
    }
}

/// The facts of the record that an entry holds, or why it holds none.
///
/// A field of any name that is no UTF-8 counts: Papyra decodes them all, and cannot read the stream past it.
pub fn judge<B: AsRef<[u8]>>(check: &mut RecordCheck, fields: &[(B, B)]) -> Result<RecordFacts, Flaw> {
    let facts = check.data(data_of(fields).ok_or(NoRecord::MissingData)?)?;
    let is_text = |bytes: &B| simdutf8::basic::from_utf8(bytes.as_ref()).is_ok();
    if fields.iter().all(|(name, value)| is_text(name) && is_text(value)) {
        return Ok(facts);
    }
    let detail = "a field beside `data` is not UTF-8: Papyra cannot read the stream past it";
    Err(Flaw { reason: Reason::InvalidUtf8, detail })
}

/// Scans one stream.
#[derive(Debug)]
pub struct EntryScanner {
    key: String,
    expected: Option<Kind>,
    max_findings: usize,
    check: RecordCheck,
    summary: Summary,
    /// The notes, with the first entry that earned each.
    notes: BTreeMap<Note, (u64, Option<String>)>,
}

impl EntryScanner {
    /// A scanner for the stream at `key`, whose records are to be of the kind `expected`.
    pub fn new(key: impl Into<String>, expected: Option<Kind>, max_findings: usize) -> EntryScanner {
        EntryScanner {
            key: key.into(),
            expected,
            max_findings,
            check: RecordCheck::default(),
            summary: Summary::default(),
            notes: BTreeMap::new(),
        }
    }

    /// Takes the next entry. `id` is asked for only when the entry is worth a mention.
    pub fn entry<B: AsRef<[u8]>>(&mut self, id: impl Fn() -> String, fields: &[(B, B)]) -> Result<RecordFacts, Reason> {
        let length: usize = fields.iter().map(|(name, value)| name.as_ref().len() + value.as_ref().len()).sum();
        self.summary.lines += 1;
        self.summary.bytes += length as u64;
        let facts = match judge(&mut self.check, fields) {
            Ok(facts) => facts,
            Err(flaw) => {
                let reason = flaw.reason;
                self.bad(id(), fields, length as u64, flaw);
                return Err(reason);
            }
        };
        let before = self.summary.seen_backwards();
        self.summary.add_record(&facts, self.summary.lines, 0);
        let mut notes = facts.notes();
        if self.summary.seen_backwards() > before {
            notes.insert(Note::TimeBackwards);
        }
        if fields.len() > 1 {
            notes.insert(Note::ExtraFields);
        }
        if self.expected.is_some_and(|kind| facts.kind != kind && facts.kind != Kind::Other) {
            notes.insert(Note::WrongStream);
        }
        if !notes.is_empty() {
            let id = id();
            notes.iter().for_each(|note| self.note(note, 1, Some(&id)));
        }
        Ok(facts)
    }

    fn bad<B: AsRef<[u8]>>(&mut self, id: String, fields: &[(B, B)], length: u64, flaw: Flaw) {
        self.summary.rejected_bytes += length;
        let mut excerpt = Excerpt::default();
        match data_of(fields) {
            Some(data) => excerpt.feed(data),
            None => {
                for (i, (name, value)) in fields.iter().enumerate() {
                    excerpt.feed(if i == 0 { b"" } else { b" " });
                    excerpt.feed(name.as_ref());
                    excerpt.feed(b"=");
                    excerpt.feed(value.as_ref());
                }
            }
        }
        let finding = Finding {
            length: Some(length),
            key: Some(self.key.clone()),
            id: Some(id),
            excerpt: Some(excerpt.text()).filter(|text| !text.is_empty()),
            ..Finding::of_file(AnomalyType::CorruptedLine, flaw.reason, flaw.detail)
        };
        let named = data_of(fields).is_some_and(names_a_field);
        self.summary.looks.add(flaw.reason, excerpt.head(), named);
        self.summary.add_finding(finding, self.max_findings);
    }

    /// Adds a note about the stream or an entry of it.
    pub fn note(&mut self, note: Note, count: u64, id: Option<&str>) {
        if count > 0 {
            let (sum, first) = self.notes.entry(note).or_default();
            *sum += count;
            if first.is_none() {
                *first = id.map(Into::into);
            }
        }
    }

    /// The stream's report.
    pub fn finish(self) -> FileReport {
        let notes =
            self.notes.into_iter().map(|(note, (count, id))| NoteReport { note, count, line: None, offset: None, id });
        FileReport { notes: notes.collect(), ..FileReport::new(self.key, Role::Active, 0, self.summary) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_apart() {
        let mut scanner = EntryScanner::new("papyra:s:events", Some(Kind::Event), 2);
        let mut next = 0;
        let mut scan = |fields: &[(&[u8], &[u8])]| {
            next += 1;
            scanner.entry(|| format!("{next}-0"), fields).err()
        };
        assert_eq!(scan(&[(b"data", br#"{"kind":"event","timestamp":2.0}"#)]), None);
        assert_eq!(scan(&[(b"data", br#"{"kind":"audit","timestamp":1.0}"#), (b"x", b"y")]), None);
        assert_eq!(scan(&[(b"oops", b"no \x1b data")]), Some(Reason::MissingDataField));
        assert_eq!(scan(&[(b"data", b"[1]"), (b"data", b"{}")]), None);
        assert_eq!(scan(&[(b"data", b"{}"), (b"x", b"\xff")]), Some(Reason::InvalidUtf8));
        assert_eq!(scan(&[(b"data", b"")]), Some(Reason::InvalidJson));
        scanner.note(Note::IdleConsumer, 3, None);
        let report = scanner.finish();
        assert_eq!((report.lines, report.records.total(), report.anomaly_count), (6, 3, 3));
        let listed: Vec<_> = report.anomalies.iter().map(|finding| finding.id.as_deref()).collect();
        assert_eq!(listed, [Some("3-0"), Some("5-0")]);
        assert_eq!(report.anomalies[0].excerpt.as_deref(), Some("oops=no \\x1b data"));
        let note = |note: Note| report.notes.iter().find(|other| other.note == note).map(|note| note.id.as_deref());
        assert_eq!(note(Note::TimeBackwards), Some(Some("2-0")));
        assert_eq!(note(Note::ExtraFields), Some(Some("2-0")));
        assert_eq!(note(Note::WrongStream), Some(Some("2-0")));
        assert_eq!(note(Note::UnknownKind), Some(Some("4-0")));
        assert_eq!(note(Note::IdleConsumer), Some(None));
    }
}
