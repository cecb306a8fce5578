//! The state of streams and groups after a backup was replayed: computed, without a server.
//!
//! [`Replay`] is a visitor: a base goes through it first, then the incremental files. It follows what servers write to
//! an append-only file: explicit IDs, exact trims, XCLAIM for every delivery. Commands on keys of other types matter
//! only where they replace a stream. A transaction takes effect with its EXEC.
//!
//! Memory is that of the live entries' IDs and of whatever the caller keeps of each entry, not that of the file.

use std::collections::{BTreeMap, BTreeSet};

use super::arguments::{Refusal, UNKNOWN_OPTION, flushes, group, ids, integer, natural};
use super::command::{Touch, is_known_name, is_opaque, overwrites, touches};
use super::resp::Command;
use super::server::Server;
use super::state::{GroupState, StreamState};
use super::untold::Untold;
use crate::redis::finding::{BackupFinding, BackupReason, MOST_FINDINGS};
use crate::redis::rdb::node::Entry;
use crate::redis::stream::group::{Group, quoted};
use crate::redis::stream::numbers::StreamFacts;
use crate::redis::visit::{Flow, Key, Visitor};

/// Streams by database and key, and what is needed to follow the commands that change them.
pub struct Replay<P, F> {
    pub(in crate::redis) keep: F,
    pub(in crate::redis) db: u64,
    pub(in crate::redis) streams: BTreeMap<(u64, Vec<u8>), StreamState<P>>,
    pub(in crate::redis) open: Option<StreamState<P>>,
    /// The commands of a transaction that was begun, with their offsets.
    pub(in crate::redis) queued: Option<Vec<(u64, Vec<Vec<u8>>)>>,
    /// Keys that a stream command named in vain: whatever would be moved from there is lost. In a whole file there are
    /// none.
    pub(in crate::redis) absent: BTreeSet<(u64, Vec<u8>)>,
    /// Commands before are lost: a key that is not a stream may have been one.
    pub(in crate::redis) lossy: bool,
    /// What the server did otherwise than others, as far as is known.
    pub(in crate::redis) server: Server,
    by_old_server: bool,
    /// What is not certain.
    pub untold: Untold,
    /// The file that is being read, counted by [`Replay::next_file`].
    pub(in crate::redis) file: u32,
    /// Findings and the file that each is in, the first `MOST_FINDINGS` of them.
    pub findings: Vec<(u32, BackupFinding)>,
    /// How many there are.
    pub found: u64,
}

impl<P: Clone, F: FnMut(u32, &Entry<'_>) -> P> Replay<P, F> {
    /// An empty state; `keep` says what to keep of an entry, given the number of its file and the entry.
    pub fn new(keep: F) -> Self {
        Self {
            keep,
            db: 0,
            streams: BTreeMap::new(),
            open: None,
            queued: None,
            absent: BTreeSet::new(),
            lossy: false,
            server: Server::default(),
            by_old_server: false,
            untold: Untold::default(),
            file: 0,
            findings: Vec::new(),
            found: 0,
        }
    }

    /// A server before Redis 7.0 has written what comes, unless a dump at its front names another one.
    ///
    /// Without a dump at the front nothing in an append-only file names its server. A file of a folder is then read as
    /// Redis 7.0 and Valkey read it: a group has read as many entries as ENTRIESREAD says.
    pub fn by_old_server(&mut self, is_old: bool) {
        self.by_old_server = is_old;
        self.server = Server { claims_gone: is_old, ..Server::default() };
    }

    /// The streams, by database and key.
    pub fn streams(&self) -> &BTreeMap<(u64, Vec<u8>), StreamState<P>> {
        &self.streams
    }

    /// Ends one file and begins the next: databases are selected anew, and a transaction without its EXEC is dropped.
    pub fn next_file(&mut self) {
        self.file += 1;
        self.db = 0;
        self.queued = None;
    }

    /// Forgets everything, as if nothing had been read.
    pub fn restart(&mut self) {
        (self.db, self.file, self.found) = (0, 0, 0);
        (self.open, self.queued) = (None, None);
        self.streams.clear();
        self.absent.clear();
        self.untold.clear();
        self.by_old_server(self.by_old_server);
        self.lossy = false;
        self.findings.clear();
    }

    /// What stands between the commands so far and those to come is lost.
    pub(in crate::redis) fn lose(&mut self) {
        self.lossy = true;
    }

    /// Tells the state as a reader of a dump would, except for the entries.
    pub fn tell<V: Visitor>(&self, visitor: &mut V) -> Flow {
        for ((db, name), stream) in &self.streams {
            let key = Key {
                db: *db,
                name,
                rdb_type: 21,
                is_stream: true,
                expire_ms: stream.expire_ms,
                offset: stream.offset,
            };
            visitor.key(&key)?;
            for (name, group) in &stream.groups {
                visitor.group(&key, group.to_group(name))?;
            }
            visitor.stream(&key, &stream.facts())?;
        }
        Flow::Continue(())
    }

    fn apply(&mut self, command: &Command<'_>) {
        let why = match self.run(command) {
            Ok(()) => return,
            Err(Refusal::Refused(why)) => why,
            Err(Refusal::Untold(_)) => {
                let (db, streams) = (self.db, &self.streams);
                let is_stream = |key: &[u8]| streams.contains_key(&(db, key.to_vec()));
                self.untold.add(self.file, db, command, is_stream);
                return;
            }
        };
        let mut finding =
            BackupFinding::new(BackupReason::RefusedCommand, command.offset, String::new()).of_length(command.length);
        if let Touch::Keys(keys) = touches(command) {
            if keys.iter().any(|key| !self.untold.is_certain(self.db, key)) {
                return;
            }
            if let Some(key) = keys.first() {
                finding = finding.at_key(self.db, key);
            }
        }
        finding.detail = format!("{}: {why}", String::from_utf8_lossy(&command.name()));
        self.note(finding);
    }

    fn note(&mut self, finding: BackupFinding) {
        self.found += 1;
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push((self.file, finding));
        }
    }

    fn run(&mut self, command: &Command<'_>) -> Result<(), Refusal> {
        let args = command.args;
        let arg = |at: usize| args.get(at).copied().ok_or("too few arguments");
        match command.name().as_slice() {
            b"SELECT" => self.db = natural(arg(1)?).ok_or("the database is not a number")?,
            b"XADD" => self.add(command)?,
            b"XDEL" => {
                let ids = ids(args.get(2..).unwrap_or_default())?;
                let stream = self.stream(arg(1)?)?;
                ids.into_iter().for_each(|id| stream.delete(id));
            }
            b"XDELEX" => self.delete_with_references(args)?,
            b"XACKDEL" => self.acknowledge_and_delete(args)?,
            b"XTRIM" => self.trim_stream(args)?,
            b"XNACK" => self.give_back(args)?,
            b"XSETID" => self.set_id(args)?,
            b"XGROUP" => self.group_command(command)?,
            b"XCLAIM" => self.claim(args)?,
            b"XACK" => {
                let ids = ids(args.get(3..).unwrap_or_default())?;
                let group = group(self.stream(arg(1)?)?, arg(2)?)?;
                ids.iter().for_each(|id| drop(group.pending.remove(id)));
            }
            b"DEL" | b"UNLINK" => {
                for key in args.get(1..).unwrap_or_default() {
                    self.streams.remove(&(self.db, key.to_vec()));
                    self.untold.settle(self.db, key);
                }
            }
            b"RENAME" | b"RENAMENX" | b"COPY" | b"MOVE" if !self.untold.is_certain(self.db, arg(1)?) => {
                return Err(Refusal::Untold("what is moved is not certain"));
            }
            b"RENAME" | b"RENAMENX" | b"COPY" if self.is_lost(arg(1)?) => return Err("there is no such stream".into()),
            b"RENAMENX" if self.is_there(self.db, arg(2)?) => return Err("the target is there already".into()),
            b"RENAME" | b"RENAMENX" => {
                let moved = self.streams.remove(&(self.db, arg(1)?.to_vec()));
                self.put(self.db, arg(2)?, moved)?;
            }
            b"COPY" => self.copy(args)?,
            b"MOVE" => {
                let to = natural(arg(2)?).ok_or("the database is not a number")?;
                if to == self.db || self.is_there(to, arg(1)?) {
                    return Err("the target is there already".into());
                }
                if let Some(moved) = self.streams.remove(&(self.db, arg(1)?.to_vec())) {
                    self.put(to, arg(1)?, Some(moved))?;
                }
            }
            b"SWAPDB" => self.swap_databases(arg(1)?, arg(2)?)?,
            b"FLUSHALL" | b"FLUSHDB" if !flushes(&args[1..]) => return Err(UNKNOWN_OPTION),
            b"FLUSHALL" => {
                self.streams.clear();
                self.untold.settle_database(None);
            }
            b"FLUSHDB" => {
                let db = self.db;
                self.streams.retain(|(own, _), _| *own != db);
                self.untold.settle_database(Some(db));
            }
            b"TRIMSLOTS" => self.trim_slots(args)?,
            b"CLUSTER" => self.flush_slot(args)?,
            b"EXPIRE" | b"EXPIREAT" | b"PEXPIRE" => {
                return Err(Refusal::Untold("an expiry that depends on the clock"));
            }
            b"PEXPIREAT" => {
                let at = integer(arg(2)?).ok_or("no time")?;
                if let Some(stream) = self.streams.get_mut(&(self.db, arg(1)?.to_vec())) {
                    stream.expire_ms = Some(at);
                }
            }
            b"PERSIST" => {
                if let Some(stream) = self.streams.get_mut(&(self.db, arg(1)?.to_vec())) {
                    stream.expire_ms = None;
                }
            }
            b"RESTORE" | b"RESTORE-ASKING" => self.restore(command)?,
            _ if is_opaque(command) => {
                return Err(Refusal::Untold("what a script does cannot be told from its bytes"));
            }
            // A module's commands are on values of its own type.
            name if !is_known_name(name) => return Err(Refusal::Untold("the command is not known")),
            _ => {
                for key in overwrites(command) {
                    let place = (self.db, key.to_vec());
                    self.streams.remove(&place);
                    self.absent.remove(&place);
                    self.untold.settle(self.db, key);
                }
            }
        }
        Ok(())
    }

    pub(in crate::redis) fn stream(&mut self, key: &[u8]) -> Result<&mut StreamState<P>, Refusal> {
        let place = (self.db, key.to_vec());
        match self.streams.get_mut(&place) {
            Some(stream) => Ok(stream),
            None => {
                self.absent.insert(place);
                Err("there is no such stream".into())
            }
        }
    }
}

impl<P: Clone, F: FnMut(u32, &Entry<'_>) -> P> Visitor for Replay<P, F> {
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.server.learn(name, value);
    }

    fn key(&mut self, key: &Key<'_>) -> Flow {
        self.open = key.is_stream.then(|| StreamState { expire_ms: key.expire_ms, ..StreamState::new(key.offset) });
        Flow::Continue(())
    }

    fn entry(&mut self, _key: &Key<'_>, entry: &Entry<'_>) -> Flow {
        if let Some(open) = &mut self.open {
            open.entries.insert(entry.id, (self.keep)(self.file, entry));
        }
        Flow::Continue(())
    }

    fn group(&mut self, key: &Key<'_>, group: Group) -> Flow {
        if !group.is_complete() {
            let text = format!("group {} is too large to be followed", quoted(&group.name));
            self.note(BackupFinding::new(BackupReason::RefusedCommand, key.offset, text).at_key(key.db, key.name));
        }
        if let Some(open) = &mut self.open {
            let (name, state) = GroupState::from_dump(group);
            open.groups.insert(name, state);
        }
        Flow::Continue(())
    }

    fn stream(&mut self, key: &Key<'_>, facts: &StreamFacts) -> Flow {
        if let Some(mut open) = self.open.take() {
            open.last_id = facts.last_id;
            open.max_deleted_id = facts.max_deleted_id;
            open.entries_added = facts.entries_added;
            self.streams.insert((key.db, key.name.to_vec()), open);
        }
        Flow::Continue(())
    }

    fn finding(&mut self, finding: BackupFinding) -> Flow {
        self.note(finding);
        Flow::Continue(())
    }

    fn command(&mut self, command: &Command<'_>) -> Flow {
        if command.is("MULTI") {
            self.queued.get_or_insert_with(Vec::new);
        } else if command.is("EXEC") {
            for (offset, args) in self.queued.take().unwrap_or_default() {
                let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
                self.apply(&Command { offset, length: 0, args: &args });
            }
        } else if let Some(queued) = &mut self.queued {
            queued.push((command.offset, command.args.iter().map(|arg| arg.to_vec()).collect()));
        } else {
            self.apply(command);
        }
        Flow::Continue(())
    }
}
