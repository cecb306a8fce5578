//! A throw-away Redis for tests: started on a socket in a folder of its own, spoken to in RESP, ended when dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server.
pub struct Server {
    child: Child,
    client: BufReader<UnixStream>,
    dir: tempfile::TempDir,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // The names are RESP's own.
pub enum Reply {
    Int(i64),
    Text(Vec<u8>),
    Error(String),
    List(Vec<Reply>),
    Null,
}

impl Reply {
    /// The text of a simple or bulk string, or of a number.
    pub fn text(&self) -> Vec<u8> {
        match self {
            Reply::Text(text) => text.clone(),
            Reply::Int(n) => n.to_string().into_bytes(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// The same as a `String`.
    pub fn string(&self) -> String {
        String::from_utf8_lossy(&self.text()).into_owned()
    }

    /// A number, `None` for null.
    pub fn int(&self) -> Option<i64> {
        match self {
            Reply::Null => None,
            other => Some(other.string().parse().expect("a number")),
        }
    }

    /// The items of an array; none of a null.
    pub fn list(&self) -> &[Reply] {
        match self {
            Reply::List(list) => list,
            Reply::Null => &[],
            other => panic!("no list: {other:?}"),
        }
    }

    /// The value after `name` in an array that alternates names and values.
    pub fn at(&self, name: &str) -> &Reply {
        self.find(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// The same, if it is there.
    pub fn find(&self, name: &str) -> Option<&Reply> {
        self.list().chunks_exact(2).find(|pair| pair[0].text() == name.as_bytes()).map(|pair| &pair[1])
    }
}

/// The servers to test against: `redis-server`, and those that the colon-separated PAPYRA_TEST_REDIS_SERVERS names. None after saying that
/// the test is left out, unless everything must be tested.
pub fn binaries() -> Vec<PathBuf> {
    if !crate::has("redis-server") {
        println!("left out: redis-server is not installed");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|dir| dir.join("redis-server")).find(|file| file.is_file());
    let more = std::env::var_os("PAPYRA_TEST_REDIS_SERVERS").unwrap_or_default();
    installed.into_iter().chain(std::env::split_paths(&more).filter(|file| file.is_file())).collect()
}

impl Server {
    /// The installed server, if there is one, see [`binaries`].
    pub fn start(config: &[&str]) -> Option<Server> {
        binaries().first().map(|binary| Server::of(binary, config))
    }

    /// A given server.
    pub fn of(binary: &Path, config: &[&str]) -> Server {
        Server::in_folder(binary, config, tempfile::tempdir().expect("a folder"))
    }

    /// A given server over what lies in a folder.
    pub fn in_folder(binary: &Path, config: &[&str], dir: tempfile::TempDir) -> Server {
        let socket = dir.path().join("socket");
        let log = std::fs::File::create(dir.path().join("log")).expect("a log");
        let mut child = Command::new(binary)
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(dir.path())
            .args(config)
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server starts");
        let began = Instant::now();
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(_) if began.elapsed() < Duration::from_secs(20) && child.try_wait().expect("a child").is_none() => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) => {
                    let log = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
                    panic!("no server: {error}\n{log}")
                }
            }
        };
        let mut server = Server { child, client: BufReader::new(stream), dir };
        while matches!(server.call(&["PING"]), Reply::Error(_)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// Where it keeps its files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Sends many commands at once; none may fail.
    pub fn pipeline(&mut self, commands: &[Vec<Vec<u8>>]) {
        let out: Vec<u8> = commands.iter().flat_map(|args| encoded(args)).collect();
        self.client.get_mut().write_all(&out).expect("the server listens");
        for _ in commands {
            assert!(!matches!(self.reply(), Reply::Error(_)));
        }
    }

    /// Sends a command of bytes and waits for the reply.
    pub fn command(&mut self, args: &[Vec<u8>]) -> Reply {
        let out = encoded(args);
        self.client.get_mut().write_all(&out).expect("the server listens");
        self.reply()
    }

    /// The same for text.
    pub fn call(&mut self, args: &[&str]) -> Reply {
        self.command(&args.iter().map(|arg| arg.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    /// The same for a line of words, which must succeed.
    pub fn must(&mut self, line: &str) -> Reply {
        match self.call(&line.split_whitespace().collect::<Vec<_>>()) {
            Reply::Error(error) => panic!("{line}: {error}"),
            reply => reply,
        }
    }

    fn reply(&mut self) -> Reply {
        let mut line = String::new();
        self.client.read_line(&mut line).expect("a reply");
        let line = line.trim_end();
        let (sort, rest) = line.split_at_checked(1).expect("the server is still there");
        match sort {
            "+" => Reply::Text(rest.into()),
            "-" => Reply::Error(rest.into()),
            ":" => Reply::Int(rest.parse().expect("a number")),
            "$" | "*" if rest == "-1" => Reply::Null,
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().expect("a length") + 2];
                self.client.read_exact(&mut bytes).expect("the reply's bytes");
                bytes.truncate(bytes.len() - 2);
                Reply::Text(bytes)
            }
            "*" => Reply::List((0..rest.parse::<usize>().expect("a length")).map(|_| self.reply()).collect()),
            _ => panic!("not RESP: {line}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command in RESP.
pub fn encoded(args: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        out.extend(format!("${}\r\n", arg.len()).into_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}
