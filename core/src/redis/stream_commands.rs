//! What the stream commands do to the state of a replay (redis `t_stream.c`).
//!
//! Commands on whole keys, transactions and databases are `replay`'s affair.

use super::arguments::{
    Refusal, drop_by_policy, group, id, ids, integer, is_reference_policy, natural, open_id, policy_and_ids, trim,
};
use super::id::StreamId;
use super::node::{Entry, Fields};
use super::replay::Replay;
use super::resp::Command;
use super::state::{GroupState, PendingState, StreamState};

impl<P: Clone, F: FnMut(u32, &Entry<'_>) -> P> Replay<P, F> {
    pub(super) fn add(&mut self, command: &Command<'_>) -> Result<(), Refusal> {
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
        let (ms, seq) = open_id(id).ok_or("the ID is not explicit")?;
        if fields.is_empty() || fields.len() % 2 != 0 {
            return Err("a field has no value");
        }
        let place = (self.db, key.to_vec());
        let last = self.streams.get(&place).map_or(StreamId::MIN, |stream| stream.last_id);
        let next = || if ms == last.ms { last.seq.checked_add(1) } else { Some(0) };
        let id = StreamId::new(ms, seq.or_else(next).ok_or("the stream's sequence is exhausted")?);
        if self.streams.contains_key(&place) {
            if id <= last {
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

    pub(super) fn set_id(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let [_, key, id, options @ ..] = args else { return Err("too few arguments") };
        let id = self::id(id)?;
        let (mut added, mut deleted) = (None, None);
        for pair in options.chunks(2) {
            match pair {
                [name, n] if name.eq_ignore_ascii_case(b"ENTRIESADDED") => added = Some(natural(n).ok_or("no number")?),
                [name, id] if name.eq_ignore_ascii_case(b"MAXDELETEDID") => deleted = Some(self::id(id)?),
                _ => return Err("an option is not known"),
            }
        }
        let stream = self.stream(key)?;
        // Servers after 7.0 also refuse what is below the deleted ID that the stream has; the older ones write it.
        if deleted.is_some_and(|d| d > id) {
            return Err("the ID is smaller than a deleted entry's");
        }
        if let Some((last, _)) = stream.entries.last_key_value() {
            if *last > id {
                return Err("the ID is smaller than an entry's");
            }
            if added.is_some_and(|added| added < stream.entries.len() as u64) {
                return Err("fewer entries were added than are there");
            }
        }
        stream.last_id = id;
        stream.entries_added = added.unwrap_or(stream.entries_added);
        if let Some(deleted) = deleted.filter(|&id| id != StreamId::MIN) {
            stream.max_deleted_id = deleted;
        }
        Ok(())
    }

    pub(super) fn group_command(&mut self, command: &Command<'_>) -> Result<(), Refusal> {
        let [_, verb, key, name, rest @ ..] = command.args else { return Err("too few arguments") };
        let verb = verb.to_ascii_uppercase();
        let (mut make, mut entries_read) = (false, -1);
        let mut options = rest.iter().skip(1);
        while let Some(option) = options.next() {
            match (verb.as_slice(), option.to_ascii_uppercase().as_slice()) {
                (b"CREATE", b"MKSTREAM") => make = true,
                (b"CREATE" | b"SETID", b"ENTRIESREAD") => {
                    let value = options.next().ok_or("an option has no value")?;
                    entries_read = integer(value).filter(|&n| n >= -1).ok_or("no number")?;
                }
                _ => return Err("an option is not known"),
            }
        }
        let last = self.streams.get(&(self.db, key.to_vec())).map_or(StreamId::MIN, |stream| stream.last_id);
        let position = || match rest.first() {
            Some(&b"$") => Ok(last),
            Some(&b"-") if verb == b"SETID" => Ok(StreamId::MIN),
            Some(&b"+") if verb == b"SETID" => Ok(StreamId::MAX),
            Some(text) => id(text),
            None => Err("too few arguments"),
        };
        if make {
            position()?;
            let offset = command.offset;
            self.streams.entry((self.db, key.to_vec())).or_insert_with(|| StreamState::new(offset));
        }
        let stream = self.stream(key)?;
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

    pub(super) fn claim(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let [_, key, name, consumer, min_idle, rest @ ..] = args else { return Err("too few arguments") };
        // A server writes 0; what is pending when a file is loaded has been idle for longer than any damaged digit says.
        integer(min_idle).ok_or("no idle time")?;
        let count = rest.iter().position(|word| id(word).is_err()).unwrap_or(rest.len());
        let ids = ids(&rest[..count])?;
        let (mut time, mut retries, mut force, mut just_id, mut last) = (None, None, false, false, None);
        let mut options = rest[count..].iter();
        while let Some(option) = options.next() {
            let mut value = || options.next().copied().ok_or("an option has no value");
            match option.to_ascii_uppercase().as_slice() {
                b"FORCE" => force = true,
                b"JUSTID" => just_id = true,
                b"TIME" => time = Some(integer(value()?).ok_or("no time")?.max(0)),
                b"RETRYCOUNT" => retries = u64::try_from(integer(value()?).ok_or("no number")?).ok(),
                b"LASTID" => last = Some(id(value()?)?),
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

    /// `XDELEX key [KEEPREF|DELREF|ACKED] IDS n id…` (Redis 8.2).
    pub(super) fn delete_with_references(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let (policy, ids) = policy_and_ids(args.get(2..).unwrap_or_default())?;
        let stream = self.stream(args.get(1).ok_or("too few arguments")?)?;
        for id in ids {
            drop_by_policy(stream, id, policy);
        }
        Ok(())
    }

    /// `XACKDEL key group [KEEPREF|DELREF|ACKED] IDS n id…` (Redis 8.2).
    pub(super) fn acknowledge_and_delete(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
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
