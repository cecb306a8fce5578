//! On which server, streams, groups and pending entries a verb works.

use clap::{Args, ValueEnum};
use papyra_core::escape::escape;

use crate::cli::out::{Format, Out, Output, thousands};
use crate::cli::redis_flags::RedisFlags;
use crate::cli::settings::Settings;
use crate::cli::settings_file::Config;
use crate::error::{Code, Error, Result};
use crate::redis::pending::{Filter, Settled};
use crate::redis::{Naming, PapyraKey, Role, Store, StreamId, StreamKind};

/// Flags that every verb here takes.
#[derive(Debug, Args)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) redis: RedisFlags,

    #[command(flatten)]
    pub(super) output: Output,

    #[command(flatten)]
    pub(super) config: Config,
}

impl Common {
    pub(super) fn store(&self, role: Role) -> Result<Store> {
        Settings::store(&self.redis, &self.config, role)
    }
}

/// A stream, by Papyra's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Kind {
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
pub(super) fn streams(store: &Store, kinds: &[Kind]) -> Vec<PapyraKey> {
    let wanted =
        |stream: &PapyraKey| kinds.is_empty() || kinds.iter().any(|kind| StreamKind::from(*kind) == stream.kind);
    store.streams().into_iter().filter(wanted).collect()
}

/// The one stream of that kind.
pub(super) fn the_stream(store: &Store, kind: Kind) -> Result<String> {
    match &streams(store, &[kind])[..] {
        [stream] => Ok(stream.key()),
        _ => Err(Error::new(Code::Usage, "one system at a time: name it with --system-id")),
    }
}

/// A group on a stream, and which of its pending entries.
#[derive(Debug, Args)]
pub(super) struct OneGroup {
    #[command(flatten)]
    pub(super) common: Common,

    /// The stream
    #[arg(long, value_name = "STREAM", ignore_case = true)]
    pub(super) kind: Kind,

    /// The group
    #[arg(long, value_name = "GROUP")]
    pub(super) group: String,

    #[command(flatten)]
    pub(super) which: Which,
}

impl OneGroup {
    /// The server, and the stream's key.
    pub(super) fn open(&self) -> Result<(Store, String)> {
        let store = self.common.store(Role::Recover)?;
        let key = the_stream(&store, self.kind)?;
        Ok((store, key))
    }

    pub(super) fn print(&self, settled: &Settled, done: &str, out: &mut Out) -> Result<()> {
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
                "{} left as they are, since their entry is gone from the stream: `papyra redis ack --gone` ends the \
                 waiting",
                thousands(settled.gone)
            ));
        }
        Ok(())
    }
}

/// Which pending entries a verb is for.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only entries pending for this consumer
    #[arg(long, value_name = "CONSUMER")]
    pub(super) from: Option<String>,

    /// Only pending entries whose message is gone from the stream
    #[arg(long)]
    pub(super) gone: bool,

    /// Only this entry ID; may be given several times
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(super) id: Vec<StreamId>,

    /// At most this many entries; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) limit: u64,
}

impl Which {
    pub(super) fn filter(&self, min_idle: Option<f64>) -> Filter {
        Filter {
            consumer: self.from.clone(),
            min_idle_ms: (min_idle.unwrap_or(0.0) * 1e3) as u64,
            gone: self.gone,
            ids: self.id.clone(),
            limit: self.limit,
        }
    }
}
