//! RDB files that real servers wrote, read whole and in chunks.

use std::path::{Path, PathBuf};

use papyra_core::redis::{
    BackupReason, Checksum, Collector, Error, ErrorKind, Limits, NoRecord, RdbReader, RdbSummary, Scope, StreamKind,
};

fn read(bytes: &[u8], step: usize) -> (Result<RdbSummary, Error>, Collector) {
    let mut facts = Collector::new(Scope::default(), 1000);
    let mut reader = RdbReader::new(Limits::default());
    for chunk in bytes.chunks(step.max(1)) {
        let _ = reader.push(chunk, &mut facts);
    }
    (reader.finish(&mut facts), facts)
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).expect("the fixture is there")
}

#[test]
fn a_redis_that_papyra_filled() {
    let bytes = fixture("redis/dump.rdb");
    let (summary, facts) = read(&bytes, bytes.len());
    let summary = summary.unwrap();
    assert_eq!(summary.checksum, Checksum::Verified);
    assert_eq!((summary.keys, summary.streams, summary.end), (3, 3, Some(bytes.len() as u64)));
    assert_eq!(facts.aux["redis-ver"], "7.0.15");
    let of = |kind| facts.streams.iter().find(|s| s.papyra.as_ref().is_some_and(|key| key.kind == kind)).unwrap();
    let events = of(StreamKind::Events);
    assert_eq!(
        (events.facts.length, events.facts.entries, events.records.event, events.bad_entries),
        (302, 302, 300, 2)
    );
    assert_eq!(events.facts.entries_added, 302);
    assert_eq!((events.facts.groups, events.facts.consumers, events.facts.pending), (1, 2, 45));
    assert_eq!(events.consumer_groups[0].name, "shipping");
    let held: Vec<_> = events.consumer_groups[0].consumers.iter().map(|c| (c.name.as_str(), c.pending)).collect();
    assert_eq!(held, [("c1", 15), ("c2", 30)]);
    assert_eq!((of(StreamKind::Audits).records.audit, of(StreamKind::DeadLetters).records.dead_letter), (30, 43));
    let reasons: Vec<_> = facts.findings.iter().map(|f| (f.reason, f.detail.as_str())).collect();
    assert_eq!(
        reasons,
        [
            (BackupReason::NoRecord(NoRecord::NotAnObject), "`data` is a JSON value, but not an object"),
            (BackupReason::NoRecord(NoRecord::InvalidJson), "`data` is not JSON"),
            (BackupReason::NoRecord(NoRecord::MissingData), "the entry has no field `data`"),
        ]
    );
}

#[test]
fn chunk_borders_change_nothing() {
    let bytes = fixture("redis/dump.rdb");
    let whole = read(&bytes, bytes.len());
    for step in [1, 2, 3, 7, 64, 1000, 4096] {
        let chunked = read(&bytes, step);
        assert_eq!(chunked.0, whole.0, "chunks of {step}");
        assert_eq!(chunked.1.findings, whole.1.findings, "chunks of {step}");
        assert_eq!(chunked.1.streams, whole.1.streams, "chunks of {step}");
    }
}

/// Files of other projects are not ours to copy: they are read where they lie, when they are there.
#[test]
fn files_of_other_tools() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples/rdb");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("left out: no samples of other tools at {}", folder.display());
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (summary, facts) = read(&bytes, 5);
        println!("{name}: {summary:?} {:?}", facts.findings);
        match name.as_str() {
            "future_v19.rdb" => {
                assert!(matches!(summary.unwrap_err().kind(), ErrorKind::UnknownVersion(_)));
            }
            "invalid_chksum_v8.rdb" => {
                assert_eq!(summary.unwrap().checksum, Checksum::Mismatch);
                assert_eq!(facts.findings[0].reason, BackupReason::ChecksumMismatch);
            }
            // An early Redis 5 miscounted: a server that loads it says XLEN 120 and XRANGE gives 118 as well.
            "stream_listpacks_1.rdb" => {
                assert_eq!(summary.unwrap().streams, 5);
                let found: Vec<_> = facts.findings.iter().map(|f| (f.reason, f.key.as_deref())).collect();
                assert_eq!(found, [(BackupReason::CountMismatch, Some(&b"trim"[..]))]);
            }
            _ => {
                let summary = summary.unwrap();
                assert!(summary.keys > 0 || name.starts_with("module_aux"), "{name}");
                assert_eq!(summary.end, Some(bytes.len() as u64), "{name}");
                assert_eq!(facts.findings, [], "{name}");
            }
        }
    }
}
