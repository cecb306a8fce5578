//! The state of streams and groups after a backup was replayed: computed, without a server.
//!
//! [`Replay`] is a visitor: a base goes through it first, then the incremental files. It follows what servers write to an append-only
//! file: explicit IDs, exact trims, XCLAIM for every delivery. Commands on keys of other types matter only where they
//! replace a stream. A transaction takes effect with its EXEC.
//!
//! Memory is that of the live entries' IDs and of whatever the caller keeps of each entry, not that of the file.

use std::collections::BTreeMap;

use super::command::{Touch, is_opaque, overwrites, touches};
use super::finding::{Finding, Reason};
use super::group::{Group, quoted};
use super::id::{StreamId, decimal};
use super::node::{Entry, Fields};
use super::rdb::{Limits, RdbReader};
use super::resp::Command;
use super::state::{GroupState, PendingState, StreamState, Trim};
use super::stream::StreamFacts;
use super::visit::{Flow, Key, Visitor};

/// Why a command has no effect. The server answers it with an error and goes on; in a whole file that does not happen.
type Refusal = &'static str;

/// Streams by database and key, and what is needed to follow the commands that change them.
pub struct Replay<P, F> {
    keep: F,
    db: u64,
    streams: BTreeMap<(u64, Vec<u8>), StreamState<P>>,
    open: Option<StreamState<P>>,
    /// The commands of a transaction that was begun, with their offsets.
    queued: Option<Vec<(u64, Vec<Vec<u8>>)>>,
    /// The file that is being read, counted by [`Replay::next_file`].
    file: u32,
    /// Findings and the file that each is in, the first [`Replay::MOST_FINDINGS`] of them.
    pub findings: Vec<(u32, Finding)>,
    /// Commands that were refused or could not be followed.
    pub refused: u64,
}

impl<P: Clone, F: FnMut(u32, &Entry<'_>) -> P> Replay<P, F> {
    /// Findings that are kept.
    pub const MOST_FINDINGS: usize = 1_000;

    /// An empty state; `keep` says what to keep of an entry, given the number of its file and the entry.
    pub fn new(keep: F) -> Self {
        Self {
            keep,
            db: 0,
            streams: BTreeMap::new(),
            open: None,
            queued: None,
            file: 0,
            findings: Vec::new(),
            refused: 0,
        }
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
        let result = match self.run(command) {
            Ok(()) => return,
            Err(refusal) => refusal,
        };
        self.refused += 1;
        if self.findings.len() < Self::MOST_FINDINGS {
            let name = String::from_utf8_lossy(&command.name()).into_owned();
            let text = format!("{name}: {result}");
            let mut finding = Finding::new(Reason::RefusedCommand, command.offset, text).of_length(command.length);
            if let Touch::Keys(keys) = touches(command)
                && let Some(key) = keys.first()
            {
                finding = finding.at_key(self.db, key);
            }
            self.findings.push((self.file, finding));
        }
    }

    fn run(&mut self, command: &Command<'_>) -> Result<(), Refusal> {
        let args = command.args;
        let arg = |at: usize| args.get(at).copied().ok_or("too few arguments");
        match command.name().as_slice() {
            b"SELECT" => self.db = decimal(arg(1)?).ok_or("the database is no number")?,
            b"XADD" => self.add(command)?,
            b"XDEL" => {
                let ids = ids(args.get(2..).unwrap_or_default())?;
                let stream = self.stream(arg(1)?)?;
                ids.into_iter().for_each(|id| stream.delete(id));
            }
            b"XDELEX" => self.delete_with_references(args)?,
            b"XACKDEL" => self.acknowledge_and_delete(args)?,
            b"XTRIM" => {
                let how = trim(&mut args.get(2..).unwrap_or_default())?.ok_or("no strategy")?;
                self.stream(arg(1)?)?.trim(how);
            }
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
                }
            }
            b"RENAME" | b"RENAMENX" => {
                let moved = self.streams.remove(&(self.db, arg(1)?.to_vec()));
                self.put(self.db, arg(2)?, moved);
            }
            b"COPY" => self.copy(args)?,
            b"MOVE" => {
                let to = decimal(arg(2)?).ok_or("the database is no number")?;
                if let Some(moved) = self.streams.remove(&(self.db, arg(1)?.to_vec())) {
                    self.put(to, arg(1)?, Some(moved));
                }
            }
            b"SWAPDB" => {
                let (a, b) = (decimal(arg(1)?), decimal(arg(2)?));
                let (a, b) = a.zip(b).ok_or("the database is no number")?;
                let swapped = |db| {
                    if db == a {
                        b
                    } else if db == b {
                        a
                    } else {
                        db
                    }
                };
                let all = std::mem::take(&mut self.streams);
                self.streams = all.into_iter().map(|((db, key), stream)| ((swapped(db), key), stream)).collect();
            }
            b"FLUSHALL" => self.streams.clear(),
            b"FLUSHDB" => {
                let db = self.db;
                self.streams.retain(|(own, _), _| *own != db);
            }
            b"EXPIRE" | b"EXPIREAT" | b"PEXPIRE" => return Err("an expiry that depends on the clock"),
            b"PEXPIREAT" => {
                let at = std::str::from_utf8(arg(2)?).ok().and_then(|text| text.parse().ok()).ok_or("no time")?;
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
            _ if is_opaque(command) => return Err("what a script does cannot be told from its bytes"),
            _ => {
                for key in overwrites(command) {
                    self.streams.remove(&(self.db, key.to_vec()));
                }
            }
        }
        Ok(())
    }

    fn stream(&mut self, key: &[u8]) -> Result<&mut StreamState<P>, Refusal> {
        self.streams.get_mut(&(self.db, key.to_vec())).ok_or("there is no such stream")
    }

    fn put(&mut self, db: u64, key: &[u8], stream: Option<StreamState<P>>) {
        match stream {
            Some(stream) => self.streams.insert((db, key.to_vec()), stream),
            // What was moved is of another type; it replaces whatever was there.
            None => self.streams.remove(&(db, key.to_vec())),
        };
    }

    fn add(&mut self, command: &Command<'_>) -> Result<(), Refusal> {
        let mut rest = command.args.get(2..).ok_or("too few arguments")?;
        let key = command.args[1];
        let mut only_if_there = false;
        let how = loop {
            match rest.first() {
                Some(word) if word.eq_ignore_ascii_case(b"NOMKSTREAM") => only_if_there = true,
                Some(word) if is_reference_policy(word) => {}
                _ => break trim(&mut rest)?,
            }
            rest = &rest[1..];
        };
        while rest.first().is_some_and(|word| is_reference_policy(word)) {
            rest = &rest[1..];
        }
        let (id, fields) = rest.split_first().ok_or("no ID")?;
        let id = StreamId::parse(id, 0).ok_or("the ID is not explicit")?;
        if fields.is_empty() || fields.len() % 2 != 0 {
            return Err("a field has no value");
        }
        let place = (self.db, key.to_vec());
        if let Some(stream) = self.streams.get(&place) {
            if id <= stream.last_id {
                return Err("the ID is not greater than the stream's last");
            }
        } else if only_if_there {
            return Err("there is no such stream");
        } else if id == StreamId::MIN {
            return Err("the ID is 0-0");
        }
        let offset = command.offset;
        let kept = (self.keep)(self.file, &Entry { id, fields: Fields::of_arguments(fields), offset });
        let stream = self.streams.entry(place).or_insert_with(|| StreamState::new(offset));
        stream.entries.insert(id, kept);
        stream.last_id = id;
        stream.entries_added = stream.entries_added.saturating_add(1);
        if let Some(how) = how {
            stream.trim(how);
        }
        Ok(())
    }

    fn set_id(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let [_, key, id, options @ ..] = args else { return Err("too few arguments") };
        let id = StreamId::parse(id, 0).ok_or("no ID")?;
        let (mut added, mut deleted) = (None, None);
        for pair in options.chunks(2) {
            match pair {
                [name, n] if name.eq_ignore_ascii_case(b"ENTRIESADDED") => added = Some(decimal(n).ok_or("no number")?),
                [name, id] if name.eq_ignore_ascii_case(b"MAXDELETEDID") => {
                    deleted = Some(StreamId::parse(id, 0).ok_or("no ID")?);
                }
                _ => return Err("an option is not known"),
            }
        }
        let stream = self.stream(key)?;
        if stream.entries.last_key_value().is_some_and(|(last, _)| *last > id) || deleted.is_some_and(|d| d > id) {
            return Err("the ID is smaller than an entry's");
        }
        stream.last_id = id;
        stream.entries_added = added.unwrap_or(stream.entries_added);
        if let Some(deleted) = deleted.filter(|&id| id != StreamId::MIN) {
            stream.max_deleted_id = deleted;
        }
        Ok(())
    }

    fn group_command(&mut self, command: &Command<'_>) -> Result<(), Refusal> {
        let [_, verb, key, name, rest @ ..] = command.args else { return Err("too few arguments") };
        let verb = verb.to_ascii_uppercase();
        let word = |option: &str| rest.iter().position(|word| word.eq_ignore_ascii_case(option.as_bytes()));
        let entries_read = match word("ENTRIESREAD").map(|at| rest.get(at + 1)) {
            Some(Some(n)) => std::str::from_utf8(n).ok().and_then(|n| n.parse().ok()).ok_or("no number")?,
            Some(None) => return Err("an option has no value"),
            None => -1,
        };
        if verb == b"CREATE" && word("MKSTREAM").is_some() {
            let offset = command.offset;
            self.streams.entry((self.db, key.to_vec())).or_insert_with(|| StreamState::new(offset));
        }
        let stream = self.stream(key)?;
        let last = stream.last_id;
        let position = || match rest.first() {
            Some(&b"$") => Ok(last),
            Some(id) => StreamId::parse(id, 0).ok_or("no ID"),
            None => Err("too few arguments"),
        };
        match verb.as_slice() {
            b"CREATE" => {
                let new = GroupState { last_delivered: position()?, entries_read, ..GroupState::default() };
                if stream.groups.contains_key(*name) {
                    return Err("the group is there already");
                }
                stream.groups.insert(name.to_vec(), new);
            }
            b"SETID" => {
                let group = group(stream, name)?;
                (group.last_delivered, group.entries_read) = (position()?, entries_read);
            }
            b"DESTROY" => drop(stream.groups.remove(*name)),
            b"CREATECONSUMER" => drop(group(stream, name)?.consumer(rest.first().ok_or("too few arguments")?)),
            b"DELCONSUMER" => group(stream, name)?.delete_consumer(rest.first().ok_or("too few arguments")?),
            _ => return Err("the subcommand is not known"),
        }
        Ok(())
    }

    fn claim(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let [_, key, name, consumer, _min_idle, rest @ ..] = args else { return Err("too few arguments") };
        let count = rest.iter().position(|word| StreamId::parse(word, 0).is_none()).unwrap_or(rest.len());
        let ids = ids(&rest[..count])?;
        let (mut time, mut retries, mut force, mut just_id, mut last) = (None, None, false, false, None);
        let mut options = rest[count..].iter();
        while let Some(option) = options.next() {
            let mut value = || options.next().copied().ok_or("an option has no value");
            match option.to_ascii_uppercase().as_slice() {
                b"FORCE" => force = true,
                b"JUSTID" => just_id = true,
                b"TIME" => time = Some(decimal(value()?).and_then(|n| i64::try_from(n).ok()).ok_or("no time")?),
                b"RETRYCOUNT" => retries = Some(decimal(value()?).ok_or("no number")?),
                b"LASTID" => last = Some(StreamId::parse(value()?, 0).ok_or("no ID")?),
                b"IDLE" => return Err("an idle time depends on the clock"),
                _ => return Err("an option is not known"),
            }
        }
        let StreamState { entries, groups, .. } = self.stream(key)?;
        let group = groups.get_mut(*name).ok_or("there is no such group")?;
        if let Some(last) = last {
            group.last_delivered = group.last_delivered.max(last);
        }
        for id in ids {
            if !entries.contains_key(&id) {
                group.pending.remove(&id);
                continue;
            }
            let before = group.pending.get(&id).map(|pending| pending.delivery_count);
            if before.is_none() && !force {
                continue;
            }
            let counted = before.unwrap_or(1);
            let delivery_count = retries.unwrap_or(if just_id { counted } else { counted + 1 });
            let consumer = group.consumer(consumer);
            let delivery_time = time.ok_or("no delivery time")?;
            group.pending.insert(id, PendingState { consumer, delivery_time, delivery_count });
        }
        Ok(())
    }

    fn copy(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let [_, from, to, options @ ..] = args else { return Err("too few arguments") };
        let db = match options.iter().position(|word| word.eq_ignore_ascii_case(b"DB")).map(|at| options.get(at + 1)) {
            Some(db) => db.and_then(|db| decimal(db)).ok_or("the database is no number")?,
            None => self.db,
        };
        let copied = self.streams.get(&(self.db, from.to_vec())).cloned();
        self.put(db, to, copied);
        Ok(())
    }

    fn restore(&mut self, command: &Command<'_>) -> Result<(), Refusal> {
        let [_, key, ttl, payload, options @ ..] = command.args else { return Err("too few arguments") };
        self.streams.remove(&(self.db, key.to_vec()));
        let outer = self.open.take();
        let db = self.db;
        let mut reader = RdbReader::dump(key, Limits::default()).in_db(db);
        let _ = reader.push(payload, self);
        let result = reader.finish(self);
        self.open = outer;
        result.map_err(|_| "the payload cannot be read")?;
        let ttl = decimal(ttl).and_then(|ttl| i64::try_from(ttl).ok()).ok_or("no time")?;
        let absolute = options.iter().any(|word| word.eq_ignore_ascii_case(b"ABSTTL"));
        if let Some(stream) = self.streams.get_mut(&(db, key.to_vec())) {
            stream.offset = command.offset;
            stream.expire_ms = (ttl > 0 && absolute).then_some(ttl);
        }
        Ok(())
    }

    /// `XDELEX key [KEEPREF|DELREF|ACKED] IDS n id…` (Redis 8.2).
    fn delete_with_references(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let (policy, ids) = policy_and_ids(args.get(2..).unwrap_or_default())?;
        let stream = self.stream(args.get(1).ok_or("too few arguments")?)?;
        for id in ids {
            drop_by_policy(stream, id, policy);
        }
        Ok(())
    }

    /// `XACKDEL key group [KEEPREF|DELREF|ACKED] IDS n id…` (Redis 8.2).
    fn acknowledge_and_delete(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let (policy, ids) = policy_and_ids(args.get(3..).unwrap_or_default())?;
        let stream = self.stream(args.get(1).ok_or("too few arguments")?)?;
        for id in ids {
            if group(stream, args[2])?.pending.remove(&id).is_some() {
                drop_by_policy(stream, id, policy);
            }
        }
        Ok(())
    }
}

/// What becomes of pending entries when their entry is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    Keep,
    Delete,
    OnlyAcknowledged,
}

fn is_reference_policy(word: &[u8]) -> bool {
    [&b"KEEPREF"[..], b"DELREF", b"ACKED"].iter().any(|policy| word.eq_ignore_ascii_case(policy))
}

fn policy_and_ids(args: &[&[u8]]) -> Result<(Policy, Vec<StreamId>), Refusal> {
    let (mut policy, mut rest) = (Policy::Keep, args);
    while let [word, tail @ ..] = rest {
        match word.to_ascii_uppercase().as_slice() {
            b"KEEPREF" => policy = Policy::Keep,
            b"DELREF" => policy = Policy::Delete,
            b"ACKED" => policy = Policy::OnlyAcknowledged,
            b"IDS" => return Ok((policy, ids(tail.get(1..).unwrap_or_default())?)),
            _ => return Err("an option is not known"),
        }
        rest = tail;
    }
    Err("no IDs")
}

fn drop_by_policy<P>(stream: &mut StreamState<P>, id: StreamId, policy: Policy) {
    let held = stream.groups.values().any(|group| group.pending.contains_key(&id) || group.last_delivered < id);
    if policy == Policy::OnlyAcknowledged && held {
        return;
    }
    stream.delete(id);
    if policy == Policy::Delete {
        stream.groups.values_mut().for_each(|group| drop(group.pending.remove(&id)));
    }
}

fn group<'a, P>(stream: &'a mut StreamState<P>, name: &[u8]) -> Result<&'a mut GroupState, Refusal> {
    stream.groups.get_mut(name).ok_or("there is no such group")
}

fn ids(args: &[&[u8]]) -> Result<Vec<StreamId>, Refusal> {
    args.iter().map(|id| StreamId::parse(id, 0).ok_or("no ID")).collect()
}

/// Reads `MAXLEN|MINID [=|~] threshold [LIMIT n]` off the front, if it is there. A server writes exact thresholds only.
fn trim(rest: &mut &[&[u8]]) -> Result<Option<Trim>, Refusal> {
    let is_word = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let by_id = match rest.first() {
        Some(word) if is_word(word, "MAXLEN") => false,
        Some(word) if is_word(word, "MINID") => true,
        _ => return Ok(None),
    };
    let mut at = 1;
    match rest.get(at) {
        Some(&b"=") => at += 1,
        Some(&b"~") => return Err("an approximate trim: how much went cannot be told"),
        _ => {}
    }
    let threshold = rest.get(at).ok_or("no threshold")?;
    let how = if by_id {
        Trim::MinId(StreamId::parse(threshold, 0).ok_or("no threshold")?)
    } else {
        Trim::MaxLen(decimal(threshold).ok_or("no threshold")?)
    };
    at += 1;
    if rest.get(at).is_some_and(|word| is_word(word, "LIMIT")) {
        at += 2;
    }
    *rest = rest.get(at..).unwrap_or_default();
    Ok(Some(how))
}

impl<P: Clone, F: FnMut(u32, &Entry<'_>) -> P> Visitor for Replay<P, F> {
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
            let finding = Finding::new(Reason::RefusedCommand, key.offset, text).at_key(key.db, key.name);
            self.findings.push((self.file, finding));
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

    fn finding(&mut self, finding: Finding) -> Flow {
        if self.findings.len() < Self::MOST_FINDINGS {
            self.findings.push((self.file, finding));
        }
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
