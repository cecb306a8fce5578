//! What eight servers wrote after the same history, beside what each said of its streams: dumps, DUMP payloads, and
//! append-only folders with and without a dump at their front, all read as the server has them.
//!
//! `fixtures/servers.tar.zst` holds, by server: `dump.rdb`, `KEY.dump`, `preamble-yes` and `preamble-no` (rewritten in
//! the middle of the history), and `expected.json`: `runs.yes.live` for the dump and the payloads; `runs.yes.loaded`,
//! `runs.no.live` and `runs.no.loaded` as differences, the second and third from `runs.yes.live`, the last from
//! `runs.no.live`. Bytes that are not UTF-8 stand as `{"hex": "…"}`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use papyra_core::record::Note;
use papyra_core::redis::{AofNames, BackupScan, Entry, Limits, NOBODY, RdbReader, Replay, Scope, SetReader, StreamId};
use papyra_tests::redis::{Fake, Redis, at_hand, text};
use papyra_tests::redis_state::{
    Fields, Offline, State, Stream, StreamGroup, assert_same, fields_of, live, of_replay, uncounted, without_times,
};
use papyra_tests::{Workshop, has};
use serde_json::Value;

/// The folders of the servers; none after saying that the test is left out.
fn servers() -> Option<(tempfile::TempDir, Vec<PathBuf>)> {
    if !has("zstd") {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/servers.tar.zst");
    let unpacked = Command::new("tar").arg("--zstd").arg("-xf").arg(archive).current_dir(folder.path()).status();
    assert!(unpacked.unwrap().success());
    let mut servers: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    servers.sort();
    assert_eq!(servers.len(), 8);
    Some((folder, servers))
}

fn raw(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Null => Vec::new(),
        hex => {
            let digits = hex["hex"].as_str().unwrap().as_bytes();
            digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
        }
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn id(value: &Value) -> StreamId {
    value.as_str().unwrap().parse().unwrap()
}

/// Puts a difference over what it differs from.
fn changed(mut base: Value, difference: &Value) -> Value {
    for (db, databases) in difference.as_object().into_iter().flatten() {
        for (key, stream) in databases["streams"].as_object().into_iter().flatten() {
            let streams = &mut base[db]["streams"];
            if stream.is_null() {
                streams.as_object_mut().unwrap().remove(key);
                continue;
            }
            for (part, value) in stream.as_object().unwrap() {
                match (part.as_str(), value.as_object()) {
                    ("info", Some(fields)) => {
                        for (name, value) in fields {
                            streams[key]["info"][name] = value.clone();
                        }
                    }
                    _ => streams[key][part] = value.clone(),
                }
            }
        }
    }
    base
}

fn group(info: &Value) -> StreamGroup {
    let pending = if info["pending"].is_null() { &info["pel"] } else { &info["pending"] };
    StreamGroup {
        last_delivered: id(&info["last-delivered-id"]),
        entries_read: info["entries-read"].as_i64(),
        pending: (items(pending).iter())
            .map(|entry| (id(&entry[0]), (raw(&entry[1]), entry[2].as_i64().unwrap(), entry[3].as_u64().unwrap())))
            .collect(),
        consumers: (items(&info["consumers"]).iter())
            .map(|consumer| {
                let held = consumer["pel-count"].as_u64().unwrap();
                (
                    raw(&consumer["name"]),
                    (consumer["seen-time"].as_i64().unwrap(), consumer["active-time"].as_i64(), held),
                )
            })
            .collect(),
    }
}

fn state(said: &Value) -> State {
    let mut state = BTreeMap::new();
    for (db, database) in said.as_object().unwrap() {
        for (key, stream) in database["streams"].as_object().unwrap() {
            let info = &stream["info"];
            let entries: Vec<(StreamId, Fields)> = (items(&stream["entries"]).iter())
                .map(|entry| {
                    (id(&entry[0]), items(&entry[1]).chunks(2).map(|pair| (raw(&pair[0]), raw(&pair[1]))).collect())
                })
                .collect();
            let stream = Stream {
                length: entries.len() as u64,
                last_id: id(&info["last-generated-id"]),
                max_deleted_id: info["max-deleted-entry-id"].as_str().map_or(StreamId::MIN, |id| id.parse().unwrap()),
                entries_added: info["entries-added"].as_u64().unwrap_or(entries.len() as u64),
                entries,
                groups: items(&info["groups"]).iter().map(|info| (raw(&info["name"]), group(info))).collect(),
            };
            state.insert((db.parse().unwrap(), key.clone().into_bytes()), stream);
        }
    }
    state
}

/// Takes away what a server before 7.0 did not count.
fn as_counted(state: State, is_old: bool) -> State {
    if is_old { uncounted(state) } else { state }
}

fn replayed(folder: &Path) -> State {
    let single = folder.join("appendonly.aof");
    let dir = folder.join("appendonlydir");
    let names = if single.exists() {
        AofNames::one("appendonly.aof")
    } else {
        let text = std::fs::read(dir.join("appendonly.aof.manifest")).unwrap();
        AofNames::of_manifest("appendonly.aof.manifest", &text, || Ok::<_, ()>(Vec::new())).unwrap()
    };
    let from = if single.exists() { folder } else { &dir };
    let files: Vec<Vec<u8>> = names.files.iter().map(|name| std::fs::read(from.join(name)).unwrap()).collect();
    let sizes = files.iter().map(|bytes| Some(bytes.len() as u64)).collect();
    let replay = Replay::new(fields_of as fn(u32, &Entry<'_>) -> Fields);
    let mut reader = SetReader::of(&names, sizes, Scope::default(), replay);
    while let Some(want) = reader.want() {
        _ = reader.push(&files[want.file][want.range.start as usize..want.range.end as usize]);
        reader.end().unwrap();
    }
    let (replay, surveys) = reader.finish();
    assert_eq!(replay.findings, []);
    assert!(surveys.iter().flatten().all(|survey| !survey.damaged && survey.plan.is_none()));
    assert!(replay.untold.files.is_empty(), "{:?}", replay.untold);
    of_replay(replay.streams())
}

#[test]
fn files_of_eight_servers_are_read_as_the_servers_have_them() {
    let Some((_folder, servers)) = servers() else { return };
    for server in servers {
        let name = server.file_name().unwrap().to_string_lossy().into_owned();
        let said: Value = serde_json::from_slice(&std::fs::read(server.join("expected.json")).unwrap()).unwrap();
        let is_old = name.starts_with("redis-6");
        let runs = &said["runs"];
        let live = &runs["yes"]["live"];
        let told = state(live);

        let mut seen = Offline::default();
        let mut reader = RdbReader::new(Limits::default());
        assert!(reader.push(&std::fs::read(server.join("dump.rdb")).unwrap(), &mut seen).is_continue());
        let summary = reader.finish(&mut seen).unwrap();
        assert_eq!((seen.findings.as_slice(), summary.lost_at), (&[][..], None), "{name}");
        assert_eq!(u64::from(summary.header.unwrap().version), said["rdb_version"].as_u64().unwrap());
        assert_same(
            &as_counted(without_times(seen.state), is_old),
            &as_counted(without_times(told.clone()), is_old),
            &name,
        );

        // A scan says which pending entries are without their message, as it does of the server.
        let all = std::fs::read(server.join("dump.rdb")).unwrap();
        let mut scan = BackupScan::rdb("dump.rdb", all.len() as u64, Scope::default(), 10);
        _ = scan.push(&all);
        scan.end().unwrap();
        let notes = scan.finish().into_iter().flat_map(|file| file.notes);
        let noted = notes.filter(|note| note.note == Note::PendingWithoutEntry).map(|note| note.count).sum::<u64>();
        let is_ours = |key: &[u8]| Scope::default().find(key).is_some();
        let gone = told.iter().filter(|((_, key), _)| is_ours(key)).flat_map(|(_, stream)| {
            let is_there = |id: &StreamId| stream.entries.iter().any(|(own, _)| own == id);
            stream.groups.values().flat_map(|group| group.pending.keys()).filter(move |id| !is_there(id))
        });
        assert_eq!(noted, gone.count() as u64, "{name}");
        assert!(noted > 0, "{name}");

        let mut payloads = 0;
        for (file, key) in said["dumps"].as_object().unwrap() {
            let key = raw(key);
            let mut seen = Offline::default();
            let mut reader = RdbReader::dump(&key, Limits::default());
            assert!(reader.push(&std::fs::read(server.join(file)).unwrap(), &mut seen).is_continue());
            reader.finish(&mut seen).unwrap();
            let told = told.iter().filter(|((db, own), _)| *db == 0 && *own == key);
            let told: State = told.map(|(key, stream)| (key.clone(), stream.clone())).collect();
            let what = format!("{name}, {file}");
            assert_same(
                &as_counted(without_times(seen.state), is_old),
                &as_counted(without_times(told), is_old),
                &what,
            );
            payloads += 1;
        }
        assert!(payloads > 10, "{name}: {payloads}");

        let without = changed(live.clone(), &runs["no"]["live"]);
        for (folder, told) in [
            ("preamble-yes", changed(live.clone(), &runs["yes"]["loaded"])),
            ("preamble-no", changed(without, &runs["no"]["loaded"])),
        ] {
            let only = |mut state: State| {
                // A server makes the consumer of a claim whose entries are all gone, from 7.2 on.
                for group in state.values_mut().flat_map(|stream| stream.groups.values_mut()) {
                    group.consumers.retain(|_, consumer| consumer.2 > 0);
                }
                as_counted(without_times(state), is_old)
            };
            assert_same(&only(replayed(&server.join(folder))), &only(state(&told)), &format!("{name}, {folder}"));
        }
    }
}

/// What a restore has to bring back on any server: entries, IDs, groups, and what each waits for, but for the holder of
/// what nobody held.
fn essence(state: &State) -> Vec<String> {
    let waiting = |group: &StreamGroup| -> Vec<String> {
        let one = |(id, (holder, time, count)): (&StreamId, &(Vec<u8>, i64, u64))| {
            let nobody = holder.is_empty() || holder == NOBODY.as_bytes();
            format!("{id} {:?} {time} {count}", if nobody { b"" } else { &holder[..] }.escape_ascii().to_string())
        };
        group.pending.iter().map(one).collect()
    };
    let told = |((_, key), stream): (&(u64, Vec<u8>), &Stream)| {
        let groups: Vec<_> = stream
            .groups
            .iter()
            .map(|(name, group)| (name.escape_ascii().to_string(), group.last_delivered, waiting(group)))
            .collect();
        format!("{} {} {:?} {groups:?}", key.escape_ascii(), stream.last_id, stream.entries)
    };
    state.iter().map(told).collect()
}

/// Every dump of the eight servers, restored as a file to every server at hand: prints what each pair cannot carry.
#[test]
fn any_servers_dump_is_restored_to_any_server() {
    let Some((_folder, files)) = servers() else { return };
    let shop = Workshop::default();
    for binary in at_hand() {
        let mut server = Redis::of(&binary, &[]);
        let version = text(&server.call("INFO server"));
        let version =
            version.lines().find(|line| line.starts_with("valkey_version:") || line.starts_with("redis_version:"));
        let to = version.unwrap_or_default().to_owned();
        for from in &files {
            let name = from.file_name().unwrap().to_string_lossy().into_owned();
            let said: Value = serde_json::from_slice(&std::fs::read(from.join("expected.json")).unwrap()).unwrap();
            let is_meant = |key: &[u8]| Scope { prefix: Some("papyra".into()), system_id: None }.find(key).is_some();
            let ours = |state: State| -> State {
                state.into_iter().filter(|((db, key), _)| *db == 0 && is_meant(key)).collect()
            };
            let expected = ours(state(&said["runs"]["yes"]["live"]));
            server.call("FLUSHALL");
            let path = from.join("dump.rdb").display().to_string();
            let run = shop.on(&server.url(), &format!("backup restore {path} --all-systems --format json"));
            let report = run.must_exit(0).json();
            assert_eq!(essence(&ours(live(&mut server))), essence(&expected), "{name} to {to}");
            let mut lost = BTreeMap::new();
            for stream in report["streams"].as_array().unwrap() {
                for (what, count) in stream["lost"].as_object().into_iter().flatten() {
                    *lost.entry(what.clone()).or_insert(0) += count.as_u64().unwrap();
                }
            }
            assert_eq!(lost.remove("pending").unwrap_or(0), 0, "{name} to {to}: {report:#}");
            lost.retain(|_, count| *count > 0);
            println!(
                "{name} to {to}: {} streams, {}",
                expected.len(),
                if lost.is_empty() { "all of it".into() } else { format!("without {lost:?}") }
            );
        }
    }
}

/// No server at hand knows XCFGSET: one that does stands before it, and takes no payload, so that commands bring all
/// back.
#[test]
fn how_entries_are_told_apart_comes_back_where_the_server_has_a_command_for_it() {
    let Some((_folder, files)) = servers() else { return };
    let from = files.iter().find(|folder| folder.ends_with("redis-8.10.2")).expect("the newest");
    let path = from.join("dump.rdb").display().to_string();
    let said: Value = serde_json::from_slice(&std::fs::read(from.join("expected.json")).unwrap()).unwrap();
    let key = "papyra:orders:events";
    let expected = &state(&said["runs"]["yes"]["live"])[&(0, key.as_bytes().to_vec())];
    let shop = Workshop::default();
    for knows in [true, false] {
        let Some(mut server) = Redis::start(&[]) else { return };
        let fake = Fake::before(server.port, move |words| match words[0].as_str() {
            "RESTORE" => Some(b"-ERR Bad data format\r\n".to_vec()),
            "XCFGSET" if knows => Some(b"+OK\r\n".to_vec()),
            _ => None,
        });
        let restore = format!("backup restore {path} --system-id orders --format json");
        let report = shop.on(&fake.url(), &restore).must_exit(0).json();
        let stream = report["streams"].as_array().unwrap().iter().find(|stream| stream["key"] == key).expect("it");
        assert_eq!(stream["lost"]["idempotency"], u64::from(!knows), "{report:#}");
        assert_eq!(stream["lost"]["pending"], 0, "{report:#}");
        let asked = fake.asked();
        let set = asked.iter().find(|words| words[0] == "XCFGSET" && words[1].starts_with(key)).expect("it was asked");
        assert_eq!(set[2..], ["IDMP-DURATION", "3600", "IDMP-MAXSIZE", "50"]);
        assert_eq!(live(&mut server)[&(0, key.as_bytes().to_vec())].entries, expected.entries);
    }
}
