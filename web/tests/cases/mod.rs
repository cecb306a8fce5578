//! Small logs named by their defect, and the way to run them through the leaf.

#[path = "redis.rs"]
mod redis;

use papyra_web::{Opening, Scanner};

pub(crate) use redis::cases as redis_cases;

/// A case: its name and its files in reading order.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
}

const EVENT: &str = r#"{"kind": "event", "system_id": "s", "actor_address": "s:1", "event_type": "ActorStarted", "payload": {}, "timestamp": 948.5}"#;
const CRASH: &str = r#"{"kind": "event", "system_id": "s", "actor_address": {"system": "s", "actor_id": 2}, "event_type": "ActorCrashed", "payload": {"error": "zoë <b>\u202e"}, "timestamp": 949.25}"#;
const LETTER: &str = r#"{"kind": "dead_letter", "system_id": "s", "target": null, "message_type": "Pay", "payload": [1, NaN, "東京"], "timestamp": 950.0}"#;
const AUDIT: &str = r#"{"system_id": "s", "timestamp": 951.0, "total_actors": 3, "alive_actors": 3, "stopping_actors": 0, "restarting_actors": 0, "registry_size": 1, "registry_orphans": [], "registry_dead": [], "dead_letters_count": 1, "kind": "audit"}"#;

fn one(name: &'static str, bytes: impl AsRef<[u8]>) -> Case {
    Case { name, files: vec![("events.ndjson", bytes.as_ref().to_vec())] }
}

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let clean = format!("{EVENT}\n{CRASH}\n{LETTER}\n{AUDIT}\n");
    let many: String = (0..3000).map(|n| format!("{EVENT}\n{}", if n % 2 == 0 { "}\n" } else { "" })).collect();
    let set = vec![
        ("rot.log.3", clean.clone().into_bytes()),
        ("rot.log.1", format!("{EVENT}\n\n{AUDIT}\n").into_bytes()),
        ("rot.log", format!("{LETTER}\n{CRASH}").into_bytes()),
        ("rot.log.2.compact.tmp", format!("{EVENT}\n").into_bytes()),
        ("rot.log.bak", b"x\n".to_vec()),
    ];
    vec![
        one("empty", ""),
        one("clean", &clean),
        one("crlf_and_cr", clean.replacen('\n', "\r\n", 2).replacen("}\n{", "}\r{", 1)),
        one("torn_tail", &clean[..clean.len() - 40]),
        one("missing_newline", clean.trim_end()),
        one("glued", format!("{EVENT}{CRASH}\n{}{LETTER}\n", &EVENT[..30])),
        one("nul_bytes", [clean.as_bytes(), &[0; 700], AUDIT.as_bytes(), b"\n\0\0"].concat()),
        one("invalid_utf8", [EVENT.as_bytes(), b"\n{\"kind\": \"\xff\xc3\x28\"}\n", AUDIT.as_bytes(), b"\n"].concat()),
        one("not_an_object", format!("42\n[1]\n\"x\"\n\n{EVENT}\n")),
        one(
            "unknown_and_odd",
            "{\"kind\": \"new\"}\n{\"kind\": \"event\", \"kind\": \"audit\", \"timestamp\": \"x\"}\n{}\n",
        ),
        one("many_anomalies", many),
        one("long_line", format!("{{\"kind\": \"event\", \"payload\": \"{}\"}}\n{EVENT}\n", "x".repeat(300_000))),
        one("deep", format!("{{\"payload\": {}{}}}\n{EVENT}\n", "[".repeat(20_000), "]".repeat(20_000))),
        one("a_picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0"),
        Case { name: "rotation_set", files: set },
    ]
}

/// The files of a case, looked at: as a folder when they are more than one.
pub(crate) fn opened(case: &Case) -> Opening {
    let names: Vec<String> = case.files.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut opening = if names.len() == 1 { Opening::new(names) } else { Opening::of_folder(names, Vec::new()) };
    for (at, (_, bytes)) in case.files.iter().enumerate() {
        let (start, end) = (&bytes[..bytes.len().min(1 << 16)], &bytes[bytes.len().saturating_sub(10)..]);
        if opening.add(at, bytes.len() as f64, start, end) {
            opening.content(at, bytes);
        }
    }
    opening
}

/// The report of a case whose files come in portions of so many bytes, or why there is none.
pub(crate) fn report(case: &Case, step: usize) -> String {
    let opening = opened(case);
    let arranged: serde_json::Value = serde_json::from_str(&opening.arrange()).expect("JSON");
    let order = arranged["order"].as_array().expect("an order").iter().filter_map(serde_json::Value::as_u64);
    let files: Vec<_> = order.map(|at| &case.files[at as usize]).collect();
    let logs = &files[..arranged["logs"].as_u64().expect("a number") as usize];
    let places = arranged["order"].as_array().expect("an order").iter().filter_map(serde_json::Value::as_u64);
    let places = places.take(logs.len()).map(|at| at as u32).collect();
    let mut scanner = Scanner::new(&opening, places, files.iter().map(|(_, bytes)| bytes.len() as f64).collect());
    for (_, bytes) in logs {
        bytes.chunks(step).for_each(|chunk| scanner.push(chunk));
        scanner.end_file();
    }
    let mut redis = opening.backups();
    while let Some(want) = redis.want() {
        let want: serde_json::Value = serde_json::from_str(&want).expect("JSON");
        let number = |name: &str| want[name].as_u64().expect("a number") as usize;
        let bytes = &files[number("file")].1[number("from")..number("to")];
        _ = bytes.chunks(step).all(|chunk| redis.push(chunk, &mut scanner));
        if let Some(refused) = redis.end(&mut scanner) {
            return refused;
        }
    }
    scanner.add(redis, true);
    scanner.finish(true)
}
