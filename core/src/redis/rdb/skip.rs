//! Values that are no streams: stepped over, in every encoding.
//!
//! A value is a short program of atoms (string, length, fixed bytes) with repetition. Packed encodings (ziplist,
//! intset, listpack, zipmap) are single strings to an RDB file, so nothing of their inside is needed to pass them; what
//! a server looks at on loading them, `packed` does. Layouts: redis `rdb.c` (`rdbLoadObject`), valkey `rdb.c` for type
//! 22 of Valkey files; types 28 to 32 (arrays, and hashes whose field names lie elsewhere) as Redis 8.10.2 writes them.

use super::cursor::{Cursor, Read};
use super::listpack::Elements;
use super::packed::{Packing, check};
use super::text::{Head, head, length, string};
use crate::redis::error::{ErrorKind, Problem};

/// The largest listpack of field names; servers put up to 512 names of up to 64 bytes in one.
const LARGEST_NAMES: u64 = 1 << 20;
/// The largest packed value that is looked at, in bytes. By default servers pack up to 64 KiB in one.
const LARGEST_PACKED: u64 = 16 << 20;

/// The smallest things a value is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Atom {
    String,
    Length,
    Bytes(u8),
    /// A score as text with a length byte, of which 253 to 255 stand for NaN and the infinities.
    OldScore,
}

/// What is still to be passed.
#[derive(Debug, Clone, Copy)]
enum Job {
    Atom(Atom),
    /// One string, packed so.
    Packed(Packing),
    /// So many strings, packed so.
    PackedLeft(u64, Packing),
    /// A count, then so many ziplists.
    Ziplists,
    /// A count, then so many nodes of a list: how each is kept (1: as it is, 2: as a listpack), and its string.
    QuickNodes(Packing),
    QuickNodesLeft(u64, Packing),
    /// A length, then so many times the pattern.
    Counted(&'static [Atom]),
    Repeat {
        left: u64,
        pattern: &'static [Atom],
        at: usize,
    },
    /// Opcodes of a module's value up to its end mark.
    Module,
    /// A count, then for each: 4 bytes and a module's value.
    Classes,
    ClassesLeft(u64),
    /// An array's elements: a count, and where the last one was inserted.
    Array,
    /// So many times an index, the kind of an element, and the element.
    Elements(u64),
    /// Field names: 0 and a listpack of them, or 1 and a count of strings. Then as many values, if they are strings
    /// too.
    Names {
        and_values: bool,
    },
}

/// Passes one value; bytes that need not be seen are left to the caller to drop.
#[derive(Debug, Default)]
pub(crate) struct Skipper {
    jobs: Vec<Job>,
    /// Why a server refuses to load the value: the first reason.
    pub(crate) refusal: Option<&'static str>,
}

/// What a step came to.
pub(crate) enum Step {
    /// So many bytes are to be dropped, then go on.
    Drop(u64),
    Done,
}

impl Skipper {
    /// The program for a value of this type, or `None` when the type is not known.
    pub(crate) fn value(rdb_type: u8, valkey: bool) -> Option<Self> {
        use Atom::{Bytes, Length, OldScore, String};
        const STRING: Job = Job::Atom(String);
        let jobs = match rdb_type {
            0 => vec![STRING],
            9 => vec![Job::Packed(Packing::Zipmap)],
            10 => vec![Job::Packed(Packing::Ziplist)],
            // Sorted set, hash.
            12 | 13 => vec![Job::Packed(Packing::ZiplistOfPairs)],
            11 => vec![Job::Packed(if valkey { Packing::SortedIntset } else { Packing::Intset })],
            // Set; hash, sorted set.
            20 => vec![Job::Packed(if valkey { Packing::ListpackOf(1) } else { Packing::Listpack })],
            16 | 17 => vec![Job::Packed(if valkey { Packing::ListpackOf(2) } else { Packing::Listpack })],
            14 => vec![Job::Ziplists],
            1 | 2 => vec![Job::Counted(&[String])],
            3 => vec![Job::Counted(&[String, OldScore])],
            4 => vec![Job::Counted(&[String, String])],
            5 => vec![Job::Counted(&[String, Bytes(8)])],
            7 => vec![Job::Module, Job::Atom(Length)],
            18 => vec![Job::QuickNodes(if valkey { Packing::ListpackOf(0) } else { Packing::Listpack })],
            22 if valkey => vec![Job::Counted(&[String, String, Bytes(8)])],
            22 if !valkey => vec![Job::Counted(&[Length, String, String])],
            23 if !valkey => vec![Job::Packed(Packing::Listpack)],
            24 if !valkey => vec![Job::Counted(&[Length, String, String]), Job::Atom(Bytes(8))],
            25 if !valkey => vec![Job::Packed(Packing::Listpack), Job::Atom(Bytes(8))],
            28 if !valkey => vec![Job::Array],
            29 if !valkey => vec![STRING, Job::Names { and_values: false }],
            30 if !valkey => vec![STRING],
            31 if !valkey => vec![Job::Names { and_values: true }],
            _ => return None,
        };
        Some(Self::of(jobs))
    }

    fn of(jobs: Vec<Job>) -> Self {
        Self { jobs, refusal: None }
    }

    /// Opcode 247: module id, then the value that the module saved beside the keys.
    pub(crate) fn module_aux() -> Self {
        Self::of(vec![Job::Module, Job::Atom(Atom::Length)])
    }

    /// Opcode 243 of Redis files from version 13: metadata of a key, by class.
    pub(crate) fn key_meta() -> Self {
        Self::of(vec![Job::Classes])
    }

    /// Opcode 243 of Valkey files from version 80: the state of a slot import.
    pub(crate) fn slot_import() -> Self {
        Self::of(vec![Job::Counted(&[Atom::Length, Atom::Length]), Job::Atom(Atom::String)])
    }

    /// Opcode 244: slot, keys in it, keys with an expiry.
    pub(crate) fn slot_info() -> Self {
        Self::of(vec![Job::Repeat { left: 3, pattern: &[Atom::Length], at: 0 }])
    }

    /// So many strings.
    pub(crate) fn strings(left: u64) -> Self {
        Self::of(vec![Job::Repeat { left, pattern: &[Atom::String], at: 0 }])
    }

    /// One string, such as a function library.
    pub(crate) fn string() -> Self {
        Self::of(vec![Job::Atom(Atom::String)])
    }

    /// Passes one unit, or a run of small ones. Nothing is changed when more bytes are needed.
    pub(crate) fn step(&mut self, cur: &mut Cursor<'_>) -> Read<Step> {
        let Some(job) = self.jobs.last_mut() else { return Ok(Step::Done) };
        let mut drop = 0;
        match job {
            Job::Atom(atom) => {
                drop = pass(cur, *atom)?;
                self.jobs.pop();
            }
            Job::Counted(pattern) => {
                let pattern = *pattern;
                *job = Job::Repeat { left: length(cur)?, pattern, at: 0 };
            }
            Job::Repeat { left: 0, .. } | Job::ClassesLeft(0) | Job::PackedLeft(0, _) | Job::QuickNodesLeft(0, _) => {
                self.jobs.pop();
            }
            Job::Packed(packing) => {
                let packing = *packing;
                drop = packed(cur, packing, &mut self.refusal)?;
                self.jobs.pop();
            }
            Job::Ziplists => *job = Job::PackedLeft(length(cur)?, Packing::Ziplist),
            Job::PackedLeft(left, packing) => {
                drop = packed(cur, *packing, &mut self.refusal)?;
                *left -= 1;
            }
            Job::QuickNodes(packing) => {
                let packing = *packing;
                *job = Job::QuickNodesLeft(length(cur)?, packing);
            }
            Job::QuickNodesLeft(left, packing) => {
                drop = match length(cur)? {
                    1 => pass(cur, Atom::String)?,
                    2 => packed(cur, *packing, &mut self.refusal)?,
                    _ => {
                        self.refusal.get_or_insert("a list's node is kept in an unknown way");
                        pass(cur, Atom::String)?
                    }
                };
                *left -= 1;
            }
            Job::Repeat { left, pattern, at } => drop = repeat(cur, left, pattern, at)?,
            Job::Module => {
                let next = match length(cur)? {
                    0 => None,
                    1 | 2 => Some(Atom::Length),
                    3 => Some(Atom::Bytes(4)),
                    4 => Some(Atom::Bytes(8)),
                    5 => Some(Atom::String),
                    other => {
                        return Err(
                            Problem::structure(format!("a module's value has the unknown opcode {other}")).into()
                        );
                    }
                };
                match next {
                    Some(atom) => self.jobs.push(Job::Atom(atom)),
                    None => self.jobs.truncate(self.jobs.len() - 1),
                }
            }
            Job::Array => {
                let left = length(cur)?;
                match cur.u8()? {
                    0 => {}
                    1 => _ = length(cur)?,
                    other => return Err(Problem::structure(format!("an array has the unknown mark {other}")).into()),
                }
                *job = Job::Elements(left);
            }
            Job::Elements(0) => {
                self.jobs.pop();
            }
            Job::Elements(left) => {
                length(cur)?;
                drop = match cur.u8()? {
                    0 => pass(cur, Atom::String)?,
                    1 | 2 => pass(cur, Atom::Bytes(8))?,
                    3 => u64::from(cur.u8()?),
                    other => {
                        let text = format!("an array's element has the unknown kind {other}");
                        return Err(Problem::structure(text).into());
                    }
                };
                *left -= 1;
            }
            Job::Names { and_values } => {
                let and_values = *and_values;
                let (names, count) = match cur.u8()? {
                    0 if and_values => (0, listpack_of_names(cur)?),
                    0 => {
                        drop = pass(cur, Atom::String)?;
                        (0, 0)
                    }
                    1 => {
                        let count = length(cur)?;
                        (count, count)
                    }
                    other => {
                        return Err(Problem::structure(format!("field names have the unknown form {other}")).into());
                    }
                };
                self.jobs.pop();
                let strings = |left| Job::Repeat { left, pattern: &[Atom::String], at: 0 };
                if and_values {
                    self.jobs.push(strings(count));
                }
                self.jobs.push(strings(names));
            }
            Job::Classes => *job = Job::ClassesLeft(length(cur)?),
            Job::ClassesLeft(left) => {
                *left -= 1;
                self.jobs.extend([Job::Module, Job::Atom(Atom::Bytes(4))]);
            }
        }
        Ok(Step::Drop(drop - cur.skip_up_to(drop)))
    }
}

/// Passes as many repetitions as are there, up to the first string that is not there in full.
fn repeat(cur: &mut Cursor<'_>, left: &mut u64, pattern: &'static [Atom], at: &mut usize) -> Read<u64> {
    let begin = cur.pos();
    while *left > 0 {
        let start = cur.pos();
        let drop = match pass(cur, pattern[*at]) {
            Ok(drop) => drop,
            // What was passed before stands; the next call says what is missing or wrong, at its own place.
            Err(_) if start > begin => {
                cur.rewind(start);
                break;
            }
            Err(stop) => return Err(stop),
        };
        *at += 1;
        if *at == pattern.len() {
            *at = 0;
            *left -= 1;
        }
        let missing = drop - cur.skip_up_to(drop);
        if missing > 0 {
            return Ok(missing);
        }
    }
    Ok(0)
}

/// Passes an atom's head; returns how many bytes after it are to be dropped.
#[inline]
fn pass(cur: &mut Cursor<'_>, atom: Atom) -> Read<u64> {
    Ok(match atom {
        Atom::String => match head(cur)? {
            Head::Raw(len) => len,
            Head::Int(_) => 0,
            Head::Lzf { packed, .. } => packed,
        },
        Atom::Length => {
            length(cur)?;
            0
        }
        Atom::Bytes(n) => {
            cur.take(usize::from(n))?;
            0
        }
        Atom::OldScore => match cur.u8()? {
            253..=255 => 0,
            len => u64::from(len),
        },
    })
}

/// Looks at a packed string; returns how many bytes are to be dropped, of one that is larger than any that servers
/// make.
fn packed(cur: &mut Cursor<'_>, packing: Packing, refusal: &mut Option<&'static str>) -> Read<u64> {
    let begin = cur.pos();
    if let Head::Raw(len) | Head::Lzf { len, .. } = head(cur)?
        && len > LARGEST_PACKED
    {
        cur.rewind(begin);
        return pass(cur, Atom::String);
    }
    cur.rewind(begin);
    let found = match string(cur, LARGEST_PACKED)?.to_cow() {
        Ok(bytes) => check(packing, &bytes),
        Err(_) => Err("a compressed string does not expand"),
    };
    if let Err(why) = found {
        refusal.get_or_insert(why);
    }
    Ok(0)
}

/// Reads a listpack of field names; returns how many they are.
fn listpack_of_names(cur: &mut Cursor<'_>) -> Read<u64> {
    let packed = string(cur, LARGEST_NAMES)?.to_cow()?;
    let broken = |fault: &str| Problem::structure(format!("a list of field names does not parse: {fault}"));
    let mut elements = Elements::new(&packed).map_err(broken)?;
    let mut count = 0;
    while elements.next().map_err(broken)?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// The problem with a type that is not known.
pub(crate) fn unknown_type(code: u8) -> Problem {
    Problem::unknown(ErrorKind::UnknownType(code), format!("type or opcode {code} is not known"))
}
