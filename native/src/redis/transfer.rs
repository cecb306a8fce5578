//! Streams as a whole, for backups: taken from a server at one moment, and put in place on one.
//!
//! What the payloads hold is the business of core; which of them belong together that of [`crate::backup`].

use papyra_core::redis::Entries;
use redis::{Cmd, Value};

use super::keys::{slot, tag};
use super::reply::{self, count, field, id, items};
use super::{Store, StreamId, is_no_such_key};
use crate::error::{Code, Error, Result};

/// What a server says of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    /// Its version; that of Redis which it is like, for servers that are not Redis.
    pub(crate) version: String,
    /// Its run ID.
    pub(crate) run_id: String,
}

/// A stream as DUMP gives it.
pub(crate) struct Dumped {
    /// The payload.
    pub(crate) payload: Vec<u8>,
    /// When the key will expire, in milliseconds since 1970.
    pub(crate) expire_ms: Option<i64>,
}

/// What XINFO says of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Entries.
    pub(crate) length: u64,
    /// The greatest ID ever added.
    pub(crate) last_id: StreamId,
    /// Consumer groups.
    pub(crate) groups: u64,
}

impl Store {
    /// A field of INFO.
    pub(crate) fn info(&self, section: &str, name: &str) -> Result<Option<String>> {
        let doing = "asking about the server";
        let reply = self.ask_first(doing, redis::cmd("INFO").arg(section))?;
        let text = reply::text(&reply).ok_or_else(|| self.no_answer(doing, &reply))?;
        let value = |line: &str| line.trim_end().strip_prefix(name)?.strip_prefix(':').map(str::to_owned);
        Ok(text.lines().find_map(value))
    }

    /// Version and run ID.
    pub(crate) fn about(&self) -> Result<About> {
        let version = match self.info("server", "valkey_version")? {
            Some(version) => format!("valkey {version}"),
            None => self.info("server", "redis_version")?.unwrap_or_default(),
        };
        Ok(About { version, run_id: self.info("server", "run_id")?.unwrap_or_default() })
    }

    /// Runs a command that is about no key on the server that was named.
    pub(crate) fn ask_first(&self, doing: &str, command: &Cmd) -> Result<Value> {
        match self.link.borrow_mut().attempt_first(command)? {
            Ok(value) => Ok(value),
            Err(error) => Err(self.refused(doing, &error)),
        }
    }

    /// The keys, those together that one transaction can reach: all of them, but in a cluster those of one slot.
    pub(crate) fn together(&self, keys: Vec<String>) -> Vec<Vec<String>> {
        if !self.is_cluster() {
            return vec![keys];
        }
        let mut groups: Vec<Vec<String>> = Vec::new();
        for key in keys {
            match groups.iter_mut().find(|group| slot(group[0].as_bytes()) == slot(key.as_bytes())) {
                Some(group) => group.push(key),
                None => groups.push(vec![key]),
            }
        }
        groups
    }

    /// A name beside `key`, in a cluster on the same slot.
    pub(crate) fn beside(&self, key: &str, what: &str) -> String {
        if self.is_cluster() && tag(key.as_bytes()).is_none() {
            return format!("{{{key}}}:{what}");
        }
        format!("{key}:{what}")
    }

    /// What a stream takes up in the server's memory, in bytes; `None` when it is not there or nobody may ask.
    pub(crate) fn memory(&self, key: &str) -> Result<Option<u64>> {
        let mut command = redis::cmd("MEMORY");
        command.arg("USAGE").arg(key);
        Ok(self.attempt(key, &command)?.ok().as_ref().and_then(count))
    }

    /// The largest argument that the server of a key takes, in bytes; `None` when nobody may ask.
    pub(crate) fn largest_argument(&self, key: &str) -> Result<Option<u64>> {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg("proto-max-bulk-len");
        Ok(self.attempt(key, &command)?.ok().and_then(|reply| items(reply).get(1).and_then(count)))
    }

    /// The payloads of keys at one moment; `None` where there is no such key.
    pub(crate) fn dump(&self, keys: &[String]) -> Result<Vec<Option<Dumped>>> {
        let Some(first) = keys.first() else { return Ok(Vec::new()) };
        let mut commands = Vec::new();
        for key in keys {
            commands.push(redis::cmd("DUMP").arg(key).clone());
            commands.push(redis::cmd("PTTL").arg(key).clone());
        }
        commands.push(redis::cmd("TIME"));
        let what = format!("copying {} by DUMP", keys.join(", "));
        // Nothing is watched, so that nothing can come between.
        let replies = self.link.borrow_mut().transact(first, &commands)?;
        let mut replies = match replies {
            Err(error) if matches!(error.code(), Some("ASK" | "MOVED")) && keys.len() == 1 => {
                // A key on its way to another node, which takes no transaction on it yet: DUMP alone is one moment.
                let each = commands.iter().map(|command| match self.attempt_large(first, command)? {
                    Ok(value) => Ok(value),
                    Err(error) => Err(self.refused(&what, &error)),
                });
                each.collect::<Result<Vec<Value>>>()?
            }
            Err(error) => return Err(self.refused(&what, &error)),
            Ok(replies) => replies.unwrap_or_default(),
        };
        let time = items(replies.pop().unwrap_or(Value::Nil));
        let part = |at: usize| time.get(at).and_then(reply::integer).unwrap_or(0);
        let now = part(0) * 1_000 + part(1) / 1_000;
        if replies.len() != 2 * keys.len() {
            return Err(Error::new(
                Code::Io,
                format!("{what} failed: the reply has not as many parts as were asked for"),
            ));
        }
        let mut dumped = Vec::new();
        let mut replies = replies.into_iter();
        while let (Some(payload), Some(left)) = (replies.next(), replies.next()) {
            let expire_ms = reply::integer(&left).filter(|left| *left >= 0).map(|left| now + left);
            dumped.push(match payload {
                Value::BulkString(payload) => Some(Dumped { payload, expire_ms }),
                Value::Nil => None,
                other => return Err(self.no_answer(&what, &other)),
            });
        }
        Ok(dumped)
    }

    /// Runs commands in one transaction on the server that has `key`. `None`: a watched key changed, and nothing ran.
    pub(crate) fn transact(&self, key: &str, what: &str, commands: &[Cmd]) -> Result<Option<Vec<Value>>> {
        self.link.borrow_mut().transact(key, commands)?.map_err(|error| self.refused(what, &error))
    }

    /// Runs a command, and waits longer than usual for its reply.
    pub(crate) fn attempt_large(&self, key: &str, command: &Cmd) -> Result<redis::RedisResult<Value>> {
        self.link.borrow_mut().attempt_large(key, command)
    }

    /// Runs commands on one key in one go; none of them may be refused.
    pub(crate) fn pipeline(&self, key: &str, doing: &str, commands: &[Cmd]) -> Result<Vec<Value>> {
        self.ask_all(key, doing, commands)
    }

    /// Runs a command on a key; its refusal is an error.
    pub(crate) fn demand(&self, key: &str, doing: &str, command: &Cmd) -> Result<Value> {
        self.ask(key, doing, command)
    }

    /// The same, where a refusal is of interest.
    pub(crate) fn try_command(&self, key: &str, command: &Cmd) -> Result<redis::RedisResult<Value>> {
        self.attempt(key, command)
    }

    /// What a refusal means.
    pub(crate) fn refusal(&self, what: &str, error: &redis::RedisError) -> Error {
        self.refused(what, error)
    }

    /// Whether there is anything at `key`, of whatever type.
    pub(crate) fn is_taken(&self, key: &str) -> Result<bool> {
        let reply = self.ask(key, "asking about", redis::cmd("EXISTS").arg(key))?;
        let there = count(&reply).ok_or_else(|| self.no_answer(&format!("asking about {key}"), &reply))?;
        Ok(there > 0)
    }

    /// What XINFO says of a stream; `None` when it is not there.
    pub(crate) fn extent(&self, key: &str) -> Result<Option<Extent>> {
        let mut command = redis::cmd("XINFO");
        command.arg("STREAM").arg(key);
        let info = match self.attempt(key, &command)? {
            Ok(info) => items(info),
            Err(error) if is_no_such_key(&error) => return Ok(None),
            Err(error) => return Err(self.refused(&format!("asking about {key}"), &error)),
        };
        if field(&info, "length").is_none() {
            return Err(self.no_answer(&format!("asking about {key}"), &Value::Array(info)));
        }
        let number = |name: &str| field(&info, name).and_then(count).unwrap_or(0);
        let last_id = field(&info, "last-generated-id").and_then(id).unwrap_or_default();
        Ok(Some(Extent { length: number("length"), last_id, groups: number("groups") }))
    }

    /// SHA-256 over a stream's entries, as a manifest has it.
    pub(crate) fn entries_sha256(&self, key: &str) -> Result<String> {
        let (mut entries, mut pages) = (Entries::default(), super::page::Pages::all(self, key)?);
        loop {
            let page = pages.next()?;
            if page.is_empty() {
                return Ok(entries.finish());
            }
            page.iter().for_each(|entry| entries.add(entry.id, &entry.as_read().fields));
        }
    }
}
