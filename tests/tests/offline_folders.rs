//! Recovery of append-only folders as a whole: files that are gone, manifests that are broken or gone, and what follows
//! a cut.
//!
//! What recovery leaves is given to real servers: they start on it, and hold what its files say offline.

use std::path::Path;

use papyra_core::redis::{AofManifest, AofReader, Entry, Limits, Replay};
use papyra_tests::redis::{Redis, with_folders};
use papyra_tests::redis_state::{Fields, State, assert_same, fields_of, live, of_replay, without_times};
use papyra_tests::{Run, Workshop};

const MANIFEST: &str = "aof/appendonly.aof.manifest";
const BASE: &str = "appendonly.aof.1.base.rdb";

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/redis/appendonlydir").join(name);
    std::fs::read(path).expect("the fixture is there")
}

fn incr(number: usize) -> String {
    format!("appendonly.aof.{number}.incr.aof")
}

/// The incremental file in three, as rewrites that did not come to their end leave it.
fn pieces() -> Vec<Vec<u8>> {
    let whole = fixture(&incr(1));
    let border = |from: usize| {
        let start = b"*5\r\n$4\r\nXADD";
        from + whole[from..].windows(start.len()).position(|part| part == start).expect("there is one")
    };
    let (one, two) = (border(30_000), border(60_000));
    let select = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
    let [first, second, third] = [&whole[..one], &whole[one..two], &whole[two..]];
    vec![first.to_vec(), [select, second].concat(), [select, third].concat()]
}

/// A folder of a base and so many incremental files.
fn folder(count: usize) -> Workshop {
    let shop = Workshop::with(&format!("aof/{BASE}"), fixture(BASE));
    let mut manifest = format!("file {BASE} seq 1 type b\n");
    for (number, piece) in (1..=count).zip(pieces()) {
        shop.write(&format!("aof/{}", incr(number)), piece);
        manifest.push_str(&format!("file {} seq {number} type i\n", incr(number)));
    }
    shop.write(MANIFEST, manifest);
    shop
}

/// What these files come to, one after the other.
fn state(files: &[Vec<u8>]) -> State {
    let mut replay = Replay::new(fields_of as fn(u32, &Entry<'_>) -> Fields);
    for bytes in files {
        replay.next_file();
        let mut reader = AofReader::new(Limits::default());
        assert!(reader.push(bytes, &mut replay).is_continue());
        reader.finish(&mut replay).unwrap();
    }
    without_times(of_replay(replay.streams()))
}

/// The files that the folder's manifest names, in order, and the state that they come to.
fn named(shop: &Workshop) -> (Vec<String>, State) {
    let manifest = AofManifest::parse(&shop.read(MANIFEST)).expect("a sound manifest");
    let names: Vec<String> = manifest.in_order().map(|file| file.name.clone()).collect();
    let files: Vec<_> = names.iter().map(|name| shop.read(&format!("aof/{name}"))).collect();
    let state = state(&files);
    (names, state)
}

/// Every server at hand starts on the folder and holds what its files say.
fn servers_agree(shop: &Workshop, what: &str) {
    let (names, expected) = named(shop);
    for binary in with_folders() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("appendonlydir")).unwrap();
        for name in names.iter().map(String::as_str).chain(["appendonly.aof.manifest"]) {
            std::fs::write(dir.path().join("appendonlydir").join(name), shop.read(&format!("aof/{name}"))).unwrap();
        }
        let mut server = Redis::of_in(&binary, dir, &["--appendonly", "yes", "--aof-load-truncated", "no"]);
        assert_same(&expected, &without_times(live(&mut server)), what);
    }
}

/// What was in the folder is still in it, or kept in the rejects.
fn nothing_is_lost(shop: &Workshop, before: &[Vec<u8>]) {
    let now = [files(shop), shop.contents("aof/.papyra-rejected")].concat();
    for bytes in before.iter().filter(|bytes| !bytes.is_empty()) {
        assert!(now.contains(bytes), "a file of {} bytes is gone", bytes.len());
    }
}

/// Recovers; whatever remains is an entry that is no record, which is a whole command.
fn recover(shop: &Workshop, flags: &str) -> Run {
    let run = shop.papyra(&format!("persistence recover --path aof {flags}"));
    assert!(matches!(run.code, Some(0 | 3)), "{run:#?}");
    let report = shop.papyra("persistence scan --path aof --format json").json();
    for file in report["files"].as_array().unwrap() {
        assert!(file["anomalies"].as_array().unwrap().iter().all(|left| left["id"].is_string()), "{file:#}");
    }
    run
}

/// Files of a folder that are no folders themselves.
fn files(shop: &Workshop) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(shop.path("aof")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn a_missing_file_is_left_out_and_what_follows_it_stays() {
    let shop = folder(3);
    std::fs::remove_file(shop.path(&format!("aof/{}", incr(2)))).unwrap();
    let before = files(&shop);
    shop.papyra("persistence scan --path aof").must_exit(2).must_say("MISSING_FILE");
    let plan = shop.papyra("persistence recover --path aof --dry-run").must_exit(0);
    plan.must_say("left out, being not there: appendonly.aof.2.incr.aof");
    assert_eq!(files(&shop).len(), before.len());
    recover(&shop, "").must_not_say("MISSING_FILE");
    let (names, now) = named(&shop);
    assert_eq!(names, [BASE.to_owned(), incr(1), incr(3)]);
    let all = pieces();
    assert_same(&now, &state(&[fixture(BASE), all[0].clone(), all[2].clone()]), "one of three is missing");
    nothing_is_lost(&shop, &before);
    servers_agree(&shop, "a missing file");
}

/// What follows may depend on what is missing: on other keys that is for a person to say, and of a missing base always.
#[test]
fn commands_that_depend_on_a_missing_file_need_a_word() {
    let shop = folder(3);
    std::fs::remove_file(shop.path(&format!("aof/{}", incr(2)))).unwrap();
    let third = [shop.read(&format!("aof/{}", incr(3))), b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n".to_vec()].concat();
    shop.write(&format!("aof/{}", incr(3)), third);
    let before = files(&shop);
    let refused = shop.papyra("persistence recover --path aof").must_exit(64);
    refused.must_complain("INCR").must_complain("--keep-later").must_complain("--truncate");
    assert_eq!(files(&shop), before);
    recover(&shop, "--truncate");
    assert_eq!(named(&shop).0, [BASE.to_owned(), incr(1)]);
    nothing_is_lost(&shop, &before);
    servers_agree(&shop, "cut before a missing file");

    let shop = folder(2);
    std::fs::remove_file(shop.path(&format!("aof/{BASE}"))).unwrap();
    let refused = shop.papyra("persistence recover --path aof").must_exit(64);
    refused.must_complain("from a backup").must_complain("--keep-later");
    recover(&shop, "--keep-later");
    assert_eq!(named(&shop).0, [incr(1), incr(2)]);
    servers_agree(&shop, "no base");
}

/// A cut takes the files after it along, and keeps them aside, where no server writes over them.
#[test]
fn a_cut_takes_along_what_follows() {
    let shop = folder(3);
    let name = format!("aof/{}", incr(2));
    let mut second = shop.read(&name);
    let at = 20_000 + second[20_000..].windows(3).position(|part| part == b"\r\n*").unwrap() + 2;
    second[at + 1] = b'x';
    shop.write(&name, &second);
    let before = files(&shop);
    recover(&shop, "--truncate --mode quarantine --quarantine-dir q");
    assert_eq!(named(&shop).0, [BASE.to_owned(), incr(1), incr(2)]);
    assert_eq!(shop.read(&name), second[..at]);
    let now = [files(&shop), shop.contents("q")].concat();
    assert!(before.iter().all(|bytes| now.contains(bytes)), "whole files are kept");
    assert_eq!(files(&shop).len(), 4, "the third is aside");
    servers_agree(&shop, "cut in the second of three");
}

fn called_replaced(text: Vec<u8>, roles: &[&str]) -> Vec<u8> {
    let text = String::from_utf8(text).expect("text");
    roles.iter().fold(text, |text, role| text.replace(role, "type h")).into_bytes()
}

#[test]
fn a_broken_manifest_is_made_anew_when_only_one_order_is_possible() {
    let whole = folder(3).read(MANIFEST);
    type Break = fn(Vec<u8>) -> Vec<u8>;
    let breaks: [(usize, Break); 7] = [
        (3, |text| text[..text.len() - 4].to_vec()),
        (3, |text| [&b"\0\0\0\0\0\0\0\0"[..], &text[8..]].concat()),
        (1, |_| Vec::new()),
        (1, |text| vec![0; text.len()]),
        // What is called replaced, and by nothing: a server would start without it, and delete it.
        (1, |text| called_replaced(text, &["type b"])),
        (3, |text| called_replaced(text, &["type b"])),
        (1, |text| called_replaced(text, &["type b", "type i"])),
    ];
    for (count, breaks) in breaks {
        let shop = folder(count);
        let sound = shop.read(MANIFEST);
        shop.write(MANIFEST, breaks(sound.clone()));
        let before = files(&shop);
        for path in ["aof", MANIFEST] {
            let said = shop.papyra(&format!("persistence scan --path {path} --format json")).must_exit(2).json();
            assert_eq!(said["files"][0]["anomalies"][0]["reason"], "broken_manifest", "{said:#}");
            assert_eq!(said["files"].as_array().unwrap().len(), count + 2);
        }
        recover(&shop, "").must_say("the manifest names, in this order");
        assert_eq!(shop.read(MANIFEST), sound);
        nothing_is_lost(&shop, &before);
        servers_agree(&shop, "a manifest made anew");
    }
    // Gone altogether: a server would start empty.
    let shop = folder(1);
    std::fs::remove_file(shop.path(MANIFEST)).unwrap();
    shop.papyra("persistence scan --path aof").must_exit(2).must_say("a server would start empty");
    recover(&shop, "");
    assert_eq!(named(&shop).0.len(), 2);
    servers_agree(&shop, "no manifest");
    assert!(whole.starts_with(&shop.read(MANIFEST)));
}

#[test]
fn a_manifest_is_not_guessed() {
    let shop = folder(3);
    shop.write(MANIFEST, "file gone seq 1 type b\nfile\n");
    let before = files(&shop);
    let refused = shop.papyra("persistence recover --path aof/appendonly.aof.manifest").must_exit(65);
    refused.must_complain("from a backup").must_complain("by hand").must_complain("byte 23");
    assert_eq!(files(&shop), before);
}

/// A manifest may name anything: itself, a file twice, a pipe, a folder.
#[test]
fn a_manifest_that_names_what_is_no_file_of_its_set() {
    for (names, why) in [
        ("appendonly.aof.manifest", "names itself"),
        (BASE, "two lines name one file"),
        ("../appendonly.aof.1.incr.aof", "not plain"),
    ] {
        let shop = folder(2);
        shop.write(MANIFEST, format!("file {BASE} seq 1 type b\nfile {names} seq 2 type i\n"));
        let before = files(&shop);
        shop.papyra("persistence scan --path aof").must_exit(2).must_say("broken_manifest").must_say(why);
        shop.papyra("persistence recover --path aof/appendonly.aof.manifest").must_exit(65).must_complain("by hand");
        assert_eq!(files(&shop), before);
    }
    let shop = folder(1);
    let path = shop.path(&format!("aof/{}", incr(1)));
    for replaced in ["pipe", "folder"] {
        _ = std::fs::remove_file(&path);
        match replaced {
            "pipe" => rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap(),
            _ => std::fs::create_dir(&path).unwrap(),
        }
        for command in ["persistence scan", "persistence recover", "inspect groups"] {
            shop.papyra(&format!("{command} --path aof")).must_exit(66).must_complain("not a regular file");
        }
    }
}

#[test]
fn a_servers_folder_is_scanned_with_its_dump_and_its_append_only_files() {
    let shop = folder(1);
    let dump = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/redis/dump.rdb");
    std::fs::create_dir(shop.path("data")).expect("a folder");
    std::fs::rename(shop.path("aof"), shop.path("data/appendonlydir")).expect("moved");
    let scan = || shop.papyra("persistence scan --path data --format json");
    let paths = |report: &serde_json::Value| -> Vec<String> {
        let files = report["files"].as_array().expect("files").iter();
        files.map(|file| file["path"].as_str().expect("a path").to_owned()).collect()
    };
    // Alone, the folder is what is meant.
    let alone = scan().must_exit(0).json();
    assert_eq!(paths(&alone), [BASE, &incr(1)]);
    assert!(alone["loaded"].is_null());
    std::fs::copy(&dump, shop.path("data/dump.rdb")).expect("copied");
    let both = scan().must_exit(2).json();
    assert_eq!(paths(&both), ["dump.rdb", &format!("appendonlydir/{BASE}"), &format!("appendonlydir/{}", incr(1))]);
    assert_eq!(both["passed_over"], serde_json::Value::Null);
    let said =
        "with `appendonly yes` loads appendonlydir/ and not dump.rdb; with `appendonly no` it loads dump.rdb alone";
    shop.papyra("persistence scan --path data").must_exit(2).must_say(said);
    for verb in ["redis export --to out", "backup create --to b"] {
        shop.papyra(&format!("{verb} --path data"))
            .must_exit(64)
            .must_complain("loads appendonlydir/")
            .must_complain("--path");
    }
    // What is wrong in either is wrong in all of it.
    let manifest = shop.path("data/appendonlydir/appendonly.aof.manifest");
    std::fs::write(&manifest, format!("file {BASE} seq 1 type b\n")).expect("written");
    let torn = scan().must_exit(2);
    assert!(torn.stdout.contains("broken_manifest"), "{torn:#?}");
    shop.papyra("persistence recover --path data").must_exit(64).must_complain("name Redis backups one by one");
}
