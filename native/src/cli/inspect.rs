//! `papyra inspect events|audits|dead-letters|summary`; `groups` and `pending` are in [`super::inspect_groups`]

use std::collections::VecDeque;
use std::io;

use papyra_core::escape::escape;
use papyra_core::record::{Kind, RecordFacts};
use papyra_core::redis::{Entry, PapyraKey, RecordCheck, push_line};
use papyra_core::scan::Flow;
use papyra_core::view::View;
use serde_json::json;

use super::out::{self, Out};
use super::progress::Progress;
use super::settings::{self, Common, Format, Settings};
use super::{Verdict, inspect_groups};
use crate::error::Result;
use crate::offline::{self, entries::Streams};
use crate::records;
use crate::redis;
use crate::target::Target;

/// A longer record is shown by its place and length only.
const SHOWN: u64 = 16 << 20;

/// A longer payload is cut in the listing.
const PAYLOAD: usize = 2_000;

#[derive(Debug, clap::Subcommand)]
pub(super) enum What {
    /// Actors' lives
    Events(Filters),
    /// Snapshots of the registry
    Audits(Filters),
    /// Messages that could not be delivered
    #[command(name = "dead-letters")]
    DeadLetters(Filters),
    /// The last audit, in two lines
    Summary(Filters),
    /// A Redis backup's consumer groups; with --format json, what `papyra redis groups ensure --from` reads
    Groups(inspect_groups::Args),
    /// A Redis backup's entries that were delivered and not acknowledged
    Pending(inspect_groups::Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct Filters {
    #[command(flatten)]
    common: Common,

    /// The last N that match; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: usize,

    /// Only records of this time or later, in seconds of the log's own clock
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = settings::time)]
    since: Option<f64>,

    /// Only events of this type
    #[arg(long, value_name = "TYPE")]
    event_type: Option<String>,

    /// Only dead letters to this actor
    #[arg(long, value_name = "ADDRESS")]
    target: Option<String>,

    /// Newest first
    #[arg(long)]
    reverse: bool,
}

pub(super) fn run(what: &What, out: &mut Out) -> Result<Verdict> {
    match what {
        What::Events(filters) => list(Kind::Event, filters, out, "No events recorded.")?,
        What::Audits(filters) => list(Kind::Audit, filters, out, "No audit reports recorded.")?,
        What::DeadLetters(filters) => list(Kind::DeadLetter, filters, out, "No dead letters recorded.")?,
        What::Summary(filters) => summary(filters, out)?,
        What::Groups(args) => inspect_groups::list(args, out)?,
        What::Pending(args) => inspect_groups::pending(args, out)?,
    }
    Ok(Verdict::Fine)
}

/// Says that what was listed may not be all.
pub(super) fn passed_over(anomalies: u64, common: &Common, out: &mut Out) {
    if anomalies > 0 && !common.quiet {
        let anomalies = out::anomalies(anomalies);
        out.message(&format!("{anomalies} passed over, so this may not be all: `papyra persistence scan` says where"));
    }
}

fn list(kind: Kind, filters: &Filters, out: &mut Out, none: &str) -> Result<()> {
    let json = filters.common.format == Format::Json;
    let mut shown = 0_usize;
    // Without a limit and in file order, nothing needs to be held back.
    if filters.limit == 0 && !filters.reverse && !json {
        let damage = each(kind, filters, |line| {
            shown += 1;
            out.info(&line.text());
            if out.raw(b"") { Flow::Continue(()) } else { Flow::Break(()) }
        })?;
        if shown == 0 {
            out.info(none);
        }
        passed_over(damage, &filters.common, out);
        return Ok(());
    }
    let mut held = VecDeque::new();
    let damage = each(kind, filters, |line| {
        if filters.limit > 0 && held.len() == filters.limit {
            held.pop_front();
        }
        held.push_back(line);
        Flow::Continue(())
    })?;
    if filters.reverse {
        held.make_contiguous().reverse();
    }
    passed_over(damage, &filters.common, out);
    if json {
        return out.json(&held.iter().map(Line::json).collect::<Vec<_>>());
    }
    if held.is_empty() {
        out.info(none);
    }
    held.iter().for_each(|line| out.info(&line.text()));
    Ok(())
}

fn summary(filters: &Filters, out: &mut Out) -> Result<()> {
    let mut last = None;
    let damage = each(Kind::Audit, filters, |line| {
        last = Some(line);
        Flow::Continue(())
    })?;
    passed_over(damage, &filters.common, out);
    if filters.common.format == Format::Json {
        return out.json(&last.as_ref().map(Line::json));
    }
    match last {
        None => out.info("No audit data available."),
        Some(line) => {
            let field = |name: &str| line.field(name);
            out.info(&format!(
                "Actors: total={} alive={} stopping={} restarting={}",
                field("total_actors"),
                field("alive_actors"),
                field("stopping_actors"),
                field("restarting_actors")
            ));
            out.info(&format!("Dead letters: {}", field("dead_letters_count")));
        }
    }
    Ok(())
}

/// A record that matches, in the bytes that it is.
struct Line {
    kind: Kind,
    timestamp: Option<f64>,
    bytes: Vec<u8>,
}

/// Calls `show` with each record of a kind that the filters let through. Returns how many anomalies were passed over.
fn each(kind: Kind, filters: &Filters, mut show: impl FnMut(Line) -> Flow) -> Result<u64> {
    let settings = Settings::of(&filters.common, None)?;
    let progress = Progress::new(true, None);
    let wanted = |facts: &RecordFacts| {
        let too_old = filters.since.is_some_and(|since| !facts.timestamp.is_some_and(|time| time >= since));
        facts.kind == kind && !too_old
    };
    let fits = |line: &Line| {
        let fits = |name: &str, value: &Option<String>| {
            value.as_ref().is_none_or(|value| line.address(name).as_deref() == Some(value))
        };
        fits("event_type", &filters.event_type) && fits("target", &filters.target)
    };
    let target = settings.target()?;
    if let Target::Redis(store) = &target {
        return redis::scan::each_record(store, |facts, bytes| {
            if !wanted(facts) {
                return Ok(true);
            }
            let line = Line { kind, timestamp: facts.timestamp, bytes: bytes.trim_ascii_end().to_vec() };
            Ok(!fits(&line) || show(line).is_continue())
        });
    }
    if let Target::Backup(backup) = &target {
        let mut judging = Judging {
            check: RecordCheck::default(),
            bad: 0,
            each: |facts: &RecordFacts, bytes: &[u8]| {
                if !wanted(facts) {
                    return Flow::Continue(());
                }
                let line = Line { kind, timestamp: facts.timestamp, bytes: bytes.to_vec() };
                if fits(&line) { show(line) } else { Flow::Continue(()) }
            },
        };
        let damage = offline::entries::each(backup, &settings.scope()?, settings.effort(&progress), &mut judging)?;
        return Ok(damage + judging.bad);
    }
    let mut damage = 0;
    for history in settings.histories(target, "list records of")? {
        let summaries = records::each_of(&history, settings.effort(&progress), |found| {
            let (facts, span) = (found.record.facts, found.record.span);
            if !wanted(&facts) {
                return Ok(Flow::Continue(()));
            }
            let bytes = if span.length > SHOWN {
                let text = format!("{{\"payload\": \"… {} bytes at offset {} …\"}}", span.length, span.offset);
                text.into_bytes()
            } else {
                found.bytes()?.into_owned()
            };
            let line = Line { kind, timestamp: facts.timestamp, bytes };
            if !fits(&line) {
                return Ok::<_, io::Error>(Flow::Continue(()));
            }
            Ok(show(line))
        })?;
        damage += summaries.iter().map(|summary| summary.anomalies).sum::<u64>();
    }
    Ok(damage)
}

/// Hands on the entries of a backup that are records.
struct Judging<F> {
    check: RecordCheck,
    /// Entries that are none.
    bad: u64,
    each: F,
}

impl<F: FnMut(&RecordFacts, &[u8]) -> Flow> Streams for Judging<F> {
    fn begin(&mut self, _db: u64, _key: &PapyraKey, _salvaged: bool) -> Flow {
        Flow::Continue(())
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Flow {
        match (self.check.entry(entry), entry.field(b"data")) {
            (Ok(facts), Some(data)) => {
                let mut line = Vec::new();
                push_line(data.as_bytes(), &mut line);
                (self.each)(&facts, line.trim_ascii_end())
            }
            _ => {
                self.bad += 1;
                Flow::Continue(())
            }
        }
    }
}

impl Line {
    /// A field as Papyra prints it; a null is Python's `None` there.
    fn address(&self, name: &str) -> Option<String> {
        let text = View::of(&self.bytes).address(name)?;
        Some(if text == "null" { "None".into() } else { text.into_owned() })
    }

    fn field(&self, name: &str) -> String {
        let text = self.address(name).unwrap_or_else(|| "None".into());
        let end = text.char_indices().nth(PAYLOAD).map_or(text.len(), |(at, _)| at);
        let cut = if end < text.len() { "…" } else { "" };
        escape(&text.as_bytes()[..end]) + cut
    }

    fn text(&self) -> String {
        let time = self.timestamp.map_or_else(|| "-".into(), |seconds| format!("{seconds:.3}"));
        let field = |name: &str| self.field(name);
        match self.kind {
            Kind::Event => format!("[{time}] {} {}", field("event_type"), field("actor_address")),
            Kind::Audit => format!(
                "[{time}] total={} alive={} stopping={} restarting={} dead_letters={}",
                field("total_actors"),
                field("alive_actors"),
                field("stopping_actors"),
                field("restarting_actors"),
                field("dead_letters_count")
            ),
            Kind::DeadLetter | Kind::Other => {
                format!(
                    "[{time}] target={} type={} payload={}",
                    field("target"),
                    field("message_type"),
                    field("payload")
                )
            }
        }
    }

    /// The record's fields, each value as the JSON text it is in the log: Python's NaN has no other form.
    fn json(&self) -> serde_json::Value {
        let view = View::of(&self.bytes);
        view.fields()
            .map(|(name, raw)| {
                let value =
                    serde_json::from_str(raw).unwrap_or_else(|_| json!(String::from_utf8_lossy(raw.as_bytes())));
                (name.to_owned(), value)
            })
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}
