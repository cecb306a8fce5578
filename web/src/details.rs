//! What the page shows beside the report, as it travels: the timeline, each file in short, the listings. No decisions.

use std::collections::BTreeMap;

use papyra_core::browse::LineIndex;
use papyra_core::finding::Finding;
use papyra_core::plan::Plan;
use papyra_core::redis::Remedy;
use papyra_core::report::FileReport;
use papyra_core::sniff::FileKind;
use papyra_core::timeline::{Finished, Sort};
use serde::Serialize;

use crate::backup;
use crate::watch::Text;

/// What the page shows beside the report.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Details<'a> {
    pub(crate) timeline: Told,
    /// For each file of the report, where it stands among those that were opened.
    pub(crate) sources: &'a [Option<usize>],
    /// For each file of the report, its anomalies by reason, listed or not.
    pub(crate) reasons: Vec<BTreeMap<&'static str, u64>>,
    pub(crate) files: Vec<Described>,
    pub(crate) no_log: bool,
    pub(crate) backup: Option<backup::Told<'a>>,
    pub(crate) remedies: Vec<Remedy>,
    pub(crate) listings: Vec<Listing>,
}

/// The records of a Redis dump, as lines.
#[derive(Serialize)]
pub(crate) struct Listing {
    file: usize,
    lines: u64,
    stride: u64,
    bytes: u64,
}

impl Listing {
    pub(crate) fn of(file: usize, text: &Text) -> Listing {
        let (lines, bytes) = (text.scanner.so_far().lines, text.scanner.offset());
        Listing { file, lines, stride: text.gathered.index.stride(), bytes }
    }
}

/// A file that was read.
pub(crate) struct Done {
    /// `None` for a file that is not scanned.
    pub(crate) report: Option<FileReport>,
    /// Size of the content.
    pub(crate) bytes: u64,
    pub(crate) plan: Plan,
    pub(crate) index: LineIndex,
    pub(crate) looks: FileKind,
    pub(crate) packed: bool,
}

/// A finding as it comes in, and where its file stands among those that were opened.
#[derive(Serialize)]
pub(crate) struct Found {
    pub(crate) file: Option<usize>,
    pub(crate) anomaly: Finding,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Described {
    stride: u64,
    packed: bool,
    bytes: u64,
    looks_like: &'static str,
    plan: Shape,
}

/// A plan without its parts, named as core names it.
#[derive(Serialize)]
struct Shape {
    truncated: bool,
    kept_bytes: u64,
    rejected_bytes: u64,
    newlines: u64,
}

impl Described {
    pub(crate) fn of(done: &Done) -> Described {
        let Plan { truncated, kept_bytes, rejected_bytes, newlines, .. } = done.plan;
        Described {
            stride: done.index.stride(),
            packed: done.packed,
            bytes: done.bytes,
            looks_like: done.looks.describe(),
            plan: Shape { truncated, kept_bytes, rejected_bytes, newlines },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    axis: &'static str,
    start: f64,
    width: f64,
    events: Vec<u32>,
    dead_letters: Vec<u32>,
    crashes: Vec<u32>,
    restarts: Vec<u32>,
    anomalies: Vec<u32>,
    /// The earliest and the latest time, outliers left out.
    span: Option<(f64, f64)>,
    outliers: Outlying,
}

/// Records whose time is far from all others, and the earliest and the latest of these times.
#[derive(Serialize)]
struct Outlying {
    count: u64,
    span: Option<(f64, f64)>,
}

impl Told {
    pub(crate) fn of(Finished { by_time, histogram, span, outliers }: Finished) -> Told {
        let series = |sort: Sort| histogram.bins.iter().map(|bin| bin[sort as usize]).collect();
        Told {
            axis: if by_time { "time" } else { "position" },
            start: histogram.start,
            width: histogram.width,
            events: series(Sort::Event),
            dead_letters: series(Sort::DeadLetter),
            crashes: series(Sort::Crash),
            restarts: series(Sort::Restart),
            anomalies: series(Sort::Anomaly),
            span,
            outliers: Outlying { count: outliers.count, span: outliers.span },
        }
    }
}
