//! Real Redis and Valkey servers for tests: started on free ports in folders of their own, ended when dropped.
//!
//! Tests use the installed `redis-server`, or what PAPYRA_TEST_REDIS_SERVERS names instead, a colon between them: the
//! first of these, and all of them in tests that compare servers.

mod between;
mod cluster;
mod fake;
mod port;

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Connection, ConnectionLike, Value};

pub use between::Between;
pub use cluster::Cluster;
pub use fake::{Fake, resp_list, resp_number, resp_text};
pub use port::free_port;

use crate::{Run, Workshop, has, require_all, run};

/// How long a server may take to do what it always does in the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub struct Redis {
    child: Child,
    dir: tempfile::TempDir,
    /// Its port on the loopback.
    pub port: u16,
    connection: Option<Connection>,
}

/// The servers to test; none after saying that the test is left out.
pub fn binaries() -> Vec<PathBuf> {
    match std::env::var_os("PAPYRA_TEST_REDIS_SERVERS") {
        Some(named) => std::env::split_paths(&named).collect(),
        None if has("redis-server") => vec!["redis-server".into()],
        None => Vec::new(),
    }
}

/// Every server at hand: those of [`binaries`] and those that `tests/servers` has installed.
pub fn at_hand() -> Vec<PathBuf> {
    let mut all = binaries();
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/servers");
    let entries = std::fs::read_dir(installed).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut servers: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    servers.sort();
    assert!(!require_all() || servers.len() > 3, "tests/servers installs the servers that the whole run needs");
    all.extend(servers);
    all
}

/// Whether a server keeps its append-only files in a folder, as all do since Redis 7.0. Those before load no file of
/// one that does.
pub fn has_folders(binary: &Path) -> bool {
    let output = Command::new(binary).arg("--version").output().expect("the server says its version");
    !String::from_utf8_lossy(&output.stdout).contains("v=6.")
}

/// Those of [`binaries`] that load what a Redis 7.0 wrote; where none of them does, another one at hand that does.
pub fn with_folders() -> Vec<PathBuf> {
    let mut named = binaries();
    let found = named.iter().any(|binary| has_folders(binary));
    if !found && !named.is_empty() {
        named = at_hand();
    }
    named.retain(|binary| has_folders(binary));
    named.truncate(if found { named.len() } else { 1 });
    named
}

/// Has a server write its append-only file anew.
pub fn rewrite(server: &mut Redis) {
    server.call("BGREWRITEAOF");
    loop {
        std::thread::sleep(Duration::from_millis(20));
        let info = text(&server.call("INFO persistence"));
        let is = |field: &str| info.contains(&format!("{field}\r\n"));
        if is("aof_rewrite_in_progress:0") && is("aof_rewrite_scheduled:0") {
            assert!(is("aof_last_bgrewrite_status:ok"));
            return;
        }
    }
}

impl Redis {
    /// The first of the servers with more arguments, or `None` after saying that the test is left out.
    pub fn start(arguments: &[&str]) -> Option<Redis> {
        binaries().first().map(|binary| Redis::of(binary, arguments))
    }

    /// A given server.
    pub fn of(binary: &Path, arguments: &[&str]) -> Redis {
        Redis::of_in(binary, tempfile::tempdir().expect("a folder"), arguments)
    }

    /// The first of the servers over what lies in a folder.
    pub fn start_in(dir: tempfile::TempDir, arguments: &[&str]) -> Option<Redis> {
        binaries().first().map(|binary| Redis::of_in(binary, dir, arguments))
    }

    /// A given server over what lies in a folder. It need not let anybody in.
    pub fn of_in(binary: &Path, dir: tempfile::TempDir, arguments: &[&str]) -> Redis {
        Redis::at(binary, dir, free_port(), arguments)
    }

    /// The same, at a given port.
    pub fn at(binary: &Path, dir: tempfile::TempDir, port: u16, arguments: &[&str]) -> Redis {
        let log = File::create(dir.path().join("log")).expect("a log");
        let child = Command::new(binary)
            .args(["--bind", "127.0.0.1", "--save", "", "--unixsocket", "socket", "--port"])
            .arg(port.to_string())
            .args(arguments)
            .current_dir(dir.path())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", binary.display()));
        let mut server = Redis { child, dir, port, connection: None };
        let begun = Instant::now();
        while !server.dir().join("socket").exists() || TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait().expect("a child").is_some();
            if ended || begun.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(server.dir().join("log")).unwrap_or_default();
                panic!("no server: {log}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where it appends commands, as long as it was not told to write that anew.
    pub fn append_only_file(&self) -> PathBuf {
        let folder = self.dir().join("appendonlydir");
        if folder.is_dir() { folder.join("appendonly.aof.1.incr.aof") } else { self.dir().join("appendonly.aof") }
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }

    /// Sends a command, which may be refused.
    pub fn attempt<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> redis::RedisResult<Value> {
        let mut command = redis::Cmd::new();
        arguments.iter().for_each(|argument| _ = command.arg(argument.as_ref()));
        command.query(self.connection())
    }

    /// Sends many commands at once; none may be refused.
    pub fn pipeline(&mut self, commands: &[redis::Cmd]) {
        let mut packed = Vec::new();
        commands.iter().for_each(|command| command.write_packed_command(&mut packed));
        let replies = self.connection().req_packed_commands(&packed, 0, commands.len()).expect("replies");
        replies.into_iter().for_each(|reply| _ = reply.extract_error().expect("a reply"));
    }

    fn connection(&mut self) -> &mut Connection {
        let socket = self.socket();
        self.connection.get_or_insert_with(|| {
            let address = redis::ConnectionAddr::Unix(socket);
            let info = redis::IntoConnectionInfo::into_connection_info(address).expect("an address");
            let client = redis::Client::open(info).expect("a client");
            let begun = Instant::now();
            // The socket is there a moment before anybody listens on it, and that one may have to load its data first.
            loop {
                let connected =
                    client.get_connection().and_then(|mut connection| match redis::cmd("PING").exec(&mut connection) {
                        Err(error) if error.code() == Some("LOADING") => Err(error),
                        _ => Ok(connection),
                    });
                match connected {
                    Ok(connection) => break connection,
                    Err(_) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
                    Err(error) => panic!("the server does not listen: {error}"),
                }
            }
        })
    }

    /// Sends a command of words, which must succeed.
    #[track_caller]
    pub fn call(&mut self, line: &str) -> Value {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.attempt(&words).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Adds an entry and returns its ID.
    #[track_caller]
    pub fn add(&mut self, key: &str, fields: &[(&str, &str)]) -> String {
        let mut words = vec!["XADD", key, "*"];
        fields.iter().for_each(|(name, value)| words.extend([name, value]));
        text(&self.attempt(&words).expect("an entry"))
    }

    /// A stream's entries.
    #[track_caller]
    pub fn entries(&mut self, key: &str) -> Vec<(String, Vec<(String, String)>)> {
        let entries = list(self.call(&format!("XRANGE {key} - +")));
        entries.into_iter().map(list).map(|entry| (text(&entry[0]), fields(entry[1].clone()))).collect()
    }

    /// How many entries a stream has.
    #[track_caller]
    pub fn length(&mut self, key: &str) -> i64 {
        number(&self.call(&format!("XLEN {key}")))
    }

    /// Runs a script, which is the quick way to many entries.
    #[track_caller]
    pub fn script(&mut self, script: &str) -> Value {
        self.attempt(&["EVAL", script, "0"]).expect("the script runs")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The items of an array.
pub fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        other => panic!("no list: {other:?}"),
    }
}

/// The value after `name` in an array that alternates names and values.
pub fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let pairs = value.as_sequence().expect("names and values").chunks_exact(2);
    pairs.map(|pair| (bytes(&pair[0]), &pair[1])).find(|(found, _)| found == name.as_bytes()).map(|(_, value)| value)
}

/// The bytes of a text.
pub fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::BulkString(bytes) => bytes.clone(),
        Value::SimpleString(text) => text.clone().into_bytes(),
        Value::Okay => b"OK".to_vec(),
        other => panic!("no text: {other:?}"),
    }
}

/// Text.
pub fn text(value: &Value) -> String {
    String::from_utf8_lossy(&bytes(value)).into_owned()
}

/// A number.
pub fn number(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => panic!("no number: {other:?}"),
    }
}

fn fields(value: Value) -> Vec<(String, String)> {
    list(value).chunks_exact(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

/// An event as Papyra writes one.
pub fn event(number: usize) -> String {
    format!(
        "{{\"kind\": \"event\", \"system_id\": \"s\", \"actor_address\": \"s:{}\", \"event_type\": \"ActorStarted\", \
         \"payload\": {{\"n\": {number}}}, \"timestamp\": {}.5}}",
        number % 17,
        900 + number
    )
}

impl Workshop {
    /// Runs `papyra` on the system `s` of a server.
    pub fn on(&self, url: &str, arguments: &str) -> Run {
        let mut command = self.command(arguments);
        command.envs([("PAPYRA_REDIS_URL", url), ("PAPYRA_SYSTEM_ID", "s"), ("PAPYRA_BACKEND", "redis")]);
        run(command, &format!("papyra {arguments}"))
    }
}

/// Waits until it holds; a server does all of this in the end.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what} does not come to pass");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A command in RESP, as an append-only file holds it.
pub fn encoded<T: AsRef<[u8]>>(args: &[T]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args.iter().map(AsRef::as_ref) {
        out.extend(format!("${}\r\n", arg.len()).into_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}
