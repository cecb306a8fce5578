//! A manifest is untrusted input: whatever it says, nothing is written outside the folder that was named.

use std::os::unix::fs::symlink;

use papyra_tests::{Workshop, logs};
use serde_json::{Value, json};

fn backed_up() -> Workshop {
    let shop = Workshop::with("p/rot.log.1", logs::lines(0..3)).and("p/rot.log", logs::lines(3..5));
    shop.papyra("backup create --path p --to b --name one --include-rejects").must_exit(0);
    shop
}

fn forge(shop: &Workshop, change: impl FnOnce(&mut Value)) {
    shop.forge("b/one", change);
}

#[test]
fn a_forged_manifest_that_says_the_same_is_taken() {
    let shop = backed_up();
    forge(&shop, |_| {});
    shop.papyra("backup verify b/one").must_exit(0);
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in [
        "../out",
        "/etc/out",
        "..",
        ".",
        "",
        "a/../../out",
        "a/b/c",
        "a//b",
        "./a",
        "a/",
        "/",
        "manifest.json",
        "SHA256SUMS",
        "a\0b",
        "rot.log.1/x",
    ] {
        let shop = backed_up();
        forge(&shop, |manifest| {
            for key in ["path", "stored"] {
                manifest["files"][1][key] = json!(name);
            }
            let report = manifest["scan"]["files"].as_array_mut().unwrap().last_mut().unwrap();
            report["path"] = json!(name);
        });
        let before = shop.names();
        for command in ["backup verify b/one", "backup restore b/one --to new", "backup drill b/one --scratch ."] {
            shop.papyra(command).must_exit(65);
        }
        assert_eq!(shop.names(), before, "{name:?}");
    }
}

#[test]
fn a_name_is_never_stored_under_another_name() {
    let shop = backed_up();
    forge(&shop, |manifest| manifest["files"][1]["path"] = json!("other.log"));
    shop.papyra("backup restore b/one --to new").must_exit(65);
    let shop = backed_up();
    forge(&shop, |manifest| {
        let first = manifest["files"][0].clone();
        manifest["files"].as_array_mut().unwrap().push(first);
    });
    shop.papyra("backup restore b/one --to new").must_exit(65).must_complain("twice");
}

#[test]
fn sizes_that_no_file_has_are_refused_before_anything_is_written() {
    for bytes in
        [json!(u64::MAX), json!(i64::MAX), json!(1_u64 << 62), json!(-1), json!(1e300), json!("7"), json!(null)]
    {
        let shop = backed_up();
        forge(&shop, |manifest| {
            manifest["files"][0]["bytes"] = bytes.clone();
            manifest["files"][0]["stored_bytes"] = bytes.clone();
        });
        shop.papyra("backup restore b/one --to new").must_exit(65);
        assert!(!shop.path("new").exists());
    }
    // A compressed file that would unpack to more than any such file can.
    let shop = Workshop::with("p/events.ndjson", logs::clean(5));
    shop.papyra("backup create --path p --to b --name one --compress zstd").must_exit(0);
    forge(&shop, |manifest| {
        let stored = manifest["files"][0]["stored_bytes"].as_u64().unwrap();
        manifest["files"][0]["bytes"] = json!((stored + 1) << 15);
        manifest["files"][0]["blocks"] = json!({"bytes": 1_u64 << 62, "crc32": "00000000"});
    });
    shop.papyra("backup restore b/one --to new").must_exit(65).must_complain("cannot have");
}

#[test]
fn a_file_that_unpacks_to_more_than_it_says_is_damage_and_no_full_disk() {
    let shop = Workshop::with("p/events.ndjson", logs::clean(5));
    shop.papyra("backup create --path p --to b --name one --compress gzip").must_exit(0);
    let script = "yes | head -c 50000000 | gzip -9 > b/one/events.ndjson.gz";
    assert!(
        std::process::Command::new("sh").args(["-c", script]).current_dir(shop.path(".")).status().unwrap().success()
    );
    shop.papyra("backup verify b/one").must_exit(2);
    shop.papyra("backup restore b/one --to new").must_exit(65);
    assert!(!shop.path("new").exists());
}

#[test]
fn links_are_not_followed() {
    let shop = backed_up();
    shop.write("secret", logs::lines(0..3));
    std::fs::remove_file(shop.path("b/one/rot.log.1")).unwrap();
    symlink(shop.path("secret"), shop.path("b/one/rot.log.1")).unwrap();
    shop.papyra("backup verify b/one").must_exit(2);
    shop.papyra("backup restore b/one --to new").must_exit(65);
    assert!(!shop.path("new").exists());

    let shop = backed_up();
    shop.write("elsewhere/manifest.json", shop.read("b/one/manifest.json"));
    std::fs::remove_file(shop.path("b/one/manifest.json")).unwrap();
    symlink(shop.path("elsewhere/manifest.json"), shop.path("b/one/manifest.json")).unwrap();
    shop.papyra("backup verify b/one").must_exit(65);
    symlink(shop.path("nowhere"), shop.path("dangling")).unwrap();
    let shop = backed_up();
    symlink(shop.path("nowhere"), shop.path("dangling")).unwrap();
    shop.papyra("backup restore b/one --to dangling").must_exit(73);
}

#[test]
fn what_is_no_manifest_is_refused_by_its_section() {
    let shop = backed_up();
    for (text, complaint) in [
        ("", "it is not a manifest"),
        ("[]", "it is not a manifest"),
        ("{\"schema\": \"papyra.backup/2\"}", "papyra.backup/2"),
        ("{\"schema\": \"papyra.backup/1\"}", "it is not a manifest"),
        ("\u{1b}[2J", "it is not a manifest"),
    ] {
        shop.write("b/one/manifest.json", text);
        let run = shop.papyra("backup verify b/one").must_exit(65).must_complain(complaint);
        assert!(!run.stderr.contains("\u{1b}[2J"));
    }
    shop.write("b/one/manifest.json", "[".repeat(1_000_000));
    shop.papyra("backup verify b/one").must_exit(65);
    let shop = backed_up();
    forge(&shop, |manifest| manifest["files"] = json!([]));
    shop.papyra("backup verify b/one").must_exit(65).must_complain("no files");
    let shop = backed_up();
    forge(&shop, |manifest| manifest["files"][0]["path"] = json!("\u{1b}[2J\u{202e}"));
    let run = shop.papyra("backup verify b/one").must_exit(65);
    assert!(!run.stderr.contains('\u{202e}') && !run.stderr.contains("\u{1b}[2J"));
}
