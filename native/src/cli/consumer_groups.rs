//! Streams and consumer groups as text, in one form: of a server, of a backup's report, and of a list of groups.

use papyra_core::escape::escape;
use papyra_core::redis::{GroupExport, GroupReport, StreamFacts, StreamId};

use super::out::{Out, bytes, counted, duration_ms, thousands};
use crate::redis::groups;

/// A group, as far as it is known.
pub(super) struct Shown<'a> {
    name: &'a str,
    delivered: StreamId,
    /// Entries still to be delivered.
    lag: Option<u64>,
    pending: u64,
    consumers: Vec<Consumer<'a>>,
}

struct Consumer<'a> {
    name: &'a str,
    pending: u64,
    idle_ms: Option<u64>,
}

/// `KEY: 12 entries, 1-0 to 9-0`
pub(super) fn stream(key: &str, facts: &StreamFacts) -> String {
    let span = facts.first_id.map(|id| format!(", {id} to {}", facts.last_id)).unwrap_or_default();
    format!("{}: {}{span}", escape(key.as_bytes()), counted(facts.length, "entry", "entries"))
}

/// Prints what there is to say about a stream and its groups.
pub(super) fn print_stream(stream: &groups::StreamReport, out: &mut Out) {
    let memory = stream.memory_bytes.map(|size| format!(", {} of memory", bytes(size)));
    out.info(&format!("{}{}", self::stream(&stream.key, &stream.stream), memory.unwrap_or_default()));
    if stream.groups.is_empty() {
        out.detail("no groups");
    }
    print(stream.groups.iter().map(Into::into), out);
}

/// Prints the groups of a stream.
pub(super) fn print<'a>(groups: impl IntoIterator<Item = Shown<'a>>, out: &mut Out) {
    for group in groups {
        let name = escape(group.name.as_bytes());
        let lag = group.lag.map(|lag| format!(", {} to be delivered", thousands(lag))).unwrap_or_default();
        out.detail(&format!(
            "group {name}: delivered to {}{lag}, {} pending",
            group.delivered,
            thousands(group.pending)
        ));
        for consumer in &group.consumers {
            let name = escape(consumer.name.as_bytes());
            let seen = consumer.idle_ms.map(|idle| format!(", seen {} ago", duration_ms(idle))).unwrap_or_default();
            out.detail(&format!("    consumer {name}: {} pending{seen}", thousands(consumer.pending)));
        }
    }
}

impl<'a> From<&'a groups::GroupReport> for Shown<'a> {
    fn from(group: &'a groups::GroupReport) -> Shown<'a> {
        let consumers = group.consumers.iter().map(|consumer| Consumer {
            name: &consumer.name,
            pending: consumer.pending_count,
            idle_ms: Some(consumer.idle_ms),
        });
        Shown {
            name: &group.name,
            delivered: group.last_delivered,
            lag: group.lag,
            pending: group.pending_count,
            consumers: consumers.collect(),
        }
    }
}

impl<'a> From<&'a GroupReport> for Shown<'a> {
    fn from(group: &'a GroupReport) -> Shown<'a> {
        let consumers = group.consumers.iter();
        let consumers =
            consumers.map(|consumer| Consumer { name: &consumer.name, pending: consumer.pending, idle_ms: None });
        Shown {
            name: &group.name,
            delivered: group.last_delivered,
            lag: None,
            pending: group.pending,
            consumers: consumers.collect(),
        }
    }
}

impl<'a> From<&'a GroupExport> for Shown<'a> {
    fn from(group: &'a GroupExport) -> Shown<'a> {
        let held = |name: &str| group.pending.iter().filter(|entry| entry.consumer.as_deref() == Some(name)).count();
        let consumers = group.consumers.iter().map(|consumer| Consumer {
            name: &consumer.name,
            pending: held(&consumer.name) as u64,
            idle_ms: None,
        });
        Shown {
            name: &group.name,
            delivered: group.last_delivered,
            lag: None,
            pending: group.pending.len() as u64,
            consumers: consumers.collect(),
        }
    }
}

/// `once`, `3 times`
pub(super) fn times(count: u64) -> String {
    if count == 1 { "once".into() } else { format!("{} times", thousands(count)) }
}
