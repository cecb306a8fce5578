//! Helpers for the tests that cross crates: a scratch folder, the `papyra` command in it, and logs to damage.
//!
//! The tests read as sentences over [`Workshop`]; what a log holds is made in [`logs`].

pub mod docs;
pub mod forge;
pub mod logs;
pub mod redis;
pub mod redis_history;
pub mod redis_state;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The `papyra` binary: `PAPYRA_BIN`, or the one that cargo builds beside these tests.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("PAPYRA_BIN") {
            return path.into();
        }
        let tests = std::env::current_exe().expect("a test knows where it is");
        let profile = tests.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps");
        let mut build = Command::new(env!("CARGO"));
        // As the workspace builds it: alone, its dependencies would be built anew with fewer features.
        build.args(["build", "--quiet", "--workspace", "--bin", "papyra"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        // What cargo tells a test of itself; build scripts of dependencies that look at it would run anew each time.
        let of_cargo = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_cargo)).for_each(|(name, _)| {
            build.env_remove(name);
        });
        assert!(build.status().expect("cargo runs").success(), "papyra builds");
        profile.join("papyra")
    })
}

/// Whether everything must be tested: then a missing tool is a failure, not a reason to leave a test out.
pub fn require_all() -> bool {
    std::env::var_os("PAPYRA_TEST_REQUIRE_ALL").is_some_and(|value| value == "1")
}

/// Whether a tool is there; says what is left out when it is not, and fails when everything must be tested.
pub fn has(tool: &str) -> bool {
    let there = Command::new("sh")
        .args(["-c", &format!("command -v {tool}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    assert!(there || !require_all(), "{tool} must be installed for the whole run");
    if !there {
        eprintln!("left out: {tool} is not installed (tests/run installs it)");
    }
    there
}

/// A scratch folder to work in.
pub struct Workshop {
    folder: tempfile::TempDir,
}

/// How a command went.
#[derive(Debug)]
pub struct Run {
    /// What was run.
    pub command: String,
    /// The exit code; `None` when it was killed.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Default for Workshop {
    fn default() -> Self {
        Workshop { folder: tempfile::tempdir().expect("a temporary folder") }
    }
}

impl Workshop {
    /// A folder with one file in it.
    pub fn with(name: &str, bytes: impl AsRef<[u8]>) -> Workshop {
        Workshop::default().and(name, bytes)
    }

    /// The same with one more file.
    #[must_use]
    pub fn and(self, name: &str, bytes: impl AsRef<[u8]>) -> Workshop {
        self.write(name, bytes);
        self
    }

    /// The path of `name` in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, making its folder if need be.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("in the folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names in the folder, hidden ones too, sorted.
    pub fn names(&self) -> Vec<String> {
        names(self.folder.path())
    }

    /// The content of every file in a folder of the folder, hidden ones too.
    pub fn contents(&self, folder: &str) -> Vec<Vec<u8>> {
        let path = self.path(folder);
        names(&path).iter().map(|name| std::fs::read(path.join(name)).expect("a file")).collect()
    }

    /// The command, not yet run, with nothing of the tester's environment.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = self.of_program(binary());
        command.args(arguments.split_whitespace());
        command
    }

    fn of_program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if ["PAPYRA_", "RESTIC_"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
                command.env_remove(name);
            }
        }
        command
    }

    /// How many bytes the command reads from a file. `run` runs it, under strace.
    pub fn bytes_read(&self, name: &str, arguments: &str, run: impl FnOnce(Command) -> Run) -> u64 {
        let mut command = self.of_program("strace");
        command.args(["-f", "-qq", "-o", "trace", "-e", "trace=pread64,read", "-P"]).arg(self.path(name));
        command.arg(binary()).args(arguments.split_whitespace());
        run(command).must_exit(0);
        let trace = String::from_utf8(self.read("trace")).expect("text");
        trace.lines().filter_map(|line| line.rsplit("= ").next()?.trim().parse::<u64>().ok()).sum()
    }

    /// Runs `papyra` in the folder.
    pub fn papyra(&self, arguments: &str) -> Run {
        run(self.command(arguments), &format!("papyra {arguments}"))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// All files below a folder and their content, by path.
pub fn contents_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for name in names(folder) {
        let path = folder.join(name);
        match path.is_dir() {
            true => found.extend(contents_below(&path)),
            false => found.push((path.clone(), std::fs::read(&path).expect("a file"))),
        }
    }
    found
}

/// Runs a command to its end.
pub fn run(mut command: Command, called: &str) -> Run {
    let output = command.output().unwrap_or_else(|error| panic!("{called}: {error}"));
    Run {
        command: called.to_owned(),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Run {
    /// It must have ended with this code.
    #[track_caller]
    pub fn must_exit(self, code: i32) -> Run {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Its standard output must hold this text.
    #[track_caller]
    pub fn must_say(self, text: &str) -> Run {
        assert!(self.stdout.contains(text), "does not say {text:?}: {self:#?}");
        self
    }

    /// Its standard output must not hold this text.
    #[track_caller]
    pub fn must_not_say(self, text: &str) -> Run {
        assert!(!self.stdout.contains(text), "says {text:?}: {self:#?}");
        self
    }

    /// Its standard error must hold this text.
    #[track_caller]
    pub fn must_complain(self, text: &str) -> Run {
        assert!(self.stderr.contains(text), "does not complain of {text:?}: {self:#?}");
        self
    }

    /// Its standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON: {error}: {self:#?}"))
    }
}

/// Sends a signal, such as `-STOP`, to a process.
#[track_caller]
pub fn signal(process: u32, name: &str) {
    let status = Command::new("kill").args([name, &process.to_string()]).status();
    assert!(status.expect("kill runs").success());
}
