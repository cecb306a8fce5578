//! What `papyra persistence scan` says of good and of bad input.

use papyra_tests::{Workshop, binary, logs, run};
use std::io::Write;
use std::process::{Command, Stdio};

const SCAN: &str = "persistence scan --path";

#[test]
fn a_clean_log_is_healthy_and_its_records_are_counted_by_kind() {
    Workshop::with("events.ndjson", logs::clean(10))
        .papyra(&format!("{SCAN} events.ndjson"))
        .must_exit(0)
        .must_say("✔ Persistence is healthy.")
        .must_say("6 events, 2 audits, 2 dead letters")
        .must_say("948.000 to 948.000 s on the runtime's clock");
}

#[test]
fn every_damage_is_named_with_its_place_and_reason() {
    let damaged = logs::damaged();
    let workshop = Workshop::with("events.ndjson", &damaged.log);
    let report = workshop.papyra(&format!("{SCAN} events.ndjson --format json")).must_exit(2).json();
    let found: Vec<_> = report["files"][0]["anomalies"].as_array().expect("findings").iter().collect();
    let named: Vec<_> = found
        .iter()
        .map(|f| (f["line"].as_u64().unwrap(), f["type"].as_str().unwrap(), f["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(named, damaged.anomalies);
    for finding in found {
        let (offset, length) = (finding["offset"].as_u64().unwrap(), finding["length"].as_u64().unwrap());
        let line = &damaged.log[offset as usize..(offset + length) as usize];
        assert!(!line.contains(&b'\n') && (offset == 0 || damaged.log[offset as usize - 1] == b'\n'), "{finding}");
    }
    workshop
        .papyra(&format!("{SCAN} events.ndjson"))
        .must_exit(2)
        .must_say("✖ Found 8 persistence anomalies:")
        .must_say("✖ - CORRUPTED_LINE: events.ndjson (Invalid JSON at line 2)")
        .must_say("✖ - TRUNCATED_LINE: events.ndjson (Line 16 missing newline)")
        .must_say("ℹ to repair: papyra persistence recover --path events.ndjson\n");
}

#[test]
fn the_advice_on_a_damaged_log_is_a_command_that_works() {
    let workshop = Workshop::with("my logs/it's.ndjson", logs::damaged().log);
    let mut scan = workshop.command("persistence scan --path");
    let said = run(scan_arg(&mut scan, "my logs/it's.ndjson"), "scan").must_exit(2);
    let advice = said.stdout.lines().last().and_then(|line| line.strip_prefix("ℹ to repair: papyra ")).expect("advice");
    let mut shell = Command::new("sh");
    let binary = binary().display();
    shell.args(["-c", &format!("{binary} {advice}")]).current_dir(workshop.path("."));
    run(shell, advice).must_exit(0);
    assert_eq!(workshop.read("my logs/it's.ndjson"), logs::damaged().repaired);
}

fn scan_arg(command: &mut Command, path: &str) -> Command {
    let mut again = Command::new(command.get_program());
    again.args(command.get_args()).arg(path).current_dir(command.get_current_dir().expect("a folder"));
    again
}

#[test]
fn a_rotation_set_is_looked_at_as_a_whole_from_its_active_file() {
    let workshop = Workshop::with("rot.log", logs::lines(20..25))
        .and("rot.log.1", logs::lines(10..20))
        .and("rot.log.2", [logs::lines(0..10).as_bytes(), b"{\"kind\": \"ev"].concat());
    let report = workshop.papyra(&format!("{SCAN} rot.log --format json")).must_exit(2).json();
    assert_eq!(report["backend"], "rotating");
    assert_eq!(report["totals"]["files"], 3);
    let paths: Vec<_> = report["files"].as_array().unwrap().iter().map(|file| file["path"].clone()).collect();
    assert_eq!(paths, ["rot.log.2", "rot.log.1", "rot.log"]);
    assert_eq!(report["files"][0]["anomalies"][0]["reason"], "torn_tail");
}

#[test]
fn a_set_without_its_active_file_is_still_a_set() {
    Workshop::with("rot.log.1", logs::clean(5)).papyra(&format!("{SCAN} rot.log")).must_exit(0).must_say("rot.log.1:");
}

#[test]
fn gaps_orphans_and_files_beyond_the_set_are_anomalies() {
    let workshop = Workshop::with("rot.log", logs::clean(1))
        .and("rot.log.1", logs::clean(1))
        .and("rot.log.3", logs::clean(1))
        .and("rot.log.bak", logs::clean(2));
    let report = workshop.papyra(&format!("{SCAN} rot.log --format json")).must_exit(2).json();
    let reasons = |report: &serde_json::Value| -> Vec<String> {
        let files = report["files"].as_array().unwrap();
        files
            .iter()
            .flat_map(|f| f["anomalies"].as_array().unwrap())
            .map(|a| a["reason"].as_str().unwrap().into())
            .collect()
    };
    assert_eq!(reasons(&report), ["rotation_gap", "foreign_file"]);
    let report = workshop.papyra(&format!("{SCAN} rot.log --max-files 3 --format json")).must_exit(2).json();
    assert_eq!(
        reasons(&report),
        ["foreign_file", "beyond_rotation"].map(String::from).into_iter().rev().collect::<Vec<_>>()
    );
    workshop.papyra(&format!("{SCAN} rot.log --backend json")).must_exit(0);
}

#[test]
fn a_folder_is_searched_for_logs_by_content() {
    let workshop = Workshop::with("b/events.ndjson", logs::clean(3))
        .and("b/audit-log", logs::clean(2))
        .and("b/rot.log", logs::clean(1))
        .and("b/rot.log.1", logs::clean(1))
        .and("b/notes.txt", "nothing here")
        .and("b/manifest.json", "{\"schema\": 1}")
        .and("b/wiped.ndjson", [0; 100]);
    let run = workshop.papyra(&format!("{SCAN} b --format json")).must_exit(2).must_complain("notes.txt");
    let report = run.json();
    let paths: Vec<_> = report["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["audit-log", "events.ndjson", "rot.log.1", "rot.log", "wiped.ndjson"]);
}

#[test]
fn compressed_logs_and_standard_input_read_like_plain_ones() {
    let log = logs::clean(2000);
    let workshop = Workshop::with("events.ndjson", &log);
    for (tool, name) in [("gzip -k", "events.ndjson.gz"), ("zstd -q", "events.ndjson.zst")] {
        if !papyra_tests::has(tool.split(' ').next().unwrap()) {
            continue;
        }
        let mut pack = Command::new("sh");
        pack.args(["-c", &format!("{tool} events.ndjson")]).current_dir(workshop.path("."));
        run(pack, tool).must_exit(0);
        let report = workshop.papyra(&format!("{SCAN} {name} --format json")).must_exit(0).json();
        assert_eq!(report["totals"]["lines"], 2000);
        let packed = workshop.read(name);
        workshop.write(&format!("cut.{name}"), &packed[..packed.len() - 10]);
        workshop
            .papyra(&format!("{SCAN} cut.{name}"))
            .must_exit(2)
            .must_say("PARTIAL_WRITE")
            .must_say("damaged_archive");
        workshop.papyra(&format!("persistence recover --path {name}")).must_exit(64).must_complain("unpack it first");
    }
    let mut child =
        workshop.command(&format!("{SCAN} -")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("2,000 lines"));
}

#[test]
fn nothing_checked_never_passes() {
    let workshop = Workshop::with("empty/readme", "");
    workshop.papyra(&format!("{SCAN} missing.ndjson")).must_exit(66).must_complain("missing.ndjson");
    workshop.papyra(&format!("{SCAN} no/such/folder/x.ndjson")).must_exit(66).must_complain("no/such/folder");
    workshop.papyra(&format!("{SCAN} empty")).must_exit(66).must_complain("no logs in empty");
    workshop.papyra("persistence scan").must_exit(78).must_complain("PAPYRA_PATH");
}

#[test]
fn an_empty_log_is_clean_and_said_to_be_empty() {
    Workshop::with("events.ndjson", "").papyra(&format!("{SCAN} events.ndjson")).must_exit(0).must_say("0 records");
}

#[test]
fn a_wrong_file_is_called_one_and_its_findings_are_bounded() {
    let noise: Vec<u8> = (0..300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let workshop = Workshop::with("picture.png", &noise);
    let run = workshop.papyra(&format!("{SCAN} picture.png --max-findings 5")).must_exit(2);
    let run = run
        .must_say("this does not look like a Papyra log")
        .must_say("more in picture.png")
        .must_not_say("to repair")
        .must_not_say("--strict");
    assert!(run.stdout.lines().count() < 30, "{run:#?}");
    assert!(run.stdout.chars().all(|c| c == '\n' || !c.is_control()), "{run:#?}");
    workshop.papyra("persistence recover --path picture.png").must_exit(65).must_complain("nothing was changed");
    assert_eq!(workshop.read("picture.png"), noise);
}

#[test]
fn a_text_a_pretty_document_and_a_picture_are_never_emptied() {
    let picture: Vec<u8> = b"\x89PNG\r\n\x1a\n\n\n42\n\0\0\0\rIHDR {\"\n".repeat(400);
    let document = "{\n  \"name\": \"x\",\n\n  \"size\": [\n    1,\n    {\"a\": 1}\n  ]\n}\n".to_owned();
    let text = "# A title\n\nSome words, and a list:\n\n- one\n- {\"two\"}\n";
    for bytes in [picture, document.into(), text.into()] {
        let workshop = Workshop::with("wrong", &bytes);
        for command in ["recover", "recover --max-findings 0", "recover --dry-run", "compact --max-records 1"] {
            workshop
                .papyra(&format!("persistence {command} --path wrong"))
                .must_exit(65)
                .must_complain("nothing was changed");
        }
        workshop
            .papyra(&format!("{SCAN} wrong --max-findings 0"))
            .must_exit(2)
            .must_say("this does not look like a Papyra log");
        assert_eq!(workshop.read("wrong"), bytes);
    }
}

#[test]
fn what_is_left_of_a_log_of_one_record_is_still_a_log() {
    let record = logs::event(1);
    for left in ["{", &record[..30], "\0\0\0\0", &"\0".repeat(500), "\n\n", &record.replacen('{', "!", 1)] {
        let workshop = Workshop::with("events.ndjson", left);
        workshop.papyra("persistence recover --path events.ndjson --max-findings 0").must_exit(0);
        assert_eq!(workshop.read("events.ndjson"), b"", "{left:?}");
    }
}

#[test]
fn the_command_in_the_advice_can_be_pasted_whatever_the_name() {
    for name in ["plain", "it's a log", "\x1b[31m\n\\ it's \u{202e}zoë"] {
        let workshop = Workshop::with(name, logs::event(1) + "\n{\"ki\n");
        let path = format!("{}:/usr/bin:/bin", binary().parent().unwrap().display());
        let mut scan = workshop.command("persistence scan --path");
        scan.arg(name);
        let said = run(scan, "scan").must_exit(2).stdout;
        let (_, command) = said.trim_end().rsplit_once("to repair: ").unwrap();
        assert!(!command.chars().any(char::is_control), "{command:?}");
        let mut shell = Command::new("bash");
        shell.args(["-c", command]).current_dir(workshop.path(".")).env("PATH", path);
        assert!(shell.output().unwrap().status.success(), "{command}");
        assert_eq!(workshop.read(name), (logs::event(1) + "\n").as_bytes(), "{command}");
    }
}

#[test]
fn a_compressed_log_in_a_pipe_is_told_like_one_in_a_file() {
    if !papyra_tests::has("gzip") {
        return;
    }
    let workshop = Workshop::with("events", logs::clean(50));
    let mut pack = Command::new("gzip");
    pack.arg("events").current_dir(workshop.path("."));
    run(pack, "gzip").must_exit(0);
    let packed = workshop.read("events.gz");
    for (bytes, code) in [(&packed[..], 0), (&packed[..packed.len() / 2], 2)] {
        workshop.write("events.gz", bytes);
        let mut command = workshop.command(&format!("{SCAN} - --format json"));
        let mut scan = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut pipe = scan.stdin.take().unwrap();
        for piece in [&bytes[..1], &bytes[1..]] {
            pipe.write_all(piece).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        drop(pipe);
        let output = scan.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let of_file = workshop.papyra(&format!("{SCAN} events.gz --format json")).must_exit(code).stdout;
        assert_eq!(String::from_utf8(output.stdout).unwrap(), of_file.replace("\"events.gz\"", "\"-\""));
    }
}

#[test]
fn notes_count_only_under_strict() {
    let workshop = Workshop::with("events.ndjson", "{\"kind\": \"event\", \"timestamp\": 1}\n");
    workshop.papyra(&format!("{SCAN} events.ndjson")).must_exit(0).must_say("note: 1 record without a field");
    workshop.papyra(&format!("{SCAN} events.ndjson --strict")).must_exit(2);
}

#[test]
fn threads_change_nothing_in_the_report() {
    let damaged = logs::damaged();
    let mut log = Vec::new();
    while log.len() < 40 << 20 {
        log.extend_from_slice(&damaged.log);
        log.extend_from_slice(logs::clean(3000).as_bytes());
    }
    let workshop = Workshop::with("events.ndjson", &log);
    let scan = |threads: u8| workshop.papyra(&format!("{SCAN} events.ndjson --format json --threads {threads}"));
    let one = scan(1).must_exit(2).stdout;
    assert_eq!(one, scan(2).stdout);
    assert_eq!(one, scan(7).stdout);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let workshop = Workshop::with("events.ndjson", logs::clean(20_000));
    let mut shell = Command::new("sh");
    let script = "$0 persistence replay --path events.ndjson | head -n 1 >/dev/null; $0 persistence scan --path events.ndjson | true";
    shell.args(["-c", script]).arg(binary()).current_dir(workshop.path("."));
    let run = run(shell, script).must_exit(0);
    assert_eq!(run.stderr, "");
}
