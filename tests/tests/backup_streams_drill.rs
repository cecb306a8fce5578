//! Drills of streams, and the verbs that know backups by their manifests only.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use papyra_tests::redis::{Redis, event, wait_until};
use papyra_tests::{Workshop, has};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/redis");

fn backed_up(shop: &Workshop, name: &str, more: &str) -> Option<Redis> {
    let mut server = Redis::start(&["--repl-diskless-sync-delay", "0"])?;
    for number in 0..50 {
        server.add("papyra:s:events", &[("data", &event(number))]);
    }
    server.call("XGROUP CREATE papyra:s:events g 0");
    server.call("XREADGROUP GROUP g c COUNT 9 STREAMS papyra:s:events >");
    shop.on(&server.url(), &format!("backup create --to b --series orders --name {name} {more}")).must_exit(0);
    Some(server)
}

#[test]
fn a_drill_restores_on_a_server_of_its_own_and_leaves_nothing() {
    let shop = Workshop::default();
    // No socket has a path as long as this.
    let scratch = format!("{}/scratch", "long-".repeat(30));
    for (name, more) in [("one", ""), ("two", "--method bgsave"), ("three", "--compress gzip")] {
        let Some(server) = backed_up(&shop, name, more) else { return };
        drop(server);
        let run = shop.papyra(&format!("backup drill b/{name} --scratch {scratch} --prometheus figures"));
        run.must_exit(0).must_say("can be restored").must_say("time to restore");
        assert_eq!(std::fs::read_dir(shop.path(&scratch)).map_or(9, Iterator::count), 0);
        let figures = String::from_utf8(shop.read("figures")).unwrap();
        assert!(figures.contains("papyra_backup_success{operation=\"drill\"} 1\n"), "{figures}");
        assert!(figures.contains("papyra_backup_records{operation=\"drill\"} 50\n"), "{figures}");
    }
    let list = shop.papyra("backup list b --format json").must_exit(0).json();
    assert_eq!(list["backups"][2]["drilled"]["intact"], true);
    assert_eq!(list["backups"][2]["records"], 50);
}

#[test]
fn a_drill_on_an_older_server_brings_back_what_that_has_a_place_for() {
    let shop = Workshop::default();
    if backed_up(&shop, "one", "").is_none() {
        return;
    }
    shop.forge_newer("b/one");
    shop.papyra("backup drill b/one").must_exit(0).must_say("can be restored").must_not_say("note:");
}

#[test]
fn a_server_that_is_too_old_for_a_file_or_does_not_start_gives_no_verdict() {
    if !has("redis-server") {
        return;
    }
    let shop = Workshop::default();
    // Version 99 of the format would be refused by us; the newest that is known is beyond every server here.
    let mut newer = std::fs::read(Path::new(FIXTURES).join("dump.rdb")).unwrap();
    newer[5..9].copy_from_slice(b"0015");
    let end = newer.len() - 8;
    newer[end..].fill(0);
    shop.write("newer.rdb", newer);
    let run = shop.papyra("backup drill newer.rdb --scratch t").must_exit(69);
    run.must_complain("version 15 of Redis's format").must_complain("(--redis-server)").must_complain("not a verdict");
    shop.papyra("backup drill newer.rdb --redis-server nowhere").must_exit(66).must_complain("nowhere");
    shop.write("broken", "#!/bin/sh\necho no library >&2\nexit 127\n");
    std::fs::set_permissions(shop.path("broken"), std::fs::Permissions::from_mode(0o755)).unwrap();
    for what in ["newer.rdb".to_owned(), format!("{FIXTURES}/dump.rdb")] {
        let run = shop.papyra(&format!("backup drill {what} --redis-server broken --scratch t")).must_exit(69);
        run.must_complain("broken does not start").must_complain("no library");
    }
    assert_eq!(std::fs::read_dir(shop.path("t")).map_or(9, Iterator::count), 0);
}

#[test]
fn a_server_shows_that_it_loads_its_own_files() {
    if !has("redis-server") {
        return;
    }
    let shop = Workshop::default();
    for name in ["dump.rdb", "appendonlydir"] {
        let report =
            shop.papyra(&format!("backup drill {FIXTURES}/{name} --scratch t --format json")).must_exit(2).json();
        assert_eq!((&report["intact"], &report["scan"]["totals"]["records"]["event"]), (&true.into(), &300.into()));
        // The three bad entries are in the files.
        assert_eq!(report["scan"]["totals"]["anomalies"], 3);
    }
    let mut torn = std::fs::read(Path::new(FIXTURES).join("dump.rdb")).unwrap();
    torn.truncate(torn.len() / 2);
    shop.write("torn.rdb", torn);
    shop.papyra("backup drill torn.rdb --scratch t").must_exit(2).must_say("does not start");
    assert_eq!(std::fs::read_dir(shop.path("t")).map_or(9, Iterator::count), 0);
}

#[test]
fn without_a_server_program_a_drill_says_so() {
    let shop = Workshop::default();
    if backed_up(&shop, "one", "").is_none() {
        return;
    }
    let mut command = shop.command("backup drill b/one");
    command.env("PATH", shop.path("."));
    papyra_tests::run(command, "without a server").must_exit(69).must_complain("(--redis-server)");
}

#[test]
fn the_server_of_a_drill_ends_with_it_even_when_that_is_killed() {
    let shop = Workshop::default();
    if backed_up(&shop, "one", "").is_none() {
        return;
    }
    // A server that never opens its socket.
    shop.write("bin/redis-server", format!("#!/bin/sh\necho $$ > {}\nexec sleep 1000\n", shop.path("pid").display()));
    std::fs::set_permissions(shop.path("bin/redis-server"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", shop.path("bin").display(), std::env::var("PATH").unwrap());
    let mut child = shop.command("backup drill b/one --scratch t").env("PATH", path).spawn().expect("papyra starts");
    let pid = || std::fs::read_to_string(shop.path("pid")).unwrap_or_default();
    wait_until("the server", || pid().ends_with('\n'));
    let process = Path::new("/proc").join(pid().trim());
    assert!(process.exists());
    child.kill().expect("killed");
    child.wait().expect("gone");
    wait_until("the server's end", || !process.exists());
}

#[test]
fn prune_knows_backups_of_streams() {
    let shop = Workshop::default();
    for name in ["one", "two"] {
        if backed_up(&shop, name, "").is_none() {
            return;
        }
        shop.papyra(&format!("backup verify b/{name}")).must_exit(0);
    }
    shop.papyra("backup list b").must_exit(0).must_say("two: ").must_say("verified");
    shop.papyra("backup prune b --keep-last 1 --apply").must_exit(0);
    assert!(!shop.path("b/one").exists() && shop.path("b/two").exists());
}
