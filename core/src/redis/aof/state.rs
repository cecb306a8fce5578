//! The state of one stream while commands are replayed: entries, groups, pending entries.
//!
//! The operations here do what the server's do (redis `t_stream.c`), without its clock: delivery times are those that
//! the commands name. What is kept of an entry is the caller's choice (`P`).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::redis::stream::group::{Consumer, Group, Pending};
use crate::redis::stream::id::StreamId;
use crate::redis::stream::numbers::StreamFacts;

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState<P> {
    /// What was kept of each live entry.
    pub entries: BTreeMap<StreamId, P>,
    /// The greatest ID ever added.
    pub last_id: StreamId,
    /// The greatest ID ever deleted by XDEL.
    pub max_deleted_id: StreamId,
    /// Entries ever added.
    pub entries_added: u64,
    /// Consumer groups by name.
    pub groups: BTreeMap<Vec<u8>, GroupState>,
    /// Unix time in milliseconds at which the key expires.
    pub expire_ms: Option<i64>,
    /// Where the key was begun, in bytes from the start of its file.
    pub offset: u64,
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupState {
    /// The last ID delivered.
    pub last_delivered: StreamId,
    /// Entries read, -1 when the server cannot know.
    pub entries_read: i64,
    /// Pending entries by ID.
    pub pending: BTreeMap<StreamId, PendingState>,
    /// Consumers by name: when they were seen last and active last, as far as a dump said.
    pub consumers: BTreeMap<Arc<[u8]>, (i64, Option<i64>)>,
}

/// A pending entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingState {
    /// The holder; none once it was given back (XNACK, Redis 8.8 and later).
    pub consumer: Option<Arc<[u8]>>,
    /// Unix time in milliseconds of the last delivery.
    pub delivery_time: i64,
    /// Deliveries so far.
    pub delivery_count: u64,
}

/// How to trim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trim {
    MaxLen(u64),
    MinId(StreamId),
}

/// What becomes of pending entries when their entry is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Policy {
    /// They stay.
    #[default]
    Keep,
    /// They go, from every group.
    Delete,
    /// The entry is deleted only if every group has had and acknowledged it.
    OnlyAcknowledged,
}

impl<P> StreamState<P> {
    /// An empty stream.
    pub(crate) fn new(offset: u64) -> Self {
        Self {
            entries: BTreeMap::new(),
            last_id: StreamId::MIN,
            max_deleted_id: StreamId::MIN,
            entries_added: 0,
            groups: BTreeMap::new(),
            expire_ms: None,
            offset,
        }
    }

    /// Takes away the oldest entries; those that a policy protects are passed over.
    pub(crate) fn trim(&mut self, how: Trim, policy: Policy) {
        let over = match how {
            Trim::MaxLen(most) => (self.entries.len() as u64).saturating_sub(most),
            Trim::MinId(least) => self.entries.range(..least).count() as u64,
        };
        let last = match how {
            Trim::MaxLen(_) => StreamId::MAX,
            Trim::MinId(least) => least,
        };
        let over = usize::try_from(over).unwrap_or(usize::MAX);
        let goes = self.entries.keys().copied().take_while(|id| *id < last || last == StreamId::MAX);
        let goes: Vec<StreamId> = goes.filter(|id| self.may_go(*id, policy)).take(over).collect();
        for id in goes {
            self.entries.remove(&id);
            self.forget(id, policy);
        }
    }

    fn may_go(&self, id: StreamId, policy: Policy) -> bool {
        let is_held = |group: &GroupState| group.pending.contains_key(&id) || group.last_delivered < id;
        policy != Policy::OnlyAcknowledged || !self.groups.values().any(is_held)
    }

    /// An entry is gone: takes it off the groups' pending entries if the policy says so.
    fn forget(&mut self, id: StreamId, policy: Policy) {
        if policy == Policy::Delete {
            self.groups.values_mut().for_each(|group| drop(group.pending.remove(&id)));
        }
    }

    /// Deletes an entry as far as the policy allows.
    pub(crate) fn delete_by(&mut self, id: StreamId, policy: Policy) {
        if self.may_go(id, policy) {
            self.delete(id);
            self.forget(id, policy);
        }
    }

    pub(crate) fn delete(&mut self, id: StreamId) {
        if self.entries.remove(&id).is_some() {
            self.max_deleted_id = self.max_deleted_id.max(id);
        }
    }

    /// What a reader of a dump would say of it.
    pub fn facts(&self) -> StreamFacts {
        let length = self.entries.len() as u64;
        StreamFacts {
            length,
            entries: length,
            first_id: self.entries.first_key_value().map(|(id, _)| *id),
            last_id: self.last_id,
            max_deleted_id: self.max_deleted_id,
            entries_added: self.entries_added,
            groups: self.groups.len() as u64,
            consumers: self.groups.values().map(|group| group.consumers.len() as u64).sum(),
            pending: self.groups.values().map(|group| group.pending.len() as u64).sum(),
            producers: 0,
            idempotency: None,
        }
    }
}

impl GroupState {
    /// The group of a dump.
    pub(crate) fn from_dump(group: Group) -> (Vec<u8>, Self) {
        let names: Vec<Arc<[u8]>> = group.consumers.iter().map(|consumer| consumer.name.as_slice().into()).collect();
        let holder = |at: Option<u32>| at.and_then(|at| names.get(at as usize)).cloned();
        let state = Self {
            last_delivered: group.last_delivered,
            entries_read: group.entries_read.unwrap_or(-1),
            pending: (group.pending.iter())
                .map(|pending| {
                    let state = PendingState {
                        consumer: holder(pending.consumer),
                        delivery_time: pending.delivery_time,
                        delivery_count: pending.delivery_count,
                    };
                    (pending.id, state)
                })
                .collect(),
            consumers: (names.iter().zip(&group.consumers))
                .map(|(name, consumer)| (name.clone(), (consumer.seen_time, consumer.active_time)))
                .collect(),
        };
        (group.name, state)
    }

    /// The same as a reader of a dump gives it.
    pub fn to_group(&self, name: &[u8]) -> Group {
        let index: BTreeMap<&Arc<[u8]>, u32> = self.consumers.keys().zip(0..).collect();
        let mut held = vec![0u64; self.consumers.len()];
        let pending: Vec<Pending> = (self.pending.iter())
            .map(|(id, state)| {
                let consumer = state.consumer.as_ref().and_then(|name| index.get(name)).copied();
                if let Some(count) = consumer.and_then(|at| held.get_mut(at as usize)) {
                    *count += 1;
                }
                let PendingState { delivery_time, delivery_count, .. } = *state;
                Pending { id: *id, delivery_time, delivery_count, consumer }
            })
            .collect();
        let consumers = self.consumers.iter().zip(held).map(|((name, times), pending)| Consumer {
            name: name.to_vec(),
            seen_time: times.0,
            active_time: times.1,
            pending,
        });
        Group {
            name: name.to_vec(),
            last_delivered: self.last_delivered,
            entries_read: Some(self.entries_read).filter(|&n| n >= 0),
            pending_count: pending.len() as u64,
            pending,
            consumer_count: self.consumers.len() as u64,
            consumers: consumers.collect(),
        }
    }

    /// The name under which a consumer is kept; it is created when it is not there.
    pub(crate) fn consumer(&mut self, name: &[u8]) -> Arc<[u8]> {
        if let Some((own, _)) = self.consumers.get_key_value(name) {
            return own.clone();
        }
        let own: Arc<[u8]> = name.into();
        self.consumers.insert(own.clone(), (0, None));
        own
    }

    pub(crate) fn delete_consumer(&mut self, name: &[u8]) {
        if self.consumers.remove(name).is_some() {
            self.pending.retain(|_, pending| pending.consumer.as_deref() != Some(name));
        }
    }
}
