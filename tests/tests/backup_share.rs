//! What a plain backup has in common with the last one of its series: files that are linked, and when they are not.
//! Cloned ones need a file system that can do it; `power_cuts.rs` has one.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use papyra_tests::{Run, Workshop, has, logs, run};
use serde_json::Value;

/// A rotated set, and its backup `one`.
fn one(flags: &str) -> Workshop {
    let shop = Workshop::with("p/rot.log.2", logs::lines(0..3000)).and("p/rot.log.1", logs::lines(3000..5000));
    shop.write("p/rot.log", logs::lines(5000..5100));
    create(&shop, &format!("--name one {flags}")).must_exit(0);
    shop
}

fn create(shop: &Workshop, flags: &str) -> Run {
    shop.papyra(&format!("backup create --path p/rot.log --to b {flags}"))
}

fn inode(shop: &Workshop, name: &str) -> u64 {
    fs::symlink_metadata(shop.path(name)).unwrap_or_else(|error| panic!("{name}: {error}")).ino()
}

/// What the second backup has of the first one's.
fn is_linked(shop: &Workshop, one: &str, two: &str) -> bool {
    inode(shop, &format!("b/one/{one}")) == inode(shop, &format!("b/two/{two}"))
}

/// Changes one byte where it stands; the file keeps the time that it had.
fn flip(shop: &Workshop, name: &str) {
    let modified = fs::metadata(shop.path(name)).unwrap().modified().unwrap();
    let mut bytes = shop.read(name);
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(shop.path(name), bytes).unwrap();
    fs::File::options().write(true).open(shop.path(name)).unwrap().set_modified(modified).unwrap();
}

/// What a manifest says of a file, but for where it was found.
fn said(shop: &Workshop, backup: &str, stored: &str) -> Value {
    let manifest = shop.papyra(&format!("backup ls b/{backup} --format json")).must_exit(0).json();
    let files = manifest["manifest"]["files"].as_array().unwrap().clone();
    let mut file = files.into_iter().find(|file| file["stored"] == stored).unwrap();
    for name in ["path", "stored", "source"] {
        file.as_object_mut().unwrap().remove(name);
    }
    file
}

#[test]
fn members_that_were_rotated_since_are_linked_and_every_verb_works_on_them() {
    for (compress, suffix) in [("none", ""), ("gzip", ".gz"), ("zstd", ".zst")] {
        let shop = one(&format!("--compress {compress}"));
        for (from, to) in [("rot.log.2", "rot.log.3"), ("rot.log.1", "rot.log.2"), ("rot.log", "rot.log.1")] {
            fs::rename(shop.path("p").join(from), shop.path("p").join(to)).unwrap();
        }
        shop.write("p/rot.log", logs::lines(5100..5200));
        let made = create(&shop, &format!("--name two --link --compress {compress} --format json")).must_exit(0).json();
        assert_eq!(made["warnings"], serde_json::json!([]), "{compress}");
        let newest = fs::metadata(shop.path(&format!("b/two/rot.log{suffix}"))).unwrap().len();
        assert_eq!(made["new_bytes"], newest, "{compress}");
        for (before, now) in [("rot.log.2", "rot.log.3"), ("rot.log.1", "rot.log.2"), ("rot.log", "rot.log.1")] {
            let (before, now) = (format!("{before}{suffix}"), format!("{now}{suffix}"));
            assert!(is_linked(&shop, &before, &now), "{now}");
            assert_eq!(said(&shop, "one", &before), said(&shop, "two", &now));
        }
        let stored: u64 = ["one", "two"].iter().map(|backup| stored_bytes(&shop, backup)).sum();
        let all = shop.papyra("backup verify --all b --format json").must_exit(0).json();
        assert_eq!(all["bytes"].as_u64().unwrap(), stored - (stored_bytes(&shop, "two") - newest), "each byte once");
        let scan = shop.papyra("persistence scan --path p/rot.log --format json").must_exit(0).json();
        assert_eq!(all["backups"][1]["scan"]["totals"], scan["totals"]);
        // The other one goes; what it had in common stays.
        shop.papyra("backup prune b --keep-last 1 --apply").must_exit(0);
        assert!(!shop.path("b/one").exists());
        shop.papyra("backup verify b/two").must_exit(0);
        shop.papyra("backup restore b/two --to r").must_exit(0);
        for name in ["rot.log.3", "rot.log.2", "rot.log.1", "rot.log"] {
            assert!(shop.read(&format!("r/{name}")) == shop.read(&format!("p/{name}")), "{name}");
            assert_eq!(fs::metadata(shop.path(&format!("b/two/{name}{suffix}"))).unwrap().nlink(), 1);
        }
    }
}

fn stored_bytes(shop: &Workshop, backup: &str) -> u64 {
    let manifest = shop.papyra(&format!("backup ls b/{backup} --format json")).json();
    let files = manifest["manifest"]["files"].as_array().unwrap().clone();
    files.iter().map(|file| file["stored_bytes"].as_u64().unwrap()).sum()
}

#[test]
fn what_is_restored_has_no_name_in_a_backup() {
    let shop = one("");
    create(&shop, "--name two --link").must_exit(0);
    assert!(is_linked(&shop, "rot.log.1", "rot.log.1"));
    shop.papyra("backup restore b/two --to r").must_exit(0);
    shop.papyra("backup restore b/two --to p --replace").must_exit(0);
    for name in ["r/rot.log.1", "p/rot.log.1", "r/rot.log", "p/rot.log"] {
        assert_eq!(fs::metadata(shop.path(name)).unwrap().nlink(), 1, "{name}");
    }
    // A writer and a recovery go on there, and both backups stay what they are.
    shop.write("p/rot.log.1", [shop.read("p/rot.log.1"), b"junk\n".to_vec()].concat());
    shop.papyra("persistence recover --path p/rot.log").must_exit(0);
    shop.papyra("backup verify --all b").must_exit(0);
}

#[test]
fn damage_in_the_last_backup_is_told_of_and_not_carried_on() {
    for compress in ["none", "zstd"] {
        let shop = one(&format!("--compress {compress}"));
        let stored = if compress == "none" { "rot.log.1" } else { "rot.log.1.zst" };
        flip(&shop, &format!("b/one/{stored}"));
        let made = create(&shop, &format!("--name two --link --compress {compress} --format json")).must_exit(0).json();
        let warned = made["warnings"][0].as_str().unwrap();
        assert!(warned.contains(stored) && warned.contains("papyra backup verify"), "{warned}");
        assert!(!is_linked(&shop, stored, stored));
        shop.papyra("backup verify b/two").must_exit(0);
        shop.papyra("backup restore b/two --to r").must_exit(0);
        assert!(shop.read("r/rot.log.1") == shop.read("p/rot.log.1"));
        shop.papyra("backup verify b/one").must_exit(2);
    }
}

#[test]
fn a_log_that_only_looks_the_same_is_copied() {
    let shop = one("");
    flip(&shop, "p/rot.log.1");
    create(&shop, "--name two --link --accept-damage").must_exit(0);
    assert!(is_linked(&shop, "rot.log.2", "rot.log.2") && !is_linked(&shop, "rot.log.1", "rot.log.1"));
    assert!(shop.read("b/two/rot.log.1") == shop.read("p/rot.log.1"));
    shop.papyra("backup verify b/one").must_exit(0);
}

#[test]
fn a_log_that_has_not_changed_is_not_read_again() {
    if !has("strace") {
        return;
    }
    let shop = Workshop::with("p/rot.log.1", logs::lines(0..4000)).and("p/rot.log", logs::lines(4000..4100));
    // Written long enough before the backup that no tick of a clock could hide a change.
    std::thread::sleep(std::time::Duration::from_secs(3));
    create(&shop, "--name one").must_exit(0);
    let read = |flags: &str| {
        let arguments = format!("backup create --path p/rot.log --to b {flags}");
        shop.bytes_read("p/rot.log.1", &arguments, |command| run(command, flags))
    };
    let size = shop.read("p/rot.log.1").len() as u64;
    assert!(read("--name two --link") < size / 2);
    assert!(is_linked(&shop, "rot.log.1", "rot.log.1"));
    assert_eq!(said(&shop, "one", "rot.log.1"), said(&shop, "two", "rot.log.1"));
    assert!(read("--name three --reread") >= size);
    assert_ne!(inode(&shop, "b/one/rot.log.1"), inode(&shop, "b/three/rot.log.1"));
}

#[test]
fn a_file_that_more_people_may_read_or_change_than_the_log_is_not_linked() {
    let set = |shop: &Workshop, name: &str, mode| {
        fs::set_permissions(shop.path(name), Permissions::from_mode(mode)).unwrap();
    };
    let shop = one("");
    set(&shop, "b/one/rot.log.1", 0o666);
    set(&shop, "p/rot.log.2", 0o600);
    create(&shop, "--name two --link").must_exit(0);
    let mode = |name: &str| fs::metadata(shop.path(name)).unwrap().mode() & 0o777;
    for (name, of_log) in [("rot.log.1", 0o644), ("rot.log.2", 0o600)] {
        assert!(!is_linked(&shop, name, name), "{name}");
        assert_eq!(mode(&format!("b/two/{name}")) & !of_log, 0, "{name}");
    }
    assert!(is_linked(&shop, "rot.log", "rot.log"));
    assert_eq!(mode("b/two/manifest.json"), 0o600);
}

#[test]
fn nothing_is_linked_of_another_series_another_format_or_a_backup_of_before_there_were_such_times() {
    let shop = one("");
    create(&shop, "--name two --link --series other").must_exit(0);
    assert!(!is_linked(&shop, "rot.log.1", "rot.log.1"));
    let shop = one("");
    create(&shop, "--name two --link --compress gzip").must_exit(0);
    assert!(shop.path("b/two/rot.log.1.gz").exists());
    // Of what has no such time, the log itself is read.
    let shop = one("");
    shop.forge("b/one", |manifest| {
        for file in manifest["files"].as_array_mut().unwrap() {
            file["source"].as_object_mut().unwrap().remove("changed_ns").expect("a time");
        }
    });
    create(&shop, "--name two --link").must_exit(0);
    assert!(is_linked(&shop, "rot.log.1", "rot.log.1"));
}

#[test]
fn links_are_for_logs_in_folders() {
    let shop = one("");
    create(&shop, "--link --reread").must_exit(64);
    shop.write("password", "secret");
    let mut init = shop.command("backup init r");
    init.env("RESTIC_PASSWORD_FILE", "password");
    run(init, "init").must_exit(0);
    let mut create = shop.command("backup create --path p/rot.log --to r --link");
    create.env("RESTIC_PASSWORD_FILE", "password");
    run(create, "create").must_exit(64).must_complain("stores once what backups share");
}
