//! `papyra inspect events|audits|dead-letters|summary`; `groups` and `pending` are in [`super::inspect_groups`]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};

use papyra_core::escape::escape;
use papyra_core::record::{Kind, RecordFacts};
use papyra_core::scan::Flow;
use papyra_core::view::View;
use serde_json::json;

use super::inspect_groups;
use super::out::{self, Out};
use super::progress::Progress;
use super::settings::{Common, Format, Settings, begin};
use super::shown;
use super::verdict::Verdict;
use super::when::{Period, Within};
use crate::error::{Code, Error, Result};
use crate::source::Task;

/// A longer record is shown by its place and length only.
const SHOWN: u64 = 16 << 20;

/// A longer payload is cut in the listing.
const PAYLOAD: usize = 2_000;

#[derive(Debug, clap::Subcommand)]
pub(super) enum What {
    /// Show actor lifecycle events
    #[command(alias = "event")]
    Events(Filters),
    /// Show snapshots of the actor registry
    #[command(alias = "audit")]
    Audits(Filters),
    /// Show messages that could not be delivered
    #[command(name = "dead-letters", aliases = ["dead-letter", "dead_letters", "dead_letter"])]
    DeadLetters(Filters),
    /// Show the last audit as a summary of two lines
    Summary(Filters),
    /// Show the consumer groups in a Redis backup; --format json is input for `papyra redis groups ensure --from`
    #[command(alias = "group")]
    Groups(inspect_groups::Args),
    /// Show the pending entries in a Redis backup: delivered, but not acknowledged
    Pending(inspect_groups::Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct Filters {
    #[command(flatten)]
    common: Common,

    /// Show only the last N matching records; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: usize,

    #[command(flatten)]
    period: Period,

    /// Only events of this type, in upper or lower case
    #[arg(long, value_name = "TYPE")]
    event_type: Option<String>,

    /// Only dead letters to this actor
    #[arg(long, value_name = "ADDRESS")]
    target: Option<String>,

    /// Only records about this actor: its events, dead letters to it, audits that name it as an orphan or as dead
    #[arg(long, value_name = "ADDRESS")]
    actor: Option<String>,

    /// Show the newest record first
    #[arg(long)]
    reverse: bool,
}

pub(super) fn run(what: &What, out: &mut Out) -> Result<Verdict> {
    let is_of_records = matches!(what, What::Events(_) | What::Audits(_) | What::DeadLetters(_));
    if out.is_lines() && !is_of_records {
        return Err(out::no_lines());
    }
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

fn list(kind: Kind, filters: &Filters, out: &mut Out, none: &str) -> Result<()> {
    let mut listing = Listing { shown: 0 };
    let mut search = Search::new(kind, filters)?;
    // Without a limit and in file order, nothing needs to be held back.
    if filters.limit == 0 && !filters.reverse {
        search.each(|line| listing.show(&line, out))?;
    } else {
        let mut held = VecDeque::new();
        search.each(|line| {
            if filters.limit > 0 && held.len() == filters.limit {
                held.pop_front();
            }
            held.push_back(line);
            Flow::Continue(())
        })?;
        if filters.reverse {
            held.make_contiguous().reverse();
        }
        _ = held.iter().try_for_each(|line| listing.show(line, out));
    }
    listing.end(none, out);
    if listing.shown == 0 {
        search.tell_of_nothing(out);
    }
    shown::may_not_be_all(search.damage, &filters.common, out);
    Ok(())
}

/// Records as they are printed: lines for people, JSON as one array that is written while they come, or JSON lines.
struct Listing {
    shown: u64,
}

impl Listing {
    fn show(&mut self, line: &Line, out: &mut Out) -> Flow {
        let first = self.shown == 0;
        self.shown += 1;
        match out.format() {
            Format::Text => out.listed(&line.text()),
            Format::Json if out.is_lines() => out.line(&line.json().to_string()),
            Format::Json => {
                out.raw(if first { b"[\n  " } else { b",\n  " });
                out.raw(line.json().to_string().as_bytes());
            }
        }
        if out.raw(b"") { Flow::Continue(()) } else { Flow::Break(()) }
    }

    fn end(&self, none: &str, out: &mut Out) {
        match out.format() {
            Format::Text if self.shown == 0 => out.listed(none),
            Format::Json if !out.is_lines() => out.line(if self.shown == 0 { "[]" } else { "\n]" }),
            _ => {}
        }
    }
}

fn summary(filters: &Filters, out: &mut Out) -> Result<()> {
    let mut last = None;
    let mut search = Search::new(Kind::Audit, filters)?;
    search.each(|line| {
        last = Some(line);
        Flow::Continue(())
    })?;
    shown::may_not_be_all(search.damage, &filters.common, out);
    if out.format() == Format::Json {
        return out.json(&last.as_ref().map(Line::json));
    }
    match last {
        None => {
            out.listed("No audit data available.");
            search.tell_of_nothing(out);
        }
        Some(line) => {
            let field = |name: &str| line.field(name);
            out.listed(&format!(
                "Actors: total={} alive={} stopping={} restarting={}",
                field("total_actors"),
                field("alive_actors"),
                field("stopping_actors"),
                field("restarting_actors")
            ));
            out.listed(&format!("Dead letters: {}", field("dead_letters_count")));
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

/// A search for records of a kind, and what it came across.
struct Search<'a> {
    kind: Kind,
    filters: &'a Filters,
    within: Within<'a>,
    /// Records of the kind that were read.
    read: Cell<u64>,
    /// The types of events that were come across, for somebody who asked for one that is not among them.
    types: RefCell<BTreeSet<String>>,
    /// Anomalies that were passed over.
    damage: u64,
}

/// So many types of events are told.
const TYPES: usize = 20;

impl<'a> Search<'a> {
    fn new(kind: Kind, filters: &'a Filters) -> Result<Search<'a>> {
        let for_kinds = [
            (filters.event_type.is_some(), "--event-type", Kind::Event, "events"),
            (filters.target.is_some(), "--target", Kind::DeadLetter, "dead-letters"),
        ];
        if let Some((_, flag, _, verb)) = for_kinds.iter().find(|(given, _, of, _)| *given && *of != kind) {
            return Err(Error::new(Code::Usage, format!("{flag} is for `papyra inspect {verb}`")));
        }
        let within = filters.period.within();
        let (read, types) = (Cell::new(0), RefCell::default());
        Ok(Search { kind, filters, within, read, types, damage: 0 })
    }

    /// Calls `show` with each record that the filters let through.
    fn each(&mut self, show: impl FnMut(Line) -> Flow) -> Result<()> {
        self.damage = self.every(show)?;
        self.within.end()
    }

    /// Whether a record's fields are to be read.
    fn wants(&self, facts: &RecordFacts) -> bool {
        let wanted = facts.kind == self.kind;
        if wanted {
            self.read.set(self.read.get() + 1);
        }
        wanted && self.within.holds(facts.timestamp)
    }

    /// Whether a record's fields are those that are wanted.
    fn fits(&self, line: &Line) -> bool {
        let Filters { event_type, target, actor, .. } = self.filters;
        let is_type = event_type.as_ref().is_none_or(|wanted| {
            let named = line.address("event_type").unwrap_or_default();
            let fits = named.eq_ignore_ascii_case(wanted);
            let mut types = self.types.borrow_mut();
            if !fits && types.len() < TYPES {
                types.insert(named);
            }
            fits
        });
        is_type
            && target.as_ref().is_none_or(|target| line.address("target").as_ref() == Some(target))
            && actor.as_ref().is_none_or(|actor| line.is_about(actor))
    }

    /// Says how many were read when nothing was found.
    fn tell_of_nothing(&self, out: &mut Out) {
        let read = self.read.get();
        let Filters { event_type, target, actor, period, .. } = self.filters;
        if read == 0 || (event_type.is_none() && target.is_none() && actor.is_none() && period.is_all()) {
            return;
        }
        let (one, many) = match self.kind {
            Kind::Event => ("event", "events"),
            Kind::Audit => ("audit", "audits"),
            Kind::DeadLetter | Kind::Other => ("dead letter", "dead letters"),
        };
        out.message(&format!("none of {} matches", out::counted(read, one, many)));
        let types = self.types.borrow();
        if let Some(wanted) = event_type.as_ref().filter(|_| !types.is_empty()) {
            let types: Vec<String> = types.iter().map(|name| escape(name.as_bytes())).collect();
            let more = if types.len() == TYPES { " and others" } else { "" };
            let wanted = escape(wanted.as_bytes());
            out.message(&format!("there is no event type {wanted}; there are {}{more}", types.join(", ")));
        }
    }

    fn every(&self, mut show: impl FnMut(Line) -> Flow) -> Result<u64> {
        let settings = Settings::of(&self.filters.common, None)?;
        let progress = Progress::new(true, None);
        let source = settings.source()?;
        begin(Task::List, &source)?;
        source.each_record(|| settings.scope(), settings.scanning(&progress), &mut |found| {
            let (facts, span) = (found.record.facts, found.record.span);
            if !self.wants(&facts) {
                return Ok(Flow::Continue(()));
            }
            let bytes = if span.length > SHOWN {
                let text = format!("{{\"payload\": \"… {} bytes at offset {} …\"}}", span.length, span.offset);
                text.into_bytes()
            } else {
                found.bytes()?.into_owned()
            };
            let line = Line { kind: self.kind, timestamp: facts.timestamp, bytes };
            Ok(if self.fits(&line) { show(line) } else { Flow::Continue(()) })
        })
    }
}

impl Line {
    /// A field as Papyra prints it; a null is Python's `None` there.
    fn address(&self, name: &str) -> Option<String> {
        let text = View::of(&self.bytes).address(name)?;
        Some(if text == "null" { "None".into() } else { text.into_owned() })
    }

    /// Whether it is about an actor.
    fn is_about(&self, actor: &str) -> bool {
        let names = |field: &str| {
            let view = View::of(&self.bytes);
            let listed: Vec<String> =
                view.raw(field).and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default();
            listed.iter().any(|name| name == actor)
        };
        match self.kind {
            Kind::Event => self.address("actor_address").as_deref() == Some(actor),
            Kind::Audit => names("registry_orphans") || names("registry_dead"),
            Kind::DeadLetter | Kind::Other => self.address("target").as_deref() == Some(actor),
        }
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
