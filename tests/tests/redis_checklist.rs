//! The operator's checklist on a real server: what is as it should be passes, and each thing that is not is named.

use papyra_tests::Workshop;
use papyra_tests::redis::{Cluster, Redis, event, list, number, text, wait_until};
use serde_json::Value;

/// A server that is set up well, with a group whose consumer has acknowledged what it read.
fn well_kept() -> Option<Redis> {
    let mut redis = Redis::start(&["--appendonly", "yes", "--save", "3600", "1"])?;
    for number in 0..5 {
        redis.add("papyra:s:events", &[("data", &event(number))]);
    }
    redis.call("XGROUP CREATE papyra:s:events shipping 0");
    let id = redis.entries("papyra:s:events")[0].0.clone();
    redis.call("XREADGROUP GROUP shipping c1 COUNT 1 STREAMS papyra:s:events >");
    redis.call(&format!("XACK papyra:s:events shipping {id}"));
    Some(redis)
}

/// A folder with a backup that was verified and tried out.
fn with_backup() -> Workshop {
    let shop = Workshop::with("a.ndjson", event(1) + "\n");
    for verb in ["create --path a.ndjson --series orders --to b", "verify --latest b", "drill --latest b"] {
        shop.papyra(&format!("backup {verb}")).must_exit(0);
    }
    shop
}

/// What did not pass, and whether it failed.
fn open(items: &Value) -> Vec<(String, bool)> {
    let items = items["items"].as_array().expect("items").iter().filter(|item| item["passed"] != true);
    let named = items.inspect(|item| assert!(item["advice"].is_string(), "{item}"));
    named.map(|item| (item["check"].as_str().expect("a name").to_owned(), item["passed"] == false)).collect()
}

#[test]
fn a_server_that_is_well_kept_passes() {
    let Some(redis) = well_kept() else { return };
    let shop = with_backup();
    shop.on(&redis.url(), "doctor checklist --series orders --backups b")
        .must_exit(0)
        .must_not_say("✖")
        .must_say("append-only file: on, synced every second")
        .must_say("eviction: noeviction without a memory limit")
        .must_say("expiry: no stream expires")
        .must_say("consumers: every group has some (1)")
        .must_say("newest backup");
    let items = shop.on(&redis.url(), "doctor checklist --series orders --backups b --format json").must_exit(0).json();
    assert_eq!((&items["schema"], &items["passed"]), (&"papyra.checklist/1".into(), &true.into()));
    assert_eq!(open(&items), []);
    let items = shop.on(&redis.url(), "doctor checklist --format json").must_exit(2).json();
    assert_eq!(open(&items), [("backups".to_owned(), true)]);
}

#[test]
fn each_thing_that_is_not_as_it_should_be_is_named() {
    let shop = with_backup();
    for (commands, check, said) in [
        (&["CONFIG SET appendonly no"][..], "append-only file", "a crash loses all"),
        (&["CONFIG SET appendfsync no"], "append-only file", "appendfsync is no"),
        (
            &["CONFIG SET maxmemory 1gb", "CONFIG SET maxmemory-policy allkeys-lru"],
            "eviction",
            "can drop whole streams",
        ),
        (&["XGROUP CREATE papyra:s:events nobody 0"], "consumers", "none in group nobody of papyra:s:events"),
        (&["EXPIRE papyra:s:events 7300"], "expiry", "papyra:s:events will be gone in 2 h"),
        (&["CONFIG SET min-replicas-to-write 1"], "replicas", "1 are wanted for a write"),
        (&["REPLICAOF 127.0.0.1 1"], "replicas", "the link to its master is down"),
        (
            &[
                "XGROUP SETID papyra:s:events shipping 0",
                "XREADGROUP GROUP shipping c1 COUNT 2 STREAMS papyra:s:events >",
            ],
            "pending entries",
            "2 entries in shipping of papyra:s:events",
        ),
    ] {
        let Some(mut redis) = well_kept() else { return };
        commands.iter().for_each(|command| _ = redis.call(command));
        if check == "pending entries" {
            let id = redis.entries("papyra:s:events")[0].0.clone();
            redis.call(&format!("XCLAIM papyra:s:events shipping c1 0 {id} IDLE 10000000 JUSTID"));
            let id = redis.entries("papyra:s:events")[1].0.clone();
            redis.call(&format!("XCLAIM papyra:s:events shipping c1 0 {id} IDLE 9000000 JUSTID"));
        }
        shop.on(&redis.url(), "doctor checklist --series orders --backups b")
            .must_exit(2)
            .must_say(&format!("✖ {check}: "))
            .must_say(said);
        let items =
            shop.on(&redis.url(), "doctor checklist --series orders --backups b --format json").must_exit(2).json();
        assert_eq!(open(&items), [(check.to_owned(), true)]);
    }
}

#[test]
fn keys_that_expire_make_a_volatile_policy_dangerous() {
    let Some(mut redis) = well_kept() else { return };
    let shop = with_backup();
    redis.call("CONFIG SET maxmemory 1gb");
    redis.call("CONFIG SET maxmemory-policy volatile-ttl");
    shop.on(&redis.url(), "doctor checklist --series orders --backups b")
        .must_exit(0)
        .must_say("it drops only keys that expire");
    redis.call("EXPIRE papyra:s:events 100000");
    let items = shop.on(&redis.url(), "doctor checklist --series orders --backups b --format json").must_exit(2).json();
    assert_eq!(open(&items), [("eviction".to_owned(), true), ("expiry".to_owned(), true)]);
}

#[test]
fn a_snapshot_that_failed_or_is_old_is_named() {
    let Some(mut redis) = Redis::start(&["--save", "3600", "1", "--appendonly", "yes"]) else { return };
    redis.add("papyra:s:events", &[("data", &event(1))]);
    let shop = with_backup();
    let checklist = "doctor checklist --series orders --backups b --format json";
    assert_eq!(open(&shop.on(&redis.url(), checklist).must_exit(0).json()), []);
    wait_until("a second", || {
        let now = text(&list(redis.call("TIME"))[0]).parse::<i64>().expect("a time");
        now > number(&redis.call("LASTSAVE"))
    });
    let old = shop.on(&redis.url(), &format!("{checklist} --max-save-age 1ms")).must_exit(2).json();
    assert_eq!(open(&old), [("last snapshot".to_owned(), true)]);
    // Nothing takes the place of a folder.
    _ = std::fs::remove_file(redis.dir().join("dump.rdb"));
    std::fs::create_dir(redis.dir().join("dump.rdb")).expect("a folder");
    _ = redis.call("BGSAVE");
    wait_until("a failed save", || text(&redis.call("INFO persistence")).contains("rdb_last_bgsave_status:err"));
    assert_eq!(open(&shop.on(&redis.url(), checklist).must_exit(2).json()), [("last snapshot".to_owned(), true)]);
}

#[test]
fn what_nobody_may_ask_is_said_to_be_unknown() {
    let Some(mut redis) = well_kept() else { return };
    let shop = with_backup();
    redis.call("ACL SETUSER managed on >pw ~* +@all -config");
    redis.call("ACL SETUSER blind on >pw ~* +@all -info -pttl -xinfo");
    let url = |user: &str| format!("redis://{user}:pw@127.0.0.1:{}", redis.port);
    let items =
        shop.on(&url("managed"), "doctor checklist --series orders --backups b --format json").must_exit(0).json();
    assert_eq!(open(&items), [("append-only file".to_owned(), false)]);
    shop.on(&url("managed"), "doctor checklist --series orders --backups b")
        .must_exit(0)
        .must_say("ℹ append-only file: on by INFO; appendfsync is not known")
        .must_say("min-replicas-to-write is not known");
    let items =
        shop.on(&url("blind"), "doctor checklist --series orders --backups b --format json").must_exit(0).json();
    let names: Vec<String> = open(&items).into_iter().map(|(name, failed)| format!("{name} {failed}")).collect();
    assert_eq!(names, ["server false", "expiry false", "groups false"]);
}

#[test]
fn every_server_of_a_cluster_is_looked_at() {
    let Some(mut cluster) = Cluster::start() else { return };
    let key = "papyra:s:events";
    cluster.of(key).add(key, &[("data", &event(1))]);
    cluster.nodes[2].call("CONFIG SET appendonly yes");
    let run = Workshop::default().on(&cluster.nodes[0].url(), "doctor checklist").must_exit(2);
    let off = |port: u16| format!("✖ append-only file: redis://127.0.0.1:{port}");
    let run = run.must_say(&off(cluster.nodes[0].port)).must_say(&off(cluster.nodes[1].port));
    run.must_say(&format!("✔ append-only file: redis://127.0.0.1:{}", cluster.nodes[2].port));
}
