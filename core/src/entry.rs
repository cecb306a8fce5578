//! Stream entries, one by one: what a scan of a log's lines is for a Redis stream, wherever the entries come from: a
//! server, a dump, a payload or an append-only file.
//!
//! Papyra 0.3.0 writes an entry with the one field `data`, which holds the record (`persistence/backends/redis.py`),
//! and reads the last of that name. Whether it is one says [`RecordCheck`]; here is what entries add up to. How they
//! are fetched is the caller's affair.

use crate::escape::Excerpt;
use crate::finding::{AnomalyType, Finding};
use crate::record::{Kind, Note, RecordFacts};
use crate::redis::{Entry, NoRecord, RecordCheck};
use crate::report::{FileReport, Role};
use crate::sniff::names_a_field;
use crate::summary::Summary;

pub use crate::tally::{DATA, Flaw, Held, Notes, Tally};

/// Scans one stream.
#[derive(Debug)]
pub struct EntryScanner {
    key: String,
    max_findings: usize,
    check: RecordCheck,
    tally: Tally,
    summary: Summary,
    notes: Notes,
}

impl EntryScanner {
    /// A scanner for the stream at `key`, whose records are to be of the kind `expected`.
    pub fn new(key: impl Into<String>, expected: Option<Kind>, max_findings: usize) -> EntryScanner {
        EntryScanner {
            key: key.into(),
            max_findings,
            check: RecordCheck::default(),
            tally: Tally::new(expected),
            summary: Summary::default(),
            notes: Notes::default(),
        }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// It holds no record, and why.
    pub fn entry(&mut self, entry: &Entry<'_>) -> Result<RecordFacts, NoRecord> {
        let length: usize =
            entry.fields.clone().map(|(name, value)| name.as_bytes().len() + value.as_bytes().len()).sum();
        self.summary.lines += 1;
        self.summary.bytes += length as u64;
        let judged = self.check.entry(entry);
        let notes = self.tally.take(&judged.map(|facts| Held::of(&facts, entry.fields.remaining())));
        self.notes.add_all(notes, entry.id);
        judged.inspect_err(|why| self.bad(entry, length as u64, *why))
    }

    fn bad(&mut self, entry: &Entry<'_>, length: u64, why: NoRecord) {
        let flaw = Flaw::from(why);
        self.summary.rejected_bytes += length;
        let mut excerpt = Excerpt::default();
        match entry.field(DATA) {
            Some(data) => excerpt.feed(data.as_bytes()),
            None => {
                for (i, (name, value)) in entry.fields.clone().enumerate() {
                    excerpt.feed(if i == 0 { b"" } else { b" " });
                    excerpt.feed(name.as_bytes());
                    excerpt.feed(b"=");
                    excerpt.feed(value.as_bytes());
                }
            }
        }
        let finding = Finding {
            length: Some(length),
            key: Some(self.key.clone()),
            id: Some(entry.id.to_string()),
            excerpt: Some(excerpt.text()).filter(|text| !text.is_empty()),
            ..Finding::of_file(AnomalyType::CorruptedLine, flaw.reason, flaw.detail)
        };
        let named = entry.field(DATA).is_some_and(|data| names_a_field(data.as_bytes()));
        self.summary.looks.add(flaw.reason, excerpt.head(), named);
        self.summary.add_finding(finding, self.max_findings);
    }

    /// Adds a note about the stream or an entry of it.
    pub fn note(&mut self, note: Note, count: u64, id: Option<&str>) {
        self.notes.add(note, count, id);
    }

    /// The stream's report.
    pub fn finish(self) -> FileReport {
        FileReport {
            records: self.tally.records,
            first_timestamp: self.tally.first_timestamp(),
            last_timestamp: self.tally.last_timestamp(),
            notes: self.notes.into_reports(),
            ..FileReport::new(self.key, Role::Active, 0, self.summary)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Reason;
    use crate::redis::Fields;
    use crate::redis::StreamId;

    #[test]
    fn entries_are_told_apart() {
        let mut scanner = EntryScanner::new("papyra:s:events", Some(Kind::Event), 2);
        let mut next = 0;
        let mut scan = |fields: &[(&[u8], &[u8])]| {
            next += 1;
            let arguments: Vec<&[u8]> = fields.iter().flat_map(|(name, value)| [*name, *value]).collect();
            let fields = Fields::of_arguments(&arguments);
            let entry = Entry { id: StreamId::new(next, 0), fields, offset: 0 };
            scanner.entry(&entry).err().map(|why| Flaw::from(why).reason)
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
