//! Files that a server wrote by itself are backups: restored into a live server, or made a backup of.

use std::path::Path;

use papyra_tests::redis::{Redis, binaries, has_folders, with_folders};
use papyra_tests::redis_state::{State, assert_same, live, uncounted, without_times};
use papyra_tests::{Run, Workshop};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/redis");

/// The streams of Papyra's that a server has which loads the files by itself; none where it loads no files of Redis
/// 7.0.
fn loaded(name: &str, arguments: &[&str]) -> Option<State> {
    let binary = with_folders().into_iter().next()?;
    let dir = tempfile::tempdir().expect("a folder");
    let copied =
        std::process::Command::new("cp").arg("-r").arg(Path::new(FIXTURES).join(name)).arg(dir.path()).status();
    assert!(copied.expect("cp runs").success());
    Some(papyras(&mut Redis::of_in(&binary, dir, arguments)))
}

fn papyras(server: &mut Redis) -> State {
    live(server).into_iter().filter(|((db, key), _)| *db == 0 && key.starts_with(b"papyra:orders:")).collect()
}

fn run(shop: &Workshop, server: &Redis, arguments: &str) -> Run {
    shop.papyra(&format!("{arguments} --backend redis --redis-url {}", server.url()))
}

#[test]
fn what_a_server_wrote_by_itself_comes_back_in_another_one() {
    let shop = Workshop::default();
    for (name, arguments) in
        [("dump.rdb", &["--appendonly", "no"][..]), ("appendonlydir", &["--appendonly", "yes"][..])]
    {
        let Some(expected) = loaded(name, arguments) else { return };
        assert!(!expected.is_empty());
        let Some(mut server) = Redis::start(&[]) else { return };
        let path = format!("{FIXTURES}/{name}");
        run(&shop, &server, &format!("backup restore {path} --dry-run")).must_exit(0).must_say("would be restored");
        assert!(live(&mut server).is_empty());
        run(&shop, &server, &format!("backup restore {path}")).must_exit(0).must_say("restored to");
        // An append-only file does not say when consumers were seen, and a server before Redis 7.0 does not count.
        let counts = binaries().first().is_some_and(|binary| has_folders(binary));
        let same = |state: State| match (counts, name) {
            (true, "dump.rdb") => state,
            (true, _) => without_times(state),
            (false, _) => uncounted(without_times(state)),
        };
        assert_same(&same(papyras(&mut server)), &same(expected), name);
        run(&shop, &server, &format!("backup restore {path}")).must_exit(73).must_complain("--replace");
        run(&shop, &server, &format!("backup restore {path} --replace")).must_exit(0).must_say(":replaced:");
        run(&shop, &server, &format!("backup restore {path} --replace --system-id nobody")).must_exit(66);
    }
}

#[test]
fn what_a_server_wrote_by_itself_becomes_a_backup_like_any_other() {
    let shop = Workshop::default();
    for name in ["dump.rdb", "appendonlydir"] {
        // The three bad entries are in the files.
        let plain = if name == "dump.rdb" { "rdb" } else { "aof" };
        let create = format!("backup create --path {FIXTURES}/{name} --to b --name {plain}");
        shop.papyra(&create).must_exit(2).must_say("papyra:orders:events");
        shop.papyra(&format!("backup verify b/{plain}")).must_exit(2).must_say("is intact");
        let Some(mut server) = Redis::start(&[]) else { return };
        run(&shop, &server, &format!("backup restore b/{plain}")).must_exit(0);
        let Some(mut other) = Redis::start(&[]) else { return };
        run(&shop, &other, &format!("backup restore {FIXTURES}/{name}")).must_exit(0);
        assert_same(&papyras(&mut server), &papyras(&mut other), name);
    }
}

#[test]
fn of_a_damaged_file_nothing_is_restored() {
    let shop = Workshop::default();
    let mut torn = std::fs::read(Path::new(FIXTURES).join("dump.rdb")).expect("a dump");
    torn.truncate(torn.len() * 2 / 3);
    shop.write("torn.rdb", torn);
    let Some(mut server) = Redis::start(&[]) else { return };
    let refused = run(&shop, &server, "backup restore torn.rdb");
    assert!(matches!(refused.code, Some(65 | 74)), "{refused:#?}");
    assert!(live(&mut server).is_empty());
}
