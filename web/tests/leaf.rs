//! The leaf in a browser (and natively, where the same tests run as ordinary ones).
//!
//! Built with the output of the `golden` example (see build.rs), reports are held against the native ones byte for
//! byte.

mod cases;

use cases::{Case, cases, opened, redis_cases, report};
use papyra_web::{Archive, Opening, Scanner, Search, about, archive, misunderstood, rows};
use serde_json::Value;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::{wasm_bindgen_test as test, wasm_bindgen_test_configure};

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test_configure!(run_in_dedicated_worker);

fn alone(name: &str) -> Opening {
    Opening::new(vec![name.to_owned()])
}

fn golden() -> Option<Value> {
    let text = include_str!(concat!(env!("OUT_DIR"), "/golden.json"));
    (!text.is_empty()).then(|| serde_json::from_str(text).expect("golden reports"))
}

#[test]
fn reports_are_the_native_ones_to_the_byte_in_any_portions() {
    let golden = golden();
    for case in cases().into_iter().chain(redis_cases()) {
        let whole = report(&case, usize::MAX);
        assert_eq!(report(&case, 7), whole, "{} in 7-byte pushes", case.name);
        if let Some(golden) = &golden {
            assert_eq!(golden[case.name].as_str(), Some(&*whole), "{} against the native report", case.name);
        }
    }
}

#[test]
fn a_plan_tiles_the_file_and_what_it_keeps_is_clean() {
    for case in cases() {
        let opening = opened(&case);
        let arranged: Value = serde_json::from_str(&opening.arrange()).expect("JSON");
        let order = arranged["order"].as_array().expect("an order").iter().filter_map(Value::as_u64);
        let order: Vec<u32> = order.map(|at| at as u32).collect();
        let files: Vec<_> = order.iter().map(|at| &case.files[*at as usize]).collect();
        let sizes = files.iter().map(|(_, bytes)| bytes.len() as f64).collect();
        let mut scanner = Scanner::new(&opening, order, sizes);
        for (_, bytes) in &files {
            scanner.push(bytes);
            scanner.end_file();
        }
        scanner.finish(true);
        for (file, (_, bytes)) in files.into_iter().enumerate() {
            let (mut at, mut kept) = (0, Vec::new());
            for part in scanner.plan(file).chunks(3) {
                let (action, offset, length) = (part[0], part[1] as usize, part[2] as usize);
                assert_eq!(offset, at, "{}", case.name);
                at += length;
                if action < 2.0 {
                    kept.extend_from_slice(&bytes[offset..at]);
                }
                if action == 1.0 {
                    kept.push(b'\n');
                }
            }
            assert_eq!(at, bytes.len(), "{}", case.name);
            let repaired = Case { name: "repaired", files: vec![("events.ndjson", kept)] };
            assert!(report(&repaired, 100).contains("\"verdict\": \"clean\""), "{}", case.name);
        }
    }
}

#[test]
fn packed_logs_give_the_plain_report_but_for_a_cut() {
    use std::io::Write;
    let plain = cases().into_iter().find(|case| case.name == "many_anomalies").expect("a case");
    let bytes = &plain.files[0].1;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).expect("memory");
    let gzip = gzip.finish().expect("memory");
    let zstd = ruzstd::encoding::compress_to_vec(&bytes[..], ruzstd::encoding::CompressionLevel::Fastest);
    for packed in [gzip, zstd] {
        for step in [7, usize::MAX] {
            let whole = Case { name: "", files: vec![("events.ndjson", packed.clone())] };
            assert_eq!(report(&whole, step), report(&plain, 1000));
            let cut = Case { name: "", files: vec![("events.ndjson", packed[..packed.len() / 2].to_vec())] };
            let cut: Value = serde_json::from_str(&report(&cut, step)).expect("a report");
            let last = cut["files"][0]["anomalies"].as_array().and_then(|list| list.last()).expect("an anomaly");
            assert_eq!(last["reason"], "damaged_archive");
        }
    }
}

#[test]
fn fresh_findings_come_once_and_only_as_many_as_are_listed() {
    let case = cases().into_iter().find(|case| case.name == "many_anomalies").expect("a case");
    let mut scanner = Scanner::new(&alone("a"), vec![0], vec![case.files[0].1.len() as f64]);
    let mut seen = 0;
    for chunk in case.files[0].1.chunks(10_000) {
        scanner.push(chunk);
        let found: Vec<Value> =
            scanner.take_found().map_or(Vec::new(), |text| serde_json::from_str(&text).expect("JSON"));
        seen += found.len();
    }
    assert_eq!((seen, scanner.records()), (1000, 3000.0));
}

#[test]
fn what_is_cut_by_stopping_is_not_called_torn() {
    let log = "{\"kind\": \"event\"}\n{\"kind\": \"au";
    let mut scanner = Scanner::new(&alone("a"), vec![0], vec![1000.0]);
    scanner.push(log.as_bytes());
    let report: Value = serde_json::from_str(&scanner.finish(false)).expect("JSON");
    assert_eq!((&report["totals"]["anomalies"], &report["totals"]["lines"]), (&0.into(), &1.into()));
    assert_eq!(report["totals"]["bytes"], log.len());
}

/// Of an append-only folder the manifest says the order, whatever the order of the drop; files beside the backup stand
/// behind it.
#[test]
fn redis_backups_are_put_together_by_content() {
    let case = redis_cases().into_iter().find(|case| case.name == "redis_folder").expect("a case");
    let opening = opened(&case);
    let arranged: Value = serde_json::from_str(&opening.arrange()).expect("JSON");
    assert_eq!((&arranged["order"], &arranged["logs"]), (&serde_json::json!([2, 0, 1]), &0.into()));
    let folder = &arranged["backups"][0];
    assert_eq!((&folder["files"], &folder["beside"]), (&serde_json::json!([0, 1]), &serde_json::json!([2])));
}

/// A dump that is stopped in the middle is told as far as it was seen, and nothing in it is called torn.
#[test]
fn a_stopped_dump_is_no_damaged_one() {
    let case = redis_cases().into_iter().find(|case| case.name == "redis_dump").expect("a case");
    let bytes = &case.files[0].1;
    let opening = opened(&case);
    let mut redis = opening.backups();
    let mut scanner = Scanner::new(&alone("a"), Vec::new(), vec![bytes.len() as f64]);
    assert!(redis.want().is_some() && redis.push(&bytes[..9000], &mut scanner));
    scanner.add(redis, false);
    let report: Value = serde_json::from_str(&scanner.finish(false)).expect("JSON");
    let file = &report["files"][0];
    assert_eq!((&file["bytes"], &file["anomaly_count"]), (&9000.into(), &1.into()));
    assert_eq!(file["anomalies"][0]["reason"], "not_an_object");
    assert_eq!((&file["backup"]["checksum"], &file["streams"][1]["incomplete"]), (&"not_reached".into(), &true.into()));
}

/// A dump's records can be looked through as a log's can; what only begins as a dump has none to show.
#[test]
fn a_dump_is_listed_and_stands_in_the_history() {
    for (name, is_dump) in [("redis_dump", true), ("redis_commands_after_a_dump", false)] {
        let case = redis_cases().into_iter().find(|case| case.name == name).expect("a case");
        let bytes = &case.files[0].1;
        let opening = opened(&case);
        let mut redis = opening.backups();
        let mut scanner = Scanner::new(&alone("a"), Vec::new(), vec![bytes.len() as f64]);
        let mut text = Vec::new();
        while let Some(want) = redis.want() {
            let want: Value = serde_json::from_str(&want).expect("JSON");
            let number = |name: &str| want[name].as_u64().expect("a number") as usize;
            for chunk in bytes[number("from")..number("to")].chunks(1000) {
                let goes_on = redis.push(chunk, &mut scanner);
                text.extend(scanner.take_listed(0).unwrap_or_default());
                if !goes_on {
                    break;
                }
            }
            assert_eq!(redis.end(&mut scanner), None);
        }
        text.extend(scanner.take_listed(0).unwrap_or_default());
        scanner.add(redis, true);
        let report: Value = serde_json::from_str(&scanner.finish(true)).expect("JSON");
        let details: Value = serde_json::from_str(&scanner.details(2e9)).expect("JSON");
        let timeline = &details["timeline"];
        let sum = |name: &str| timeline[name].as_array().expect("bins").iter().filter_map(Value::as_u64).sum::<u64>();
        if !is_dump {
            assert_eq!((&details["listings"], sum("events")), (&serde_json::json!([]), 0));
            continue;
        }
        let listing = &details["listings"][0];
        let kinds = ["event", "audit", "dead_letter", "other"];
        let records: u64 = kinds.map(|kind| report["totals"]["records"][kind].as_u64().expect("a number")).iter().sum();
        assert_eq!((&listing["lines"], &listing["bytes"]), (&records.into(), &text.len().into()));
        assert_eq!(scanner.line_offsets(0)[0], 0.0);
        assert!(sum("events") > 0 && sum("deadLetters") > 0 && sum("anomalies") == 3);
    }
}

#[test]
fn names_lines_and_hits_come_through() {
    let record = b"{\"kind\": \"event\"}\n".to_vec();
    let set = ["r.log", "r.log.2", "r.log.1"].map(|name| (name, record.clone()));
    let opening = opened(&Case { name: "a set", files: set.to_vec() });
    let order: Value = serde_json::from_str(&opening.arrange()).expect("JSON");
    assert_eq!((&order["order"], &order["rotation"]), (&serde_json::json!([1, 2, 0]), &true.into()));
    let log = "{\"kind\": \"event\", \"event_type\": \"A\", \"timestamp\": 2}\n{\"kind\": \"audit\"}\n";
    let shown: Value = serde_json::from_str(&rows(log.as_bytes(), 5e9, 7.0, "a")).expect("JSON");
    assert_eq!(
        (&shown[0]["row"]["type"], &shown[1]["row"]["offset"], &shown[1]["row"]["line"]),
        (&"A".into(), &5_000_000_053_u64.into(), &8.into())
    );
    assert_eq!(shown[0]["marks"], serde_json::json!([[0, 1], [], [33, 34, 44, 45]]));
    let mut search = Search::new("AUDIT", log.len() as f64, true);
    search.begin("a".into(), 0.0, 1.0);
    search.push(log.as_bytes());
    search.finish();
    assert_eq!((search.take(f64::INFINITY), search.total()), (vec![2.0, 53.0, 17.0], 1.0));
    search.begin("b".into(), 0.0, 1.0);
    search.push(log.repeat(3).as_bytes());
    search.finish();
    assert_eq!((search.take(2.0).len(), search.take(2.0).len(), search.total()), (6, 0, 4.0));
    assert!(
        String::from_utf8_lossy(&search.take_csv()).contains("a,2,53,audit,,,,\"{\"\"kind\"\": \"\"audit\"\"}\"\r\nb,")
    );
    let told: Value = serde_json::from_str(&search.told(2e9)).expect("JSON");
    assert_eq!((&told["timeline"]["axis"], &told["ranked"]["actorCount"]), (&"position".into(), &0.into()));
    assert_eq!((misunderstood("kind:audit"), misunderstood("/(/").is_some()), (None, true));
    let about: Value = serde_json::from_str(&about()).expect("JSON");
    assert!(about["notes"]["duplicate_key"].is_string());
}

#[test]
fn an_archive_is_told_file_by_file_with_its_bytes_or_its_places() {
    let mut zip = b"PK\x03\x04\x0a\0\0\0\0\0\0\0\0\0".to_vec();
    zip.extend(crc32fast_of(b"hello").to_le_bytes());
    zip.extend([5, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0]);
    zip.extend(b"ahelloPK\x01\x02");
    assert_eq!((archive(&zip).as_deref(), archive(b"{\"kind\"")), (Some("zip"), None));
    let mut opened = Archive::new(&zip);
    assert!(opened.push(&zip));
    let seen: Value = serde_json::from_str(&opened.take_seen()).expect("JSON");
    assert_eq!(seen, serde_json::json!([{"begin": "a", "place": [31, 36]}, {"end": true}]));
    assert_eq!((opened.take_bytes().len(), opened.finish()), (0, None));
}

fn crc32fast_of(bytes: &[u8]) -> u32 {
    let mut crc = papyra_core::crc32::Crc32::default();
    crc.update(bytes);
    crc.value()
}
