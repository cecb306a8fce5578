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

/// `papyra schemas --to www/book/src/schemas` writes them anew; their difference is what changes for whoever reads
/// JSON.
#[test]
fn the_schemas_in_the_handbook_are_those_of_the_types() {
    let shop = Workshop::default().and("new/x", "");
    std::fs::remove_file(shop.path("new/x")).unwrap();
    shop.papyra("schemas --to new").must_exit(0);
    let kept = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../www/book/src/schemas");
    let mut names: Vec<String> =
        std::fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut written = std::fs::read_dir(shop.path("new"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect::<Vec<_>>();
    written.sort();
    assert_eq!(names, written);
    for name in names {
        let (kept, new) = (std::fs::read_to_string(kept.join(&name)).unwrap(), shop.read(&format!("new/{name}")));
        assert!(kept.as_bytes() == new, "{name} is not what is printed: papyra schemas --to www/book/src/schemas");
    }
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

#[test]
fn a_folder_of_logs_is_recovered_in_one_document_that_agrees_with_the_scans_around_it() {
    let shop = Workshop::with("p/a.ndjson", logs::damaged().log)
        .and("p/rot.log", logs::clean(3) + "\n")
        .and("p/rot.log.1", logs::clean(7));
    let scan = || shop.papyra("persistence scan --path p --format json").json();
    let recover = |flags: &str| {
        let run = shop.papyra(&format!("persistence recover --path p --format json {flags}")).must_exit(0);
        serde_json::from_str::<Recovery>(&run.stdout).unwrap();
        run.json()
    };
    let before = scan();
    let dry = recover("--dry-run");
    assert_eq!((&dry["before"], &dry["after"]), (&before, &before));
    let done = recover("");
    assert_eq!((&done["before"], &done["after"]), (&before, &scan()));
    assert_eq!((done["repaired_files"].as_array().unwrap().len(), done["plan"].as_array().unwrap().len()), (2, 2));
    let compact = "persistence compact --path p --max-records 4 --format json";
    let compacted = shop.papyra(compact).must_exit(0).json();
    let records = |report: &serde_json::Value| {
        report["totals"]["records"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(compacted["records_before"], records(&done["after"]));
    assert_eq!(compacted["records_removed"], records(&done["after"]) - records(&scan()));
    assert_eq!(records(&scan()), 8);
}

#[test]
fn what_was_recovered_before_a_log_that_cannot_be_is_told() {
    let shop = Workshop::with("p/a.ndjson", logs::damaged().log).and("q/b.ndjson", logs::clean(2) + "\n");
    std::os::unix::fs::symlink(shop.path("q/b.ndjson"), shop.path("p/b.ndjson")).unwrap();
    let busy = std::fs::File::open(shop.path("q")).unwrap();
    rustix::fs::flock(&busy, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let run = shop.papyra("persistence recover --path p --format json").must_exit(75);
    let done: Recovery = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(done.repaired_files.len(), 1);
    rustix::fs::flock(&busy, rustix::fs::FlockOperation::Unlock).unwrap();
}
