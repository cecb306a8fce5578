//! Papyra's streams on a live Redis or Valkey: scanning, recovery, compaction, and the consumer groups on them.
//!
//! What lives here is the talking to a server. Whether an entry is a record is `papyra-core`'s decision
//! ([`papyra_core::entry`]), the same as for a log's lines; what is printed is the command line's. RDB, DUMP and AOF
//! files are no part of this: they are read without a server.
//!
//! - `location` is the address and its redaction, `link` the way to one server or to the nodes of a cluster,
//!   `wire` a connection.
//! - [`scan`] reads streams whole, in pages, and looks through the groups' pending entries.
//! - [`recover`] removes bad entries: into a local rejects file (repair), or into Papyra's quarantine stream by one
//!   script a batch (quarantine). In a cluster, where the two streams lie on different nodes, `cross_slot` copies under
//!   a lock instead.
//! - `transfer` takes streams as a whole and puts them in place, `replica` takes the server's RDB file; both for
//!   backups.
//! - [`groups`], [`pending`], [`ensure`] and `splice` look after consumer groups; [`compact`] trims; [`checklist`]
//!   looks at what a server does for its data.
//!
//! Nothing is ever sent twice on the chance that it was lost: after a broken connection the streams are read anew.

mod cross_slot;
mod failure;
mod keys;
mod link;
mod location;
mod page;
mod rejects;
mod replica;
pub(crate) mod reply;
mod rights;
mod splice;
mod transfer;
mod wanted;
mod wire;

pub mod checklist;
pub mod compact;
pub mod ensure;
pub mod groups;
pub mod pending;
pub mod recover;
pub mod scan;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use papyra_core::escape::escape;
use papyra_core::redis::Scope;
use redis::{Cmd, RedisError, Value};

pub use keys::Naming;
pub use location::{Location, Tls};
pub use papyra_core::redis::{PapyraKey, StreamId, StreamKind};
pub use reply::Entry;
pub use rights::Role;
pub(crate) use transfer::About;

use crate::error::{Code, Error, Result};
use crate::setting::Setting;
use link::Link;

/// Which systems to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Systems {
    /// These.
    Named(Vec<String>),
    /// All that have a stream under the prefix.
    All,
}

/// How to find a system's streams.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The server.
    pub location: Location,
    /// Files for TLS.
    pub tls: Tls,
    /// What Papyra's keys begin with.
    pub prefix: String,
    /// Which systems.
    pub systems: Systems,
    /// What the quarantine streams' keys begin with, when that is not Papyra's default.
    pub quarantine_prefix: Option<String>,
    /// Read this many of the newest entries of each stream only.
    pub sample: Option<u64>,
    /// A consumer that was not seen for longer earns a note.
    pub max_idle: Duration,
    /// How long to wait for a connection, for each reply, and for each 64 KiB of one.
    pub timeout: Duration,
    /// What it is for, which says what its user has to be allowed.
    pub role: Role,
}

impl ServerSettings {
    /// The database number.
    pub fn db(&self) -> u64 {
        u64::try_from(self.location.info.redis_settings().db()).unwrap_or(0)
    }

    /// The streams that are meant, in words and without a password.
    pub fn called(&self) -> String {
        let systems = match &self.systems {
            Systems::Named(systems) => systems.join(","),
            Systems::All => "*".into(),
        };
        format!("{}:{systems} at {}", self.prefix, self.location)
    }
}

/// A server, and the systems on it that are to be read.
pub struct Store {
    /// What it was opened with.
    pub settings: ServerSettings,
    /// The systems' names, in order.
    pub systems: Vec<String>,
    link: RefCell<Link>,
}

impl Store {
    /// Connects, and finds the systems.
    pub fn open(mut settings: ServerSettings) -> Result<Store> {
        settings.location = settings.location.needing(settings.role, &settings.prefix);
        let link = Link::open(settings.location.clone(), &settings.tls, settings.timeout)?;
        let mut store = Store { settings, systems: Vec::new(), link: RefCell::new(link) };
        store.systems = match &store.settings.systems {
            Systems::Named(systems) => systems.clone(),
            Systems::All => store.find_systems()?,
        };
        Ok(store)
    }

    /// The streams that the systems have or would have, in the order of reports.
    pub fn streams(&self) -> Vec<PapyraKey> {
        let of = |system_id: &String| {
            let (prefix, system_id) = (self.settings.prefix.clone(), system_id.clone());
            StreamKind::ALL.map(|kind| PapyraKey { prefix: prefix.clone(), system_id: system_id.clone(), kind })
        };
        self.systems.iter().flat_map(of).collect()
    }

    /// The streams that are there, and the keys of those that are not. No stream at all of a system is an error: what
    /// was not read must not pass for healthy.
    pub fn present(&self) -> Result<(Vec<PapyraKey>, Vec<PapyraKey>)> {
        let (mut present, mut absent) = (Vec::new(), Vec::new());
        for stream in self.streams() {
            if self.is_there(&stream.key())? { present.push(stream) } else { absent.push(stream) }
        }
        for system in &self.systems {
            if !present.iter().any(|stream| stream.system_id == *system) {
                let text = format!(
                    "no streams of system {} at {}: none of {}:{}:events, audits and dead_letters exists; check the \
                     prefix, the system and the database number",
                    escape(system.as_bytes()),
                    self.settings.location,
                    escape(self.settings.prefix.as_bytes()),
                    escape(system.as_bytes())
                );
                return Err(Error::new(Code::NoInput, text).decided_by(&[Setting::Prefix, Setting::System]));
            }
        }
        Ok((present, absent))
    }

    /// Whether there is nothing yet: no stream of any of the systems.
    pub fn is_empty(&self) -> Result<bool> {
        for stream in self.streams() {
            if self.is_there(&stream.key())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the server is part of a cluster.
    pub fn is_cluster(&self) -> bool {
        self.link.borrow().is_cluster()
    }

    fn is_there(&self, key: &str) -> Result<bool> {
        let mut command = redis::cmd("XINFO");
        command.arg("STREAM").arg(key);
        match self.attempt(key, &command)? {
            Ok(info) => match &info {
                Value::Array(pairs) if reply::field(pairs, "length").is_some() => Ok(true),
                _ => Err(self.no_answer(&format!("asking about {key}"), &info)),
            },
            Err(error) if is_no_such_key(&error) => Ok(false),
            Err(error) => Err(self.refused(&format!("asking about {key}"), &error)),
        }
    }

    /// How many entries there are to read, if the server says so.
    pub fn length(&self) -> Option<u64> {
        let sampled = |length: u64| self.settings.sample.map_or(length, |sample| sample.min(length));
        self.streams().iter().map(|stream| self.length_of(&stream.key()).ok().map(sampled)).sum()
    }

    fn length_of(&self, key: &str) -> Result<u64> {
        let mut command = redis::cmd("XLEN");
        command.arg(key);
        let reply = self.ask(key, "counting the entries of", &command)?;
        reply::count(&reply).ok_or_else(|| self.no_answer(&format!("counting the entries of {key}"), &reply))
    }

    fn last_entry(&self, key: &str) -> Result<Option<Entry>> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(key).arg("+").arg("-").arg("COUNT").arg(1);
        Ok(self.entries(key, &command)?.pop())
    }

    /// Runs a command on the server that has `key`.
    fn ask(&self, key: &str, doing: &str, command: &Cmd) -> Result<Value> {
        self.link.borrow_mut().ask(key, &format!("{doing} {key}"), command)
    }

    /// Runs a command that a list answers.
    fn list(&self, key: &str, doing: &str, command: &Cmd) -> Result<Vec<Value>> {
        match self.ask(key, doing, command)? {
            Value::Array(items) => Ok(items),
            other => Err(self.no_answer(&format!("{doing} {key}"), &other)),
        }
    }

    /// Runs a command that entries answer.
    fn entries(&self, key: &str, command: &Cmd) -> Result<Vec<Entry>> {
        let reply = self.ask(key, "reading", command)?;
        self.as_entries(key, reply)
    }

    /// The entries of a reply.
    fn as_entries(&self, key: &str, reply: Value) -> Result<Vec<Entry>> {
        let what = self.no_answer(&format!("reading {key}"), &reply);
        reply::entries(reply).ok_or(what)
    }

    /// A reply is not an answer to what was asked: nothing follows from it.
    fn no_answer(&self, what: &str, reply: &Value) -> Error {
        failure::no_answer(&self.settings.location, what, reply)
    }

    /// Runs several reading commands in one go.
    fn ask_all(&self, key: &str, doing: &str, commands: &[Cmd]) -> Result<Vec<Value>> {
        self.link.borrow_mut().ask_all(key, &format!("{doing} {key}"), commands)
    }

    /// Runs a command whose refusal is of interest.
    fn attempt(&self, key: &str, command: &Cmd) -> Result<std::result::Result<Value, RedisError>> {
        self.link.borrow_mut().attempt(key, command)
    }

    fn refused(&self, what: &str, error: &RedisError) -> Error {
        failure::refused(&self.settings.location, what, error)
    }

    /// The systems that have a stream under the prefix.
    fn find_systems(&self) -> Result<Vec<String>> {
        let prefix = &self.settings.prefix;
        let pattern = format!("{}:*", keys::literally(prefix));
        let scan = |cursor: &[u8]| {
            let mut command = redis::cmd("SCAN");
            command.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1_000);
            command
        };
        let scope = Scope { prefix: Some(prefix.clone()), system_id: None };
        let mut systems = BTreeSet::new();
        // A stream that a cluster moves meanwhile is passed by if it leaves a server that is still to be asked for one
        // that was: the servers are asked until nothing is new.
        for round in 0.. {
            let known = systems.len();
            let mut wrong = None;
            self.link.borrow_mut().ask_each("looking for systems", |reply| {
                let Some(reply) = reply else { return Some(scan(b"0")) };
                let parts = match &reply {
                    Value::Array(parts) => match &parts[..] {
                        [cursor, Value::Array(keys)] => reply::bytes(cursor).map(|cursor| (cursor, keys)),
                        _ => None,
                    },
                    _ => None,
                };
                let Some((cursor, keys)) = parts.filter(|(cursor, _)| !cursor.is_empty()) else {
                    wrong = Some(reply);
                    return None;
                };
                systems.extend(keys.iter().filter_map(reply::bytes).filter_map(|key| Some(scope.find(key)?.system_id)));
                (cursor != b"0").then(|| scan(cursor))
            })?;
            if let Some(reply) = wrong {
                return Err(self.no_answer("looking for systems", &reply));
            }
            if !self.is_cluster() || round > 0 && systems.len() == known {
                break;
            }
        }
        if systems.is_empty() {
            let text = format!(
                "no system has a stream under the prefix {} at {}: check the prefix and the database number",
                escape(prefix.as_bytes()),
                self.settings.location
            );
            return Err(Error::new(Code::NoInput, text).decided_by(&[Setting::Prefix]));
        }
        Ok(systems.into_iter().collect())
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("location", &self.settings.location).field("systems", &self.systems).finish()
    }
}

fn is_no_such_key(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.contains("no such key"))
}
