//! Backups of streams on real servers: what comes back is what was there, groups and pending entries too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use papyra_tests::redis::{Cluster, Redis, event, find, number, wait_until};
use papyra_tests::redis_history::play;
use papyra_tests::redis_state::{State, assert_same, live, without_times};
use papyra_tests::{Run, Workshop, binary, docs};
use serde_json::Value;

/// The streams of a system, those aside left out.
fn system(server: &mut Redis, name: &str) -> State {
    let prefix = format!("papyra:{name}:");
    let is_its = |key: &[u8]| {
        let key = String::from_utf8_lossy(key);
        key.starts_with(&prefix) && !key.contains(":replaced:")
    };
    live(server).into_iter().filter(|((db, key), _)| *db == 0 && is_its(key)).collect()
}

fn create(shop: &Workshop, server: &Redis, more: &str) -> Run {
    shop.on(&server.url(), &format!("backup create --to b --name one --accept-damage {more}")).must_exit(0)
}

/// Two groups with pending entries, of which one waits for a message that is gone; a stream that was emptied; bad
/// entries in quarantine.
fn fill(server: &mut Redis) {
    for number in 0..200 {
        server.add("papyra:s:events", &[("data", &event(number)), ("more", &number.to_string())]);
    }
    server.call("XGROUP CREATE papyra:s:events shipping 0");
    server.call("XGROUP CREATE papyra:s:events idle $");
    server.call("XGROUP CREATECONSUMER papyra:s:events idle nobody");
    server.call("XREADGROUP GROUP shipping c1 COUNT 30 STREAMS papyra:s:events >");
    server.call("XREADGROUP GROUP shipping c2 COUNT 20 STREAMS papyra:s:events >");
    let first = server.entries("papyra:s:events")[0].0.clone();
    server.call(&format!("XDEL papyra:s:events {first}"));
    let only = server.add("papyra:s:audits", &[("data", "{}")]);
    server.call(&format!("XDEL papyra:s:audits {only}"));
    server.add("papyra:s:quarantine:papyra_s_events", &[("source", "papyra:s:events"), ("data", "bad")]);
}

#[test]
fn any_history_comes_back_on_another_server_by_every_method() {
    for seed in 0..8 {
        let Some(mut lost) = Redis::start(&["--repl-diskless-sync-delay", "0"]) else { return };
        play(&mut lost, seed, 150);
        // Where the last ID is the greatest there is, the stream is there all the same.
        _ = lost.attempt(&["XADD", "papyra:orders:events", "*", "data", &event(1)]);
        lost.call(&format!("CONFIG SET repl-diskless-sync {}", if seed % 2 == 0 { "yes" } else { "no" }));
        let before = system(&mut lost, "orders");
        let shop = Workshop::default();
        let url = lost.url();
        let rdb = lost.dir().join("dump.rdb");
        let mut ways =
            vec![("packed", "--method dump --compress zstd".to_owned()), ("saved", "--method bgsave".into())];
        if seed == 0 {
            ways.push(("path", format!("--method bgsave --rdb {}", rdb.display())));
        }
        for (name, how) in &ways {
            shop.on(&url, &format!("backup create --to b --name {name} --system-id orders --accept-damage {how}"))
                .must_exit(0);
        }
        drop(lost);
        for (name, _) in &ways {
            let Some(mut new) = Redis::start(&[]) else { return };
            shop.on(&new.url(), &format!("backup restore b/{name} --system-id orders")).must_exit(0);
            assert_same(&system(&mut new, "orders"), &before, &format!("seed {seed}, {name}"));
        }
    }
}

#[test]
fn every_backup_is_of_one_moment_however_fast_the_writer_is() {
    const BOTH: &str = "redis.call('XADD', KEYS[1], '*', 'data', '{}') redis.call('XADD', KEYS[2], '*', 'data', '{}')";
    let Some(server) = Redis::start(&["--repl-diskless-sync-delay", "0"]) else { return };
    let url = server.url();
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, to) = (stop.clone(), url.clone());
    let writer = std::thread::spawn(move || {
        let mut connection = redis::Client::open(to).and_then(|client| client.get_connection()).expect("a connection");
        while !stopped.load(Ordering::Relaxed) {
            let mut both = redis::cmd("EVAL");
            both.arg(BOTH).arg(2).arg("papyra:s:events").arg("papyra:s:audits");
            both.exec(&mut connection).expect("written");
        }
    });
    let shop = Workshop::default();
    let mut before = 0;
    for name in 0..12 {
        let method = if name % 3 == 0 { "bgsave" } else { "dump" };
        wait_until("entries", || shop.on(&url, "persistence scan --sample 1").code == Some(0));
        let run = shop.on(&url, &format!("backup create --to b --name b{name} --method {method} --format json"));
        let streams = run.must_exit(0).json()["manifest"]["source"]["redis"]["streams"].clone();
        let length = |at: usize| streams[at]["length"].as_u64().expect("a length");
        assert!(length(0) == length(1) && length(0) > before, "{streams:#}");
        before = length(0);
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("the writer ends");
}

#[test]
fn the_manifest_tells_of_each_stream_and_of_the_server_without_its_secrets() {
    let Some(mut server) = Redis::start(&["--repl-diskless-sync-delay", "0"]) else { return };
    fill(&mut server);
    server.call("PEXPIRE papyra:s:quarantine:papyra_s_events 900000000");
    server.call("CONFIG SET requirepass hunter2");
    let shop = Workshop::default();
    let url = server.url().replace("redis://", "redis://:hunter2@");
    for method in ["dump", "bgsave"] {
        let run = shop.on(&url, &format!("backup create --to b --name {method} --method {method} --format json"));
        let manifest = run.must_exit(0).json()["manifest"].clone();
        let redis = &manifest["source"]["redis"];
        assert!(!shop.read(&format!("b/{method}/manifest.json")).windows(7).any(|part| part == b"hunter2"));
        assert_eq!((&redis["method"], &redis["prefix"], &redis["db"]), (&method.into(), &"papyra".into(), &0.into()));
        assert_eq!(redis["run_id"].as_str().map(str::len), Some(40));
        let streams: BTreeMap<&str, &Value> =
            redis["streams"].as_array().unwrap().iter().map(|s| (s["key"].as_str().unwrap(), s)).collect();
        let keys = ["papyra:s:audits", "papyra:s:events", "papyra:s:quarantine:papyra_s_events"];
        assert_eq!(streams.keys().copied().collect::<Vec<_>>(), keys);
        let events = streams["papyra:s:events"];
        assert_eq!((&events["length"], &events["pending"], &events["groups"]), (&199.into(), &50.into(), &2.into()));
        // Servers before 7.0 do not count them.
        let info = server.call("XINFO STREAM papyra:s:events");
        assert_eq!(events["entries_added"], find(&info, "entries-added").map_or(199, number));
        assert!(streams[keys[2]]["expire_ms"].is_u64() && streams[keys[2]]["quarantine"] == true);
        let file = manifest["scan"]["files"].as_array().unwrap().iter().find(|file| file["path"] == events["file"]);
        let file = file.expect("the file was scanned");
        assert_eq!((&file["records"]["event"], &file["backup"]["checksum"]), (&199.into(), &"verified".into()));
        let groups: Value = serde_json::from_slice(&shop.read(&format!("b/{method}/groups.json"))).unwrap();
        let listed = groups["streams"].as_array().unwrap().iter().find(|s| s["key"] == "papyra:s:events").unwrap();
        assert_eq!(
            (&groups["schema"], listed["groups"][1]["pending"].as_array().unwrap().len()),
            (&"papyra.groups/1".into(), 50)
        );
    }
    shop.papyra("persistence scan --path b/dump").must_exit(0).must_say("papyra:s:events: 199 entries");
    // What is kept of it does not expire.
    let Some(mut new) = Redis::start(&[]) else { return };
    shop.on(&new.url(), "backup restore b/dump").must_exit(0).must_say("had an expiry");
    assert_eq!(number(&new.call("PTTL papyra:s:quarantine:papyra_s_events")), -1);
}

#[test]
fn what_is_there_is_never_merged_with_and_with_replace_it_is_kept() {
    let Some(mut server) = Redis::start(&[]) else { return };
    fill(&mut server);
    let shop = Workshop::default();
    create(&shop, &server, "");
    let backed_up = system(&mut server, "s");
    // The system has gone on, and has a stream that the backup has not.
    server.add("papyra:s:events", &[("data", &event(7))]);
    server.add("papyra:s:dead_letters", &[("data", "{}")]);
    server.call("PEXPIRE papyra:s:dead_letters 900000000");
    server.call("DEL papyra:s:audits");
    let gone_on = system(&mut server, "s");
    let refused = shop.on(&server.url(), "backup restore b/one").must_exit(73).must_complain("--replace");
    refused.must_complain("papyra:s:dead_letters");
    let planned = shop.on(&server.url(), "backup restore b/one --replace --dry-run").must_exit(0);
    planned.must_say("Dry run").must_say("papyra:s:dead_letters would be renamed");
    assert_eq!(live(&mut server), gone_on);

    let report = shop.on(&server.url(), "backup restore b/one --replace --format json").must_exit(0).json();
    assert_same(&system(&mut server, "s"), &backed_up, "restored");
    let all = live(&mut server);
    let aside: Vec<Vec<u8>> =
        report["replaced"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().as_bytes().to_vec()).collect();
    assert_eq!(all.len(), backed_up.len() + aside.len());
    let kept: State = (gone_on.keys())
        .map(|(db, key)| {
            let begins = [key.as_slice(), b":replaced:"].concat();
            let name = aside.iter().find(|name| name.starts_with(&begins)).expect("it is kept");
            ((*db, key.clone()), all[&(*db, name.clone())].clone())
        })
        .collect();
    assert_same(&kept, &gone_on, "kept");
    let dead_letters = String::from_utf8_lossy(aside.iter().find(|name| name.starts_with(b"papyra:s:dead")).unwrap());
    assert_eq!(number(&server.call(&format!("PTTL {dead_letters}"))), -1);
}

#[test]
fn only_the_systems_that_are_named_come_back() {
    let Some(mut server) = Redis::start(&[]) else { return };
    for name in ["s", "t", "u"] {
        server.add(&format!("papyra:{name}:events"), &[("data", &event(1))]);
    }
    let shop = Workshop::default();
    create(&shop, &server, "--all-systems");
    server.call("FLUSHALL");
    shop.on(&server.url(), "backup restore b/one --system-id nobody")
        .must_exit(66)
        .must_complain("which holds s, t, u");
    shop.on(&server.url(), "backup restore b/one --prefix other").must_exit(64);
    shop.on(&server.url(), "backup restore b/one --system-id t").must_exit(0);
    assert_eq!(live(&mut server).len(), 1);
    shop.on(&server.url(), "backup restore b/one --all-systems").must_exit(73);
    shop.on(&server.url(), "backup restore b/one --all-systems --replace").must_exit(0);
    assert_eq!(live(&mut server).len(), 4);
    shop.papyra("backup restore b/one --to folder").must_exit(64).must_complain("--backend redis");
    assert!(!shop.path("folder").exists());
}

#[test]
fn a_server_that_does_not_know_the_payload_gets_all_that_it_has_a_place_for() {
    for seed in 0..4 {
        let Some(mut server) = Redis::start(&[]) else { return };
        play(&mut server, seed, 150);
        fill(&mut server);
        _ = server.attempt(&["XADD", "papyra:orders:events", "*", "data", &event(1)]);
        let shop = Workshop::default();
        create(&shop, &server, "--system-id s,orders");
        shop.forge_newer("b/one");
        shop.papyra("backup verify b/one").must_say("is intact");
        let both =
            |server: &mut Redis| -> State { system(server, "s").into_iter().chain(system(server, "orders")).collect() };
        let before = both(&mut server);
        server.call("FLUSHALL");
        let restore = "backup restore b/one --system-id s,orders --format json";
        let report = shop.on(&server.url(), restore).must_exit(0).json();
        assert_same(&both(&mut server), &before, &format!("seed {seed}, of an older type"));
        for stream in report["streams"].as_array().expect("streams") {
            let lost = stream["lost"].as_object().expect("not taken as it was");
            assert!(lost.values().all(|count| *count == 0), "{report:#}");
        }
        assert_eq!(number(&server.call("PTTL papyra:s:events")), -1);
    }
}

#[test]
fn a_stream_that_is_too_large_for_one_argument_is_written_anew_whatever_the_backup_holds_it_in() {
    const MANY: &str = "for number = 1, 2000 do local text = {} \
        for part = 1, 25 do text[part] = redis.sha1hex(number * 100 + part) end \
        redis.call('XADD', 'papyra:s:events', '*', 'data', table.concat(text)) end";
    let Some(mut server) = Redis::start(&["--repl-diskless-sync-delay", "0"]) else { return };
    fill(&mut server);
    server.script(MANY);
    let shop = Workshop::default();
    for method in ["dump", "bgsave"] {
        let create = format!("backup create --to b --name {method} --method {method} --accept-damage");
        shop.on(&server.url(), &create).must_exit(0);
    }
    let all = system(&mut server, "s");
    let mut expected = all.clone();
    let large = (0, b"papyra:s:events".to_vec());
    expected.extend(without_times([(large.clone(), all[&large].clone())].into()));
    drop(server);
    for method in ["dump", "bgsave"] {
        let Some(mut small) = Redis::start(&["--proto-max-bulk-len", "1048576"]) else { return };
        let report = shop.on(&small.url(), &format!("backup restore b/{method} --format json")).must_exit(0).json();
        let state = system(&mut small, "s");
        let mut plain = state.clone();
        plain.extend(without_times([(large.clone(), state[&large].clone())].into()));
        assert_same(&plain, &expected, method);
        for stream in report["streams"].as_array().expect("streams") {
            // Not the entry whose message is gone.
            let lost =
                if stream["key"] == "papyra:s:events" { [0, 3].map(Value::from) } else { [Value::Null, Value::Null] };
            assert_eq!(
                [&stream["lost"]["pending"], &stream["lost"]["idle_times"]],
                lost.each_ref(),
                "{method}: {report:#}"
            );
        }
        assert_eq!(number(&small.call("PTTL papyra:s:events")), -1);
    }
}

#[test]
fn any_history_comes_back_by_commands() {
    const LARGE: &str = "for number = 1, 8 do local text = {} \
        for part = 1, 4000 do text[part] = redis.sha1hex(number * 10000 + part) end \
        redis.call('XADD', KEYS[1], '*', 'data', table.concat(text)) end";
    let mut by_commands = 0;
    for seed in 20..26 {
        let Some(mut server) = Redis::start(&[]) else { return };
        play(&mut server, seed, 150);
        for kind in ["events", "audits", "dead_letters"] {
            // Where the last ID is the greatest there is, nothing can be added.
            _ = server.attempt(&["EVAL", LARGE, "1", &format!("papyra:orders:{kind}")]);
        }
        let shop = Workshop::default();
        create(&shop, &server, "--system-id orders");
        let before = without_times(system(&mut server, "orders"));
        let Some(mut small) = Redis::start(&["--proto-max-bulk-len", "1048576"]) else { return };
        let report = shop.on(&small.url(), "backup restore b/one --system-id orders --format json").must_exit(0).json();
        assert_same(&without_times(system(&mut small, "orders")), &before, &format!("seed {seed}"));
        for stream in report["streams"].as_array().expect("streams").iter().filter(|stream| stream["lost"].is_object())
        {
            assert_eq!(stream["lost"]["pending"], 0, "{report:#}");
            by_commands += 1;
        }
    }
    assert!(by_commands > 5, "only {by_commands} streams were too large");
}

#[test]
fn a_cluster_keeps_what_was_there_on_its_own_slot_and_one_server_takes_its_backup() {
    let Some(mut cluster) = Cluster::start() else { return };
    let keys = ["papyra:s:events", "papyra:s:audits", "papyra:s:dead_letters"];
    for key in keys {
        for number in 0..20 {
            cluster.of(key).add(key, &[("data", &event(number))]);
        }
        cluster.of(key).call(&format!("XGROUP CREATE {key} g 0"));
        cluster.of(key).call(&format!("XREADGROUP GROUP g c COUNT 7 STREAMS {key} >"));
    }
    let url = cluster.nodes[0].url();
    let shop = Workshop::default();
    let made = shop.on(&url, "backup create --to b --name one").must_exit(0);
    made.must_say("different slots of a cluster");
    shop.on(&url, "backup create --to b --method bgsave").must_exit(64).must_complain("--method dump");
    let states = |cluster: &mut Cluster| -> Vec<State> { keys.map(|key| system(cluster.of(key), "s")).into() };
    let before = states(&mut cluster);
    cluster.of(keys[0]).add(keys[0], &[("data", &event(99))]);
    shop.on(&url, "backup restore b/one").must_exit(73);
    let run = shop.on(&url, "backup restore b/one --replace").must_exit(0);
    run.must_say("{papyra:s:events}:replaced:").must_say("each slot took its streams by itself");
    assert_eq!(states(&mut cluster), before);
    let Some(mut alone) = Redis::start(&[]) else { return };
    shop.on(&alone.url(), "backup restore b/one").must_exit(0);
    let all: State = before.into_iter().flatten().collect();
    assert_same(&system(&mut alone, "s"), &all, "alone");
}

#[test]
fn what_cannot_be_backed_up_is_said() {
    let Some(mut server) = Redis::start(&[]) else { return };
    let shop = Workshop::default();
    shop.on(&server.url(), "backup create --to b").must_exit(66).must_complain("no streams of system s");
    server.call("SET papyra:s:events text");
    shop.on(&server.url(), "backup create --to b").must_exit(66).must_complain("other than a stream");
    server.call("DEL papyra:s:events");
    server.add("papyra:s:events", &[("data", &event(1))]);
    shop.on(&server.url(), "backup create --to b --method bgsave --compress zstd").must_exit(64);
    shop.on(&server.url(), "backup create --to b --rdb x").must_exit(64);
    shop.on(&server.url(), "backup create --to b --pause-check").must_exit(64);
    // A file that lies where the server's own would not.
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/redis/dump.rdb");
    let wrong = shop.on(&server.url(), &format!("backup create --to b --method bgsave --rdb {old}")).must_exit(66);
    wrong.must_complain("CONFIG GET dir");
    server.call("ACL SETUSER me on >pw ~* +@all -dump -sync -psync");
    let url = server.url().replace("redis://", "redis://me:pw@");
    shop.on(&url, "backup create --to b").must_exit(69).must_complain("ACL SETUSER");
    shop.on(&url, "backup create --to b --method bgsave").must_exit(69).must_complain("ACL SETUSER");
    assert_eq!(std::fs::read_dir(shop.path("b")).map_or(0, Iterator::count), 0, "nothing is left of what failed");
}

/// A block of the handbook with this tag, for another server.
fn handbook(tag: &str, server: &Redis) -> String {
    let block = docs::blocks(&format!("sh {tag}")).remove(0);
    assert!(block.contains("redis://localhost/0"));
    block.replace("redis://localhost/0", &server.url())
}

#[test]
fn a_server_is_lost_and_its_streams_come_back_as_the_handbook_says() {
    let Some(mut lost) = Redis::start(&[]) else { return };
    for number in 0..40 {
        lost.add("papyra:orders:events", &[("data", &event(number))]);
    }
    lost.call("XGROUP CREATE papyra:orders:events shipping 0");
    lost.call("XREADGROUP GROUP shipping c1 COUNT 7 STREAMS papyra:orders:events >");
    let before = live(&mut lost);
    let shop = Workshop::default();
    let follow = |tag: &str, server: &Redis| {
        let block = handbook(tag, server);
        let mut shell = std::process::Command::new("bash");
        let path = format!("{}:{}", binary().parent().unwrap().display(), std::env::var("PATH").unwrap());
        shell.args(["-euo", "pipefail", "-c", &block]).current_dir(shop.path(".")).env("PATH", path);
        papyra_tests::run(shell, &block).must_exit(0)
    };
    follow("before", &lost).must_say("is intact").must_say("can be restored");
    drop(lost);
    let Some(mut new) = Redis::start(&[]) else { return };
    follow("after", &new).must_say("Persistence is healthy").must_say("c1");
    assert_same(&live(&mut new), &before, "as the handbook says");
}

#[test]
fn a_restore_until_an_entry_leaves_out_what_is_behind_it_and_no_id_is_given_twice() {
    let Some(mut server) = Redis::start(&["--repl-diskless-sync-delay", "0"]) else { return };
    // Entry N is of N seconds past 2026-01-31; more of them than are removed with one command.
    let day = 1_769_817_600_000_u64;
    for number in 0..2500_usize {
        let id = format!("{}-{}", day + number as u64 * 1000, number % 3);
        server.attempt(&["XADD", "papyra:s:events", &id, "data", &event(number)]).expect("added");
    }
    server.call("XGROUP CREATE papyra:s:events shipping 0");
    server.call("XREADGROUP GROUP shipping c1 COUNT 40 STREAMS papyra:s:events >");
    server.attempt(&["XADD", "papyra:s:audits", &format!("{}-0", day + 2_000_000), "data", "{}"]).expect("added");
    let all = server.entries("papyra:s:events");
    let last = all[2499].0.clone();
    let shop = Workshop::default();
    for method in ["dump", "bgsave"] {
        let url = server.url();
        shop.on(&url, &format!("backup create --to b --name {method} --method {method} --accept-damage")).must_exit(0);
        let backup = format!("backup restore b/{method}");
        for (until, kept) in [
            (all[29].0.clone(), 30),
            (format!("{}-0", day + 29_999), 30),
            ("2026-01-31T00:00:29Z".into(), 30),
            ("2026-01-31T00:00:28.999Z".into(), 29),
            (all[0].0.clone(), 1),
            (last.clone(), 2500),
            ("2026-01-31".into(), 2500),
        ] {
            let Some(mut new) = Redis::start(&[]) else { return };
            let told = shop.on(&new.url(), &format!("{backup} --until {until} --format json")).must_exit(0).json();
            assert_eq!(new.entries("papyra:s:events"), all[..kept], "{until}");
            let streams = told["streams"].as_array().unwrap();
            let of = |key: &str| streams.iter().find(|stream| stream["key"] == key).unwrap();
            let events = of("papyra:s:events");
            assert_eq!(events["entries"], kept, "{told}");
            if kept == 2500 {
                assert!(events["cut_off"].is_null(), "{told}");
                continue;
            }
            let off = &events["cut_off"];
            assert_eq!(
                (&off["entries"], &off["pending"]),
                (&(2500 - kept).into(), &40_usize.saturating_sub(kept).into())
            );
            assert_eq!((&off["first_id"], &off["last_id"]), (&all[kept].0.as_str().into(), &last.as_str().into()));
            // All of the other stream is later: it is there, empty, and both go on behind their last ID.
            assert_eq!((of("papyra:s:audits")["entries"].as_u64(), new.entries("papyra:s:audits").len()), (Some(0), 0));
            assert!(new.attempt(&["XADD", "papyra:s:events", &last, "data", "{}"]).is_err(), "{until}");
            let groups = new.call("XINFO GROUPS papyra:s:events");
            assert!(format!("{groups:?}").contains("shipping"), "{groups:?}");
        }
        let Some(new) = Redis::start(&[]) else { return };
        let restore = |until: &str| shop.on(&new.url(), &format!("{backup} --until {until}"));
        restore(&format!("{} --dry-run", all[29].0))
            .must_exit(0)
            .must_say("2,470 entries")
            .must_say("10 pending entries");
        restore("948.5").must_exit(64).must_complain("an entry's ID");
        restore("1-0").must_exit(66).must_complain(&format!("the oldest is {}", all[0].0));
        restore("2026-01-30").must_exit(66);
        restore("yesterday").must_exit(64).must_complain("a stream entry's ID such as");
        assert!(shop.on(&new.url(), "persistence scan").code != Some(0), "something was restored");
    }
}

#[test]
fn a_date_says_nothing_about_entry_ids_of_another_clock() {
    let Some(mut server) = Redis::start(&[]) else { return };
    for number in 1..=5 {
        server.attempt(&["XADD", "papyra:s:events", &format!("{number}-0"), "data", &event(number)]).expect("added");
    }
    let shop = Workshop::default();
    create(&shop, &server, "--method dump");
    let Some(mut new) = Redis::start(&[]) else { return };
    shop.on(&new.url(), "backup restore b/one --until 2026-01-31").must_exit(65).must_complain("not Unix time");
    shop.on(&new.url(), "backup restore b/one --until 3-0").must_exit(0).must_say("cut off: papyra:s:events");
    assert_eq!(new.entries("papyra:s:events").len(), 3);
}
