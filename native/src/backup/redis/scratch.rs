//! A server for a trial: started in a scratch folder, reached through a socket in it, and ended when it is dropped or
//! this process is gone, however that comes about.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use papyra_core::escape::escape;
use papyra_core::redis::{Header, Vendor};

use crate::backup::drilled::Scratch;
use crate::disk::Folder;
use crate::error::{Code, Error, Result, show};
use crate::redis::{Location, Role, ServerSettings, Store, Systems, Tls};
use crate::setting::Setting;

/// The names that a server goes by.
const NAMES: [&str; 2] = ["redis-server", "valkey-server"];

/// How long a server may take to open its socket.
const PATIENCE: Duration = Duration::from_secs(60);

const SOCKET: &str = "s";

const LOG: &str = "server.log";

/// The shell ends the server when its own input ends, which it does with this process, and itself with the server,
/// whose exit code it hands on.
const GUARD: &str = r#"exec 3<&0; "$0" "$@" & server=$!
{ read -r _ <&3; kill -9 "$server"; } 2>/dev/null & guard=$!
wait "$server"; code=$?; kill "$guard" 2>/dev/null; exit "$code""#;

/// The exit code that a shell makes of SIGKILL.
const KILLED: i32 = 137;

/// What a server says of data that newer ones, or ones with other modules, would load.
const UNKNOWN_TO_IT: [&str; 4] =
    ["Can't handle RDB format version", "Unknown command", "Unknown RDB encoding type", "module data I can't load"];

/// Where the server for a trial comes from.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    /// The folder in which it works.
    pub scratch: &'a Path,
    /// The program; by default one on the PATH.
    pub program: Option<&'a Path>,
}

/// A running server.
pub(super) struct Server {
    guard: Child,
    /// The folder, through which the socket is reached: its own path may be longer than a socket's can be.
    folder: File,
    path: PathBuf,
    /// How long it took until it had loaded what was there, in seconds.
    pub(super) load_seconds: f64,
    _scratch: Scratch,
}

impl Trial<'_> {
    /// The server programs that may be used.
    fn programs(self) -> Result<Vec<PathBuf>> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(|error| Error::cannot_open(path, error));
        if let Some(program) = self.program {
            std::fs::metadata(program).map_err(|error| Error::cannot_open(program, error))?;
            return Ok(vec![absolute(program)?]);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let place = |name: &&str| places.iter().map(|place| place.join(name)).find(|file| file.is_file());
        let found: Vec<PathBuf> = NAMES.iter().filter_map(place).collect();
        if found.is_empty() {
            let text = "a drill starts a server for itself, and neither redis-server nor valkey-server is on the PATH: \
                        install one, or name one; this is not a verdict on the backup";
            return Err(Error::new(Code::Unavailable, text).decided_by(&[Setting::ServerProgram]));
        }
        found.iter().map(|file| absolute(file)).collect()
    }

    /// The first program that reads files with these headers; an error when there is none.
    pub(super) fn that_reads(self, headers: &[Header]) -> Result<PathBuf> {
        let mut seen = Vec::new();
        for program in self.programs()? {
            let version = self.version(&program)?;
            if headers.iter().all(|header| reads(version, header)) {
                return Ok(program);
            }
            seen.push(format!("{} reads {}", show(&program), named(version)));
        }
        let mut needed: Vec<String> = headers.iter().map(|header| format_name(header.vendor, header.version)).collect();
        needed.dedup();
        let text = format!(
            "no server here is new enough for {}: {}; name another; this is not a verdict on the backup",
            needed.join(" and "),
            seen.join(", ")
        );
        Err(Error::new(Code::Unavailable, text).decided_by(&[Setting::ServerProgram]))
    }

    /// A program that reads the headers if there is one, else the first.
    pub(super) fn at_best_for(self, headers: &[Header]) -> Result<PathBuf> {
        let programs = self.programs()?;
        if let [program] = &programs[..] {
            return Ok(program.clone());
        }
        for program in &programs {
            if self.version(program).is_ok_and(|version| headers.iter().all(|header| reads(version, header))) {
                return Ok(program.clone());
            }
        }
        Ok(programs.into_iter().next().unwrap_or_default())
    }

    /// The version of the RDB format that a program writes: what stands in the footer of its payloads.
    fn version(self, program: &Path) -> Result<u16> {
        let server = Server::start(program, self.scratch, |_| Ok(vec!["--appendonly".into(), "no".into()]));
        let server = server.map_err(|error| match error.code {
            // It had nothing to load.
            Code::Data => Error::new(Code::Unavailable, format!("{} does not start: {error}", show(program))),
            _ => error,
        })?;
        let store = server.store(0, "papyra", Vec::new())?;
        store.demand("k", "writing to", redis::cmd("SET").arg("k").arg("v"))?;
        let payload = store.dump(&["k".to_owned()])?.pop().flatten().map(|dumped| dumped.payload).unwrap_or_default();
        let footer = payload.last_chunk::<10>().map(|footer| u16::from_le_bytes([footer[0], footer[1]]));
        footer.ok_or_else(|| {
            Error::new(Code::Unavailable, format!("{} answers DUMP with no payload: it is not a server", show(program)))
        })
    }
}

/// Versions of Valkey's own format, which Redis does not read.
const VALKEY: u16 = 80;

/// The last version that Redis and Valkey have in common.
const COMMON: u32 = 11;

/// Whether a server that writes `version` reads a file (redis and valkey `rdb.c`, `rdbLoadRioWithLoadingCtx`).
fn reads(version: u16, header: &Header) -> bool {
    match header.vendor {
        Vendor::Redis if version >= VALKEY => header.version <= COMMON,
        Vendor::Redis => header.version <= u32::from(version),
        Vendor::Valkey => version >= VALKEY && header.version <= u32::from(version),
    }
}

fn named(version: u16) -> String {
    let vendor = if version >= VALKEY { Vendor::Valkey } else { Vendor::Redis };
    format!("{} at most", format_name(vendor, version.into()))
}

fn format_name(vendor: Vendor, version: u32) -> String {
    let vendor = if vendor == Vendor::Valkey { "Valkey" } else { "Redis" };
    format!("version {version} of {vendor}'s format")
}

impl Server {
    /// Starts a program in a new folder in `parent`, over what `fill` puts there, with the arguments that it returns.
    pub(super) fn start(
        program: &Path,
        parent: &Path,
        fill: impl FnOnce(&Folder) -> Result<Vec<String>>,
    ) -> Result<Server> {
        let (scratch, folder) = Scratch::new(parent)?;
        let more = fill(&folder)?;
        let path = folder.path().to_owned();
        let failed = |error: std::io::Error| Error::cannot_create("start a server in", &path, error);
        let log = folder.create_new(LOG)?.into_std();
        let begun = Instant::now();
        let guard = Command::new("sh")
            .args(["-c", GUARD])
            .arg(program)
            .args(["--port", "0", "--unixsocket", SOCKET, "--unixsocketperm", "700", "--dir", ".", "--save", ""])
            .args(more)
            .current_dir(&path)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let opened = File::open(&path).map_err(failed)?;
        let mut server = Server { guard, folder: opened, path, load_seconds: 0.0, _scratch: scratch };
        server.wait_until_loaded(begun)?;
        server.load_seconds = super::super::seconds_since(begun);
        Ok(server)
    }

    /// Loading takes as long as it takes; the socket is there before it begins.
    fn wait_until_loaded(&mut self, begun: Instant) -> Result<()> {
        loop {
            if let Ok(Some(ended)) = self.guard.try_wait() {
                return Err(self.ended(ended.code()));
            }
            if begun.elapsed() > PATIENCE && !self.path.join(SOCKET).exists() {
                let text = "the program that was started for the drill opens no socket: is it a server?";
                return Err(Error::new(Code::Unavailable, text));
            }
            let store = self.path.join(SOCKET).exists().then(|| self.store(0, "papyra", Vec::new()));
            if let Some(Ok(store)) = store
                && store.info("persistence", "loading")?.as_deref() == Some("0")
            {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it means that the server has ended: a verdict on what it was to load, or none.
    fn ended(&self, code: Option<i32>) -> Error {
        let log = std::fs::read(self.path.join(LOG)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let mut why: Vec<&str> = log.lines().filter(|line| line.contains(" # ")).collect();
        why.drain(..why.len().saturating_sub(3));
        if why.is_empty() {
            why.extend(log.lines().last());
        }
        let why = escape(why.join("; ").as_bytes());
        if code == Some(KILLED) || log.contains("Out Of Memory") {
            let text = format!("the server was killed, or had too little memory, while it loaded the data: {why}");
            return Error::new(Code::Io, text);
        }
        if UNKNOWN_TO_IT.iter().any(|words| log.contains(words)) {
            let text = format!(
                "the server does not know what is in the file: {why}; name a newer one, or one with its \
                 modules; this is not a verdict on the backup"
            );
            return Error::new(Code::Unavailable, text).decided_by(&[Setting::ServerProgram]);
        }
        Error::new(Code::Data, format!("the server does not start on it: {why}"))
    }

    /// Its streams.
    pub(super) fn store(&self, db: u64, prefix: &str, systems: Vec<String>) -> Result<Store> {
        let socket = format!("redis+unix:///proc/self/fd/{}/{SOCKET}?db={db}", self.folder.as_raw_fd());
        Store::open(ServerSettings {
            location: Location::parse(&socket)?,
            tls: Tls::default(),
            prefix: prefix.to_owned(),
            systems: Systems::Named(systems),
            quarantine_prefix: None,
            sample: None,
            max_idle: Duration::MAX,
            timeout: Duration::from_secs(60),
            role: Role::Restore,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // The shell has ended the server when it ends.
        _ = self.guard.wait();
    }
}
