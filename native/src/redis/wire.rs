//! A connection to one server: a socket, TLS over it where asked for, and RESP as the `redis` crate writes and reads
//! it.
//!
//! A reply has to come, and to keep coming: [`Pace`] bounds silence and trickle alike. The crate's own connection
//! breaks when the process is stopped and continued (Ctrl-Z and `fg`, a debugger): a wait on a socket with a time limit
//! then ends early, see signal(7). Here it goes on. Which server is meant, what is asked and what a refusal means is
//! not decided here.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, Parser, RedisError, RedisResult, Value};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::location::{Location, Tls};
use crate::error::{Code, Error, Result, show};
use crate::setting::Setting;

/// The longest line that is read by itself, in bytes.
const LINE: u64 = 4096;

/// How much later than the time limit a connection is given up from outside: it may be about to say why it failed.
const SLACK: Duration = Duration::from_millis(200);

/// Bytes that are to come, or to go, within the time limit, unless all that is wanted comes before.
const STRETCH: usize = 1 << 16;

/// An open connection.
pub(super) struct Wire {
    stream: BufReader<Box<dyn Stream>>,
    parser: Parser,
    /// How long it waits.
    pace: Arc<Mutex<Pace>>,
}

/// How long a server may take. Only time in which the process waits counts: one that was stopped and continued has lost
/// none.
#[derive(Debug, Clone, Copy)]
struct Pace {
    limit: Duration,
    left: Duration,
    bytes: usize,
}

impl Pace {
    fn new(limit: Duration) -> Pace {
        Pace { limit, left: limit, bytes: 0 }
    }

    /// What is wanted next has all of the time.
    fn begin(&mut self) {
        *self = Pace::new(self.limit);
    }

    fn went(&mut self, bytes: usize, waited: Duration) {
        self.left = self.left.saturating_sub(waited);
        self.bytes += bytes;
        if self.bytes >= STRETCH {
            self.begin();
        }
    }
}

pub(super) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Wire {
    /// Connects and logs in, in a thread of its own, since looking up a name knows no time limit.
    pub(super) fn open(location: &Location, trust: Option<&Arc<ClientConfig>>, timeout: Duration) -> RedisResult<Wire> {
        let (sender, receiver) = mpsc::channel();
        let (info, trust) = (location.info.clone(), trust.cloned());
        // Nobody listens any more when the time is up.
        std::thread::spawn(move || _ = sender.send(Wire::connect(&info, trust, timeout)));
        let late = |_| Err(RedisError::from(io::Error::from(io::ErrorKind::TimedOut)));
        receiver.recv_timeout(timeout + SLACK).unwrap_or_else(late)
    }

    fn connect(info: &ConnectionInfo, trust: Option<Arc<ClientConfig>>, timeout: Duration) -> RedisResult<Wire> {
        let pace = Arc::new(Mutex::new(Pace::new(timeout)));
        let plain = Paced { socket: Socket::open(info.addr(), timeout)?, pace: pace.clone() };
        let stream: Box<dyn Stream> = match (info.addr(), trust) {
            (ConnectionAddr::TcpTls { host, .. }, Some(trust)) => {
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                let session = ClientConnection::new(trust, name).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(session, plain))
            }
            _ => Box::new(plain),
        };
        let mut wire = Wire { stream: BufReader::with_capacity(1 << 16, stream), parser: Parser::new(), pace };
        wire.log_in(info.redis_settings())?;
        Ok(wire)
    }

    fn log_in(&mut self, settings: &redis::RedisConnectionInfo) -> RedisResult<()> {
        if let Some(password) = settings.password() {
            let mut words = vec!["AUTH"];
            words.extend(settings.username());
            words.push(password);
            self.agree(&words).map_err(|error| match error.detail() {
                Some(detail) if error.code().is_some() => {
                    (ErrorKind::AuthenticationFailed, "AUTH", detail.to_owned()).into()
                }
                _ => error,
            })?;
        }
        if settings.db() != 0 {
            self.agree(&["SELECT", &settings.db().to_string()])?;
        }
        Ok(())
    }

    /// Sends a command that only OK or a refusal answers.
    fn agree(&mut self, words: &[&str]) -> RedisResult<()> {
        match &*self.say(words)? {
            "+OK" => Ok(()),
            _ => Err((ErrorKind::Parse, "what answers is not a Redis server").into()),
        }
    }

    /// From now on the server has so long for each reply, and for each 64 KiB of it.
    pub(super) fn wait_at_most(&self, timeout: Duration) {
        *self.pace() = Pace::new(timeout);
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends commands and reads as many replies, refusals among them. After an error the connection is of no use: what
    /// is left in it belongs to a question that nobody asks any more.
    pub(super) fn ask(&mut self, commands: &[u8], replies: usize) -> RedisResult<Vec<Value>> {
        self.send(commands)?;
        let one = |_| {
            self.pace().begin();
            self.parser.parse_value(&mut self.stream)
        };
        (0..replies).map(one).collect()
    }

    /// Sends a command that a line answers. Empty lines say that the server is still there, and saves (SYNC).
    pub(super) fn say(&mut self, words: &[&str]) -> RedisResult<String> {
        let mut command = redis::Cmd::new();
        words.iter().for_each(|word| _ = command.arg(word));
        self.send(&command.get_packed_command())?;
        loop {
            self.pace().begin();
            let mut line = Vec::new();
            self.stream.by_ref().take(LINE).read_until(b'\n', &mut line)?;
            match line.trim_ascii_end() {
                _ if line.last() != Some(&b'\n') => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                [] => {}
                [b'-', ..] => {
                    redis::parse_redis_value(&line)?.extract_error()?;
                }
                said => return Ok(String::from_utf8_lossy(said).into_owned()),
            }
        }
    }

    /// What the server sends from here on, which is no RESP.
    pub(super) fn into_stream(self) -> BufReader<Box<dyn Stream>> {
        self.stream
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pace().begin();
        self.stream.get_mut().write_all(bytes)?;
        self.stream.get_mut().flush()
    }
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn open(address: &ConnectionAddr, timeout: Duration) -> io::Result<Socket> {
        match address {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                let mut last = io::Error::from(io::ErrorKind::NotFound);
                for address in (&host[..], *port).to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, timeout) {
                        Ok(socket) => {
                            socket.set_nodelay(true)?;
                            return Ok(Socket::Tcp(socket));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            ConnectionAddr::Unix(path) => UnixStream::connect(path).map(Socket::Unix),
            _ => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }

    fn wait_at_most(&self, timeout: Duration) -> io::Result<()> {
        let timeout = Some(timeout.max(Duration::from_millis(1)));
        match self {
            Socket::Tcp(socket) => {
                socket.set_write_timeout(timeout)?;
                socket.set_read_timeout(timeout)
            }
            Socket::Unix(socket) => {
                socket.set_write_timeout(timeout)?;
                socket.set_read_timeout(timeout)
            }
        }
    }
}

/// A socket that keeps to a pace.
struct Paced {
    socket: Socket,
    pace: Arc<Mutex<Pace>>,
}

impl Paced {
    /// Does it again when it was only interrupted, and gives up when the time is over.
    fn steadily(&mut self, mut step: impl FnMut(&mut Socket) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            let left = self.pace.lock().unwrap_or_else(PoisonError::into_inner).left;
            if left.is_zero() {
                return Err(io::Error::from(io::ErrorKind::TimedOut));
            }
            self.socket.wait_at_most(left)?;
            let begun = Instant::now();
            match step(&mut self.socket) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(bytes) => {
                    self.pace.lock().unwrap_or_else(PoisonError::into_inner).went(bytes, begun.elapsed());
                    return Ok(bytes);
                }
                failed => return failed,
            }
        }
    }
}

impl Read for Paced {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.steadily(|socket| match socket {
            Socket::Tcp(socket) => socket.read(buffer),
            Socket::Unix(socket) => socket.read(buffer),
        })
    }
}

impl Write for Paced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.steadily(|socket| match socket {
            Socket::Tcp(socket) => socket.write(bytes),
            Socket::Unix(socket) => socket.write(bytes),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is trusted, and how we show who we are.
pub(super) fn trust(tls: &Tls) -> Result<Arc<ClientConfig>> {
    // Ours is the only provider; who asks second finds the first's.
    _ = rustls::crypto::ring::default_provider().install_default();
    let wrong = |path: &std::path::Path, why: String| {
        Error::new(Code::Config, format!("cannot use {} for TLS: {why}", show(path)))
    };
    let certificates = |path: &std::path::Path| -> Result<Vec<CertificateDer<'static>>> {
        let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>);
        let all = all.map_err(|error| wrong(path, error.to_string()))?;
        if all.is_empty() {
            return Err(wrong(path, "it holds no certificate in PEM".into()));
        }
        Ok(all)
    };
    let mut roots = RootCertStore::empty();
    let trusted = match &tls.ca {
        Some(path) => certificates(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(trusted);
    let config = ClientConfig::builder().with_root_certificates(roots);
    match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, unusable_key(key, &error)))?;
            let config = config.with_client_auth_cert(certificates(certificate)?, private);
            config.map(Arc::new).map_err(|error| wrong(certificate, error.to_string()))
        }
        (None, None) => Ok(Arc::new(config.with_no_client_auth())),
        _ => Err(Error::new(Code::Config, "a client certificate and its private key go together: name both files")
            .decided_by(&[Setting::Certificate, Setting::PrivateKey])),
    }
}

/// Why a file holds no key that can be used, and what to do about it.
fn unusable_key(path: &std::path::Path, error: &rustls::pki_types::pem::Error) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let has = |words: &str| text.windows(words.len()).any(|part| part == words.as_bytes());
    if has("BEGIN ENCRYPTED PRIVATE KEY") || has("Proc-Type: 4,ENCRYPTED") {
        return "the key in it is encrypted, and no passphrase is asked for; `openssl pkey -in FILE -out PLAIN` writes \
                a plain one, which only its user should be able to read"
            .into();
    }
    match error {
        rustls::pki_types::pem::Error::NoItemsFound => "it holds no private key in PEM".into(),
        other => other.to_string(),
    }
}
