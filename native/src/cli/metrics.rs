//! `papyra metrics`: what a scan of the storage says, for monitoring. There is no hidden process state.

use papyra_core::report::Report;
use serde_json::{Map, Value, json};

use super::out::Out;
use super::progress::Progress;
use super::scan;
use super::settings::{Common, Format, Settings};
use super::verdict::Verdict;
use crate::error::Result;
use crate::gauges::gauge;

#[derive(Debug, clap::Subcommand)]
pub(super) enum What {
    /// Scan now and print the metrics
    Persistence(Box<Args>),
    /// Does nothing; kept for compatibility
    Reset,
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,

    /// In Prometheus's text format
    #[arg(long, conflicts_with = "json")]
    prometheus: bool,
}

pub(super) fn run(what: &What, out: &mut Out) -> Result<Verdict> {
    let args = match what {
        What::Reset => {
            out.info("Metrics reset");
            out.detail("the figures come from a scan of the storage each time: there is nothing to reset");
            return Ok(Verdict::Fine);
        }
        What::Persistence(args) => args,
    };
    let settings = Settings::of(&args.common, None)?;
    let source = settings.source()?;
    let progress = Progress::over(args.common.output.quiet, &source, 1);
    let report = scan::report(&source, &settings, settings.scanning(&progress))?;
    drop(progress);
    if args.prometheus {
        prometheus(&report, out);
    } else if out.format() == Format::Json {
        let mut figures: Map<String, Value> =
            papyras(&report).map(|(name, value)| (name.into(), json!(value))).into_iter().collect();
        figures.insert("totals".into(), json!(report.totals));
        out.json(&figures)?;
    } else {
        out.listed("Persistence Metrics");
        for (name, value) in papyras(&report) {
            out.listed(&format!("{name}: {value}"));
        }
    }
    Ok(Verdict::Fine)
}

/// Papyra's ten counters, by its names and in its order, as far as storage can tell them: what is stored, and this
/// scan. The rest lives in a running system and is 0 here.
pub(super) fn papyras(report: &Report) -> [(&'static str, u64); 10] {
    let totals = &report.totals;
    [
        ("records_written", totals.records.total()),
        ("bytes_written", totals.bytes),
        ("scans", 1),
        ("anomalies_detected", totals.anomalies),
        ("recoveries", 0),
        ("compactions", 0),
        ("write_errors", 0),
        ("scan_errors", 0),
        ("recovery_errors", 0),
        ("compaction_errors", 0),
    ]
}

fn prometheus(report: &Report, out: &mut Out) {
    let totals = &report.totals;
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, values: &[(String, f64)]| {
        gauge(&mut text, &format!("papyra_{name}"), help, values);
    };
    let one = |value: f64| vec![(String::new(), value)];
    let records = &totals.records;
    let kinds = [
        ("event", records.event),
        ("audit", records.audit),
        ("dead_letter", records.dead_letter),
        ("other", records.other),
    ];
    let labelled: Vec<_> = kinds.iter().map(|(kind, count)| (format!("{{kind=\"{kind}\"}}"), *count as f64)).collect();
    gauge("records", "Intact records by kind.", &labelled);
    gauge("bytes", "Size of the history in bytes.", &one(totals.bytes as f64));
    gauge("files", "Files of the history.", &one(totals.files as f64));
    gauge("anomalies", "Anomalies found.", &one(totals.anomalies as f64));
    gauge("salvageable_records", "Intact records in damaged lines.", &one(totals.salvageable as f64));
    let notes: Vec<_> = totals
        .notes
        .iter()
        .filter_map(|(note, count)| {
            let name = serde_json::to_value(note).ok()?;
            Some((format!("{{note={name}}}"), *count as f64))
        })
        .collect();
    if !notes.is_empty() {
        gauge("notes", "Notes about intact records.", &notes);
    }
    for (name, help, value) in [
        ("first_timestamp", "The first record's time on the writer's clock, in seconds.", totals.first_timestamp),
        ("last_timestamp", "The last record's time on the writer's clock, in seconds.", totals.last_timestamp),
    ] {
        if let Some(value) = value {
            gauge(name, help, &one(value));
        }
    }
    text.lines().for_each(|line| out.line(line));
}
