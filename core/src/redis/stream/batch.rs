//! Entries that hold nothing but a record, judged many at a time, as the lines of a log are.
//!
//! An entry that is no clean line is asked about by itself: [`RecordCheck`] says the same of every entry as it does
//! here.

use super::id::StreamId;
use super::keys::{NoRecord, RecordCheck};
use crate::json::lines::Lines;
use crate::redis::rdb::node::Entry;
use crate::tally::{DATA, Held};

/// A batch is judged when its records come to so many bytes; an entry that is longer is none of it.
const FULL: usize = 32 << 10;

/// An entry of a batch.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    id: StreamId,
    offset: u64,
    /// Where its record ends in the text.
    end: usize,
}

/// An entry that was judged.
#[derive(Debug)]
pub(super) struct Judgement<'a> {
    pub(super) id: StreamId,
    /// Bytes from the start of the file.
    pub(super) offset: u64,
    /// The value of its field.
    pub(super) data: &'a [u8],
    pub(super) held: Result<Held, NoRecord>,
}

/// Entries that wait to be judged, in their order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    lines: Lines,
    /// The records, each with a newline behind it.
    text: Vec<u8>,
    entries: Vec<Waiting>,
}

impl Batch {
    /// Takes an entry whose only field is [`DATA`]. `false`: it has others, or is too long.
    pub(super) fn take(&mut self, entry: &Entry<'_>) -> bool {
        if entry.fields.remaining() != 1 {
            return false;
        }
        let Some((name, value)) = entry.fields.clone().next() else { return false };
        let data = value.as_bytes();
        if name.as_bytes() != DATA || data.len() > FULL {
            return false;
        }
        self.text.extend_from_slice(data);
        let end = self.text.len();
        self.text.push(b'\n');
        self.entries.push(Waiting { id: entry.id, offset: entry.offset, end });
        true
    }

    /// Whether it is time to judge.
    pub(super) fn is_full(&self) -> bool {
        self.text.len() >= FULL
    }

    /// Judges the entries, and is empty then.
    pub(super) fn judge(&mut self, check: &mut RecordCheck, mut each: impl FnMut(Judgement<'_>)) {
        self.lines.begin();
        let mut at = 0;
        for Waiting { id, offset, end } in self.entries.drain(..) {
            let data = &self.text[at..end];
            // A line that ends sooner has a newline within its record.
            let line = self.lines.next(&self.text, at).filter(|line| at + line.length == end + 1);
            let held = match line {
                Some(line) => Ok(Held { kind: line.facts.kind, timestamp: line.facts.timestamp, notes: line.notes }),
                None => check.data(data).map(|facts| Held::of(&facts, 1)),
            };
            each(Judgement { id, offset, data, held });
            at = end + 1;
        }
        self.text.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::logs::Random;
    use crate::redis::rdb::node::Fields;

    /// Records, and what comes close to one: cut, with line ends inside, with bytes that are no text.
    fn value(random: &mut Random) -> Vec<u8> {
        let mut text = match random.below(8) {
            0 => Vec::new(),
            1 => b"[1]".to_vec(),
            2 => format!("{{\"kind\":\"event\",\n\"timestamp\":{}}}", random.below(9)).into_bytes(),
            _ => format!(
                r#"{{"kind": "event", "system_id": "s", "actor_address": "s:{}", "event_type": "ActorStarted", "payload": {{"n": {}}}, "timestamp": {}.5}}"#,
                random.below(5),
                random.below(100),
                random.below(3)
            )
            .into_bytes(),
        };
        if random.below(4) == 0 && !text.is_empty() {
            let at = random.below(text.len());
            match random.below(7) {
                0 => text.truncate(at),
                5 => text.extend_from_slice(b"\n"),
                6 => text.extend_from_slice(b"\n{}"),
                1 => text[at] = b'\n',
                2 => text[at] = b'\r',
                3 => text[at] = 0xff,
                _ => text.extend_from_within(..at),
            }
        }
        if random.below(200) == 0 {
            text.resize(FULL + random.below(3), b' ');
        }
        text
    }

    #[test]
    fn fuzz_entries_in_batches_are_judged_as_each_by_itself_is() {
        let rounds = if std::env::var_os("PAPYRA_FUZZ_SECONDS").is_some() { 10_000 } else { 300 };
        let mut random = Random::new(11);
        for _ in 0..rounds {
            let values: Vec<Vec<u8>> = (0..random.below(300)).map(|_| value(&mut random)).collect();
            let (mut batch, mut one, mut other) = (Batch::default(), RecordCheck::default(), RecordCheck::default());
            let mut judged = Vec::new();
            let mut wanted = Vec::new();
            for (number, value) in values.iter().enumerate() {
                let arguments: [&[u8]; 2] = [b"data", value];
                let id = StreamId::new(number as u64, 0);
                let entry = Entry { id, fields: Fields::of_arguments(&arguments), offset: 7 };
                if !batch.take(&entry) {
                    assert!(value.len() > FULL);
                    continue;
                }
                wanted.push((id, other.entry(&entry).map(|facts| Held::of(&facts, 1)), value.clone()));
                if batch.is_full() {
                    batch.judge(&mut one, |found| judged.push((found.id, found.held, found.data.to_vec())));
                }
            }
            batch.judge(&mut one, |found| judged.push((found.id, found.held, found.data.to_vec())));
            assert_eq!(judged, wanted);
        }
    }
}
