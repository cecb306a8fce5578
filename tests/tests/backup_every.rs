//! `backup create --every`: backups of a log while it is appended to and rotated, each of them a prefix of the history.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use papyra_tests::{Run, Workshop, logs, run, signal};

fn papyra(shop: &Workshop, arguments: &str) -> Run {
    let mut command = shop.command(arguments);
    command.env("RESTIC_PASSWORD", "correct horse");
    run(command, &format!("papyra {arguments}"))
}

fn stay(shop: &Workshop, flags: &str) -> Child {
    let mut command = shop.command(&format!("backup create --path p/rot.log --to r --every 1s --series s {flags}"));
    command.env("RESTIC_PASSWORD", "correct horse").stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("papyra runs")
}

/// The names of the backups, oldest first.
fn names(shop: &Workshop) -> Vec<String> {
    let list = papyra(shop, "backup list r --format json").json();
    let backups = list["backups"].as_array().expect("backups").iter();
    backups.map(|backup| backup["name"].as_str().expect("a name").to_owned()).collect()
}

/// Waits until something is so.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(300), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn each_backup_under_a_writer_that_rotates_is_without_a_gap() {
    let shop = Workshop::with("p/rot.log", logs::lines(0..10));
    papyra(&shop, "backup init r").must_exit(0);
    let staying = stay(&shop, "--health-file health --keep-last 100");
    let snapshots = || fs::read_dir(shop.path("r/snapshots")).map_or(0, Iterator::count);
    let mut next = 10;
    while snapshots() < 6 {
        for _ in 0..20 {
            let mut log = OpenOptions::new().append(true).create(true).open(shop.path("p/rot.log")).unwrap();
            log.write_all(logs::lines(next..next + 1).as_bytes()).unwrap();
            next += 1;
            std::thread::sleep(Duration::from_millis(2));
        }
        if next % 500 == 10 {
            // All are kept, so that each backup must hold what the one before it does.
            for index in (1..60).rev() {
                _ = fs::rename(
                    shop.path(&format!("p/rot.log.{index}")),
                    shop.path(&format!("p/rot.log.{}", index + 1)),
                );
            }
            fs::rename(shop.path("p/rot.log"), shop.path("p/rot.log.1")).unwrap();
        }
        assert!(next < 29_000, "no backups are made");
    }
    assert!(String::from_utf8(shop.read("health")).unwrap().starts_with("20"));
    signal(staying.id(), "-TERM");
    let ended = staying.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let names = names(&shop);
    for name in &names {
        papyra(&shop, &format!("backup verify r/{name}")).must_exit(0);
    }
    for pair in names.windows(2) {
        papyra(&shop, &format!("backup diff r/{} r/{}", pair[0], pair[1])).must_exit(0);
    }
    papyra(&shop, &format!("backup diff r/{} p/rot.log", names[0])).must_exit(0).must_say("0 left at the front");
}

#[test]
fn without_anything_new_no_backup_is_made_and_a_store_that_is_away_is_waited_for() {
    let shop = Workshop::with("p/rot.log", logs::lines(0..10));
    papyra(&shop, "backup init r").must_exit(0);
    let staying = stay(&shop, "--health-file health");
    let health = || fs::read(shop.path("health")).unwrap_or_default();
    wait_until("a first round", || !health().is_empty());
    let first = health();
    wait_until("a second round", || health() != first);
    assert_eq!(names(&shop).len(), 1);
    fs::rename(shop.path("r"), shop.path("away")).unwrap();
    shop.write("p/rot.log", logs::lines(0..20));
    // As long as it takes for a round to fail.
    std::thread::sleep(Duration::from_secs(3));
    assert!(!shop.path("r").exists());
    fs::rename(shop.path("away"), shop.path("r")).unwrap();
    wait_until("a backup of what came meanwhile", || names(&shop).len() == 2);
    signal(staying.id(), "-TERM");
    let ended = staying.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("trying again"), "{ended:?}");
}

#[test]
fn who_gives_up_says_so_and_a_folder_is_no_repository() {
    let shop = Workshop::with("p/rot.log", logs::lines(0..10));
    papyra(&shop, "backup create --path p/rot.log --to b --every 1s").must_exit(66).must_complain("papyra backup init");
    papyra(&shop, "backup create --path p/rot.log --to b --keep-last 3").must_exit(64).must_complain("--every");
    papyra(&shop, "backup init r").must_exit(0);
    papyra(&shop, "backup create --path p/rot.log --to r --every 1s --name one").must_exit(64);
    fs::remove_file(shop.path("p/rot.log")).unwrap();
    let given_up = papyra(&shop, "backup create --path p/rot.log --to r --every 1s --give-up-after 2").must_exit(66);
    given_up.must_complain("trying again").must_complain("gave up after 2 tries");
}
