//! Backups as an operator meets them: made, checked, brought back, listed, pruned and tried out.

use std::fs::{self, File};
use std::process::Command;

use papyra_tests::{Run, Workshop, has, logs};
use rustix::fs::{FlockOperation, flock};

/// A folder `p` with a log and a rotation set in it.
fn source() -> Workshop {
    Workshop::with("p/events.ndjson", logs::clean(9))
        .and("p/rot.log.2", logs::lines(0..4))
        .and("p/rot.log.1", logs::lines(4..7))
        .and("p/rot.log", logs::lines(7..9))
}

fn backed_up() -> Workshop {
    let shop = source();
    shop.papyra("backup create --path p --to b --name one").must_exit(0).must_say("backup b/one");
    shop
}

fn shell(shop: &Workshop, script: &str) -> Run {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(shop.path("."));
    papyra_tests::run(command, script)
}

#[test]
fn a_backup_is_a_plain_folder_that_cp_and_sha256sum_can_use() {
    let shop = backed_up();
    for name in ["events.ndjson", "rot.log.2", "rot.log.1", "rot.log"] {
        assert_eq!(shop.read(&format!("b/one/{name}")), shop.read(&format!("p/{name}")));
    }
    shell(&shop, "cd b/one && sha256sum --strict -c SHA256SUMS").must_exit(0).must_say("manifest.json: OK");
    shell(&shop, "cp -r b/one copy").must_exit(0);
    shop.papyra("backup verify copy").must_exit(0).must_say("is intact: 4 files checked");
    shop.papyra("persistence scan --path b/one").must_exit(0).must_say("Persistence is healthy.");
}

#[test]
fn the_manifest_says_of_each_file_what_was_read() {
    let manifest: serde_json::Value = serde_json::from_slice(&backed_up().read("b/one/manifest.json")).unwrap();
    assert_eq!(manifest["schema"], "papyra.backup/1");
    assert_eq!(manifest["scan"]["schema"], "papyra.scan/1");
    assert_eq!(manifest["scan"]["verdict"], "clean");
    assert_eq!(manifest["scan"]["totals"]["records"]["event"], 12);
    let file = manifest["files"].as_array().unwrap().iter().find(|file| file["path"] == "rot.log.2").unwrap();
    assert_eq!(file["bytes"], logs::lines(0..4).len());
    assert_eq!(file["source"]["index"], 2);
    assert_eq!(file["source"]["cut"], serde_json::Value::Null);
}

#[test]
fn compressed_backups_open_with_the_ordinary_tools_and_restore_byte_for_byte() {
    for (format, suffix, tool) in [("gzip", "gz", "gzip"), ("zstd", "zst", "zstd")] {
        let shop = source();
        let large = logs::clean(30_000);
        shop.write("p/large.ndjson", &large);
        shop.papyra(&format!("backup create --path p --to b --name one --compress {format}")).must_exit(0);
        if has(tool) {
            let unpacked = format!("{tool} -dc b/one/large.ndjson.{suffix} | cmp - p/large.ndjson");
            shell(&shop, &unpacked).must_exit(0);
        }
        assert!(shop.read(&format!("b/one/large.ndjson.{suffix}")).len() < large.len() / 3);
        shop.papyra("backup verify b/one").must_exit(0);
        shop.papyra("backup restore b/one --to new").must_exit(0);
        shell(&shop, "diff -r p new").must_exit(0);
    }
}

#[test]
fn a_log_that_is_compressed_already_is_kept_as_it_is_and_scanned() {
    let shop = source();
    shell(&shop, "gzip -c p/events.ndjson > p/old.ndjson.gz").must_exit(0);
    shop.papyra("backup create --path p --to b --name one --compress zstd").must_exit(0);
    assert_eq!(shop.read("b/one/old.ndjson.gz"), shop.read("p/old.ndjson.gz"));
    let report = shop.papyra("backup verify b/one --format json").must_exit(0).json();
    let files = report["scan"]["files"].as_array().unwrap();
    assert_eq!(files.iter().find(|file| file["path"] == "old.ndjson.gz").unwrap()["lines"], 9);
}

#[test]
fn damage_in_the_log_comes_along_and_is_said() {
    let damaged = logs::damaged();
    let shop = Workshop::with("p/events.ndjson", &damaged.log);
    shop.papyra("backup create --path p --to b --name one").must_exit(2).must_say("the log has 8 anomalies");
    assert_eq!(shop.read("b/one/events.ndjson"), damaged.log);
    shop.papyra("backup verify b/one").must_exit(2).must_say("is intact").must_say("the log already had 8 anomalies");
    shop.papyra("backup restore b/one --to new").must_exit(0).must_say("to repair:");
    assert_eq!(shop.read("new/events.ndjson"), damaged.log);
}

#[test]
fn what_recovery_took_out_stays_out_unless_it_is_wanted() {
    let shop = Workshop::with("p/events.ndjson", logs::damaged().log);
    shop.papyra("persistence recover --path p/events.ndjson").must_exit(0);
    shop.papyra("backup create --path p --to b --name without").must_exit(0).must_say("not in it: .papyra-rejected");
    assert!(!shop.path("b/without/.papyra-rejected").exists());
    shop.papyra("backup create --path p --to b --name with --include-rejects").must_exit(0);
    shop.papyra("backup restore b/with --to new").must_exit(0);
    assert_eq!(shop.contents("new/.papyra-rejected"), shop.contents("p/.papyra-rejected"));
}

#[test]
fn a_flipped_bit_in_any_file_is_found() {
    for format in ["none", "gzip", "zstd"] {
        let shop = source();
        shop.papyra(&format!("backup create --path p --to b --name one --compress {format}")).must_exit(0);
        let names: Vec<String> =
            fs::read_dir(shop.path("b/one")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(names.len(), 6);
        for name in names {
            let path = format!("b/one/{name}");
            let good = shop.read(&path);
            for at in [0, good.len() / 3, good.len() / 2, good.len() - 1] {
                let mut bad = good.clone();
                bad[at] ^= 1 << (at % 7);
                shop.write(&path, &bad);
                let run = shop.papyra("backup verify b/one");
                assert!(matches!(run.code, Some(2 | 65)), "{format} {name} {at}: {run:#?}");
                assert!(format!("{}{}", run.stdout, run.stderr).contains(&name), "{format} {name}: {run:#?}");
                assert_eq!(shop.papyra("backup restore b/one --to new").code, Some(65), "{format} {name} {at}");
                assert!(!shop.path("new").exists());
            }
            shop.write(&path, &good);
        }
        shop.papyra("backup verify b/one").must_exit(0);
    }
}

#[test]
fn verify_says_where_the_damage_is_and_whether_recovery_would_help() {
    let shop = Workshop::with("p/events.ndjson", logs::clean(30_000));
    shop.papyra("backup create --path p --to b --name one").must_exit(0);
    let good = shop.read("b/one/events.ndjson");
    let mut bad = good.clone();
    let line = (3 << 20) + bad[3 << 20..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    bad[line] = b'#';
    shop.write("b/one/events.ndjson", &bad);
    shop.papyra("backup verify b/one")
        .must_exit(2)
        .must_say("between byte 3145728 and byte 4194304")
        .must_say(&format!("at byte {line}:"))
        .must_say("recovery would bring back 29,999 of its 30,000 records");
    // A changed letter in a text is a record all the same: only the checksum tells.
    let mut bad = good.clone();
    let at = good.windows(5).position(|window| window == b"local").unwrap();
    bad[at] = b'L';
    shop.write("b/one/events.ndjson", &bad);
    shop.papyra("backup verify b/one").must_exit(2).must_say("between byte 0 and").must_say("use another backup");
    shop.write("b/one/events.ndjson", &good[..1_000]);
    shop.papyra("backup verify b/one").must_exit(2).must_say("it has 1000 bytes where");
    fs::remove_file(shop.path("b/one/events.ndjson")).unwrap();
    shop.papyra("backup verify b/one").must_exit(2).must_say("events.ndjson: it is not there");
    shop.papyra("backup verify b/one --quick").must_exit(2).must_say("it is not there");
}

#[test]
fn a_restore_never_merges_and_replaces_only_when_told() {
    let shop = backed_up();
    shop.write("t/other.txt", "mine");
    shop.papyra("backup restore b/one --to t").must_exit(73).must_complain("never merges");
    assert_eq!(shop.contents("t"), [b"mine"]);
    shop.papyra("backup restore b/one --to t --replace --dry-run").must_exit(0).must_say("nothing was written");
    assert_eq!(shop.contents("t"), [b"mine"]);
    shop.papyra("backup restore b/one --to t --replace").must_exit(0).must_say("existing data was renamed to");
    shell(&shop, "diff -r p t").must_exit(0);
    shell(&shop, "cat t.replaced.*/other.txt").must_exit(0).must_say("mine");
    fs::create_dir(shop.path("empty")).unwrap();
    shop.papyra("backup restore b/one --to empty").must_exit(0);
    shell(&shop, "diff -r p empty").must_exit(0);
    shop.papyra("backup restore b/one --to deep/er/still").must_exit(0);
    shell(&shop, "diff -r p deep/er/still").must_exit(0);
    let strays: Vec<String> = shop.names().into_iter().filter(|name| name.starts_with('.')).collect();
    assert_eq!(strays, [""; 0]);
}

#[test]
fn a_backup_waits_for_a_recovery_and_then_says_so() {
    let shop = source();
    let folder = File::open(shop.path("p")).unwrap();
    flock(&folder, FlockOperation::NonBlockingLockExclusive).unwrap();
    shop.papyra("backup create --path p --to b --wait 0").must_exit(75).must_complain("another papyra is at work");
    // Said outright: a process that another test is just starting may hold a copy of the descriptor.
    flock(&folder, FlockOperation::Unlock).unwrap();
    shop.write("p/rot.log.compact.tmp", logs::lines(0..2));
    shop.papyra("backup create --path p --to b --wait 0").must_exit(75).must_complain("compaction or recovery");
    // One that nobody has touched for long was left by a crash, and may be all that there is of these records.
    shell(&shop, "touch -d '2 hours ago' p/rot.log.compact.tmp").must_exit(0);
    shop.papyra("backup create --path p --to b --name one --wait 0").must_exit(2).must_say("the log has 1 anomaly");
    assert_eq!(shop.read("b/one/rot.log.compact.tmp"), logs::lines(0..2).into_bytes());
}

#[test]
fn a_writer_is_seen_when_there_must_be_none() {
    let shop = source();
    shop.papyra("backup create --path p --to b --pause-check").must_exit(0);
    let _writer = fs::OpenOptions::new().append(true).open(shop.path("p/rot.log")).unwrap();
    shop.papyra("backup create --path p --to b --pause-check").must_exit(75).must_complain("--pause-check");
    shop.papyra("backup create --path p --to b").must_exit(0);
}

#[test]
fn nothing_to_back_up_is_no_backup() {
    let shop = source();
    shop.papyra("backup create --path nowhere --to b").must_exit(66);
    fs::create_dir(shop.path("empty")).unwrap();
    shop.papyra("backup create --path empty --to b").must_exit(66);
    shop.papyra("backup create --path p --to b --name ../out").must_exit(64);
    shop.papyra("backup create --path p").must_exit(78);
    shop.papyra("backup verify p").must_exit(65);
    shop.papyra("backup verify nowhere").must_exit(66);
    assert!(!shop.path("b").exists());
    shop.papyra("backup create --path p --to b --name one").must_exit(0);
    shop.papyra("backup create --path p --to b --name one").must_exit(73).must_complain("exists already");
}

#[test]
fn an_object_store_without_credentials_is_refused_in_words() {
    let shop = backed_up();
    for words in ["create --path p --to s3://x/y", "list s3://x/y", "verify s3://x/y/one", "prune s3://x --keep-last 1"]
    {
        shop.papyra(&format!("backup {words}"))
            .must_exit(78)
            .must_complain("there are no credentials: set AWS_ACCESS_KEY_ID");
    }
    shop.papyra("backup restore b/one --to s3://key:secret@x/y")
        .must_exit(64)
        .must_complain("s3://***@x/y is not a folder");
    assert_eq!(shop.names(), ["b", "p"]);
}

#[test]
fn a_list_warns_of_the_newest_that_is_old_unverified_or_damaged() {
    let shop = backed_up();
    shop.papyra("backup list b").must_exit(2).must_say("not verified yet");
    shop.papyra("backup verify b/one").must_exit(0);
    shop.papyra("backup list b --max-age 1h").must_exit(0).must_say("clean, verified");
    let text = String::from_utf8(shop.read("b/one.verified.json")).unwrap();
    shop.write("b/one.verified.json", text.replace("\"intact\": true", "\"intact\": false"));
    shop.papyra("backup list b").must_exit(2).must_say("one is damaged");
    // Somebody else's record says nothing about this backup.
    shop.write("b/one.verified.json", text.replacen("\"manifest_sha256\": \"", "\"manifest_sha256\": \"0", 1));
    shop.papyra("backup list b").must_exit(2).must_say("about another backup").must_say("not verified");
    shop.write("b/one.verified.json", text);
    std::thread::sleep(std::time::Duration::from_millis(20));
    shop.papyra("backup list b --max-age 0.01").must_exit(2).must_say("the limit");
    fs::create_dir(shop.path("none")).unwrap();
    shop.papyra("backup list none").must_exit(2).must_say("there is no backup");
    shop.papyra("backup list nowhere").must_exit(66);
    let entry = &shop.papyra("backup list b --format json").must_exit(0).json()["backups"][0];
    assert_eq!((&entry["records"], &entry["verified"]["intact"]), (&18.into(), &true.into()));
}

#[test]
fn prune_shows_first_and_keeps_the_newest_good_one() {
    let shop = backed_up();
    shop.papyra("backup verify b/one").must_exit(0);
    for name in ["two", "three"] {
        shop.papyra(&format!("backup create --path p --to b --name {name}")).must_exit(0);
    }
    shop.write("b/notes/readme.txt", "not a backup");
    shop.papyra("backup prune b").must_exit(64);
    shop.papyra("backup prune b --keep-last 1").must_exit(0).must_say("two: would be removed");
    assert!(shop.path("b/two").exists());
    shop.papyra("backup prune b --keep-last 1 --apply")
        .must_exit(0)
        .must_say("two: removed")
        .must_say("the newest that is verified and clean");
    let names: Vec<String> = shop.papyra("backup list b --format json").json()["backups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["one", "three"]);
    assert!(shop.path("b/notes/readme.txt").exists());
    shop.write("b/three/mine.txt", "not the backup's");
    shop.papyra("backup create --path p --to b --name four").must_exit(0);
    shop.papyra("backup prune b --keep-last 1 --apply")
        .must_exit(74)
        .must_say("three: not removed")
        .must_say("0 removed");
    assert!(shop.path("b/three/mine.txt").exists());
}

#[test]
fn a_drill_restores_compares_and_tells_monitoring() {
    let shop = backed_up();
    fs::create_dir(shop.path("scratch")).unwrap();
    let drill = "backup drill --latest b --scratch scratch --prometheus drill.prom";
    shop.papyra(drill).must_exit(0).must_say("can be restored").must_say("time to restore");
    assert_eq!(shop.contents("scratch").len(), 0);
    let told = String::from_utf8(shop.read("drill.prom")).unwrap();
    assert!(told.contains("papyra_backup_success{operation=\"drill\"} 1\n"), "{told}");
    assert!(told.contains("papyra_backup_records{operation=\"drill\"} 18\n"), "{told}");
    let last = |text: &str| text.lines().find(|line| line.starts_with("papyra_backup_last_success")).map(str::to_owned);
    shop.write("b/one/rot.log.1", logs::lines(4..6));
    shop.papyra(drill).must_exit(2).must_say("could not be restored");
    let after = String::from_utf8(shop.read("drill.prom")).unwrap();
    assert!(after.contains("papyra_backup_success{operation=\"drill\"} 0\n"), "{after}");
    assert_eq!(last(&after), last(&told));
    fs::remove_dir_all(shop.path("b")).unwrap();
    shop.papyra(drill).must_exit(66);
    assert_eq!(last(&String::from_utf8(shop.read("drill.prom")).unwrap()), last(&told));
}

#[test]
fn the_checklist_names_what_is_missing_and_what_to_do() {
    let shop = source();
    fs::create_dir(shop.path("q")).unwrap();
    let checklist = "doctor checklist --path p --quarantine-dir q --backups b";
    shop.papyra("doctor checklist --path p").must_exit(2).must_say("no quarantine folder is configured");
    shop.papyra(checklist).must_exit(2).must_say("papyra backup create");
    shop.papyra("backup create --path p --to b").must_exit(0);
    shop.papyra(checklist).must_exit(2).must_say("papyra backup verify --latest b").must_say("papyra backup drill");
    shop.papyra("backup verify --latest b").must_exit(0);
    shop.papyra("backup drill --latest b").must_exit(0);
    shop.papyra(checklist).must_exit(0).must_not_say("✖");
    let items = shop.papyra(&format!("{checklist} --max-backup-age 0.001 --format json")).must_exit(2).json();
    assert_eq!((&items["schema"], &items["passed"]), (&"papyra.checklist/1".into(), &false.into()));
}

#[test]
fn a_server_is_lost_and_comes_back() {
    let shop = source();
    shop.papyra("backup create --path p --to b").must_exit(0);
    shell(&shop, "mv p lost").must_exit(0);
    shell(&shop, "ls b > name").must_exit(0);
    let name = String::from_utf8(shop.read("name")).unwrap();
    shop.papyra(&format!("backup restore b/{name} --to p")).must_exit(0);
    shop.papyra("backup verify --latest b").must_exit(0);
    shop.papyra("persistence startup-check --path p").must_exit(0);
    shell(&shop, "diff -r lost p").must_exit(0);
}
