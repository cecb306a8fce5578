//! Connections: to one server, or to the nodes of a cluster.
//!
//! A command is sent again only when a node has said that it did not run it (MOVED, ASK, TRYAGAIN). The `redis` crate's
//! cluster client would also do so when a connection breaks, and a copy to quarantine would then be made twice; that is
//! why slots are followed here. How bytes come and go is [`super::wire`]'s.

use std::sync::Arc;
use std::time::{Duration, Instant};

use papyra_core::escape::escape;
use redis::{Cmd, RedisError, RedisResult, Value};
use rustls::ClientConfig;

use super::failure;
use super::keys::slot;
use super::location::{Location, Tls};
use super::reply;
use super::wire::{Wire, trust};
use crate::error::{Code, Error, Result};

/// How often a command follows the cluster's redirections at once; after that with pauses, until the time is up.
const HOPS: usize = 5;

/// Before a command is sent again whose keys are on their way from one node to another.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a large reply is waited for at least.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A server, or a cluster.
pub(super) struct Link {
    pub(super) location: Location,
    /// For TLS.
    trust: Option<Arc<ClientConfig>>,
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
    wire: Option<Wire>,
}

impl Link {
    /// Connects, and asks whether there is a cluster.
    pub(super) fn open(location: Location, tls: &Tls, timeout: Duration) -> Result<Link> {
        let trust = location.is_tls().then(|| trust(tls)).transpose()?;
        let node = Node { location: location.clone(), wire: None };
        let mut link = Link { location, trust, timeout, nodes: vec![node], slots: None };
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
    pub(super) fn attempt(&mut self, key: &str, command: &Cmd) -> Result<RedisResult<Value>> {
        self.attempt_within(key, command, self.timeout)
    }

    /// Runs a command that may take long on the server that has `key`.
    pub(super) fn attempt_large(&mut self, key: &str, command: &Cmd) -> Result<RedisResult<Value>> {
        self.attempt_within(key, command, self.timeout.max(PATIENCE))
    }

    /// Waits so long for each node's reply.
    fn attempt_within(&mut self, key: &str, command: &Cmd, timeout: Duration) -> Result<RedisResult<Value>> {
        let mut node = self.node_of(key);
        let mut asking = false;
        let (begun, mut hops) = (Instant::now(), 0);
        while hops < HOPS || begun.elapsed() < self.timeout {
            if asking {
                _ = self.tell(node, &redis::cmd("ASKING"))?;
            }
            self.wait_at_most(node, timeout)?;
            let reply = self.tell(node, command)?;
            self.wait_at_most(node, self.timeout)?;
            let error = match reply {
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
                return Ok(Err(error));
            };
            if hops > HOPS {
                std::thread::sleep(PAUSE);
            }
            asking = error.code() == Some("ASK");
            self.find_cluster()?;
            node = self.named(&host, port)?;
        }
        let text =
            format!("the cluster at {} keeps moving the key's slot: try again when it has settled", self.location);
        Err(Error::new(Code::TryAgain, text))
    }

    /// Runs a command on the server that was named.
    pub(super) fn attempt_first(&mut self, command: &Cmd) -> Result<RedisResult<Value>> {
        self.tell(0, command)
    }

    /// Runs commands in one transaction on the server that has `key`, and follows no redirection. `None`: a watched key
    /// has changed, and nothing was run.
    pub(super) fn transact(&mut self, key: &str, commands: &[Cmd]) -> Result<RedisResult<Option<Vec<Value>>>> {
        let node = self.node_of(key);
        self.wait_at_most(node, self.timeout.max(PATIENCE))?;
        let mut packed = redis::cmd("MULTI").get_packed_command();
        commands.iter().for_each(|command| command.write_packed_command(&mut packed));
        redis::cmd("EXEC").write_packed_command(&mut packed);
        let mut replies = match self.exchange(node, &packed, commands.len() + 2)? {
            Ok(replies) => replies,
            Err(error) => return Ok(Err(error)),
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
        // A connection that broke is made anew by whoever needs it next.
        if self.nodes[node].wire.is_none() && timeout == self.timeout {
            return Ok(());
        }
        self.wire(node)?.wait_at_most(timeout);
        Ok(())
    }

    /// Runs several commands on the server that has `key`, in one go. Only for reading.
    pub(super) fn ask_all(&mut self, key: &str, what: &str, commands: &[Cmd]) -> Result<Vec<Value>> {
        if self.slots.is_some() || commands.len() < 2 {
            return commands.iter().map(|command| self.ask(key, what, command)).collect();
        }
        let mut packed = Vec::new();
        commands.iter().for_each(|command| command.write_packed_command(&mut packed));
        let replies = self.exchange(0, &packed, commands.len())?;
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
    pub(super) fn ask_each(&mut self, what: &str, mut command: impl FnMut(Option<Value>) -> Option<Cmd>) -> Result<()> {
        if self.is_cluster() {
            self.find_cluster()?;
        }
        for node in self.masters() {
            let mut reply = None;
            while let Some(command) = command(reply.take()) {
                let answer = self.tell(node, &command)?;
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
                let answer = self.tell(node, command)?;
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

    /// The node that a redirection leads to. Nobody but a cluster's own nodes gets a command, or a password.
    fn named(&self, host: &str, port: u16) -> Result<usize> {
        let known = self.nodes.iter().position(|node| node.location.host() == Some((host, port)));
        match (&self.slots, known) {
            (Some(_), Some(node)) => Ok(node),
            (Some(_), None) => {
                let text = format!(
                    "the cluster at {} is moving the keys to {}, a node that CLUSTER SLOTS does not name yet: nothing \
                     was done, try again when it has settled",
                    self.location,
                    escape(format!("{host}:{port}").as_bytes())
                );
                Err(Error::new(Code::TryAgain, text))
            }
            (None, _) => {
                let text = format!(
                    "{} sends us to {}, and has not shown by CLUSTER SLOTS that it is part of a cluster: that is not \
                     followed; the user must be allowed +cluster|slots",
                    self.location,
                    escape(format!("{host}:{port}").as_bytes())
                );
                Err(Error::new(Code::Unavailable, text))
            }
        }
    }

    fn node_at(&mut self, host: &str, port: u16) -> usize {
        let known = self.nodes.iter().position(|node| node.location.host() == Some((host, port)));
        known.unwrap_or_else(|| {
            self.nodes.push(Node { location: self.location.node(host, port), wire: None });
            self.nodes.len() - 1
        })
    }

    /// Learns the cluster's slots, if the server is part of one.
    fn find_cluster(&mut self) -> Result<()> {
        let mut question = redis::cmd("CLUSTER");
        question.arg("SLOTS");
        let ranges = match self.tell(0, &question)? {
            Ok(Value::Array(ranges)) => ranges,
            Ok(other) => return Err(failure::no_answer(&self.location, "asking for the cluster's slots", &other)),
            Err(error) if self.nodes[0].wire.is_none() => return Err(failure::unreachable(&self.location, &error)),
            Err(error) if error.detail().is_some_and(|detail| detail.contains("nknown command")) => {
                return self.refuse_sentinel();
            }
            Err(_) => return Ok(()),
        };
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

    /// A Sentinel holds no data; it knows where those do that it watches over.
    fn refuse_sentinel(&mut self) -> Result<()> {
        let Ok(Value::Array(role)) = self.tell(0, &redis::cmd("ROLE"))? else { return Ok(()) };
        let [Value::BulkString(role), rest @ ..] = &role[..] else { return Ok(()) };
        if role != b"sentinel" {
            return Ok(());
        }
        let mut masters = Vec::new();
        for name in rest.iter().cloned().flat_map(reply::items) {
            let Some(name) = reply::bytes(&name).map(<[u8]>::to_vec) else { continue };
            let mut question = redis::cmd("SENTINEL");
            question.arg("GET-MASTER-ADDR-BY-NAME").arg(&name);
            let address = self.tell(0, &question)?.map(reply::items).unwrap_or_default();
            if let [host, port] = &address[..]
                && let (Some(host), Some(port)) = (reply::text(host), reply::text(port))
            {
                masters.push(format!(
                    "{} is at redis://{}:{}",
                    escape(&name),
                    escape(host.as_bytes()),
                    escape(port.as_bytes())
                ));
            }
        }
        let masters = if masters.is_empty() { "it names no master".into() } else { masters.join(", ") };
        let text = format!(
            "{} is a Sentinel, which holds no streams: use the address of the master that it watches over; {masters}",
            self.location
        );
        Err(Error::new(Code::Unavailable, text))
    }

    /// Runs a command on a node. The outer error is a server that is not there, the inner one its refusal.
    fn tell(&mut self, node: usize, command: &Cmd) -> Result<RedisResult<Value>> {
        let replies = self.exchange(node, &command.get_packed_command(), 1)?;
        Ok(replies.and_then(|mut replies| match replies.pop() {
            Some(Value::ServerError(error)) => Err(error.into()),
            reply => Ok(reply.unwrap_or(Value::Nil)),
        }))
    }

    /// Sends commands to a node and takes their replies. A connection that fails is not used again.
    fn exchange(&mut self, node: usize, commands: &[u8], replies: usize) -> Result<RedisResult<Vec<Value>>> {
        let answer = self.wire(node)?.ask(commands, replies);
        if answer.is_err() {
            self.nodes[node].wire = None;
        }
        Ok(answer)
    }

    fn wire(&mut self, node: usize) -> Result<&mut Wire> {
        let Node { location, wire } = &mut self.nodes[node];
        match wire {
            Some(wire) => Ok(wire),
            none => {
                let opened = Wire::open(location, self.trust.as_ref(), self.timeout);
                Ok(none.insert(opened.map_err(|error| failure::unreachable(location, &error))?))
            }
        }
    }
}
