//! What groups wait for: entries that were delivered and never acknowledged.

use papyra_core::escape::escape;
use papyra_core::redis::{name_of, written};
use serde::Serialize;

use super::groups::PendingEntry;
use super::page::range;
use super::reply;
use super::{Store, StreamId};
use crate::TOOL;
use crate::error::{Code, Error, Result};

/// Entries listed, claimed or acknowledged in one go.
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
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize)]
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
#[derive(schemars::JsonSchema, Debug, Serialize)]
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
    /// Those among them that were left alone, since their entry is gone from the stream.
    #[serde(skip_serializing_if = "is_zero")]
    pub gone: u64,
    /// Entries that were claimed or acknowledged.
    pub ids: Vec<StreamId>,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u64) -> bool {
    *count == 0
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
                // What nobody holds may be had at any time.
                entry.idle_ms.is_none_or(|idle| idle >= filter.min_idle_ms)
                    && (filter.ids.is_empty() || filter.ids.contains(&entry.id))
            };
            let page: Vec<&PendingEntry> = if left == 0 { Vec::new() } else { page.iter().filter(fits).collect() };
            let commands: Vec<_> = page.iter().map(|entry| range(key, entry.id, entry.id, 1)).collect();
            let replies = self.ask_all(key, "reading", &commands)?;
            let mut waiting = Vec::new();
            for (entry, reply) in page.into_iter().zip(replies) {
                let gone = self.as_entries(key, reply)?.is_empty();
                if gone || !filter.gone {
                    waiting.push(Waiting { key: key.into(), group: group.into(), entry: entry.clone(), gone });
                }
            }
            waiting.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= waiting.len() as u64;
            if waiting.is_empty() { Ok(()) } else { each(waiting) }
        })
    }

    /// Fails when none of a stream's groups has a consumer of that written name.
    pub fn must_have_consumer(&self, groups: &[(String, String)], consumer: &str) -> Result<()> {
        let mut known = Vec::new();
        for (key, group) in groups {
            known.extend(self.consumers_of(key, &name_of(group))?.into_iter().map(|consumer| consumer.name));
        }
        if known.iter().any(|name| name_of(name) == name_of(consumer)) {
            return Ok(());
        }
        known.sort();
        known.dedup();
        let known: Vec<String> = known.iter().map(|name| escape(name.as_bytes())).collect();
        let there = if known.is_empty() { "there are none".into() } else { format!("there are {}", known.join(", ")) };
        let text = format!("there is no consumer {} in the group: {there}", escape(consumer.as_bytes()));
        Err(Error::new(Code::NoInput, text))
    }

    /// Gives entries to another consumer. That is no delivery: the count stays, the idle time begins anew. An entry
    /// that is gone from its stream is left as it is: the server would drop it from what is pending.
    pub fn claim(&self, key: &str, group: &str, consumer: &str, filter: &Filter) -> Result<Settled> {
        self.settle("papyra.claim/1", key, group, filter, false, |ids| {
            let mut command = redis::cmd("XCLAIM");
            command.arg(key).arg(name_of(group)).arg(name_of(consumer)).arg(filter.min_idle_ms);
            ids.iter().for_each(|id| _ = command.arg(id.to_string()));
            command.arg("JUSTID");
            let claimed = self.list(key, "claiming entries of", &command)?;
            Ok(claimed.iter().filter_map(reply::id).collect())
        })
    }

    /// Acknowledges entries: the group waits for them no longer.
    pub fn ack(&self, key: &str, group: &str, filter: &Filter) -> Result<Settled> {
        self.settle("papyra.ack/1", key, group, filter, true, |ids| {
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
        gone_too: bool,
        mut settle: impl FnMut(&[StreamId]) -> Result<Vec<StreamId>>,
    ) -> Result<Settled> {
        let mut settled =
            Settled { schema, tool: TOOL, key: key.into(), group: group.into(), matched: 0, gone: 0, ids: Vec::new() };
        if let Some(consumer) = &filter.consumer {
            self.must_have_consumer(&[(key.to_owned(), group.to_owned())], consumer)?;
        }
        self.waiting(key, group, filter, |waiting| {
            settled.matched += waiting.len() as u64;
            let left_alone = |waiting: &&Waiting| waiting.gone && !gone_too;
            settled.gone += waiting.iter().filter(left_alone).count() as u64;
            let ids: Vec<StreamId> =
                waiting.iter().filter(|waiting| !left_alone(waiting)).map(|waiting| waiting.entry.id).collect();
            if !ids.is_empty() {
                settled.ids.extend(settle(&ids)?);
            }
            Ok(())
        })?;
        Ok(settled)
    }
}
