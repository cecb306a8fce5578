//! Compaction, replay, listings and figures.

use papyra_tests::{Workshop, logs};

const COMPACT: &str = "persistence compact --path";

#[test]
fn compaction_removes_the_oldest_and_keeps_the_rest_byte_for_byte() {
    let workshop = Workshop::with("events.ndjson", logs::clean(10));
    workshop
        .papyra(&format!("{COMPACT} events.ndjson --max-records 4 --dry-run"))
        .must_exit(0)
        .must_say("6 of 10 records");
    assert_eq!(workshop.read("events.ndjson"), logs::clean(10).as_bytes());
    workshop
        .papyra(&format!("{COMPACT} events.ndjson --max-records 4"))
        .must_exit(0)
        .must_say("ℹ Compaction completed");
    assert_eq!(workshop.read("events.ndjson"), logs::lines(6..10).as_bytes());
    let bytes = logs::lines(8..10).len();
    workshop.papyra(&format!("{COMPACT} events.ndjson --max-total-bytes {bytes}")).must_exit(0);
    assert_eq!(workshop.read("events.ndjson"), logs::lines(8..10).as_bytes());
    assert_eq!(workshop.names(), ["events.ndjson"]);
}

#[test]
fn compaction_counts_over_the_whole_set_and_leaves_no_gap() {
    let workshop = Workshop::with("rot.log", logs::lines(20..23))
        .and("rot.log.1", logs::lines(10..20))
        .and("rot.log.2", logs::lines(0..10));
    workshop.papyra(&format!("{COMPACT} rot.log --max-records 5")).must_exit(0);
    assert_eq!(workshop.names(), ["rot.log", "rot.log.1"]);
    assert_eq!(workshop.read("rot.log.1"), logs::lines(18..20).as_bytes());
    workshop.papyra("persistence scan --path rot.log").must_exit(0);
}

#[test]
fn compaction_keeps_damaged_bytes_in_the_rejects() {
    let damaged = logs::damaged();
    let workshop = Workshop::with("events.ndjson", &damaged.log);
    workshop.papyra(&format!("{COMPACT} events.ndjson")).must_exit(0);
    assert_eq!(workshop.read("events.ndjson"), damaged.repaired);
    assert!(workshop.contents(".papyra-rejected").contains(&damaged.rejected));
}

#[test]
fn an_age_needs_unix_time() {
    let workshop = Workshop::with("events.ndjson", logs::clean(3));
    workshop.papyra(&format!("{COMPACT} events.ndjson --max-age 1d")).must_exit(65).must_complain("Unix time");
    assert_eq!(workshop.read("events.ndjson"), logs::clean(3).as_bytes());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let record = |age: u64| format!("{{\"kind\": \"event\", \"timestamp\": {}}}\n", now - age);
    workshop.write("events.ndjson", [record(200_000), record(90_000), record(10)].concat());
    workshop
        .papyra(&format!("{COMPACT} events.ndjson --max-age 1d12h"))
        .must_exit(0)
        .must_say("1 of 3 records removed");
    assert_eq!(workshop.read("events.ndjson"), [record(90_000), record(10)].concat().as_bytes());
    workshop.papyra(&format!("{COMPACT} events.ndjson --max-age soon")).must_exit(64);
    workshop.papyra(&format!("{COMPACT} events.ndjson --max-records 0")).must_exit(64);
}

#[test]
fn replay_prints_what_recovery_would_keep_oldest_first() {
    let damaged = logs::damaged();
    let workshop = Workshop::with("rot.log", logs::lines(5..9)).and("rot.log.1", &damaged.log);
    let replay = workshop.papyra("persistence replay --path rot.log").must_exit(0).must_complain("8 damaged lines");
    assert_eq!(replay.stdout.as_bytes(), [&damaged.repaired, logs::lines(5..9).as_bytes()].concat());
    workshop.papyra("persistence recover --path rot.log").must_exit(0);
    assert_eq!(workshop.papyra("persistence replay --path rot.log").must_exit(0).stdout, replay.stdout);
    let since = workshop.papyra("persistence replay --path rot.log --since 948.000100").must_exit(0);
    assert_eq!(since.stdout.lines().count(), 8);
}

#[test]
fn listings_filter_before_they_limit() {
    let other = logs::event(50).replace("ActorStarted", "ActorCrashed");
    let workshop = Workshop::with("events.ndjson", format!("{}{other}\n{}", logs::clean(10), logs::lines(10..13)));
    let events =
        |flags: &str| workshop.papyra(&format!("inspect events --path events.ndjson {flags}")).must_exit(0).stdout;
    assert_eq!(events("").lines().count(), 10);
    assert_eq!(events("--event-type ActorCrashed --limit 1"), "ℹ [948.000] ActorCrashed local:50\n");
    assert_eq!(events("--limit 2"), "ℹ [948.000] ActorStarted local:11\nℹ [948.000] ActorStarted local:12\n");
    assert_eq!(events("--limit 2 --reverse"), "ℹ [948.000] ActorStarted local:12\nℹ [948.000] ActorStarted local:11\n");
    assert_eq!(
        events("--since 948.000012"),
        "ℹ [948.000] ActorStarted local:12\nℹ [948.000] ActorCrashed local:50\n"
            .split_inclusive('\n')
            .rev()
            .collect::<String>()
    );
    assert_eq!(events("--event-type Nothing"), "ℹ No events recorded.\n");
    let letters = workshop.papyra("inspect dead-letters --path events.ndjson --target local:4").must_exit(0);
    assert_eq!(letters.stdout, "ℹ [948.000] target=local:4 type=dict payload={\"order\": 4, \"x\": NaN}\n");
    workshop
        .papyra("inspect audits --path events.ndjson")
        .must_exit(0)
        .must_say("total=20 alive=17 stopping=3 restarting=0 dead_letters=8");
    workshop
        .papyra("inspect summary --path events.ndjson")
        .must_exit(0)
        .must_say("ℹ Actors: total=20 alive=17 stopping=3 restarting=0\nℹ Dead letters: 8\n");
    let json = workshop.papyra("inspect dead-letters --path events.ndjson --format json").must_exit(0).json();
    assert_eq!(json[0]["kind"], "dead_letter");
}

#[test]
fn figures_come_from_a_scan() {
    let workshop = Workshop::with("events.ndjson", logs::damaged().log);
    let json = workshop.papyra("metrics persistence --json --path events.ndjson").must_exit(0).json();
    assert_eq!((json["anomalies_detected"].as_u64(), json["records_written"].as_u64()), (Some(8), Some(8)));
    workshop
        .papyra("metrics persistence --prometheus --path events.ndjson")
        .must_exit(0)
        .must_say("# TYPE papyra_records gauge")
        .must_say("papyra_anomalies 8\n");
    workshop.papyra("metrics reset").must_exit(0).must_say("Metrics reset");
    workshop
        .papyra("persistence inspect --path events.ndjson --limit 2 --show-metrics")
        .must_exit(0)
        .must_say("backend: JsonFilePersistence")
        .must_say("events_sampled: 2 (capped)")
        .must_say("  write_errors: 0");
}

#[test]
fn settings_come_from_flag_then_environment_then_file() {
    let workshop =
        Workshop::with("a.ndjson", logs::clean(1)).and("b.ndjson", logs::clean(2)).and("c.ndjson", logs::clean(3));
    workshop.write("papyra.toml", "path = \"c.ndjson\"\n");
    let lines = |command: &str, environment: Option<&str>| {
        let mut command = workshop.command(&format!("persistence scan --format json {command}"));
        command.envs(environment.map(|path| ("PAPYRA_PATH", path)));
        papyra_tests::run(command, "scan").must_exit(0).json()["totals"]["lines"].as_u64().unwrap()
    };
    assert_eq!(lines("", None), 3);
    assert_eq!(lines("", Some("b.ndjson")), 2);
    assert_eq!(lines("--path a.ndjson", Some("b.ndjson")), 1);
    workshop.write("papyra.toml", "pth = \"c.ndjson\"\n");
    workshop.papyra("persistence scan").must_exit(78).must_complain("papyra.toml").must_complain("did you mean path?");
    workshop.papyra("persistence scan --config none.toml").must_exit(78).must_complain("none.toml");
}

#[test]
fn the_manual_is_printed() {
    let workshop = Workshop::default();
    workshop.papyra("man").must_exit(0).must_say(".TH").must_say("quarantine");
    workshop.papyra("man --to share/man1").must_exit(0);
    assert!(workshop.read("share/man1/papyra-backup-create.1").starts_with(b".ie"));
    workshop.papyra("--version").must_exit(0).must_say("papyra 0.1.0");
}

/// What bash offers for the last of these words.
fn completed(workshop: &Workshop, words: &str) -> Vec<String> {
    let script = format!(
        "source <(papyra completions bash); COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_TYPE=9; \
         _clap_complete_papyra papyra \"${{COMP_WORDS[COMP_CWORD]}}\" ''; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let mut shell = std::process::Command::new("bash");
    let folder = papyra_tests::binary();
    let path = format!("{}:{}", folder.parent().unwrap().display(), std::env::var("PATH").unwrap());
    shell.args(["-c", &script]).current_dir(workshop.path(".")).env("PATH", path).env("RESTIC_PASSWORD", "secret");
    let offered = papyra_tests::run(shell, words).must_exit(0);
    offered.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn a_shell_completes_verbs_files_backups_and_series() {
    let workshop = Workshop::with("events.ndjson", logs::clean(3)).and("papyra.toml", "backups = \"kept\"\n");
    let papyra = |arguments: &str| {
        let mut command = workshop.command(arguments);
        command.env("RESTIC_PASSWORD", "secret");
        papyra_tests::run(command, arguments).must_exit(0)
    };
    papyra("backup init kept");
    papyra("backup create --path events.ndjson --to kept --name first --series orders");
    papyra("backup create --path events.ndjson --to kept --name second --series billing");
    assert_eq!(completed(&workshop, "papyra backup ver"), ["verify"]);
    assert_eq!(completed(&workshop, "papyra persistence scan ev"), ["events.ndjson"]);
    assert_eq!(completed(&workshop, "papyra backup verify kept/f"), ["kept/first"]);
    assert!(completed(&workshop, "papyra backup verify ''").contains(&"kept/second".into()));
    assert_eq!(completed(&workshop, "papyra backup list --series ''"), ["billing", "orders"]);
    assert_eq!(completed(&workshop, "papyra backup list --series o"), ["orders"]);
}
