//! What a scan adds up to, and how the summaries of neighbouring stretches of a file become one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Reason};
use crate::record::{Kind, Note, NoteSet, RecordFacts};

/// Intact records by kind.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Records of the kind `event`.
    pub event: u64,
    /// Records of the kind `audit`.
    pub audit: u64,
    /// Records of the kind `dead_letter`.
    pub dead_letter: u64,
    /// JSON objects of no known kind.
    pub other: u64,
}

impl Counts {
    /// Adds one record.
    #[inline]
    pub fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Event => self.event += 1,
            Kind::Audit => self.audit += 1,
            Kind::DeadLetter => self.dead_letter += 1,
            Kind::Other => self.other += 1,
        }
    }

    /// The sum over all kinds.
    pub fn total(&self) -> u64 {
        self.event + self.audit + self.dead_letter + self.other
    }

    /// Adds another count to this one.
    pub fn merge(&mut self, other: Counts) {
        self.event += other.event;
        self.audit += other.audit;
        self.dead_letter += other.dead_letter;
        self.other += other.other;
    }
}

/// How often a note was earned, and where first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoteCount {
    /// How many records earned it.
    pub count: u64,
    /// The first such record's line, from 1.
    pub line: u64,
    /// The first such record's offset in bytes.
    pub offset: u64,
}

/// What damaged lines look like, of which nothing else can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looks {
    /// Those that were records once.
    pub like_records: u64,
    /// Those that look like nothing of Papyra's.
    pub alien: u64,
}

impl Looks {
    /// Adds a damaged line, or the data of an entry, that begins with `head` and of which nothing could be kept;
    /// `names_a_field`, see [`names_a_field`](crate::sniff::names_a_field).
    pub(crate) fn add(&mut self, reason: Reason, head: &[u8], names_a_field: bool) {
        if !matches!(reason, Reason::NulBytes | Reason::InvalidJson | Reason::InvalidUtf8 | Reason::TornTail) {
            return;
        }
        let mut text = head;
        while let Some(rest) = text.strip_prefix(b"\xef\xbb\xbf").or_else(|| text.strip_prefix(b"\0")) {
            text = rest;
        }
        let text = text.trim_ascii_start();
        // Of what was wiped, or begins with more white space than is read, nothing can be said.
        let says_nothing = text.is_empty() && reason == Reason::NulBytes;
        let begins = text.starts_with(b"{\"") || (text.starts_with(b"{") && reason == Reason::TornTail);
        if begins || names_a_field {
            self.like_records += 1;
        } else if !says_nothing {
            self.alien += 1;
        }
    }

    /// Adds others to these.
    pub fn merge(&mut self, other: Looks) {
        self.like_records += other.like_records;
        self.alien += other.alien;
    }
}

/// A record's time and place.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Timed {
    seconds: f64,
    line: u64,
    offset: u64,
}

/// What a scan of a file, or of a stretch of it, adds up to.
///
/// Lines and their numbers count from the start of the stretch; offsets are the file's.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// Bytes scanned.
    pub bytes: u64,
    /// Lines, the last one counted though it may have no newline.
    pub lines: u64,
    /// Intact records: lines that are one object and end in a newline.
    pub records: Counts,
    /// Intact records in damaged lines that recovery keeps, one without a newline at the end of the file included.
    pub salvageable: u64,
    /// The salvageable ones by kind.
    pub salvaged: Counts,
    /// Anomalies, listed or not.
    pub anomalies: u64,
    /// The first anomalies, as many as the scanner was told to list.
    pub findings: Vec<Finding>,
    /// Anomalies by reason, listed or not.
    pub reasons: BTreeMap<Reason, u64>,
    /// What the damaged lines look like, listed or not.
    pub looks: Looks,
    /// Bytes that recovery would remove.
    pub rejected_bytes: u64,
    /// Newlines that recovery would add.
    pub newlines_owed: u64,
    /// The smallest and greatest finite timestamp in seconds of the writer's clock.
    pub time_range: Option<(f64, f64)>,
    notes: [NoteCount; Note::ALL.len()],
    first_timestamp: Option<f64>,
    last_timestamp: Option<f64>,
    first_timed: Option<Timed>,
    last_seconds: Option<f64>,
}

impl Summary {
    /// One without anomalies.
    pub(crate) fn clean(
        bytes: u64,
        lines: u64,
        records: Counts,
        [first_timestamp, last_timestamp]: [Option<f64>; 2],
        notes: Vec<(Note, NoteCount)>,
    ) -> Summary {
        let mut summary = Summary { bytes, lines, records, first_timestamp, last_timestamp, ..Summary::default() };
        notes.into_iter().for_each(|(note, count)| summary.notes[note as usize] = count);
        summary
    }

    /// The first record's timestamp, in file order; `None` when there is none or it is not finite.
    pub fn first_timestamp(&self) -> Option<f64> {
        self.first_timestamp.filter(|seconds| seconds.is_finite())
    }

    /// The last record's timestamp, in file order; `None` when there is none or it is not finite.
    pub fn last_timestamp(&self) -> Option<f64> {
        self.last_timestamp.filter(|seconds| seconds.is_finite())
    }

    /// The notes that were earned.
    pub fn notes(&self) -> impl Iterator<Item = (Note, NoteCount)> + '_ {
        Note::ALL.into_iter().zip(self.notes).filter(|(_, note)| note.count > 0)
    }

    /// Makes summaries of the same bytes equal although a NaN is not equal to itself.
    pub(crate) fn forget_nan(&mut self) {
        for timestamp in [&mut self.first_timestamp, &mut self.last_timestamp] {
            *timestamp = timestamp.map(|seconds| if seconds.is_nan() { f64::MAX } else { seconds });
        }
    }

    /// Adds the next intact record, and the notes that it deserves by itself.
    #[inline]
    pub(crate) fn add_record(&mut self, facts: &RecordFacts, mut notes: NoteSet, line: u64, offset: u64) {
        self.records.add(facts.kind);
        if let Some(seconds) = facts.timestamp {
            self.first_timestamp.get_or_insert(seconds);
            self.last_timestamp = Some(seconds);
            if seconds.is_finite() {
                if self.last_seconds.is_some_and(|last| seconds < last) {
                    notes.insert(Note::TimeBackwards);
                }
                self.first_timed.get_or_insert(Timed { seconds, line, offset });
                self.last_seconds = Some(seconds);
                self.widen(seconds, seconds);
            }
        }
        if !notes.is_empty() {
            self.add_notes(notes, line, offset);
        }
    }

    /// Adds an anomaly, and lists it while fewer than `most` are listed.
    pub(crate) fn add_finding(&mut self, finding: Finding, most: usize) {
        self.anomalies += 1;
        *self.reasons.entry(finding.reason).or_default() += 1;
        if self.findings.len() < most {
            self.findings.push(finding);
        }
    }

    #[inline]
    fn widen(&mut self, low: f64, high: f64) {
        let (smallest, greatest) = self.time_range.get_or_insert((low, high));
        if low < *smallest {
            *smallest = low;
        }
        if high > *greatest {
            *greatest = high;
        }
    }

    #[cold]
    fn add_notes(&mut self, notes: NoteSet, line: u64, offset: u64) {
        for note in notes.iter() {
            self.notes[note as usize].add(NoteCount { count: 1, line, offset });
        }
    }

    /// Adds the summary of the stretch that follows this one without a gap.
    ///
    /// The cut between the two must lie behind a newline. The result is that of one scan over both.
    pub fn merge(&mut self, next: Summary, max_findings: usize) {
        let lines = self.lines;
        for (mine, theirs) in self.notes.iter_mut().zip(next.notes) {
            mine.add(NoteCount { line: theirs.line + lines, ..theirs });
        }
        if let Some(first) = next.first_timed {
            if self.last_seconds.is_some_and(|last| first.seconds < last) {
                let mut notes = NoteSet::default();
                notes.insert(Note::TimeBackwards);
                // The boundary comes before every other place in the next stretch.
                let note = &mut self.notes[Note::TimeBackwards as usize];
                let theirs = next.notes[Note::TimeBackwards as usize].count;
                let before = note.count - theirs;
                if before == 0 {
                    *note = NoteCount { count: theirs, line: first.line + lines, offset: first.offset };
                }
                note.count += 1;
            }
            self.first_timed.get_or_insert(Timed { line: first.line + lines, ..first });
        }
        self.last_seconds = next.last_seconds.or(self.last_seconds);
        self.first_timestamp = self.first_timestamp.or(next.first_timestamp);
        self.last_timestamp = next.last_timestamp.or(self.last_timestamp);
        if let Some((low, high)) = next.time_range {
            self.widen(low, high);
        }
        self.bytes += next.bytes;
        self.lines += next.lines;
        self.records.merge(next.records);
        self.salvageable += next.salvageable;
        self.salvaged.merge(next.salvaged);
        self.anomalies += next.anomalies;
        next.reasons.iter().for_each(|(reason, count)| *self.reasons.entry(*reason).or_default() += count);
        self.looks.merge(next.looks);
        self.rejected_bytes += next.rejected_bytes;
        self.newlines_owed += next.newlines_owed;
        for mut finding in next.findings {
            if self.findings.len() >= max_findings {
                break;
            }
            finding.line = finding.line.map(|line| line + lines);
            self.findings.push(finding);
        }
    }
}

impl NoteCount {
    /// Adds later occurrences.
    fn add(&mut self, later: NoteCount) {
        if later.count == 0 {
            return;
        }
        if self.count == 0 {
            (self.line, self.offset) = (later.line, later.offset);
        }
        self.count += later.count;
    }
}
