//! The README's commands, run as they stand and in their order.

use std::path::Path;
use std::process::Command;

use papyra_tests::{Workshop, binary, run};

const README: &str = include_str!("../../README.md");

/// The README's code blocks with this tag.
fn blocks(tag: &str) -> Vec<&'static str> {
    let opening = format!("```{tag}\n");
    README.split(&opening).skip(1).map(|rest| rest.split("\n```").next().expect("a block ends")).collect()
}

#[test]
fn every_example_works_on_a_folder_of_real_logs() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let workshop = Workshop::default();
    for folder in ["json", "rotating"] {
        for entry in std::fs::read_dir(fixtures.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            workshop.write(&format!("persistence/{name}"), std::fs::read(&path).unwrap());
        }
    }
    let blocks = blocks("sh");
    assert!(blocks.len() >= 6, "{blocks:?}");
    let mut said = String::new();
    for block in blocks {
        let mut shell = Command::new("bash");
        let path = format!("{}:{}", binary().parent().unwrap().display(), std::env::var("PATH").unwrap());
        shell.args(["-euo", "pipefail", "-c", block]).current_dir(workshop.path(".")).env("PATH", path);
        said += &run(shell, block).must_exit(0).stdout;
    }
    assert!(said.contains("damaged, exit code 2"), "{said}");
    assert!(said.contains("events.ndjson.quarantine."), "{said}");
}

#[test]
fn the_first_command_gives_a_verdict_on_a_log_in_the_repository() {
    let command = blocks("sh clone")[0].strip_prefix("cargo run --release -- ").expect("the first command");
    let mut papyra = Command::new(binary());
    papyra.args(command.split_whitespace()).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    run(papyra, command)
        .must_exit(0)
        .must_say("✔ Persistence is healthy.")
        .must_say("49 events, 1 audit, 3 dead letters");
}

#[test]
fn the_exit_codes_are_those_of_the_code() {
    for code in [64, 65, 66, 69, 73, 74, 75, 78] {
        assert!(README.contains(&format!("\n| {code} |")), "{code}");
    }
}
