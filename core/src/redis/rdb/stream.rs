//! A stream's value in an RDB file or DUMP payload, read piece by piece.
//!
//! Layout (redis `rdb.c`, `rdbSaveObject`): nodes; length, last ID; from type 19 first ID, greatest deleted ID, entries
//! added; groups, each with its pending entries and then its consumers; from type 26 the idempotency trailer. Whether
//! the two pending lists agree is `group`'s affair, the inside of a node `node`'s.

use std::collections::BTreeSet;

use super::cursor::{Cursor, Read};
use super::lzf;
use super::node::{Entry, walk};
use super::text::{Text, length, string};
use crate::redis::error::{ErrorKind, Problem};
use crate::redis::finding::{BackupFinding, BackupReason};
use crate::redis::stream::group::{Builder, Consumer, Disagreement, Pending, quoted};
use crate::redis::stream::id::StreamId;
use crate::redis::stream::numbers::{Idempotency, StreamFacts};
use crate::redis::visit::{Flow, Key, Visitor};

/// The type codes of streams: Redis 5, 7.0, 7.2, 8.6 and 8.8.
pub const STREAM_TYPES: [u8; 5] = [15, 19, 21, 26, 27];

/// The lowest RDB version under which a stream's type is known: what the footer of a DUMP payload of it has to say at
/// least (redis and valkey `rdb.h`). `None` for what is not a stream's type.
pub fn dump_version(rdb_type: u8) -> Option<u16> {
    let at = STREAM_TYPES.iter().position(|known| *known == rdb_type)?;
    [9, 10, 11, 13, 14].get(at).copied()
}

/// Where in the value the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Start,
    Nodes { left: u64 },
    Tail,
    Group { left: u64 },
    Pending { left: u64, groups: u64 },
    Consumer { left: u64, groups: u64 },
    Held { left: u64, consumers: u64, groups: u64 },
    GivenBack { left: u64, groups: u64 },
    Trailer,
    Producer { left: u64 },
    Identified { left: u64, producers: u64 },
    TrailerEnd,
}

/// What the reader around the value lends to it.
pub(crate) struct Context<'a, V> {
    pub(crate) visitor: &'a mut V,
    pub(crate) key: Key<'a>,
    /// File offset of the cursor's start.
    pub(crate) base: u64,
    pub(crate) node_limit: u64,
    /// The server loads no stream with a group that has read more entries than were ever added.
    pub(crate) overread_is_refused: bool,
    pub(crate) scratch: &'a mut Vec<u8>,
    pub(crate) flow: Flow,
    /// The first node that did not parse: an error instead of damage if the checksum turns out to hold.
    pub(crate) broken_node: &'a mut Option<(u64, Problem)>,
}

impl<V: Visitor> Context<'_, V> {
    fn finding(&mut self, reason: BackupReason, offset: u64, id: Option<StreamId>, detail: impl Into<String>) {
        let mut finding = BackupFinding::new(reason, offset, detail).at_key(self.key.db, self.key.name);
        finding.id = id;
        self.tell(|visitor, _| visitor.finding(finding));
    }

    fn tell(&mut self, say: impl FnOnce(&mut V, &Key<'_>) -> Flow) {
        if self.flow.is_continue() {
            self.flow = say(self.visitor, &self.key);
        }
    }
}

/// Reads one stream value.
#[derive(Debug)]
pub(crate) struct StreamReader {
    rdb_type: u8,
    limit: usize,
    phase: Phase,
    facts: StreamFacts,
    master: Option<StreamId>,
    greatest: Option<StreamId>,
    damaged: bool,
    group: Builder,
    group_names: BTreeSet<Vec<u8>>,
    /// Bytes of the names of all groups and consumers.
    named: u64,
}

/// The longest names of groups and consumers that are followed, in bytes, one and all of a stream's: they are kept, and
/// a few compressed bytes may stand for many.
const LONGEST_NAME: u64 = 1 << 20;
/// See above.
const ALL_NAMES: u64 = 16 << 20;

impl StreamReader {
    /// `limit`: pending entries and consumers to keep of one group.
    pub(crate) fn new(rdb_type: u8, limit: usize) -> Self {
        Self {
            rdb_type,
            limit,
            phase: Phase::Start,
            facts: StreamFacts::default(),
            master: None,
            greatest: None,
            damaged: false,
            group: Builder::default(),
            group_names: BTreeSet::new(),
            named: 0,
        }
    }

    /// The name of a group or consumer.
    fn name(&mut self, cur: &mut Cursor<'_>) -> Read<Vec<u8>> {
        let name = string(cur, LONGEST_NAME)?.to_cow()?.into_owned();
        if self.named + name.len() as u64 > ALL_NAMES {
            let text = format!("the names of a stream's groups and consumers come to more than {ALL_NAMES} bytes");
            return Err(Problem::unknown(ErrorKind::TooLarge(self.named), text).into());
        }
        Ok(name)
    }

    /// What the reader was about to read, for the sentence about a file that ends there.
    pub(crate) fn section(&self) -> &'static str {
        match self.phase {
            Phase::Start | Phase::Nodes { .. } => "a stream's entries",
            Phase::Tail => "a stream's length and IDs",
            Phase::Group { .. } => "a consumer group",
            Phase::Pending { .. } | Phase::GivenBack { .. } => "a group's pending entries",
            Phase::Consumer { .. } => "a group's consumers",
            Phase::Held { .. } => "a consumer's pending entries",
            Phase::Trailer | Phase::Producer { .. } | Phase::Identified { .. } | Phase::TrailerEnd => {
                "a stream's producers"
            }
        }
    }

    /// Reads one unit; `true` when the value is complete. Nothing is changed when more bytes are needed.
    pub(crate) fn step<V: Visitor>(&mut self, cur: &mut Cursor<'_>, ctx: &mut Context<'_, V>) -> Read<bool> {
        let at = ctx.base + cur.pos() as u64;
        self.phase = match self.phase {
            Phase::Start => Phase::Nodes { left: length(cur)? },
            Phase::Nodes { left: 0 } => Phase::Tail,
            Phase::Nodes { left } => {
                self.node(cur, ctx, at)?;
                Phase::Nodes { left: left - 1 }
            }
            Phase::Tail => Phase::Group { left: self.tail(cur, ctx, at)? },
            Phase::Group { left: 0 } if self.rdb_type >= 26 => Phase::Trailer,
            Phase::Group { left: 0 } => return Ok(self.done(ctx)),
            Phase::Group { left } => {
                let pending = self.group_head(cur, ctx, at)?;
                Phase::Pending { left: pending, groups: left - 1 }
            }
            Phase::Pending { left: 0, groups } => {
                let consumers = length(cur)?;
                let wrong = self.group.pending_end();
                self.disagree(ctx, at, wrong);
                Phase::Consumer { left: consumers, groups }
            }
            Phase::Pending { left, groups } => {
                let id = StreamId::from_be_bytes(cur.array()?);
                let delivery_time = i64::from_le_bytes(cur.array()?);
                let pending = Pending { id, delivery_time, delivery_count: length(cur)?, consumer: None };
                self.group.pending(pending);
                Phase::Pending { left: left - 1, groups }
            }
            Phase::Consumer { left: 0, groups } if self.rdb_type >= 27 => {
                Phase::GivenBack { left: length(cur)?, groups }
            }
            Phase::Consumer { left: 0, groups } => self.group_end(ctx, at, groups),
            Phase::Consumer { left, groups } => {
                let held = self.consumer(cur)?;
                Phase::Held { left: held, consumers: left - 1, groups }
            }
            Phase::Held { left: 0, consumers, groups } => Phase::Consumer { left: consumers, groups },
            Phase::Held { left, consumers, groups } => {
                let id = StreamId::from_be_bytes(cur.array()?);
                let wrong = self.group.holds(id);
                self.disagree(ctx, at, wrong);
                Phase::Held { left: left - 1, consumers, groups }
            }
            Phase::GivenBack { left: 0, groups } => self.group_end(ctx, at, groups),
            Phase::GivenBack { left, groups } => {
                let id = StreamId::from_be_bytes(cur.array()?);
                let wrong = self.group.gave_back(id);
                self.disagree(ctx, at, wrong);
                Phase::GivenBack { left: left - 1, groups }
            }
            Phase::Trailer => {
                let settings = Idempotency { duration_s: length(cur)?, max_ids: length(cur)? };
                let producers = length(cur)?;
                self.facts.idempotency = Some(settings).filter(|settings| *settings != Idempotency::DEFAULT);
                self.facts.producers = producers;
                Phase::Producer { left: producers }
            }
            Phase::Producer { left: 0 } => Phase::TrailerEnd,
            Phase::Producer { left } => {
                string(cur, ctx.node_limit)?;
                Phase::Identified { left: length(cur)?, producers: left - 1 }
            }
            Phase::Identified { left: 0, producers } => Phase::Producer { left: producers },
            Phase::Identified { left, producers } => {
                string(cur, ctx.node_limit)?;
                let (_ms, _seq) = (length(cur)?, length(cur)?);
                Phase::Identified { left: left - 1, producers }
            }
            Phase::TrailerEnd => {
                let (_added, _duplicates) = (length(cur)?, length(cur)?);
                return Ok(self.done(ctx));
            }
        };
        Ok(false)
    }

    fn done<V: Visitor>(&mut self, ctx: &mut Context<'_, V>) -> bool {
        ctx.tell(|visitor, key| visitor.stream(key, &self.facts));
        true
    }

    fn node<V: Visitor>(&mut self, cur: &mut Cursor<'_>, ctx: &mut Context<'_, V>, at: u64) -> Read<()> {
        let key = string(cur, ctx.node_limit)?;
        let packed_at = ctx.base + cur.pos() as u64;
        let packed = string(cur, ctx.node_limit)?;
        let mut raw_key = Vec::new();
        let key = if key.len() == 16 { key.bytes(&mut raw_key)?.first_chunk() } else { None };
        let Some(&key) = key else {
            self.broken(ctx, at, None, "its key is not 16 bytes long");
            return Ok(());
        };
        let master = StreamId::from_be_bytes(key);
        if self.master.is_some_and(|before| master <= before) {
            ctx.finding(
                BackupReason::NodeOrder,
                at,
                Some(master),
                format!("the node {master} does not follow its predecessor"),
            );
        }
        self.master = self.master.max(Some(master));
        let exact = match packed {
            Text::Raw(raw) => Some(ctx.base + (cur.pos() - raw.len()) as u64),
            _ => None,
        };
        if let Text::Lzf { packed, len } = packed
            && lzf::beginning(packed).is_some_and(|total| u64::from(u32::from_le_bytes(total)) != len as u64)
        {
            // What it comes to is of no use.
            self.broken(ctx, packed_at, Some(master), "the declared size is not the real one");
            return Ok(());
        }
        let mut scratch = std::mem::take(ctx.scratch);
        match packed.bytes(&mut scratch) {
            Ok(bytes) => self.entries(bytes, master, exact, ctx, packed_at),
            Err(problem) => self.broken(ctx, packed_at, Some(master), &problem.detail),
        }
        *ctx.scratch = scratch;
        Ok(())
    }

    fn entries<V: Visitor>(
        &mut self,
        bytes: &[u8],
        master: StreamId,
        exact: Option<u64>,
        ctx: &mut Context<'_, V>,
        at: u64,
    ) {
        let (facts, result) = walk(bytes, master, |id, fields, pos| {
            let entry = Entry { id, fields, offset: exact.map_or(at, |start| start + pos as u64) };
            ctx.tell(|visitor, key| visitor.entry(key, &entry));
            ctx.flow.is_continue()
        });
        if ctx.flow.is_break() {
            return;
        }
        if let Err(fault) = result {
            self.broken(ctx, at, Some(master), fault);
        }
        let disorder = facts.disorder.or(facts.first.filter(|&first| self.greatest.is_some_and(|g| first <= g)));
        if let Some(id) = disorder {
            ctx.finding(
                BackupReason::EntryOrder,
                at,
                Some(id),
                format!("{id} is not greater than the entry before it"),
            );
        }
        self.facts.entries += facts.live;
        self.facts.first_id = self.facts.first_id.or(facts.first);
        self.greatest = self.greatest.max(facts.greatest);
    }

    fn broken<V: Visitor>(&mut self, ctx: &mut Context<'_, V>, at: u64, id: Option<StreamId>, fault: &str) {
        self.damaged = true;
        let detail = match id {
            Some(id) => format!("the node {id} does not parse: {fault}"),
            None => format!("a node does not parse: {fault}"),
        };
        ctx.broken_node.get_or_insert_with(|| (at, Problem::structure(detail.clone())));
        ctx.finding(BackupReason::BrokenNode, at, id, detail);
    }

    /// The stream's own numbers; returns how many groups follow.
    fn tail<V: Visitor>(&mut self, cur: &mut Cursor<'_>, ctx: &mut Context<'_, V>, at: u64) -> Read<u64> {
        let id = |cur: &mut Cursor<'_>| -> Read<StreamId> { Ok(StreamId::new(length(cur)?, length(cur)?)) };
        let declared = length(cur)?;
        let last_id = id(cur)?;
        let newer = if self.rdb_type >= 19 { Some((id(cur)?, id(cur)?, length(cur)?)) } else { None };
        let groups = length(cur)?;
        let facts = &mut self.facts;
        (facts.length, facts.last_id, facts.groups) = (declared, last_id, groups);
        let (first_id, max_deleted_id, entries_added) = newer.unwrap_or((StreamId::MIN, StreamId::MIN, declared));
        (facts.max_deleted_id, facts.entries_added) = (max_deleted_id, entries_added);
        if self.damaged {
            return Ok(groups);
        }
        let (counted, first) = (facts.entries, facts.first_id);
        if counted != declared {
            let text = format!("the stream declares {declared} entries and holds {counted}");
            ctx.finding(BackupReason::CountMismatch, at, None, text);
        }
        if let Some(greatest) = self.greatest.filter(|&greatest| greatest > last_id) {
            let text = format!("{greatest} is greater than the stream's last ID {last_id}");
            ctx.finding(BackupReason::EntryOrder, at, Some(greatest), text);
        }
        if newer.is_some() && first.is_some_and(|first| first != first_id) {
            let text = format!("the stream declares {first_id} as its first entry");
            ctx.finding(BackupReason::IdMismatch, at, first, text);
        }
        if max_deleted_id > last_id {
            let text = format!("{max_deleted_id} was deleted, yet the last ID is {last_id}");
            ctx.finding(BackupReason::IdMismatch, at, Some(max_deleted_id), text);
        }
        if entries_added < declared {
            let text = format!("{declared} entries and only {entries_added} ever added");
            ctx.finding(BackupReason::CountMismatch, at, None, text);
        }
        Ok(groups)
    }

    /// A group's name and position; returns how many pending entries follow.
    fn group_head<V: Visitor>(&mut self, cur: &mut Cursor<'_>, ctx: &mut Context<'_, V>, at: u64) -> Read<u64> {
        let name = self.name(cur)?;
        let last = StreamId::new(length(cur)?, length(cur)?);
        let entries_read = if self.rdb_type >= 19 { Some(length(cur)? as i64) } else { None };
        let pending = length(cur)?;
        let (added, read) = (self.facts.entries_added, entries_read.filter(|&read| read != -1));
        if let Some(read) = read.filter(|&read| ctx.overread_is_refused && read as u64 > added) {
            let name = quoted(&name);
            let text = format!(
                "a server will not load this file: group {name} has read {read} entries, and only {added} were added"
            );
            ctx.finding(BackupReason::RefusedValue, at, None, text);
        }
        self.named += name.len() as u64;
        if self.group_names.contains(&name) {
            ctx.finding(BackupReason::DuplicateGroup, at, None, format!("two groups are called {}", quoted(&name)));
        } else if self.group_names.len() < self.limit {
            self.group_names.insert(name.clone());
        }
        self.group = Builder::new(name, last, entries_read, self.limit);
        Ok(pending)
    }

    /// A consumer's name and times; returns how many IDs follow.
    fn consumer(&mut self, cur: &mut Cursor<'_>) -> Read<u64> {
        let name = self.name(cur)?;
        let seen_time = i64::from_le_bytes(cur.array()?);
        let active_time = if self.rdb_type >= 21 { Some(i64::from_le_bytes(cur.array()?)) } else { None };
        let pending = length(cur)?;
        self.named += name.len() as u64;
        self.group.consumer(Consumer { name, seen_time, active_time, pending });
        Ok(pending)
    }

    fn group_end<V: Visitor>(&mut self, ctx: &mut Context<'_, V>, at: u64, groups: u64) -> Phase {
        let (group, wrong) = std::mem::take(&mut self.group).finish();
        for (reason, id, text) in wrong {
            ctx.finding(reason, at, id, format!("group {}: {text}", quoted(&group.name)));
        }
        self.facts.consumers += group.consumer_count;
        self.facts.pending += group.pending_count;
        ctx.tell(|visitor, key| visitor.group(key, group));
        Phase::Group { left: groups }
    }

    fn disagree<V: Visitor>(&self, ctx: &mut Context<'_, V>, at: u64, wrong: Option<Disagreement>) {
        if let Some((reason, id, text)) = wrong {
            ctx.finding(reason, at, id, format!("group {}: {text}", quoted(&self.group.group.name)));
        }
    }
}
