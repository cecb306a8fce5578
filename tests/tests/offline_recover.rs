//! Recovery of append-only files: what is damaged goes and is kept, what is whole stays, and a server starts on the
//! result.

use std::path::Path;

use papyra_core::redis::{AofReader, Entry, Limits, Replay};
use papyra_tests::Workshop;
use papyra_tests::redis::{Redis, encoded, with_folders};
use papyra_tests::redis_state::{Fields, State, assert_same, fields_of, live, of_replay, without_times};

const INCR: &str = "aof/appendonly.aof.1.incr.aof";

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/redis/appendonlydir").join(name);
    std::fs::read(path).expect("the fixture is there")
}

/// The folder with one change to its incremental file.
fn shop(change: impl FnOnce(&mut Vec<u8>)) -> Workshop {
    let shop = Workshop::default();
    for name in ["appendonly.aof.1.base.rdb", "appendonly.aof.manifest"] {
        shop.write(&format!("aof/{name}"), fixture(name));
    }
    let mut bytes = fixture("appendonly.aof.1.incr.aof");
    change(&mut bytes);
    shop.write(INCR, bytes);
    shop
}

/// Where the first command at or after `from` begins that adds to a stream outside a transaction.
fn command_at(bytes: &[u8], from: usize) -> usize {
    let start = b"*5\r\n$4\r\nXADD";
    from + bytes[from..].windows(start.len()).position(|part| part == start).expect("there is one")
}

fn offline(bytes: &[u8]) -> State {
    let mut replay = Replay::new(fields_of as fn(u32, &Entry<'_>) -> Fields);
    let mut reader = AofReader::new(Limits::default());
    let _ = reader.push(bytes, &mut replay);
    reader.finish(&mut replay).unwrap();
    of_replay(replay.streams())
}

/// Damage in the middle costs the command it hit and no other.
#[test]
fn only_the_damaged_command_goes() {
    let whole = fixture("appendonly.aof.1.incr.aof");
    let at = command_at(&whole, 60_000);
    let shop = shop(|bytes| bytes[at + 1] = b'x');
    shop.papyra("persistence scan --path aof")
        .must_exit(2)
        .must_say("broken_command")
        .must_say(&format!("at byte {at}"));
    shop.papyra("persistence recover --path aof --dry-run").must_exit(0).must_say("cut out");
    assert_eq!(shop.read(INCR).len(), whole.len());
    // Three entries that are no records remain: they are whole commands.
    shop.papyra("persistence recover --path aof").must_exit(3).must_say("repaired").must_not_say("broken_command");
    let repaired = shop.read(INCR);
    let next = at + 1 + whole[at + 1..].windows(3).position(|part| part == b"\r\n*").unwrap() + 2;
    assert_eq!(repaired, [&whole[..at], &whole[next..]].concat());
    let kept = shop.contents("aof/.papyra-rejected");
    assert!(kept.iter().any(|bytes| bytes.len() == next - at && bytes.starts_with(b"*x\r\n$4\r\nXADD")));
    shop.papyra("persistence recover --path aof").must_exit(3).must_not_say("repaired aof");
    assert_eq!(shop.read(INCR), repaired);
}

/// The manifest says what a file is, also when nothing at its front does any more.
#[test]
fn an_incremental_file_whose_front_is_gone() {
    let whole = fixture("appendonly.aof.1.incr.aof");
    let shop = shop(|bytes| bytes[..4096].fill(0));
    shop.papyra("persistence scan --path aof").must_exit(2).must_say("broken_command");
    shop.papyra("persistence recover --path aof").must_exit(3).must_say("repaired");
    let repaired = shop.read(INCR);
    assert!(whole.ends_with(&repaired) && repaired.len() > whole.len() - 5_000, "{}", repaired.len());
    shop.papyra("persistence scan --path aof").must_not_say("broken_command");
}

/// Quarantine keeps the whole original.
#[test]
fn quarantine_keeps_the_original() {
    let shop = shop(|bytes| bytes.truncate(bytes.len() - 7));
    let damaged = shop.read(INCR);
    shop.papyra("persistence recover --path aof --mode quarantine --quarantine-dir q")
        .must_exit(3)
        .must_say("quarantined");
    assert_eq!(shop.contents("q"), [damaged]);
}

/// A file without a manifest is recovered alone; `--truncate` keeps nothing after the damage.
#[test]
fn one_file_and_truncation() {
    let whole = fixture("appendonly.aof.1.incr.aof");
    let at = command_at(&whole, 60_000);
    let mut damaged = whole.clone();
    damaged[at + 1] = b'x';
    let shop = Workshop::with("one.aof", damaged);
    shop.papyra("persistence recover --path one.aof --truncate").must_exit(0);
    assert_eq!(shop.read("one.aof"), &whole[..at]);
}

/// Old append-only files begin with a dump.
#[test]
fn a_dump_at_the_front_stays() {
    let front = fixture("appendonly.aof.1.base.rdb");
    let whole = [front.clone(), fixture("appendonly.aof.1.incr.aof")].concat();
    let at = command_at(&whole, 60_000);
    let mut damaged = whole.clone();
    damaged[at + 1] = b'x';
    let shop = Workshop::with("one.aof", damaged);
    shop.papyra("persistence scan --path one.aof").must_exit(2).must_say("commands, checksum verified");
    shop.papyra("persistence recover --path one.aof --truncate").must_exit(0);
    assert_eq!(shop.read("one.aof"), &whole[..at]);
}

/// Later commands on other keys are for a person to decide about.
#[test]
fn later_commands_on_other_keys_need_a_word() {
    let shop = shop(|bytes| {
        let at = command_at(bytes, 60_000);
        bytes[at + 1] = b'x';
        bytes.extend_from_slice(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n");
    });
    let before = shop.read(INCR);
    let refused = shop.papyra("persistence recover --path aof").must_exit(64);
    refused.must_complain("INCR").must_complain("--keep-later").must_complain("--truncate");
    assert_eq!(shop.read(INCR), before);
    shop.papyra("persistence recover --path aof --keep-later").must_exit(3);
    assert!(shop.read(INCR).ends_with(b"INCR\r\n$1\r\nn\r\n"));
}

/// The stream that was to replace another is lost: what follows goes to the old one, which never was.
#[test]
fn a_stream_that_is_moved_after_damage_needs_a_word() {
    let add = |key: &str, id: &str| encoded(&["XADD", key, id, "data", "{\"kind\": \"event\"}"]);
    let (old, new) = ("papyra:a:events", "papyra:b:events");
    let lost = String::from_utf8(add(new, "5-0")).unwrap().replace("XADD", "XAD\u{1}").into_bytes();
    let bytes = [add(old, "1-0"), lost, encoded(&["RENAME", new, old]), add(old, "6-0")].concat();
    let shop = Workshop::with("one.aof", bytes.clone());
    let scan = shop.papyra("persistence scan --path one.aof").must_exit(2);
    scan.must_say("RENAME").must_say("the stream stays").must_say("2 entries");
    let refused = shop.papyra("persistence recover --path one.aof").must_exit(64);
    refused.must_complain("RENAME").must_complain("--keep-later").must_complain("--truncate");
    assert_eq!(shop.read("one.aof"), bytes);
    shop.papyra("persistence recover --path one.aof --truncate").must_exit(0);
    assert_eq!(shop.read("one.aof"), add(old, "1-0"));
}

/// A real server starts on the result and holds what the offline state says.
#[test]
fn a_server_starts_on_the_result() {
    let at = command_at(&fixture("appendonly.aof.1.incr.aof"), 60_000);
    let shop = shop(|bytes| {
        bytes[at + 1] = b'x';
        bytes.truncate(bytes.len() - 7);
    });
    shop.papyra("persistence recover --path aof").must_exit(3);
    let expected = offline(&shop.read(INCR));
    for binary in with_folders() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("appendonlydir");
        std::fs::create_dir(&folder).unwrap();
        for name in ["appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"] {
            std::fs::write(folder.join(name), shop.read(&format!("aof/{name}"))).unwrap();
        }
        let config = ["--appendonly", "yes", "--aof-load-truncated", "no"];
        let mut server = Redis::of_in(&binary, dir, &config);
        assert_same(&without_times(expected.clone()), &without_times(live(&mut server)), "after recovery");
    }
}
