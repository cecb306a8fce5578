//! `scan --follow`: a live log is validated as it grows, is torn, and is rotated.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Stdio};

use papyra_tests::{Workshop, logs};

/// A running `scan --follow`, ended with the test.
struct Follower {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Follower {
    fn of(shop: &Workshop, flags: &str) -> Follower {
        let mut command = shop.command(&format!("scan rot.log {flags}"));
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("papyra starts");
        let lines = BufReader::new(process.stdout.take().expect("a pipe"));
        Follower { process, lines }
    }

    /// Waits until a line with this text is said.
    fn says(&mut self, text: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.lines.read_line(&mut line).expect("a line") > 0, "ended before it said {text}");
            if line.contains(text) {
                return line;
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn append(shop: &Workshop, text: &str) {
    let mut log = OpenOptions::new().append(true).create(true).open(shop.path("rot.log")).unwrap();
    log.write_all(text.as_bytes()).unwrap();
}

#[test]
fn damage_is_told_while_the_log_grows_and_after_it_was_rotated() {
    let shop = Workshop::with("rot.log", logs::clean(5));
    let mut follower = Follower::of(&shop, "--follow=print");
    append(&shop, &(logs::lines(5..9) + "first\n"));
    follower.says("CORRUPTED_LINE");
    assert!(follower.says("at byte").contains("at byte"));
    // What is written just before the rotation is of the old file.
    append(&shop, &(logs::lines(9..12) + "second\n"));
    std::fs::rename(shop.path("rot.log"), shop.path("rot.log.1")).unwrap();
    append(&shop, &(logs::lines(12..14) + "third\n"));
    for excerpt in ["second", "third"] {
        follower.says(excerpt);
    }
    append(&shop, "{\"kind\": \"ev");
    follower.says("unfinished for a second");
}

#[test]
fn the_first_damage_ends_it_when_nothing_else_is_asked_for() {
    let shop = Workshop::with("rot.log", logs::clean(5));
    let mut follower = Follower::of(&shop, "--follow --format ndjson");
    append(&shop, &(logs::lines(5..7) + "damage\n"));
    let finding: serde_json::Value = serde_json::from_str(&follower.says("papyra.followed/1")).unwrap();
    assert_eq!((&finding["reason"], &finding["line"]), (&"invalid_json".into(), &8.into()));
    assert_eq!(follower.process.wait().unwrap().code(), Some(2));
    shop.papyra("scan --follow .").must_exit(64).must_complain("--follow is for a log in a file");
    shop.papyra("scan --follow missing").must_exit(64);
}
