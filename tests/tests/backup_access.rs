//! Who may read and change a backup and what is restored from it: never more people than might with the log. And where
//! nothing is ever restored to.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use papyra_tests::{Run, Workshop, has, logs, run};

fn mode(shop: &Workshop, name: &str) -> u32 {
    fs::symlink_metadata(shop.path(name)).unwrap_or_else(|error| panic!("{name}: {error}")).mode() & 0o7777
}

fn set_mode(shop: &Workshop, name: &str, mode: u32) {
    fs::set_permissions(shop.path(name), Permissions::from_mode(mode)).unwrap();
}

fn shell(shop: &Workshop, script: &str) -> Run {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(shop.path("."));
    run(command, script)
}

#[test]
fn a_backup_is_its_owners_and_its_files_are_no_wider_than_their_logs() {
    for (folder, private) in [(0o755, 0o600), (0o1777, 0o640), (0o777, 0o400), (0o2750, 0o600)] {
        let shop = Workshop::with("p/open.ndjson", logs::clean(3)).and("p/private.ndjson", logs::damaged().log);
        set_mode(&shop, "p/private.ndjson", private);
        set_mode(&shop, "p/open.ndjson", 0o644);
        set_mode(&shop, "p", folder);
        shop.papyra("backup create --path p --to b --name one --accept-damage").must_exit(0);
        assert_eq!(mode(&shop, "b/one"), 0o700);
        assert_eq!((mode(&shop, "b/one/open.ndjson"), mode(&shop, "b/one/private.ndjson")), (0o644, private));
        // What tells of a private log is private: it quotes it.
        for name in ["manifest.json", "SHA256SUMS"] {
            assert_eq!(mode(&shop, &format!("b/one/{name}")) & 0o077, private & 0o044, "{name}");
        }
        shop.papyra("backup restore b/one --to r").must_exit(0);
        assert_eq!((mode(&shop, "r/open.ndjson"), mode(&shop, "r/private.ndjson")), (0o644, private));
        assert_eq!(mode(&shop, "r"), folder & 0o2775);
        // Over what is there, the folder stays what it was.
        set_mode(&shop, "p", folder);
        shop.papyra("backup restore b/one --to p --replace").must_exit(0);
        assert_eq!(mode(&shop, "p"), folder);
    }
}

#[test]
fn no_mode_is_taken_from_a_manifest() {
    let shop = Workshop::with("p/events.ndjson", logs::clean(3));
    set_mode(&shop, "p/events.ndjson", 0o640);
    shop.papyra("backup create --path p --to b --name one --accept-damage").must_exit(0);
    for (asked, given) in [(0o104_777, 0o640), (0o600, 0o600)] {
        shop.forge("b/one", |manifest| {
            manifest["files"][0]["mode"] = asked.into();
            manifest["source"]["mode"] = 0o5777.into();
        });
        shop.papyra(&format!("backup restore b/one --to r{given}")).must_exit(0);
        assert_eq!(mode(&shop, &format!("r{given}/events.ndjson")), given);
        assert_eq!(mode(&shop, &format!("r{given}")) & 0o5002, 0);
    }
}

#[test]
fn a_list_of_readers_goes_along_and_gives_the_group_nothing() {
    let shop = Workshop::with("p/events.ndjson", logs::damaged().log);
    set_mode(&shop, "p/events.ndjson", 0o600);
    if !has("setfacl") || shell(&shop, "setfacl -m u:65534:r p/events.ndjson").code != Some(0) {
        eprintln!("left out: no access control lists here");
        return;
    }
    fs::create_dir(shop.path("b")).unwrap();
    // What the folder of backups gives to whoever is in its own list is not given to backups.
    shell(&shop, "setfacl -d -m u:65533:rwx,g::rwx b").must_exit(0);
    shop.papyra("backup create --path p --to b --name one --accept-damage").must_exit(0);
    shop.papyra("backup restore b/one --to r").must_exit(0);
    for name in ["b/one/events.ndjson", "r/events.ndjson"] {
        let list = shell(&shop, &format!("getfacl -cn {name}")).must_exit(0).must_say("user:65534:r--");
        list.must_say("group::---").must_not_say("65533");
    }
    assert_eq!(mode(&shop, "b/one/manifest.json"), 0o600);
    shell(&shop, "getfacl -cn b/one/manifest.json").must_not_say("65533").must_not_say("65534");
}

#[test]
fn another_group_gets_nothing_that_the_first_had() {
    let shop = Workshop::with("p/events.ndjson", logs::clean(3));
    if !has("setpriv")
        || shell(&shop, "chown 65534:1 p p/events.ndjson && chmod 755 . && chmod 640 p/events.ndjson").code != Some(0)
    {
        eprintln!("left out: only root gives files away");
        return;
    }
    fs::create_dir(shop.path("b")).unwrap();
    set_mode(&shop, "b", 0o777);
    fs::copy(papyra_tests::binary(), shop.path("papyra")).unwrap();
    // The log's owner is not a member of its group.
    let create = "setpriv --reuid=65534 --regid=65534 --clear-groups ./papyra backup create --path p --to b --name one";
    shell(&shop, create).must_exit(0);
    assert_eq!(mode(&shop, "b/one/events.ndjson"), 0o600);
    // Root keeps the group, and so the rights of its members.
    shop.papyra("backup create --path p --to b --name two --series root").must_exit(0);
    assert_eq!(mode(&shop, "b/two/events.ndjson"), 0o640);
    shop.papyra("backup restore b/two --to r").must_exit(0);
    let restored = fs::metadata(shop.path("r/events.ndjson")).unwrap();
    assert_eq!((restored.uid(), restored.gid(), restored.mode() & 0o777), (65534, 1, 0o640));
}

#[test]
fn nothing_is_restored_into_or_over_backups() {
    let shop = Workshop::with("p/events.ndjson", logs::clean(3));
    for (to, name) in [("p/kept", "one"), ("p/kept", "two"), ("elsewhere/deep/kept", "three")] {
        shop.papyra(&format!("backup create --path p --to {to} --name {name}")).must_exit(0);
    }
    fs::create_dir(shop.path("link")).unwrap();
    std::os::unix::fs::symlink("../p", shop.path("link/p")).unwrap();
    let places =
        ["p", "link/p", "p/kept", "p/kept/one", "p/kept/one/r", "p/kept/two/r/s", "elsewhere", "elsewhere/deep", "."];
    for to in places {
        for dry_run in ["", " --dry-run"] {
            shop.papyra(&format!("backup restore p/kept/one --to {to} --replace{dry_run}"))
                .must_exit(73)
                .must_complain("nothing");
        }
    }
    shop.papyra("backup drill p/kept/one --scratch p/kept/one").must_exit(73);
    shop.papyra("backup create --path p --to p/kept/one").must_exit(73);
    for name in ["p/kept/one", "p/kept/two", "elsewhere/deep/kept/three"] {
        shop.papyra(&format!("backup verify {name}")).must_exit(0).must_not_say("not part of");
    }
    // Beside them is another place, and so is a folder of others' that has a file of such a name.
    shop.write("site/manifest.json", "{}");
    shop.papyra("backup restore p/kept/one --to site/logs").must_exit(0);
    shop.papyra("backup restore p/kept/one --to p/kept/restored").must_exit(0);
}

#[test]
fn a_hole_stays_a_hole_in_the_backup_and_in_what_is_restored() {
    let shop = Workshop::with("p/events.ndjson", "");
    let log = fs::File::options().write(true).open(shop.path("p/events.ndjson")).unwrap();
    log.set_len(32 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&log, logs::clean(3).as_bytes(), 16 << 20).unwrap();
    let on_disk = |name: &str| fs::metadata(shop.path(name)).unwrap().blocks() * 512;
    if on_disk("p/events.ndjson") > 1 << 20 {
        eprintln!("left out: no holes here");
        return;
    }
    shop.papyra("backup create --path p --to b --name one --accept-damage").must_exit(0);
    shop.papyra("backup restore b/one --to r").must_exit(0);
    for name in ["b/one/events.ndjson", "r/events.ndjson"] {
        assert!(on_disk(name) < 1 << 20, "{name}: {}", on_disk(name));
        assert!(shop.read(name) == shop.read("p/events.ndjson"), "{name}");
    }
}
