//! RDB files and DUMP payloads, fed in chunks of any size.
//!
//! The reader keeps the one unit that is not complete yet (at most [`Limits::unit`] bytes) and the group that is being
//! read, and nothing else: a file of any size passes through it. Streams are looked into, all other values are stepped
//! over.
//!
//! An RDB file is `REDIS` and four digits, or `VALKEY` and three; opcodes and keys; 0xFF; from version 5 a CRC-64 of
//! everything before it, or zeros where the server was told not to compute one (redis `rdb.c`, `rdbLoadRio`). A DUMP
//! payload is a type, a value, a version (u16 LE) and the CRC (redis `cluster.c`, `createDumpPayload`).

use std::collections::BTreeMap;

use super::crc::Lagging;
use super::cursor::{Cursor, Read, Stop};
use super::header::{Header, Limits, Vendor, header, known};
use super::skip::{Skipper, Step, unknown_type};
use super::stream::{Context, STREAM_TYPES, StreamReader};
use super::text::{Text, length, string};
use crate::redis::error::{ErrorKind, Problem};
use crate::redis::finding::{BackupFinding, BackupReason};
use crate::redis::visit::{Flow, Key, Visitor};

/// What the reader is about to read.
#[derive(Debug)]
pub(crate) enum State {
    Header,
    Opcode,
    /// A value that is stepped over; then the next opcode, or the type that metadata belongs to.
    Skip(Skipper),
    Stream(Box<StreamReader>),
    /// The number and size of a hash template; its field names follow.
    Template,
    /// The number of a hash's template; as many values as that has fields follow.
    Templated,
    /// The type of a DUMP payload.
    DumpType,
    /// The version at the end of a DUMP payload.
    DumpEnd,
    /// The rest is of no interest but for the checksum.
    Drain,
    /// The checksum that ends the file.
    Trailer,
    End,
    Lost(u64, Problem),
}

/// What the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    File,
    /// The middle of a file, from some key on: no checksum can be told.
    Part,
    Dump,
}

#[derive(Debug, Default)]
pub(crate) struct Current {
    db: u64,
    name: Vec<u8>,
    rdb_type: u8,
    expire_ms: Option<i64>,
    pub(in crate::redis) offset: u64,
    /// Where the value begins.
    value: u64,
}

impl Current {
    fn key(&self) -> Key<'_> {
        Key {
            db: self.db,
            name: &self.name,
            rdb_type: self.rdb_type,
            is_stream: STREAM_TYPES.contains(&self.rdb_type),
            expire_ms: self.expire_ms,
            offset: self.offset,
        }
    }
}

/// Field counts of hash templates, by number.
pub type Templates = BTreeMap<u64, u64>;

/// With more hash templates than this a file is not followed.
const MOST_TEMPLATES: usize = 1 << 20;
/// A hash whose values stand in the order of a template's fields (Redis 8.10).
const TEMPLATED: u8 = 32;

/// The longest of a file's own fields that is told, in bytes.
const LONGEST_AUX: usize = 1 << 16;
/// The longest key that is expanded, in bytes.
const LONGEST_PACKED_KEY: usize = 1 << 20;

/// Reads an RDB file or DUMP payload that is pushed in chunks.
#[derive(Debug)]
pub struct RdbReader {
    pub(in crate::redis) form: Form,
    pub(in crate::redis) limits: Limits,
    pub(in crate::redis) state: State,
    pub(in crate::redis) header: Option<Header>,
    pub(in crate::redis) current: Current,
    /// The unit that is not complete, and how many bytes it needs.
    pub(in crate::redis) held: Vec<u8>,
    pub(in crate::redis) need: usize,
    /// Bytes to drop before the next unit.
    pub(in crate::redis) drop: u64,
    /// File offset of the next unit.
    pub(in crate::redis) offset: u64,
    pub(in crate::redis) pushed: u64,
    pub(in crate::redis) end: Option<u64>,
    pub(in crate::redis) crc: Lagging,
    pub(in crate::redis) keys: u64,
    pub(in crate::redis) streams: u64,
    /// How many fields each hash template has.
    templates: Templates,
    pub(in crate::redis) broken_node: Option<(u64, Problem)>,
    pub(in crate::redis) scratch: Vec<u8>,
    pub(in crate::redis) flow: Flow,
}

impl RdbReader {
    /// A reader of a whole RDB file.
    pub fn new(limits: Limits) -> Self {
        Self {
            form: Form::File,
            limits,
            state: State::Header,
            header: None,
            current: Current::default(),
            held: Vec::new(),
            need: 0,
            drop: 0,
            offset: 0,
            pushed: 0,
            end: None,
            crc: Lagging::new(),
            keys: 0,
            streams: 0,
            templates: Templates::new(),
            broken_node: None,
            scratch: Vec::new(),
            flow: Flow::Continue(()),
        }
    }

    /// A reader of a DUMP payload; `key` is the name to report, since the payload has none.
    pub fn dump(key: &[u8], limits: Limits) -> Self {
        let current = Current { name: key.to_vec(), ..Current::default() };
        Self { form: Form::Dump, state: State::DumpType, current, ..Self::new(limits) }
    }

    /// The same reader, for a payload that belongs to this database.
    pub fn in_db(mut self, db: u64) -> Self {
        self.current.db = db;
        self
    }

    /// A reader of the rest of an RDB file, from the type code of a key at `offset` on (see
    /// [`KeyFinder`](crate::redis::KeyFinder)).
    pub fn resume(header: Header, db: u64, offset: u64, limits: Limits) -> Self {
        let current = Current { db, ..Current::default() };
        let new = Self::new(limits);
        Self { form: Form::Part, state: State::Opcode, header: Some(header), current, offset, pushed: offset, ..new }
    }

    /// The same reader, knowing the hash templates that another one has met before the place where this one begins.
    pub fn with_templates(self, templates: Templates) -> Self {
        Self { templates, ..self }
    }

    /// The hash templates met so far.
    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    /// The header, once it was read.
    pub fn header(&self) -> Option<Header> {
        self.header
    }

    /// The database that is being read.
    pub fn db(&self) -> u64 {
        self.current.db
    }

    /// Where the bytes could not be followed any more; the rest is only taken for its checksum.
    pub fn lost_at(&self) -> Option<u64> {
        match self.state {
            State::Lost(at, _) => Some(at),
            _ => None,
        }
    }

    /// Where the backup ended, once its end was reached.
    pub fn end(&self) -> Option<u64> {
        self.end.filter(|_| matches!(self.state, State::End))
    }

    /// Whether commands follow the end of the RDB file, which the piece that was pushed last shows: then this is an
    /// append-only file.
    pub fn goes_on(&self, piece: &[u8]) -> bool {
        let before = self.pushed - piece.len() as u64;
        let rest =
            self.end().and_then(|end| usize::try_from(end.checked_sub(before)?).ok()).and_then(|at| piece.get(at));
        matches!(rest, Some(b'*' | b'#'))
    }

    /// Bytes taken so far, counted from the start of the file.
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Takes the next bytes. [`Flow::Break`] means that the visitor stopped; the reader takes no more then.
    pub fn push<V: Visitor>(&mut self, chunk: &[u8], visitor: &mut V) -> Flow {
        self.flow?;
        let base = self.pushed;
        self.pushed += chunk.len() as u64;
        self.feed(chunk, visitor);
        if self.form != Form::Part {
            let covered = self.end.map_or(u64::MAX, |end| end.saturating_sub(base));
            self.crc.push(&chunk[..usize::try_from(covered).unwrap_or(usize::MAX).min(chunk.len())]);
        }
        self.flow
    }

    fn feed<V: Visitor>(&mut self, chunk: &[u8], visitor: &mut V) {
        let mut rest = chunk;
        while !rest.is_empty() && !self.is_over() {
            if self.held.is_empty() {
                let used = self.run(rest, visitor);
                rest = &rest[used..];
                if !rest.is_empty() && !self.is_over() {
                    self.held.extend_from_slice(rest);
                    rest = &[];
                }
            } else {
                let want = self.need.saturating_sub(self.held.len()).clamp(1, rest.len());
                self.held.extend_from_slice(&rest[..want]);
                rest = &rest[want..];
                if self.held.len() >= self.need {
                    let mut held = std::mem::take(&mut self.held);
                    let used = self.run(&held, visitor);
                    held.drain(..used);
                    self.held = held;
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.flow.is_break() || matches!(self.state, State::End | State::Lost(..))
    }

    /// Reads whole units; returns the bytes they took.
    fn run<V: Visitor>(&mut self, bytes: &[u8], visitor: &mut V) -> usize {
        let mut cur = Cursor::new(bytes);
        let base = self.offset;
        while !self.is_over() {
            self.drop -= cur.skip_up_to(self.drop);
            if self.drop > 0 {
                break;
            }
            let start = cur.pos();
            match self.step(&mut cur, base, visitor) {
                Ok(()) => {}
                Err(Stop::More(end)) => {
                    cur.rewind(start);
                    self.need = end - start;
                    break;
                }
                Err(Stop::Bad(problem)) => {
                    cur.rewind(start);
                    self.state = State::Lost(base + start as u64, problem);
                }
            }
        }
        self.offset = base + cur.pos() as u64;
        cur.pos()
    }

    fn step<V: Visitor>(&mut self, cur: &mut Cursor<'_>, base: u64, visitor: &mut V) -> Read<()> {
        let here = |cur: &Cursor<'_>| base + cur.pos() as u64;
        match &mut self.state {
            State::Header => {
                let header = header(cur)?;
                self.header = Some(header);
                visitor.header(&header);
                self.state = State::Opcode;
            }
            State::Opcode => self.opcode(cur, base, visitor)?,
            State::Skip(skipper) => match skipper.step(cur)? {
                Step::Drop(n) => self.drop = n,
                Step::Done => {
                    let refusal = skipper.refusal;
                    self.state = if self.form == Form::Dump { State::DumpType } else { State::Opcode };
                    if let Some(why) = refusal {
                        let Current { db, ref name, rdb_type, offset, .. } = self.current;
                        let text = format!("a server will not load this file: in a value of type {rdb_type}, {why}");
                        let finding = BackupFinding::new(BackupReason::RefusedValue, offset, text);
                        self.flow = visitor.finding(finding.at_key(db, name));
                    }
                }
            },
            State::Stream(stream) => {
                let mut ctx = Context {
                    visitor,
                    key: self.current.key(),
                    base,
                    node_limit: self.limits.unit,
                    // Redis 8.10 looks at it when it loads a file (redis `rdb.c`), 8.2 does not.
                    overread_is_refused: self.header.is_some_and(|h| h.vendor == Vendor::Redis && h.version >= 15),
                    scratch: &mut self.scratch,
                    flow: Flow::Continue(()),
                    broken_node: &mut self.broken_node,
                };
                let done = stream.step(cur, &mut ctx)?;
                self.flow = ctx.flow;
                if done {
                    if self.flow.is_continue() {
                        let value = self.current.value..base + cur.pos() as u64;
                        self.flow = visitor.value(&self.current.key(), value);
                    }
                    self.state = if self.form == Form::Dump { State::DumpEnd } else { State::Opcode };
                    self.current.expire_ms = None;
                }
            }
            State::Template => {
                let (number, fields) = (length(cur)?, length(cur)?);
                if self.templates.len() >= MOST_TEMPLATES {
                    let kind = ErrorKind::TooLarge(self.templates.len() as u64);
                    return Err(Problem::unknown(kind, "there are too many hash templates").into());
                }
                self.templates.insert(number, fields);
                self.state = State::Skip(Skipper::strings(fields));
            }
            State::Templated => {
                let number = length(cur)?;
                let Some(&fields) = self.templates.get(&number) else {
                    return Err(
                        Problem::structure(format!("a hash is of the template {number}, which is not there")).into()
                    );
                };
                self.state = State::Skip(Skipper::strings(fields));
            }
            State::DumpType => {
                let offset = here(cur);
                match cur.u8()? {
                    243 => self.state = State::Skip(Skipper::key_meta()),
                    code if is_known(code, true) || is_known(code, false) => {
                        self.begin(code, offset, here(cur), visitor);
                    }
                    code => return Err(unknown_type(code).into()),
                }
            }
            State::DumpEnd => {
                let version = u32::from(u16::from_le_bytes(cur.array()?));
                self.header = Some(known(if version < 80 { Vendor::Redis } else { Vendor::Valkey }, version)?);
                self.state = State::Trailer;
                self.end = Some(here(cur) + 8);
            }
            State::Trailer => {
                cur.take(8)?;
                self.state = State::End;
            }
            State::Drain => self.drop = u64::MAX,
            State::End | State::Lost(..) => {}
        }
        Ok(())
    }

    fn opcode<V: Visitor>(&mut self, cur: &mut Cursor<'_>, base: u64, visitor: &mut V) -> Read<()> {
        let offset = base + cur.pos() as u64;
        let (version, valkey) = self.header.map_or((0, false), |h| (h.version, h.vendor == Vendor::Valkey));
        match cur.u8()? {
            255 => {
                let has_crc = version >= 5;
                self.end = Some(offset + if has_crc { 9 } else { 1 });
                self.state = if has_crc { State::Trailer } else { State::End };
            }
            254 => self.current.db = length(cur)?,
            253 => self.current.expire_ms = Some(i64::from(i32::from_le_bytes(cur.array()?)) * 1000),
            252 => self.current.expire_ms = Some(i64::from_le_bytes(cur.array()?)),
            251 => {
                let (_keys, _expires) = (length(cur)?, length(cur)?);
            }
            250 => {
                let (name, value) = (string(cur, self.limits.unit)?, string(cur, self.limits.unit)?);
                if name.len().max(value.len()) <= LONGEST_AUX {
                    visitor.aux(&name.to_cow()?, &value.to_cow()?);
                }
            }
            249 => {
                cur.u8()?;
            }
            248 => {
                length(cur)?;
            }
            247 => self.state = State::Skip(Skipper::module_aux()),
            245 => self.state = State::Skip(Skipper::string()),
            244 => self.state = State::Skip(Skipper::slot_info()),
            242 if !valkey && version >= 15 => self.state = State::Template,
            243 if valkey => self.state = State::Skip(Skipper::slot_import()),
            243 if version >= 13 => self.state = State::Skip(Skipper::key_meta()),
            // Redis Enterprise writes its own kind of idle time (librdb, `RAM_LRU`).
            107 => {
                length(cur)?;
            }
            code => {
                if !is_known(code, valkey) {
                    return Err(unknown_type(code).into());
                }
                let name = string(cur, self.limits.unit)?;
                if matches!(name, Text::Lzf { len, .. } if len > LONGEST_PACKED_KEY) {
                    let kind = ErrorKind::TooLarge(name.len() as u64);
                    return Err(Problem::unknown(kind, "a key is compressed and longer than 1 MiB").into());
                }
                let mut spelled = std::mem::take(&mut self.scratch);
                let name = name.bytes(&mut spelled)?;
                self.current.name.clear();
                self.current.name.extend_from_slice(name);
                self.scratch = spelled;
                self.begin(code, offset, base + cur.pos() as u64, visitor);
            }
        }
        Ok(())
    }

    /// A value begins. In a DUMP payload, whose vendor is known at its end only, other values than streams are not
    /// followed.
    fn begin<V: Visitor>(&mut self, code: u8, offset: u64, value: u64, visitor: &mut V) {
        (self.current.rdb_type, self.current.offset, self.current.value) = (code, offset, value);
        self.keys += 1;
        let key = self.current.key();
        self.flow = visitor.key(&key);
        if key.is_stream {
            self.streams += 1;
            self.state = State::Stream(Box::new(StreamReader::new(code, self.limits.listed)));
            return;
        }
        let valkey = self.header.is_some_and(|h| h.vendor == Vendor::Valkey);
        self.state = match Skipper::value(code, valkey) {
            Some(skipper) if self.form != Form::Dump => State::Skip(skipper),
            None if self.form != Form::Dump => State::Templated,
            _ => State::Drain,
        };
        self.current.expire_ms = None;
    }
}

fn is_known(code: u8, valkey: bool) -> bool {
    STREAM_TYPES.contains(&code) || code == TEMPLATED && !valkey || Skipper::value(code, valkey).is_some()
}
