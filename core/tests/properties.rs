//! What must hold for any bytes: pieces and cuts change nothing, the plan tiles the file, recovery is done once,
//! and intact lines come through byte for byte.

use papyra_core::scan::{Flow, Record, Scanner, Sink, Step};
use papyra_core::summary::Summary;
use proptest::prelude::*;

const EVENT: &str = r#"{"kind": "event", "system_id": "s", "actor_address": {"system": "s", "actor_id": 7}, "event_type": "ActorStarted", "payload": {"a": [1, -2.5e3, NaN, {"b": "\ud800\"\\"}]}, "timestamp": 948.156903608}"#;
const AUDIT: &str = r#"{"system_id": "s", "timestamp": 12, "total_actors": 1, "alive_actors": 1, "stopping_actors": 0, "restarting_actors": 0, "registry_size": 1, "registry_orphans": [], "registry_dead": ["w"], "dead_letters_count": 0, "kind": "audit"}"#;
const DEAD_LETTER: &str = r#"{"kind":"dead_letter","system_id":"zoë","target":null,"message_type":"dict","payload":"{\"kind\":\"event\"}","timestamp":1e3}"#;
const CAUSE: &str = r#"{"kind": "dead_letter", "system_id": "s", "target": "s:3", "message_type": "Order", "payload": {"n": 1}, "timestamp": 1700000000.123456}"#;
const REGISTRY: &str = r#"{"kind": "audit", "system_id": "s", "timestamp": 12.25, "total_actors": 1, "alive_actors": 1, "stopping_actors": 0, "restarting_actors": 0, "registry_size": 1, "registry_orphans": [], "registry_dead": [], "dead_letters_count": 0}"#;
const CRASH: &str = r#"{"kind": "event", "system_id": "s", "actor_address": "s:1", "event_type": "ActorCrashed", "payload": {"event_type": "x"}, "timestamp": 9.5}"#;

/// All that a sink is told, written down.
#[derive(Default, Debug, PartialEq)]
struct Everything {
    log: Vec<String>,
    crashed: Vec<bool>,
    steps: Vec<Step>,
}

impl Sink for Everything {
    fn record(&mut self, record: &Record<'_>) -> Flow {
        let Record { span, line, facts, salvaged, .. } = record;
        self.log.push(format!("{span:?} {line} {facts:?} {salvaged}"));
        self.crashed.push(facts.crashed);
        Flow::Continue(())
    }

    fn finding(&mut self, finding: &papyra_core::finding::Finding) -> Flow {
        self.log.push(format!("{finding:?}"));
        Flow::Continue(())
    }

    fn step(&mut self, step: Step) -> Flow {
        self.steps.push(step);
        Flow::Continue(())
    }
}

fn scan(bytes: &[u8], piece: usize) -> (Summary, Everything) {
    let mut everything = Everything::default();
    let mut scanner = Scanner::new(0, 5);
    for piece in bytes.chunks(piece) {
        assert!(scanner.push(piece, &mut everything).is_continue());
    }
    (scanner.finish(&mut everything), everything)
}

/// Carries the plan out: what stays, and what goes.
fn recover(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut kept, mut rejected) = (Vec::new(), Vec::new());
    for step in scan(bytes, usize::MAX).1.steps {
        match step {
            Step::Keep(range) => kept.extend_from_slice(&bytes[range.start as usize..range.end as usize]),
            Step::Reject(range) => rejected.extend_from_slice(&bytes[range.start as usize..range.end as usize]),
            Step::Newline => kept.push(b'\n'),
        }
    }
    (kept, rejected)
}

fn record() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(&[EVENT, AUDIT, DEAD_LETTER, CAUSE, REGISTRY, CRASH, "{\"kind\":\"new\"}", "{}"])
        .prop_map(str::as_bytes)
}

const OPENINGS: [&str; 4] = [r#""kind": "event""#, r#""kind": "dead_letter""#, r#""kind": "audit""#, r#""kind": 7"#];
#[rustfmt::skip]
const NAMES: [&str; 9] =
    ["system_id", "actor_address", "event_type", "target", "message_type", "payload", "timestamp", "total_actors", "other"];
#[rustfmt::skip]
const VALUES: [&str; 12] = [
    "1", "948.156903608", "0.1", "9007199254740993", "4503599627370497.5", "1.7976931348623157", "-0.0", "1e2",
    r#""s:1""#, "{}", "[]", "null",
];

/// A record whose fields are another kind's, or come twice, or not at all, in the way in which Papyra writes them.
fn medley() -> impl Strategy<Value = Vec<u8>> {
    let field = (prop::sample::select(&NAMES), prop::sample::select(&VALUES));
    let fields = prop::collection::vec(field.prop_map(|(name, value)| format!("\"{name}\": {value}")), 0..9);
    let opening = (prop::sample::select(&OPENINGS), prop_oneof![3 => Just(0), 1 => 0..9usize]);
    (opening, fields, prop::sample::select(&[", ", ",", " ,  "])).prop_map(|((opening, at), mut fields, comma)| {
        fields.insert(at.min(fields.len()), opening.into());
        format!("{{{}}}\n", fields.join(comma)).into_bytes()
    })
}

/// A stretch of a log: intact records, stumps, newlines of all sorts, and things that no log should hold.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => record().prop_map(|record| [record, b"\n"].concat()),
        4 => medley(),
        2 => record().prop_map(<[u8]>::to_vec),
        2 => (record(), any::<prop::sample::Index>()).prop_map(|(record, cut)| record[..cut.index(record.len())].to_vec()),
        1 => (record(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(record, at, byte)| {
            let mut record = [record, b"\n"].concat();
            let at = at.index(record.len());
            record[at] = byte;
            record
        }),
        2 => prop_oneof![Just("\n"), Just("\r\n"), Just("\r"), Just(" "), Just("\t"), Just("\0\0\0")].prop_map(|text| text.as_bytes().to_vec()),
        2 => prop_oneof![
            Just("42\n"), Just("[1]"), Just("\"x\"\n"), Just("null"), Just("{\"a\":01}\n"), Just("{\"a\":1.}"), Just("{'a':1}\n"),
            Just("\u{feff}"), Just("{\"a\":\"\t\"}"), Just("\""), Just("\\"), Just("{"), Just("}"), Just("[["), Just("]"),
            Just("{\"kind\":\"\\u0065vent\"}\n"), Just("{\"\\u006bind\":\"audit\", \"kind\":3}\n"), Just("{\"timestamp\":1e999}\n"),
        ].prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ]
}

fn log() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(fragment(), 0..12).prop_map(|fragments| fragments.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_change_nothing(bytes in log(), piece in 1..40usize) {
        prop_assert_eq!(scan(&bytes, usize::MAX), scan(&bytes, piece));
    }

    #[test]
    fn scans_of_two_halves_merge_into_the_scan_of_the_whole(bytes in log(), at in any::<prop::sample::Index>()) {
        let cuts: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i] == b'\n').map(|i| i + 1).chain([0]).collect();
        let cut = cuts[at.index(cuts.len())];
        let mut scanner = Scanner::new(0, 5);
        _ = scanner.push(&bytes[..cut], &mut ());
        let mut whole = scanner.finish(&mut ());
        let mut scanner = Scanner::new(cut as u64, 5);
        _ = scanner.push(&bytes[cut..], &mut ());
        whole.merge(scanner.finish(&mut ()), 5);
        prop_assert_eq!(whole, scan(&bytes, usize::MAX).0);
    }

    #[test]
    fn kept_and_rejected_stretches_tile_the_file(bytes in log()) {
        let (summary, everything) = scan(&bytes, 9);
        let (mut at, mut rejected, mut newlines) = (0, 0, 0);
        for step in everything.steps {
            match step {
                Step::Keep(range) => { prop_assert_eq!(range.start, at); at = range.end; }
                Step::Reject(range) => { prop_assert_eq!(range.start, at); at = range.end; rejected += range.end - range.start; }
                Step::Newline => newlines += 1,
            }
        }
        prop_assert_eq!((at, rejected, newlines), (bytes.len() as u64, summary.rejected_bytes, summary.newlines_owed));
    }

    #[test]
    fn recovery_leaves_a_clean_log_with_every_record(bytes in log()) {
        let before = scan(&bytes, usize::MAX).0;
        let (kept, rejected) = recover(&bytes);
        let after = scan(&kept, usize::MAX).0;
        prop_assert_eq!(after.anomalies, 0, "{}", String::from_utf8_lossy(&kept));
        let mut expected = before.records;
        expected.merge(before.salvaged);
        prop_assert_eq!(after.records, expected);
        prop_assert_eq!(before.anomalies == 0, rejected.is_empty() && kept == bytes);
        prop_assert_eq!(recover(&kept), (kept, Vec::new()));
    }

    #[test]
    fn intact_lines_survive_byte_for_byte_and_in_order(bytes in log()) {
        let (kept, _) = recover(&bytes);
        let mut from = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if line.ends_with(b"\n") && !line.contains(&b'\r') && scan(line, usize::MAX).0.anomalies == 0 {
                let found = kept[from..].windows(line.len()).position(|window| window == line);
                prop_assert!(found.is_some(), "lost: {}", String::from_utf8_lossy(line));
                from += found.unwrap_or(0) + line.len();
            }
        }
    }
}

#[test]
fn a_crash_is_told_by_its_field_wherever_the_bytes_are_cut() {
    let crashed = |line: &str, cut: usize| {
        let mut log = Everything::default();
        let bytes = [CRASH, "\n", line, "\n", CRASH, "\n"].concat();
        let mut scanner = Scanner::new(0, 5);
        _ = scanner.push(&bytes.as_bytes()[..cut], &mut log);
        _ = scanner.push(&bytes.as_bytes()[cut..], &mut log);
        _ = scanner.finish(&mut log);
        log.crashed
    };
    let escaped = CRASH.replace("ActorCrashed", "\\u0041ctorCrashed");
    let last_wins = CRASH.replace("\"payload\"", "\"event_type\": \"ActorStarted\", \"payload\"");
    let no_text = CRASH.replace("\"payload\"", "\"event_type\": null, \"payload\"");
    let deep = r#"{"kind": "event", "payload": {"event_type": "ActorCrashed"}}"#;
    let longer = CRASH.replace("ActorCrashed", "ActorCrashedNotAtAll");
    for (line, is_crash) in [
        (CRASH, true),
        (&escaped, true),
        (EVENT, false),
        (&last_wins, false),
        (&no_text, false),
        (deep, false),
        (&longer, false),
    ] {
        for cut in 0..2 * CRASH.len() + line.len() + 3 {
            assert_eq!(crashed(line, cut), [true, is_crash, true], "{line} cut at {cut}");
        }
    }
}

#[test]
fn a_million_deep_array_is_kept_and_noted_and_costs_no_memory() {
    let deep = format!("{{\"kind\":\"event\",\"payload\":{}{}}}\n", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let (summary, _) = scan(deep.as_bytes(), 4096);
    assert_eq!((summary.anomalies, summary.records.event), (0, 1));
    let notes: Vec<_> = summary.notes().map(|(note, _)| format!("{note:?}")).collect();
    assert_eq!(notes, ["MissingField", "DeepNesting", "NotValidatedToTheBottom"]);
}

#[test]
fn numbers_are_pythons() {
    for good in [
        "-0",
        "0e0",
        "0E+5",
        "1.5E-3",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "1e-400",
        "123456789012345678901234567890",
    ] {
        let line = format!("{{\"a\": {good}}}\n");
        for piece in [1, 4096] {
            assert_eq!(scan(line.as_bytes(), piece).0.anomalies, 0, "{good}");
        }
    }
    for bad in [
        "01",
        "-01",
        "1.",
        ".5",
        "-.5",
        "+1",
        "-",
        "1e",
        "1e+",
        "--1",
        "0x1",
        "1_0",
        "00",
        "nan",
        "inf",
        "-NaN",
        "+Infinity",
        "1.e1",
        "- 1",
        "１",
    ] {
        let line = format!("{{\"a\": {bad}}}\n");
        for piece in [1, 4096] {
            assert_eq!(scan(line.as_bytes(), piece).0.anomalies, 1, "{bad}");
        }
    }
}
