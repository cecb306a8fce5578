//! The RDB file that a server makes for a replica, as `redis-cli --rdb` takes it.
//!
//! A connection of its own, since what follows SYNC is no reply that a client library knows: empty lines while the
//! server saves, then `$` and a length, or `$EOF:` and forty bytes that will stand behind the file, when the server
//! sends it without a stop at its disk (redis `replication.c`, `readSyncBulkPayload`).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use papyra_core::escape::escape;
use redis::{ConnectionAddr, RedisError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::link::PATIENCE;
use super::location::{Location, Tls};
use super::{Store, failure};
use crate::error::{Code, Error, Result, show};

/// The longest line that is read, in bytes.
const LINE: u64 = 4096;

/// The bytes that stand behind a file of unknown length.
const MARK: usize = 40;

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// The file, byte by byte.
pub(crate) struct RdbStream {
    wire: BufReader<Box<dyn Wire>>,
    end: End,
}

enum End {
    /// So many bytes are left.
    After(u64),
    /// This stands behind the file; what was read and may be part of it.
    Mark { mark: [u8; MARK], held: Vec<u8>, over: bool },
}

impl Store {
    /// Has the server save, and hands on what it sends.
    pub(crate) fn rdb_stream(&self) -> Result<RdbStream> {
        let location = &self.settings.location;
        let broken = |error: io::Error| failure::refused(location, "asking for the RDB file", &RedisError::from(error));
        let wire = open(location, &self.settings.tls, self.settings.timeout)?;
        let mut wire = BufReader::with_capacity(1 << 16, wire);
        let redis = location.info.redis_settings();
        if let Some(password) = redis.password() {
            let mut words = vec!["AUTH"];
            words.extend(redis.username());
            words.push(password);
            self.said_ok(say(&mut wire, &words).map_err(broken)?)?;
        }
        // Servers that do not know these send the file all the same.
        say(&mut wire, &["REPLCONF", "capa", "eof"]).map_err(broken)?;
        say(&mut wire, &["REPLCONF", "rdb-only", "1"]).map_err(broken)?;
        let start = self.said_ok(say(&mut wire, &["SYNC"]).map_err(broken)?)?;
        let unknown = || {
            let start = escape(start.as_bytes());
            let text = format!("{location} answers SYNC with {start}: it sends no RDB file; use --method dump");
            Error::new(Code::Unavailable, text)
        };
        let end = match start.strip_prefix("$EOF:") {
            Some(mark) => {
                let mark = mark.as_bytes().try_into().map_err(|_| unknown())?;
                End::Mark { mark, held: Vec::new(), over: false }
            }
            None => End::After(start.strip_prefix('$').and_then(|length| length.parse().ok()).ok_or_else(unknown)?),
        };
        Ok(RdbStream { wire, end })
    }

    fn said_ok(&self, line: String) -> Result<String> {
        let Some(refusal) = line.strip_prefix('-') else { return Ok(line) };
        let (code, detail) = refusal.split_once(' ').unwrap_or(("ERR", refusal));
        let error = redis::make_extension_error(code.to_owned(), Some(detail.to_owned()));
        Err(failure::refused(&self.settings.location, "asking for the RDB file (SYNC)", &error))
    }
}

/// Sends a command and reads the line that answers it; empty lines say that the server is still there.
fn say(wire: &mut BufReader<Box<dyn Wire>>, words: &[&str]) -> io::Result<String> {
    let mut command = redis::Cmd::new();
    words.iter().for_each(|word| _ = command.arg(word));
    wire.get_mut().write_all(&command.get_packed_command())?;
    wire.get_mut().flush()?;
    loop {
        let mut line = Vec::new();
        wire.by_ref().take(LINE).read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_ascii_end();
        if !line.is_empty() {
            return Ok(String::from_utf8_lossy(line).into_owned());
        }
    }
}

impl Read for RdbStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let cut_off = || io::Error::new(io::ErrorKind::UnexpectedEof, "the server stopped in the middle of the file");
        match &mut self.end {
            End::After(left) => {
                if *left == 0 || buffer.is_empty() {
                    return Ok(0);
                }
                let most = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                let read = self.wire.read(&mut buffer[..most])?;
                *left -= read as u64;
                if read == 0 { Err(cut_off()) } else { Ok(read) }
            }
            End::Mark { mark, held, over } => {
                // Behind the mark the server sends nothing until it is answered, so it stands at the end of what came.
                while !*over && held.len() <= MARK {
                    let came = self.wire.fill_buf()?;
                    if came.is_empty() {
                        return Err(cut_off());
                    }
                    held.extend_from_slice(came);
                    let came = came.len();
                    self.wire.consume(came);
                    if held.ends_with(mark) {
                        held.truncate(held.len() - MARK);
                        *over = true;
                    }
                }
                let kept = if *over { 0 } else { MARK };
                let width = buffer.len().min(held.len() - kept);
                buffer[..width].copy_from_slice(&held[..width]);
                held.drain(..width);
                Ok(width)
            }
        }
    }
}

fn open(location: &Location, tls: &Tls, timeout: Duration) -> Result<Box<dyn Wire>> {
    let failed = |error: io::Error| failure::unreachable(location, &RedisError::from(error));
    let tcp = |host: &str, port: u16| -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(timeout.max(PATIENCE)))?;
                    stream.set_write_timeout(Some(timeout))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    match location.info.addr() {
        ConnectionAddr::Tcp(host, port) => Ok(Box::new(tcp(host, *port).map_err(failed)?)),
        ConnectionAddr::TcpTls { host, port, .. } => {
            let config = Arc::new(trust(tls)?);
            let name = ServerName::try_from(host.clone()).map_err(|error| failed(io::Error::other(error)))?;
            let session = ClientConnection::new(config, name).map_err(|error| failed(io::Error::other(error)))?;
            Ok(Box::new(StreamOwned::new(session, tcp(host, *port).map_err(failed)?)))
        }
        ConnectionAddr::Unix(path) => {
            let open = || -> io::Result<UnixStream> {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(timeout.max(PATIENCE)))?;
                stream.set_write_timeout(Some(timeout))?;
                Ok(stream)
            };
            Ok(Box::new(open().map_err(failed)?))
        }
        _ => Err(failed(io::Error::other("that kind of address is not known"))),
    }
}

/// What is trusted, and how we show who we are: as the client library has it for all other connections.
fn trust(tls: &Tls) -> Result<ClientConfig> {
    let wrong = |path: &std::path::Path, why: String| {
        Error::new(Code::Config, format!("cannot use {} for TLS: {why}", show(path)))
    };
    let certificates = |path: &std::path::Path| -> Result<Vec<CertificateDer<'static>>> {
        let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        all.map_err(|error: rustls::pki_types::pem::Error| wrong(path, error.to_string()))
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
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error.to_string()))?;
            let config = config.with_client_auth_cert(certificates(certificate)?, private);
            config.map_err(|error| wrong(certificate, error.to_string()))
        }
        _ => Ok(config.with_no_client_auth()),
    }
}
