//! Random histories with an append-only file: replayed offline, it gives the state that the server has and that it
//! would load.

use std::path::Path;

use papyra_core::redis::{AofManifest, AofReader, Entry, Limits, RdbSummary, Replay};
use papyra_tests::redis::{Redis, binaries, has_folders, rewrite, text, with_folders};
use papyra_tests::redis_history::{Random, play};
use papyra_tests::redis_state::{Fields, State, assert_same, fields_of, live, of_replay, uncounted, without_times};

/// Replays what lies in a server's folder, in chunks.
fn replay(dir: &Path, chunk: usize) -> (State, Option<RdbSummary>) {
    let mut replay = Replay::new(fields_of as fn(u32, &Entry<'_>) -> Fields);
    let folder = dir.join("appendonlydir");
    let files = match std::fs::read(folder.join("appendonly.aof.manifest")) {
        Ok(text) => AofManifest::parse(&text).unwrap().in_order().map(|file| folder.join(&file.name)).collect(),
        Err(_) => {
            replay.by_old_server(true);
            vec![dir.join("appendonly.aof")]
        }
    };
    let mut preamble = None;
    for file in files {
        replay.next_file();
        let bytes = std::fs::read(&file).unwrap();
        let mut reader = AofReader::new(Limits::default());
        for chunk in bytes.chunks(chunk) {
            assert!(reader.push(chunk, &mut replay).is_continue());
        }
        let summary = reader.finish(&mut replay).unwrap();
        assert_eq!((summary.broken_at, summary.whole_to), (None, bytes.len() as u64), "{}", file.display());
        preamble = preamble.or(summary.preamble);
    }
    assert_eq!(replay.findings, []);
    (of_replay(replay.streams()), preamble)
}

/// Takes away what a server does not always write to the file: how many entries a group has read, consumers that were
/// created by an attempt that gave them nothing, and that a consumer read its own pending entries again. What a server
/// makes of the file is compared in full.
fn certain(state: State) -> State {
    let mut state = without_times(state);
    for group in state.values_mut().flat_map(|stream| stream.groups.values_mut()) {
        group.entries_read = None;
        group.pending.values_mut().for_each(|pending| (pending.1, pending.2) = (0, 0));
        group.consumers.retain(|_, consumer| consumer.2 > 0);
    }
    state
}

#[test]
fn append_only_files_replay_to_what_the_server_says() {
    for binary in binaries() {
        // While a background fsync runs, a server may hold its writes back: let it do none.
        let new = [
            "--appendfsync",
            "no",
            "--loglevel",
            "warning",
            "--appendonly",
            "yes",
            "--auto-aof-rewrite-percentage",
            "0",
        ];
        let debug = ["--enable-debug-command", "yes"];
        let is_old = !has_folders(&binary);
        let config: Vec<&str> = new.iter().chain(if is_old { [].iter() } else { debug.iter() }).copied().collect();
        let mut server = Redis::of(&binary, &config);
        // From 7.2 on an XCLAIM creates its consumer even when there is nothing to claim; before, it does not. Replay
        // follows the latter: the difference is a consumer that holds nothing.
        let info = text(&server.call("INFO server"));
        let claims_create = !info.contains("redis_version:7.0.") && !info.contains("redis_version:6.");
        let (mut streams, mut pending, mut preambles) = (0, 0, 0);
        for seed in 1000..1150 {
            let mut random = Random(seed);
            // Servers before 7.0 know no timestamps.
            _ = server.attempt(&["CONFIG", "SET", "aof-timestamp-enabled", random.pick(&["yes", "no"])]);
            play(&mut server, seed, 150);
            let said = live(&mut server);
            streams += said.len();
            pending += said.values().flat_map(|s| s.groups.values()).map(|g| g.pending.len()).sum::<usize>();
            let (read, _) = replay(server.dir(), random.pick(&[7, 100, 100_000]));
            let same = |mut read: State, mut said: State, what: &str| {
                if claims_create {
                    for group in read.values_mut().chain(said.values_mut()).flat_map(|s| s.groups.values_mut()) {
                        group.consumers.retain(|_, consumer| consumer.2 > 0);
                    }
                }
                if is_old {
                    (read, said) = (uncounted(read), uncounted(said));
                }
                assert_same(&read, &said, &format!("{}, seed {seed}, {what}", binary.display()));
            };
            same(certain(read.clone()), certain(said), "live");
            server.call("DEBUG LOADAOF");
            same(without_times(read), without_times(live(&mut server)), "loaded");
            if seed % 5 == 0 {
                server.call(&format!("CONFIG SET aof-use-rdb-preamble {}", random.pick(&["yes", "no"])));
                rewrite(&mut server);
                // Rewritten as commands, the file has no pending entries whose message is gone: ask after loading it.
                server.call("DEBUG LOADAOF");
                let said = live(&mut server);
                let (read, preamble) = replay(server.dir(), 64);
                preambles += usize::from(preamble.is_some());
                same(without_times(read), without_times(said), "rewritten");
                if !is_old && preamble.is_none() {
                    // Without it nothing says how the server reads what comes.
                    server.call("CONFIG SET aof-use-rdb-preamble yes");
                    rewrite(&mut server);
                }
            }
            server.call("FLUSHALL");
        }
        println!("{}: {streams} streams, {pending} pending entries, {preambles} RDB bases", binary.display());
        assert!(streams > 300 && pending > 300 && preambles > 5);
    }
}

/// What a group has read may be given as more than was ever added. The dump at the front names the server, and so how
/// that is read.
#[test]
fn a_group_has_read_what_its_server_says_it_has() {
    for binary in with_folders() {
        let mut server = Redis::of(&binary, &["--appendonly", "yes", "--appendfsync", "no"]);
        let read = |server: &Redis| {
            let state = without_times(replay(server.dir(), 100).0);
            let group = |name: &[u8]| state[&(0, b"k".to_vec())].groups[name].entries_read;
            let read = (group(b"made"), group(b"set"));
            (state, read)
        };
        server.add("k", &[("data", "{}")]);
        server.call("XGROUP CREATE k made 0 ENTRIESREAD 9");
        server.call("XGROUP CREATE k set 0");
        server.call("XGROUP SETID k set 0 ENTRIESREAD 8");
        let (state, as_read) = read(&server);
        let said = without_times(live(&mut server));
        assert_same(&state, &said, &binary.display().to_string());
        assert!([(Some(1), Some(1)), (Some(9), Some(8))].contains(&as_read), "{as_read:?}");
        // Where no dump names the server, it is what ENTRIESREAD says.
        server.call("CONFIG SET aof-use-rdb-preamble no");
        rewrite(&mut server);
        server.call("XGROUP SETID k made 0 ENTRIESREAD 9");
        assert_eq!(read(&server).1.0, Some(9));
    }
}
