//! Quarantine across the nodes of a cluster, where no script reaches both streams.
//!
//! An entry is copied, the copy is read back, and only then is the entry deleted: a crash between leaves it in both
//! places. The next run finds the copy by its source and ID and does not make another. Two runs at a time are kept
//! apart by a lock key in the quarantine's slot, which runs out by itself when its holder was killed. Copies are made
//! by a script that looks at the lock first, so that a run that lost its lock while it slept cannot add anything.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use papyra_core::escape::escape;

use super::page::{Pages, range};
use super::reply::{self, Entry};
use super::{Store, StreamId, keys};
use crate::error::{Code, Error, Result};

/// How many times longer than a server may take to answer a lock outlives whoever took it.
const LEASE: u32 = 2;

/// Between two looks at a lock that another holds.
const PAUSE: Duration = Duration::from_millis(100);

/// Adds ARGV[3..] to the stream KEYS[2] as long as KEYS[1] still holds our token, and holds on to it.
const ADD: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('XADD', KEYS[2], '*', unpack(ARGV, 3))
";

/// Holds on to a lock that is still ours.
const HOLD: &str =
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

/// Lets go of a lock that is still ours.
const UNLOCK: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// A stream's way into its quarantine.
pub(super) struct CrossSlot {
    source: String,
    quarantine: String,
    lock: String,
    token: String,
    lease_ms: u64,
    /// When we last held on to the lock.
    held: Instant,
    /// What the quarantine has of the stream already.
    kept: HashMap<StreamId, StreamId>,
}

impl CrossSlot {
    /// Takes the lock, and learns what an earlier run has copied. A lock whose holder is gone is waited for.
    pub(super) fn begin(store: &Store, source: &str, quarantine: &str) -> Result<CrossSlot> {
        let lease_ms = u64::try_from((store.settings.timeout * LEASE).as_millis()).unwrap_or(u64::MAX);
        let mut moving = CrossSlot {
            source: source.into(),
            quarantine: quarantine.into(),
            lock: lock_key(quarantine),
            token: token(),
            lease_ms: lease_ms.clamp(1, 1_000_000_000),
            held: Instant::now(),
            kept: HashMap::new(),
        };
        moving.take_lock(store)?;
        let mut pages = Pages::all(store, quarantine)?;
        loop {
            let entries = pages.next()?;
            if entries.is_empty() {
                break;
            }
            moving.hold(store)?;
            for entry in entries {
                let field = |name: &str| {
                    let field = entry.fields.iter().find(|(other, _)| other == name.as_bytes());
                    field.and_then(|(_, value)| std::str::from_utf8(value).ok())
                };
                if field("source") == Some(source)
                    && let Some(Ok(id)) = field("id").map(str::parse)
                {
                    moving.kept.insert(id, entry.id);
                }
            }
        }
        // Who may not delete must fail here, before anything is copied.
        let mut command = redis::cmd("XDEL");
        command.arg(source).arg("0-0");
        store.ask(source, "removing bad entries of", &command)?;
        Ok(moving)
    }

    fn take_lock(&mut self, store: &Store) -> Result<()> {
        let begun = Instant::now();
        let mut take = redis::cmd("SET");
        take.arg(&self.lock).arg(&self.token).arg("NX").arg("PX").arg(self.lease_ms);
        loop {
            self.held = Instant::now();
            if store.ask(&self.lock, "taking the lock", &take)? != redis::Value::Nil {
                return Ok(());
            }
            // Whoever was killed is out of the way by then.
            if begun.elapsed() > store.settings.timeout * LEASE + PAUSE {
                return Err(self.taken(store)?);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Says who holds the lock, and for how long.
    fn taken(&self, store: &Store) -> Result<Error> {
        let ask = |name: &str| store.ask(&self.lock, "reading the lock", redis::cmd(name).arg(&self.lock));
        let (holder, left) = (ask("GET")?, reply::integer(&ask("PTTL")?).unwrap_or(-1));
        let holder = reply::bytes(&holder).map_or("another papyra".into(), escape);
        let left = match u64::try_from(left) {
            Ok(left) => format!("its lock ends in {} s unless it holds on to it", left.div_ceil(1_000)),
            Err(_) => "its lock has no end, remove it if nobody is at work".into(),
        };
        let (quarantine, lock) = (escape(self.quarantine.as_bytes()), escape(self.lock.as_bytes()));
        let text = format!("{holder} is at work on {quarantine}: try again when it is done; {left} ({lock})");
        Ok(Error::new(Code::TryAgain, text))
    }

    /// Holds on to the lock for as long as there is something to do.
    pub(super) fn hold(&mut self, store: &Store) -> Result<()> {
        if self.held.elapsed() < Duration::from_millis(self.lease_ms / 4) {
            return Ok(());
        }
        let now = Instant::now();
        let mut command = redis::cmd("EVAL");
        command.arg(HOLD).arg(1).arg(&self.lock).arg(&self.token).arg(self.lease_ms);
        let reply = store.ask(&self.lock, "holding on to the lock", &command)?;
        self.held = now;
        if reply::integer(&reply) == Some(1) { Ok(()) } else { Err(self.lost()) }
    }

    fn lost(&self) -> Error {
        let quarantine = escape(self.quarantine.as_bytes());
        let text = format!("the lock on {quarantine} was lost: try again; nothing was removed that is not kept");
        Error::new(Code::TryAgain, text)
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
        command.arg(ADD).arg(2).arg(&self.lock).arg(&self.quarantine).arg(&self.token).arg(self.lease_ms);
        wanted.iter().for_each(|(name, value)| _ = command.arg(&name[..]).arg(&value[..]));
        let reply = store.ask(&self.quarantine, "copying bad entries to", &command)?;
        let Some(copy) = reply::id(&reply) else { return Err(self.lost()) };
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
        let entries = store.entries(&self.quarantine, &range(&self.quarantine, copy, copy, 1))?;
        let timeless = |fields: &[(Vec<u8>, Vec<u8>)]| -> Vec<(Vec<u8>, Vec<u8>)> {
            fields.iter().filter(|(name, _)| name != b"timestamp").cloned().collect()
        };
        Ok(entries.first().is_some_and(|entry| timeless(&entry.fields) == timeless(wanted)))
    }
}

/// Seconds since 1970, as Papyra stamps what it quarantines.
pub(super) fn now() -> String {
    format!("{:.6}", jiff::Timestamp::now().as_microsecond() as f64 / 1e6)
}

/// The fields of an entry's copy in the quarantine, the same as the script of [`recover`](super::recover) writes:
/// Papyra's three and the ID, then what else the entry held; a name that is taken is marked.
fn copy_of(key: &str, entry: &Entry) -> Vec<(Vec<u8>, Vec<u8>)> {
    let at = entry.fields.iter().rposition(|(name, _)| name == papyra_core::entry::DATA);
    let data = at.map(|at| entry.fields[at].1.clone()).unwrap_or_default();
    let own =
        [("source", key.into()), ("data", data), ("timestamp", now().into()), ("id", entry.id.to_string().into())];
    let mut copy: Vec<(Vec<u8>, Vec<u8>)> = own.into_iter().map(|(name, value)| (name.into(), value)).collect();
    for (i, (name, value)) in entry.fields.iter().enumerate() {
        let taken = matches!(&name[..], b"source" | b"data" | b"timestamp" | b"id");
        if at != Some(i) {
            copy.push((if taken { [b"original:", &name[..]].concat() } else { name.clone() }, value.clone()));
        }
    }
    copy
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

/// Nobody else's, and says whose.
fn token() -> String {
    let uname = rustix::system::uname();
    let (host, process) = (escape(uname.nodename().to_bytes()), std::process::id());
    format!("papyra on {host}, process {process}, since {}", jiff::Timestamp::now())
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
