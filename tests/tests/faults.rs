//! Kill, a full disk and an I/O error at every mutating step of recovery and compaction, on the real binary.
//!
//! `strace` injects them: the steps of an undisturbed run are listed first, then each is hit in turn. After every hit
//! each file must hold its old content or its new one, and a second run must finish the job, keep what is removed,
//! and leave nothing behind.

use std::collections::BTreeMap;
use std::process::Command;

use papyra_tests::{Run, Workshop, binary, has, logs, run};

/// System calls that change something, as far as this binary makes any.
const MUTATING: &str =
    "write,openat,mkdirat,renameat2,renameat,linkat,unlinkat,fsync,fdatasync,fchmod,fchown,fsetxattr";

/// A folder to work on, and what is to become of it.
struct Scenario {
    name: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
    command: &'static str,
    /// What each file holds afterwards; `None` when it is gone.
    after: BTreeMap<&'static str, Option<Vec<u8>>>,
    /// Bytes that must be found in `.papyra-rejected` or the quarantine folder `q` afterwards.
    kept: Vec<Vec<u8>>,
}

fn scenarios() -> Vec<Scenario> {
    let damaged = logs::damaged();
    let file = || vec![("events.ndjson", damaged.log.clone())];
    let set = || {
        vec![
            ("rot.log.2", damaged.log.clone()),
            ("rot.log.1", logs::clean(7).into_bytes()),
            ("rot.log", [logs::lines(7..9).as_bytes(), b"{\"kind\": \"ev"].concat()),
        ]
    };
    let set_after = || {
        BTreeMap::from([
            ("rot.log.2", Some(damaged.repaired.clone())),
            ("rot.log.1", Some(logs::clean(7).into_bytes())),
            ("rot.log", Some(logs::lines(7..9).into_bytes())),
        ])
    };
    let tail = b"{\"kind\": \"ev".to_vec();
    let whole_tail = [logs::lines(7..9).as_bytes(), &tail].concat();
    let compacted = |keep: usize| {
        let lines: Vec<&[u8]> = damaged.repaired.split_inclusive(|byte| *byte == b'\n').collect();
        lines[lines.len() - keep..].concat()
    };
    vec![
        Scenario {
            name: "repair of a file",
            files: file(),
            command: "persistence recover --path events.ndjson",
            after: BTreeMap::from([("events.ndjson", Some(damaged.repaired.clone()))]),
            kept: vec![damaged.rejected.clone()],
        },
        Scenario {
            name: "quarantine of a file",
            files: file(),
            command: "persistence recover --path events.ndjson --mode quarantine --quarantine-dir q",
            after: BTreeMap::from([("events.ndjson", Some(damaged.repaired.clone()))]),
            kept: vec![damaged.log.clone()],
        },
        Scenario {
            name: "repair of a set",
            files: set(),
            command: "persistence recover --path rot.log",
            after: set_after(),
            kept: vec![damaged.rejected.clone(), tail.clone()],
        },
        Scenario {
            name: "quarantine of a set",
            files: set(),
            command: "persistence recover --path rot.log --mode quarantine --quarantine-dir q",
            after: set_after(),
            kept: vec![damaged.log.clone(), whole_tail],
        },
        Scenario {
            name: "compaction of a file",
            files: file(),
            command: "persistence compact --path events.ndjson --max-records 5",
            after: BTreeMap::from([("events.ndjson", Some(compacted(5)))]),
            kept: vec![damaged.rejected.clone()],
        },
        Scenario {
            name: "compaction of a set",
            files: set(),
            command: "persistence compact --path rot.log --max-records 4",
            after: BTreeMap::from([
                ("rot.log.2", None),
                ("rot.log.1", Some(logs::lines(5..7).into_bytes())),
                ("rot.log", Some(logs::lines(7..9).into_bytes())),
            ]),
            kept: vec![damaged.rejected.clone(), tail],
        },
        Scenario {
            name: "repair of an append-only file",
            files: vec![("one.aof", append_only(b"*x\r\n$4\r\nXDEL\r\n"))],
            command: "persistence recover --path one.aof",
            after: BTreeMap::from([("one.aof", Some(append_only(b"")))]),
            kept: vec![b"*x\r\n$4\r\nXDEL\r\n".to_vec()],
        },
        Scenario {
            name: "quarantine of an append-only file",
            files: vec![("one.aof", append_only(b"*x\r\n$4\r\nXDEL\r\n"))],
            command: "persistence recover --path one.aof --mode quarantine --quarantine-dir q",
            after: BTreeMap::from([("one.aof", Some(append_only(b"")))]),
            kept: vec![append_only(b"*x\r\n$4\r\nXDEL\r\n")],
        },
    ]
}

/// A few commands with `damage` in the middle.
fn append_only(damage: &[u8]) -> Vec<u8> {
    let command = |words: &[&str]| redis::cmd(words[0]).arg(&words[1..]).get_packed_command();
    let add = |id: &str| command(&["XADD", "papyra:s:events", id, "data", "{\"kind\": \"event\"}"]);
    [command(&["SELECT", "0"]), add("1-0"), add("2-0"), damage.to_vec(), add("3-0"), add("4-0")].concat()
}

impl Scenario {
    fn folder(&self) -> Workshop {
        self.files.iter().fold(Workshop::default(), |workshop, (name, bytes)| workshop.and(name, bytes))
    }

    /// Runs the command under strace, and returns what strace saw of these system calls.
    fn run(&self, workshop: &Workshop, calls: &str, inject: &[&str]) -> (Run, String) {
        let trace = workshop.path(".").with_extension("trace");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", &format!("trace={calls}"), "-e", "signal=none", "-o"]).arg(&trace);
        command.args(inject).arg(binary());
        command.args(self.command.split_whitespace()).args(["--threads", "1"]).current_dir(workshop.path("."));
        // Set by cargo; it would have the loader look in more places.
        command.env_remove("LD_LIBRARY_PATH");
        let run = run(command, &format!("{} under strace {inject:?}", self.name));
        let text = std::fs::read_to_string(&trace).unwrap();
        std::fs::remove_file(&trace).unwrap();
        (run, text)
    }

    /// The mutating steps of an undisturbed run: a system call's name, and the how-manieth of its name it is.
    fn steps(&self) -> Vec<(String, usize)> {
        let workshop = self.folder();
        let (run, text) = self.run(&workshop, MUTATING, &[]);
        run.must_exit(0);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut steps = Vec::new();
        for line in text.lines() {
            // "1234  renameat2(4, …) = 0"
            let Some(name) = line.split_whitespace().nth(1).and_then(|call| call.split('(').next()) else { continue };
            let count = counts.entry(name.to_owned()).or_default();
            *count += 1;
            let mutates = match name {
                "openat" => line.contains("O_CREAT"),
                "write" => !line.contains("write(1,") && !line.contains("write(2,"),
                _ => true,
            };
            if mutates {
                steps.push((name.to_owned(), *count));
            }
        }
        self.check_end(&workshop, "undisturbed");
        steps
    }

    /// Every file holds its old content or its new one.
    fn check_midway(&self, workshop: &Workshop, hit: &str) {
        for (name, old) in &self.files {
            match (workshop.path(name).exists(), &self.after[name]) {
                (false, None) => {}
                (false, Some(_)) => panic!("{hit}: {name} is gone"),
                (true, new) => {
                    let now = workshop.read(name);
                    let emptied = new.is_none() && now.is_empty();
                    assert!(
                        now == *old || Some(&now) == new.as_ref() || emptied,
                        "{hit}: {name} is neither old nor new"
                    );
                }
            }
        }
    }

    /// The job is done, what was removed is kept, and nothing else lies about.
    fn check_end(&self, workshop: &Workshop, hit: &str) {
        for (name, new) in &self.after {
            let now = workshop.path(name).exists().then(|| workshop.read(name));
            assert_eq!(now.as_ref(), new.as_ref(), "{hit}: {name}");
        }
        let mut aside = workshop.contents(".papyra-rejected");
        aside.extend(workshop.contents("q"));
        for kept in &self.kept {
            assert!(aside.contains(kept), "{hit}: removed bytes are not kept");
        }
        let stray: Vec<_> =
            workshop.names().into_iter().filter(|name| name.contains(".papyra.") || name.ends_with(".tmp")).collect();
        assert_eq!(stray, [""; 0], "{hit}: leftovers");
    }
}

fn try_every_step_of(scenario: &Scenario) {
    let steps = scenario.steps();
    assert!(steps.len() > 10, "{}: {steps:?}", scenario.name);
    for (call, count) in &steps {
        for fault in ["error=ENOSPC", "error=EIO", "signal=KILL"] {
            let hit = format!("{}: {fault} at {call} {count}", scenario.name);
            let workshop = scenario.folder();
            let inject = format!("inject={call}:{fault}:when={count}");
            let (hurt, trace) = scenario.run(&workshop, call, &["-e", &inject]);
            if fault == "signal=KILL" {
                assert!(hurt.code.is_none() || hurt.code == Some(137), "{hit}: {hurt:?}");
            } else {
                assert!(trace.contains("(INJECTED)"), "{hit}: {trace}");
                assert!(matches!(hurt.code, Some(0 | 3 | 66 | 73 | 74)), "{hit}: {hurt:?}");
            }
            scenario.check_midway(&workshop, &hit);
            workshop.papyra(scenario.command).must_exit(0);
            scenario.check_end(&workshop, &hit);
        }
    }
    println!("{}: {} steps, {} faults survived", scenario.name, steps.len(), steps.len() * 3);
}

/// One test a scenario, so that they share the machine's processors.
macro_rules! scenario {
    ($name:ident, $index:literal) => {
        #[test]
        fn $name() {
            if has("strace") {
                try_every_step_of(&scenarios()[$index]);
            }
        }
    };
}

scenario!(repair_of_a_file_survives_every_fault, 0);
scenario!(quarantine_of_a_file_survives_every_fault, 1);
scenario!(repair_of_a_set_survives_every_fault, 2);
scenario!(quarantine_of_a_set_survives_every_fault, 3);
scenario!(compaction_of_a_file_survives_every_fault, 4);
scenario!(compaction_of_a_set_survives_every_fault, 5);
scenario!(repair_of_an_append_only_file_survives_every_fault, 6);
scenario!(quarantine_of_an_append_only_file_survives_every_fault, 7);

#[test]
fn without_an_exchange_nothing_is_changed_until_the_operator_vouches_that_nobody_writes() {
    if !has("strace") {
        return;
    }
    for mut scenario in scenarios() {
        let workshop = scenario.folder();
        let no_exchange = ["-e", "inject=renameat2:error=EINVAL"];
        let (run, _) = scenario.run(&workshop, "renameat2", &no_exchange);
        run.must_exit(73).must_complain("--at-rest");
        for (name, old) in &scenario.files {
            assert_eq!(workshop.read(name), *old, "{}: {name}", scenario.name);
        }
        scenario.command = format!("{} --at-rest", scenario.command).leak();
        let (run, trace) = scenario.run(&workshop, "renameat2", &no_exchange);
        run.must_exit(0);
        assert!(trace.contains("RENAME_EXCHANGE") && trace.contains("(INJECTED)"), "{trace}");
        scenario.check_end(&workshop, scenario.name);
    }
}
