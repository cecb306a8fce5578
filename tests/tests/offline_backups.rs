//! Redis backups on the command line: recognised, scanned, listed and exported.

use std::path::Path;

use papyra_tests::Workshop;
use papyra_tests::redis::encoded;
use serde_json::Value;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).expect("the fixture is there")
}

fn dump() -> Vec<u8> {
    fixture("redis/dump.rdb")
}

/// A dump is scanned like a log: the bad entries by stream, ID and byte, and the streams with their groups.
#[test]
fn a_dump_is_told_by_its_content() {
    let shop = Workshop::with("backup.of.monday", dump());
    let said = shop.papyra("persistence scan --path backup.of.monday").must_exit(2);
    said.must_say("checksum verified")
        .must_say("300 events, 30 audits, 43 dead letters")
        .must_say("group shipping: delivered to 1795383773708-0, 45 pending")
        .must_say("consumer c2: 30 pending");
    let report = shop.papyra("persistence scan --path backup.of.monday --format json").must_exit(2).json();
    assert_eq!((&report["schema"], &report["backend"]), (&"papyra.scan/1".into(), &"redis".into()));
    assert_eq!(report["totals"]["records"]["event"], 300);
    assert_eq!(report["totals"]["anomalies"], 3);
    let file = &report["files"][0];
    let bad = &file["anomalies"][1];
    assert_eq!((&bad["key"], &bad["id"]), (&"papyra:orders:events".into(), &"1795383773758-0".into()));
    assert_eq!((&bad["reason"], &bad["offset"]), (&"invalid_json".into(), &13553.into()));
    let events = &file["streams"][1];
    assert_eq!(
        (&events["length"], &events["entries_added"], &events["pending"]),
        (&302.into(), &302.into(), &45.into())
    );
    assert_eq!(file["backup"]["checksum"], "verified");
}

/// A folder of append-only files, named itself or by the folder around it.
#[test]
fn an_append_only_folder_is_one_history() {
    let shop = Workshop::default();
    for name in ["appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"] {
        shop.write(&format!("aof/{name}"), fixture(&format!("redis/appendonlydir/{name}")));
    }
    for path in ["aof", "aof/appendonly.aof.manifest"] {
        let report = shop.papyra(&format!("persistence scan --path {path} --format json")).must_exit(2).json();
        assert_eq!(report["totals"]["records"]["event"], 300, "{path}");
        assert_eq!(report["files"][1]["streams"][2]["pending"], 45, "{path}");
    }
    std::fs::remove_file(shop.path("aof/appendonly.aof.1.base.rdb")).unwrap();
    let report = shop.papyra("persistence scan --path aof --format json").must_exit(2).json();
    assert_eq!(report["files"][0]["anomalies"][0]["type"], "MISSING_FILE");
}

/// Dumps of every server at hand are followed.
#[test]
fn dumps_of_other_servers_are_clean() {
    for name in ["redis-6.2.16", "redis-7.0.15", "redis-7.2.6", "redis-7.4.1", "valkey-8.0.1"] {
        let shop = Workshop::with("dump.rdb", fixture(&format!("rdb/{name}.rdb")));
        let run = shop.papyra("persistence scan --path dump.rdb --format json");
        assert!(matches!(run.code, Some(0 | 2)), "{name}: {run:#?}");
        assert_eq!(run.json()["files"][0]["backup"]["checksum"], "verified", "{name}");
    }
}

/// What is not known is named, with its place, and is neither clean nor damaged.
#[test]
fn an_unknown_version_is_wrong_data() {
    let mut bytes = dump();
    bytes[..9].copy_from_slice(b"REDIS0099");
    let shop = Workshop::with("dump.rdb", bytes);
    shop.papyra("persistence scan --path dump.rdb").must_exit(65).must_complain("version 99").must_complain("offset 0");
}

/// A changed byte is seen by the checksum, a cut by the structure.
#[test]
fn damage_is_found() {
    let mut bytes = dump();
    bytes[5000] ^= 1;
    let shop = Workshop::with("dump.rdb", &bytes).and("cut.rdb", &dump()[..9000]);
    shop.papyra("persistence scan --path dump.rdb").must_exit(2).must_say("Redis backup");
    shop.papyra("persistence scan --path cut.rdb").must_exit(2).must_say("truncated").must_say("broken off by damage");
}

/// The listings of a log work on a backup too.
#[test]
fn records_groups_and_pending_entries_are_listed() {
    let shop = Workshop::with("dump.rdb", dump());
    shop.papyra("inspect events --path dump.rdb --limit 1").must_exit(0).must_say("[1247.150] ActorCrashed orders:10");
    shop.papyra("inspect dead-letters --path dump.rdb --limit 1").must_exit(0).must_say("target=");
    shop.papyra("inspect summary --path dump.rdb").must_exit(0).must_say("Actors: total=");
    shop.papyra("inspect groups --path dump.rdb").must_exit(0).must_say("group alerts");
    shop.papyra("inspect pending --path dump.rdb").must_exit(0).must_say("1795383773700-3: held by c1, delivered once");
    shop.papyra("inspect groups --path dump.rdb --system-id other").must_exit(0).must_not_say("shipping");
}

#[test]
fn what_is_listed_of_a_damaged_dump_says_that_it_may_not_be_all() {
    let mut cut = dump();
    // In the middle of the stream that has the group.
    cut.truncate(13_560);
    let shop = Workshop::with("cut.rdb", cut);
    for what in ["groups", "pending"] {
        shop.papyra(&format!("inspect {what} --path cut.rdb"))
            .must_exit(0)
            .must_complain("passed over")
            .must_complain("papyra:orders:events is cut off by the damage");
    }
    assert_eq!(
        shop.papyra("inspect groups --path cut.rdb --format json").json()["streams"].as_array().unwrap().len(),
        1
    );
    shop.papyra("inspect events --path cut.rdb").must_exit(0).must_complain("passed over");
    shop.write("torn.ndjson", "{\"kind\": \"ev");
    shop.papyra("inspect events --path torn.ndjson").must_complain("1 anomaly passed over");
    assert_eq!(shop.papyra("inspect events --path torn.ndjson --quiet").stderr, "");
}

/// An export is logs that scan clean and a list of groups; it writes over nothing.
#[test]
fn an_export_is_logs_and_groups() {
    let shop = Workshop::with("dump.rdb", dump());
    shop.papyra("redis export --path dump.rdb --to out")
        .must_exit(2)
        .must_say("2 entries of papyra:orders:events without a record");
    let names: Vec<String> =
        ["audits", "dead_letters", "events"].map(|kind| format!("out/papyra.orders.{kind}.ndjson")).into();
    for name in &names {
        shop.papyra(&format!("persistence scan --path {name}")).must_exit(0);
    }
    let report = shop.papyra(&format!("persistence scan --path {} --format json", names[2])).json();
    assert_eq!(report["totals"]["records"]["event"], 300);
    // What no log can hold lies beside the log, whole: the entries that the scan names.
    let kept: Vec<Value> = String::from_utf8(shop.read("out/papyra.orders.events.rejected"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let report = shop.papyra("persistence scan --path dump.rdb --format json").json();
    let named = report["files"][0]["anomalies"].as_array().unwrap().iter();
    let named: Vec<&Value> = named.filter(|bad| bad["key"] == "papyra:orders:events").map(|bad| &bad["id"]).collect();
    assert_eq!(kept.iter().map(|line| &line["id"]).collect::<Vec<_>>(), named);
    assert!(
        kept.iter().all(|line| line["source"] == "papyra:orders:events" && line["fields"][0].is_array()),
        "{kept:?}"
    );
    let groups: Value = serde_json::from_slice(&shop.read("out/groups.json")).unwrap();
    assert_eq!(groups["schema"], "papyra.groups/1");
    let events = groups["streams"].as_array().unwrap().iter().find(|s| s["key"] == "papyra:orders:events").unwrap();
    assert_eq!(events["groups"][0]["pending"].as_array().unwrap().len(), 45);
    // The one shape that `redis groups ensure` reads.
    serde_json::from_value::<papyra_core::redis::GroupsFile>(groups.clone()).unwrap();
    shop.papyra("redis export --path dump.rdb --to out").must_exit(73).must_complain("not empty");
    shop.papyra("redis export --path out/papyra.orders.events.ndjson --to more")
        .must_exit(64)
        .must_complain("not a Redis backup");
}

/// On a damaged dump, what comes before the damage is exported, and what is found again after it; both say so.
#[test]
fn a_damaged_dump_is_salvaged() {
    let bytes = dump();
    let shop = Workshop::with("cut.rdb", &bytes[..9000]);
    shop.papyra("redis export --path cut.rdb --to out").must_exit(2).must_say("salvaged");
    assert!(shop.path("out/papyra.orders.events.salvaged.ndjson").exists(), "{:?}", shop.contents("out").len());
    assert!(shop.path("out/papyra.orders.dead_letters.ndjson").exists());
    shop.papyra("persistence scan --path out/papyra.orders.events.salvaged.ndjson").must_exit(0);

    // A length inside the second stream that points nowhere; the third is found again.
    let at = bytes.windows(20).position(|part| part == b"papyra:orders:events").unwrap() + 20;
    let mut bytes = bytes;
    bytes[at] = 0xc7;
    let shop = Workshop::with("dump.rdb", &bytes);
    shop.papyra("redis export --path dump.rdb --to out").must_exit(2).must_say("audits.salvaged.ndjson: 30 records");
    let groups: Value = serde_json::from_slice(&shop.read("out/groups.json")).unwrap();
    let salvaged: Vec<bool> =
        groups["streams"].as_array().unwrap().iter().map(|stream| stream["salvaged"] == true).collect();
    assert_eq!(salvaged, [false, true, true]);
}

/// Fields besides `data` do not make a bad record; a log cannot hold them, and they are kept beside it.
#[test]
fn an_export_keeps_every_field() {
    let add = |id: &str, fields: &[&str]| {
        let all = [&["XADD", "papyra:s:events", id], fields].concat();
        encoded(&all.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    };
    let (event, last) = (r#"{"kind": "event", "timestamp": 1.0}"#, r#"{"kind": "event", "timestamp": 2.0}"#);
    let commands = [
        add("1-0", &["data", event]),
        add("2-0", &["data", "lost", "a", "1", "data", last, "b", "2"]),
        add("3-0", &["oops", "\u{7f}"]),
    ];
    let shop = Workshop::with("one.aof", commands.concat());
    let said = shop.papyra("redis export --path one.aof --to out --format json").must_exit(2).json();
    assert_eq!((&said["logs"][0]["bad_entries"], &said["logs"][0]["more_fields"]), (&1.into(), &1.into()));
    assert_eq!(said["logs"][0]["rejected"], "papyra.s.events.rejected");
    let log = String::from_utf8(shop.read("out/papyra.s.events.ndjson")).unwrap();
    assert_eq!(log.lines().collect::<Vec<_>>(), [event, last]);
    assert_eq!(
        String::from_utf8(shop.read("out/papyra.s.events.rejected")).unwrap(),
        "{\"source\":\"papyra:s:events\",\"id\":\"2-0\",\"fields\":[[\"data\",\"lost\"],[\"a\",\"1\"],[\"b\",\"2\"]]}\n\
         {\"source\":\"papyra:s:events\",\"id\":\"3-0\",\"fields\":[[\"oops\",\"\u{7f}\"]]}\n"
    );
    assert_eq!(shop.contents("out").len(), 3);
}

/// Verbs on logs say which files of a folder they leave alone.
#[test]
fn a_folder_with_backups_beside_logs_says_what_it_leaves() {
    let shop = Workshop::with("dump.rdb", dump())
        .and("one.aof", fixture("redis/appendonlydir/appendonly.aof.1.incr.aof"))
        .and("events.ndjson", "{\"kind\": \"event\"}\n{torn");
    for verb in ["recover", "recover --format json", "replay", "compact --max-records 5"] {
        let run = shop.papyra(&format!("persistence {verb} --path .")).must_exit(0);
        run.must_complain("dump.rdb, one.aof").must_complain("one by one");
    }
    assert_eq!(shop.read("dump.rdb"), dump());
}

/// A dump is not repaired in place, and a log's verbs say where to turn.
#[test]
fn a_dump_is_not_repaired() {
    let shop = Workshop::with("dump.rdb", dump());
    shop.papyra("persistence recover --path dump.rdb").must_exit(64).must_complain("papyra redis export");
    shop.papyra("persistence startup-check --path dump.rdb")
        .must_exit(1)
        .must_say("to repair: papyra redis export")
        .must_not_say("persistence recover");
    shop.papyra("persistence compact --path dump.rdb --max-records 1").must_exit(64).must_complain("Redis backup");
    assert_eq!(shop.read("dump.rdb"), dump());
    assert_eq!(shop.names(), ["dump.rdb"]);
}
