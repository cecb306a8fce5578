//! Consumer groups as they are: what a group has read, who reads in it, and what it waits for.

use papyra_core::escape::escape;
use serde::{Deserialize, Serialize};

use super::reply::{self, count, field, id, integer, items, text};
use super::{PapyraKey, Store, StreamId, is_no_such_key};
use crate::TOOL;
use crate::error::Result;

/// The schema of a list of groups, as `groups list --format json` prints it and `groups ensure --from` reads it.
pub const SCHEMA: &str = "papyra.groups/1";

/// Streams and their groups: schema `papyra.groups/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Groups {
    /// [`SCHEMA`].
    pub schema: String,
    /// Who made the list: name and version.
    #[serde(default)]
    pub tool: String,
    /// The streams.
    pub streams: Vec<StreamReport>,
}

/// One stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamReport {
    /// Its key.
    pub key: String,
    /// The key's parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub papyra: Option<PapyraKey>,
    /// Entries.
    #[serde(default)]
    pub length: u64,
    /// The first entry's ID; `None` when there is none.
    #[serde(default)]
    pub first_id: Option<StreamId>,
    /// The greatest ID ever added.
    #[serde(default)]
    pub last_id: StreamId,
    /// The greatest ID ever deleted; servers before Redis 7.0 do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_deleted_id: Option<StreamId>,
    /// Entries ever added; servers before Redis 7.0 do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries_added: Option<u64>,
    /// What it takes up in the server's memory, in bytes; estimated by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Its groups.
    pub consumer_groups: Vec<GroupReport>,
}

/// One consumer group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupReport {
    /// Its name, bytes that are no UTF-8 replaced.
    pub name: String,
    /// The last ID delivered.
    pub last_delivered: StreamId,
    /// Entries read, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries_read: Option<i64>,
    /// Entries still to be delivered, where the server can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Pending entries: delivered and not acknowledged.
    #[serde(default)]
    pub pending: u64,
    /// Consumers.
    #[serde(default)]
    pub consumers: Vec<ConsumerReport>,
    /// The pending entries themselves, if they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending_entries: Vec<PendingEntry>,
}

/// One consumer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsumerReport {
    /// Its name, bytes that are no UTF-8 replaced.
    pub name: String,
    /// Pending entries that it holds.
    #[serde(default)]
    pub pending: u64,
    /// Milliseconds since it was seen last.
    #[serde(default)]
    pub idle_ms: u64,
}

/// One pending entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingEntry {
    /// The entry.
    pub id: StreamId,
    /// Who holds it, bytes that are no UTF-8 replaced.
    pub consumer: String,
    /// Milliseconds since it was delivered last.
    pub idle_ms: u64,
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
        Ok(Groups { schema: SCHEMA.into(), tool: TOOL.into(), streams: streams.collect::<Result<_>>()? })
    }

    /// What there is to say about one stream.
    fn stream_report(&self, stream: &PapyraKey, with_pending: bool) -> Result<StreamReport> {
        let key = stream.key();
        let mut command = redis::cmd("XINFO");
        command.arg("STREAM").arg(&key);
        let info = items(self.ask(&key, "looking at", &command)?);
        let mut command = redis::cmd("MEMORY");
        command.arg("USAGE").arg(&key);
        // Not every user may ask, and nothing depends on it.
        let memory_bytes = self.attempt(&key, &command)?.ok().as_ref().and_then(count);
        let first = field(&info, "first-entry").cloned().map(items).unwrap_or_default();
        let mut consumer_groups = Vec::new();
        for group in self.groups_of(&key)? {
            consumer_groups.push(self.group_report(&key, group, with_pending)?);
        }
        Ok(StreamReport {
            length: field(&info, "length").and_then(count).unwrap_or(0),
            first_id: first.first().and_then(id),
            last_id: field(&info, "last-generated-id").and_then(id).unwrap_or_default(),
            max_deleted_id: field(&info, "max-deleted-entry-id").and_then(id),
            entries_added: field(&info, "entries-added").and_then(count),
            papyra: Some(stream.clone()),
            memory_bytes,
            consumer_groups,
            key,
        })
    }

    fn group_report(&self, key: &str, group: Group, with_pending: bool) -> Result<GroupReport> {
        let mut pending_entries = Vec::new();
        if with_pending {
            self.each_pending(key, &group.name, None, 1_000, |page| {
                pending_entries.extend_from_slice(page);
                Ok(())
            })?;
        }
        Ok(GroupReport {
            name: String::from_utf8_lossy(&group.name).into_owned(),
            last_delivered: group.last_delivered,
            entries_read: group.entries_read,
            lag: group.lag,
            pending: group.pending,
            consumers: self.consumers_of(key, &group.name)?,
            pending_entries,
        })
    }

    /// The groups of a stream; none of one that is not there.
    pub(super) fn groups_of(&self, key: &str) -> Result<Vec<Group>> {
        let mut command = redis::cmd("XINFO");
        command.arg("GROUPS").arg(key);
        let list = match self.attempt(key, &command)? {
            Ok(list) => items(list),
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
        Ok(list.into_iter().map(items).filter_map(group).collect())
    }

    pub(super) fn consumers_of(&self, key: &str, group: &[u8]) -> Result<Vec<ConsumerReport>> {
        let mut command = redis::cmd("XINFO");
        command.arg("CONSUMERS").arg(key).arg(group);
        let list = items(self.ask(key, "listing the consumers of", &command)?);
        let consumer = |info: Vec<redis::Value>| {
            Some(ConsumerReport {
                name: text(field(&info, "name")?)?,
                pending: field(&info, "pending").and_then(count).unwrap_or(0),
                idle_ms: field(&info, "idle").and_then(count).unwrap_or(0),
            })
        };
        Ok(list.into_iter().map(items).filter_map(consumer).collect())
    }

    /// Goes through a group's pending entries, oldest first, `page` of them at a time.
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
                command.arg(consumer);
            }
            let what = format!("listing what group {} waits for in", escape(group));
            let list = items(self.ask(key, &what, &command)?);
            let pending = |parts: Vec<redis::Value>| {
                Some(PendingEntry {
                    id: id(parts.first()?)?,
                    consumer: text(parts.get(1)?)?,
                    idle_ms: count(parts.get(2)?)?,
                    delivery_count: count(parts.get(3)?)?,
                })
            };
            let list: Vec<PendingEntry> = list.into_iter().map(items).filter_map(pending).collect();
            if list.is_empty() {
                return Ok(());
            }
            each(&list)?;
            match list.last().and_then(|last| last.id.next()) {
                Some(next) if list.len() == page => from = next,
                _ => return Ok(()),
            }
        }
    }
}
