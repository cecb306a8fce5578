//! A stream, page by page: whole, in order, and in memory that does not grow with it.

use redis::Cmd;

use super::Store;
use super::StreamId;
use super::reply::Entry;
use crate::error::Result;

/// Bytes that a page is to have, more or less: what the next one asks for follows from what the last one weighed.
const PAGE: usize = 1 << 20;

/// Entries of the first page, and of any.
const FIRST: usize = 16;
const MOST: usize = 5_000;

/// The entries from one ID to another, oldest first.
pub(super) struct Pages<'a> {
    store: &'a Store,
    key: &'a str,
    next: Option<StreamId>,
    last: StreamId,
    count: usize,
}

impl<'a> Pages<'a> {
    /// All entries that are there now. What is added meanwhile is left for another time.
    pub(super) fn all(store: &'a Store, key: &'a str) -> Result<Pages<'a>> {
        let last = store.last_entry(key)?.map(|entry| entry.id);
        Ok(Pages { store, key, next: last.map(|_| StreamId::MIN), last: last.unwrap_or_default(), count: FIRST })
    }

    /// The same from `first` on.
    pub(super) fn from(self, first: StreamId) -> Pages<'a> {
        Pages { next: self.next.map(|_| first), ..self }
    }

    /// The next page; empty at the end.
    pub(super) fn next(&mut self) -> Result<Vec<Entry>> {
        let Some(from) = self.next.filter(|next| *next <= self.last) else { return Ok(Vec::new()) };
        let command = range(self.key, from, self.last, self.count);
        let entries = self.store.entries(self.key, &command)?;
        self.next = match entries.last() {
            Some(last) if entries.len() == self.count => after(last.id),
            _ => None,
        };
        self.count = next_count(self.count, &entries);
        Ok(entries)
    }
}

/// The ID after another. Servers before Redis 6.2 know no other way to leave a range's start out.
pub(super) fn after(id: StreamId) -> Option<StreamId> {
    match (id.seq.checked_add(1), id.ms.checked_add(1)) {
        (Some(seq), _) => Some(StreamId { seq, ..id }),
        (None, Some(ms)) => Some(StreamId { ms, seq: 0 }),
        (None, None) => None,
    }
}

/// The ID before another.
pub(super) fn before(id: StreamId) -> Option<StreamId> {
    match (id.seq.checked_sub(1), id.ms.checked_sub(1)) {
        (Some(seq), _) => Some(StreamId { seq, ..id }),
        (None, Some(ms)) => Some(StreamId { ms, seq: u64::MAX }),
        (None, None) => None,
    }
}

/// How many entries fill a page, judged by those of the last one; never four times as many as before.
fn next_count(count: usize, entries: &[Entry]) -> usize {
    let weight = |entry: &Entry| -> usize {
        64 + entry.fields.iter().map(|(name, value)| 48 + name.len() + value.len()).sum::<usize>()
    };
    let bytes: usize = entries.iter().map(weight).sum();
    let fitting = PAGE * entries.len().max(1) / bytes.max(1);
    fitting.clamp(1, MOST).min(count * 4)
}

/// `XRANGE key from to COUNT count`
pub(super) fn range(key: &str, from: StreamId, to: StreamId, count: usize) -> Cmd {
    let mut command = redis::cmd("XRANGE");
    command.arg(key).arg(from.to_string()).arg(to.to_string()).arg("COUNT").arg(count);
    command
}

/// The ID of the oldest among the newest `sample` entries.
pub(super) fn start_of_sample(store: &Store, key: &str, sample: u64) -> Result<StreamId> {
    let (mut left, mut end, mut count) = (sample, StreamId::MAX, FIRST);
    let mut oldest = StreamId::MIN;
    while left > 0 {
        let wanted = count.min(usize::try_from(left).unwrap_or(count));
        let mut command = redis::cmd("XREVRANGE");
        command.arg(key).arg(end.to_string()).arg(StreamId::MIN.to_string()).arg("COUNT").arg(wanted);
        let entries = store.entries(key, &command)?;
        left -= (entries.len() as u64).min(left);
        let Some(last) = entries.last() else { break };
        oldest = last.id;
        match before(oldest) {
            Some(previous) if entries.len() == wanted => end = previous,
            _ => break,
        }
        count = next_count(count, &entries);
    }
    Ok(oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(count: usize, bytes: usize) -> Vec<Entry> {
        let entry = Entry { id: StreamId::MIN, fields: vec![(b"data".to_vec(), vec![b'x'; bytes])] };
        vec![entry; count]
    }

    #[test]
    fn ids_follow_one_another() {
        let (end, start) = (StreamId::new(5, u64::MAX), StreamId::new(6, 0));
        assert_eq!((after(end), before(start)), (Some(start), Some(end)));
        assert_eq!((after(StreamId::MAX), before(StreamId::MIN)), (None, None));
    }

    #[test]
    fn pages_hold_many_small_entries_or_few_large_ones() {
        assert_eq!(next_count(FIRST, &entries(16, 100)), 64);
        assert_eq!(next_count(MOST, &entries(5_000, 84)), MOST);
        assert_eq!(next_count(MOST, &entries(100, 1 << 18)), 3);
        assert_eq!(next_count(3, &entries(3, 1 << 24)), 1);
        assert_eq!(next_count(1, &[]), 4);
    }
}
