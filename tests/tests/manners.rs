//! How the command line treats whoever types, and the jobs that call it: what is forgiven, what is answered with the
//! command that was meant, and where things are said.

use papyra_tests::{Run, Workshop, logs, run};

/// A folder with a clean log and a torn one.
fn shop() -> Workshop {
    let torn = logs::clean(4) + r#"{"kind": "event", "system_id": "lo"#;
    Workshop::with("good.ndjson", logs::clean(10)).and("torn.ndjson", torn)
}

/// Runs with some more of an environment.
fn with(shop: &Workshop, environment: &[(&str, &str)], arguments: &str) -> Run {
    let mut command = shop.command(arguments);
    command.envs(environment.iter().copied());
    run(command, arguments)
}

#[test]
fn a_verb_without_its_group_a_plain_path_and_other_numbers_are_understood() {
    let shop = shop();
    shop.papyra("scan --path good.ndjson").must_exit(0).must_say("Persistence is healthy.");
    shop.papyra("scan torn.ndjson").must_exit(2).must_say("TRUNCATED_LINE");
    shop.papyra("recover torn.ndjson --dry-run").must_exit(0);
    shop.papyra("startup-check good.ndjson").must_exit(0);
    shop.papyra("inspect event good.ndjson").must_exit(0).must_say("ActorStarted");
    shop.papyra("backups create good.ndjson --to kept --name one").must_exit(0);
    shop.papyra("verify kept/one").must_exit(0).must_say("is intact");
    shop.papyra("list kept").must_exit(0).must_say("one: ");
    for version in ["version", "--version", "-V", "-v", "scan --version"] {
        shop.papyra(version).must_exit(0).must_say(env!("CARGO_PKG_VERSION"));
    }
    for group in ["", "metrics", "persistence", "redis groups"] {
        shop.papyra(group).must_exit(0).must_say("Usage: ");
    }
}

#[test]
fn what_cannot_be_understood_is_answered_with_what_was_meant() {
    let shop = shop();
    let both = shop.papyra("pending --group g").must_exit(64).must_complain("papyra redis pending");
    both.must_complain("papyra inspect pending");
    shop.papyra("persistence verify kept").must_exit(64).must_complain("papyra backup verify");
    shop.papyra("scan --path good.ndjson torn.ndjson").must_exit(64).must_complain("two paths");
    shop.papyra("inspect events good.ndjson --since tomorrow").must_exit(64).must_complain("such as 26h");
    shop.papyra("backup list kept --max-age tomorrow").must_exit(64).must_complain("such as 26h or 30d");
    shop.papyra("inspect audits good.ndjson --event-type x").must_exit(64).must_complain("papyra inspect events");
    shop.papyra("scan good.ndjson --format ndjson").must_exit(64).must_complain("papyra inspect events");
    shop.papyra("backup create good.ndjson --to kept --name one").must_exit(0);
    shop.papyra("backup verify kept").must_exit(65).must_complain("--latest takes it");
    shop.papyra("backup list kept/one").must_exit(2).must_say("one: ");
}

#[test]
fn nothing_of_what_was_typed_reaches_a_terminal_raw() {
    let shop = shop();
    let evil = "bad\u{1b}[31m\u{202e}\nforged";
    for arguments in [
        vec![evil],
        vec!["persistence", "scan", "--format", evil],
        vec!["scan", "--since", evil],
        vec!["inspect", "events", "--since", evil],
    ] {
        let mut command = shop.command("");
        command.args(&arguments);
        let run = run(command, "papyra EVIL").must_exit(64);
        assert!(!run.stderr.contains(['\u{1b}', '\u{202e}']) && !run.stderr.contains("\nforged"), "{run:?}");
    }
    let run = with(&shop, &[("PAPYRA_BACKEND", evil)], "scan good.ndjson").must_exit(64);
    assert!(!run.stderr.contains(['\u{1b}', '\u{202e}']), "{run:?}");
}

#[test]
fn quiet_says_nothing_while_all_is_well_and_speaks_on_standard_error_when_not() {
    let shop = shop();
    for command in [
        "persistence scan good.ndjson",
        "persistence recover good.ndjson",
        "persistence compact good.ndjson --max-records 10",
        "persistence startup-check good.ndjson",
        "persistence startup-check missing.ndjson",
        "doctor run good.ndjson",
        "backup create good.ndjson --to kept --name one",
        "backup verify kept/one",
        "backup drill kept/one",
        "backup list kept",
        "backup prune kept --keep-last 1",
        "backup restore kept/one --to restored",
    ] {
        let run = shop.papyra(&format!("{command} --quiet")).must_exit(0);
        assert_eq!((&*run.stdout, &*run.stderr), ("", ""), "{command}");
    }
    for (command, code) in [
        ("persistence scan torn.ndjson", 2),
        ("persistence startup-check torn.ndjson", 1),
        ("doctor run torn.ndjson", 1),
        ("doctor run torn.ndjson --mode ignore", 0),
        ("backup create torn.ndjson --to kept --name two", 2),
        ("backup verify kept/two", 2),
        ("backup list kept --max-age 0.001", 2),
        ("persistence scan missing.ndjson", 66),
    ] {
        let run = shop.papyra(&format!("{command} -q")).must_exit(code).must_complain("✖ ");
        assert_eq!(run.stdout, "", "{command}");
        if code != 66 && code != 0 {
            // Also where a job throws away what is said.
            let loud = shop.papyra(&command.replace("two", "three")).must_exit(code).must_complain("✖ ");
            assert!(loud.stdout.contains("✖ ") && loud.stderr.lines().count() == 1, "{loud:?}");
        }
    }
    let data = shop.papyra("inspect events good.ndjson --quiet").must_exit(0);
    assert_eq!(data.stdout.lines().count(), 6);
}

#[test]
fn errors_of_verbs_that_print_json_are_json_on_standard_error() {
    let shop = shop();
    for (command, code, kind) in [
        ("scan missing.ndjson --json", 66, "no_input"),
        ("scan --format json", 78, "config"),
        ("scan good.ndjson --no-such-flag --json", 64, "usage"),
        ("backup verify torn.ndjson --format json", 66, "no_input"),
        ("scan torn.ndjson --json", 2, "anomalies"),
        ("startup-check torn.ndjson --json", 1, "anomalies"),
    ] {
        let run = shop.papyra(command);
        let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap_or_else(|_| panic!("{run:#?}"));
        assert_eq!((run.code, error["code"].as_i64(), &error["kind"]), (Some(code), Some(code.into()), &kind.into()));
        assert!(error["message"].is_string() && error["schema"] == "papyra.error/1", "{run:?}");
        assert!(code < 3 || run.stdout.is_empty(), "{run:?}");
    }
    let error = shop.papyra("scan missing.ndjson --json");
    let error: serde_json::Value = serde_json::from_str(&error.stderr).unwrap();
    assert_eq!((&error["path"], error["advice"].is_string()), (&"missing.ndjson".into(), true));
}

#[test]
fn settings_are_taken_from_the_first_place_that_has_them_by_every_verb() {
    let shop = shop();
    let home = shop.path("home").display().to_string();
    let papyra = |arguments: &str| with(&shop, &[("XDG_CONFIG_HOME", &home)], arguments);
    papyra("scan").must_exit(78);
    shop.write("home/papyra/papyra.toml", "path = \"../../good.ndjson\"\nbackups = \"../../kept\"\n");
    papyra("scan").must_exit(0).must_say("good.ndjson: ");
    papyra("backup create --name one").must_exit(0);
    papyra("backup verify --latest").must_exit(0).must_say("kept/one is intact");
    papyra("backup list").must_exit(0).must_say("one: ");
    papyra("backup drill --latest").must_exit(0);
    papyra("backup prune --keep-last 1").must_exit(0).must_say("one: kept");
    papyra("backup restore --latest --to restored").must_exit(0);
    papyra("doctor checklist --quarantine-dir kept").must_say("newest backup: one");
    shop.write("papyra.toml", "path = \"torn.ndjson\"\n[redis]\nurl = \"redis://u:SECRET@h/1\"\n");
    papyra("scan").must_exit(2).must_say("torn.ndjson");
    let shown = papyra("config show").must_exit(0).must_say("path = torn.ndjson  (settings file)");
    assert!(!shown.stdout.contains("SECRET"), "{shown:?}");
    papyra("config show").must_say("redis.url = redis://u:***@h:6379/1  (settings file)");
    let named = with(&shop, &[("PAPYRA_PATH", "good.ndjson")], "config show --json").must_exit(0).json();
    let path = named["settings"].as_array().unwrap().iter().find(|setting| setting["key"] == "path").unwrap();
    assert_eq!((&path["value"], &path["from"]), (&"good.ndjson".into(), &"PAPYRA_PATH".into()));
    shop.write("papyra.toml", "[redis]\nulr = \"redis://u:SECRET@h/1\"\n");
    let wrong = papyra("scan").must_exit(78).must_complain("line 2: unknown key; did you mean redis.url?");
    assert!(!wrong.stderr.contains("SECRET"), "{wrong:?}");
}

#[test]
fn a_filter_that_matches_nothing_says_how_many_were_read() {
    let shop = shop();
    shop.papyra("inspect events good.ndjson --event-type actorstarted").must_exit(0).must_say("ActorStarted local:0");
    let none = shop.papyra("inspect events good.ndjson --event-type ActorStart").must_exit(0);
    let none = none.must_say("No events recorded.").must_complain("none of 6 events matches");
    none.must_complain("there is no event type ActorStart; there are ActorStarted");
    for (command, lines) in [
        ("events --actor local:1", 1),
        ("dead-letters --actor local:4", 1),
        ("audits --actor w1", 2),
        ("events --since 948.000005 --until 948.000006", 2),
        ("events --until 948.000000", 1),
    ] {
        let run = shop.papyra(&format!("inspect {command} --path good.ndjson")).must_exit(0);
        assert_eq!(run.stdout.lines().count(), lines, "{run:?}");
    }
    // The log's clock is not Unix time: a date says nothing about it.
    shop.papyra("inspect events good.ndjson --since 2026-01-31")
        .must_exit(65)
        .must_complain("seconds of the log's own clock");
    shop.papyra("replay good.ndjson --since 26h").must_exit(65);
    shop.write("unix.ndjson", logs::clean(5).replace("948.", "1769860800."));
    shop.papyra("inspect events unix.ndjson --since 2026-01-31 --until 2026-01-31").must_say("ActorStarted local:2");
    shop.papyra("inspect events unix.ndjson --until 2026-01-30").must_say("No events recorded.");
}

#[test]
fn records_are_listed_as_one_array_or_a_line_each() {
    let shop = shop();
    let array = shop.papyra("inspect events good.ndjson --json").must_exit(0).json();
    let lines = shop.papyra("inspect events good.ndjson --format ndjson").must_exit(0).stdout;
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((array.as_array().unwrap(), lines.len()), (&lines, 6));
    for flags in ["--limit 2", "--reverse", "--event-type nothing"] {
        let array = shop.papyra(&format!("inspect events good.ndjson --json {flags}")).json();
        let lines = shop.papyra(&format!("inspect events good.ndjson --format ndjson {flags}")).stdout;
        assert_eq!(array.as_array().unwrap().len(), lines.lines().count(), "{flags}");
    }
}
