//! A server for a trial: started in a scratch folder, reached through a socket in it, and ended when it is dropped or
//! this process is gone, however that comes about.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use papyra_core::escape::escape;

use crate::backup::drill::Scratch;
use crate::disk::Folder;
use crate::error::{Code, Error, Result};
use crate::redis::{Location, Settings, Store, Systems, Tls};

/// The names that a server goes by.
const NAMES: [&str; 2] = ["redis-server", "valkey-server"];

/// How long a server may take to open its socket.
const PATIENCE: Duration = Duration::from_secs(60);

const SOCKET: &str = "s";

const LOG: &str = "server.log";

/// The shell ends the server when its own input ends, which it does with this process, and itself with the server.
const GUARD: &str = r#"exec 3<&0; "$0" "$@" & server=$!
{ read -r _ <&3; kill -9 "$server"; } 2>/dev/null & guard=$!
wait "$server"; kill "$guard" 2>/dev/null"#;

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

/// Where the server program is.
fn program() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = || std::env::split_paths(&path);
    let found = NAMES.iter().find_map(|name| places().map(|place| place.join(name)).find(|file| file.is_file()));
    found.ok_or_else(|| {
        let text = "a drill starts a server for itself, and neither redis-server nor valkey-server is on the PATH: \
                    install one here, or drill where there is one";
        Error::new(Code::Config, text)
    })
}

impl Server {
    /// Starts a server in a new folder in `parent`, over what `fill` puts there, with the arguments that it returns.
    pub(super) fn start(parent: &Path, fill: impl FnOnce(&Folder) -> Result<Vec<String>>) -> Result<Server> {
        let program = program()?;
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
            if self.guard.try_wait().is_ok_and(|ended| ended.is_some()) {
                let log = std::fs::read_to_string(self.path.join(LOG)).unwrap_or_default();
                let why = log.lines().rev().find(|line| line.contains('#')).or(log.lines().last()).unwrap_or_default();
                let text = format!("the server does not start on it: {}", escape(why.as_bytes()));
                return Err(Error::new(Code::Data, text));
            }
            if begun.elapsed() > PATIENCE && !self.path.join(SOCKET).exists() {
                let text =
                    "the server that was started for the drill opens no socket: is the one on the PATH a server?";
                return Err(Error::new(Code::Config, text));
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

    /// Its streams.
    pub(super) fn store(&self, db: u64, prefix: &str, systems: Vec<String>) -> Result<Store> {
        let socket = format!("redis+unix:///proc/self/fd/{}/{SOCKET}?db={db}", self.folder.as_raw_fd());
        Store::open(Settings {
            location: Location::parse(&socket)?,
            tls: Tls::default(),
            prefix: prefix.to_owned(),
            systems: Systems::Named(systems),
            quarantine_prefix: None,
            sample: None,
            max_idle: Duration::MAX,
            timeout: Duration::from_secs(60),
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
