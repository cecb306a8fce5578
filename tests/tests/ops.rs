//! The files under `native/ops` do what they say: systemd takes them, and every command in them runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use papyra_tests::{Workshop, binary, has, logs};

fn ops() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../native/ops")
}

/// A server as the files suppose it, in a scratch folder.
fn server() -> Workshop {
    let shop = Workshop::with("srv/app/persistence/events.ndjson", logs::clean(20));
    for folder in ["srv/backups", "srv/app/quarantine"] {
        std::fs::create_dir_all(shop.path(folder)).unwrap();
    }
    shop
}

/// The text with the paths of that server.
fn on(shop: &Workshop, text: &str) -> String {
    text.replace("/usr/local/bin/papyra", &binary().display().to_string())
        .replace("/srv/", &format!("{}/", shop.path("srv").display()))
}

/// Runs a piece of shell, with the settings that the file around it gives.
fn run(shop: &Workshop, script: &str, settings: &[(&str, &str)]) -> papyra_tests::Run {
    attempt(shop, script, settings).must_exit(0)
}

fn attempt(shop: &Workshop, script: &str, settings: &[(&str, &str)]) -> papyra_tests::Run {
    let mut command = Command::new("sh");
    command.args(["-ec", &on(shop, script)]).current_dir(shop.path("."));
    command.envs(settings.iter().map(|(name, value)| (name, on(shop, value))));
    papyra_tests::run(command, script)
}

/// Turns a byte of a log in the newest backup.
fn damage_the_backup(shop: &Workshop) {
    let backups = std::fs::read_dir(shop.path("srv/backups")).unwrap();
    let folders = backups.map(|entry| entry.unwrap().path()).filter(|path| path.join("manifest.json").exists());
    let log = folders.max().expect("a backup").join("events.ndjson");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&log, bytes).unwrap();
}

/// The crontab's commands.
fn crontab() -> Vec<String> {
    let text = std::fs::read_to_string(ops().join("crontab")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    lines.map(|line| line.splitn(6, ' ').nth(5).unwrap().to_owned()).collect()
}

const BACKUP: [(&str, &str); 2] = [("PAPYRA_PATH", "/srv/app/persistence"), ("PAPYRA_BACKUPS", "/srv/backups")];

#[test]
fn every_command_of_the_systemd_services_runs() {
    let shop = server();
    let mut commands = 0;
    for service in ["papyra-backup.service", "papyra-drill.service"] {
        let text = std::fs::read_to_string(ops().join(service)).unwrap();
        for (name, value) in BACKUP {
            assert!(service != "papyra-backup.service" || text.contains(&format!("Environment={name}={value}\n")));
        }
        for command in text.lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
            run(&shop, command, &BACKUP);
            commands += 1;
        }
    }
    assert_eq!(commands, 4);
    for figures in ["papyra-create.prom", "papyra-verify.prom", "papyra-drill.prom"] {
        assert!(String::from_utf8(shop.read(&format!("srv/backups/{figures}"))).unwrap().contains("_success{"));
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    if !has("systemd-analyze") {
        return;
    }
    let shop = server();
    let units = ["backup.service", "backup.timer", "drill.service", "drill.timer", "every.service"];
    let units = units.map(|unit| format!("papyra-{unit}"));
    for unit in &units {
        let text = std::fs::read_to_string(ops().join(unit)).unwrap();
        // The binary's place here; a user that exists here.
        let text = text.replace("/usr/local/bin/papyra", &binary().display().to_string());
        shop.write(&format!("units/{unit}"), text.replace("User=papyra", "User=root"));
    }
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=no"]);
    command.args(&units).current_dir(shop.path("units"));
    let run = papyra_tests::run(command, "systemd-analyze verify").must_exit(0);
    let complaints = run.stderr.lines().filter(|line| line.contains("papyra-")).collect::<Vec<_>>();
    assert_eq!(complaints, [""; 0]);
    let mut calendar = Command::new("systemd-analyze");
    calendar.args(["calendar", "*-*-* 02:00:00", "Sun 04:00"]);
    papyra_tests::run(calendar, "systemd-analyze calendar").must_exit(0);
}

#[test]
fn every_line_of_the_crontab_runs_and_says_nothing_while_all_is_well() {
    let text = std::fs::read_to_string(ops().join("crontab")).unwrap();
    let shop = server();
    for command in crontab() {
        let run = run(&shop, &command, &BACKUP);
        assert_eq!((&*run.stdout, &*run.stderr), ("", ""), "{command}");
    }
    assert_eq!(crontab().len(), 4);
    assert!(BACKUP.iter().all(|(name, value)| text.contains(&format!("{name}={value}\n"))));
}

#[test]
fn jobs_make_noise_about_a_damaged_backup_and_a_damaged_log() {
    let shop = server();
    run(&shop, &crontab()[0], &BACKUP);
    damage_the_backup(&shop);
    let units = ["papyra-backup.service", "papyra-drill.service"]
        .map(|unit| std::fs::read_to_string(ops().join(unit)).unwrap());
    let units = units.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix("ExecStart="));
    let looks =
        |command: &str| ["backup verify", "backup drill", "backup list"].iter().any(|verb| command.contains(verb));
    let commands: Vec<String> =
        crontab().into_iter().skip(1).chain(units.map(str::to_owned)).filter(|it| looks(it)).collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    let verify = attempt(&shop, "/usr/local/bin/papyra backup verify --quiet --latest", &BACKUP).must_exit(2);
    assert!(verify.stdout.is_empty() && verify.stderr.contains("events.ndjson"), "{verify:?}");
    for command in commands {
        let run = attempt(&shop, &command, &BACKUP);
        assert_ne!(run.code, Some(0), "{command}");
        assert!(run.stdout.is_empty() && run.stderr.contains('✖'), "{run:?}");
    }
    let shop = server();
    shop.write("srv/app/persistence/events.ndjson", logs::damaged().log);
    let create = attempt(&shop, "/usr/local/bin/papyra backup create --quiet", &BACKUP).must_exit(2);
    assert!(create.stdout.is_empty() && create.stderr.contains("anomalies"), "{create:?}");
    attempt(&shop, "/usr/local/bin/papyra backup create --quiet --accept-damage", &BACKUP).must_exit(0);
}

#[test]
fn what_stays_is_ended_by_a_signal_and_has_made_a_backup() {
    let unit = std::fs::read_to_string(ops().join("papyra-every.service")).unwrap();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    let sidecar = std::fs::read_to_string(ops().join("kubernetes-sidecar.yaml")).unwrap();
    let list = |of: &str| -> Vec<String> {
        let line = sidecar.lines().find_map(|line| line.trim().strip_prefix(of)).expect(of);
        serde_json::from_str(line).expect("a list")
    };
    let sidecar = [list("command: "), list("args: ")].concat().join(" ");
    assert_eq!(start, sidecar);
    let shop = server();
    let health = shop.path("health");
    let script = format!("papyra backup init /srv/repository && exec {start}").replace("/run/papyra/health", "health");
    let script = script.replace("papyra backup init", &format!("{} backup init", binary().display()));
    let mut command = Command::new("sh");
    command.args(["-ec", &on(&shop, &script)]).current_dir(shop.path("."));
    command.env("RESTIC_PASSWORD", "correct horse").env("PAPYRA_BACKUPS", shop.path("srv/repository"));
    command.env("PAPYRA_PATH", shop.path("srv/app/persistence")).stdout(std::process::Stdio::null());
    let mut child = command.spawn().expect("sh runs");
    for _ in 0..3000 {
        if health.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    papyra_tests::signal(child.id(), "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(shop.path("srv/repository/snapshots")).unwrap().count(), 1);
}

/// The lines of the one block after `marker`, without their indent.
fn block(text: &str, marker: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.trim_end().ends_with(marker)).skip(1).peekable();
    let indent = lines.peek().map_or(0, |line| line.len() - line.trim_start().len());
    assert!(indent > 0, "no block after {marker}");
    let inside = lines.take_while(|line| line.len() - line.trim_start().len() >= indent);
    inside.map(|line| format!("{}\n", &line[indent..])).collect()
}

#[test]
fn the_scripts_in_the_yaml_files_run() {
    for (file, marker) in [("kubernetes-cronjob.yaml", "- |"), ("ci-step.yml", "run: |")] {
        let text = std::fs::read_to_string(ops().join(file)).unwrap();
        assert!(BACKUP.iter().all(|(name, value)| text.contains(name) && text.contains(value)), "{file}");
        run(&server(), &block(&text, marker), &BACKUP);
    }
    let text = std::fs::read_to_string(ops().join("kubernetes-init-container.yaml")).unwrap();
    let settings =
        [("PAPYRA_PATH", "/srv/app/persistence/events.ndjson"), ("PAPYRA_QUARANTINE_DIR", "/srv/app/quarantine")];
    assert!(settings.iter().all(|(name, value)| text.contains(name) && text.contains(value)));
    let shop = server();
    shop.write("srv/app/persistence/events.ndjson", logs::damaged().log);
    run(&shop, &block(&text, "- |"), &settings);
    assert_eq!(shop.read("srv/app/persistence/events.ndjson"), logs::damaged().repaired);
}

/// The names of metrics in a text.
fn metrics_in(text: &str) -> std::collections::BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("papyra_")).collect()
}

#[test]
fn the_rules_the_dashboard_and_the_handbook_name_the_metrics_that_are_written() {
    let shop = Workshop::with("p/events.ndjson", logs::clean(20) + "{\"kind\": 7, \"kind\": 8}\n");
    shop.papyra("backup create --path p --to b --name one --prometheus create.prom").must_exit(0);
    shop.papyra("backup verify b/one --prometheus verify.prom").must_exit(0);
    let mut written = shop.papyra("metrics persistence --path p/events.ndjson --prometheus").must_exit(0).stdout;
    for file in ["create.prom", "verify.prom"] {
        written += &String::from_utf8(shop.read(file)).unwrap();
    }
    let names = written.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let written: std::collections::BTreeSet<&str> = names.collect();
    for file in ["prometheus-rules.yml", "grafana-dashboard.json", "../../www/book/src/monitoring.md"] {
        let text = std::fs::read_to_string(ops().join(file)).unwrap();
        let named = metrics_in(&text);
        assert!(named.len() > 3 && named.is_subset(&written), "{file} names {:?}", named.difference(&written));
    }
    let page = std::fs::read_to_string(ops().join("../../www/book/src/monitoring.md")).unwrap();
    assert_eq!(metrics_in(&page), written, "the handbook names them all");
}

#[test]
fn the_alerts_fire_when_they_should() {
    if !has("promtool") {
        return;
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/rules.test.yml");
    let mut promtool = Command::new("promtool");
    promtool.args(["test", "rules"]).arg(tests);
    papyra_tests::run(promtool, "promtool test rules").must_exit(0);
}
