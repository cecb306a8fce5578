//! What commands on whole keys, slots and databases do to the state of a replay.
//!
//! What is in a stream changes by `stream_commands`; transactions are `replay`'s affair.

use super::arguments::{Refusal, UNKNOWN_OPTION, flushes, integer, natural};
use super::replay::Replay;
use super::resp::Command;
use super::state::StreamState;
use super::untold::slot;
use crate::redis::rdb::header::Limits;
use crate::redis::rdb::node::Entry;
use crate::redis::rdb::reader::RdbReader;
use crate::redis::visit::Any;

impl<P: Clone, F: FnMut(u32, &Entry<'_>) -> P> Replay<P, F> {
    pub(in crate::redis) fn is_there(&self, db: u64, key: &[u8]) -> bool {
        self.streams.contains_key(&(db, key.to_vec()))
    }

    pub(in crate::redis) fn is_lost(&self, key: &[u8]) -> bool {
        !self.is_there(self.db, key) && self.absent.contains(&(self.db, key.to_vec()))
    }

    pub(in crate::redis) fn put(&mut self, db: u64, key: &[u8], stream: Option<StreamState<P>>) -> Result<(), Refusal> {
        match stream {
            Some(stream) => self.streams.insert((db, key.to_vec()), stream),
            None if self.lossy && self.is_there(db, key) => {
                let why = "what was to replace the stream is of another type, or lost with the damage before: the \
                           stream stays";
                return Err(why.into());
            }
            // What was moved is of another type; it replaces whatever was there.
            None => self.streams.remove(&(db, key.to_vec())),
        };
        Ok(())
    }

    pub(in crate::redis) fn swap_databases(&mut self, a: &[u8], b: &[u8]) -> Result<(), Refusal> {
        let (a, b) = natural(a).zip(natural(b)).ok_or("the database is not a number")?;
        let swapped = |db| match db {
            _ if db == a => b,
            _ if db == b => a,
            _ => db,
        };
        let all = std::mem::take(&mut self.streams);
        self.streams = all.into_iter().map(|((db, key), stream)| ((swapped(db), key), stream)).collect();
        Ok(())
    }

    pub(in crate::redis) fn copy(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let [_, from, to, options @ ..] = args else { return Err("too few arguments".into()) };
        let (mut db, mut replace) = (self.db, false);
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match option.to_ascii_uppercase().as_slice() {
                b"REPLACE" => replace = true,
                b"DB" => db = options.next().and_then(|db| natural(db)).ok_or("the database is not a number")?,
                _ => return Err(UNKNOWN_OPTION),
            }
        }
        if !replace && self.is_there(db, to) {
            return Err("the target is there already".into());
        }
        let copied = self.streams.get(&(self.db, from.to_vec())).cloned();
        self.put(db, to, copied)
    }

    /// `TRIMSLOTS RANGES n from to…` (Redis 8.4): what has moved to another node of the cluster.
    pub(in crate::redis) fn trim_slots(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let [_, word, count, ranges @ ..] = args else { return Err("too few arguments".into()) };
        let ends: Option<Vec<u64>> = ranges.iter().map(|end| natural(end)).collect();
        let ends =
            ends.filter(|ends| word.eq_ignore_ascii_case(b"RANGES") && natural(count) == Some(ends.len() as u64 / 2));
        let ends = ends.filter(|ends| ends.len() % 2 == 0).ok_or(UNKNOWN_OPTION)?;
        let goes = |slot: u64| ends.chunks_exact(2).any(|range| (range[0]..=range[1]).contains(&slot));
        self.streams.retain(|(_, key), _| !goes(slot(key)));
        Ok(())
    }

    /// `CLUSTER FLUSHSLOT slot [SYNC|ASYNC]` (Valkey 9.0).
    pub(in crate::redis) fn flush_slot(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        match args {
            [_, word, number, how @ ..] if word.eq_ignore_ascii_case(b"FLUSHSLOT") && flushes(how) => {
                let gone = natural(number).ok_or("the slot is not a number")?;
                self.streams.retain(|(_, key), _| slot(key) != gone);
                Ok(())
            }
            _ => Err(UNKNOWN_OPTION),
        }
    }

    pub(in crate::redis) fn restore(&mut self, command: &Command<'_>) -> Result<(), Refusal> {
        let [_, key, ttl, payload, options @ ..] = command.args else { return Err("too few arguments".into()) };
        let is = |name: &str| options.iter().any(|word| word.eq_ignore_ascii_case(name.as_bytes()));
        let ttl = integer(ttl).filter(|&ttl| ttl >= 0).ok_or("no time")?;
        if !is("REPLACE") && self.is_there(self.db, key) {
            return Err("the target is there already".into());
        }
        let before = self.streams.remove(&(self.db, key.to_vec()));
        let outer = self.open.take();
        let db = self.db;
        let mut reader = RdbReader::dump(key, Limits::default()).in_db(db);
        let _ = reader.push::<Any<'_>>(payload, &mut (self as _));
        let result = reader.finish::<Any<'_>>(&mut (self as _));
        self.open = outer;
        if result.is_err() {
            self.streams.remove(&(db, key.to_vec()));
            self.streams.extend(before.map(|before| ((db, key.to_vec()), before)));
            return Err("the payload cannot be read".into());
        }
        if let Some(stream) = self.streams.get_mut(&(db, key.to_vec())) {
            stream.offset = command.offset;
            stream.expire_ms = (ttl > 0 && is("ABSTTL")).then_some(ttl);
        }
        Ok(())
    }
}
