//! What groups wait for: entries that were delivered and never acknowledged.

use papyra_core::redis::{name_of, written};
use serde::Serialize;

use super::groups::PendingEntry;
use super::page::range;
use super::reply::{self, items};
use super::{Store, StreamId};
use crate::TOOL;
use crate::error::Result;

/// Entries looked at, claimed or acknowledged in one go.
const PAGE: usize = 500;

/// Which pending entries.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those that this consumer holds, by its written name.
    pub consumer: Option<String>,
    /// Only those that were delivered at least this many milliseconds ago.
    pub min_idle_ms: u64,
    /// Only those whose entry is gone from the stream.
    pub gone: bool,
    /// Only these; all when empty.
    pub ids: Vec<StreamId>,
    /// At most this many; 0 for all.
    pub limit: u64,
}

/// A pending entry, and where.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waiting {
    /// The stream's key.
    pub key: String,
    /// The group.
    pub group: String,
    /// The entry.
    #[serde(flatten)]
    pub entry: PendingEntry,
    /// Whether the entry is gone from the stream.
    pub gone: bool,
}

/// What was claimed or acknowledged: schema `papyra.claim/1` or `papyra.ack/1`.
#[derive(Debug, Serialize)]
pub struct Settled {
    /// The schema.
    pub schema: &'static str,
    /// Who did it: name and version.
    pub tool: &'static str,
    /// The stream's key.
    pub key: String,
    /// The group.
    pub group: String,
    /// Entries that matched.
    pub matched: u64,
    /// Entries that were claimed or acknowledged.
    pub ids: Vec<StreamId>,
}

impl Store {
    /// The names of a stream's groups, [`written`]. So are those that the functions below take.
    pub fn group_names(&self, key: &str) -> Result<Vec<String>> {
        let groups = self.groups_of(key)?;
        Ok(groups.iter().map(|group| written(&group.name)).collect())
    }

    /// Goes through the pending entries of a group that the filter lets through, in pages, oldest first.
    pub fn waiting(
        &self,
        key: &str,
        group: &str,
        filter: &Filter,
        mut each: impl FnMut(Vec<Waiting>) -> Result<()>,
    ) -> Result<()> {
        let mut left = if filter.limit == 0 { u64::MAX } else { filter.limit };
        self.each_pending(key, &name_of(group), filter.consumer.as_deref(), PAGE, |page| {
            let fits = |entry: &&PendingEntry| {
                entry.idle_ms >= filter.min_idle_ms && (filter.ids.is_empty() || filter.ids.contains(&entry.id))
            };
            let page: Vec<&PendingEntry> = if left == 0 { Vec::new() } else { page.iter().filter(fits).collect() };
            let commands: Vec<_> = page.iter().map(|entry| range(key, entry.id, entry.id, 1)).collect();
            let replies = self.ask_all(key, "reading", &commands)?;
            let mut waiting: Vec<Waiting> = (page.into_iter().zip(replies))
                .map(|(entry, reply)| Waiting {
                    key: key.into(),
                    group: group.into(),
                    entry: entry.clone(),
                    gone: reply::entries(reply).is_empty(),
                })
                .filter(|waiting| waiting.gone || !filter.gone)
                .collect();
            waiting.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= waiting.len() as u64;
            if waiting.is_empty() { Ok(()) } else { each(waiting) }
        })
    }

    /// Gives entries to another consumer. That is no delivery: the count stays, the idle time begins anew.
    pub fn claim(&self, key: &str, group: &str, consumer: &str, filter: &Filter) -> Result<Settled> {
        self.settle("papyra.claim/1", key, group, filter, |ids| {
            let mut command = redis::cmd("XCLAIM");
            command.arg(key).arg(name_of(group)).arg(name_of(consumer)).arg(filter.min_idle_ms);
            ids.iter().for_each(|id| _ = command.arg(id.to_string()));
            command.arg("JUSTID");
            let claimed = items(self.ask(key, "claiming entries of", &command)?);
            Ok(claimed.iter().filter_map(reply::id).collect())
        })
    }

    /// Acknowledges entries: the group waits for them no longer.
    pub fn ack(&self, key: &str, group: &str, filter: &Filter) -> Result<Settled> {
        self.settle("papyra.ack/1", key, group, filter, |ids| {
            let mut done = Vec::new();
            for id in ids {
                let mut command = redis::cmd("XACK");
                command.arg(key).arg(name_of(group)).arg(id.to_string());
                if reply::integer(&self.ask(key, "acknowledging entries of", &command)?) == Some(1) {
                    done.push(*id);
                }
            }
            Ok(done)
        })
    }

    fn settle(
        &self,
        schema: &'static str,
        key: &str,
        group: &str,
        filter: &Filter,
        mut settle: impl FnMut(&[StreamId]) -> Result<Vec<StreamId>>,
    ) -> Result<Settled> {
        let mut settled =
            Settled { schema, tool: TOOL, key: key.into(), group: group.into(), matched: 0, ids: Vec::new() };
        self.waiting(key, group, filter, |waiting| {
            let ids: Vec<StreamId> = waiting.iter().map(|waiting| waiting.entry.id).collect();
            settled.matched += ids.len() as u64;
            settled.ids.extend(settle(&ids)?);
            Ok(())
        })?;
        Ok(settled)
    }
}
