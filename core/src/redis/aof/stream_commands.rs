//! What the stream commands do to the state of a replay (redis `t_stream.c`).
//!
//! Commands on whole keys, transactions and databases are `replay`'s affair.

use super::arguments::{
    Addition, Refusal, UNKNOWN_OPTION, addition, counted_ids, group, id, ids, integer, natural, open_id, policy,
    policy_and_ids, trim,
};
use super::replay::Replay;
use super::resp::Command;
use super::state::{GroupState, PendingState, Policy, StreamState, Trim};
use crate::redis::rdb::node::{Entry, Fields};
use crate::redis::stream::id::StreamId;

impl<P: Clone, F: FnMut(u32, &Entry<'_>) -> P> Replay<P, F> {
    pub(in crate::redis) fn add(&mut self, command: &Command<'_>) -> Result<(), Refusal> {
        let Addition { only_if_there, identified, trim, policy, id, fields } = addition(command.args)?;
        let key = command.args[1];
        if identified && id == b"*" {
            // A duplicate of what the producer has sent: it adds no entry.
            return Ok(());
        }
        let Some((ms, seq)) = open_id(id) else {
            let is_option = id.len() > 2 && id.iter().all(u8::is_ascii_alphabetic);
            return Err(if is_option { UNKNOWN_OPTION } else { "the ID is not explicit".into() });
        };
        if fields.is_empty() || fields.len() % 2 != 0 {
            return Err("a field has no value".into());
        }
        let place = (self.db, key.to_vec());
        let last = self.streams.get(&place).map_or(StreamId::MIN, |stream| stream.last_id);
        let next = || if ms == last.ms { last.seq.checked_add(1) } else { Some(0) };
        let id = StreamId::new(ms, seq.or_else(next).ok_or("the stream's sequence is exhausted")?);
        if self.streams.contains_key(&place) {
            if id <= last {
                return Err("the ID is not greater than the stream's last".into());
            }
        } else if only_if_there {
            return Err("there is no such stream".into());
        } else if id == StreamId::MIN {
            return Err("the ID is 0-0".into());
        }
        let offset = command.offset;
        let kept = (self.keep)(self.file, &Entry { id, fields: Fields::of_arguments(fields), offset });
        let stream = self.streams.entry(place).or_insert_with(|| StreamState::new(offset));
        stream.entries.insert(id, kept);
        stream.last_id = id;
        stream.entries_added = stream.entries_added.saturating_add(1);
        if let Some(how) = trim {
            stream.trim(how, policy);
        }
        Ok(())
    }

    pub(in crate::redis) fn set_id(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let [_, key, id, options @ ..] = args else { return Err("too few arguments".into()) };
        let id = self::id(id)?;
        let (mut added, mut deleted) = (None, None);
        for pair in options.chunks(2) {
            match pair {
                [name, n] if name.eq_ignore_ascii_case(b"ENTRIESADDED") => added = Some(natural(n).ok_or("no number")?),
                [name, id] if name.eq_ignore_ascii_case(b"MAXDELETEDID") => deleted = Some(self::id(id)?),
                _ => return Err(UNKNOWN_OPTION),
            }
        }
        let stream = self.stream(key)?;
        // Servers after 7.0 also refuse what is below the deleted ID that the stream has; the older ones write it.
        if deleted.is_some_and(|d| d > id) {
            return Err("the ID is smaller than a deleted entry's".into());
        }
        if let Some((last, _)) = stream.entries.last_key_value() {
            if *last > id {
                return Err("the ID is smaller than an entry's".into());
            }
            if added.is_some_and(|added| added < stream.entries.len() as u64) {
                return Err("fewer entries were added than are there".into());
            }
        }
        stream.last_id = id;
        stream.entries_added = added.unwrap_or(stream.entries_added);
        if let Some(deleted) = deleted.filter(|&id| id != StreamId::MIN) {
            stream.max_deleted_id = deleted;
        }
        Ok(())
    }

    pub(in crate::redis) fn group_command(&mut self, command: &Command<'_>) -> Result<(), Refusal> {
        let [_, verb, key, name, rest @ ..] = command.args else { return Err("too few arguments".into()) };
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
                _ => return Err(UNKNOWN_OPTION),
            }
        }
        let last = self.streams.get(&(self.db, key.to_vec())).map_or(StreamId::MIN, |stream| stream.last_id);
        let position = || match rest.first() {
            Some(&b"$") => Ok(last),
            Some(&b"-") if verb == b"SETID" => Ok(StreamId::MIN),
            Some(&b"+") if verb == b"SETID" => Ok(StreamId::MAX),
            Some(text) => id(text),
            None => Err("too few arguments".into()),
        };
        if make {
            position()?;
            let offset = command.offset;
            self.streams.entry((self.db, key.to_vec())).or_insert_with(|| StreamState::new(offset));
        }
        let caps = self.server.caps_entries_read;
        let stream = self.stream(key)?;
        if caps {
            entries_read = entries_read.min(i64::try_from(stream.entries_added).unwrap_or(i64::MAX));
        }
        match verb.as_slice() {
            b"CREATE" => {
                let new = GroupState { last_delivered: position()?, entries_read, ..GroupState::default() };
                if stream.groups.contains_key(*name) {
                    return Err("the group is there already".into());
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
            _ => return Err(Refusal::Untold("the subcommand is not known")),
        }
        Ok(())
    }

    pub(in crate::redis) fn claim(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let [_, key, name, consumer, min_idle, rest @ ..] = args else { return Err("too few arguments".into()) };
        // A server writes 0; what is pending when a file is loaded has been idle for longer than any damaged digit
        // says.
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
                b"IDLE" => return Err(Refusal::Untold("an idle time depends on the clock")),
                _ => return Err(UNKNOWN_OPTION),
            }
        }
        let claims_gone = self.server.claims_gone;
        let StreamState { entries, groups, .. } = self.stream(key)?;
        let group = groups.get_mut(*name).ok_or("there is no such group")?;
        if let Some(last) = last {
            group.last_delivered = group.last_delivered.max(last);
        }
        for id in ids {
            // Before 7.0 what is pending already is claimed whether its entry is there or not.
            let is_gone = !entries.contains_key(&id);
            if is_gone && !(claims_gone && group.pending.contains_key(&id)) {
                group.pending.remove(&id);
                continue;
            }
            let before = group.pending.get(&id).map(|pending| pending.delivery_count);
            if before.is_none() && !force {
                continue;
            }
            let counted = before.unwrap_or(1);
            let delivery_count = retries.unwrap_or(if just_id { counted } else { counted + 1 });
            let consumer = Some(group.consumer(consumer));
            let delivery_time = time.ok_or("no delivery time")?;
            group.pending.insert(id, PendingState { consumer, delivery_time, delivery_count });
        }
        Ok(())
    }

    /// `XTRIM key MAXLEN|MINID [=|~] n [LIMIT n] [KEEPREF|DELREF|ACKED]`, the policy before or after.
    pub(in crate::redis) fn trim_stream(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let mut rest = args.get(2..).unwrap_or_default();
        let (mut how, mut what_of_references): (Option<Trim>, _) = (None, Policy::Keep);
        while let Some(&word) = rest.first() {
            if let Some(policy) = policy(word) {
                what_of_references = policy;
                rest = &rest[1..];
            } else {
                how = Some(trim(&mut rest)?.ok_or(UNKNOWN_OPTION)?);
            }
        }
        self.stream(args.get(1).ok_or("too few arguments")?)?.trim(how.ok_or("no strategy")?, what_of_references);
        Ok(())
    }

    /// `XDELEX key [KEEPREF|DELREF|ACKED] IDS n id…` (Redis 8.2).
    pub(in crate::redis) fn delete_with_references(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let (policy, ids) = policy_and_ids(args.get(2..).unwrap_or_default())?;
        let stream = self.stream(args.get(1).ok_or("too few arguments")?)?;
        ids.into_iter().for_each(|id| stream.delete_by(id, policy));
        Ok(())
    }

    /// `XACKDEL key group [KEEPREF|DELREF|ACKED] IDS n id…` (Redis 8.2).
    pub(in crate::redis) fn acknowledge_and_delete(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let (policy, ids) = policy_and_ids(args.get(3..).unwrap_or_default())?;
        let stream = self.stream(args.get(1).ok_or("too few arguments")?)?;
        for id in ids {
            if group(stream, args[2])?.pending.remove(&id).is_some() {
                stream.delete_by(id, policy);
            }
        }
        Ok(())
    }

    /// `XNACK key group FAIL|SILENT|FATAL IDS n id… [RETRYCOUNT count] [FORCE]` (Redis 8.8): entries are given back to
    /// the group. They stay pending, without a consumer.
    pub(in crate::redis) fn give_back(&mut self, args: &[&[u8]]) -> Result<(), Refusal> {
        let [_, key, name, how, word, rest @ ..] = args else { return Err("too few arguments".into()) };
        if !word.eq_ignore_ascii_case(b"IDS") {
            return Err(UNKNOWN_OPTION);
        }
        let (ids, options) = counted_ids(rest)?;
        let (mut retries, mut force) = (None, false);
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match option.to_ascii_uppercase().as_slice() {
                b"RETRYCOUNT" => retries = Some(options.next().and_then(|n| natural(n)).ok_or("no number")?),
                b"FORCE" => force = true,
                _ => return Err(UNKNOWN_OPTION),
            }
        }
        let how = how.to_ascii_uppercase();
        let group = group(self.stream(key)?, name)?;
        for id in ids {
            let before = group.pending.get(&id).map(|pending| pending.delivery_count);
            if before.is_none() && !force {
                continue;
            }
            let before = before.unwrap_or(0);
            let counted = match how.as_slice() {
                b"FAIL" => before,
                b"SILENT" => before.saturating_sub(1),
                b"FATAL" => i64::MAX as u64,
                _ => return Err(UNKNOWN_OPTION),
            };
            let delivery_count = retries.unwrap_or(counted);
            group.pending.insert(id, PendingState { consumer: None, delivery_time: 0, delivery_count });
        }
        Ok(())
    }
}
