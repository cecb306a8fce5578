//! Damaged backups: every truncation, a thousand flips, bombs and absurd lengths. Each gives a finding or a clear
//! error.

use std::path::{Path, PathBuf};

use papyra_core::redis::fuzz::any_bytes;
use papyra_core::redis::{
    AofManifest, AofReader, BackupReason, Checksum, Collector, Error, ErrorKind, KeyFinder, Limits, RdbReader,
    RdbSummary, Scope, judging,
};
use papyra_tests::redis_history::Random;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn read(bytes: &[u8]) -> (Result<RdbSummary, Error>, Collector) {
    let mut facts = Collector::new(Scope::default(), 1000);
    let mut reader = RdbReader::new(Limits::default());
    let _ = reader.push(bytes, &mut facts);
    (reader.finish(&mut facts), facts)
}

fn dumps() -> Vec<(String, Vec<u8>)> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(fixtures().join("rdb")).unwrap().map(|e| e.unwrap().path()).collect();
    paths.push(fixtures().join("redis/dump.rdb"));
    paths.sort();
    let dumps = paths.into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "rdb"));
    dumps.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

/// The CRC-64 of Redis, bit by bit, so that it is not the library's own that the fixtures here are sealed with.
fn seal(bytes: &mut Vec<u8>) {
    let mut crc = 0u64;
    for &byte in bytes.iter() {
        crc ^= u64::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x95ac_9329_ac4b_c9b5 } else { crc >> 1 };
        }
    }
    bytes.extend(crc.to_le_bytes());
}

#[test]
fn every_truncation_is_seen() {
    for (name, bytes) in dumps() {
        for cut in (0..bytes.len()).rev().step_by(if bytes.len() > 20_000 { 7 } else { 1 }) {
            let (result, facts) = read(&bytes[..cut]);
            match result {
                Ok(summary) => {
                    assert!(summary.end.is_none(), "{name} cut at {cut}");
                    let seen = facts
                        .findings
                        .iter()
                        .any(|f| matches!(f.reason, BackupReason::Truncated | BackupReason::BrokenStructure));
                    assert!(seen, "{name} cut at {cut}: {:?}", facts.findings);
                }
                Err(error) => assert_eq!((cut, error.kind()), (0, ErrorKind::NotRecognised), "{name}"),
            }
        }
    }
}

#[test]
fn every_flip_is_seen() {
    let mut random = Random(1);
    for (name, bytes) in dumps() {
        let before = read(&bytes).1.found();
        for _ in 0..1000 {
            let mut flipped = bytes.clone();
            let at = random.below(bytes.len() as u64) as usize;
            flipped[at] ^= 1 << random.below(8);
            match read(&flipped) {
                (Ok(summary), facts) => {
                    assert_eq!(summary.checksum, Checksum::Mismatch, "{name}, byte {at}");
                    assert!(facts.found() > before.min(facts.found() - 1), "{name}, byte {at}");
                    let reasons =
                        [BackupReason::ChecksumMismatch, BackupReason::BrokenStructure, BackupReason::Truncated];
                    let seen = reasons.iter().any(|reason| facts.counts.contains_key(reason));
                    assert!(seen, "{name}, byte {at}: {summary:?} {:?}", facts.counts);
                }
                (Err(error), _) => {
                    let header = matches!(error.kind(), ErrorKind::NotRecognised | ErrorKind::UnknownVersion(_));
                    assert!(header && at < 9, "{name}, byte {at}: {error}");
                }
            }
        }
    }
}

#[test]
fn readers_keep_their_promises_on_damaged_files() {
    let mut random = Random(2);
    let aof = std::fs::read(fixtures().join("redis/appendonlydir/appendonly.aof.1.incr.aof")).unwrap();
    let mut samples: Vec<Vec<u8>> = dumps().into_iter().map(|(_, bytes)| bytes).collect();
    samples.push(aof[..20_000].to_vec());
    for bytes in samples {
        for _ in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + random.below(4) {
                let at = random.below(damaged.len() as u64) as usize;
                match random.below(4) {
                    0 => drop(damaged.drain(at..(at + random.below(100) as usize).min(damaged.len()))),
                    1 => damaged.truncate(at.max(1)),
                    _ => damaged[at] = random.any() as u8,
                }
            }
            any_bytes(&damaged, 1 + random.below(5_000) as usize);
        }
    }
}

/// A file of one unit after the header, sealed.
fn with(version: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = version.as_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes.push(0xff);
    seal(&mut bytes);
    bytes
}

#[test]
fn bombs_and_absurd_lengths_are_refused() {
    let huge = b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff";
    let node = b"\x10\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0";
    for (what, body) in [
        ("a key", [&b"\x00"[..], huge].concat()),
        ("a node", [&b"\x15\x01k\x01"[..], node, huge].concat()),
        ("a bomb", [&b"\x15\x01k\x01"[..], node, b"\xc3\x05", huge, b"abcde"].concat()),
        ("a bomb of a gigabyte", [&b"\x15\x01k\x01"[..], node, b"\xc3\x05\x80\x40\x00\x00\x00abcde"].concat()),
        ("nodes", [&b"\x15\x01k"[..], huge, node, b"\x01x"].concat()),
        ("a hash", [&b"\x04\x01k"[..], huge].concat()),
        ("groups", [&b"\x15\x01k\0\0\0\0\0\0\0\0\0"[..], huge].concat()),
    ] {
        let error = read(&with("REDIS0011", &body)).0.expect_err(what);
        let known = matches!(error.kind(), ErrorKind::NotUnderstood | ErrorKind::TooLarge(_));
        assert!(known, "{what}: {error}");
        let mut bytes = with("REDIS0011", &body);
        bytes[8] = b'2';
        let (result, facts) = read(&bytes);
        assert_eq!(result.expect(what).checksum, Checksum::Mismatch, "{what}");
        assert!(facts.found() > 0, "{what}");
    }
}

#[test]
fn what_is_not_known_is_named() {
    let kind = |bytes: &[u8]| read(bytes).0.map(|_| ()).map_err(|error| (error.kind(), error.offset()));
    assert_eq!(kind(&with("REDIS0016", b"")), Err((ErrorKind::UnknownVersion(16), 0)));
    assert_eq!(kind(&with("VALKEY082", b"")), Err((ErrorKind::UnknownVersion(82), 0)));
    assert_eq!(kind(&with("REDIS0011", b"\x63\x01k")), Err((ErrorKind::UnknownType(99), 9)));
    assert_eq!(kind(b"{\"kind\": \"event\"}\n"), Err((ErrorKind::NotRecognised, 0)));
    assert_eq!(kind(b""), Ok(()), "cut off before its first byte: a finding");
    assert_eq!(kind(&with("REDIS0011", b"")), Ok(()));
    // The same without a checksum: nobody can tell damage from news, so the number is named.
    let mut bytes = with("REDIS0011", b"\x63\x01k");
    let end = bytes.len();
    bytes[end - 8..].fill(0);
    assert_eq!(kind(&bytes), Err((ErrorKind::UnknownType(99), 9)));
    let mut bytes = with("REDIS0011", b"");
    bytes[10..].fill(0);
    assert_eq!(read(&bytes).0.unwrap().checksum, Checksum::NotChecksummed);
}

#[test]
fn a_dump_is_found_again_after_damage() {
    let bytes = std::fs::read(fixtures().join("redis/dump.rdb")).unwrap();
    let whole = read(&bytes).1.streams;
    let known = vec![("papyra".to_owned(), "orders".to_owned())];
    let mut found_after_damage = 0;
    for at in (60..bytes.len() - 20).step_by(41) {
        let mut damaged = bytes.clone();
        let end = (at + 30).min(bytes.len());
        damaged[at..end].fill(0xee);
        let (Ok(summary), facts) = read(&damaged) else { panic!("damage at {at}") };
        let (Some(from), Some(header)) = (summary.last_key.filter(|_| summary.lost_at.is_some()), summary.header)
        else {
            continue;
        };
        for chunk in [100, 1 << 20] {
            let mut finder = KeyFinder::new(header, 0, from, Scope::default(), known.clone(), Limits::default());
            damaged[from as usize..].chunks(chunk).for_each(|chunk| finder.push(chunk));
            let next = whole.iter().map(|stream| stream.offset).find(|&offset| offset >= end as u64);
            assert_eq!(finder.finish(), next, "damage at {at}, found {:?}", facts.findings);
        }
        if let Some(next) = whole.iter().map(|stream| stream.offset).find(|&offset| offset >= end as u64) {
            let mut rest = Collector::new(Scope::default(), 1000);
            let mut reader = RdbReader::resume(header, 0, next, Limits::default());
            assert!(reader.push(&damaged[next as usize..], &mut rest).is_continue());
            assert_eq!(reader.finish(&mut rest).unwrap().end, Some(bytes.len() as u64));
            found_after_damage += rest.streams.len();
            assert!(rest.streams.iter().all(|stream| whole.contains(stream)));
        }
    }
    assert!(found_after_damage > 10, "{found_after_damage}");
}

#[test]
fn the_append_only_folder_that_papyra_filled() {
    let folder = fixtures().join("redis/appendonlydir");
    let manifest = AofManifest::parse(&std::fs::read(folder.join("appendonly.aof.manifest")).unwrap()).unwrap();
    let mut replay = judging();
    for file in manifest.in_order() {
        replay.next_file();
        let bytes = std::fs::read(folder.join(&file.name)).unwrap();
        let mut reader = AofReader::new(Limits::default());
        assert!(reader.push(&bytes, &mut replay).is_continue());
        let summary = reader.finish(&mut replay).unwrap();
        assert_eq!((summary.broken_at, summary.open_transaction), (None, None));
    }
    let report = replay.report(&Scope::default(), 100);
    assert_eq!(replay.findings, []);
    // The dump is of the same server: the same state, but for offsets and what only a dump has.
    let dump = read(&std::fs::read(fixtures().join("redis/dump.rdb")).unwrap()).1;
    assert_eq!(report.found, dump.found());
    let plain = |streams: &[papyra_core::redis::StreamReport]| {
        let mut streams: Vec<_> = streams.to_vec();
        streams.sort_by(|a, b| a.key.cmp(&b.key));
        for stream in &mut streams {
            stream.offset = 0;
            for group in &mut stream.consumer_groups {
                group.entries_read = None;
                group.consumers.iter_mut().for_each(|consumer| consumer.seen_time = 0);
            }
        }
        streams
    };
    assert_eq!(plain(&report.streams), plain(&dump.streams));
}

/// Where the server's own checker sees something, so do the readers here; they also see what it does not look at.
#[test]
fn the_servers_own_checker_agrees() {
    if !papyra_tests::has("redis-check-rdb") {
        println!("left out: redis-check-rdb is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.rdb");
    let refuses = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let mut check = std::process::Command::new("redis-check-rdb");
        !check.arg(&path).stdout(std::process::Stdio::null()).status().unwrap().success()
    };
    let sealed = std::fs::read(fixtures().join("redis/dump.rdb")).unwrap();
    let mut open = sealed.clone();
    let end = open.len() - 8;
    open[end..].fill(0);
    let mut random = Random(9);
    let (mut theirs, mut ours) = (0, 0);
    for bytes in [sealed, open] {
        assert!(!refuses(&bytes));
        let before = read(&bytes).1.findings;
        for _ in 0..150 {
            let mut flipped = bytes.clone();
            let at = random.below(end as u64) as usize;
            flipped[at] ^= 1 << random.below(8);
            let (result, facts) = read(&flipped);
            let seen = result.is_err() || facts.findings != before;
            let refused = refuses(&flipped);
            assert!(seen || !refused, "byte {at}: refused there, nothing seen here: {result:?} {:?}", facts.findings);
            theirs += u64::from(refused);
            ours += u64::from(seen);
        }
    }
    println!("of 300 flips, half of them without a checksum: {theirs} refused there, {ours} seen here");
}
