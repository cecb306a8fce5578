//! What is known of a backup, and what is not: nothing is removed, restored or called good on the word of a file that
//! is gone, a clock that was wrong, or a look that failed.

use std::fs;
use std::os::unix::fs::symlink;

use papyra_tests::{Run, Workshop, has, logs, run};

/// Three verified backups of one log.
fn three() -> Workshop {
    let shop = Workshop::with("p/events.ndjson", logs::clean(9)).and("p/rot.log.1", logs::lines(0..4));
    shop.write("p/rot.log", logs::lines(4..9));
    for name in ["one", "two", "three"] {
        shop.papyra(&format!("backup create --path p --to b --name {name}")).must_exit(0);
        shop.papyra(&format!("backup verify b/{name}")).must_exit(0);
    }
    shop
}

fn prune(shop: &Workshop) -> Run {
    shop.papyra("backup prune b --keep-last 1 --apply")
}

#[test]
fn a_backup_that_lacks_what_was_written_takes_no_ones_place() {
    type Harm = fn(&Workshop);
    let harms: [(&str, Harm); 5] = [
        ("gone", |shop| fs::remove_file(shop.path("b/three/rot.log.1")).unwrap()),
        ("cut", |shop| shop.write("b/three/rot.log.1", "{")),
        ("longer", |shop| shop.write("b/three/rot.log.1", logs::lines(0..5))),
        ("a folder", |shop| {
            fs::remove_file(shop.path("b/three/rot.log.1")).unwrap();
            fs::create_dir(shop.path("b/three/rot.log.1")).unwrap();
        }),
        ("a link", |shop| {
            fs::rename(shop.path("b/three/rot.log.1"), shop.path("kept")).unwrap();
            symlink("../../kept", shop.path("b/three/rot.log.1")).unwrap();
        }),
    ];
    fs::create_dir(three().path("q")).unwrap();
    for (harm, harmed) in harms {
        let shop = three();
        fs::create_dir(shop.path("q")).unwrap();
        shop.papyra("backup drill b/three").must_exit(0);
        harmed(&shop);
        shop.papyra("backup list b").must_exit(2).must_say("three is damaged").must_say("rot.log.1: ");
        shop.papyra("backup verify --quick b/three").must_exit(2);
        shop.papyra("backup verify b/three").must_exit(2);
        shop.papyra("backup drill b/three").must_exit(2);
        shop.papyra("doctor checklist --path p --quarantine-dir q --backups b")
            .must_exit(2)
            .must_say("✖ newest backup");
        prune(&shop).must_exit(0);
        assert!(shop.path("b/two").exists() && !shop.path("b/one").exists(), "{harm}");
        shop.papyra("backup verify b/two").must_exit(0);
    }
}

#[test]
fn a_record_that_cannot_be_read_is_no_leave_to_remove() {
    let harms: [fn(&Workshop); 4] = [
        |shop| shop.write("b/one.verified.json", ""),
        |shop| shop.write("b/one.verified.json", "{\"schema\": \"papyra.ver"),
        |shop| {
            fs::remove_file(shop.path("b/one.verified.json")).unwrap();
            fs::create_dir(shop.path("b/one.verified.json")).unwrap();
        },
        |shop| symlink("nowhere", shop.path("b/one.drilled.json")).unwrap(),
    ];
    for harm in harms {
        let shop = three();
        for name in ["two", "three"] {
            fs::remove_file(shop.path(&format!("b/{name}.verified.json"))).unwrap();
        }
        harm(&shop);
        prune(&shop).must_exit(74).must_complain("b/one.").must_complain("nothing was removed");
        assert!(shop.path("b/one").exists() && shop.path("b/two").exists());
        shop.papyra("backup list b").must_exit(74).must_say("one: cannot be read");
        shop.papyra("doctor checklist --path p --backups b").must_exit(2).must_say("✖ backups");
    }
}

#[test]
fn a_look_that_fails_is_no_verdict_and_is_not_recorded() {
    if !has("strace") {
        return;
    }
    let shop = three();
    let before = shop.read("b/one.verified.json");
    // A drill creates files of the same name: there only reading is made to fail.
    let both: &[&str] = &["verify --threads 1", "drill --threads 1"];
    for (call, errors, verbs) in
        [("openat", &["EIO", "ESTALE", "EMFILE", "EACCES"][..], &both[..1]), ("read", &["EIO", "ESTALE"], both)]
    {
        for (error, verb) in errors.iter().flat_map(|error| verbs.iter().map(move |verb| (error, verb))) {
            let mut command = std::process::Command::new("strace");
            let (trace, inject) = (format!("trace={call}"), format!("inject={call}:error={error}"));
            command.args(["-f", "-qq", "-o", "trace", "-P", "rot.log", "-P"]).arg(shop.path("b/one/rot.log"));
            command.args(["-e", &trace, "-e", &inject]).arg(papyra_tests::binary());
            command.arg("backup").args(verb.split(' ')).arg("b/one").current_dir(shop.path("."));
            let done = run(command, &format!("{verb} with {call} {error}"));
            assert!(String::from_utf8_lossy(&shop.read("trace")).contains("INJECTED"), "{done:#?}");
            assert!(matches!(done.code, Some(66 | 74)), "{done:#?}");
            assert!(!format!("{}{}", done.stdout, done.stderr).contains("is damaged"), "{done:#?}");
            assert_eq!(shop.read("b/one.verified.json"), before);
            assert!(!shop.path("b/one.drilled.json").exists());
        }
    }
}

#[test]
fn of_two_files_both_the_damaged_and_the_unreadable_one_are_named() {
    if !has("strace") {
        return;
    }
    let shop = three();
    let mut bytes = shop.read("b/one/events.ndjson");
    bytes[9] ^= 1;
    shop.write("b/one/events.ndjson", bytes);
    let mut command = std::process::Command::new("strace");
    command.args(["-f", "-qq", "-o", "trace", "-P"]).arg(shop.path("b/one/rot.log"));
    command.args(["-e", "trace=read", "-e", "inject=read:error=EIO"]).arg(papyra_tests::binary());
    command.args(["backup", "verify", "--threads", "1", "b/one"]).current_dir(shop.path("."));
    let run = run(command, "verify").must_exit(2).must_say("- events.ndjson: ");
    run.must_say("- rot.log: cannot be read, so it is unknown whether it is intact");
}

#[test]
fn a_restore_of_many_files_needs_few_descriptors() {
    let shop = Workshop::default();
    for i in 0..300 {
        shop.write(&format!("p/f{i}.ndjson"), logs::clean(1));
    }
    shop.papyra("backup create --path p --to b --name one").must_exit(0);
    let mut command = std::process::Command::new("sh");
    let script = format!("ulimit -Sn 40; exec {} backup restore b/one --to r", papyra_tests::binary().display());
    command.args(["-c", &script]).current_dir(shop.path("."));
    run(command, &script).must_exit(0);
}

/// A backup that was made while the clock was ten years ahead, and two real ones.
fn ahead() -> Option<Workshop> {
    if !has("faketime") {
        return None;
    }
    let shop = Workshop::with("p/events.ndjson", logs::clean(9));
    at(&shop, "2036-10-01 02:00:00", "backup create --path p --to b --name ahead").must_exit(0);
    for day in [1, 2] {
        let name = format!("day{day}");
        let create = format!("backup create --path p --to b --name {name}");
        at(&shop, &format!("2026-11-0{day} 02:00:00"), &create).must_exit(0).must_say("ahead is dated in the future");
        at(&shop, &format!("2026-11-0{day} 02:01:00"), &format!("backup verify b/{name}")).must_exit(0);
    }
    Some(shop)
}

fn at(shop: &Workshop, time: &str, arguments: &str) -> Run {
    let mut command = std::process::Command::new("faketime");
    command.args(["-f", &format!("@{time}")]).arg(papyra_tests::binary()).args(arguments.split_whitespace());
    command.current_dir(shop.path(".")).env("TZ", "UTC");
    run(command, arguments)
}

#[test]
fn a_backup_of_the_future_counts_for_nothing_until_then() {
    let Some(shop) = ahead() else { return };
    let now = "2026-11-02 03:00:00";
    at(&shop, now, "backup list b --max-age 26h").must_exit(2).must_say("dated in the future").must_not_say("limit");
    at(&shop, "2026-12-20 03:00:00", "backup list b --max-age 26h").must_exit(2).must_say("is the limit");
    at(&shop, now, "backup restore --latest b --to r").must_exit(0).must_say("restored");
    at(&shop, now, "backup verify --latest b").must_exit(0).must_say("b/day2 is intact");
    let named = at(&shop, now, "backup verify b/ahead --prometheus m.prom").must_exit(2);
    named.must_say("is intact").must_complain("dated in the future");
    let told = String::from_utf8(shop.read("m.prom")).unwrap();
    assert!(told.contains("papyra_backup_age_seconds{operation=\"verify\"} +Inf\n"), "{told}");
    at(&shop, now, "backup prune b --keep-last 2 --apply").must_exit(0).must_say("dated in the future");
    for name in ["ahead", "day1", "day2"] {
        assert!(shop.path(&format!("b/{name}")).exists(), "{name}");
    }
    at(&shop, now, "doctor checklist --path p --backups b").must_exit(2).must_say("✔ newest backup: day2");
    // Ten years on it is one like any other.
    at(&shop, "2036-10-01 03:00:00", "backup verify --latest b").must_exit(0).must_say("b/ahead is intact");
    fs::remove_dir_all(shop.path("b/day1")).unwrap();
    fs::remove_dir_all(shop.path("b/day2")).unwrap();
    at(&shop, now, "backup verify --latest b").must_exit(66).must_complain("dated in the future");
}
