//! Commands in sound framing whose effect cannot be told, and the keys of which nothing is certain after them.
//!
//! They are those of later servers, of modules, of scripts, and those under `rename-command`. They stay in their file;
//! what they did is not guessed.

use std::collections::{BTreeMap, BTreeSet};

use super::command::{Touch, is_known_name, touches};
use super::resp::Command;
use crate::redis::stream::keys::PapyraKey;

/// With more keys than this nothing is certain any more.
const MOST_KEYS: usize = 100_000;
/// Names that are listed.
const MOST_NAMES: usize = 20;
/// A longer argument is taken for no key.
const LONGEST_KEY: usize = 512;

/// What is not certain in a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Untold {
    /// By file: how many commands cannot be told, and where the first of them is.
    pub files: BTreeMap<u32, (u64, u64)>,
    /// The first names, and how often each occurs.
    pub names: BTreeMap<String, u64>,
    keys: BTreeSet<(u64, Vec<u8>)>,
    everything: bool,
}

impl Untold {
    /// Is what was read of a key all there is to it?
    pub fn is_certain(&self, db: u64, key: &[u8]) -> bool {
        !self.everything && (self.keys.is_empty() || !self.keys.contains(&(db, key.to_vec())))
    }

    /// Keys that were named by such a command, by database.
    pub fn keys(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.keys.iter().map(|(db, key)| (*db, key.as_slice()))
    }

    /// May such a command have been one on whole databases?
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// A command of the file with this number, in a database; `is_stream` tells of what is known.
    pub(in crate::redis) fn add(
        &mut self,
        file: u32,
        db: u64,
        command: &Command<'_>,
        is_stream: impl Fn(&[u8]) -> bool,
    ) {
        let (count, _) = self.files.entry(file).or_insert((0, command.offset));
        *count += 1;
        let name = String::from_utf8_lossy(&command.name()).into_owned();
        if self.names.len() < MOST_NAMES || self.names.contains_key(&name) {
            *self.names.entry(name).or_default() += 1;
        }
        let args = command.args.get(1..).unwrap_or_default();
        // As FLUSHALL, FLUSHDB and SWAPDB are written.
        let is_word = |arg: &[u8]| arg.eq_ignore_ascii_case(b"SYNC") || arg.eq_ignore_ascii_case(b"ASYNC");
        let is_number = |arg: &[u8]| !arg.is_empty() && arg.len() < 6 && arg.iter().all(u8::is_ascii_digit);
        if !is_known_name(command.args[0]) && args.iter().all(|arg| is_word(arg) || is_number(arg)) {
            self.everything = true;
            return;
        }
        match touches(command) {
            Touch::Keys(keys) => keys.iter().for_each(|key| self.uncertain(db, key)),
            Touch::Everything => self.everything = true,
            Touch::None | Touch::Others => {
                for (at, arg) in args.iter().enumerate().filter(|(_, arg)| arg.len() <= LONGEST_KEY) {
                    if at == 0 || is_stream(arg) || PapyraKey::parse(arg).is_some() {
                        self.uncertain(db, arg);
                    }
                }
            }
        }
    }

    fn uncertain(&mut self, db: u64, key: &[u8]) {
        self.keys.insert((db, key.to_vec()));
        self.everything |= self.keys.len() > MOST_KEYS;
    }

    /// Whatever a key was, it is what a command has made of it now.
    pub(in crate::redis) fn settle(&mut self, db: u64, key: &[u8]) {
        if !self.keys.is_empty() {
            self.keys.remove(&(db, key.to_vec()));
        }
    }

    /// A database is empty now, or all of them.
    pub(in crate::redis) fn settle_database(&mut self, db: Option<u64>) {
        self.keys.retain(|(own, _)| db.is_some_and(|db| db != *own));
        self.everything &= db.is_some();
    }

    pub(in crate::redis) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Of the keys of a cluster, in which slot each is (CRC-16/XMODEM of the name, or of what its first braces hold).
pub(in crate::redis) fn slot(key: &[u8]) -> u64 {
    let tag = key.iter().position(|&byte| byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        rest.iter().position(|&byte| byte == b'}').filter(|&length| length > 0).map(|length| &rest[..length])
    });
    let crc = tag.unwrap_or(key).iter().fold(0u16, |crc, &byte| {
        (0..8)
            .fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    });
    u64::from(crc % 16384)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_as_the_cluster_specification_has_them() {
        assert_eq!(slot(b"123456789"), 0x31c3);
        assert_eq!(slot(b"{user1000}.following"), slot(b"user1000"));
        assert_eq!(slot(b"foo{}{bar}"), slot(b"foo{}{bar}"));
        assert_ne!(slot(b"foo{}{bar}"), slot(b"bar"));
    }
}
