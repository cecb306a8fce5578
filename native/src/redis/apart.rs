//! Quarantine across the nodes of a cluster, where no script reaches both streams.
//!
//! An entry is copied, the copy is read back, and only then is the entry deleted: a crash between leaves it in both
//! places. The next run finds the copy by its source and ID and does not make another. Two runs at a time are kept
//! apart by a lock key in the quarantine's slot; copies are made by a script that looks at the lock first, so that a run
//! that lost its lock while it slept cannot add anything.

use std::collections::HashMap;

use papyra_core::escape::escape;

use super::page::{Pages, range};
use super::recover::copy_of;
use super::reply::{self, Entry};
use super::{Store, StreamId, keys};
use crate::error::{Code, Error, Result};

/// How long a lock outlives whoever took it, in milliseconds.
const LEASE_MS: u64 = 10_000;

/// Adds ARGV[3..] to the stream KEYS[2] as long as KEYS[1] still holds our token, and holds on to it.
const ADD: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('XADD', KEYS[2], '*', unpack(ARGV, 3))
";

/// Lets go of a lock that is still ours.
const UNLOCK: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// A stream's way into its quarantine.
pub(super) struct Apart {
    source: String,
    quarantine: String,
    lock: String,
    token: String,
    /// What the quarantine has of the stream already.
    kept: HashMap<StreamId, StreamId>,
}

impl Apart {
    /// Takes the lock, and learns what an earlier run has copied.
    pub(super) fn begin(store: &Store, source: &str, quarantine: &str) -> Result<Apart> {
        let lock = lock_key(quarantine);
        let token = token();
        let mut command = redis::cmd("SET");
        command.arg(&lock).arg(&token).arg("NX").arg("PX").arg(LEASE_MS);
        if store.ask(&lock, "taking the lock", &command)? == redis::Value::Nil {
            let mut command = redis::cmd("PTTL");
            command.arg(&lock);
            let left = reply::integer(&store.ask(&lock, "looking at the lock", &command)?).unwrap_or(0).max(0);
            let text = format!(
                "another papyra is at work on {}, or was killed there: try again in {} seconds",
                escape(quarantine.as_bytes()),
                left / 1_000 + 1
            );
            return Err(Error::new(Code::TryAgain, text));
        }
        let mut kept = HashMap::new();
        let mut pages = Pages::all(store, quarantine)?;
        loop {
            let entries = pages.next()?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                let field = |name: &str| {
                    let field = entry.fields.iter().find(|(other, _)| other == name.as_bytes());
                    field.and_then(|(_, value)| std::str::from_utf8(value).ok())
                };
                if field("source") == Some(source)
                    && let Some(Ok(id)) = field("id").map(str::parse)
                {
                    kept.insert(id, entry.id);
                }
            }
        }
        // Who may not delete must fail here, before anything is copied.
        let mut command = redis::cmd("XDEL");
        command.arg(source).arg("0-0");
        store.ask(source, "removing bad entries of", &command)?;
        Ok(Apart { source: source.into(), quarantine: quarantine.into(), lock, token, kept })
    }

    /// Sees to it that the quarantine has the entry, once.
    pub(super) fn secure(&mut self, store: &Store, entry: &Entry) -> Result<()> {
        let wanted = copy_of(&self.source, entry);
        if let Some(copy) = self.kept.get(&entry.id)
            && self.is_copy(store, *copy, &wanted)?
        {
            return Ok(());
        }
        let mut command = redis::cmd("EVAL");
        command.arg(ADD).arg(2).arg(&self.lock).arg(&self.quarantine).arg(&self.token).arg(LEASE_MS);
        wanted.iter().for_each(|(name, value)| _ = command.arg(&name[..]).arg(&value[..]));
        let reply = store.ask(&self.quarantine, "copying bad entries to", &command)?;
        let Some(copy) = reply::id(&reply) else {
            let text = format!(
                "the lock on {} was lost: try again; nothing was removed that is not kept",
                escape(self.quarantine.as_bytes())
            );
            return Err(Error::new(Code::TryAgain, text));
        };
        if !self.is_copy(store, copy, &wanted)? {
            let text = format!(
                "the copy of {} in {} cannot be read back: the entry stays where it is",
                entry.id,
                escape(self.quarantine.as_bytes())
            );
            return Err(Error::new(Code::Io, text));
        }
        self.kept.insert(entry.id, copy);
        Ok(())
    }

    /// Lets go of the lock.
    pub(super) fn finish(self, store: &Store) -> Result<()> {
        let mut command = redis::cmd("EVAL");
        command.arg(UNLOCK).arg(1).arg(&self.lock).arg(&self.token);
        store.ask(&self.lock, "letting go of the lock", &command).map(|_| ())
    }

    /// Whether the entry `copy` of the quarantine is what is wanted, the time of copying aside.
    fn is_copy(&self, store: &Store, copy: StreamId, wanted: &[(Vec<u8>, Vec<u8>)]) -> Result<bool> {
        let reply = store.ask(&self.quarantine, "reading", &range(&self.quarantine, copy, copy, 1))?;
        let timeless = |fields: &[(Vec<u8>, Vec<u8>)]| -> Vec<(Vec<u8>, Vec<u8>)> {
            fields.iter().filter(|(name, _)| name != b"timestamp").cloned().collect()
        };
        Ok(reply::entries(reply).first().is_some_and(|entry| timeless(&entry.fields) == timeless(wanted)))
    }
}

/// A key in the slot of `quarantine`, always the same.
fn lock_key(quarantine: &str) -> String {
    let slot = keys::slot(quarantine.as_bytes());
    match keys::tag(quarantine.as_bytes()) {
        Some(_) => format!("{quarantine}:lock"),
        None if !quarantine.contains('}') => format!("{{{quarantine}}}:lock"),
        // It cannot stand between braces: look for a name that happens to lie there.
        None => {
            let mut names = (0_u32..).map(|number| format!("papyra-lock:{number}"));
            names.find(|name| keys::slot(name.as_bytes()) == slot).unwrap_or_default()
        }
    }
}

/// Nobody else's.
fn token() -> String {
    format!("{}.{}", std::process::id(), jiff::Timestamp::now().as_nanosecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_lies_where_the_quarantine_does() {
        for quarantine in ["papyra:s:quarantine:papyra_s_events", "{papyra:s}:q", "a{}b:q"] {
            assert_eq!(keys::slot(lock_key(quarantine).as_bytes()), keys::slot(quarantine.as_bytes()), "{quarantine}");
        }
    }
}
