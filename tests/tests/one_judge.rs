//! A live stream, its dump, its DUMP payload and its append-only folder: one judgement, entry by entry, and the same
//! notes.

use std::collections::BTreeMap;

use papyra_tests::Workshop;
use papyra_tests::redis::{Redis, bytes, event};
use serde_json::Value;

type Judgement =
    (BTreeMap<String, u64>, BTreeMap<String, u64>, Vec<(String, String, String)>, Option<f64>, Option<f64>);

fn judgement(report: &Value) -> Judgement {
    let counts = |value: &Value| -> BTreeMap<String, u64> {
        let counts = value.as_object().unwrap().iter().filter(|(_, count)| **count != 0);
        counts.map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect()
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let files = || report["files"].as_array().unwrap().iter();
    let findings = files().flat_map(|file| file["anomalies"].as_array().unwrap());
    let mut findings: Vec<_> =
        findings.map(|finding| (text(&finding["id"]), text(&finding["reason"]), text(&finding["detail"]))).collect();
    findings.sort();
    let time = |name: &str| report["totals"][name].as_f64();
    let (notes, records) = (counts(&report["totals"]["notes"]), counts(&report["totals"]["records"]));
    (records, notes, findings, time("first_timestamp"), time("last_timestamp"))
}

#[test]
fn live_and_offline_agree_on_every_entry() {
    let Some(mut server) = Redis::start(&["--appendonly", "yes", "--appendfsync", "no"]) else { return };
    let key = "papyra:s:events";
    let events: Vec<String> = (0..10).map(event).collect();
    let audit = event(1).replace("\"event\"", "\"audit\"");
    let entries: &[&[(&[u8], &[u8])]] = &[
        &[(b"data", events[5].as_bytes())],
        &[(b"data", events[3].as_bytes())],
        &[(b"data", events[6].as_bytes()), (b"trace", b"7f")],
        &[(b"data", events[7].as_bytes()), (b"trace", b"\xff\xfe")],
        &[(b"data", events[8].as_bytes()), (b"\xc3", b"")],
        &[(b"data", b"{\"\xff\": 1}")],
        &[(b"data", b"{\"kind\": \"event\"}")],
        &[(b"data", audit.as_bytes())],
        &[(b"data", b"[]")],
        &[(b"data", b"{\"kind\"")],
        &[(b"data", b"")],
        &[(b"data", b"a\0b")],
        &[(b"other", b"x")],
        &[(b"data", b"{}"), (b"data", events[9].as_bytes())],
        &[(b"data", b"\xff"), (b"data", events[9].as_bytes())],
        &[(b"data", b"{\"kind\": \"later\", \"timestamp\": NaN}")],
    ];
    for (n, fields) in entries.iter().enumerate() {
        let id = format!("{}-0", n + 1);
        let mut words: Vec<&[u8]> = vec![b"XADD", key.as_bytes(), id.as_bytes()];
        words.extend(fields.iter().flat_map(|(name, value)| [*name, *value]));
        server.attempt(&words).expect("an entry");
    }
    // A group that waits for two entries that are gone, and for two that are not.
    server.call(&format!("XGROUP CREATE {key} g 0"));
    let begin = entries.len();
    for n in [begin + 1, begin + 2] {
        let id = format!("{n}-0");
        server.attempt(&["XADD", key, &id, "data", &events[2]]).expect("an entry");
    }
    server.call(&format!("XGROUP SETID {key} g {}-0", begin - 2));
    server.call(&format!("XREADGROUP GROUP g c STREAMS {key} >"));
    server.call(&format!("XDEL {key} {}-0 {}-0", begin + 1, begin + 2));
    server.call("SAVE");
    let payload = bytes(&server.call(&format!("DUMP {key}")));
    let shop = Workshop::with("papyra:s:events.dump", &payload);
    let base = std::fs::read(server.dir().join("dump.rdb")).unwrap();
    shop.write("dump.rdb", &base);
    let log = std::fs::read(server.append_only_file()).unwrap();
    shop.write("a/appendonly.aof.1.incr.aof", log);
    shop.write("a/appendonly.aof.manifest", "file appendonly.aof.1.incr.aof seq 1 type i\n");

    let live = judgement(&shop.on(&server.url(), "persistence scan --strict --format json").must_exit(2).json());
    assert_eq!(live.2.len(), 9, "{live:#?}");
    for note in
        ["missing_field", "time_backwards", "extra_fields", "wrong_stream", "unknown_kind", "pending_without_entry"]
    {
        assert!(live.1.contains_key(note), "{note}: {live:#?}");
    }
    for path in ["dump.rdb", "papyra:s:events.dump", "a"] {
        let run = shop.papyra(&format!("persistence scan --strict --format json --path {path}")).must_exit(2);
        assert_eq!(judgement(&run.json()), live, "{path}");
        let export = shop.papyra(&format!("redis export --path {path} --to out-{}", path.len())).must_exit(2);
        export.must_say("9 entries of papyra:s:events without a record");
    }
}

#[test]
fn notes_alone_count_when_they_are_asked_for() {
    let Some(mut server) = Redis::start(&[]) else { return };
    server.add("papyra:s:events", &[("data", &event(1)), ("trace", "7f")]);
    server.call("SAVE");
    let shop = Workshop::with("dump.rdb", std::fs::read(server.dir().join("dump.rdb")).unwrap());
    shop.papyra("persistence scan --path dump.rdb").must_exit(0);
    shop.papyra("persistence scan --path dump.rdb --strict").must_exit(2).must_say("fields beside `data`");
}
