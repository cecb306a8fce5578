//! What must hold for any bytes at all: the body for fuzzers, and a unit test that runs it.
//!
//! `PAPYRA_FUZZ_SECONDS=10 cargo test -p papyra-core fuzz` runs it for that long.

use crate::escape::escape;
use crate::scan::{Flow, Record, Scanner, Sink, Step};
use crate::summary::Summary;
use crate::view::{View, tokens};

/// Checks one input; panics when a promise is broken.
pub fn check(bytes: &[u8]) {
    let (summary, steps, records) = scan(bytes, usize::MAX);
    for piece in [1, 3, 17] {
        assert_eq!(scan(bytes, piece), (summary.clone(), steps.clone(), records.clone()), "pieces of {piece} bytes");
    }
    let (mut at, mut kept) = (0, Vec::new());
    for step in &steps {
        match step {
            Step::Keep(range) => {
                assert_eq!(range.start, at, "a stretch is left out");
                kept.extend_from_slice(&bytes[range.start as usize..range.end as usize]);
                at = range.end;
            }
            Step::Reject(range) => {
                assert_eq!(range.start, at, "a stretch is left out");
                at = range.end;
            }
            Step::Newline => kept.push(b'\n'),
        }
    }
    assert_eq!(at, bytes.len() as u64, "the end is left out");
    let (after, ..) = scan(&kept, usize::MAX);
    assert_eq!(after.anomalies, 0, "recovery leaves anomalies");
    assert_eq!(after.records.total(), summary.records.total() + summary.salvageable, "recovery loses records");
    for (offset, length) in records {
        let record = &bytes[offset as usize..(offset + length) as usize];
        let view = View::of(record);
        _ = (view.text("kind"), view.address("target"), tokens(record).count(), escape(record));
    }
}

type Seen = (Summary, Vec<Step>, Vec<(u64, u64)>);

fn scan(bytes: &[u8], piece: usize) -> Seen {
    #[derive(Default)]
    struct Notebook(Vec<Step>, Vec<(u64, u64)>);

    impl Sink for Notebook {
        fn record(&mut self, record: &Record<'_>) -> Flow {
            self.1.push((record.span.offset, record.span.length));
            Flow::Continue(())
        }

        fn step(&mut self, step: Step) -> Flow {
            self.0.push(step);
            Flow::Continue(())
        }
    }

    let mut notebook = Notebook::default();
    let mut scanner = Scanner::new(0, 3);
    for piece in bytes.chunks(piece) {
        _ = scanner.push(piece, &mut notebook);
    }
    let mut summary = scanner.finish(&mut notebook);
    summary.forget_nan();
    (summary, notebook.0, notebook.1)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
mod tests {
    use std::time::{Duration, Instant};

    const SEEDS: [&str; 4] = [
        "{\"kind\": \"event\", \"system_id\": \"s\", \"actor_address\": {\"system\": \"s\", \"actor_id\": 7}, \"event_type\": \"E\", \"payload\": [1, -2.5e3, NaN, {\"b\": \"\\ud800\\\"\\\\ zoë\"}], \"timestamp\": 948.15}\n",
        "{\"timestamp\": 1e999, \"kind\": \"audit\", \"registry_dead\": [\"w\", null, true, false], \"system_id\": \"東京\"}\r\n",
        "{\"kind\":\"dead_letter\",\"system_id\":\"s\",\"target\":null,\"message_type\":\"m\",\"payload\":\"{\\\"kind\\\"\",\"timestamp\":-Infinity}",
        "{\"a\":[[[[{\"b\":{}}]]]],\"kind\":\"ev{\"kind\":\"event\"}\n\0\0\0\r42\n\n",
    ];

    /// A generator that is the same everywhere (xorshift64*).
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
        }
    }

    #[test]
    fn fuzz() {
        let seconds = std::env::var("PAPYRA_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
        let (begun, mut rounds, mut random) = (Instant::now(), 0_u64, Random(0x9e37_79b9_7f4a_7c15));
        while seconds.map_or(rounds < 20_000, |seconds| begun.elapsed() < Duration::from_secs(seconds)) {
            let mut bytes = Vec::new();
            for _ in 0..=random.below(4) {
                let seed = SEEDS[random.below(SEEDS.len())].as_bytes();
                let from = random.below(seed.len());
                let to = from + random.below(seed.len() - from + 1);
                bytes.extend_from_slice(if random.below(3) == 0 { &seed[from..to] } else { seed });
            }
            for _ in 0..random.below(5) {
                let at = random.below(bytes.len() + 1);
                let marks = b"\"\\{}[],:\n\r\t 0-.eEu\0\xff\xc3\xa9";
                match random.below(4) {
                    0 => bytes.insert(at, marks[random.below(marks.len())]),
                    1 => bytes.insert(at, random.below(256) as u8),
                    2 if at < bytes.len() => _ = bytes.remove(at),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            super::check(&bytes);
            rounds += 1;
        }
        println!("{rounds} inputs");
    }
}
