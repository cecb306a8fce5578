//! Kill, a full disk and an I/O error at every mutating step of create, restore and prune, on the real binary.
//!
//! A backup's final name stands for a whole backup or for none; a restore leaves the old folder or the new one; what
//! was there before is never lost; and a second run finishes the job and leaves nothing behind.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use papyra_tests::{Run, Workshop, binary, has, logs, run};

/// System calls that change something, as far as this binary makes any.
const MUTATING: &str = "write,pwrite64,ftruncate,openat,mkdirat,mkdir,renameat2,renameat,linkat,unlinkat,unlink,rmdir,fsync,fdatasync,\
                        fchmod,fchown,fremovexattr,fsetxattr,utimensat";

type Files = BTreeMap<String, Vec<u8>>;

/// The files of a folder, those in folders of it left out.
fn files(folder: &Path) -> Files {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap());
    let plain = entries.filter(|entry| entry.path().is_file());
    plain.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

fn new() -> Files {
    [("rot.log.1", logs::lines(0..4)), ("rot.log", logs::lines(4..6))]
        .map(|(name, text)| (name.to_owned(), text.into_bytes()))
        .into()
}

fn old() -> Files {
    [("events.ndjson", logs::clean(3)), ("rot.log", logs::lines(90..93))]
        .map(|(name, text)| (name.to_owned(), text.into_bytes()))
        .into()
}

/// What is done, and what must hold while and after it is.
struct Scenario {
    name: &'static str,
    /// A shell command in which `PAPYRA` stands for the binary, under strace or not.
    command: &'static str,
    prepare: fn(&Workshop),
    /// After a hit.
    midway: fn(&Workshop, &str),
    /// After a run that nothing disturbed.
    end: fn(&Workshop, &str),
}

fn source(shop: &Workshop) {
    new().iter().for_each(|(name, bytes)| shop.write(&format!("p/{name}"), bytes));
}

fn backed_up(shop: &Workshop) {
    source(shop);
    shop.papyra("backup create --path p --to b --name one").must_exit(0);
}

/// Every backup with a final name is whole.
fn whole_backups(shop: &Workshop, hit: &str) -> Vec<String> {
    let entries = std::fs::read_dir(shop.path("b")).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let visible: Vec<String> = names.filter(|name| !name.starts_with('.') && !name.ends_with(".json")).collect();
    for name in &visible {
        let run = shop.papyra(&format!("backup verify b/{name}"));
        assert_eq!(run.code, Some(0), "{hit}: {name} is no whole backup: {run:#?}");
    }
    visible
}

fn no_strays(shop: &Workshop, hit: &str) {
    for folder in [".", "b", "p", "t", "real"] {
        let entries = std::fs::read_dir(shop.path(folder)).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let strays: Vec<_> =
            names.filter(|name| name.starts_with('.') && !name.starts_with(".papyra-replaced")).collect();
        assert_eq!(strays, [""; 0], "{hit}: leftovers in {folder}");
    }
}

/// The folders that hold what was there before a restore.
fn aside(folder: &Path, prefix: &str) -> Vec<Files> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let aside = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    aside.map(|entry| files(&entry.path())).collect()
}

fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "create",
            command: "PAPYRA backup create --path p --to b --threads 1",
            prepare: source,
            midway: |shop, hit| {
                whole_backups(shop, hit);
                assert_eq!(files(&shop.path("p")), new(), "{hit}: the source changed");
            },
            end: |shop, hit| {
                assert!(!whole_backups(shop, hit).is_empty(), "{hit}: no backup");
                no_strays(shop, hit);
            },
        },
        Scenario {
            name: "restore to a new place",
            command: "PAPYRA backup restore b/one --to t --threads 1 --replace",
            prepare: backed_up,
            midway: |shop, hit| {
                let there = shop.path("t").exists().then(|| files(&shop.path("t")));
                assert!(there.is_none_or(|there| there == new()), "{hit}: neither nothing nor the new folder");
            },
            end: |shop, hit| {
                assert_eq!(files(&shop.path("t")), new(), "{hit}");
                no_strays(shop, hit);
            },
        },
        Scenario {
            name: "restore over what is there",
            command: "PAPYRA backup restore b/one --to t --threads 1 --replace",
            prepare: |shop| {
                backed_up(shop);
                old().iter().for_each(|(name, bytes)| shop.write(&format!("t/{name}"), bytes));
            },
            midway: |shop, hit| {
                let there = files(&shop.path("t"));
                assert!(there == old() || there == new(), "{hit}: neither old nor new: {:?}", there.keys());
                let kept = aside(&shop.path("."), "t.replaced").contains(&old())
                    || aside(&shop.path("."), ".t.papyra-ready").contains(&old());
                assert!(there == old() || kept, "{hit}: the old files are gone");
            },
            end: |shop, hit| {
                assert_eq!(files(&shop.path("t")), new(), "{hit}");
                assert!(aside(&shop.path("."), "t.replaced").contains(&old()), "{hit}: the old files are gone");
                no_strays(shop, hit);
            },
        },
        Scenario {
            name: "restore into a mount point",
            command: "unshare -m sh -c 'mount --bind real t && PAPYRA backup restore b/one --to t --threads 1 --replace'",
            prepare: |shop| {
                backed_up(shop);
                old().iter().for_each(|(name, bytes)| shop.write(&format!("real/{name}"), bytes));
                std::fs::create_dir(shop.path("t")).unwrap();
            },
            midway: |shop, hit| {
                let mut all = vec![files(&shop.path("real"))];
                all.extend(aside(&shop.path("real"), ".papyra-replaced"));
                for (name, bytes) in old() {
                    assert!(all.iter().any(|files| files.get(&name) == Some(&bytes)), "{hit}: old {name} is gone");
                }
                let journal = shop.path("real/.papyra-restore/journal.json").exists();
                assert!(journal || all[0] == old() || all[0] == new(), "{hit}: a mixture that nobody would finish");
            },
            end: |shop, hit| {
                assert_eq!(files(&shop.path("real")), new(), "{hit}");
                assert!(
                    aside(&shop.path("real"), ".papyra-replaced").contains(&old()),
                    "{hit}: the old files are gone"
                );
                no_strays(shop, hit);
            },
        },
        Scenario {
            name: "prune",
            command: "PAPYRA backup prune b --keep-last 1 --apply",
            prepare: |shop| {
                backed_up(shop);
                shop.papyra("backup verify b/one").must_exit(0);
                shop.papyra("backup create --path p --to b --name two").must_exit(0);
                shop.papyra("backup verify b/two").must_exit(0);
            },
            midway: |shop, hit| {
                assert!(whole_backups(shop, hit).contains(&"two".to_owned()), "{hit}: the one to keep is gone");
            },
            end: |shop, hit| {
                assert_eq!(whole_backups(shop, hit), ["two"], "{hit}");
                assert!(!shop.path("b/one.verified.json").exists(), "{hit}: what is gone is remembered");
                no_strays(shop, hit);
            },
        },
    ]
}

impl Scenario {
    fn shell(&self, shop: &Workshop, under: &str) -> Run {
        let mut command = Command::new("sh");
        let script = self.command.replace("PAPYRA", &format!("{under} {}", binary().display()));
        command.args(["-c", &script]).current_dir(shop.path(".")).env_remove("LD_LIBRARY_PATH");
        run(command, &format!("{} {under}", self.name))
    }

    fn traced(&self, shop: &Workshop, calls: &str, inject: &str) -> (Run, String) {
        let trace = shop.path(".").with_extension("trace");
        let under = format!("strace -f -qq -e trace={calls} -e signal=none -o {} {inject}", trace.display());
        let run = self.shell(shop, &under);
        let text = std::fs::read_to_string(&trace).unwrap_or_default();
        _ = std::fs::remove_file(&trace);
        (run, text)
    }

    fn prepared(&self) -> Workshop {
        let shop = Workshop::default();
        (self.prepare)(&shop);
        shop
    }

    /// The mutating steps of an undisturbed run: a system call's name, and the how-manieth of its name it is.
    fn steps(&self) -> Vec<(String, usize)> {
        let shop = self.prepared();
        let (run, text) = self.traced(&shop, MUTATING, "");
        run.must_exit(0);
        (self.end)(&shop, "undisturbed");
        let (mut counts, mut steps) = (BTreeMap::<String, usize>::new(), Vec::new());
        for line in text.lines() {
            let Some(name) = line.split_whitespace().nth(1).and_then(|call| call.split('(').next()) else { continue };
            let count = counts.entry(name.to_owned()).or_default();
            *count += 1;
            let mutates = match name {
                "openat" => line.contains("O_CREAT"),
                "write" => !line.contains("write(1,") && !line.contains("write(2,"),
                _ => name.chars().all(|c| c.is_ascii_alphanumeric()),
            };
            if mutates {
                steps.push((name.to_owned(), *count));
            }
        }
        steps
    }
}

/// An I/O error takes the way of a full disk, so that it is left to the long run.
fn faults() -> &'static [&'static str] {
    let long = std::env::var_os("PAPYRA_TEST_LONG").is_some_and(|value| value == "1");
    if long { &["signal=KILL", "error=ENOSPC", "error=EIO"] } else { &["signal=KILL", "error=ENOSPC"] }
}

fn try_every_step_of(scenario: &Scenario) {
    let steps = scenario.steps();
    assert!(steps.len() > 5, "{}: {steps:?}", scenario.name);
    for (call, count) in &steps {
        for fault in faults() {
            let hit = format!("{}: {fault} at {call} {count}", scenario.name);
            let shop = scenario.prepared();
            let inject = format!("-e inject={call}:{fault}:when={count}");
            let (hurt, trace) = scenario.traced(&shop, call, &inject);
            if *fault == "signal=KILL" {
                assert!(hurt.code.is_none_or(|code| code == 137), "{hit}: {hurt:?}");
            } else {
                assert!(trace.contains("(INJECTED)"), "{hit}: {trace}");
                assert!(matches!(hurt.code, Some(0 | 66 | 73 | 74)), "{hit}: {hurt:?}");
                let is_needed = matches!(&**call, "write" | "fsync" | "fdatasync");
                assert!(hurt.code != Some(0) || !is_needed, "{hit}: what is not on the disk is called done: {hurt:?}");
            }
            (scenario.midway)(&shop, &hit);
            let again = scenario.shell(&shop, "");
            assert_eq!(again.code, Some(0), "{hit}: the second run: {again:#?}");
            (scenario.end)(&shop, &hit);
        }
    }
    println!("{}: {} steps, {} faults survived", scenario.name, steps.len(), steps.len() * faults().len());
}

fn try_scenario(name: &str) {
    let mounts = || {
        run(
            {
                let mut command = Command::new("unshare");
                command.args(["-m", "true"]);
                command
            },
            "unshare -m true",
        )
        .code
            == Some(0)
    };
    if !has("strace") {
        return;
    }
    let scenario = scenarios().into_iter().find(|scenario| scenario.name == name).unwrap();
    if scenario.command.contains("unshare") && !(has("unshare") && mounts()) {
        eprintln!("left out: {name} needs the right to mount");
        return;
    }
    try_every_step_of(&scenario);
}

#[test]
fn create_survives_every_fault() {
    try_scenario("create");
}

#[test]
fn restore_to_a_new_place_survives_every_fault() {
    try_scenario("restore to a new place");
}

#[test]
fn restore_over_what_is_there_survives_every_fault() {
    try_scenario("restore over what is there");
}

#[test]
fn restore_into_a_mount_point_survives_every_fault() {
    try_scenario("restore into a mount point");
}

#[test]
fn prune_survives_every_fault() {
    try_scenario("prune");
}
