//! Consumer groups as they are: what a group has read, who reads in it, and what it waits for.
//!
//! A list of them is a [`GroupsFile`] as an offline export writes one, with what only a live server knows beside it.

use papyra_core::escape::escape;
use papyra_core::redis::{GroupsFile, StreamFacts, name_of, written};
use serde::Serialize;

use super::page::after;
use super::reply::{self, count, field, id, integer, items};
use super::{Naming, PapyraKey, Store, StreamId, is_no_such_key};
use crate::TOOL;
use crate::error::Result;

/// Streams and their groups: schema `papyra.groups/1`.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize)]
pub struct Groups {
    /// [`GroupsFile::SCHEMA`].
    pub schema: &'static str,
    /// Who made the list: name and version.
    pub tool: &'static str,
    /// The streams.
    pub streams: Vec<StreamReport>,
}

/// One stream.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize)]
pub struct StreamReport {
    /// Its key.
    pub key: String,
    /// The database number.
    pub db: u64,
    /// The key's parts.
    #[serde(flatten)]
    pub papyra: PapyraKey,
    /// What the stream says of itself; servers before Redis 7.0 do not know all of it.
    pub stream: StreamFacts,
    /// What it takes up in the server's memory, in bytes; estimated by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Its groups.
    pub groups: Vec<GroupReport>,
}

/// One consumer group.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize)]
pub struct GroupReport {
    /// Its name, as [`written`] gives it.
    pub name: String,
    /// The last ID delivered.
    pub last_delivered: StreamId,
    /// Entries read, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries_read: Option<i64>,
    /// Entries still to be delivered, where the server can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Pending entries: delivered and not acknowledged.
    pub pending_count: u64,
    /// Consumers.
    pub consumers: Vec<ConsumerReport>,
    /// The pending entries themselves, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Vec<PendingReport>>,
}

/// One consumer.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize)]
pub struct ConsumerReport {
    /// Its name, as [`written`] gives it.
    pub name: String,
    /// Unix time in milliseconds at which it was seen last, by the server's clock.
    pub seen_time: i64,
    /// Milliseconds since then.
    pub idle_ms: u64,
    /// Pending entries that it holds.
    pub pending_count: u64,
}

/// One pending entry in a list.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize)]
pub struct PendingReport {
    /// Unix time in milliseconds at which it was delivered last, by the server's clock.
    pub delivery_time: i64,
    /// The entry.
    #[serde(flatten)]
    pub entry: PendingEntry,
}

/// One pending entry.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize)]
pub struct PendingEntry {
    /// The entry.
    pub id: StreamId,
    /// Who holds it, as [`written`] gives the name; none when it was given back by XNACK (Redis 8.8 and later).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// Milliseconds since it was delivered last; none when it was given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// How often it was delivered.
    pub delivery_count: u64,
}

/// A group as the server lists it.
pub(super) struct Group {
    pub(super) name: Vec<u8>,
    pub(super) last_delivered: StreamId,
    entries_read: Option<i64>,
    lag: Option<u64>,
    pub(super) pending: u64,
}

impl Store {
    /// The groups of the streams that are there; with each pending entry if asked for.
    pub fn groups(&self, with_pending: bool) -> Result<Groups> {
        let (present, _) = self.present()?;
        let streams = present.iter().map(|stream| self.stream_report(stream, with_pending));
        Ok(Groups { schema: GroupsFile::SCHEMA, tool: TOOL, streams: streams.collect::<Result<_>>()? })
    }

    /// What there is to say about one stream.
    fn stream_report(&self, stream: &PapyraKey, with_pending: bool) -> Result<StreamReport> {
        let key = stream.key();
        let mut command = redis::cmd("XINFO");
        command.arg("STREAM").arg(&key);
        let info = self.list(&key, "asking about", &command)?;
        let mut command = redis::cmd("MEMORY");
        command.arg("USAGE").arg(&key);
        // Not every user may ask, and nothing depends on it.
        let memory_bytes = self.attempt(&key, &command)?.ok().as_ref().and_then(count);
        let first = field(&info, "first-entry").cloned().map(items).unwrap_or_default();
        let mut groups = Vec::new();
        for group in self.groups_of(&key)? {
            groups.push(self.group_report(&key, group, with_pending)?);
        }
        let number = |name: &str| field(&info, name).and_then(count);
        let length = number("length").unwrap_or(0);
        let facts = StreamFacts {
            length,
            entries: length,
            first_id: first.first().and_then(id),
            last_id: field(&info, "last-generated-id").and_then(id).unwrap_or_default(),
            max_deleted_id: field(&info, "max-deleted-entry-id").and_then(id).unwrap_or_default(),
            entries_added: number("entries-added").unwrap_or(length),
            groups: groups.len() as u64,
            consumers: groups.iter().map(|group| group.consumers.len() as u64).sum(),
            pending: groups.iter().map(|group| group.pending_count).sum(),
            producers: 0,
            idempotency: None,
        };
        let db = self.settings.db();
        Ok(StreamReport { key, db, papyra: stream.clone(), stream: facts, memory_bytes, groups })
    }

    fn group_report(&self, key: &str, group: Group, with_pending: bool) -> Result<GroupReport> {
        let mut pending = with_pending.then(Vec::new);
        if let Some(pending) = &mut pending {
            let now = self.now_ms(key)?;
            self.each_pending(key, &group.name, None, 1_000, |page| {
                pending.extend(page.iter().map(|entry| PendingReport {
                    delivery_time: entry.idle_ms.map_or(0, |idle| ago(now, idle)),
                    entry: entry.clone(),
                }));
                Ok(())
            })?;
        }
        Ok(GroupReport {
            name: written(&group.name),
            last_delivered: group.last_delivered,
            entries_read: group.entries_read,
            lag: group.lag,
            pending_count: group.pending,
            consumers: self.consumers_of(key, &group.name)?,
            pending,
        })
    }

    /// The time by the clock of the server that has `key`: milliseconds since 1970.
    pub(super) fn now_ms(&self, key: &str) -> Result<u64> {
        let time = self.list(key, "asking for the time of", &redis::cmd("TIME"))?;
        let part = |at: usize| time.get(at).and_then(count).unwrap_or(0);
        Ok(part(0) * 1_000 + part(1) / 1_000)
    }

    /// The groups of a stream; none of one that is not there.
    pub(super) fn groups_of(&self, key: &str) -> Result<Vec<Group>> {
        let mut command = redis::cmd("XINFO");
        command.arg("GROUPS").arg(key);
        let list = match self.attempt(key, &command)? {
            Ok(redis::Value::Array(list)) => list,
            Ok(other) => return Err(self.no_answer(&format!("listing the groups of {key}"), &other)),
            Err(error) if is_no_such_key(&error) => Vec::new(),
            Err(error) => return Err(self.refused(&format!("listing the groups of {key}"), &error)),
        };
        let group = |info: Vec<redis::Value>| {
            Some(Group {
                name: reply::bytes(field(&info, "name")?)?.to_vec(),
                last_delivered: field(&info, "last-delivered-id").and_then(id).unwrap_or_default(),
                entries_read: field(&info, "entries-read").and_then(integer),
                lag: field(&info, "lag").and_then(count),
                pending: field(&info, "pending").and_then(count).unwrap_or(0),
            })
        };
        let odd = || self.no_answer(&format!("listing the groups of {key}"), &redis::Value::Array(Vec::new()));
        list.into_iter().map(items).map(group).collect::<Option<_>>().ok_or_else(odd)
    }

    pub(super) fn consumers_of(&self, key: &str, group: &[u8]) -> Result<Vec<ConsumerReport>> {
        let mut command = redis::cmd("XINFO");
        command.arg("CONSUMERS").arg(key).arg(group);
        let list = self.list(key, "listing the consumers of", &command)?;
        let now = self.now_ms(key)?;
        let consumer = |info: Vec<redis::Value>| {
            let idle_ms = field(&info, "idle").and_then(count).unwrap_or(0);
            Some(ConsumerReport {
                name: written(reply::bytes(field(&info, "name")?)?),
                seen_time: ago(now, idle_ms),
                idle_ms,
                pending_count: field(&info, "pending").and_then(count).unwrap_or(0),
            })
        };
        let odd = || self.no_answer(&format!("listing the consumers of {key}"), &redis::Value::Array(Vec::new()));
        list.into_iter().map(items).map(consumer).collect::<Option<_>>().ok_or_else(odd)
    }

    /// Goes through a group's pending entries, oldest first, `page` of them at a time; of one consumer, by its written
    /// name, if there is one.
    pub(super) fn each_pending(
        &self,
        key: &str,
        group: &[u8],
        consumer: Option<&str>,
        page: usize,
        mut each: impl FnMut(&[PendingEntry]) -> Result<()>,
    ) -> Result<()> {
        let mut from = StreamId::MIN;
        loop {
            let mut command = redis::cmd("XPENDING");
            command.arg(key).arg(group).arg(from.to_string()).arg(StreamId::MAX.to_string()).arg(page);
            if let Some(consumer) = consumer {
                command.arg(name_of(consumer));
            }
            let what = format!("listing what group {} waits for in", escape(group));
            let list = self.list(key, &what, &command)?;
            let pending = |parts: Vec<redis::Value>| {
                let holder = reply::bytes(parts.get(1)?)?;
                // What was given back has an empty name and an idle time of -1 (redis `t_stream.c`, `xpendingCommand`).
                let idle_ms = integer(parts.get(2)?)?;
                let is_held = idle_ms >= 0 || !holder.is_empty();
                Some(PendingEntry {
                    id: id(parts.first()?)?,
                    consumer: is_held.then(|| written(holder)),
                    idle_ms: is_held.then(|| u64::try_from(idle_ms).unwrap_or(0)),
                    delivery_count: count(parts.get(3)?)?,
                })
            };
            let odd = || self.no_answer(&format!("{what} {key}"), &redis::Value::Array(Vec::new()));
            let list = list.into_iter().map(items).map(pending).collect::<Option<Vec<PendingEntry>>>();
            let list = list.ok_or_else(odd)?;
            if list.is_empty() {
                return Ok(());
            }
            each(&list)?;
            match list.last().and_then(|last| after(last.id)) {
                Some(next) if list.len() == page => from = next,
                _ => return Ok(()),
            }
        }
    }
}

fn ago(now: u64, milliseconds: u64) -> i64 {
    i64::try_from(now.saturating_sub(milliseconds)).unwrap_or(i64::MAX)
}
