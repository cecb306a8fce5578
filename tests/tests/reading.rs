//! Every verb that reads, on everything that can be read: the same answers wherever the records lie. Prints its table.

use std::fs::File;
use std::process::{Command, Stdio};

use papyra::history::Choice;
use papyra::reading::ScanOptions;
use papyra::source::Source;
use papyra_core::redis::Scope;
use papyra_tests::redis::{Redis, event};
use papyra_tests::{Run, Workshop, logs, run};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/redis");

/// A source, and what leads to it; what begins with `<` comes on standard input.
const LOGS: [&str; 7] = ["log", "set/log", "folder", "log.gz", "log.zst", "<log", "<log.gz"];
const BACKUPS: [&str; 6] =
    ["dump.rdb", "dump.rdb.gz", "<dump.rdb", "<dump.rdb.gz", "papyra:orders:events.dump", "appendonlydir"];

/// A verb, and its codes on logs, on Redis backups, which hold three bad entries, and on a server.
const VERBS: [(&str, i32, i32, i32); 11] = [
    ("persistence scan", 0, 2, 0),
    ("persistence startup-check", 0, 1, 0),
    ("doctor run", 0, 1, 0),
    ("persistence inspect", 0, 0, 0),
    ("persistence replay", 0, 0, 0),
    ("inspect events", 0, 0, 0),
    ("inspect audits", 0, 0, 0),
    ("inspect dead-letters", 0, 0, 0),
    ("inspect summary", 0, 0, 0),
    ("inspect groups", 64, 0, 64),
    ("inspect pending", 64, 0, 64),
];

fn records() -> String {
    logs::lines(0..400)
}

fn shop() -> Workshop {
    let all: Vec<String> = records().split_inclusive('\n').map(str::to_owned).collect();
    let shop = Workshop::with("log", records())
        .and("set/log", all[300..].concat())
        .and("set/log.1", all[100..300].concat())
        .and("set/log.2", all[..100].concat())
        .and("folder/a.ndjson", all[..150].concat())
        .and("folder/c.ndjson", all[250..].concat())
        .and("folder/b.ndjson", all[150..250].concat());
    pack(&shop, "gzip -k log");
    pack(&shop, "zstd -q log -o log.zst");
    // A packed log among plain ones is read in its turn.
    pack(&shop, "gzip folder/b.ndjson");
    // A payload holds the stream that its file is named after.
    for (name, to) in [("dump.rdb", "dump.rdb"), ("events.dump", "papyra:orders:events.dump")] {
        shop.write(to, std::fs::read(format!("{FIXTURES}/{name}")).expect("a fixture"));
    }
    for entry in std::fs::read_dir(format!("{FIXTURES}/appendonlydir")).expect("a fixture") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        shop.write(&format!("appendonlydir/{name}"), std::fs::read(&path).expect("a fixture"));
    }
    pack(&shop, "gzip -k dump.rdb");
    shop
}

fn pack(shop: &Workshop, command: &str) {
    let mut words = command.split(' ');
    let mut packer = Command::new(words.next().expect("a program"));
    assert!(packer.args(words).current_dir(shop.path("")).status().expect("it runs").success(), "{command}");
}

fn read(shop: &Workshop, verb: &str, source: &str) -> Run {
    match source.strip_prefix('<') {
        None => shop.papyra(&format!("{verb} --path {source}")),
        Some(file) => {
            let mut command = shop.command(&format!("{verb} --path -"));
            command.stdin(Stdio::from(File::open(shop.path(file)).expect("a file")));
            run(command, &format!("papyra {verb} --path - {source}"))
        }
    }
}

#[test]
fn every_verb_reads_every_source() {
    let shop = shop();
    println!("{:26} {}", "", [&LOGS[..], &BACKUPS[..]].concat().join(" "));
    for (verb, logs, backups, _) in VERBS {
        let all = LOGS.map(|source| (source, logs)).into_iter().chain(BACKUPS.map(|source| (source, backups)));
        let codes: Vec<String> = all
            .map(|(source, code)| {
                let found = read(&shop, verb, source).must_exit(code);
                format!("{:>width$}", found.code.unwrap_or(-1), width = source.len())
            })
            .collect();
        println!("{verb:26} {}", codes.join(" "));
    }
}

#[test]
fn the_same_records_are_told_wherever_they_lie() {
    let shop = shop();
    for source in LOGS {
        assert_eq!(read(&shop, "persistence replay", source).must_exit(0).stdout, records(), "{source}");
    }
    let listings = ["inspect events", "inspect events --limit 3 --format ndjson", "inspect summary --format json"];
    for verb in
        [&listings[..], &["persistence replay", "inspect dead-letters --format json", "inspect groups"]].concat()
    {
        let families: [&[&str]; 2] = [if verb.ends_with("groups") { &[] } else { &LOGS }, &BACKUPS[..4]];
        for family in families {
            let told: Vec<String> = family.iter().map(|source| read(&shop, verb, source).must_exit(0).stdout).collect();
            assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{verb}: {told:#?}");
        }
    }
}

#[test]
fn what_a_cut_archive_still_holds_is_listed_and_the_rest_is_told() {
    let shop = shop();
    let whole = shop.read("log.gz");
    shop.write("cut.gz", &whole[..whole.len() / 2]);
    let replayed = read(&shop, "persistence replay", "cut.gz").must_exit(0).must_complain("passed over");
    assert!(!replayed.stdout.is_empty() && records().starts_with(&replayed.stdout), "{replayed:#?}");
    read(&shop, "inspect events", "cut.gz").must_exit(0).must_complain("papyra persistence scan");
    let cut = shop.read("dump.rdb");
    shop.write("cut.rdb", &cut[..cut.len() / 2]);
    pack(&shop, "gzip -k cut.rdb");
    for source in ["cut.rdb.gz", "<cut.rdb"] {
        read(&shop, "inspect events", source).must_exit(0).must_complain("papyra persistence scan");
    }
}

#[test]
fn a_server_is_read_as_the_log_of_its_records_is() {
    let Some(mut server) = Redis::start(&[]) else { return };
    let events: Vec<String> = (0..20).map(event).collect();
    for event in &events {
        server.add("papyra:s:events", &[("data", event)]);
    }
    let shop = Workshop::with("log", events.iter().map(|event| format!("{event}\n")).collect::<String>());
    for (verb, _, _, code) in VERBS {
        let live =
            shop.papyra(&format!("{verb} --backend redis --redis-url {} --system-id s", server.url())).must_exit(code);
        if verb == "persistence replay" || verb.starts_with("inspect") && code == 0 {
            assert_eq!(live.stdout, shop.papyra(&format!("{verb} --path log")).must_exit(0).stdout, "{verb}");
        }
    }
}

#[test]
fn the_library_scans_what_it_opens_as_the_command_does() {
    let shop = shop();
    let scanning = ScanOptions { threads: 2, max_findings: 1_000, progress: &|_| {} };
    for path in [&LOGS[..], &BACKUPS[..]].concat().into_iter().filter(|source| !source.starts_with('<')) {
        let source = Source::at(&shop.path(path), Choice::Auto, None).expect(path);
        let found = source.scan(&|| Ok(Scope::default()), scanning, false).expect(path);
        assert!(found.beyond.is_none() && found.nothing_checked().is_none(), "{path}");
        let report = serde_json::to_string_pretty(&found.report).expect("JSON") + "\n";
        assert_eq!(report, shop.papyra(&format!("persistence scan --format json --path {path}")).stdout, "{path}");
    }
}
