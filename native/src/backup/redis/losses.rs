//! What a server that is older than a backup, or takes no payload of its size, has no place for.

use papyra_core::redis::{Consumer, NOBODY, StreamPayload};
use serde::Serialize;

/// What could not be brought back, by count.
#[derive(schemars::JsonSchema, Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Losses {
    /// Pending entries.
    pub pending: u64,
    /// Pending entries that no consumer held (XNACK), and that the consumer [`NOBODY`] holds now.
    pub released: u64,
    /// Consumers whose idle time starts again at zero.
    pub idle_times: u64,
    /// Consumers without pending entries, on a server that has no command to make them.
    pub consumers: u64,
    /// Counts of entries added and read that the server has no place for, and cannot tell from the entries.
    pub counters: u64,
    /// Consumers whose time of the last success a server before Redis 7.2 does not keep.
    pub active_times: u64,
    /// Producers whose recent entries were remembered.
    pub producers: u64,
    /// Settings of how entries are told apart (XCFGSET), on a server that knows none.
    pub idempotency: u64,
}

impl Losses {
    /// What a stream loses when it is written as one of an older type.
    pub(super) fn of_type(stream: &StreamPayload<'_>, older: u8) -> Losses {
        let (facts, mut losses) = (&stream.facts, Losses::default());
        if older < 27 {
            losses.released = stream.released();
        }
        if older < 26 {
            losses.producers = facts.producers;
            losses.idempotency = u64::from(facts.idempotency.is_some());
        }
        if older < 21 {
            let consumers = stream.groups.iter().flat_map(|group| &group.consumers);
            let more = |consumer: &&Consumer| consumer.active_time.is_some_and(|time| time != consumer.seen_time);
            losses.active_times = consumers.filter(more).count() as u64;
        }
        if older < 19 {
            let read = stream.groups.iter().filter(|group| group.entries_read.is_some_and(|read| read > 0)).count();
            losses.counters = u64::from(facts.entries_added != facts.length) + read as u64;
        }
        losses
    }

    /// In a sentence; `None` when nothing was lost.
    pub fn sentence(&self) -> Option<String> {
        let all = [
            (self.pending, "pending entry", "pending entries"),
            (self.consumers, "consumer that has nothing pending", "consumers that have nothing pending"),
            (self.idle_times, "consumer's idle time", "consumers' idle times"),
            (self.counters, "count of entries added or read", "counts of entries added or read"),
            (self.active_times, "consumer's time of the last success", "consumers' times of the last success"),
            (self.producers, "recorded producer", "recorded producers"),
            (self.idempotency, "IDMP setting", "IDMP settings"),
        ];
        let some = all.into_iter().filter(|(count, ..)| *count > 0);
        let some: Vec<String> =
            some.map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many })).collect();
        (!some.is_empty()).then(|| some.join(", "))
    }

    /// What became of entries that no consumer held.
    pub fn released(&self) -> Option<String> {
        let (entries, are) = if self.released == 1 { ("pending entry", "is") } else { ("pending entries", "are") };
        (self.released > 0).then(|| {
            format!(
                "{} {entries} had been released by XNACK, which the server does not know, and {are} pending for the \
                 consumer {NOBODY} now: XCLAIM or XAUTOCLAIM hands them on",
                self.released
            )
        })
    }
}
