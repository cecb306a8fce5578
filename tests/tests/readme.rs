//! The README's and the handbook's commands, run as they stand and in their order, and their links.

use std::path::Path;
use std::process::Command;

use papyra_tests::docs::{anchors, blocks, pages};
use papyra_tests::{Run, Workshop, binary, run};

/// A folder `persistence/` with real logs in it.
fn real_logs() -> Workshop {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let workshop = Workshop::default();
    for folder in ["json", "rotating"] {
        for entry in std::fs::read_dir(fixtures.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            workshop.write(&format!("persistence/{name}"), std::fs::read(&path).unwrap());
        }
    }
    workshop
}

/// Runs a block; our command is the first on the path.
fn shell(workshop: &Workshop, block: &str) -> Run {
    let mut shell = Command::new("bash");
    let path = format!("{}:{}", binary().parent().unwrap().display(), std::env::var("PATH").unwrap());
    shell.args(["-euo", "pipefail", "-c", block]).current_dir(workshop.path(".")).env("PATH", path);
    run(shell, block)
}

#[test]
fn every_example_works_on_a_folder_of_real_logs() {
    let workshop = real_logs();
    let blocks = blocks("sh");
    assert!(blocks.len() >= 6, "{blocks:?}");
    let mut said = String::new();
    for block in blocks {
        said += &shell(&workshop, &block).must_exit(0).stdout;
    }
    assert!(said.contains("damaged, exit code 2"), "{said}");
    assert!(said.contains("events.ndjson.quarantine."), "{said}");
}

#[test]
fn every_runbook_goes_as_it_is_written() {
    for (tag, said) in [
        ("runbook torn", ["exit code 2", "✔ Persistence is healthy."]),
        ("runbook gap", ["exit code 3", "✔ Persistence is healthy."]),
        ("runbook verify", ["is damaged", "restored to"]),
        ("runbook source", ["exit code 2", "repaired"]),
        ("runbook again", ["Persistence is healthy", ""]),
        ("nightly", ["", "not"]),
        ("series", ["kept", "rot.log.1: "]),
        ("until", ["would be restored to", "cut off: rot.log from rot.log.1 at byte"]),
        ("diff", ["history was only appended to", "in common"]),
        ("repository", ["is intact", "restored to"]),
        ("monitoring", ["papyra_backup_", "papyra_records{"]),
        ("settings", ["path = persistence/events.ndjson", "✔ Persistence is healthy."]),
        ("scripts", ["ActorStarted", "\"kind\":\"no_input\""]),
    ] {
        let block = &blocks(&format!("sh {tag}"))[0];
        let run = shell(&real_logs(), block).must_exit(0);
        assert!(tag == "nightly" || said.iter().all(|said| run.stdout.contains(said)), "{run:#?}");
    }
}

#[test]
fn the_first_command_gives_a_verdict_on_a_log_in_the_repository() {
    let blocks = blocks("sh clone");
    let command = blocks[0].strip_prefix("cargo run --release -- ").expect("the first command");
    let mut papyra = Command::new(binary());
    papyra.args(command.split_whitespace()).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    run(papyra, command)
        .must_exit(0)
        .must_say("✔ Persistence is healthy.")
        .must_say("49 events, 1 audit, 3 dead letters");
}

#[test]
fn the_exit_codes_are_those_of_the_code() {
    let pages = pages();
    let (_, text) = pages.iter().find(|(path, _)| path.ends_with("exit-codes.md")).expect("the page");
    for code in [64, 65, 66, 69, 73, 74, 75, 78] {
        assert!(text.contains(&format!("\n| {code} |")), "{code}");
    }
}

#[test]
fn every_link_leads_to_a_page_and_a_heading_that_are_there() {
    let mut links = 0;
    let pages = pages();
    let summary = &pages.iter().find(|(path, _)| path.ends_with("SUMMARY.md")).expect("the summary").1;
    for (path, text) in &pages {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(["README.md", "SUMMARY.md"].contains(&name) || summary.contains(&format!("({name})")), "{name}");
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.starts_with("http") {
                continue;
            }
            let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", path.display());
            if let Some(anchor) = anchor {
                let headings = anchors(&std::fs::read_to_string(&target).unwrap());
                assert!(headings.iter().any(|heading| heading == anchor), "{}: {link}: {headings:?}", path.display());
            }
            links += 1;
        }
    }
    assert!(links > 40, "{links}");
}

#[test]
fn the_servers_that_the_handbook_names_are_those_that_are_tried() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a file of ours");
    let (page, installed, run) = (read("www/book/src/redis.md"), read("tests/servers"), read("tests/run"));
    let from = page.find("The tests run on these servers").expect("the sentence");
    let sentence = &page[from..from + page[from..].find(". Files").expect("its end")];
    let installed = installed.lines().filter_map(|line| line.strip_prefix("server ")?.split_once(' '));
    let names: Vec<&str> = installed.map(|(name, _)| name).collect();
    assert!(!names.is_empty());
    for name in &names {
        let (_, version) = name.split_once('-').expect("NAME-VERSION");
        assert!(sentence.contains(version) && run.contains(name), "{name}: {sentence}");
    }
    // And the system's own.
    let versions = sentence.split_whitespace().filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(versions.count(), names.len() + 1);
}
