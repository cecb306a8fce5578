//! Plain facts about the streams of a backup: what a report lists of each.
//!
//! [`Collector`] is the visitor that gathers them while it judges every entry of Papyra's streams. It keeps streams,
//! groups and a bounded number of findings; records only when asked to, until they are taken.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::record::Note;
use crate::summary::Counts;
use crate::tally::{DATA, Held, Notes, Tally};

use super::batch::{Batch, Judgement};
use super::export::push_line;
use super::gone::Ids;
use super::group::Group;
use super::id::StreamId;
use super::keys::{PapyraKey, RecordCheck, Scope};
use super::name::written;
use crate::redis::finding::{BackupFinding, BackupReason};
use crate::redis::rdb::header::Header;
use crate::redis::rdb::node::Entry;
use crate::redis::stream::numbers::StreamFacts;
use crate::redis::visit::{Flow, Key, Visitor};

/// One consumer in a report.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsumerReport {
    /// Its name, invalid UTF-8 replaced.
    pub name: String,
    /// Entries that it holds.
    pub pending: u64,
    /// Unix time in milliseconds of its last attempt.
    pub seen_time: i64,
    /// Unix time in milliseconds of its last success, where the file says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_time: Option<i64>,
}

/// One consumer group in a report.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupReport {
    /// Its name as text, whatever bytes it has.
    pub name: String,
    /// The last ID delivered.
    pub last_delivered: StreamId,
    /// Entries read, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries_read: Option<i64>,
    /// Pending entries.
    pub pending: u64,
    /// Consumers, by name.
    pub consumers: Vec<ConsumerReport>,
}

impl From<&Group> for GroupReport {
    fn from(group: &Group) -> Self {
        Self {
            name: written(&group.name),
            last_delivered: group.last_delivered,
            entries_read: group.entries_read.filter(|&n| n >= 0),
            pending: group.pending_count,
            consumers: group
                .consumers
                .iter()
                .map(|consumer| ConsumerReport {
                    name: written(&consumer.name),
                    pending: consumer.pending,
                    seen_time: consumer.seen_time,
                    active_time: consumer.active_time,
                })
                .collect(),
        }
    }
}

/// One stream in a report.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamReport {
    /// The database number.
    pub db: u64,
    /// The key, invalid UTF-8 replaced.
    pub key: String,
    /// Its parts, if the stream is Papyra's; the entries of others are not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub papyra: Option<PapyraKey>,
    /// Of the value's type code, in bytes from the start of the file.
    pub offset: u64,
    /// Unix time in milliseconds at which it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_ms: Option<i64>,
    /// What the stream says of itself.
    #[serde(flatten)]
    pub facts: StreamFacts,
    /// Intact records by kind.
    pub records: Counts,
    /// Entries that are not records.
    pub bad_entries: u64,
    /// The timestamps of the first and the last record, if finite.
    pub first_timestamp: Option<f64>,
    /// See above.
    pub last_timestamp: Option<f64>,
    /// The file could not be followed to the stream's end: the facts are what was seen before.
    #[serde(skip_serializing_if = "is_false")]
    pub incomplete: bool,
    /// Its consumer groups.
    pub consumer_groups: Vec<GroupReport>,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Records of streams as a log's lines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lines {
    /// The lines.
    pub text: Vec<u8>,
    /// For each line the time that its entry's ID gives, in seconds.
    pub times: Vec<f64>,
}

/// Gathers facts and findings.
#[derive(Debug, Default)]
pub struct Collector {
    scope: Scope,
    max_findings: usize,
    check: RecordCheck,
    open: Option<StreamReport>,
    /// The key of the stream that is open.
    name: Vec<u8>,
    /// Its entries that were not judged yet; none while they are.
    batch: Option<Box<Batch>>,
    tally: Tally,
    /// Of the entries of the stream that is open, if it is one of Papyra's.
    ids: Ids,
    /// Notes about the records of Papyra's streams.
    pub notes: Notes,
    /// The records since they were last taken.
    pub(crate) lines: Option<Lines>,
    seen: BTreeMap<(u64, Vec<u8>), u64>,
    /// The file's header.
    pub header: Option<Header>,
    /// Auxiliary fields, invalid UTF-8 replaced: `redis-ver`, `ctime` and the like.
    pub aux: BTreeMap<String, String>,
    /// Papyra's streams, and the first [`Collector::MOST_OTHERS`] others.
    pub streams: Vec<StreamReport>,
    /// Streams that are not Papyra's.
    pub other_streams: u64,
    /// Keys that are no streams.
    pub other_keys: u64,
    /// The first of them.
    pub other_names: Vec<String>,
    /// The first findings.
    pub findings: Vec<BackupFinding>,
    /// All findings by reason.
    pub counts: BTreeMap<BackupReason, u64>,
}

impl Collector {
    /// Streams that are not Papyra's are counted beyond this number, not listed.
    pub const MOST_OTHERS: u64 = 1_000;
    /// Names of keys that are no streams that are kept.
    const MOST_NAMES: usize = 5;
    /// Characters of the name of a stream that is not Papyra's.
    const LONGEST_OTHER: usize = 1_000;
    /// Auxiliary fields that are kept; a server writes about ten.
    const MOST_AUX: usize = 100;

    /// A collector that keeps the first `max_findings` findings.
    pub fn new(scope: Scope, max_findings: usize) -> Self {
        Self { scope, max_findings, ..Self::default() }
    }

    /// The number of findings, kept or not.
    pub fn found(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Intact records of Papyra's streams so far.
    pub fn records(&self) -> u64 {
        self.streams.iter().chain(&self.open).map(|stream| stream.records.total()).sum()
    }

    /// The records since they were last taken, if they are kept.
    pub(crate) fn take_lines(&mut self) -> Option<Lines> {
        self.settle();
        self.lines.as_mut().map(std::mem::take)
    }

    /// Judges the entries that wait for it.
    pub(crate) fn settle(&mut self) {
        let Some(mut batch) = self.batch.take() else { return };
        let mut check = std::mem::take(&mut self.check);
        batch.judge(&mut check, |judgement| self.add(judgement));
        (self.batch, self.check) = (Some(batch), check);
        if let Some(open) = &mut self.open {
            open.records = self.tally.records;
            open.bad_entries = self.tally.bad;
            open.first_timestamp = self.tally.first_timestamp();
            open.last_timestamp = self.tally.last_timestamp();
        }
    }

    fn add(&mut self, Judgement { id, offset, data, held }: Judgement<'_>) {
        let notes = self.tally.take(&held);
        self.notes.add_all(notes, id);
        match held {
            Err(why) => {
                let db = self.open.as_ref().map_or(0, |open| open.db);
                let finding = BackupFinding::of_entry(why, db, &self.name, id, offset);
                self.count(finding);
            }
            Ok(_) => {
                if let Some(lines) = &mut self.lines {
                    push_line(data, &mut lines.text);
                    lines.times.push(id.ms as f64 / 1000.0);
                }
            }
        }
    }

    fn count(&mut self, finding: BackupFinding) {
        *self.counts.entry(finding.reason).or_default() += 1;
        if self.findings.len() < self.max_findings {
            self.findings.push(finding);
        }
    }

    /// The reading stops here: the stream under way is told as far as it was seen.
    pub(crate) fn stop(&mut self) {
        self.settle();
        if let Some(open) = self.open.take() {
            self.streams.push(StreamReport { incomplete: true, ..open });
        }
    }
}

impl Visitor for Collector {
    fn header(&mut self, header: &Header) {
        self.header = Some(*header);
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(200).collect::<String>();
        if self.aux.len() < Self::MOST_AUX {
            self.aux.insert(text(name), text(value));
        }
    }

    fn key(&mut self, key: &Key<'_>) -> Flow {
        self.settle();
        if !key.is_stream {
            self.other_keys += 1;
            if self.other_names.len() < Self::MOST_NAMES {
                self.other_names.push(String::from_utf8_lossy(key.name).chars().take(80).collect());
            }
            return Flow::Continue(());
        }
        let papyra = self.scope.find(key.name);
        self.ids.clear();
        self.name.clear();
        self.name.extend_from_slice(key.name);
        self.tally = Tally::new(papyra.as_ref().map(|papyra| papyra.kind.record()));
        self.open = Some(StreamReport {
            db: key.db,
            key: match papyra {
                Some(_) => String::from_utf8_lossy(key.name).into_owned(),
                None => String::from_utf8_lossy(key.name).chars().take(Self::LONGEST_OTHER).collect(),
            },
            papyra,
            offset: key.offset,
            expire_ms: key.expire_ms,
            facts: StreamFacts::default(),
            records: Counts::default(),
            bad_entries: 0,
            first_timestamp: None,
            last_timestamp: None,
            incomplete: false,
            consumer_groups: Vec::new(),
        });
        Flow::Continue(())
    }

    fn entry(&mut self, _key: &Key<'_>, entry: &Entry<'_>) -> Flow {
        if self.open.as_ref().is_none_or(|open| open.papyra.is_none()) {
            return Flow::Continue(());
        }
        self.ids.add(entry.id);
        let batch = self.batch.get_or_insert_default();
        let is_taken = batch.take(entry);
        if !is_taken || batch.is_full() {
            self.settle();
        }
        if !is_taken {
            let held = self.check.entry(entry).map(|facts| Held::of(&facts, entry.fields.remaining()));
            let data = entry.field(DATA);
            let data = data.as_ref().map_or(&[][..], |data| data.as_bytes());
            self.add(Judgement { id: entry.id, offset: entry.offset, data, held });
        }
        Flow::Continue(())
    }

    fn group(&mut self, _key: &Key<'_>, group: Group) -> Flow {
        self.settle();
        if let Some(open) = &mut self.open {
            if open.papyra.is_some() {
                let (gone, first) = self.ids.lack(group.pending.iter().map(|pending| pending.id));
                self.notes.add(Note::PendingWithoutEntry, gone, first.map(|id| id.to_string()).as_deref());
            }
            open.consumer_groups.push(GroupReport::from(&group));
        }
        Flow::Continue(())
    }

    fn stream(&mut self, key: &Key<'_>, facts: &StreamFacts) -> Flow {
        self.settle();
        let Some(mut open) = self.open.take() else { return Flow::Continue(()) };
        open.facts = facts.clone();
        let is_papyra = open.papyra.is_some();
        if is_papyra || self.other_streams < Self::MOST_OTHERS {
            self.streams.push(open);
        }
        if !is_papyra {
            self.other_streams += 1;
            return Flow::Continue(());
        }
        match self.seen.insert((key.db, key.name.to_vec()), key.offset) {
            Some(first) => {
                let text = format!("the stream is in the file twice, first at offset {first}");
                self.finding(BackupFinding::new(BackupReason::DuplicateKey, key.offset, text).at_key(key.db, key.name))
            }
            None => Flow::Continue(()),
        }
    }

    fn finding(&mut self, finding: BackupFinding) -> Flow {
        self.settle();
        let ends = matches!(finding.reason, BackupReason::Truncated | BackupReason::BrokenStructure);
        self.count(finding);
        if ends {
            self.stop();
        }
        Flow::Continue(())
    }
}
