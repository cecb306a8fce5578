//! What stands where a log should be, and what lies beside one: every verb says what it did not read.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use papyra_tests::{Run, Workshop, logs, run};

/// The exit codes of scan, startup-check, doctor, recover and backup create on `path`, each with what it said.
fn all(workshop: &Workshop, path: &str) -> [Run; 5] {
    let backups = tempfile::tempdir().unwrap();
    let create = format!("backup create --path {path} --name b --to {}", backups.path().display());
    [
        format!("persistence scan --path {path}"),
        format!("persistence startup-check --path {path}"),
        format!("doctor run --path {path}"),
        format!("persistence recover --path {path}"),
        create,
    ]
    .map(|arguments| workshop.papyra(&arguments))
}

#[track_caller]
fn must_exit(runs: [Run; 5], codes: [i32; 5], name: &str) {
    for (run, code) in runs.into_iter().zip(codes) {
        let run = run.must_exit(code);
        assert!(run.stdout.contains(name) || run.stderr.contains(name), "does not name {name}: {run:#?}");
    }
}

/// With anomalies that recovery does not change.
const UNREAD: [i32; 5] = [2, 1, 1, 3, 2];
const FINE: [i32; 5] = [0; 5];

fn folder() -> Workshop {
    Workshop::with("logs/audit.ndjson", logs::clean(4))
}

fn pipe(workshop: &Workshop, name: &str) {
    let mut make = Command::new("mkfifo");
    make.arg(workshop.path(name));
    run(make, "mkfifo").must_exit(0);
}

#[test]
fn a_place_of_a_log_that_leads_nowhere_is_an_anomaly_of_the_folder() {
    let make: [&dyn Fn(&Workshop); 7] = [
        &|shop| symlink("/nowhere/events.ndjson", shop.path("logs/events.ndjson")).unwrap(),
        &|shop| symlink("events.ndjson", shop.path("logs/events.ndjson")).unwrap(),
        &|shop| symlink("../logs/audit.ndjson/events.ndjson", shop.path("logs/events.ndjson")).unwrap(),
        &|shop| symlink("/dev/null", shop.path("logs/events.ndjson")).unwrap(),
        &|shop| symlink("/dev/zero", shop.path("logs/events.ndjson")).unwrap(),
        &|shop| pipe(shop, "logs/events.ndjson"),
        &|shop| drop(UnixListener::bind(shop.path("logs/events.ndjson")).unwrap()),
    ];
    for make in make {
        let workshop = folder();
        make(&workshop);
        must_exit(all(&workshop, "logs"), UNREAD, "events.ndjson");
        // The rest is read, and by itself the place is no input.
        workshop
            .papyra("persistence scan --path logs")
            .must_exit(2)
            .must_say("audit.ndjson: ")
            .must_say("PARTIAL_WRITE");
        must_exit(all(&workshop, "logs/events.ndjson"), [66; 5], "events.ndjson");
    }
}

#[test]
fn a_log_that_may_not_be_read_does_not_keep_the_others_from_being_read() {
    let workshop = folder().and("logs/events.ndjson", logs::clean(3)).and("hidden/more.ndjson", logs::clean(2));
    symlink("../hidden/more.ndjson", workshop.path("logs/more.ndjson")).unwrap();
    let mode = |path: &str, mode| {
        std::fs::set_permissions(workshop.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("logs/events.ndjson", 0);
    mode("hidden", 0);
    if std::fs::File::open(workshop.path("logs/events.ndjson")).is_ok() {
        mode("hidden", 0o755);
        eprintln!("left out: root reads everything");
        return;
    }
    for name in ["events.ndjson", "more.ndjson"] {
        must_exit(all(&workshop, "logs"), UNREAD, name);
    }
    mode("hidden", 0o755);
}

#[test]
fn members_that_were_packed_or_renamed_beside_a_log_are_anomalies_of_it() {
    for (name, reason) in [("-20260102", "renamed_member"), (".1.gz", "packed_member"), (".old", "renamed_member")] {
        for base in ["events.ndjson", "rot.log"] {
            let workshop = Workshop::with(&format!("logs/{base}"), logs::clean(4));
            if base == "rot.log" {
                workshop.write("logs/rot.log.1", logs::clean(3));
            }
            let member = format!("{base}{name}");
            workshop.write(&format!("logs/{member}"), logs::clean(3));
            if name.ends_with(".gz") {
                let plain = format!("{base}.1");
                let mut pack = Command::new("sh");
                pack.args(["-c", &format!("gzip -c < {member} > .packed && mv .packed {member}")]);
                pack.current_dir(workshop.path("logs"));
                run(pack, &plain).must_exit(0);
            }
            for path in [format!("logs/{base}"), "logs".into()] {
                must_exit(all(&workshop, &path), UNREAD, &member);
                let scan = workshop.papyra(&format!("persistence scan --path {path}")).must_exit(2).must_say(reason);
                // It is unpacked to say what is in it.
                scan.must_say(", 3 records");
            }
            // A member is somebody's history: quarantine does not move it aside.
            let quarantine = format!("persistence recover --path logs/{base} --mode quarantine --quarantine-dir q");
            workshop.papyra(&quarantine).must_exit(3);
            assert!(workshop.path(&format!("logs/{member}")).exists());
            std::fs::remove_file(workshop.path(&format!("logs/{base}"))).unwrap();
            if base == "events.ndjson" {
                // Not "there is no log yet".
                workshop.papyra(&format!("persistence startup-check --path logs/{base}")).must_exit(1);
            }
        }
    }
}

#[test]
fn all_else_is_named_and_no_anomaly() {
    let tar = [&[b'x'; 257][..], b"ustar\0", logs::clean(2).as_bytes()].concat();
    let things: [(&str, &[u8], &str); 4] = [
        ("notes.txt", b"dear diary", "notes.txt (some other text)"),
        ("logs.tar", &tar, "tar -xf logs.tar"),
        ("old logs.zip", b"PK\x03\x04{\"kind\": \"event\"}\n", "unzip 'old logs.zip'"),
        ("orders/events.ndjson", b"{}\n", "orders/ (a folder"),
    ];
    for (name, bytes, said) in things {
        let workshop = folder().and(&format!("logs/{name}"), bytes);
        must_exit(all(&workshop, "logs"), FINE, said);
        let report = workshop.papyra("persistence scan --path logs --format json").must_exit(0).json();
        assert_eq!(report["passed_over"][0]["path"], name.replace("/events.ndjson", "/"), "{report}");
    }
    let workshop = folder();
    drop(UnixListener::bind(workshop.path("logs/redis.sock")).unwrap());
    must_exit(all(&workshop, "logs"), FINE, "redis.sock (a socket)");
    let workshop = folder().and("logs/audit.ndjson.gz", "\x1f").and("logs/audit-20260102.ndjson", logs::clean(2));
    for name in ["audit.ndjson.gz", "audit-20260102.ndjson"] {
        must_exit(all(&workshop, "logs/audit.ndjson"), FINE, name);
    }
    let workshop = Workshop::with("logs.tar", &tar);
    workshop.papyra("persistence scan --path logs.tar").must_exit(65).must_complain("tar -xf logs.tar");
}

#[test]
fn an_archive_of_logs_that_was_compressed_is_told_from_a_compressed_log() {
    let workshop = folder().and("a/events.ndjson", logs::clean(30)).and("logs/plain.gz.src", "");
    std::fs::remove_file(workshop.path("logs/plain.gz.src")).unwrap();
    let mut pack = Command::new("sh");
    pack.args(["-c", "tar -czf logs/a.tgz a && gzip -c a/events.ndjson > logs/plain.gz"])
        .current_dir(workshop.path("."));
    run(pack, "tar").must_exit(0);
    must_exit(all(&workshop, "logs"), FINE, "a.tgz");
    let scan =
        workshop.papyra("persistence scan --path logs").must_exit(0).must_say("plain.gz: ").must_not_say("a.tgz");
    scan.must_complain("a.tgz (a tar archive, compressed with gzip; unpack it with: tar -xzf a.tgz)");
    workshop.papyra("persistence scan --path logs/a.tgz").must_exit(65).must_complain("tar -xzf");
}

#[test]
fn nothing_on_standard_input_is_no_healthy_log() {
    let workshop = Workshop::default();
    for arguments in [
        "persistence scan --path -",
        "persistence startup-check --path -",
        "doctor run --path -",
        "persistence recover --path -",
        "backup create --path - --to b",
    ] {
        let mut command = workshop.command(arguments);
        command.stdin(Stdio::null());
        run(command, arguments).must_exit(66).must_complain("nothing came on standard input");
    }
    workshop.write("empty.ndjson", "");
    workshop.papyra("persistence scan --path empty.ndjson").must_exit(0).must_say("0 records");
    let mut shell = Command::new("bash");
    let script = "\"$0\" persistence scan --path <(cat events.ndjson) && ! \"$0\" persistence scan --path <(false)";
    workshop.write("events.ndjson", logs::clean(5));
    shell.args(["-c", script]).arg(papyra_tests::binary()).current_dir(workshop.path("."));
    run(shell, script).must_exit(0).must_say("3 events").must_complain("nothing came on /dev/fd/");
}

#[test]
fn a_folder_of_many_logs_is_listed_a_few_times_and_needs_few_descriptors() {
    let workshop = Workshop::default();
    for number in 0..300 {
        workshop.write(&format!("logs/f{number}.ndjson"), logs::lines([number]));
    }
    let mut shell = Command::new("bash");
    let script = "ulimit -Sn 64 && \"$0\" persistence scan --path logs && \"$0\" doctor run --path logs";
    shell.args(["-c", script]).arg(papyra_tests::binary()).current_dir(workshop.path("."));
    run(shell, script).must_exit(0).must_say("300 files");
    if !papyra_tests::has("strace") {
        return;
    }
    for verb in ["persistence scan", "persistence startup-check", "persistence recover"] {
        let mut trace = Command::new("strace");
        trace.args(["-f", "-qq", "-o", "trace", "-e", "trace=getdents64"]).arg(papyra_tests::binary());
        trace.args(verb.split(' ')).args(["--path", "logs"]).current_dir(workshop.path("."));
        run(trace, verb).must_exit(0);
        let listed = String::from_utf8(workshop.read("trace")).unwrap().lines().count();
        assert!(listed < 50, "{verb}: {listed} calls for 300 logs");
    }
}
