//! Logs to scan and to damage: small, the same each time, in the form that Papyra writes.

/// An event, without its newline.
pub fn event(number: usize) -> String {
    format!(
        r#"{{"kind": "event", "system_id": "local", "actor_address": "local:{number}", "event_type": "ActorStarted", "payload": {{"who": "zoë"}}, "timestamp": 948.{number:06}}}"#
    )
}

/// An audit, without its newline.
pub fn audit(number: usize) -> String {
    format!(
        r#"{{"kind": "audit", "system_id": "local", "timestamp": 948.{number:06}, "total_actors": 20, "alive_actors": 17, "stopping_actors": 3, "restarting_actors": 0, "registry_size": 17, "registry_orphans": [], "registry_dead": ["w1"], "dead_letters_count": {number}}}"#
    )
}

/// A dead letter, without its newline.
pub fn dead_letter(number: usize) -> String {
    format!(
        r#"{{"kind": "dead_letter", "system_id": "local", "target": "local:{number}", "message_type": "dict", "payload": {{"order": {number}, "x": NaN}}, "timestamp": 948.{number:06}}}"#
    )
}

/// A clean log of so many records of all kinds.
pub fn clean(records: usize) -> String {
    lines(0..records)
}

/// The lines of the records with these numbers.
pub fn lines(numbers: impl IntoIterator<Item = usize>) -> String {
    let record = |number| match number % 5 {
        3 => audit(number),
        4 => dead_letter(number),
        _ => event(number),
    };
    numbers.into_iter().map(|number| record(number) + "\n").collect()
}

/// A log with a damage of every sort in it, what recovery makes of it, and what it removes.
pub struct Damaged {
    /// The log.
    pub log: Vec<u8>,
    /// The log after recovery.
    pub repaired: Vec<u8>,
    /// The removed bytes.
    pub rejected: Vec<u8>,
    /// Its anomalies: line, type and reason.
    pub anomalies: Vec<(u64, &'static str, &'static str)>,
}

/// One damage of every sort, between clean lines.
pub fn damaged() -> Damaged {
    let stump = &event(90)[..40];
    let parts: Vec<(Vec<u8>, String, Vec<u8>, &str)> = vec![
        (
            format!("{}{}\n", event(1), event(2)).into(),
            format!("{}\n{}\n", event(1), event(2)),
            vec![],
            "glued_records",
        ),
        (format!("{stump}{}\n", audit(3)).into(), format!("{}\n", audit(3)), stump.into(), "glued_records"),
        (format!("\0\0\0\0{}\n", dead_letter(4)).into(), format!("{}\n", dead_letter(4)), vec![0; 4], "nul_bytes"),
        (b"\xff\xfe\n".to_vec(), String::new(), b"\xff\xfe\n".to_vec(), "invalid_utf8"),
        (b"42\n".to_vec(), String::new(), b"42\n".to_vec(), "not_an_object"),
        (b"\n".to_vec(), String::new(), b"\n".to_vec(), "blank_line"),
        (b"{'kind': 'event'}\n".to_vec(), String::new(), b"{'kind': 'event'}\n".to_vec(), "invalid_json"),
        (stump.as_bytes().to_vec(), String::new(), stump.as_bytes().to_vec(), "torn_tail"),
    ];
    let mut damaged = Damaged { log: vec![], repaired: vec![], rejected: vec![], anomalies: vec![] };
    for (i, (bytes, kept, rejected, reason)) in parts.into_iter().enumerate() {
        let whole = lines([100 + i]);
        damaged.log.extend_from_slice(whole.as_bytes());
        damaged.repaired.extend_from_slice(whole.as_bytes());
        damaged.log.extend(bytes);
        damaged.repaired.extend(kept.into_bytes());
        damaged.rejected.extend(rejected);
        let kind = if reason == "torn_tail" { "TRUNCATED_LINE" } else { "CORRUPTED_LINE" };
        damaged.anomalies.push((2 * i as u64 + 2, kind, reason));
    }
    damaged
}
