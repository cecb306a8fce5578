//! A stream written anew, command by command, for a server that refuses its payload: as a server rewrites its own
//! append-only file (redis `aof.c`, `rewriteStreamObject`), but groups first.
//!
//! A server lets nothing wait for a message that is not there, and a pending entry outlives its message. So each group
//! is made while placeholders stand where its messages were; they are trimmed away, which leaves no trace in the
//! stream's counts, before the first real entry is added. The value is read twice for that.
//!
//! Commands cannot say all that a payload does. What is lost is counted.

use papyra_core::redis::{Entries, Entry, Flow, Group, Key, NOBODY, Pending, StreamFacts, StreamId, Visitor};
use redis::{Cmd, RedisError, Value};

use super::WAITS;
use super::losses::Losses;
use super::outgoing::Outgoing;
use crate::error::{Code, Error, Result};
use crate::redis::Store;
use crate::redis::reply::items;

/// Commands sent in one go, and their size.
const BATCH: usize = 1_000;
const BATCH_BYTES: usize = 1 << 20;

/// Writes the stream to `name`; its entries must be those of `entries_sha256`. `groups`: it has some.
pub(super) fn replay(
    store: &Store,
    name: &str,
    piece: &Outgoing<'_>,
    groups: bool,
    entries_sha256: &str,
) -> Result<Losses> {
    let server = Server { store, name };
    server.begin()?;
    let mut maker = Groups { server, losses: Losses::default(), made: Vec::new(), failed: None };
    if groups {
        piece.read(&mut maker)?;
        maker.failed.take().map_or(Ok(()), Err)?;
    }
    let Groups { losses, made, .. } = maker;
    let mut writer = Writer {
        server,
        batch: Vec::new(),
        bytes: 0,
        entries: Entries::default(),
        losses,
        made,
        ended: false,
        failed: None,
    };
    piece.read(&mut writer)?;
    writer.failed.take().map_or(Ok(()), Err)?;
    if !writer.ended || writer.entries.finish() != entries_sha256 {
        return Err(Error::new(
            Code::Data,
            format!("{name} is not what the backup's manifest says: it was not restored"),
        ));
    }
    Ok(writer.losses)
}

/// The key that is written to.
#[derive(Clone, Copy)]
struct Server<'a> {
    store: &'a Store,
    name: &'a str,
}

impl Server<'_> {
    /// A stream without entries, which goes by itself if nobody comes back for it.
    fn begin(self) -> Result<()> {
        self.demand(self.xgroup("CREATE", b"papyra").arg("0-0").arg("MKSTREAM"))?;
        self.demand(&self.xgroup("DESTROY", b"papyra"))?;
        self.demand(&self.wait())
    }

    fn wait(self) -> Cmd {
        redis::cmd("PEXPIRE").arg(self.name).arg(WAITS).clone()
    }

    fn xgroup(self, what: &str, group: &[u8]) -> Cmd {
        redis::cmd("XGROUP").arg(what).arg(self.name).arg(group).clone()
    }

    fn demand(self, command: &Cmd) -> Result<()> {
        self.store.demand(self.name, "writing to", command).map(drop)
    }

    /// `false`: the server does not know the command in this form.
    fn knows(self, command: &Cmd) -> Result<bool> {
        match self.store.try_command(self.name, command)? {
            Ok(_) => Ok(true),
            Err(error) if is_unknown(&error) => Ok(false),
            Err(error) => Err(self.store.refusal(&format!("writing to {}", self.name), &error)),
        }
    }

    /// Sends commands in one go.
    fn send(self, mut batch: Vec<Cmd>) -> Result<Vec<Value>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        batch.push(self.wait());
        let mut replies = self.store.pipeline(self.name, "writing to", &batch)?;
        replies.pop();
        Ok(replies)
    }

    /// How many consumers a group has now.
    fn consumers(self, group: &[u8]) -> Result<u64> {
        let mut command = redis::cmd("XINFO");
        command.arg("CONSUMERS").arg(self.name).arg(group);
        Ok(items(self.store.demand(self.name, "asking for the consumers of", &command)?).len() as u64)
    }
}

/// Makes the groups of a stream that has no entries yet.
struct Groups<'a> {
    server: Server<'a>,
    losses: Losses,
    /// Their names, and how far each is.
    made: Vec<(Vec<u8>, StreamId, Option<i64>)>,
    failed: Option<Error>,
}

impl Groups<'_> {
    fn make(&mut self, group: Group) -> Result<()> {
        let server = self.server;
        server.demand(server.xgroup("CREATE", &group.name).arg(group.last_delivered.to_string()))?;
        for consumer in &group.consumers {
            // Without the command, entries that are claimed for a consumer make it.
            server.knows(server.xgroup("CREATECONSUMER", &group.name).arg(&consumer.name))?;
        }
        let (mut claimed, mut released) = (0, 0);
        let mut can_release = true;
        for pending in group.pending.chunks(BATCH) {
            let mut place = redis::cmd("XADD");
            place.arg(server.name);
            let places =
                pending.iter().map(|pending| place.clone().arg(pending.id.to_string()).arg("x").arg("").clone());
            server.send(places.collect())?;
            let held = |pending: &&Pending| pending.consumer.is_some();
            let claims = pending.iter().filter(held).map(|pending| self.claim(&group, pending)).collect();
            claimed += count(server.send(claims)?);
            for pending in pending.iter().filter(|pending| !held(pending)) {
                if can_release {
                    can_release = server.knows(&self.release(&group, pending))?;
                }
                if can_release {
                    claimed += 1;
                } else {
                    let taken = count(server.send(vec![self.claim(&group, pending)])?);
                    (claimed, released) = (claimed + taken, released + taken);
                }
            }
            server.demand(redis::cmd("XTRIM").arg(server.name).arg("MAXLEN").arg(0))?;
        }
        if !group.pending.is_empty() {
            server.demand(redis::cmd("XSETID").arg(server.name).arg("0-0"))?;
        }
        let losses = &mut self.losses;
        losses.pending += group.pending_count.saturating_sub(claimed);
        losses.released += released;
        let made = server.consumers(&group.name)?.saturating_sub(u64::from(released > 0));
        losses.idle_times += made;
        losses.consumers += group.consumer_count.saturating_sub(made);
        self.made.push((group.name, group.last_delivered, group.entries_read.filter(|read| *read >= 0)));
        Ok(())
    }

    fn claim(&self, group: &Group, pending: &Pending) -> Cmd {
        let holder = pending.consumer.and_then(|at| group.consumers.get(at as usize));
        let holder = holder.map_or(NOBODY.as_bytes(), |holder| &holder.name);
        let mut command = redis::cmd("XCLAIM");
        command.arg(self.server.name).arg(&group.name).arg(holder).arg(0).arg(pending.id.to_string());
        command.arg("TIME").arg(pending.delivery_time).arg("RETRYCOUNT").arg(pending.delivery_count);
        command.arg("FORCE").arg("JUSTID").clone()
    }

    /// As a server says it in its own append-only file.
    fn release(&self, group: &Group, pending: &Pending) -> Cmd {
        let mut command = redis::cmd("XNACK");
        command.arg(self.server.name).arg(&group.name).arg("FAIL").arg("IDS").arg(1).arg(pending.id.to_string());
        command.arg("RETRYCOUNT").arg(pending.delivery_count).arg("FORCE").clone()
    }
}

/// How many entries were claimed.
fn count(replies: Vec<Value>) -> u64 {
    replies.into_iter().map(|reply| items(reply).len() as u64).sum()
}

impl Visitor for Groups<'_> {
    fn group(&mut self, _key: &Key<'_>, group: Group) -> Flow {
        let made = self.make(group);
        done(&mut self.failed, made)
    }
}

/// Writes the entries, and then the stream's own numbers.
struct Writer<'a> {
    server: Server<'a>,
    batch: Vec<Cmd>,
    bytes: usize,
    entries: Entries,
    losses: Losses,
    made: Vec<(Vec<u8>, StreamId, Option<i64>)>,
    ended: bool,
    failed: Option<Error>,
}

impl Writer<'_> {
    fn add(&mut self, entry: &Entry<'_>) -> Result<()> {
        self.entries.add(entry.id, &entry.fields);
        let mut command = redis::cmd("XADD");
        command.arg(self.server.name).arg(entry.id.to_string());
        for (name, value) in entry.fields.clone() {
            self.bytes += name.as_bytes().len() + value.as_bytes().len();
            command.arg(name.as_bytes()).arg(value.as_bytes());
        }
        self.batch.push(command);
        if self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<()> {
        self.bytes = 0;
        self.server.send(std::mem::take(&mut self.batch)).map(drop)
    }

    fn end(&mut self, facts: &StreamFacts) -> Result<()> {
        self.send()?;
        let server = self.server;
        self.losses.producers += facts.producers;
        let mut set = redis::cmd("XSETID");
        set.arg(server.name).arg(facts.last_id.to_string());
        let mut whole = set.clone();
        whole.arg("ENTRIESADDED").arg(facts.entries_added);
        if facts.max_deleted_id > StreamId::MIN {
            whole.arg("MAXDELETEDID").arg(facts.max_deleted_id.to_string());
        }
        if !server.knows(&whole)? {
            // Where nothing was ever deleted, the count is the number of entries.
            self.losses.counters += u64::from(facts.entries_added != facts.length);
            server.demand(&set)?;
        }
        // A group that has read more than was ever added is no group to a server: the stream's count comes first.
        for (name, last_delivered, read) in &self.made {
            let Some(read) = read else { continue };
            let mut set = server.xgroup("SETID", name);
            set.arg(last_delivered.to_string()).arg("ENTRIESREAD").arg(read);
            self.losses.counters += u64::from(!server.knows(&set)?);
        }
        if let Some(settings) = facts.idempotency {
            let mut set = redis::cmd("XCFGSET");
            set.arg(server.name).arg("IDMP-DURATION").arg(settings.duration_s);
            self.losses.idempotency += u64::from(!server.knows(set.arg("IDMP-MAXSIZE").arg(settings.max_ids))?);
        }
        self.ended = true;
        Ok(())
    }
}

impl Visitor for Writer<'_> {
    fn entry(&mut self, _key: &Key<'_>, entry: &Entry<'_>) -> Flow {
        let added = self.add(entry);
        done(&mut self.failed, added)
    }

    fn stream(&mut self, _key: &Key<'_>, facts: &StreamFacts) -> Flow {
        let ended = self.end(facts);
        done(&mut self.failed, ended)
    }
}

fn done(failed: &mut Option<Error>, result: Result<()>) -> Flow {
    match result {
        Ok(()) => Flow::Continue(()),
        Err(error) => {
            *failed = Some(error);
            Flow::Break(())
        }
    }
}

/// A server before 7.0 or 6.2 that has not learned it yet.
fn is_unknown(error: &RedisError) -> bool {
    let detail = error.detail().unwrap_or_default();
    ["syntax error", "wrong number of arguments", "nknown subcommand", "nknown XGROUP subcommand", "nknown command"]
        .iter()
        .any(|words| detail.contains(words))
}
