//! `papyra persistence inspect`

use papyra_core::report::Report;
use serde::Serialize;

use super::out::{self, Out};
use super::progress::Progress;
use super::scan;
use super::settings::{Common, Format, Settings};
use super::verdict::Verdict;
use super::{consumer_groups, metrics};
use crate::error::Result;
use crate::redis::groups::StreamReport;
use crate::source::Source;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,

    /// Show at most this many of each kind as sampled, as Papyra does; everything is counted all the same
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: u64,

    /// Add the figures of `metrics persistence`
    #[arg(long)]
    show_metrics: bool,
}

/// The report with what only a server can tell.
#[derive(schemars::JsonSchema, Serialize)]
pub(super) struct Inspected {
    #[serde(flatten)]
    report: Report,
    streams: Vec<StreamReport>,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let settings = Settings::of(&args.common, None)?;
    let source = settings.source()?;
    let progress = Progress::over(args.common.output.quiet, &source, 1);
    let report = scan::report(&source, &settings, settings.scanning(&progress))?;
    drop(progress);
    let streams = match &source {
        Source::Server(store) => store.groups(false)?.streams,
        _ => Vec::new(),
    };
    if out.format() == Format::Json {
        if streams.is_empty() {
            out.json(&report)?;
        } else {
            out.json(&Inspected { report, streams })?;
        }
        return Ok(Verdict::Fine);
    }
    out.info("Persistence Inspect");
    out.info("------------------");
    out.info(&format!("backend: {}", report.backend.class()));
    out.info("retention: max_records=None max_age_seconds=None max_total_bytes=None");
    let records = &report.totals.records;
    for (name, count) in [("events", records.event), ("audits", records.audit), ("dead_letters", records.dead_letter)] {
        let capped = if count >= args.limit { " (capped)" } else { "" };
        out.info(&format!("{name}_sampled: {}{capped}", count.min(args.limit)));
    }
    out.info(&format!("total: {}, {}", out::records(records), out::bytes(report.totals.bytes)));
    if let Some(span) = out::time_span(&report) {
        out.info(&format!("time: {span}"));
    }
    out.info(&format!("anomalies: {}", report.totals.anomalies));
    streams.iter().for_each(|stream| consumer_groups::print_stream(stream, out));
    if args.show_metrics {
        out.info("metrics:");
        for (name, value) in metrics::papyras(&report) {
            out.info(&format!("  {name}: {value}"));
        }
    }
    Ok(Verdict::Fine)
}
