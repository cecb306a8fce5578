//! Values that are no streams: stepped over, in every encoding, without being looked at.
//!
//! A value is a short program of atoms (string, length, fixed bytes) with repetition. Packed encodings (ziplist, intset,
//! listpack, zipmap) are single strings to an RDB file, so nothing of their inside is needed to pass them; whether they are intact
//! the checksum says. Layouts: redis `rdb.c` (`rdbLoadObject`), valkey `rdb.c` for type 22 of Valkey files.

use super::cursor::{Cursor, Read};
use super::error::{ErrorKind, Problem};
use super::text::{Head, head, length};

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
}

/// Passes one value; bytes that need not be seen are left to the caller to drop.
#[derive(Debug, Default)]
pub(crate) struct Skipper {
    jobs: Vec<Job>,
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
            // String, zipmap, ziplists, intset, listpacks: one string each.
            0 | 9..=13 | 16 | 17 | 20 => vec![STRING],
            1 | 2 | 14 => vec![Job::Counted(&[String])],
            3 => vec![Job::Counted(&[String, OldScore])],
            4 => vec![Job::Counted(&[String, String])],
            5 => vec![Job::Counted(&[String, Bytes(8)])],
            7 => vec![Job::Module, Job::Atom(Length)],
            18 => vec![Job::Counted(&[Length, String])],
            22 if valkey => vec![Job::Counted(&[String, String, Bytes(8)])],
            22 if !valkey => vec![Job::Counted(&[Length, String, String])],
            23 if !valkey => vec![STRING],
            24 if !valkey => vec![Job::Counted(&[Length, String, String]), Job::Atom(Bytes(8))],
            25 if !valkey => vec![STRING, Job::Atom(Bytes(8))],
            _ => return None,
        };
        Some(Self { jobs })
    }

    /// Opcode 247: module id, then the value that the module saved beside the keys.
    pub(crate) fn module_aux() -> Self {
        Self { jobs: vec![Job::Module, Job::Atom(Atom::Length)] }
    }

    /// Opcode 243 of Redis files from version 13: metadata of a key, by class.
    pub(crate) fn key_meta() -> Self {
        Self { jobs: vec![Job::Classes] }
    }

    /// Opcode 243 of Valkey files from version 80: the state of a slot import.
    pub(crate) fn slot_import() -> Self {
        Self { jobs: vec![Job::Counted(&[Atom::Length, Atom::Length]), Job::Atom(Atom::String)] }
    }

    /// Opcode 244: slot, keys in it, keys with an expiry.
    pub(crate) fn slot_info() -> Self {
        Self { jobs: vec![Job::Repeat { left: 3, pattern: &[Atom::Length], at: 0 }] }
    }

    /// One string, such as a function library.
    pub(crate) fn string() -> Self {
        Self { jobs: vec![Job::Atom(Atom::String)] }
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
            Job::Repeat { left: 0, .. } | Job::ClassesLeft(0) => {
                self.jobs.pop();
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

/// The problem with a type that is not known.
pub(crate) fn unknown_type(code: u8) -> Problem {
    Problem::unknown(ErrorKind::UnknownType(code), format!("type or opcode {code} is not known"))
}
