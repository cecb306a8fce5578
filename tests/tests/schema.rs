//! The reports' shapes, declared again and strictly: a field that goes, comes or changes its type fails here first.
#![allow(dead_code)]

use std::collections::BTreeMap;

use papyra_tests::{Workshop, logs};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    schema: String,
    tool: String,
    backend: Backend,
    verdict: Verdict,
    totals: Totals,
    files: Vec<File>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Backend {
    Json,
    Rotating,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Clean,
    Anomalies,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Totals {
    files: u64,
    bytes: u64,
    lines: u64,
    records: Records,
    anomalies: u64,
    notes: BTreeMap<String, u64>,
    salvageable: u64,
    first_timestamp: Option<f64>,
    last_timestamp: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Records {
    event: u64,
    audit: u64,
    dead_letter: u64,
    other: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    Active,
    Rotated,
    Orphan,
    Temporary,
    Missing,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: String,
    role: Role,
    index: u32,
    bytes: u64,
    lines: u64,
    records: Records,
    salvageable: u64,
    first_timestamp: Option<f64>,
    last_timestamp: Option<f64>,
    notes: Vec<Note>,
    anomaly_count: u64,
    anomalies: Vec<Anomaly>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    note: String,
    count: u64,
    line: u64,
    offset: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Type {
    TruncatedLine,
    PartialWrite,
    CorruptedLine,
    OrphanedRotatedFile,
    UnexpectedFile,
    MissingFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Anomaly {
    r#type: Type,
    reason: String,
    line: Option<u64>,
    offset: Option<u64>,
    length: Option<u64>,
    detail: String,
    excerpt: Option<String>,
    #[serde(default)]
    salvaged: Vec<Span>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    offset: u64,
    length: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recovery {
    schema: String,
    tool: String,
    mode: String,
    dry_run: bool,
    before: Report,
    plan: Vec<Plan>,
    repaired_files: Vec<String>,
    quarantined_files: Vec<String>,
    rejected: Vec<Rejected>,
    warnings: Vec<String>,
    after: Report,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    path: String,
    parts: Vec<Part>,
    truncated: bool,
    kept_bytes: u64,
    rejected_bytes: u64,
    newlines: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    action: String,
    offset: u64,
    length: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rejected {
    file: Option<String>,
    source: String,
    bytes: u64,
    ranges: u64,
}

fn messy_set() -> Workshop {
    Workshop::with("rot.log", logs::damaged().log)
        .and("rot.log.1", logs::clean(5) + "{\"kind\": 7, \"kind\": NaN}\n")
        .and("rot.log.3", "")
        .and("rot.log.bak", logs::clean(1))
        .and("rot.log.1.compact.tmp", "{\"kind\": ")
}

#[test]
fn a_scan_report_has_this_shape() {
    let json = messy_set().papyra("persistence scan --path rot.log --format json").must_exit(2);
    let report: Report = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&*report.schema, report.verdict), ("papyra.scan/1", Verdict::Anomalies));
    assert_eq!(report.totals.anomalies, report.files.iter().map(|file| file.anomaly_count).sum::<u64>());
    assert_eq!(report.totals.notes.keys().collect::<Vec<_>>(), ["duplicate_key", "non_finite_number", "unknown_kind"]);
}

#[test]
fn a_recovery_report_has_this_shape() {
    for (flags, code) in [("--dry-run", 0), ("", 3), ("--mode quarantine --quarantine-dir q", 3)] {
        let json =
            messy_set().papyra(&format!("persistence recover --path rot.log --format json {flags}")).must_exit(code);
        let recovery: Recovery = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!(recovery.schema, "papyra.recover/1");
        let plan = recovery.plan.iter().find(|plan| plan.path == "rot.log").unwrap();
        assert_eq!(plan.kept_bytes + plan.rejected_bytes, logs::damaged().log.len() as u64);
        assert_eq!(plan.parts.iter().map(|part| part.length).sum::<u64>(), logs::damaged().log.len() as u64);
    }
}
