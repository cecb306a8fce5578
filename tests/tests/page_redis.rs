//! The page against the command line's own code, on Redis backups: the same report to the byte, on damage of any kind
//! and in any portions.

use std::path::Path;

use papyra::offline::{ServerFiles, export::export, scan::scan};
use papyra::reading::ScanOptions;
use papyra_core::redis::Scope;
use papyra_core::report::{Backend, Report};
use papyra_core::scan::Scanner;
use papyra_web::Opening;
use serde_json::Value;

type Files<'a> = [(&'a str, &'a [u8])];

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).expect("the fixture is there")
}

/// What the command says of a backup, which is named by the last of these files.
fn command(folder: &Path, files: &Files<'_>) -> String {
    files.iter().for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes).expect("a writable folder"));
    let path = folder.join(files.last().expect("a file").0);
    let backup = ServerFiles::at(&path, true).expect("readable").expect("a Redis backup");
    let scanning = ScanOptions { threads: 1, max_findings: Scanner::MAX_FINDINGS, progress: &|_| {} };
    match scan(&backup, &Scope::default(), scanning) {
        Ok(files) => {
            let report = Report::new(papyra::TOOL, Backend::Redis, files, false);
            serde_json::to_string_pretty(&report).expect("JSON") + "\n"
        }
        // The command names the path besides.
        Err(error) => error.to_string().split_once(": ").expect("a reason").1.to_owned(),
    }
}

/// The records that the command exports of a dump, as lines in the dump's order; nothing when it has none to export.
fn exported(folder: &Path) -> Vec<u8> {
    let backup = ServerFiles::at(&folder.join("dump.rdb"), true).expect("readable").expect("a Redis backup");
    let scanning = ScanOptions { threads: 1, max_findings: Scanner::MAX_FINDINGS, progress: &|_| {} };
    let to = folder.join("exported");
    let logs = export(&backup, &to, &Scope::default(), scanning).map(|export| export.logs).unwrap_or_default();
    let lines = logs.iter().flat_map(|log| std::fs::read(to.join(&log.path)).expect("a log")).collect();
    // The next state of the dump is exported there too.
    std::fs::remove_dir_all(&to).expect("the folder of the export");
    lines
}

/// What the page says of the same files, dropped together and read in portions of so many bytes.
fn page(files: &Files<'_>, step: usize) -> String {
    page_and_records(files, step).0
}

/// The same, and the records that it lists of the first file.
fn page_and_records(files: &Files<'_>, step: usize) -> (String, Option<Vec<u8>>) {
    let names: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut opening = if names.len() == 1 { Opening::new(names) } else { Opening::of_folder(names, Vec::new()) };
    for (at, (_, bytes)) in files.iter().enumerate() {
        let (start, end) = (&bytes[..bytes.len().min(1 << 16)], &bytes[bytes.len().saturating_sub(10)..]);
        if opening.add(at, bytes.len() as f64, start, end) {
            opening.content(at, bytes);
        }
    }
    let arranged: Value = serde_json::from_str(&opening.arrange()).expect("JSON");
    assert_eq!(arranged["logs"], 0);
    let order: Vec<usize> =
        arranged["order"].as_array().expect("a list").iter().map(|at| at.as_u64().expect("a place") as usize).collect();
    let mut redis = opening.backups();
    let sizes = order.iter().map(|at| files[*at].1.len() as f64).collect();
    let mut scanner = papyra_web::Scanner::new(&opening, Vec::new(), sizes);
    while let Some(want) = redis.want() {
        let want: Value = serde_json::from_str(&want).expect("JSON");
        let number = |name: &str| want[name].as_u64().expect("a number") as usize;
        let bytes = &files[order[number("file")]].1[number("from")..number("to")];
        _ = bytes.chunks(step).all(|chunk| redis.push(chunk, &mut scanner));
        if let Some(refused) = redis.end(&mut scanner) {
            return (refused, None);
        }
    }
    let records = scanner.take_listed(0);
    scanner.add(redis, true);
    (scanner.finish(true), records)
}

fn same(files: &Files<'_>, what: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let expected = command(folder.path(), files);
    for step in [7, usize::MAX] {
        assert_eq!(page(files, step), expected, "{what}, in portions of {step}");
    }
}

/// Whole, cut at places all over it, and with a bit flipped at others.
fn in_every_state(bytes: &[u8], places: usize, mut check: impl FnMut(&[u8], &str)) {
    check(bytes, "whole");
    for nth in 1..places {
        let at = bytes.len() * nth / places + nth % 5;
        let mut flipped = bytes.to_vec();
        flipped[at.min(bytes.len() - 1)] ^= 1 << (nth % 8);
        check(&flipped, &format!("a bit flipped at {at}"));
        // A payload is told by its end, a file by its first bytes.
        check(&bytes[..at.max(64)], &format!("cut at {at}"));
    }
}

#[test]
fn dumps_are_judged_alike() {
    for name in ["redis/dump.rdb", "rdb/redis-6.2.16.rdb", "rdb/valkey-8.0.1.rdb"] {
        in_every_state(&fixture(name), 40, |bytes, what| same(&[("dump.rdb", bytes)], &format!("{name} {what}")));
    }
}

/// What can be found again behind the damage comes out by an export alone.
#[test]
fn the_records_that_are_listed_of_a_dump_are_the_first_that_an_export_writes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["redis/dump.rdb", "rdb/redis-7.4.1.rdb"] {
        in_every_state(&fixture(name), 40, |bytes, what| {
            std::fs::write(folder.path().join("dump.rdb"), bytes).expect("a writable folder");
            let (report, Some(listed)) = page_and_records(&[("dump.rdb", bytes)], 1000) else { return };
            let exported = exported(folder.path());
            assert!(exported.starts_with(&listed), "{name} {what}");
            assert!(what != "whole" || exported == listed, "{name} {what}");
            let report: Value = serde_json::from_str(&report).expect("JSON");
            let counted: u64 = ["event", "audit", "dead_letter", "other"]
                .map(|kind| report["totals"]["records"][kind].as_u64().expect("a number"))
                .iter()
                .sum();
            assert_eq!(line_count(&listed), counted, "{name} {what}");
        });
    }
}

fn line_count(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[test]
fn payloads_are_judged_alike() {
    let payload = fixture("redis/events.dump");
    in_every_state(&payload, 40, |bytes, what| {
        if bytes.ends_with(&payload[payload.len() - 10..]) {
            same(&[("papyra:orders:events.dump", bytes)], what);
        }
    });
}

/// Damaged once and twice, after a dump in the same file and in files of a folder: what is kept is searched for and
/// replayed.
#[test]
fn append_only_files_are_judged_alike() {
    let [base, commands, manifest] = ["base.rdb", "incr.aof", "manifest"].map(|end| {
        let number = if end == "manifest" { "" } else { "1." };
        fixture(&format!("redis/appendonlydir/appendonly.aof.{number}{end}"))
    });
    let dump = fixture("redis/dump.rdb");
    let short = &commands[..20_000];
    in_every_state(short, 12, |bytes, what| {
        same(&[("appendonly.aof", bytes)], what);
        same(&[("appendonly.aof", &[&dump, bytes].concat())], &format!("after a dump, {what}"));
        let files = [("appendonly.aof.1.incr.aof", bytes), ("appendonly.aof.1.base.rdb", &base), ("m", &manifest[..])];
        same(&files, &format!("in a folder, {what}"));
        same(&[files[0], files[2]], &format!("in a folder without its base, {what}"));
    });
    let three = b"file a seq 1 type b\nfile b seq 1 type i\nfile c seq 2 type i\n";
    let torn = &short[..short.len() - 9];
    same(
        &[("c", torn), ("b", &[torn, short].concat()), ("a", &dump), ("m", three)],
        "three files, two of them damaged",
    );
    same(&[("m", &three[..30])], "a broken manifest");
}
