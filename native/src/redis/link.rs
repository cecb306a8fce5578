//! Connections: to one server, or to the nodes of a cluster.
//!
//! A command is sent again only when a node has said that it did not run it (MOVED, ASK, TRYAGAIN). The `redis` crate's
//! cluster client would also do so when a connection breaks, and a copy to quarantine would then be made twice; that is
//! why slots are followed here.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use redis::{Client, ClientTlsConfig, Cmd, Connection, ConnectionLike, RedisError, TlsCertificates, Value};

use super::failure;
use super::keys::slot;
use super::location::{Location, Tls};
use crate::error::{Code, Error, Result, show};

/// How often a command follows the cluster's redirections at once; after that with pauses, until the time is up.
const HOPS: usize = 5;

/// Before a command is sent again whose keys are on their way from one node to another.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a large reply is waited for at least.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A server, or a cluster.
pub(super) struct Link {
    pub(super) location: Location,
    certificates: Option<TlsCertificates>,
    timeout: Duration,
    nodes: Vec<Node>,
    /// Slot ranges, ends inclusive, and their node; of a cluster only.
    slots: Option<Vec<(u16, u16, usize)>>,
}

/// What a server said to each of several questions.
pub(super) struct Answers {
    pub(super) location: Location,
    pub(super) answers: Vec<Result<Value>>,
}

struct Node {
    location: Location,
    connection: Option<Connection>,
}

impl Link {
    /// Connects, and asks whether there is a cluster.
    pub(super) fn open(location: Location, tls: &Tls, timeout: Duration) -> Result<Link> {
        // Ours is the only provider; who asks second finds the first's.
        _ = rustls::crypto::ring::default_provider().install_default();
        let certificates = certificates(tls)?;
        let node = Node { location: location.clone(), connection: None };
        let mut link = Link { location, certificates, timeout, nodes: vec![node], slots: None };
        link.connection(0)?;
        link.find_cluster()?;
        Ok(link)
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.slots.is_some()
    }

    /// Runs a command on the server that has `key`. `what` says what for, should it fail.
    pub(super) fn ask(&mut self, key: &str, what: &str, command: &Cmd) -> Result<Value> {
        match self.attempt(key, command)? {
            Ok(value) => Ok(value),
            Err(error) => Err(failure::refused(&self.location, what, &error)),
        }
    }

    /// The same, where the server's refusal is of interest. The outer error is a server that is not there.
    pub(super) fn attempt(&mut self, key: &str, command: &Cmd) -> Result<std::result::Result<Value, RedisError>> {
        let mut node = self.node_of(key);
        let mut asking = false;
        let (begun, mut hops) = (Instant::now(), 0);
        while hops < HOPS || begun.elapsed() < self.timeout {
            let connection = self.connection(node)?;
            if asking {
                _ = connection.req_command(&redis::cmd("ASKING"));
            }
            let error = match connection.req_command(command) {
                Ok(Value::ServerError(error)) => RedisError::from(error),
                Ok(value) => return Ok(Ok(value)),
                Err(error) => error,
            };
            if error.code() == Some("TRYAGAIN") && begun.elapsed() < self.timeout {
                std::thread::sleep(PAUSE);
                continue;
            }
            hops += 1;
            let Some((host, port)) = error.redirect_node().and_then(|(address, _slot)| self.host_and_port(address))
            else {
                if error.is_io_error() {
                    // What is left in the pipe belongs to a question that nobody asks any more.
                    self.nodes[node].connection = None;
                }
                return Ok(Err(error));
            };
            if hops > HOPS {
                std::thread::sleep(PAUSE);
            }
            asking = error.code() == Some("ASK");
            node = self.node_at(&host, port);
            if !asking {
                self.find_cluster()?;
            }
        }
        let text =
            format!("the cluster at {} keeps moving the key's slot: try again when it has settled", self.location);
        Err(Error::new(Code::TryAgain, text))
    }

    /// Runs a command on the server that was named.
    pub(super) fn attempt_first(&mut self, command: &Cmd) -> Result<std::result::Result<Value, RedisError>> {
        Ok(self.connection(0)?.req_command(command).and_then(Value::extract_error))
    }

    /// Runs a command that may take long on the server that has `key`.
    pub(super) fn attempt_large(&mut self, key: &str, command: &Cmd) -> Result<std::result::Result<Value, RedisError>> {
        let node = self.node_of(key);
        self.wait_at_most(node, self.timeout.max(PATIENCE))?;
        let reply = self.attempt(key, command)?;
        self.wait_at_most(node, self.timeout)?;
        Ok(reply)
    }

    /// Runs commands in one transaction on the server that has `key`, and follows no redirection. `None`: a watched key
    /// has changed, and nothing was run.
    pub(super) fn transact(
        &mut self,
        key: &str,
        commands: &[Cmd],
    ) -> Result<std::result::Result<Option<Vec<Value>>, RedisError>> {
        let node = self.node_of(key);
        self.wait_at_most(node, self.timeout.max(PATIENCE))?;
        let mut packed = redis::cmd("MULTI").get_packed_command();
        commands.iter().for_each(|command| command.write_packed_command(&mut packed));
        redis::cmd("EXEC").write_packed_command(&mut packed);
        let replies = self.connection(node)?.req_packed_commands(&packed, 0, commands.len() + 2);
        let mut replies = match replies {
            Ok(replies) => replies,
            Err(error) => {
                self.nodes[node].connection = None;
                return Ok(Err(error));
            }
        };
        self.wait_at_most(node, self.timeout)?;
        let executed = replies.pop();
        let results = match executed {
            Some(Value::Array(results)) => Some(results),
            Some(Value::ServerError(gave_up)) => {
                // What was refused says more than that the rest was given up for it.
                let refused = replies.into_iter().find_map(|reply| match reply {
                    Value::ServerError(error) => Some(error),
                    _ => None,
                });
                return Ok(Err(RedisError::from(refused.unwrap_or(gave_up))));
            }
            _ => None,
        };
        let refused = results.iter().flatten().find_map(|result| match result {
            Value::ServerError(error) => Some(RedisError::from(error.clone())),
            _ => None,
        });
        Ok(refused.map_or(Ok(results), Err))
    }

    fn wait_at_most(&mut self, node: usize, timeout: Duration) -> Result<()> {
        let location = self.nodes[node].location.clone();
        // A connection that broke is made anew by whoever needs it next.
        match &self.nodes[node].connection {
            None if timeout == self.timeout => return Ok(()),
            _ => {}
        }
        let set = self.connection(node)?.set_read_timeout(Some(timeout));
        set.map_err(|error| failure::unreachable(&location, &error))
    }

    /// Runs several commands on the server that has `key`, in one go. Only for reading.
    pub(super) fn ask_all(&mut self, key: &str, what: &str, commands: &[Cmd]) -> Result<Vec<Value>> {
        if self.slots.is_some() || commands.len() < 2 {
            return commands.iter().map(|command| self.ask(key, what, command)).collect();
        }
        let mut packed = Vec::new();
        commands.iter().for_each(|command| command.write_packed_command(&mut packed));
        let replies = self.connection(0)?.req_packed_commands(&packed, 0, commands.len());
        let refused = |error: &RedisError| failure::refused(&self.location, what, error);
        let replies = replies.map_err(|error| refused(&error))?;
        for reply in &replies {
            if let Value::ServerError(error) = reply {
                return Err(refused(&RedisError::from(error.clone())));
            }
        }
        Ok(replies)
    }

    /// Runs a command on every server that holds keys of its own.
    pub(super) fn ask_each(&mut self, what: &str, command: impl Fn(Option<Value>) -> Option<Cmd>) -> Result<()> {
        for node in self.masters() {
            let mut reply = None;
            while let Some(command) = command(reply.take()) {
                let answer = self.connection(node)?.req_command(&command);
                let answer = answer.and_then(Value::extract_error);
                reply = Some(answer.map_err(|error| failure::refused(&self.nodes[node].location, what, &error))?);
            }
        }
        Ok(())
    }

    /// Asks every server that holds keys of its own the same questions; a refusal is an answer too.
    pub(super) fn ask_servers(&mut self, what: &str, commands: &[Cmd]) -> Result<Vec<Answers>> {
        let mut servers = Vec::new();
        for node in self.masters() {
            let location = self.nodes[node].location.clone();
            let mut answers = Vec::new();
            for command in commands {
                let answer = self.connection(node)?.req_command(command).and_then(Value::extract_error);
                if let Err(error) = &answer
                    && error.is_io_error()
                {
                    return Err(failure::refused(&location, what, error));
                }
                answers.push(answer.map_err(|error| failure::refused(&location, what, &error)));
            }
            servers.push(Answers { location, answers });
        }
        Ok(servers)
    }

    /// The nodes that hold keys of their own.
    fn masters(&self) -> Vec<usize> {
        let mut masters: Vec<usize> = match &self.slots {
            Some(slots) => slots.iter().map(|(.., node)| *node).collect(),
            None => vec![0],
        };
        masters.sort_unstable();
        masters.dedup();
        masters
    }

    fn node_of(&self, key: &str) -> usize {
        let slot = slot(key.as_bytes());
        let range = |(from, to, node): &(u16, u16, usize)| (*from..=*to).contains(&slot).then_some(*node);
        self.slots.as_ref().and_then(|slots| slots.iter().find_map(range)).unwrap_or(0)
    }

    /// An address as a node gives it: `host:port`, where no host means the one that was named, and no brackets stand
    /// around an IPv6 address.
    fn host_and_port(&self, address: &str) -> Option<(String, u16)> {
        let (host, port) = address.rsplit_once(':')?;
        let host = if host.is_empty() { self.location.host()?.0 } else { host };
        Some((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port.parse().ok()?))
    }

    fn node_at(&mut self, host: &str, port: u16) -> usize {
        let known = self.nodes.iter().position(|node| node.location.host() == Some((host, port)));
        known.unwrap_or_else(|| {
            self.nodes.push(Node { location: self.location.node(host, port), connection: None });
            self.nodes.len() - 1
        })
    }

    /// Learns the cluster's slots, if the server is part of one. A user who may not ask is sent on by the nodes.
    fn find_cluster(&mut self) -> Result<()> {
        let mut question = redis::cmd("CLUSTER");
        question.arg("SLOTS");
        let Ok(Value::Array(ranges)) = self.connection(0)?.req_command(&question) else { return Ok(()) };
        let mut slots = Vec::new();
        for range in &ranges {
            let Value::Array(range) = range else { continue };
            let [Value::Int(from), Value::Int(to), Value::Array(master), ..] = &range[..] else { continue };
            let [host, Value::Int(port), ..] = &master[..] else { continue };
            let host = match host {
                Value::BulkString(host) if !host.is_empty() => String::from_utf8_lossy(host).into_owned(),
                // A node that does not know its own name is the one that was asked.
                _ => self.location.host().map(|(host, _)| host.to_owned()).unwrap_or_default(),
            };
            let (Ok(from), Ok(to), Ok(port)) = (u16::try_from(*from), u16::try_from(*to), u16::try_from(*port)) else {
                continue;
            };
            slots.push((from, to, self.node_at(&host, port)));
        }
        self.slots = Some(slots);
        Ok(())
    }

    fn connection(&mut self, node: usize) -> Result<&mut Connection> {
        let Node { location, connection } = &mut self.nodes[node];
        if connection.is_none() {
            *connection = Some(connect(location, self.certificates.clone(), self.timeout)?);
        }
        match connection {
            Some(connection) => Ok(connection),
            None => Err(Error::new(Code::Unavailable, format!("cannot reach Redis at {location}"))),
        }
    }
}

/// Connects in a thread of its own, since looking up a name knows no time limit.
fn connect(location: &Location, certificates: Option<TlsCertificates>, timeout: Duration) -> Result<Connection> {
    let (sender, receiver) = mpsc::channel();
    let info = location.info.clone();
    std::thread::spawn(move || {
        let client = match certificates {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        };
        // Nobody listens any more when the time is up.
        _ = sender.send(client.and_then(|client| client.get_connection_with_timeout(timeout)));
    });
    let connected = receiver
        .recv_timeout(timeout + Duration::from_millis(200))
        .unwrap_or_else(|_| Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))));
    let limited = connected.and_then(|connection| {
        connection.set_read_timeout(Some(timeout))?;
        connection.set_write_timeout(Some(timeout))?;
        Ok(connection)
    });
    limited.map_err(|error| failure::unreachable(location, &error))
}

fn certificates(tls: &Tls) -> Result<Option<TlsCertificates>> {
    let read = |path: &std::path::PathBuf| {
        std::fs::read(path)
            .map_err(|error| Error::new(Code::Config, format!("cannot read {} for TLS: {error}", show(path))))
    };
    let root_cert = tls.ca.as_ref().map(read).transpose()?;
    if let (Some(path), Some(text)) = (&tls.ca, &root_cert)
        && memchr::memmem::find(text, b"-----BEGIN CERTIFICATE-----").is_none()
    {
        let text = format!("{} holds no certificate in PEM: name the authority's with --tls-ca", show(path));
        return Err(Error::new(Code::Config, text));
    }
    let client_tls = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
        }
        (None, None) => None,
        _ => return Err(Error::new(Code::Config, "--tls-cert and --tls-key go together: name both files")),
    };
    Ok((root_cert.is_some() || client_tls.is_some()).then_some(TlsCertificates { client_tls, root_cert }))
}
