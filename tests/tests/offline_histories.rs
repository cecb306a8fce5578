//! Random histories through the command line: what it says of SAVE, DUMP and the append-only folder is what the server
//! says live.

use papyra_core::redis::{GroupsFile, RecordCheck, StreamId, push_line};
use papyra_tests::Workshop;
use papyra_tests::redis::{Redis, binaries, bytes};
use papyra_tests::redis_history::play;
use papyra_tests::redis_state::{State, Stream, StreamGroup, assert_same, live};
use serde_json::Value;

const FLAGS: &str = "--format json --quiet --path";

/// What `inspect groups` prints, in the form of a server's state; entries are not in it.
fn groups(shop: &Workshop, path: &str) -> State {
    let said = shop.papyra(&format!("inspect groups {FLAGS} {path}")).must_exit(0).json();
    let file: GroupsFile = serde_json::from_value(said).expect("a list of groups");
    let group = |group: papyra_core::redis::GroupExport| {
        let held = |name: &str| group.pending.iter().filter(|p| p.consumer.as_deref() == Some(name)).count() as u64;
        let consumers = group.consumers.iter().map(|consumer| {
            let times = (consumer.seen_time, consumer.active_time, held(&consumer.name));
            (consumer.name.clone().into_bytes(), times)
        });
        let pending = group.pending.iter().map(|p| {
            let holder = p.consumer.clone().unwrap_or_default().into_bytes();
            (p.id, (holder, p.delivery_time, p.delivery_count))
        });
        let (last_delivered, entries_read) = (group.last_delivered, group.entries_read);
        let read =
            StreamGroup { last_delivered, entries_read, pending: pending.collect(), consumers: consumers.collect() };
        (group.name.clone().into_bytes(), read)
    };
    let stream = |stream: papyra_core::redis::StreamGroups| {
        let facts = stream.stream;
        let read = Stream {
            length: facts.length,
            last_id: facts.last_id,
            max_deleted_id: facts.max_deleted_id,
            entries_added: facts.entries_added,
            entries: Vec::new(),
            groups: stream.groups.into_iter().map(group).collect(),
        };
        ((stream.db, stream.key.into_bytes()), read)
    };
    file.streams.into_iter().map(stream).collect()
}

/// Papyra's streams, without their entries.
fn without_entries(state: &State) -> State {
    let papyra = state.iter().filter(|((_, key), _)| key.starts_with(b"papyra:"));
    papyra.map(|(key, stream)| (key.clone(), Stream { entries: Vec::new(), ..stream.clone() })).collect()
}

/// Without what a server does not always write to an append-only file: see `redis_aof_live`.
fn certain(mut state: State) -> State {
    for group in state.values_mut().flat_map(|stream| stream.groups.values_mut()) {
        group.entries_read = None;
        group.pending.values_mut().for_each(|pending| (pending.1, pending.2) = (0, 0));
        group.consumers.retain(|_, consumer| consumer.2 > 0);
        group.consumers.values_mut().for_each(|consumer| (consumer.0, consumer.1) = (0, None));
    }
    state
}

/// Every entry that the server has is a line of the log or, whole, of the rejects. Returns how many are lines and how
/// many are not.
fn export_is_whole(shop: &Workshop, path: &str, said: &State, what: &str) -> (u64, u64) {
    let (mut lines, mut bad) = (0, 0);
    _ = std::fs::remove_dir_all(shop.path("out"));
    let export = shop.papyra(&format!("redis export {FLAGS} {path} --to out")).json();
    let logs = export["logs"].as_array().expect("logs");
    assert_eq!(logs.len(), said.keys().filter(|key| key.1.starts_with(b"papyra:")).count(), "{what}");
    for log in logs {
        let key = (log["db"].as_u64().unwrap(), log["key"].as_str().unwrap().as_bytes().to_vec());
        let (mut expected, mut others) = (Vec::new(), Vec::new());
        let mut check = RecordCheck::default();
        for (id, fields) in &said[&key].entries {
            let data = fields.iter().rposition(|field| field.0 == b"data");
            let is_record = data.is_some_and(|at| check.data(&fields[at].1).is_ok());
            if is_record {
                push_line(&fields[data.unwrap()].1, &mut expected);
                lines += 1;
            } else {
                bad += 1;
            }
            let left = fields.iter().enumerate().filter(|(at, _)| !is_record || Some(*at) != data);
            let left: Vec<(String, String)> = left
                .map(|(_, (name, value))| (String::from_utf8_lossy(name).into(), String::from_utf8_lossy(value).into()))
                .collect();
            if !left.is_empty() {
                others.push((*id, left));
            }
        }
        assert!(shop.read(&format!("out/{}", log["path"].as_str().unwrap())) == expected, "{what}: {log}");
        let kept = log["rejected"].as_str().map(|name| String::from_utf8(shop.read(&format!("out/{name}"))).unwrap());
        let kept = kept.unwrap_or_default();
        let kept: Vec<(StreamId, Vec<(String, String)>)> = kept
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .map(|line: Value| {
                let id = line["id"].as_str().unwrap().parse().unwrap();
                (id, serde_json::from_value(line["fields"].clone()).expect("pairs"))
            })
            .collect();
        assert!(kept == others, "{what}: {log}\n{kept:?}\n{others:?}");
    }
    (lines, bad)
}

#[test]
fn the_command_line_says_what_the_server_says() {
    for binary in binaries() {
        let config = ["--appendfsync", "no", "--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"];
        let mut server = Redis::of(&binary, &config);
        let shop = Workshop::default();
        let (mut streams, mut records, mut damaged) = (0, 0, 0);
        for seed in 5000..5200 {
            let what = format!("{}, seed {seed}", binary.display());
            play(&mut server, seed, 150);
            let said = live(&mut server);
            let expected = without_entries(&said);
            server.call("SAVE");
            std::fs::copy(server.dir().join("dump.rdb"), shop.path("dump.rdb")).expect("a dump");
            assert_same(&groups(&shop, "dump.rdb"), &expected, &what);
            if seed % 2 == 0 && !expected.is_empty() {
                let (lines, bad) = export_is_whole(&shop, "dump.rdb", &said, &what);
                let scan = shop.papyra(&format!("persistence scan {FLAGS} dump.rdb"));
                let scan = scan.must_exit(if bad == 0 { 0 } else { 2 }).json();
                let counts = scan["totals"]["records"].as_object().unwrap().values().filter_map(Value::as_u64);
                assert_eq!((counts.sum::<u64>(), &scan["totals"]["anomalies"]), (lines, &bad.into()), "{what}");
                (streams, records, damaged) = (streams + expected.len(), records + lines, damaged + bad);
            }
            if seed % 4 == 0 {
                for (key, stream) in expected.iter().filter(|((db, _), _)| *db == 0) {
                    let payload = server.attempt(&[&b"DUMP"[..], &key.1]).expect("a payload");
                    let name = format!("{}.dump", String::from_utf8_lossy(&key.1));
                    shop.write(&name, bytes(&payload));
                    let alone = State::from([(key.clone(), stream.clone())]);
                    assert_same(&groups(&shop, &name), &alone, &format!("{what}, DUMP"));
                }
            }
            let folder = server.dir().join("appendonlydir");
            if seed % 10 == 0 && folder.is_dir() {
                let path = folder.to_str().expect("a plain path");
                assert_same(&certain(groups(&shop, path)), &certain(expected.clone()), &format!("{what}, AOF"));
                if !expected.is_empty() {
                    export_is_whole(&shop, path, &said, &format!("{what}, AOF"));
                }
            }
            server.call("FLUSHALL");
        }
        println!("{}: {streams} streams, {records} records, {damaged} entries that are none", binary.display());
        assert!(streams > 200 && records > 200 && damaged > 200);
    }
}
