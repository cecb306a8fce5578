//! Small dumps that servers of several versions wrote once, each beside what its server said of the streams in it.
//!
//! `cargo run -p papyra-tests --example write_rdb_fixtures` writes them anew with the servers that are at hand. Redis
//! 6.2 (version 9), 7.0 (10), 7.2 and Valkey 8.0 (11), 7.4 (12). Newer ones were not at hand: see `redis_built.rs`.

use std::path::{Path, PathBuf};

use papyra_core::redis::{Checksum, Limits, RdbReader};
use papyra_tests::redis_state::{Offline, described};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rdb")
}

#[test]
fn dumps_of_several_servers() {
    let mut versions = Vec::new();
    let mut paths: Vec<_> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|ext| ext == "rdb")) {
        let bytes = std::fs::read(path).unwrap();
        let mut seen = Offline::default();
        let mut reader = RdbReader::new(Limits::default());
        assert!(reader.push(&bytes, &mut seen).is_continue());
        let summary = reader.finish(&mut seen).unwrap();
        assert_eq!((seen.findings, summary.checksum), (vec![], Checksum::Verified), "{}", path.display());
        let said: Value = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
        assert_eq!(described(&seen.state), said, "{}", path.display());
        assert!(summary.keys > summary.streams && summary.streams > 2);
        versions.push(summary.header.unwrap().version);
    }
    assert_eq!(versions, [9, 10, 11, 12, 11]);
}

/// Servers from before streams, and the first with them: every encoding of the other types as it was then. Versions 3
/// to 5 were never released: Redis 2.9.5 to 2.9.7 are the development servers of the last commit before the version was
/// raised again.
#[test]
fn dumps_of_old_servers() {
    for (name, version, checksum, keys, streams) in [
        ("redis-1.0", 1, Checksum::NotChecksummed, 18, 0),
        ("redis-2.2", 1, Checksum::NotChecksummed, 24, 0),
        ("redis-2.4", 2, Checksum::NotChecksummed, 14, 0),
        ("redis-2.9.5", 3, Checksum::NotChecksummed, 24, 0),
        ("redis-2.9.6", 4, Checksum::NotChecksummed, 24, 0),
        ("redis-2.9.7", 5, Checksum::Verified, 24, 0),
        ("redis-2.6", 6, Checksum::Verified, 14, 0),
        ("redis-3.2", 7, Checksum::Verified, 14, 0),
        ("redis-4.0", 8, Checksum::Verified, 14, 0),
        ("redis-5.0", 9, Checksum::Verified, 15, 1),
    ] {
        let bytes = std::fs::read(folder().with_file_name("rdb-old").join(format!("{name}.rdb"))).unwrap();
        let mut seen = Offline::default();
        let mut reader = RdbReader::new(Limits::default());
        assert!(reader.push(&bytes, &mut seen).is_continue());
        let summary = reader.finish(&mut seen).unwrap();
        assert_eq!((summary.header.unwrap().version, summary.checksum), (version, checksum), "{name}");
        assert_eq!((summary.keys, summary.streams, seen.findings), (keys, streams, vec![]), "{name}");
        assert_eq!(summary.end, Some(bytes.len() as u64), "{name}");
        for stream in seen.state.values() {
            let group = &stream.groups[&b"g"[..]];
            assert_eq!((stream.length, stream.entries.len(), group.pending.len(), group.consumers.len()), (5, 5, 3, 1));
        }
    }
}
