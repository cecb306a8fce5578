//! Backups of streams that are killed, damaged or forged: what was there is there, and nothing false is put in its
//! place.

use std::process::{Child, Stdio};

use papyra_tests::Workshop;
use papyra_tests::redis::{Between, Redis, event, list, number, text, wait_until};
use papyra_tests::redis_state::{State, assert_same, live};
use serde_json::{Value, json};

fn fill(server: &mut Redis, from: usize) {
    for key in ["papyra:s:events", "papyra:s:audits", "papyra:s:dead_letters"] {
        for number in from..from + 40 {
            server.add(key, &[("data", &event(number))]);
        }
        server.call(&format!("XGROUP CREATE {key} g 0"));
        server.call(&format!("XREADGROUP GROUP g c COUNT 9 STREAMS {key} >"));
    }
}

fn start(shop: &Workshop, url: &str, arguments: &str) -> Child {
    let mut command = shop.command(arguments);
    command.envs([("PAPYRA_REDIS_URL", url), ("PAPYRA_SYSTEM_ID", "s"), ("PAPYRA_BACKEND", "redis")]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("papyra starts")
}

fn kill(mut child: Child) {
    child.kill().expect("killed");
    child.wait().expect("gone");
}

fn names(shop: &Workshop, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(shop.path(folder)).into_iter().flatten();
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
}

/// The streams under their own names.
fn present(server: &mut Redis) -> State {
    let own = |key: &[u8]| !String::from_utf8_lossy(key).contains(":re");
    live(server).into_iter().filter(|((_, key), _)| own(key)).collect()
}

#[test]
fn a_killed_backup_is_none_and_the_next_one_clears_it_away() {
    let Some(mut server) = Redis::start(&[]) else { return };
    fill(&mut server, 0);
    let shop = Workshop::default();
    for (word, method) in [("DUMP", "dump"), ("SYNC", "bgsave")] {
        let between = Between::silent_after(1, word, server.port);
        let child = start(&shop, &between.url(), &format!("backup create --to b --method {method}"));
        wait_until("a copy", || between.is_silent());
        kill(child);
        assert!(names(&shop, "b").iter().all(|name| name.starts_with('.')), "{:?}", names(&shop, "b"));
    }
    shop.on(&server.url(), "backup create --to b --name one").must_exit(0);
    assert_eq!(names(&shop, "b"), ["one"]);
    shop.papyra("backup verify b/one").must_exit(0);
}

#[test]
fn a_killed_restore_leaves_the_old_streams_or_the_new_ones() {
    let Some(mut server) = Redis::start(&[]) else { return };
    fill(&mut server, 0);
    let shop = Workshop::default();
    shop.on(&server.url(), "backup create --to b --name one").must_exit(0);
    let new = live(&mut server);
    server.call("FLUSHALL");
    fill(&mut server, 500);
    shop.on(&server.url(), "backup create --to b --name old").must_exit(0);
    let old = live(&mut server);
    let steps = [("RESTORE", 1), ("RESTORE", 3), ("PEXPIRE", 2), ("WATCH", 1), ("EXISTS", 9), ("EXEC", 1)];
    for newer in [false, true] {
        if newer {
            shop.forge_newer("b/one");
        }
        for (word, count) in steps {
            server.call("FLUSHALL");
            shop.on(&server.url(), "backup restore b/old").must_exit(0);
            assert_same(&live(&mut server), &old, "the old streams");
            let between = Between::silent_after(count, word, server.port);
            let child = start(&shop, &between.url(), "backup restore b/one --replace");
            wait_until("a step", || between.is_silent());
            kill(child);
            let what = format!("{word} {count}, newer: {newer}");
            if word == "EXEC" {
                wait_until("the streams in their places", || is_same(&present(&mut server), &new, newer));
            } else {
                assert_same(&present(&mut server), &old, &what);
            }
            // What waits for nobody goes by itself.
            for key in list(server.call("KEYS *:restoring:*")) {
                assert!(number(&server.call(&format!("PTTL {}", text(&key)))) > 0, "{what}");
            }
            shop.on(&server.url(), "backup restore b/one --replace").must_exit(0);
            assert!(is_same(&present(&mut server), &new, newer), "{what}");
            let all = live(&mut server);
            let kept = all.iter().filter(|((_, key), _)| key.starts_with(b"papyra:s:events:replaced:"));
            assert!(
                kept.map(|(_, stream)| stream).any(|stream| *stream == old[&(0, b"papyra:s:events".to_vec())]),
                "{what}"
            );
        }
    }
}

/// Whether they are the same; of streams written anew, but for what consumers did last.
fn is_same(one: &State, other: &State, written_anew: bool) -> bool {
    use papyra_tests::redis_state::without_times;
    if written_anew { without_times(one.clone()) == without_times(other.clone()) } else { one == other }
}

#[test]
fn a_flipped_bit_is_found_in_each_file_wherever_it_is() {
    let Some(mut server) = Redis::start(&["--repl-diskless-sync-delay", "0"]) else { return };
    fill(&mut server, 0);
    for method in ["dump", "bgsave"] {
        let shop = Workshop::default();
        shop.on(&server.url(), &format!("backup create --to b --name one --method {method}")).must_exit(0);
        let mut files = names(&shop, "b/one");
        files.sort();
        assert!(files.len() >= 4, "{files:?}");
        for file in files {
            let path = format!("b/one/{file}");
            let bytes = shop.read(&path);
            for step in 0..8 {
                let at = bytes.len() * step / 8 + step % 3;
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << step;
                shop.write(&path, &flipped);
                let run = shop.papyra("backup verify b/one");
                assert!(matches!(run.code, Some(2 | 65)), "{file}, byte {at}: {run:#?}");
                assert!(run.stdout.contains(&file) || run.stderr.contains("cannot be trusted"), "{run:#?}");
                let refused = shop.on("redis://127.0.0.1:1", "backup restore b/one").code;
                assert!(matches!(refused, Some(65 | 69)), "{refused:?}");
            }
            // The last byte of a text is its newline, which nothing depends on.
            shop.write(&path, &bytes[..bytes.len() - 2]);
            assert!(matches!(shop.papyra("backup verify b/one").code, Some(2 | 65)), "{file} cut");
            shop.write(&path, &bytes);
        }
        shop.papyra("backup verify b/one").must_exit(0);
    }
}

#[test]
fn damage_is_said_before_anything_is_restored() {
    let Some(mut server) = Redis::start(&[]) else { return };
    fill(&mut server, 0);
    let shop = Workshop::default();
    shop.on(&server.url(), "backup create --to b --name one").must_exit(0);
    let mut bytes = shop.read("b/one/s.audits.dump");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    shop.write("b/one/s.audits.dump", bytes);
    server.call("FLUSHALL");
    shop.on(&server.url(), "backup restore b/one").must_exit(65).must_complain("s.audits.dump is damaged");
    shop.papyra("backup drill b/one").must_exit(2).must_say("s.audits.dump is damaged");
    assert_eq!(live(&mut server), State::new());
}

#[test]
fn a_manifest_that_says_what_no_backup_says_is_refused() {
    let Some(mut server) = Redis::start(&[]) else { return };
    fill(&mut server, 0);
    let forgeries: [fn(&mut Value); 9] = [
        |redis| redis["streams"][0]["key"] = json!("somebody:elses:key"),
        |redis| {
            redis["streams"][0]["key"] = json!("somebody:elses:key");
            redis["streams"][0]["quarantine"] = json!(true);
        },
        |redis| redis["streams"][0]["file"] = json!("../x"),
        |redis| redis["streams"][0]["file"] = json!("groups.json"),
        |redis| redis["streams"][1] = redis["streams"][0].clone(),
        |redis| redis["streams"] = json!([]),
        |redis| redis["method"] = json!("bgsave"),
        |redis| redis["streams"][0]["entries_sha256"] = json!(""),
        |redis| redis["prefix"] = json!("other"),
    ];
    for forgery in forgeries {
        let shop = Workshop::default();
        shop.on(&server.url(), "backup create --to b --name one").must_exit(0);
        shop.forge("b/one", |manifest| forgery(&mut manifest["source"]["redis"]));
        for verb in ["backup verify b/one", "backup drill b/one"] {
            shop.papyra(verb).must_exit(65).must_complain("cannot be trusted");
        }
        shop.on(&server.url(), "backup restore b/one --replace").must_exit(65);
    }
    // One that could be true, and is not.
    let shop = Workshop::default();
    shop.on(&server.url(), "backup create --to b --name one").must_exit(0);
    shop.forge("b/one", |manifest| manifest["source"]["redis"]["streams"][0]["length"] = json!(41));
    shop.papyra("backup verify b/one").must_exit(2).must_say("the manifest says something else of papyra:s:events");
    shop.on(&server.url(), "backup restore b/one --replace").must_exit(65);
}
