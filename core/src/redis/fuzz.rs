//! What a fuzzer runs: any bytes through every reader, and the promises that must hold for any bytes.
//!
//! It lives in the library so that a unit test, and whatever drives fuzzing, run the same body.

use super::aof::manifest::AofManifest;
use super::aof::plan::{plan_aof, plan_in_windows};
use super::aof::reader::AofReader;
use super::aof::replay::Replay;
use super::rdb::header::{Limits, RdbSummary};
use super::rdb::node::Entry;
use super::rdb::reader::RdbReader;
use super::stream::facts::Collector;
use super::stream::keys::Scope;
use super::visit::Visitor;

/// Feeds `bytes` to all readers, whole and in chunks of `step` bytes.
///
/// # Panics
/// When a promise does not hold: the same outcome whatever the chunks, and plans that tile the file and whose kept
/// bytes are whole.
pub fn any_bytes(bytes: &[u8], step: usize) {
    let limits = Limits { unit: 1 << 20, listed: 100 };
    let rdb = |step: usize| {
        let mut facts = Collector::new(Scope::default(), 50);
        let summary = feed(RdbReader::new(limits), bytes, step, &mut facts);
        (summary, facts.findings, facts.streams)
    };
    assert_eq!(
        format!("{:?}", rdb(bytes.len())),
        format!("{:?}", rdb(step)),
        "the chunks changed what an RDB file says"
    );
    let dump = |step: usize| {
        let mut facts = Collector::new(Scope::default(), 50);
        let summary = feed(RdbReader::dump(b"p:s:events", limits), bytes, step, &mut facts);
        (summary, facts.findings, facts.streams)
    };
    assert_eq!(
        format!("{:?}", dump(bytes.len())),
        format!("{:?}", dump(step)),
        "the chunks changed what a payload says"
    );

    let aof = |step: usize| {
        let mut replay = Replay::new(|_, _: &Entry<'_>| ());
        let mut reader = AofReader::new(limits);
        for chunk in bytes.chunks(step.max(1)) {
            let _ = reader.push(chunk, &mut replay);
        }
        let result = reader.finish(&mut replay);
        (result, replay.findings, replay.found)
    };
    assert_eq!(aof(bytes.len()), aof(step), "the chunks changed what an append-only file says");

    let plan = plan_aof(bytes, 0, &Scope::default(), limits);
    assert_eq!(plan_in_windows(bytes, 0, &Scope::default(), limits, step), plan, "the windows changed the plan");
    let mut at = 0;
    let mut kept = Vec::new();
    for stretch in &plan.stretches {
        assert!(stretch.offset == at && stretch.length > 0, "the plan does not tile the file");
        at += stretch.length;
        if stretch.keep {
            kept.extend_from_slice(&bytes[stretch.offset as usize..at as usize]);
        }
    }
    assert_eq!(at, bytes.len() as u64, "the plan does not tile the file");
    assert!(plan_aof(&kept, 0, &Scope::default(), limits).is_clean(), "what was kept is not whole");
    let _ = AofManifest::parse(bytes);
}

fn feed<V: Visitor>(
    mut reader: RdbReader,
    bytes: &[u8],
    step: usize,
    visitor: &mut V,
) -> Result<RdbSummary, super::error::Error> {
    for chunk in bytes.chunks(step.max(1)) {
        let _ = reader.push(chunk, visitor);
    }
    reader.finish(visitor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splitmix64.
    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = *state;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Pieces that begin like something, with noise between them.
    #[test]
    fn pieces_of_everything() {
        const PIECES: [&[u8]; 24] = [
            b"REDIS0011",
            b"VALKEY080",
            b"\xfe\x00",
            b"\xff",
            b"\xfa\x01a\x01b",
            b"\x13\x0apap:a:audi",
            b"\x15\x0ap:s:events\x01\x10",
            b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0",
            b"\xc3\x05\x04\x03abcd",
            b"\x81\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x07\x81",
            b"\x18",
            b"\x04\x01\x01a\x01b",
            b"*1\r\n$5\r\nMULTI\r\n",
            b"*1\r\n$4\r\nEXEC\r\n",
            b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n",
            b"*5\r\n$4\r\nXADD\r\n$10\r\np:s:events\r\n$3\r\n1-1\r\n$4\r\ndata\r\n$2\r\n{}\r\n",
            b"$4\r\nXDEL\r\n",
            b"#TS:17\r\n",
            b"\r\n*",
            b"$99\r\n",
            b"\x1b\x0ap:s:events\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01g\x00\x00\x00\x00\x00\x00",
            b"\xf3\x01",
            b"file a seq 1 type i\n",
        ];
        let mut state = 11;
        for round in 0..6_000 {
            let mut bytes = Vec::new();
            for _ in 0..next(&mut state) % 10 {
                if next(&mut state).is_multiple_of(4) {
                    bytes.push(next(&mut state) as u8);
                } else {
                    bytes.extend_from_slice(PIECES[next(&mut state) as usize % PIECES.len()]);
                }
            }
            any_bytes(&bytes, 1 + round % 9);
        }
    }
}
