//! `papyra redis`: consumer groups on a live server, and exports of backups; one file a verb.

mod ack;
mod claim;
mod export;
pub(super) mod groups;
pub(super) mod pending;

use clap::{Args, Subcommand, ValueEnum};
use papyra_core::escape::escape;

use super::Verdict;
use super::config::Config;
use super::consumer_groups;
use super::out::{Out, thousands};
use super::redis_flags::RedisFlags;
use super::settings::{Format, Output, Settings};
use super::when::seconds;
use crate::error::{Code, Error, Result};
use crate::redis::pending::{Filter, Settled};
use crate::redis::{Naming, PapyraKey, Role, Store, StreamId, StreamKind};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List, create or delete consumer groups
    #[command(subcommand, alias = "group")]
    Groups(groups::Verb),
    /// List pending entries: delivered to a consumer, but not acknowledged
    Pending(pending::Args),
    /// Reassign pending entries to another consumer (XCLAIM)
    Claim(claim::Args),
    /// Acknowledge pending entries (XACK)
    Ack(ack::Args),
    /// Write the streams of a Redis backup as NDJSON logs, and their groups as JSON
    Export(export::Args),
}

pub(super) fn run(verb: &Verb, out: &mut Out) -> Result<Verdict> {
    match verb {
        Verb::Groups(verb) => groups::run(verb, out),
        Verb::Pending(args) => pending::run(args, out),
        Verb::Claim(args) => claim::run(args, out),
        Verb::Ack(args) => ack::run(args, out),
        Verb::Export(args) => return export::run(args, out),
    }?;
    Ok(Verdict::Fine)
}

/// Flags that every verb here takes.
#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    redis: RedisFlags,

    #[command(flatten)]
    output: Output,

    #[command(flatten)]
    config: Config,
}

impl Common {
    fn store(&self, role: Role) -> Result<Store> {
        Settings::store(&self.redis, &self.config, role)
    }
}

/// A stream, by Papyra's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Kind {
    /// Actor lifecycle events
    Events,
    /// Snapshots of the actor registry
    Audits,
    /// Messages that could not be delivered
    #[value(alias = "dead-letters")]
    DeadLetters,
}

impl From<Kind> for StreamKind {
    fn from(kind: Kind) -> StreamKind {
        match kind {
            Kind::Events => StreamKind::Events,
            Kind::Audits => StreamKind::Audits,
            Kind::DeadLetters => StreamKind::DeadLetters,
        }
    }
}

/// The streams of those kinds; all of them when none is named.
fn streams(store: &Store, kinds: &[Kind]) -> Vec<PapyraKey> {
    let wanted =
        |stream: &PapyraKey| kinds.is_empty() || kinds.iter().any(|kind| StreamKind::from(*kind) == stream.kind);
    store.streams().into_iter().filter(wanted).collect()
}

/// The one stream of that kind.
fn the_stream(store: &Store, kind: Kind) -> Result<String> {
    match &streams(store, &[kind])[..] {
        [stream] => Ok(stream.key()),
        _ => Err(Error::new(Code::Usage, "one system at a time: name it with --system-id")),
    }
}

/// A group on a stream, and which of its pending entries.
#[derive(Debug, Args)]
struct OneGroup {
    #[command(flatten)]
    common: Common,

    /// The stream
    #[arg(long, value_name = "STREAM", ignore_case = true)]
    kind: Kind,

    /// The group
    #[arg(long, value_name = "GROUP")]
    group: String,

    #[command(flatten)]
    which: Which,
}

impl OneGroup {
    /// The server, and the stream's key.
    fn open(&self) -> Result<(Store, String)> {
        let store = self.common.store(Role::Recover)?;
        let key = the_stream(&store, self.kind)?;
        Ok((store, key))
    }

    fn print(&self, settled: &Settled, done: &str, out: &mut Out) -> Result<()> {
        if out.format() == Format::Json {
            return out.json(settled);
        }
        let (count, key, group) =
            (settled.ids.len() as u64, escape(settled.key.as_bytes()), escape(settled.group.as_bytes()));
        out.info(&format!(
            "{done} {} of {} pending in group {group} of {key}",
            thousands(count),
            thousands(settled.matched)
        ));
        settled.ids.iter().for_each(|id| out.detail(&id.to_string()));
        if settled.gone > 0 {
            out.info(&format!(
                "{} left as they are, since their entry is gone from the stream: `papyra redis ack --gone` ends the waiting",
                thousands(settled.gone)
            ));
        }
        Ok(())
    }
}

/// Which pending entries a verb is for.
#[derive(Debug, Args)]
struct Which {
    /// Only entries pending for this consumer
    #[arg(long, value_name = "CONSUMER")]
    from: Option<String>,

    /// Only pending entries whose message is gone from the stream
    #[arg(long)]
    gone: bool,

    /// Only this entry ID; may be given several times
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    id: Vec<StreamId>,

    /// At most this many entries; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: u64,
}

impl Which {
    fn filter(&self, min_idle: Option<f64>) -> Filter {
        Filter {
            consumer: self.from.clone(),
            min_idle_ms: (min_idle.unwrap_or(0.0) * 1e3) as u64,
            gone: self.gone,
            ids: self.id.clone(),
            limit: self.limit,
        }
    }
}

/// Prints what there is to say about a stream and its groups.
pub(super) fn print_stream(stream: &crate::redis::groups::StreamReport, out: &mut Out) {
    let memory = stream.memory_bytes.map(|bytes| format!(", {} of memory", super::out::bytes(bytes)));
    out.info(&format!("{}{}", consumer_groups::stream(&stream.key, &stream.stream), memory.unwrap_or_default()));
    if stream.groups.is_empty() {
        out.detail("no groups");
    }
    consumer_groups::print(stream.groups.iter().map(Into::into), out);
}
