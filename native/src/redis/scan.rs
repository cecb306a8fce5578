//! The scan: every entry of every stream, and what the groups wait for.

use papyra_core::entry::EntryScanner;
use papyra_core::record::{Note, RecordFacts};
use papyra_core::redis::Fields;
use papyra_core::report::{FileReport, Role};
use papyra_core::summary::Summary;

use super::keys::record_kind;
use super::page::{Pages, range, start_of_sample};
use super::reply::Entry;
use super::{Naming, PapyraKey, Store, StreamId};
use crate::error::Result;
use crate::reading::ScanOptions;

/// Pending entries looked up in one go.
const LOOKUPS: usize = 500;

/// Scans the store's streams. Progress is told in entries.
pub fn scan(store: &Store, scanning: ScanOptions<'_>) -> Result<Vec<FileReport>> {
    let (present, absent) = store.present()?;
    let mut files = Vec::new();
    for stream in present {
        files.push(scan_stream(store, &stream, scanning)?);
    }
    for stream in absent {
        files.push(FileReport::new(stream.key(), Role::Missing, 0, Summary::default()));
    }
    Ok(files)
}

fn scan_stream(store: &Store, stream: &PapyraKey, scanning: ScanOptions<'_>) -> Result<FileReport> {
    let key = stream.key();
    let mut scanner = EntryScanner::new(&key, Some(record_kind(stream.kind)), scanning.max_findings);
    let mut pages = Pages::all(store, &key)?;
    if let Some(sample) = store.settings.sample {
        pages = pages.from(start_of_sample(store, &key, sample)?);
    }
    loop {
        let entries = pages.next()?;
        if entries.is_empty() {
            break;
        }
        for entry in &entries {
            // The reason is in the scanner's findings.
            _ = scanner.entry(&entry.as_read());
        }
        (scanning.progress)(entries.len() as u64);
    }
    look_at_groups(store, &key, &mut scanner)?;
    Ok(scanner.finish())
}

/// Notes about the stream's groups: consumers that were not seen for long, and entries waited for that are gone.
fn look_at_groups(store: &Store, key: &str, scanner: &mut EntryScanner) -> Result<()> {
    for group in store.groups_of(key)? {
        let max_idle = u64::try_from(store.settings.max_idle.as_millis()).unwrap_or(u64::MAX);
        let consumers = store.consumers_of(key, &group.name)?;
        let idle = consumers.iter().filter(|consumer| consumer.idle_ms > max_idle);
        scanner.note(Note::IdleConsumer, idle.count() as u64, None);
        let (gone, first) = pending_without_entry(store, key, &group.name)?;
        scanner.note(Note::PendingWithoutEntry, gone, first.map(|id| id.to_string()).as_deref());
    }
    Ok(())
}

/// How many of a group's pending entries are gone from the stream, and the first of them.
pub(super) fn pending_without_entry(store: &Store, key: &str, group: &[u8]) -> Result<(u64, Option<StreamId>)> {
    let (mut gone, mut first) = (0, None);
    store.each_pending(key, group, None, LOOKUPS, |page| {
        let commands: Vec<_> = page.iter().map(|pending| range(key, pending.id, pending.id, 1)).collect();
        let replies = store.ask_all(key, "reading", &commands)?;
        for (pending, reply) in page.iter().zip(replies) {
            if store.as_entries(key, reply)?.is_empty() {
                gone += 1;
                first.get_or_insert(pending.id);
            }
        }
        Ok(())
    })?;
    Ok((gone, first))
}

/// Goes through the records of all streams by entry ID, oldest first, and hands on each one's `data` as a line of a
/// log. Returns how many entries were none. `each` says whether to go on.
pub fn each_record(store: &Store, mut each: impl FnMut(&RecordFacts, &[u8]) -> Result<bool>) -> Result<u64> {
    let (present, _) = store.present()?;
    let keys: Vec<String> = present.iter().map(Naming::key).collect();
    let mut sources = Vec::new();
    for key in &keys {
        let mut pages = Pages::all(store, key)?;
        let page = pages.next()?.into_iter();
        sources.push((pages, page.peekable()));
    }
    let (mut bad, mut line, mut judge) = (0, Vec::new(), papyra_core::redis::RecordCheck::default());
    loop {
        let mut oldest: Option<(StreamId, usize)> = None;
        for (i, (_, page)) in sources.iter_mut().enumerate() {
            if let Some(entry) = page.peek()
                && oldest.is_none_or(|(id, _)| entry.id < id)
            {
                oldest = Some((entry.id, i));
            }
        }
        let Some((_, i)) = oldest else { return Ok(bad) };
        let (pages, page) = &mut sources[i];
        if let Some(entry) = page.next() {
            let entry = entry.as_read();
            match judge.entry(&entry) {
                Ok(facts) => {
                    line.clear();
                    if let Some(data) = entry.field(papyra_core::entry::DATA) {
                        papyra_core::redis::push_line(data.as_bytes(), &mut line);
                    }
                    if !each(&facts, &line)? {
                        return Ok(bad);
                    }
                }
                Err(_) => bad += 1,
            }
        }
        if page.peek().is_none() {
            *page = pages.next()?.into_iter().peekable();
        }
    }
}

impl Entry {
    /// As core reads it.
    pub(super) fn as_read(&self) -> papyra_core::redis::Entry<'_> {
        papyra_core::redis::Entry { id: self.id, fields: Fields::of_pairs(&self.fields), offset: 0 }
    }

    /// Bytes of its names and values.
    pub(super) fn bytes(&self) -> u64 {
        self.fields.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
    }
}
