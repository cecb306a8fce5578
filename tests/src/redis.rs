//! Real Redis servers for tests: started on free ports in folders of their own, ended when dropped.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use redis::{Connection, Value};

use crate::{Run, Workshop, has, run};

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

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

impl Redis {
    /// The installed server with more arguments, or `None` after saying that the test is left out.
    pub fn start(arguments: &[&str]) -> Option<Redis> {
        has("redis-server").then(|| Redis::start_in(tempfile::tempdir().expect("a folder"), arguments))
    }

    /// A server over what lies in a folder. It need not let anybody in.
    pub fn start_in(dir: tempfile::TempDir, arguments: &[&str]) -> Redis {
        let port = free_port();
        let log = File::create(dir.path().join("log")).expect("a log");
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--unixsocket", "socket", "--port"])
            .arg(port.to_string())
            .args(arguments)
            .current_dir(dir.path())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server starts");
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
        let connection = self.connection.get_or_insert_with(|| {
            let address = redis::ConnectionAddr::Unix(self.dir.path().join("socket"));
            let info = redis::IntoConnectionInfo::into_connection_info(address).expect("an address");
            let client = redis::Client::open(info).expect("a client");
            let begun = Instant::now();
            // The socket is there a moment before anybody listens on it.
            loop {
                match client.get_connection() {
                    Ok(connection) => break connection,
                    Err(_) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
                    Err(error) => panic!("the server does not listen: {error}"),
                }
            }
        });
        let mut command = redis::Cmd::new();
        arguments.iter().for_each(|argument| _ = command.arg(argument.as_ref()));
        command.query(connection)
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

/// Text.
pub fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        other => panic!("no text: {other:?}"),
    }
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

/// Stands between a client and a server, and counts how often a word has gone to the server.
pub struct Between {
    /// Where to connect to.
    pub port: u16,
    seen: Arc<AtomicUsize>,
    limit: usize,
}

impl Between {
    /// From the `limit`th command `word` on, no reply comes back: the server has done it, and nobody hears.
    pub fn silent_after(limit: usize, word: &'static str, server: u16) -> Between {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = seen.clone();
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let upstream = TcpStream::connect(("127.0.0.1", server)).expect("the server listens");
                let (mut from_client, mut to_server) =
                    (client.try_clone().expect("a socket"), upstream.try_clone().expect("one"));
                let counter = counter.clone();
                let watch = counter.clone();
                std::thread::spawn(move || {
                    let needle = format!("\r\n{word}\r\n");
                    let mut tail = Vec::new();
                    let mut buffer = [0; 1 << 16];
                    while let Ok(read @ 1..) = from_client.read(&mut buffer) {
                        tail.extend_from_slice(&buffer[..read]);
                        while let Some(at) = tail.windows(needle.len()).position(|part| part == needle.as_bytes()) {
                            tail.drain(..at + needle.len());
                            counter.fetch_add(1, Ordering::SeqCst);
                        }
                        let keep = tail.len().saturating_sub(needle.len());
                        tail.drain(..keep);
                        if to_server.write_all(&buffer[..read]).is_err() {
                            return;
                        }
                    }
                });
                std::thread::spawn(move || {
                    let (mut upstream, mut client) = (upstream, client);
                    let mut buffer = [0; 1 << 16];
                    while let Ok(read @ 1..) = upstream.read(&mut buffer) {
                        if watch.load(Ordering::SeqCst) >= limit || client.write_all(&buffer[..read]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Between { port, seen, limit }
    }

    /// Whether the time has come.
    pub fn is_silent(&self) -> bool {
        self.seen.load(Ordering::SeqCst) >= self.limit
    }

    /// Where to connect to.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

/// Three nodes, with a third of the slots each.
pub struct Cluster {
    /// The nodes.
    pub nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts a cluster, or says that the test is left out.
    pub fn start() -> Option<Cluster> {
        let mut nodes = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..3 {
            let bus = free_port().to_string();
            nodes.push(Redis::start(&[
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-node-timeout",
                "5000",
            ])?);
            buses.push(bus);
        }
        for (node, (from, to)) in nodes.iter_mut().zip([(0, 5_460), (5_461, 10_922), (10_923, 16_383)]) {
            node.call(&format!("CLUSTER ADDSLOTSRANGE {from} {to}"));
        }
        for other in 1..3 {
            let (port, bus) = (nodes[other].port, buses[other].clone());
            nodes[0].call(&format!("CLUSTER MEET 127.0.0.1 {port} {bus}"));
        }
        for node in &mut nodes {
            wait_until("a cluster that agrees", || {
                let info = text(&node.call("CLUSTER INFO"));
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            });
        }
        Some(Cluster { nodes })
    }

    /// The node that has a key.
    pub fn of(&mut self, key: &str) -> &mut Redis {
        let slot = number(&self.nodes[0].call(&format!("CLUSTER KEYSLOT {key}")));
        let node = match slot {
            0..=5_460 => 0,
            5_461..=10_922 => 1,
            _ => 2,
        };
        &mut self.nodes[node]
    }
}
