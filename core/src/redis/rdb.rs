//! RDB files and DUMP payloads, fed in chunks of any size.
//!
//! The reader keeps the one unit that is not complete yet (at most [`Limits::unit`] bytes) and the group that is being read, and
//! nothing else: a file of any size passes through it. Streams are looked into, all other values are stepped over.
//!
//! An RDB file is `REDIS` and four digits, or `VALKEY` and three; opcodes and keys; 0xFF; from version 5 a CRC-64 of everything
//! before it, or zeros where the server was told not to compute one (redis `rdb.c`, `rdbLoadRio`). A DUMP payload is a type, a value,
//! a version (u16 LE) and the CRC (redis `cluster.c`, `createDumpPayload`).

use serde::{Deserialize, Serialize};

use super::crc::Lagging;
use super::cursor::{Cursor, Read, Stop};
use super::error::{Error, ErrorKind, Problem};
use super::finding::{Finding, Reason};
use super::id::decimal;
use super::skip::{Skipper, Step, unknown_type};
use super::stream::{Context, STREAM_TYPES, StreamReader};
use super::text::{length, string};
use super::visit::{Flow, Key, Visitor};

/// Who wrote the file: type codes from 22 on and opcode 243 mean different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// Magic `REDIS`: Redis, and Valkey before 9.0.
    Redis,
    /// Magic `VALKEY`: Valkey from 9.0 on.
    Valkey,
}

/// What an RDB file says of itself first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// By the magic.
    pub vendor: Vendor,
    /// The format version.
    pub version: u32,
}

/// The versions of `REDIS` files that are read: up to Redis 8.10.
pub const REDIS_VERSIONS: std::ops::RangeInclusive<u32> = 1..=15;
/// The versions of `VALKEY` files that are read: 9.0 and 9.2.
pub const VALKEY_VERSIONS: std::ops::RangeInclusive<u32> = 80..=81;

/// What a reader may keep in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of one unit (a stream node, a name), compressed and expanded. A larger one ends the reading with
    /// [`ErrorKind::TooLarge`].
    pub unit: u64,
    /// The most pending entries and consumers of one group that are listed and checked by name; above it they are counted and compared
    /// as a whole.
    pub listed: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { unit: 256 << 20, listed: 500_000 }
    }
}

/// What the checksum says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checksum {
    /// It is there and holds.
    Verified,
    /// It is there and does not hold.
    Mismatch,
    /// The server was told not to compute one, or the version has none.
    NotChecksummed,
    /// The reading did not come to it.
    NotReached,
}

/// What is known when the bytes have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The header; for a DUMP payload the version comes from its end.
    pub header: Option<Header>,
    /// What the checksum says.
    pub checksum: Checksum,
    /// Bytes that were pushed.
    pub bytes: u64,
    /// Where the backup ended, in bytes from its start, if its end was reached; an old append-only file goes on from there.
    pub end: Option<u64>,
    /// Keys of any type.
    pub keys: u64,
    /// Streams among them.
    pub streams: u64,
    /// Where the bytes could not be followed any more.
    pub lost_at: Option<u64>,
    /// The key that was read last, by the offset of its type code: where to look on from when the bytes were lost in it, since
    /// a damaged length may have swallowed what follows.
    pub last_key: Option<u64>,
}

#[derive(Debug)]
enum State {
    Header,
    Opcode,
    /// A value that is stepped over; then the next opcode, or the type that metadata belongs to.
    Skip(Skipper),
    Stream(Box<StreamReader>),
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    File,
    /// The middle of a file, from some key on: no checksum can be told.
    Part,
    Dump,
}

#[derive(Debug, Default)]
struct Current {
    db: u64,
    name: Vec<u8>,
    rdb_type: u8,
    expire_ms: Option<i64>,
    offset: u64,
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

/// Reads an RDB file or DUMP payload that is pushed in chunks.
#[derive(Debug)]
pub struct RdbReader {
    form: Form,
    limits: Limits,
    state: State,
    header: Option<Header>,
    current: Current,
    /// The unit that is not complete, and how many bytes it needs.
    held: Vec<u8>,
    need: usize,
    /// Bytes to drop before the next unit.
    drop: u64,
    /// File offset of the next unit.
    offset: u64,
    pushed: u64,
    end: Option<u64>,
    crc: Lagging,
    keys: u64,
    streams: u64,
    broken_node: Option<(u64, Problem)>,
    scratch: Vec<u8>,
    flow: Flow,
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

    /// A reader of the rest of an RDB file, from the type code of a key at `offset` on (see [`Finder`](super::Finder)).
    pub fn resume(header: Header, db: u64, offset: u64, limits: Limits) -> Self {
        let current = Current { db, ..Current::default() };
        let new = Self::new(limits);
        Self { form: Form::Part, state: State::Opcode, header: Some(header), current, offset, pushed: offset, ..new }
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

    /// Bytes taken so far, counted from the start of the file.
    pub(crate) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Ends the reading of a file that goes on after the backup's end, which was reached.
    pub(crate) fn finish_at_end<V: Visitor>(mut self, visitor: &mut V) -> Result<Summary, Error> {
        self.pushed = self.end.unwrap_or(self.pushed);
        self.finish(visitor)
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
            State::Opcode => self.opcode(cur, here(cur), visitor)?,
            State::Skip(skipper) => match skipper.step(cur)? {
                Step::Drop(n) => self.drop = n,
                Step::Done if self.form == Form::Dump => self.state = State::DumpType,
                Step::Done => self.state = State::Opcode,
            },
            State::Stream(stream) => {
                let mut ctx = Context {
                    visitor,
                    key: self.current.key(),
                    base,
                    node_limit: self.limits.unit,
                    scratch: &mut self.scratch,
                    flow: Flow::Continue(()),
                    broken_node: &mut self.broken_node,
                };
                let done = stream.step(cur, &mut ctx)?;
                self.flow = ctx.flow;
                if done {
                    self.state = if self.form == Form::Dump { State::DumpEnd } else { State::Opcode };
                    self.current.expire_ms = None;
                }
            }
            State::DumpType => {
                let offset = here(cur);
                match cur.u8()? {
                    243 => self.state = State::Skip(Skipper::key_meta()),
                    code if is_known(code, true) || is_known(code, false) => self.begin(code, offset, visitor),
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

    fn opcode<V: Visitor>(&mut self, cur: &mut Cursor<'_>, offset: u64, visitor: &mut V) -> Read<()> {
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
                let (name, value) =
                    (string(cur, self.limits.unit)?.to_cow()?, string(cur, self.limits.unit)?.to_cow()?);
                visitor.aux(&name, &value);
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
                let mut spelled = std::mem::take(&mut self.scratch);
                let name = name.bytes(&mut spelled)?;
                self.current.name.clear();
                self.current.name.extend_from_slice(name);
                self.scratch = spelled;
                self.begin(code, offset, visitor);
            }
        }
        Ok(())
    }

    /// A value begins. In a DUMP payload, whose vendor is known at its end only, other values than streams are not followed.
    fn begin<V: Visitor>(&mut self, code: u8, offset: u64, visitor: &mut V) {
        (self.current.rdb_type, self.current.offset) = (code, offset);
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
            _ => State::Drain,
        };
        self.current.expire_ms = None;
    }

    /// Ends the reading: judges the checksum and what was left open.
    ///
    /// # Errors
    /// The bytes are of another format, or of a version or type that is not known, or intact and not understood.
    pub fn finish<V: Visitor>(mut self, visitor: &mut V) -> Result<Summary, Error> {
        let checksum = self.checksum();
        let mut tell = |finding| {
            if self.flow.is_continue() {
                self.flow = visitor.finding(finding);
            }
        };
        let lost = match std::mem::replace(&mut self.state, State::End) {
            State::Lost(at, problem) => Some((at, problem, Reason::BrokenStructure)),
            State::End | State::Drain => None,
            open => Some((self.offset, cut_short(&open, self.pushed), Reason::Truncated)),
        };
        let intact = checksum == Checksum::Verified;
        if let Some((at, problem, reason)) = &lost {
            let names_a_limit = matches!(problem.kind, ErrorKind::UnknownType(_) | ErrorKind::TooLarge(_));
            let hopeless = matches!(problem.kind, ErrorKind::NotRecognised | ErrorKind::UnknownVersion(_));
            if hopeless || intact || (names_a_limit && checksum != Checksum::Mismatch) {
                return Err(Error::new(*at, problem.clone()));
            }
            tell(Finding::new(*reason, *at, problem.detail.clone()).of_length(self.pushed.saturating_sub(*at)));
        } else if let Some((at, problem)) = self.broken_node.filter(|_| intact) {
            return Err(Error::new(at, problem));
        } else if checksum == Checksum::Mismatch {
            let at = self.end.unwrap_or(self.pushed).saturating_sub(8);
            let text = "the checksum at the end is not that of the bytes before it";
            tell(Finding::new(Reason::ChecksumMismatch, at, text).of_length(8));
        }
        if let Some(end) = self.end.filter(|&end| lost.is_none() && end < self.pushed) {
            let more = self.pushed - end;
            tell(Finding::new(Reason::TrailingBytes, end, format!("{more} bytes follow the end")).of_length(more));
        }
        Ok(Summary {
            header: self.header,
            checksum,
            bytes: self.pushed,
            end: self.end.filter(|_| lost.is_none()),
            keys: self.keys,
            streams: self.streams,
            lost_at: lost.map(|(at, ..)| at),
            last_key: Some(self.current.offset).filter(|_| self.keys > 0),
        })
    }

    fn checksum(&self) -> Checksum {
        let has_one = self.form == Form::Dump || self.header.is_some_and(|h| h.version >= 5);
        if self.form == Form::Part {
            return Checksum::NotReached;
        }
        if !has_one {
            return if matches!(self.state, State::End) { Checksum::NotChecksummed } else { Checksum::NotReached };
        }
        match self.crc.split() {
            None => Checksum::NotReached,
            Some((_, 0)) => Checksum::NotChecksummed,
            Some((computed, stored)) if computed == stored => Checksum::Verified,
            Some(_) => Checksum::Mismatch,
        }
    }
}

fn is_known(code: u8, valkey: bool) -> bool {
    STREAM_TYPES.contains(&code) || Skipper::value(code, valkey).is_some()
}

fn cut_short(state: &State, total: u64) -> Problem {
    let section = match state {
        State::Header if total == 0 => {
            return Problem::unknown(ErrorKind::NotRecognised, "the file is empty");
        }
        State::Header => "the header",
        State::Opcode => "the list of keys",
        State::Skip(_) => "a value that is no stream",
        State::Stream(stream) => stream.section(),
        State::DumpType => "the payload's type",
        State::DumpEnd | State::Trailer => "the checksum",
        State::Drain | State::End | State::Lost(..) => "the file",
    };
    Problem::structure(format!("the bytes end inside {section}"))
}

fn header(cur: &mut Cursor<'_>) -> Read<Header> {
    let seen = cur.left().min(9);
    let bytes = cur.clone().take(seen)?;
    let vendor = [(&b"REDIS"[..], Vendor::Redis), (&b"VALKEY"[..], Vendor::Valkey)]
        .into_iter()
        .find(|(magic, _)| magic.iter().zip(bytes).all(|(a, b)| a == b));
    let Some((magic, vendor)) = vendor else {
        return Err(Problem::unknown(ErrorKind::NotRecognised, "neither REDIS nor VALKEY stands at the start").into());
    };
    let bytes = cur.take(9)?;
    let Some(version) = decimal(&bytes[magic.len()..]).and_then(|version| u32::try_from(version).ok()) else {
        return Err(Problem::unknown(ErrorKind::NotRecognised, "the version is no number").into());
    };
    Ok(known(vendor, version)?)
}

fn known(vendor: Vendor, version: u32) -> Result<Header, Problem> {
    let (name, versions) = match vendor {
        Vendor::Redis => ("Redis", REDIS_VERSIONS),
        Vendor::Valkey => ("Valkey", VALKEY_VERSIONS),
    };
    if versions.contains(&version) {
        return Ok(Header { vendor, version });
    }
    let text = format!(
        "version {version} of the {name} format is not known (known: {} to {})",
        versions.start(),
        versions.end()
    );
    Err(Problem::unknown(ErrorKind::UnknownVersion(u64::from(version)), text))
}
