//! Recovery of an undamaged append-only folder changes nothing, whatever commands the server that wrote it knows, and
//! under whatever names.

use std::path::Path;

use papyra_tests::redis::{Redis, at_hand, event, list, rewrite, text};
use papyra_tests::{Workshop, contents_below};

/// A few keys of every type, and arguments that some command or other takes.
const KEYS: &[&str] = &["text", "number", "list", "set", "zset", "hash", "other:stream", "fresh"];
const ARGUMENTS: &[&[&str]] = &[
    &[],
    &["1"],
    &["other"],
    &["other", "value"],
    &["1", "2"],
    &["0", "1", "2"],
    &["a", "1", "b", "2"],
    &["1", "a"],
    &["MAXLEN", "1"],
    &["*", "a", "b"],
    &["g", "c"],
    &["g", "0-1"],
    &["FIELDS", "1", "a"],
    &["EX", "1000", "FIELDS", "1", "a", "b"],
    &["1999999999999", "FIELDS", "1", "a"],
    &["VALUES", "2", "1.0", "0.5", "element"],
    &["IDS", "1", "1-1"],
    &["LEFT", "RIGHT"],
    &["PX", "100000", "KEEPTTL"],
];

/// The server's write commands, as it names them.
fn write_commands(server: &mut Redis) -> Vec<(String, bool)> {
    let has = |command: &[redis::Value], flag: &str| {
        let flags = command[2].as_sequence().expect("flags").iter().map(text).collect::<Vec<_>>();
        flags.iter().any(|own| own == flag)
    };
    let all: Vec<Vec<redis::Value>> = list(server.call("COMMAND")).into_iter().map(list).collect();
    let write = all.iter().filter(|command| has(command, "write"));
    let mut names: Vec<(String, bool)> = write.map(|command| (text(&command[0]), has(command, "blocking"))).collect();
    names.sort();
    names
}

/// Gives every write command every key with every one of the arguments; what the server refuses it does not write down.
fn try_everything(server: &mut Redis, renamed: &dyn Fn(&str) -> String) -> usize {
    for line in [
        "SET text x",
        "SET number 5",
        "RPUSH list a b c",
        "SADD set a b 1",
        "ZADD zset 1 a 2 b",
        "HSET hash a 1 b 2",
        "XADD other:stream 1-1 a b",
        "XGROUP CREATE other:stream g 0",
        "XREADGROUP GROUP g c STREAMS other:stream >",
    ] {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let words: Vec<String> =
            words.iter().enumerate().map(|(n, word)| if n == 0 { renamed(word) } else { word.clone() }).collect();
        // Some of it may be there from before.
        _ = server.attempt(&words);
    }
    let mut done = 0;
    for (name, blocks) in write_commands(server) {
        // These reach for another server, or end the server's work.
        if ["migrate", "debug", "shutdown", "replicaof", "flushall", "flushdb", "swapdb"].contains(&&*name) {
            continue;
        }
        for key in KEYS {
            for arguments in ARGUMENTS {
                let words: Vec<&str> = [name.as_str(), *key].into_iter().chain(arguments.iter().copied()).collect();
                // Within a transaction nothing blocks.
                if blocks {
                    _ = server.attempt(&["MULTI"]);
                }
                done += usize::from(server.attempt(&words).is_ok());
                if blocks {
                    _ = server.attempt(&["EXEC"]);
                }
            }
        }
    }
    done
}

#[track_caller]
fn recovery_changes_nothing(server: &Redis, may_be_untold: bool, what: &str) {
    let shop = Workshop::default();
    let folder = server.dir().join("appendonlydir");
    let (from, name) = if folder.exists() {
        (folder, "appendonlydir")
    } else {
        (server.dir().join("appendonly.aof"), "appendonly.aof")
    };
    let copied = std::process::Command::new("cp").arg("-r").args([&from, &shop.path(name)]).status();
    assert!(copied.expect("cp runs").success());
    let before = contents_below(&shop.path("."));
    assert!(before.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 1000, "{what}");
    let scan = shop.papyra(&format!("persistence scan --path {name}"));
    // Where nothing is called XADD, no record can be told.
    assert!(scan.code == Some(0) || may_be_untold && scan.code == Some(66), "{what}: {scan:#?}");
    let run = shop.papyra(&format!("persistence recover --path {name}"));
    assert_eq!(run.code, Some(0), "{what}: {run:#?}");
    assert!(contents_below(&shop.path(".")) == before, "{what}: {run:#?}");
}

fn of(binary: &Path, renames: &[(&str, &str)]) {
    for preamble in ["yes", "no"] {
        let dir = tempfile::tempdir().expect("a folder");
        let config: String = renames.iter().map(|(old, new)| format!("rename-command {old} {new}\n")).collect();
        std::fs::write(dir.path().join("renames.conf"), config).expect("a file");
        let include = dir.path().join("renames.conf").display().to_string();
        let options =
            ["--include", &include, "--appendonly", "yes", "--appendfsync", "no", "--aof-use-rdb-preamble", preamble];
        let mut server = Redis::of_in(binary, dir, &options);
        let renamed = |name: &str| {
            let new = renames.iter().find(|(old, _)| *old == name).map(|(_, new)| *new);
            new.unwrap_or(name).to_owned()
        };
        let add = |server: &mut Redis, n: usize| {
            let words = [renamed("XADD"), "papyra:s:events".into(), format!("{n}-0"), "data".into(), event(n)];
            server.attempt(&words).expect("an entry");
        };
        add(&mut server, 1);
        let done = try_everything(&mut server, &renamed);
        add(&mut server, 2);
        let what = format!("{}, renamed {renames:?}, preamble {preamble}", binary.display());
        println!("{what}: {done} commands");
        assert!(done > 300, "{what}: {done}");
        let may_be_untold = renamed("XADD") != "XADD";
        recovery_changes_nothing(&server, may_be_untold, &what);
        rewrite(&mut server);
        add(&mut server, 3);
        try_everything(&mut server, &renamed);
        add(&mut server, 4);
        recovery_changes_nothing(&server, may_be_untold, &format!("{what}, rewritten"));
    }
}

#[test]
fn whatever_commands_the_server_knows() {
    at_hand().iter().for_each(|binary| of(binary, &[]));
}

#[test]
fn whatever_its_commands_are_called() {
    let renames = [
        ("HSET", "b840fc02d524"),
        ("SET", "7f3c-set"),
        ("XADD", "add-to-stream"),
        ("DEL", "remove!"),
        ("RPUSH", "z\u{eb}"),
    ];
    at_hand().iter().for_each(|binary| of(binary, &renames));
}

/// Names alone, in sound framing: those that the servers at hand know for writing, and some that none knows.
#[test]
fn whatever_name_stands_in_sound_framing() {
    let mut names: Vec<String> =
        vec!["LATER".into(), "7f3c-set".into(), "x".into(), "XADDX".into(), "\u{1}\u{2}".into()];
    for binary in at_hand() {
        let mut server = Redis::of(&binary, &[]);
        names.extend(list(server.call("COMMAND")).into_iter().map(|command| text(&list(command)[0])));
    }
    names.sort();
    names.dedup();
    assert!(names.len() > 200);
    let mut commands = vec![vec!["SELECT".to_owned(), "0".into()]];
    let add = |n: usize| vec!["XADD".into(), "papyra:s:events".into(), format!("{n}-0"), "data".into(), event(n)];
    for (n, name) in names.iter().enumerate().filter(|(_, name)| !["multi", "exec", "select"].contains(&&***name)) {
        commands.extend([add(n + 1), vec![name.clone(), "key".into(), "value".into()], vec![name.clone()]]);
    }
    let mut file = Vec::new();
    for words in &commands {
        file.extend(papyra_tests::redis::encoded(&words.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    let manifest = "file appendonly.aof.1.incr.aof seq 1 type i\n";
    let shop = Workshop::with("a/appendonly.aof.manifest", manifest).and("a/appendonly.aof.1.incr.aof", &file);
    shop.papyra("persistence recover --path a");
    assert!(shop.read("a/appendonly.aof.1.incr.aof") == file);
    // The same before a torn tail: nothing but the tail goes.
    let whole = file.len();
    file.extend_from_slice(b"*5\r\n$4\r\nXADD\r\n$19\r\npapyra:lo");
    shop.write("a/appendonly.aof.1.incr.aof", &file);
    shop.papyra("persistence recover --path a --keep-later");
    assert!(shop.read("a/appendonly.aof.1.incr.aof") == file[..whole]);
}
