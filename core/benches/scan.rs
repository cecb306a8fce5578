//! The scanner beside `serde_json` skipping each line, in one run, on one thread, over one log in memory.
//!
//! `cargo bench -p papyra-core --bench scan -- LOG` (any Papyra log; without one a log is made here). Rounds take
//! turns, so that a slow moment of the machine hits both; the ratio is what counts.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use papyra_core::scan::Scanner;
use serde::de::IgnoredAny;

const CHUNK: usize = 1 << 20;

/// A name, and what it does to a log.
type Contestant = (&'static str, fn(&[u8]) -> u64);

fn main() {
    let path = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let log = match path {
        Some(path) => std::fs::read(path).expect("the log can be read"),
        None => made_up(200_000),
    };
    println!("{} bytes", log.len());
    let contestants: [Contestant; 3] = [("papyra scan", scan), ("serde_json skip", skip), ("papyra scan", scan)];
    let mut best = [f64::MAX; 3];
    for _ in 0..7 {
        for (best, (_, contestant)) in best.iter_mut().zip(contestants) {
            let begun = Instant::now();
            black_box(contestant(black_box(&log)));
            *best = best.min(begun.elapsed().as_secs_f64());
        }
    }
    for (best, (name, _)) in best.iter().zip(contestants) {
        println!("{name:<16} {:>8.0} MB/s", log.len() as f64 / 1e6 / best);
    }
    println!("papyra / serde_json: {:.2}", best[1] / best[0].min(best[2]));
}

fn scan(log: &[u8]) -> u64 {
    let mut scanner = Scanner::new(0, Scanner::MAX_FINDINGS);
    for chunk in log.chunks(CHUNK) {
        _ = scanner.push(chunk, &mut ());
    }
    let summary = scanner.finish(&mut ());
    assert!(summary.records.total() > 0);
    summary.records.total()
}

fn skip(log: &[u8]) -> u64 {
    let mut lines = 0;
    for line in log.split(|byte| *byte == b'\n') {
        lines += u64::from(serde_json::from_slice::<IgnoredAny>(line).is_ok());
    }
    lines
}

/// Records of all kinds, mostly events, some text beyond ASCII.
fn made_up(records: u64) -> Vec<u8> {
    let mut log = String::new();
    for i in 0..records {
        let time = 1_700_000_000.0 + i as f64 / 7.0;
        log += &match i % 20 {
            0..12 => format!(
                r#"{{"kind": "event", "system_id": "orders", "actor_address": "orders:{i}", "event_type": "ActorStopped", "payload": {{"reason": "straße cancelled {i}"}}, "timestamp": {time}}}"#
            ),
            12..19 => format!(
                r#"{{"kind": "dead_letter", "system_id": "orders", "target": "orders:{i}", "message_type": "PaymentRequest", "payload": {{"id": {i}, "amount": 12.5, "lines": [{{"sku": "{i:08x}", "qty": 3, "note": "東京 retry timeout"}}, {{"sku": "{i:08x}", "qty": 1, "note": "gateway"}}]}}, "timestamp": {time}}}"#
            ),
            _ => format!(
                r#"{{"kind": "audit", "system_id": "orders", "timestamp": {time}, "total_actors": 100, "alive_actors": 97, "stopping_actors": 1, "restarting_actors": 2, "registry_size": 55, "registry_orphans": [], "registry_dead": ["w3"], "dead_letters_count": {i}}}"#
            ),
        };
        log.push('\n');
    }
    log.into_bytes()
}
