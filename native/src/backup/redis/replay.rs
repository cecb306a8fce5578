//! A stream written anew, command by command, for a server that refuses its payload: as a server rewrites its own
//! append-only file (redis `aof.c`, `rewriteStreamObject`).
//!
//! Commands cannot say all that a payload does. What is lost is counted.

use papyra_core::redis::{Entries, Entry, Flow, Group, Key, StreamFacts, StreamId, Visitor};
use redis::{Cmd, RedisError};
use serde::Serialize;

use super::piece::Piece;
use super::stage::WAITS;
use crate::error::{Code, Error, Result};
use crate::redis::Store;
use crate::redis::reply::items;

/// Commands sent in one go, and their size.
const BATCH: usize = 1_000;
const BATCH_BYTES: usize = 1 << 20;

/// What commands could not bring back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Losses {
    /// Pending entries whose message is gone or that nobody held: no command makes such.
    pub pending: u64,
    /// Consumers whose idle time begins anew.
    pub idle_times: u64,
    /// Consumers without pending entries, on a server that has no command to make them.
    pub consumers: u64,
    /// Counts of entries added and read that the server has no place for, and cannot tell from the entries.
    pub counters: u64,
    /// Producers whose recent entries were remembered.
    pub producers: u64,
}

impl Losses {
    /// In a sentence; `None` when nothing was lost.
    pub fn sentence(&self) -> Option<String> {
        let all = [
            (self.pending, "pending entry whose message is gone", "pending entries whose message is gone"),
            (self.consumers, "consumer that has nothing pending", "consumers that have nothing pending"),
            (self.idle_times, "consumer's idle time", "consumers' idle times"),
            (self.counters, "count of entries added or read", "counts of entries added or read"),
            (self.producers, "remembered producer", "remembered producers"),
        ];
        let some = all.into_iter().filter(|(count, ..)| *count > 0);
        let some: Vec<String> =
            some.map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many })).collect();
        (!some.is_empty()).then(|| some.join(", "))
    }
}

/// Writes the stream to `name`; its entries must be those of `entries_sha256`.
pub(super) fn replay(store: &Store, name: &str, piece: &Piece, entries_sha256: &str) -> Result<Losses> {
    let mut writer = Writer {
        store,
        name,
        batch: Vec::new(),
        bytes: 0,
        entries: Entries::default(),
        losses: Losses::default(),
        ended: false,
        failed: None,
    };
    writer.begin()?;
    piece.read(&mut writer)?;
    if let Some(error) = writer.failed {
        return Err(error);
    }
    if !writer.ended || writer.entries.finish() != entries_sha256 {
        return Err(Error::new(
            Code::Data,
            format!("{name} is not what the backup's manifest says: it was not restored"),
        ));
    }
    Ok(writer.losses)
}

struct Writer<'a> {
    store: &'a Store,
    name: &'a str,
    batch: Vec<Cmd>,
    bytes: usize,
    entries: Entries,
    losses: Losses,
    ended: bool,
    failed: Option<Error>,
}

impl Writer<'_> {
    /// A stream without entries, which goes by itself if nobody comes back for it.
    fn begin(&self) -> Result<()> {
        self.demand(self.xgroup("CREATE", b"papyra").arg("0-0").arg("MKSTREAM"))?;
        self.demand(&self.xgroup("DESTROY", b"papyra"))?;
        self.demand(&self.wait())
    }

    fn wait(&self) -> Cmd {
        redis::cmd("PEXPIRE").arg(self.name).arg(WAITS).clone()
    }

    fn xgroup(&self, what: &str, group: &[u8]) -> Cmd {
        redis::cmd("XGROUP").arg(what).arg(self.name).arg(group).clone()
    }

    fn demand(&self, command: &Cmd) -> Result<()> {
        self.store.demand(self.name, "writing to", command).map(drop)
    }

    /// `false`: the server does not know the command in this form.
    fn knows(&self, command: &Cmd) -> Result<bool> {
        match self.store.try_command(self.name, command)? {
            Ok(_) => Ok(true),
            Err(error) if is_unknown(&error) => Ok(false),
            Err(error) => Err(self.store.refusal(&format!("writing to {}", self.name), &error)),
        }
    }

    fn send(&mut self) -> Result<()> {
        self.bytes = 0;
        let mut batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        batch.push(self.wait());
        self.store.pipeline(self.name, "writing to", &batch).map(drop)
    }

    fn add(&mut self, entry: &Entry<'_>) -> Result<()> {
        self.entries.add(entry.id, &entry.fields);
        let mut command = redis::cmd("XADD");
        command.arg(self.name).arg(entry.id.to_string());
        for (name, value) in entry.fields.clone() {
            self.bytes += name.as_bytes().len() + value.as_bytes().len();
            command.arg(name.as_bytes()).arg(value.as_bytes());
        }
        self.batch.push(command);
        if self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES { self.send() } else { Ok(()) }
    }

    fn make(&mut self, group: &Group) -> Result<()> {
        self.send()?;
        let mut create = self.xgroup("CREATE", &group.name);
        create.arg(group.last_delivered.to_string());
        match group.entries_read.filter(|read| *read >= 0) {
            Some(read) => {
                if !self.knows(create.clone().arg("ENTRIESREAD").arg(read))? {
                    self.losses.counters += 1;
                    self.demand(&create)?;
                }
            }
            None => self.demand(&create)?,
        }
        for consumer in &group.consumers {
            // Without the command, entries that are claimed for a consumer make it.
            self.knows(self.xgroup("CREATECONSUMER", &group.name).arg(&consumer.name))?;
        }
        let mut claimed = 0;
        let mut claims = Vec::new();
        for pending in &group.pending {
            let holder = pending.consumer.and_then(|at| group.consumers.get(at as usize));
            // One that was given back has no holder, and no command can make it wait again.
            let Some(holder) = holder else { continue };
            let mut command = redis::cmd("XCLAIM");
            command.arg(self.name).arg(&group.name).arg(&holder.name).arg(0).arg(pending.id.to_string());
            command.arg("TIME").arg(pending.delivery_time).arg("RETRYCOUNT").arg(pending.delivery_count);
            claims.push(command.arg("FORCE").arg("JUSTID").clone());
            if claims.len() == BATCH {
                claimed += self.claim(&mut claims)?;
            }
        }
        claimed += self.claim(&mut claims)?;
        self.losses.pending += group.pending_count.saturating_sub(claimed);
        let made = self.consumers(&group.name)?;
        self.losses.idle_times += made;
        self.losses.consumers += group.consumer_count.saturating_sub(made);
        Ok(())
    }

    /// How many consumers a group has now.
    fn consumers(&self, group: &[u8]) -> Result<u64> {
        let mut command = redis::cmd("XINFO");
        command.arg("CONSUMERS").arg(self.name).arg(group);
        Ok(items(self.store.demand(self.name, "asking for the consumers of", &command)?).len() as u64)
    }

    /// Returns how many are pending now.
    fn claim(&self, claims: &mut Vec<Cmd>) -> Result<u64> {
        if claims.is_empty() {
            return Ok(0);
        }
        let replies = self.store.pipeline(self.name, "writing pending entries of", claims)?;
        claims.clear();
        Ok(replies.into_iter().map(|reply| items(reply).len() as u64).sum())
    }

    fn end(&mut self, facts: &StreamFacts) -> Result<()> {
        self.send()?;
        self.losses.producers += facts.producers;
        let mut set = redis::cmd("XSETID");
        set.arg(self.name).arg(facts.last_id.to_string());
        let mut whole = set.clone();
        whole.arg("ENTRIESADDED").arg(facts.entries_added);
        if facts.max_deleted_id > StreamId::MIN {
            whole.arg("MAXDELETEDID").arg(facts.max_deleted_id.to_string());
        }
        if !self.knows(&whole)? {
            // Where nothing was ever deleted, the count is the number of entries.
            self.losses.counters += u64::from(facts.entries_added != facts.length);
            self.demand(&set)?;
        }
        self.ended = true;
        Ok(())
    }

    fn done(&mut self, result: Result<()>) -> Flow {
        match result {
            Ok(()) => Flow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                Flow::Break(())
            }
        }
    }
}

impl Visitor for Writer<'_> {
    fn entry(&mut self, _key: &Key<'_>, entry: &Entry<'_>) -> Flow {
        let added = self.add(entry);
        self.done(added)
    }

    fn group(&mut self, _key: &Key<'_>, group: Group) -> Flow {
        let made = self.make(&group);
        self.done(made)
    }

    fn stream(&mut self, _key: &Key<'_>, facts: &StreamFacts) -> Flow {
        let ended = self.end(facts);
        self.done(ended)
    }
}

/// A server before 7.0 or 6.2 that has not learned it yet.
fn is_unknown(error: &RedisError) -> bool {
    let detail = error.detail().unwrap_or_default();
    ["syntax error", "wrong number of arguments", "nknown subcommand", "nknown XGROUP subcommand"]
        .iter()
        .any(|words| detail.contains(words))
}
