//! Stream values written anew, as a payload for RESTORE: of another type, for a server that does not know this one, or
//! with one group more.
//!
//! All types of streams pack entries alike, so that the nodes are copied as they are; what differs is what stands
//! behind them (see `stream`, which reads it). What an older type has no place for is left out: whoever asks knows the
//! types.

use super::crc::seal_dump;
use super::cursor::{Cursor, Read};
use super::header::Limits;
use super::node::Entry;
use super::reader::RdbReader;
use super::stream::{STREAM_TYPES, dump_version};
use super::text::{length, string};
use crate::redis::stream::group::{Consumer, Group};
use crate::redis::stream::id::StreamId;
use crate::redis::stream::numbers::StreamFacts;
use crate::redis::visit::{Flow, Key, Visitor};

/// Bytes of version and checksum at a payload's end.
const SEAL: usize = 10;

/// Who holds entries that nobody did (XNACK, Redis 8.8), where the type has no place for such.
pub const NOBODY: &str = "papyra:released";

/// What stands behind the groups of a stream whose settings are the server's own: 100 s, 100 IDs, no producer, nothing
/// counted.
const NO_PRODUCERS: [u8; 7] = [0x40, 100, 0x40, 100, 0, 0, 0];

/// A stream's value, taken apart.
pub struct StreamPayload<'a> {
    rdb_type: u8,
    /// The nodes, their number before them.
    nodes: &'a [u8],
    trailer: &'a [u8],
    /// What the stream says of itself.
    pub facts: StreamFacts,
    /// Its groups.
    pub groups: Vec<Group>,
}

impl<'a> StreamPayload<'a> {
    /// Takes a DUMP payload apart; `None` when it is no intact stream, or a group has more pending entries than
    /// `listed`.
    pub fn of(payload: &'a [u8], listed: usize) -> Option<Self> {
        let rdb_type = *payload.first().filter(|rdb_type| STREAM_TYPES.contains(rdb_type))?;
        let mut parts = Parts::default();
        let mut reader = RdbReader::dump(b"", Limits { listed, ..Limits::default() });
        _ = reader.push(payload, &mut parts);
        reader.finish(&mut parts).ok()?;
        let facts = parts.facts.filter(|_| !parts.is_damaged && parts.groups.iter().all(Group::is_complete))?;
        let value = payload.get(1..payload.len().checked_sub(SEAL)?)?;
        let (nodes, trailer) = split(value, rdb_type).ok()?;
        Some(Self { rdb_type, nodes: value.get(..nodes)?, trailer: value.get(trailer..)?, facts, groups: parts.groups })
    }

    /// The value's type.
    pub fn rdb_type(&self) -> u8 {
        self.rdb_type
    }

    /// The older types, newest first.
    pub fn older_types(&self) -> impl Iterator<Item = u8> {
        let own = self.rdb_type;
        STREAM_TYPES.into_iter().rev().filter(move |rdb_type| *rdb_type < own)
    }

    /// The payload as one of another type, an older or a newer one.
    pub fn as_type(&self, rdb_type: u8) -> Vec<u8> {
        let mut out = vec![rdb_type];
        out.extend_from_slice(self.nodes);
        let facts = &self.facts;
        push_length(&mut out, facts.length);
        push_id(&mut out, facts.last_id);
        if rdb_type >= 19 {
            push_id(&mut out, facts.first_id.unwrap_or(StreamId::MIN));
            push_id(&mut out, facts.max_deleted_id);
            push_length(&mut out, facts.entries_added);
        }
        push_length(&mut out, self.groups.len() as u64);
        self.groups.iter().for_each(|group| push_group(&mut out, group, rdb_type));
        if rdb_type >= 26 {
            out.extend_from_slice(if self.trailer.is_empty() { &NO_PRODUCERS } else { self.trailer });
        }
        seal_dump(&mut out, dump_version(rdb_type).unwrap_or(u16::MAX));
        out
    }

    /// Entries that no consumer holds, and that [`NOBODY`] holds in a payload of a type before 27.
    pub fn released(&self) -> u64 {
        let pending = self.groups.iter().flat_map(|group| &group.pending);
        pending.filter(|pending| pending.consumer.is_none()).count() as u64
    }
}

/// Makes a payload of entries that come one by one, as a replayed append-only file has them.
#[derive(Debug, Default)]
pub struct PayloadBuilder {
    nodes: Vec<u8>,
    count: u64,
    node: Option<Node>,
}

/// A node under way: a listpack without its header.
#[derive(Debug)]
struct Node {
    master: StreamId,
    entries: u64,
    elements: u64,
    packed: Vec<u8>,
}

impl PayloadBuilder {
    /// Entries and bytes of a node, as servers have them by default.
    const ENTRIES: u64 = 100;
    const BYTES: usize = 4096;

    /// The next entry; IDs must grow.
    pub fn entry(&mut self, entry: &Entry<'_>) {
        if self.node.as_ref().is_some_and(|node| node.entries == Self::ENTRIES || node.packed.len() >= Self::BYTES) {
            self.close();
        }
        let id = entry.id;
        let node = self.node.get_or_insert_with(|| Node { master: id, entries: 0, elements: 0, packed: Vec::new() });
        let fields = entry.fields.remaining();
        let delta = |to: u64, from: u64| to.wrapping_sub(from) as i64;
        push_int(&mut node.packed, 0);
        push_int(&mut node.packed, delta(id.ms, node.master.ms));
        push_int(&mut node.packed, delta(id.seq, node.master.seq));
        push_int(&mut node.packed, fields as i64);
        for (name, value) in entry.fields.clone() {
            push_bytes(&mut node.packed, name.as_bytes());
            push_bytes(&mut node.packed, value.as_bytes());
        }
        push_int(&mut node.packed, (2 * fields + 4) as i64);
        node.entries += 1;
        node.elements += 2 * fields + 5;
    }

    fn close(&mut self) {
        let Some(node) = self.node.take() else { return };
        let mut listpack = vec![0; 6];
        // Live entries, deleted ones, no names in common, and the end of the master entry.
        for number in [node.entries as i64, 0, 0, 0] {
            push_int(&mut listpack, number);
        }
        listpack.extend(node.packed);
        listpack.push(0xff);
        let total = u32::try_from(listpack.len()).unwrap_or(u32::MAX);
        // More than the header can say means: count them.
        let elements = u16::try_from(node.elements + 4).unwrap_or(u16::MAX);
        listpack[..4].copy_from_slice(&total.to_le_bytes());
        listpack[4..6].copy_from_slice(&elements.to_le_bytes());
        push_text(&mut self.nodes, &node.master.to_be_bytes());
        push_text(&mut self.nodes, &listpack);
        self.count += 1;
    }

    /// The payload of the whole stream: of type 27 where a pending entry has no holder, else of the oldest that has a
    /// place for all that is known.
    pub fn finish(mut self, facts: &StreamFacts, groups: &[Group]) -> Vec<u8> {
        self.close();
        let mut nodes = Vec::new();
        push_length(&mut nodes, self.count);
        nodes.extend(self.nodes);
        let payload =
            StreamPayload { rdb_type: 19, nodes: &nodes, trailer: &[], facts: facts.clone(), groups: groups.to_vec() };
        let times = groups.iter().flat_map(|group| &group.consumers).any(|consumer| consumer.active_time.is_some());
        payload.as_type(match payload.released() {
            0 if times => 21,
            0 => 19,
            _ => 27,
        })
    }
}

/// An integer in a listpack.
fn push_int(out: &mut Vec<u8>, number: i64) {
    match u8::try_from(number) {
        Ok(small @ 0..=0x7f) => out.extend([small, 1]),
        _ => {
            out.push(0xf4);
            out.extend(number.to_le_bytes());
            out.push(9);
        }
    }
}

/// A string in a listpack.
fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let before = out.len();
    match bytes.len() {
        length @ 0..=0x3f => out.push(0x80 | length as u8),
        length @ 0x40..=0xfff => out.extend([0xe0 | (length >> 8) as u8, length as u8]),
        length => {
            out.push(0xf0);
            out.extend((length as u32).to_le_bytes());
        }
    }
    out.extend_from_slice(bytes);
    // Its own length, to be read backwards: seven bits a byte, the last one without a mark.
    let length = out.len() - before;
    let mut septets = vec![(length & 0x7f) as u8];
    let mut rest = length >> 7;
    while rest > 0 {
        septets.push((rest & 0x7f) as u8);
        rest >>= 7;
    }
    septets.reverse();
    let marked = septets.iter().enumerate().map(|(at, septet)| if at > 0 { septet | 0x80 } else { *septet });
    out.extend(marked);
}

/// Where the nodes end and where what follows the groups begins.
fn split(value: &[u8], rdb_type: u8) -> Read<(usize, usize)> {
    let mut cur = Cursor::new(value);
    let any = u64::MAX;
    for _ in 0..length(&mut cur)? {
        string(&mut cur, any)?;
        string(&mut cur, any)?;
    }
    let nodes = cur.pos();
    for _ in 0..if rdb_type >= 19 { 8 } else { 3 } {
        length(&mut cur)?;
    }
    let ids = |cur: &mut Cursor<'_>| -> Read<()> {
        for _ in 0..length(cur)? {
            cur.take(16)?;
        }
        Ok(())
    };
    for _ in 0..length(&mut cur)? {
        string(&mut cur, any)?;
        for _ in 0..if rdb_type >= 19 { 3 } else { 2 } {
            length(&mut cur)?;
        }
        for _ in 0..length(&mut cur)? {
            cur.take(24)?;
            length(&mut cur)?;
        }
        for _ in 0..length(&mut cur)? {
            string(&mut cur, any)?;
            cur.take(if rdb_type >= 21 { 16 } else { 8 })?;
            ids(&mut cur)?;
        }
        if rdb_type >= 27 {
            ids(&mut cur)?;
        }
    }
    Ok((nodes, cur.pos()))
}

fn push_group(out: &mut Vec<u8>, group: &Group, rdb_type: u8) {
    push_text(out, &group.name);
    push_id(out, group.last_delivered);
    if rdb_type >= 19 {
        // -1 for unknown, as the server has it.
        push_length(out, group.entries_read.unwrap_or(-1) as u64);
    }
    push_length(out, group.pending.len() as u64);
    for pending in &group.pending {
        out.extend(pending.id.to_be_bytes());
        out.extend(pending.delivery_time.to_le_bytes());
        push_length(out, pending.delivery_count);
    }
    let mut held = vec![Vec::new(); group.consumers.len()];
    let mut released = Vec::new();
    for pending in &group.pending {
        let holder = pending.consumer.and_then(|at| held.get_mut(at as usize));
        holder.unwrap_or(&mut released).push(pending.id);
    }
    let mut consumers: Vec<(&Consumer, Vec<StreamId>)> = group.consumers.iter().zip(held).collect();
    let nobody = Consumer { name: NOBODY.into(), ..Consumer::default() };
    if rdb_type < 27 && !released.is_empty() {
        let released = std::mem::take(&mut released);
        match consumers.iter_mut().find(|(consumer, _)| consumer.name == nobody.name) {
            Some((_, ids)) => {
                ids.extend(released);
                ids.sort_unstable();
            }
            None => consumers.push((&nobody, released)),
        }
    }
    push_length(out, consumers.len() as u64);
    for (consumer, ids) in consumers {
        push_text(out, &consumer.name);
        out.extend(consumer.seen_time.to_le_bytes());
        if rdb_type >= 21 {
            out.extend(consumer.active_time.unwrap_or(consumer.seen_time).to_le_bytes());
        }
        push_ids(out, &ids);
    }
    if rdb_type >= 27 {
        push_ids(out, &released);
    }
}

fn push_length(out: &mut Vec<u8>, length: u64) {
    match (length, u32::try_from(length)) {
        (0..=0x3f, _) => out.push(length as u8),
        (0x40..=0x3fff, _) => out.extend((length as u16 | 0x4000).to_be_bytes()),
        (_, Ok(length)) => {
            out.push(0x80);
            out.extend(length.to_be_bytes());
        }
        (_, Err(_)) => {
            out.push(0x81);
            out.extend(length.to_be_bytes());
        }
    }
}

fn push_id(out: &mut Vec<u8>, id: StreamId) {
    push_length(out, id.ms);
    push_length(out, id.seq);
}

fn push_ids(out: &mut Vec<u8>, ids: &[StreamId]) {
    push_length(out, ids.len() as u64);
    ids.iter().for_each(|id| out.extend(id.to_be_bytes()));
}

fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    push_length(out, text.len() as u64);
    out.extend_from_slice(text);
}

#[derive(Default)]
struct Parts {
    groups: Vec<Group>,
    facts: Option<StreamFacts>,
    is_damaged: bool,
}

impl Visitor for Parts {
    fn group(&mut self, _key: &Key<'_>, group: Group) -> Flow {
        self.groups.push(group);
        Flow::Continue(())
    }

    fn stream(&mut self, _key: &Key<'_>, facts: &StreamFacts) -> Flow {
        self.facts = Some(facts.clone());
        Flow::Continue(())
    }

    fn finding(&mut self, _finding: crate::redis::finding::BackupFinding) -> Flow {
        self.is_damaged = true;
        Flow::Continue(())
    }
}
