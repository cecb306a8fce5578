//! What must hold for any bytes at all: the body for fuzzers, and a unit test that runs it.
//!
//! `PAPYRA_FUZZ_SECONDS=10 cargo test -p papyra-core fuzz` runs it for that long.

pub mod logs;

use crate::escape::escape;
use crate::record::{Kind, NoteSet};
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
    for Seen { offset, length, .. } in records {
        let record = &bytes[offset as usize..(offset + length) as usize];
        let view = View::of(record);
        _ = (view.text("kind"), view.address("target"), tokens(record).count(), escape(record));
    }
}

/// What a scan says of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    offset: u64,
    length: u64,
    kind: Kind,
    /// The bits of its seconds.
    timestamp: Option<u64>,
    crashed: bool,
    restarted: bool,
    notes: NoteSet,
}

fn scan(bytes: &[u8], piece: usize) -> (Summary, Vec<Step>, Vec<Seen>) {
    scan_pieces(Scanner::new(0, 3), bytes.chunks(piece))
}

fn scan_pieces<'a>(mut scanner: Scanner, pieces: impl Iterator<Item = &'a [u8]>) -> (Summary, Vec<Step>, Vec<Seen>) {
    #[derive(Default)]
    struct Notebook(Vec<Step>, Vec<Seen>);

    impl Sink for Notebook {
        fn record(&mut self, record: &Record<'_>) -> Flow {
            let facts = &record.facts;
            self.1.push(Seen {
                offset: record.span.offset,
                length: record.span.length,
                kind: facts.kind,
                timestamp: facts.timestamp.map(f64::to_bits),
                crashed: facts.crashed,
                restarted: facts.restarted,
                notes: facts.notes(),
            });
            Flow::Continue(())
        }

        fn step(&mut self, step: Step) -> Flow {
            self.0.push(step);
            Flow::Continue(())
        }
    }

    let mut notebook = Notebook::default();
    for piece in pieces {
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

    use super::logs::{Random, Shape, Writer};
    use crate::scan::Scanner;

    const SEEDS: [&str; 4] = [
        "{\"kind\": \"event\", \"system_id\": \"s\", \"actor_address\": {\"system\": \"s\", \"actor_id\": 7}, \"event_type\": \"E\", \"payload\": [1, -2.5e3, NaN, {\"b\": \"\\ud800\\\"\\\\ zoë\"}], \"timestamp\": 948.15}\n",
        "{\"timestamp\": 1e999, \"kind\": \"audit\", \"registry_dead\": [\"w\", null, true, false], \"system_id\": \"東京\"}\r\n",
        "{\"kind\":\"dead_letter\",\"system_id\":\"s\",\"target\":null,\"message_type\":\"m\",\"payload\":\"{\\\"kind\\\"\",\"timestamp\":-Infinity}",
        "{\"a\":[[[[{\"b\":{}}]]]],\"kind\":\"ev{\"kind\":\"event\"}\n\0\0\0\r42\n\n",
    ];

    #[test]
    fn fuzz() {
        let seconds = std::env::var("PAPYRA_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
        let (begun, mut rounds, mut random) = (Instant::now(), 0_u64, Random::new(0x9e37_79b9_7f4a_7c15));
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

    /// Bytes that change what a line is.
    const MARKS: &[u8] = b"\"\\{}[],:\n\r\t 0-.eEu\0\xff\xc3\xa9";

    /// What makes numbers, words, strings and escapes well-formed or not.
    const PIECES: &[&str] = &[
        "0",
        "00",
        "-",
        ".5",
        "1e5",
        "e-05",
        "E9",
        "e400",
        "99999999999999999999",
        "null",
        "tru",
        "\\u12",
        "\\u00e9",
        "\\",
        "é",
    ];

    #[test]
    fn a_log_is_read_the_same_wherever_it_is_cut() {
        for shape in Shape::ALL {
            let (mut writer, mut log) = (Writer::new(shape), Vec::new());
            (0..10).for_each(|_| writer.line(&mut log));
            let whole = super::scan(&log, usize::MAX);
            for at in 0..log.len() {
                let (head, tail) = log.split_at(at);
                assert_eq!(super::scan_pieces(Scanner::new(0, 3), [head, tail].into_iter()), whole, "cut at {at}");
            }
        }
    }

    /// An event with that payload.
    fn line(payload: &str) -> String {
        format!(
            "{{\"kind\": \"event\", \"system_id\": \"s\", \"actor_address\": \"s:1\", \"event_type\": \"E\", \"payload\": {payload}, \"timestamp\": 1.5}}\n"
        )
    }

    /// Both readers say the same of these lines, so many at a time behind those that are known.
    fn agree_on(known: &str, lines: &[String], at_a_time: usize) {
        for lines in lines.chunks(at_a_time) {
            let log = known.to_owned() + &lines.concat();
            let torn = log.split_inclusive('\n').flat_map(|line| [&line.as_bytes()[..1], &line.as_bytes()[1..]]);
            assert_eq!(
                super::scan(log.as_bytes(), usize::MAX),
                super::scan_pieces(Scanner::new(0, 3), torn),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn every_short_list_of_numbers_is_read_as_the_careful_reader_reads_it() {
        let line = |list: &str| line(&format!("[{list}]"));
        let mut lists = vec![String::new()];
        let mut longest = lists.clone();
        for _ in 0..5 {
            longest =
                longest.iter().flat_map(|list| "01-.e ,".chars().map(move |last| format!("{list}{last}"))).collect();
            lists.extend_from_slice(&longest);
        }
        // Of each kind that can be told apart there are two, so that the others are known by them, and no more unknown
        // ones than a reader puts up with.
        let known =
            ["1", "1.1", "1, 1", "1.1, 1", "1, 1.1", "1.1, 1.1", "1, 1, 1"].map(|list| line(list).repeat(2)).concat();
        let lines: Vec<String> = lists.iter().map(|list| line(list)).collect();
        agree_on(&known, &lines, 40);
    }

    #[test]
    fn every_short_payload_is_read_as_the_careful_reader_reads_it() {
        const PIECES: [&str; 11] = ["{", "}", "[", "]", ",", ":", "\"a\"", "1", "e05", "e-5", "true"];
        let (mut all, mut longest) = (Vec::new(), vec![String::new()]);
        for _ in 0..4 {
            longest = longest.iter().flat_map(|text| PIECES.map(|piece| format!("{text}{piece}"))).collect();
            all.extend_from_slice(&longest);
        }
        let payloads: Vec<_> =
            all.iter().flat_map(|text| [format!("[{text}]"), format!("{{\"a\": {text}}}")]).collect();
        // So many of ever new shape that lines are told by their top levels, and then all that those can be here.
        let new: String = (0..90).map(|i| line(&format!("[{}]", vec!["1"; i].join(", ")))).collect();
        let known = new + &["{}", "[]"].map(|payload| line(payload).repeat(2)).concat();
        let lines: Vec<String> = payloads.iter().map(|payload| line(payload)).collect();
        agree_on(&known, &lines, 50);
    }

    #[test]
    fn fuzz_logs_whose_lines_are_recognised_as_the_careful_reader_reads_them() {
        // The readers of whole lines learn from a log what its lines are like; of lines that come in two pieces, they
        // read none.
        let lines = if std::env::var_os("PAPYRA_FUZZ_SECONDS").is_some() { 1_000_000 } else { 20_000 };
        let mut random = Random::new(0xd1b5_4a32_d192_ed03);
        let mut writers = Shape::ALL.map(Writer::new);
        for _ in 0..lines / 1_000 {
            let writer = &mut writers[random.below(Shape::ALL.len())];
            let mut log = Vec::new();
            for i in 0..1_000 {
                let start = log.len();
                writer.line(&mut log);
                // Clean at first, so that there is something to be learned, and most of them, so that it is of use.
                let clean = i < 100 || random.below(7) > 0;
                for _ in 0..if clean { 0 } else { 1 + random.below(2) } {
                    mutate(&mut log, start, &mut random);
                    if log.len() == start {
                        break;
                    }
                }
            }
            let torn =
                log.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')).flat_map(|line| [&line[..1], &line[1..]]);
            let careful = super::scan_pieces(Scanner::new(0, 3), torn);
            // In one piece, and cut somewhere; with what the processor has, and without.
            let cut = log.split_at(random.below(log.len()));
            for scanner in [Scanner::new, Scanner::plain] {
                for pieces in [&[&log[..]][..], &[cut.0, cut.1]] {
                    let whole = super::scan_pieces(scanner(0, 3), pieces.iter().copied());
                    for (whole, careful) in whole.2.iter().zip(&careful.2) {
                        let line = &log[careful.offset as usize..][..careful.length as usize];
                        assert_eq!(whole, careful, "{:?}", line.escape_ascii());
                    }
                    assert_eq!(whole, careful);
                }
            }
        }
    }

    /// Changes something between `start` and the end.
    fn mutate(log: &mut Vec<u8>, start: usize, random: &mut Random) {
        let at = start + random.below(log.len() - start);
        let other = start + random.below(log.len() - start);
        match random.below(7) {
            0 => log[at] = MARKS[random.below(MARKS.len())],
            1 => log.insert(at, MARKS[random.below(MARKS.len())]),
            2 => _ = log.remove(at),
            3 => log[at] = random.below(256) as u8,
            // A piece of the line in another place.
            4 => {
                let piece = log[at..(at + random.below(12)).min(log.len())].to_vec();
                log.splice(other..other, piece);
            }
            5 => {
                let piece = PIECES[random.below(PIECES.len())];
                log.splice(at..at, piece.bytes());
            }
            // Another digit or letter keeps most lines what they are.
            _ => log[at] ^= 1,
        }
    }
}
