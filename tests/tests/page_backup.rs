//! The page against `papyra backup verify`, on backups of streams: the same damage and the same scan, whole, with bits
//! flipped, cut and forged, in any portions.

use papyra_tests::Workshop;
use papyra_tests::redis::Redis;
use papyra_tests::redis_history::play;
use papyra_web::{Scanner, backup};
use serde_json::{Value, json};

/// The names of the files that hold streams.
fn payloads(shop: &Workshop, folder: &str) -> Vec<String> {
    let manifest: Value = serde_json::from_slice(&shop.read(&format!("{folder}/manifest.json"))).expect("JSON");
    let files = manifest["files"].as_array().expect("files").iter();
    let hold = files.filter(|file| file["content"] == "dump" || file["content"] == "rdb");
    hold.map(|file| file["stored"].as_str().expect("a name").to_owned()).collect()
}

/// Damage and scan of the backup in a folder as the page has them, its files read in portions of so many bytes.
fn page(shop: &Workshop, folder: &str, step: usize) -> Value {
    let [manifest, sums] = ["manifest.json", "SHA256SUMS"].map(|name| shop.read(&format!("{folder}/{name}")));
    let entries = std::fs::read_dir(shop.path(folder)).expect("a folder");
    let paths: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    let told: Value = serde_json::from_str(&backup(&manifest, &sums, paths.clone())).expect("JSON");
    let files = told["files"].as_array().expect("a list").iter().map(|file| file["at"].as_u64().expect("a place"));
    let files: Vec<Vec<u8>> = files.map(|at| shop.read(&format!("{folder}/{}", paths[at as usize]))).collect();
    let sizes = files.iter().map(|bytes| bytes.len() as f64).collect();
    let mut scanner = Scanner::of_backup(&manifest, &sums, paths, sizes).expect("a backup");
    for bytes in &files {
        bytes.chunks(step).for_each(|chunk| scanner.push(chunk));
        scanner.end_file();
    }
    let scan: Value = serde_json::from_str(&scanner.finish(true)).expect("a report");
    let details: Value = serde_json::from_str(&scanner.details(0.0)).expect("JSON");
    let sum = |of: &Value| of.as_object().expect("numbers").values().filter_map(Value::as_u64).sum::<u64>();
    let listed: u64 =
        details["listings"].as_array().expect("a list").iter().filter_map(|one| one["lines"].as_u64()).sum();
    let records = &scan["totals"]["records"];
    assert_eq!(listed, sum(records), "records that are listed, and counted");
    for (series, kind) in [("events", "event"), ("deadLetters", "dead_letter")] {
        let bins = details["timeline"][series].as_array().expect("bins").iter();
        let drawn: u64 = bins.filter_map(Value::as_u64).sum();
        assert_eq!(json!(drawn), records[kind], "{kind} records that are in the history, and counted");
    }
    json!({ "damage": details["backup"]["damage"], "scan": scan })
}

#[track_caller]
fn same(shop: &Workshop, folder: &str, what: &str) -> Value {
    let said = shop.papyra(&format!("backup verify {folder} --format json")).json();
    let expected = json!({ "damage": said["damage"], "scan": said["scan"] });
    for step in [1000, usize::MAX] {
        assert_eq!(page(shop, folder, step), expected, "{what}, in portions of {step}");
    }
    expected
}

#[test]
fn backups_of_streams_are_judged_as_the_command_does() {
    let Some(mut server) = Redis::start(&["--repl-diskless-sync-delay", "0"]) else { return };
    play(&mut server, 3, 150);
    let shop = Workshop::default();
    for (name, how) in [("dump", "--method dump"), ("rdb", "--method bgsave"), ("packed", "--compress zstd")] {
        shop.on(&server.url(), &format!("backup create --to b --name {name} --system-id orders --accept-damage {how}"))
            .must_exit(0);
        let folder = format!("b/{name}");
        let whole = same(&shop, &folder, "whole");
        assert_eq!(whole["damage"], json!([]));
        assert!(whole["scan"]["totals"]["lines"].as_u64().is_some_and(|entries| entries > 0), "{whole:#}");
        // How far a broken archive unpacks is its reader's affair.
        for stored in payloads(&shop, &folder).iter().filter(|_| name != "packed") {
            let path = format!("{folder}/{stored}");
            let bytes = shop.read(&path);
            for nth in 0..6 {
                let at = bytes.len() * nth / 6;
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << (nth % 8);
                shop.write(&path, flipped);
                assert_ne!(same(&shop, &folder, &format!("{stored} with a bit flipped at {at}"))["damage"], json!([]));
                shop.write(&path, &bytes[..at]);
                assert_ne!(same(&shop, &folder, &format!("{stored} cut at {at}"))["damage"], json!([]));
            }
            shop.write(&path, bytes);
        }
    }
}

#[test]
fn streams_that_the_manifest_tells_otherwise_are_found_out() {
    let Some(mut server) = Redis::start(&["--repl-diskless-sync-delay", "0"]) else { return };
    play(&mut server, 5, 150);
    let shop = Workshop::default();
    for (name, method) in [("dump", "dump"), ("rdb", "bgsave")] {
        let how = format!("backup create --to b --name {name} --system-id orders --accept-damage --method {method}");
        shop.on(&server.url(), &how).must_exit(0);
        let folder = format!("b/{name}");
        shop.forge(&folder, |manifest| {
            let stream = &mut manifest["source"]["redis"]["streams"][0];
            stream["entries_added"] = json!(stream["entries_added"].as_u64().expect("a number") + 1);
        });
        let told = same(&shop, &folder, "a stream that is said to have had one entry more");
        assert!(told["damage"].to_string().contains("the manifest says something else of"), "{told:#}");
    }
}
