//! Salvage makes no record of what was payload: whatever a client has put into one, and wherever a write was torn, a
//! power cut left NUL bytes or a byte was lost, what is kept is a record that was written.

use papyra_core::scan::{Flow, Record, Scanner, Sink};

/// Two ways to write a record: `kind` first, as the JSON backend does, and last, as the rotating one does.
fn record(kind_first: bool, number: u32, payload: &str) -> String {
    let fields = format!(
        r#""system_id": "s", "actor_address": "s:{number}", "event_type": "E", "payload": {payload}, "timestamp": {number}.5"#
    );
    if kind_first { format!(r#"{{"kind": "event", {fields}}}"#) } else { format!(r#"{{{fields}, "kind": "event"}}"#) }
}

/// A payload full of what looks like records: whole, short, in lists, in strings, and with a stump at its end.
fn payloads(kind_first: bool) -> Vec<String> {
    let inner = record(kind_first, 7, "null");
    let short = r#"{"kind": "event"}"#;
    let quoted = inner.replace('"', "\\\"");
    vec![
        inner.clone(),
        format!("[{inner}, {short}, {inner}]"),
        format!(r#"{{"a": {inner}, "b": {short}}}"#),
        format!(r#""{quoted}{quoted}""#),
        format!(r#"["}}{quoted}", {inner}, "{{\"kind\": \"event\""]"#),
        format!("[{short}]"),
    ]
}

#[derive(Default)]
struct Kept {
    /// What was kept, one way or the other.
    records: usize,
    /// Where those stand that share a damaged line. A line that lost a byte and is a record all the same is none of
    /// salvage's.
    salvaged: Vec<(usize, usize)>,
}

impl Sink for Kept {
    fn record(&mut self, record: &Record<'_>) -> Flow {
        self.records += 1;
        if record.salvaged {
            let from = record.span.offset as usize;
            self.salvaged.push((from, from + record.span.length as usize));
        }
        Flow::Continue(())
    }
}

#[track_caller]
fn must_be_written(log: &[u8], written: &[&str], how: &dyn Fn() -> String) -> usize {
    let (mut scanner, mut kept) = (Scanner::new(0, 0), Kept::default());
    _ = scanner.push(log, &mut kept);
    scanner.finish(&mut kept);
    for &(from, to) in &kept.salvaged {
        let text = String::from_utf8_lossy(&log[from..to]);
        assert!(
            written.contains(&text.trim()),
            "{}: {text} was never written, {}",
            how(),
            String::from_utf8_lossy(log)
        );
    }
    kept.records
}

#[test]
fn no_record_is_made_of_a_payload() {
    for kind_first in [true, false] {
        for payload in payloads(kind_first) {
            let [first, middle, last] = [1, 2, 3].map(|number| record(kind_first, number, &payload));
            let written = [&*first, &*middle, &*last];
            let log = format!("{first}\n{middle}\n{last}\n").into_bytes();
            assert_eq!(must_be_written(&log, &written, &String::new), 3);
            for at in 0..=middle.len() {
                // Torn, and what was appended next is glued to it, or is not there yet.
                let torn = [first.as_bytes(), b"\n", &middle.as_bytes()[..at]].concat();
                let glued = [&torn, last.as_bytes(), b"\n"].concat();
                let kept = must_be_written(&glued, &written, &|| format!("torn at {at}"));
                assert_eq!(
                    kept,
                    if at == middle.len() { 3 } else { 2 },
                    "torn at {at}: {}",
                    String::from_utf8_lossy(&glued)
                );
                must_be_written(&torn, &written, &|| format!("torn at {at}, at the end"));
            }
            for at in 0..log.len() {
                let lost = [&log[..at], &log[at + 1..]].concat();
                must_be_written(&lost, &written, &|| format!("byte {at} is lost"));
                for length in [1, 2, 16, 100, 512] {
                    let mut holed = log.clone();
                    let end = (at + length).min(holed.len());
                    holed[at..end].fill(0);
                    must_be_written(&holed, &written, &|| format!("{length} NUL bytes at {at}"));
                }
            }
        }
    }
}
