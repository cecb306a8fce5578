//! Consumer groups: their pending entries and consumers, and whether the two lists agree.
//!
//! A group lists every pending entry once; each consumer lists the IDs it holds. The server refuses to load a file in
//! which a consumer holds an ID that the group does not list, and with deep checks one in which an ID has no holder
//! (redis `rdb.c`). Reading the bytes is `stream`'s affair.

use serde::{Deserialize, Serialize};

use super::id::StreamId;
use crate::redis::finding::BackupReason;

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Its name.
    pub name: Vec<u8>,
    /// The last ID that was delivered to a consumer.
    pub last_delivered: StreamId,
    /// How many entries were read by the group, where the server knew; older files (Redis before 7.0) do not say.
    pub entries_read: Option<i64>,
    /// How many entries are pending.
    pub pending_count: u64,
    /// The pending entries by ID; all of them unless there are more than the reader's limit.
    pub pending: Vec<Pending>,
    /// The consumers, in file order; all of them unless there are more than the reader's limit.
    pub consumers: Vec<Consumer>,
    /// How many consumers there are.
    pub consumer_count: u64,
}

impl Group {
    /// Is every pending entry and every consumer listed?
    pub fn is_complete(&self) -> bool {
        self.pending.len() as u64 == self.pending_count && self.consumers.len() as u64 == self.consumer_count
    }
}

/// A delivered entry that nobody acknowledged.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The entry, which may be gone from the stream.
    pub id: StreamId,
    /// Unix time in milliseconds of the last delivery.
    pub delivery_time: i64,
    /// How often it was delivered.
    pub delivery_count: u64,
    /// Index of the holder among the group's consumers. `None`: given back (Redis 8.8 and later), or inconsistent.
    pub consumer: Option<u32>,
}

/// A consumer of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consumer {
    /// Its name.
    pub name: Vec<u8>,
    /// Unix time in milliseconds of its last attempt.
    pub seen_time: i64,
    /// Unix time in milliseconds of its last success; -1 for never. Files before Redis 7.2 do not say.
    pub active_time: Option<i64>,
    /// How many entries it holds.
    pub pending: u64,
}

/// Something that does not agree within a group.
pub(crate) type Disagreement = (BackupReason, Option<StreamId>, String);

/// Builds a group from its parts and keeps the two lists against each other.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    pub(crate) group: Group,
    limit: usize,
    held: u64,
    given_back: u64,
    unsorted: bool,
    /// Sums over the IDs of the group's list and of the consumers' lists: equal when the lists are, whatever their
    /// order. This is what is checked when the lists are too long to keep.
    listed_sum: u64,
    held_sum: u64,
}

impl Builder {
    pub(crate) fn new(name: Vec<u8>, last_delivered: StreamId, entries_read: Option<i64>, limit: usize) -> Self {
        Self { group: Group { name, last_delivered, entries_read, ..Group::default() }, limit, ..Self::default() }
    }

    pub(crate) fn pending(&mut self, pending: Pending) {
        self.group.pending_count += 1;
        self.listed_sum = self.listed_sum.wrapping_add(mix(pending.id));
        if self.group.pending.len() < self.limit {
            self.unsorted |= self.group.pending.last().is_some_and(|before| before.id >= pending.id);
            self.group.pending.push(pending);
        }
    }

    /// Ends the list of pending entries: holders are looked up in it from here on.
    pub(crate) fn pending_end(&mut self) -> Option<Disagreement> {
        if !std::mem::take(&mut self.unsorted) {
            return None;
        }
        let list = &mut self.group.pending;
        list.sort_by_key(|pending| pending.id);
        let mut twice = list.windows(2).filter(|pair| pair[0].id == pair[1].id).map(|pair| pair[0].id);
        let first = twice.next()?;
        let more = twice.count();
        let text = format!("{first} is listed twice as pending, and {more} more are");
        list.dedup_by_key(|pending| pending.id);
        Some((BackupReason::DuplicatePending, Some(first), text))
    }

    pub(crate) fn consumer(&mut self, consumer: Consumer) {
        self.group.consumer_count += 1;
        if self.group.consumers.len() < self.limit {
            self.group.consumers.push(consumer);
        }
    }

    /// The consumer that was added last holds `id`.
    pub(crate) fn holds(&mut self, id: StreamId) -> Option<Disagreement> {
        self.held += 1;
        self.held_sum = self.held_sum.wrapping_add(mix(id));
        if self.group.pending_count > self.limit as u64 || self.group.consumer_count > self.limit as u64 {
            return None;
        }
        let index = u32::try_from(self.group.consumers.len().checked_sub(1)?).ok()?;
        let name = || quoted(&self.group.consumers[index as usize].name);
        match self.group.pending.binary_search_by_key(&id, |p| p.id) {
            Err(_) => {
                let text = format!("{} is held by {} and not pending in the group", id, name());
                Some((BackupReason::PendingNotInGroup, Some(id), text))
            }
            Ok(at) if self.group.pending[at].consumer.is_some() => {
                let text = format!("{} is held by {} and by another consumer", id, name());
                Some((BackupReason::PendingTwice, Some(id), text))
            }
            Ok(at) => {
                self.group.pending[at].consumer = Some(index);
                None
            }
        }
    }

    /// `id` was given back: it is pending and rightly has no holder.
    pub(crate) fn gave_back(&mut self, id: StreamId) -> Option<Disagreement> {
        self.given_back += 1;
        self.held_sum = self.held_sum.wrapping_add(mix(id));
        if self.group.pending_count > self.limit as u64 {
            return None;
        }
        match self.group.pending.binary_search_by_key(&id, |p| p.id) {
            Err(_) => {
                Some((BackupReason::PendingNotInGroup, Some(id), format!("{id} was given back and is not pending")))
            }
            Ok(at) if self.group.pending[at].consumer.is_some() => {
                Some((BackupReason::PendingTwice, Some(id), format!("{id} was given back and still has a holder")))
            }
            Ok(_) => None,
        }
    }

    /// The finished group, and what is left to say about it.
    pub(crate) fn finish(self) -> (Group, Vec<Disagreement>) {
        let mut wrong = Vec::new();
        let mut names: Vec<&[u8]> = self.group.consumers.iter().map(|consumer| consumer.name.as_slice()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            wrong.push((
                BackupReason::DuplicateConsumer,
                None,
                format!("two consumers are called {}", quoted(pair[0])),
            ));
        }
        let agree = self.listed_sum == self.held_sum && self.held + self.given_back == self.group.pending_count;
        if !agree && self.group.pending_count > self.limit as u64 {
            let text = format!(
                "{} entries are pending, the consumers hold {}, and the two lists do not agree",
                self.group.pending_count, self.held
            );
            wrong.push((BackupReason::PendingUnowned, None, text));
        } else if !agree && self.given_back == 0 {
            for pending in self.group.pending.iter().filter(|p| p.consumer.is_none()) {
                let text = format!("{} is pending and no consumer holds it", pending.id);
                wrong.push((BackupReason::PendingUnowned, Some(pending.id), text));
            }
        } else if !agree {
            let text = "the pending entries, those held and those given back do not add up".to_owned();
            wrong.push((BackupReason::PendingUnowned, None, text));
        }
        (self.group, wrong)
    }
}

/// A number that stands for an ID in sums.
fn mix(id: StreamId) -> u64 {
    let mut x = id.ms.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ id.seq.wrapping_add(0xd1b5_4a32_d192_ed03);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A name as a sentence may show it.
pub(crate) fn quoted(name: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(ms: u64) -> Pending {
        Pending { id: StreamId::new(ms, 0), delivery_time: 1, delivery_count: 1, consumer: None }
    }

    fn consumer(name: &str) -> Consumer {
        Consumer { name: name.into(), ..Consumer::default() }
    }

    fn reasons(limit: usize, listed: &[u64], held: &[(&str, &[u64])]) -> Vec<BackupReason> {
        let mut builder = Builder::new(b"g".to_vec(), StreamId::MIN, None, limit);
        listed.iter().for_each(|&ms| builder.pending(pending(ms)));
        let mut wrong: Vec<Disagreement> = builder.pending_end().into_iter().collect();
        for (name, ids) in held {
            builder.consumer(consumer(name));
            wrong.extend(ids.iter().filter_map(|&ms| builder.holds(StreamId::new(ms, 0))).collect::<Vec<_>>());
        }
        wrong.extend(builder.finish().1);
        wrong.into_iter().map(|(reason, ..)| reason).collect()
    }

    #[test]
    fn lists_that_agree_are_quiet() {
        for limit in [1, 100] {
            assert_eq!(reasons(limit, &[1, 2, 3], &[("a", &[1, 3]), ("b", &[2])]), []);
            assert_eq!(reasons(limit, &[], &[("a", &[])]), []);
        }
        assert_eq!(reasons(100, &[3, 1, 2], &[("b", &[1, 2, 3]), ("a", &[])]), []);
    }

    #[test]
    fn each_disagreement_has_its_reason() {
        assert_eq!(reasons(9, &[1, 2], &[("a", &[1])]), [BackupReason::PendingUnowned]);
        assert_eq!(reasons(9, &[1], &[("a", &[1, 2])]), [BackupReason::PendingNotInGroup]);
        assert_eq!(reasons(9, &[1, 2], &[("a", &[1, 2]), ("b", &[2])]), [BackupReason::PendingTwice]);
        assert_eq!(reasons(9, &[1, 1], &[("a", &[1])])[0], BackupReason::DuplicatePending);
        assert_eq!(reasons(9, &[], &[("a", &[]), ("a", &[])]), [BackupReason::DuplicateConsumer]);
        assert_eq!(reasons(2, &[1, 2, 3], &[("a", &[1, 2, 4])]), [BackupReason::PendingUnowned]);
    }
}
